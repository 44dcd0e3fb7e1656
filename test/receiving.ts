/** What tests of receive-wal share: a receiver in the background, servers with small segments, and a comparison with pg_wal. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect } from "vitest";
import { type Lsn, parseLsn } from "../src/kernel/lsn.ts";
import {
  type ReceiveWalOptions,
  type ReceiveWalResult,
  receiveWal,
  type WalEvent,
  type WalProgress,
} from "../src/node/receive-wal/index.ts";
import { checked, type OwnServer, type Server } from "./servers/index.ts";

/** Options of connect for a server of the tests. */
export const address = ({ host, port, user }: Server) => ({ host, port, user });

/** The first value of a query. */
export async function one(server: Server, sql: string): Promise<string> {
  return (await server.sql(sql)).rows[0]![0]!;
}

/** Receives in the background. */
export class Receiving {
  readonly events: WalEvent[] = [];
  readonly end: Promise<ReceiveWalResult>;
  progress: WalProgress | undefined;
  readonly #abort = new AbortController();
  #watch: (() => void) | undefined;

  constructor(server: Server, directory: string, options: Partial<ReceiveWalOptions> = {}) {
    this.end = receiveWal({
      connect: address(server),
      directory,
      signal: this.#abort.signal,
      onEvent: (event) => {
        this.events.push(event);
        this.#watch?.();
      },
      onProgress: (progress) => {
        this.progress = progress;
        this.#watch?.();
      },
      ...options,
    });
    this.end.catch(() => {});
  }

  /** Wait until this is so, looking after each event. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const happens = new Promise<void>((resolve) => {
        this.#watch = resolve;
      });
      await Promise.race([happens, this.end.then((end) => expect.unreachable(`ended by ${end.reason}`))]);
    }
  }

  /** Wait until streaming has begun. */
  started(): Promise<void> {
    return this.until(() => this.events.some(({ type }) => type === "started"));
  }

  /** Wait until WAL up to a position is written. */
  async reached(lsn: Lsn): Promise<void> {
    await this.until(() => (this.progress?.written ?? 0n) >= lsn);
  }

  stop(): Promise<ReceiveWalResult> {
    this.#abort.abort();
    return this.end;
  }
}

/** Make some WAL. @returns the position behind it */
export async function emit(server: Server, kilobytes: number): Promise<Lsn> {
  await server.sql(`SELECT pg_logical_emit_message(true, 'w', repeat(md5(random()::text), ${kilobytes * 32}))`);
  return parseLsn(await one(server, "SELECT pg_current_wal_flush_lsn()"));
}

/** End the segment. @returns the position behind it, at the beginning of a segment */
export async function switchWal(server: Server): Promise<Lsn> {
  await server.sql("SELECT pg_logical_emit_message(false, 'w', 'x')");
  await server.sql("SELECT pg_switch_wal()");
  const now = parseLsn(await one(server, "SELECT pg_current_wal_insert_lsn()"));
  return (now - (now % BigInt(await segmentSize(server)))) as Lsn;
}

export async function segmentSize(server: Server): Promise<number> {
  const sql = "SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 ELSE 1 END FROM pg_settings";
  return Number(await one(server, `${sql} WHERE name = 'wal_segment_size'`));
}

/** The directory of the server's WAL. */
export async function pgWal(server: Server): Promise<string> {
  return join(await one(server, "SHOW data_directory"), "pg_wal");
}

/**
 * Compare every file with that of the server; a segment that is not complete up to `end`, and behind it with zeros.
 *
 * @returns the names, in order
 */
export async function compareWithServer(server: Server, directory: string, end: Lsn): Promise<string[]> {
  const [theirs, size] = [await pgWal(server), await segmentSize(server)];
  const names = readdirSync(directory).sort();
  for (const name of names) {
    const file = readFileSync(join(directory, name));
    const isCompressed = name.includes(".gz");
    const ours = isCompressed ? gunzipSync(file) : file;
    const expected = readFileSync(join(theirs, name.replace(/(\.gz)?(\.partial)?$/, "")));
    const length = name.endsWith(".partial") ? Number(end % BigInt(size)) : expected.length;
    if (!isCompressed) expect(ours.length, name).toBe(expected.length);
    expect(ours.subarray(0, length).equals(expected.subarray(0, length)), `the bytes of ${name}`).toBe(true);
  }
  return names;
}

/**
 * Back up a server, for one that recovers from the backup until it is promoted.
 *
 * @param base A directory that does not exist.
 * @returns what startServer needs beside the major
 */
export async function standbyOf(
  server: OwnServer,
  base: string,
): Promise<{ readonly from: string; readonly settings: Readonly<Record<string, string>> }> {
  const isOld = server.major < 15;
  const session = await server.connect();
  checked(
    await session.query(isOld ? "SELECT pg_start_backup('b', true, false)" : "SELECT pg_backup_start('b', true)"),
  );
  cpSync(server.dataDirectory, base, { recursive: true });
  for (const name of ["postmaster.pid", "pg_replslot"]) rmSync(join(base, name), { recursive: true });
  mkdirSync(join(base, "pg_replslot"));
  const stopped = isOld ? "pg_stop_backup(false)" : "pg_backup_stop()";
  const label = checked(await session.query(`SELECT labelfile FROM ${stopped}`)).find(({ type }) => type === "D")!;
  await session.close();
  writeFileSync(join(base, "backup_label"), label.body.toString("utf8", 6));
  // All that the backup needs, and what came after.
  const wal = join(server.dataDirectory, "pg_wal");
  await server.sql("SELECT pg_switch_wal()");
  // Its last segment is not complete.
  await emit(server, 300);
  for (const name of readdirSync(wal)) {
    if (/^[0-9A-F]{24}$/.test(name)) cpSync(join(wal, name), join(base, "pg_wal", name));
  }
  // Settings of recovery are in a file of their own before 12.
  const trigger = "promote_here";
  if (server.major < 12) {
    writeFileSync(join(base, "recovery.conf"), `standby_mode = on\ntrigger_file = '${trigger}'\n`);
  } else {
    writeFileSync(join(base, "standby.signal"), "");
  }
  return { from: base, settings: { hot_standby: "on" } };
}

/** Let a server of `standbyOf` begin a new timeline. */
export async function promote(standby: OwnServer): Promise<void> {
  if (standby.major >= 12) await standby.sql("SELECT pg_promote()");
  else writeFileSync(join(standby.dataDirectory, "promote_here"), "");
}
