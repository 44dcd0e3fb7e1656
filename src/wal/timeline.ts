/**
 * Which files of pg_wal, or of an archive, hold the WAL of a timeline: each position once, and on the branch that a server follows.
 *
 * A port of xlogrecovery.c: XLogFileReadAnyTLI, and timeline.c: findNewestTimeLine.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */

import type { FileContent } from "../files/file-text.ts";
import { parseTimeLineHistory, type TimeLineHistory } from "../files/timeline-history.ts";
import { ArgumentError, refuseArgument } from "../kernel/errors.ts";
import { invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { entryOf } from "../kernel/maps.ts";
import { checkObject, iterableOf } from "../kernel/options.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import {
  defaultSegmentSize,
  isSegmentSize,
  parseWalFileName,
  segmentName,
  segmentNumber,
  segmentOf,
  walFileName,
} from "../kernel/wal-names.ts";
import { walCapabilities } from "./capabilities.ts";

/**
 * The timeline to follow, as recovery_target_timeline names it: `latest` is the newest whose ancestors lead on from where reading
 * begins, `current` the one on which it begins.
 */
export type WalTimeline = number | "latest" | "current";

/** A file of pg_wal or of an archive. */
export interface WalFile {
  /** Without a directory. The suffix of a compression program does not matter: `000000010000000000000002.gz`. */
  readonly name: string;
  /** Contents of a timeline history file, unpacked. Of other files nothing but the name is needed. */
  readonly content?: FileContent | undefined;
}

/** A segment to read. */
export interface SelectedWalSegment<F extends WalFile = WalFile> {
  /** The file, as given. */
  readonly file: F;
  /** The timeline in its name. */
  readonly timeline: number;
  /** Where its first byte is in WAL, by its name: push its bytes with this position, and a recycled file is recognized. */
  readonly start: Lsn;
}

/** Why a file is not read. */
export type WalFilePassedOver =
  | "duplicate"
  | "partial"
  | "other timeline"
  | "older timeline"
  | "timeline history"
  | "backup history"
  | "not WAL";

/** The segments to read, in order, and those passed over. */
export interface WalSelection<F extends WalFile = WalFile> {
  /** The timeline that is followed. */
  readonly timeline: number;
  /** Its history: the ancestors first, itself last. */
  readonly history: TimeLineHistory;
  /** By position; each position is in one of them at most. */
  readonly segments: readonly SelectedWalSegment<F>[];
  /** Positions between them that no file holds: recovery does not get past the first. */
  readonly gaps: readonly {
    /** The first missing position. */
    readonly from: Lsn;
    /** The position after the gap, where the next segment begins. */
    readonly to: Lsn;
  }[];
  /** The files that are not read, and why. */
  readonly passedOver: readonly {
    /** The file, as given. */
    readonly file: F;
    /** The kind of reason. */
    readonly reason: WalFilePassedOver;
    /** The reason, in words that follow the file's name. */
    readonly message: string;
  }[];
}

/** Which WAL is selected. */
export interface WalSelectionOptions {
  /** The default is that of recovery_target_timeline in this server version: `latest` since 12, `current` before. */
  readonly timeline?: WalTimeline | undefined;
  /** The server that would read the WAL. Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
  /** wal_segment_size, in bytes: what the first page of each segment says. The default is 16 MiB. */
  readonly segmentSize?: number | undefined;
  /** Where reading begins: earlier segments are left out. The default is the first segment that is there. */
  readonly start?: Lsn | undefined;
  /** Also read a `.partial` file where no other file holds its position. Servers do not. The default is false. */
  readonly partial?: boolean | undefined;
}

/** Files of one segment on one timeline. */
interface Candidates<F> {
  whole?: F;
  partial?: F;
}

/**
 * Select the segments to read for a timeline, from the names of files.
 *
 * As in recovery, a segment is read from the newest timeline of the history that had begun there and has a file, and never from an
 * older timeline than the segment before it. The file in which a new timeline begins starts with its parent's WAL.
 *
 * @param files In any order. Of two files with the same segment an unpacked one is preferred, then the first.
 * @throws ArgumentError for an invalid option, and for a timeline without a history and a segment.
 * @throws ParseError with the server's message if the history of the timeline is invalid.
 * @source xlogrecovery.c: XLogFileReadAnyTLI; timeline.c: findNewestTimeLine
 * @example selectWalSegments([{ name: "000000010000000000000003" }, { name: "000000020000000000000003" }, { name: "00000002.history", content: "1\t0/3000100\tx\n" }]).segments.map(({ file }) => file.name) // ["000000020000000000000003"]
 * @example selectWalSegments([{ name: "000000010000000000000003" }, { name: "000000010000000000000005" }]).gaps.length // 1
 */
export function selectWalSegments<F extends WalFile>(
  files: Iterable<F>,
  options: WalSelectionOptions = {},
): WalSelection<F> {
  checkObject("options", options);
  const { segmentSize = defaultSegmentSize, start, partial = false } = options;
  if (!isSegmentSize(segmentSize)) {
    refuseArgument("options.segmentSize", "a power of two from 1 MiB to 1 GiB", segmentSize);
  }
  const latest = walCapabilities.supports(options.server ?? defaultServer, "latestTimelineByDefault");
  const { timeline: goal = latest ? "latest" : "current" } = options;
  if (goal !== "latest" && goal !== "current" && !isTimeline(goal)) {
    refuseArgument("options.timeline", '"latest", "current" or a number from 1 to 2^32 - 1', goal);
  }
  const firstNumber = start === undefined ? 0n : segmentNumber(toLsn(start), segmentSize);

  const passedOver: { file: F; reason: WalFilePassedOver; message: string }[] = [];
  const passOver = (file: F, reason: WalFilePassedOver, message: string) => passedOver.push({ file, reason, message });
  const histories = new Map<number, F>();
  const bySegment = new Map<bigint, Map<number, Candidates<F>>>();
  for (const file of iterableOf(files) ?? refuseArgument("files", "an iterable", files)) {
    const name = unpackedName(nameOf(file));
    const parsed = parseWalFileName(name);
    if (parsed === undefined) {
      passOver(file, "not WAL", "its name is not that of a WAL segment");
    } else if (parsed.type === "history") {
      if (histories.has(parsed.timeline)) passOver(file, "duplicate", "another file has the same timeline history");
      else histories.set(parsed.timeline, file);
    } else if (parsed.type === "backup") {
      passOver(file, "backup history", "a backup history file");
    } else {
      const { timeline, number, start: from } = segmentOf(parsed, segmentSize);
      if (from === undefined || segmentName(timeline, from, segmentSize) !== name.slice(0, 24)) {
        passOver(file, "not WAL", `no segment of ${segmentSize} bytes has this name`);
      } else if (number >= firstNumber) {
        const ofSegment = entryOf(bySegment, number, () => new Map<number, Candidates<F>>());
        add(
          entryOf(ofSegment, timeline, (): Candidates<F> => ({})),
          file,
          parsed.type,
          passOver,
        );
      }
    }
  }

  const numbers = [...bySegment.keys()].sort((a, b) => (a < b ? -1 : 1));
  const current = numbers.length === 0 ? 1 : Math.min(...bySegment.get(numbers[0]!)!.keys());
  const timeline = goal === "current" ? current : goal === "latest" ? newestTimeline(current, histories) : goal;
  const history = historyOf(timeline, histories, numbers, bySegment, goal);
  for (const [tli, file] of histories) {
    if (tli !== timeline) passOver(file, "timeline history", `the history of timeline ${tli} is not needed`);
  }

  const segments: SelectedWalSegment<F>[] = [];
  let currentFile = 0;
  for (const number of numbers) {
    const candidates = bySegment.get(number)!;
    const possible = history
      .filter(({ tli, begin }) => {
        if (tli < currentFile || !candidates.has(tli)) return false;
        return begin === invalidLsn || number >= segmentNumber(begin, segmentSize);
      })
      .map(({ tli }) => tli)
      .reverse();
    const whole = possible.find((tli) => candidates.get(tli)!.whole !== undefined);
    const taken = whole ?? (partial ? possible[0] : undefined);
    if (taken !== undefined) {
      const { whole: file = candidates.get(taken)!.partial! } = candidates.get(taken)!;
      segments.push({ file, timeline: taken, start: toLsn(number * BigInt(segmentSize)) });
      currentFile = taken;
    }
    for (const [tli, each] of candidates) {
      if (each.partial !== undefined && each.partial !== segments.at(-1)?.file) {
        const why =
          taken === undefined
            ? "a server does not read it: rename it without .partial to replay it"
            : "another file has its segment";
        passOver(each.partial, "partial", why);
      }
      if (each.whole === undefined || tli === taken) continue;
      if (!history.some((one) => one.tli === tli)) {
        const missing =
          tli > timeline && !histories.has(tli)
            ? `, and ${walFileName({ type: "history", timeline: tli })} is missing`
            : "";
        passOver(
          each.whole,
          "other timeline",
          `timeline ${tli} is not in the history of timeline ${timeline}${missing}`,
        );
      } else if (tli < (taken ?? currentFile)) {
        passOver(each.whole, "older timeline", `timeline ${taken ?? currentFile} goes on here`);
      } else {
        passOver(each.whole, "other timeline", `timeline ${tli} had not begun here`);
      }
    }
  }
  return { timeline, history, segments, gaps: gapsOf(segments, segmentSize), passedOver };
}

/** Compression programs' suffixes do not count. */
const PACKED = /\.(?:gz|zst|lz4|xz|bz2)$/;

/** The name of a file before it was packed: `00000002.history` for `00000002.history.gz`. */
export function unpackedName(name: string): string {
  return name.replace(PACKED, "");
}

function nameOf(file: WalFile): string {
  if (typeof file?.name !== "string") refuseArgument("files", "objects with a name", file?.name);
  return file.name;
}

function isTimeline(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 0xffffffff;
}

function add<F extends WalFile>(
  candidates: Candidates<F>,
  file: F,
  type: "segment" | "partial",
  passOver: (file: F, reason: WalFilePassedOver, message: string) => void,
): void {
  const key = type === "segment" ? "whole" : "partial";
  const before = candidates[key];
  const better = before === undefined || (PACKED.test(before.name) && !PACKED.test(file.name));
  if (better) candidates[key] = file;
  const other = better ? before : file;
  if (other !== undefined) passOver(other, "duplicate", "another file has the same segment");
}

/** @source timeline.c: findNewestTimeLine */
function newestTimeline(from: number, histories: ReadonlyMap<number, unknown>): number {
  let newest = from;
  while (histories.has(newest + 1)) newest++;
  return newest;
}

/** @source timeline.c: readTimeLineHistory; xlogrecovery.c: validateRecoveryParameters */
function historyOf<F extends WalFile>(
  timeline: number,
  histories: ReadonlyMap<number, F>,
  numbers: readonly bigint[],
  bySegment: ReadonlyMap<bigint, ReadonlyMap<number, unknown>>,
  goal: WalTimeline,
): TimeLineHistory {
  const file = histories.get(timeline);
  if (file !== undefined && timeline !== 1) {
    if (file.content === undefined) refuseArgument("files", `the contents of ${file.name}`, undefined);
    return parseTimeLineHistory(file.content, timeline);
  }
  // Without a history a timeline has no parents.
  if (typeof goal === "number" && numbers.length > 0 && !numbers.some((number) => bySegment.get(number)!.has(goal))) {
    throw new ArgumentError("options.timeline", `recovery target timeline ${goal} does not exist`);
  }
  return parseTimeLineHistory("", timeline);
}

function gapsOf(
  segments: readonly SelectedWalSegment[],
  segmentSize: number,
): { readonly from: Lsn; readonly to: Lsn }[] {
  const gaps = [];
  for (let i = 1; i < segments.length; i++) {
    const from = toLsn(segments[i - 1]!.start + BigInt(segmentSize));
    if (segments[i]!.start !== from) gaps.push({ from, to: segments[i]!.start });
  }
  return gaps;
}
