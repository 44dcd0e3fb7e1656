/** fast-check arbitraries of WAL: records, and the pages they lie in. */
import * as fc from "fast-check";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import type { Server } from "../kernel/version.ts";
import { compressionFlags, forks, isRmid, RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "../wal/constants.ts";
import type { WalRecordFields } from "../wal/encode.ts";
import { type WalFormat, walFormat } from "../wal/format.ts";
import type { WalBlock, WalImage } from "../wal/record.ts";
import { type WalRecordPlace, WalWriter, type WalWriterOptions } from "../wal/writer.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const xid = fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 2000 }), u32);

/** Mostly short, now and then some pages long. */
const data = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(3000), fc.nat(255)).map(([length, byte]) => new Uint8Array(length).fill(byte)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(20_000), fc.nat(255)).map(([length, byte]) => new Uint8Array(length).fill(byte)),
  },
);

function image({ has }: WalFormat): fc.Arbitrary<WalImage> {
  const apply = has.imageApply ? fc.boolean() : fc.constant(true);
  const holes = fc.oneof(
    fc.constant({ holeOffset: 0, holeLength: 0 }),
    fc.record({ holeOffset: fc.integer({ min: 1, max: 500 }), holeLength: fc.integer({ min: 1, max: 7000 }) }),
  );
  const plain = fc.tuple(holes, fc.nat(255), apply).map(([hole, byte, applied]): WalImage => {
    const bytes = new Uint8Array(8192 - hole.holeLength).fill(byte);
    return { bytes, ...hole, compression: "none", apply: applied };
  });
  const methods = compressionFlags(has).map(([, name]) => name);
  const packed = fc
    .tuple(holes, fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.constantFrom(...methods), apply)
    .map(([hole, bytes, compression, applied]): WalImage => ({ bytes, ...hole, compression, apply: applied }));
  return fc.oneof({ weight: 1, arbitrary: plain }, { weight: 3, arbitrary: packed });
}

function block(format: WalFormat): fc.Arbitrary<Omit<WalBlock, "id">> {
  return fc.record({
    tablespace: fc.constantFrom(1663, 1664),
    database: fc.constantFrom(0, 5),
    relation: fc.oneof(fc.constant(16384), u32),
    fork: fc.constantFrom(...forks),
    block: fc.oneof(fc.nat(3), u32),
    willInit: fc.boolean(),
    image: fc.option(image(format), { nil: undefined }),
    data: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 }), { nil: undefined }),
  });
}

/**
 * What a record of WAL is made of, as a server of that version frames it: blocks with images, compressed and with holes, origins,
 * long and short data. Its data is any bytes: no resource manager would replay it.
 *
 * @throws UnsupportedError for a version whose WAL is not known.
 * @example fc.sample(walRecordFields({ server: "13" }), 50).some(({ toplevelXid }) => toplevelXid !== undefined) // false
 * @source xloginsert.c: XLogRecordAssemble
 */
export function walRecordFields({
  server,
}: {
  readonly server?: Server | undefined;
} = {}): fc.Arbitrary<WalRecordFields> {
  const format = walFormat({ server });
  const rmids = Array.from({ length: 256 }, (_, rmid) => rmid).filter((rmid) => isRmid(rmid, format.has));
  return fc
    .record({
      rmid: fc.constantFrom(...rmids),
      info: fc.nat(255),
      xid,
      origin: fc.option(fc.nat(0xffff), { nil: undefined, freq: 3 }),
      toplevelXid: format.has.toplevelXid ? fc.option(xid, { nil: undefined, freq: 3 }) : fc.constant(undefined),
      ids: fc.uniqueArray(fc.nat(32), { maxLength: 4 }),
      blocks: fc.array(block(format), { minLength: 4, maxLength: 4 }),
      mainData: data,
    })
    .filter((record) => !isSwitch(record))
    .map(({ ids, blocks, ...record }) => ({
      ...record,
      blocks: ids.sort((a, b) => a - b).map((id, i) => ({ id, ...blocks[i]! })),
    }));
}

/** XLOG_SWITCH would end the segment. */
function isSwitch({ rmid, info }: Pick<WalRecordFields, "rmid" | "info">): boolean {
  return rmid === RM_XLOG_ID && (info & RMGR_INFO_MASK) === XLOG_SWITCH;
}

/** WAL as bytes, and its records. */
export interface WalStream {
  /** The WAL, from `start` on. */
  readonly bytes: Uint8Array;
  /** Where the bytes begin: a page. */
  readonly start: Lsn;
  /** Of the pages. */
  readonly options: WalWriterOptions;
  /** The records in them, in order. */
  readonly records: readonly (WalRecordFields & WalRecordPlace)[];
}

/**
 * Some WAL, from the beginning of a page on, as a server of that version writes it: records that go over pages and over the end of a
 * segment, and segments that end early.
 *
 * @throws UnsupportedError as `walRecordFields`.
 * @example fc.sample(walStream({ server: "18" }), 1)[0].start % 1024n // 0n
 * @source xlog.c: XLogInsertRecord
 */
export function walStream({ server }: { readonly server?: Server | undefined } = {}): fc.Arbitrary<WalStream> {
  const record = walRecordFields({ server });
  const steps = fc.array(
    fc.oneof({ weight: 15, arbitrary: record }, { weight: 1, arbitrary: fc.constant("switch" as const) }),
    {
      maxLength: 8,
    },
  );
  const pages = fc.record({
    pageSize: fc.constantFrom(1024, 8192),
    pagesBefore: fc.integer({ min: 1, max: 6 }),
    segment: fc.bigInt({ min: 1n, max: 2n ** 40n }),
    timeline: fc.integer({ min: 1, max: 0xffffffff }),
    systemIdentifier: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    backupRuns: fc.boolean(),
  });
  return fc.tuple(pages, steps).map(([{ pagesBefore, segment, ...page }, list]) => {
    const segmentSize = 1024 * 1024;
    const start = toLsn(segment * BigInt(segmentSize) - BigInt(pagesBefore * page.pageSize));
    const options = { ...page, server, segmentSize, start };
    const writer = new WalWriter(options);
    const records: (WalRecordFields & WalRecordPlace)[] = [];
    for (const step of list) {
      // Not where it would leave nearly all of a segment empty.
      const left = segmentSize - Number(writer.position % BigInt(segmentSize));
      if (step === "switch" && left > 60_000) continue;
      const fields = step === "switch" ? { rmid: RM_XLOG_ID, info: XLOG_SWITCH } : step;
      records.push({ ...fields, ...writer.write(fields) });
    }
    return { bytes: writer.take(), start, options, records };
  });
}
