/** Streams for readers that are not told that it is a test: names, values and times that a server can have, from where it is on. */
import * as fc from "fast-check";
import type { PgoutputMessage, Relation } from "../generated/logical.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import { TypeMap } from "../values/type-map.ts";
import { type TupleValue, unchanged } from "../wire/tuple.ts";
import { modelCapabilities } from "./capabilities.ts";
import { type PgoutputStreamOptions, type StreamParts, streamOf, type Table } from "./streams.ts";
import { typeValue } from "./values.ts";

/** Where a played stream begins, and for whom it is. */
export interface PlayedStreamOptions extends PgoutputStreamOptions {
  /** The server_version_num of who plays. */
  readonly server: number;
  readonly lsn: bigint;
  readonly time: bigint;
  /** Transaction ids from here on are free. */
  readonly xid: number;
  /** The only table, for a subscription, which has it as well. Without it, any tables. */
  readonly table: Table | undefined;
}

/** A table that a subscription can have: nothing in it is unique, so changes never conflict. */
export const subscribedTable: Table = {
  relationId: 16384,
  namespace: "public",
  name: "walwire_fuzz",
  replicaIdentity: "full",
  columns: [
    { key: true, name: "id", typeId: 20, typeModifier: -1 },
    { key: true, name: "note", typeId: 25, typeModifier: -1 },
  ],
  types: [],
};

/** @throws as pgoutputStream */
export function playedStream(options: PlayedStreamOptions): fc.Arbitrary<PgoutputMessage[]> {
  const { server, lsn, time, xid, table, binary, ...rest } = options;
  const parts: StreamParts = {
    lsn: fc.constant(lsn),
    time: fc.constant(time),
    xid: fc.constant(xid),
    tables: table === undefined ? tables : fc.constant([table]),
    columns: table === undefined ? columns : fc.constant(table.columns),
    value: value(binary ?? false),
    text: name,
    truncates: logicalCapabilities.supports(server, "publishTruncate"),
    strays: table === undefined && modelCapabilities.supports(server, "strayMessages"),
    isApplied: table !== undefined,
  };
  return streamOf(rest, parts);
}

/** Names that a program may trip over. */
const name = fc.oneof(
  fc.constantFrom("id", "note", "__proto__", "constructor", "toString", "é", 'a "b"', "a.b", "x".repeat(63), "$1"),
  fc.string({ minLength: 1, maxLength: 20 }).map((text) => text.replaceAll("\0", "_")),
);

const types = [16, 17, 20, 23, 25, 1114, 1700, 2950, 3802] as const;

const column = fc.record({
  key: fc.boolean(),
  name,
  typeId: fc.constantFrom(...types),
  typeModifier: fc.constant(-1),
});
const columns: fc.Arbitrary<Relation["columns"]> = fc.uniqueArray(column, {
  maxLength: 6,
  selector: (each) => each.name,
});

const oid = fc.oneof(fc.integer({ min: 16384, max: 16400 }), fc.integer({ min: 0x8000_0000, max: 0xffff_ffff }));

/** A type of a user. */
const mood = { typeId: 0x9000_0000, namespace: "public", name: "mood" };

const tables = fc.uniqueArray(
  fc
    .record({
      relationId: oid,
      namespace: fc.constantFrom("public", "", "a schema"),
      name,
      replicaIdentity: fc.constantFrom("default", "nothing", "full", "index"),
      columns,
      types: fc.constantFrom([], [], [mood]),
    })
    .map((table) => ({
      ...table,
      columns: [
        ...table.columns.filter(({ name }) => name !== mood.name),
        ...table.types.map(({ name, typeId }) => ({ key: false, name, typeId, typeModifier: -1 })),
      ],
    })),
  {
    minLength: 1,
    maxLength: 4,
    comparator: (a, b) => a.relationId === b.relationId || (a.namespace === b.namespace && a.name === b.name),
  },
) satisfies fc.Arbitrary<Table[]>;

const typeMap = new TypeMap();

/** Of each type as it writes it: in binary format if that was asked for, and the type has one. */
function value(isBinary: boolean): fc.Arbitrary<(typeId: number) => TupleValue> {
  return fc
    .record({
      kind: fc.constantFrom("value", "value", "value", "null", "unchanged"),
      values: fc.tuple(...types.map((type) => typeValue(type))),
    })
    .map(({ kind, values }) => (typeId) => {
      if (kind === "null") return null;
      if (kind === "unchanged") return unchanged;
      if (typeId === mood.typeId) return "happy";
      const codec = typeMap.codec(typeId);
      const of = values[types.indexOf(typeId as never)];
      return isBinary ? codec.writeBinary(of) : codec.writeText(of);
    });
}
