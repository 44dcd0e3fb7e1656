/**
 * Real PostgreSQL servers for tests: `await startServer({ major: 18 })`, then `sql`, `connect`, `captureStream`, `stop`. README.md
 * says how they are used and how they are cleaned up.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { majors, packageDirectory, reachableByAnyone, serverUser, temporaryRoot } from "./locate.ts";
import { checked, RawConnection, ServerError } from "./raw.ts";

export { type Capture, capturePhysicalStream, captureStream, readCapture, writeCapture } from "./capture.ts";
export { checked, errorFields, frame, type Message, RawConnection, ServerError } from "./raw.ts";
export { majors };

/** Where a server is: plain data, which can go to another process. */
export interface ServerAddress {
  readonly major: number;
  /** server_version_num of the live server, such as 180004. */
  readonly versionNum: number;
  /** The directory of its Unix socket; it listens on nothing else. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Of the postmaster. */
  readonly pid: number;
}

export interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface Server extends ServerAddress {
  readonly address: ServerAddress;
  /**
   * Runs SQL by simple query on a connection that is as new, so settings, prepared statements and temporary tables do not last. It
   * may be one that has been used before, after `DISCARD ALL`, which leaves an origin of the session and temporary slots.
   *
   * @returns the rows of the last statement that has some.
   * @throws ServerError with the server's fields.
   */
  sql(text: string, options?: { database?: string }): Promise<Rows>;
  /** A raw connection: `{ replication: "database" }`, `{ replication: "true", application_name: "a" }`, `{ database: "b" }`, … */
  connect(parameters?: Readonly<Record<string, string>>): Promise<RawConnection>;
}

export interface OwnServer extends Server {
  /** Its data directory. Who runs the tests can read it, since that is root or the server's own user. */
  readonly dataDirectory: string;
  /** Stops the server, and resolves when nothing is left of it. Doing so twice is fine. */
  stop(): Promise<void>;
}

/** The socket's name needs one; each server has a directory, so all have the same unless their settings say otherwise. */
const defaultPort = 5432;

/** How many connections to a server are kept for `sql`: a new one takes 16 to 20 ms of the processor, DISCARD ALL 0.1 ms. */
const idleLimit = 4;

/** How long a server may take from its start to its first connection, in ms. It takes 40. */
const startLimit = 60_000;

/**
 * What every server is started with.
 *
 * fsync=off makes synchronous_commit=on free. That must not be off: walsenders send what is flushed, so a stream would lack the
 * last commits. In version 10, max_connections must exceed max_wal_senders.
 */
const settings = {
  listen_addresses: "",
  port: String(defaultPort),
  wal_level: "logical",
  fsync: "off",
  full_page_writes: "off",
  autovacuum: "off",
  shared_buffers: "16MB",
  dynamic_shared_memory_type: "mmap", // files in the data directory, where "posix" would use /dev/shm
  max_connections: "100",
  max_wal_senders: "30",
  max_replication_slots: "30",
  max_prepared_transactions: "10",
  log_min_messages: "fatal",
  lc_messages: "C",
  timezone: "UTC",
};

/**
 * Makes a cluster in a new temporary directory (0.6 s) and starts a server on it. A keeper process stops it and removes the
 * directory when stop() is called, or when this process ends, however it ends. Neither keeps this process alive.
 *
 * @param options.settings For the command line, by name, beside or over {@link settings}.
 * @param options.conf For postgresql.conf, by name: what SQL can change.
 * @param options.from A data directory, such as a base backup: the server runs on a copy of it, with what is in it to be recovered.
 * @param options.initdb More arguments of initdb, such as `--data-checksums`.
 * @param options.restarts A postmaster that is killed by a signal, or shut down, is started again.
 * @throws Error if there is no such server, or with the end of what initdb or postgres said if they fail.
 */
export async function startServer(options: {
  major: number;
  settings?: Readonly<Record<string, string>>;
  conf?: Readonly<Record<string, string>>;
  from?: string;
  initdb?: readonly string[];
  restarts?: boolean;
}): Promise<OwnServer> {
  const { major } = options;
  const directory = packageDirectory(major);
  const user = serverUser();
  const keeper = startKeeper({
    major,
    package: directory,
    copy: user !== undefined && !reachableByAnyone(`${directory}/native/bin/postgres`),
    temporaryRoot: temporaryRoot(user !== undefined),
    user,
    settings: Object.fromEntries(
      Object.entries({ ...settings, ...options.settings }).filter(([name]) => !Object.hasOwn(options.conf ?? {}, name)),
    ),
    conf: options.conf ?? {},
    from: options.from,
    initdb: options.initdb,
    restarts: options.restarts,
  });
  try {
    const started = await keeper.started;
    const port = Number(options.settings?.port ?? defaultPort);
    const address = { major, host: started.directory, port, user: "postgres", database: "postgres", pid: started.pid };
    const versionNum = await firstAnswer(address, keeper.failed);
    keeper.release();
    const dataDirectory = `${started.directory}/data`;
    return { ...attach({ ...address, versionNum }), dataDirectory, stop: keeper.stop };
  } catch (error) {
    await keeper.stop();
    throw error;
  }
}

/** A server that another process has started, by its address. */
export function attach(address: ServerAddress): Server {
  const connect = (parameters: Readonly<Record<string, string>> = {}) =>
    RawConnection.open(socketPath(address), { user: address.user, database: address.database, ...parameters });
  const sql = async (text: string, { database = address.database } = {}) => {
    // To the address's database only: others are dropped, which needs that nobody is connected.
    const own = database === address.database;
    const connection = (own ? takeIdle(address) : undefined) ?? (await connect({ database }));
    try {
      return lastRows(checked(await connection.query(text)));
    } finally {
      if (!own || !(await keepIdle(address, connection))) await connection.close();
    }
  };
  return { ...address, address, connect, sql };
}

/** Connections that nobody uses just now, by the socket. */
const idle = new Map<string, RawConnection[]>();

function takeIdle(address: ServerAddress): RawConnection | undefined {
  const path = socketPath(address);
  const live = idle.get(path)?.filter((connection) => !connection.ended) ?? [];
  const connection = live.pop();
  if (live.length > 0) idle.set(path, live);
  else idle.delete(path);
  connection?.ref();
  return connection;
}

/** Makes a connection as new. @returns whether it is kept: not if it has ended or is in a transaction, or if there are enough. */
async function keepIdle(address: ServerAddress, connection: RawConnection): Promise<boolean> {
  try {
    if (!(await connection.query("DISCARD ALL")).every(({ type }) => type !== "E")) return false;
  } catch {
    return false;
  }
  const path = socketPath(address);
  const others = idle.get(path) ?? [];
  if (others.length >= idleLimit) return false;
  connection.unref();
  idle.set(path, [...others, connection]);
  return true;
}

function socketPath({ host, port }: Pick<ServerAddress, "host" | "port">): string {
  return `${host}/.s.PGSQL.${port}`;
}

function lastRows(messages: Awaited<ReturnType<RawConnection["query"]>>): Rows {
  let columns: string[] = [];
  let rows: (string | null)[][] = [];
  for (const { type, body } of messages) {
    if (type === "T") {
      columns = [];
      rows = [];
      for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
        const end = body.indexOf(0, at);
        columns.push(body.toString("utf8", at, end));
        at = end + 1 + 18; // table oid, column number, type oid, size, modifier, format
      }
    } else if (type === "D") {
      const row: (string | null)[] = [];
      for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
        const length = body.readInt32BE(at);
        row.push(length < 0 ? null : body.toString("utf8", at + 4, at + 4 + length));
        at += 4 + Math.max(length, 0);
      }
      rows.push(row);
    }
  }
  return { columns, rows };
}

/** Connects until the server lets someone in, and asks for its version. Gives up when `failed` rejects. */
async function firstAnswer(
  address: Pick<ServerAddress, "host" | "port" | "user" | "database">,
  failed: Promise<never>,
): Promise<number> {
  const limit = Date.now() + startLimit;
  for (;;) {
    try {
      const { user, database } = address;
      const connection = await RawConnection.open(socketPath(address), { user, database });
      const { rows } = lastRows(checked(await connection.query("SHOW server_version_num")));
      await connection.close();
      return Number(rows[0]![0]);
    } catch (error) {
      // No socket yet; cannot_connect_now: "the database system is starting up"; or admin_shutdown: it has failed, and `failed` says why.
      const early = !(error instanceof ServerError) || ["57P03", "57P01"].includes(error.fields.C!);
      if (!early || Date.now() > limit) throw error;
      await Promise.race([sleep(10), failed]);
    }
  }
}

/** Starts keeper.mjs, which says what `config` holds, and speaks with it. */
function startKeeper(config: object) {
  const keeper: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(new URL("keeper.mjs", import.meta.url)), JSON.stringify(config)],
    // Nothing of our environment matters to a server, and some of it (NODE_OPTIONS, PG…, LC_…) would.
    { detached: true, cwd: "/", env: { PATH: process.env.PATH, LC_ALL: "C" }, stdio: ["pipe", "pipe", "ignore"] },
  );
  const [stdin, stdout] = [keeper.stdin as Socket, keeper.stdout as Socket];
  stdin.on("error", () => {}); // it has exited

  let failure = "The keeper of the server ended without a word.";
  const started = new Promise<{ pid: number; directory: string }>((resolve) => {
    createInterface(stdout).on("line", (line) => {
      const { error, ...running } = JSON.parse(line);
      if (error === undefined) resolve(running);
      else failure = `PostgreSQL could not be run: ${error}`;
    });
  });
  const exited = new Promise<void>((resolve) => keeper.on("close", () => resolve()));
  const failed = exited.then((): never => {
    throw new Error(failure);
  });
  failed.catch(() => {}); // of interest while starting only

  const handles = [keeper, stdin, stdout];
  return {
    started: Promise.race([started, failed]),
    failed,
    /** From now on our process may end before it. */
    release() {
      for (const handle of handles) handle.unref();
    },
    async stop() {
      for (const handle of handles) handle.ref();
      stdin.end();
      await exited;
    },
  };
}
