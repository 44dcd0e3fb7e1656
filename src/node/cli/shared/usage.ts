/** How a subcommand ends early. */
import { type Status, status } from "./status.ts";

/** What a wrong call is wrong about. */
export type UsageProblem = "missing-argument" | "extra-argument" | "unknown-option" | "other";

/** The call is wrong. It is answered in one or two lines, with exit status 2. */
export class UsageError extends Error {
  readonly problem: UsageProblem;
  /** The word that is wrong: the first argument that is too many, the option that is unknown. */
  readonly word: string;

  constructor(message: string, problem: UsageProblem = "other", word = "") {
    super(message);
    this.problem = problem;
    this.word = word;
  }
}

/** The call is right, and the input is bad: exit status 1. */
export class InputError extends Error {
  readonly status: Status = status.bad;
}

/** The call is right, and the input could not be looked at: exit status 3. */
export class UnseenError extends InputError {
  override readonly status = status.unseen;
}
