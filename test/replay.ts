/** What a recorded or live stream of the workload must come to: each payload encodes back, and the tables equal SELECT. */
import { expect } from "vitest";
import { Replica } from "../scripts/demo/replica.ts";
import type { PublishedTable, StreamOptions } from "../scripts/workload/index.ts";
import { decodePgoutputMessage, encodePgoutputMessage, type Relation } from "../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../src/generated/physical.ts";
import { PgoutputDecoder } from "../src/logical/decoder.ts";
import { PgoutputMessage } from "../src/logical/messages.ts";
import { TransactionAssembler } from "../src/logical/transactions.ts";
import { WalSenderMessage } from "../src/physical/messages.ts";
import { interpretDecode, interpretEncode } from "./oracle/interpret.ts";

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Each payload, and the message in it, encodes to its bytes again, by the generated codec and by the interpreter. */
export function expectSameBytes(
  payloads: readonly Uint8Array[],
  { protocol, streaming = undefined }: StreamOptions,
): void {
  const decoder = new PgoutputDecoder({ protocol, streaming: streaming ?? "off" });
  const different: string[] = [];
  const hold = (bytes: Uint8Array, ...encoded: readonly Uint8Array[]): void => {
    if (!encoded.every((each) => same(each, bytes))) different.push(Buffer.from(bytes).toString("hex"));
  };
  for (const payload of payloads) {
    const envelope = decodeWalSenderMessage(payload);
    hold(payload, encodeWalSenderMessage(envelope), interpretEncode(WalSenderMessage, envelope));
    if (envelope.type !== "XLogData") continue;
    const context = { inStream: decoder.open?.type === "StreamStart", parallel: streaming === "parallel" };
    const message = decoder.decode(envelope.data);
    expect(decodePgoutputMessage(envelope.data, context)).toEqual(message);
    const interpreted = interpretDecode(PgoutputMessage, envelope.data, context);
    expect(interpreted).toEqual(message);
    hold(envelope.data, encodePgoutputMessage(message), interpretEncode(PgoutputMessage, interpreted));
  }
  expect(different).toEqual([]);
}

/** The tables that the committed transactions of the stream make are those that the server has, row for row. */
export async function expectSameTables(
  payloads: readonly Uint8Array[],
  { protocol, streaming, binary }: StreamOptions,
  tables: readonly PublishedTable[],
): Promise<void> {
  const assembler = new TransactionAssembler({ protocol, streaming: streaming ?? "off", prepared: "hold" });
  const replica = new Replica();
  for (const payload of payloads) {
    const envelope = decodeWalSenderMessage(payload);
    if (envelope.type !== "XLogData") continue;
    const event = await assembler.receive(envelope.data);
    if (event?.type === "Transaction") await replica.applyTransaction(event);
    if (event !== undefined) await assembler.confirm(event);
  }
  const rebuilt = new Map<number, { relation: Relation; rows: readonly (readonly (string | null)[])[] }>();
  for (const table of replica.tables()) rebuilt.set(table.relation.relationId, table);
  expect(tables.length).toBeGreaterThan(5);
  for (const table of tables) {
    const expected = binary ? table.binary!.rows : table.rows;
    const { relation, rows } = rebuilt.get(table.oid) ?? { relation: undefined, rows: [] };
    // A table that nothing ever happened to was never announced.
    if (relation !== undefined || expected.length > 0) {
      expect(
        relation?.columns.map(({ name }) => name),
        `${table.schema}.${table.name}`,
      ).toEqual(table.columns);
    }
    expect(sorted(rows), `${table.schema}.${table.name}`).toEqual(sorted(expected));
  }
}

function sorted(rows: readonly (readonly (string | null)[])[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
