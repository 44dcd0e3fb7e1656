/** Relations as they were when a change was sent. */
import type { Relation, Type } from "../generated/logical.ts";

/** A relation as it was when a change was sent. The object stays the same until the relation changes. */
export interface DescribedRelation extends Relation {
  /** Always undefined: a version belongs to no transaction. */
  readonly xid: undefined;
  /** Per column its Type, as announced; undefined for a type that is built in. */
  readonly types: readonly (Type | undefined)[];
}

/** Whether `now` equals `known`, so that changes can go on sharing the known object. */
export function sameRelation(known: DescribedRelation, now: DescribedRelation): boolean {
  return (
    known.namespace === now.namespace &&
    known.name === now.name &&
    known.replicaIdentity === now.replicaIdentity &&
    known.columns.length === now.columns.length &&
    known.columns.every((column, i) => {
      const other = now.columns[i]!;
      return (
        column.name === other.name &&
        column.key === other.key &&
        column.typeId === other.typeId &&
        column.typeModifier === other.typeModifier &&
        known.types[i]?.namespace === now.types[i]?.namespace &&
        known.types[i]?.name === now.types[i]?.name
      );
    })
  );
}
