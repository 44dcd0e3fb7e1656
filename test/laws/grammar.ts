/** What laws share: what holds for errors and costs of every parser of text, and hostile values for printers and encoders. */
import fc from "fast-check";
import { expect } from "vitest";
import { drawCaret, type ParseError } from "../../src/kernel/errors.ts";

/** The place is in the text and at a token, the caret can be drawn there, and a syntax error says what was expected. */
export function expectErrorForPeople(error: ParseError, text: string): void {
  expect(error.text).toBe(text);
  expect(error.sqlstate).toMatch(/^[0-9A-Z]{5}$/);
  expect(error.message).not.toBe("");
  expect(error.offset).toBeGreaterThanOrEqual(0);
  expect(error.offset).toBeLessThanOrEqual(text.length);
  expect(text.slice(error.offset)).not.toMatch(/^[ \t\n]/);
  const [line, caret] = drawCaret(text, error.offset);
  expect(String(error)).toContain(`\n${line}\n${caret}`);
  if (error.message === "syntax error") expect(error.expected).not.toEqual([]);
  expect(new Set(error.expected).size).toBe(error.expected.length);
  for (const name of error.expected) expect(name).toMatch(/^("."|[A-Z_]+|[a-zA-Z ]+)$/);
}

/** What JavaScript may put where a type says otherwise; among it what throws when it is made a string. */
export function hostileValue(): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.anything({ withBigInt: true, withSparseArray: true, withTypedArray: true }),
    fc.constantFrom<unknown>(
      undefined,
      null,
      {},
      [],
      Object.create(null),
      Object.create(Uint8Array.prototype),
      { [Symbol.toStringTag]: "Uint8Array" },
      { toString: "" },
      Symbol("s"),
      Number.NaN,
      -0,
    ),
    fc.constantFrom("", "\0", "\ud800", "constructor", "__proto__", "x'; DROP", "fast", "true", 0, 1, 1.5, 2 ** 32, 5n),
  );
}

/** The same tree with another value at one of its places, at any depth. */
export function withChange<T>(tree: T, pick: number, value: unknown): T {
  const places: (readonly PropertyKey[])[] = [];
  const visit = (node: unknown, path: readonly PropertyKey[]): void => {
    if (path.length > 0) places.push(path);
    if (typeof node !== "object" || node === null || ArrayBuffer.isView(node)) return;
    for (const [key, child] of Object.entries(node)) visit(child, [...path, key]);
  };
  visit(tree, []);
  const change = (node: unknown, [key, ...rest]: readonly PropertyKey[]): unknown => {
    if (key === undefined) return value;
    const copy = (Array.isArray(node) ? [...node] : { ...(node as object) }) as Record<PropertyKey, unknown>;
    copy[key] = change(copy[key], rest);
    return copy;
  };
  return change(tree, places[pick % places.length]!) as T;
}

/**
 * Twice the text takes twice the looks at a character of it, and a million of anything does not exhaust the stack. Looks are
 * counted, since time is not to be relied on: generated parsers look through a few methods and no others.
 */
export function expectLinear(run: (n: number) => unknown): void {
  const [small, large] = [2000, 4000].map((n) => looks(() => run(n)));
  expect(large! / small!).toBeLessThan(2.2);
  run(1_000_000);
}

/** Characters that are looked at: each call of these methods is one look, and a regular expression's are those that it passes. */
function looks(run: () => void): number {
  let count = 0;
  const restore: (() => void)[] = [];
  const count1 = <T extends object>(
    prototype: T,
    method: keyof T & string,
    passed?: (self: unknown) => number,
  ): void => {
    const original = prototype[method] as (...args: unknown[]) => unknown;
    Object.assign(prototype, {
      [method](this: unknown, ...args: unknown[]) {
        const before = passed?.(this) ?? 0;
        const result = original.apply(this, args);
        count += 1 + Math.max(0, (passed?.(this) ?? 0) - before);
        return result;
      },
    });
    restore.push(() => Object.assign(prototype, { [method]: original }));
  };
  for (const method of ["charAt", "charCodeAt", "codePointAt", "substr", "substring", "startsWith"] as const) {
    count1(String.prototype, method);
  }
  count1(RegExp.prototype, "test", (self) => (self as RegExp).lastIndex);
  try {
    run();
  } finally {
    for (const each of restore) each();
  }
  return count;
}
