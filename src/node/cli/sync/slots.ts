/** `walwire sync check --setting synchronized_standby_slots`: the verdict on a value, and what holds logical failover slots back. */
import { ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn } from "../../../kernel/lsn.ts";
import { defaultServer, formatServerVersion, serverVersionNum } from "../../../kernel/version.ts";
import { listed } from "../../../kernel/words.ts";
import {
  lintSynchronizedStandbySlots,
  parseSynchronizedStandbySlots,
  type StandbySlotsProgress,
  standbySlotsHaveCaughtUp,
} from "../../../syncrep/standby-slots.ts";
import { type SlotPrimary, slotsOf } from "../../standby-slots.ts";
import { textOf, urlOf } from "../shared/input.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UnseenError, UsageError } from "../shared/usage.ts";
import type { SyncCall } from "./declaration.ts";
import { writeJson } from "./json.ts";
import { sayVerdict } from "./page.ts";
import { readJson } from "./standbys.ts";

/** It is bad if the server rejects the value, and blocked if a slot holds logical failover slots back that will not go on by itself. */
export async function answerSlots({ argument, options }: SyncCall): Promise<Status> {
  const { from, slots: file, json, strict, conf, jsonl, also, ignore, format } = options;
  const given = { conf, jsonl, also: also.length > 0, ignore: ignore.length > 0, format: format !== "text" };
  const [useless] = Object.entries(given).find(([, value]) => value !== undefined && value !== false) ?? [];
  if (useless !== undefined)
    throw new UsageError(`--setting synchronized_standby_slots and --${useless} are mutually exclusive`);
  if (from !== undefined && file !== undefined) throw new UsageError("--from and --slots are mutually exclusive");
  const primary = from === undefined ? undefined : await primaryOf(from);
  const server = options.server ?? primary?.server ?? serverVersionNum(defaultServer);
  const value = argument ?? primary?.setting;
  if (value === undefined && primary !== undefined) {
    throw new UnseenError(`PostgreSQL ${formatServerVersion(server)} has no synchronized_standby_slots`);
  }
  const text = value === undefined || value === "-" ? await textOf(argument, "VALUE") : value;
  const found = primary ?? (file === undefined ? undefined : await readSlots(file));
  const verdict = verdictOf(text, server);
  if (verdict instanceof ParseError) {
    if (json) writeJson({ error: verdict.toJSON() }, status.bad);
    else
      sayVerdict(
        new Page(process.stdout),
        { text, server, verdict: { type: "refused", error: verdict }, findings: [] },
        { text },
      );
    return status.bad;
  }
  const findings = lintSynchronizedStandbySlots(text, { server });
  const progress =
    found &&
    standbySlotsHaveCaughtUp(verdict, found.slots, found.position ?? invalidLsn, { cascading: found.cascading });
  const isBlocked = progress?.blockers.some(({ reason }) => reason !== "behind") === true;
  const isBad = strict && findings.some(({ severity }) => severity === "warning");
  const result = isBad ? status.bad : isBlocked ? status.blocked : status.good;
  if (json) {
    const lsn = (position: Lsn | undefined) => (position === undefined ? null : formatLsn(position, { server }));
    const seen = progress && {
      ...{
        caughtUp: progress.caughtUp,
        warning: progress.warning ?? null,
        oldest: lsn(progress.oldest),
        waiting: progress.waiting,
      },
      blockers: progress.blockers.map((each) => ({
        ...each,
        behind: each.behind === undefined ? null : Number(each.behind),
      })),
    };
    writeJson({ slots: verdict, ...(findings.length > 0 ? { findings } : {}), ...seen }, result);
    return result;
  }
  const page = new Page(process.stdout);
  sayVerdict(page, { text, server, verdict: { type: "accepted", config: undefined }, findings: [] }, { text });
  for (const { severity, code, message } of findings) page.line(`${severity} ${code}: ${printable(message)}`);
  page.line(
    verdict.length === 0
      ? "Logical failover slots wait for no slot."
      : `Logical failover slots send what all of these have flushed: ${printable(listed(verdict, "and"))}.`,
  );
  if (progress !== undefined) sayProgress(page, progress, found!.cascading);
  return result;
}

function verdictOf(text: string, server: number): readonly string[] | ParseError {
  try {
    return parseSynchronizedStandbySlots(text, { server });
  } catch (error) {
    if (error instanceof ParseError) return error;
    if (error instanceof UnsupportedError) throw new UsageError(error.message);
    throw error;
  }
}

function sayProgress(page: Page, { blockers, waiting }: StandbySlotsProgress, cascading: boolean): void {
  if (cascading) page.line("This server is a standby itself: here no slot waits.");
  for (const { reason, sentence } of blockers) page.mark(reason === "behind" ? "neutral" : "bad", printable(sentence));
  if (cascading) return;
  if (blockers.length === 0) page.mark("good", "All of them have caught up.");
  const names = printable(listed(waiting, "and"));
  page.line(waiting.length === 0 ? "There is no logical failover slot." : `Logical failover slots: ${names}.`);
}

async function primaryOf(url: string): Promise<SlotPrimary> {
  urlOf(url);
  const { readSlotPrimary } = await import("./from.ts");
  return readSlotPrimary(url);
}

/** Rows of pg_replication_slots as JSON. Without the primary's position, the furthest slot says how far WAL is. */
async function readSlots(path: string): Promise<Pick<SlotPrimary, "slots" | "position" | "cascading">> {
  const name = path === "-" ? "standard input" : path;
  const slots = slotsOf((await readJson(path)) ?? [], (problem) => {
    throw new UnseenError(`${name}: ${problem}`);
  });
  const position = slots.reduce(
    (most, { restartLsn = invalidLsn }) => (restartLsn > most ? restartLsn : most),
    invalidLsn,
  );
  return { slots, position, cascading: false };
}
