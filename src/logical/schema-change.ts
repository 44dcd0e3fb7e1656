/**
 * The difference between two forms of a relation, as its Relation messages describe them.
 *
 * A Relation message has no attribute numbers, so columns are compared by name. A table gets new columns at its end only, and the
 * others keep their order.
 */
import type { RelationColumn } from "../generated/logical.ts";
import type { DescribedRelation } from "./described.ts";

/** A column with another type or modifier than before, or another place in the key. */
export interface AlteredColumn {
  /** As it was. */
  readonly before: RelationColumn;
  /** As it is. */
  readonly after: RelationColumn;
}

/** What differs between two forms of a relation. */
export interface SchemaDifference {
  /** Columns that only the new form has, in its order. */
  readonly added: readonly RelationColumn[];
  /** Columns that only the old form has, in its order. */
  readonly dropped: readonly RelationColumn[];
  /**
   * Columns with another name, where that is certain from their places: between two columns that stayed, as many have gone as have
   * come, and their types are the same. After the last column that stayed, a column that was renamed looks like one that was dropped
   * and one that was added, and is in these lists.
   */
  readonly renamed: readonly AlteredColumn[];
  /** Columns of the same name with another type, type modifier, or place in the key. */
  readonly altered: readonly AlteredColumn[];
  /** Whether the table has another name or schema. */
  readonly moved: boolean;
  /** Whether the replica identity is another one. */
  readonly identity: boolean;
}

/**
 * Compare two forms of a relation.
 *
 * A column that is not built in also counts as altered if its type has another name or schema.
 *
 * @returns undefined if they are equal.
 */
export function compareRelations(before: DescribedRelation, after: DescribedRelation): SchemaDifference | undefined {
  const old = new Map(before.columns.map((column, i) => [column.name, i]));
  const stays = new Set(after.columns.filter(({ name }) => old.has(name)).map(({ name }) => name));
  const added: RelationColumn[] = [];
  const dropped: RelationColumn[] = [];
  const renamed: AlteredColumn[] = [];
  const altered: AlteredColumn[] = [];

  /** Columns without a partner since the last one that stayed. */
  let come: RelationColumn[] = [];
  let next = 0;
  const close = (end: number, isLast: boolean): void => {
    const gone = before.columns.slice(next, end).filter(({ name }) => !stays.has(name));
    const pairs = !isLast && gone.length === come.length && gone.every((each, i) => hasSameType(each, come[i]!));
    if (pairs) for (const [i, each] of gone.entries()) renamed.push({ before: each, after: come[i]! });
    else {
      dropped.push(...gone);
      added.push(...come);
    }
    come = [];
  };
  for (const [i, column] of after.columns.entries()) {
    const at = old.get(column.name);
    if (at === undefined) {
      come.push(column);
      continue;
    }
    if (at < next) {
      // It stood before a column that now stands before it: it was dropped, and another one got its name.
      dropped.push(before.columns[at]!);
      come.push(column);
      continue;
    }
    close(at, false);
    next = at + 1;
    const was = before.columns[at]!;
    const typeIsSame =
      before.types[at]?.namespace === after.types[i]?.namespace && before.types[at]?.name === after.types[i]?.name;
    if (!hasSameType(was, column) || was.key !== column.key || !typeIsSame)
      altered.push({ before: was, after: column });
  }
  close(before.columns.length, true);
  const moved = before.namespace !== after.namespace || before.name !== after.name;
  const identity = before.replicaIdentity !== after.replicaIdentity;
  const isSame = [added, dropped, renamed, altered].every((list) => list.length === 0) && !moved && !identity;
  return isSame ? undefined : { added, dropped, renamed, altered, moved, identity };
}

function hasSameType(a: RelationColumn, b: RelationColumn): boolean {
  return a.typeId === b.typeId && a.typeModifier === b.typeModifier;
}
