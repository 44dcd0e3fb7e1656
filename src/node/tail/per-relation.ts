/** PerRelation: what is kept for each form of a relation. */
import type { Relation } from "../../generated/logical.ts";
import { notes } from "../../kernel/notes.ts";

/** What is kept for each form of a relation. */
export class PerRelation<T> {
  readonly #make: (relation: Relation) => T;
  readonly #made = notes<T>();

  constructor(make: (relation: Relation) => T) {
    this.#make = make;
  }

  of(relation: Relation): T {
    const made = this.#made.of(relation);
    if (made !== undefined) return made;
    const value = this.#make(relation);
    this.#made.add(relation, value);
    return value;
  }
}

/** The schema of a relation: pgoutput sends pg_catalog as an empty name. */
export function schemaOf({ namespace }: Pick<Relation, "namespace">): string {
  return namespace === "" ? "pg_catalog" : namespace;
}
