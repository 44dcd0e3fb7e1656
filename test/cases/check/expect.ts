/** What the cases of checkCommand share. */
import { expect, test } from "vitest";
import {
  type CheckCommandOptions,
  type Command,
  type CommandOptions,
  checkCommand,
  parseCommand,
} from "../../../src/command/index.ts";
import { ParseError } from "../../../src/kernel/errors.ts";
import type { Server } from "../../../src/kernel/version.ts";

/** One of each major that parses as its own. */
export const servers = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
export const [from15, from16, from17] = [15, 16, 17].map((first) => servers.filter((server) => server >= first)) as [
  number[],
  number[],
  number[],
];
export const until = (last: number, first = 10) => servers.filter((server) => server >= first && server <= last);

export const twice = (name: string) => `The option ${name} is given twice: leave one out.`;
export const quotedBooleanAdvice = "Write 'true', 'false', 'on' or 'off', or leave the value out, which means true.";
export const booleanAdvice = "Write true, false, on or off, or leave the value out, which means true.";

interface Case {
  readonly text: string;
  readonly servers: Server | readonly Server[];
}

/** A command that servers reject: what they say, and what we add. */
export interface Refused extends Case {
  readonly sqlstate: string;
  readonly message: string;
  readonly path: string;
  /** The text at the offset. */
  readonly at: string;
  readonly advice: string;
  readonly hint?: string;
}

export function expectRefused(cases: readonly Refused[], options: CheckCommandOptions = {}): void {
  test.each(cases)("$text", ({ text, servers, at, hint, ...said }) => {
    for (const server of [servers].flat()) {
      const error = refusal(parseCommand(text, { server }), { server, ...options });
      const { code, sqlstate, message, detail, path, advice } = error;
      expect(
        { code, sqlstate, message, detail, hint: error.hint, path, advice, text: error.text, server },
        String(error),
      ).toEqual({ code: "REFUSED", detail: undefined, hint, ...said, text, server });
      expect(text.slice(error.offset, error.offset + at.length), String(error)).toBe(at);
    }
  });
}

export function refusal(command: Command, options: CheckCommandOptions): ParseError {
  try {
    checkCommand(command, options);
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error("It is accepted.");
}

/** A command that servers accept, and some of what they make of its options. */
interface Accepted extends Case {
  readonly options: Partial<CommandOptions>;
}

export function expectAccepted(cases: readonly Accepted[], checked: CheckCommandOptions = {}): void {
  test.each(cases)("$text", ({ text, servers, options }) => {
    for (const server of [servers].flat()) {
      expect(checkCommand(parseCommand(text, { server }), { server, ...checked }), String(server)).toMatchObject(
        options,
      );
    }
  });
}
