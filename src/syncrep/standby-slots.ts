/**
 * walwire/syncrep/standby-slots: `synchronized_standby_slots` of 17 and later: verdict, lint, and what holds logical failover slots back.
 *
 * A port of slot.c: check_synchronized_standby_slots, StandbySlotsHaveCaughtup.
 */
import { ParseError, refuseArgument } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { checkObject, checkOptions, checkType, isArrayOf } from "../kernel/options.ts";
import { requireCapability } from "../kernel/version.ts";
import { formatBytes } from "../kernel/words.ts";
import { downcaseIdentifier, identifierBytes } from "../text/identifier.ts";
import { requireText } from "../text/scan.ts";
import { judgeSlotName } from "../text/slot-name.ts";
import { standbySlotCapabilities, syncrepCapabilities } from "./capabilities.ts";
import { nulInValue, parseValue, type SynchronousStandbyNamesOptions, serverOf } from "./parse.ts";

const parameter = "synchronized_standby_slots";

/**
 * Read a value of `synchronized_standby_slots` as the check of the parameter does, when a server starts: names of physical slots with
 * commas between them. Each of them must have caught up before a logical failover slot sends: there is neither ANY nor FIRST nor `*`.
 *
 * Before 17.7 and 18.1 the name is not checked at the start; a running server rejects a name that no slot has, or a logical one.
 *
 * @returns the names, in order, repeated ones too; none for a blank value.
 * @throws ParseError SYNTAX | UNTERMINATED | INVALID_VALUE | NOT_TEXT, with the server's message, detail, hint and SQLSTATE.
 * @throws UnsupportedError before 17.
 * @source slot.c: check_synchronized_standby_slots, validate_sync_standby_slots; varlena.c: SplitIdentifierString
 * @example parseSynchronizedStandbySlots("Standby_1, standby_2") // ["standby_1", "standby_2"]
 */
export function parseSynchronizedStandbySlots(
  text: string,
  options: SynchronousStandbyNamesOptions = {},
): readonly string[] {
  const server = serverOf(options);
  requireText(text, nulInValue);
  requireCapability(standbySlotCapabilities, server, "synchronizedStandbySlots", parameter);
  if (text === "") return [];
  const list = { syncrepGrammar: false, standbyIdentifierList: true, quorumCommit: false };
  const names = namesIn(text, { ...syncrepCapabilities.of(server), ...list });
  if (!standbySlotCapabilities.supports(server, "standbySlotNamesAreChecked")) return names;
  for (const name of names) {
    const refusal = judgeSlotName(name, { server });
    if (refusal === undefined) continue;
    const { sqlstate, message: detail, hint, advice } = refusal;
    throw new ParseError({
      ...{ code: "INVALID_VALUE", message: `invalid value for parameter "${parameter}": "${text}"`, sqlstate },
      ...{ detail, hint, text, offset: Math.max(0, downcaseIdentifier(text).indexOf(name)) },
      advice: name === "*" ? "Write the name of each slot: all of them must have caught up." : advice,
    });
  }
  return names;
}

function namesIn(text: string, has: Parameters<typeof parseValue>[1]): readonly string[] {
  try {
    return parseValue(text, has, parameter).memberNames;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { code, message, sqlstate, detail, offset, near } = error;
    const isCounted = /^\s*(?:any|first)\s*\d|^\s*\d+\s*\(/i.test(text);
    const advice = `Write names of slots with commas between them${isCounted ? ": all of them must have caught up" : ""}.`;
    throw new ParseError({ code, message, sqlstate, detail, text, offset, near, advice });
  }
}

/** The codes of findings, with how bad they are. */
export const standbySlotFindingCodes = {
  /** A name that stands twice. */
  DUPLICATE: "warning",
  /** A name that is probably not meant as one. */
  LOOKS_LIKE_OFF: "warning",
  /** A capital letter, which is read as a small one. */
  FOLDED: "info",
  /** A name that the server cuts. */
  TRUNCATED: "warning",
} as const;

/** A likely mistake in a value. */
export interface StandbySlotFinding {
  /** The kind of mistake. */
  readonly code: keyof typeof standbySlotFindingCodes;
  /** That of the code. */
  readonly severity: "warning" | "info";
  /** What it is, and what to write. */
  readonly message: string;
}

/**
 * Likely mistakes in a value that a server accepts.
 *
 * @returns nothing for a value that it rejects.
 * @throws as parseSynchronizedStandbySlots, but for values.
 * @example lintSynchronizedStandbySlots("none")[0]?.code // "LOOKS_LIKE_OFF"
 */
export function lintSynchronizedStandbySlots(
  text: string,
  options: SynchronousStandbyNamesOptions = {},
): readonly StandbySlotFinding[] {
  let names: readonly string[];
  try {
    names = parseSynchronizedStandbySlots(text, options);
  } catch (error) {
    if (error instanceof ParseError) return [];
    throw error;
  }
  const findings: StandbySlotFinding[] = [];
  const say = (code: StandbySlotFinding["code"], message: string): void => {
    findings.push({ code, severity: standbySlotFindingCodes[code], message });
  };
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) (seen.has(name) ? twice : seen).add(name);
  for (const name of twice) say("DUPLICATE", `${name} stands twice: write it once.`);
  if (names.length === 1 && /^(?:none|off|null|false|no|default|disabled)$/.test(names[0]!)) {
    say("LOOKS_LIKE_OFF", `${names[0]} is the name of a slot here: write the empty string to wait for no slot.`);
  }
  const outsideQuotes = text.replace(/"(?:[^"]|"")*"/g, "");
  if (/[A-Z]/.test(outsideQuotes)) say("FOLDED", "Names are read in lower case: slots have no capital letters.");
  if (text.split(",").some((each) => /^[\w\s]*$/.test(each) && each.trim().length > identifierBytes)) {
    say("TRUNCATED", `A name has ${identifierBytes} bytes at most: the server cuts what is longer.`);
  }
  return findings;
}

/** A row of `pg_replication_slots`. */
export interface ReplicationSlotRow {
  /** `slot_name` */
  readonly slotName: string;
  /** `slot_type` */
  readonly slotType: "physical" | "logical";
  /** `active` */
  readonly active: boolean;
  /** `restart_lsn`; undefined if it is NULL. */
  readonly restartLsn: Lsn | undefined;
  /** `invalidation_reason`; undefined if it is NULL. */
  readonly invalidationReason?: string | undefined;
  /** `failover`: only such logical slots wait. */
  readonly failover?: boolean | undefined;
  /** `synced`: a copy on a standby, which does not send. */
  readonly synced?: boolean | undefined;
}

/** A slot of the list that holds logical failover slots back. */
export interface StandbySlotBlocker {
  /** That of the list. */
  readonly slotName: string;
  /** The first of these that applies, as the server looks for them. */
  readonly reason: "missing" | "logical" | "invalidated" | "inactive" | "behind";
  /** How many bytes it is behind the position; undefined if it has none. */
  readonly behind: bigint | undefined;
  /** What it is, and what to do. */
  readonly sentence: string;
}

/** The WARNING of a server that waits. */
export interface StandbySlotWarning {
  /** invalid_parameter_value or object_not_in_prerequisite_state. */
  readonly sqlstate: "22023" | "55000";
  /** Word for word. */
  readonly message: string;
  /** Word for word. */
  readonly detail: string;
  /** Word for word. */
  readonly hint: string;
}

/** Whether logical failover slots may send up to a position. */
export interface StandbySlotsProgress {
  /** May they send up to the position? */
  readonly caughtUp: boolean;
  /** All slots of the list that hold them back, in its order. */
  readonly blockers: readonly StandbySlotBlocker[];
  /** The server's own warning, which is about the first of them; undefined if that is only behind. */
  readonly warning: StandbySlotWarning | undefined;
  /** Up to where all slots of the list have it; undefined if one has no position, or none is listed. */
  readonly oldest: Lsn | undefined;
  /** Logical failover slots of this server, which wait. */
  readonly waiting: readonly string[];
}

/**
 * Say which slots hold logical failover slots back.
 *
 * @param names As parseSynchronizedStandbySlots returns them.
 * @param slots All rows of pg_replication_slots.
 * @param lsn The position up to which something is to be sent.
 * @param options.cascading The server is a standby: there nothing waits.
 * @throws ArgumentError for what is none of these.
 * @source slot.c: StandbySlotsHaveCaughtup
 * @example standbySlotsHaveCaughtUp(["a"], [], parseLsn("0/8")).warning?.message // 'replication slot "a" specified in parameter "synchronized_standby_slots" does not exist'
 */
export function standbySlotsHaveCaughtUp(
  names: readonly string[],
  slots: readonly ReplicationSlotRow[],
  lsn: Lsn,
  options: { readonly cascading?: boolean | undefined } = {},
): StandbySlotsProgress {
  if (!isArrayOf(names, (name) => typeof name === "string")) refuseArgument("names", "an array of names", names);
  if (!isArrayOf(slots, (slot) => typeof slot === "object" && slot !== null))
    refuseArgument("slots", "an array of rows", slots);
  if (typeof lsn !== "bigint" || BigInt.asUintN(64, lsn) !== lsn)
    refuseArgument("lsn", "a bigint from 0 to 2^64 - 1", lsn);
  checkOptions(options, ["cascading"]);
  checkType("options.cascading", options.cascading, "boolean");
  const byName = new Map(slots.map((slot, i) => [checkSlot(`slots[${i}]`, slot).slotName, slot]));
  const waiting = slots.filter(
    ({ slotType, failover, synced }) => slotType === "logical" && failover === true && synced !== true,
  );
  const found = { waiting: waiting.map(({ slotName }) => slotName) };
  if (names.length === 0 || options.cascading === true) {
    return { ...found, caughtUp: true, blockers: [], warning: undefined, oldest: undefined };
  }
  const blockers = names.flatMap((name) => blockerOf(name, byName.get(name), lsn) ?? []);
  const positions = names.map((name) => byName.get(name)?.restartLsn || undefined);
  const oldest = positions.reduce((a, b) => (a === undefined || b === undefined ? undefined : a < b ? a : b));
  const [first] = blockers;
  return { ...found, caughtUp: first === undefined, blockers, warning: first && warningOf(first), oldest };
}

function blockerOf(slotName: string, slot: ReplicationSlotRow | undefined, lsn: Lsn): StandbySlotBlocker | undefined {
  const restart = slot?.restartLsn || undefined;
  const behind = restart === undefined || restart >= lsn ? undefined : lsn - restart;
  const say = (reason: StandbySlotBlocker["reason"], sentence: string) => ({ slotName, reason, behind, sentence });
  if (slot === undefined) return say("missing", `There is no slot ${slotName}: create it, or leave it out.`);
  if (slot.slotType === "logical") return say("logical", `${slotName} is a logical slot: leave it out.`);
  if (slot.invalidationReason !== undefined) {
    const why = slot.invalidationReason;
    return say("invalidated", `${slotName} has been invalidated (${why}): drop and create it, or leave it out.`);
  }
  if (restart !== undefined && restart >= lsn) return undefined;
  const where =
    restart === undefined ? "has no position yet" : `is ${formatBytes(behind!)} behind, at ${formatLsn(restart)}`;
  if (!slot.active)
    return say("inactive", `${slotName} ${where}, and no standby uses it: start the standby, or leave it out.`);
  return say("behind", `${slotName} ${where}.`);
}

/** @source slot.c: StandbySlotsHaveCaughtup */
function warningOf({ slotName, reason }: StandbySlotBlocker): StandbySlotWarning | undefined {
  const specified = `slot "${slotName}" specified in parameter "${parameter}"`;
  const detail = `Logical replication is waiting on the standby associated with replication slot "${slotName}".`;
  const amend = `amend parameter "${parameter}".`;
  switch (reason) {
    case "missing":
      return {
        ...{ sqlstate: "22023", message: `replication ${specified} does not exist`, detail },
        hint: `Create the replication slot "${slotName}" or ${amend}`,
      };
    case "logical":
      return {
        sqlstate: "22023",
        message: `cannot specify logical replication slot "${slotName}" in parameter "${parameter}"`,
        detail: `Logical replication is waiting for correction on replication slot "${slotName}".`,
        hint: `Remove the logical replication slot "${slotName}" from parameter "${parameter}".`,
      };
    case "invalidated":
      return {
        ...{ sqlstate: "55000", message: `physical replication ${specified} has been invalidated`, detail },
        hint: `Drop and recreate the replication slot "${slotName}", or ${amend}`,
      };
    case "inactive":
      return {
        ...{ sqlstate: "55000", message: `replication ${specified} does not have active_pid`, detail },
        hint: `Start the standby associated with the replication slot "${slotName}", or ${amend}`,
      };
    case "behind":
      return undefined;
  }
}

function checkSlot(path: string, slot: ReplicationSlotRow): ReplicationSlotRow {
  checkObject(path, slot);
  const { slotName, slotType, active, restartLsn, invalidationReason, failover, synced } = slot;
  if (typeof slotName !== "string") refuseArgument(`${path}.slotName`, "a string", slotName);
  if (slotType !== "physical" && slotType !== "logical")
    refuseArgument(`${path}.slotType`, "physical or logical", slotType);
  if (typeof active !== "boolean") refuseArgument(`${path}.active`, "a boolean", active);
  if (restartLsn !== undefined && (typeof restartLsn !== "bigint" || BigInt.asUintN(64, restartLsn) !== restartLsn)) {
    refuseArgument(`${path}.restartLsn`, "a bigint from 0 to 2^64 - 1, or undefined", restartLsn);
  }
  checkType(`${path}.invalidationReason`, invalidationReason, "string");
  checkType(`${path}.failover`, failover, "boolean");
  checkType(`${path}.synced`, synced, "boolean");
  return slot;
}
