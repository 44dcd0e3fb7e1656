/** What WAL records say: as servers said of theirs, and whatever the bytes are. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import {
  committedTransactions,
  describeWalRecord,
  findRecoveryStop,
  formatWalContents,
  jsonOfWalContents,
  type RecoveryTarget,
  type WalRecord,
  walOperation,
  walResourceManager,
} from "../../src/wal/index.ts";
import { asServerSays, samples } from "../wal-samples.ts";
import { law } from "./law.ts";

const none = { lsn: toLsn(4096n), end: toLsn(8192n), prev: toLsn(0n), crc: 0, toplevelXid: undefined, blocks: [] };

function recordOf(fields: Pick<WalRecord, "rmid" | "info" | "mainData"> & Partial<WalRecord>): WalRecord {
  return {
    ...none,
    xid: 700,
    length: 24 + fields.mainData.length,
    origin: undefined,
    bytes: fields.mainData,
    ...fields,
  };
}

const sample = fc.constantFrom(...samples);

describe("what servers wrote", () => {
  test.each(samples)("$server: $operation", ({ server, operation, rmid, info, origin, data, description }) => {
    const record = recordOf({ rmid, info, origin, mainData: data });
    const described = describeWalRecord(record, { server });
    expect(`${described.resourceManager}/${described.operation}`).toBe(operation);
    expect(described.contents).toBeDefined();
    // A sequence's row, and what is kept of a prepared transaction, are bytes; of nothing else is anything left over.
    if (!["Sequence/LOG", "Transaction/PREPARE"].includes(operation)) expect(described.rest).toBeUndefined();
    if (Number(server) >= 15) expect(asServerSays(formatWalContents(record, described, { server }))).toBe(description);
    expect(jsonOfWalContents(described.contents!, { server }).type).toBe(described.contents!.type);
  });
});

law(
  "damaged main data is decoded, or refused with its place; no view leaves it",
  fc.property(
    sample.chain((each) => fc.record({ each: fc.constant(each), data: damaged(fc.constant(each.data)) })),
    fc.constantFrom("10", "12", "15", "18", "19"),
    ({ each, data }, server) => {
      const record = recordOf({ ...each, mainData: data });
      try {
        const described = describeWalRecord(record, { server });
        formatWalContents(record, described, { server });
        if (described.contents !== undefined) JSON.stringify(jsonOfWalContents(described.contents, { server }));
        expect(described.rest?.length ?? 0).toBeLessThanOrEqual(data.length);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        expect(error.offset).toBeGreaterThanOrEqual(0);
        expect(error.offset).toBeLessThanOrEqual(data.length);
        expect(error.path).toMatch(/^[A-Z]\w+(\.\w+)*(\[\d+\](\.\w+)*)?$/);
      }
    },
  ),
  2000,
);

law(
  "main data cut short is refused, unless it ends where a list does that has no number",
  fc.property(sample, fc.nat(), (each, cut) => {
    const open = [
      "Transaction/PREPARE",
      "Sequence/LOG",
      "RelMap/UPDATE",
      "Standby/RUNNING_XACTS",
      "Generic/Generic",
      "CommitTs/SETTS",
    ];
    if (open.includes(each.operation) || each.data.length === 0) return;
    const mainData = each.data.subarray(0, cut % each.data.length);
    expect(() => describeWalRecord(recordOf({ ...each, mainData }), { server: each.server })).toThrow(DecodeError);
  }),
  500,
);

law(
  "every number has a name",
  fc.property(fc.nat(255), fc.nat(255), fc.constantFrom("9.6", "10", "14", "19"), (rmid, info, server) => {
    expect(walResourceManager(rmid, { server })).toMatch(/^[A-Z]\w+$|^(custom|unknown)\d{3}$/i);
    expect(walOperation({ rmid, info }, { server })).toMatch(/^[A-Z_+]+$|^Generic$|^UNKNOWN \([0-9a-f]0?\)$/);
  }),
  2000,
);

// ---- Questions ----

/** A commit or an abort, as xact.c writes the shortest. */
const ends = fc.array(
  fc.record({
    xid: fc.integer({ min: 3, max: 9 }),
    time: fc.bigInt({ min: 0n, max: 20n }),
    commits: fc.boolean(),
  }),
  { maxLength: 12 },
);

function written(
  list: readonly { readonly xid: number; readonly time: bigint; readonly commits: boolean }[],
): WalRecord[] {
  return list.map(({ xid, time, commits }, i) => {
    const mainData = new Uint8Array(8);
    new DataView(mainData.buffer).setBigInt64(0, time, true);
    const lsn = toLsn(1000n + BigInt(i) * 40n);
    return recordOf({ rmid: 1, info: commits ? 0x00 : 0x20, xid, mainData, lsn, end: toLsn(lsn + 40n) });
  });
}

law(
  "recovery to a time has what ended until then, up to the first that ended later",
  fc.property(ends, fc.bigInt({ min: 0n, max: 20n }), fc.boolean(), (list, time, inclusive) => {
    const records = written(list);
    const { stop, lastCommit } = findRecoveryStop(
      records,
      { type: "time", time: toPgTime(time), inclusive },
      { server: "18" },
    );
    const at = list.findIndex((each) => (inclusive ? each.time > time : each.time >= time));
    expect(stop?.position).toBe(at === -1 ? undefined : records[at]!.lsn);
    const before = list.slice(0, at === -1 ? undefined : at);
    const last = before.findLastIndex(({ commits }) => commits);
    expect(lastCommit?.lsn).toBe(last === -1 ? undefined : records[last]!.lsn);
  }),
  1000,
);

law(
  "recovery to a transaction or a position has it, or ends right before it",
  fc.property(
    ends,
    fc.integer({ min: 3, max: 9 }),
    fc.bigInt({ min: 990n, max: 1500n }),
    fc.boolean(),
    (list, xid, lsn, inclusive) => {
      const records = written(list);
      const targets: [RecoveryTarget, number][] = [
        [{ type: "xid", xid, inclusive }, list.findIndex((each) => each.xid === xid)],
        [{ type: "lsn", lsn: toLsn(lsn), inclusive }, records.findIndex((each) => each.lsn >= lsn)],
      ];
      for (const [target, at] of targets) {
        const { stop, lastCommit } = findRecoveryStop(records, target, { server: "18" });
        const position = at === -1 ? undefined : inclusive ? records[at]!.end : records[at]!.lsn;
        expect(stop?.position).toBe(position);
        const replayed = position === undefined ? records : records.filter((each) => each.end <= position);
        expect(lastCommit?.lsn).toBe([...committedTransactions(replayed, { server: "18" })].at(-1)?.lsn);
      }
    },
  ),
  1000,
);
