/** Plans of walwire/syncrep/plan, followed on servers whose standbys are fake ones. */
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { planSynchronousStandbys } from "../../src/syncrep/plan/index.ts";
import { followPlans } from "../oracle/standby-plans.ts";
import { FakeStandby, rowsOf, settingsForStandbys } from "../oracle/standbys.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { checked, type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

const file = join(tmpdir(), `walwire-wait-${process.pid}.json`);

const newest = longTestMajors.at(-1)!;

describe.for(longTestMajors.filter((major) => major !== longTestMajors[0] || major === newest))(
  "PostgreSQL %i",
  (major) => {
    let server: OwnServer;
    beforeAll(async () => {
      // Of its own, since every commit on it waits.
      server = await startServer({ major, settings: settingsForStandbys });
    }, 60_000);
    afterAll(() => server?.stop());

    test("a plan loses no commit that returned", { timeout: 60_000 * times }, async () => {
      const { faults, finished, returned } = await followPlans(server, { changes: 8 * times, seed });
      expect(faults, `seed ${seed}`).toEqual([]);
      expect(finished).toBeGreaterThan(0);
      expect(returned).toBeGreaterThan(4);
    });

    test.runIf(major === newest)("without its waits it does", { timeout: 60_000 }, async () => {
      const counts = { changes: 200, seed };
      const { faults } = await followPlans(server, counts, undefined, (steps) =>
        steps.filter(({ type }) => type !== "wait"),
      );
      expect(faults[0], `seed ${seed}`).toContain("returned, and");
    });

    test.runIf(major === newest)("walwire sync plan --from sees it done", async () => {
      const position = parseLsn((await server.sql("SELECT pg_current_wal_insert_lsn()")).rows[0]![0]!);
      const standby = await FakeStandby.open(server, "b", "streaming", [position, position, position]);
      await standby.roundTrip();
      const url = `postgres://postgres@/postgres?host=${encodeURIComponent(server.host)}&port=${server.port}`;
      const plan = (...more: string[]) =>
        runWalwire(["sync", "plan", "--from", url, "--primary", "a", "--nodes", "a,b", "--json", ...more]);
      const asked = await plan("--rule", "2 of a,b");
      const steps = JSON.parse(asked.stdout).steps as { readonly type: string; readonly sql: readonly string[] }[];
      expect(steps.map(({ type }) => type)).toEqual(["value", "wait", "rule"]);
      for (const sql of [...steps[0]!.sql, "CHECKPOINT", "CHECKPOINT"]) await server.sql(sql);
      const session = await server.connect({});
      try {
        // A commit waits, and the view says so.
        const commit = session.query("CREATE TABLE plan_from (id int)");
        await vi.waitFor(async () => {
          const waiting = await plan("--rule", "2 of a,b");
          expect(JSON.parse(waiting.stdout).wait).toMatchObject({ inEffect: true, satisfied: false });
          writeFileSync(file, JSON.stringify(JSON.parse(waiting.stdout).wait));
        }, 10_000);
        const now = parseLsn((await server.sql("SELECT pg_current_wal_insert_lsn()")).rows[0]![0]!);
        standby.positions = [now, now, now];
        await standby.roundTrip();
        await commit;
        await vi.waitFor(async () => {
          const done = JSON.parse((await plan("--rule", "2 of a,b", "--wait", file)).stdout);
          expect(done.steps).toEqual([expect.objectContaining({ rule: { voters: ["a", "b"], quorum: 1 } })]);
        }, 10_000);
      } finally {
        await server.sql("ALTER SYSTEM RESET synchronous_standby_names");
        await server.sql("SELECT pg_reload_conf()");
        standby.close();
        await session.close();
        rmSync(file, { force: true });
      }
    });

    test.runIf(major === newest)("a node that connects twice counts as two, and the plan says so", async () => {
      const value = "ANY 2 (b, c)";
      await server.sql("CREATE TABLE IF NOT EXISTS shared_name (id int)");
      await server.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`);
      await server.sql("SELECT pg_reload_conf()");
      const monitor = await server.connect({ options: "-c synchronous_commit=local" });
      const session = await server.connect({});
      const position = async () =>
        parseLsn(rowsOf(checked(await monitor.query("SELECT pg_current_wal_insert_lsn() AS lsn")))[0]!.lsn!);
      const pid = rowsOf(checked(await session.query("SELECT pg_backend_pid() AS pid")))[0]!.pid;
      // Only the checkpointer makes commits wait.
      checked(await monitor.query("CHECKPOINT"));
      checked(await monitor.query("CHECKPOINT"));
      const standbys: FakeStandby[] = [];
      try {
        let returned = false;
        const commit = session.query("INSERT INTO shared_name VALUES (1)").then(() => {
          returned = true;
        });
        const waits = `SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = ${pid}`;
        await expect.poll(async () => rowsOf(checked(await monitor.query(waits)))[0]!.n).toBe("1");
        const at = await position();
        standbys.push(await FakeStandby.open(server, "b", "streaming", [at, at, at]));
        await standbys[0]!.roundTrip();
        expect(returned).toBe(false);
        standbys.push(await FakeStandby.open(server, "b", "streaming", [at, at, at]));
        await standbys[1]!.roundTrip();
        await commit;
      } finally {
        await server.sql("ALTER SYSTEM RESET synchronous_standby_names");
        await server.sql("SELECT pg_reload_conf()");
        for (const standby of standbys) standby.close();
        await Promise.all([monitor.close(), session.close()]);
      }
      const row = {
        applicationName: "b",
        state: "streaming" as const,
        writeLsn: parseLsn("0/8"),
        flushLsn: parseLsn("0/8"),
        replayLsn: undefined,
      };
      const { findings } = planSynchronousStandbys(
        { primary: "a", value, rule: undefined },
        { nodes: ["a", "b", "c"], copies: 2 },
        { value, standbys: [row, row] },
      );
      expect(findings.map(({ code }) => code)).toContain("SHARED_NAME");
    });
  },
);
