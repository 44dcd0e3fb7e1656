/** The formats of `walwire tail`. */
import type { TypeMap } from "../../values/type-map.ts";
import { DebeziumLines } from "./debezium.ts";
import type { Lines } from "./format.ts";
import { JsonLines } from "./json-lines.ts";
import { Wal2jsonLines } from "./wal2json.ts";

/** The formats by their names. */
export const formats = {
  jsonl: JsonLines,
  wal2json: Wal2jsonLines,
  debezium: DebeziumLines,
} as const satisfies Record<string, new (typeMap: TypeMap, database: string, tables: boolean) => Lines>;

/** The name of a format. */
export type FormatName = keyof typeof formats;
