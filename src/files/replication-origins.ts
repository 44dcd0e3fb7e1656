/**
 * How far origins have been replayed: pg_logical/replorigin_checkpoint, which a server writes at checkpoints and reads when it starts.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * @source origin.c: CheckPointReplicationOrigin, StartupReplicationOrigin
 */

import {
  encodeReplicationStateOnDisk,
  type ReplicationStateOnDisk,
  readReplicationStateOnDisk,
} from "../generated/files.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import { givenBytes, mustBeArray } from "../wire/check.ts";
import { NativeReader } from "../wire/native.ts";

import { stateFileCapabilities } from "./capabilities.ts";
import {
  CONFIGURATION_LIMIT_EXCEEDED,
  DATA_CORRUPTED,
  INTERNAL_ERROR,
  refusal,
  type StateFileRefusal,
  settingName,
  shortRead,
} from "./refusal.ts";

export const REPLICATION_STATE_MAGIC = 0x1257dade;

const NUMBER_SIZE = 4;
const STATE_SIZE = 16;

/**
 * Read the file. It says nowhere how many origins there are: a state has 16 bytes, and the last 4 are the checksum.
 *
 * @param file The whole file.
 * @returns as many origins as there are; a view of padding in each that has some.
 * @throws DecodeError for what no server writes: BAD_VALUE for magic or checksum, TRUNCATED.
 * @source origin.c: StartupReplicationOrigin
 * @example decodeReplicationOrigins(encodeReplicationOrigins([{ roident: 1, remoteLsn: parseLsn("0/AABBCC") }])).length // 1
 */
export function decodeReplicationOrigins(file: Uint8Array): readonly ReplicationStateOnDisk[] {
  file = givenBytes(file);
  const r = new NativeReader(file);
  const magic = r.u32("ReplicationOrigins.magic");
  if (magic !== REPLICATION_STATE_MAGIC) {
    r.fail("BAD_VALUE", 0, `is ${magic}, expected ${REPLICATION_STATE_MAGIC},`, "ReplicationOrigins.magic");
  }
  const states: ReplicationStateOnDisk[] = [];
  while (file.length - r.offset > NUMBER_SIZE) states.push(readReplicationStateOnDisk(r));
  r.begin();
  const end = r.offset;
  const checksum = r.u32("ReplicationOrigins.checksum");
  const is = crc32c(file.subarray(0, end));
  if (checksum !== is) {
    r.fail("BAD_VALUE", end, `is ${checksum}, but should be ${is}`, "ReplicationOrigins.checksum");
  }
  return states;
}

/**
 * Write the file, which is the same in all versions.
 *
 * @returns The whole file, for pg_logical/replorigin_checkpoint.
 * @throws EncodeError with the path of the field that does not fit.
 * @source origin.c: CheckPointReplicationOrigin
 * @example encodeReplicationOrigins([]) // hex("deda5712 36b2006a")
 */
export function encodeReplicationOrigins(states: readonly ReplicationStateOnDisk[]): Uint8Array {
  mustBeArray(states, "ReplicationOrigins");
  const parts = Array.from(states.values(), (state) => encodeReplicationStateOnDisk(state));
  const file = new Uint8Array(NUMBER_SIZE + STATE_SIZE * parts.length + NUMBER_SIZE);
  const view = new DataView(file.buffer);
  view.setUint32(0, REPLICATION_STATE_MAGIC, true);
  for (const [i, part] of parts.entries()) file.set(part, NUMBER_SIZE + STATE_SIZE * i);
  const end = file.length - NUMBER_SIZE;
  view.setUint32(end, crc32c(file.subarray(0, end)), true);
  return file;
}

/** The server that reads the file. */
export interface JudgeReplicationOriginsOptions {
  /** The server that is to start. */
  readonly server?: Server | undefined;
  /** Its max_active_replication_origins, before 18 its max_replication_slots. Default: enough. At 0 it does not look at the file. */
  readonly maxOrigins?: number | undefined;
}

/**
 * What a server says to the file when it starts.
 *
 * @returns undefined if it takes it.
 * @source origin.c: StartupReplicationOrigin
 * @example judgeReplicationOrigins(hex("00000000 00000000"))?.message // "replication checkpoint has wrong magic 0 instead of 307747550"
 */
export function judgeReplicationOrigins(
  file: Uint8Array,
  options: JudgeReplicationOriginsOptions = {},
): StateFileRefusal | undefined {
  file = givenBytes(file, "file");
  checkOptions(options, ["server", "maxOrigins"]);
  const { server = defaultServer, maxOrigins = Number.POSITIVE_INFINITY } = options;
  checkWhole("options.maxOrigins", maxOrigins, 0, Number.POSITIVE_INFINITY);
  if (maxOrigins === 0) return undefined;
  const has = stateFileCapabilities.of(server);
  const path = "pg_logical/replorigin_checkpoint";
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < NUMBER_SIZE) {
    return has.stateShortReadSaysSize
      ? shortRead(has, "PANIC", path, file.length, NUMBER_SIZE, "Success")
      : refusal("PANIC", INTERNAL_ERROR, `could not read file "${path}": Success`);
  }
  const magic = view.getUint32(0, true);
  if (magic !== REPLICATION_STATE_MAGIC) {
    const message = `replication checkpoint has wrong magic ${magic} instead of ${REPLICATION_STATE_MAGIC}`;
    return refusal("PANIC", INTERNAL_ERROR, message);
  }
  let at = NUMBER_SIZE;
  for (let states = 0; file.length - at !== NUMBER_SIZE; states++, at += STATE_SIZE) {
    const left = file.length - at;
    if (left < STATE_SIZE) {
      return refusal("PANIC", INTERNAL_ERROR, `could not read file "${path}": read ${left} of ${STATE_SIZE}`);
    }
    if (states === maxOrigins) {
      const setting = has.maxActiveReplicationOrigins ? "max_active_replication_origins" : "max_replication_slots";
      const what = has.stateMessagesReworded
        ? "could not find free replication state"
        : "no free replication state could be found";
      return refusal("PANIC", CONFIGURATION_LIMIT_EXCEEDED, `${what}, increase ${settingName(has, setting)}`);
    }
  }
  const checksum = view.getUint32(at, true);
  const is = crc32c(file.subarray(0, at));
  if (checksum !== is) {
    const what = has.stateMessagesReworded ? "replication slot checkpoint" : "replication_slot_checkpoint";
    const sqlstate = has.originChecksumIsCorruption ? DATA_CORRUPTED : CONFIGURATION_LIMIT_EXCEEDED;
    return refusal("PANIC", sqlstate, `${what} has wrong checksum ${is}, expected ${checksum}`);
  }
  return undefined;
}
