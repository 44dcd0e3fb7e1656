/** Following an advice never ends in another rejection of the same token. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { commandText } from "../../src/arbitraries/command.ts";
import { judgeCommand } from "../../src/command/index.ts";
import type { ParseError } from "../../src/kernel/errors.ts";
import { checkedCommand } from "../oracle/checked-commands.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

/** The text after the advice was followed, where it says exactly what to write; undefined where a person has to choose. */
function followed({ text, offset, advice = "", near = "" }: ParseError): string | undefined {
  const [before, after] = [text.slice(0, offset), text.slice(offset)];
  // The whole of what should be a name: the error may be in the middle of it.
  const start = before.length - /[^ \t\n\r\f\v(),;'"]*$/.exec(before)![0].length;
  const word = /^(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^ \t\n\r\f\v(),;'"]*)/.exec(text.slice(start))![0];
  const put = (written: string) => text.slice(0, start) + written + text.slice(start + word.length);
  const exactly = (pattern: RegExp): string | undefined => pattern.exec(advice)?.[1];
  if (advice === "Write the value in single quotes.")
    return `${before}'${near.replace(/^"(.*)"$/s, "$1").replaceAll("'", "''")}'${after.slice(near.length)}`;
  if (advice === "Leave empty parentheses out.") return before.replace(/\(\s*$/, "") + after.slice(1);
  if (advice.includes(" If the slot has another")) return undefined;
  const name =
    exactly(/^Write keywords in capitals: (\w+)\.$/) ??
    exactly(/^Did you mean (\w+)\?$/) ??
    exactly(/[wW]rite ("(?:[^"]|"")*"|\w+), for example\.$/) ??
    exactly(/in lower case: ("\w+"|\w+)\.$/) ??
    exactly(/^Write the name in double quotes: (".*")\.$/s) ??
    exactly(/ is a keyword: write (".*") in double quotes\.$/);
  return name === undefined ? undefined : put(name);
}

const tokenAt = (text: string): string =>
  /^(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[\w$\u0080-\uffff]+|.)/s.exec(text)?.[0] ?? "";

function rejection(text: string, server: number): ParseError | undefined {
  const verdict = judgeCommand(text, { server });
  return verdict.type === "refused" ? verdict.error : undefined;
}

/** Where what is to blame begins, as far as a change there leaves it. */
function expectHelps(text: string, server: number): boolean {
  const error = rejection(text, server);
  const better = error === undefined ? undefined : followed(error);
  if (error === undefined || better === undefined) return false;
  const next = rejection(better, server);
  const start = error.offset - /[^ \t\n\r\f\v(),;'"]*$/.exec(text.slice(0, error.offset))![0].length;
  // What was before the token is as it was, so only another error at the token could be at or before its end.
  if (next !== undefined) {
    const end = start + tokenAt(better.slice(start)).length;
    // That an option has no value is said of the option, and is another matter.
    const isMissing =
      /requires a (parameter|numeric value)$|^server closed/.test(next.message) &&
      tokenAt(better.slice(end).trimStart()) !== "'";
    const same = next.offset >= start && next.offset < end && !isMissing;
    expect(same ? [text, error.advice, better, String(next)] : undefined).toBe(undefined);
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

test.each([
  ["CREATE_REPLICATION_SLOT search-demo PHYSICAL", "CREATE_REPLICATION_SLOT search_demo PHYSICAL"],
  ["CREATE_REPLICATION_SLOT 1abc PHYSICAL", 'CREATE_REPLICATION_SLOT "1abc" PHYSICAL'],
  ["CREATE_REPLICATION_SLOT Search-Demo PHYSICAL", "CREATE_REPLICATION_SLOT search_demo PHYSICAL"],
  ['CREATE_REPLICATION_SLOT "1-A" PHYSICAL', 'CREATE_REPLICATION_SLOT "1_a" PHYSICAL'],
  ["CREATE_REPLICATION_SLOT 'my-slot' PHYSICAL", "CREATE_REPLICATION_SLOT my_slot PHYSICAL"],
  ["CREATE_REPLICATION_SLOT s LOGICAL test-decoding", 'CREATE_REPLICATION_SLOT s LOGICAL "test-decoding"'],
  ["DROP_REPLICATION_SLOT SLOT", 'DROP_REPLICATION_SLOT "slot"'],
  ["BASE_BACKUP (max-rate 100)", "BASE_BACKUP (max_rate 100)"],
  ["BASE_BACKUP ()", "BASE_BACKUP "],
  [
    "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version 1, publication_names 'p')",
    "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')",
  ],
])("%s becomes %s, and is accepted", (text, better) => {
  const error = rejection(text, 180006)!;
  expect(followed(error)).toBe(better);
  expect(rejection(better, 180006)).toBe(undefined);
});
