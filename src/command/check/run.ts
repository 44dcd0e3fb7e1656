/** What a server says of a command when it has parsed it, before it looks at anything else: at catalogs, slots, WAL or files. */
import { EncodeError } from "../../kernel/errors.ts";
import { requireCapability } from "../../kernel/version.ts";
import type { Command } from "../ast.ts";
import { commandCapabilities } from "../capabilities.ts";
import { type BaseBackupOptions, baseBackup } from "./basebackup.ts";
import { type PGOutputOptions, pgoutputStartup } from "./pgoutput.ts";
import type { Check } from "./refusal.ts";
import {
  type AlterReplicationSlotOptions,
  alterReplicationSlot,
  type CreateReplicationSlotOptions,
  checkAcquiredSlotName,
  checkLogicalDecodingRequirements,
  createReplicationSlot,
  requireKind,
} from "./slots.ts";

/** What a server made of a command's options. `type` says of which command. */
export type CommandOptions =
  | BaseBackupOptions
  | CreateReplicationSlotOptions
  | AlterReplicationSlotOptions
  | PGOutputOptions;

/**
 * A port of the checks between walsender.c: exec_replication_command and the first thing that is done.
 *
 * @throws Refused, UnsupportedError, EncodeError
 */
export function runChecks(
  check: Check,
  command: Command,
  database: boolean,
  plugin: string,
): CommandOptions | undefined {
  const { server } = check;
  switch (command?.type) {
    case "BaseBackupCmd":
      return baseBackup(check, command);
    case "CreateReplicationSlotCmd":
      return createReplicationSlot(check, command, database);
    case "AlterReplicationSlotCmd":
      requireCapability(commandCapabilities, server, "alterReplicationSlot", "ALTER_REPLICATION_SLOT");
      return alterReplicationSlot(check, command);
    case "DropReplicationSlotCmd":
      checkAcquiredSlotName(check, command);
      return undefined;
    case "StartReplicationCmd":
      requireKind(command.type, command.kind);
      if (command.kind === "LOGICAL") checkLogicalDecodingRequirements(check, database);
      checkAcquiredSlotName(check, command);
      return command.kind === "LOGICAL" && plugin === "pgoutput" && check.supports("pgoutput")
        ? pgoutputStartup(check, command)
        : undefined;
    case "ReadReplicationSlotCmd":
      requireCapability(commandCapabilities, server, "readReplicationSlot", "READ_REPLICATION_SLOT");
      return undefined;
    case "UploadManifestCmd":
      requireCapability(commandCapabilities, server, "uploadManifest", "UPLOAD_MANIFEST");
      return undefined;
    case "IdentifySystemCmd":
    case "TimeLineHistoryCmd":
    case "VariableShowStmt":
    case "SQLCmd":
      return undefined;
    default:
      command satisfies never;
      throw new EncodeError("Command.type", "Command.type: not a replication command");
  }
}
