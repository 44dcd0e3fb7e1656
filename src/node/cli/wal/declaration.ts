import { type CallOf, defineSubcommand, linesOption, serverOption } from "../shared/declare.ts";

export type WalCall = CallOf<typeof wal>;

const MAX_XID = 0xffffffff;

/** Options that choose or count records. A target excludes them: it needs all records. */
const filters = [
  "stats",
  "rmgr",
  "xid",
  "relation",
  "block",
  "fork",
  "fullpage",
  "limit",
  "follow",
  "quiet",
  "save-fullpage",
] as const;

export const wal = defineSubcommand({
  name: "wal",
  summary: "Show the records of WAL, count their bytes, or find where recovery stops",
  description: `\
Prints the records of WAL, one per line. A FILE is a segment, a directory of segments such as pg_wal or an
archive, a tar archive such as base.tar or pg_wal.tar.gz, or a recorded physical stream: the payloads of
CopyData, each after its length in four bytes.
Segments can be named in any order, and compressed with gzip, zstd or LZ4. Each is compared with the
position in its name: what was recycled or never written is passed over. Along the history of a timeline
each position is read once. A gap between segments is exit status 1. With a target, the answer is where
recovery to it would stop: it gets past neither a gap nor damage.`,
  argument: {
    name: "FILE",
    count: "many",
    help: "segments, a directory, a tar archive, or a stream; - reads standard input",
    optionalWith: ["path", "rmgr"],
  },
  options: {
    path: {
      type: "string",
      value: "DIRECTORY",
      short: "p",
      help: "read this directory; FILE then is the first segment there, and a second FILE the last",
    },
    timeline: {
      type: "string",
      value: "N",
      short: "t",
      help: "the timeline to follow: a number, latest, or current; the default is that of recovery_target_timeline: latest since 12, current before",
    },
    start: { type: "lsn", value: "LSN", short: "s", help: "only records that begin at this position or later" },
    end: { type: "lsn", value: "LSN", short: "e", help: "only records that end at this position or earlier" },
    rmgr: {
      type: "string",
      value: "NAME",
      short: "r",
      many: true,
      help: "only records of this resource manager, such as Heap, Transaction or XLOG; list prints all",
    },
    xid: { type: "integer", value: "N", short: "x", min: 0, max: MAX_XID, help: "only records of this transaction" },
    relation: {
      type: "string",
      value: "T/D/R",
      short: "R",
      help: "only records that change this relation: OIDs of its tablespace and database, and its filenode",
    },
    block: {
      type: "integer",
      value: "N",
      short: "B",
      min: 0,
      max: 0xffffffff,
      help: "only records that change this block of the relation",
      requires: ["relation"],
    },
    fork: {
      type: "choice",
      choices: ["main", "fsm", "vm", "init"],
      short: "F",
      help: "only records that change this fork",
    },
    fullpage: { type: "boolean", short: "w", help: "only records with a full page image" },
    limit: { type: "integer", value: "N", short: "n", min: 1, max: 0x7fffffff, help: "stop after N records" },
    follow: { type: "boolean", short: "f", help: "at the end of WAL, wait for more until Ctrl-C" },
    stats: {
      type: "boolean",
      short: "z",
      help: "print byte counts by operation, relation and transaction instead of lines",
    },
    quiet: { type: "boolean", short: "q", help: "print only errors", conflicts: ["stats"] },
    "save-fullpage": {
      type: "string",
      value: "DIRECTORY",
      help: "write each full page image to a file in this directory, which must be empty or missing",
    },
    "target-time": {
      type: "string",
      value: "TIME",
      help: "as recovery_target_time: 2026-11-27 04:13:12.5+00, in UTC without a time zone",
      conflicts: ["target-xid", "target-name", "target-lsn", "target-immediate", ...filters],
    },
    "target-xid": {
      type: "integer",
      value: "N",
      min: 0,
      max: MAX_XID,
      help: "as recovery_target_xid",
      conflicts: ["target-name", "target-lsn", "target-immediate", ...filters],
    },
    "target-name": {
      type: "string",
      value: "NAME",
      help: "as recovery_target_name: a restore point",
      conflicts: ["target-lsn", "target-immediate", ...filters],
    },
    "target-lsn": {
      type: "lsn",
      value: "LSN",
      help: "as recovery_target_lsn",
      conflicts: ["target-immediate", ...filters],
    },
    "target-immediate": {
      type: "boolean",
      help: "as recovery_target = immediate: where a base backup ends; with --start, the backup that began there",
      conflicts: [...filters],
    },
    exclusive: {
      type: "boolean",
      help: "as recovery_target_inclusive = off",
      requires: ["target-time", "target-xid", "target-lsn"],
    },
    server: {
      ...serverOption,
      help: "the version that wrote the WAL; needed for a stream that begins in the middle of a page and ends before the next",
    },
    jsonl: linesOption,
  },
});
