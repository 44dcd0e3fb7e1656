/** The output of `walwire wal` for people: a line per record, notices where WAL ends, and a picture of its contents. */

import type { styleText } from "node:util";
import { formatLsn } from "../../../kernel/lsn.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import { defaultServer } from "../../../kernel/version.ts";
import { counted } from "../../../kernel/words.ts";
import { walCapabilities } from "../../../wal/capabilities.ts";
import { formatWalContents, imageBytes } from "../../../wal/desc.ts";
import type { RecoveryStop, RecoveryTarget, WalCheckpoint, WalTransactionEnd } from "../../../wal/questions.ts";
import type { WalRecord } from "../../../wal/record.ts";
import { aligned, bar, bytes, number, type Page, printable } from "../shared/people.ts";
import { percent, showBars } from "../shared/shares.ts";
import type { Found, Notice } from "./records.ts";
import { bytesOf, sortedEntries, type WalShare, type WalStats } from "./stats.ts";

/** Colours by operation: what comes into being is green, what changes yellow, what goes red. */
const styles: readonly (readonly [RegExp, Parameters<typeof styleText>[0]])[] = [
  [/^Transaction\/ABORT/, "red"],
  [/^Transaction/, "cyan"],
  [/^XLOG\/(CHECKPOINT|END_OF_RECOVERY|RESTORE_POINT|SWITCH)/, "magenta"],
  [/^LogicalMessage/, "magenta"],
  [/^Heap.*INSERT/, "green"],
  [/^Heap.*UPDATE/, "yellow"],
  [/^Heap\/(DELETE|TRUNCATE)/, "red"],
  [/^(XLOG|Standby|CLOG|CommitTs|MultiXact)/, "dim"],
];

/** A record in a line: where it is, its transaction, what it does, its bytes, the pages that it changes, what it says. */
export function sayRecord(page: Page, { record, description, server, error }: Found): void {
  const { resourceManager, operation } = description;
  const kind = `${resourceManager}/${operation}`;
  const style = styles.find(([pattern]) => pattern.test(kind))?.[1];
  const name = kind.padEnd(27);
  const xid = record.xid === 0 ? "" : String(record.xid);
  const says = formatWalContents(record, description, { server });
  const cells = [
    formatLsn(record.lsn, { server }).padEnd(11),
    xid.padStart(10),
    style === undefined ? name : page.style(style, name),
    sizeOf(record).padStart(12),
    [blocksOf(record), printable(says)].filter((text) => text !== "").join("  "),
  ];
  page.line(cells.join("  ").trimEnd());
  if (error !== undefined)
    page.mark("bad", `${page.style("red", error.code)} ${printable(error.message)} of its main data`);
}

/** "54", or "54+8134" with images of pages. */
function sizeOf(record: WalRecord): string {
  const images = imageBytes(record);
  return images === 0 ? String(record.length) : `${record.length - images}+${images}`;
}

/** "1663/5/16384 blk 0 FPW": as pg_waldump writes them. */
function blocksOf({ blocks }: WalRecord): string {
  return blocks
    .map(({ tablespace, database, relation, fork, block, image }) => {
      const where = `${tablespace}/${database}/${relation}${fork === "main" ? "" : ` ${fork}`} blk ${block}`;
      return image === undefined ? where : `${where} FPW${image.compression === "none" ? "" : ` ${image.compression}`}`;
    })
    .join(", ");
}

/** A notice: WAL ends, is damaged, has a gap, or a file was passed over. */
export function sayNotice(page: Page, { notice, file, message }: Notice): void {
  const what = { end: "end of WAL in", damage: "damage in", gap: "gap before", "passed over": "passed over" }[notice];
  page.mark(notice === "damage" || notice === "gap" ? "bad" : "neutral", `${what} ${file}: ${printable(message)}`);
}

/** Notices; files that were passed over for the same reason are in one line, behind the others. */
export function sayNotices(page: Page, notices: readonly Notice[]): void {
  const byReason = new Map<string, Notice[]>();
  for (const each of notices) {
    if (each.notice !== "passed over") {
      sayNotice(page, each);
      continue;
    }
    const { message } = each;
    const same = byReason.get(message);
    if (same === undefined) byReason.set(message, [each]);
    else same.push(each);
  }
  for (const [reason, files] of byReason) {
    const [first] = files as [Notice];
    const more = files.length === 1 ? "" : ` and ${number(files.length - 1)} more, to ${files.at(-1)!.file}`;
    page.mark(first.unseen ? "bad" : "neutral", `passed over ${first.file}${more}: ${printable(reason)}`);
  }
}

/** Answers to where recovery would stop. */
export function sayStop(
  page: Page,
  target: RecoveryTarget,
  answer: {
    readonly stop: RecoveryStop | undefined;
    readonly lastCommit: WalTransactionEnd | undefined;
    readonly checkpoint: WalCheckpoint | undefined;
    readonly server: number | undefined;
  },
): void {
  const { stop, lastCommit, checkpoint, server } = answer;
  if (stop === undefined) page.mark("bad", `no ${targetWords(target)} in this WAL: ${unreached(server)}`);
  else page.mark("good", `recovery stops ${stopWords(stop, server)}`);
  const rows: string[][] = [];
  if (stop !== undefined) rows.push(["replayed up to", formatLsn(stop.position, { server })]);
  if (lastCommit !== undefined) {
    rows.push([
      "last commit",
      `${formatLsn(lastCommit.lsn, { server })}, xid ${lastCommit.xid}, ${formatPgTime(lastCommit.time)}`,
    ]);
  }
  if (checkpoint !== undefined) {
    rows.push([
      "last checkpoint",
      `${formatLsn(checkpoint.lsn, { server })}, ${checkpoint.shutdown ? "shutdown" : "online"}, replay from ${formatLsn(checkpoint.redo, { server })}`,
    ]);
  }
  page.table(rows, ["bold"]);
}

/** What a server does that has replayed all there is. @source xlogrecovery.c: FinishWalRecovery */
function unreached(server: number | undefined): string {
  return walCapabilities.supports(server ?? defaultServer, "targetMustBeReached")
    ? "the server would stop with FATAL: recovery ended before configured recovery target was reached"
    : "the server would end recovery there and accept connections";
}

function targetWords(target: RecoveryTarget): string {
  switch (target.type) {
    case "time":
      return `transaction that ended ${(target.inclusive ?? true) ? "after" : "at or after"} ${formatPgTime(target.time)}`;
    case "xid":
      return `end of transaction ${target.xid}`;
    case "name":
      return `restore point ${JSON.stringify(target.name)}`;
    case "immediate":
      return "end of a base backup";
    case "lsn":
      return `record at or after ${formatLsn(target.lsn)}`;
  }
}

function stopWords({ side, at, xid, time, name, lsn }: RecoveryStop, server: number | undefined): string {
  const when = time === undefined ? "" : `, time ${formatPgTime(time)}`;
  if (at === "consistency")
    return `where the backup is consistent, ${side} the record at ${formatLsn(lsn, { server })}`;
  if (at === "location") return `${side} the record at ${formatLsn(lsn, { server })}`;
  if (at === "restore point") return `at restore point ${JSON.stringify(name)}${when}, ${formatLsn(lsn, { server })}`;
  return `${side} ${at} of transaction ${xid}${when}, ${formatLsn(lsn, { server })}`;
}

/** The statistics. */
export function sayStats(page: Page, stats: WalStats, server: number | undefined): void {
  const { all, operations, managers, relations, transactions, commits } = stats;
  const total = bytesOf(all);
  const from =
    stats.first === undefined ? "" : `, ${formatLsn(stats.first, { server })} to ${formatLsn(stats.last!, { server })}`;
  page.line(
    `${counted(all.count, "record")}, ${bytes(bytesOf(all))}, of which images of pages ${percent(all.imageBytes, total)}${from}`,
  );
  page.heading("Resource managers");
  showBars(page, sortedEntries(managers).map(barOf), total);
  page.heading("Operations");
  showBars(page, sortedEntries(operations).map(barOf), total);
  if (relations.size > 0) {
    page.heading("Relations (tablespace/database/file)");
    const rows = sortedEntries(relations).map(([name, share]) => {
      const { more, ...row } = barOf([name, share]);
      return { ...row, more: [...more, counted(share.images, "image")] };
    });
    showBars(page, rows, total);
  }
  page.heading("Transactions");
  const { committed, aborted } = transactions;
  page.line(`  ${number(committed)} committed, ${number(aborted)} aborted, ${number(stats.open)} not ended here`);
  showBars(
    page,
    stats.largest.map((share) => barOf([`xid ${share.xid}`, share])),
    total,
  );
  const buckets = commits.all;
  if (buckets.length < 2) return;
  const seconds = Number(commits.width / 1_000_000n);
  page.heading(`Commits over time (${seconds === 1 ? "a second" : `${number(seconds)} seconds`} a row)`);
  const most = Math.max(...buckets.map(({ count }) => count));
  const cells = aligned(buckets.map(({ from: at, count }) => [formatPgTime(at).slice(0, 19), number(count)]));
  page.table(
    cells.map(([at, count], i) => [at!, count!, buckets[i]!.count === 0 ? "" : bar(buckets[i]!.count / most)]),
    ["bold", undefined, "cyan"],
  );
}

function barOf([name, share]: readonly [name: string, share: WalShare]) {
  const images = share.imageBytes === 0 ? "" : `FPW ${percent(share.imageBytes, bytesOf(share))}`;
  return { name, count: share.count, bytes: bytesOf(share), more: [images] };
}
