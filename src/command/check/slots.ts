/**
 * CREATE_REPLICATION_SLOT and ALTER_REPLICATION_SLOT.
 *
 * A port of walsender.c (parseCreateReplSlotOptions, AlterReplicationSlot) and of the checks in slot.c and logical.c that look at
 * nothing but the command and the connection.
 */
import { EncodeError } from "../../kernel/errors.ts";
import { printableText } from "../../text/scan.ts";
import { slotNameRefusal } from "../../text/slot-name.ts";
import type { AlterReplicationSlotCmd, CreateReplicationSlotCmd, DefElem, ReplicationKind } from "../ast.ts";
import { adviseOnName, adviseOnRepetition, type OptionNames } from "./advise.ts";
import { defGetBoolean, defGetString, optionsOf } from "./defget.ts";
import { type Check, errcode } from "./refusal.ts";

/** CRSSnapshotAction of walsender.h, without its prefix. */
export type SnapshotAction = "EXPORT_SNAPSHOT" | "NOEXPORT_SNAPSHOT" | "USE_SNAPSHOT";

/** What CREATE_REPLICATION_SLOT asks for, defaults filled in. @source walsender.c: CreateReplicationSlot */
export interface CreateReplicationSlotOptions {
  readonly type: "CreateReplicationSlotOptions";
  /** What becomes of the snapshot of a new logical slot; EXPORT_SNAPSHOT if nothing was said. Undefined for a physical slot. */
  readonly snapshotAction: SnapshotAction | undefined;
  /** Does a physical slot keep WAL from now on, rather than from its first use? False for a logical slot, which always does. */
  readonly reserveWal: boolean;
  /** Does a logical slot decode prepared transactions when they are prepared? */
  readonly twoPhase: boolean;
  /** Is a logical slot to be synchronized to standbys? */
  readonly failover: boolean;
}

/** What ALTER_REPLICATION_SLOT changes; what it leaves as it is, is undefined. @source walsender.c: AlterReplicationSlot */
export interface AlterReplicationSlotOptions {
  readonly type: "AlterReplicationSlotOptions";
  readonly failover: boolean | undefined;
  readonly twoPhase: boolean | undefined;
}

/** @source walsender.c: CreateReplicationSlot */
export function createReplicationSlot(
  check: Check,
  command: CreateReplicationSlotCmd,
  database: boolean,
): CreateReplicationSlotOptions {
  const { kind, temporary } = command;
  requireKind(command.type, kind);
  const slotname = printableText(`${command.type}.slotname`, command.slotname);
  const { given, ...options } = parseCreateReplSlotOptions(check, kind, optionsOf(command));
  if (kind === "LOGICAL") checkLogicalDecodingRequirements(check, database);
  const refusal = slotNameRefusal(slotname, check.server);
  if (refusal !== undefined) check.refuse({ ...refusal, path: "slotname" });
  if (temporary && options.failover) {
    check.refuse({
      sqlstate: errcode.FEATURE_NOT_SUPPORTED,
      message: "cannot enable failover for a temporary replication slot",
      path: `options[${given.get("failover")}].defname`,
      advice: "Leave TEMPORARY or FAILOVER out.",
    });
  }
  return { type: "CreateReplicationSlotOptions", ...options };
}

const createNames: OptionNames = {
  snapshot: undefined,
  reserve_wal: undefined,
  two_phase: undefined,
  failover: "failoverSlots",
};

/** Before options stood in parentheses the grammar made no others than these. */
const createWords: OptionNames = { export_snapshot: undefined, use_snapshot: undefined, reserve_wal: undefined };

const kindOfOption: ReadonlyMap<string, ReplicationKind> = new Map([
  ["export_snapshot", "LOGICAL"],
  ["use_snapshot", "LOGICAL"],
  ["snapshot", "LOGICAL"],
  ["reserve_wal", "PHYSICAL"],
  ["two_phase", "LOGICAL"],
  ["failover", "LOGICAL"],
]);

interface ParsedCreateOptions extends Omit<CreateReplicationSlotOptions, "type"> {
  /** The index of each option that was given. */
  readonly given: ReadonlyMap<string, number>;
}

function parseCreateReplSlotOptions(
  check: Check,
  kind: ReplicationKind,
  options: readonly DefElem[],
): ParsedCreateOptions {
  const names = check.supports("genericOptions") ? createNames : createWords;
  const given = new Map<string, number>();
  let snapshotAction: SnapshotAction | undefined = kind === "LOGICAL" ? "EXPORT_SNAPSHOT" : undefined;
  let [reserveWal, twoPhase, failover] = [false, false, false];

  for (const [i, option] of options.entries()) {
    const { defname } = option;
    const name = known(check, defname, names) ? defname : unrecognized(check, defname, i, names);
    // The two words for a snapshot exclude each other.
    const topic = name === "use_snapshot" || name === "export_snapshot" ? "snapshot" : name;
    if (given.has(topic) || kindOfOption.get(name) !== kind) conflicting(check, name, i, given.has(topic));
    given.set(topic, i);
    switch (name) {
      case "snapshot":
        snapshotAction = snapshotActionOf(check, option, i);
        break;
      case "export_snapshot":
        snapshotAction = defGetBoolean(check, option, i) ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT";
        break;
      case "use_snapshot":
        snapshotAction = "USE_SNAPSHOT";
        break;
      case "reserve_wal":
        // Words are not asked for a value.
        reserveWal = names === createWords || defGetBoolean(check, option, i);
        break;
      case "two_phase":
        twoPhase = defGetBoolean(check, option, i);
        break;
      case "failover":
        failover = defGetBoolean(check, option, i);
        break;
    }
  }
  return { snapshotAction, reserveWal, twoPhase, failover, given };
}

const snapshotActions: ReadonlyMap<string, SnapshotAction> = new Map([
  ["export", "EXPORT_SNAPSHOT"],
  ["nothing", "NOEXPORT_SNAPSHOT"],
  ["use", "USE_SNAPSHOT"],
]);

function snapshotActionOf(check: Check, option: DefElem, index: number): SnapshotAction {
  const action = defGetString(check, option, index);
  return (
    snapshotActions.get(action) ??
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: `unrecognized value for CREATE_REPLICATION_SLOT option "${option.defname}": "${action}"`,
      path: `options[${index}].arg`,
      advice: "It is export, nothing or use, in lower case.",
    })
  );
}

const alterNames: OptionNames = { failover: undefined, two_phase: "alterTwoPhase" };

/** @source walsender.c: ParseAlterReplSlotOptions, from 18 on AlterReplicationSlot */
export function alterReplicationSlot(check: Check, command: AlterReplicationSlotCmd): AlterReplicationSlotOptions {
  let failover: boolean | undefined;
  let twoPhase: boolean | undefined;
  for (const [i, option] of optionsOf(command).entries()) {
    const { defname } = option;
    const name = known(check, defname, alterNames) ? defname : unrecognized(check, defname, i, alterNames);
    if (name === "failover") {
      if (failover !== undefined) conflicting(check, name, i, true);
      failover = defGetBoolean(check, option, i);
    } else {
      if (twoPhase !== undefined) conflicting(check, name, i, true);
      twoPhase = defGetBoolean(check, option, i);
    }
  }
  return { type: "AlterReplicationSlotOptions", failover, twoPhase };
}

function known(check: Check, name: string, names: OptionNames): boolean {
  if (!Object.hasOwn(names, name)) return false;
  const needs = names[name];
  return needs === undefined || check.supports(needs);
}

function unrecognized(check: Check, name: string, index: number, names: OptionNames): never {
  return check.refuse({
    sqlstate: errcode.INTERNAL_ERROR,
    message: `unrecognized option: ${name}`,
    path: `options[${index}].defname`,
    advice: adviseOnName(name, names, check.server),
  });
}

function conflicting(check: Check, name: string, index: number, again: boolean): never {
  const kind = kindOfOption.get(name)?.toLowerCase();
  const twice = name.endsWith("_snapshot")
    ? "One word about the snapshot is enough: leave one out."
    : adviseOnRepetition(name);
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: "conflicting or redundant options",
    path: `options[${index}].defname`,
    advice: again ? twice : `The option ${name} is for ${kind} slots only: leave it out.`,
  });
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
