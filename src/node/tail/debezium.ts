/**
 * The format debezium: the envelope of Debezium's events without schemas. Values have walwire's JSON form. docs/tail.md has the fields.
 */
import type { Message, OldTuple, Relation } from "../../generated/logical.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import { type PgTime, pgTimeToDate } from "../../kernel/time.ts";
import type { TypeMap } from "../../values/type-map.ts";
import type { CopyEvent, StreamEvent, SubscribedChange } from "../subscribe/index.ts";
import type { Lines, WithChanges } from "./format.ts";
import type { LineBuffer } from "./line-buffer.ts";
import { PerRelation, schemaOf } from "./per-relation.ts";
import { RowText } from "./row-text.ts";

export class DebeziumLines implements Lines {
  readonly #relations: PerRelation<{ readonly table: string; readonly rows: RowText }>;
  readonly #source: string;
  #common = "";
  #order = 0;

  constructor(typeMap: TypeMap, database: string) {
    this.#source = `"connector":"postgresql","db":${JSON.stringify(database)}`;
    this.#relations = new PerRelation((relation) => ({
      table: tableMembers(relation),
      rows: new RowText(relation, typeMap),
    }));
  }

  begin(to: LineBuffer, transaction: WithChanges): void {
    this.#common = `"snapshot":"false","ts_ms":${millisecondsOf(transaction)},"txId":${transaction.xid}`;
    this.#order = 0;
    to.text(`{"status":"BEGIN","id":"${idOf(transaction)}","ts_ms":${millisecondsOf(transaction)}}\n`);
  }

  change(to: LineBuffer, change: SubscribedChange): void {
    switch (change.type) {
      case "Insert": {
        const { table, rows } = this.#relations.of(change.relation);
        to.text('{"before":null,"after":');
        rows.row(to, change.newTuple);
        return this.#rest(to, "c", table, change.lsn);
      }
      case "Update": {
        const { table, rows } = this.#relations.of(change.relation);
        this.#before(to, rows, change.oldTuple);
        to.text(',"after":');
        rows.newRow(to, change.newTuple, change.oldTuple);
        return this.#rest(to, "u", table, change.lsn);
      }
      case "Delete": {
        const { table, rows } = this.#relations.of(change.relation);
        this.#before(to, rows, change.oldTuple);
        to.text(',"after":null');
        return this.#rest(to, "d", table, change.lsn);
      }
      case "Truncate":
        for (const relation of change.relations) {
          to.text('{"before":null,"after":null');
          this.#rest(to, "t", tableMembers(relation), change.lsn);
        }
        return;
      case "Message":
        return to.text(`{"op":"m",${this.#sourceOf(this.#common, change.lsn)},${messageMember(change)},${now()}}\n`);
      case "SchemaChange":
        return;
    }
  }

  end(to: LineBuffer, transaction: WithChanges): void {
    const at = `"ts_ms":${millisecondsOf(transaction)},"event_count":${this.#order}`;
    to.text(`{"status":"END","id":"${idOf(transaction)}",${at}}\n`);
  }

  other(to: LineBuffer, event: Exclude<StreamEvent, WithChanges> | CopyEvent): void {
    if (event.type === "Message") {
      const source = this.#sourceOf('"snapshot":"false"', event.lsn);
      return to.text(`{"op":"m",${source},${messageMember(event)},${now()}}\n`);
    }
    if (event.type !== "CopyRows") return;
    const { table, rows } = this.#relations.of(event.relation);
    const tail = `,"source":{${this.#source},"snapshot":"true",${table}},"op":"r",${now()}}\n`;
    for (const row of event.rows) {
      to.text('{"before":null,"after":');
      rows.values(to, row);
      to.text(tail);
    }
  }

  #before(to: LineBuffer, rows: RowText, old: OldTuple | undefined): void {
    to.text('{"before":');
    if (old === undefined) to.text("null");
    else rows.oldRow(to, old);
  }

  /** What stands behind the rows. */
  #rest(to: LineBuffer, op: string, table: string, lsn: Lsn | undefined): void {
    this.#order++;
    to.text(`,${this.#sourceOf(`${this.#common},${table}`, lsn)},"op":"${op}",${now()}}\n`);
  }

  #sourceOf(members: string, lsn: Lsn | undefined): string {
    return `"source":{${this.#source},${members},"lsn":${lsn ?? "null"}}`;
  }
}

function tableMembers(relation: Pick<Relation, "namespace" | "name">): string {
  return `"schema":${JSON.stringify(schemaOf(relation))},"table":${JSON.stringify(relation.name)}`;
}

function messageMember({ prefix, content }: Message): string {
  const base64 = Buffer.from(content.buffer, content.byteOffset, content.length).toString("base64");
  return `"message":{"prefix":${JSON.stringify(prefix)},"content":"${base64}"}`;
}

/** The transaction, by its number and the end of its commit. */
function idOf({ xid, endLsn }: WithChanges): string {
  return `${xid}:${endLsn}`;
}

function millisecondsOf(transaction: WithChanges): number {
  const time: PgTime = transaction.type === "Transaction" ? transaction.commitTime : transaction.prepareTime;
  return pgTimeToDate(time).getTime();
}

function now(): string {
  return `"ts_ms":${Date.now()}`;
}
