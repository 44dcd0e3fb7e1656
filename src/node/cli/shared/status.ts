/** Exit statuses. Every subcommand uses these, and nothing else. */
export const status = {
  /** The input is good, or the work is done. */
  good: 0,
  /** The input is bad: it was looked at, and something is wrong with it. */
  bad: 1,
  /** The call is wrong: nothing was looked at. */
  wrongCall: 2,
  /**
   * Something could not be looked at (unreadable, an unsupported compression, an unknown format, a server that cannot be reached), or
   * the answer could not be written. What was looked at may still be good.
   */
  unseen: 3,
  /** `walwire sync` only: commits are blocked now. */
  blocked: 4,
  /** Ended by Ctrl-C, as shells count it. */
  interrupted: 130,
  /** The reader of a long output went away, as shells count a program that SIGPIPE ends. */
  cut: 141,
} as const;

export type Status = (typeof status)[keyof typeof status];

/** The statuses as the help and docs/command-line.md list them. */
export const statusMeanings: readonly (readonly [Status, string])[] = [
  [status.good, "the input is good"],
  [status.bad, "the input is bad"],
  [status.wrongCall, "the call is wrong"],
  [status.unseen, "something could not be read, reached or written"],
  [status.blocked, "`walwire sync`: commits are blocked now"],
];
