import { type CallOf, defineSubcommand, linesOption, serverOption } from "../shared/declare.ts";

export type WalCall = CallOf<typeof wal>;

const MAX_XID = 0xffffffff;

export const wal = defineSubcommand({
  name: "wal",
  summary: "Show the records of WAL, count their bytes, or find where recovery stops",
  description: `\
Prints the records of WAL, one per line. A FILE is a segment, or a recorded physical stream: the
payloads of CopyData, each after its length in four bytes. Segments can be named in any order. Either can
be compressed with gzip, zstd or LZ4. With a target, the answer is where recovery to it would stop.`,
  argument: { name: "FILE", count: "many", help: "segments, or a stream; - reads standard input" },
  options: {
    start: { type: "lsn", value: "LSN", help: "only records that begin at this position or later" },
    end: { type: "lsn", value: "LSN", help: "only records that begin before this position" },
    rmgr: {
      type: "string",
      value: "NAME",
      help: "only records of this resource manager, such as Heap, Transaction or XLOG",
    },
    xid: { type: "integer", value: "N", min: 0, max: MAX_XID, help: "only records of this transaction" },
    stats: { type: "boolean", help: "print byte counts by operation, relation and transaction instead of lines" },
    "target-time": {
      type: "string",
      value: "TIME",
      help: "as recovery_target_time: 2026-11-27 04:13:12.5+00, in UTC without a time zone",
      conflicts: ["target-xid", "target-name", "target-lsn", "stats", "rmgr", "xid"],
    },
    "target-xid": {
      type: "integer",
      value: "N",
      min: 0,
      max: MAX_XID,
      help: "as recovery_target_xid",
      conflicts: ["target-name", "target-lsn", "stats", "rmgr", "xid"],
    },
    "target-name": {
      type: "string",
      value: "NAME",
      help: "as recovery_target_name: a restore point",
      conflicts: ["target-lsn", "stats", "rmgr", "xid"],
    },
    "target-lsn": {
      type: "lsn",
      value: "LSN",
      help: "as recovery_target_lsn",
      conflicts: ["stats", "rmgr", "xid"],
    },
    exclusive: {
      type: "boolean",
      help: "as recovery_target_inclusive = off",
      requires: ["target-time", "target-xid", "target-lsn"],
    },
    server: {
      ...serverOption,
      help: "the version that wrote a stream that begins in the middle of a page and ends before the next",
    },
    jsonl: linesOption,
  },
});
