/** Events as lines of a journal. */
import type { SubscribedChange, SubscriptionEvent } from "../../src/node/subscribe/index.ts";
import type { ChangeLine, JournalLine } from "./journal.ts";

/** JSON with its bigints as text; those of states are read back. */
export const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}` : each));

function changeLine(change: SubscribedChange): ChangeLine | undefined {
  switch (change.type) {
    case "Insert":
      return { type: "I", table: change.relation.name, row: change.row };
    case "Update":
      return { type: "U", table: change.relation.name, row: change.row, old: change.old, unchanged: change.unchanged };
    case "Delete":
      return { type: "D", table: change.relation.name, old: change.old };
    case "Truncate":
      return { type: "T", tables: change.relations.map(({ name }) => name) };
    default:
      return undefined;
  }
}

/** The line of an event. */
export async function lineOf(event: SubscriptionEvent): Promise<JournalLine> {
  switch (event.type) {
    case "CopyBegin":
      return { type: "CopyBegin", table: event.relation.name, again: event.again };
    case "CopyRows":
      return { type: "CopyRows", table: event.relation.name, rows: event.rows };
    case "CopyEnd": {
      const { relationId, name: table } = event.relation;
      return { type: "CopyEnd", table, relationId, lsn: `${event.lsn}`, count: event.count };
    }
    case "Transaction":
    case "PreparedTransaction": {
      const changes: ChangeLine[] = [];
      for await (const change of event.changes) {
        const line = changeLine(change);
        if (line !== undefined) changes.push(line);
      }
      const { endLsn, xid, type } = event;
      if (type === "PreparedTransaction") return { type, endLsn: `${endLsn}`, xid, gid: event.gid, changes };
      return { type, endLsn: `${endLsn}`, commitLsn: `${event.commitLsn}`, xid, changes };
    }
    case "CommitPrepared":
    case "RollbackPrepared":
      return { type: event.type, endLsn: `${event.endLsn}`, gid: event.gid };
    default:
      return { type: event.type, endLsn: `${event.endLsn}` };
  }
}
