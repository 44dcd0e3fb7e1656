/** Following an advice never ends in another rejection of the same token. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { judgeCommand } from "../../src/command/index.ts";
import type { ParseErrorInit } from "../../src/kernel/errors.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

/** What is said of a text: that it is rejected, or a warning. */
type Complaint = Pick<ParseErrorInit, "text" | "offset" | "message" | "advice" | "near">;

/** Where the word begins that an offset is in; a quoted name begins there. */
const wordStart = (text: string, offset: number): number =>
  text[offset] === '"' ? offset : offset - /[^ \t\n\r\f\v(),;'"]*$/.exec(text.slice(0, offset))![0].length;

/** The text after the advice was followed, where it says exactly what to write; undefined where a person has to choose. */
function followed({ text, offset, message, advice = "", near = "" }: Complaint): string | undefined {
  const [before, after] = [text.slice(0, offset), text.slice(offset)];
  // The whole of what should be a name: the error may be in the middle of it.
  const start = wordStart(text, offset);
  const token = /(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^ \t\n\r\f\v(),;'"]*)/.source;
  // The name of a slot to read may be several names with dots and blanks between.
  const name = message.startsWith("No slot") ? `^${token}(?:\\s*\\.\\s*${token})*` : `^${token}`;
  const word = new RegExp(name).exec(text.slice(start))![0];
  const put = (written: string) => text.slice(0, start) + written + text.slice(start + word.length);
  const exactly = (pattern: RegExp): string | undefined => pattern.exec(advice)?.[1];
  if (advice === "Write the value in single quotes.")
    return `${before}'${near.replace(/^"(.*)"$/s, "$1").replaceAll("'", "''")}'${after.slice(near.length)}`;
  if (advice === "Leave empty parentheses out.") return before.replace(/\(\s*$/, "") + after.slice(1);
  if (advice.includes(" If the slot has another")) return undefined;
  const written =
    exactly(/^Write keywords in capitals: (\w+)\.$/) ??
    exactly(/^Did you mean (\w+)\?$/) ??
    exactly(/[wW]rite ("(?:[^"]|"")*"|\w+), for example\.$/) ??
    exactly(/in lower case: ("\w+"|\w+)\.$/) ??
    exactly(/^Write the name in double quotes: (".*")\.$/s) ??
    exactly(/ is a keyword: write (".*") in double quotes\.$/);
  return written === undefined ? undefined : put(written);
}

const tokenAt = (text: string): string =>
  /^(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[\w$\u0080-\uffff]+|.)/s.exec(text)?.[0] ?? "";

function complaint(text: string, server: number): Complaint | undefined {
  const verdict = judgeCommand(text, { server });
  if (verdict.type === "refused") return verdict.error;
  const [warning] = verdict.type === "command" ? verdict.warnings : [];
  return warning && { text, ...warning };
}

/** Where what is to blame begins, as far as a change there leaves it. */
function expectHelps(text: string, server: number): boolean {
  const error = complaint(text, server);
  const better = error === undefined ? undefined : followed(error);
  if (error === undefined || better === undefined) return false;
  const next = complaint(better, server);
  const start = wordStart(text, error.offset);
  // What was before the token is as it was, so only another error at the token could be at or before its end.
  if (next !== undefined) {
    const end = start + tokenAt(better.slice(start)).length;
    // That an option has no value is said of the option, and is another matter.
    const isMissing =
      /requires a (parameter|numeric value)$|^server closed/.test(next.message) &&
      tokenAt(better.slice(end).trimStart()) !== "'";
    // A name to read may go on after a dot, and be wrong there.
    const goesOn = next.message.startsWith("No slot") && /^\s*\./.test(better.slice(end));
    const same = next.offset >= start && next.offset < end && !isMissing && !goesOn;
    expect(same ? [text, error.advice, better, next.message] : undefined).toBe(undefined);
  }
  return true;
}

const words = fc.constantFrom(
  ...[
    "1abc",
    "search-demo",
    "Search-Demo",
    "a.b",
    "SLOT",
    "1",
    "'s'",
    "'my-slot'",
    '"Ho"',
    "a-1",
    "1-a",
    "9",
    "é",
    '"a b"',
    "-",
    "a--b",
  ],
  ...[
    "x".repeat(70),
    `"${"X".repeat(70)}"`,
    "max-rate",
    "publication-names",
    "on",
    "4",
    "9",
    "p1",
    "true",
    "READ_REPLICATION_SLOT",
  ],
);
const nearlyNamed = (): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(
        ...[
          "CREATE_REPLICATION_SLOT % PHYSICAL",
          "CREATE_REPLICATION_SLOT s LOGICAL %",
          "DROP_REPLICATION_SLOT %",
          "READ_REPLICATION_SLOT %",
          'DROP_REPLICATION_SLOT "%"',
          "READ_REPLICATION_SLOT %.x",
        ],
        ...[
          "ALTER_REPLICATION_SLOT % (failover)",
          "ALTER_REPLICATION_SLOT s (%)",
          "START_REPLICATION SLOT % 0/0",
          "SHOW %",
        ],
        ...[
          "START_REPLICATION SLOT s LOGICAL 0/0 (%)",
          "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version %, publication_names 'p')",
        ],
        ...[
          "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p', streaming %)",
          "BASE_BACKUP (%)",
        ],
        ...[
          "BASE_BACKUP (max_rate %)",
          "BASE_BACKUP (compression %)",
          "BASE_BACKUP (% 1)",
          "BASE_BACKUP MANIFEST %",
          "BASE_BACKUP LABEL %",
        ],
        ...[
          "CREATE_REPLICATION_SLOT s PHYSICAL (%)",
          "CREATE_REPLICATION_SLOT s LOGICAL p (two_phase %)",
          "TIMELINE_HISTORY %",
        ],
      ),
      words,
    )
    .map(([frame, word]) => frame.replace("%", () => word));

law(
  "following an advice never ends in another rejection of the same token",
  fc.property(
    fc
      .constantFrom(...versionsWith("firstTokenRule"))
      .chain((server) =>
        fc.tuple(fc.constant(server), fc.oneof(commandText({ server }), checkedCommand(server), nearlyNamed())),
      ),
    ([server, text]) => {
      expectHelps(text, server);
    },
  ),
  3000,
);

/** Good commands, as tokens. */
const good = [
  ["CREATE_REPLICATION_SLOT", "s", "TEMPORARY", "LOGICAL", "pgoutput"],
  ["CREATE_REPLICATION_SLOT", "s", "PHYSICAL", "RESERVE_WAL"],
  ["DROP_REPLICATION_SLOT", "s", "WAIT"],
  [
    "START_REPLICATION",
    "SLOT",
    "s",
    "LOGICAL",
    "0/0",
    "(",
    "proto_version",
    "'1'",
    ",",
    "publication_names",
    "'p'",
    ")",
  ],
  ["START_REPLICATION", "SLOT", "s", "PHYSICAL", "0/0", "TIMELINE", "1"],
  ["START_REPLICATION", "0/0", "TIMELINE", "1"],
  ["READ_REPLICATION_SLOT", "s"],
  ["TIMELINE_HISTORY", "2"],
  ["SHOW", "wal_level"],
];

/** The text after a syntax error was treated as the advice says, where the whole text is to be a command then. */
function mended({ text, offset, advice = "", near = "" }: Complaint): string | undefined {
  const [before, after] = [text.slice(0, offset), text.slice(offset)];
  const quoted = / is a keyword: write (".*") in double quotes\.$/.exec(advice)?.[1];
  if (quoted !== undefined) return before + quoted + after.slice(near.length);
  if (advice === "Write SLOT before the name of the slot.") return `${before}SLOT ${after}`;
  if (advice.startsWith("A logical stream needs a slot: ")) return `${before}SLOT s ${after}`;
  return undefined;
}

law(
  "with a token too many, too few or in another place, advice on a syntax error makes it a command",
  fc.property(
    fc.constantFrom(...versionsWith("firstTokenRule")),
    fc.constantFrom(...good),
    fc.constantFrom("delete", "duplicate", "swap", "insert"),
    fc.nat(20),
    fc.constantFrom(...good.flat(), "WAIT", "LOGICAL", "PHYSICAL", ",", "'x'", "t"),
    (server, tokens, change, at, other) => {
      const list = [...tokens];
      const i = at % list.length;
      if (change === "delete") list.splice(i, 1);
      else if (change === "duplicate") list.splice(i, 0, list[i]!);
      else if (change === "insert") list.splice(i + 1, 0, other);
      else if (i > 0) [list[i - 1], list[i]] = [list[i]!, list[i - 1]!];
      const text = list.join(" ").replaceAll(" ,", ",");
      expectHelps(text, server);
      const error = complaint(text, server);
      if (error?.message !== "syntax error") return;
      // The position is to be there, or in the place of what is.
      if (error.advice?.startsWith("Write a position")) {
        const [before, after] = [text.slice(0, error.offset), text.slice(error.offset)];
        const all = [after, after.replace(/^[^ ]*/, "")].map((rest) =>
          complaint(`${before} 0/16B3748 ${rest}`, server),
        );
        expect(all.some((each) => each?.message !== "syntax error") ? [] : [text, error.advice]).toEqual([]);
      }
      expect(error.advice ?? "").not.toMatch(/^Write the name in double quotes: "[a-z_]+"\.$/);
      const better = mended(error);
      if (better === undefined) return;
      const next = complaint(better, server);
      expect(next?.message === "syntax error" ? [text, error.advice, better] : []).toEqual([]);
    },
  ),
  3000,
);

test.each([
  ["DROP_REPLICATION_SLOT s, t", undefined],
  [
    "CREATE_REPLICATION_SLOT TEMPORARY s LOGICAL pgoutput",
    "Write the name of the slot directly after CREATE_REPLICATION_SLOT.",
  ],
  ["DROP_REPLICATION_SLOT WAIT s", "Write the name of the slot directly after DROP_REPLICATION_SLOT."],
  ["START_REPLICATION s LOGICAL 0/0 (proto_version '1')", "Write SLOT before the name of the slot."],
  ["START_REPLICATION LOGICAL 0/0", "A logical stream needs a slot: write SLOT and its name before LOGICAL."],
])("the advice on %s is %s", (text, advice) => expect(complaint(text, 180006)!.advice).toBe(advice));

test.each([
  ["CREATE_REPLICATION_SLOT search-demo PHYSICAL", "CREATE_REPLICATION_SLOT search_demo PHYSICAL"],
  ["CREATE_REPLICATION_SLOT 1abc PHYSICAL", 'CREATE_REPLICATION_SLOT "1abc" PHYSICAL'],
  ["CREATE_REPLICATION_SLOT Search-Demo PHYSICAL", "CREATE_REPLICATION_SLOT search_demo PHYSICAL"],
  ['CREATE_REPLICATION_SLOT "1-A" PHYSICAL', 'CREATE_REPLICATION_SLOT "1_a" PHYSICAL'],
  ["CREATE_REPLICATION_SLOT 'my-slot' PHYSICAL", "CREATE_REPLICATION_SLOT my_slot PHYSICAL"],
  ["CREATE_REPLICATION_SLOT s LOGICAL test-decoding", 'CREATE_REPLICATION_SLOT s LOGICAL "test-decoding"'],
  ["DROP_REPLICATION_SLOT search-demo", "DROP_REPLICATION_SLOT search_demo"],
  ['DROP_REPLICATION_SLOT "search-demo"', "DROP_REPLICATION_SLOT search_demo"],
  ['START_REPLICATION SLOT "Sub1" 0/0', "START_REPLICATION SLOT sub1 0/0"],
  ['ALTER_REPLICATION_SLOT "1-a" (failover)', 'ALTER_REPLICATION_SLOT "1_a" (failover)'],
  ['READ_REPLICATION_SLOT "a.b"', "READ_REPLICATION_SLOT a_b"],
  ["DROP_REPLICATION_SLOT SLOT", 'DROP_REPLICATION_SLOT "slot"'],
  ["BASE_BACKUP (max-rate 100)", "BASE_BACKUP (max_rate 100)"],
  ["BASE_BACKUP ()", "BASE_BACKUP "],
  [
    "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version 1, publication_names 'p')",
    "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')",
  ],
])("%s becomes %s, and is accepted", (text, better) => {
  const error = complaint(text, 180006)!;
  expect(followed(error)).toBe(better);
  expect(complaint(better, 180006)).toBe(undefined);
});
