/**
 * What `npm run fuzz:files` throws damaged bytes at: one target a format, listed in targets.ts.
 */
export interface FuzzTarget {
  /** As the format is called: "backup_manifest". */
  readonly name: string;
  /** Good inputs, of real servers and of the arbitraries, which are damaged; each as short as serves, some 10 KB at most. */
  corpus(): readonly Uint8Array[];
  /**
   * Reads the bytes in every way there is, and compares: whole and in pieces, decoded and encoded again.
   *
   * @returns whether they were a value, or refused with one of our errors.
   * @throws anything if something is not as it must be.
   */
  check(bytes: Uint8Array): "value" | "error";
}
