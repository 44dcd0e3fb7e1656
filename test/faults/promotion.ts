/** A standby that is promoted while a subscription follows its primary. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logicalCapabilities } from "../../src/logical/capabilities.ts";
import { type Subscription, type SubscriptionState, subscribe } from "../../src/node/subscribe/index.ts";
import { baseBackupCommand, takeBackup, temporaryDirectory } from "../basebackup.ts";
import { promote } from "../receiving.ts";
import { type OwnServer, ServerError, startServer } from "../servers/index.ts";
import { compare, Judgement, replay } from "./journal.ts";
import { lineOf, textOf } from "./lines.ts";
import { FaultProxy } from "./proxy.ts";
import { Random } from "./random.ts";
import { END } from "./stored.ts";
import { setup, tables, Writers } from "./writers.ts";

/** The physical slot of the standby. */
const STANDBY = "standby";

/** Servers from 17 on synchronize slots to standbys. */
const SYNCHRONIZED = 17;

export interface PromotionResult {
  readonly transactions: number;
  readonly repeated: number;
  readonly reconnects: number;
  /** The error that ended the subscription. */
  readonly error: unknown;
}

/**
 * Kill a primary while transactions are committed, promote its standby, and send the subscription there.
 *
 * @returns what was delivered. From 17 on that is, in order, what the promoted standby has, and what is committed there; before, the
 *   subscription ends with an error.
 * @throws Judgement if something is missing, comes twice, or is not on the promoted standby.
 */
export async function runPromotion(major: number, seed: number): Promise<PromotionResult> {
  const random = new Random(seed);
  const failover = major >= SYNCHRONIZED;
  const { path, remove } = temporaryDirectory();
  const servers: OwnServer[] = [];
  let proxy: FaultProxy | undefined;
  let writers: Writers | undefined;
  let subscription: Subscription | undefined;
  try {
    // No change is sent to a subscriber that the standby does not have.
    const primary = await startServer({ major, settings: failover ? { synchronized_standby_slots: STANDBY } : {} });
    servers.push(primary);
    for (const sql of setup) await primary.sql(sql);
    await primary.sql(
      `CREATE PUBLICATION p FOR ALL TABLES; SELECT pg_create_physical_replication_slot('${STANDBY}', true)`,
    );
    const standby = await standbyOf(primary, join(path, "data"));
    servers.push(standby);
    proxy = await FaultProxy.start(primary);
    const { port, user, database } = primary;
    let state: SubscriptionState | undefined;
    const followed = subscribe({
      connection: { host: proxy.host, port, user, database },
      ...{ slotname: "s", publications: ["p"], failover },
      ...{ timeout: 5000, stopTimeout: 500, reconnect: { first: 10, longest: 200 } },
      store: {
        load: () => state,
        save: (saved) => {
          state = saved;
        },
      },
    });
    subscription = followed;
    await followed.start();
    const lines = [textOf({ type: "Start", lsn: "0" })];
    let error: unknown;
    let isOver = false;
    const following = (async () => {
      try {
        for await (const event of followed) {
          const line = textOf(await lineOf(event));
          lines.push(line);
          followed.confirm(event);
          if (line.includes('"id":1,"a":"end"')) break;
        }
      } catch (thrown) {
        error = thrown;
      } finally {
        isOver = true;
      }
    })();
    if (failover) {
      // By the function while nothing is written: the pauses of the worker grow.
      await until(60_000, "the slot is not synchronized", async () => {
        await primary.sql("SELECT pg_log_standby_snapshot()");
        try {
          await standby.sql("SELECT pg_sync_replication_slots()");
        } catch (error) {
          // object_not_in_prerequisite_state: the standby is behind the slot.
          if (!(error instanceof ServerError) || error.fields.C !== "55000") throw error;
        }
        return isSynchronized(standby);
      });
      await standby.sql("ALTER SYSTEM SET sync_replication_slots = on");
      await standby.sql("SELECT pg_reload_conf()");
    }
    const supportsTruncate = logicalCapabilities.supports(primary.versionNum, "publishTruncate");
    const kinds = { prepares: false, truncates: supportsTruncate, messages: false };
    writers = new Writers({ server: primary, database, random, writers: 3, ...kinds });
    // In mid-stream.
    const before = lines.length;
    await until(60_000, "nothing is delivered", async () => lines.length > before + 5 + random.below(60));
    process.kill(primary.pid, "SIGKILL");
    await promote(standby);
    await proxy.switchTo(standby);
    await writers.stop();
    await until(60_000, "the standby is not promoted", async () => {
      const { rows } = await standby.sql("SELECT pg_is_in_recovery()");
      return rows[0]?.[0] === "f";
    });
    await standby.sql(END);
    await until(60_000, "the subscription does not go on", async () => isOver);
    await following;
    const { reconnects } = followed.status();
    if (error !== undefined) return { transactions: lines.length, repeated: 0, reconnects, error };
    const { tables: rebuilt, transactions, repeated } = replay(lines.join("\n"), true, []);
    for (const table of tables) {
      const { columns, rows } = await standby.sql(`SELECT * FROM ${table}`);
      compare(table, rebuilt.get(table), columns, rows);
    }
    return { transactions, repeated, reconnects, error: undefined };
  } finally {
    await writers?.stop();
    await subscription?.stop();
    await proxy?.close();
    for (const server of servers) await server.stop();
    remove();
  }
}

/**
 * A standby that streams from a server, and has its failover slots.
 *
 * @param name Its application_name, and that of the slot that it uses.
 */
export async function standbyOf(primary: OwnServer, directory: string, name = STANDBY): Promise<OwnServer> {
  const { major, host, user, versionNum } = primary;
  const connection = await primary.connect({ replication: "true" });
  await takeBackup(connection, versionNum, baseBackupCommand(versionNum, { WAL: true }), { directory });
  await connection.close();
  const recovery = {
    primary_conninfo: `host=${host} user=${user} dbname=postgres application_name=${name}`,
    primary_slot_name: name,
  };
  const settings = { hot_standby: "on", hot_standby_feedback: "on" };
  if (major < 12) {
    const all = { standby_mode: "on", trigger_file: "promote_here", ...recovery };
    const text = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`);
    writeFileSync(join(directory, "recovery.conf"), text.join(""));
    return startServer({ major, from: directory, settings });
  }
  writeFileSync(join(directory, "standby.signal"), "");
  return startServer({ major, from: directory, settings, conf: recovery });
}

async function isSynchronized(standby: OwnServer): Promise<boolean> {
  const { rows } = await standby.sql(
    "SELECT FROM pg_replication_slots WHERE slot_name = 's' AND synced AND NOT temporary AND invalidation_reason IS NULL",
  );
  return rows.length > 0;
}

async function until(milliseconds: number, otherwise: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const limit = Date.now() + milliseconds; Date.now() < limit; await sleep(20)) if (await isSo()) return;
  throw new Judgement(otherwise);
}
