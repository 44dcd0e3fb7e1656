/** How subcommands are called, and what a wrong call is. */

/** The call is wrong: it is answered with how it goes, and exit status 2. */
export class UsageError extends Error {}

/** The call is right, and what it was given is bad, in a sentence: exit status 1. */
export class InputError extends Error {}

/** The call is right, and the input could not be looked at: exit status 3. */
export class UnseenError extends InputError {}

/**
 * What `parse`, which calls node:util's parseArgs, makes of arguments.
 *
 * @throws UsageError
 */
export function readArgs<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
