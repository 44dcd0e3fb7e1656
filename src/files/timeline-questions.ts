/**
 * Questions about timelines: which one holds a position, where two servers diverged, which server can follow which.
 *
 * A port of PostgreSQL's timeline.c, pg_rewind.c: findCommonAncestorTimeline, walsender.c: StartReplication, and xlogrecovery.c:
 * InitWalRecovery and rescanLatestTimeLine.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { refuseArgument } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, type Server, serverVersionNum } from "../kernel/version.ts";
import { checkHistory, checkLsn, checkPoint, checkUint32 } from "./arguments.ts";
import { textFileCapabilities } from "./capabilities.ts";
import type { TimeLineHistory, TimeLineHistoryOptions } from "./timeline-history.ts";

/** A position on a timeline. */
export interface TimeLinePoint {
  /** The timeline. */
  readonly tli: number;
  /** The position on it. */
  readonly lsn: Lsn;
}

/**
 * Is the timeline one of this history?
 *
 * @source timeline.c: tliInHistory
 */
export function tliInHistory(tli: number, history: TimeLineHistory): boolean {
  checkUint32("tli", tli);
  checkHistory("history", history);
  return history.some((entry) => entry.tli === tli);
}

/**
 * On which timeline a position is.
 *
 * @returns undefined for an empty history; a server then says "timeline history was not contiguous".
 * @source timeline.c: tliOfPointInHistory
 * @example tliOfPointInHistory(parseLsn("0/3000000"), parseTimeLineHistory("1\t0/3000000\tx\n", 2)) // 2
 */
export function tliOfPointInHistory(lsn: Lsn, history: TimeLineHistory): number | undefined {
  checkLsn("lsn", lsn);
  checkHistory("history", history);
  // From the newest on, as there: a file can say that a timeline begins before its parent does.
  const found = history.findLast(
    ({ begin, end }) => (begin === invalidLsn || begin <= lsn) && (end === invalidLsn || lsn < end),
  );
  return found?.tli;
}

/**
 * Where a timeline was left, and for which.
 *
 * @returns undefined for a timeline that is not in the history.
 * @source timeline.c: tliSwitchPoint
 * @example tliSwitchPoint(1, parseTimeLineHistory("1\t0/3000000\tx\n", 2)) // { switchPoint: parseLsn("0/3000000"), nextTli: 2 }
 */
export function tliSwitchPoint(
  tli: number,
  history: TimeLineHistory,
):
  | {
      /** The first position that is no longer on the timeline; 0/0 for the last timeline. */
      readonly switchPoint: Lsn;
      /** The next timeline; undefined for the last one. */
      readonly nextTli: number | undefined;
    }
  | undefined {
  checkUint32("tli", tli);
  checkHistory("history", history);
  const at = history.findLastIndex((entry) => entry.tli === tli);
  return at === -1 ? undefined : { switchPoint: history[at]!.end, nextTli: history[at + 1]?.tli };
}

/**
 * Up to where two histories are the same: the last timeline that they share, and the first byte of it that one of them has left
 * behind, 0/0 if neither has, when they are the same history.
 *
 * @returns undefined if they share nothing; pg_rewind then says "could not find common ancestor of the source and target cluster's
 * timelines".
 * @source pg_rewind.c: findCommonAncestorTimeline
 * @example findCommonAncestorTimeline(parseTimeLineHistory("1\t0/3000000\tx\n", 2), parseTimeLineHistory("1\t0/4000000\tx\n", 3)) // { tli: 1, lsn: parseLsn("0/3000000") }
 */
export function findCommonAncestorTimeline(a: TimeLineHistory, b: TimeLineHistory): TimeLinePoint | undefined {
  checkHistory("a", a);
  checkHistory("b", b);
  // The same number does not make it the same timeline: it begins at the same place too.
  const shared = sharedEntries(a, b);
  if (shared === 0) return undefined;
  const ends = [a[shared - 1]!.end, b[shared - 1]!.end].filter((end) => end !== invalidLsn);
  const lsn = ends.reduce((least, end) => (end < least ? end : least), ends[0] ?? invalidLsn);
  return { tli: a[shared - 1]!.tli, lsn };
}

/** How many entries are the same, from the oldest on. Where the last of them ends may differ. */
function sharedEntries(a: TimeLineHistory, b: TimeLineHistory): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i]!.tli === b[i]!.tli && a[i]!.begin === b[i]!.begin) i++;
  return i;
}

/**
 * Is the one timeline an ancestor of the other, or the same? Then a server that is on it, and not beyond its end, can go on to the other.
 *
 * @example isAncestorHistory(parseTimeLineHistory("", 1), parseTimeLineHistory("1\t0/3000000\tx\n", 2)) // true
 */
export function isAncestorHistory(ancestor: TimeLineHistory, of: TimeLineHistory): boolean {
  checkHistory("ancestor", ancestor);
  checkHistory("of", of);
  return ancestor.length <= of.length && sharedEntries(ancestor, of) === ancestor.length;
}

function serverOf(options: { readonly server?: Server | undefined }): number {
  checkOptions(options, ["server"]);
  return serverVersionNum(options.server ?? defaultServer);
}

/** What a server says. */
export interface TimeLineRefusal {
  /** FATAL keeps a server from starting; ERROR ends the command; LOG only reports. */
  readonly level: "ERROR" | "FATAL" | "LOG";
  /** Five characters. */
  readonly sqlstate: string;
  /** The primary message. */
  readonly message: string;
  /** The detail; undefined if there is none. */
  readonly detail: string | undefined;
}

/**
 * What a server with this history says to `START_REPLICATION lsn TIMELINE tli`, of the timeline and the place of its fork alone.
 *
 * @returns undefined if the place is one of the server's history.
 * @source walsender.c: StartReplication; timeline.c: tliSwitchPoint
 * @example judgeStartReplication(parseTimeLineHistory("1\t0/3000000\tx\n", 2), { tli: 1, lsn: parseLsn("0/4000000") })?.detail // "This server's history forked from timeline 1 at 0/3000000."
 */
export function judgeStartReplication(
  history: TimeLineHistory,
  point: TimeLinePoint,
  options: TimeLineHistoryOptions = {},
): TimeLineRefusal | undefined {
  const server = serverOf(options);
  checkHistory("history", history);
  checkPoint("point", point);
  const { tli, lsn } = point;
  if (tli === history.at(-1)?.tli) return undefined;
  const left = tliSwitchPoint(tli, history);
  if (left === undefined) return notInHistory(tli);
  if (left.switchPoint === invalidLsn || left.switchPoint >= lsn) return undefined;
  return {
    level: "ERROR",
    sqlstate: "XX000",
    message: `requested starting point ${formatLsn(lsn, { server })} on timeline ${tli} is not in this server's history`,
    detail: `This server's history forked from timeline ${tli} at ${formatLsn(left.switchPoint, { server })}.`,
  };
}

/** @source timeline.c: tliSwitchPoint */
function notInHistory(tli: number): TimeLineRefusal {
  return {
    level: "ERROR",
    sqlstate: "XX000",
    message: `requested timeline ${tli} is not in this server's history`,
    detail: undefined,
  };
}

/**
 * Why a standby that follows the newest timeline and has replayed up to here does not go over to a new one; it stays on its own then.
 *
 * @param history Of the new timeline.
 * @returns undefined if it goes over.
 * @source xlogrecovery.c: rescanLatestTimeLine
 * @example judgeNewTimeLine(parseTimeLineHistory("1\t0/3000000\tx\n", 2), { tli: 1, lsn: parseLsn("0/3000000") }) // undefined
 */
export function judgeNewTimeLine(
  history: TimeLineHistory,
  replayed: TimeLinePoint,
  options: TimeLineHistoryOptions = {},
): TimeLineRefusal | undefined {
  const server = serverOf(options);
  checkHistory("history", history);
  checkPoint("replayed", replayed);
  const { tli, lsn } = replayed;
  const newTli = history.at(-1)?.tli;
  const said = (message: string): TimeLineRefusal => ({ level: "LOG", sqlstate: "00000", message, detail: undefined });
  const current = history.findLast((entry) => entry.tli === tli);
  if (current === undefined) return said(`new timeline ${newTli} is not a child of database system timeline ${tli}`);
  if (current.end >= lsn || newTli === tli) return undefined;
  return said(
    `new timeline ${newTli} forked off current database system timeline ${tli} before current recovery point ${formatLsn(lsn, { server })}`,
  );
}

/**
 * Why a server that is to recover along this history does not start: its last checkpoint, or what it had replayed before, is on another
 * branch.
 *
 * Of a checkpoint on a timeline that is not in the history at all, a server that looks for its WAL finds none, and says so before.
 *
 * @param history Of the timeline that it is to recover to.
 * @param from.checkpoint Where it starts: backup_label says that if there is one, else pg_control.
 * @param from.controlFile The last checkpoint of pg_control, if `checkpoint` is one of backup_label: before 18 the server names it instead.
 * @param from.minRecoveryPoint Of pg_control: as far a standby, or a backup of one, has to get; undefined or 0/0 for another.
 * @source xlogrecovery.c: InitWalRecovery, before 15 xlog.c: StartupXLOG
 * @example judgeRecovery(parseTimeLineHistory("1\t0/3000000\tx\n", 2), { checkpoint: { tli: 1, lsn: parseLsn("0/2000028") } }) // undefined
 */
export function judgeRecovery(
  history: TimeLineHistory,
  from: {
    readonly checkpoint: TimeLinePoint;
    readonly controlFile?: TimeLinePoint | undefined;
    readonly minRecoveryPoint?: TimeLinePoint | undefined;
  },
  options: TimeLineHistoryOptions = {},
): TimeLineRefusal | undefined {
  const server = serverOf(options);
  checkHistory("history", history);
  if (typeof from !== "object" || from === null) refuseArgument("from.checkpoint", "an object with tli and lsn", from);
  const { checkpoint, controlFile, minRecoveryPoint } = from;
  checkPoint("from.checkpoint", checkpoint);
  if (controlFile !== undefined) checkPoint("from.controlFile", controlFile);
  if (minRecoveryPoint !== undefined) checkPoint("from.minRecoveryPoint", minRecoveryPoint);
  const requested = history.at(-1)?.tli;
  if (tliOfPointInHistory(checkpoint.lsn, history) !== checkpoint.tli) {
    const names = textFileCapabilities.supports(server, "checkpointDetailNamesFile");
    const file = names ? ` in file "${controlFile === undefined ? "pg_control" : "backup_label"}"` : "";
    const { tli, lsn } = names ? checkpoint : (controlFile ?? checkpoint);
    const left = tliSwitchPoint(tli, history);
    if (left === undefined) return { ...notInHistory(tli), level: "FATAL" };
    return {
      level: "FATAL",
      sqlstate: "XX000",
      message: `requested timeline ${requested} is not a child of this server's history`,
      detail:
        `Latest checkpoint${file} is at ${formatLsn(lsn, { server })} on timeline ${tli}, but in the history of the ` +
        `requested timeline, the server forked off from that timeline at ${formatLsn(left.switchPoint, { server })}.`,
    };
  }
  if (minRecoveryPoint === undefined || minRecoveryPoint.lsn === invalidLsn) return undefined;
  if (tliOfPointInHistory(toLsn(minRecoveryPoint.lsn - 1n), history) === minRecoveryPoint.tli) return undefined;
  return {
    level: "FATAL",
    sqlstate: "XX000",
    message:
      `requested timeline ${requested} does not contain minimum recovery point ${formatLsn(minRecoveryPoint.lsn, { server })} ` +
      `on timeline ${minRecoveryPoint.tli}`,
    detail: undefined,
  };
}

/**
 * A history in sentences.
 *
 * @example explainTimeLineHistory(parseTimeLineHistory("1\t0/3000000\tno recovery target specified\n", 2)) // ["Timeline 1 goes from the beginning to 0/3000000, where it was left for timeline 2: no recovery target specified.", "Timeline 2 goes on from 0/3000000."]
 */
export function explainTimeLineHistory(
  history: TimeLineHistory,
  options: TimeLineHistoryOptions = {},
): readonly string[] {
  const server = serverOf(options);
  checkHistory("history", history);
  return history.flatMap((entry, i) => {
    const { tli, begin, end } = entry;
    const sentence = explainEntry(history, i, server);
    if (end === invalidLsn || end >= begin) return [sentence];
    const [to, from] = [formatLsn(end, { server }), formatLsn(begin, { server })];
    return [
      sentence,
      `No server writes that: timeline ${tli} ends at ${to}, before it begins at ${from}. Switch points must not go back; servers read the file all the same.`,
    ];
  });
}

function explainEntry(history: TimeLineHistory, i: number, server: number): string {
  const { tli, begin, end, reason } = history[i]!;
  const from = begin === invalidLsn ? "the beginning" : formatLsn(begin, { server });
  const next = history[i + 1];
  if (next === undefined) {
    return history.length === 1
      ? `Timeline ${tli} has no parents: all of it is on it, from the beginning.`
      : `Timeline ${tli} goes on from ${from}.`;
  }
  const why = reason === undefined || reason === "" ? "" : `: ${reason}`;
  return `Timeline ${tli} goes from ${from} to ${formatLsn(end, { server })}, where it was left for timeline ${next.tli}${why}.`;
}

/**
 * How two histories stand to each other, in a sentence: what one asks before a server that was primary becomes a standby again.
 *
 * @example explainTimeLines(parseTimeLineHistory("", 1), parseTimeLineHistory("1\t0/3000000\tx\n", 2)) // "Timeline 2 is a child of timeline 1: a server on timeline 1 that has nothing from 0/3000000 on can follow it, another needs pg_rewind."
 */
export function explainTimeLines(a: TimeLineHistory, b: TimeLineHistory, options: TimeLineHistoryOptions = {}): string {
  const server = serverOf(options);
  checkHistory("a", a);
  checkHistory("b", b);
  const [one, other] = [a.at(-1)?.tli, b.at(-1)?.tli];
  const common = findCommonAncestorTimeline(a, b);
  if (common === undefined) {
    return `Timelines ${one} and ${other} have nothing in common: the servers are of different clusters, or the files are wrong.`;
  }
  const at = formatLsn(common.lsn, { server });
  if (common.lsn === invalidLsn) return `Both are timeline ${common.tli}, with the same history.`;
  for (const [parent, child] of [
    [a, b],
    [b, a],
  ] as const) {
    if (!isAncestorHistory(parent, child)) continue;
    const [older, newer] = [parent.at(-1)!.tli, child.at(-1)!.tli];
    return `Timeline ${newer} is a child of timeline ${older}: a server on timeline ${older} that has nothing from ${at} on can follow it, another needs pg_rewind.`;
  }
  return `Timelines ${one} and ${other} parted at ${at} on timeline ${common.tli}: neither server can follow the other without pg_rewind.`;
}
