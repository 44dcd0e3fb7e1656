/** The protocol versions of pgoutput, by what came with each. @source logicalproto.h: LOGICALREP_PROTO_*_VERSION_NUM */

/** The first version in which transactions in progress can be sent, by the value of the option `streaming`. */
export const STREAMING_SINCE = { off: 1, on: 2, parallel: 4 } as const;

/** The first version in which two_phase can be asked for. */
export const TWO_PHASE_SINCE = 3;

/** A version of the protocol: the option `proto_version`. */
export type PgoutputProtocol = 1 | 2 | 3 | 4;
