/** Subscriptions of real servers to a Publisher: initial copy, changes, and whatever is killed on either side. */
import { describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import type { ServerError } from "../../src/kernel/errors.ts";
import { connect } from "../../src/node/client.ts";
import { Publisher, publisherHandlers } from "../../src/node/publisher/index.ts";
import { listen } from "../../src/node/server/index.ts";
import { subscribe } from "../../src/node/subscribe/index.ts";
import { Child } from "../publisher-child.ts";
import { folder, publisherProgram } from "../publisher-program.ts";
import { type Server, startServer } from "../servers/index.ts";
import { liveMajors, liveServer, longTestMajors } from "../servers/live.ts";

/** What takes long on a loaded machine. */
const patient = { timeout: 60_000, interval: 50 };

/** Options of CREATE SUBSCRIPTION that a server of this version has, all of them. */
function allOptions(version: number): string {
  const options = [
    supports(version, "pgoutputBinary") && "binary = true",
    supports(version, "streamingOfTransactions") &&
      (supports(version, "parallelStreaming") ? "streaming = parallel" : "streaming = on"),
    supports(version, "twoPhaseOption") && "two_phase = true",
    supports(version, "originOption") && "origin = none",
  ].filter((each) => each !== false);
  return options.map((each) => `, ${each}`).join("");
}

async function isReady(server: Server, database: string): Promise<unknown> {
  const { rows } = await server.sql("SELECT count(*), bool_and(srsubstate = 'r') FROM pg_subscription_rel", {
    database,
  });
  return rows[0]![1];
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  test("has every transaction once, whoever is killed", { timeout: 180_000 }, async () => {
    const settings = { wal_retrieve_retry_interval: "100", max_logical_replication_workers: "8" };
    const server = await startServer({ major, settings });
    onTestFinished(() => server.stop());
    const program = await publisherProgram();
    const directory = folder();
    let child = new Child(program, { directory, port: 0, server: server.versionNum });
    const port = Number((await child.until((line) => line.startsWith("listening")))!.split(" ")[1]);
    child.order("run");
    await child.writes(30);
    await server.sql("CREATE TABLE item (id int PRIMARY KEY, value text)");
    const conninfo = `host=127.0.0.1 port=${port} user=u dbname=d`;
    // Else a new worker reports as flushed what the one before has applied and not flushed, and loses it if the server crashes then.
    const options = `synchronous_commit = on${allOptions(server.versionNum)}`;
    await server.sql(`CREATE SUBSCRIPTION s CONNECTION '${conninfo}' PUBLICATION "all" WITH (${options})`);
    await expect.poll(() => isReady(server, "postgres"), patient).toBe("t");
    for (let round = 0; round < 2; round++) {
      await child.writes(20);
      await child.kill();
      child = new Child(program, { directory, port, server: server.versionNum });
      await child.until((line) => line.startsWith("listening"));
      child.order("run");
      await child.writes(20);
      // A backend that is killed takes all others with it; the server recovers.
      const connection = await server.connect();
      const { rows } = await server.sql(
        "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker' OR query LIKE '%pg_stat_activity%' LIMIT 1",
      );
      process.kill(Number(rows[0]![0]), "SIGKILL");
      await connection.close();
      await expect.poll(() => server.sql("SELECT 1").then(() => true, String), patient).toBe(true);
    }
    await child.writes(20);
    child.order("stop");
    const last = Number((await child.until((line) => line.startsWith("stopped")))!.split(" ")[1]);
    const expected = [
      [`${last - 2}`, "updated"],
      [`${last - 1}`, "updated"],
      [`${last}`, `value ${last}`],
    ];
    await expect
      .poll(async () => (await server.sql("SELECT id, value FROM item ORDER BY id")).rows, patient)
      .toEqual(expected);
    await server.sql("DROP SUBSCRIPTION s");
  });
});

const odd = `Odd "t" \\ 'n`;

async function shop(server: number) {
  const publisher = await Publisher.open({ keepRows: true });
  onTestFinished(() => publisher.close());
  const item = await publisher.table({
    name: odd,
    columns: [
      { name: "a b", type: "int4", key: true },
      { name: `c"d`, type: "text" },
      { name: "e", type: "_text" },
    ],
  });
  const narrow = await publisher.table({
    schema: "Other schema",
    name: "narrow",
    columns: [
      { name: "id", type: "int4", key: true },
      { name: "left_out", type: "numeric" },
      { name: "at", type: "timestamptz" },
    ],
  });
  publisher.publication("it's", { tables: [item] });
  const rowFilter = { columns: ["id"], test: ({ id }: Readonly<Record<string, unknown>>) => Number(id) > 1 };
  publisher.publication("n", { tables: [{ table: narrow, columns: ["id", "at"], rowFilter }] });
  await publisher.transaction((t) => {
    t.insert(item, [1, "tab\t, newline\n, \\ and \\N", ["x", null, '"']]);
    t.insert(item, [2, null, null]);
    t.insert(item, [3, "", []]);
    for (const id of [1, 2, 3]) t.insert(narrow, { id, left_out: "1.5", at: 0n });
  });
  const errors: unknown[] = [];
  const handlers = publisherHandlers(publisher, { onError: (error) => errors.push(error) });
  const listening = await listen({ server, handlers, onError: (error) => errors.push(error) });
  onTestFinished(() => listening.close());
  const { port } = listening.address as { readonly port: number };
  return { publisher, item, narrow, port, errors, listening };
}

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const filters = supports(server.versionNum, "twoPhaseOption");

  test.for(["", ...(supports(server.versionNum, "originOption") ? ["binary"] : [])])(
    "copies tables with odd names, row filters and column lists, and follows them %s",
    { timeout: 120_000 },
    async (binary) => {
      const { publisher, item, narrow, port, errors } = await shop(server.versionNum);
      const database = `publisher_sub_${process.pid}${binary}`;
      const sql = async (text: string) => (await server.sql(text, { database })).rows;
      await server.sql(`CREATE DATABASE ${database}`);
      onTestFinished(async () => {
        await expect.poll(() => server.sql(`DROP DATABASE ${database}`).then(() => true, String), patient).toBe(true);
      });
      const table = `"Odd ""t"" \\ 'n"`;
      await sql(`CREATE TABLE ${table} ("a b" int PRIMARY KEY, "c""d" text, e text[])`);
      await sql(`CREATE SCHEMA "Other schema"`);
      await sql(
        `CREATE TABLE "Other schema".narrow (id int PRIMARY KEY, ${filters ? "" : "left_out numeric, "}at timestamptz)`,
      );
      const options = binary === "" ? "" : "WITH (binary = true)";
      const conninfo = `host=127.0.0.1 port=${port} user=u dbname=d`;
      await sql(`CREATE SUBSCRIPTION ${database} CONNECTION '${conninfo}' PUBLICATION "it's", n ${options}`);
      onTestFinished(async () => {
        await sql(`DROP SUBSCRIPTION IF EXISTS ${database}`);
      });
      await expect.poll(() => isReady(server, database), patient).toBe("t");
      const copied = await sql(`SELECT * FROM ${table} ORDER BY 1`);
      expect(copied).toEqual([
        ["1", "tab\t, newline\n, \\ and \\N", '{x,NULL,"\\""}'],
        ["2", null, null],
        ["3", "", "{}"],
      ]);
      const narrowRows = async () => (await sql(`SELECT id FROM "Other schema".narrow ORDER BY 1`)).flat();
      // A subscriber before 15 knows no row filters in a copy.
      expect(await narrowRows()).toEqual(filters ? ["2", "3"] : ["1", "2", "3"]);
      const { endLsn } = await publisher.transaction((t) => {
        t.update(item, [20, "moved", null], { "a b": 2 });
        t.delete(item, { "a b": 3 });
        t.insert(narrow, [0, "1", 0n]);
        t.insert(narrow, [4, "1", 1n]);
        t.delete(narrow, { id: 3 });
      });
      await expect.poll(() => publisher.slot(database).confirmedFlush >= endLsn, patient).toBe(true);
      expect(await sql(`SELECT "a b", "c""d" FROM ${table} ORDER BY 1`)).toEqual([
        ["1", "tab\t, newline\n, \\ and \\N"],
        ["20", "moved"],
      ]);
      expect(await narrowRows()).toEqual(filters ? ["2", "4"] : ["1", "2", "4"]);
      await sql(`ALTER SUBSCRIPTION ${database} REFRESH PUBLICATION`);
      await sql(`DROP SUBSCRIPTION ${database}`);
      expect(publisher.slots).toEqual([]);
      expect(errors).toEqual([]);
    },
  );
});

describe.for(liveMajors)("played PostgreSQL %i", (major) => {
  const { versionNum: server } = liveServer(major);

  test.for(supports(server, "pgoutputBinary") ? [false, true] : [false])(
    "walwire/subscribe copies from an exported snapshot, binary %s",
    { timeout: 60_000 },
    async (binary) => {
      const { publisher, item, port, errors, listening } = await shop(server);
      const seen: unknown[] = [];
      const connection = { host: "127.0.0.1", port, user: "u", database: "d" };
      const subscription = subscribe({
        ...{ connection, slotname: "copied", publications: ["it's", "n"], temporary: true, create: true, binary },
        copy: { workers: 2 },
      });
      await subscription.start();
      // The copy has the rows as of the slot, whatever comes before it reads them.
      await publisher.transaction((t) => t.insert(item, [100, "after", null]));
      await publisher.transaction((t) => t.delete(item, { "a b": 1 }));
      for await (const event of subscription) {
        if (event.type === "CopyBegin")
          seen.push(`${event.relation.namespace} ${event.relation.columns.map(({ name }) => name)}`);
        if (event.type === "CopyRows") seen.push(...event.rows.map((row) => Object.values(row)));
        if (event.type === "Transaction") {
          for await (const { type, row, old } of event.changes)
            seen.push(`${type} ${row?.["a b" as never]} ${old?.["a b" as never]}`);
        }
        subscription.confirm(event);
        if (seen.some((each) => String(each).startsWith("Delete"))) await subscription.stop();
      }
      const filters = supports(server, "twoPhaseOption");
      const narrow = [1n, 2n, 3n]
        .map((id) => [Number(id), ...(filters ? [] : ["1.5"]), 0n])
        .filter(([id]) => !filters || Number(id) > 1);
      expect(seen.slice(0, -2)).toEqual(
        expect.arrayContaining([
          'public a b,c"d,e',
          `Other schema ${filters ? "id,at" : "id,left_out,at"}`,
          [1, "tab\t, newline\n, \\ and \\N", ["x", null, '"']],
          [2, null, null],
          [3, "", []],
          ...narrow,
        ]),
      );
      expect(seen.length).toBe(2 + 3 + narrow.length + 2);
      expect(seen.slice(-2)).toEqual(["Insert 100 undefined", "Delete undefined 1"]);
      expect(errors).toEqual([]);
      await listening.close();
    },
  );

  test("says of snapshots what a server says", { timeout: 60_000 }, async () => {
    const { port } = await shop(server);
    const live = liveServer(major);
    const ours = { host: "127.0.0.1", port, user: "u" };
    const theirs = { host: live.host, port: live.port, user: live.user };
    const database = `publisher_snapshot_${process.pid}`;
    await live.sql(`CREATE DATABASE ${database}`);
    onTestFinished(async () => {
      await expect.poll(() => live.sql(`DROP DATABASE ${database}`).then(() => true, String), patient).toBe(true);
    });
    const said = async (address: typeof ours) => {
      const open = () => connect({ ...address, database, replication: "database" });
      const [exporter, importer] = [await open(), await open()];
      const errors: string[] = [];
      const words = (reason: ServerError) => errors.push(`${reason.sqlstate} ${reason.message}`);
      const create = (name: string, snapshot: "export" | "use") =>
        exporter.createSlot(name, { plugin: "pgoutput", temporary: true, snapshot });
      const take = async (name: string) => {
        await importer.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ");
        await importer.query(`SET TRANSACTION SNAPSHOT '${name}'`).catch(words);
        await importer.query("ROLLBACK");
      };
      await create("a", "use").catch(words);
      const { snapshot_name } = await create("b", "export");
      await take(snapshot_name!);
      errors.push("taken");
      await exporter.identifySystem();
      await take(snapshot_name!);
      await take("00000003-00000009-9");
      await take("no such");
      await exporter.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ");
      await create("c", "export").catch(words);
      await exporter.query("ROLLBACK");
      await exporter.disconnect();
      await importer.disconnect();
      return errors.map((each) => each.replaceAll(snapshot_name!, "NAME"));
    };
    expect(await said(ours)).toEqual(await said(theirs));
  });
});

test("walwire/subscribe follows a publisher, and goes on where it has confirmed", { timeout: 120_000 }, async () => {
  const { publisher, item, port, errors } = await shop(180000);
  const seen: unknown[] = [];
  const follow = async (count: number) => {
    const connection = { host: "127.0.0.1", port, user: "u", database: "d" };
    const subscription = subscribe({ connection, slotname: "ours", publications: ["it's"] });
    for await (const event of subscription) {
      if (event.type === "Transaction") {
        for await (const { row } of event.changes) seen.push(row?.["a b" as never]);
        subscription.confirm(event);
        if (seen.length >= count) await subscription.stop();
      }
    }
  };
  await publisher.createSlot("ours");
  await publisher.transaction((t) => t.insert(item, [100, "new", null]));
  await follow(1);
  await publisher.transaction((t) => t.insert(item, [101, "new", null]));
  await follow(2);
  expect(seen).toEqual([100, 101]);
  expect(errors).toEqual([]);
});
