/** receive-wal: what it writes is what the server has, whatever ends it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { FileError } from "../../src/kernel/errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { segmentName } from "../../src/kernel/wal-names.ts";
import { receiveWal } from "../../src/node/receive-wal/index.ts";
import { compile } from "../compiled.ts";
import {
  address,
  compareWithServer,
  emit,
  one,
  promote,
  Receiving,
  segmentSize,
  standbyOf,
  switchWal,
} from "../receiving.ts";
import { times } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-receive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An empty directory. */
const fresh = (): string => mkdtempSync(join(folder, "wal-"));

/** The size of segments is an option of initdb since 11. */
const start = (major: number, options = {}): Promise<OwnServer> =>
  startServer({
    major,
    initdb: major < 11 ? [] : ["--wal-segsize=1"],
    // The server keeps all WAL, to be compared with.
    settings: major < 13 ? { wal_keep_segments: "200" } : { wal_keep_size: "1GB" },
    ...options,
  });

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.unreachable("it was fulfilled"),
    (error: unknown) => error,
  );

describe.each(longTestMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await start(major);
  });
  afterAll(() => server.stop());

  /** A directory with an incomplete segment. @returns the path of that */
  async function partial(): Promise<{ directory: string; path: string; lsn: Lsn }> {
    const directory = fresh();
    const receiving = new Receiving(server, directory);
    await receiving.started();
    await receiving.reached(await emit(server, 50));
    const { lsn } = await receiving.stop();
    const [name] = readdirSync(directory).filter((each) => each.endsWith(".partial"));
    return { directory, path: join(directory, name!), lsn: lsn! };
  }

  test("writes the server's segments, with a slot, and goes on where it ended", { timeout: 60_000 }, async () => {
    const directory = fresh();
    const slotname = "receive_wal_basic";
    const options = { slotname, createSlot: true, statusInterval: 200 };
    const first = new Receiving(server, directory, options);
    await first.started();
    await emit(server, 1200);
    await switchWal(server);
    await first.reached(await emit(server, 100));
    const { reason, lsn } = await first.stop();
    expect(reason).toBe("signal");
    expect((await compareWithServer(server, directory, lsn!)).length).toBeGreaterThanOrEqual(2);
    const restart = `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '${slotname}'`;
    expect(parseLsn(await one(server, restart))).toBe(lsn);

    const target = await switchWal(server);
    const second = new Receiving(server, directory, { ...options, endpos: target });
    await second.started();
    await emit(server, 100);
    const ended = await second.end;
    expect(ended.reason).toBe("endpos");
    expect(ended.lsn).toBeGreaterThan(target);
    await compareWithServer(server, directory, ended.lsn!);
    expect(readdirSync(directory)).toContain(segmentName(1, (target - 1n) as Lsn, await segmentSize(server)));
    await server.sql(`SELECT pg_drop_replication_slot('${slotname}')`);
  });

  test("compresses, and flushes at once", { timeout: 60_000 }, async () => {
    const directory = fresh();
    const options = { compress: "gzip", level: 1, synchronous: true } as const;
    const receiving = new Receiving(server, directory, options);
    await receiving.started();
    await emit(server, 300);
    const end = await switchWal(server);
    await receiving.until(() => (receiving.progress?.flushed ?? 0n) >= end);
    const { lsn } = await receiving.stop();
    const names = await compareWithServer(server, directory, lsn!);
    expect(names.some((name) => name.endsWith(".gz"))).toBe(true);
    const again = new Receiving(server, directory, options);
    await again.started();
    const begin = (lsn! - (lsn! % BigInt(await segmentSize(server)))) as Lsn;
    expect(again.events[0]!.message).toContain(` ${formatLsn(begin, { server: server.versionNum })} `);
    await again.stop();
  });

  test("leaves an incomplete segment as it is that is of another cluster, size or position", {
    timeout: 60_000,
  }, async () => {
    const { directory, path } = await partial();
    const good = readFileSync(path);
    const size = good.length;
    const offsets = { systemIdentifier: 24, segmentSize: 32, pageAddress: 8, long: 2 };
    const damaged = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(good);
      change(bytes);
      return bytes;
    };
    const cases: readonly (readonly [string, Buffer])[] = [
      ["of the cluster with system identifier 5,", damaged((b) => b.writeBigUInt64LE(5n, offsets.systemIdentifier))],
      [
        `segments have ${2 * size} bytes, and those of the server have ${size}`,
        damaged((b) => b.writeUInt32LE(2 * size, offsets.segmentSize)),
      ],
      ["begins with the header of position 1/0", damaged((b) => b.writeBigUInt64LE(1n << 32n, offsets.pageAddress))],
      ["begins with no header of a segment", damaged((b) => b.writeUInt16LE(0, offsets.long))],
      [`has 20000 bytes, should be 0 or ${size}`, good.subarray(0, 20_000)],
      [`has ${size + 1} bytes, should be 0 or ${size}`, Buffer.concat([good, Buffer.alloc(1)])],
    ];
    for (const [words, bytes] of cases) {
      writeFileSync(path, bytes);
      const error = await rejection(receiveWal({ connect: address(server), directory }));
      expect(error).toBeInstanceOf(FileError);
      expect(error).toMatchObject({ code: "BAD_FILE", message: expect.stringContaining(words) });
      expect(readFileSync(path).equals(bytes)).toBe(true);
    }
    // It was being padded when an earlier run was killed.
    for (const length of [0, 20_000, size]) {
      writeFileSync(path, new Uint8Array(length));
      const again = new Receiving(server, directory);
      await again.started();
      await again.reached(await emit(server, 1));
      const { lsn } = await again.stop();
      await compareWithServer(server, directory, lsn!);
    }
  });

  test("passes over complete segments of the wrong size, as pg_receivewal does", { timeout: 60_000 }, async () => {
    const { directory, path, lsn } = await partial();
    const later = segmentName(1, (lsn + 16n * BigInt(await segmentSize(server))) as Lsn, await segmentSize(server));
    writeFileSync(join(directory, later), "");
    writeFileSync(join(directory, `${later}.gz`), Buffer.from([1, 0, 0, 0]));
    const again = new Receiving(server, directory);
    await again.started();
    await again.stop();
    expect(
      again.events
        .slice(0, 2)
        .map(({ message }) => message)
        .sort(),
    ).toEqual([
      `compressed segment file "${later}.gz" has incorrect uncompressed size 1, skipping`,
      `segment file "${later}" has incorrect size 0, skipping`,
    ]);
    rmSync(join(directory, later));
    rmSync(join(directory, `${later}.gz`));
    expect(readdirSync(directory)).toEqual([path.slice(directory.length + 1)]);
  });

  test("rejects complete segments without WAL, and of a timeline that the server does not have", {
    timeout: 60_000,
  }, async () => {
    const { directory, lsn } = await partial();
    const size = await segmentSize(server);
    for (const [suffix, bytes] of [
      ["", Buffer.alloc(size)],
      [".gz", gzipSync(Buffer.alloc(size))],
    ] as const) {
      const name = `${segmentName(1, (lsn + 16n * BigInt(size)) as Lsn, size)}${suffix}`;
      writeFileSync(join(directory, name), bytes);
      expect(await rejection(receiveWal({ connect: address(server), directory }))).toMatchObject({
        name: "FileError",
        code: "BAD_FILE",
        message: `segment file "${name}" has only zeros where WAL begins: remove it, or use another directory`,
      });
      rmSync(join(directory, name));
    }
    writeFileSync(join(directory, `${segmentName(9, lsn, size)}.partial`), "");
    expect(await rejection(receiveWal({ connect: address(server), directory }))).toMatchObject({
      name: "FileError",
      code: "BAD_FILE",
      message: expect.stringMatching(/^the directory has WAL of timeline 9, and the server is on timeline 1: /),
    });
  });

  test("says so if the directory is missing, or vanishes", { timeout: 60_000 }, async () => {
    const directory = fresh();
    const missing = join(directory, "missing");
    expect(await rejection(receiveWal({ connect: address(server), directory: missing }))).toMatchObject({
      name: "FileError",
      code: "FILE_SYSTEM",
      path: missing,
      message: `could not open directory "${missing}": No such file or directory`,
    });
    // Opening a pipe would wait for ever.
    const pipe = fresh();
    execFileSync("mkfifo", [join(pipe, "000000010000000000000001.partial")]);
    expect(await rejection(receiveWal({ connect: address(server), directory: pipe }))).toMatchObject({
      code: "BAD_FILE",
      message: expect.stringContaining("is not a regular file"),
    });
    const receiving = new Receiving(server, directory, { loop: false });
    await receiving.started();
    await receiving.reached(await emit(server, 50));
    renameSync(directory, `${directory}-moved`);
    await switchWal(server);
    const error = await rejection(receiving.end);
    expect(error).toMatchObject({
      code: "FILE_SYSTEM",
      message: expect.stringMatching(/: No such file or directory$/),
    });
    expect(readdirSync(`${directory}-moved`)[0]).toMatch(/\.partial$/);

    // A file that is gone cannot be flushed.
    const removed = fresh();
    const synchronous = new Receiving(server, removed, { loop: false, synchronous: true });
    await synchronous.started();
    await synchronous.reached(await emit(server, 50));
    rmSync(removed, { recursive: true });
    mkdirSync(removed);
    await emit(server, 50);
    expect(await rejection(synchronous.end)).toMatchObject({
      code: "FILE_SYSTEM",
      message: expect.stringMatching(/^could not fsync file .*: No such file or directory$/),
    });
  });

  test("connects again, and ends without a server", { timeout: 60_000 }, async () => {
    const directory = fresh();
    const receiving = new Receiving(server, directory, { retryInterval: 50 });
    await receiving.started();
    await receiving.reached(await emit(server, 50));
    await server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    await receiving.until(() => receiving.events.filter(({ type }) => type === "started").length === 2);
    expect(receiving.events.find(({ type }) => type === "disconnected")).toMatchObject({
      message: "disconnected; waiting 0.05 seconds to try again",
      error: { message: expect.stringContaining("administrator command") },
    });
    await receiving.reached(await emit(server, 50));
    const { lsn } = await receiving.stop();
    await compareWithServer(server, directory, lsn!);
    const nobody = { host: folder, port: 1, user: "a" };
    expect(await rejection(receiveWal({ connect: nobody, directory }))).toMatchObject({ name: "ConnectionError" });
  });

  test("follows a new timeline", { timeout: 60_000 }, async () => {
    const standby = await start(major, await standbyOf(server, join(fresh(), "data")));
    onTestFinished(() => standby.stop());
    const directory = fresh();
    const receiving = new Receiving(standby, directory);
    await receiving.started();
    await promote(standby);
    await receiving.until(() => receiving.events.some(({ type }) => type === "switched"));
    await emit(standby, 200);
    const end = await switchWal(standby);
    await receiving.reached(end);
    const { lsn, timeline } = await receiving.stop();
    expect(timeline).toBe(2);
    const names = readdirSync(directory);
    expect(names).toContain("00000002.history");
    const old = names.find((name) => /^00000001.*\.partial$/.test(name))!;
    expect(old).toBeDefined();
    // The server may have removed or renamed the segment of the old timeline.
    renameSync(join(directory, old), join(folder, old));
    await compareWithServer(standby, directory, lsn!);
    const next = readFileSync(join(directory, old.replace(/^00000001|\.partial$/g, "").replace(/^/, "00000002")));
    const before = readFileSync(join(folder, old));
    // Up to the page of the switch they are the same but for nothing.
    expect(before.subarray(24, 8192).equals(next.subarray(24, 8192))).toBe(true);
  });
});

/** How often the program is killed; hundreds with WALWIRE_KILLS. */
const kills = Number(process.env.WALWIRE_KILLS ?? Math.max(3, Math.round(10 * times)));

test(`gives the right bytes after ${kills} times kill -9`, { timeout: 60_000 + kills * 10_000 }, async () => {
  const compiled = compile();
  onTestFinished(() => compiled.remove());
  const server = await start(longTestMajors.at(-1)!);
  onTestFinished(() => server.stop());
  const directory = fresh();
  const url = `postgres://${server.user}@localhost/?host=${encodeURIComponent(server.host)}`;
  await server.sql("SELECT pg_create_physical_replication_slot('kills', true)");
  const size = await segmentSize(server);
  const call = ["receive-wal", directory, "--dbname", url, "--slot", "kills", "--synchronous", "-s", "1"];
  const run = (...more: string[]): ChildProcess =>
    spawn(process.execPath, [join(compiled.dist, "node/cli.js"), ...call, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  const count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
  let killed = 0;
  for (; killed < kills; killed++) {
    const child = run();
    const end = once(child, "close");
    onTestFinished(() => void child.kill("SIGKILL"));
    while ((await one(server, count)) !== "1") await new Promise((resolve) => setTimeout(resolve, 10));
    const isOver = new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 100));
    let is = false;
    isOver.then(() => {
      is = true;
    });
    do await emit(server, Math.ceil(Math.random() * 800));
    while (!is);
    child.kill("SIGKILL");
    await end;
    // Whatever was confirmed is in the files.
    const confirmed = parseLsn(await one(server, "SELECT restart_lsn FROM pg_replication_slots"));
    const name = segmentName(1, confirmed, size);
    const within = Number(confirmed % BigInt(size));
    if (within === 0) continue;
    const file = [name, `${name}.partial`].find((each) => readdirSync(directory).includes(each));
    const expected = readFileSync(join(server.dataDirectory, "pg_wal", name)).subarray(0, within);
    expect(readFileSync(join(directory, file!)).subarray(0, within).equals(expected), `${file} up to ${within}`).toBe(
      true,
    );
    while ((await one(server, count)) !== "0") await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const end = await switchWal(server);
  const last = run("--endpos", formatLsn((end - 1n) as Lsn), "--no-loop");
  const [status] = await once(last, "close");
  expect(status).toBe(0);
  const names = await compareWithServer(server, directory, end);
  expect(names.every((name) => /^[0-9A-F]{24}$/.test(name))).toBe(true);
  expect(names.length).toBeGreaterThan(killed / 4);
});
