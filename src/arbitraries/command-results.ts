/** Arbitraries of what replication commands answer with, derived from the descriptions of result sets. */
import fc from "fast-check";
import type { ResultColumn, ResultColumnForm } from "../command/results/columns.ts";
import { type ResultSet, type ResultSetName, resultSets } from "../command/results/result-sets.ts";
import type { ResultSetValue } from "../command/results/rows.ts";
import { lsn } from "./messages.ts";
import { characters, record } from "./text.ts";

/**
 * Any value of a result set: a row, or an array of rows if it may have any number of them.
 *
 * @example typeof fc.sample(resultSetValue("IDENTIFY_SYSTEM"), 1)[0]?.systemid // "bigint"
 */
export function resultSetValue<const N extends ResultSetName>(name: N): fc.Arbitrary<ResultSetValue<N>> {
  const { columns, rows }: ResultSet = resultSets[name];
  const row = record(
    Object.fromEntries(Object.entries(columns).map(([column, shape]) => [column, orNothing(shape)])),
  ) as fc.Arbitrary<unknown>;
  return (rows === "one" ? row : fc.array(row, { maxLength: 6 })) as fc.Arbitrary<ResultSetValue<N>>;
}

function orNothing({ form, nullable }: ResultColumn): fc.Arbitrary<unknown> {
  return nullable ? fc.option(heldOf(form), { nil: undefined }) : heldOf(form);
}

function heldOf(form: ResultColumnForm): fc.Arbitrary<unknown> {
  switch (form) {
    case "text":
      return fc.oneof(fc.constantFrom("", "NULL", "physical", "00000003-0000004B-1", "/srv/a b"), characters());
    case "systemIdentifier":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case "lsn":
      return lsn();
    case "timeline":
    case "currentTimeline":
    case "oid":
      return fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 0xffffffff }));
    case "kilobytes":
      return fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    case "file":
      return fc.oneof(
        characters().map((reason) => `1\t0/3000000\t${reason}\n`),
        fc.uint8Array({ maxLength: 60 }),
      );
    default:
      return form satisfies never;
  }
}
