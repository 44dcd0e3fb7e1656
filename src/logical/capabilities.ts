/** Differences of pgoutput between versions: its messages, and the options of its stream. */
import { CapabilityTable } from "../kernel/version.ts";

/** The rows, for the table of commands too: START_REPLICATION has the options. */
export const logicalRows = {
  /** pgoutput.c */
  pgoutput: { since: [100000] },
  /** pgoutput.c: pgoutput_truncate */
  publishTruncate: { since: [110000] },
  /** pgoutput.c: parse_output_parameters */
  logicalMessages: { since: [140000] },
  /** pgoutput.c: parse_output_parameters */
  pgoutputBinary: { since: [140000] },
  /** logicalproto.h: LOGICALREP_PROTO_STREAM_VERSION_NUM */
  streamingOfTransactions: { since: [140000] },
  /** logicalproto.h: LOGICALREP_PROTO_TWOPHASE_VERSION_NUM */
  twoPhaseOption: { since: [150000] },
  /** pgoutput.c: parse_output_parameters, commit cfc7191dfe */
  protoVersionThroughStrtoul: { since: [150000] },
  /** logicalproto.h: LOGICALREP_PROTO_STREAM_PARALLEL_VERSION_NUM */
  parallelStreaming: { since: [160000] },
  /** pgoutput.c: parse_output_parameters */
  originOption: { since: [160000] },
  /** pgoutput.c: pgoutput_startup, commit 6971a839cc */
  protocolErrorNamesServer: { since: [160000] },
  /** pgoutput.c: parse_output_parameters, commits c8bc807cf8 and edee0c621d */
  pgoutputOptionsRequired: { since: [170000] },
  /** pgoutput.c: LoadPublications */
  missingPublicationsSkipped: { since: [180000] },
  /** pgoutput.c: parse_output_parameters, commits 290bb8afe6 and, in 15, c6cb792e8 */
  pgoutputValuesChecked: { since: [140025, 150020, 160016, 170012, 180007, 190001] },
} as const;

export const logicalCapabilities = /* @__PURE__ */ new CapabilityTable(logicalRows);
export type LogicalCapability = keyof typeof logicalRows;
