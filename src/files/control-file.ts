/**
 * global/pg_control: what a server knows of its data directory before it has read anything else of it.
 *
 * @source xlog.c: UpdateControlFile, ReadControlFile; controldata_utils.c: get_controlfile, update_controlfile
 */
import {
  type ControlFileContext,
  type ControlFileData,
  decodeControlFileData,
  encodeControlFileData,
} from "../generated/files.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { DecodeError, EncodeError } from "../kernel/errors.ts";
import { entryOf } from "../kernel/maps.ts";
import { formatVersions, joinRanges, rangesOf, type VersionRange } from "../kernel/version.ts";
import { listed } from "../kernel/words.ts";
import { givenBytes, mustBeObject } from "../wire/check.ts";
import { layoutOf } from "../wire/layout.ts";
import { NativeReader } from "../wire/native.ts";
import type { Field, Fields } from "../wire/shape.ts";
import { type StateFileCapabilities, stateFileCapabilities } from "./capabilities.ts";
import { legacyCrc32 } from "./legacy-crc32.ts";
import * as structs from "./structs.ts";

/** How long the file is, in bytes: zeros follow the struct. @source pg_control.h: PG_CONTROL_FILE_SIZE */
export const CONTROL_FILE_SIZE = 8192;

/** A way in which servers write the file. */
export interface ControlFileFormat {
  /** PG_CONTROL_VERSION */
  readonly version: number;
  readonly context: ControlFileContext;
  /** Where the checksum of all before it stands. */
  readonly crcAt: number;
  /** The offset of the version of data checksums. */
  readonly dataChecksumVersionAt: number;
  /** The size of the struct, in bytes. */
  readonly size: number;
  /** The checksum of the bytes before it. */
  readonly checksum: (bytes: Uint8Array) => number;
}

/** PG_CONTROL_VERSION of those that write such a file: it changes with the struct, and now and then between two betas too. */
function versionOf(has: StateFileCapabilities): number {
  if (has.controlFileChecksumInit) return 1905;
  if (has.controlFileCharSignedness) return 1800;
  if (has.walLevelInCheckpoints) return 1700;
  if (!has.controlFileFloat4ByVal) return 1300;
  if (has.fullNextXid) return 1201;
  if (!has.controlFilePrevCheckPoint) return 1100;
  if (has.controlFileNonce) return 1002;
  return has.controlFileReplicaLevel ? 960 : 942;
}

/** How a version writes the file. */
export function controlFileFormat(has: StateFileCapabilities): ControlFileFormat {
  const { offsets, size } = layoutOf(structs.ControlFileData, { ...has });
  return {
    version: versionOf(has),
    context: has,
    crcAt: offsets.get("crc")!,
    dataChecksumVersionAt: offsets.get("dataChecksumVersion")!,
    size: size.min,
    checksum: has.slotChecksumCrc32c ? crc32c : (bytes) => ~legacyCrc32(bytes) >>> 0,
  };
}

/** The formats of each version of the layout, the oldest first. 942 has two: 9.5 added fields and left the number as it was. */
const formats: ReadonlyMap<number, readonly ControlFileFormat[]> = /* @__PURE__ */ allFormats();

function allFormats(): Map<number, ControlFileFormat[]> {
  const all = new Map<number, ControlFileFormat[]>();
  for (const { since } of rangesOf(stateFileCapabilities, "controlFile")) {
    const format = controlFileFormat(stateFileCapabilities.of(since));
    const same = entryOf(all, format.version, (): ControlFileFormat[] => []);
    if (same.every(({ size }) => size !== format.size)) same.push(format);
  }
  return all;
}

/** The versions of PostgreSQL whose files are read, for sentences. */
export const controlFileVersionsRead: string = /* @__PURE__ */ formatVersions(
  joinRanges(rangesOf(stateFileCapabilities, "controlFile")),
);

/** Bytes before the version of the layout. */
const VERSION_AT = 8;

/**
 * The newest format of the version that a control file says it has.
 *
 * @param bytes The first 12 bytes of the file at least.
 * @returns undefined if there are fewer, or no server writes such a version.
 */
export function controlFileFormatOf(bytes: Uint8Array): ControlFileFormat | undefined {
  if (bytes.length < VERSION_AT + 4) return undefined;
  const version = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(VERSION_AT, true);
  return formats.get(version)?.at(-1);
}

const at = (field: string): string => `ControlFileData.${field}`;

/**
 * Read pg_control as any server from 9.4 on writes it: `pgControlVersion` tells which, and for 9.4 and 9.5 also the checksum.
 *
 * @param file The whole file, zeros at its end included: 8192 bytes.
 * @throws DecodeError for what no server writes: BAD_VALUE for the version of the layout or the checksum, TRUNCATED, TRAILING_BYTES.
 * @source controldata_utils.c: get_controlfile
 */
export function decodeControlFile(file: Uint8Array): ControlFileData {
  file = givenBytes(file);
  const { format, crc, is } = controlFileFormatIn(file);
  const { crcAt, size, context } = format;
  if (crc !== is) new NativeReader(file).fail("BAD_VALUE", crcAt, `is ${crc}, but should be ${is}`, at("crc"));
  const data = decodeControlFileData(file.subarray(0, size), context);
  const more = file.subarray(size).findIndex((byte) => byte !== 0);
  if (more !== -1) {
    const message = `ControlFileData has something other than zeros behind it at offset ${size + more}`;
    throw new DecodeError("TRAILING_BYTES", "ControlFileData", size + more, message);
  }
  return data;
}

/**
 * The format that a control file has by its version and checksum, the checksum that it has, and that of its bytes.
 *
 * @throws DecodeError as decodeControlFile does for the version and the size.
 */
export function controlFileFormatIn(file: Uint8Array): {
  readonly format: ControlFileFormat;
  readonly crc: number;
  readonly is: number;
} {
  const r = new NativeReader(file);
  r.skip(VERSION_AT, at("systemIdentifier"));
  const version = r.u32(at("pgControlVersion"));
  const possible = formats.get(version);
  if (possible === undefined) {
    const versions = listed([...formats.keys()].map(String));
    return r.fail("BAD_VALUE", VERSION_AT, `is ${version}, expected ${versions},`, at("pgControlVersion"));
  }
  r.skip(CONTROL_FILE_SIZE - r.offset, "ControlFileData");
  r.end("ControlFileData");
  const view = new DataView(file.buffer, file.byteOffset);
  const sums = possible.map((format) => {
    const { crcAt, checksum } = format;
    return { format, crc: view.getUint32(crcAt, true), is: checksum(file.subarray(0, crcAt)) };
  });
  return sums.find((each) => each.crc === each.is) ?? sums.at(-1)!;
}

/**
 * Write pg_control in the layout that `pgControlVersion` says, with the checksum that belongs to it, whatever `crc` is.
 *
 * @returns The whole file, 8192 bytes.
 * @throws EncodeError for a version that is not known, and for a field that it lacks or does not have.
 * @source controldata_utils.c: update_controlfile
 */
export function encodeControlFile(data: ControlFileData): Uint8Array {
  mustBeObject(data, "ControlFileData");
  const possible = formats.get(data.pgControlVersion);
  const format =
    possible?.find(({ context }) => context.commitTimestamps === (data.trackCommitTimestamp !== undefined)) ??
    possible?.at(-1);
  if (format === undefined) {
    const path = at("pgControlVersion");
    throw new EncodeError(path, `${path} must be ${listed([...formats.keys()].map(String))}`);
  }
  const bytes = encodeControlFileData(data);
  checkFields(structs.ControlFileData.fields, data, format, "ControlFileData");
  const file = new Uint8Array(CONTROL_FILE_SIZE);
  file.set(bytes);
  new DataView(file.buffer).setUint32(format.crcAt, format.checksum(file.subarray(0, format.crcAt)), true);
  return file;
}

/** Has the value the fields that its version has, and no others? */
function checkFields(fields: Fields, value: object, { version, context }: ControlFileFormat, path: string): void {
  for (const [name, field] of Object.entries<Field>(fields)) {
    const each = (value as Record<string, unknown>)[name];
    if (field.form === "record")
      checkFields(field.fields, each as object, { version, context } as never, `${path}.${name}`);
    if (field.form !== "when") continue;
    const has = context[field.condition as keyof ControlFileContext];
    if (has === (each !== undefined)) continue;
    throw new EncodeError(
      `${path}.${name}`,
      `${path}.${name} ${has ? "must" : "cannot"} be there in version ${version}`,
    );
  }
}

/** A layout of pg_control: its version, and the part that tells 9.4 from 9.5. */
export type ControlFileLayout = Pick<ControlFileData, "pgControlVersion"> &
  Partial<Pick<ControlFileData, "checkPointCopy">>;

/** The versions that write such a layout. */
export function controlFileRanges({ pgControlVersion, checkPointCopy }: ControlFileLayout): VersionRange[] {
  const isWrittenBy = (server: number): boolean => {
    const has = stateFileCapabilities.of(server);
    if (versionOf(has) !== pgControlVersion) return false;
    return checkPointCopy === undefined || has.commitTimestamps === (checkPointCopy.oldestCommitTsXid !== undefined);
  };
  return joinRanges(rangesOf(stateFileCapabilities, "controlFile").filter(({ since }) => isWrittenBy(since)));
}

/**
 * The versions that write such a file, as people name them.
 *
 * @example controlFileVersions({ pgControlVersion: 1300 }) // "13 to 16"
 */
export function controlFileVersions(data: ControlFileLayout): string {
  mustBeObject(data, "data");
  return formatVersions(controlFileRanges(data));
}
