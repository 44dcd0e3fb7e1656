/**
 * Plans of walwire/syncrep/plan on a running primary with fake standbys: nodes join and leave, receive and disconnect at random while
 * sessions commit, and the planner sets what its plans say. At each moment, whichever voters the rule takes without the primary, the
 * furthest of them must have every commit that returned. Commits that must wait wait, and others return.
 *
 * The settings of the server change while it is asked, and its commits wait: it must be nobody else's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import {
  type ObservedPrimary,
  type PlanStep,
  planSynchronousStandbys,
  type StandbyWait,
  type TakeoverRule,
  type WantedStandbys,
  waitSql,
} from "../../src/syncrep/plan/index.ts";
import { randomNumbers } from "../random.ts";
import { checked, type RawConnection, type Server } from "../servers/index.ts";
import { FakeStandby, lsnText, rowsOf } from "./standbys.ts";

export interface PlansOutcome {
  /** How often other nodes were named, and plans that came to their end. */
  readonly changes: number;
  readonly finished: number;
  readonly steps: Readonly<Record<PlanStep["type"], number>>;
  readonly returned: number;
  /** Moments at which the rule and the positions were compared. */
  readonly checks: number;
  /** Commits that had to wait at the end of a plan and did, and those that had to return. */
  readonly waited: number;
  /** What went wrong. */
  readonly faults: readonly string[];
}

const names = ["b", "c", "d", "e", "f"] as const;
type Name = (typeof names)[number];
type Rows = Record<string, string | null>[];

/** How long the server may take to do what it was told, in ms. It takes some 5. */
const patience = 10_000;

/** Breaks the plan, so that tests can see that what is lost is found. */
export type Meddle = (steps: readonly PlanStep[]) => readonly PlanStep[];

export async function followPlans(
  server: Server,
  counts: { readonly changes: number; readonly seed: number },
  onProgress: (done: number) => void = () => {},
  meddle: Meddle = (steps) => steps,
): Promise<PlansOutcome> {
  const cluster = await Cluster.open(server, counts.seed, meddle);
  try {
    for (let n = 0; n < counts.changes && cluster.faults.length === 0; n++) {
      await cluster.change();
      onProgress(n + 1);
    }
    return cluster.outcome;
  } finally {
    await cluster.close();
  }
}

class Cluster {
  readonly #server: Server;
  readonly #seed: number;
  readonly #meddle: Meddle;
  readonly #random: () => number;
  readonly #monitor: RawConnection;
  readonly #committers: Committer[];
  /** What each node has on disk, connected or not. */
  readonly #flushed = new Map<string, Lsn>(names.map((name) => [name, 0n as Lsn]));
  readonly #connected = new Map<Name, FakeStandby>();
  #rule: TakeoverRule | undefined = { voters: ["a"], quorum: 1 };
  #value = "";
  #wanted: WantedStandbys = { nodes: ["a"], copies: 0 };
  #wait: StandbyWait | undefined;
  #commitsWait = false;
  /** The furthest commit that returned: a position that its record comes after. */
  #returned: Lsn = 0n as Lsn;
  #counts = { changes: 0, finished: 0, returned: 0, checks: 0, waited: 0 };
  readonly #steps = { rule: 0, value: 0, wait: 0 };
  readonly faults: string[] = [];

  private constructor(server: Server, seed: number, meddle: Meddle, monitor: RawConnection, committers: Committer[]) {
    this.#server = server;
    this.#seed = seed;
    this.#meddle = meddle;
    this.#random = randomNumbers(seed);
    this.#monitor = monitor;
    this.#committers = committers;
  }

  static async open(server: Server, seed: number, meddle: Meddle): Promise<Cluster> {
    const monitor = await server.connect({ application_name: "monitor", options: "-c synchronous_commit=local" });
    checked(await monitor.query("CREATE TABLE IF NOT EXISTS standby_plans (id int)"));
    const committers = await Promise.all([0, 1, 2].map(() => Committer.open(server)));
    return new Cluster(server, seed, meddle, monitor, committers);
  }

  get outcome(): PlansOutcome {
    return { ...this.#counts, steps: this.#steps, faults: this.faults };
  }

  async close(): Promise<void> {
    for (const standby of this.#connected.values()) standby.close();
    await this.#rows("ALTER SYSTEM RESET synchronous_standby_names");
    await this.#rows("SELECT pg_reload_conf()");
    await Promise.all(this.#committers.map((committer) => committer.close()));
    await this.#monitor.close();
  }

  /** Other nodes are named, and what happens then happens: most plans come to their end, some are cut off. */
  async change(): Promise<void> {
    const others = names.filter(() => this.#random() < 0.6);
    const copies = Math.floor(this.#random() * (others.length + 1));
    this.#wanted = {
      nodes: ["a", ...others],
      copies,
      syncrepMethod: this.#pick(["QUORUM", "QUORUM", "PRIORITY"] as const),
      whenMissing: this.#pick(["wait", "lower"] as const),
      atLeast: Math.min(copies, this.#pick([0, 0, 1])),
    };
    this.#counts.changes++;
    const most = this.#random() < 0.2 ? 3 : 60;
    for (let n = 0; n < most && this.faults.length === 0; n++) {
      await this.#event();
      await this.#check();
      // Towards the end it is made easy, so that plans end.
      if (n > 20)
        for (const name of others) await (this.#connected.has(name) ? this.#receive(name) : this.#connect(name));
      if (this.#random() < 0.6 && (await this.#plan())) {
        this.#counts.finished++;
        await this.#check();
        await this.#commitAtTheEnd();
        return;
      }
      await this.#check();
    }
  }

  async #event(): Promise<void> {
    const chance = this.#random();
    const name = this.#pick(names);
    if (chance < 0.35) {
      const idle = this.#committers.find(({ waits }) => !waits);
      if (idle !== undefined) await idle.commit();
    } else if (chance < 0.8) await (this.#connected.has(name) ? this.#receive(name) : this.#connect(name));
    else if (chance < 0.88) await this.#disconnect(name);
    else if (chance < 0.95) this.#wait = undefined;
  }

  // ---- Standbys ----

  async #connect(name: Name): Promise<void> {
    const known = new Set((await this.#view()).map(({ pid }) => pid));
    const at = this.#flushed.get(name)!;
    const standby = await FakeStandby.open(this.#server, name, "streaming", [at, at, at]);
    this.#connected.set(name, standby);
    await this.#until(`${name} streams`, async () => {
      const row = (await this.#view()).find((each) => each.application_name === name && !known.has(each.pid!));
      standby.pid = Number(row?.pid);
      return row?.state === "streaming";
    });
    await standby.roundTrip();
  }

  async #receive(name: Name): Promise<void> {
    const standby = this.#connected.get(name)!;
    const now = await this.#inserted();
    // First it is on disk, then it says so.
    this.#flushed.set(name, now);
    standby.positions = [now, now, now];
    await standby.roundTrip();
  }

  async #disconnect(name: Name): Promise<void> {
    const standby = this.#connected.get(name);
    if (standby === undefined) return;
    this.#connected.delete(name);
    standby.close();
    await this.#until(`${name} is gone`, async () =>
      (await this.#view()).every(({ pid }) => Number(pid) !== standby.pid),
    );
  }

  // ---- The planner ----

  /** Looks, plans, and does the first step. @returns whether there is nothing left to do. */
  async #plan(): Promise<boolean> {
    const session = await this.#server.connect({ options: "-c synchronous_commit=local" });
    try {
      const observed = await this.#look(session);
      const server = this.#server.versionNum;
      const options = { server, wait: this.#wait };
      const current = { primary: "a", value: this.#value, rule: this.#rule };
      if (observed.value !== this.#value) return false;
      const plan = planSynchronousStandbys(current, this.#wanted, observed, options);
      this.#wait = plan.wait;
      if (plan.wait?.satisfied) await this.#sameInSql(plan.wait);
      const step = this.#meddle(plan.steps)[0];
      if (step === undefined) return plan.steps.length === 0;
      this.#steps[step.type]++;
      if (step.type === "rule") this.#rule = step.rule;
      else if (step.type === "value") {
        for (const sql of step.sql) await this.#rows(sql);
        this.#value = step.value;
        if (step.value === "") this.#commitsWait = false;
        // A new session shows it as soon as the postmaster has read it; the walsenders may be later.
        await this.#until("the value is read", async () => {
          const other = await this.#server.connect({});
          const [row] = rowsOf(checked(await other.query("SHOW synchronous_standby_names")));
          await other.close();
          return row!.synchronous_standby_names === step.value;
        });
      } else {
        const sql = waitSql(step.wait, { server });
        if (step.wait.mustWait && !this.#commitsWait) {
          for (const each of sql.before) checked(await session.query(each));
          this.#commitsWait = true;
        }
        await this.#sameInSql(step.wait);
      }
      return false;
    } finally {
      await session.close();
    }
  }

  /** What people run comes to the same: standbys do nothing meanwhile. */
  async #sameInSql(wait: StandbyWait): Promise<void> {
    const { inEffect, flushed } = waitSql(wait, { server: this.#server.versionNum });
    const asked = async (sql: string): Promise<boolean> => {
      const session = await this.#server.connect({});
      const [row] = rowsOf(checked(await session.query(sql)));
      await session.close();
      return row!.satisfied === "t";
    };
    await this.#until("the value is in effect", () => asked(inEffect));
    if (wait.lsn === undefined) return;
    if ((await asked(flushed)) !== wait.satisfied) this.faults.push(`not ${wait.satisfied}: ${flushed}`);
  }

  async #look(session: RawConnection): Promise<ObservedPrimary> {
    const [shown] = rowsOf(
      checked(
        await session.query(
          "SELECT current_setting('synchronous_standby_names') AS value, pg_current_wal_insert_lsn() AS lsn",
        ),
      ),
    );
    const rows = await this.#view(session);
    if (this.#value !== "" && !this.#commitsWait) {
      const waiting = await session.query("SELECT 1 AS waits FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      this.#commitsWait = rowsOf(checked(waiting)).length > 0;
    }
    const lsn = (text: string | null | undefined) => (text == null ? undefined : parseLsn(text));
    return {
      value: shown!.value!,
      position: parseLsn(shown!.lsn!),
      commitsWait: this.#commitsWait,
      standbys: rows.map((row) => ({
        applicationName: row.application_name!,
        state: row.state as "streaming",
        writeLsn: lsn(row.write_lsn),
        flushLsn: lsn(row.flush_lsn),
        replayLsn: lsn(row.replay_lsn),
        sentLsn: lsn(row.sent_lsn),
        syncPriority: Number(row.sync_priority),
        isWaiting: row.wait_event?.startsWith("WalSender") ?? false,
      })),
    };
  }

  // ---- What must hold ----

  /** The voters that are least far, as few as the rule takes, without the primary: one of them must have all that returned. */
  async #check(): Promise<void> {
    for (const committer of this.#committers) {
      const lsn = committer.returned();
      if (lsn === undefined) continue;
      this.#counts.returned++;
      if (lsn > this.#returned) this.#returned = lsn;
    }
    this.#counts.checks++;
    if (this.#rule === undefined) return;
    const { voters, quorum } = this.#rule;
    const positions = voters.filter((name) => name !== "a").map((name) => this.#flushed.get(name)!);
    if (quorum > positions.length) return;
    const best = positions.sort((a, b) => (a < b ? -1 : 1))[quorum - 1]!;
    if (best > this.#returned || this.#returned === 0n) return;
    this.faults.push(
      `a commit after ${lsnText(this.#returned)} returned, and ${quorum} of ${voters} have ${lsnText(best)} at most (${this.#value})`,
    );
  }

  /** When all is as wanted: a commit waits until enough standbys that are connected have it, and then it returns. */
  async #commitAtTheEnd(): Promise<void> {
    const idle = this.#committers.find(({ waits }) => !waits);
    if (idle === undefined) return;
    await idle.commit();
    const number = /\d+/.exec(this.#value)?.[0];
    if (number === undefined) {
      // Until the checkpointer has read the empty value, commits still wait.
      await this.#until("a commit returns that waits for none", async () => !idle.waits);
      return;
    }
    const listed = names.filter((name) => this.#wanted.nodes.includes(name) && this.#connected.has(name));
    const enough = listed.slice(0, Number(number));
    for (const name of enough) {
      await this.#until("the commit waits", async () => {
        const rows = await this.#rows(`SELECT wait_event FROM pg_stat_activity WHERE pid = ${idle.pid}`);
        return !idle.waits || rows[0]?.wait_event === "SyncRep";
      });
      if (!idle.waits) {
        this.faults.push(`a commit returned before ${enough} had it (${this.#value})`);
        return;
      }
      this.#counts.waited++;
      await this.#receive(name);
    }
    if (enough.length === Number(number))
      await this.#until(`a commit returns that ${enough} have`, async () => !idle.waits);
    await this.#check();
  }

  // ---- What all of it needs ----

  async #view(session = this.#monitor): Promise<Rows> {
    return rowsOf(
      checked(
        await session.query(
          "SELECT a.application_name, a.wait_event, w.* FROM pg_stat_get_wal_senders() WITH ORDINALITY AS w JOIN pg_stat_activity AS a USING (pid) ORDER BY w.ordinality",
        ),
      ),
    );
  }

  async #inserted(): Promise<Lsn> {
    return parseLsn((await this.#rows("SELECT pg_current_wal_insert_lsn() AS lsn"))[0]!.lsn!);
  }

  async #rows(query: string): Promise<Rows> {
    return rowsOf(checked(await this.#monitor.query(query)));
  }

  async #until(what: string, happened: () => Promise<boolean>): Promise<void> {
    const limit = Date.now() + patience;
    while (!(await happened())) {
      if (Date.now() > limit)
        throw new Error(
          `Seed ${this.#seed}, ${this.#value}: it never came about that ${what}: ${JSON.stringify(await this.#view())}, connected ${[...this.#connected.keys()]}.`,
        );
      await sleep(1);
    }
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }
}

/** A session that commits one transaction after the other. */
class Committer {
  readonly pid: number;
  readonly #connection: RawConnection;
  waits = false;
  /** The record of the commit comes after this. */
  #before: Lsn | undefined;

  private constructor(pid: number, connection: RawConnection) {
    this.pid = pid;
    this.#connection = connection;
  }

  static async open(server: Server): Promise<Committer> {
    const connection = await server.connect({});
    const [row] = rowsOf(checked(await connection.query("SELECT pg_backend_pid() AS pid")));
    return new Committer(Number(row!.pid), connection);
  }

  async commit(): Promise<void> {
    const begun = "BEGIN; INSERT INTO standby_plans VALUES (1); SELECT pg_current_wal_insert_lsn() AS lsn";
    const [row] = rowsOf(checked(await this.#connection.query(begun)));
    this.#before = parseLsn(row!.lsn!);
    this.waits = true;
    this.#connection.query("COMMIT").then(
      (messages) => {
        checked(messages);
        this.waits = false;
      },
      () => {},
    );
  }

  /** Where its commit is, once, when it has returned. */
  returned(): Lsn | undefined {
    if (this.waits) return undefined;
    const lsn = this.#before;
    this.#before = undefined;
    return lsn;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
