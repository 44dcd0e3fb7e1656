/**
 * An oracle of what synchronous_standby_names means: fake standbys, which are walsender connections with an application_name that
 * report whatever positions they are told to; the server's own view of them; and commits that wait for them.
 *
 * The settings of the server change while it is asked, and its commits wait: it must be nobody else's.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { supports } from "../../src/capabilities.ts";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { encodeWalReceiverMessage } from "../../src/physical/index.ts";
import type { SyncRepConfig } from "../../src/syncrep/index.ts";
import { evaluateSynchronousStandbys, type SyncLevel, type SyncRepStandby } from "../../src/syncrep/questions.ts";
import { randomNumbers } from "../random.ts";
import { checked, frame, type Message, type RawConnection, type Server } from "../servers/index.ts";
import { setting, standbyNames } from "../standbys.ts";

/** What a server should be started with, beside the usual: nothing but what we do happens to standbys and WAL. */
export const settingsForStandbys = { wal_sender_timeout: "0", checkpoint_timeout: "1h" };

export interface Disagreement {
  readonly setting: string;
  readonly rows: readonly Row[];
  readonly theirs: unknown;
  readonly ours: unknown;
}

export interface Outcome {
  readonly settings: number;
  /** Rows seen, by their sync_state, and in all states of a walsender. */
  readonly seen: Readonly<Record<string, number>>;
  readonly schedules: number;
  /** Commits that returned as we said, and looks at commits that still waited as we said. */
  readonly returned: number;
  readonly waited: number;
  /** Schedules given up because something else wrote WAL in the middle of them. */
  readonly disturbed: number;
  readonly disagreements: readonly Disagreement[];
}

/**
 * Asks a server about `settings` settings with as many sets of standbys, and runs `schedules` of commits.
 *
 * @throws Error if the server does not do what it is told; what it does otherwise than we say is in the outcome.
 */
export async function askAboutStandbys(
  server: Server,
  counts: { readonly settings: number; readonly schedules: number; readonly seed: number },
  onProgress: (done: number) => void = () => {},
): Promise<Outcome> {
  const primary = await Primary.open(server, counts.seed);
  try {
    await primary.askAboutSettings(counts.settings, onProgress);
    await primary.runSchedules(counts.schedules, onProgress);
    return primary.outcome;
  } finally {
    await primary.close();
  }
}

/**
 * What the server's view shows, for each value of synchronous_standby_names and standbys that connect one after the other, in that order.
 *
 * @throws Error if the server does not do what it is told.
 */
export async function statesOfStandbys(
  server: Server,
  asked: readonly {
    readonly value: string;
    readonly standbys: readonly { readonly name: string; readonly does: Kind }[];
  }[],
): Promise<readonly (readonly Pick<Row, "syncPriority" | "syncState">[])[]> {
  const primary = await Primary.open(server, 1);
  try {
    const views = [];
    for (const { value, standbys } of asked) views.push(await primary.view(value, standbys));
    // So that commits wait for nobody afterwards.
    await primary.view("", []);
    return views;
  } finally {
    await primary.close();
  }
}

/** A row of the server's view, in the order of its array of walsenders. */
interface Row extends SyncRepStandby {
  readonly pid: number;
  readonly syncPriority: number;
  readonly syncState: string;
}

const levels: readonly SyncLevel[] = ["remote_write", "on", "remote_apply"];

/** How long the server may take to do what it was told, in ms. It takes some 5. */
const patience = 10_000;

class Primary {
  readonly #server: Server;
  readonly #monitor: RawConnection;
  readonly #random: () => number;
  readonly #seed: number;
  readonly #names: Record<"insert" | "current", string>;
  readonly #kinds: readonly Kind[];
  #standbys: FakeStandby[] = [];
  #settings = 0;
  readonly #seen: Record<string, number> = {};
  #schedules = 0;
  #returned = 0;
  #waited = 0;
  #disturbed = 0;
  readonly #disagreements: Disagreement[] = [];

  private constructor(server: Server, monitor: RawConnection, seed: number) {
    this.#server = server;
    this.#monitor = monitor;
    this.#seed = seed;
    this.#random = randomNumbers(seed);
    // Before commit 263c19572b (December 2015) who has not reported shows what the last user of its place in the array had.
    this.#kinds = server.versionNum < 90406 ? ["streaming"] : kinds;
    const [wal, lsn] = server.versionNum >= 100000 ? ["wal", "lsn"] : ["xlog", "location"];
    this.#names = { insert: `pg_current_${wal}_insert_${lsn}()`, current: `pg_current_${wal}_${lsn}()` };
  }

  static async open(server: Server, seed: number): Promise<Primary> {
    const monitor = await server.connect({ application_name: "monitor", options: "-c synchronous_commit=local" });
    return new Primary(server, monitor, seed);
  }

  get outcome(): Outcome {
    return {
      settings: this.#settings,
      seen: this.#seen,
      schedules: this.#schedules,
      returned: this.#returned,
      waited: this.#waited,
      disturbed: this.#disturbed,
      disagreements: this.#disagreements,
    };
  }

  async close(): Promise<void> {
    for (const standby of this.#standbys) standby.close();
    await this.#rows("ALTER SYSTEM SET synchronous_standby_names = DEFAULT");
    await this.#monitor.close();
  }

  // ---- Who is synchronous ----

  /** The view, when nobody is connected but these. The setting is read before they come, so that each has it from the start. */
  async view(value: string, standbys: readonly { readonly name: string; readonly does: Kind }[]): Promise<Row[]> {
    while (this.#standbys.length > 0) await this.#leave();
    await this.#setText(value);
    const current = await this.#current();
    for (const { name, does } of standbys) await this.#join(does, name, [current, current, current]);
    return this.#view();
  }

  async askAboutSettings(count: number, onProgress: (done: number) => void): Promise<void> {
    const settings = fc.sample(setting(this.#server.versionNum), { seed: this.#seed, numRuns: Math.max(count, 1) });
    for (let n = 0; n < count; n++) {
      await this.#churn(8, n === 0 ? 5 : 1);
      const text = await this.#set(settings[n]!);
      await this.#report(this.#pick(this.#standbys), this.#anyPositions(await this.#current()));
      const unread = this.#random() < 0.2 ? await this.#join("catchup") : undefined;
      await this.#compare(settings[n]!, text);
      if (unread !== undefined) await this.#leave(unread);
      this.#settings++;
      onProgress(n + 1);
    }
  }

  /** Lets standbys come and go: at most `most` at a time. */
  async #churn(most: number, changes: number): Promise<void> {
    for (let n = 0; n < changes; n++) {
      if (this.#random() < 0.5 && changes === 1) continue;
      if (this.#standbys.length >= most || (this.#standbys.length > 1 && this.#random() < 0.4)) await this.#leave();
      else await this.#join();
    }
  }

  async #join(wanted?: Kind, name?: string, reported?: Positions): Promise<FakeStandby> {
    const kind = wanted ?? this.#pick(this.#kinds);
    const before = new Set((await this.#view()).map(({ pid }) => pid));
    const current = await this.#current();
    const positions = reported ?? this.#anyPositions(current);
    const standby = await FakeStandby.open(this.#server, name ?? this.#pick(standbyNames), kind, positions);
    this.#standbys.push(standby);
    await this.#until("the new standby is in the view", async () => {
      const row = (await this.#view()).find(({ pid }) => !before.has(pid));
      if (row === undefined || row.state !== standby.state) return false;
      standby.pid = row.pid;
      return true;
    });
    if (standby.reports) await standby.roundTrip();
    if (kind === "streaming" || kind === "catchup") await this.#seenAt(standby);
    return standby;
  }

  async #leave(gone: FakeStandby = this.#pick(this.#standbys)): Promise<void> {
    this.#standbys = this.#standbys.filter((standby) => standby !== gone);
    gone.close();
    await this.#until("the standby is gone", async () => (await this.#view()).every(({ pid }) => pid !== gone.pid));
  }

  /** The setting takes effect in the walsenders one after the other: each answers once more after the postmaster has told them. */
  async #set(config: SyncRepConfig): Promise<string> {
    const text = settingText(config, this.#server);
    await this.#setText(text);
    return text;
  }

  async #setText(text: string): Promise<void> {
    await this.#rows(`ALTER SYSTEM SET synchronous_standby_names = '${text.replaceAll("'", "''")}'`);
    await this.#rows("SELECT pg_reload_conf()");
    await this.#until("the setting is read", async () => {
      return (await this.#rows("SHOW synchronous_standby_names"))[0]!.synchronous_standby_names === text;
    });
    await Promise.all(this.#standbys.filter((standby) => standby.reports).map((standby) => standby.roundTrip()));
  }

  async #report(standby: FakeStandby, positions: Positions): Promise<void> {
    if (!standby.reports) return;
    standby.positions = positions;
    await standby.roundTrip();
    await this.#seenAt(standby);
  }

  async #seenAt({ pid, name, positions }: FakeStandby): Promise<void> {
    await this.#until("the report is in the view", async () => {
      const row = (await this.#view()).find((each) => each.pid === pid);
      if (row === undefined) throw new Error(`The walsender of ${name} ended.`);
      return positions.every((lsn, i) => lsn === ([row.writeLsn, row.flushLsn, row.replayLsn][i] ?? 0n));
    });
  }

  /** What the server says of everybody, and what we say. It has a second to settle: then whatever it says counts. */
  async #compare(config: SyncRepConfig, text: string): Promise<void> {
    const limit = Date.now() + 1000;
    for (;;) {
      const rows = await this.#view();
      const theirs = rows.map(({ applicationName, syncPriority, syncState }) => ({
        applicationName,
        syncPriority,
        syncState,
      }));
      const { standbys } = evaluateSynchronousStandbys(config, rows, { server: this.#server.versionNum });
      const ours = standbys.map(({ applicationName, syncPriority, syncState }) => ({
        applicationName,
        syncPriority,
        syncState,
      }));
      const agreed = JSON.stringify(ours) === JSON.stringify(theirs);
      if (!agreed && Date.now() < limit) continue;
      if (!agreed) this.#disagreements.push({ setting: text, rows, theirs, ours });
      for (const { syncState, state } of rows) {
        for (const kind of [syncState, state]) this.#seen[kind] = (this.#seen[kind] ?? 0) + 1;
      }
      return;
    }
  }

  // ---- Commits that wait ----

  async runSchedules(count: number, onProgress: (done: number) => void): Promise<void> {
    if (count === 0) return;
    await this.#rows("CREATE TABLE IF NOT EXISTS standbys_waiting (id int)");
    const known = levels.filter(
      (level) => level !== "remote_apply" || supports(this.#server.versionNum, "remoteApply"),
    );
    const sessions = await Promise.all(known.map((level) => Session.open(this.#server, level)));
    try {
      const usual = await this.#usualGrowth();
      await this.#letCommitsWait(sessions[0]!);
      const settings = fc.sample(setting(this.#server.versionNum), { seed: this.#seed + 1, numRuns: count * 2 });
      for (let n = 0; this.#schedules < count; n++) {
        if (this.#disagreements.length > 0) return;
        if (n === settings.length) throw new Error(`${this.#disturbed} of ${n} schedules were disturbed.`);
        await this.#schedule(settings[n]!, sessions, usual);
        onProgress(this.#schedules);
      }
    } finally {
      await this.#cancel(sessions);
      await Promise.all(sessions.map((session) => session.close()));
    }
  }

  /** Bytes of WAL of one of our transactions. */
  async #usualGrowth(): Promise<bigint> {
    let least = 1n << 64n;
    for (let n = 0; n < 5; n++) {
      const before = await this.#inserted();
      await this.#rows("INSERT INTO standbys_waiting VALUES (0)");
      const growth = (await this.#inserted()) - before;
      if (growth < least) least = growth;
    }
    return least;
  }

  /** From no setting to one, commits wait only when the checkpointer has seen it; from one to another they do anyway. */
  async #letCommitsWait(session: Session): Promise<void> {
    await this.#set({ type: "SyncRepConfig", syncrepMethod: "PRIORITY", numSync: 1, memberNames: ["nobody"] });
    await this.#until("a commit waits", async () => {
      session.insert();
      await sleep(50);
      return !session.done;
    });
    await this.#cancel([session]);
  }

  async #schedule(drawn: SyncRepConfig, sessions: readonly Session[], usual: bigint): Promise<void> {
    while (this.#standbys.filter(({ reports }) => reports).length < 3) await this.#join("streaming");
    while (this.#standbys.length > 6) await this.#leave();
    // One that can be met, mostly, and sometimes just so.
    const reporting = this.#standbys.filter(({ reports }) => reports).length;
    const listed = this.#pick([true, true, true, false]);
    const config: SyncRepConfig = {
      ...drawn,
      numSync: drawn.numSync > 1 && this.#random() < 0.4 ? reporting : Math.min(drawn.numSync, 3),
      memberNames: listed ? [...drawn.memberNames, this.#pick(this.#standbys).name, "*"] : drawn.memberNames,
    };
    const text = await this.#set(config);
    await this.#compare(config, text);

    const start = await this.#inserted();
    const ends: bigint[] = [start - 1n, start];
    let before = start;
    for (const session of sessions) {
      session.insert();
      const end = await this.#waiting(session, before, usual);
      if (end === undefined) {
        this.#disagreements.push({
          setting: text,
          rows: await this.#view(),
          theirs: "returned at once",
          ours: "waits",
        });
        await this.#cancel(sessions);
        return;
      }
      // The record of a commit of remote_apply is 8 bytes longer, a page begins with 24 or 40: anything else is longer.
      if (end - before >= usual + 56n) {
        this.#disturbed++;
        await this.#cancel(sessions);
        return;
      }
      session.end = endOfRecord(end);
      ends.push(session.end - 1n, session.end);
      before = end;
    }

    const waiting = new Set(sessions);
    const released: Record<SyncLevel, bigint> = { remote_write: 0n, on: 0n, remote_apply: 0n };
    for (let step = 0; step < 24 && waiting.size > 0; step++) {
      const standby = await this.#step(ends, step);
      const rows = await this.#view();
      const evaluation = evaluateSynchronousStandbys(config, rows, { server: this.#server.versionNum });
      if (evaluation.standbys[rows.findIndex(({ pid }) => pid === standby.pid)]!.chosen) {
        for (const level of levels) {
          const lsn = evaluation.released[level]?.lsn ?? 0n;
          if (lsn > released[level]) released[level] = lsn;
        }
      }
      for (const session of waiting) {
        const ours = released[session.level] >= session.end ? "returned" : "waits";
        const theirs = ours === "returned" ? await session.returned() : await this.#stillWaits(session);
        if (ours !== theirs) {
          this.#disagreements.push({
            setting: text,
            rows,
            theirs: { [session.level]: theirs, end: String(session.end) },
            ours,
          });
          await this.#cancel(sessions);
          return;
        }
        if (ours === "waits") this.#waited++;
        else {
          this.#returned++;
          waiting.delete(session);
        }
      }
    }
    await this.#cancel(sessions);
    this.#schedules++;
  }

  /** Something happens, and then one standby reports, which releases what is to be released. @returns that standby. */
  async #step(ends: readonly bigint[], step: number): Promise<FakeStandby> {
    const chance = this.#random();
    // It reports as soon as it is there.
    if (chance < 0.08 && this.#standbys.length < 7) return this.#join("streaming");
    if (chance < 0.16 && this.#standbys.length > 3) await this.#leave();
    const reporting = this.#standbys.filter(({ reports }) => reports);
    const standby = reporting.length > 0 ? this.#pick(reporting) : await this.#join("streaming");
    const [write, flush, apply] = standby.positions.map((lsn) =>
      this.#random() < 0.3 ? lsn : this.#position(ends, step),
    );
    await this.#report(standby, [write!, flush!, apply!]);
    return standby;
  }

  /** `wait_event` knows SyncRep since 10: before, nothing says that a commit waits. */
  get #saysWhatItWaitsFor(): boolean {
    return this.#server.versionNum >= 100000;
  }

  /** Where the session's commit ends, once it waits; undefined if it did not wait. */
  async #waiting(session: Session, before: bigint, usual: bigint): Promise<bigint | undefined> {
    let end: bigint | undefined;
    await this.#until("the commit waits", async () => {
      if (session.done) return true;
      if (this.#saysWhatItWaitsFor) {
        if ((await this.#stillWaits(session)) === "waits") end = await this.#inserted();
      } else {
        // But that it has written what it writes.
        await sleep(5);
        const inserted = await this.#inserted();
        if (inserted >= before + usual) end = inserted;
      }
      return end !== undefined;
    });
    return end;
  }

  async #stillWaits(session: Session): Promise<string> {
    if (this.#saysWhatItWaitsFor) {
      const [row] = await this.#rows(`SELECT wait_event FROM pg_stat_activity WHERE pid = ${session.pid}`);
      if (!session.done && row?.wait_event !== "SyncRep") return `wait_event ${row?.wait_event}`;
    } else await sleep(2);
    return session.done ? "returned" : "waits";
  }

  async #cancel(sessions: readonly Session[]): Promise<void> {
    for (const session of sessions) {
      await this.#until("the wait is cancelled", async () => {
        if (session.done) return true;
        await this.#rows(`SELECT pg_cancel_backend(${session.pid})`);
        await sleep(2);
        return false;
      });
    }
  }

  // ---- What all of it needs ----

  /** Positions of any kind, up to `most`. */
  #anyPositions(most: bigint): Positions {
    const one = (): Lsn => this.#pick([0n, 1n, most / 2n, most - 1n, most, most]) as Lsn;
    return [one(), this.#random() < 0.8 ? (most as Lsn) : one(), one()];
  }

  /** One of these, later ones with later steps; rarely unknown. */
  #position(ends: readonly bigint[], step: number): Lsn {
    if (this.#random() < 0.1) return 0n as Lsn;
    if (this.#random() < step / 15) return ends.at(-1) as Lsn;
    const reach = Math.min(ends.length, 3 + step);
    return ends[Math.floor(this.#random() * reach)] as Lsn;
  }

  async #view(): Promise<Row[]> {
    const rows = await this.#rows(
      "SELECT w.*, a.application_name FROM pg_stat_get_wal_senders() WITH ORDINALITY AS w JOIN pg_stat_get_activity(NULL) AS a USING (pid) ORDER BY w.ordinality",
    );
    return rows.map((row) => {
      const lsn = (name: string): Lsn | undefined => {
        const text = row[`${name}_lsn`] ?? row[`${name}_location`];
        return text === null || text === undefined ? undefined : parseLsn(text);
      };
      return {
        pid: Number(row.pid),
        applicationName: row.application_name!,
        state: row.state as Row["state"],
        writeLsn: lsn("write"),
        flushLsn: lsn("flush"),
        replayLsn: lsn("replay"),
        syncPriority: Number(row.sync_priority),
        syncState: row.sync_state!,
      };
    });
  }

  async #inserted(): Promise<bigint> {
    return parseLsn((await this.#rows(`SELECT ${this.#names.insert} AS lsn`))[0]!.lsn!);
  }

  async #current(): Promise<Lsn> {
    return parseLsn((await this.#rows(`SELECT ${this.#names.current} AS lsn`))[0]!.lsn!);
  }

  async #rows(query: string): Promise<Record<string, string | null>[]> {
    return rowsOf(checked(await this.#monitor.query(query)));
  }

  async #until(what: string, happened: () => Promise<boolean>): Promise<void> {
    const limit = Date.now() + patience;
    while (!(await happened())) {
      if (Date.now() > limit) throw new Error(`Seed ${this.#seed}: it never came about that ${what}.`);
    }
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }
}

/** write, flush, apply */
type Positions = readonly [Lsn, Lsn, Lsn];

/**
 * streaming: an ordinary standby. silent: it has never said how far it is. startup: it has not asked for WAL. catchup: it asked for
 * WAL that it does not read, and may not be heard any more (a walsender of 10 waits until it can write).
 */
const kinds = [...Array<"streaming">(6).fill("streaming"), "silent", "startup"] as const;
type Kind = (typeof kinds)[number] | "catchup";

export class FakeStandby {
  readonly name: string;
  readonly #kind: Kind;
  readonly #connection: RawConnection | Socket;
  pid = 0;
  positions: Positions;

  private constructor(name: string, kind: Kind, positions: Positions, connection: RawConnection | Socket) {
    this.name = name;
    this.positions = positions;
    this.#kind = kind;
    this.#connection = connection;
  }

  static async open(server: Server, name: string, kind: Kind, positions: Positions): Promise<FakeStandby> {
    const parameters = { replication: "true", application_name: name };
    if (kind === "catchup") {
      return new FakeStandby(name, kind, positions, await openUnread(server, parameters, statusOf(positions)));
    }
    const connection = await server.connect(parameters);
    if (kind !== "startup") {
      // Up to where WAL is flushed: a walsender starts no further.
      const [{ xlogpos }] = rowsOf(checked(await connection.query("IDENTIFY_SYSTEM"))) as [{ xlogpos: string }];
      connection.send("Q", `START_REPLICATION PHYSICAL ${xlogpos}`);
      const { type } = await connection.next();
      if (type !== "W") throw new Error(`START_REPLICATION was answered by ${type}.`);
    }
    return new FakeStandby(name, kind, positions, connection);
  }

  get state(): string {
    return this.#kind === "silent" ? "streaming" : this.#kind;
  }

  /** Does it report, whenever it is told to? */
  get reports(): boolean {
    return this.#kind === "streaming";
  }

  /** Says how far it is, and waits for the answer. The server answers before it releases, so it is asked twice. */
  async roundTrip(): Promise<void> {
    const connection = this.#connection as RawConnection;
    for (let n = 0; n < 2; n++) {
      connection.write(statusOf(this.positions));
      for (let message = await connection.next(); ; message = await connection.next()) {
        if (message.type === "E") throw new Error(`The walsender says ${message.body.toString()}.`);
        if (message.type === "d" && message.body[0] === 0x6b) break; // k, Keepalive
      }
    }
  }

  close(): void {
    if ("destroy" in this.#connection) this.#connection.destroy();
    else this.#connection.close().catch(() => {});
  }
}

/** A standby status update that asks for an answer. */
function statusOf([write, flush, apply]: Positions): Buffer {
  const fields = { write, flush, apply, clientTime: toPgTime(0n), replyRequested: true };
  return frame("d", encodeWalReceiverMessage({ type: "StandbyStatusUpdate", ...fields }));
}

/** A walsender connection that asks for all WAL there is, reports once, and reads nothing: it catches up for ever. */
async function openUnread(
  server: Server,
  parameters: Readonly<Record<string, string>>,
  status: Buffer,
): Promise<Socket> {
  const socket = connect(`${server.host}/.s.PGSQL.${server.port}`);
  const body = Buffer.from(
    `\0\x03\0\0${Object.entries({ user: server.user, ...parameters })
      .flat()
      .map((text) => `${text}\0`)
      .join("")}\0`,
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  socket.write(Buffer.concat([length, body]));
  let answer = Buffer.alloc(0);
  while (answer.subarray(-6).toString("latin1") !== "Z\0\0\0\x05I") {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    answer = Buffer.concat([answer, chunk]);
    if (answer[0] === 0x45) throw new Error(`The server says ${answer.toString()}.`); // E
  }
  socket.pause();
  socket.removeAllListeners("data");
  socket.write(Buffer.concat([frame("Q", "START_REPLICATION PHYSICAL 0/1000000"), status]));
  socket.on("error", () => {});
  return socket;
}

/** A session whose commits wait at one level. */
class Session {
  readonly level: SyncLevel;
  readonly pid: number;
  readonly #connection: RawConnection;
  #commit: Promise<void> = Promise.resolve();
  done = true;
  /** Where its commit ends. */
  end = 0n;

  private constructor(level: SyncLevel, pid: number, connection: RawConnection) {
    this.level = level;
    this.pid = pid;
    this.#connection = connection;
  }

  static async open(server: Server, level: SyncLevel): Promise<Session> {
    const connection = await server.connect({ options: `-c synchronous_commit=${level}` });
    const [row] = rowsOf(checked(await connection.query("SELECT pg_backend_pid() AS pid")));
    return new Session(level, Number(row!.pid), connection);
  }

  insert(): void {
    this.done = false;
    this.#commit = this.#connection.query("INSERT INTO standbys_waiting VALUES (1)").then((messages) => {
      this.done = true;
      checked(messages);
    });
  }

  async returned(): Promise<string> {
    await Promise.race([this.#commit, sleep(patience, undefined, { ref: false })]);
    return this.done ? "returned" : "waits";
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** The setting as this version writes it, each name in quotes. */
function settingText({ syncrepMethod, numSync, memberNames }: SyncRepConfig, server: Server): string {
  const list = memberNames.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
  if (!supports(server.versionNum, "multipleSyncStandbys")) return list;
  if (!supports(server.versionNum, "quorumCommit")) return `${numSync} (${list})`;
  return `${syncrepMethod === "QUORUM" ? "ANY" : "FIRST"} ${numSync} (${list})`;
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`;
}

/** Where the last record ends, by where the next one will begin: after the header, if a page, or even a file, begins there. */
function endOfRecord(inserted: bigint): bigint {
  if (inserted % (1n << 24n) === 40n) return inserted - 40n;
  return inserted % 8192n === 24n ? inserted - 24n : inserted;
}

/** The rows of an answer, by the names of their columns. */
export function rowsOf(messages: readonly Message[]): Record<string, string | null>[] {
  let columns: string[] = [];
  const rows: Record<string, string | null>[] = [];
  for (const { type, body } of messages) {
    if (type === "T") {
      columns = [];
      for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
        const end = body.indexOf(0, at);
        columns.push(body.toString("utf8", at, end));
        at = end + 19;
      }
    } else if (type === "D") {
      let at = 2;
      rows.push(
        Object.fromEntries(
          columns.map((column) => {
            const length = body.readInt32BE(at);
            const value = length < 0 ? null : body.toString("utf8", at + 4, at + 4 + length);
            at += 4 + Math.max(length, 0);
            return [column, value];
          }),
        ),
      );
    }
  }
  return rows;
}
