/** What the replication scanner makes of a text. @source repl_scanner.l */

/** A token of the replication scanner. */
export interface Token {
  readonly kind: "RECPTR" | "UCONST" | "SCONST" | "IDENT" | "keyword" | "character";
  /** As it stands in the text, quotes included. */
  readonly text: string;
  /** UTF-16 code units from the start of the text. */
  readonly offset: number;
}
