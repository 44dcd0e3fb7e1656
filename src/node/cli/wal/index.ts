/**
 * `walwire wal`: the records of WAL, a line each, for people or as JSON; what fills it; where recovery would stop.
 */
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
import type { Json } from "../../../wire/json.ts";
import { Blocks, Progress } from "../shared/output.ts";
import { Page } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { WalCall } from "./declaration.ts";
import { inOrder } from "./input.ts";
import { sayNotice, sayRecord, sayStats, sayStop } from "./page.ts";
import { type Found, type Notice, type Reading, recordLine, recordsOf } from "./records.ts";
import { WalStats } from "./stats.ts";

/** Which records, and what of them. */
interface Call {
  readonly paths: readonly string[];
  readonly server: number | undefined;
  readonly start: Lsn | undefined;
  readonly end: Lsn | undefined;
  readonly rmgr: string | undefined;
  readonly xid: number | undefined;
  readonly target: RecoveryTarget | undefined;
  readonly stats: boolean;
  readonly jsonl: boolean;
}

/** `walwire wal`. */
export async function run({ argument, options }: WalCall): Promise<Status> {
  const { rmgr } = options;
  const call = { ...options, paths: inOrder(argument), rmgr: rmgr?.toLowerCase(), target: targetOf(options) };
  // Nobody sees the stacks of the errors.
  Error.stackTraceLimit = 0;
  return call.target === undefined ? records(call) : recovery(call, call.target);
}

/** Options that name a target are mutually exclusive. */
function targetOf({
  targetTime,
  targetXid,
  targetName,
  targetLsn,
  exclusive,
}: WalCall["options"]): RecoveryTarget | undefined {
  const inclusive = !exclusive;
  if (targetTime !== undefined) return { type: "time", time: timeOf(targetTime), inclusive };
  if (targetXid !== undefined) return { type: "xid", xid: targetXid, inclusive };
  if (targetName !== undefined) return { type: "name", name: targetName };
  if (targetLsn !== undefined) return { type: "lsn", lsn: targetLsn, inclusive };
  return undefined;
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

/** The records that are asked for, and notices; `seen` counts all that are read. */
async function* chosen(call: Call, progress: Progress, reading: Reading): AsyncGenerator<(Found | Notice)[]> {
  let seen = 0;
  for await (const batch of recordsOf(call.paths, call.server, reading)) {
    const shown: (Found | Notice)[] = [];
    for (const each of batch) {
      if ("notice" in each) {
        shown.push(each);
        continue;
      }
      seen++;
      const { lsn, xid } = each.record;
      if (call.end !== undefined && lsn >= call.end) {
        yield shown;
        return;
      }
      if (call.start !== undefined && lsn < call.start) continue;
      if (call.xid !== undefined && xid !== call.xid) continue;
      if (call.rmgr !== undefined && each.description.resourceManager.toLowerCase() !== call.rmgr) continue;
      shown.push(each);
    }
    yield shown;
    progress.show(seen);
  }
}

function isBad(each: Found | Notice): boolean {
  return "notice" in each ? each.notice === "damage" : each.error !== undefined;
}

async function records(call: Call): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  const reading: Reading = { progress: () => undefined };
  const progress = new Progress("records", () => reading.progress());
  const stats = call.stats ? new WalStats() : undefined;
  const line = (value: unknown) => output.write(`${JSON.stringify(value)}\n`);
  let isGood = true;
  let server: number | undefined;
  const notices: Notice[] = [];
  for await (const batch of chosen(call, progress, reading)) {
    for (const each of batch) {
      if (isBad(each)) isGood = false;
      if ("notice" in each) {
        if (call.jsonl) line(noticeLine(each, server));
        else if (stats === undefined) sayNotice(page, each);
        else notices.push(each);
        continue;
      }
      server = each.server;
      if (stats !== undefined) stats.note(each);
      else if (call.jsonl) line(recordLine(each));
      else sayRecord(page, each);
      await output.flush(false);
    }
  }
  progress.end();
  if (stats !== undefined) {
    if (call.jsonl) line({ stats });
    else {
      sayStats(page, stats, server);
      page.line();
      for (const notice of notices) sayNotice(page, notice);
    }
  }
  await output.flush();
  return isGood ? status.good : status.bad;
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
    for (const notice of notices) output.write(`${JSON.stringify(noticeLine(notice, server))}\n`);
    output.write(`${JSON.stringify(stopLine(stop, lastCommit, checkpoint, server))}\n`);
  } else {
    const page = new Page(output);
    for (const notice of notices) sayNotice(page, notice);
    sayStop(page, target, { stop, lastCommit, checkpoint, server });
  }
  await output.flush();
  return stop === undefined || notices.some(isBad) ? status.bad : status.good;
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
