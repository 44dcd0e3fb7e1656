/**
 * The format wal2json: the lines of wal2json with format-version 2, include-xids, include-timestamp, include-lsn, and without
 * include-types. It has none for prepared transactions and copied rows.
 *
 * @see wal2json.c: pg_decode_begin_txn_v2, pg_decode_write_change, pg_decode_write_value
 */
import type { Message, Relation } from "../../generated/logical.ts";
import { formatLsn, type Lsn } from "../../kernel/lsn.ts";
import { formatPgTime } from "../../kernel/time.ts";
import type { Codec } from "../../values/codec.ts";
import { codecIn, type TypeMap } from "../../values/type-map.ts";
import { type TupleData, type TupleValue, unchanged } from "../../wire/tuple.ts";
import type { CopyEvent, StreamEvent, SubscribedChange } from "../subscribe/index.ts";
import type { Lines, WithChanges } from "./format.ts";
import type { LineBuffer } from "./line-buffer.ts";
import { PerRelation, schemaOf } from "./per-relation.ts";
import { contentText } from "./text.ts";

export class Wal2jsonLines implements Lines {
  readonly #relations: PerRelation<Columns>;
  #common = "";

  constructor(typeMap: TypeMap) {
    this.#relations = new PerRelation((relation) => new Columns(relation, typeMap));
  }

  begin(to: LineBuffer, transaction: WithChanges): void {
    this.#common = commonOf(transaction);
    to.text(`{"action":"B",${this.#common},${positionsOf(transaction)}}\n`);
  }

  change(to: LineBuffer, change: SubscribedChange): void {
    switch (change.type) {
      case "Insert": {
        const relation = this.#relations.of(change.relation);
        return to.text(
          `${this.#head("I", change.lsn)},${relation.table},"columns":${relation.all(change.newTuple)}}\n`,
        );
      }
      case "Update": {
        const relation = this.#relations.of(change.relation);
        const { oldTuple, newTuple } = change;
        const columns = relation.all(newTuple);
        const identity =
          oldTuple === undefined ? relation.key(newTuple) : relation.old(oldTuple.tuple, oldTuple.type === "key");
        return to.text(
          `${this.#head("U", change.lsn)},${relation.table},"columns":${columns},"identity":${identity}}\n`,
        );
      }
      case "Delete": {
        const relation = this.#relations.of(change.relation);
        const { tuple, type } = change.oldTuple;
        const identity = relation.old(tuple, type === "key");
        return to.text(`${this.#head("D", change.lsn)},${relation.table},"identity":${identity}}\n`);
      }
      case "Truncate":
        for (const relation of change.relations) {
          to.text(`${this.#head("T", change.lsn)},${this.#relations.of(relation).table}}\n`);
        }
        return;
      case "Message":
        return to.text(`${this.#head("M", change.lsn)},"transactional":true,${messageMembers(change)}}\n`);
      case "SchemaChange":
        return;
    }
  }

  end(to: LineBuffer, transaction: WithChanges): void {
    to.text(`{"action":"C",${this.#common},${positionsOf(transaction)}}\n`);
  }

  other(to: LineBuffer, event: Exclude<StreamEvent, WithChanges> | CopyEvent): void {
    if (event.type !== "Message") return;
    const common = `"xid":null,"timestamp":null,"lsn":"${formatLsn(event.lsn)}"`;
    to.text(`{"action":"M",${common},"transactional":false,${messageMembers(event)}}\n`);
  }

  #head(action: string, lsn: Lsn | undefined): string {
    return `{"action":"${action}",${this.#common},"lsn":${lsn === undefined ? "null" : `"${formatLsn(lsn)}"`}`;
  }
}

function commonOf(transaction: WithChanges): string {
  const time = transaction.type === "Transaction" ? transaction.commitTime : transaction.prepareTime;
  // As timestamptz_to_str with the time zone UTC.
  const timestamp = formatPgTime(time).replace("T", " ").replace("Z", "+00");
  return `"xid":${transaction.xid},"timestamp":"${timestamp}"`;
}

function positionsOf(transaction: WithChanges): string {
  const lsn = transaction.type === "Transaction" ? transaction.commitLsn : transaction.prepareLsn;
  return `"lsn":"${formatLsn(lsn)}","nextlsn":"${formatLsn(transaction.endLsn)}"`;
}

function messageMembers({ prefix, content }: Message): string {
  const text = contentText(content) ?? new TextDecoder().decode(content);
  // strncpy ends at a zero byte.
  return `"prefix":${JSON.stringify(prefix)},"content":${JSON.stringify(text.replace(/\0.*$/s, ""))}`;
}

/** Types whose values are numbers: int2, int4, int8, oid, float4, float8, numeric. */
const NUMBERS: ReadonlySet<number> = new Set([21, 23, 20, 26, 700, 701, 1700]);
const NUMBER = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
const [BOOL, BYTEA] = [16, 17];

/** The columns of a relation as arrays of JSON. */
class Columns {
  readonly table: string;
  readonly #columns: readonly {
    readonly head: string;
    readonly typeId: number;
    readonly codec: Codec;
    readonly key: boolean;
  }[];

  constructor(relation: Pick<Relation, "namespace" | "name" | "columns">, typeMap: TypeMap) {
    this.table = `"schema":${JSON.stringify(schemaOf(relation))},"table":${JSON.stringify(relation.name)}`;
    this.#columns = relation.columns.map(({ name, typeId, key }) => ({
      head: `{"name":${JSON.stringify(name)},"value":`,
      typeId,
      codec: codecIn(typeMap, typeId),
      key,
    }));
  }

  all(tuple: TupleData): string {
    return this.#array(tuple, () => true);
  }

  key(tuple: TupleData): string {
    return this.#array(tuple, (i) => this.#columns[i]?.key === true);
  }

  old(tuple: TupleData, isKey: boolean): string {
    return this.#array(tuple, (_, value) => !(isKey && value === null));
  }

  #array(tuple: TupleData, isIn: (i: number, value: TupleValue) => boolean): string {
    const values = tuple.toArray();
    let text = "[";
    for (let i = 0; i < values.length && i < this.#columns.length; i++) {
      const value = values[i]!;
      if (value === unchanged || !isIn(i, value)) continue;
      const { head, typeId, codec } = this.#columns[i]!;
      text += `${text.length === 1 ? "" : ","}${head}${valueText(value as string | Uint8Array | null, typeId, codec)}}`;
    }
    return `${text}]`;
  }
}

function valueText(value: string | Uint8Array | null, typeId: number, codec: Codec): string {
  if (value === null) return "null";
  const text = typeof value === "string" ? value : codec.writeText(codec.readBinary(value));
  if (NUMBERS.has(typeId)) return NUMBER.test(text) ? text.replace(/^(-?)0+(?=[0-9])/, "$1") : "null";
  if (typeId === BOOL) return text === "t" ? "true" : "false";
  return JSON.stringify(typeId === BYTEA ? text.replace(/^\\x/, "") : text);
}
