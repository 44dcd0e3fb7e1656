/** The small files of text: what is printed is read back, in the form of every version, and any bytes are read or refused. */
import fc from "fast-check";
import { describe, expect } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import {
  backupHistory,
  backupLabel,
  backupLabelText,
  tablespaceMap,
  tablespaceMapText,
  timeLineHistory,
  timeLineHistoryText,
} from "../../src/arbitraries/texts.ts";
import {
  checkBackupLabel,
  findCommonAncestorTimeline,
  isAncestorHistory,
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
  printBackupLabel,
  printTablespaceMap,
  printTimeLineHistory,
  tliOfPointInHistory,
  tliSwitchPoint,
} from "../../src/files/index.ts";
import { EncodeError, ParseError } from "../../src/kernel/errors.ts";
import { invalidLsn, toLsn } from "../../src/kernel/lsn.ts";
import {
  isSegmentSize,
  parseSegmentName,
  parseWalFileName,
  segmentName,
  segmentNumber,
  segmentOffset,
  segmentStart,
  walFileName,
} from "../../src/kernel/wal-names.ts";
import { decodeText } from "../../src/wire/text.ts";
import { law as lawOf } from "./law.ts";

const law: typeof lawOf = (sentence, property) => lawOf(sentence, property, 400);

const server = fc.constantFrom("9.5", "9.6", "10", "11", "13", "14", "16", "17", "18", "19");
const lsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(toLsn);
const text = (bytes: Uint8Array): string => decodeText(bytes, 0, bytes.length);

/** Reads, or refuses with an error of ours that has a place within the text. */
function readOrRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThanOrEqual(error.text.length);
    expect(String(error)).toContain(error.message);
    return undefined;
  }
}

describe("timeline history", () => {
  law(
    "is read as it was printed, from bytes and from text",
    fc.property(timeLineHistory(), server, (history, version) => {
      const bytes = printTimeLineHistory(history, { server: version });
      const { tli } = history.at(-1)!;
      expect(parseTimeLineHistory(bytes, tli, { server: version })).toEqual(history);
      expect(parseTimeLineHistory(text(bytes), tli, { server: version })).toEqual(history);
    }),
  );

  law(
    "of a child is that of its parent and more, and both know where they parted",
    fc.property(timeLineHistory(), fc.nat(4), (history, left) => {
      fc.pre(history.length > 1);
      const at = left % (history.length - 1);
      const parent = history.slice(0, at + 1).map((entry, i) => (i === at ? { ...entry, end: invalidLsn } : entry));
      expect(isAncestorHistory(parent, history)).toBe(true);
      expect(isAncestorHistory(history, parent)).toBe(false);
      expect(findCommonAncestorTimeline(parent, history)).toEqual({ tli: history[at]!.tli, lsn: history[at]!.end });
      expect(findCommonAncestorTimeline(history, parent)).toEqual({ tli: history[at]!.tli, lsn: history[at]!.end });
    }),
  );

  law(
    "puts each position on one timeline, which it does not leave before",
    fc.property(timeLineHistory(), lsn, (history, position) => {
      const tli = tliOfPointInHistory(position, history)!;
      const { switchPoint } = tliSwitchPoint(tli, history)!;
      expect(switchPoint === invalidLsn || position < switchPoint).toBe(true);
    }),
  );

  law(
    "is read or refused, whatever the text, and read again after it is printed",
    fc.property(timeLineHistoryText(), fc.integer({ min: 1, max: 12 }), server, (file, timeline, version) => {
      const history = readOrRefused(() => parseTimeLineHistory(file, timeline, { server: version }));
      if (history === undefined) return;
      const again = printable(() => printTimeLineHistory(history, { server: version }));
      if (again !== undefined) expect(parseTimeLineHistory(again, timeline, { server: version })).toEqual(history);
    }),
  );
});

/** What servers accept is not always what they would write: a reason that has the form of another, for one. */
function printable(print: () => Uint8Array): Uint8Array | undefined {
  try {
    return print();
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    return undefined;
  }
}

describe("backup_label", () => {
  law(
    "is read as it was printed, and a server starts from it",
    fc.property(backupLabel(), (label) => {
      const bytes = printBackupLabel(label);
      expect(parseBackupLabel(bytes)).toEqual(label);
      expect(parseBackupLabel(text(bytes))).toEqual(label);
      checkBackupLabel(bytes);
    }),
  );

  law(
    "has the form of the version that it is printed for",
    fc.property(backupLabel(), server, (label, version) => {
      const bytes = printBackupLabel(label, { server: version });
      const read = parseBackupLabel(bytes, { server: version });
      expect(printBackupLabel(read, { server: version })).toEqual(bytes);
      expect(read.startWalLocation).toBe(label.startWalLocation);
      expect(text(bytes).includes("START TIMELINE")).toBe(
        label.startTimeline !== undefined && !["9.5", "9.6", "10"].includes(version),
      );
      expect(read.backupFrom === "master").toBe(
        label.backupFrom === "primary" && ["9.5", "9.6", "10", "11", "13"].includes(version),
      );
    }),
  );

  law(
    "of an incremental backup is read, and no server starts from it",
    fc.property(backupLabel({ incremental: true }), (label) => {
      const bytes = printBackupLabel(label);
      expect(parseBackupLabel(bytes)).toEqual(label);
      if (label.incrementalFromLsn === undefined) checkBackupLabel(bytes);
      // A label that is longer than the server reads, or of several lines, hides what comes behind it.
      else if (/^[^\n]{1,300}$/.test(label.label!) && label.startTimeline !== undefined) {
        expect(() => checkBackupLabel(bytes)).toThrow("this is an incremental backup, not a data directory");
      }
    }),
  );

  law(
    "is read or refused, whatever the text",
    fc.property(backupLabelText(), server, (file, version) => {
      const label = readOrRefused(() => parseBackupLabel(file, { server: version }));
      const good = readOrRefused(() => checkBackupLabel(file, { server: version }) ?? true);
      if (good) expect(label).toBeDefined();
    }),
  );

  law(
    "is read or refused, whatever the bytes",
    fc.property(damaged(backupLabel({ incremental: true }).map((label) => printBackupLabel(label))), (bytes) => {
      readOrRefused(() => parseBackupLabel(bytes));
    }),
  );
});

describe("backup history", () => {
  law(
    "is read as it was printed",
    fc.property(backupHistory(), (history) => {
      expect(parseBackupHistory(printBackupHistory(history))).toEqual(history);
    }),
  );

  law(
    "is read or refused, whatever the bytes, and what is read is printed as it was",
    fc.property(damaged(backupHistory().map((history) => printBackupHistory(history))), (bytes) => {
      const history = readOrRefused(() => parseBackupHistory(bytes));
      if (history === undefined) return;
      const again = printable(() => printBackupHistory(history));
      if (again !== undefined) expect(parseBackupHistory(again)).toEqual(history);
    }),
  );
});

describe("tablespace_map", () => {
  law(
    "is read as it was printed",
    fc.property(tablespaceMap(), fc.constantFrom("14", "16", "17", "19"), (entries, version) => {
      expect(parseTablespaceMap(printTablespaceMap(entries, { server: version }), { server: version })).toEqual(
        entries,
      );
    }),
  );

  law(
    "of versions before 14 is read as it was printed, or not printed",
    fc.property(tablespaceMap(), fc.constantFrom("9.5", "13"), (entries, version) => {
      const bytes = printable(() => printTablespaceMap(entries, { server: version }));
      if (bytes === undefined) expect(entries.some(({ path }) => /^\s|\\(?:[\n\r]|$)/.test(path))).toBe(true);
      else expect(parseTablespaceMap(bytes, { server: version })).toEqual(entries);
    }),
  );

  law(
    "is read or refused, whatever the text",
    fc.property(tablespaceMapText(), server, (file, version) => {
      const entries = readOrRefused(() => parseTablespaceMap(file, { server: version }));
      if (entries === undefined) return;
      const bytes = printable(() => printTablespaceMap(entries, { server: version }));
      if (bytes !== undefined) expect(parseTablespaceMap(bytes, { server: version })).toEqual(entries);
    }),
  );
});

describe("WAL segments", () => {
  const size = fc.integer({ min: 20, max: 30 }).map((bits) => 2 ** bits);

  law(
    "a position is in the segment of its name, at its offset",
    fc.property(lsn, size, fc.integer({ min: 0, max: 0xffffffff }), (position, bytes, tli) => {
      const name = segmentName(tli, position, bytes);
      const number = segmentNumber(position, bytes);
      const start = segmentStart(number, bytes);
      expect(parseSegmentName(name, bytes)).toEqual({ timeline: tli, number, start });
      expect(start + BigInt(segmentOffset(position, bytes))).toBe(position);
      expect(parseSegmentName(`${name}.partial`, bytes)).toBeUndefined();
    }),
  );

  law(
    "a name of a file of pg_wal is what it was made of",
    fc.property(
      fc.string({ unit: fc.constantFrom(..."0123456789ABCDEFabg."), minLength: 24, maxLength: 24 }),
      (name) => {
        for (const suffix of ["", ".partial", ".backup", ".00000028.backup", ".history", "x"]) {
          const file = parseWalFileName(name + suffix);
          if (file !== undefined) expect(walFileName(file)).toBe(name + suffix);
          expect(file !== undefined).toBe(/^[0-9A-F]{24}$/.test(name) && !["x", ".history"].includes(suffix));
        }
      },
    ),
  );

  law(
    "only a power of two of bytes, 1 MB to 1 GB, is a size",
    fc.property(fc.oneof(fc.double(), fc.integer(), size), (bytes) => {
      expect(isSegmentSize(bytes)).toBe(
        [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30].some((bits) => 2 ** bits === bytes),
      );
    }),
  );
});
