/** walwire/basebackup: a base backup as it crosses the wire. */
export {};
