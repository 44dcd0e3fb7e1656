/** The protocol versions of pgoutput, and the options that came with each. @source logicalproto.h: LOGICALREP_PROTO_*_VERSION_NUM */

/** The versions of the protocol: the option proto_version. */
export const PROTOCOLS = [1, 2, 3, 4] as const;

/** A version of the protocol. */
export type PgoutputProtocol = (typeof PROTOCOLS)[number];

/** The options of pgoutput, by their names in START_REPLICATION. @source pgoutput.c: parse_output_parameters */
export type PgoutputOption =
  | "proto_version"
  | "publication_names"
  | "binary"
  | "messages"
  | "streaming"
  | "two_phase"
  | "origin";

/** The first version in which transactions in progress can be sent, by the value of the option `streaming`. */
export const STREAMING_SINCE = { off: 1, on: 2, parallel: 4 } as const;

/** How transactions in progress are sent: the option streaming. */
export type PgoutputStreaming = keyof typeof STREAMING_SINCE;

/** The first version with the option two_phase. */
export const TWO_PHASE_SINCE = 3;
