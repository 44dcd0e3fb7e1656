/** Facts of WAL's frame one by one: vectors of real servers, where reading begins and ends, limits, the server's words by version. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ArgumentError, EncodeError, ProtocolError, UnsupportedError } from "../../src/kernel/errors.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { crcOfRecord } from "../../src/wal/decode.ts";
import {
  decodeWalPageHeader,
  decodeWalRecord,
  encodeWalRecord,
  WalCutter,
  WalError,
  WalReader,
  type WalReaderOptions,
  type WalRecord,
  WalWriter,
  walFormat,
  walFormatOfMagic,
} from "../../src/wal/index.ts";
import { simpleRecords } from "../wal-reader.ts";

const vectors = fileURLToPath(new URL("../vectors/wal/", import.meta.url));
const majors = readdirSync(vectors).map((name) => Number.parseInt(name, 10));

function readAll(bytes: Uint8Array, options?: WalReaderOptions): { records: WalRecord[]; reader: WalReader } {
  const reader = new WalReader(options);
  reader.push(bytes);
  const records: WalRecord[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) records.push(next);
  return { records, reader };
}

/** The error, or the end, that reading comes to. */
function ends(bytes: Uint8Array, options?: WalReaderOptions): string {
  try {
    return readAll(bytes, options).reader.end?.message ?? "more to come";
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    return error.message;
  }
}

describe.each(majors)("the first pages of a segment of PostgreSQL %d", (major) => {
  const bytes = gunzipSync(readFileSync(`${vectors}${major}.bin.gz`));
  const { records, reader } = readAll(bytes);

  test("hold records with all that the frame has", () => {
    expect(Math.floor(reader.format!.server / 10000)).toBe(major);
    expect(records.length).toBeGreaterThan(10);
    const images = records.flatMap(({ blocks }) => blocks).flatMap(({ image }) => image ?? []);
    // By wal_compression = on; 19rc1 is Debian's.
    expect(new Set(images.map(({ compression }) => compression))).toEqual(
      new Set(["none", major < 19 ? "pglz" : "zstd"]),
    );
    for (const { holeOffset, holeLength, apply } of images) {
      expect(holeOffset).toBeGreaterThan(23);
      expect(holeLength).toBeGreaterThan(10);
      expect(apply).toBe(true);
    }
    expect(records.some(({ length }) => length > 20_000)).toBe(true);
    expect(records.filter(({ origin }) => origin === 1).length).toBeGreaterThan(0);
    expect(records.filter(({ toplevelXid }) => toplevelXid !== undefined).length).toBe(major >= 14 ? 1 : 0);
  });

  test("are what a simpler reader finds, and are written again as they were", () => {
    const { pageAddress } = decodeWalPageHeader(bytes);
    const simple = simpleRecords(bytes, pageAddress);
    expect(records.map(({ lsn, end }) => [lsn, end])).toEqual(simple.map(({ lsn, end }) => [lsn, end]));
    expect(records.every((record, i) => simple[i]!.bytes.equals(record.bytes))).toBe(true);
    const { systemIdentifier } = reader;
    const writer = new WalWriter({
      server: reader.format!.server,
      start: pageAddress,
      prev: records[0]!.prev,
      systemIdentifier,
    });
    for (const record of records) writer.write(record);
    const written = writer.take();
    // Of the zeros behind XLOG_SWITCH, the vector has those of its last page.
    expect(Buffer.compare(written.subarray(0, bytes.length), bytes)).toBe(0);
  });
});

test("a major has one page magic, and what is not known is refused", () => {
  for (const major of ["9.6", ...majors, 19]) {
    const format = walFormat({ server: major });
    expect(walFormatOfMagic(format.magic)).toEqual(format);
  }
  expect(walFormat({ server: "15.2" })).toMatchObject({ magic: 0xd110, server: 150002 });
  expect(walFormatOfMagic(0xd0ff)).toBeUndefined();
  expect(() => walFormat({ server: "9.5" })).toThrow(UnsupportedError);
  expect(() => new WalReader({ server: "20" })).toThrow(UnsupportedError);
});

// Their checkpoints have the state of data checksums, which 19rc1 took out again.
test.each([0xd120, 0xd121])("the WAL of betas of 19 is rejected: %x", (magic) => {
  const bytes = wal(19, 100, 9000).slice();
  const view = new DataView(bytes.buffer);
  for (let page = 0; page < bytes.length; page += 8192) view.setUint16(page, magic, true);
  expect(walFormatOfMagic(magic)).toBeUndefined();
  expect(ends(bytes)).toContain(`invalid magic number ${magic.toString(16).toUpperCase()}`);
});

// ---- Where reading begins and ends ----

const message = (length: number) => ({ rmid: 21, info: 0, mainData: new Uint8Array(length).fill(7) });
const start = toLsn(0x3000000n);

function wal(server: string | number, ...lengths: number[]): Uint8Array {
  const writer = new WalWriter({ server, start, systemIdentifier: 77n });
  for (const length of lengths) writer.write(message(length));
  return writer.take();
}

describe("reading begins", () => {
  const bytes = wal(18, 100, 20_000, 30);

  test("with the first record that begins on the page, or behind it", () => {
    expect(readAll(bytes).records.map(({ lsn }) => lsn)).toEqual([0x3000028n, 0x30000a8n, 0x3004f18n]);
    expect(readAll(bytes.subarray(8192)).records.map(({ lsn }) => lsn)).toEqual([0x3004f18n]);
  });

  test("in the middle of a page only if the server is named, and with a record", () => {
    const lsn = toLsn(0x30000a8n);
    const rest = bytes.subarray(0xa8);
    expect(() => new WalReader().push(rest, lsn)).toThrow("the version that wrote 0/30000A8, in the middle of a page");
    const reader = new WalReader({ server: 18 });
    reader.push(rest, lsn);
    expect(reader.next()!.lsn).toBe(lsn);
    expect(() => new WalReader({ server: 18 }).push(rest, toLsn(0x30000a9n))).toThrow("a multiple of 8");
    for (const [server, text] of [
      [18, "invalid record offset at 0/3000010: expected at least 24, got 16"],
      [15, "invalid record offset at 0/3000010"],
    ] as const) {
      const early = new WalReader({ server });
      early.push(bytes.subarray(16), toLsn(0x3000010n));
      expect(() => early.next()).toThrow(new WalError("BAD_VALUE", "XLogRecord", 0, toLsn(0x3000010n), text));
    }
  });

  test("and what follows must follow", () => {
    const reader = new WalReader();
    reader.push(bytes.subarray(0, 100));
    reader.next();
    expect(reader.position).toBe(0x3000064n);
    expect(() => reader.push(bytes.subarray(101), toLsn(0x3000065n))).toThrow(
      new ProtocolError("the bytes begin at 0/3000065, expected 0/3000064"),
    );
    reader.push(bytes.subarray(100), toLsn(0x3000064n));
    expect(reader.next()!.lsn).toBe(0x3000028n);
  });
});

describe("reading ends", () => {
  test("at zeros, and where an older segment goes on", () => {
    const bytes = wal(18, 100);
    const padded = new Uint8Array(3 * 8192);
    padded.set(bytes);
    expect(readAll(padded).reader.end).toEqual({
      lsn: start + BigInt(bytes.length),
      found: "zeros",
      message: "invalid record length at 0/30000A8: expected at least 24, got 0",
    });
    const long = wal(15, 10_000);
    const recycled = long.slice();
    recycled.set(new WalWriter({ server: 15, start: toLsn(0x1002000n) }).take(), 8192);
    recycled.set(wal(15, 10_000).subarray(8192, 8192 + 8), 8192);
    new DataView(recycled.buffer).setBigUint64(8192 + 8, 0x1002000n, true);
    expect(readAll(recycled).reader.end).toEqual({
      lsn: 0x3002000n,
      found: "old pages",
      message: "unexpected pageaddr 0/1002000 in log segment 000000010000000000000003, offset 8192",
    });
    recycled.fill(0, 8192);
    expect(readAll(recycled).reader.end).toMatchObject({ lsn: 0x3002000n, found: "zeros" });
  });

  test("not in the middle of a record: that waits", () => {
    const bytes = wal(18, 100, 20_000);
    const { reader } = readAll(bytes.subarray(0, 9000));
    expect([reader.end, reader.incomplete, reader.position]).toEqual([undefined, 0x30000a8n, 0x3000000n + 9000n]);
    reader.push(bytes.subarray(9000));
    expect(reader.next()!.length).toBe(20_029);
    expect(reader.incomplete).toBeUndefined();
  });

  test("where a segment does, at XLOG_SWITCH, and goes on in the next", () => {
    const segmentSize = 1024 * 1024;
    const writer = new WalWriter({ server: 10, start, segmentSize });
    writer.write(message(10));
    expect(writer.write({ rmid: 0, info: 0x40 })).toEqual({ lsn: 0x3000050n, end: 0x3100000n });
    writer.write(message(11));
    const bytes = writer.take();
    const { records, reader } = readAll(bytes);
    expect(records.map(({ lsn, end }) => [lsn, end])).toEqual([
      [0x3000028n, 0x3000050n],
      [0x3000050n, 0x3100000n],
      [0x3100028n, 0x3100050n],
    ]);
    expect(reader.segmentSize).toBe(segmentSize);
    // 10 leaves headers on the pages that it skips, 11 does not.
    expect(decodeWalPageHeader(bytes, 8192).magic).toBe(0xd097);
    const later = new WalWriter({ server: 11, start, segmentSize });
    later.write({ rmid: 0, info: 0x40 });
    expect(
      later
        .take()
        .subarray(8192)
        .every((byte) => byte === 0),
    ).toBe(true);
  });
});

test("what a crash cut short is passed over, where the page says so", () => {
  for (const server of ["10", "18", "19"]) {
    const before = wal(server, 100, 20_000);
    const cut = before.subarray(0, 8192);
    const writer = new WalWriter({
      server,
      start: toLsn(start + 8192n),
      prev: toLsn(0x3000028n),
      overwriteContrecord: true,
    });
    writer.write({ rmid: 0, info: 0xd0, mainData: new Uint8Array(16) });
    const bytes = Buffer.concat([cut, writer.take()]);
    const { records, reader } = readAll(bytes);
    expect(records.map(({ lsn }) => lsn)).toEqual([0x3000028n, 0x3002018n]);
    expect(reader.overwritten).toBe(0x30000a8n);
    bytes.writeUInt16LE(server === "19" ? 0 : 4, 8192 + 2);
    expect(ends(bytes)).toBe(`there is no contrecord flag at ${server === "19" ? "0/030000A8" : "0/30000A8"}`);
  }
});

test("sizes are what the first long header says, or must be what was said", () => {
  const writer = new WalWriter({ server: 18, start, pageSize: 1024, segmentSize: 1024 * 1024, systemIdentifier: 5n });
  writer.write(message(3000));
  const bytes = writer.take();
  const { reader } = readAll(bytes);
  expect([reader.pageSize, reader.segmentSize, reader.systemIdentifier]).toEqual([1024, 1024 * 1024, 5n]);
  const other = "WAL file is from different database system: ";
  expect(ends(bytes, { pageSize: 2048 })).toBe(`${other}incorrect XLOG_BLCKSZ in page header`);
  expect(ends(bytes, { segmentSize: 2 ** 21 })).toBe(`${other}incorrect segment size in page header`);
  expect(ends(wal("10", 5), { segmentSize: 2 ** 21 })).toBe(`${other}incorrect XLOG_SEG_SIZE in page header`);
  expect(ends(bytes, { systemIdentifier: 6n })).toBe(
    `${other}WAL file database system identifier is 5, pg_control database system identifier is 6`,
  );
  expect(() => new WalReader({ pageSize: 1000 })).toThrow(ArgumentError);
  expect(() => new WalReader({ segmentSize: 1000 })).toThrow(ArgumentError);
});

// ---- Lengths ----

describe("a record that says that it is long", () => {
  /** A record that says so, of which a page has come, and a page that agrees. */
  function announced(server: string | number, length: number): Uint8Array {
    const bytes = wal(server, 9000);
    const view = new DataView(bytes.buffer);
    view.setUint32(0x28, length, true);
    view.setUint32(8192 + 16, length - (8192 - 0x28), true);
    return bytes;
  }

  test("costs no memory before it has come", () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 50 }, () => readAll(announced(18, 0x30000000)).reader);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    for (const { incomplete } of readers) expect(incomplete).toBe(0x3000028n);
  });

  test("is refused above the limits, PostgreSQL's or one's own", () => {
    expect(ends(announced(18, 0x3fffffff))).toBe("invalid memory alloc request size 1073741824");
    expect(ends(announced(12, 0xfffffff0))).toBe("invalid memory alloc request size 4294967296");
    expect(ends(announced(11, 0x3fffffff))).toBe("record length 1073741823 at 0/3000028 too long");
    expect(ends(announced(18, 5_000_000), { maxLength: 4_999_999 })).toBe(
      "XLogRecord.xl_tot_len is 5000000 at 0/3000028; the limit is 4999999",
    );
    expect(ends(wal(18, 100), { maxLength: 125 })).toBe("XLogRecord.xl_tot_len is 126 at 0/3000028; the limit is 125");
    expect(readAll(wal(18, 100), { maxLength: 126 }).records.length).toBe(1);
  });
});

// What pg_waldump 15.20, 17.12, 18.4, 18.6 and 19rc1 and servers 14 to 18 say; the others by the release notes.
test.each([
  ["14", 2],
  ["15.18", 1],
  ["15.19", 1],
  ["15.20", 2],
  ["16.14", 1],
  ["16.16", 2],
  ["17.10", 1],
  ["17.12", 2],
  ["18.4", 1],
  ["18.6", 1],
  ["18.7", 2],
])(
  "in PostgreSQL %s the error of a record with damaged contents names the record before, or the record",
  (server, nth) => {
    const writer = new WalWriter({ server });
    const { lsn: first } = writer.write({ rmid: 0, info: 0x20, mainData: new Uint8Array(20) });
    const { lsn: second } = writer.write({ rmid: 0, info: 0x20, mainData: new Uint8Array(20) });
    const bytes = writer.take().slice();
    const at = Number(second - 0x1000000n);
    bytes[at + 24] = 213;
    new DataView(bytes.buffer).setUint32(at + 20, crcOfRecord(bytes, at, 24 + 2 + 20), true);
    expect(ends(bytes, { server })).toBe(`invalid block_id 213 at ${formatLsn(nth === 1 ? first : second)}`);
  },
);

test("a checksum is looked at unless one does not want it", () => {
  const bytes = wal(18, 100);
  bytes[0x28 + 60]! ^= 1;
  expect(ends(bytes)).toBe("incorrect resource manager data checksum in record at 0/3000028");
  expect(readAll(bytes, { checkCrc: false }).records.length).toBe(1);
});

// ---- One record ----

describe("one record", () => {
  const block = { id: 0, tablespace: 1663, database: 5, relation: 7, fork: "main", block: 1, willInit: false } as const;
  const image = {
    bytes: new Uint8Array(192),
    holeOffset: 40,
    holeLength: 8000,
    compression: "none",
    apply: true,
  } as const;
  const place = (server: string | number): { format: ReturnType<typeof walFormat>; lsn: Lsn } => ({
    format: walFormat({ server }),
    lsn: parseLsn("0/1000"),
  });

  test("is refused with its place", () => {
    const { format, lsn } = place(19);
    const bytes = encodeWalRecord(
      { ...message(10), blocks: [{ ...block, image: undefined, data: Uint8Array.of(1) }] },
      { format },
    );
    bytes[24] = 40;
    new DataView(bytes.buffer).setUint32(20, crcOfRecord(bytes, 0, bytes.length), true);
    const error = (() => {
      try {
        return decodeWalRecord(bytes, { format, lsn });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: "BAD_VALUE",
      message: "invalid block_id 40 at 0/00001000",
      path: "XLogRecord",
      offset: 0,
      lsn: "0/1000",
    });
  });

  test("must have all its bytes, and no more", () => {
    const { format, lsn } = place(18);
    const bytes = encodeWalRecord(message(10), { format });
    expect(() => decodeWalRecord(bytes.subarray(0, 20), { format, lsn })).toThrow("needs 24 bytes; there are 20");
    expect(() => decodeWalRecord(bytes.subarray(0, 30), { format, lsn })).toThrow(
      "xl_tot_len is 36; there are 30 bytes",
    );
    expect(() => decodeWalRecord(bytes, { format, lsn, prev: toLsn(8n) })).toThrow(
      "record with incorrect prev-link 0/0 at 0/1000",
    );
  });

  test("cannot be its own predecessor, also where the one before is not known", () => {
    const { format, lsn } = place(18);
    for (const [prev, good] of [
      [lsn, false],
      [toLsn(lsn + 8n), false],
      [toLsn(lsn - 8n), true],
    ] as const) {
      const bytes = encodeWalRecord({ ...message(10), prev }, { format });
      const decode = () => decodeWalRecord(bytes, { format, lsn });
      if (good) expect(decode().prev).toBe(prev);
      else expect(decode).toThrow("record with incorrect prev-link");
    }
    const writer = new WalWriter({ server: 18, start, prev: toLsn(0x3000028n) });
    writer.write(message(10));
    expect(ends(writer.take())).toBe("record with incorrect prev-link 0/3000028 at 0/3000028");
  });

  test("names its top-level transaction since 14; before, that is not a block", () => {
    const bytes = encodeWalRecord({ ...message(10), xid: 6, toplevelXid: 5 }, { format: walFormat({ server: 14 }) });
    const lsn = toLsn(0x1000n);
    expect(decodeWalRecord(bytes, { format: walFormat({ server: 14 }), lsn }).toplevelXid).toBe(5);
    for (const server of [10, 13]) {
      expect(() => decodeWalRecord(bytes, { format: walFormat({ server }), lsn })).toThrow(
        "invalid block_id 252 at 0/1000",
      );
    }
  });

  test("is not written if no server would read it", () => {
    const refused = (server: string | number, record: object): string => {
      try {
        encodeWalRecord({ ...message(1), ...record } as never, { format: walFormat({ server }) });
        return "written";
      } catch (error) {
        if (!(error instanceof EncodeError)) throw error;
        return error.message;
      }
    };
    const one = (fields: object) => ({ blocks: [{ ...block, image: undefined, data: undefined, ...fields }] });
    expect(refused(18, one({}))).toBe("written");
    expect(refused(18, one({ image }))).toBe("written");
    expect(refused(18, one({ image: { ...image, holeLength: 7 } }))).toMatch(
      "holeLength is 7, expected 8000, the rest of the page",
    );
    expect(refused(18, one({ image: { ...image, holeOffset: 0 } }))).toMatch("BKPIMAGE_HAS_HOLE set, but");
    const whole = { ...image, bytes: new Uint8Array(8192), holeLength: 50, compression: "pglz" };
    expect(refused(18, one({ image: whole }))).toMatch(
      "BKPIMAGE_HAS_HOLE set, but hole offset 40 length 50 block image length 8192",
    );
    expect(refused(18, one({ image: { ...whole, bytes: new Uint8Array(8191) } }))).toBe("written");
    expect(refused(18, { blocks: [1, 0].map((id) => ({ ...block, id, image: undefined, data: undefined })) })).toMatch(
      "out-of-order block_id 0",
    );
    expect(refused(14, { rmid: 128 })).toMatch("WalRecord.rmid is 128, expected the number of a resource manager");
    expect(refused(15, { rmid: 128 })).toBe("written");
    expect(refused(18, { rmid: 22 })).toMatch("WalRecord.rmid");
    expect(refused(19, { rmid: 22 })).toMatch("WalRecord.rmid");
    expect(refused(13, { toplevelXid: 5 })).toMatch("WalRecord.toplevelXid");
    expect(refused(14, one({ image: { ...image, compression: "lz4" } }))).toMatch("compression");
    expect(refused("9.6", one({ image: { ...image, apply: false } }))).toMatch("apply");
    expect(refused(18, { xid: -1 })).toMatch("WalRecord.xid");
    expect(refused(18, { mainData: "text" })).toMatch("WalRecord.mainData");
    expect(refused(18, one({ data: new Uint8Array(70_000) }))).toMatch("65,535 bytes");
    expect(refused(18, one({ fork: "none" }))).toMatch("WalRecord.blocks[0].fork");
  });
});

// ---- Segment files ----

describe("WalCutter", () => {
  test("says which bytes go into which file", () => {
    const cutter = new WalCutter({ timeline: 2, segmentSize: 1024 * 1024 });
    expect(cutter.partial).toBeUndefined();
    const pieces = [
      ...cutter.push(new Uint8Array(1_000_000), parseLsn("1/100000")),
      ...cutter.push(new Uint8Array(1_200_000), toLsn(0x100100000n + 1_000_000n)),
    ];
    expect(pieces.map(({ name, offset, bytes, complete }) => [name, offset, bytes.length, complete])).toEqual([
      ["000000020000000100000001", 0, 1_000_000, false],
      ["000000020000000100000001", 1_000_000, 48_576, true],
      ["000000020000000100000002", 0, 1_048_576, true],
      ["000000020000000100000003", 0, 102_848, false],
    ]);
    expect(cutter.partial).toEqual({ name: "000000020000000100000003.partial", length: 102_848 });
    expect(cutter.position).toBe(0x100100000n + 2_200_000n);
  });

  test("refuses what does not follow, as pg_receivewal does", () => {
    const cutter = new WalCutter({ timeline: 1 });
    expect(() => cutter.push(new Uint8Array(1), parseLsn("0/1000010"))).toThrow(
      new ProtocolError("received write-ahead log record for offset 16 with no file open"),
    );
    cutter.push(new Uint8Array(32), parseLsn("0/1000000"));
    expect(() => cutter.push(new Uint8Array(1), parseLsn("0/1000028"))).toThrow(
      new ProtocolError("got WAL data offset 00000028, expected 00000020"),
    );
    const atEnd = new WalCutter({ timeline: 1, segmentSize: 1024 * 1024 });
    const lastSegment = toLsn(2n ** 64n - 1024n * 1024n);
    expect(atEnd.push(new Uint8Array(1024), lastSegment)).toHaveLength(1);
    expect(() => atEnd.push(new Uint8Array(1024 * 1023), toLsn(lastSegment + 1024n))).toThrow(
      "beyond the last position",
    );
    expect(atEnd.partial?.length).toBe(1024);
    expect(() => new WalCutter({ timeline: 1, segmentSize: 1000 })).toThrow(ArgumentError);
  });
});
