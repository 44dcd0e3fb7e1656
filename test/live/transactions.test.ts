/**
 * Transactions as live servers stream them: random histories with savepoints over several sessions, with so little memory for
 * decoding that the server streams whatever it can, held against what the tables say afterwards.
 */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { Replica } from "../../scripts/demo/replica.ts";
import { supports } from "../../src/capabilities.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../../src/generated/physical.ts";
import { formatLsn } from "../../src/kernel/lsn.ts";
import { pgTimeFromDate } from "../../src/kernel/time.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import {
  TransactionAssembler,
  type TransactionAssemblerOptions,
  type TransactionEvent,
} from "../../src/logical/transactions.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { SpillDirectory } from "../../src/node/spill-directory.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { seed } from "../seed.ts";
import { checked, type RawConnection, type Server } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

const majors = longTestMajors.filter((major) => supports(liveServer(major).versionNum, "streamingOfTransactions"));

const CONTENT = new TextDecoder();

/** How a stream is asked for. */
interface How {
  readonly streaming: "off" | "on" | "parallel";
  readonly twoPhase: boolean;
  /** Stream each change at once, where the server can be told so. */
  readonly immediate: boolean;
}

/** A database of its own with a publication of all tables, which goes when the test ends. */
async function databaseOf(server: Server, name: string, setup: readonly string[]): Promise<string> {
  const database = `${name}_${process.pid}`;
  await server.sql(`CREATE DATABASE ${database}`);
  onTestFinished(async () => {
    // What a test that failed has left open would make the next slot wait.
    const { rows } = await server.sql(`SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
    for (const [gid] of rows) await server.sql(`ROLLBACK PREPARED '${gid}'`, { database });
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    const slots = `FROM pg_replication_slots WHERE database = '${database}'`;
    await expect.poll(() => server.sql(`SELECT 1 ${slots} AND active`)).toMatchObject({ rows: [] });
    await server.sql(`SELECT pg_drop_replication_slot(slot_name) ${slots}`);
    await expect.poll(() => server.sql(`DROP DATABASE ${database}`).then(() => true)).toBe(true);
  });
  for (const sql of [...setup, "CREATE PUBLICATION everything FOR ALL TABLES"]) await server.sql(sql, { database });
  await server.sql(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`, { database });
  return database;
}

/** A stream of the slot named as the database, through an assembler. */
class Stream {
  readonly assembler: TransactionAssembler;
  readonly counts = new Map<string, number>();
  readonly #connection: ReplicationConnection;
  readonly #decoder: PgoutputDecoder;

  readonly #break: () => Promise<unknown>;

  private constructor(
    connection: ReplicationConnection,
    options: TransactionAssemblerOptions,
    breakIt: () => Promise<unknown>,
  ) {
    this.#connection = connection;
    this.#break = breakIt;
    this.assembler = new TransactionAssembler(options);
    this.#decoder = new PgoutputDecoder({ protocol: options.protocol ?? 1, streaming: options.streaming ?? "off" });
  }

  static async open(
    server: Server,
    database: string,
    { streaming, twoPhase, immediate }: How,
    options: TransactionAssemblerOptions = {},
  ): Promise<Stream> {
    const settings = ["logical_decoding_work_mem=64kB"];
    if (immediate) settings.push("debug_logical_replication_streaming=immediate");
    const connection = await connect({
      ...{ host: server.host, port: server.port, user: server.user, database, replication: "database" },
      options: settings.map((setting) => `-c ${setting}`).join(" "),
    });
    onTestFinished(() => connection.disconnect());
    const protocol = streaming === "parallel" ? 4 : twoPhase ? 3 : streaming === "on" ? 2 : 1;
    const plugin = { proto_version: String(protocol), publication_names: "everything", streaming, messages: "true" };
    const all = Object.entries(twoPhase ? { ...plugin, two_phase: "true" } : plugin);
    const list = all.map(([name, value]) => `${name} '${value}'`).join(", ");
    const command = `START_REPLICATION SLOT ${database} LOGICAL 0/0 (${list})`;
    // The stream before may not have left the slot yet.
    await expect.poll(() => connection.startReplication(command)).toBeUndefined();
    const walsender = `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${database}'`;
    return new Stream(connection, { ...options, protocol, streaming }, () => server.sql(walsender));
  }

  /** The next event. */
  async next(): Promise<TransactionEvent> {
    for (;;) {
      const message = decodeWalSenderMessage((await this.#connection.receive())!);
      if (message.type === "XLogData") {
        this.#note(message.data);
        const event = await this.assembler.receive(message.data);
        if (event !== undefined) return event;
      } else if (message.type === "Keepalive") {
        this.assembler.keepalive(message.walEnd);
        if (message.replyRequested) this.report();
      }
    }
  }

  /** All events before the message "end", and that one. */
  async untilEnd(): Promise<TransactionEvent[]> {
    const events: TransactionEvent[] = [];
    for (;;) {
      const event = await this.next();
      events.push(event);
      if (event.type === "Message" && event.prefix === "end") return events;
    }
  }

  /** Tell the server what is safe. */
  report(): void {
    const flush = this.assembler.confirmable;
    const clientTime = pgTimeFromDate(new Date());
    this.#connection.send(
      encodeWalReceiverMessage({
        ...{ type: "StandbyStatusUpdate", write: flush, flush, apply: flush, clientTime, replyRequested: false },
      }),
    );
  }

  /** The connection breaks. */
  async close(): Promise<void> {
    await this.#break();
    await this.#connection.disconnect();
  }

  #note(data: Uint8Array): void {
    const message = this.#decoder.decode(data);
    const type = message.type === "StreamAbort" && message.xid !== message.subxid ? "subtransaction" : message.type;
    this.counts.set(type, (this.counts.get(type) ?? 0) + 1);
  }
}

/** Numbers that look random and are the same for the same start. */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What happens in a session, before it is known what becomes of it. */
type Deed = "insert" | "update" | "delete" | "truncate" | "message" | "alter" | "savepoint" | "release" | "rollbackTo";

/** A transaction as a list of deeds, and how it ends. */
interface Plan {
  readonly deeds: readonly { readonly deed: Deed; readonly pick: number; doomed: boolean }[];
  readonly ending: "COMMIT" | "ROLLBACK" | "PREPARE, COMMIT" | "PREPARE, ROLLBACK";
}

/** A random plan in which each deed knows whether it will be rolled back. */
function plan(random: (below: number) => number, twoPhase: boolean): Plan {
  const weights: Record<Deed, number> = {
    ...{ insert: 8, update: 4, delete: 2, truncate: 1, message: 3, alter: 1 },
    ...{ savepoint: 6, release: 3, rollbackTo: 4 },
  };
  const bag = Object.entries(weights).flatMap(([deed, weight]) => Array.from({ length: weight }, () => deed as Deed));
  const deeds: { deed: Deed; pick: number; doomed: boolean }[] = [];
  /** Where each level begins, and whether it has written something. */
  const levels = [{ start: 0, wrote: false }];
  for (let left = 4 + random(26); left > 0; left--) {
    const deed = bag[random(bag.length)]!;
    const level = levels.at(-1)!;
    if ((deed === "release" || deed === "rollbackTo") && levels.length === 1) continue;
    // Servers send a message with the xid of the toplevel transaction: only what was written before tells where it is from.
    if (deed === "message" && levels.length > 1 && !level.wrote) continue;
    if (deed === "savepoint") levels.push({ start: deeds.length, wrote: false });
    else if (deed === "insert") level.wrote = true;
    deeds.push({ deed, pick: random(1_000_000), doomed: false });
    if (deed === "release") levels.pop();
    if (deed === "rollbackTo") {
      for (let i = level.start; i < deeds.length; i++) deeds[i]!.doomed = true;
      level.wrote = false;
    }
  }
  const endings: Plan["ending"][] = ["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"];
  if (twoPhase) endings.push("PREPARE, COMMIT", "PREPARE, ROLLBACK");
  const ending = endings[random(endings.length)]!;
  if (ending.endsWith("ROLLBACK")) for (const each of deeds) each.doomed = true;
  return { deeds, ending };
}

/** A session that works through plans on tables of its own, one statement at a time. */
class Session {
  /** The xids of those that committed and changed something, in commit order; all sessions share it. */
  readonly #committed: number[];
  readonly #connection: RawConnection;
  readonly #random: (below: number) => number;
  readonly #twoPhase: boolean;
  readonly #table: string;
  #statements: { sql: string; after?: () => void }[] = [];
  #savepoints = 0;
  #nextId = 1;
  #transactions = 0;
  #xid: number | undefined;

  constructor(
    connection: RawConnection,
    index: number,
    random: (below: number) => number,
    twoPhase: boolean,
    committed: number[],
  ) {
    this.#connection = connection;
    this.#table = `t${index}`;
    this.#random = random;
    this.#twoPhase = twoPhase;
    this.#committed = committed;
  }

  get between(): boolean {
    return this.#statements.length === 0;
  }

  /** Run the next statement. */
  async step(): Promise<void> {
    if (this.between) this.#statements = this.#plan();
    const { sql, after } = this.#statements.shift()!;
    const messages = checked(await this.#connection.query(sql));
    if (sql.startsWith("SELECT pg_current_xact_id_if_assigned")) {
      const row = messages.find(({ type }) => type === "D")!.body;
      const length = row.readInt32BE(2);
      this.#xid = length < 0 ? undefined : Number(row.toString("utf8", 6, 6 + length)) % 2 ** 32;
    }
    after?.();
  }

  #plan(): { sql: string; after?: () => void }[] {
    const { deeds, ending } = plan(this.#random, this.#twoPhase);
    const table = this.#table;
    const statements: { sql: string; after?: () => void }[] = [{ sql: "BEGIN" }];
    // A change that a subscriber sees for certain.
    const all = [{ deed: "insert" as Deed, pick: 1, doomed: ending.endsWith("ROLLBACK") }, ...deeds];
    const names: string[] = [];
    for (const { deed, pick, doomed } of all) {
      const note = doomed ? "doomed" : "kept";
      const rows = 1 + (pick % 3 === 0 ? pick % 400 : pick % 5);
      switch (deed) {
        case "insert": {
          const first = this.#nextId;
          this.#nextId += rows;
          const series = `generate_series(${first}, ${this.#nextId - 1}) id`;
          statements.push({ sql: `INSERT INTO ${table} SELECT id, '${note}', repeat('x', 200) FROM ${series}` });
          break;
        }
        case "update": {
          const some = `id % 7 = ${pick % 7} AND id > ${this.#nextId - 2 * rows}`;
          statements.push({ sql: `UPDATE ${table} SET note = '${note}', filler = filler || 'y' WHERE ${some}` });
          break;
        }
        case "delete":
          // A delete has no note: the rows say whether it was rolled back.
          statements.push({ sql: `DELETE FROM ${table} WHERE id % 11 = ${pick % 11} AND id > ${this.#nextId - rows}` });
          break;
        case "truncate":
          statements.push({ sql: `TRUNCATE ${table}_small` });
          // As below: the new file is one that a server may not know when it decodes what will be rolled back (seen on 18).
          if (doomed) break;
          statements.push({ sql: `INSERT INTO ${table}_small VALUES (${this.#nextId++}, '${note}')` });
          break;
        case "message":
          statements.push({ sql: `SELECT pg_logical_emit_message(true, 'note', '${note}')` });
          break;
        case "alter":
          // Whoever reads a row of another shape by this one notices. Not where it will be rolled back: a server that decodes
          // rows of the table then may fail with "could not map filenumber to relation OID" (seen on 17).
          if (doomed) break;
          this.#transactions++;
          statements.push({ sql: `ALTER TABLE ${table} ADD COLUMN c${this.#transactions} text` });
          break;
        case "savepoint":
          names.push(`s${++this.#savepoints}`);
          statements.push({ sql: `SAVEPOINT ${names.at(-1)}` });
          break;
        case "release":
          statements.push({ sql: `RELEASE ${names.pop()}` });
          break;
        case "rollbackTo":
          statements.push({ sql: `ROLLBACK TO ${names.at(-1)}` });
          break;
        default:
          deed satisfies never;
      }
    }
    statements.push({ sql: "SELECT pg_current_xact_id_if_assigned()" });
    const commits = (): void => {
      this.#committed.push(this.#xid!);
    };
    if (ending === "COMMIT") statements.push({ sql: "COMMIT", after: commits });
    else if (ending === "ROLLBACK") statements.push({ sql: "ROLLBACK" });
    else {
      const gid = `${table} ${++this.#savepoints} ${process.pid}`;
      statements.push({ sql: `PREPARE TRANSACTION '${gid}'` });
      if (ending === "PREPARE, COMMIT") statements.push({ sql: `COMMIT PREPARED '${gid}'`, after: commits });
      else statements.push({ sql: `ROLLBACK PREPARED '${gid}'` });
    }
    return statements;
  }
}

const SESSIONS = 3;

const tables = Array.from({ length: SESSIONS }, (_, i) => [
  `CREATE TABLE t${i} (id int PRIMARY KEY, note text, filler text)`,
  `CREATE TABLE t${i}_small (id int PRIMARY KEY, note text)`,
]).flat();

const ways: readonly How[] = [
  { streaming: "on", twoPhase: false, immediate: false },
  { streaming: "on", twoPhase: true, immediate: false },
  { streaming: "parallel", twoPhase: true, immediate: false },
  { streaming: "parallel", twoPhase: true, immediate: true },
];

describe.each(majors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);
  const here = ways.filter(
    ({ streaming, twoPhase }) =>
      (!twoPhase || supports(server.versionNum, "twoPhaseOption")) &&
      (streaming !== "parallel" || supports(server.versionNum, "parallelStreaming")),
  );

  // Only what is prepared can be held.
  const choices = here.flatMap((how) =>
    (["emit", "hold"] as const)
      .filter((prepared) => how.twoPhase || prepared === "emit")
      .map((prepared) => ({ ...how, prepared })),
  );

  test.each(choices)(
    "a random history with %o: commit order, and tables equal SELECT",
    { timeout: 120_000 },
    async ({ prepared, ...how }) => {
      const name = `transactions_${how.streaming}_${how.twoPhase}_${how.immediate}_${prepared}`.toLowerCase();
      const database = await databaseOf(server, name, tables);
      const spill = await SpillDirectory.create(tmpdir());
      onTestFinished(() => spill.close());
      const memoryLimit = 100_000;
      const stream = await Stream.open(server, database, how, { prepared, memoryLimit, spill });

      const random = randomFrom(seed ^ major);
      const committed: number[] = [];
      const working = (async () => {
        const sessions: Session[] = [];
        for (let i = 0; i < SESSIONS; i++) {
          const connection = await server.connect({ database });
          onTestFinished(() => connection.close());
          sessions.push(new Session(connection, i, random, how.twoPhase, committed));
        }
        for (let left = 600; left > 0; left--) await sessions[random(SESSIONS)]!.step();
        for (const session of sessions) while (!session.between) await session.step();
        await server.sql("SELECT pg_logical_emit_message(false, 'end', '')", { database });
      })();

      const replica = new Replica();
      const pending = new Map<string, Extract<TransactionEvent, { type: "PreparedTransaction" }>>();
      const seen: number[] = [];
      let changes = 0;
      const apply = async (event: Pick<Extract<TransactionEvent, { type: "Transaction" }>, "changes" | "xid">) => {
        for await (const change of event.changes) {
          changes++;
          if (change.type === "Message") expect(CONTENT.decode(change.content)).toBe("kept");
          if (change.type === "Insert" || change.type === "Update") {
            expect(change.relation.columns[1]!.name).toBe("note");
            expect(change.newTuple.get(1)).toBe("kept");
            expect(change.newTuple.length).toBe(change.relation.columns.length);
          }
        }
        await replica.applyTransaction(event);
        seen.push(event.xid);
      };
      const reading = (async () => {
        for (;;) {
          const event = await stream.next();
          expect(stream.assembler.memory).toBeLessThanOrEqual(memoryLimit);
          if (event.type === "Message" && event.prefix === "end") return;
          if (event.type === "Transaction") await apply(event);
          else if (event.type === "PreparedTransaction") pending.set(event.gid, event);
          else if (event.type === "CommitPrepared") await apply(pending.get(event.gid)!);
          else if (event.type === "RollbackPrepared") expect(pending.delete(event.gid)).toBe(true);
          if (event.type !== "PreparedTransaction") await stream.assembler.confirm(event);
        }
      })();
      await Promise.all([working, reading]);

      expect(seen).toEqual(committed);
      expect(changes).toBeGreaterThan(1000);
      for (const { relation, rows } of replica.tables()) {
        const columns = relation.columns.map((column) => `${column.name}::text`).join(", ");
        const { rows: expected } = await server.sql(`SELECT ${columns} FROM ${relation.name}`, { database });
        const wanted = expected.map((row) => row.join()).sort();
        const differ = rows
          .map((row) => row.join())
          .sort()
          .filter((row, i) => row !== wanted[i]);
        expect(differ.slice(0, 3), relation.name).toEqual([]);
        expect(rows.length).toBe(wanted.length);
      }
      // It was worth it: blocks, rolled back subtransactions and transactions.
      expect(stream.counts.get("StreamStart")).toBeGreaterThan(10);
      expect(stream.counts.get("subtransaction")).toBeGreaterThan(2);
      expect(stream.counts.get("StreamCommit")).toBeGreaterThan(2);
      if (how.twoPhase) expect(stream.counts.get("StreamPrepare")).toBeGreaterThan(0);
      await stream.close();
    },
  );

  const on: How = { streaming: "on", twoPhase: false, immediate: false };
  const table = "CREATE TABLE fruit (id int PRIMARY KEY, name text)";
  const many = (first: number, name: string): string =>
    `INSERT INTO fruit SELECT id, repeat('${name} ', 20) FROM generate_series(${first}, ${first + 999}) id`;
  const end = "SELECT pg_logical_emit_message(false, 'end', '')";

  /** Statements of one session. */
  async function run(database: string, statements: readonly string[]): Promise<void> {
    const connection = await server.connect({ database });
    for (const sql of statements) checked(await connection.query(sql));
    await connection.close();
  }

  /** Of servers that have it. */
  const twoPhaseTest = (name: string, run: () => Promise<void>): void => {
    if (supports(server.versionNum, "twoPhaseOption")) test(name, run);
  };

  async function namesOf(event: TransactionEvent): Promise<string[]> {
    if (event.type !== "Transaction" && event.type !== "PreparedTransaction") return [event.type];
    const names = new Set<string>();
    for await (const change of event.changes) {
      if (change.type === "Insert") names.add(String(change.newTuple.get(1)).slice(0, 4).trim());
      else names.add(change.type === "Message" ? `message ${CONTENT.decode(change.content)}` : change.type);
    }
    return [...names];
  }

  test("a message of a rolled-back subtransaction goes only with earlier changes of it", async () => {
    const database = await databaseOf(server, "transactions_messages", [table]);
    const emit = (text: string): string => `SELECT pg_logical_emit_message(true, 'm', '${text}')`;
    await run(database, [
      ...["BEGIN", many(1, "kept"), emit("before")],
      ...["SAVEPOINT a", "INSERT INTO fruit VALUES (-1, 'gone')", emit("behind a change"), many(2000, "gone")],
      ...["ROLLBACK TO a", "SAVEPOINT b", emit("in front"), many(4000, "gone"), "ROLLBACK TO b"],
      ...[many(6000, "more"), emit("after"), "COMMIT", end],
    ]);
    const stream = await Stream.open(server, database, on);
    const [transaction] = await stream.untilEnd();
    // It is the server that does not say of whom "in front" is: neither its own subscriber could tell.
    expect(await namesOf(transaction!)).toEqual([
      ...["kept", "message before", "message in front", "more", "message after"],
    ]);
    expect(stream.counts.get("subtransaction")).toBe(2);
    await stream.close();
  });

  test("the server sends again, whole, exactly the unconfirmed transactions", async () => {
    const database = await databaseOf(server, "transactions_confirm", [table]);
    const three = ["aaaa", "bbbb", "cccc"].map((name, i) => many(i * 1000, name));
    await run(database, [...three, "BEGIN", many(9000, "open"), "SAVEPOINT s", many(10_000, "open"), end]);
    const worker = await server.connect({ database });
    onTestFinished(() => worker.close());
    checked(await worker.query("BEGIN"));
    checked(await worker.query(many(5000, "open")));
    await server.sql(end, { database });

    const first = await Stream.open(server, database, on);
    await first.untilEnd();
    const events = await first.untilEnd();
    expect(first.counts.get("StreamStart")).toBeGreaterThan(4);
    expect(events.map(({ type }) => type)).toEqual(["Message"]);
    await first.close();

    const second = await Stream.open(server, database, on);
    const [a, b, c, message] = await second.untilEnd();
    expect(await Promise.all([a!, b!, c!].map(namesOf))).toEqual([["aaaa"], ["bbbb"], ["cccc"]]);
    const { assembler } = second;
    await assembler.confirm(b!);
    expect(assembler.confirmable).toBeLessThan((a as { endLsn: bigint }).endLsn);
    await assembler.confirm(a!);
    expect(assembler.confirmable).toBe((b as { endLsn: bigint }).endLsn);
    await assembler.confirm(message!);
    expect(assembler.confirmable).toBe((b as { endLsn: bigint }).endLsn);
    second.report();
    await expect.poll(() => confirmed(database)).toBe(formatLsn(assembler.confirmable, { server: server.versionNum }));
    await second.close();

    checked(await worker.query("COMMIT"));
    await worker.close();
    const third = await Stream.open(server, database, on);
    const again = [...(await third.untilEnd()), ...(await third.untilEnd()), await third.next()];
    expect(await Promise.all(again.map(namesOf))).toEqual([["cccc"], ["Message"], ["Message"], ["open"]]);
    await third.close();
  });

  async function confirmed(database: string): Promise<string | null | undefined> {
    const sql = `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${database}'`;
    return (await server.sql(sql)).rows[0]?.[0];
  }

  test("a transaction that the server drops leaves nothing behind", async () => {
    const database = await databaseOf(server, "transactions_dropped", [table]);
    await run(database, [
      ...["BEGIN", many(1, "gone"), "SAVEPOINT a", many(2000, "gone"), "RELEASE a", many(4000, "gone"), "ROLLBACK"],
      ...["INSERT INTO fruit VALUES (1, 'kept')", end],
    ]);
    for (const streaming of ["on", "off"] as const) {
      const stream = await Stream.open(server, database, { ...on, streaming });
      const events = await stream.untilEnd();
      expect(await Promise.all(events.map(namesOf))).toEqual([["kept"], ["Message"]]);
      await stream.close();
    }
  });

  twoPhaseTest("a transaction that is held comes again after a new connection, until it is confirmed", async () => {
    const database = await databaseOf(server, "transactions_held", [table]);
    const gid = `held ${process.pid} ${major}`;
    const twoPhase = { ...on, twoPhase: true };
    // The slot is made two-phase by the first stream: what was prepared before comes at COMMIT PREPARED only.
    await (await Stream.open(server, database, twoPhase)).close();
    await run(database, [
      ...["INSERT INTO fruit VALUES (-1, 'one')"],
      ...["BEGIN", many(1, "held"), "SAVEPOINT a", many(2000, "gone"), "ROLLBACK TO a", `PREPARE TRANSACTION '${gid}'`],
      ...["INSERT INTO fruit VALUES (-2, 'two')", end],
    ]);
    const first = await Stream.open(server, database, twoPhase, { prepared: "hold" });
    const events = await first.untilEnd();
    expect(await Promise.all(events.map(namesOf))).toEqual([["one"], ["two"], ["Message"]]);
    for (const event of events) await first.assembler.confirm(event);
    // Not beyond the PREPARE: its changes would not come again.
    const { confirmable } = first.assembler;
    expect(confirmable).toBeGreaterThanOrEqual((events[0] as { endLsn: bigint }).endLsn);
    expect(confirmable).toBeLessThan((events[1] as { endLsn: bigint }).endLsn);
    first.report();
    await expect.poll(() => confirmed(database)).toBe(formatLsn(confirmable, { server: server.versionNum }));
    await first.close();

    await run(database, [`COMMIT PREPARED '${gid}'`, end]);
    const second = await Stream.open(server, database, twoPhase, { prepared: "hold" });
    const again = [...(await second.untilEnd()), ...(await second.untilEnd())];
    expect(await Promise.all(again.map(namesOf))).toEqual([["two"], ["Message"], ["held"], ["Message"]]);
    expect(again[2]).toMatchObject({ type: "Transaction", gid });
    for (const event of again) await second.assembler.confirm(event);
    expect(second.assembler.confirmable).toBeGreaterThanOrEqual((again[2] as { endLsn: bigint }).endLsn);
    await second.close();
  });

  twoPhaseTest(
    "a prepared transaction that was confirmed comes as CommitPrepared alone, and who holds is told so",
    async () => {
      const database = await databaseOf(server, "transactions_seen", [table]);
      const gid = `seen ${process.pid} ${major}`;
      const twoPhase = { ...on, twoPhase: true };
      await (await Stream.open(server, database, twoPhase)).close();
      await run(database, ["BEGIN", many(1, "seen"), `PREPARE TRANSACTION '${gid}'`, end]);
      const first = await Stream.open(server, database, twoPhase);
      const events = await first.untilEnd();
      expect(await Promise.all(events.map(namesOf))).toEqual([["seen"], ["Message"]]);
      expect(events[0]).toMatchObject({ type: "PreparedTransaction", gid });
      await first.assembler.confirm(events[0]!);
      first.report();
      await expect
        .poll(() => confirmed(database))
        .toBe(formatLsn(first.assembler.confirmable, { server: server.versionNum }));
      await first.close();

      await run(database, [`COMMIT PREPARED '${gid}'`, end]);
      const second = await Stream.open(server, database, twoPhase, { prepared: "hold" });
      const again = [...(await second.untilEnd()), ...(await second.untilEnd())];
      expect(again.map(({ type }) => type)).toEqual(["Message", "CommitPrepared", "Message"]);
      expect(again[1]).toMatchObject({ gid });
      await second.close();
    },
  );

  test("the program of docs/transactions.md prints the transactions of a stream and confirms them", async () => {
    const database = await databaseOf(server, "transactions_docs", [table]);
    const page = readFileSync(fileURLToPath(new URL("../../docs/transactions.md", import.meta.url)), "utf8");
    const [, program] = /```js\n([\s\S]*?)```/.exec(page)!;
    const code = program!
      .replace(/^import .*$/gm, "")
      .replaceAll("my_slot", database)
      .replaceAll("my_publication", "everything")
      .replace("new Feedback()", "new Feedback({ interval: 100_000n })");
    const lines: string[] = [];
    const scope = {
      ...{ connect, decodeWalSenderMessage, Feedback, TransactionAssembler, SpillDirectory },
      process: {
        env: { DATABASE_URL: `postgres://${server.user}@/${database}?host=${server.host}&port=${server.port}` },
      },
      console: { log: (...all: unknown[]) => lines.push(JSON.stringify(all)) },
    };
    const names = [...program!.matchAll(/^import \{ (.*?) \}/gm)].flatMap(([, list]) => list!.split(", "));
    expect(Object.keys(scope).sort()).toEqual([...names, "console", "process"].sort());
    const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
    const running = AsyncFunction(...Object.keys(scope), code)(...Object.values(scope)) as Promise<void>;
    const ended = running.then(
      () => "ended",
      (error) => String(error.message),
    );
    await run(database, [
      ...["BEGIN", "INSERT INTO fruit VALUES (1, 'apple')", "SAVEPOINT s", many(1000, "gone"), "ROLLBACK TO s"],
      ...["INSERT INTO fruit VALUES (2, 'pear')", "COMMIT"],
    ]);
    await expect.poll(() => lines.slice(1)).toEqual(['["fruit",["1","apple"]]', '["fruit",["2","pear"]]']);
    expect(lines[0]).toMatch(/transaction \d+ with 2 changes/);
    const written = (await server.sql("SELECT pg_current_wal_lsn()")).rows[0]![0]!;
    const flushed = `SELECT confirmed_flush_lsn >= '${written}' FROM pg_replication_slots WHERE slot_name = '${database}'`;
    await expect.poll(async () => (await server.sql(flushed)).rows[0]![0]).toBe("t");
    const walsender = `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${database}'`;
    await server.sql(walsender);
    expect(await ended).toMatch(/terminating connection|closed the connection/);
  });
});
