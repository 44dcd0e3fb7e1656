/** The laws of public functions with arguments from JavaScript: whatever they are called with, they return or throw an error of ours. */
import fc from "fast-check";
import { describe, expect } from "vitest";
import { ArgumentError, EncodeError, WalwireError } from "../../src/kernel/errors.ts";
import { hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";

type Call = (...args: unknown[]) => unknown;

/**
 * @param exported Everything that a module exports.
 * @param calls Good arguments of each function, with every option that it takes.
 */
export function lawsOfArguments(
  exported: Readonly<Record<string, unknown>>,
  calls: Readonly<Record<string, readonly unknown[]>>,
): void {
  const functions = Object.entries(exported).flatMap(([name, value]) =>
    typeof value === "function" && !(value.prototype instanceof Error) ? [{ name, call: value as Call }] : [],
  );

  describe.each(functions)("$name", ({ name, call }) => {
    const attempt = (args: readonly unknown[]): void => {
      try {
        call(...args);
      } catch (error) {
        if (!(error instanceof WalwireError)) throw error;
        if (error instanceof ArgumentError || error instanceof EncodeError) saysWhatIsWrong(error);
      }
    };

    law(
      "any arguments",
      fc.property(
        fc.array(fc.oneof(fc.anything(), fc.constantFrom(null, undefined, "", 0, {}, [])), { maxLength: 4 }),
        attempt,
      ),
      300,
    );

    law(
      "good arguments with something else in them",
      fc.property(fc.nat(), hostileValue(), (pick, value) =>
        attempt(withChange(calls[name]!, pick, value) as unknown[]),
      ),
      1000,
    );
  });
}

/** The message begins with the part that is wrong, by its name, and goes on with what is expected. */
function saysWhatIsWrong({ path, message }: ArgumentError | EncodeError): void {
  expect(path).toMatch(/^[A-Za-z]/);
  expect(message.startsWith(path), message).toBe(true);
  expect(message.slice(path.length)).toMatch(/^(?:: | is | has |\.\w+ is ).*\w/s);
  expect(message).not.toMatch(/expected(?:,|$| ,)/);
}
