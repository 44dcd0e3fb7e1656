/** Laws of verdicts by version: to ask one version of each range is to ask them all. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandText } from "../../src/arbitraries/command.ts";
import { capabilities, supports, versionRanges } from "../../src/capabilities.ts";
import { acceptedBy, type CommandVerdict, judgeByVersion, judgeCommand } from "../../src/command/index.ts";
import { formatVersions, joinRanges, serverVersionNum, type VersionRange } from "../../src/kernel/version.ts";
import { law } from "./law.ts";

const ranges = versionRanges("replicationSlots");
const contains = ({ since, until }: VersionRange, num: number) => num >= since && (until === undefined || num < until);

/** A range, and some version in it. */
const versionInRange = fc.constantFrom(...ranges).chain((range) =>
  fc.record({
    range: fc.constant(range),
    // After 9.6 came 10.
    num: fc
      .integer({ min: range.since, max: (range.until ?? 200000) - 1 })
      .filter((num) => num < 90700 || num >= 100000),
  }),
);

const said = (verdict: CommandVerdict) =>
  verdict.type === "refused" ? [verdict.stage, verdict.error.sqlstate, verdict.error.message] : [verdict.type];

law(
  "all versions of a range can do the same",
  fc.property(versionInRange, ({ range, num }) => {
    for (const name of Object.keys(capabilities) as (keyof typeof capabilities)[]) {
      expect(supports(num, name), `${name} in ${num}`).toBe(supports(range.since, name));
    }
  }),
  500,
);

law(
  "each version says what the range that it is in says",
  fc.property(versionInRange, fc.boolean(), fc.gen(), ({ num }, database, gen) => {
    const text = gen(() => commandText({ server: num }));
    const verdict = judgeCommand(text, { server: num, database, plugin: "p" });
    const byVersion = judgeByVersion(text, { database, plugin: "p" });
    const mine = byVersion.filter(({ versions }) => versions.some((range) => contains(range, num)));
    expect(mine.map((each) => said(each.verdict))).toEqual([said(verdict)]);
    expect(acceptedBy(text, { database, plugin: "p" }).some((range) => contains(range, num))).toBe(
      verdict.type === "command",
    );
  }),
  500,
);

test("the ranges follow each other, and none is left out", () => {
  expect(ranges.length).toBeGreaterThan(15);
  expect(joinRanges(ranges)).toEqual([{ since: serverVersionNum("9.4.0"), until: undefined }]);
});

describe("ranges in words", () => {
  const range = (since: string, until?: string): VersionRange => ({
    since: serverVersionNum(`${since}.0`.replace(/^(\d\d\.\d+|9\.\d\.\d+)\.0$/, "$1")),
    until:
      until === undefined ? undefined : serverVersionNum(`${until}.0`.replace(/^(\d\d\.\d+|9\.\d\.\d+)\.0$/, "$1")),
  });

  test.each<[readonly VersionRange[], string]>([
    [[], "no version"],
    [[range("9.4")], "9.4 and later"],
    [[range("15")], "15 and later"],
    [[range("18.6")], "18.6 and later"],
    [[range("9.4", "10")], "9.4 to 9.6"],
    [[range("9.5", "9.6")], "9.5"],
    [[range("10", "15")], "10 to 14"],
    [[range("14", "15")], "14"],
    [[range("10", "10.20"), range("11", "11.15")], "10.0 to 10.19, 11.0 to 11.14"],
    [[range("9.4", "10.20")], "9.4 to 10.19"],
    [[range("13", "13.1")], "13.0"],
    [[range("14.2", "15")], "14.2 and later minors"],
    [[range("14.24", "15"), range("17", "18")], "14.24 and later minors, 17"],
    [[range("14.24", "15"), range("15.19", "16"), range("16.15")], "14.24, 15.19, 16.15 and later"],
    [[range("14.24", "15.19")], "14.24 to 15.18"],
    [[range("10.20", "15")], "10.20 to 14"],
  ])("%j is %s", (versions, words) => {
    expect(formatVersions(versions)).toBe(words);
  });
});

describe("which versions take it", () => {
  test.each([
    ["IDENTIFY_SYSTEM", "9.4 and later"],
    ["READ_REPLICATION_SLOT s", "15 and later"],
    ["UPLOAD_MANIFEST", "17 and later"],
    ["BASE_BACKUP FAST", "9.4 to 14"],
    ["BASE_BACKUP (INCREMENTAL)", "17 and later"],
    ["SHOW a.b", "10.20, 11.15, 12.10, 13.6, 14.2 and later"],
    ['DROP_REPLICATION_SLOT "a""b"', "14.24, 15.19, 16.15, 17.11, 18.6 and later"],
    ["START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '4', publication_names 'p')", "16 and later"],
    ["START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')", "10 and later"],
    ["TIMELINE_HISTORY 0", "no version"],
    ["SELECT 1", "no version"],
  ])("%s: %s", (text, versions) => {
    expect(formatVersions(acceptedBy(text))).toBe(versions);
  });

  test("another output plugin takes what pgoutput does not", () => {
    const text = "START_REPLICATION SLOT s LOGICAL 0/0 (include_xids)";
    expect(formatVersions(acceptedBy(text))).toBe("no version");
    expect(formatVersions(acceptedBy(text, { plugin: "test_decoding" }))).toBe("9.4 and later");
  });
});

test.each<[text: string, server: string, name: string]>([
  ['DROP_REPLICATION_SLOT "search-demo"', "18", "search-demo"],
  ['START_REPLICATION SLOT "Sub1" 0/0', "10", "Sub1"],
  ['START_REPLICATION SLOT "a b" LOGICAL 0/0', "18", "a b"],
  ['READ_REPLICATION_SLOT "A"', "15", "A"],
  ["READ_REPLICATION_SLOT a . b", "18", "a.b"],
  ['ALTER_REPLICATION_SLOT "é" (failover)', "17", "é"],
])("%s is a command of %s, with a warning that no slot can have the name", (text, server, name) => {
  const verdict = judgeCommand(text, { server, plugin: "p" });
  expect(verdict).toMatchObject({
    type: "command",
    warnings: [
      {
        message: `No slot can have this name: replication slot name "${name}" contains invalid character.`,
        path: "slotname",
        offset: /(?<=SLOT )("|a \.)/.exec(text)!.index,
      },
    ],
  });
});

test.each(["DROP_REPLICATION_SLOT sub1", "START_REPLICATION 0/0", "DROP_REPLICATION_SLOT pg_conflict_detection"])(
  "%s has no warning",
  (text) => expect(judgeCommand(text, { server: "19" })).toMatchObject({ type: "command", warnings: [] }),
);
