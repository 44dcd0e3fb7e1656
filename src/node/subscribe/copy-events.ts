/** The events of the initial copy. */
import type { Relation } from "../../generated/logical.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import type { RowObject } from "./rows.ts";

/** The copy of a table begins. Tables are copied side by side, so events of several may be interleaved. */
export interface CopyBegin {
  readonly type: "CopyBegin";
  /** The table, as a Relation message would describe it. */
  readonly relation: Relation;
  /** The consistent point of the snapshot that it is copied from. */
  readonly lsn: Lsn;
  /** An earlier copy was broken off, and may have delivered rows of this table: empty it first. */
  readonly again: boolean;
}

/** Rows of a table. */
export interface CopyRows {
  readonly type: "CopyRows";
  /** The table: the same object as in its CopyBegin. */
  readonly relation: Relation;
  /** A batch of rows, at most some 256 KiB as the server sends them, or one larger row. */
  readonly rows: readonly RowObject[];
}

/** The copy of a table is complete. */
export interface CopyEnd {
  readonly type: "CopyEnd";
  /** The table: the same object as in its CopyBegin. */
  readonly relation: Relation;
  /** The consistent point of the snapshot that it was copied from, for `CopiedTable.lsn`. */
  readonly lsn: Lsn;
  /** The number of its rows. */
  readonly count: number;
}

/** An event of the initial copy. */
export type CopyEvent = CopyBegin | CopyRows | CopyEnd;
