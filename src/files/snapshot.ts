/**
 * Snapshots of logical decoding: pg_logical/snapshots/X-X.snap, from which a slot goes on where it was.
 *
 * Portions Copyright (c) 2012-2026, PostgreSQL Global Development Group
 *
 * @source snapbuild.c: SnapBuildSerialize, SnapBuildRestore
 */

import {
  encodeSnapBuildOnDisk,
  readSnapBuildOnDisk,
  type SnapBuildContext,
  type SnapBuildOnDisk,
} from "../generated/files.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { DecodeError, EncodeError } from "../kernel/errors.ts";
import { type Lsn, parseLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, rangesOf, type Server } from "../kernel/version.ts";
import { listed } from "../kernel/words.ts";
import { givenBytes, mustBeArray, mustBeObject } from "../wire/check.ts";
import { layoutOf } from "../wire/layout.ts";
import { NativeReader, NativeWriter } from "../wire/native.ts";
import { checkLsn, checkText } from "./arguments.ts";
import { type StateFileCapabilities, stateFileCapabilities } from "./capabilities.ts";
import { legacyCrc32 } from "./legacy-crc32.ts";
import { DATA_CORRUPTED, INTERNAL_ERROR, refusal, type StateFileRefusal, shortRead } from "./refusal.ts";
import * as structs from "./structs.ts";

export const SNAPBUILD_MAGIC = 0x51a1e001;

const CONSTANT_SIZE = 16;
const NOT_CHECKSUMMED_SIZE = 8;

/** A snapshot: the struct at the head of its file, and the transactions that follow it, whose numbers the struct has too. */
export interface SnapBuildSnapshot {
  /** The part of fixed length. */
  readonly head: SnapBuildOnDisk;
  /** Of `head.builder.wasRunning`, as many as its wasXcntSpace: nothing that is used. Up to 13, undefined after. */
  readonly wasRunning?: readonly number[] | undefined;
  /** Transactions between xmin and xmax that have committed, in no order. */
  readonly committed: readonly number[];
  /** Transactions that have changed catalogs and were running; from 16 on, undefined before. */
  readonly catchange?: readonly number[] | undefined;
}

/** A way in which servers write the file. */
export interface SnapshotFormat {
  readonly version: number;
  readonly context: SnapBuildContext;
  readonly legacy: boolean;
}

/** The format of a version. */
export function snapshotFormat(has: StateFileCapabilities): SnapshotFormat {
  const version = has.snapshotInSlotCreation ? 6 : has.snapshotCatchange ? 5 : has.snapshotTwoPhase ? 4 : 2;
  return { version, context: has, legacy: !has.slotChecksumCrc32c };
}

/** All formats, the oldest first. */
export const allSnapshotFormats: readonly SnapshotFormat[] = /* @__PURE__ */ rangesOf(
  stateFileCapabilities,
  "replicationSlots",
).map(({ since }) => snapshotFormat(stateFileCapabilities.of(since)));

function checksumOf(file: Uint8Array, { legacy }: SnapshotFormat): number {
  const bytes = file.subarray(NOT_CHECKSUMMED_SIZE);
  return legacy ? ~legacyCrc32(bytes) >>> 0 : crc32c(bytes);
}

/**
 * Read a snapshot's file as any server from 9.4 on writes it. Which one it was follows from the version in it.
 *
 * @param file The whole file and nothing else.
 * @throws DecodeError for what no server writes: BAD_VALUE for magic, version or checksum, TRUNCATED, TRAILING_BYTES.
 * @source snapbuild.c: SnapBuildRestore
 */
export function decodeSnapshot(file: Uint8Array): SnapBuildSnapshot {
  file = givenBytes(file);
  const possible = snapshotFormats(file);
  const r = new NativeReader(file);
  const head = readSnapBuildOnDisk(r, possible[0]!.context);
  const { wasRunning, committed, catchange } = head.builder;
  const snapshot = {
    head,
    wasRunning: wasRunning && readXids(r, wasRunning.wasXcntSpace, "SnapBuildOnDisk.wasRunning"),
    committed: readXids(r, committed.xcnt, "SnapBuildOnDisk.committed"),
    catchange: catchange && readXids(r, catchange.xcnt, "SnapBuildOnDisk.catchange"),
  };
  r.end("SnapBuildOnDisk");
  const sums = possible.map((format) => checksumOf(file, format));
  if (!sums.includes(head.checksum)) {
    r.fail("BAD_VALUE", 4, `is ${head.checksum}, but should be ${sums.at(-1)}`, "SnapBuildOnDisk.checksum");
  }
  return snapshot;
}

/**
 * The formats that a snapshot's file can have by its magic number and version; they differ in the checksum only.
 *
 * @throws DecodeError as decodeSnapshot does.
 */
export function snapshotFormats(file: Uint8Array): readonly SnapshotFormat[] {
  const r = new NativeReader(file);
  const magic = r.u32("SnapBuildOnDisk.magic");
  if (magic !== SNAPBUILD_MAGIC) {
    r.fail("BAD_VALUE", 0, `is ${magic}, expected ${SNAPBUILD_MAGIC},`, "SnapBuildOnDisk.magic");
  }
  r.u32("SnapBuildOnDisk.checksum");
  const version = r.u32("SnapBuildOnDisk.version");
  const ofVersion = allSnapshotFormats.filter((format) => format.version === version);
  if (ofVersion.length === 0) {
    const versions = listed([...new Set(allSnapshotFormats.map((format) => String(format.version)))].sort());
    r.fail("BAD_VALUE", 8, `is ${version}, expected ${versions},`, "SnapBuildOnDisk.version");
  }
  return ofVersion;
}

function readXids(r: NativeReader, count: bigint, path: string): readonly number[] {
  const left = (r.length - r.offset) >> 2;
  if (count > left) {
    throw new DecodeError(
      "TRUNCATED",
      path,
      r.offset,
      `${path} has ${count} transactions at offset ${r.offset}; ${r.length - r.offset} bytes are left`,
    );
  }
  return Array.from({ length: Number(count) }, (_, i) => r.u32(path, i));
}

/**
 * Write a snapshot's file, as the server does whose struct it has. The checksum is computed, all else taken as it is.
 *
 * @throws EncodeError with the path of the field that does not fit, or of a list that is not as long as the struct says.
 * @source snapbuild.c: SnapBuildSerialize
 */
export function encodeSnapshot(snapshot: SnapBuildSnapshot): Uint8Array {
  mustBeObject(snapshot, "SnapBuildOnDisk");
  const head = encodeSnapBuildOnDisk(snapshot.head);
  const { wasRunning, committed, catchange } = snapshot.head.builder;
  const w = new NativeWriter();
  w.rest(head, "SnapBuildOnDisk");
  writeXids(w, snapshot.wasRunning, wasRunning?.wasXcntSpace, "SnapBuildOnDisk.wasRunning");
  writeXids(w, snapshot.committed, committed.xcnt, "SnapBuildOnDisk.committed");
  writeXids(w, snapshot.catchange, catchange?.xcnt, "SnapBuildOnDisk.catchange");
  const file = w.finish();
  const format = allSnapshotFormats.filter(({ version }) => version === snapshot.head.version);
  // 9.4 has the same version as those after it, but another sum: whichever it had, if it still holds.
  const sums = format.map((each) => checksumOf(file, each));
  const checksum = sums.includes(snapshot.head.checksum) ? snapshot.head.checksum : sums.at(-1);
  if (checksum !== undefined) new DataView(file.buffer, file.byteOffset).setUint32(4, checksum, true);
  return file;
}

function writeXids(
  w: NativeWriter,
  xids: readonly number[] | undefined,
  count: bigint | undefined,
  path: string,
): void {
  if (xids !== undefined) mustBeArray(xids, path);
  const length = xids?.length;
  if (length !== (count === undefined ? undefined : Number(count))) {
    throw new EncodeError(path, `${path} has ${length ?? "no"} transactions, but its struct says ${count ?? "none"}`);
  }
  for (const [i, xid] of (xids ?? []).entries()) w.u32(xid, path, i);
}

/**
 * The name of the file of a snapshot, by the position of the record that it is valid at. Also from 19 on without zeros before.
 *
 * @source snapbuild.c: SnapBuildSerialize
 * @example snapshotFileName(parseLsn("1/2B0")) // "1-2B0.snap"
 */
export function snapshotFileName(lsn: Lsn): string {
  checkLsn("lsn", lsn);
  const hex = (half: bigint): string => half.toString(16).toUpperCase();
  return `${hex(lsn >> 32n)}-${hex(lsn & 0xffffffffn)}.snap`;
}

/**
 * The position of a snapshot by the name of its file; undefined for any other name.
 *
 * @example parseSnapshotFileName("1-2B0.snap") // parseLsn("1/2B0")
 */
export function parseSnapshotFileName(name: string): Lsn | undefined {
  checkText("name", name);
  const match = /^([0-9A-F]{1,8})-([0-9A-F]{1,8})\.snap$/.exec(name);
  return match === null ? undefined : parseLsn(`${match[1]}/${match[2]}`);
}

/** The server that reads the file. */
export interface JudgeSnapshotOptions {
  /** The server that is to read it. */
  readonly server?: Server | undefined;
  /** The file's name, as the server's messages have it. Default: "X-X.snap". */
  readonly name?: string | undefined;
}

/** memutils.h: MaxAllocSize */
const MAX_ALLOC_SIZE = 0x3fffffffn;

/**
 * What a server says to a snapshot's file when a slot is to go on from it.
 *
 * @returns undefined if it takes it.
 * @source snapbuild.c: SnapBuildRestore, SnapBuildRestoreSnapshot
 * @example judgeSnapshot(hex("00"), { name: "0-1.snap" })?.message // 'could not read file "pg_logical/snapshots/0-1.snap": read 1 of 16'
 */
export function judgeSnapshot(file: Uint8Array, options: JudgeSnapshotOptions = {}): StateFileRefusal | undefined {
  file = givenBytes(file, "file");
  checkOptions(options, ["server", "name"]);
  checkText("options.name", options.name ?? "");
  const has = stateFileCapabilities.of(options.server ?? defaultServer);
  const format = snapshotFormat(has);
  const path = `pg_logical/snapshots/${options.name ?? "X-X.snap"}`;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const short = (at: number, wanted: bigint | number) =>
    shortRead(has, "ERROR", path, Math.max(file.length - at, 0), wanted, "Success");

  if (file.length < CONSTANT_SIZE) return short(0, CONSTANT_SIZE);
  const [magic, checksum, version] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [number, number, number];
  const sqlstate = has.snapshotErrorsAreCorruption ? DATA_CORRUPTED : INTERNAL_ERROR;
  if (magic !== SNAPBUILD_MAGIC) {
    const words = has.stateMessagesReworded ? "magic number:" : "magic";
    const message = `snapbuild state file "${path}" has wrong ${words} ${magic} instead of ${SNAPBUILD_MAGIC}`;
    return refusal("ERROR", sqlstate, message);
  }
  if (version !== format.version) {
    const words = has.stateMessagesReworded ? "version:" : "version";
    const message = `snapbuild state file "${path}" has unsupported ${words} ${version} instead of ${format.version}`;
    return refusal("ERROR", sqlstate, message);
  }
  const { size, offsets } = layoutOf(structs.SnapBuildOnDisk, { ...format.context });
  if (file.length < size.min) return short(CONSTANT_SIZE, size.min - CONSTANT_SIZE);
  let at = size.min;
  for (const field of ["wasRunning.wasXcntSpace", "committed.xcnt", "catchange.xcnt"]) {
    const offset = offsets.get(`builder.${field}`);
    if (offset === undefined) continue;
    const wanted = BigInt.asUintN(64, view.getBigUint64(offset, true) * 4n);
    if (wanted > MAX_ALLOC_SIZE) return refusal("ERROR", INTERNAL_ERROR, `invalid memory alloc request size ${wanted}`);
    if (BigInt(file.length - at) < wanted) return short(at, wanted);
    at += Number(wanted);
  }
  const is = checksumOf(file.subarray(0, at), format);
  if (is !== checksum) {
    const message = has.stateMessagesReworded
      ? `checksum mismatch for snapbuild state file "${path}": is ${is}, should be ${checksum}`
      : `snapbuild state file ${path}: checksum mismatch, is ${is}, should be ${checksum}`;
    return refusal("ERROR", sqlstate, message);
  }
  return undefined;
}
