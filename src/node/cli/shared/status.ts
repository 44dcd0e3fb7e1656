/** Exit statuses. Every subcommand uses these, and nothing else. */
export const status = {
  /** The input is good, or the command succeeded. */
  good: 0,
  /** The input is bad: it was read, and it is invalid or damaged. */
  bad: 1,
  /** The call is wrong: nothing was read. */
  wrongCall: 2,
  /**
   * Something could not be read (a file, an unsupported compression, an unknown format, a server that cannot be reached), or the output
   * could not be written. What was read may still be good.
   */
  unseen: 3,
  /** `walwire sync` only: commits are blocked now. */
  blocked: 4,
  /** Ended by Ctrl-C: 128 + SIGINT, as in shells. */
  interrupted: 130,
  /** The reader of a long output closed the pipe: 128 + SIGPIPE, as in shells. */
  cut: 141,
} as const;

export type Status = (typeof status)[keyof typeof status];

/** The statuses in `--help` and docs/command-line.md. */
export const statusMeanings: readonly (readonly [Status, string])[] = [
  [status.good, "the input is good"],
  [status.bad, "the input is bad"],
  [status.wrongCall, "the call is wrong"],
  [status.unseen, "something could not be read, reached or written"],
  [status.blocked, "`walwire sync`: commits are blocked now"],
];
