/** What holds for errors and costs of every parser of text. */
import { expect } from "vitest";
import { drawCaret, type ParseError } from "../../src/errors.ts";

/** The place is in the text and at a token, the caret can be drawn there, and a syntax error says what was expected. */
export function expectErrorForPeople(error: ParseError, text: string): void {
  expect(error.text).toBe(text);
  expect(error.sqlstate).toMatch(/^[0-9A-Z]{5}$/);
  expect(error.message).not.toBe("");
  expect(error.offset).toBeGreaterThanOrEqual(0);
  expect(error.offset).toBeLessThanOrEqual(text.length);
  expect(text.slice(error.offset)).not.toMatch(/^[ \t\n\r\f]/);
  const [line, caret] = drawCaret(text, error.offset);
  expect(String(error)).toContain(`\n${line}\n${caret}`);
  if (error.code === "SYNTAX" && error.sqlstate === "42601") expect(error.expected).not.toEqual([]);
  expect(new Set(error.expected).size).toBe(error.expected.length);
  for (const name of error.expected) expect(name).toMatch(/^("."|[A-Z_]+|[a-zA-Z ]+)$/);
}

/**
 * Twice the text takes twice the looks at a character of it, and a million of anything does not exhaust the stack. Looks are
 * counted, since time is not to be relied on: generated parsers look through these methods and no others.
 */
export function expectLinear(run: (n: number) => unknown): void {
  const [small, large] = [2000, 4000].map((n) => looks(() => run(n)));
  expect(large! / small!).toBeLessThan(2.2);
  run(1_000_000);
}

function looks(run: () => void): number {
  const methods = ["charAt", "charCodeAt", "codePointAt", "substr", "substring"] as const;
  const originals = methods.map((method) => String.prototype[method]);
  let count = 0;
  for (const [i, method] of methods.entries()) {
    const original = originals[i] as (...args: unknown[]) => unknown;
    Object.assign(String.prototype, {
      [method](this: string, ...args: unknown[]) {
        count++;
        return original.apply(this, args);
      },
    });
  }
  try {
    run();
  } finally {
    for (const [i, method] of methods.entries()) Object.assign(String.prototype, { [method]: originals[i] });
  }
  return count;
}
