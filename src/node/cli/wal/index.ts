/**
 * `walwire wal`: the records of WAL, a line each, for people or as JSON; what fills it; where recovery would stop.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import type { PgTime } from "../../../kernel/time.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import { timestamptz } from "../../../values/time.ts";
import {
  type RecoveryStop,
  type RecoveryTarget,
  recoveryStopsAt,
  type WalCheckpoint,
  type WalTransactionEnd,
  walCheckpoint,
  walTransactionEnd,
} from "../../../wal/questions.ts";
import { walResourceManagerNames } from "../../../wal/rmgr.ts";
import type { WalTimeline } from "../../../wal/timeline.ts";
import type { Json } from "../../../wire/json.ts";
import { Blocks, Progress } from "../shared/output.ts";
import { Page } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { WalCall } from "./declaration.ts";
import { endsBehind, type Filter, filterOf, matches } from "./filter.ts";
import { findWal, isArchive, placesOf, type WalPlaces } from "./input.ts";
import { sayNotice, sayNotices, sayRecord, sayStats, sayStop } from "./page.ts";
import { type Found, type Notice, type Reading, recordLine, recordsOf } from "./records.ts";
import { makePageDirectory, saveFullPages } from "./save-fullpage.ts";
import { WalStats } from "./stats.ts";

/** What is read, and what of it is shown. */
interface Call {
  readonly places: WalPlaces;
  readonly server: number | undefined;
  readonly timeline: WalTimeline | undefined;
  readonly filter: Filter;
  readonly end: Lsn | undefined;
  readonly limit: number;
  readonly follow: boolean;
  readonly target: RecoveryTarget | undefined;
  readonly stats: boolean;
  readonly quiet: boolean;
  readonly jsonl: boolean;
  readonly saveFullpage: string | undefined;
}

/** `walwire wal`. */
export async function run({ argument, options }: WalCall): Promise<Status> {
  if (options.rmgr.includes("list")) {
    process.stdout.write(`${walResourceManagerNames().join("\n")}\n`);
    return status.good;
  }
  const call: Call = {
    ...options,
    places: placesOf(argument, options.path),
    timeline: timelineOf(options.timeline),
    filter: filterOf(options),
    limit: options.limit ?? Number.POSITIVE_INFINITY,
    target: targetOf(options),
  };
  if (call.follow && call.places.paths.some(isArchive)) {
    throw new UsageError("--follow is not supported when reading from a tar archive");
  }
  // No error's stack is shown.
  Error.stackTraceLimit = 0;
  if (call.saveFullpage !== undefined) makePageDirectory(call.saveFullpage);
  return call.target === undefined ? records(call) : recovery(call, call.target);
}

function timelineOf(text: string | undefined): WalTimeline | undefined {
  if (text === undefined || text === "latest" || text === "current") return text;
  // pg_waldump takes hexadecimal digits too, as they are in the names of segments.
  const number = /^(\d{1,10}|0x[\da-f]{1,8})$/i.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= 0xffffffff) return number;
  throw new UsageError(`--timeline: expected latest, current or a number from 1, got ${JSON.stringify(text)}`);
}

/** Options that name a target are mutually exclusive. */
function targetOf(options: WalCall["options"]): RecoveryTarget | undefined {
  const { targetTime, targetXid, targetName, targetLsn, targetImmediate, start, exclusive } = options;
  const inclusive = !exclusive;
  if (targetTime !== undefined) return { type: "time", time: timeOf(targetTime), inclusive };
  if (targetXid !== undefined) return { type: "xid", xid: targetXid, inclusive };
  if (targetName !== undefined) return { type: "name", name: targetName };
  if (targetLsn !== undefined) return { type: "lsn", lsn: targetLsn, inclusive };
  return targetImmediate ? { type: "immediate", backupStart: start } : undefined;
}

/** A time as PostgreSQL prints it, or ISO 8601; without a zone, UTC. */
function timeOf(text: string): PgTime {
  const zoned = /([+-]\d\d(:?\d\d)*|Z)$/i.test(text) ? text : `${text}+00`;
  try {
    return timestamptz.readText(zoned.replace(/[Tt](?=\d)/, " ").replace(/Z$/i, "+00")) as PgTime;
  } catch (error) {
    throw new UsageError(
      `--target-time: expected a time such as 2026-11-27 04:13:12.5+00: ${(error as Error).message}`,
    );
  }
}

/** How long to wait for more WAL, in ms: pg_waldump.c, main. */
const FOLLOW = 1000;

/** The records that are asked for, and notices. With --follow it goes on until Ctrl-C. */
async function* chosen(call: Call, progress: Progress, reading: Reading): AsyncGenerator<(Found | Notice)[]> {
  const { places, server, timeline, target, follow } = call;
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  if (follow) process.once("SIGINT", interrupt);
  const state = { seen: 0, shown: 0, from: call.filter.start, isOver: false };
  try {
    for (let round = 0; ; round++) {
      const mayBeMissing = round > 0;
      const inputs = await findWal(places, {
        server,
        timeline,
        start: state.from,
        partial: target === undefined,
        mayBeMissing,
      });
      if (follow && inputs.others.length > 0) throw new UsageError("--follow requires segments or a directory of them");
      const resume = round === 0 ? undefined : state.from;
      const options = { server, start: state.from, asRecovery: target !== undefined || follow, resume };
      for await (const batch of recordsOf(inputs, options, reading)) {
        const wanted = choose(batch, call, state);
        // Of a later round nothing is said twice.
        const isSaid = (each: Found | Notice) =>
          !("notice" in each) || (!isTransient(each) && (round === 0 || isBad(each)));
        const said = follow ? wanted.filter(isSaid) : wanted;
        yield said;
        progress.show(state.seen);
        if (state.isOver || (follow && said.some((each) => "notice" in each && isBad(each)))) return;
        if (stop.signal.aborted) return;
      }
      if (!follow) return;
      await sleep(FOLLOW, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return;
    }
  } finally {
    process.off("SIGINT", interrupt);
  }
}

/** WAL that a server is writing right now ends, or looks damaged: pg_waldump --follow tries again. */
function isTransient(each: Notice): boolean {
  return each.notice === "end" || (each.notice === "damage" && each.error !== undefined);
}

/** What of a batch is shown. */
function choose(
  batch: readonly (Found | Notice)[],
  { filter, end, limit, follow }: Call,
  state: { seen: number; shown: number; from: Lsn | undefined; isOver: boolean },
): (Found | Notice)[] {
  const wanted: (Found | Notice)[] = [];
  for (const each of batch) {
    if (state.isOver) break;
    if ("notice" in each) {
      wanted.push(each);
      continue;
    }
    const { record } = each;
    if (follow && state.from !== undefined && record.lsn < state.from) continue;
    state.seen++;
    if (end !== undefined && endsBehind(record, end)) {
      state.isOver = true;
      break;
    }
    if (follow) state.from = record.end;
    if (!matches(each, filter)) continue;
    wanted.push(each);
    if (++state.shown >= limit) state.isOver = true;
  }
  return wanted;
}

/** The exit status that a record or a notice asks for. */
function statusOf(each: Found | Notice): Status {
  if (!("notice" in each)) return each.error === undefined ? status.good : status.bad;
  if (each.notice === "damage" || each.notice === "gap") return status.bad;
  return each.unseen ? status.unseen : status.good;
}

function isBad(each: Found | Notice): boolean {
  return statusOf(each) === status.bad;
}

/** Bad input counts more than input that could not be looked at. */
function worse(a: Status, b: Status): Status {
  return a === status.bad || b === status.good ? a : b;
}

async function records(call: Call): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  const reading: Reading = { progress: () => undefined };
  const progress = new Progress("records", () => reading.progress());
  const stats = call.stats ? new WalStats() : undefined;
  let result: Status = status.good;
  let server: number | undefined;
  const later: Notice[] = [];
  for await (const batch of chosen(call, progress, reading)) {
    for (const each of batch) {
      result = worse(result, statusOf(each));
      if (call.saveFullpage !== undefined && !("notice" in each)) await saveFullPages(call.saveFullpage, each);
      if (call.quiet && statusOf(each) === status.good) continue;
      if ("notice" in each) {
        if (call.jsonl) output.json(noticeLine(each, server));
        else if (stats === undefined && each.notice !== "passed over") sayNotice(page, each);
        else later.push(each);
        continue;
      }
      server = each.server;
      if (stats !== undefined) stats.note(each);
      else if (call.jsonl) output.json(recordLine(each));
      else sayRecord(page, each);
      await output.flush(false);
    }
    if (call.follow) await output.flush();
  }
  progress.end();
  if (stats !== undefined) {
    if (call.jsonl) output.json({ stats });
    else {
      sayStats(page, stats, server);
      page.line();
    }
  }
  if (!call.jsonl) sayNotices(page, later);
  await output.flush();
  return result;
}

function noticeLine({ notice, lsn, file, message, error }: Notice, server: number | undefined): Json {
  return {
    notice,
    lsn: lsn === undefined ? null : formatLsn(lsn, { server }),
    file,
    message,
    ...(error === undefined ? {} : { code: error.code, path: error.path, offset: error.offset }),
  };
}

/** Where recovery would stop. */
async function recovery(call: Call, target: RecoveryTarget): Promise<Status> {
  const output = new Blocks();
  const reading: Reading = { progress: () => undefined };
  const progress = new Progress("records", () => reading.progress());
  let stop: RecoveryStop | undefined;
  let lastCommit: WalTransactionEnd | undefined;
  let checkpoint: WalCheckpoint | undefined;
  let server: number | undefined;
  const notices: Notice[] = [];
  upTo: for await (const batch of chosen(call, progress, reading)) {
    for (const each of batch) {
      if ("notice" in each) {
        notices.push(each);
        continue;
      }
      if (each.error !== undefined) continue;
      const { record } = each;
      server = each.server;
      stop = recoveryStopsAt(record, target, { server });
      if (stop?.side === "before") break upTo;
      const ended = walTransactionEnd(record, { server });
      if (ended?.outcome === "commit") lastCommit = ended;
      checkpoint = walCheckpoint(record, { server }) ?? checkpoint;
      if (stop !== undefined) break upTo;
    }
  }
  progress.end();
  if (call.jsonl) {
    for (const notice of notices) output.json(noticeLine(notice, server));
    output.json(stopLine(stop, lastCommit, checkpoint, server));
  } else {
    const page = new Page(output);
    sayNotices(
      page,
      notices.filter(({ notice }) => notice !== "passed over"),
    );
    sayStop(page, target, { stop, lastCommit, checkpoint, server });
    sayNotices(
      page,
      notices.filter(({ notice }) => notice === "passed over"),
    );
  }
  await output.flush();
  return stop === undefined ? status.bad : notices.map(statusOf).reduce(worse, status.good);
}

function stopLine(
  stop: RecoveryStop | undefined,
  commit: WalTransactionEnd | undefined,
  checkpoint: WalCheckpoint | undefined,
  server: number | undefined,
): Json {
  return {
    stop:
      stop === undefined
        ? null
        : {
            side: stop.side,
            position: formatLsn(stop.position, { server }),
            lsn: formatLsn(stop.lsn, { server }),
            at: stop.at,
            ...(stop.xid === undefined ? {} : { xid: stop.xid }),
            ...(stop.time === undefined ? {} : { time: formatPgTime(stop.time) }),
            ...(stop.name === undefined ? {} : { name: stop.name }),
          },
    lastCommit:
      commit === undefined
        ? null
        : {
            lsn: formatLsn(commit.lsn, { server }),
            end: formatLsn(commit.end, { server }),
            xid: commit.xid,
            time: formatPgTime(commit.time),
          },
    checkpoint:
      checkpoint === undefined
        ? null
        : {
            lsn: formatLsn(checkpoint.lsn, { server }),
            redo: formatLsn(checkpoint.redo, { server }),
            shutdown: checkpoint.shutdown,
          },
  };
}
