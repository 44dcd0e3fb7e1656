/** Dissections of the files in which a server keeps its state. */
import { CONTROL_FILE_SIZE, controlFileFormatIn, decodeControlFile } from "../files/control-file.ts";
import { type FileLayout, type FilePart, replicationOriginsFile, snapshotFile } from "../files/layouts.ts";
import { decodeReplicationOrigins } from "../files/replication-origins.ts";
import { decodeSlotState, slotStateFormats } from "../files/slot-state.ts";
import { decodeSnapshot, snapshotFormats } from "../files/snapshot.ts";
import { ControlFileData, ReplicationSlotOnDisk } from "../files/structs.ts";
import { DecodeError } from "../kernel/errors.ts";
import { givenBytes } from "../wire/check.ts";
import { type Dissection, Dissector } from "../wire/dissect.ts";
import { NativeReader } from "../wire/native.ts";
import type { Conditions, Struct } from "../wire/shape.ts";

/**
 * Dissect the state of a replication slot: pg_replslot/NAME/state.
 *
 * @param file The whole file. Values have views into it.
 * @returns all of it where only the checksum is wrong, else a tree up to the damage. Its error is that of `decodeSlotState`.
 * @throws ArgumentError for anything but bytes.
 * @example dissectSlotState(encodeSlotState({ name: "s", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0, restartLsn: invalidLsn, confirmedFlush: invalidLsn, plugin: "" })).fields[0]?.value // 0x1051ca1
 */
export function dissectSlotState(file: Uint8Array): Dissection {
  return dissectFile(file, decodeSlotState, (bytes) => {
    const context = attempt(() => slotStateFormats(bytes)[0]!.context);
    return dissectWith(ReplicationSlotOnDisk, bytes, context, CONSTANT_FIELDS);
  });
}

/**
 * Dissect pg_logical/replorigin_checkpoint.
 *
 * @param file The whole file.
 * @returns all of it where only the checksum is wrong, else a tree up to the damage. Its error is that of `decodeReplicationOrigins`.
 * @throws ArgumentError for anything but bytes.
 * @example dissectReplicationOrigins(hex("deda5712 36b2006a")).fields.map(({ name }) => name) // ["magic", "states", "checksum"]
 */
export function dissectReplicationOrigins(file: Uint8Array): Dissection {
  return dissectFile(file, decodeReplicationOrigins, (bytes) => dissectParts(replicationOriginsFile, bytes, {}));
}

/**
 * Dissect a snapshot of logical decoding: pg_logical/snapshots/X-X.snap.
 *
 * @param file The whole file.
 * @returns all of it where only the checksum is wrong, else a tree up to the damage. Its error is that of `decodeSnapshot`.
 * @throws ArgumentError for anything but bytes.
 * @example dissectSnapshot(hex("01e0a151 00")).end // 4
 */
export function dissectSnapshot(file: Uint8Array): Dissection {
  return dissectFile(file, decodeSnapshot, (bytes) => {
    const context = attempt(() => snapshotFormats(bytes)[0]!.context);
    if (context !== undefined) return dissectParts(snapshotFile, bytes, { ...context });
    const { struct } = snapshotFile.parts.head as Extract<FilePart, { form: "struct" }>;
    return dissectWith(struct, bytes, undefined, CONSTANT_FIELDS);
  });
}

/**
 * Dissect global/pg_control.
 *
 * @param file The whole file: 8192 bytes.
 * @returns all of it where only the checksum is wrong, else a tree up to the damage. Its error is that of `decodeControlFile`.
 * @throws ArgumentError for anything but bytes.
 * @example dissectControlFile(new Uint8Array(8192)).error?.path // "ControlFileData.pgControlVersion"
 */
export function dissectControlFile(file: Uint8Array): Dissection {
  return dissectFile(file, decodeControlFile, (bytes) => {
    const context = attempt(() => controlFileFormatIn(bytes).format.context);
    return dissectWith(ControlFileData, bytes, context, VERSION_FIELDS);
  });
}

/** What does not depend on the version: the fields that say which it is. */
const CONSTANT_FIELDS = ["magic", "checksum", "version", "length"];
const VERSION_FIELDS = ["systemIdentifier", "pgControlVersion"];

/** The tree of a file, with the decoder's value and error. */
function dissectFile(
  file: Uint8Array,
  decode: (bytes: Uint8Array) => unknown,
  dissect: (bytes: Uint8Array) => Dissection,
): Dissection {
  const bytes = givenBytes(file);
  const tree = dissect(bytes);
  try {
    return { ...tree, value: decode(bytes) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { ...tree, value: undefined, error };
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A file that is one struct, and zeros after it; without a context only the fields that no context has an influence on. */
function dissectWith(
  struct: Struct,
  bytes: Uint8Array,
  context: object | undefined,
  constant: readonly string[],
): Dissection {
  const r = new NativeReader(bytes);
  return new Dissector(r, { ...context } as Conditions).dissect(struct.name, "struct", struct.doc, (d) => {
    if (context === undefined) {
      const fields = Object.entries(struct.fields).filter(([name]) => constant.includes(name));
      d.fields(Object.fromEntries(fields), [struct.name]);
      return;
    }
    d.structFields(struct);
    if (struct === ControlFileData && r.offset < CONTROL_FILE_SIZE) {
      d.bytes("unused", CONTROL_FILE_SIZE - r.offset, "Zeros up to the size of the file.");
    }
  });
}

function dissectParts({ name, doc, parts }: FileLayout, bytes: Uint8Array, holds: Conditions): Dissection {
  const r = new NativeReader(bytes);
  return new Dissector(r, holds).dissect(name, "struct", doc, (d) => {
    const value: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(parts)) value[key] = dissectPart(d, key, part, value, holds);
  });
}

function dissectPart(
  d: Dissector<NativeReader>,
  name: string,
  part: FilePart,
  before: Record<string, unknown>,
  holds: Conditions,
): unknown {
  const { r } = d;
  switch (part.form) {
    case "struct":
      return d.struct(name, part.struct);
    case "structs":
      return d.node(name, "list", part.doc, () => {
        for (let i = 0; r.length - r.offset > part.leaves; i++) d.struct(`[${i}]`, part.struct);
      });
    case "numbers": {
      if (part.condition !== undefined && !holds[part.condition]) return undefined;
      const count = part.count.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], before);
      return d.node(name, "list", part.doc, () => {
        for (let i = 0; i < Number(count); i++) d.field(`[${i}]`, part.element, part.element.doc, [name, i]);
      });
    }
    default:
      r.begin();
      return d.field(name, part, part.doc, [name]);
  }
}
