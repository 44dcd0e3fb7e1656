/** Laws of WAL: what was written is read, however it is cut; and damage is an error or an end, never another record. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import { type WalStream, walRecordFields, walStream } from "../../src/arbitraries/wal.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import {
  decodeWalPageHeader,
  decodeWalRecord,
  encodeWalPageHeader,
  encodeWalRecord,
  WalError,
  WalReader,
  type WalReaderOptions,
  type WalRecord,
  type WalRecordFields,
  type WalRecordHeader,
  walFormat,
} from "../../src/wal/index.ts";
import { toHex } from "../hex.ts";
import { simpleRecords } from "../wal-reader.ts";
import { law } from "./law.ts";

/** One of each shape of the frame: without flags for images, with, with a top-level transaction, with methods, 16's texts, other flags. */
const servers = ["9.6", "10", "14", "15", "18", "19"];
const record = fc
  .constantFrom(...servers)
  .chain((server) => fc.tuple(fc.constant(server), walRecordFields({ server })));
const stream = fc.constantFrom(...servers).chain((server) => walStream({ server }));

/** What is read, and how it ends. */
interface Reading {
  readonly records: readonly WalRecord[];
  readonly ends: string;
}

function read(
  chunks: readonly Uint8Array[],
  options: WalReaderOptions = {},
  { reader = new WalReader(options), start }: { reader?: WalReader; start?: Lsn } = {},
): Reading {
  const records: WalRecord[] = [];
  try {
    for (const [i, chunk] of chunks.entries()) {
      reader.push(chunk, i === 0 ? start : undefined);
      for (let next = reader.next(); next !== undefined; next = reader.next()) records.push(next);
    }
    if (reader.end !== undefined) return { records, ends: reader.end.message };
    return { records, ends: `${reader.position} ${reader.incomplete}` };
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    expect(() => reader.next()).toThrow(error);
    expect(error.offset).toBeLessThanOrEqual(chunks.reduce((sum, { length }) => sum + length, 0));
    return { records, ends: JSON.stringify(error) };
  }
}

/** Only what must be the same whether a view or a copy. */
const plain = ({ records, ends }: Reading): string[] => [
  ...records.map(({ lsn, end, bytes }) => `${lsn} ${end} ${toHex(bytes)}`),
  ends,
];

/** All of a record's fields in one line: a comparison of arrays of bytes, element by element, takes 50 times as long. */
function fieldsOf(fields: WalRecordFields & Partial<WalRecordHeader>): string {
  const {
    blocks = [],
    xid = 0,
    prev = 0n,
    mainData = new Uint8Array(0),
    rmid,
    info,
    origin,
    toplevelXid,
    lsn,
    end,
  } = fields;
  const numbers = [rmid, info, xid, prev, origin, toplevelXid, lsn, end, toHex(mainData)];
  const pages = blocks.map(({ image, data, ...block }) => [
    ...Object.entries(block).sort(),
    ...(image === undefined ? [] : [...Object.entries({ ...image, bytes: toHex(image.bytes) }).sort()]),
    data === undefined ? undefined : toHex(data),
  ]);
  return `${numbers.join(" ")} ${JSON.stringify(pages)}`;
}

/** The page size is in the first long header, which may come late. */
const optionsOf = ({ options }: WalStream): WalReaderOptions => ({
  pageSize: options.pageSize,
  segmentSize: options.segmentSize,
});

describe("records", () => {
  law(
    "decode to what they were encoded from",
    fc.property(record, ([server, fields]) => {
      const format = walFormat({ server });
      const bytes = encodeWalRecord(fields, { format });
      const lsn = toLsn(800n);
      const decoded = decodeWalRecord(bytes, { format, lsn });
      const end = toLsn(800n + BigInt(Math.ceil(bytes.length / 8) * 8));
      expect(fieldsOf(decoded)).toBe(fieldsOf({ ...fields, lsn, end }));
      expect(decoded.length).toBe(bytes.length);
      expect(toHex(encodeWalRecord(decoded, { format }))).toBe(toHex(bytes));
    }),
    200,
  );

  law(
    "with any bits changed are refused: their checksum covers all",
    fc.property(
      record,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
      ([server, fields], changes) => {
        const format = walFormat({ server });
        const good = encodeWalRecord(fields, { format });
        const bytes = good.slice();
        for (const [at, bits] of changes) bytes[at % bytes.length]! ^= bits;
        if (toHex(bytes) === toHex(good)) return; // one change has undone the other
        expect(() => decodeWalRecord(bytes, { format, lsn: toLsn(800n) })).toThrow(WalError);
      },
    ),
    200,
  );
});

describe("WAL", () => {
  law(
    "gives the records that were written, where they were written",
    fc.property(stream, (wal) => {
      const { records, ends } = read([wal.bytes], optionsOf(wal));
      const chained = wal.records.map((fields, i) => ({ ...fields, prev: wal.records[i - 1]?.lsn ?? toLsn(0n) }));
      expect(records.map(fieldsOf)).toEqual(chained.map(fieldsOf));
      expect(ends).toBe(`${records.length === 0 ? undefined : wal.start + BigInt(wal.bytes.length)} undefined`);
    }),
    100,
  );

  law(
    "gives the same in any chunks",
    fc.property(
      stream.chain((wal) => fc.tuple(fc.constant(wal), splits(fc.constant(wal.bytes)))),
      ([wal, chunks]) => {
        expect(plain(read(chunks, optionsOf(wal)))).toEqual(plain(read([wal.bytes], optionsOf(wal))));
      },
    ),
    150,
  );

  law(
    "gives what a simpler reader finds, from any page on",
    fc.property(stream, fc.nat(), (wal, page) => {
      const { pageSize, segmentSize } = wal.options as { pageSize: number; segmentSize: number };
      const from = (page % (Math.floor(wal.bytes.length / pageSize) + 1)) * pageSize;
      const bytes = wal.bytes.subarray(from);
      const start = wal.start + BigInt(from);
      const reader = new WalReader(optionsOf(wal));
      const found: string[] = [];
      reader.push(bytes, toLsn(start));
      try {
        for (let each = reader.next(); each !== undefined; each = reader.next()) {
          found.push(`${each.lsn} ${each.end} ${toHex(each.bytes)}`);
        }
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
      }
      const simple = simpleRecords(bytes, start, { pageSize, segmentSize });
      expect(found).toEqual(simple.map((each) => `${each.lsn} ${each.end} ${toHex(each.bytes)}`));
    }),
    100,
  );

  law(
    "with any bytes changed gives its records up to the damage, and then an error or an end: never another record",
    fc.property(
      stream.filter(({ records }) => records.length > 0),
      fc.array(fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 12 })), { minLength: 1, maxLength: 3 }),
      (wal, changes) => {
        const bytes = wal.bytes.slice();
        for (const [at, put] of changes)
          bytes.set(put.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length);
        const { start } = wal;
        const good = plain(read([wal.bytes], optionsOf(wal)));
        const seen = plain(read([bytes], optionsOf(wal), { start }));
        const [records, ends] = [seen.slice(0, -1), seen.at(-1)!];
        expect(records).toEqual(good.slice(0, records.length));
        // Fewer records, and nothing said, can be only if the bytes end in the middle of one.
        if (records.length < good.length - 1) expect(ends).not.toMatch(/ undefined$/);
      },
    ),
    250,
  );

  law(
    "with damage gives the same in any chunks",
    fc.property(
      stream
        .filter(({ bytes }) => bytes.length > 0)
        .chain((wal) => fc.tuple(fc.constant(wal), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })))
        .chain(([wal, at, put]) => {
          const bytes = wal.bytes.slice();
          bytes.set(put.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length);
          return fc.tuple(fc.constant(wal), splits(fc.constant(bytes)));
        }),
      ([wal, chunks]) => {
        expect(plain(read(chunks, optionsOf(wal)))).toEqual(plain(read([concat(...chunks)], optionsOf(wal))));
      },
    ),
    150,
  );

  law(
    "byte by byte is read too",
    fc.property(stream, (wal) => {
      const bytes = wal.bytes.subarray(0, 20_000);
      const chunks = Array.from(bytes, (byte) => Uint8Array.of(byte));
      expect(plain(read(chunks, optionsOf(wal)))).toEqual(plain(read([bytes], optionsOf(wal))));
      const reader = new WalReader(optionsOf(wal));
      for (const chunk of chunks) reader.push(chunk);
      expect(plain(read([new Uint8Array(0)], {}, { reader }))).toEqual(plain(read([bytes], optionsOf(wal))));
    }),
    12,
  );

  law(
    "goes on from the beginning of any record, in the middle of a page",
    fc.property(
      stream.filter(({ records }) => records.length > 0),
      fc.nat(),
      (wal, which) => {
        const all = read([wal.bytes], optionsOf(wal)).records;
        const from = which % all.length;
        const { lsn } = all[from]!;
        const reader = new WalReader({ ...optionsOf(wal), server: wal.options.server });
        reader.push(wal.bytes.subarray(Number(lsn - wal.start)), lsn);
        const rest: WalRecord[] = [];
        for (let next = reader.next(); next !== undefined; next = reader.next()) rest.push(next);
        expect(rest.map(fieldsOf)).toEqual(all.slice(from).map(fieldsOf));
      },
    ),
    80,
  );

  law(
    "headers alone say the same as whole records",
    fc.property(stream, (wal) => {
      const reader = new WalReader(optionsOf(wal));
      reader.push(wal.bytes);
      const shown = ({ lsn, end, prev, xid, length, rmid, info, crc, bytes }: WalRecordHeader): string =>
        [lsn, end, prev, xid, length, rmid, info, crc, toHex(bytes)].join();
      for (const record of read([wal.bytes], optionsOf(wal)).records) {
        expect(shown(reader.nextHeader()!)).toBe(shown(record));
      }
      expect(reader.nextHeader()).toBeUndefined();
    }),
    50,
  );

  law(
    "is not touched: what was handed out stays as it was",
    fc.property(
      stream.chain(({ bytes, options }) => fc.tuple(fc.constant(options), splits(fc.constant(bytes)))),
      ([options, chunks]) => {
        const reader = new WalReader({ pageSize: options.pageSize, segmentSize: options.segmentSize });
        const copies = chunks.map((chunk) => chunk.slice());
        const seen: { view: Uint8Array; digits: string }[] = [];
        for (const chunk of chunks) {
          reader.push(chunk);
          for (let next = reader.next(); next !== undefined; next = reader.next()) {
            for (const view of [next.bytes, next.mainData]) seen.push({ view, digits: toHex(view) });
          }
        }
        for (const { view, digits } of seen) expect(toHex(view)).toBe(digits);
        expect(chunks.map(toHex)).toEqual(copies.map(toHex));
      },
    ),
    50,
  );
});

describe("headers of pages", () => {
  law(
    "decode to what they were encoded from",
    fc.property(
      fc.record({
        magic: fc.nat(0xffff),
        info: fc.nat(0xffff),
        timeline: fc.nat(0xffffffff),
        pageAddress: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(toLsn),
        remaining: fc.nat(0xffffffff),
        long: fc.option(
          fc.record({
            systemIdentifier: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
            segmentSize: fc.nat(0xffffffff),
            pageSize: fc.nat(0xffffffff),
          }),
          { nil: undefined },
        ),
      }),
      (header) => {
        const info = header.long === undefined ? header.info & ~2 : header.info | 2;
        expect(decodeWalPageHeader(encodeWalPageHeader(header))).toEqual({ ...header, info });
      },
    ),
    300,
  );

  test("are 24 and 40 bytes long", () => {
    const header = decodeWalPageHeader(new Uint8Array(24));
    expect(encodeWalPageHeader(header).length).toBe(24);
    expect(encodeWalPageHeader({ ...header, long: { systemIdentifier: 1n, segmentSize: 2, pageSize: 3 } }).length).toBe(
      40,
    );
  });
});
