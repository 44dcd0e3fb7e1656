import { type CallOf, dbnameOption, defineSubcommand, statusIntervalOption } from "../shared/declare.ts";

export type ReceiveWalCall = CallOf<typeof receiveWal>;

export const receiveWal = defineSubcommand({
  name: "receive-wal",
  summary: "Receive WAL of a server into a directory",
  description: `\
Writes the WAL of a server into a directory as it is made, as pg_receivewal does, with the same options,
until Ctrl-C. The directory must exist; receiving goes on where its last segment ends. Without --dbname,
libpq's environment variables such as PGHOST say which server it is.
For example: walwire receive-wal /archive --dbname postgres://me@host --slot archive`,
  argument: {
    name: "DIRECTORY",
    count: "one",
    help: "where segments are written to",
    optionalWith: ["create-slot", "drop-slot"],
  },
  options: {
    dbname: dbnameOption,
    slot: { type: "string", short: "S", value: "NAME", help: "the physical replication slot to use" },
    "create-slot": {
      type: "boolean",
      help: "create that slot, which keeps WAL from now on, and end",
      requires: ["slot"],
      conflicts: ["drop-slot"],
    },
    "if-not-exists": { type: "boolean", help: "succeed if the slot exists", requires: ["create-slot"] },
    "drop-slot": { type: "boolean", help: "drop that slot, and end", requires: ["slot"] },
    endpos: { type: "lsn", short: "E", value: "LSN", help: "end once WAL up to this position is received" },
    "no-loop": { type: "boolean", short: "n", help: "end when the connection is lost, instead of trying again" },
    synchronous: {
      type: "boolean",
      help: "flush WAL as soon as it arrives, and report it at once",
      conflicts: ["no-sync"],
    },
    "no-sync": { type: "boolean", help: "do not wait until files are on the disk: a crash may lose WAL" },
    "status-interval": {
      ...statusIntervalOption,
      default: "10",
      help: "the time between status updates; 0 sends only those that the server asks for",
    },
    compress: {
      type: "string",
      short: "Z",
      value: "METHOD[:DETAIL]",
      help: "compress segments, such as gzip or gzip:9; none does not",
    },
    verbose: { type: "boolean", short: "v", help: "report each segment and timeline on standard error" },
    progress: {
      type: "boolean",
      short: "P",
      help: "report position, rate and lag on standard error, even if it is not a terminal",
      conflicts: ["quiet"],
    },
    quiet: { type: "boolean", short: "q", help: "write errors only", conflicts: ["verbose"] },
  },
});
