/** Laws of the lint of synchronous_standby_names. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText, syncRepConfig } from "../../src/arbitraries/syncrep.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import {
  applyFixes,
  findingCodes,
  fixSynchronousStandbyNames,
  lintSynchronousStandbyNames,
  parseSynchronousStandbyNames,
  printSynchronousStandbyNames,
  type SyncRepConfig,
} from "../../src/syncrep/index.ts";
import { fixAndJudge } from "../../src/syncrep/judge.ts";
import { expectLinear } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const server = fc.constantFrom(...versionsWith());
const options = fc.record({ server, also: fc.array(server, { maxLength: 2 }) });

/** Values as the arbitraries have them, and such with the mistakes that people make. */
const text = fc.oneof(
  synchronousStandbyNamesText(),
  fc
    .array(
      fc.constantFrom(
        ...["node-1", "Node-1", "a", "A", "*", '"*"', "2", "4294967298", "any", "FIRST", "(", ")", ",", ", ", " ", "'"],
        ...[
          "'b-c'",
          '"x y"',
          '" x"',
          "é",
          "1a",
          "a.b:c",
          "“a”",
          '"all"',
          '" *"',
          '"a, b"',
          '"2 (a, b)"',
          "none",
          "ANY 2 (",
          "FIRST 3(",
          "3 (",
          '"',
          '""',
          "x".repeat(64),
          "\n",
        ],
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join("")),
);

const accepts = (value: string, version: number): boolean => read(value, version) !== null;

function read(value: string, version: number): SyncRepConfig | undefined | null {
  try {
    return parseSynchronousStandbyNames(value, { server: version });
  } catch {
    return null;
  }
}

law(
  "any text has findings that stand in it, each with a sentence, and fixes that stand in it too",
  fc.property(text, options, (value, each) => {
    for (const { code, severity, offset, end, message, fix, error } of lintSynchronousStandbyNames(value, each)) {
      expect(severity).toBe(findingCodes[code][0]);
      for (const place of [{ offset, end }, ...(fix?.edits ?? [])]) {
        expect(place.offset).toBeGreaterThanOrEqual(0);
        expect(place.end).toBeGreaterThanOrEqual(place.offset);
        expect(place.end).toBeLessThanOrEqual(value.length);
      }
      for (const sentence of [message, fix?.message ?? "Nothing."]) expect(sentence).toMatch(/^[^\n]{0,1500}\.$/);
      if (error !== undefined) expect(severity).toBe("error");
    }
  }),
  3000,
);

law(
  "a value is refused if and only if a finding has the server's error, and its fixes make it one that is taken",
  fc.property(text, server, (value, version) => {
    const findings = lintSynchronousStandbyNames(value, { server: version });
    const errors = findings.filter(({ error }) => error !== undefined);
    expect(errors.length === 0).toBe(accepts(value, version));
    const mended = applyFixes(value, findings).text;
    if (errors.every(({ fix }) => fix !== undefined)) expect(accepts(mended, version), mended).toBe(true);
    const { text: fixed, fixed: done } = fixSynchronousStandbyNames(value, { server: version });
    if (errors.every(({ fix }) => fix?.safe)) expect(accepts(fixed, version), fixed).toBe(true);
    expect(done.length === 0).toBe(fixed === value);
    // Nothing is left that could have been done.
    expect(lintSynchronousStandbyNames(fixed, { server: version }).filter(({ fix }) => fix?.safe)).toEqual([]);
  }),
  3000,
);

law(
  "fewer standbys are required after fixes only if all other fixes leave too few names",
  fc.property(text, server, (value, version) => {
    const options = { server: version, unsafe: true } as const;
    const fixed = fixAndJudge(value, options).judged;
    const { judged: otherwise } = fixAndJudge(value, { ...options, ignore: ["NEEDS_SHARED_NAMES"] });
    const left = lintSynchronousStandbyNames(otherwise.text, { server: version });
    const isFew = left.some(({ code }) => code === "NEEDS_SHARED_NAMES");
    if (!isFew) expect(fixed.text).toBe(otherwise.text);
    const [before, after] = [read(value, version), read(fixed.text, version)];
    if (before && after && !isFew) expect(after.numSync, fixed.text).toBeGreaterThanOrEqual(before.numSync);
  }),
  3000,
);

law(
  "what a fix says to write is what it writes",
  fc.property(text, options, (value, each) => {
    for (const { code, message, fix } of lintSynchronousStandbyNames(value, each)) {
      const [, written] = /^Write (.*)\.$/.exec(fix?.message ?? "") ?? [];
      const { text: put } = fix?.edits[0] ?? { text: "" };
      if (written === undefined || code === "NUMBER_MISSING" || code === "REFUSED_ELSEWHERE") continue;
      if (/[\0-\x1f]/.test(put) || put.length > 500) continue;
      expect(written.replace(/^the empty string.*/, "")).toBe(put);
      if (code === "NEVER_MATCHES") expect(message).toContain(put);
    }
  }),
  3000,
);

/** Who is before whom, and how many are needed: what remains of a value when its names are asked about. */
function ranks(config: SyncRepConfig | undefined, standbys: readonly string[]): string {
  if (config === undefined) return "off";
  const { syncrepMethod, numSync, memberNames } = config;
  const fold = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const found = standbys.map((standby) =>
    memberNames.findIndex((name) => name === "*" || fold(name) === fold(standby)),
  );
  const used = [...new Set(found)].filter((index) => index >= 0).sort((a, b) => a - b);
  const rank = (index: number): number => (syncrepMethod === "QUORUM" ? Math.min(index, 0) : used.indexOf(index));
  return JSON.stringify([syncrepMethod, numSync, found.map(rank)]);
}

law(
  "fixes that are made without asking leave a value's meaning as it is, also to the servers to which it meant the same",
  fc.property(text, options, fc.array(fc.string({ maxLength: 2 })), (value, each, others) => {
    const before = read(value, each.server);
    if (before === null) return;
    const standbys = [...(before?.memberNames ?? []), ...others, "a", "x", "node-1"];
    const meant = ranks(before, standbys);
    const { text: fixed } = fixSynchronousStandbyNames(value, each);
    for (const version of [each.server, ...each.also]) {
      const there = read(value, version);
      if (there === null || ranks(there, standbys) !== meant) continue;
      expect(ranks(read(fixed, version)!, standbys), fixed).toBe(meant);
    }
  }),
  3000,
);

law(
  "what was printed is not refused, and has a finding of its number only if that cannot be had",
  fc.property(syncRepConfig(), (config) => {
    const findings = lintSynchronousStandbyNames(printSynchronousStandbyNames(config));
    for (const { error, code } of findings) {
      expect(error).toBeUndefined();
      expect(["NUMBER_WRAPPED", "NUMBER_IS_NAME"]).not.toContain(code);
    }
    const names = new Set(config.memberNames.map((name) => name.toLowerCase()));
    const codes = findings.map(({ code }) => code);
    const waits = codes.filter((code) => code === "WAITS_FOR_EVER" || code === "NEEDS_SHARED_NAMES");
    if (names.has("*")) expect(waits).toEqual([]);
    else if (names.size < config.numSync) expect(waits).toHaveLength(1);
  }),
);

law(
  "nothing is found in a value with as many plain names as it requires, on any server that takes it",
  fc.property(
    fc.constantFrom("FIRST", "ANY", "first", ""),
    fc.uniqueArray(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_$]{0,62}$/), {
      minLength: 1,
      selector: (name) => name.toLowerCase(),
    }),
    fc.nat(),
    server,
    (method, names, pick, version) => {
      fc.pre(
        !names.some((name) =>
          /^(any|first|all)$|^(off?|no(ne)?|null|nil|false|disabled?|empty)$|\$[A-Za-z_]/i.test(name),
        ),
      );
      const value = `${method} ${1 + (pick % names.length)} (${names.join(", ")})`;
      if (accepts(value, version)) expect(lintSynchronousStandbyNames(value, { server: version })).toEqual([]);
      expect(lintSynchronousStandbyNames(names.join(","), { server: version })).toEqual([]);
    },
  ),
);

law(
  "anything from JavaScript is findings or an error of walwire's",
  fc.property(fc.oneof(fc.anything(), fc.string({ unit: "binary" })), (value) => {
    try {
      for (const { error } of lintSynchronousStandbyNames(value as string)) {
        if (typeof value !== "string") expect(error?.code).toBe("NOT_TEXT");
      }
      fixSynchronousStandbyNames(value as string);
    } catch (error) {
      expect(error).toBeInstanceOf(WalwireError);
    }
  }),
);

describe("cost grows as the text does", () => {
  test.each<[string, (n: number) => string]>([
    ["names", (n) => `${"a, ".repeat(n)}b`],
    ["names that need quotes", (n) => `${"a-b, ".repeat(n)}b`],
    ["names without commas", (n) => "a ".repeat(n)],
    ["commas", (n) => `a${",".repeat(n)}`],
    ["keywords", (n) => `any${", any".repeat(n)}`],
    ["single quotes", (n) => "'a',".repeat(n)],
    ["an odd number of single quotes", (n) => "'".repeat(2 * n + 1)],
    ["hyphens", (n) => `a${"-".repeat(n)}`],
    ["quotes", (n) => '"'.repeat(2 * n)],
    ["an open quote", (n) => `a, "${"b".repeat(n)}`],
    ["a name", (n) => "a".repeat(n)],
    ["a name of what no name can have", (n) => "é".repeat(n)],
    ["a number", (n) => `${"0".repeat(n)}1 (a)`],
    ["white space", (n) => `${" ".repeat(n)}'a'${" ".repeat(n)}`],
    ["names after a star", (n) => `*${", a".repeat(n)}`],
    ["names before an error", (n) => `${"a, ".repeat(n)}b-c`],
    ["names after an error", (n) => `b-c${", a".repeat(n)}`],
    ["different names of what no name can have", (n) => Array.from({ length: n / 4 }, (_, i) => `é${i}`).join()],
  ])("%s", (_, make) => expectLinear((n) => lintSynchronousStandbyNames(make(n / 10), { also: ["9.5"] })));
});
