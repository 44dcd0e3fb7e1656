/** Laws of what is offered for a value of synchronous_standby_names: a fix that works, and advice that leads on. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText } from "../../src/arbitraries/syncrep.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { fixAndJudge, isGood, judgeSynchronousStandbyNames, offeredFix } from "../../src/syncrep/judge.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const server = fc.constantFrom(...versionsWith());

/** Values as the arbitraries have them, and such with the mistakes that people make. */
const text = fc.oneof(
  synchronousStandbyNamesText(),
  fc
    .array(
      fc.constantFrom(
        ...[
          "node-1",
          "Node-1",
          "a",
          "A",
          "*",
          '"*"',
          "2",
          "0",
          "-1",
          "1.5",
          "any",
          "FIRST",
          "first",
          "ANY",
          "priority",
        ],
        ...["(", ")", ",", ", ", " ", "'", "'b-c'", '"x y"', '" x"', '"a "', '""', "é", "1a", "a.b:c", "pg-*", "$a"],
        ...["ANY 2 (", "FIRST 3(", "3 (", '"', "x".repeat(64), "\n", "off", '"none"', '"ANY 1 (a)"', ";", "=", "\\"],
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join("")),
);

law(
  "what is offered differs from the value, is good, and is what the fix gives",
  fc.property(text, server, fc.option(server, { nil: undefined }), (value, version, other) => {
    const options = { server: version, ...(other === undefined ? {} : { also: [other] }) };
    const offer = offeredFix(value, options);
    if (offer === undefined) {
      for (const unsafe of [false, true]) {
        const { judged } = fixAndJudge(value, { ...options, unsafe });
        expect(judged.text === value || !isGood(judged)).toBe(true);
      }
      return;
    }
    const { judged, fixed } = fixAndJudge(value, { ...options, unsafe: offer.unsafe });
    expect(judged.text).toBe(offer.text);
    expect(offer.text).not.toBe(value);
    expect(fixed).not.toEqual([]);
    expect(() => parseSynchronousStandbyNames(offer.text, { server: version })).not.toThrow();
    expect(isGood(judgeSynchronousStandbyNames(offer.text, options))).toBe(true);
    // Who fixes what was fixed has nothing left to do.
    expect(fixAndJudge(offer.text, { ...options, unsafe: offer.unsafe }).judged.text).toBe(offer.text);
  }),
  3000,
);

function refusal(value: string, version: number): ParseError | undefined {
  try {
    parseSynchronousStandbyNames(value, { server: version });
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

/** A text, and where in it the token ends that an advice was about. */
interface Followed {
  readonly text: string;
  readonly end: number;
}

/** What somebody types who does as an advice says; each sentence is one of these. */
const ways: readonly (readonly [advice: RegExp, follow: (error: ParseError) => Followed | undefined])[] = [
  [/^Write the empty string/, () => ({ text: "", end: 0 })],
  // These say what is so, and nothing about this token.
  [/ new in PostgreSQL \S+\.$/, () => undefined],
  [/^A number of standbys is new in /, ({ text }) => namesAlone(text)],
  [/^Write the number of standbys as digits alone/, (error) => inPlaceOfWord(error, () => "1")],
  [/^Before a number and a list, write FIRST, ANY or nothing/, ({ text, offset }) => put(text, 0, offset, "")],
  [/^Names have no patterns/, (error) => inPlaceOfWord(error, () => "*")],
  [
    /^Write the number of standbys before the list/,
    ({ text, offset }) =>
      put(text, offset, offset, /^\s*(any|first)\s*$/i.test(text.slice(0, offset)) ? " 1 " : "1 ", 1),
  ],
  [
    /^After \w+, write a number and the list/,
    ({ text, offset, near }) => put(text, offset, offset, " 1 (", near!.length),
  ],
  [/ is a keyword\. Write "\w+" if it is the name/, keywordInQuotes],
  [/^Write standby names in double quotes or without quotes/, singleQuotes],
  [/^Write a name (with|that begins)/, (error) => inPlaceOfWord(error, (word) => `"${word.replaceAll('"', '""')}"`)],
  [/^Separate names with commas/, ({ text, offset, near }) => put(text, offset, offset, ", ", near!.length)],
];

function put(text: string, from: number, to: number, what: string, beyond = 0): Followed {
  return { text: text.slice(0, from) + what + text.slice(to), end: from + what.length + beyond };
}

/** What stands there between blanks, commas and parentheses. */
function inPlaceOfWord({ text, offset }: ParseError, what: (word: string) => string): Followed {
  const from = offset - /[^ \t\n\r\f\v,()]*$/.exec(text.slice(0, offset))![0].length;
  const to = offset + /^[^ \t\n\r\f\v,()]*/.exec(text.slice(offset))![0].length;
  return put(text, from, to, what(text.slice(from, to)));
}

function namesAlone(text: string): Followed {
  const names = text.replace(/^\s*\d+\s*\(/, "").replace(/\)\s*$/, "");
  return { text: names, end: 0 };
}

function keywordInQuotes({ text, offset, near, advice }: ParseError): Followed {
  const word = / Write "(\w+)"/.exec(advice!)![1]!;
  const from = near === word ? offset : text.slice(0, offset).lastIndexOf(word);
  return put(text, from, from + word.length, `"${word}"`);
}

function singleQuotes({ text, offset }: ParseError): Followed | undefined {
  const closing = text.indexOf("'", offset + 1);
  const name = closing === -1 ? text.slice(offset + 1) : text.slice(offset + 1, closing);
  return put(text, offset, closing === -1 ? text.length : closing + 1, `"${name.replaceAll('"', '""')}"`);
}

describe("advice", () => {
  const holds = (value: string, version: number): void => {
    const error = refusal(value, version);
    if (error?.advice === undefined) return;
    const [, follow] = ways.find(([advice]) => advice.test(error.advice!))!;
    const followed = follow(error);
    if (followed === undefined) return;
    const next = refusal(followed.text, version);
    const where = `${error.advice} ${JSON.stringify(value)} -> ${JSON.stringify(followed.text)}`;
    // Whether the number is positive is looked at last, wherever it stands.
    if (next !== undefined && next.code !== "INVALID_VALUE")
      expect(next.offset, where).toBeGreaterThanOrEqual(followed.end);
    expect(followed.text, where).not.toBe(value);
  };

  law("following it does not end in another refusal of the same token", fc.property(text, server, holds), 5000);

  test.each([
    ["first first", undefined],
    ["*)", undefined],
    ["a (b)", undefined],
    ["any any", undefined],
    ["1 ( a\u00a0", undefined],
    ["any--\n1 (a)", undefined],
    ["first a, b", "After first, write a number and the list in parentheses: first 1 (a, b)."],
    ["any (a)", "Write the number of standbys before the list: FIRST 1 (a, b) or ANY 1 (a, b)."],
  ])("%j", (value, advice) => expect(refusal(value, 180000)?.advice).toBe(advice));
});
