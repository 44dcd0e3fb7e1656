/** What became of an input. */
export type Outcome = "value" | "error";

/** A format whose damaged bytes `npm run fuzz:messages`, `fuzz:files` and `fuzz:clients` check; targets.ts lists them. */
export interface FuzzTarget {
  /** The name of the format: "backup_manifest". */
  readonly name: string;
  /** Every input of the corpus is a value. */
  readonly sound?: boolean;
  /** Good inputs, of servers and of the arbitraries, some 10 KB long at most. */
  corpus(): readonly Uint8Array[];
  /**
   * Read the bytes in every possible way, and compare: whole and in pieces, decoded and encoded again.
   *
   * @returns whether they are a value, or rejected with an error of ours.
   * @throws any other error if a check fails.
   */
  check(bytes: Uint8Array): Outcome | Promise<Outcome>;
  /** More to say at the end. */
  summary?(): string;
}
