/** A primary with real standbys is lost in the middle of a plan: the node that the rule lets take over has all that returned. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { observePrimary } from "../../src/node/standbys.ts";
import { printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import {
  canTakeOver,
  planSynchronousStandbys,
  type StandbyWait,
  settingAfterTakeover,
  type TakeoverRule,
} from "../../src/syncrep/plan/index.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { standbyOf } from "../faults/promotion.ts";
import { rowsOf } from "../oracle/standbys.ts";
import { randomNumbers } from "../random.ts";
import { promote } from "../receiving.ts";
import { seed } from "../seed.ts";
import { checked, type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

test("the node that takes over has every commit that returned", { timeout: 120_000 }, async () => {
  const random = randomNumbers(seed);
  const { path, remove } = temporaryDirectory();
  const servers: OwnServer[] = [];
  let writing: Promise<void> = Promise.resolve();
  try {
    const primary = await startServer({ major: longTestMajors.at(-1)! });
    servers.push(primary);
    await primary.sql("CREATE TABLE written (id int)");
    const standbys = new Map<string, OwnServer>();
    for (const name of ["b", "c"]) {
      await primary.sql(`SELECT pg_create_physical_replication_slot('${name}', true)`);
      const standby = await standbyOf(primary, join(path, name), name);
      servers.push(standby);
      standbys.set(name, standby);
    }

    const returned: number[] = [];
    let isOver = false;
    writing = (async () => {
      const session = await primary.connect({});
      try {
        for (let id = 1; !isOver; id++) {
          checked(await session.query(`INSERT INTO written VALUES (${id})`));
          returned.push(id);
        }
      } catch {
        // The primary is gone.
      }
    })();

    let rule: TakeoverRule | undefined = { voters: ["a"], quorum: 1 };
    let wait: StandbyWait | undefined;
    /** Follows plans to the end, or for so many steps. */
    const drive = async (copies: number, most: number): Promise<void> => {
      let commitsWait = false;
      for (let n = 0; n < most; n++) {
        const session = await primary.connect({});
        const query = async (sql: string) => rowsOf(checked(await session.query(sql)));
        const { observed, server } = await observePrimary(query, (problem) => {
          throw new Error(problem);
        });
        commitsWait ||= observed.commitsWait === true;
        const current = { primary: "a", value: observed.value, rule };
        const wanted = { nodes: ["a", "b", "c"], copies };
        const plan = planSynchronousStandbys(current, wanted, { ...observed, commitsWait }, { server, wait });
        wait = plan.wait;
        const [step] = plan.steps;
        if (step?.type === "rule") rule = step.rule;
        else if (step?.type === "value") for (const sql of step.sql) await query(sql);
        else if (step?.wait.mustWait && !commitsWait) {
          for (const sql of step.sql.before) await query(sql);
          commitsWait = true;
        }
        await session.close();
        if (step === undefined) return;
        await sleep(2);
      }
    };
    await drive(1, 1000);
    expect(rule).toEqual({ voters: ["a", "b", "c"], quorum: 2 });
    const before = returned.length;
    await expect.poll(() => returned.length).toBeGreaterThan(before + 10);
    await drive(2, Math.floor(random() * 8));
    process.kill(primary.pid, "SIGKILL");
    isOver = true;
    await writing;

    // As few as the rule takes, which have stopped receiving.
    const names = ["b", "c"].sort(() => random() - 0.5).slice(0, rule!.quorum);
    const seen = [];
    for (const name of names) seen.push({ name, ...(await stopped(standbys.get(name)!)) });
    const takeover = canTakeOver(rule, seen);
    if (takeover.type !== "promote") throw new Error(takeover.sentence);
    const [next] = takeover.candidates;
    const leader = standbys.get(next!)!;
    const value = printSynchronousStandbyNames(settingAfterTakeover(rule!, next!), { server: leader.versionNum });
    await leader.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`);
    await leader.sql("SELECT pg_reload_conf()");
    await promote(leader);
    await expect.poll(async () => (await leader.sql("SELECT pg_is_in_recovery()")).rows[0]![0]).toBe("f");
    const has = new Set((await leader.sql("SELECT id FROM written")).rows.map(([id]) => Number(id)));
    expect(returned.filter((id) => !has.has(id))).toEqual([]);
    expect(returned.length).toBeGreaterThan(10);
  } finally {
    for (const server of servers) await server.stop();
    await writing;
    remove();
  }
});

/** Its position, when it receives no more: what it received from is gone. */
async function stopped(standby: OwnServer): Promise<{ readonly timeline: number; readonly flushLsn: Lsn }> {
  await expect.poll(async () => (await standby.sql("SELECT count(*) FROM pg_stat_wal_receiver")).rows[0]![0]).toBe("0");
  const asked = "SELECT pg_last_wal_receive_lsn(), timeline_id FROM pg_control_checkpoint()";
  const [lsn, timeline] = (await standby.sql(asked)).rows[0]!;
  return { timeline: Number(timeline), flushLsn: parseLsn(lsn!) };
}
