/**
 * What a server says of a command when it has parsed it, before it looks at anything else: at catalogs, slots, WAL or files.
 *
 * A port of the checks between walsender.c: exec_replication_command and the first thing that is done; the parts are in check/.
 */

import { EncodeError } from "../kernel/errors.ts";
import { requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import type { Command } from "./ast.ts";
import { commandCapabilities } from "./capabilities.ts";
import { type BaseBackupOptions, baseBackup } from "./check/basebackup.ts";
import type { ServerBuild } from "./check/compression.ts";
import { type PGOutputOptions, pgoutputStartup } from "./check/pgoutput.ts";
import { Check } from "./check/refusal.ts";
import {
  type AlterReplicationSlotOptions,
  alterReplicationSlot,
  type CreateReplicationSlotOptions,
  checkLogicalDecodingRequirements,
  createReplicationSlot,
  requireKind,
} from "./check/slots.ts";
import { parseCommand } from "./parse.ts";

export type { ChecksumType, ManifestOption } from "./check/basebackup.ts";
export type { CompressAlgorithm, CompressSpecification } from "./check/compression.ts";
export type { StreamingMode } from "./check/pgoutput.ts";
export type { SnapshotAction } from "./check/slots.ts";
export type {
  AlterReplicationSlotOptions,
  BaseBackupOptions,
  CreateReplicationSlotOptions,
  PGOutputOptions,
  ServerBuild,
};

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

/** What a server made of a command's options. `type` says of which command. */
export type CommandOptions =
  | BaseBackupOptions
  | CreateReplicationSlotOptions
  | AlterReplicationSlotOptions
  | PGOutputOptions;

/**
 * Refuse what the server would refuse of a parsed command, in its words and its order; give what it makes of the options,
 * defaults filled in. Undefined for commands without options, and for START_REPLICATION but with pgoutput.
 *
 * A server may still refuse the command, for what only it can know:
 *
 * | command | not checked |
 * |---|---|
 * | any | an aborted transaction, or one where there may be none; a server that stops |
 * | BASE_BACKUP | `summarize_wal` and an uploaded manifest; targets of extensions (refused here); the directory for a backup on the server, and the right to write there; threads in zstd |
 * | CREATE_REPLICATION_SLOT | `wal_level`, `max_replication_slots`; whether the slot exists; whether there is such a plugin, and `output_plugin_libraries` has it; a standby; the transaction that a snapshot is for |
 * | ALTER_, DROP_, READ_REPLICATION_SLOT | whether there is such a slot, of which kind, in use by whom |
 * | START_REPLICATION | the same; timelines and positions; `wal_level`; whether publications exist |
 * | SHOW | whether there is such a parameter |
 * | TIMELINE_HISTORY | whether there is such a file |
 *
 * @throws ParseError REFUSED, with the server's SQLSTATE, message and hint, the path and the place of what is to blame, and advice.
 * @throws UnsupportedError if this version has no such command.
 * @throws EncodeError for a tree that no text makes.
 * @source walsender.c: exec_replication_command
 * @example checkCommand(parseCommand("ALTER_REPLICATION_SLOT s (FAILOVER, TWO_PHASE off)")) // { type: "AlterReplicationSlotOptions", failover: true, twoPhase: false }
 */
export function checkCommand(command: Command, options: CheckCommandOptions = {}): CommandOptions | undefined {
  const { database = true, plugin = "pgoutput", build = {} } = options;
  const server = serverVersionNum(options.server);
  const check = new Check(command, server);
  switch (command?.type) {
    case "BaseBackupCmd":
      return baseBackup(check, command, build);
    case "CreateReplicationSlotCmd":
      return createReplicationSlot(check, command, database);
    case "AlterReplicationSlotCmd":
      requireCapability(commandCapabilities, server, "alterReplicationSlot", "ALTER_REPLICATION_SLOT");
      return alterReplicationSlot(check, command);
    case "StartReplicationCmd":
      requireKind(command.type, command.kind);
      if (command.kind === "PHYSICAL") return undefined;
      checkLogicalDecodingRequirements(check, database);
      return plugin === "pgoutput" && check.supports("pgoutput") ? pgoutputStartup(check, command) : undefined;
    case "ReadReplicationSlotCmd":
      requireCapability(commandCapabilities, server, "readReplicationSlot", "READ_REPLICATION_SLOT");
      return undefined;
    case "UploadManifestCmd":
      requireCapability(commandCapabilities, server, "uploadManifest", "UPLOAD_MANIFEST");
      return undefined;
    case "SQLCmd":
      // The parser knows what is said of SQL where there is no database.
      if (!database) parseCommand(command.text, { server, database });
      return undefined;
    case "IdentifySystemCmd":
    case "DropReplicationSlotCmd":
    case "TimeLineHistoryCmd":
    case "VariableShowStmt":
      return undefined;
    default:
      command satisfies never;
      throw new EncodeError("Command.type", "Command.type: it names no replication command");
  }
}
