/** The rows that a publisher keeps for initial copies: those of tables without a key are as many as there are. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePgoutputMessage } from "../../src/generated/logical.ts";
import { Publisher } from "../../src/publisher/publisher.ts";
import { KeptRows } from "../../src/publisher/rows.ts";
import { MemoryStore } from "../../src/publisher/store.ts";
import type { Table } from "../../src/publisher/tables.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { law } from "../laws/law.ts";

/** The rows of the copy that a new subscriber would get. */
async function rowsOf(publisher: Publisher, table: Table): Promise<readonly unknown[][]> {
  const rows: unknown[][] = [];
  const snapshot = await publisher.snapshot();
  for await (const row of snapshot.rows(table)) rows.push(row.toArray());
  await snapshot.close();
  return rows.sort();
}

law(
  "rows of a table without a key are kept as often as they are there",
  fc.asyncProperty(
    fc.array(fc.tuple(fc.constantFrom("insert", "update", "delete", "open"), fc.nat(2), fc.nat(2))),
    async (steps) => {
      const store = new MemoryStore();
      let publisher = await Publisher.open({ store, keepRows: true });
      const columns = [{ name: "a", type: "int4" }] as const;
      let table = await publisher.table({ name: "t", columns, replicaIdentity: "full" });
      const rows: number[] = [];
      for (const [step, from, to] of steps) {
        if (step === "open") {
          await publisher.close();
          publisher = await Publisher.open({ store, keepRows: true });
          table = publisher.tables[0]!;
          continue;
        }
        const at = rows.indexOf(from);
        if (step !== "insert" && at === -1) continue;
        await publisher.transaction((t) => {
          if (step === "insert") t.insert(table, [to]);
          else if (step === "delete") t.delete(table, [from]);
          else t.update(table, [to], [from]);
        });
        if (step !== "insert") rows.splice(at, 1);
        if (step !== "delete") rows.push(to);
      }
      expect(await rowsOf(publisher, table)).toEqual(rows.sort().map((each) => [String(each)]));
      await publisher.close();
    },
  ),
);

test("kept rows are saved as they are at that moment, equal ones too", async () => {
  const publisher = await Publisher.open();
  const table = await publisher.table({ name: "t", columns: [{ name: "a", type: "int4" }] });
  const tuple = TupleData.of(["1"]);
  const insert = encodePgoutputMessage({ type: "Insert", relationId: table.id, newTuple: tuple });
  const rows = new KeptRows(() => table);
  rows.apply(insert);
  rows.apply(insert);
  const saved = rows.messages();
  rows.apply(insert);
  const again = new KeptRows(() => table);
  for (const message of saved) again.apply(message);
  expect([...again.snapshot().rows(table.relationId)].length).toBe(2);
  expect(again.size).toBe(2 * tuple.bytes.length);
  again.apply(
    encodePgoutputMessage({
      type: "Truncate",
      relationIds: [table.id],
      options: { cascade: false, restartIdentity: false },
    }),
  );
  expect(again.size).toBe(0);
});
