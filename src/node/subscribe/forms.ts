/** Forms: the form of each relation that the consumer has seen last, to tell it what changed. */
import type { DescribedRelation } from "../../logical/described.ts";
import { compareRelations } from "../../logical/schema-change.ts";

/** The forms of relations by oid, before the first change of a transaction. */
export type FormsBefore = ReadonlyMap<number, DescribedRelation>;

export class Forms {
  readonly #known = new Map<number, DescribedRelation>();

  /**
   * A transaction with these relations is given to the consumer.
   *
   * @param relations Each form of each once; the forms of one relation in order.
   * @returns the forms until now of the relations whose form changes in it; undefined if none does.
   */
  advance(relations: readonly DescribedRelation[]): FormsBefore | undefined {
    let before: Map<number, DescribedRelation> | undefined;
    for (const relation of relations) {
      const { relationId } = relation;
      const known = this.#known.get(relationId);
      if (known === relation) continue;
      this.#known.set(relationId, relation);
      if (known === undefined || compareRelations(known, relation) === undefined) continue;
      before ??= new Map();
      // The first form counts; the others are seen as the changes are read.
      if (!before.has(relationId)) before.set(relationId, known);
    }
    return before;
  }
}
