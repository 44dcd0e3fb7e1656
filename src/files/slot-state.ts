/**
 * The state of a replication slot: pg_replslot/NAME/state, which a server reads when it starts.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, The Regents of the University of California
 *
 * @source slot.c: SaveSlotToPath, RestoreSlotFromDisk
 */

import {
  decodeReplicationSlotOnDisk,
  encodeReplicationSlotOnDisk,
  type ReplicationSlotOnDisk,
  type ReplicationSlotPersistentData,
  type SlotStateContext,
} from "../generated/files.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { EncodeError, refuseArgument } from "../kernel/errors.ts";
import { invalidLsn } from "../kernel/lsn.ts";
import { checkOneOf, checkOptions, checkWhole } from "../kernel/options.ts";
import {
  defaultServer,
  formatServerVersion,
  formatVersions,
  joinRanges,
  rangesOf,
  requireCapability,
  type Server,
} from "../kernel/version.ts";
import { listed } from "../kernel/words.ts";
import { givenBytes, mustBeObject } from "../wire/check.ts";
import { layoutOf } from "../wire/layout.ts";
import { NativeReader } from "../wire/native.ts";
import { checkText } from "./arguments.ts";
import { type StateFileCapabilities, stateFileCapabilities } from "./capabilities.ts";
import { legacyCrc32 } from "./legacy-crc32.ts";
import {
  DATA_CORRUPTED,
  INTERNAL_ERROR,
  OBJECT_NOT_IN_PREREQUISITE_STATE,
  refusal,
  type StateFileRefusal,
  settingName,
  shortRead,
  UNDEFINED_FILE,
} from "./refusal.ts";
import * as structs from "./structs.ts";

export const SLOT_MAGIC = 0x1051ca1;

/** Bytes before what depends on the version, and before what the checksum is of. */
const CONSTANT_SIZE = 16;
const NOT_CHECKSUMMED_SIZE = 8;

/** A way in which servers write the file. */
export interface SlotStateFormat {
  readonly version: number;
  readonly context: SlotStateContext & Pick<StateFileCapabilities, "slotChecksumCrc32c">;
  /** Of a whole file. */
  readonly checksum: (file: Uint8Array) => number;
}

const checksummed = (file: Uint8Array): Uint8Array => file.subarray(NOT_CHECKSUMMED_SIZE);

function formatOf(has: StateFileCapabilities): SlotStateFormat {
  return {
    version: has.slotFailover ? 5 : has.slotInvalidationCause ? 3 : 2,
    context: has,
    checksum: has.slotChecksumCrc32c
      ? (file) => crc32c(checksummed(file))
      : (file) => ~legacyCrc32(checksummed(file)) >>> 0,
  };
}

/** How many bytes follow the first 16. */
export function slotStateLength({ context }: SlotStateFormat): number {
  return layoutOf(structs.ReplicationSlotOnDisk, { ...context }).size.min - CONSTANT_SIZE;
}

/** All formats of releases, the oldest first, each once, and the one of 9.4's betas. */
export const allSlotStateFormats: readonly SlotStateFormat[] = /* @__PURE__ */ allFormats();

function allFormats(): SlotStateFormat[] {
  const byKind = new Map<string, SlotStateFormat>();
  for (const { since } of rangesOf(stateFileCapabilities, "replicationSlots")) {
    const format = formatOf(stateFileCapabilities.of(since));
    const kind = [format.version, slotStateLength(format), format.context.slotChecksumCrc32c].join();
    if (!byKind.has(kind)) byKind.set(kind, format);
  }
  const [first] = [...byKind.values()] as [SlotStateFormat];
  return [{ ...first, version: 1, checksum: (file) => legacyCrc32(file.subarray(CONSTANT_SIZE)) }, ...byKind.values()];
}

/**
 * Read a slot's file as any server from 9.4 on writes it. Which one it was follows from version, length and checksum.
 *
 * @param file The whole file and nothing else, though a server would not look at what follows.
 * @throws DecodeError for what no server writes: BAD_VALUE for magic, version, length or checksum, TRUNCATED, TRAILING_BYTES.
 * @source slot.c: RestoreSlotFromDisk
 * @example decodeSlotState(encodeSlotState({ name: "s", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0, restartLsn: parseLsn("0/1000000"), confirmedFlush: invalidLsn, plugin: "" })).slotdata.name // "s"
 */
export function decodeSlotState(file: Uint8Array): ReplicationSlotOnDisk {
  file = givenBytes(file);
  const possible = slotStateFormats(file);
  const whole = file.subarray(0, CONSTANT_SIZE + slotStateLength(possible[0]!));
  const checksum = new DataView(file.buffer, file.byteOffset).getUint32(4, true);
  const sums = possible.map((format) => format.checksum(whole));
  if (whole.length === CONSTANT_SIZE + slotStateLength(possible[0]!) && !sums.includes(checksum)) {
    const what = `is ${checksum}, but should be ${sums.at(-1)}`;
    new NativeReader(file).fail("BAD_VALUE", 4, what, at("checksum"));
  }
  return decodeReplicationSlotOnDisk(file, possible[0]!.context);
}

const at = (field: string): string => `ReplicationSlotOnDisk.${field}`;

/**
 * The formats that a slot's file can have by its magic number, version and length; they differ in the checksum only.
 *
 * @throws DecodeError as decodeSlotState does.
 */
export function slotStateFormats(file: Uint8Array): readonly SlotStateFormat[] {
  const r = new NativeReader(file);
  const magic = r.u32(at("magic"));
  if (magic !== SLOT_MAGIC) r.fail("BAD_VALUE", 0, `is ${magic}, expected ${SLOT_MAGIC},`, at("magic"));
  r.u32(at("checksum"));
  const version = r.u32(at("version"));
  const ofVersion = allSlotStateFormats.filter((format) => format.version === version);
  if (ofVersion.length === 0) {
    const versions = listed([...new Set(allSlotStateFormats.map((format) => String(format.version)))].sort());
    r.fail("BAD_VALUE", 8, `is ${version}, expected ${versions},`, at("version"));
  }
  const length = r.u32(at("length"));
  const ofLength = ofVersion.filter((format) => slotStateLength(format) === length);
  if (ofLength.length === 0) {
    const lengths = [...new Set(ofVersion.map(slotStateLength))].join(" or ");
    r.fail("BAD_VALUE", 12, `is ${length}, expected ${lengths} in version ${version},`, at("length"));
  }
  return ofLength;
}

/**
 * Write a slot as a server of a version does, which reads it when it starts. What the slot says is said in that version's fields; so a
 * slot of one version is written for another.
 *
 * @returns The whole file, for pg_replslot/NAME/state.
 * @throws EncodeError for a slot that says what this version has no place for, such as failover before 17.
 * @throws UnsupportedError for a version without slots.
 * @source slot.c: SaveSlotToPath
 */
export function encodeSlotState(
  slot: ReplicationSlotPersistentData,
  options: { readonly server?: Server | undefined } = {},
): Uint8Array {
  checkOptions(options, ["server"]);
  const { server = defaultServer } = options;
  mustBeObject(slot, "ReplicationSlotOnDisk.slotdata");
  requireCapability(stateFileCapabilities, server, "replicationSlots", "A replication slot");
  const format = formatOf(stateFileCapabilities.of(server));
  const file = encodeReplicationSlotOnDisk({
    magic: SLOT_MAGIC,
    checksum: 0,
    version: format.version,
    length: slotStateLength(format),
    slotdata: slotFor(slot, server),
  });
  new DataView(file.buffer, file.byteOffset).setUint32(4, format.checksum(file), true);
  return file;
}

/** The slot in the fields of a version. */
function slotFor(slot: ReplicationSlotPersistentData, server: Server): ReplicationSlotPersistentData {
  const has = stateFileCapabilities.of(server);
  const refuseIf = (bad: boolean, field: string, what: string): void => {
    if (!bad) return;
    const path = `ReplicationSlotOnDisk.slotdata.${field}`;
    throw new EncodeError(path, `${path}: PostgreSQL ${formatServerVersion(server)} knows no ${what}`);
  };
  const { invalidatedAt, invalidated, twoPhaseAt, twoPhase, synced, failover, ...always } = slot;
  const cause = slotInvalidation(slot);
  if (has.slotInvalidatedAt)
    refuseIf(cause !== "none" && !invalidatedAt, "invalidated", "slots invalidated in this way");
  else if (!has.slotInvalidationCause) refuseIf(cause !== "none", "invalidated", "invalidated slots");
  else refuseIf(cause === "idle_timeout" && !has.slotInvalidationBits, "invalidated", "idle_timeout");
  if (!has.slotTwoPhase) refuseIf(twoPhase === true, "twoPhase", "two_phase");
  if (!has.slotFailover) {
    refuseIf(synced === true, "synced", "synced slots");
    refuseIf(failover === true, "failover", "failover slots");
  }
  return {
    ...always,
    ...(has.slotInvalidatedAt && { invalidatedAt: invalidatedAt ?? invalidLsn }),
    ...(has.slotInvalidationCause && {
      invalidated: cause === "wal_level_insufficient" && !has.slotInvalidationBits ? WAL_LEVEL_OF_16 : cause,
    }),
    ...(has.slotTwoPhase && { twoPhaseAt: twoPhaseAt ?? invalidLsn, twoPhase: twoPhase ?? false }),
    ...(has.slotFailover && { synced: synced ?? false, failover: failover ?? false }),
  };
}

/** What 16 and 17 have for wal_level_insufficient. */
const WAL_LEVEL_OF_16 = 3;

/**
 * Why a slot is good for nothing any more, as pg_replication_slots.invalidation_reason has it; "none" while it is not.
 *
 * @returns the number of a cause that no version knows.
 * @source slot.h: ReplicationSlotInvalidationCause
 */
export function slotInvalidation(
  slot: Pick<ReplicationSlotPersistentData, "invalidated" | "invalidatedAt" | "restartLsn">,
): "none" | "wal_removed" | "rows_removed" | "wal_level_insufficient" | "idle_timeout" | number {
  if (typeof slot !== "object" || slot === null) refuseArgument("slot", "an object", slot);
  if (slot.invalidated === WAL_LEVEL_OF_16) return "wal_level_insufficient";
  if (slot.invalidated !== undefined) return slot.invalidated;
  // Of 13 to 15, as slotfuncs.c: pg_get_replication_slots has it.
  return (slot.invalidatedAt ?? invalidLsn) !== invalidLsn && slot.restartLsn === invalidLsn ? "wal_removed" : "none";
}

/**
 * The versions that write such a file, as people name them.
 *
 * @example slotStateVersions(decodeSlotState(encodeSlotState({ name: "s", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0, restartLsn: invalidLsn, confirmedFlush: invalidLsn, plugin: "" }, { server: "14" }))) // "14 to 15"
 */
export function slotStateVersions(state: ReplicationSlotOnDisk): string {
  const file = encodeReplicationSlotOnDisk(state);
  const { version, length } = state;
  const ranges = rangesOf(stateFileCapabilities, "replicationSlots").filter(({ since }) => {
    const format = formatOf(stateFileCapabilities.of(since));
    return format.version === version && slotStateLength(format) === length && format.checksum(file) === state.checksum;
  });
  return formatVersions(joinRanges(ranges));
}

/** The server that reads the file. */
export interface JudgeSlotStateOptions {
  /** The server that is to start. */
  readonly server?: Server | undefined;
  /** The slot's directory in pg_replslot, as the server's messages name it. Default: "NAME". */
  readonly directory?: string | undefined;
  /** The server's wal_level. Default: "logical". */
  readonly walLevel?: "minimal" | "replica" | "logical" | undefined;
  /** Its max_replication_slots. Default: enough. */
  readonly maxReplicationSlots?: number | undefined;
  /** How many slots it has read before. Default: none. */
  readonly slotsBefore?: number | undefined;
  /** Is it a standby with hot_standby off? Default: no. */
  readonly coldStandby?: boolean | undefined;
}

/**
 * What a server says to a slot's file when it starts. Of 9.4 and 9.5 it is not known what they say to a wal_level too low.
 *
 * @returns undefined if it takes the slot, or removes it without a word since it is not a persistent one.
 * @source slot.c: RestoreSlotFromDisk
 * @example judgeSlotState(hex("00"), { directory: "s" })?.message // 'could not read file "pg_replslot/s/state": read 1 of 16'
 */
export function judgeSlotState(file: Uint8Array, options: JudgeSlotStateOptions = {}): StateFileRefusal | undefined {
  file = givenBytes(file, "file");
  const names = ["server", "directory", "walLevel", "maxReplicationSlots", "slotsBefore", "coldStandby"];
  checkOptions(options, names);
  const {
    directory = "NAME",
    walLevel = "logical",
    maxReplicationSlots,
    slotsBefore = 0,
    coldStandby = false,
  } = options;
  checkText("options.directory", directory);
  checkOneOf("options.walLevel", walLevel, ["minimal", "replica", "logical"]);
  checkOneOf("options.coldStandby", coldStandby, [true, false]);
  checkWhole("options.maxReplicationSlots", maxReplicationSlots ?? 0, 0, Number.POSITIVE_INFINITY);
  checkWhole("options.slotsBefore", slotsBefore, 0, Number.POSITIVE_INFINITY);
  const has = stateFileCapabilities.of(options.server ?? defaultServer);
  const format = formatOf(has);
  const path = `pg_replslot/${directory}/state`;
  // 12 calls it corrupt data; before, it is what the operating system said last, of a file "state.tmp" that was not there.
  const sqlstate = has.stateShortReadSaysSize ? DATA_CORRUPTED : UNDEFINED_FILE;
  const short = (read: number, wanted: number): StateFileRefusal =>
    shortRead(has, "PANIC", path, read, wanted, "No such file or directory");

  if (file.length < CONSTANT_SIZE) return short(file.length, CONSTANT_SIZE);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const [magic, checksum, version, length] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (magic !== SLOT_MAGIC) {
    const words = has.stateMessagesReworded ? "magic number:" : "magic";
    const message = `replication slot file "${path}" has wrong ${words} ${magic} instead of ${SLOT_MAGIC}`;
    return refusal("PANIC", sqlstate, message);
  }
  if (version !== format.version) {
    return refusal("PANIC", sqlstate, `replication slot file "${path}" has unsupported version ${version}`);
  }
  if (length !== slotStateLength(format)) {
    return refusal("PANIC", sqlstate, `replication slot file "${path}" has corrupted length ${length}`);
  }
  if (file.length < CONSTANT_SIZE + length) {
    return short(file.length - CONSTANT_SIZE, length);
  }
  const whole = file.subarray(0, CONSTANT_SIZE + length);
  const is = format.checksum(whole);
  if (is !== checksum) {
    const message = has.stateMessagesReworded
      ? `checksum mismatch for replication slot file "${path}": is ${is}, should be ${checksum}`
      : `replication slot file ${path}: checksum mismatch, is ${is}, should be ${checksum}`;
    return refusal("PANIC", INTERNAL_ERROR, message);
  }

  const persistency = view.getUint32(offsetOf("persistency", format), true);
  if (persistency !== 0) return undefined; // the server drops it
  const nameAt = offsetOf("name", format);
  const r = new NativeReader(whole.subarray(nameAt));
  // NameStr ends at the first zero.
  const name = r.name("name").split("\0")[0]!;
  const logical = view.getUint32(offsetOf("database", format), true) !== 0;
  const setting = (each: string): string => settingName(has, each);
  const needed = logical && !has.logicalSlotNeedsReplicaOnly ? "logical" : "replica";
  if (has.slotNeedsWalLevel && (walLevel === "minimal" || (needed === "logical" && walLevel === "replica"))) {
    return refusal(
      "FATAL",
      OBJECT_NOT_IN_PREREQUISITE_STATE,
      `${logical ? "logical" : "physical"} replication slot "${name}" exists, but ${setting("wal_level")} < ${setting(needed)}`,
      `Change ${setting("wal_level")} to be ${setting(needed)} or higher.`,
    );
  }
  if (logical && coldStandby && has.logicalSlotNeedsHotStandby) {
    return refusal(
      "FATAL",
      OBJECT_NOT_IN_PREREQUISITE_STATE,
      `logical replication slot "${name}" exists on the standby, but ${setting("hot_standby")} = ${setting("off")}`,
      `Change ${setting("hot_standby")} to be ${setting("on")}.`,
    );
  }
  if (maxReplicationSlots !== undefined && slotsBefore >= maxReplicationSlots) {
    return refusal(
      has.tooManySlotsIsFatal ? "FATAL" : "PANIC",
      INTERNAL_ERROR,
      "too many replication slots active before shutdown",
      `Increase ${setting("max_replication_slots")} and try again.`,
    );
  }
  return undefined;
}

/** Where a field of the slot stands in the file. */
function offsetOf(field: string, { context }: SlotStateFormat): number {
  return layoutOf(structs.ReplicationSlotOnDisk, { ...context }).offsets.get(`slotdata.${field}`)!;
}
