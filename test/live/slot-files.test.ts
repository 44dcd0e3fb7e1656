/**
 * The files of slots, origins and snapshots, by real servers: what they write is read as their views say it, what we write is read by
 * a server that starts as we meant it, and damaged files are refused in the words that we know.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
  encodeSlotState,
  encodeSnapshot,
  judgeReplicationOrigins,
  judgeSlotState,
  judgeSnapshot,
  parseSnapshotFileName,
  type ReplicationSlotPersistentData,
  type StateFileRefusal,
  slotInvalidation,
  slotStateVersions,
  snapshotFileName,
} from "../../src/files/index.ts";
import { formatLsn, invalidLsn, parseLsn } from "../../src/kernel/lsn.ts";
import { times } from "../seed.ts";
import {
  checked,
  type OwnServer,
  type RawConnection,
  type Server,
  ServerError,
  startServer,
} from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { viewOf } from "../slot-views.ts";
import { damage } from "../state-files.ts";

const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** What pg_replication_slots says, by name. */
async function slotsOf(server: Server): Promise<Map<string, Record<string, string | null>>> {
  const { columns, rows } = await server.sql("SELECT * FROM pg_replication_slots");
  const slots = rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]!])));
  return new Map(slots.map((slot) => [slot.slot_name!, slot]));
}

/** What a server that may not start says: the first PANIC or FATAL that is not of our asking whether it is there. */
async function refusalOf(started: Promise<OwnServer>): Promise<StateFileRefusal | undefined> {
  try {
    await (await started).stop();
    return undefined;
  } catch (error) {
    const lines = (error as Error).message.split("\n");
    const at = lines.findIndex((line) => /^(?!57P03)\w{5} (PANIC|FATAL): /.test(line));
    const [, sqlstate, level, message] = /^(\w{5}) (PANIC|FATAL): {2}(.*)$/.exec(lines[at] ?? "") ?? [];
    if (sqlstate === undefined) throw error;
    const hint = lines.find((line) => line.startsWith(`${sqlstate} HINT:  `))?.slice(`${sqlstate} HINT:  `.length);
    return { level: level as "PANIC", sqlstate, message: message!, hint };
  }
}

const settings = { log_line_prefix: "%e ", max_slot_wal_keep_size: "1MB", max_wal_size: "32MB", min_wal_size: "32MB" };
/** Settings of a version only where there is the setting. */
function settingsOf(major: number): Record<string, string> {
  const { max_slot_wal_keep_size, ...others } = settings;
  return major >= 13 ? settings : others;
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let temporary: RawConnection;
  let running: RawConnection;
  let data: string;
  /** A copy of the data directory that a server can start on, and one with as much of it as it takes to say no. */
  let copy: string;
  let skeleton: string;
  let slots: Map<string, Record<string, string | null>>;
  const files = new Map<string, Uint8Array>();
  let origins: Uint8Array;

  beforeAll(async () => {
    server = await startServer({ major, settings: settingsOf(major) });
    data = server.dataDirectory;
    if (major >= 13) {
      await server.sql("SELECT pg_create_physical_replication_slot('lost', true)");
      for (let i = 0; i < 3; i++) {
        await server.sql(`SELECT pg_switch_wal()`);
        await server.sql("SELECT txid_current()");
      }
      await server.sql("CHECKPOINT");
    }
    await server.sql("SELECT pg_create_physical_replication_slot('physical', true)");
    await server.sql("SELECT pg_create_physical_replication_slot('idle')");
    await server.sql("SELECT pg_create_logical_replication_slot('logical', 'test_decoding')");
    if (major >= 14) await server.sql("SELECT pg_create_logical_replication_slot('two', 'pgoutput', false, true)");
    if (major >= 17) {
      await server.sql("SELECT pg_create_logical_replication_slot('failing', 'pgoutput', false, false, true)");
    }
    temporary = await server.connect();
    checked(await temporary.query("SELECT pg_create_physical_replication_slot('passing', true, true)"));
    for (const name of ["a", "b", "c"]) await server.sql(`SELECT pg_replication_origin_create('${name}')`);
    await server.sql("SELECT pg_replication_origin_advance('c', 'AB/CDEF0123')");
    await server.sql("SELECT pg_replication_origin_advance('a', '0/1')");
    // A snapshot is read only where transactions ran when it was taken. It has those that changed catalogs, one that still runs too.
    const next = () => server.sql("CHECKPOINT; SELECT pg_logical_slot_get_changes('logical', NULL, NULL); CHECKPOINT");
    await server.sql("CREATE TABLE t (a int)");
    running = await server.connect();
    checked(await running.query("BEGIN"));
    checked(await running.query("SELECT txid_current()"));
    await next();
    checked(await running.query("CREATE TABLE u (a int)"));
    await next();
    slots = await slotsOf(server);
    for (const name of readdirSync(join(data, "pg_replslot"))) {
      files.set(name, bytesOf(join(data, "pg_replslot", name, "state")));
    }
    origins = bytesOf(join(data, "pg_logical/replorigin_checkpoint"));

    copy = mkdtempSync(join(tmpdir(), "walwire-slot-files-"));
    cpSync(data, copy, { recursive: true, verbatimSymlinks: true });
    rmSync(join(copy, "postmaster.pid"));
    rmSync(join(copy, "pg_replslot"), { recursive: true });
    mkdirSync(join(copy, "pg_replslot"));
    skeleton = mkdtempSync(join(tmpdir(), "walwire-slot-files-"));
    cpSync(copy, skeleton, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.startsWith(join(copy, "base/")),
    });
  }, 60_000);
  afterAll(async () => {
    await temporary?.close();
    await running?.close();
    await server?.stop();
    for (const each of [copy, skeleton]) if (each !== undefined) rmSync(each, { recursive: true, force: true });
  });

  function put(directory: string, state: ReadonlyMap<string, Uint8Array>, originsFile: Uint8Array = origins): void {
    rmSync(join(directory, "pg_replslot"), { recursive: true });
    for (const [name, file] of state) {
      mkdirSync(join(directory, "pg_replslot", name), { recursive: true });
      writeFileSync(join(directory, "pg_replslot", name, "state"), file);
    }
    mkdirSync(join(directory, "pg_replslot"), { recursive: true });
    writeFileSync(join(directory, "pg_logical/replorigin_checkpoint"), originsFile);
  }

  test("its slots are read as its view has them, and are written again byte by byte", () => {
    expect([...files.keys()].sort()).toEqual([...slots.keys()].sort());
    expect(files.size).toBe(4 + Number(major >= 13) + Number(major >= 14) + Number(major >= 17));
    for (const [name, file] of files) {
      const state = decodeSlotState(file);
      expect(viewOf(state.slotdata, major), name).toEqual(
        Object.fromEntries(
          Object.keys(viewOf(state.slotdata, major)).map((column) => [column, slots.get(name)![column]]),
        ),
      );
      expect(bufferOf(encodeReplicationSlotOnDisk(state)).equals(file)).toBe(true);
      expect(bufferOf(encodeSlotState(state.slotdata, { server: major })).equals(file)).toBe(true);
      expect(judgeSlotState(file, { server: major, directory: name })).toBeUndefined();
      expect(slotStateVersions(state)).toMatch(
        major <= 12
          ? /^9.5 to 12$/
          : major === 13
            ? /^13$/
            : major <= 15
              ? /^14 to 15$/
              : major === 16
                ? /^16$/
                : /^17 and later$/,
      );
    }
    expect(decodeSlotState(files.get("passing")!).slotdata.persistency).toBe("temporary");
    if (major >= 13) {
      const lost = decodeSlotState(files.get("lost")!).slotdata;
      expect(slots.get("lost")!.wal_status).toBe("lost");
      expect(slotInvalidation(lost)).toBe("wal_removed");
    }
  });

  test("its origins are read as its view has them, and are written again byte by byte", async () => {
    const { rows } = await server.sql("SELECT local_id, remote_lsn FROM pg_replication_origin_status ORDER BY 1");
    const states = [...decodeReplicationOrigins(origins)].sort((a, b) => a.roident - b.roident);
    expect(states.map(({ roident, remoteLsn }) => [String(roident), formatLsn(remoteLsn)])).toEqual(rows);
    expect(rows).toEqual([
      ["1", "0/1"],
      ["3", "AB/CDEF0123"],
    ]);
    expect(bufferOf(encodeReplicationOrigins(decodeReplicationOrigins(origins))).equals(origins)).toBe(true);
  });

  test("its snapshots are read, and are written again byte by byte", async () => {
    const names = readdirSync(join(data, "pg_logical/snapshots"));
    expect(names).toContain(snapshotFileName(parseLsn(slots.get("logical")!.restart_lsn!)));
    const xmax = Number((await server.sql("SELECT txid_current()")).rows[0]![0]);
    let xids = 0;
    let changing = 0;
    for (const name of names) {
      const file = bytesOf(join(data, "pg_logical/snapshots", name));
      const snapshot = decodeSnapshot(file);
      expect(snapshotFileName(parseSnapshotFileName(name)!)).toBe(name);
      expect(bufferOf(encodeSnapshot(snapshot)).equals(file)).toBe(true);
      expect(judgeSnapshot(file, { server: major, name })).toBeUndefined();
      const { length, builder } = snapshot.head;
      expect(length).toBe(file.length);
      expect(builder).toMatchObject({ state: "consistent", memoryContext: 0n, snapshot: 0n, reorder: 0n });
      expect(builder.xmin).toBeLessThanOrEqual(builder.xmax);
      expect(builder.xmax).toBeLessThanOrEqual(xmax);
      expect(builder.startDecodingAt).toBeLessThanOrEqual(parseLsn(slots.get("logical")!.confirmed_flush_lsn!));
      for (const xid of snapshot.committed) expect(xid >= builder.xmin && xid < builder.xmax).toBe(true);
      xids += snapshot.committed.length;
      changing += snapshot.catchange?.length ?? 0;
    }
    expect(xids).toBeGreaterThan(0);
    expect(changing > 0).toBe(major >= 16);
  });

  test("a damaged snapshot is refused in the words that we know, and one that we write is read", async () => {
    const name = snapshotFileName(parseLsn(slots.get("logical")!.restart_lsn!));
    const path = join(data, "pg_logical/snapshots", name);
    const good = bytesOf(path);
    const view = (file: Uint8Array): DataView => new DataView(file.buffer);
    // Where committed.xcnt is: behind it the struct has 24 bytes, from 16 on those of catchange too, and then come the transactions.
    const { committed, catchange = [] } = decodeSnapshot(good);
    const count = good.length - 4 * (committed.length + catchange.length) - (major >= 16 ? 16 : 0) - 32;
    const peek = () => server.sql("SELECT pg_logical_slot_peek_changes('logical', NULL, NULL)");
    const kinds: typeof damage = {
      ...damage,
      "a list longer than the file": (file) => {
        const bad = file.slice();
        view(bad).setBigUint64(count, 1000n, true);
        return bad;
      },
      "a list longer than memory": (file) => {
        const bad = file.slice();
        view(bad).setBigUint64(count, 2n ** 61n + 2n ** 40n, true);
        return bad;
      },
    };
    expect(view(good).getBigUint64(count, true)).toBe(BigInt(committed.length));
    for (const [kind, make] of Object.entries(kinds)) {
      const bad = make(good);
      writeFileSync(path, bad);
      const expected = judgeSnapshot(bad, { server: server.versionNum, name });
      const said = await peek().then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof ServerError)) throw error;
          return { level: error.fields.S, sqlstate: error.fields.C, message: error.fields.M, hint: error.fields.H };
        },
      );
      expect(said, kind).toEqual(expected);
      if (kind.includes("checksum")) expect(said).toBeDefined();
    }
    const snapshot = decodeSnapshot(good);
    writeFileSync(path, encodeSnapshot({ ...snapshot, head: { ...snapshot.head, checksum: 0 } }));
    await peek();
    writeFileSync(path, good);
  });

  test("files that we write are read by a server that starts, as they were meant", async () => {
    const real = decodeSlotState(files.get("logical")!).slotdata;
    const xid = real.catalogXmin;
    const at = (offset: bigint) => (real.restartLsn + offset) as typeof real.restartLsn;
    const physical: ReplicationSlotPersistentData = {
      name: "ours",
      database: 0,
      persistency: "persistent",
      xmin: xid - 1,
      catalogXmin: xid - 2,
      restartLsn: at(8n),
      confirmedFlush: invalidLsn,
      plugin: "",
    };
    const logical = { ...physical, name: "our_logical", database: real.database, plugin: "a plugin, 'any'", xmin: 0 };
    const written: ReplicationSlotPersistentData[] = [
      physical,
      { ...physical, name: "none", xmin: 0, catalogXmin: 0, restartLsn: invalidLsn },
      { ...logical, catalogXmin: xid, restartLsn: at(16n), confirmedFlush: at(24n) },
      // Sixty-three bytes.
      { ...physical, name: "n".repeat(63), xmin: xid },
    ];
    const flags = { twoPhase: false, twoPhaseAt: invalidLsn };
    if (major >= 14) written.push({ ...logical, ...flags, name: "our_two", twoPhase: true, twoPhaseAt: at(32n) });
    if (major >= 17) {
      written.push({ ...logical, ...flags, name: "our_synced", synced: true, failover: false });
      written.push({ ...logical, ...flags, name: "our_failover", synced: false, failover: true });
    }
    if (major >= 16) {
      const causes = ["wal_removed", "rows_removed", "wal_level_insufficient", "idle_timeout"] as const;
      for (const invalidated of causes.slice(0, major >= 18 ? 4 : 3)) {
        written.push({ ...logical, ...flags, name: `our_${invalidated}`, invalidated, restartLsn: invalidLsn });
      }
    } else if (major >= 13) {
      written.push({ ...physical, name: "our_lost", restartLsn: invalidLsn, invalidatedAt: at(0n) });
    }
    const gone = [
      { ...physical, name: "gone", persistency: "temporary" as const },
      { ...physical, name: "gone_too", persistency: "ephemeral" as const },
    ];
    put(
      copy,
      new Map([...written, ...gone].map((slot) => [slot.name, encodeSlotState(slot, { server: major })])),
      encodeReplicationOrigins([
        { roident: 2, remoteLsn: parseLsn("FEDCBA98/76543210") },
        { roident: 0xfffe, remoteLsn: parseLsn("0/2") },
      ]),
    );
    const started = await startServer({ major, from: copy, settings: settingsOf(major) });
    try {
      const found = await slotsOf(started);
      expect([...found.keys()].sort()).toEqual(written.map(({ name }) => name).sort());
      for (const slot of written) {
        const meant = decodeSlotState(encodeSlotState(slot, { server: major })).slotdata;
        expect(found.get(slot.name), slot.name).toMatchObject(viewOf(meant, major));
        if (slotInvalidation(meant) === "wal_removed") expect(found.get(slot.name)!.wal_status).toBe("lost");
      }
      expect(readdirSync(join(started.dataDirectory, "pg_replslot"))).not.toContain("gone");
      const { rows } = await started.sql("SELECT local_id, remote_lsn FROM pg_replication_origin_status ORDER BY 1");
      expect(rows).toEqual([
        ["2", "FEDCBA98/76543210"],
        ["65534", "0/2"],
      ]);
    } finally {
      await started.stop();
    }
  }, 60_000);

  describe("is told that it may not start, in the words that we know", () => {
    const start = (more: Record<string, string> = {}) =>
      startServer({ major, from: skeleton, settings: { ...settingsOf(major), ...more } });
    /** Each start takes a third of a second: each version has a ninth of all kinds, so that together they have all, unless more is asked for. */
    const some = <T>(all: readonly T[]): T[] => all.filter((_, i) => times > 1 || i % 9 === major % 9);
    const server = () => String(major);

    test.each(some(Object.keys(damage)))(
      "a slot: %s",
      async (kind) => {
        const bad = damage[kind]!(files.get("physical")!);
        put(skeleton, new Map([["physical", bad]]));
        const expected = judgeSlotState(bad, { server: server(), directory: "physical" });
        if (expected === undefined) return expect(kind).toMatch(/more/);
        expect(await refusalOf(start())).toEqual(expected);
      },
      60_000,
    );

    test.each(some(Object.keys(damage).reverse()))(
      "origins: %s",
      async (kind) => {
        const bad = damage[kind]!(origins);
        put(skeleton, new Map(), bad);
        const expected = judgeReplicationOrigins(bad, { server: server() });
        // A length in the middle of a record of an origin means nothing: it is the position.
        expect(expected, kind).toBeDefined();
        expect(await refusalOf(start())).toEqual(expected);
      },
      60_000,
    );

    test.each(
      some([
        ["logical", { wal_level: "replica" }, { walLevel: "replica" }],
        ["physical", { wal_level: "minimal", max_wal_senders: "0", archive_mode: "off" }, { walLevel: "minimal" }],
        ["physical", { max_replication_slots: "0" }, { maxReplicationSlots: 0 }],
      ] as const),
    )(
      "a %s slot, with %j",
      async (name, more, options) => {
        const file = files.get(name)!;
        put(skeleton, new Map([[name, file]]), encodeReplicationOrigins([]));
        const expected = judgeSlotState(file, { server: server(), directory: name, ...options });
        expect(expected?.level).toMatch(major < 12 && "maxReplicationSlots" in options ? "PANIC" : "FATAL");
        expect(await refusalOf(start(more))).toEqual(expected);
      },
      60_000,
    );
  });

  test("more origins than it has room for", async () => {
    const file = encodeReplicationOrigins([1, 2].map((roident) => ({ roident, remoteLsn: parseLsn("0/1") })));
    put(skeleton, new Map(), file);
    const name = major >= 18 ? "max_active_replication_origins" : "max_replication_slots";
    const expected = judgeReplicationOrigins(file, { server: major, maxOrigins: 1 });
    expect(expected).toBeDefined();
    const more = { ...settingsOf(major), [name]: "1" };
    expect(await refusalOf(startServer({ major, from: skeleton, settings: more }))).toEqual(expected);
  }, 60_000);
});
