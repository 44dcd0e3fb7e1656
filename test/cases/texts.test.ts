/** Facts about the small files of text, one by one. */
import { describe, expect, test } from "vitest";
import { checkCommand, parseCommand } from "../../src/command/index.ts";
import {
  explainTimeLineHistory,
  parseBackupLabel,
  parseTimeLineHistory,
  unreadBackupLabel,
} from "../../src/files/index.ts";
import { invalidLsn, parseLsn } from "../../src/kernel/lsn.ts";

const lines = (...more: string[]): string =>
  [
    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
    "CHECKPOINT LOCATION: 0/2000060",
    "BACKUP METHOD: streamed",
    "BACKUP FROM: primary",
    "START TIME: 2026-11-27 04:05:06 UTC",
    ...more,
    "",
  ].join("\n");

describe("backup_label", () => {
  test("with a line that nobody knows: the label stays what it is, and the line is named", () => {
    const file = lines("LABEL: nightly", "START TIMELINE: 1", "SOMETHING NEW: 7");
    expect(parseBackupLabel(file)).toMatchObject({ label: "nightly", startTimeline: 1 });
    expect(unreadBackupLabel(file)).toBe("SOMETHING NEW: 7\n");
    const incremental = lines("LABEL: nightly", "START TIMELINE: 1", "X: 1", "INCREMENTAL FROM LSN: 0/1000028");
    expect(parseBackupLabel(incremental)).toMatchObject({ label: "nightly", startTimeline: 1 });
    expect(unreadBackupLabel(incremental)).toBe("X: 1\nINCREMENTAL FROM LSN: 0/1000028\n");
  });

  test("with a label of several lines is read whole", () => {
    const file = lines("LABEL: one", "START TIMELINE: 1", "two", "START TIMELINE: 1");
    expect(parseBackupLabel(file)).toMatchObject({ label: "one\nSTART TIMELINE: 1\ntwo", startTimeline: 1 });
    expect(unreadBackupLabel(file)).toBe("");
    // Before 11 no timeline follows the label.
    const old = lines("LABEL: one", "START TIMELINE: 1", "two");
    expect(parseBackupLabel(old, { server: "10" })).toMatchObject({ label: "one\nSTART TIMELINE: 1\ntwo" });
  });
});

describe("a timeline history", () => {
  test("has each timeline once", () => {
    expect(() => parseTimeLineHistory("1\t0/1000000\ta\n1\t0/2000000\tb\n", 3)).toThrow(
      expect.objectContaining({ hint: "Timeline IDs must be in increasing sequence." }),
    );
    expect(() => parseTimeLineHistory("1\t0/1000000\ta\n", 1)).not.toThrow();
    expect(() => parseTimeLineHistory("2\t0/1000000\ta\n", 2)).toThrow(
      expect.objectContaining({ hint: "Timeline IDs must be less than child timeline's ID." }),
    );
  });

  test("a NUL ends a line for the server", () => {
    const [first] = parseTimeLineHistory("1\t0/1000000\tbefore\0after\n", 2);
    expect(first).toEqual({ tli: 1, begin: invalidLsn, end: parseLsn("0/1000000"), reason: "before" });
    expect(parseTimeLineHistory("\0 1\t0/1000000\n", 2)).toHaveLength(1);
  });

  test("whose switch points go back is said to be wrong", () => {
    const history = parseTimeLineHistory("1\t0/5000000\ta\n2\t0/3000000\tb\n", 3);
    expect(explainTimeLineHistory(history)).toEqual([
      "Timeline 1 goes from the beginning to 0/5000000, where it was left for timeline 2: a.",
      "Timeline 2 goes from 0/5000000 to 0/3000000, where it was left for timeline 3: b.",
      "No server writes that: timeline 2 ends at 0/3000000, before it begins at 0/5000000. Switch points must not go back; servers read the file all the same.",
      "Timeline 3 goes on from 0/3000000.",
    ]);
    expect(explainTimeLineHistory(parseTimeLineHistory("1\t0/5000000\ta\n2\t0/5000000\tb\n", 3))).toHaveLength(3);
  });
});

test("a character beyond U+FFFF counts four bytes of a backup's label", () => {
  const command = (label: string) => parseCommand(`BASE_BACKUP (LABEL '${label}')`);
  expect(() => checkCommand(command("\u{10000}".repeat(256)))).not.toThrow();
  expect(() => checkCommand(command(`${"\u{10000}".repeat(256)}x`))).toThrow("backup label too long (max 1024 bytes)");
});
