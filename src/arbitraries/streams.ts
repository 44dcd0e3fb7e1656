/**
 * fast-check arbitraries of whole pgoutput streams: messages in an order in which a server sends them, and almost so.
 *
 * A stream is made from a list of small steps (a transaction, a block of one, an end of one, …) by a server of a few lines, so a
 * failing stream gets smaller by losing steps and stays correct.
 */
import * as fc from "fast-check";
import type { Message, OldTuple, PgoutputMessage, Relation, Type } from "../generated/logical.ts";
import type { Lsn } from "../kernel/lsn.ts";
import { checkOneOf, checkOptions } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "../logical/decoder.ts";
import type { PgoutputProtocol, PgoutputStreaming } from "../logical/protocol.ts";
import { TupleData, type TupleValue, unchanged } from "../wire/tuple.ts";
import { lsn, pgoutputMessage, wireText } from "./messages.ts";

/** The newest protocol of pgoutput that a server speaks, with all that it can stream. */
export function newestPgoutput(server: number): {
  readonly protocol: PgoutputProtocol;
  readonly streaming?: PgoutputStreaming;
} {
  const has = logicalCapabilities.of(server);
  if (has.parallelStreaming) return { protocol: 4, streaming: "parallel" };
  if (has.twoPhaseOption) return { protocol: 3, streaming: "on" };
  return has.streamingOfTransactions ? { protocol: 2, streaming: "on" } : { protocol: 1 };
}

/** What was asked for in START_REPLICATION, as for a PgoutputDecoder, and more; each is off where it is not said. */
export interface PgoutputStreamOptions extends Pick<PgoutputDecoderOptions, "protocol" | "streaming"> {
  /** Transactions are sent when they are prepared. */
  readonly twoPhase?: boolean;
  /** Also what pg_logical_emit_message writes. */
  readonly messages?: boolean;
  /** Some values come in binary format. */
  readonly binary?: boolean;
}

/**
 * A whole stream: messages in an order in which a server sends them, for every option that is on.
 *
 * Relations and their types are announced before they are used, again after they have changed, and in each streamed transaction
 * anew; rows have their columns. Commit and Prepare repeat the LSN of what began. Streamed transactions take turns, lose
 * subtransactions, and are committed, prepared or rolled back, one by one or by a crash; some are still in progress when the
 * stream ends. Origins come where they can, other transactions are empty, and some that are finished were prepared before it all.
 * As 18 does before 18.7, and no other, it also sends a Prepare alone, for a transaction that changed nothing that is decoded, and,
 * with or without streaming, StreamAborts of subtransactions without any change.
 *
 * Encode each by `encodePgoutputMessage`; a PgoutputDecoder with the same options takes them one after the other.
 *
 * @throws ArgumentError for an option that it does not take, or streaming that the protocol version does not have
 * @example fc.sample(pgoutputStream({ twoPhase: true }), 1)[0].some(({ type }) => type === "StreamStart") // false
 * @source pgoutput.c; reorderbuffer.c
 */
export function pgoutputStream(options: PgoutputStreamOptions = {}): fc.Arbitrary<PgoutputMessage[]> {
  checkOptions(options, ["protocol", "streaming", "twoPhase", "messages", "binary"]);
  const { protocol, streaming, twoPhase, messages, binary } = options;
  // Which rejects what no server accepts.
  new PgoutputDecoder({ ...(protocol !== undefined && { protocol }), ...(streaming !== undefined && { streaming }) });
  for (const [name, value] of Object.entries({ twoPhase, messages, binary })) {
    checkOneOf(`options.${name}`, value, [true, false, undefined]);
  }
  return streamOf(options, {
    lsn: fc.bigInt({ min: 1n, max: 2n ** 62n }),
    time: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    xid: fc.integer({ min: 3, max: 0xf0000000 }),
    tables: fc.uniqueArray(table(), { minLength: 1, maxLength: 4, selector: ({ relationId }) => relationId }),
    columns: columns(),
    value: fc
      .oneof(fc.constantFrom(null, unchanged), wireText(), ...(binary ? [fc.uint8Array({ maxLength: 12 })] : []))
      .map((value) => () => value),
    text: wireText(),
    truncates: true,
    strays: true,
    isApplied: false,
  });
}

/** What a stream is made of. */
export interface StreamParts {
  /** Where WAL, the clock and transaction ids begin. */
  readonly lsn: fc.Arbitrary<bigint>;
  readonly time: fc.Arbitrary<bigint>;
  readonly xid: fc.Arbitrary<number>;
  readonly tables: fc.Arbitrary<Table[]>;
  /** Of a table that has changed. */
  readonly columns: fc.Arbitrary<Relation["columns"]>;
  /** A value of a type. */
  readonly value: fc.Arbitrary<(typeId: number) => TupleValue>;
  /** Names of prepared transactions and origins. */
  readonly text: fc.Arbitrary<string>;
  /** 10 does not publish TRUNCATE. */
  readonly truncates: boolean;
  /** Also what only 18 sent before 18.7. */
  readonly strays: boolean;
  /**
   * Can a subscription apply it? Then the first column has the id of the transaction, so that no transaction waits for the rows of another;
   * a table is truncated only while no other transaction has locked it; and all that began here, and nothing else, is finished.
   */
  readonly isApplied: boolean;
}

/** A stream of these parts. */
export function streamOf(options: PgoutputStreamOptions, parts: StreamParts): fc.Arbitrary<PgoutputMessage[]> {
  const { lsn, time, xid, tables } = parts;
  return fc
    .tuple(fc.record({ lsn, time, xid, tables }), fc.array(step(options, parts), { maxLength: 12 }))
    .map(([begin, steps]) => new Server(options, parts, begin).run(steps));
}

/**
 * A stream with one fault, as `pgoutputStream` makes them: one message is dropped, doubled, swapped with the next one, or replaced
 * by any other, or one row gets a column more. Most are streams that no server sends; the program under test must find out which.
 *
 * @throws ArgumentError as `pgoutputStream`
 * @example Array.isArray(fc.sample(almostPgoutputStream({ protocol: 2, streaming: "on" }), 1)[0]) // true
 */
export function almostPgoutputStream(options: PgoutputStreamOptions = {}): fc.Arbitrary<PgoutputMessage[]> {
  const parallel = options.streaming === "parallel";
  const fault = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("drop", "double", "swap", "replace", "widen"),
    other: fc.boolean().chain((inStream) => pgoutputMessage({ inStream, parallel })),
  });
  return fc.tuple(pgoutputStream(options), fault).map(([stream, { at, kind, other }]) => {
    if (stream.length === 0) return [other];
    const i = at % stream.length;
    const message = stream[i]!;
    switch (kind) {
      case "drop":
        return stream.toSpliced(i, 1);
      case "double":
        return stream.toSpliced(i, 0, message);
      case "swap":
        return stream.toSpliced(i, 2, ...stream.slice(i, i + 2).reverse());
      case "widen": {
        const j = stream.findIndex((each, at) => at >= i && "relationId" in each && each.type !== "Relation");
        return j < 0 ? stream : stream.with(j, widened(stream[j]!));
      }
      default:
        return stream.toSpliced(i, 1, other);
    }
  });
}

/** A change whose old row, if it has one, or new row has a column more. */
function widened(message: PgoutputMessage): PgoutputMessage {
  const wider = (row: TupleData) => TupleData.of([...row, null]);
  if ("oldTuple" in message && message.oldTuple !== undefined) {
    return { ...message, oldTuple: { ...message.oldTuple, tuple: wider(message.oldTuple.tuple) } } as PgoutputMessage;
  }
  return "newTuple" in message ? { ...message, newTuple: wider(message.newTuple) } : message;
}

/** A table as a server has it. */
export interface Table extends Omit<Relation, "type" | "xid"> {
  /** Types that are not built in, of its columns. */
  readonly types: readonly Pick<Type, "typeId" | "namespace" | "name">[];
}

/** The first oid of what users make. @source transam.h: FirstNormalObjectId */
const FIRST_USER_OID = 16384;

function table(): fc.Arbitrary<Table> {
  const oid = fc.integer({ min: FIRST_USER_OID, max: 0xffffffff });
  const type = fc.record({ typeId: oid, namespace: wireText(), name: wireText() });
  return fc
    .record({
      relationId: fc.oneof(oid, fc.integer({ min: FIRST_USER_OID, max: FIRST_USER_OID + 3 })),
      namespace: wireText(),
      name: wireText(),
      replicaIdentity: fc.constantFrom("default", "nothing", "full", "index"),
      columns: columns(),
      types: fc.array(type, { maxLength: 2 }),
    })
    .map((each) => ({
      ...each,
      columns: [
        ...each.columns,
        ...each.types.map(({ typeId, name }) => ({ key: false, name, typeId, typeModifier: -1 })),
      ],
    }));
}

function columns(): fc.Arbitrary<Relation["columns"]> {
  const builtIn = fc.constantFrom(16, 17, 20, 23, 25, 1114, 1700);
  const column = fc.record({ key: fc.boolean(), name: wireText(), typeId: builtIn, typeModifier: fc.integer() });
  return fc.array(column, { maxLength: 4 });
}

/** What happens in a transaction; numbers pick one of what there is then. */
interface Change {
  readonly type: "Insert" | "Update" | "Delete" | "Truncate" | "Message" | "Alter";
  readonly table: number;
  readonly subtransaction: number;
  readonly old: "key" | "full" | undefined;
  readonly values: readonly ((typeId: number) => TupleValue)[];
  readonly columns: Relation["columns"];
  readonly truncate: { readonly cascade: boolean; readonly restartIdentity: boolean; readonly tables: number };
  readonly prefix: string;
  readonly content: Uint8Array;
}

/** What a server does next. */
interface Step {
  readonly type:
    | "transaction"
    | "prepared"
    | "block"
    | "end"
    | "subabort"
    | "message"
    | "finish"
    | "empty prepare"
    | "stray abort";
  readonly pick: number;
  readonly how: "commit" | "prepare" | "abort" | "crash";
  readonly origin: { readonly commitLsn: Lsn; readonly name: string } | undefined;
  readonly gid: string;
  readonly changes: readonly Change[];
}

function step(
  { streaming = "off", twoPhase, messages }: PgoutputStreamOptions,
  { columns, value, text, truncates, strays }: StreamParts,
): fc.Arbitrary<Step> {
  const streams = streaming !== "off";
  const change: fc.Arbitrary<Change> = fc.record({
    type: fc.constantFrom(
      ...(["Insert", "Insert", "Update", "Update", "Delete"] as const),
      ...(truncates ? (["Truncate"] as const) : []),
      ...(["Alter"] as const),
      ...(messages ? (["Message"] as const) : []),
    ),
    table: fc.nat(),
    subtransaction: fc.nat(),
    old: fc.constantFrom("key", "full", undefined),
    values: fc.array(value, { maxLength: 6 }),
    columns,
    truncate: fc.record({ cascade: fc.boolean(), restartIdentity: fc.boolean(), tables: fc.nat() }),
    prefix: wireText(),
    content: fc.uint8Array({ maxLength: 20 }),
  });
  return fc.record({
    type: fc.constantFrom(
      ...(["transaction", "transaction", "transaction"] as const),
      ...(strays ? (["stray abort"] as const) : []),
      ...(streams ? (["block", "block", "block", "end", "subabort"] as const) : []),
      ...(twoPhase ? (["prepared", "finish"] as const) : []),
      ...(twoPhase && strays ? (["empty prepare"] as const) : []),
      ...(messages ? (["message"] as const) : []),
    ),
    pick: fc.nat(),
    how: fc.constantFrom("commit", "abort", "crash", ...(twoPhase ? (["prepare"] as const) : [])),
    origin: fc.option(fc.record({ commitLsn: lsn(), name: text }), {
      nil: undefined,
      freq: 2,
    }),
    gid: text,
    changes: fc.array(change, { maxLength: 6 }),
  });
}

/** A transaction in progress that has been sent in part. */
interface Streamed {
  readonly xid: number;
  /** Its subtransactions that have sent something and are not rolled back. */
  readonly subxids: number[];
}

interface Prepared {
  readonly xid: number;
  readonly gid: string;
  readonly endLsn: Lsn;
  readonly prepareTime: PgTime;
}

/** Sends what a walsender with pgoutput would, step by step. */
class Server {
  readonly #parallel: boolean;
  readonly #isApplied: boolean;
  readonly #tables: Table[];
  #lsn: bigint;
  #time: bigint;
  #nextXid: number;
  readonly #sent: PgoutputMessage[] = [];
  /** Which tables are announced: for all that is not streamed under `undefined`, else by the xid of the transaction. */
  readonly #announced = new Map<number | undefined, Set<number>>();
  readonly #streamed: Streamed[] = [];
  readonly #prepared: Prepared[] = [];
  /** The transaction whose changes are sent. */
  #top = 0;

  constructor(
    { streaming }: PgoutputStreamOptions,
    { isApplied }: StreamParts,
    begin: { lsn: bigint; time: bigint; xid: number; tables: readonly Table[] },
  ) {
    this.#parallel = streaming === "parallel";
    this.#isApplied = isApplied;
    this.#tables = [...begin.tables];
    this.#lsn = begin.lsn;
    this.#time = begin.time;
    this.#nextXid = begin.xid;
  }

  run(steps: readonly Step[]): PgoutputMessage[] {
    for (const each of steps) this.#run(each);
    if (this.#isApplied) this.#finishAll();
    return this.#sent;
  }

  #finishAll(): void {
    for (const each of this.#streamed.slice())
      this.#end(each, { how: each.xid % 2 === 0 ? "commit" : "abort", gid: "" });
    for (const { xid, gid } of this.#prepared.slice()) {
      this.#finish({ pick: 0, how: xid % 2 === 0 ? "commit" : "abort", gid });
    }
  }

  #run(step: Step): void {
    const streamed = this.#streamed[step.pick % this.#streamed.length];
    switch (step.type) {
      case "transaction": {
        const commit = { commitLsn: this.#wal(), endLsn: this.#wal(), commitTime: this.#now() };
        this.#top = this.#xid();
        this.#send({ type: "Begin", finalLsn: commit.commitLsn, commitTime: commit.commitTime, xid: this.#top });
        this.#origin(step);
        this.#changes(step.changes);
        return this.#send({ type: "Commit", ...commit });
      }
      case "prepared": {
        this.#top = this.#xid();
        const prepare = this.#prepare(this.#top, step.gid);
        this.#send({ type: "BeginPrepare", ...prepare });
        this.#origin(step);
        this.#changes(step.changes);
        return this.#send({ type: "Prepare", ...prepare });
      }
      case "empty prepare":
        return this.#send({ type: "Prepare", ...this.#prepare(this.#xid(), step.gid) });
      case "stray abort":
        return this.#abort(this.#xid(), this.#xid());
      case "finish":
        return this.#finish(step);
      case "block":
        return this.#block(step);
      case "message": {
        const { prefix = "", content = new Uint8Array() } = step.changes[0] ?? {};
        return this.#send({ type: "Message", transactional: false, lsn: this.#wal(), prefix, content });
      }
      case "subabort": {
        const subxid = streamed?.subxids.splice(step.pick % Math.max(1, streamed.subxids.length), 1)[0];
        if (subxid !== undefined) this.#abort(streamed!.xid, subxid);
        return;
      }
      case "end":
        if (streamed !== undefined) this.#end(streamed, step);
    }
  }

  /** A block of a transaction that is in progress, or of a new one. */
  #block(step: Step): void {
    const i = step.pick % (this.#streamed.length + 1);
    const firstSegment = i === this.#streamed.length;
    if (firstSegment) this.#streamed.push({ xid: this.#xid(), subxids: [] });
    const streamed = this.#streamed[i]!;
    this.#top = streamed.xid;
    this.#send({ type: "StreamStart", xid: streamed.xid, firstSegment });
    if (firstSegment) this.#origin(step, true);
    this.#changes(step.changes, streamed);
    this.#send({ type: "StreamStop" });
  }

  #end(streamed: Streamed, { how, gid }: Pick<Step, "how" | "gid">): void {
    const { xid, subxids } = streamed;
    this.#streamed.splice(this.#streamed.indexOf(streamed), 1);
    switch (how) {
      case "commit": {
        const commit = { commitLsn: this.#wal(), endLsn: this.#wal(), commitTime: this.#now() };
        this.#send({ type: "StreamCommit", xid, ...commit });
        // Now whoever follows knows these tables.
        for (const id of this.#announcedIn(xid)) this.#announcedIn(undefined).add(id);
        break;
      }
      case "prepare":
        this.#send({ type: "StreamPrepare", ...this.#prepare(xid, gid) });
        break;
      case "abort":
        for (const subxid of subxids) this.#abort(xid, subxid);
        this.#abort(xid, xid);
        break;
      case "crash":
        this.#abort(xid, xid, { abortLsn: 0n as Lsn, abortTime: 0n as PgTime });
    }
    this.#announced.delete(xid);
  }

  #abort(xid: number, subxid: number, at = { abortLsn: this.#wal(), abortTime: this.#now() }): void {
    this.#send({ type: "StreamAbort", xid, subxid, ...(this.#parallel && at) });
  }

  #prepare(xid: number, gid: string) {
    const prepare = { prepareLsn: this.#wal(), endLsn: this.#wal(), prepareTime: this.#now(), xid, gid };
    this.#prepared.push(prepare);
    return prepare;
  }

  /** A prepared transaction ends: one of this stream, or one that was prepared before it. */
  #finish({ pick, how, gid }: Pick<Step, "pick" | "how" | "gid">): void {
    if (this.#isApplied && this.#prepared.length === 0) return;
    const i = pick % (this.#prepared.length + (this.#isApplied ? 0 : 1));
    if (i === this.#prepared.length) this.#prepare(this.#xid(), gid);
    const [{ xid, gid: name, endLsn: prepareEndLsn, prepareTime }] = this.#prepared.splice(i, 1) as [Prepared];
    if (how === "commit") {
      const commit = { commitLsn: this.#wal(), endLsn: this.#wal(), commitTime: this.#now() };
      return this.#send({ type: "CommitPrepared", ...commit, xid, gid: name });
    }
    const rollback = { rollbackEndLsn: this.#wal(), rollbackTime: this.#now() };
    this.#send({ type: "RollbackPrepared", prepareEndLsn, prepareTime, ...rollback, xid, gid: name });
  }

  #origin({ origin }: Step, inBlock = false): void {
    if (origin !== undefined) this.#send({ type: "Origin", ...origin, ...(inBlock && { commitLsn: 0n as Lsn }) });
  }

  #changes(changes: readonly Change[], streamed?: Streamed): void {
    for (const change of changes) this.#change(change, streamed);
  }

  #change(change: Change, streamed: Streamed | undefined): void {
    const i = change.table % this.#tables.length;
    const table = this.#tables[i]!;
    const { relationId, replicaIdentity } = table;
    if (change.type === "Alter") {
      // Other columns, or one whose type has another length, such as varchar(9).
      const [first, ...others] = table.columns;
      this.#tables[i] =
        first !== undefined && change.subtransaction % 2 === 1
          ? { ...table, columns: [{ ...first, typeModifier: first.typeModifier ^ 1 }, ...others] }
          : { ...table, columns: change.columns, types: [] };
      for (const tables of this.#announced.values()) tables.delete(relationId);
      return;
    }
    if (change.type === "Message") {
      // Of a subtransaction, too, it has the xid of the transaction.
      const { prefix, content } = change;
      const message: Message = { type: "Message", transactional: true, lsn: this.#wal(), prefix, content };
      return this.#send(streamed === undefined ? message : { ...message, xid: streamed.xid });
    }
    const of = streamed && { xid: this.#subtransaction(change, streamed) };
    const row = (key: boolean, old: boolean) =>
      TupleData.of(
        table.columns.map((column, j) => (key && !column.key ? null : this.#value(change, j, column.typeId, old))),
      );
    const old: OldTuple =
      replicaIdentity === "full" ? { type: "full", tuple: row(false, true) } : { type: "key", tuple: row(true, true) };
    // Without an identity there is nothing to name a row by.
    const onlyInserts = change.type === "Truncate" ? this.#isApplied && this.#hasLocks : replicaIdentity === "nothing";
    const type = onlyInserts ? "Insert" : change.type;
    if (type !== "Truncate") this.#announce(table, streamed, of);
    switch (type) {
      case "Insert":
        return this.#send({ type, ...of, relationId, newTuple: row(false, true) });
      case "Update": {
        const oldTuple = change.old === undefined ? undefined : old;
        return this.#send({ type, ...of, relationId, oldTuple, newTuple: row(false, false) });
      }
      case "Delete":
        return this.#send({ type, ...of, relationId, oldTuple: old });
      case "Truncate": {
        const { tables, ...options } = change.truncate;
        const truncated = this.#tables.slice(0, 1 + (tables % this.#tables.length));
        for (const each of truncated) this.#announce(each, streamed, of);
        this.#send({ type, ...of, options, relationIds: truncated.map((each) => each.relationId) });
      }
    }
  }

  /** Only the new row of an update has columns that did not change. */
  #value({ values }: Change, column: number, typeId: number, old: boolean): TupleValue {
    if (this.#isApplied && column === 0) return String(this.#top);
    const value = values[column % values.length]?.(typeId) ?? null;
    return old && value === unchanged ? null : value;
  }

  /** Is a transaction in progress beside the one whose changes are sent, or is that one? */
  get #hasLocks(): boolean {
    return this.#streamed.length > 0 || this.#prepared.length > 0;
  }

  /** The transaction itself, one of its subtransactions, or a new one. */
  #subtransaction({ subtransaction }: Change, { xid, subxids }: Streamed): number {
    const i = subtransaction % (subxids.length + 2);
    if (i === 0) return xid;
    if (i > subxids.length) subxids.push(this.#xid());
    return subxids[i - 1]!;
  }

  /** Send a table and its types, unless that was done. */
  #announce(
    { types, ...table }: Table,
    streamed: Streamed | undefined,
    of: { readonly xid: number } | undefined,
  ): void {
    const announced = this.#announcedIn(streamed?.xid);
    if (announced.has(table.relationId)) return;
    announced.add(table.relationId);
    for (const type of types) this.#send({ type: "Type", ...of, ...type });
    this.#send({ type: "Relation", ...of, ...table });
  }

  #announcedIn(xid: number | undefined): Set<number> {
    const tables = this.#announced.get(xid) ?? new Set();
    this.#announced.set(xid, tables);
    return tables;
  }

  #send(message: PgoutputMessage): void {
    this.#sent.push(message);
  }

  /** Where the next record of WAL begins. */
  #wal(): Lsn {
    this.#lsn += 8n * (1n + (this.#lsn % 13n));
    return this.#lsn as Lsn;
  }

  #now(): PgTime {
    this.#time += 1n + (this.#lsn % 1000n);
    return this.#time as PgTime;
  }

  #xid(): number {
    return this.#nextXid++;
  }
}
