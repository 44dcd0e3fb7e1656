/** How subcommands are called: their arguments, and what a wrong call is. */
import { type ParseArgsConfig, parseArgs } from "node:util";

/** The call is wrong: it is answered with how it goes, and exit status 2. */
export class UsageError extends Error {}

/** The call is right, and what it was given is bad, in a sentence: exit status 1. */
export class InputError extends Error {}

/**
 * Arguments as node:util reads them, positional ones too.
 *
 * @throws UsageError
 */
export function readArgs<const O extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
