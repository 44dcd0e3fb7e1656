/**
 * What to wait for before a takeover may need fewer nodes: each walsender has read the value, and then each commit of before is held by
 * as many standbys as the new rule counts on.
 *
 * That a session shows the value is not enough: each walsender reads it for itself, and until then releases commits by the old number,
 * and is counted by the others with its old priority.
 */
import { refuseArgument } from "../../kernel/errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../../kernel/lsn.ts";
import { checkObject, checkOneOf, checkType, checkWhole, isArrayOf } from "../../kernel/options.ts";
import { requireCapability } from "../../kernel/version.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import { quoteLiteral } from "../../text/literal.ts";
import { meaningOf, type SyncRepConfig } from "../ast.ts";
import { planCapabilities } from "../capabilities.ts";
import { evaluateSynchronousStandbys, type SyncRepStandby } from "../evaluate.ts";
import { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions, serverOf } from "../parse.ts";
import type { SynchronousCommit } from "../questions.ts";
import { listedNames } from "../words.ts";
import { namesOf } from "./rules.ts";

/** A row of `pg_stat_replication`, with what shows that its walsender has read the setting. */
export interface ObservedStandby extends SyncRepStandby {
  /** `sync_priority` */
  readonly syncPriority?: number | undefined;
  /** `sent_lsn` */
  readonly sentLsn?: Lsn | undefined;
  /** Does `wait_event` of its walsender, in `pg_stat_activity`, begin with `WalSender`? From 10 on. */
  readonly isWaiting?: boolean | undefined;
}

/** The primary as a session sees it that began after the setting was last changed. */
export interface ObservedPrimary {
  /** `SHOW synchronous_standby_names` */
  readonly value: string;
  /** `pg_current_wal_insert_lsn()`, read before the rows. */
  readonly position?: Lsn | undefined;
  /** The rows of `pg_stat_replication`, in the order of the walsenders. */
  readonly standbys: readonly ObservedStandby[];
  /**
   * Is it known that commits wait? A session was seen with the `wait_event` `SyncRep`, or two CHECKPOINTs ended that were requested
   * after the value was set. Asked for when the setting may have been empty, since it is the checkpointer that makes commits wait.
   */
  readonly commitsWait?: boolean | undefined;
  /** `SHOW synchronous_commit`: what commits wait for unless a session sets it. */
  readonly synchronousCommit?: SynchronousCommit | undefined;
  /** Is it a standby itself? */
  readonly cascading?: boolean | undefined;
}

/** A wait, and how far it is. Positions are text, so that it can be kept as JSON. */
export interface StandbyWait {
  /** The value of the setting. */
  readonly value: string;
  /** Standbys. */
  readonly names: readonly string[];
  /** How many of them must have flushed `lsn`: 1 to all. */
  readonly number: number;
  /** Must it be known that commits wait? */
  readonly mustWait: boolean;
  /** The position when the value was first seen; undefined before. */
  readonly since: string | undefined;
  /** Is it known that each walsender has read the value, and that commits wait if this must be known? */
  readonly inEffect: boolean;
  /** The position that must be flushed, read after that; undefined before. */
  readonly lsn: string | undefined;
  /** Is it over? */
  readonly satisfied: boolean;
}

/** SQL that tells whether a wait is over: one statement each, which changes nothing. */
export interface WaitSql {
  /** To run first, if it must be known that commits wait: the checkpointer reads the setting. */
  readonly before: readonly string[];
  /** `satisfied` is true when each walsender has read the value. It must run in a new session. */
  readonly inEffect: string;
  /** `lsn` is the position to wait for; to run once all is in effect. */
  readonly position: string;
  /** `satisfied` is true when enough standbys have flushed the position: that of the wait, or $1 if it does not have one yet. */
  readonly flushed: string;
}

/**
 * How far a wait is after another look at the primary. Look until it is satisfied, twice at least. A wait that is lost begins anew,
 * which is safe.
 *
 * @throws ArgumentError for what is not a wait or not a primary; ParseError for a value that the server rejects; EncodeError,
 *   UnsupportedError as evaluateSynchronousStandbys does.
 * @example advanceWait({ value: "ANY 1 (b)", names: ["b"], number: 1, mustWait: false, since: "0/5", inEffect: true, lsn: "0/8", satisfied: false }, { value: "ANY 1 (b)", standbys: [{ ...streamingStandby("b"), flushLsn: 9n }] }).satisfied // true
 */
export function advanceWait(
  wait: StandbyWait,
  observed: ObservedPrimary,
  options: SynchronousStandbyNamesOptions = {},
): StandbyWait {
  const server = serverOf(options);
  checkWait(wait);
  checkObserved(observed, server);
  const { value, names, number, mustWait } = wait;
  const { position } = observed;
  const fresh = { value, names, number, mustWait, since: undefined, inEffect: false, lsn: undefined, satisfied: false };
  if (!isValue(value, observed.value, server) || (position === undefined && wait.lsn === undefined)) return fresh;
  const now = position === undefined ? undefined : formatLsn(position);
  const since = wait.since ?? now!;
  // Until all is in effect, what returns may be newer than the position of this look: that of the next one counts.
  const lsn = wait.inEffect ? (wait.lsn ?? now) : undefined;
  const inEffect = wait.inEffect || isInEffect(wait, observed, parseLsn(since), server);
  const satisfied = lsn !== undefined && flushed(observed, names, parseLsn(lsn)) >= number;
  return { ...fresh, since, inEffect, lsn, satisfied };
}

function isValue(value: string, shown: string, server: number): boolean {
  const meaning = (text: string) => meaningOf(parseSynchronousStandbyNames(text, { server }));
  return meaning(value) === meaning(shown);
}

/**
 * A walsender that is seen waiting after it was told of the new value reads it before it does anything else; so does one that has sent
 * WAL which is newer than that. Others count it with its old priority until it has.
 *
 * @source walsender.c: WalSndLoop, WalSndWaitForWal, ProcessPendingWrites; syncrep.c: SyncRepInitConfig
 */
function isInEffect({ value, mustWait }: StandbyWait, observed: ObservedPrimary, since: Lsn, server: number): boolean {
  if (mustWait && observed.commitsWait !== true) return false;
  const config = parseSynchronousStandbyNames(value, { server });
  const { standbys } = evaluateSynchronousStandbys(config, observed.standbys, { server });
  return observed.standbys.every(({ state, syncPriority, isWaiting, sentLsn }, i) => {
    // It reads the setting before it begins to stream.
    if (state === "startup" || state === "backup") return true;
    return syncPriority === standbys[i]!.syncPriority && (isWaiting === true || (sentLsn ?? 0n) > since);
  });
}

/** How many of the names have flushed a position; each standby of a name that several have must. */
function flushed({ standbys }: ObservedPrimary, names: readonly string[], lsn: Lsn): number {
  const least = new Map<string, bigint>();
  for (const { applicationName, flushLsn } of standbys) {
    if (!flushLsn) continue;
    const name = downcaseIdentifier(applicationName);
    least.set(name, flushLsn < (least.get(name) ?? flushLsn) ? flushLsn : (least.get(name) ?? flushLsn));
  }
  return [...namesOf(names).keys()].filter((name) => (least.get(name) ?? -1n) >= lsn).length;
}

/**
 * A wait as SQL, for psql and other clients.
 *
 * @throws as advanceWait.
 * @example waitSql({ value: "ANY 1 (b)", names: ["b"], number: 1, mustWait: false, since: "0/5", inEffect: true, lsn: "0/8", satisfied: false }).position // "SELECT pg_current_wal_insert_lsn() AS lsn"
 */
export function waitSql(wait: StandbyWait, options: SynchronousStandbyNamesOptions = {}): WaitSql {
  const server = serverOf(options);
  requireCapability(planCapabilities, server, "alterSystem", "pg_lsn");
  checkWait(wait);
  const { value, names, number, mustWait, since, lsn } = wait;
  const has = planCapabilities.of(server);
  const [position, column] = has.walFunctionNames
    ? ["pg_current_wal_insert_lsn()", "lsn"]
    : ["pg_current_xlog_insert_location()", "location"];
  const name = 'lower(application_name COLLATE "C")';
  const config = parseSynchronousStandbyNames(value, { server });
  const whens = prioritiesOf(config).map(([each, priority]) =>
    each === "*" ? ` WHEN true THEN ${priority}` : ` WHEN ${name} = ${quoteLiteral(each)} THEN ${priority}`,
  );
  const priority = whens.length === 0 ? "0" : `CASE${whens.join("")} ELSE 0 END`;
  const waits = has.walSenderWaits ? "coalesce(wait_event LIKE 'WalSender%', false)" : "false";
  const sent = since === undefined ? "" : ` OR sent_${column} > ${quoteLiteral(since)}`;
  const activity = has.walSenderWaits ? " JOIN (SELECT pid, wait_event FROM pg_stat_activity) AS a USING (pid)" : "";
  return {
    before: mustWait ? ["CHECKPOINT", "CHECKPOINT"] : [],
    inEffect: `SELECT current_setting('synchronous_standby_names') = ${quoteLiteral(value)} AND NOT EXISTS (SELECT 1 FROM pg_stat_replication${activity} WHERE state NOT IN ('startup', 'backup') AND ((flush_${column} > '0/0' AND sync_priority <> ${priority}) OR NOT (${waits}${sent}))) AS satisfied`,
    position: `SELECT ${position} AS lsn`,
    flushed: `SELECT count(*) >= ${number} AS satisfied FROM (SELECT 1 FROM pg_stat_replication WHERE ${name} IN (${[...namesOf(names).keys()].map(quoteLiteral).join(", ")}) GROUP BY ${name} HAVING min(flush_${column} - '0/0') >= ${lsn === undefined ? "$1" : quoteLiteral(lsn)}::pg_lsn - '0/0') AS s`,
  };
}

/** Each name with the priority of the first that equals it. */
function prioritiesOf(config: SyncRepConfig | undefined): [name: string, priority: number][] {
  const places = new Map<string, number>();
  for (const [i, name] of (config?.memberNames ?? []).entries()) {
    const folded = downcaseIdentifier(name);
    if (!places.has(folded)) places.set(folded, config!.syncrepMethod === "QUORUM" ? 1 : i + 1);
  }
  return [...places];
}

/** The wait in a sentence. */
export function waitInWords({ names, number, mustWait, inEffect, lsn, satisfied }: StandbyWait): string {
  const whose = number === names.length ? listedNames(names, "and") : `${number} of ${listedNames(names, "and")}`;
  const position = lsn === undefined ? "what has been written until then" : lsn;
  const flush = `${whose} ${number === 1 && names.length === 1 ? "has" : "have"} flushed ${position}`;
  if (satisfied) return `${flush}.`;
  const commits = mustWait ? " and commits wait" : "";
  return inEffect
    ? `Wait until ${flush}.`
    : `Wait until each walsender has read the value${commits}, and then until ${flush}.`;
}

/** @throws ArgumentError */
export function checkWait(wait: StandbyWait): void {
  checkObject("wait", wait);
  const { value, names, number, since, lsn } = wait;
  if (typeof value !== "string") refuseArgument("wait.value", "a string", value);
  if (!isArrayOf(names, (name) => typeof name === "string")) refuseArgument("wait.names", "an array of names", names);
  checkWhole("wait.number", number, 1, Math.max(names.length, 1));
  for (const field of ["mustWait", "inEffect", "satisfied"] as const)
    checkType(`wait.${field}`, wait[field], "boolean");
  for (const [field, text] of Object.entries({ since, lsn })) {
    checkType(`wait.${field}`, text, "string");
    if (text !== undefined) parseLsn(text);
  }
}

/** @throws ArgumentError, EncodeError */
export function checkObserved(observed: ObservedPrimary, server: number): void {
  checkObject("observed", observed);
  const { value, position, standbys, commitsWait, cascading, synchronousCommit } = observed;
  if (typeof value !== "string") refuseArgument("observed.value", "a string", value);
  if (position !== undefined && typeof position !== "bigint") refuseArgument("observed.position", "a bigint", position);
  checkType("observed.commitsWait", commitsWait, "boolean");
  checkType("observed.cascading", cascading, "boolean");
  if (synchronousCommit !== undefined) {
    checkOneOf("observed.synchronousCommit", synchronousCommit, ["local", "remote_write", "on", "remote_apply", "off"]);
  }
  evaluateSynchronousStandbys(undefined, standbys, { server });
  for (const [i, { syncPriority, sentLsn, isWaiting }] of standbys.entries()) {
    const path = `observed.standbys[${i}]`;
    if (syncPriority !== undefined) checkWhole(`${path}.syncPriority`, syncPriority, 0, 2 ** 31 - 1);
    if (sentLsn !== undefined && typeof sentLsn !== "bigint") refuseArgument(`${path}.sentLsn`, "a bigint", sentLsn);
    checkType(`${path}.isWaiting`, isWaiting, "boolean");
  }
}
