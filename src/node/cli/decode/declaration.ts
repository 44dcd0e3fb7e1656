import { type CallOf, defineSubcommand, linesOption, serverOption } from "../shared/declare.ts";

export type DecodeFileCall = CallOf<typeof decode>;

export const decode = defineSubcommand({
  name: "decode",
  summary: "Show the contents of a recorded stream, or of one of PostgreSQL's own files",
  description: `\
Prints the messages of a recorded stream, one per line. A stream holds the payloads of CopyData, each
after its length in four bytes, or the rows of pg_logical_slot_get_binary_changes as psql prints them.
Without --physical and --proto the kind of stream is detected.

FILE can also be one of PostgreSQL's own files, detected by its contents: a timeline history,
backup_label, a backup history file, tablespace_map, a backup manifest, an incremental file, the recorded
stream of a base backup, a WAL segment, a WAL summary, pg_control, the state of a replication slot,
replorigin_checkpoint, or a snapshot of logical decoding. FILE can be compressed with gzip, zstd or LZ4.`,
  argument: { name: "FILE", count: "one", help: "the file; - reads standard input" },
  options: {
    physical: { type: "boolean", help: "XLogData carries WAL", conflicts: ["proto", "streaming"] },
    proto: { type: "choice", choices: ["1", "2", "3", "4"], help: "XLogData carries pgoutput of this proto_version" },
    streaming: {
      type: "choice",
      choices: ["off", "on", "parallel"],
      help: "the option streaming of that pgoutput (default off)",
    },
    from: {
      type: "choice",
      choices: ["server", "client"],
      default: "server",
      help: "who sent the payloads; a client sends status updates and feedback",
    },
    server: serverOption,
    verify: {
      type: "boolean",
      help: 'encode each message again and compare the bytes; the last line is {"messages":N,"mismatches":N,"errors":N}',
    },
    changes: {
      type: "boolean",
      help: "print only changes of tables, and messages of pg_logical_emit_message",
      conflicts: ["stats"],
    },
    bytes: {
      type: "boolean",
      help: "print each message, or the file, as a tree of fields beside their bytes",
      conflicts: ["verify", "changes", "stats"],
    },
    stats: { type: "boolean", help: "print byte counts by message type, table and transaction instead of lines" },
    jsonl: linesOption,
  },
});
