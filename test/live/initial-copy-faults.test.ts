/** The initial copy where something goes wrong or slowly: consumers that wait, tables that change, privileges, limits of the server. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { ArgumentError, ServerError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import type { CopiedTables } from "../../src/node/subscribe/copied-tables.ts";
import { type CopyTablesOptions, copyTables } from "../../src/node/subscribe/copy.ts";
import { subscribe } from "../../src/node/subscribe/index.ts";
import { collect, newDatabase, newTypeMap, opener } from "../initial-copies.ts";
import { times } from "../seed.ts";
import { type Server, startServer } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

/** In short runs the oldest and the newest. */
const majors = times < 1 ? longTestMajors.filter((_, i, all) => i === 0 || i === all.length - 1) : longTestMajors;

describe.each(majors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);

  /** Options for a database. */
  function optionsOf(database: string, more: Partial<CopyTablesOptions> = {}): CopyTablesOptions {
    return { open: opener(server, database), publications: ["p"], typeMap: newTypeMap(server), ...more };
  }

  const backends = async (database: string, on: Server = server): Promise<(string | null)[]> => {
    const { rows } = await on.sql(
      `SELECT wait_event FROM pg_stat_activity WHERE datname = '${database}' AND query LIKE 'COPY %' AND state = 'active'`,
    );
    return rows.map(([event]) => event!);
  };

  const gone = (database: string) =>
    expect
      .poll(async () => (await server.sql(`SELECT 1 FROM pg_stat_activity WHERE datname = '${database}'`)).rows, {
        timeout: 5000,
      })
      .toEqual([]);

  /** Two tables of 4 MB each, which are more than sockets hold. */
  const LARGE = `CREATE TABLE a (id int PRIMARY KEY, t text); CREATE TABLE b (id int PRIMARY KEY, t text);
    INSERT INTO a SELECT i, repeat('x', 500) FROM generate_series(1, 8000) i; INSERT INTO b SELECT * FROM a;
    CREATE PUBLICATION p FOR TABLE a, b`;

  test("a consumer that waits makes the server wait, beyond every limit of time", async () => {
    // Since 12 a connection can set it.
    const slow = major >= 12 ? server : await startServer({ major, settings: { wal_sender_timeout: "500ms" } });
    if (slow !== server) onTestFinished(() => (slow as Awaited<ReturnType<typeof startServer>>).stop());
    const database = await newDatabase(slow, [LARGE]);
    for (const name of ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"]) {
      await slow.sql(`ALTER DATABASE ${database} SET ${name} = '500ms'`);
    }
    if (major >= 17) await slow.sql(`ALTER DATABASE ${database} SET transaction_timeout = '500ms'`);
    const open = opener(slow, database, major >= 12 ? { options: "-c wal_sender_timeout=500ms" } : {});
    let [rows, read] = [0, 0];
    for await (const event of copyTables(optionsOf(database, { open, workers: 2 }))) {
      if (event.type !== "CopyRows") continue;
      rows += event.rows.length;
      if (read++ > 0) continue;
      await expect.poll(() => backends(database, slow)).toEqual(["ClientWrite", "ClientWrite"]);
      await sleep(2000);
      expect(await backends(database, slow)).toEqual(["ClientWrite", "ClientWrite"]);
    }
    expect(rows).toBe(16_000);
  });

  test.runIf(major === majors.at(-1))(
    "over TCP, tcp_user_timeout ends a connection whose consumer waits longer",
    async () => {
      const port = 20_000 + (process.pid % 10_000);
      const settings = { listen_addresses: "127.0.0.1", port: `${port}`, tcp_user_timeout: "500ms" };
      const own = await startServer({ major, settings });
      onTestFinished(() => own.stop());
      await own.sql(LARGE);
      const open = opener({ ...own, host: "127.0.0.1" }, own.database);
      const options = optionsOf(own.database, { open, typeMap: newTypeMap(own) });
      const wait = async (milliseconds: number) => {
        let rows = 0;
        for await (const event of copyTables(options)) {
          if (event.type !== "CopyRows") continue;
          if (rows === 0) await sleep(milliseconds);
          rows += event.rows.length;
        }
        return rows;
      };
      expect(await wait(0)).toBe(16_000);
      await expect(wait(3000)).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    },
  );

  test("a subscription outlives idle_in_transaction_session_timeout; names in values are qualified in copy and stream", async () => {
    const database = await newDatabase(server, [
      `CREATE TABLE t (a int, c regclass); INSERT INTO t VALUES (1, 't'); CREATE PUBLICATION p FOR TABLE t`,
    ]);
    await server.sql(`ALTER DATABASE ${database} SET idle_in_transaction_session_timeout = '200ms'`);
    const { host, port, user } = server;
    const connection = { host, port, user, database };
    const slot = { slotname: `temporary_${process.pid}`, publications: ["p"], temporary: true };
    const rows: unknown[] = [];
    const subscription = subscribe({ connection, ...slot, copy: true, reconnect: false });
    for await (const event of subscription) {
      if (event.type === "CopyRows") {
        rows.push(...event.rows.map((row) => ({ ...row })));
        await sleep(600);
        await server.sql("INSERT INTO t VALUES (2, 't')", { database });
      } else if (event.type === "Transaction") {
        for await (const change of event.changes) if (change.type === "Insert") rows.push({ ...change.row });
      }
      subscription.confirm(event);
      if (event.type === "Transaction") break;
    }
    expect(rows).toEqual([1, 2].map((a) => ({ a, c: "public.t" })));
  });

  test("a batch has some 256 KiB, and a worker is one batch ahead", async () => {
    const database = await newDatabase(server, [LARGE]);
    let received = 0;
    const opened = opener(server, database);
    const open = async () => {
      const connection = await opened();
      const { copyOut } = connection;
      connection.copyOut = async function* (...args) {
        for await (const chunk of copyOut.apply(connection, args)) {
          received += chunk.length;
          yield chunk;
        }
      };
      return connection;
    };
    let [delivered, batches] = [0, 0];
    for await (const event of copyTables(optionsOf(database, { open, workers: 2 }))) {
      if (event.type !== "CopyRows") continue;
      batches++;
      delivered += event.rows.reduce((sum, { id }) => sum + `${id}`.length + 502, 0);
      await sleep(1);
      // Each worker may also have begun the batch after that, by less than a row.
      expect(received - delivered).toBeLessThanOrEqual(2 * (256 * 1024 + 1024));
    }
    expect(received).toBe(delivered);
    expect(batches).toBeGreaterThan(29);
    expect(batches).toBeLessThan(35);
  });

  test("a loop that is left, or aborted, closes the connections", async () => {
    const database = await newDatabase(server, [LARGE]);
    for await (const event of copyTables(optionsOf(database))) if (event.type === "CopyRows") break;
    await gone(database);

    const controller = new AbortController();
    const reason = new Error("enough");
    const events = copyTables(optionsOf(database, { signal: controller.signal }));
    expect((await events.next()).done).toBe(false);
    setTimeout(() => controller.abort(reason), 10);
    const read = async () => {
      for await (const _ of events) await sleep(1);
    };
    await expect(read()).rejects.toBe(reason);
    await gone(database);
    await expect(copyTables(optionsOf(database, { signal: controller.signal })).next()).rejects.toBe(reason);
  });

  test("a backend that is killed ends the copy with an error", async () => {
    const database = await newDatabase(server, [LARGE]);
    const kill = async () => {
      for await (const event of copyTables(optionsOf(database))) {
        if (event.type !== "CopyRows") continue;
        await server.sql(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND query LIKE 'COPY %'`,
        );
      }
    };
    await expect(kill()).rejects.toThrow(/terminating connection|closed the connection/);
    await gone(database);
  });

  test("what becomes of a table between the snapshot and its turn", async () => {
    const database = await newDatabase(server, [
      `CREATE TABLE first (id int PRIMARY KEY, t text); INSERT INTO first SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i;
       CREATE TABLE kept (id int); INSERT INTO kept VALUES (1);
       CREATE TABLE dropped (id int); INSERT INTO dropped VALUES (1);
       CREATE TABLE truncated (id int); INSERT INTO truncated VALUES (1);
       CREATE TABLE rewritten (id int); INSERT INTO rewritten VALUES (1);
       CREATE TABLE renamed (id int); INSERT INTO renamed VALUES (1);
       CREATE TABLE less (id int, gone int); INSERT INTO less VALUES (1, 2);
       CREATE TABLE more (id int); INSERT INTO more VALUES (1)`,
      "CREATE PUBLICATION p FOR ALL TABLES",
    ]);
    const points = new Map<string, Lsn>();
    const rows = new Map<string, unknown[]>();
    const change = `DROP TABLE dropped; TRUNCATE truncated; INSERT INTO truncated VALUES (2);
      ALTER TABLE rewritten ALTER id TYPE int8; ALTER TABLE renamed RENAME TO named; ALTER TABLE less DROP gone;
      ALTER TABLE more ADD later int; INSERT INTO kept VALUES (2); INSERT INTO more VALUES (2)`;
    let changed = false;
    for await (const { type, relation, ...event } of copyTables(optionsOf(database, { workers: 1, again: false }))) {
      if (type === "CopyBegin") {
        expect((event as { again: boolean }).again).toBe(false);
        points.set(relation.name, (event as { lsn: Lsn }).lsn);
        rows.set(relation.name, []);
        // The others have one page each: the largest is the first.
        expect(changed).toBe(relation.name !== "first");
        if (!changed) await server.sql(change, { database });
        changed = true;
      } else if (type === "CopyRows" && relation.name !== "first") {
        rows
          .get(relation.name)!
          .push(...(event as unknown as { rows: object[] }).rows.map((row) => Object.entries(row)));
      }
    }
    rows.delete("first");
    const before = points.get("first")!;
    points.delete("first");
    expect(Object.fromEntries([...rows].sort())).toEqual({
      kept: [[["id", 1]]],
      less: [[["id", 1]]],
      more: [[["id", 1]]],
      named: [[["id", 1]]],
      rewritten: [[["id", 1n]]],
      truncated: [[["id", 2]]],
    });
    const later = [...points].filter(([, lsn]) => lsn > before).map(([name]) => name);
    expect(later.sort()).toEqual(["less", "named", "rewritten", "truncated"]);
  });

  test("without anything left to copy there are no events, and no slot is made", async () => {
    const database = await newDatabase(server, ["CREATE TABLE t (a int)", "CREATE PUBLICATION p FOR TABLE t"]);
    const events = copyTables(optionsOf(database));
    let copied: CopiedTables | undefined;
    for (let next = await events.next(); ; next = await events.next()) {
      if (next.done === true) {
        copied = next.value;
        break;
      }
    }
    expect(copied.tables).toMatchObject([{ namespace: "public", name: "t" }]);
    // A transaction that is open would make the making of a slot wait.
    const open = await server.connect({ database });
    await open.query("BEGIN; SELECT pg_current_xact_id()".replace("pg_current_xact_id", "txid_current"));
    expect(await collect(copyTables(optionsOf(database, { copied: copied.tables })))).toEqual(new Map());
    await open.close();
  });

  test("errors name the table, and privileges on the published columns are enough", async () => {
    const role = `copier_${process.pid}_${major}`;
    const database = await newDatabase(server, [
      `CREATE TABLE allowed (a int, b int); INSERT INTO allowed VALUES (1, 2);
       CREATE TABLE forbidden (a int); CREATE TABLE hidden (a int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
       CREATE PUBLICATION p FOR TABLE allowed; CREATE PUBLICATION q FOR TABLE forbidden; CREATE PUBLICATION h FOR TABLE hidden;
       CREATE ROLE ${role} LOGIN REPLICATION; GRANT SELECT (a, b) ON allowed TO ${role}; GRANT SELECT ON hidden TO ${role}`,
    ]);
    onTestFinished(async () => {
      // The database goes after this.
      await server.sql(`DROP OWNED BY ${role}`, { database });
      await server.sql(`DROP ROLE ${role}`);
    });
    const open = opener(server, database, { user: role });
    const options = optionsOf(database, { open });
    expect((await collect(copyTables(options))).get("public.allowed")?.rows).toEqual([{ a: 1, b: 2 }]);
    await expect(collect(copyTables({ ...options, publications: ["q"] }))).rejects.toMatchObject({
      sqlstate: "42501",
      where: 'initial copy of table "public"."forbidden"',
    });
    // Row security would leave rows out that the stream sends.
    await expect(collect(copyTables({ ...options, publications: ["h"] }))).rejects.toMatchObject({
      message: 'query would be affected by row-level security policy for table "hidden"',
    });
  });

  test.runIf(major >= 15)(
    "an error in the middle of a table, and column lists that contradict each other",
    async () => {
      const database = await newDatabase(server, [
        `CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(-100000, 100000);
       CREATE TABLE two (a int PRIMARY KEY, b int);
       CREATE PUBLICATION p FOR TABLE t WHERE (1 / id > -7);
       CREATE PUBLICATION one FOR TABLE two (a); CREATE PUBLICATION every_column FOR TABLE two`,
      ]);
      await expect(collect(copyTables(optionsOf(database)))).rejects.toSatisfy(
        (error: ServerError) =>
          error instanceof ServerError && error.message === "division by zero" && /"t"$/.test(error.where!),
      );
      await expect(collect(copyTables(optionsOf(database, { publications: ["one", "every_column"] })))).rejects.toThrow(
        'cannot use different column lists for table "public.two" in different publications',
      );
    },
  );

  test("publications of any name, whatever the session's settings; those that are missing are named", async () => {
    const name = 'it\'s a \\ "name"';
    const database = await newDatabase(server, [
      `CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE PUBLICATION "${name.replaceAll('"', '""')}" FOR TABLE t`,
    ]);
    for (const options of [
      "-c standard_conforming_strings=on",
      "-c standard_conforming_strings=off -c backslash_quote=off",
    ]) {
      const open = opener(server, database, {
        options: `${options} -c search_path=nowhere -c default_transaction_read_only=on`,
      });
      const copies = await collect(copyTables(optionsOf(database, { open, publications: [name] })));
      expect(copies.get("public.t")?.rows).toEqual([{ a: 1 }]);
    }
    const missing = copyTables(optionsOf(database, { publications: [name, "a", "b"] }));
    await expect(collect(missing)).rejects.toThrow('publications "a" and "b" do not exist');
    await gone(database);
    const open = opener(server, database, { client_encoding: "GBK" });
    await expect(collect(copyTables(optionsOf(database, { open, publications: [name] })))).rejects.toThrow(
      ArgumentError,
    );
  });

  test("a server that has few walsenders gets few workers", async () => {
    const small = await startServer({ major, settings: { max_wal_senders: "2", max_connections: "20" } });
    onTestFinished(() => small.stop());
    await small.sql(
      "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int); INSERT INTO a VALUES (1); CREATE PUBLICATION p FOR ALL TABLES",
    );
    const open = opener(small, small.database);
    const options = { open, publications: ["p"], typeMap: newTypeMap(small), workers: 8 };
    const copies = await collect(copyTables(options));
    expect(copies.size).toBe(3);
    // One for the slot, and none for the first worker.
    const other = await open();
    await expect(collect(copyTables(options))).rejects.toMatchObject({ sqlstate: "53300" });
    await other.disconnect();
  });

  test("bytes that are not UTF-8, in a database of encoding SQL_ASCII", async () => {
    const database = `copy_ascii_${process.pid}`;
    await server.sql(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`);
    onTestFinished(async () => {
      await server.sql(`DROP DATABASE ${database}`);
    });
    const connection = await server.connect({ database });
    await connection.query(
      `DO $$BEGIN EXECUTE convert_from('\\x435245415445205441424c4520e9202861207465787429', 'SQL_ASCII'); END$$;
       DO $$BEGIN EXECUTE convert_from('\\x494e5345525420494e544f20e92056414c554553202827e92729', 'SQL_ASCII'); END$$;
       CREATE PUBLICATION p FOR ALL TABLES`,
    );
    await connection.close();
    const copies = await collect(copyTables(optionsOf(database)));
    expect([...copies].map(([name, { rows }]) => [name, rows])).toEqual([["public.\udce9", [{ a: "\udce9" }]]]);
  });
});
