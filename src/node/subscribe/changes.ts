/** The changes of a transaction as the consumer reads them: rows by their types, made when they are read; changes of schema between. */
import type { Delete, Insert, Message, OldTuple, Truncate, Update } from "../../generated/logical.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import type { ChangesWith, MakeRow } from "../../logical/change-log.ts";
import type { DescribedRelation } from "../../logical/described.ts";
import { OneByOne } from "../../logical/one-by-one.ts";
import { compareRelations, type SchemaDifference } from "../../logical/schema-change.ts";
import type { Change, Changes } from "../../logical/transactions.ts";
import type { TupleData } from "../../wire/tuple.ts";
import type { FormsBefore } from "./forms.ts";
import type { RowObject, Rows } from "./rows.ts";

/** A table has another form from here on: its next change has it. */
export interface SchemaChange extends SchemaDifference {
  readonly type: "SchemaChange";
  /** Its new form. */
  readonly relation: DescribedRelation;
  /** Its form until now. */
  readonly before: DescribedRelation;
  /** The position of the change that has the new form first. */
  readonly lsn: Lsn | undefined;
}

/** What the consumer sees of the changes of tables. */
export interface ChangeView {
  /** The reader of the rows of this form of a relation. */
  rowsOf(relation: DescribedRelation): Rows;
  /** Whether changes of this table are left out, since its initial copy has them. */
  readonly leavesOut?: ((relationId: number) => boolean) | undefined;
  /** The forms of relations before the transaction, of those whose form changes in it. */
  readonly before: FormsBefore | undefined;
}

/** Properties that a change does not have, so that `change.row ?? change.old` needs no look at its type. */
export type Lacking<K extends "relation" | "row" | "old"> = {
  /** Not part of this change. */
  readonly [Name in K]?: undefined;
};

/** A row was inserted. */
export class InsertedRow {
  readonly type = "Insert";
  /** An inserted row has no old one. */
  declare readonly old?: undefined;
  /** The table, as it was then. */
  readonly relation: DescribedRelation;
  /** Its position in the WAL. */
  readonly lsn: Lsn | undefined;
  /** In a streamed transaction, its transaction or subtransaction. */
  readonly xid: number | undefined;
  /** The row as the server sent it. */
  readonly newTuple: TupleData;
  readonly #view: ChangeView;
  #row: RowObject | undefined;

  /** @internal */
  constructor({ xid, newTuple }: Insert, relation: DescribedRelation, lsn: Lsn | undefined, view: ChangeView) {
    this.relation = relation;
    this.lsn = lsn;
    this.xid = xid;
    this.newTuple = newTuple;
    this.#view = view;
  }

  /** The row. @throws DecodeError for a value that is not of its type, unless there is an `onUnreadable`; so do the other rows */
  get row(): RowObject {
    this.#row ??= this.#view.rowsOf(this.relation).read(this.newTuple);
    return this.#row;
  }
}

/** A row was updated. */
export class UpdatedRow {
  readonly type = "Update";
  /** The table, as it was then. */
  readonly relation: DescribedRelation;
  /** Its position in the WAL. */
  readonly lsn: Lsn | undefined;
  /** In a streamed transaction, its transaction or subtransaction. */
  readonly xid: number | undefined;
  /** The row as the server sent it. */
  readonly newTuple: TupleData;
  /** The old row or its key as the server sent it, if it did. */
  readonly oldTuple: OldTuple | undefined;
  readonly #view: ChangeView;
  #new: ReturnType<Rows["readNew"]> | undefined;
  #old: RowObject | undefined;

  /** @internal */
  constructor(
    { xid, newTuple, oldTuple }: Update,
    relation: DescribedRelation,
    lsn: Lsn | undefined,
    view: ChangeView,
  ) {
    this.relation = relation;
    this.lsn = lsn;
    this.xid = xid;
    this.newTuple = newTuple;
    this.oldTuple = oldTuple;
    this.#view = view;
  }

  /** The new row. TOASTed values that did not change are those of the old row, if that has them; else they are missing. */
  get row(): RowObject {
    return this.#read().row;
  }

  /** The names of the columns that are missing in `row`, since they did not change and were not sent. */
  get unchanged(): readonly string[] {
    return this.#read().unchanged;
  }

  /** The old row (REPLICA IDENTITY FULL), or its key if that changed; else undefined. */
  get old(): RowObject | undefined {
    if (this.oldTuple === undefined) return undefined;
    this.#old ??= this.#view.rowsOf(this.relation).readOld(this.oldTuple);
    return this.#old;
  }

  #read(): ReturnType<Rows["readNew"]> {
    this.#new ??= this.#view.rowsOf(this.relation).readNew(this.newTuple, this.oldTuple);
    return this.#new;
  }
}

/** A row was deleted. */
export class DeletedRow {
  readonly type = "Delete";
  /** A deleted row has no new one. */
  declare readonly row?: undefined;
  /** The table, as it was then. */
  readonly relation: DescribedRelation;
  /** Its position in the WAL. */
  readonly lsn: Lsn | undefined;
  /** In a streamed transaction, its transaction or subtransaction. */
  readonly xid: number | undefined;
  /** The old row or its key as the server sent it. */
  readonly oldTuple: OldTuple;
  readonly #view: ChangeView;
  #old: RowObject | undefined;

  /** @internal */
  constructor({ xid, oldTuple }: Delete, relation: DescribedRelation, lsn: Lsn | undefined, view: ChangeView) {
    this.relation = relation;
    this.lsn = lsn;
    this.xid = xid;
    this.oldTuple = oldTuple;
    this.#view = view;
  }

  /** The old row (REPLICA IDENTITY FULL), or its key. */
  get old(): RowObject {
    this.#old ??= this.#view.rowsOf(this.relation).readOld(this.oldTuple);
    return this.#old;
  }
}

/** A change of a transaction: of a row, of all rows of tables, or of the schema; or a transactional message. */
export type SubscribedChange =
  | InsertedRow
  | UpdatedRow
  | DeletedRow
  | (Extract<Change, Truncate> & Lacking<"relation" | "row" | "old">)
  | (SchemaChange & Lacking<"row" | "old">)
  | (Message & Lacking<"relation" | "row" | "old">);

/** The changes of a transaction, in order. They can be read any number of times until the transaction is confirmed. */
export class SubscribedChanges implements AsyncIterable<SubscribedChange> {
  readonly #changes: Changes;
  readonly #view: ChangeView;

  /** @internal */
  constructor(changes: Changes, view: ChangeView) {
    this.#changes = changes;
    this.#view = view;
  }

  /**
   * The number of changes as the server sent them: changes of schema are not counted, but those that the initial copy of a table has
   * already are.
   */
  get count(): number {
    return this.#changes.count;
  }

  /** The tables of the changes, each form of each once. */
  get relations(): readonly DescribedRelation[] {
    return this.#changes.relations;
  }

  /**
   * The changes in batches of up to some thousands: the fast way. Timers and I/O run between batches if 10 milliseconds have passed.
   *
   * @throws ArgumentError if the transaction was confirmed.
   * @throws DecodeError if the spill returns other bytes than it was given.
   */
  batches(): AsyncIterableIterator<readonly SubscribedChange[]> {
    const batches = this.#changes.batchesWith(rowsFor(this.#view));
    return isPlain(this.#view) ? batches : seen(batches, this.#view);
  }

  /**
   * As `batches`, without promises, which for a transaction of a few rows take longer than the rows; undefined if some of the changes are
   * in the spill. Timers and I/O do not run meanwhile.
   *
   * @throws ArgumentError if the transaction was confirmed.
   */
  batchesNow(): IterableIterator<readonly SubscribedChange[]> | undefined {
    const batches = this.#changes.batchesNowWith(rowsFor(this.#view));
    return batches === undefined || isPlain(this.#view) ? batches : seenNow(batches, this.#view);
  }

  /** The changes one by one; timers and I/O run at least every 10 milliseconds or 32 changes. @throws as `batches` does */
  [Symbol.asyncIterator](): AsyncIterableIterator<SubscribedChange> {
    return new OneByOne(this.batchesNow() ?? this.batches());
  }
}

/** Changes before those of schemas are added. */
type Unnoticed = ChangesWith<InsertedRow | UpdatedRow | DeletedRow>;

function rowsFor(view: ChangeView): MakeRow<InsertedRow | UpdatedRow | DeletedRow> {
  return (message, relation, lsn) => {
    switch (message.type) {
      case "Insert":
        return new InsertedRow(message, relation, lsn, view);
      case "Update":
        return new UpdatedRow(message, relation, lsn, view);
      case "Delete":
        return new DeletedRow(message, relation, lsn, view);
    }
  };
}

/** Whether the consumer sees all changes, and no others. */
function isPlain({ leavesOut, before }: ChangeView): boolean {
  return leavesOut === undefined && before === undefined;
}

async function* seen(
  batches: AsyncIterable<Unnoticed>,
  view: ChangeView,
): AsyncGenerator<readonly SubscribedChange[], void, undefined> {
  const forms = formsOf(view);
  for await (const batch of batches) {
    const changes = viewedBatch(batch, view, forms);
    if (changes.length > 0) yield changes;
  }
}

function* seenNow(
  batches: Iterable<Unnoticed>,
  view: ChangeView,
): Generator<readonly SubscribedChange[], void, undefined> {
  const forms = formsOf(view);
  for (const batch of batches) {
    const changes = viewedBatch(batch, view, forms);
    if (changes.length > 0) yield changes;
  }
}

/** The forms of relations, which change while a transaction is read. */
type Forms = Map<number, DescribedRelation>;

function formsOf({ before }: ChangeView): Forms | undefined {
  return before === undefined ? undefined : new Map(before);
}

/** What the consumer sees of a batch. */
function viewedBatch(batch: Unnoticed, view: ChangeView, forms: Forms | undefined): readonly SubscribedChange[] {
  const changes: SubscribedChange[] = [];
  for (const change of batch) {
    const left = view.leavesOut === undefined ? change : leave(change, view);
    if (left === undefined) continue;
    if (forms !== undefined) notice(left, forms, changes);
    changes.push(left);
  }
  return changes;
}

/** Add the changes of schema that this change shows. */
function notice(change: Unnoticed[number], forms: Forms, to: SubscribedChange[]): void {
  if (change.type === "Message") return;
  const relations = change.type === "Truncate" ? change.relations : [change.relation];
  for (const relation of relations) {
    const before = forms.get(relation.relationId);
    if (before === relation || before === undefined) continue;
    forms.set(relation.relationId, relation);
    const difference = compareRelations(before, relation);
    if (difference !== undefined) {
      to.push({ type: "SchemaChange", relation, before, lsn: change.lsn, ...difference });
    }
  }
}

/** The change without tables whose copy has it; undefined if nothing is left. */
function leave(change: Unnoticed[number], view: ChangeView): Unnoticed[number] | undefined {
  if (change.type === "Message") return change;
  if (change.type !== "Truncate") return view.leavesOut!(change.relation.relationId) ? undefined : change;
  const relations = change.relations.filter(({ relationId }) => !view.leavesOut!(relationId));
  if (relations.length === change.relations.length) return change;
  if (relations.length === 0) return undefined;
  return { ...change, relations, relationIds: relations.map(({ relationId }) => relationId) };
}
