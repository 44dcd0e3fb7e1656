import { type CallOf, defineSubcommand } from "../shared/declare.ts";

export type TailCall = CallOf<typeof tail>;

/** Options of programs need a format. */
const lines = ["jsonl", "format"] as const;

export const tail = defineSubcommand({
  name: "tail",
  summary: "Watch a logical replication stream",
  description: `\
Prints the messages of a logical replication stream until Ctrl-C. It creates only a temporary slot on
the server, which is gone when the connection ends. With --jsonl or --format it writes committed changes
for programs, one JSON object a line, and with --slot and --output each of them exactly once.
For example: walwire tail postgres://me@host/shop --jsonl | jq 'select(.table == "orders") | .row'`,
  argument: { name: "URL", count: "one", help: "the server and database, such as postgres://user@host/database" },
  options: {
    publication: {
      type: "string",
      value: "NAME",
      many: true,
      help: "the publication to subscribe to, if there is more than one",
    },
    all: {
      type: "boolean",
      help: "print every message, even in long runs of the same kind",
      conflicts: ["jsonl", "format"],
    },
    jsonl: { type: "boolean", help: "write one JSON object per line: each committed change", conflicts: ["format"] },
    format: {
      type: "choice",
      choices: ["jsonl", "wal2json", "debezium"],
      help: "write lines as --jsonl, as wal2json with format-version 2, or as Debezium's envelopes without schemas",
    },
    slot: {
      type: "string",
      short: "S",
      value: "NAME",
      help: "follow this slot, which keeps changes between runs; without one, a temporary slot",
      requires: lines,
    },
    "create-slot": { type: "boolean", help: "create that slot if it is missing", requires: ["slot"] },
    temporary: {
      type: "boolean",
      help: "create that slot as a temporary one",
      requires: ["slot"],
      conflicts: ["create-slot"],
    },
    output: {
      type: "string",
      short: "o",
      value: "FILE",
      help: "append to this file, flush it, and then acknowledge the changes",
      requires: lines,
    },
    copy: { type: "boolean", help: "write the rows of the tables first", requires: lines },
    start: {
      type: "lsn",
      value: "LSN",
      help: "begin after what ended before this position, instead of where the slot is",
      requires: ["slot"],
    },
    until: {
      type: "string",
      value: "LSN|now",
      help: "end once everything that committed before this position is written",
      requires: lines,
    },
    messages: { type: "boolean", help: "write the messages of pg_logical_emit_message too", requires: lines },
    tables: {
      type: "boolean",
      help: "write a line with the columns of each table before its first change, for serve --publish",
      requires: lines,
    },
    binary: { type: "boolean", help: "ask the server for values in binary format", requires: lines },
    streaming: {
      type: "choice",
      choices: ["off", "on", "parallel"],
      help: "how the server sends large transactions in progress; without it, the newest way that it has",
      requires: lines,
    },
    "two-phase": {
      type: "boolean",
      help: "write prepared transactions when they are prepared; the slot must have been created so",
      requires: lines,
    },
    "skip-missing": {
      type: "boolean",
      help: "go on without the changes of a publication where it did not exist (PostgreSQL 18 and later)",
      requires: lines,
    },
  },
});
