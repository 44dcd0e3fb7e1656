/** Damaged pg_control, and files of slots, origins and snapshots; half of the damaged ones get a checksum that is right. */
import { readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { structOf } from "../../src/arbitraries/messages.ts";
import {
  type BlockRefTableSerializedEntry,
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeControlFile,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
  encodeSlotState,
  encodeSnapshot,
  encodeWalSummary,
  explainControlFile,
  explainSlot,
  judgeReplicationOrigins,
  judgeSlotState,
  judgeSnapshot,
  slotStateVersions,
  type WalSummaryChunk,
  WalSummaryReader,
  walSummaryBlocks,
} from "../../src/files/index.ts";
import * as structs from "../../src/files/structs.ts";
import { crc32c } from "../../src/kernel/crc32c.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { jsonOfStruct } from "../../src/wire/json.ts";
import { traceStruct } from "../../src/wire/trace.ts";
import { toHex } from "../hex.ts";
import type { FuzzTarget } from "./target.ts";

const vectors = new URL("../vectors/files/", import.meta.url);

/** Recorded files whose names match. */
function recorded(names: RegExp): Uint8Array[] {
  return readdirSync(vectors)
    .filter((name) => names.test(name))
    .map((name) => new Uint8Array(readFileSync(new URL(name, vectors))));
}

const servers = ["9.4", "9.5", "11", "12", "13", "15", "16", "17", "18", "19"];

/** What every version can say of a slot. */
const plain = { invalidated: "none", twoPhase: false, synced: false, failover: false } as const;

/** With its checksum made right for every second file: else all that is behind the checksum would hardly be looked at. */
function mended(bytes: Uint8Array, at: number, from: number, to: number): Uint8Array {
  if (at < 0 || bytes.length < Math.max(at + 4, from) || bytes[bytes.length >> 1]! % 2 === 0) return bytes;
  const whole = bytes.slice();
  new DataView(whole.buffer).setUint32(at, crc32c(whole.subarray(from, to)), true);
  return whole;
}

/** Decodes; a value must encode to the same bytes, and pass for a server that writes such files; all else is an error of ours. */
function checkFile<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  refused: (server: string) => unknown,
): "value" | "error" {
  const refusals = servers.filter((server) => refused(server) !== undefined);
  let value: T;
  try {
    value = decode(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error.offset < 0 || error.offset > bytes.length) throw new Error(`${error.message} is outside of the input`);
    return "error";
  }
  const again = toHex(encode(value));
  if (again !== toHex(bytes)) throw new Error(`it encodes to ${again}`);
  if (refusals.length === servers.length) throw new Error("all servers refuse what was read");
  return "value";
}

const slotState: FuzzTarget = {
  name: "slot state",
  corpus: () => {
    const any = fc.sample(structOf(structs.ReplicationSlotOnDisk), { numRuns: 50, seed: 1 });
    return [
      ...recorded(/^slot-state/),
      ...any.map(({ slotdata }) => encodeSlotState({ ...slotdata, invalidated: "none" })),
      ...servers.map((server) => encodeSlotState({ ...any[0]!.slotdata, ...plain }, { server })),
    ];
  },
  check: (bytes) => {
    const file = mended(bytes, 4, 8, bytes.length);
    const result = checkFile(file, decodeSlotState, encodeReplicationSlotOnDisk, (server) => {
      const refusal = judgeSlotState(file, { server, directory: "s" });
      return file[8] === 1 ? undefined : refusal; // of betas of 9.4
    });
    if (result === "value") {
      const state = decodeSlotState(file);
      explainSlot(state.slotdata, { timeline: 1 });
      jsonOfStruct(structs.ReplicationSlotOnDisk, state);
      traceStruct(structs.ReplicationSlotOnDisk, state);
      if (slotStateVersions(state) === "no version" && state.version !== 1) throw new Error("no version writes it");
    }
    return result;
  },
};

const origins: FuzzTarget = {
  name: "replorigin_checkpoint",
  corpus: () => [
    ...recorded(/^replorigin/),
    encodeReplicationOrigins([]),
    encodeReplicationOrigins(fc.sample(structOf(structs.ReplicationStateOnDisk), { numRuns: 20, seed: 1 })),
  ],
  check: (bytes) => {
    const file = mended(bytes, bytes.length - 4, 0, bytes.length - 4);
    return checkFile(file, decodeReplicationOrigins, encodeReplicationOrigins, (server) =>
      judgeReplicationOrigins(file, { server }),
    );
  },
};

const snap: FuzzTarget = {
  name: "snap",
  corpus: () => recorded(/\.snap$/),
  check: (bytes) => {
    const file = mended(bytes, 4, 8, bytes.length);
    return checkFile(file, decodeSnapshot, encodeSnapshot, (server) => judgeSnapshot(file, { server }));
  },
};

const controlFile: FuzzTarget = {
  name: "pg_control",
  corpus: () => recorded(/^pg_control/),
  check: (bytes) => {
    const crcAt = bytes[8] === 0xea ? 288 : 292; // of 10 and 18
    const file = mended(bytes, crcAt, 0, crcAt);
    const result = checkFile(file, decodeControlFile, encodeControlFile, () => undefined);
    if (result === "value") {
      const data = decodeControlFile(file);
      explainControlFile(data);
      jsonOfStruct(structs.ControlFileData, data);
      traceStruct(structs.ControlFileData, data);
    }
    return result;
  },
};

const walSummary: FuzzTarget = {
  name: "WAL summary",
  corpus: () => {
    const entry = { spcOid: 1663, dbOid: 5, forknum: "main", limitBlock: 0xffffffff } as const;
    return [
      encodeWalSummary([]),
      encodeWalSummary([
        { ...entry, relNumber: 1259, chunks: [{ offsets: [] }, { offsets: [9, 2] }] },
        { ...entry, relNumber: 16384, chunks: [{ bitmap: new Uint8Array(8192).fill(0xa5) }] },
      ]),
    ];
  },
  check: (bytes) => {
    const file = mended(bytes, bytes.length - 4, 0, bytes.length - 4);
    const reader = new WalSummaryReader();
    const relations: { entry: BlockRefTableSerializedEntry; chunks: WalSummaryChunk[] }[] = [];
    try {
      for (const event of reader.receive(file)) {
        if (event.type === "Relation") relations.push({ entry: event.entry, chunks: [] });
        if (event.type !== "Chunk") continue;
        walSummaryBlocks(event.chunk, event.first);
        const { chunks } = relations.at(-1)!;
        while (chunks.length < event.first / 65536) chunks.push({ offsets: [] });
        chunks.push(event.chunk);
      }
      reader.end();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (error.offset < 0 || error.offset > file.length) throw new Error(`${error.message} is outside of the input`);
      return "error";
    }
    const again = encodeWalSummary(
      relations.map(({ entry: { nchunks, ...entry }, chunks }) => {
        while (chunks.length < nchunks) chunks.push({ offsets: [] });
        return { ...entry, chunks };
      }),
    );
    if (toHex(again) !== toHex(file)) throw new Error("it encodes to other bytes");
    return "value";
  },
};

export const stateFiles: readonly FuzzTarget[] = [slotState, origins, snap, controlFile, walSummary];
