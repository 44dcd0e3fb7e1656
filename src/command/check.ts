/** The server's checks of a parsed command, as an error with its position; the checks are in check/. */
import { ParseError, WalwireError } from "../kernel/errors.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import type { Command } from "./ast.ts";
import { Check, Refused, type ServerBuild } from "./check/refusal.ts";
import { type CommandOptions, runChecks } from "./check/run.ts";
import { locateCommand } from "./locate.ts";
import { parseCommand } from "./parse.ts";

export type { BaseBackupOptions } from "./check/basebackup.ts";
export type { CompressAlgorithm, CompressSpecification } from "./check/compression.ts";
export type { PGOutputOptions } from "./check/pgoutput.ts";
export type { AlterReplicationSlotOptions, CreateReplicationSlotOptions } from "./check/slots.ts";
export type { ChecksumType, ManifestOption, OriginOption, SnapshotAction } from "./options/tables.ts";
export type { CommandOptions, ServerBuild };

/** The connection that a command is checked for. */
export interface CheckCommandOptions {
  /** The server that the command is for. Its minor release counts; a major alone means its newest known minor. */
  readonly server?: Server | undefined;
  /** Is the connection to a database (`replication=database`)? If not, there is neither logical decoding nor SQL. Default: true. */
  readonly database?: boolean | undefined;
  /**
   * The output plugin of the slot that START_REPLICATION names, which only the server knows. Options of another than pgoutput
   * are not checked. Default: "pgoutput".
   */
  readonly plugin?: string | undefined;
  /** Which libraries the server is built with. Default: all. */
  readonly build?: ServerBuild | undefined;
}

/**
 * Refuse what the server would refuse of a parsed command, in its words and its order; give what it makes of the options,
 * defaults filled in. Undefined for commands without options, and for START_REPLICATION but with pgoutput.
 *
 * A server may still refuse the command, for what only it can know:
 *
 * | command | not checked |
 * |---|---|
 * | any | an aborted transaction, or one where none is allowed; a server that shuts down |
 * | BASE_BACKUP | `summarize_wal` and an uploaded manifest; targets of extensions (refused here); the directory for a backup on the server, and the right to write there; threads in zstd |
 * | CREATE_REPLICATION_SLOT | `wal_level`, `max_replication_slots`; whether the slot exists; whether there is such a plugin, and `output_plugin_libraries` has it; a standby; the transaction that a snapshot is for |
 * | ALTER_, DROP_, READ_REPLICATION_SLOT | whether the slot exists, its kind, and whether it is in use |
 * | START_REPLICATION | the same; timelines and positions; `wal_level`; whether publications exist |
 * | SHOW | whether there is such a parameter |
 * | TIMELINE_HISTORY | whether there is such a file |
 *
 * @throws ParseError REFUSED, with the server's SQLSTATE, message and hint, the path and position of the part to blame, and advice.
 * @throws UnsupportedError if this version has no such command.
 * @throws EncodeError for a tree that no text makes; ArgumentError for options that it does not take.
 * @source walsender.c: exec_replication_command
 * @example checkCommand(parseCommand("ALTER_REPLICATION_SLOT s (FAILOVER, TWO_PHASE off)")) // { type: "AlterReplicationSlotOptions", failover: true, twoPhase: false }
 */
export function checkCommand(command: Command, options: CheckCommandOptions = {}): CommandOptions | undefined {
  checkOptions(options, ["server", "database", "plugin", "build"]);
  const { database = true, plugin = "pgoutput", build = {} } = options;
  checkType("options.database", database, "boolean");
  checkType("options.plugin", plugin, "string");
  checkOptions(build, ["gzip", "lz4", "zstd"], "options.build");
  for (const [name, value] of Object.entries(build)) checkType(`options.build.${name}`, value, "boolean");
  const server = serverVersionNum(options.server);
  // The parser has the error for SQL without a database.
  if (command?.type === "SQLCmd" && !database) parseCommand(command.text, { server, database });
  try {
    return runChecks(new Check(server, build), command, database, plugin);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { refusal } = error;
    throw new ParseError({ code: "REFUSED", ...refusal, ...placeOf(command, refusal.path, server) });
  }
}

/** Searched only for an error. */
function placeOf(command: Command, path: string, server: number): { text: string; offset: number } {
  try {
    const { text, offsets } = locateCommand(command, { server });
    // Without a value, the whole option is to blame; for a missing option, the command.
    const offset = offsets.get(path) ?? offsets.get(path.replace(/arg$/, "defname")) ?? offsets.get("") ?? 0;
    return { text, offset };
  } catch (error) {
    // A tree that no text makes has no place in one.
    if (error instanceof WalwireError) return { text: "", offset: 0 };
    throw error;
  }
}
