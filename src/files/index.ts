/** walwire/files: the files of replication. */
export {};
