/**
 * WAL of live servers: what is in their files and what they stream are the same records, written again they are the same bytes, and
 * where a server can be asked (its positions, pg_walinspect, what it says of damage), it says what we say.
 */
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { decodeWalSenderMessage } from "../../src/physical/index.ts";
import { crcOfRecord } from "../../src/wal/decode.ts";
import {
  decodeWalPageHeader,
  encodeWalRecord,
  WalError,
  WalReader,
  type WalRecord,
  WalWriter,
} from "../../src/wal/index.ts";
import { toHex } from "../hex.ts";
import { seed, times } from "../seed.ts";
import { capturePhysicalStream, checked, type OwnServer, ServerError, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { simpleRecords } from "../wal-reader.ts";

const SEGMENT = 16 * 1024 * 1024;

/** All on each major, which takes three times as long: 10, 14 and 18 are where the frame or its texts changed. */
const all = times > 1;

/**
 * The segments that are there, in order, as one. The first has some 40,000 records of initdb, and is left out. Recycled ones lie behind
 * what is written.
 */
function readWal(dataDirectory: string): { bytes: Buffer; start: Lsn; paths: string[] } {
  const folder = join(dataDirectory, "pg_wal");
  const names = readdirSync(folder).filter((name) => /^[0-9A-F]{24}$/.test(name) && !name.endsWith("00000001"));
  const paths = names.sort().map((name) => join(folder, name));
  const bytes = Buffer.concat(paths.map((path) => readFileSync(path)));
  return { bytes, start: decodeWalPageHeader(bytes).pageAddress, paths };
}

function readAll(bytes: Uint8Array, reader = new WalReader()): { records: WalRecord[]; reader: WalReader } {
  const records: WalRecord[] = [];
  for (let at = 0; at < bytes.length; at += SEGMENT) {
    reader.push(bytes.subarray(at, at + SEGMENT));
    for (let record = reader.next(); record !== undefined; record = reader.next()) records.push(record);
  }
  return { records, reader };
}

/** At the beginning of a page, a server names the place behind the header where the next record will be. */
function recordEnd(text: string): Lsn {
  const lsn = parseLsn(text);
  const offset = lsn % 8192n;
  return offset === 24n || offset === 40n ? toLsn(lsn - offset) : lsn;
}

/** Statements that make records of every frame: sizes, images with holes, compressed or only compared, subtransactions, origins. */
const workload = [
  "CREATE TABLE small (id int PRIMARY KEY, value text)",
  "INSERT INTO small SELECT i, repeat('v', i % 700) FROM generate_series(1, 300) i",
  "CHECKPOINT",
  "UPDATE small SET value = md5(value) WHERE id % 3 = 0",
  "SET wal_compression = on; CHECKPOINT; UPDATE small SET value = 'c' WHERE id % 3 = 1",
  "SET wal_consistency_checking = 'heap, btree'; DELETE FROM small WHERE id < 30; INSERT INTO small VALUES (1000, 'compared')",
  "SELECT pg_logical_emit_message(true, 'large', repeat('0123456789', 20000))",
  "BEGIN; INSERT INTO small VALUES (2000); SAVEPOINT a; INSERT INTO small VALUES (2001); ROLLBACK TO a; SAVEPOINT b; INSERT INTO small VALUES (2002); COMMIT",
  "SELECT pg_replication_origin_create('far')",
  "SELECT pg_replication_origin_session_setup('far'); BEGIN; INSERT INTO small VALUES (3000); COMMIT; SELECT pg_replication_origin_session_reset()",
  "BEGIN; INSERT INTO small SELECT i FROM generate_series(4000, 4100) i; ROLLBACK",
  "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY)",
  "VACUUM small",
];

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  let server: OwnServer;
  const one = async (sql: string): Promise<string> => (await server.sql(sql)).rows[0]![0]!;

  beforeAll(async () => {
    server = await startServer({ major, settings: { full_page_writes: "on", max_wal_size: "1GB" } });
    await server.sql("SELECT pg_switch_wal()");
  });
  afterAll(() => server?.stop());

  test("files and the physical stream give the same records; written again they are the same pages", async () => {
    const known: string[] = [];
    const { payloads } = await capturePhysicalStream(server, {
      workload: async () => {
        for (const statement of workload) await server.sql(statement);
        known.push(await one("SELECT pg_create_restore_point('here')"));
        known.push(await one("SELECT pg_switch_wal()"));
        known.push(await one("SELECT pg_logical_emit_message(false, 'next', repeat('n', 30000))"));
        await server.sql("INSERT INTO small VALUES (5000)");
        known.push(await one("SELECT pg_current_wal_flush_lsn()"));
      },
    });
    const { bytes, start } = readWal(server.dataDirectory);
    const { records, reader } = readAll(bytes);

    // The frame has all that it can have.
    const blocks = records.flatMap((record) => record.blocks);
    const images = blocks.flatMap(({ image }) => image ?? []);
    expect(Math.max(...records.map(({ length }) => length))).toBeGreaterThan(200_000);
    expect(images.some(({ compression, holeLength }) => compression === "pglz" && holeLength > 0)).toBe(true);
    expect(images.some(({ compression, holeLength }) => compression === "none" && holeLength > 0)).toBe(true);
    expect(images.some(({ apply }) => !apply)).toBe(true);
    for (const fork of ["main", "vm", "init"])
      expect(
        blocks.some((block) => block.fork === fork),
        fork,
      ).toBe(true);
    expect(blocks.some(({ willInit }) => willInit)).toBe(true);
    expect(records.some(({ origin }) => origin === 1)).toBe(true);
    expect(records.some(({ toplevelXid }) => toplevelXid !== undefined)).toBe(major >= 14);

    // Each says where the one before is, and servers say where they end.
    for (const [i, { prev }] of records.entries()) if (i > 0) expect(prev).toBe(records[i - 1]!.lsn);
    // That of a switch is the end of the record; ours is where the next one can be.
    const isSwitch = ({ rmid, info }: WalRecord): boolean => rmid === 0 && (info & 0xf0) === 0x40;
    const switchEnd = (lsn: bigint): Lsn => toLsn(lsn + 24n + ((lsn % 8192n) + 24n > 8192n ? 24n : 0n));
    const ends = new Set(records.map((record) => (isSwitch(record) ? switchEnd(record.lsn) : record.end)));
    for (const position of known) expect(ends, position).toContain(recordEnd(position));
    expect(reader.end).toMatchObject({ lsn: records.at(-1)!.end });
    expect(String(reader.systemIdentifier)).toBe(await one("SELECT system_identifier FROM pg_control_system()"));
    expect(reader.timeline).toBe(1);

    // A simpler reader finds the same.
    const simple = simpleRecords(bytes, start);
    expect(simple.map(({ lsn, end }) => [lsn, end])).toEqual(records.map(({ lsn, end }) => [lsn, end]));
    expect(simple.every((each, i) => each.bytes.equals(records[i]!.bytes))).toBe(true);

    // The stream begins somewhere in them.
    const streamed = new WalReader({ server: server.versionNum });
    const found: WalRecord[] = [];
    for (const payload of payloads) {
      const message = decodeWalSenderMessage(payload);
      if (message.type !== "XLogData") continue;
      streamed.push(message.data, message.dataStart);
      for (let next = streamed.next(); next !== undefined; next = streamed.next()) found.push(next);
    }
    expect(found.length).toBeGreaterThan(500);
    const from = records.findIndex(({ lsn }) => lsn === found[0]!.lsn);
    for (const [i, each] of found.entries()) {
      const same = records[from + i]!;
      expect([each.lsn, each.end, toHex(each.bytes)]).toEqual([same.lsn, same.end, toHex(same.bytes)]);
    }

    // Encoded, and laid into pages, they are what the server wrote.
    if (!all && ![10, 14, 18].includes(major)) return;
    const [first, last] = [records[0]!, records.at(-1)!];
    const { systemIdentifier } = reader;
    const writer = new WalWriter({ server: server.versionNum, start: first.lsn, prev: first.prev, systemIdentifier });
    for (const record of records) {
      if (toHex(encodeWalRecord(record, { format: writer.format })) !== toHex(record.bytes))
        expect(record).toBe("as it was");
      writer.write(record);
    }
    expect(writer.position).toBe(last.end);
    const written = writer.take();
    const original = bytes.subarray(Number(first.lsn - start), Number(last.end - start));
    expect(Buffer.compare(written, original)).toBe(0);
  });

  // The extension came with 15.
  if (major >= 15) test("pg_walinspect says the same of every record and block", () => compareWithWalinspect());

  async function compareWithWalinspect(): Promise<void> {
    await server.sql("CREATE EXTENSION IF NOT EXISTS pg_walinspect");
    const { records } = readAll(readWal(server.dataDirectory).bytes);
    const from = records.findIndex(({ xid, length }) => xid > 0 && length > 500);
    const until = records.length - 1;
    const range = `'${formatLsn(records[from]!.lsn)}', '${formatLsn(records[until]!.lsn)}'`;
    const asked = await server.sql(
      `SELECT start_lsn, end_lsn, prev_lsn, xid, record_length, main_data_length, fpi_length
       FROM pg_get_wal_records_info(${range})`,
    );
    expect(asked.rows.length).toBeGreaterThan(500);
    const ours = records.slice(from, until).map((record) => {
      const images = record.blocks.reduce((sum, { image }) => sum + (image?.bytes.length ?? 0), 0);
      const { lsn, end, prev, xid, length, mainData } = record;
      return [...[lsn, end, prev].map((each) => formatLsn(each)), xid, length, mainData.length, images].join();
    });
    expect(asked.rows.map((row) => row.join())).toEqual(ours);

    if (major < 16) return;
    const blocks = await server.sql(
      `SELECT start_lsn, block_id, reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber, block_fpi_length,
              array_to_string(block_fpi_info, ' '), md5(block_data)
       FROM pg_get_wal_block_info(${range}) ORDER BY start_lsn, block_id`,
    );
    const forks = ["main", "fsm", "vm", "init"];
    const { createHash } = await import("node:crypto");
    const oursToo = records.slice(from, until).flatMap(({ lsn, blocks: list }) =>
      list.map(({ id, tablespace, database, relation, fork, block, image, data }) => {
        const flags = image && [
          image.holeLength > 0 ? "HAS_HOLE" : [],
          image.apply ? "APPLY" : [],
          image.compression === "none" ? [] : `COMPRESS_${image.compression.toUpperCase()}`,
        ];
        const digest = data && createHash("md5").update(data).digest("hex");
        const numbers = [id, tablespace, database, relation, forks.indexOf(String(fork)), block];
        return [formatLsn(lsn), ...numbers, image?.bytes.length ?? 0, flags?.flat().join(" "), digest].join();
      }),
    );
    expect(blocks.rows.map((row) => row.join())).toEqual(oursToo);
  }

  test("of damage we say what the server says", async () => {
    await server.sql("SELECT pg_create_logical_replication_slot('damage', 'test_decoding')");
    for (let i = 0; i < 6; i++) await server.sql("SELECT pg_logical_emit_message(false, 'm', repeat('m', 3000))");
    await server.sql("CREATE TABLE tiny (id int); INSERT INTO tiny VALUES (1), (2)");
    await server.sql("CHECKPOINT; UPDATE tiny SET id = 3 WHERE id = 1; UPDATE tiny SET id = 4 WHERE id = 2");
    await server.sql("SELECT pg_switch_wal()");
    for (let i = 0; i < 6; i++) await server.sql("SELECT pg_logical_emit_message(false, 'm', repeat('m', 3000))");
    await server.sql("SELECT pg_logical_emit_message(true, 'm', 'commits, and so writes all to the file')");
    const restart = parseLsn(await one("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'damage'"));
    const { bytes, start, paths } = readWal(server.dataDirectory);
    const { records } = readAll(bytes);
    const session = await server.connect();

    /** What the server says when it reads WAL in which these bytes stand at that place. */
    const ask = async (lsn: bigint, put: Uint8Array): Promise<string> => {
      const at = Number(lsn - start);
      const file = openSync(paths[Math.floor(at / SEGMENT)]!, "r+");
      try {
        writeSync(file, put, 0, put.length, at % SEGMENT);
        checked(await session.query("SELECT count(*) FROM pg_logical_slot_peek_changes('damage', NULL, NULL)"));
        return "nothing";
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        return error.message;
      } finally {
        writeSync(file, bytes, at, put.length, at % SEGMENT);
        closeSync(file);
      }
    };
    /** What we say, beginning where the server begins. */
    const read = (lsn: bigint, put: Uint8Array): string => {
      const at = Number(lsn - start);
      const original = Buffer.from(bytes.subarray(at, at + put.length));
      bytes.set(put, at);
      const reader = new WalReader({ server: server.versionNum, timeline: 1 });
      try {
        reader.push(bytes.subarray(Number(restart - start)), restart);
        while (reader.next() !== undefined) {}
        return reader.end!.message;
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
        return error.message;
      } finally {
        bytes.set(original, at);
      }
    };

    const later = records.filter(({ lsn }) => lsn > restart + 100n);
    const inPage = (record: WalRecord): boolean =>
      record.lsn / 8192n === (record.lsn + BigInt(record.length) - 1n) / 8192n;
    const page = (lsn: bigint): bigint => lsn - (lsn % 8192n);
    const little = (value: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length);
      buffer.writeUIntLE(value, 0, length);
      return buffer;
    };
    /** A record with other bytes, and the checksum of those. */
    const changed = (record: WalRecord, at: number, ...put: number[]): Buffer => {
      const copy = Buffer.from(record.bytes);
      copy.set(put, at);
      copy.writeUInt32LE(crcOfRecord(copy, 0, copy.length), 20);
      return copy;
    };
    const plain = later.find((each) => inPage(each) && each.length > 100 && each.blocks.length === 0)!;
    const block = later.find((each) => inPage(each) && each.blocks.length > 0 && each.blocks[0]!.image === undefined)!;
    const image = later.find((each) => inPage(each) && each.blocks[0]?.image?.compression === "none")!;
    const long = later.find((each) => !inPage(each))!;
    const second = page(long.lsn) + 8192n;
    const segment = start + BigInt(Math.ceil(Number(long.lsn - start) / SEGMENT) * SEGMENT);
    const faults: readonly [name: string, lsn: bigint, put: Uint8Array][] = [
      ["no length", plain.lsn, little(0, 4)],
      ["a short length", plain.lsn, little(23, 4)],
      ["another length", plain.lsn, little(plain.length + 1, 4)],
      ["a length past the page", plain.lsn, little(50_000, 4)],
      ["a length of nearly 1 GiB", plain.lsn, little(0x3fffffff, 4)],
      ["another length of a long record", long.lsn, little(long.length + 8, 4)],
      ["a resource manager", plain.lsn + 17n, little(100, 1)],
      ["a prev-link", plain.lsn + 8n, little(77, 4)],
      ["contents", plain.lsn + 60n, little(0x55, 1)],
      ["contents on a later page", second + 100n, little(0x55, 1)],
      ["magic", second, little(0xd001, 2)],
      ["no page", second, new Uint8Array(24)],
      ["info", second + 2n, little(0x8001, 2)],
      ["a long header in the middle", second + 2n, little(0x0003, 2)],
      ["timeline", second + 4n, little(0, 4)],
      ["page address", second + 8n, little(0x2000, 4)],
      ["a page address ahead", second + 8n, little(0x7fff0000, 4)],
      ["remaining", second + 16n, little(5, 4)],
      ["nothing remaining", second + 16n, little(0, 4)],
      ["not continued", second + 2n, little(0x0000, 2)],
      ["a short header of a segment", segment + 2n, little(0x0000, 2)],
      ["segment size", segment + 32n, little(1024, 4)],
      ["page size", segment + 36n, little(1024, 4)],
      ["block id", block.lsn, changed(block, 24, 200)],
      ["a block id too much", block.lsn, changed(block, 24, 33)],
      ["no main data", plain.lsn, changed(plain, 24, 253)],
      ["lengths", plain.lsn, changed(plain, 25, plain.bytes[25]! ^ 1)],
      ["same relation", block.lsn, changed(block, 25, block.bytes[25]! | 0x80)],
      ["no data", block.lsn, changed(block, 25, block.bytes[25]! & ~0x20)],
      ["data of no length", block.lsn, changed(block, 25, block.bytes[25]! | 0x20, 0, 0)],
      ["a hole without place", image.lsn, changed(image, 30, 0, 0)],
      ["no hole", image.lsn, changed(image, 32, image.bytes[32]! & ~1)],
      ["a compressed image of a page", image.lsn, changed(image, 28, 0, 0x20, 0, 0, major < 15 ? 2 : 4)],
      ["an image without a hole that is too long", image.lsn, changed(image, 28, 0, 0x20 + 1, 0, 0, 0)],
    ];
    const said: [string, string][] = [];
    const expected: [string, string][] = [];
    // Each fault on some majors; WALWIRE_RUNS=2 asks all of all.
    const asked = faults.filter((_, i) => all || i % 4 === (major + seed) % 4);
    for (const [name, lsn, put] of asked) {
      const answer = await ask(lsn, put);
      const message = read(lsn, put);
      // Newer ones say first what they were about.
      said.push([name, answer.endsWith(message) ? message : answer]);
      expected.push([name, message]);
    }
    await session.close();
    expect(said).toEqual(expected);
    const messages = new Set(expected.map(([, message]) => message.replace(/[0-9A-F]+\/[0-9A-F]+/g, "")));
    expect(messages.size).toBeGreaterThan(all ? 20 : 4);
  });
});

/** One is enough here, as the others do the same: copies of data directories take seconds. */
describe.each(longTestMajors.slice(-1))("PostgreSQL %d after a crash", (major) => {
  test("writes over what is left of a record, and the reader goes on there", async () => {
    const server = await startServer({ major });
    const copy = mkdtempSync(join(tmpdir(), "walwire-wal-"));
    try {
      await server.sql("SELECT pg_switch_wal()");
      await server.sql("SELECT pg_logical_emit_message(true, 'cut', repeat('c', 30000))");
      const { bytes, start } = readWal(server.dataDirectory);
      const { records } = readAll(bytes);
      const cut = records.findLast(({ length }) => length > 30_000)!;
      cpSync(server.dataDirectory, copy, { recursive: true });
      for (const name of ["postmaster.pid", "postmaster.opts"]) rmSync(join(copy, name), { force: true });
      const { paths } = readWal(copy);
      // Only the first pages of the record were written.
      const from = Number(cut.lsn - start) - (Number(cut.lsn - start) % 8192) + 2 * 8192;
      const path = paths[Math.floor(from / SEGMENT)]!;
      const file = readFileSync(path);
      writeFileSync(path, file.fill(0, from % SEGMENT));
      await server.stop();

      const again = await startServer({ major, from: copy });
      try {
        await again.sql("SELECT pg_logical_emit_message(false, 'on', 'and on'); CHECKPOINT");
        const after = readAll(readWal(again.dataDirectory).bytes);
        expect(after.reader.overwritten).toBe(cut.lsn);
        const next = after.records.find(({ lsn }) => lsn > cut.lsn)!;
        // XLOG_OVERWRITE_CONTRECORD, which names the record that was cut short.
        expect([next.rmid, next.info & 0xf0, next.prev]).toEqual([0, 0xd0, cut.prev]);
        expect(new DataView(next.mainData.slice().buffer).getBigUint64(0, true)).toBe(cut.lsn);
        expect(after.records.at(-1)!.lsn).toBeGreaterThan(next.lsn);
        expect(after.reader.end!.lsn).toBe(after.records.at(-1)!.end);
      } finally {
        await again.stop();
      }
    } finally {
      await server.stop();
      rmSync(copy, { recursive: true, force: true });
    }
  });
});
