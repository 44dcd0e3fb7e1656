/** What `walwire sync` says to people. */
import { drawCaret } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { formatServerVersion, formatVersions, type VersionVerdict } from "../../../kernel/version.ts";
import type { Finding, SyncRepConfig } from "../../../syncrep/index.ts";
import {
  differingVerdicts,
  type Judged,
  printSynchronousStandbyNamesByVersion,
  type SynchronousStandbyNamesVerdict,
  versionsThatAccept,
} from "../../../syncrep/judge.ts";
import {
  blockingLosses,
  certainCopies,
  evaluateSynchronousStandbys,
  type SynchronousCommit,
  type SyncLevel,
  streamingStandby,
} from "../../../syncrep/questions.ts";
import { someOf } from "../../../syncrep/words.ts";
import { downcaseIdentifier } from "../../../text/identifier.ts";
import { type Page, printable } from "../shared/people.ts";
import { sayError } from "../shared/say-error.ts";
import type { ConfValue } from "./conf.ts";
import type { Call, Explained, Subject } from "./model.ts";
import type { ReadStandbys } from "./standbys.ts";
import { findingsBeside, inWords, levelOf } from "./words.ts";

/** More rows than anybody reads. */
const MANY = 20;

/** How much of a value the first line shows. */
const NAMED = 70;

// ---- check ----

/** The verdict of the server in a line, and its error. */
export function sayVerdict(page: Page, { verdict, text, server }: Judged, subject: Subject): void {
  const ok = verdict.type === "accepted";
  const where = subject.place?.(ok ? 0 : verdict.error.offset);
  const at = where === undefined ? "" : `${printable(where.path)}:${where.line}:${where.column}: `;
  const what = text === "" ? "The empty value" : printable(text.length > NAMED ? `${text.slice(0, NAMED)}…` : text);
  page.mark(
    ok ? "good" : "bad",
    `${at}${page.style("bold", what)} is ${ok ? "accepted" : "rejected"} by PostgreSQL ${formatServerVersion(server)}`,
  );
  if (ok) return;
  const { error } = verdict;
  sayError(page, error, underline(pieceOf(subject, text, error.offset, error.offset)));
}

/** A piece of the value: in the value itself, or in its file. */
function pieceOf({ place }: Subject, text: string, offset: number, end: number): PieceOfText {
  if (place === undefined) return { text, offset, end };
  const at = place(offset);
  return { text: at.text, offset: at.offset, end: place(end).offset };
}

interface PieceOfText {
  readonly text: string;
  readonly offset: number;
  readonly end: number;
}

/** The line that a piece begins in, and carets below it, as far as the line is shown. */
function underline({ text, offset, end }: PieceOfText): [line: string, carets: string] {
  const [line, caret] = drawCaret(text, offset);
  const characters = [...text.slice(offset, Math.min(end, offset + line.length))].length;
  const room = [...line].length - caret.length;
  return [line, caret + "^".repeat(Math.max(0, Math.min(characters - 1, room)))];
}

const severityStyles = { error: "red", warning: "yellow", info: "blue" } as const;

/** Each finding with its place and its fix. */
export function sayFindings(page: Page, judged: Judged, subject: Subject): void {
  const findings = findingsBeside(judged);
  for (const finding of findings.slice(0, MANY)) {
    const style = severityStyles[finding.severity];
    page.line(`${page.style(style, finding.severity)} ${finding.code}: ${printable(finding.message)}`);
    const [line, carets] = underline(pieceOf(subject, judged.text, finding.offset, finding.end));
    page.line(line);
    page.line(page.style(style, carets));
    if (finding.fix !== undefined) page.line(page.style("cyan", `fix: ${fixInWords(finding)}`));
  }
  if (findings.length > MANY) page.line(`and ${findings.length - MANY} more`);
}

/** What was done. */
export function sayFixed(page: Page, fixed: readonly Finding[]): void {
  for (const each of fixed.slice(0, MANY)) {
    page.line(`${page.style("green", "fixed")} ${each.code}: ${fixInWords(each)}`);
  }
  if (fixed.length > MANY) page.line(`and ${fixed.length - MANY} more`);
}

/** The fix of a finding, marked if it needs --unsafe. */
function fixInWords({ fix }: Finding): string {
  return `${printable(fix!.message)}${fix!.safe ? "" : " (--unsafe)"}`;
}

/** The versions that accept the value, and those of them that read something else in it. */
export function sayAcceptedBy(
  page: Page,
  judged: Judged,
  byVersion: readonly VersionVerdict<SynchronousStandbyNamesVerdict>[],
): void {
  page.line(`accepted by ${formatVersions(versionsThatAccept(byVersion))}`);
  for (const { versions, verdict } of differingVerdicts(byVersion, judged)) {
    if (verdict.type === "refused") continue;
    const words = inWords(verdict.config, versions[0]!.since);
    page.line(page.style("yellow", `means something else to ${formatVersions(versions)}: ${printable(words)}`));
  }
}

// ---- Files ----

/** The problems of the files, what could not be read, and the values that do not count. */
export function sayConf(page: Page, { problems, unread, assumedDataDirectory, entry, overridden }: ConfValue): void {
  for (const { path, error } of problems.slice(0, MANY)) {
    const at = error.text === "" ? printable(path) : `${printable(path)}:${error.line}:${error.column}`;
    page.mark("bad", `${at}: the server does not start, and ignores all files on a reload`);
    page.line(`${page.style("red", "ERROR:")}  ${error.sqlstate}: ${printable(error.message)}`);
    if (error.detail !== undefined) page.line(`DETAIL:  ${printable(error.detail)}`);
    if (error.hint !== undefined) page.line(`HINT:  ${printable(error.hint)}`);
    if (error.text === "") continue;
    for (const line of drawCaret(error.text, error.offset)) page.line(line);
  }
  if (problems.length > MANY) page.line(`and ${problems.length - MANY} more`);
  for (const { path, code } of unread.slice(0, MANY)) {
    const why = code === "EACCES" || code === "EPERM" ? "permission denied" : code;
    page.mark("bad", `${printable(path)} cannot be read (${why}): a server may find another value there`);
  }
  if (unread.length > MANY) page.line(`and ${unread.length - MANY} more`);
  if (assumedDataDirectory !== undefined) {
    const file = printable(`${assumedDataDirectory}/postgresql.auto.conf`);
    page.mark("neutral", `data_directory is relative to where the server starts; read ${file}, next to the file`);
  }
  if (entry === undefined) return;
  for (const { path, line, value } of overridden.slice(-MANY)) {
    const by = `${printable(entry.path)}:${entry.line}`;
    page.mark("neutral", `${printable(path)}:${line}: '${printable(value)}' is overridden by ${by}`);
  }
  const isAuto = /(^|\/)postgresql\.auto\.conf$/.test(entry.path);
  if (isAuto && overridden.some(({ path }) => path !== entry.path)) {
    const line = `line ${entry.line} of ${printable(entry.path)}`;
    page.line(`ALTER SYSTEM RESET synchronous_standby_names removes it; if the server does not start, delete ${line}.`);
  }
}

export function sayNotSet(page: Page, { path, unread }: ConfValue): void {
  const known = unread.length === 0;
  const so = known ? ": commits wait for no standby" : " in the files that can be read";
  page.mark(known ? "good" : "neutral", `${printable(path)} does not set synchronous_standby_names${so}`);
}

// ---- explain ----

export function sayExplanation(page: Page, { judged, byVersion }: Explained, subject: Subject, call: Call): void {
  const { standbys, primary } = call;
  sayVerdict(page, judged, subject);
  sayFindings(page, judged, subject);
  const { verdict, server } = judged;
  if (verdict.type === "accepted") {
    page.line(printable(inWords(verdict.config, server)));
    const { config } = verdict;
    const isEvaluable = config === undefined || config.numSync > 0;
    if (isEvaluable && standbys !== undefined) sayStandbys(page, config, standbys, server, levelOf(subject, call));
    else if (isEvaluable && config !== undefined) sayNames(page, config, server, levelOf(subject, call));
    if (primary !== undefined) {
      page.line(`synchronous_commit is ${primary.synchronousCommit} there, unless a session or transaction sets it.`);
    } else if (subject.conf?.synchronousCommit !== undefined) {
      const { synchronousCommit } = subject.conf;
      page.line(`The files set synchronous_commit to ${synchronousCommit}; a session or transaction may set another.`);
    }
  }
  page.heading("What each version says");
  const others = differingVerdicts(byVersion, judged);
  for (const { versions, verdict: there } of byVersion) {
    const name = formatVersions(versions);
    if (there.type === "refused")
      page.mark("bad", `${name}: ${there.error.sqlstate} ${printable(there.error.detail ?? there.error.message)}`);
    else if (!others.some((other) => other.verdict === there)) page.mark("good", `${name}: accepted`);
    else {
      const words = inWords(there.config, versions[0]!.since);
      page.mark("neutral", `${name}: accepted, and means something else. ${printable(words)}`);
    }
  }
  const printed = printSynchronousStandbyNamesByVersion(verdict.type === "accepted" ? verdict.config : undefined);
  if (printed.length > 1 || printed.some(({ text }) => text !== judged.text)) {
    page.heading("How to write it");
    page.table(
      printed.map(({ versions, text }) => [formatVersions(versions), text]),
      ["bold"],
    );
  }
}

/** The names in order of priority. */
function sayNames(page: Page, config: SyncRepConfig, server: number, level: SynchronousCommit): void {
  const { syncrepMethod, memberNames, numSync } = config;
  const priorities = new Map<string, readonly [priority: number, name: string]>();
  for (const [i, name] of memberNames.entries()) {
    const folded = downcaseIdentifier(name);
    if (!priorities.has(folded)) priorities.set(folded, [syncrepMethod === "QUORUM" ? 1 : i + 1, name]);
    // It matches every standby, and leaves none for later names.
    if (name === "*") break;
  }
  const names = [...priorities.values()];
  const rows = names.slice(0, MANY).map(([priority, name]) => {
    return [String(priority), name, name === "*" ? "any standby" : ""];
  });
  page.line();
  page.table([["sync_priority", "application_name", ""], ...rows], ["bold", "green"]);
  if (names.length > MANY) page.line(`  and ${names.length - MANY} more`);
  page.line();
  if (level === "local" || level === "off") {
    page.line(blockingLosses(config, [], { server, level }).sentence);
  } else if (priorities.has("*")) {
    page.line(`Commits block while fewer than ${numSync} stream${numSync === 1 ? "s" : ""}.`);
  } else {
    const all = names.map(([, name]) => streamingStandby(name));
    page.line(printable(`When all of them stream: ${blockingLosses(config, all, { server, level }).sentence}`));
  }
  page.line(certainCopies(config, [], level, { server }).sentence);
}

const positionColumns = ["write_lsn", "flush_lsn", "replay_lsn"] as const;

/** Who counts now, what commits wait for, and what would block them. */
function sayStandbys(
  page: Page,
  config: SyncRepConfig | undefined,
  standbys: ReadStandbys,
  server: number,
  level: SynchronousCommit,
): void {
  const { rows, position, cascading, noRows } = standbys;
  const options = { server, cascading };
  const evaluation = evaluateSynchronousStandbys(config, rows, options);
  if (cascading)
    page.line("This server is a standby itself: no standby of it is synchronous, whatever the setting says.");
  page.heading("Standbys");
  if (rows.length === 0) page.line(`  none is connected${noRows === undefined ? "" : `: ${printable(noRows)}`}`);
  else {
    const lsn = (value: Lsn | undefined): string => (value ? formatLsn(value, { server }) : "");
    const head = ["application_name", "state", "sync_priority", "sync_state", ...positionColumns, "behind"];
    const body = rows.slice(0, MANY).map((row, i) => {
      const { syncPriority, syncState } = evaluation.standbys[i]!;
      const positions = [row.writeLsn, row.flushLsn, row.replayLsn].map(lsn);
      return [
        row.applicationName,
        row.state,
        String(syncPriority),
        syncState,
        ...positions,
        lag(position, row.flushLsn),
      ];
    });
    page.table([head, ...body], ["bold", undefined, undefined, "green"]);
    if (rows.length > MANY) page.line(`  and ${rows.length - MANY} more`);
  }
  if (config === undefined || cascading) return;
  page.heading("Commits");
  const name = (i: number): string => rows[i]!.applicationName;
  const levels = (Object.keys(evaluation.released) as SyncLevel[]).flatMap((level) => {
    const release = evaluation.released[level];
    if (release === undefined) return [];
    const { copies, done } = certainCopies(config, rows, level, options);
    const names = release.heldBy.map(name);
    const who = someOf(release.needed, names);
    const until = release.lsn === undefined ? "nothing" : formatLsn(release.lsn, { server });
    return [[level, until, who, `${done} on ${copies} standby${copies === 1 ? "" : "s"}`]];
  });
  page.table(
    [["synchronous_commit", "released up to", "the next wait for", "a commit that returned is"], ...levels],
    ["bold"],
  );
  page.line();
  const losses = blockingLosses(config, rows, { ...options, level });
  page.line(printable(losses.sentence));
  // Where another level would block now and this one does not, that is worth a line.
  for (const other of Object.keys(evaluation.released) as SyncLevel[]) {
    if (other === level || evaluation.released[other] === undefined) continue;
    const { size, sentence } = blockingLosses(config, rows, { ...options, level: other });
    // The sentence does not name the default.
    const said = sentence.replace(/^Commits are/, `Commits with synchronous_commit = ${other} are`);
    if (size === 0 && losses.size !== 0) page.line(printable(said));
  }
}

/** How many bytes of WAL a standby has not flushed. */
function lag(position: Lsn | undefined, flushed: Lsn | undefined): string {
  if (position === undefined || !flushed) return "";
  return position <= flushed ? "0 bytes" : `${(position - flushed).toLocaleString("en-US")} bytes`;
}
