/**
 * fast-check arbitraries of histories: sessions with nested savepoints, prepared transactions, tables that change their shape, and what a
 * walsender with pgoutput says of it all, with streaming in blocks at any time. Beside it stands what must come of it.
 *
 * They follow reorderbuffer.c and pgoutput.c: which xid a change carries, to whom a relation was sent, whose abort is said. Streams of
 * streams.ts have more forms, and nothing beside them.
 */
import * as fc from "fast-check";
import { encodePgoutputMessage, type PgoutputMessage, type RelationColumn } from "../generated/logical.ts";
import type { Lsn } from "../kernel/lsn.ts";
import { checkOneOf, checkOptions } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import type { PgoutputStreaming } from "../logical/protocol.ts";
import { TupleData } from "../wire/tuple.ts";

/** A transaction that has committed. */
export interface HistoryTransaction {
  /** Its xid. */
  readonly xid: number;
  /** The end of its commit record. */
  readonly endLsn: Lsn;
  /** The name under which it was prepared, if it was. */
  readonly gid: string | undefined;
  /**
   * Its changes that were not rolled back, in order: the type, the tables with their numbers of columns, and the first two values of the
   * new row, or the key of the old one: `Insert fruit/3 9,new`, `Delete tree/2 9`, `Truncate fruit/3+tree/2 `, `Message a`.
   */
  readonly changes: readonly string[];
}

/** A stream, and what must come of it. */
export interface PgoutputHistory {
  /** Messages of pgoutput, in order. */
  readonly messages: readonly Uint8Array[];
  /** Transactions in commit order. Empty ones are among them. */
  readonly committed: readonly HistoryTransaction[];
  /** Messages that are not transactional, by content. */
  readonly aside: readonly string[];
  /** Rows of each table as the committed transactions have left them: id and label, sorted. */
  readonly rows: Readonly<Record<string, readonly string[]>>;
}

/** Options of {@link pgoutputHistory}. */
export interface PgoutputHistoryOptions {
  /** The option streaming of START_REPLICATION. Default: off. */
  readonly streaming?: PgoutputStreaming | undefined;
  /** Transactions are sent when they are prepared. Default: false. */
  readonly twoPhase?: boolean | undefined;
  /** Say Begin and Commit of transactions without changes, as servers before 15 do. Default: false. */
  readonly empty?: boolean | undefined;
}

/**
 * A history of three sessions at once: inserts, updates, deletes, TRUNCATE and ALTER TABLE of four tables, savepoints, PREPARE TRANSACTION,
 * and the stream of pgoutput that a server sends of it, with the transactions and rows that whoever follows the stream must have at its end.
 *
 * @throws ArgumentError for options that it does not take.
 * @example fc.sample(pgoutputHistory({ streaming: "on" }), 1)[0].committed.every(({ changes }) => Array.isArray(changes)) // true
 */
export function pgoutputHistory(options: PgoutputHistoryOptions = {}): fc.Arbitrary<PgoutputHistory> {
  checkOptions(options, ["streaming", "twoPhase", "empty"]);
  checkOneOf("options.streaming", options.streaming, ["off", "on", "parallel", undefined]);
  for (const name of ["twoPhase", "empty"] as const)
    checkOneOf(`options.${name}`, options[name], [true, false, undefined]);
  return steps().map((script) => runHistory(script, options));
}

/** One step: who does what; what the numbers mean hangs on where the history is. */
export interface Step {
  readonly session: number;
  readonly act: (typeof acts)[number];
  readonly pick: number;
}

const acts = [
  ...(["insert", "insert", "insert", "insert", "insert", "insert", "insert", "insert", "insert", "insert"] as const),
  ...(["update", "update", "update", "update", "delete", "truncate", "message", "message"] as const),
  ...(["savepoint", "savepoint", "savepoint", "savepoint", "release", "release", "rollbackTo", "rollbackTo"] as const),
  ...(["stream", "stream", "stream", "stream", "commit", "prepare", "rollback"] as const),
  ...(["alter", "alter", "invalidate", "aside"] as const),
];

const SESSIONS = 3;

/** Any steps. @internal */
export const steps = (maxLength = 200): fc.Arbitrary<readonly Step[]> =>
  fc.array(
    fc.record({
      session: fc.nat({ max: SESSIONS - 1 }),
      act: fc.constantFrom(...acts),
      pick: fc.nat({ max: 1_000_000 }),
    }),
    { maxLength, size: "max" },
  );

/** The tables. @internal */
export const TABLES = ["fruit", "basket", "tree", "root"];

interface Change {
  readonly xid: number;
  /** Where a message stands: servers send it with the xid of the toplevel transaction. */
  readonly sentXid: number;
  readonly tables: readonly number[];
  readonly shapes: readonly number[];
  readonly label: string;
  message(xid: number | undefined): PgoutputMessage;
}

/** The toplevel transaction or a subtransaction of it. */
interface Level {
  xid: number | undefined;
  /** Released into this one: they are rolled back with it. */
  readonly released: number[];
  changed: boolean;
  /** The rows when it began. */
  readonly rows: readonly ReadonlyMap<number, string>[];
  /** The shapes of the tables when it began. */
  readonly shapes: readonly number[];
  readonly kept: number;
}

interface Session {
  levels: Level[];
  /** Changes that are not rolled back. */
  kept: Change[];
  queue: Change[];
  streamed: boolean;
  streamedXids: Set<number>;
  rows: Map<number, string>[];
  /** Tables that it has changed, and those that it has locked for that it has truncated them or changed their shape. */
  readonly uses: Set<number>;
  readonly locks: Set<number>;
}

/** What walsender knows of a table: to whom its present shape was sent. @source pgoutput.c: RelationSyncEntry */
interface Entry {
  shape: number;
  sent: boolean;
  readonly streamedTo: Set<number>;
}

const time = 800_000_000_000_000n as PgTime;

const utf8 = new TextEncoder();

/** How a change is told from any other, with what its table looked like. @internal */
export function labelOf(type: string, tables: readonly { name: string; columns: number }[], text: string): string {
  return `${type} ${tables.map(({ name, columns }) => `${name}/${columns}`).join("+")} ${text}`;
}

/** The history of these steps. @internal */
export function runHistory(
  script: readonly Step[],
  { streaming = "off", twoPhase = false, empty = false }: PgoutputHistoryOptions,
): PgoutputHistory {
  const messages: Uint8Array[] = [];
  const committed: HistoryTransaction[] = [];
  const aside: string[] = [];
  const rows = TABLES.map(() => new Map<number, string>());
  const shapes = TABLES.map(() => 2);
  const entries: Entry[] = TABLES.map(() => ({ shape: 0, sent: false, streamedTo: new Set() }));
  let nextXid = 700;
  let nextLsn = 0x1000n;
  let nextId = 1;
  const lsn = (): Lsn => {
    nextLsn += 8n;
    return nextLsn as Lsn;
  };
  const say = (message: PgoutputMessage): void => {
    messages.push(encodePgoutputMessage(message));
  };

  const sessions: (Session | undefined)[] = Array.from({ length: SESSIONS }, () => undefined);
  /** Rows of its own are what a session may touch: no two wait for each other. */
  const owns = (session: number, id: number): boolean => id % SESSIONS === session;
  const xidOf = (session: Session): number => {
    for (const level of session.levels) level.xid ??= nextXid++;
    return session.levels.at(-1)!.xid!;
  };
  const begin = (index: number): Session => {
    const own = rows.map((all) => new Map([...all].filter(([id]) => owns(index, id))));
    const level: Level = {
      xid: undefined,
      released: [],
      changed: false,
      rows: copy(own),
      shapes: [...shapes],
      kept: 0,
    };
    const session: Session = {
      levels: [level],
      kept: [],
      queue: [],
      streamed: false,
      streamedXids: new Set(),
      rows: own,
      uses: new Set(),
      locks: new Set(),
    };
    sessions[index] = session;
    return session;
  };
  const record = (session: Session, change: Change): void => {
    session.kept.push(change);
    session.queue.push(change);
    session.levels.at(-1)!.changed = true;
  };

  /** @source pgoutput.c: maybe_send_schema */
  const describe = (table: number, shape: number, xid: number | undefined, top: number): void => {
    const entry = entries[table]!;
    if (entry.shape !== shape) {
      entry.shape = shape;
      entry.sent = false;
      entry.streamedTo.clear();
    }
    if (xid === undefined ? entry.sent : entry.streamedTo.has(top)) return;
    say({ type: "Type", xid, typeId: 20000, namespace: "public", name: `state${shape}` });
    say({
      type: "Relation",
      xid,
      relationId: 16384 + table,
      namespace: "public",
      name: TABLES[table]!,
      replicaIdentity: "default",
      columns: columnsOf(shape),
    });
    if (xid === undefined) entry.sent = true;
    else entry.streamedTo.add(top);
  };
  const send = (session: Session, inStream: boolean): void => {
    const top = session.levels[0]!.xid!;
    for (const change of session.queue.splice(0)) {
      const xid = inStream ? change.sentXid : undefined;
      change.tables.forEach((table, i) => {
        describe(table, change.shapes[i]!, xid, top);
      });
      say(change.message(xid));
      if (inStream) session.streamedXids.add(change.xid);
    }
  };
  const stream = (session: Session): void => {
    say({ type: "StreamStart", xid: session.levels[0]!.xid!, firstSegment: !session.streamed });
    send(session, true);
    say({ type: "StreamStop" });
    session.streamed = true;
  };
  /** @source reorderbuffer.c: ReorderBufferAbort, for the children of an abort record and then for itself */
  const abort = (session: Session, xids: readonly number[]): void => {
    const top = session.levels[0]!.xid!;
    const gone = new Set(xids);
    session.queue = session.queue.filter(({ xid }) => !gone.has(xid));
    for (const subxid of xids) {
      const known = session.streamed && (subxid === top || session.streamedXids.has(subxid));
      // Servers from 18 on may say it of a transaction of which they have sent nothing.
      const dropped = !session.streamed && subxid !== top && session.levels.length === 1 && subxid % 2 === 0;
      if (!known && !dropped) continue;
      const more = streaming === "parallel" ? { abortLsn: lsn(), abortTime: time } : {};
      say({ type: "StreamAbort", xid: top, subxid, ...more });
      for (const { streamedTo } of entries) streamedTo.delete(top);
    }
  };
  const rollBackTo = (session: Session, depth: number): void => {
    const undone = session.levels.splice(depth);
    const { rows: before, kept, shapes: shapesBefore } = undone[0]!;
    reshape(session, shapesBefore);
    // One abort record, or one for each of the levels: the innermost first.
    for (const level of undone.reverse()) {
      if (level.xid !== undefined) abort(session, [...level.released, level.xid]);
    }
    session.kept.length = kept;
    session.rows = copy(before);
  };
  const settle = (index: number, session: Session): void => {
    rows.forEach((all, table) => {
      for (const id of [...all.keys()]) if (owns(index, id)) all.delete(id);
      for (const [id, label] of session.rows[table]!) all.set(id, label);
    });
  };
  const others = (index: number): Session[] =>
    sessions.filter((other, i) => i !== index && other !== undefined) as Session[];
  /** Whoever changes a table waits for one that has locked it; here, it does something else. */
  const use = (index: number, session: Session, table: number): boolean => {
    if (others(index).some(({ locks }) => locks.has(table))) return false;
    session.uses.add(table);
    return true;
  };
  const lock = (index: number, session: Session, table: number): boolean => {
    if (others(index).some(({ uses }) => uses.has(table))) return false;
    session.uses.add(table);
    session.locks.add(table);
    return true;
  };
  /** Shapes as they were before what is rolled back. */
  const reshape = (session: Session, before: readonly number[]): void => {
    for (const table of session.locks) shapes[table] = before[table]!;
  };
  const waiting: (() => void)[] = [];

  /** Commit or prepare; the levels are all released. */
  const end = (index: number, session: Session, pick: number, prepare: boolean): void => {
    sessions[index] = undefined;
    const xid = session.levels[0]!.xid;
    if (xid === undefined) return;
    if (!twoPhase || !prepare) {
      const commitLsn = lsn();
      const endLsn = lsn();
      const said = { commitLsn, endLsn, commitTime: time };
      if (session.streamed) {
        if (session.queue.length > 0 || pick % 2 === 0) stream(session);
        say({ type: "StreamCommit", xid, ...said });
        for (const entry of entries) if (entry.streamedTo.delete(xid)) entry.sent = true;
      } else if (session.queue.length > 0 || empty) {
        say({ type: "Begin", finalLsn: commitLsn, commitTime: time, xid });
        if (pick % 5 === 0) say({ type: "Origin", commitLsn: 77n as Lsn, name: "elsewhere" });
        send(session, false);
        say({ type: "Commit", ...said });
      } else {
        settle(index, session);
        return;
      }
      committed.push({ xid, endLsn, gid: undefined, changes: session.kept.map(({ label }) => label) });
      settle(index, session);
      return;
    }
    const gid = `gid ${xid}`;
    const said = { prepareLsn: lsn(), endLsn: lsn(), prepareTime: time, xid, gid };
    if (session.streamed) {
      if (session.queue.length > 0) stream(session);
      say({ type: "StreamPrepare", ...said });
    } else {
      say({ type: "BeginPrepare", ...said });
      send(session, false);
      say({ type: "Prepare", ...said });
    }
    // The rows stay locked until it is known what becomes of it.
    const locked = session;
    sessions[index] = { ...locked, levels: [] };
    waiting[index] = () => {
      sessions[index] = undefined;
      if (pick % 3 === 0) {
        reshape(locked, locked.levels[0]!.shapes);
        const prepareEndLsn = said.endLsn;
        const rollback = { prepareEndLsn, rollbackEndLsn: lsn(), prepareTime: time, rollbackTime: time };
        say({ type: "RollbackPrepared", ...rollback, xid, gid });
        return;
      }
      const commitLsn = lsn();
      const endLsn = lsn();
      say({ type: "CommitPrepared", commitLsn, endLsn, commitTime: time, xid, gid });
      committed.push({ xid, endLsn, gid, changes: locked.kept.map(({ label }) => label) });
      settle(index, locked);
    };
  };

  const act = (index: number, what: Step["act"], pick: number): void => {
    if (what === "aside") {
      const content = `aside ${pick}`;
      aside.push(content);
      say({ type: "Message", transactional: false, lsn: lsn(), prefix: "p", content: utf8.encode(content) });
      return;
    }
    if (what === "invalidate") {
      for (const entry of entries) entry.shape = 0;
      return;
    }
    if (sessions[index]?.levels.length === 0) return waiting[index]!();
    const session = sessions[index] ?? begin(index);
    const table = pick % TABLES.length;
    const own = session.rows[table]!;
    const usesTable = what === "insert" || what === "update" || what === "delete";
    if (usesTable && !use(index, session, table)) return;
    const ids = [...own.keys()];
    const id = ids[pick % Math.max(1, ids.length)];
    const depth = session.levels.length;
    const xid = (): number => xidOf(session);
    const relationId = 16384 + table;
    const change = (type: string, tables: readonly number[], text: string, message: Change["message"]): void => {
      const used = tables.map((each) => shapes[each]!);
      const label = labelOf(
        type,
        tables.map((each, i) => ({ name: TABLES[each]!, columns: used[i]! })),
        text,
      );
      record(session, { xid: xid(), sentXid: xid(), tables, shapes: used, label, message });
    };
    switch (what) {
      case "insert": {
        nextId++;
        const fresh = nextId * SESSIONS + index;
        const row = [String(fresh), `new ${pick} ${"x".repeat(pick % 1500)}`];
        own.set(fresh, row[1]!);
        const newTuple = tupleOf(row, shapes[table]!);
        change("Insert", [table], row.join(), (streamedXid) => ({
          type: "Insert",
          xid: streamedXid,
          relationId,
          newTuple,
        }));
        return;
      }
      case "update": {
        if (id === undefined) return;
        const row = [String(id), `changed ${pick} ${"x".repeat(pick % 1000)}`];
        own.set(id, row[1]!);
        const newTuple = tupleOf(row, shapes[table]!);
        const oldTuple = undefined;
        change("Update", [table], row.join(), (streamedXid) => ({
          type: "Update",
          xid: streamedXid,
          relationId,
          oldTuple,
          newTuple,
        }));
        return;
      }
      case "delete": {
        if (id === undefined) return;
        own.delete(id);
        const tuple = TupleData.of([String(id), ...Array.from({ length: shapes[table]! - 1 }, () => null)]);
        const oldTuple = { type: "key", tuple } as const;
        change("Delete", [table], String(id), (streamedXid) => ({
          type: "Delete",
          xid: streamedXid,
          relationId,
          oldTuple,
        }));
        return;
      }
      case "truncate": {
        const alone = TABLES.map((_, i) => i).filter((i) => [...rows[i]!.keys()].every((each) => owns(index, each)));
        if (alone.length === 0 || !alone.every((each) => lock(index, session, each))) return;
        for (const each of alone) session.rows[each]!.clear();
        const relationIds = alone.map((each) => 16384 + each);
        const options = { cascade: false, restartIdentity: true };
        change("Truncate", alone, "", (streamedXid) => ({ type: "Truncate", xid: streamedXid, options, relationIds }));
        return;
      }
      case "message": {
        // A subtransaction's message says the toplevel's xid, so before its first change it cannot be told that it is of it.
        if (depth > 1 && !session.levels.at(-1)!.changed) return;
        const content = `message ${pick}`;
        const own = xid();
        const top = session.levels[0]!.xid!;
        record(session, {
          xid: own,
          sentXid: top,
          tables: [],
          shapes: [],
          label: `Message ${content}`,
          message: (streamedXid) => ({
            type: "Message",
            xid: streamedXid,
            transactional: true,
            lsn: 5n as Lsn,
            prefix: "p",
            content: utf8.encode(content),
          }),
        });
        return;
      }
      case "savepoint":
        session.levels.push({
          xid: undefined,
          released: [],
          changed: false,
          rows: copy(session.rows),
          shapes: [...shapes],
          kept: session.kept.length,
        });
        return;
      case "release": {
        if (depth === 1) return;
        const { xid: released, released: within } = session.levels.pop()!;
        session.levels.at(-1)!.released.push(...within, ...(released === undefined ? [] : [released]));
        return;
      }
      case "rollbackTo":
        if (depth > 1) rollBackTo(session, 1 + (pick % (depth - 1)));
        return;
      case "stream":
        if (streaming !== "off" && session.queue.length > 0) stream(session);
        return;
      case "commit":
      case "prepare":
        while (session.levels.length > 1) act(index, "release", 0);
        return end(index, session, pick, what === "prepare");
      case "rollback":
        if (depth > 1) rollBackTo(session, 1);
        reshape(session, session.levels[0]!.shapes);
        sessions[index] = undefined;
        if (session.levels[0]!.xid !== undefined) {
          const [top] = session.levels;
          abort(session, [...top!.released, top!.xid!]);
        }
        return;
      case "alter":
        if (!lock(index, session, table)) return;
        xid();
        shapes[table] = 2 + (pick % 4);
        return;
      default:
        what satisfies never;
    }
  };
  for (const { session, act: what, pick } of script) act(session, what, pick);

  const left = Object.fromEntries(
    TABLES.map((name, i) => [name, [...rows[i]!].map(([id, label]) => `${id},${label}`).sort()]),
  );
  return { messages, committed, aside, rows: left };
}

function copy(rows: readonly ReadonlyMap<number, string>[]): Map<number, string>[] {
  return rows.map((each) => new Map(each));
}

function tupleOf(row: readonly string[], shape: number): TupleData {
  return TupleData.of([...row, ...Array.from({ length: shape - row.length }, () => null)]);
}

function columnsOf(shape: number): readonly RelationColumn[] {
  return Array.from({ length: shape }, (_, i) => ({
    key: i === 0,
    name: `c${i}`,
    typeId: i === 0 ? 23 : 20000,
    typeModifier: -1,
  }));
}
