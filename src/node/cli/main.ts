/**
 * Which subcommand is called, and how it ends. Exit status 0 good, 1 the input or the server is bad, 2 the call is wrong, 3 the
 * input could not be looked at. Each
 * subcommand is a file of its own, loaded when it is called.
 */
import { UnseenError, UsageError } from "./shared/usage.ts";

interface Subcommand {
  /** How it is called, what it does, its options. */
  readonly usage: string;
  /** Gives the exit status. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  command: {
    usage: `\
  walwire command check [TEXT] [--server V] [--physical] [--plugin NAME]
  walwire command print [TEXT] [--server V] [--for V]
  walwire command explain [TEXT] [--server V] [--physical] [--plugin NAME]
      What a server says to a replication command before it does anything; the command in its normal form; what each part
      of it means. Without TEXT, or for -, the command is read from standard input.
      --server V      the server's version: 18 (the default), 15.18, 9.6
      --for V         write it as this version takes it
      --physical      the connection is one with replication=true, to no database
      --plugin NAME   the output plugin of the slot that START_REPLICATION names, if it is not pgoutput
      --json          one JSON object instead of text
      --jsonl         one JSON string a line on standard input, one JSON object a line on standard output
`,
    run: async (args) => (await import("./command/index.ts")).run(args),
  },
  sync: {
    usage: `\
  walwire sync check [VALUE] [--server V] [--also V]… [--strict] [--format github]
  walwire sync fix [VALUE] [--server V] [--also V]… [--unsafe] [--write]
  walwire sync explain [VALUE] [--server V] [--standbys FILE]
      What a server says to a value of synchronous_standby_names, and what in it is hardly meant; the value mended; what it
      does, whom commits wait for, and what may fail. Without VALUE, or for -, the value is read from standard input.
      --conf FILE      the value is the one that counts in this postgresql.conf, or in the one of this directory, and in what
                       it includes and postgresql.auto.conf beside it
      --from URL       of a running primary take the version, the standbys and, without VALUE and --conf, the value;
                       nothing is changed there
      --standbys FILE  the standbys: rows of pg_stat_replication as JSON; - for standard input
      --server V       the server's version: 18 (the default), 15.18, 9.6
      --also V         another version that the value is for; can be given again
      --strict         warnings count like errors
      --unsafe         make also fixes after which the value may not say what was meant
      --write          change the file of --conf
      --format github  annotations for a pull request
      --json           one JSON object instead of text
      --jsonl          one JSON string a line on standard input, one JSON object a line on standard output
`,
    run: async (args) => (await import("./sync/index.ts")).run(args),
  },
  decode: {
    usage: `\
  walwire decode FILE [--physical | --proto N [--streaming off|on|parallel]] [--verify] [--stats] [--server V]
      The messages of a recorded stream, a line each. FILE holds what CopyData carried, each payload after its length in four
      bytes, or lines as psql prints what pg_logical_slot_get_binary_changes gives; - is standard input. Either may be compressed by
      gzip, zstd or lz4. Without --physical and --proto, whatever comes is read: WAL, or pgoutput in any protocol version.
      Or FILE is one of PostgreSQL's own, recognised by what it holds: a timeline history, backup_label, a backup history file,
      tablespace_map, a backup manifest, an incremental file, the recorded stream of a base backup, a segment of WAL, the state of
      a replication slot, replorigin_checkpoint, a snapshot of logical decoding.
      --physical           what XLogData carries is WAL
      --proto N            what XLogData carries is pgoutput, asked for with this proto_version, 1 to 4
      --streaming MODE     and with this streaming: off (the default), on, parallel
      --from client        the payloads are what a client sends: status updates, feedback
      --server V           the server's version: 18, 15.18, 9.6
      --verify             encode each message and compare the bytes; the last line is
                           {"messages":N,"mismatches":N,"errors":N}
      --changes            lines only for what changes tables, and for messages of pg_logical_emit_message
      --stats              instead of lines, a picture of which messages, tables and transactions take the bytes
      --jsonl              one JSON object a line
`,
    run: async (args) => (await import("./decode/index.ts")).run(args),
  },
  "verify-backup": {
    usage: `\
  walwire verify-backup DIRECTORY [-s] [-e] [-n] [-i PATH]… [-m FILE] [-w DIR] [-F plain|tar] [--server V] [--plain | --jsonl]
      Is a base backup what its manifest says? As pg_verifybackup looks at it, in its words, by several threads.
      -s, --skip-checksums      look at names and sizes only
      -e, --exit-on-error       end at the first problem
      -i, --ignore PATH         pass over this path, and all that is below it; can be given again
      -m, --manifest-path FILE  the manifest, if it is not backup_manifest in the directory
      -F, --format FORMAT       plain, or tar: base.tar and the archives beside it, packed by gzip or not
      -n, --no-parse-wal        leave the WAL that the backup needs unread
      -w, --wal-directory DIR   where that WAL is, if it is not in pg_wal of the directory
      -P, --progress            how far it is, on standard error, also if that is no terminal
      -q, --quiet               nothing but problems
      -j, --jobs N              so many threads; if it is not said, as many as there are processors
      --server V                the version whose pg_verifybackup judges: 18 (the default), 15.18
      --plain                   what pg_verifybackup writes, line by line
      --jsonl                   one JSON object a line: each problem, and at the end what was found
`,
    run: async (args) => (await import("./verify-backup/index.ts")).run(args),
  },
  wal: {
    usage: `\
  walwire wal FILE… [--start LSN] [--end LSN] [--rmgr NAME] [--xid N] [--stats]
  walwire wal FILE… (--target-time TIME | --target-xid N | --target-name NAME | --target-lsn LSN) [--exclusive]
      The records of WAL, a line each; what fills it; or where recovery to a target would stop. FILEs are segments, in whatever
      order, or what CopyData of a physical stream carried, each payload after its length in four bytes; either may be packed
      by gzip; - is standard input.
      --start LSN          records that begin here or later
      --end LSN            and before here
      --rmgr NAME          records of this resource manager: Heap, Transaction, XLOG
      --xid N              records of this transaction
      --stats              instead of lines, a picture of what takes the bytes: operations, relations, transactions
      --target-time TIME   as recovery_target_time: 2026-11-27 04:13:12.5+00; without a zone it is UTC
      --target-xid N       as recovery_target_xid
      --target-name NAME   as recovery_target_name: a restore point
      --target-lsn LSN     as recovery_target_lsn
      --exclusive          recovery_target_inclusive is off
      --server V           the version that wrote it, where a stream begins in the middle of a page and ends before the next
      --jsonl              one JSON object a line
`,
    run: async (args) => (await import("./wal/index.ts")).run(args),
  },
  tail: {
    usage: `\
  walwire tail [URL] [--publication NAME]… [--all]
      Watch a logical replication stream. URL is postgres://user@host/database; without one, in a clone of the repository,
      a PostgreSQL of its own is started and shown at work. Of a server of yours nothing is changed: the slot is temporary.
      --publication NAME   what to subscribe to, if there is more than one; can be given again
      --all                print every message, also of long runs of the same kind
`,
    run: async (args) => (await import("./tail/index.ts")).run(args),
  },
};

const usage = `walwire: PostgreSQL's replication languages and wire messages

${Object.values(subcommands)
  .map((subcommand) => `${subcommand.usage}\n`)
  .join("")}\
  walwire --version
  walwire --help, walwire COMMAND --help
`;

/**
 * What the program does with its arguments.
 *
 * @returns the exit status. What is wrong with the call, the input or the server is said on standard error.
 * @throws what is a fault of walwire.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    const { explain } = await import("./shared/explain-error.ts");
    const sentence = explain(error);
    if (sentence === undefined) throw error;
    process.stderr.write(`walwire: ${sentence}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${subcommands[args[0] ?? ""]?.usage ?? usage}`);
    return error instanceof UsageError ? 2 : error instanceof UnseenError ? 3 : 1;
  }
}

async function dispatch([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version") return print(`${await version()}\n`);
  if (name === "--help" || name === "-h" || name === "help") return print(usage);
  if (name === undefined) throw new UsageError("which command?");
  if (!Object.hasOwn(subcommands, name)) throw new UsageError(`there is no command ${JSON.stringify(name)}`);
  const subcommand = subcommands[name]!;
  const options = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (options.includes("--help") || options.includes("-h")) return print(subcommand.usage);
  return subcommand.run(args);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function version(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  // This file is src/node/cli/main.ts or dist/node/cli/main.js.
  return JSON.parse(await readFile(new URL("../../../package.json", import.meta.url), "utf8")).version;
}
