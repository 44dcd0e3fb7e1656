/** Types made of other types, as a database could have them. */
import fc from "fast-check";
import type { TypeDefinition } from "../src/values/index.ts";

/** Built-in types that others are made of: bool, bytea, int8, int4, text, timestamptz, int4[], text[], int4range. */
const leaves = [16, 17, 20, 23, 25, 1184, 1007, 1009, 3904];

/** What a type is and which others it is made of, before either has an oid. */
interface Node {
  readonly kind: TypeDefinition["kind"];
  readonly picks: readonly number[];
}

export function typeNodes(kinds: readonly TypeDefinition["kind"][]): fc.Arbitrary<readonly Node[]> {
  const picks = fc.array(fc.nat(999), { minLength: 4, maxLength: 4 });
  return fc.array(fc.record({ kind: fc.constantFrom(...kinds), picks }), { minLength: 2, maxLength: 10 });
}

/** Which type a pick is among those before the node at `i`, which are picked more often: their number, or the oid of a built-in one. */
export function picked(pick: number, i: number): { readonly own: number } | { readonly builtin: number } {
  const own = pick % 4 !== 0 && i > 0;
  return own ? { own: Math.floor(pick / 4) % i } : { builtin: leaves[Math.floor(pick / 4) % leaves.length]! };
}

export const firstOid = 20_000;

/** Definitions of types, each made of those before it. */
export function typeGraph(): fc.Arbitrary<readonly TypeDefinition[]> {
  return typeNodes(["enum", "domain", "array", "composite", "composite", "array", "range", "multirange"]).map((nodes) =>
    nodes.map(({ kind, picks }, i): TypeDefinition => {
      const common = { oid: firstOid + i, name: `g${i}`, namespace: "public" };
      const [first = 0, ...rest] = picks.map((pick) => {
        const part = picked(pick, i);
        return "own" in part ? firstOid + part.own : part.builtin;
      });
      switch (kind) {
        case "enum":
          return { ...common, kind, labels: ["sad", "ok", '"{,}"', "NULL"] };
        case "domain":
          return { ...common, kind, base: first };
        case "array":
          return { ...common, kind, element: first };
        case "composite":
          return { ...common, kind, fields: [first, ...rest].map((type, f) => ({ name: `f${f}`, type })) };
        case "range":
        case "multirange":
          return { ...common, kind, subtype: first };
        default:
          return { ...common, kind: "base" };
      }
    }),
  );
}
