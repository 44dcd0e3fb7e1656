/** WalDirectory: what clients ask wrongly, beside a server that is asked the same; damaged directories; slots on the disk. */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeSlotState } from "../../src/files/slot-state.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import { connect } from "../../src/node/client.ts";
import { WalDirectory } from "../../src/node/server/index.ts";
import { emit, Receiving, switchWal } from "../receiving.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { freshDirectory, served } from "../wal-directories.ts";
import { modelled, walksLikeModel } from "./models.ts";
import { empty, messagesOf, query, startup, talk } from "./server-talk.ts";

const MiB = 1024 ** 2;
const major = liveMajors.at(-1)!;

const freshDirectoryOfAll = mkdtempSync(join(tmpdir(), "walwire-wal-directories-"));

/** A server whose first segments are removed, and a directory with what it has. */
let server: OwnServer;
let archive: string;

beforeAll(async () => {
  server = await startServer({
    major,
    initdb: ["--wal-segsize=1"],
    settings: { wal_level: "replica", max_wal_size: "2MB", min_wal_size: "2MB", wal_recycle: "off" },
  });
  for (let i = 0; i < 4; i++) await switchWal(server);
  await server.sql("CHECKPOINT");
  await switchWal(server);
  await server.sql("CHECKPOINT");
  archive = join(freshDirectoryOfAll, "archive");
  mkdirSync(archive);
  // From here on nothing is removed.
  await server.sql("SELECT pg_create_physical_replication_slot('keep', true)");
  const receiving = new Receiving(server, archive, { statusInterval: 1000 });
  await receiving.started();
  for (let i = 0; i < 20; i++) await emit(server, 100);
  await switchWal(server);
  // The last record crosses a boundary, too.
  for (let i = 0; i < 20; i++) await emit(server, 90);
  await receiving.reached(await emit(server, 1500));
  await receiving.stop();
  return async () => {
    await server.stop();
    rmSync(freshDirectoryOfAll, { recursive: true });
  };
});

/** A copy of the archive, to be damaged. */
function copy(): string {
  const path = join(freshDirectory(), "copy");
  cpSync(archive, path, { recursive: true });
  return path;
}

const segments = (path: string): string[] =>
  readdirSync(path)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();

const startOf = (name: string): Lsn => (BigInt(Number.parseInt(name.slice(16), 16)) * BigInt(MiB)) as Lsn;

/** All WAL from a position on, until the directory's end or an error. */
async function receive(host: string, from: Lsn, end: Lsn): Promise<{ bytes: Buffer; error: string | undefined }> {
  const client = await connect({ host, port: 5432, user: "me", replication: "true" });
  const parts: Uint8Array[] = [];
  let position = from;
  try {
    await client.startPhysical({ startpoint: from });
    while (position < end) {
      const payload = await client.receive();
      if (payload === undefined) {
        await client.endReplication();
        break;
      }
      const message = decodeWalSenderMessage(payload);
      if (message.type !== "XLogData") continue;
      expect(message.dataStart).toBe(position);
      parts.push(Buffer.from(message.data));
      position = (position + BigInt(message.data.length)) as Lsn;
    }
    return { bytes: Buffer.concat(parts), error: undefined };
  } catch (error) {
    return { bytes: Buffer.concat(parts), error: (error as Error).message };
  } finally {
    await client.disconnect().catch(() => {});
  }
}

describe("in the server's words", () => {
  const ask = async (path: string, ...commands: readonly string[]): Promise<string[]> => {
    const steps = commands.map(query);
    const replication = commands.some((each) => each.includes("LOGICAL")) ? "database" : "true";
    const said = messagesOf(
      await talk(path, [startup({ user: "postgres", database: "postgres", replication }), ...steps, empty("X")]),
    );
    return said.filter((each) => /^[ENWCTD] /.test(each)).map((each) => each.replace(/PID \d+/, "PID n"));
  };

  test.for([
    ["TIMELINE_HISTORY 9"],
    ["START_REPLICATION 0/1000000 TIMELINE 7"],
    ["START_REPLICATION 0/100000 TIMELINE 1"],
    ["START_REPLICATION SLOT missing PHYSICAL 0/3000000"],
    ["START_REPLICATION SLOT missing LOGICAL 0/3000000"],
    ["DROP_REPLICATION_SLOT missing"],
    ["DROP_REPLICATION_SLOT missing WAIT"],
    ["READ_REPLICATION_SLOT missing"],
    ["ALTER_REPLICATION_SLOT missing (FAILOVER)"],
    ['CREATE_REPLICATION_SLOT "No" PHYSICAL'],
    ["CREATE_REPLICATION_SLOT l LOGICAL pgoutput"],
    ["CREATE_REPLICATION_SLOT a PHYSICAL", "CREATE_REPLICATION_SLOT a PHYSICAL", "DROP_REPLICATION_SLOT a"],
    [
      "CREATE_REPLICATION_SLOT b PHYSICAL",
      "READ_REPLICATION_SLOT b",
      "DROP_REPLICATION_SLOT b",
      "READ_REPLICATION_SLOT b",
    ],
    ["CREATE_REPLICATION_SLOT d PHYSICAL", "ALTER_REPLICATION_SLOT d (FAILOVER)", "DROP_REPLICATION_SLOT d"],
    ["CREATE_REPLICATION_SLOT e TEMPORARY PHYSICAL", "READ_REPLICATION_SLOT e", "DROP_REPLICATION_SLOT e"],
    ["SHOW wal_segment_size"],
    ["SHOW data_directory_mode"],
    ["BASE_BACKUP (INCREMENTAL)"],
  ])("%s", async (commands) => {
    const { host } = await served(archive, { backup: backupWith() });
    const [ours, theirs] = [host, server.host].map((directory) => `${directory}/.s.PGSQL.5432`);
    expect(await ask(ours!, ...commands)).toEqual(await ask(theirs!, ...commands));
  });

  test.for(["START_REPLICATION FFFF/0", "START_REPLICATION FFFF/0 TIMELINE 1"])("%s", async (command) => {
    const { host } = await served(archive);
    const said = [];
    for (const address of [
      { host, port: 5432 },
      { host: server.host, port: server.port },
    ]) {
      const client = await connect({ ...address, user: "postgres", replication: "true" });
      await client.startReplication(command);
      const error = (await client.receive().catch((error: unknown) => error)) as Error & { sqlstate: string };
      said.push([error.sqlstate, error.message.replace(/[0-9A-F]+\/[0-9A-F]+$/, "LSN")]);
      await client.disconnect();
    }
    expect(said[0]).toEqual(said[1]);
  });

  test("a temporary slot is in use until its session has an error or ends; some commands wait for that", async () => {
    const { host } = await served(archive);
    for (const address of [
      { host, port: 5432 },
      { host: server.host, port: server.port },
    ]) {
      const path = `${address.host}/.s.PGSQL.5432`;
      const user = { user: "postgres", replication: "true" } as const;
      const gone = 'E ERROR ERROR 42704 replication slot "held" does not exist';
      const holder = await connect({ ...address, ...user });
      for (const waiting of ["DROP_REPLICATION_SLOT held WAIT", "ALTER_REPLICATION_SLOT held (FAILOVER)"]) {
        await holder.createSlot("held", { temporary: true });
        expect(await ask(path, "DROP_REPLICATION_SLOT held")).toEqual([
          'E ERROR ERROR 55006 replication slot "held" is active for PID n',
        ]);
        let isAnswered = false;
        const answer = ask(path, waiting).finally(() => {
          isAnswered = true;
        });
        await sleep(100);
        expect(isAnswered).toBe(false);
        await expect(holder.timelineHistory(9)).rejects.toThrow("could not open file");
        expect(await answer).toEqual([gone]);
      }
      await holder.createSlot("held", { temporary: true });
      await holder.disconnect();
      await expect.poll(() => ask(path, "DROP_REPLICATION_SLOT held")).toEqual([gone]);
    }
  });
});

// Which the live servers are held to as well: test/oracle/server-models.test.ts.
test.each([10, 13, 15, 17, 18])("physical slots as a model of PostgreSQL %i has them", async (version) => {
  const accepted = [
    /^CREATE_REPLICATION_SLOT \S+( TEMPORARY)? PHYSICAL/,
    /^(DROP|ALTER|READ)_REPLICATION_SLOT /,
    /^START_REPLICATION (SLOT \S+ PHYSICAL )?\$lsn/,
    /^(BEGIN|COMMIT|ROLLBACK)/,
  ];
  await walksLikeModel({
    server: version,
    runs: 100,
    accepted,
    open: async () => {
      const { host, directory } = await served(archive, { listening: { ...modelled, server: version } });
      return { path: join(host, ".s.PGSQL.5432"), position: () => directory.end };
    },
  });
});

test("slots survive, with the position that the receiver has flushed", async () => {
  const slots = join(freshDirectory(), "pg_replslot");
  const { host, directory } = await served(archive, { slots });
  const client = await connect({ host, port: 5432, user: "me", replication: "true" });
  await client.createSlot("kept", { reserveWal: true });
  await client.createSlot("gone");
  await client.dropSlot("gone");
  await client.disconnect();
  const before = decodeSlotState(readFileSync(join(slots, "kept", "state"))).slotdata;
  expect(before).toMatchObject({ name: "kept", persistency: "persistent", restartLsn: directory.end });
  const target = freshDirectory();
  const receiving = new Receiving({ ...server, host }, target, {
    connect: { host, port: 5432, user: "me" },
    slotname: "kept",
    statusInterval: 1000,
  });
  await receiving.started();
  await receiving.stop();
  expect(readdirSync(slots)).toEqual(["kept"]);
  // Another object finds it; what was left half made is removed.
  mkdirSync(join(slots, "half.tmp"));
  const again = await served(archive, { slots });
  const other = await connect({ host: again.host, port: 5432, user: "me", replication: "true" });
  expect(await other.readSlot("kept")).toMatchObject({ slot_type: "physical", restart_tli: 1 });
  await other.disconnect();
  expect(readdirSync(slots)).toEqual(["kept"]);
  writeFileSync(join(slots, "kept", "state"), "nonsense");
  await expect(WalDirectory.open(archive, { slots })).rejects.toMatchObject({ code: "BAD_FILE" });
});

test("compressed segments are served as they were", async () => {
  const path = copy();
  const [first, second] = segments(path) as [string, string];
  writeFileSync(join(path, `${first}.gz`), gzipSync(readFileSync(join(path, first))));
  rmSync(join(path, first));
  const { host, directory } = await served(path);
  const { bytes, error } = await receive(host, startOf(first), (startOf(second) + BigInt(MiB)) as Lsn);
  expect(error).toBeUndefined();
  const expected = Buffer.concat([first, second].map((name) => readFileSync(join(archive, name))));
  expect(bytes.subarray(0, 2 * MiB).equals(expected)).toBe(true);
  expect(directory.end).toBeGreaterThan(startOf(second));
});

/** A directory with a backup_label only, of a whole backup or an incremental one. */
function backupWith(...more: readonly string[]): string {
  const backup = freshDirectory();
  const lines = [
    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
    "CHECKPOINT LOCATION: 0/2000060",
    "BACKUP METHOD: streamed",
    "BACKUP FROM: primary",
    "START TIME: 2026-11-30 00:00:00 UTC",
    "LABEL: l",
    "START TIMELINE: 1",
    ...more,
  ];
  writeFileSync(join(backup, "backup_label"), lines.map((line) => `${line}\n`).join(""));
  return backup;
}

test("a stored backup that is incremental is not served, nor sent if it comes later", async () => {
  const incremental = backupWith("INCREMENTAL FROM LSN: 0/1000028", "INCREMENTAL FROM TLI: 1");
  await expect(WalDirectory.open(archive, { backup: incremental })).rejects.toThrow(
    "is an incremental backup: combine",
  );
  const backup = backupWith();
  const { host } = await served(archive, { backup });
  cpSync(join(incremental, "backup_label"), join(backup, "backup_label"));
  const said = messagesOf(
    await talk(join(host, ".s.PGSQL.5432"), [
      startup({ user: "postgres", replication: "true" }),
      query("BASE_BACKUP"),
      empty("X"),
    ]),
  );
  expect(said.join("\n")).toContain("0A000 the stored backup is incremental, and is not sent HINT Combine it");
});

test("a directory that is not a base backup is not served", async () => {
  const missing = WalDirectory.open(archive, { backup: "/nonexistent" });
  await expect(missing).rejects.toThrow('could not open file "/nonexistent/backup_label": No such file or directory');
  const backup = backupWith();
  writeFileSync(join(backup, "backup_label"), "nonsense");
  await expect(WalDirectory.open(archive, { backup })).rejects.toMatchObject({ code: "BAD_FILE" });
});

describe("damaged directories", () => {
  /** What a client gets from the second segment on, and whether all of it is right. */
  async function outcome(path: string): Promise<string | undefined> {
    const { host, directory } = await served(path);
    const from = startOf(segments(archive)[1]!);
    const { bytes, error } = await receive(host, from, directory.end);
    const whole = Buffer.concat(
      readdirSync(archive)
        .filter((name) => name >= segments(archive)[1]!)
        .sort()
        .map((name) => readFileSync(join(archive, name))),
    );
    expect(bytes.equals(whole.subarray(0, bytes.length)), "only right bytes").toBe(true);
    return error;
  }
  const third = (): string => segments(archive)[2]!;

  test("an undamaged one", async () => {
    expect(await outcome(copy())).toBeUndefined();
  });

  /** Change a byte in the middle of a file. */
  function flip(file: string): void {
    const bytes = readFileSync(file);
    bytes[MiB / 2 + 100]! ^= 1;
    writeFileSync(file, bytes);
  }

  test("a byte in a record where WAL ends", async () => {
    const path = copy();
    const [last] = readdirSync(path).filter((name) => name.endsWith(".partial"));
    flip(join(path, last!));
    expect(await outcome(path)).toBeUndefined();
    const { directory } = await served(path);
    expect(directory.end - startOf(last!.slice(0, 24))).toBeLessThanOrEqual(MiB / 2 + 100);
  });

  // As by a walsender: whoever replays WAL checks it.
  test("a byte in a record behind which WAL goes on: it is sent as it is", async () => {
    const path = copy();
    flip(join(path, third()));
    const { host, directory } = await served(path);
    const { bytes, error } = await receive(host, startOf(third()), directory.end);
    expect(error).toBeUndefined();
    expect(bytes.subarray(0, MiB).equals(readFileSync(join(path, third())))).toBe(true);
  });

  test("a page within a segment that is not one", async () => {
    const path = copy();
    const file = readFileSync(join(path, third()));
    writeFileSync(join(path, third()), file.fill(0, MiB / 2));
    expect(await outcome(path)).toMatch(/^invalid (magic number 0000|record length)/);
  });

  test("a hole", async () => {
    const path = copy();
    rmSync(join(path, third()));
    expect(await outcome(path)).toBe(`requested WAL segment ${third()} has already been removed`);
  });

  test("a segment under the name of another", async () => {
    const path = copy();
    cpSync(join(path, segments(path)[1]!), join(path, third()));
    expect(await outcome(path)).toMatch(/unexpected pageaddr/);
  });

  test("a segment of another cluster", async () => {
    const path = copy();
    const file = readFileSync(join(path, third()));
    file[24]! ^= 1;
    writeFileSync(join(path, third()), file);
    expect(await outcome(path)).toMatch(/WAL file is from different database system/);
  });

  test("zeros, a short file, a long one, a directory, a link that leads nowhere", async () => {
    for (const damage of [
      (file: string) => writeFileSync(file, Buffer.alloc(MiB)),
      (file: string) => truncateSync(file, MiB / 2),
      (file: string) => appendFileSync(file, "x"),
      (file: string) => {
        rmSync(file);
        mkdirSync(file);
      },
      (file: string) => {
        rmSync(file);
        symlinkSync("/nowhere", file);
      },
    ]) {
      const path = copy();
      damage(join(path, third()));
      expect(await outcome(path)).toBeDefined();
    }
  });

  test("a file that shrinks while it is served", async () => {
    const path = copy();
    const { host, directory } = await served(path);
    const before = directory.end;
    truncateSync(join(path, third()), 1000);
    const { error } = await receive(host, startOf(third()), before);
    expect(error).toMatch(/could not read from WAL segment|invalid|has already been removed/);
  });

  test("nothing, nonsense, and histories that are not any", async () => {
    const open = async (path: string): Promise<unknown> => WalDirectory.open(path).catch((error: unknown) => error);
    const path = freshDirectory();
    expect(await open(path)).toMatchObject({ code: "BAD_FILE" });
    expect(await open(join(path, "missing"))).toMatchObject({ code: "FILE_SYSTEM" });
    writeFileSync(join(path, "000000010000000000000001"), "nonsense");
    expect(await open(path)).toMatchObject({ code: "BAD_FILE" });
    const other = copy();
    writeFileSync(join(other, "00000002.history"), "nonsense\n");
    expect(await open(other)).toBeInstanceOf(WalwireError);
    renameSync(join(other, "00000002.history"), join(other, "00000003.history"));
    // It may be in the making.
    writeFileSync(join(other, "00000003.history"), "1\t0/30");
    expect(await open(other)).toMatchObject({ timeline: 1 });
  });

  test("a number of files that are not WAL", async () => {
    const path = copy();
    for (let i = 0; i < 300; i++)
      writeFileSync(join(path, `0000000100000000${(0xff00 + i).toString(16).toUpperCase().padStart(8, "0")}`), "");
    const directory = await WalDirectory.open(path);
    expect(directory.end).toBe((await WalDirectory.open(archive)).end);
  });
});
