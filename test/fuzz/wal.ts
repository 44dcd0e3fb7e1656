/** WAL in pages, and records alone, whose checksum is made good again so that what is behind it is met. */

import { toLsn } from "../../src/kernel/lsn.ts";
import { crcOfRecord } from "../../src/wal/decode.ts";
import {
  decodeWalRecord,
  encodeWalRecord,
  WalError,
  WalReader,
  type WalRecord,
  type WalRecordFields,
  WalWriter,
  walFormat,
} from "../../src/wal/index.ts";
import { toHex } from "../hex.ts";
import { numbersOf } from "./damage.ts";
import type { FuzzTarget } from "./target.ts";

const servers = ["9.6", "10", "14", "15", "18", "19"];

function fieldsOf({ bytes, crc, length, end, ...fields }: WalRecord): string {
  return JSON.stringify(fields, (_, value) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? toHex(value) : value,
  );
}

/** Records with one of everything. */
function sampleRecords(server: string): WalRecordFields[] {
  const { has } = walFormat({ server });
  const page = { tablespace: 1663, database: 5, relation: 16384, fork: "main", block: 7, willInit: false } as const;
  const hole = { holeOffset: 40, holeLength: 8100, compression: "none", apply: true } as const;
  const image = { ...hole, bytes: new Uint8Array(92).fill(3) };
  const packed = {
    bytes: new Uint8Array(30).fill(4),
    holeOffset: 60,
    holeLength: 300,
    compression: "pglz",
    apply: true,
  } as const;
  return [
    {
      rmid: 10,
      info: 0,
      xid: 700,
      blocks: [{ ...page, id: 0, image: undefined, data: Uint8Array.of(1, 2, 3) }],
      mainData: Uint8Array.of(9, 9),
    },
    {
      ...{ rmid: 11, info: 0x80, xid: 701, origin: 3, mainData: new Uint8Array(300).fill(5) },
      ...(has.toplevelXid && { toplevelXid: 700 }),
      blocks: [
        { ...page, id: 0, image, data: undefined },
        { ...page, id: 1, block: 8, fork: "vm", willInit: true, image: undefined, data: Uint8Array.of(7) },
        { ...page, id: 5, relation: 16385, image: packed, data: Uint8Array.of(8, 8) },
      ],
    },
    { rmid: 1, info: 0, xid: 701, mainData: new Uint8Array(1500).fill(6) },
    { rmid: 0, info: 0x40, xid: 0 },
  ];
}

function read(chunks: readonly Uint8Array[], pageSize: number): { records: WalRecord[]; ends: string } {
  const reader = new WalReader({ pageSize, segmentSize: 1024 * 1024 });
  const records: WalRecord[] = [];
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let next = reader.next(); next !== undefined; next = reader.next()) records.push(next);
    }
    return { records, ends: reader.end?.message ?? `${reader.position} ${reader.incomplete}` };
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (error.offset < 0 || error.offset > length) throw new Error(`offset ${error.offset} of ${length}`);
    return { records, ends: JSON.stringify(error) };
  }
}

export const wal: FuzzTarget = {
  name: "wal",
  corpus: () =>
    servers.flatMap((server) =>
      [1, 4].map((pages) => {
        const options = { server, pageSize: 1024, segmentSize: 1024 * 1024, systemIdentifier: 7n };
        const writer = new WalWriter({ ...options, start: toLsn(5n * 1024n * 1024n - BigInt(pages * 1024)) });
        for (const record of sampleRecords(server)) if (pages === 1 || record.info !== 0x40) writer.write(record);
        for (const record of sampleRecords(server).slice(0, 3)) writer.write(record);
        const bytes = writer.take();
        // The rest of the segment that a switch leaves empty is of no interest.
        return bytes.length > 20_000 ? bytes.subarray(0, 5000) : bytes;
      }),
    ),
  check(bytes) {
    const whole = read([bytes], 1024);
    const next = numbersOf(bytes.length, bytes[bytes.length >> 1] ?? 0);
    const cuts = [next() % (bytes.length + 1), next() % (bytes.length + 1)].sort((a, b) => a - b);
    const pieces = read([bytes.subarray(0, cuts[0]), bytes.subarray(cuts[0], cuts[1]), bytes.subarray(cuts[1])], 1024);
    if (whole.ends !== pieces.ends || whole.records.map(fieldsOf).join() !== pieces.records.map(fieldsOf).join()) {
      throw new Error(
        `whole: ${whole.records.length}, ${whole.ends}; in pieces: ${pieces.records.length}, ${pieces.ends}`,
      );
    }
    return whole.records.length > 0 ? "value" : "error";
  },
};

export const walRecord: FuzzTarget = {
  name: "wal record",
  // The first byte says which server's it is.
  corpus: () =>
    servers.flatMap((server, i) =>
      sampleRecords(server).map((record) =>
        Uint8Array.of(i, ...encodeWalRecord(record, { format: walFormat({ server }) })),
      ),
    ),
  check(input) {
    const format = walFormat({ server: servers[(input[0] ?? 0) % servers.length] });
    const bytes = input.slice(1);
    if (bytes.length >= 24) {
      const view = new DataView(bytes.buffer);
      view.setUint32(0, bytes.length, true);
      view.setBigUint64(8, 0n, true);
      view.setUint32(20, crcOfRecord(bytes, 0, bytes.length), true);
    }
    const lsn = toLsn(4096n);
    let record: WalRecord;
    try {
      record = decodeWalRecord(bytes, { format, lsn });
    } catch (error) {
      if (!(error instanceof WalError) || error.offset < 0 || error.offset > bytes.length) throw error;
      return "error";
    }
    // An image may be cut to a hole that no page has, since lengths have 16 bits: a server reads those, and does not write them.
    const again = decodeWalRecord(encodeWalRecord(record, { format }), { format, lsn });
    if (fieldsOf(again) !== fieldsOf(record)) throw new Error(`${fieldsOf(again)}\n${fieldsOf(record)}`);
    return "value";
  },
};
