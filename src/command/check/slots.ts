/**
 * CREATE_REPLICATION_SLOT, ALTER_REPLICATION_SLOT, and the names of slots.
 *
 * A port of walsender.c (CreateReplicationSlot, AlterReplicationSlot) and of the checks in slot.c and logical.c that look at nothing but
 * the command and the connection.
 */
import { EncodeError } from "../../kernel/errors.ts";
import { printableText } from "../../text/scan.ts";
import { judgeSlotName } from "../../text/slot-name.ts";
import type { AlterReplicationSlotCmd, Command, CreateReplicationSlotCmd, ReplicationKind } from "../ast.ts";
import type { OptionsOf } from "../options/option.ts";
import { alterSlotOptions, createSlotOptions } from "../options/tables.ts";
import { readOptions } from "./options.ts";
import { type Check, errcode } from "./refusal.ts";

/** What CREATE_REPLICATION_SLOT asks for, defaults filled in. @source walsender.c: CreateReplicationSlot */
export interface CreateReplicationSlotOptions extends OptionsOf<typeof createSlotOptions> {
  readonly type: "CreateReplicationSlotOptions";
}

/** What ALTER_REPLICATION_SLOT changes; what it leaves as it is, is undefined. @source walsender.c: AlterReplicationSlot */
export interface AlterReplicationSlotOptions extends OptionsOf<typeof alterSlotOptions> {
  readonly type: "AlterReplicationSlotOptions";
}

/** @source walsender.c: CreateReplicationSlot */
export function createReplicationSlot(
  check: Check,
  command: CreateReplicationSlotCmd,
  database: boolean,
): CreateReplicationSlotOptions {
  const { kind, temporary } = command;
  requireKind(command.type, kind);
  const { given, values } = readOptions(check, createSlotOptions, command, kind);
  if (kind === "LOGICAL") checkLogicalDecodingRequirements(check, database);
  checkSlotName(check, command);
  if (temporary && values.failover) {
    check.refuse({
      sqlstate: errcode.FEATURE_NOT_SUPPORTED,
      message: "cannot enable failover for a temporary replication slot",
      path: `options[${given.get("failover")}].defname`,
      advice: "Leave TEMPORARY or FAILOVER out.",
    });
  }
  // A physical slot has no snapshot.
  const snapshot = kind === "LOGICAL" ? values.snapshot : undefined;
  return { type: "CreateReplicationSlotOptions", ...values, snapshot };
}

/** @source walsender.c: ParseAlterReplSlotOptions, from 18 on AlterReplicationSlot */
export function alterReplicationSlot(check: Check, command: AlterReplicationSlotCmd): AlterReplicationSlotOptions {
  return { type: "AlterReplicationSlotOptions", ...readOptions(check, alterSlotOptions, command).values };
}

/** @source slot.c: ReplicationSlotValidateName */
export function checkSlotName(check: Check, command: Extract<Command, { slotname: unknown }>): void {
  const slotname = printableText(`${command.type}.slotname`, command.slotname);
  const refusal = judgeSlotName(slotname, { server: check.server });
  if (refusal !== undefined) check.refuse({ ...refusal, path: "slotname" });
}

/**
 * The name of a slot that should exist.
 *
 * @source slot.c: ReplicationSlotAcquire, which checked it until commit 420a0392ef
 */
export function checkAcquiredSlotName(check: Check, command: Extract<Command, { slotname: unknown }>): void {
  if (command.slotname !== undefined && check.supports("slotNameIsCheckedAgain")) checkSlotName(check, command);
}

/**
 * A logical slot belongs to a database.
 *
 * @source logical.c: CheckLogicalDecodingRequirements
 */
export function checkLogicalDecodingRequirements(check: Check, database: boolean): void {
  if (database) return;
  check.refuse({
    sqlstate: errcode.OBJECT_NOT_IN_PREREQUISITE_STATE,
    message: "logical decoding requires a database connection",
    path: "kind",
    advice: "Connect with replication=database and the name of a database.",
  });
}

/** @throws EncodeError for what is neither. */
export function requireKind(type: string, kind: unknown): asserts kind is ReplicationKind {
  if (kind !== "PHYSICAL" && kind !== "LOGICAL") {
    throw new EncodeError(`${type}.kind`, `${type}.kind: it is PHYSICAL or LOGICAL`);
  }
}
