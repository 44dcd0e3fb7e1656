/** The format jsonl: an object a line for each change, and one for the end of each transaction. docs/tail.md has the fields. */
import type { Message, Relation } from "../../generated/logical.ts";
import { formatLsn } from "../../kernel/lsn.ts";
import { formatPgTime } from "../../kernel/time.ts";
import type { TypeMap } from "../../values/type-map.ts";
import { bytesJson } from "../../wire/json.ts";
import type { CopyEvent, StreamEvent, SubscribedChange } from "../subscribe/index.ts";
import type { Lines, WithChanges } from "./format.ts";
import { type LineBuffer, part } from "./line-buffer.ts";
import { PerRelation, schemaOf } from "./per-relation.ts";
import { RowText } from "./row-text.ts";
import { contentText } from "./text.ts";

/** What is kept for a relation. */
interface Table {
  /** Its members, with those before the row. */
  readonly row: Uint8Array;
  readonly old: Uint8Array;
  readonly rows: RowText;
}

/** What has a table, or several. */
interface Described {
  readonly type: string;
  readonly relation?: Relation | undefined;
  readonly relations?: readonly Relation[];
}

const [INSERT, UPDATE, DELETE] = ["Insert", "Update", "Delete"].map((type) => part(`{"type":"${type}",`)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const COPY_ROW = part('{"type":"CopyRow"');
const OLD = part(',"old":');
const END = part("}\n");

export class JsonLines implements Lines {
  readonly #relations: PerRelation<Table>;
  /** The tables whose columns have been written, as they are now, by oid; undefined if that was not asked for. */
  readonly #described: Map<number, Relation> | undefined;
  /** The members that all changes of the transaction have. */
  #common: Uint8Array = part("");

  /** @param tables Also write a line with the columns of a table before its first change, and wherever they may be others. */
  constructor(typeMap: TypeMap, _database: string, tables: boolean) {
    this.#described = tables ? new Map() : undefined;
    this.#relations = new PerRelation((relation) => ({
      row: part(`,${tableMembers(relation)},"row":`),
      old: part(`,${tableMembers(relation)},"old":`),
      rows: new RowText(relation, typeMap),
    }));
  }

  begin(_to: LineBuffer, transaction: WithChanges): void {
    this.#common = part(commonOf(transaction));
  }

  change(to: LineBuffer, change: SubscribedChange): void {
    this.#describe(to, change);
    switch (change.type) {
      case "Insert": {
        const { row, rows } = this.#relations.of(change.relation);
        this.#head(to, INSERT, row);
        rows.row(to, change.newTuple);
        return to.put(END);
      }
      case "Update": {
        const { row, rows } = this.#relations.of(change.relation);
        this.#head(to, UPDATE, row);
        const missing = rows.newRow(to, change.newTuple, change.oldTuple);
        if (change.oldTuple !== undefined) {
          to.put(OLD);
          rows.oldRow(to, change.oldTuple);
        }
        if (missing.length > 0) to.text(`,"unchanged":${JSON.stringify(missing)}`);
        return to.put(END);
      }
      case "Delete": {
        const { old, rows } = this.#relations.of(change.relation);
        this.#head(to, DELETE, old);
        rows.oldRow(to, change.oldTuple);
        return to.put(END);
      }
      case "Truncate": {
        const options = `"cascade":${change.options.cascade},"restartIdentity":${change.options.restartIdentity}`;
        for (const relation of change.relations) this.#line(to, "Truncate", `${tableMembers(relation)},${options}`);
        return;
      }
      case "SchemaChange": {
        return this.#line(to, "SchemaChange", columnMembers(change.relation));
      }
      case "Message":
        return this.#line(to, "Message", `"transactional":true,${messageMembers(change)}`);
    }
  }

  end(to: LineBuffer, transaction: WithChanges, count: number): void {
    const type = transaction.type === "Transaction" ? "Commit" : "Prepare";
    const origin = transaction.origin === undefined ? "" : `,"origin":${JSON.stringify(transaction.origin.name)}`;
    this.#line(to, type, `"changes":${count}${origin}`);
  }

  other(to: LineBuffer, event: Exclude<StreamEvent, WithChanges> | CopyEvent): void {
    switch (event.type) {
      case "Message":
        return to.text(
          `{"type":"Message","lsn":"${formatLsn(event.endLsn)}","transactional":false,${messageMembers(event)}}\n`,
        );
      case "CommitPrepared": {
        const { xid, endLsn, commitTime, gid } = event;
        return to.text(`{"type":"CommitPrepared",${members(xid, endLsn, commitTime, gid)}}\n`);
      }
      case "RollbackPrepared": {
        const { xid, rollbackEndLsn, rollbackTime, gid } = event;
        return to.text(`{"type":"RollbackPrepared",${members(xid, rollbackEndLsn, rollbackTime, gid)}}\n`);
      }
      case "CopyBegin":
        this.#describe(to, event);
        return to.text(`{"type":"CopyBegin","lsn":"${formatLsn(event.lsn)}",${tableMembers(event.relation)}}\n`);
      case "CopyRows": {
        const { row, rows } = this.#relations.of(event.relation);
        for (const each of event.rows) {
          to.put(COPY_ROW);
          to.put(row);
          rows.values(to, each);
          to.put(END);
        }
        return;
      }
      case "CopyEnd":
        return to.text(
          `{"type":"CopyEnd","lsn":"${formatLsn(event.lsn)}",${tableMembers(event.relation)},"count":${event.count}}\n`,
        );
      case "Progress":
        return;
    }
  }

  #describe(to: LineBuffer, { type, relation, relations }: Described): void {
    if (this.#described === undefined) return;
    for (const each of relations ?? (relation === undefined ? [] : [relation])) {
      if (this.#described.get(each.relationId) === each) continue;
      this.#described.set(each.relationId, each);
      if (type !== "SchemaChange") to.text(`{"type":"Table",${columnMembers(each)}}\n`);
    }
  }

  #head(to: LineBuffer, type: Uint8Array, table: Uint8Array): void {
    to.put(type);
    to.put(this.#common);
    to.put(table);
  }

  /** A line with the members of the transaction. */
  #line(to: LineBuffer, type: string, members: string): void {
    to.text(`{"type":"${type}",`);
    to.put(this.#common);
    to.text(`,${members}}\n`);
  }
}

function tableMembers(relation: Pick<Relation, "namespace" | "name">): string {
  return `"schema":${JSON.stringify(schemaOf(relation))},"table":${JSON.stringify(relation.name)}`;
}

/** All that a Relation message says of a table. */
function columnMembers(relation: Omit<Relation, "type" | "xid">): string {
  const columns = relation.columns.map(({ name, typeId, typeModifier, key }) => ({ name, typeId, typeModifier, key }));
  return `${tableMembers(relation)},"replicaIdentity":"${relation.replicaIdentity}","columns":${JSON.stringify(columns)}`;
}

function messageMembers({ prefix, content }: Pick<Message, "prefix" | "content">): string {
  const text = contentText(content);
  return `"prefix":${JSON.stringify(prefix)},"content":${JSON.stringify(text ?? { binary: bytesJson(content) })}`;
}

function commonOf(transaction: WithChanges): string {
  const { xid, endLsn, gid } = transaction;
  const time = transaction.type === "Transaction" ? transaction.commitTime : transaction.prepareTime;
  return members(xid, endLsn, time, gid);
}

function members(
  xid: number,
  lsn: Parameters<typeof formatLsn>[0],
  time: Parameters<typeof formatPgTime>[0],
  gid?: string,
): string {
  const more = gid === undefined ? "" : `,"gid":${JSON.stringify(gid)}`;
  return `"xid":${xid},"lsn":"${formatLsn(lsn)}","time":"${formatPgTime(time)}"${more}`;
}
