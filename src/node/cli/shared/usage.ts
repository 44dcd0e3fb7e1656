/** How a subcommand ends early. */
import { type Status, status } from "./status.ts";

/** The kind of mistake in a call. */
export type UsageProblem = "missing-argument" | "extra-argument" | "unknown-option" | "other";

/** The call is wrong: exit status 2. */
export class UsageError extends Error {
  readonly problem: UsageProblem;
  /** The wrong word: the first extra argument, or the unknown option. */
  readonly word: string;

  constructor(message: string, problem: UsageProblem = "other", word = "") {
    super(message);
    this.problem = problem;
    this.word = word;
  }
}

/** The input is bad: exit status 1. */
export class InputError extends Error {
  readonly status: Status = status.bad;
}

/** The input could not be read: exit status 3. */
export class UnseenError extends InputError {
  override readonly status = status.unseen;
}
