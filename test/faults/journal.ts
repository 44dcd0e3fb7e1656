/** What a consumer has written of the events it was given, and whether that is what the server has committed. */

/** A row as JSON. */
export type RowLine = Readonly<Record<string, unknown>>;

/** A change of a transaction. */
export type ChangeLine =
  | { readonly type: "I"; readonly table: string; readonly row: RowLine }
  | {
      readonly type: "U";
      readonly table: string;
      readonly row: RowLine;
      readonly old: RowLine | undefined;
      readonly unchanged: readonly string[];
    }
  | { readonly type: "D"; readonly table: string; readonly old: RowLine }
  | { readonly type: "T"; readonly tables: readonly string[] };

/** An event. Positions are bigints as text. */
export type JournalLine =
  /** A process has begun, with everything up to here stored. */
  | { readonly type: "Start"; readonly lsn: string }
  | { readonly type: "CopyBegin"; readonly table: string; readonly again: boolean }
  | { readonly type: "CopyRows"; readonly table: string; readonly rows: readonly RowLine[] }
  | {
      readonly type: "CopyEnd";
      readonly table: string;
      readonly relationId: number;
      readonly lsn: string;
      readonly count: number;
    }
  | {
      readonly type: "Transaction";
      readonly endLsn: string;
      readonly commitLsn: string;
      readonly xid: number;
      readonly changes: readonly ChangeLine[];
    }
  | {
      readonly type: "PreparedTransaction";
      readonly endLsn: string;
      readonly xid: number;
      readonly gid: string;
      readonly changes: readonly ChangeLine[];
    }
  | { readonly type: "CommitPrepared" | "RollbackPrepared"; readonly endLsn: string; readonly gid: string }
  | { readonly type: "Progress" | "Message"; readonly endLsn: string };

/** What the slot said, and how long the journal was afterwards. */
export interface Sample {
  readonly confirmed: bigint;
  readonly length: number;
}

/** What is wrong. */
export class Judgement extends Error {}

function refuse(message: string): never {
  throw new Judgement(message);
}

/** Tables made again from a journal, and what was seen on the way. */
export interface Replayed {
  readonly tables: ReadonlyMap<string, ReadonlyMap<unknown, RowLine>>;
  readonly transactions: number;
  readonly repeated: number;
  readonly changes: number;
}

/**
 * Make the tables again, as a consumer would that leaves out what it has.
 *
 * @param exactlyOnce Whether nothing may come twice.
 * @throws Judgement if an event comes twice and must not or is not the same, or out of order; if a change does not fit the rows; or if
 *   the server was told of a position whose events were not written yet.
 */
export function replay(journal: string, exactlyOnce: boolean, samples: readonly Sample[]): Replayed {
  const tables = new Map<string, Map<unknown, RowLine>>();
  const table = (name: string): Map<unknown, RowLine> => {
    const found = tables.get(name) ?? new Map<unknown, RowLine>();
    tables.set(name, found);
    return found;
  };
  const prepared = new Map<string, readonly ChangeLine[]>();
  const known = new Map<string, string>();
  const copied = new Set<string>();
  let last = 0n;
  let stored = 0n;
  /** What this process was given. */
  let given = new Set<string>();
  let [transactions, repeated, changes, offset] = [0, 0, 0, 0];
  const insert = (name: string, row: RowLine): void => {
    if (table(name).has(row.id)) refuse(`${name} ${row.id} is inserted twice`);
    table(name).set(row.id, row);
  };
  const apply = (all: readonly ChangeLine[]): void => {
    changes += all.length;
    for (const change of all) {
      if (change.type === "T") for (const name of change.tables) table(name).clear();
      else if (change.type === "I") insert(change.table, change.row);
      else {
        const rows = table(change.table);
        const id = change.type === "D" ? change.old.id : (change.old ?? change.row).id;
        const before = rows.get(id) ?? refuse(`${change.table} ${id} is changed, and is not there: ${change.type}`);
        rows.delete(id);
        if (change.type === "D") continue;
        const kept = Object.fromEntries(change.unchanged.map((column) => [column, before[column]]));
        insert(change.table, { ...change.row, ...kept });
      }
    }
  };
  for (const text of journal.split("\n")) {
    const begin = offset;
    offset += Buffer.byteLength(text) + 1;
    if (text === "") continue;
    const line = JSON.parse(text) as JournalLine;
    if (line.type === "Start") {
      stored = BigInt(line.lsn);
      given = new Set();
    } else if (line.type === "CopyBegin") {
      if (copied.has(line.table)) refuse(`${line.table} is copied again`);
      if (line.again) table(line.table).clear();
      else if (table(line.table).size > 0) refuse(`${line.table} is copied over its rows`);
    } else if (line.type === "CopyRows") for (const row of line.rows) insert(line.table, row);
    else if (line.type === "CopyEnd") {
      copied.add(line.table);
      if (table(line.table).size !== line.count)
        refuse(`${line.table} has ${table(line.table).size} rows, not ${line.count}`);
    } else {
      const end = BigInt(line.endLsn);
      if (line.type === "Progress") {
        if (end > last) last = end;
        continue;
      }
      if (end <= stored) refuse(`${line.type} ${end} is given, though everything up to ${stored} is stored`);
      if (given.has(line.endLsn)) refuse(`${line.type} ${end} is given twice to the same process`);
      given.add(line.endLsn);
      const before = known.get(line.endLsn);
      if (before !== undefined) {
        if (exactlyOnce) refuse(`${line.type} ${end} comes twice`);
        if (before !== text) refuse(`${line.type} ${end} comes again, and is another one`);
        repeated++;
        continue;
      }
      known.set(line.endLsn, text);
      if (end <= last) refuse(`${line.type} ${end} comes after ${last}`);
      last = end;
      for (const { confirmed, length } of samples) {
        if (end <= confirmed && length <= begin) refuse(`the server was told ${confirmed} before ${end} was written`);
      }
      if (line.type === "Transaction") {
        transactions++;
        apply(line.changes);
      } else if (line.type === "PreparedTransaction") {
        if (prepared.has(line.gid)) refuse(`${line.gid} is prepared twice`);
        prepared.set(line.gid, line.changes);
      } else if (line.type === "CommitPrepared" || line.type === "RollbackPrepared") {
        const held = prepared.get(line.gid) ?? refuse(`${line.type} of ${line.gid}, which was not prepared`);
        prepared.delete(line.gid);
        if (line.type === "CommitPrepared") apply(held);
        transactions++;
      }
    }
  }
  if (prepared.size > 0) refuse(`${[...prepared.keys()]} is prepared and was never finished`);
  return { tables, transactions, repeated, changes };
}

/** Whether the rows are those of a SELECT, whose values are text. @throws Judgement */
export function compare(
  name: string,
  rows: ReadonlyMap<unknown, RowLine> | undefined,
  columns: readonly string[],
  expected: readonly (readonly (string | null)[])[],
): void {
  const left = new Map(rows);
  const id = columns.indexOf("id");
  for (const values of expected) {
    const key = Number(values[id]);
    const row = left.get(key) ?? refuse(`${name} ${key} is missing`);
    left.delete(key);
    for (const [i, column] of columns.entries()) {
      const value = row[column] ?? null;
      if ((value === null ? null : String(value)) !== values[i]) {
        refuse(`${name} ${key}.${column} is ${String(value).slice(0, 40)}, expected ${values[i]?.slice(0, 40)}`);
      }
    }
  }
  if (left.size > 0) refuse(`${name} has ${left.size} rows too many: ${[...left.keys()].slice(0, 5)}`);
}
