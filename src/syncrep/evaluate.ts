/**
 * What a primary makes of `synchronous_standby_names` and of the standbys that are connected: who counts, and up to where
 * commits are released.
 *
 * A port of syncrep.c: SyncRepGetStandbyPriority, SyncRepGetCandidateStandbys, SyncRepGetSyncRecPtr, and of walsender.c:
 * pg_stat_get_wal_senders.
 */

import { EncodeError, refuseArgument } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import { defaultServer, requireCapability, type Server } from "../kernel/version.ts";
import { downcaseIdentifier } from "../text/identifier.ts";
import type { SyncRepConfig } from "./ast.ts";
import { syncrepCapabilities, syncStandbyCapabilities } from "./capabilities.ts";

/** A row of `pg_stat_replication`. All the text that an `application_name` can hold is ASCII, 63 bytes at most. */
export interface SyncRepStandby {
  /** As the view shows it. */
  readonly applicationName: string;
  /** What its walsender does. */
  readonly state: "startup" | "backup" | "catchup" | "streaming" | "stopping";
  /** What the standby has reported; undefined, or 0, as long as it has not. */
  readonly writeLsn: Lsn | undefined;
  /** As `writeLsn`. */
  readonly flushLsn: Lsn | undefined;
  /** As `writeLsn`. */
  readonly replayLsn: Lsn | undefined;
}

/** What is known of the primary. */
export interface EvaluateOptions {
  /** The primary. */
  readonly server?: Server | undefined;
  /** Is the server that they are connected to a standby itself? Then nobody is synchronous. */
  readonly cascading?: boolean | undefined;
}

/** What commits wait for, by the values of `synchronous_commit` that wait for standbys: `local` and `off` wait for none. */
export type SyncLevel = "remote_write" | "on" | "remote_apply";

/** The position that counts at each level. */
export const positionAt = { remote_write: "writeLsn", on: "flushLsn", remote_apply: "replayLsn" } as const;

/** A standby with its priority and state. */
export interface EvaluatedStandby {
  /** That of the row. */
  readonly applicationName: string;
  /** `sync_priority` of pg_stat_replication: 0 is asynchronous, 1 comes first. With ANY nobody comes before another. */
  readonly syncPriority: number;
  /** `sync_state` of pg_stat_replication. */
  readonly syncState: "async" | "potential" | "sync" | "quorum";
  /** Streaming or stopping, in the list, and known to flush: one that could be chosen. */
  readonly candidate: boolean;
  /** One of those whose positions release commits, which is what `sync` and `quorum` say. */
  readonly chosen: boolean;
}

/** Up to where commits of one level are released. */
export interface SyncRepRelease {
  /**
   * A commit whose record ends here or before is released when one of the chosen standbys reports next. undefined: nobody is.
   * A server never goes back: what was released stays so.
   */
  readonly lsn: Lsn | undefined;
  /**
   * Whom everybody waits for, as indices of the standbys. With FIRST those of the chosen that stand just at `lsn`; with ANY all
   * of the chosen that have not passed it.
   */
  readonly heldBy: readonly number[];
  /** How many of these have to go on before `lsn` does: all, with FIRST. */
  readonly needed: number;
  /**
   * How many standbys at least have got what is released. Less than `numSync` in two cases. With ANY the server keeps the
   * number in a byte for this, so 257 is 1, and of 256 nothing is known, as it reads beyond its array. With FIRST it passes over
   * a position that is unknown (pg_receivewal never replays) if another standby comes after it.
   */
  readonly copies: number;
}

/** Which standbys are synchronous, and what is released. */
export interface SyncRepEvaluation {
  /** One for each standby, in their order. */
  readonly standbys: readonly EvaluatedStandby[];
  /** How many candidates there must be for commits to return; 0 if these wait for nobody. */
  readonly numSync: number;
  /** How many of them are missing: if not 0, nobody is released. */
  readonly missing: number;
  /** By level; undefined where the server does not know the level. */
  readonly released: Readonly<Record<SyncLevel, SyncRepRelease | undefined>>;
}

/**
 * Say what a primary does: who is synchronous, and up to which LSN it releases commits. Of 9.1 and 9.2 that is what their later
 * minors do: at first they also chose standbys that do not stream, or of which no position is known.
 *
 * Names are matched as pg_strcasecmp matches them: letters of ASCII in any case, other bytes as they are. Its tolower() of other
 * bytes, which depends on the locale, can be left out: an application_name is ASCII, since the server writes `?` for each other
 * byte of it, and from 16 on `\xc3`. Logical subscribers count as physical standbys do. The result holds once every
 * walsender has read the setting.
 *
 * @param config undefined: the setting is empty.
 * @param standbys In the order of the walsenders: that of `pg_stat_get_wal_senders()`, and mostly that of pg_stat_replication.
 * @throws EncodeError for what is no configuration or no standby, with its path.
 * @throws UnsupportedError for ANY before 10 (`quorumCommit`), for more than one standby before 9.6 (`multipleSyncStandbys`).
 * @source syncrep.c: SyncRepReleaseWaiters, SyncRepGetSyncRecPtr, SyncRepGetCandidateStandbys (SyncRepGetSyncStandbys before
 * commit f332241a60), SyncRepGetStandbyPriority; walsender.c: pg_stat_get_wal_senders
 * @example evaluateSynchronousStandbys(parseSynchronousStandbyNames("b, a"), [{ applicationName: "A", state: "streaming", writeLsn: 9n, flushLsn: 8n, replayLsn: 7n }]).released.on // { lsn: 8n, heldBy: [0], needed: 1, copies: 1 }
 */
export function evaluateSynchronousStandbys(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  options: EvaluateOptions = {},
): SyncRepEvaluation {
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  const { server = defaultServer, cascading = false } = options;
  if (typeof cascading !== "boolean") refuseArgument("options.cascading", "a boolean", cascading);
  checkConfig(config, server);
  checkStandbys(standbys);
  const numSync = cascading || config === undefined ? 0 : config.numSync;
  const quorum = config?.syncrepMethod === "QUORUM";

  const priorityOf = numSync > 0 ? standbyPriority(config!) : () => 0;
  const priorities = standbys.map(({ applicationName, flushLsn }) => (flushLsn ? priorityOf(applicationName) : 0));
  const candidates = [...standbys.keys()].filter((i) => priorities[i]! > 0 && maySync(standbys[i]!, server));
  const chosen = quorum ? candidates : firstOf(candidates, numSync, priorities, server);
  const isCandidate = new Set(candidates);
  const isChosen = new Set(chosen);

  const missing = Math.max(0, numSync - candidates.length);
  const release = (level: SyncLevel): SyncRepRelease => {
    if (missing > 0 || numSync === 0)
      return { lsn: undefined, heldBy: [], needed: 0, copies: quorum ? numSync & 0xff : numSync };
    const at = (i: number): bigint => standbys[i]![positionAt[level]] ?? 0n;
    return quorum ? nthLatest(chosen, at, numSync & 0xff) : oldest(chosen, at);
  };
  return {
    standbys: standbys.map(({ applicationName }, i) => ({
      applicationName,
      syncPriority: priorities[i]!,
      syncState: priorities[i] === 0 ? "async" : !isChosen.has(i) ? "potential" : quorum ? "quorum" : "sync",
      candidate: isCandidate.has(i),
      chosen: isChosen.has(i),
    })),
    numSync,
    missing,
    released: {
      remote_write: syncStandbyCapabilities.supports(server, "remoteWrite") ? release("remote_write") : undefined,
      on: release("on"),
      remote_apply: syncStandbyCapabilities.supports(server, "remoteApply") ? release("remote_apply") : undefined,
    },
  };
}

/** The priority of a name: that of the first in the list that it equals, `*` being equal to any; with ANY 1 for each of these. */
function standbyPriority({ syncrepMethod, memberNames }: SyncRepConfig): (name: string) => number {
  const first = new Map<string, number>();
  memberNames.forEach((name, i) => {
    const folded = downcaseIdentifier(name);
    if (!first.has(folded)) first.set(folded, i + 1);
  });
  const any = first.get("*") ?? Number.POSITIVE_INFINITY;
  return (name) => {
    const priority = Math.min(first.get(downcaseIdentifier(name)) ?? Number.POSITIVE_INFINITY, any);
    if (priority > memberNames.length) return 0;
    return syncrepMethod === "QUORUM" ? 1 : priority;
  };
}

function maySync({ state }: SyncRepStandby, server: Server): boolean {
  return (
    state === "streaming" || (state === "stopping" && syncStandbyCapabilities.supports(server, "stoppingIsSynchronous"))
  );
}

/** The `numSync` of highest priority. Their order matters to `oldest` when positions are unknown. */
function firstOf(candidates: number[], numSync: number, priorities: readonly number[], server: Server): number[] {
  const by = (rank: (i: number) => number): number[] => [...candidates].sort((a, b) => rank(a) - rank(b));
  if (candidates.length > numSync) return by((i) => priorities[i]!).slice(0, numSync);
  return syncStandbyCapabilities.supports(server, "candidatesInArrayOrder")
    ? candidates
    : by((i) => (priorities[i] === 1 ? 0 : 1));
}

/** With FIRST, the lowest position; one that is unknown (0) is forgotten as soon as another comes after it. */
function oldest(chosen: readonly number[], at: (i: number) => bigint): SyncRepRelease {
  let lsn = 0n;
  let copies = 0;
  let heldBy: number[] = [];
  for (const i of chosen) {
    const position = at(i);
    if (lsn === 0n || position < lsn) {
      lsn = position;
      heldBy = [i];
    } else if (position === lsn) {
      heldBy.push(i);
    }
    copies = lsn === 0n ? 0 : copies + 1;
  }
  return { lsn: lsn === 0n ? undefined : (lsn as Lsn), heldBy, needed: heldBy.length, copies };
}

/** With ANY, the position that `nth` of them have got to. */
function nthLatest(chosen: readonly number[], at: (i: number) => bigint, nth: number): SyncRepRelease {
  if (nth === 0) return { lsn: undefined, heldBy: [], needed: 0, copies: 0 };
  const lsn = chosen.map(at).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))[nth - 1]!;
  const heldBy = chosen.filter((i) => at(i) <= lsn);
  const needed = nth - (chosen.length - heldBy.length);
  return { lsn: lsn === 0n ? undefined : (lsn as Lsn), heldBy, needed, copies: nth };
}

const states: readonly unknown[] = ["startup", "backup", "catchup", "streaming", "stopping"];

/** The checks of the C's parser and types, for whoever has no compiler. */
export function checkConfig(config: SyncRepConfig | undefined, server: Server = defaultServer): void {
  if (config === undefined) return;
  requireObject("SyncRepConfig", config);
  const { syncrepMethod, numSync, memberNames } = config;
  if (syncrepMethod === "QUORUM") requireCapability(syncrepCapabilities, server, "quorumCommit", "ANY");
  else if (syncrepMethod !== "PRIORITY") fail("SyncRepConfig.syncrepMethod", "it is PRIORITY or QUORUM");
  if (typeof numSync !== "number" || numSync !== (numSync | 0) || numSync < 1) {
    fail("SyncRepConfig.numSync", "it is an integer of 1 to 2^31 - 1");
  }
  if (numSync > 1)
    requireCapability(syncStandbyCapabilities, server, "multipleSyncStandbys", "More than one synchronous standby");
  checkNames("SyncRepConfig.memberNames", memberNames);
}

function checkStandbys(standbys: readonly SyncRepStandby[]): void {
  requireArray("standbys", standbys);
  for (let i = 0; i < standbys.length; i++) {
    const path = `standbys[${i}]`;
    const standby = standbys[i]!;
    requireObject(path, standby);
    requireName(`${path}.applicationName`, standby.applicationName);
    if (!states.includes(standby.state)) fail(`${path}.state`, `it is one of ${states.join(", ")}`);
    for (const field of Object.values(positionAt)) {
      const lsn: unknown = standby[field];
      if (lsn !== undefined && (typeof lsn !== "bigint" || BigInt.asUintN(64, lsn) !== lsn)) {
        fail(`${path}.${field}`, "an LSN is a bigint from 0 to 2^64 - 1, or undefined");
      }
    }
  }
}

/** Insist on an array of texts. */
export function checkNames(path: string, names: readonly string[]): void {
  requireArray(path, names);
  for (let i = 0; i < names.length; i++) requireName(`${path}[${i}]`, names[i]);
}

function requireName(path: string, value: unknown): void {
  if (typeof value !== "string") fail(path, "it must be a string");
}

function requireArray(path: string, value: unknown): void {
  if (!Array.isArray(value)) fail(path, "it must be an array");
}

function requireObject(path: string, value: unknown): void {
  if (typeof value !== "object" || value === null) fail(path, "it must be an object");
}

function fail(path: string, reason: string): never {
  throw new EncodeError(path, `${path}: ${reason}`);
}
