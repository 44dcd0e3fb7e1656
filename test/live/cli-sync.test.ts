/** `walwire sync --from` against running primaries with standbys that are walsender connections: what it shows is what they show. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { encodeWalReceiverMessage } from "../../src/physical/index.ts";
import { frame, majors, type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { type Run, runWalwire } from "../walwire.ts";

const walwire = (...args: string[]): Promise<Run> => runWalwire(["sync", ...args]);

function url(server: OwnServer, user = "postgres"): string {
  return `postgres://${user}@/postgres?host=${encodeURIComponent(server.host)}&port=${server.port}`;
}

/** The oldest and the newest: their names of functions and columns are the same, their servers are not. */
describe.each([majors[0]!, majors.at(-1)!])("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let current: Lsn;
  const standbys: RawConnection[] = [];

  /** Somebody who has got everything, flushed all but a kilobyte, and replayed nothing. */
  async function standby(name: string): Promise<void> {
    const connection = await server.connect({ replication: "true", application_name: name });
    standbys.push(connection);
    connection.send("Q", `START_REPLICATION PHYSICAL ${lsnText(current)}`);
    expect((await connection.next()).type).toBe("W");
    const flush = (current - 1024n) as Lsn;
    const clientTime = toPgTime(0n);
    const status = { write: current, flush, apply: 0n as Lsn, clientTime, replyRequested: false };
    connection.write(frame("d", encodeWalReceiverMessage({ type: "StandbyStatusUpdate", ...status })));
  }

  function lsnText(lsn: bigint): string {
    return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`;
  }

  async function set(value: string): Promise<void> {
    await server.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value.replaceAll("'", "''")}'`);
    await server.sql("SELECT pg_reload_conf()");
    // The postmaster has read it once a new session has it.
    await vi.waitFor(async () => {
      expect((await server.sql("SHOW synchronous_standby_names")).rows).toEqual([[value]]);
    }, 10_000);
  }

  /** What the server itself shows: name, sync_priority, sync_state. */
  async function view(): Promise<string[][]> {
    const rows = await server.sql(
      "SELECT application_name, sync_priority, sync_state FROM pg_stat_replication ORDER BY pid",
    );
    return rows.rows.map((row) => row.map(String));
  }

  beforeAll(async () => {
    // Commits wait for nobody, whatever the setting is.
    server = await startServer({ major, settings: { wal_sender_timeout: "0", synchronous_commit: "local" } });
    const { rows } = await server.sql("SELECT pg_current_wal_lsn()");
    current = parseLsn(rows[0]![0]!);
    for (const name of ["node-1", "node-2", "Other"]) await standby(name);
    await vi.waitFor(async () => {
      const known = await server.sql("SELECT 1 FROM pg_stat_replication WHERE flush_lsn IS NOT NULL");
      expect(known.rows).toHaveLength(3);
    }, 10_000);
  }, 60_000);

  afterAll(async () => {
    for (const connection of standbys) await connection.close().catch(() => {});
    await server?.stop();
  });

  test.each(['ANY 1 ("node-1", other)', 'FIRST 1 (other, "node-2", "node-1")', "*", ""])(
    "explain shows what pg_stat_replication shows, of %j",
    async (value) => {
      await set(value);
      // Walsenders take a setting when they wake up.
      const states = async () => (await view()).map(([name, priority, state]) => `${name} ${priority} ${state}`).sort();
      const { stdout } = await walwire("explain", "--from", url(server), "--json").then(async (run) => {
        expect(run.stderr).toBe("");
        expect(run.status).toBe(0);
        return run;
      });
      const answer = JSON.parse(stdout);
      expect(answer.synchronousCommit).toBe("local");
      const ours = (answer.standbys ?? []).map(
        (each: { applicationName: string; syncPriority: number; syncState: string }) =>
          `${each.applicationName} ${each.syncPriority} ${each.syncState}`,
      );
      if (value === "") expect(answer.config).toBeNull();
      else await expect.poll(states).toEqual(ours.sort());
    },
  );

  test("a table for people, with how far they are behind", async () => {
    await set('ANY 1 ("node-1", other)');
    const { status, stdout } = await walwire("explain", "--from", url(server));
    expect(status).toBe(0);
    expect(stdout).toContain(`✔ ANY 1 ("node-1", other) is accepted by PostgreSQL ${major}.`);
    expect(stdout).toMatch(/^ {2}node-1 +streaming +1 +quorum +\S+\/\S+ +\S+\/\S+ +[\d,]+ bytes$/m);
    expect(stdout).toMatch(/^ {2}node-2 +streaming +0 +async /m);
    expect(stdout).toMatch(/^ {2}Other +streaming +1 +quorum /m);
    expect(stdout).toMatch(/^ {2}on +\S+\/\S+ +node-1 or Other +flushed on 1 standby$/m);
    expect(stdout).toMatch(/^ {2}remote_apply +nothing +/m);
    // What nobody waits for is no matter, but that nobody has replayed is.
    expect(stdout).toContain("\nCommits with synchronous_commit = local wait for no standby: no loss blocks them.\n");
    expect(stdout).toContain(
      "\nCommits with synchronous_commit = remote_apply are blocked: node-1 and Other have replayed nothing.\n",
    );
    expect(stdout).toContain("\nsynchronous_commit is local there, unless a session or transaction sets it.\n");
    const behind = Number(/node-1 .* ([\d,]+) bytes$/m.exec(stdout)![1]!.replaceAll(",", ""));
    expect(behind).toBeGreaterThanOrEqual(1024);
  });

  test("what would be with another value, which is not set", async () => {
    await set("");
    const { stdout } = await walwire("explain", "FIRST 4 (*)", "--from", url(server));
    // This role's commits are local: each other level is named, the default too.
    for (const level of ["remote_write", "on", "remote_apply"]) {
      expect(stdout).toContain(
        `\nCommits with synchronous_commit = ${level} are blocked: 1 more standby of the list must stream.\n`,
      );
    }
    expect((await server.sql("SHOW synchronous_standby_names")).rows).toEqual([[""]]);
    expect((await view()).map(([, , state]) => state)).toEqual(["async", "async", "async"]);
  });

  test("check and fix take the value that it runs with", async () => {
    await set('ANY 1 ("node-1", other, OTHER)');
    const checked = await walwire("check", "--from", url(server), "--strict");
    expect(checked.status).toBe(1);
    expect(checked.stdout).toContain('warning DUPLICATE: "OTHER" repeats "other" and has no effect.\n');
    expect((await walwire("fix", "--from", url(server))).stdout).toBe('ANY 1 ("node-1", other)\n');
    expect((await server.sql("SHOW synchronous_standby_names")).rows).toEqual([['ANY 1 ("node-1", other, OTHER)']]);
  });

  test("what the page has psql write is read, with and without standbys", async () => {
    const page = readFileSync(new URL("../../docs/synchronous-standby-names.md", import.meta.url), "utf8");
    const [, query] = /^# psql -XAtc "(.*)" > standbys\.json$/m.exec(page)!;
    for (const [sql, rows] of [
      [query!, 3],
      [query!.replace(" AS r", " AS r WHERE false"), 0],
    ] as const) {
      const input = `${(await server.sql(sql)).rows[0]![0]}\n`;
      const run = await runWalwire(["sync", "explain", "ANY 1 (*)", "--standbys", "-", "--json"], { input });
      expect(JSON.parse(run.stdout).standbys).toHaveLength(rows);
      expect(run.status).toBe(rows === 0 ? 4 : 0);
    }
  });

  test("a role that may not see, and one that may", async () => {
    await server.sql("CREATE ROLE nobody LOGIN");
    const { status, stderr } = await walwire("explain", "a", "--from", url(server, "nobody"));
    expect([status, stderr]).toEqual([
      3,
      "walwire: this role may not see the standbys: it needs pg_monitor, or to be superuser\n",
    ]);
    // The value can be checked all the same.
    await set("a");
    const checked = await walwire("check", "--from", url(server, "nobody"));
    expect([checked.status, checked.stdout]).toEqual([
      0,
      expect.stringContaining("\nThis role may not see the standbys (pg_monitor may): not checked whether commits are"),
    ]);
    await server.sql("GRANT pg_monitor TO nobody");
    expect((await walwire("explain", "a", "--from", url(server, "nobody"))).status).toBe(0);
  });

  test("a primary whose commits are blocked now has an exit status of its own", async () => {
    await set("nowhere");
    // This role's commits wait for no standby.
    expect((await walwire("check", "--from", url(server))).status).toBe(0);
    await server.sql("CREATE ROLE waits LOGIN SUPERUSER");
    await server.sql("ALTER ROLE waits SET synchronous_commit = on");
    const check = await walwire("check", "--from", url(server, "waits"));
    expect([check.status, check.stdout]).toEqual([
      4,
      expect.stringContaining("\n✘ Commits are blocked: 1 more standby of the list must stream.\n"),
    ]);
    expect((await walwire("explain", "--from", url(server, "waits"))).status).toBe(4);
    await set("*");
    expect((await walwire("check", "--from", url(server, "waits"))).status).toBe(0);
    await server.sql("ALTER ROLE waits SET synchronous_commit = remote_apply");
    expect((await walwire("check", "--from", url(server, "waits"))).status).toBe(4);
    expect((await walwire("check", "b", "--from", url(server, "waits"))).status).toBe(0);
  });

  test("a server that says no, and none", async () => {
    const refused = await walwire("explain", "--from", url(server, "somebody"));
    expect([refused.status, refused.stdout]).toEqual([3, ""]);
    expect(refused.stderr).toMatch(/^walwire: the server reported: role "somebody" does not exist/);
    const gone = await walwire("explain", "--from", `postgres://me@/x?host=${encodeURIComponent("/nowhere")}`);
    expect(gone.status).toBe(3);
    expect(gone.stderr).toMatch(/^walwire: cannot reach the server: .*ENOENT/);
  });
});
