/**
 * Whole numbers and bool.
 */
import { formatLsn, type Lsn, parseLsn } from "../kernel/lsn.ts";
import type { Server } from "../kernel/version.ts";
import { refuse } from "../wire/check.ts";
import { badBytes, badText, type Codec, mustHaveLength, viewOf } from "./codec.ts";

export const bool: Codec<boolean> = {
  name: "bool",
  readText: (text) => text === "t" || (text !== "f" && badText("bool", text, '"t" or "f"')),
  writeText: (value) => (mustBeBoolean(value) ? "t" : "f"),
  readBinary(bytes) {
    mustHaveLength(bytes, 1, "bool");
    if (bytes[0]! > 1) badBytes("bool", `is ${bytes[0]}, expected 0 or 1,`);
    return bytes[0] === 1;
  },
  writeBinary: (value) => Uint8Array.of(mustBeBoolean(value) ? 1 : 0),
};

function mustBeBoolean(value: boolean): boolean {
  if (typeof value !== "boolean") refuse("true or false", value, "bool");
  return value;
}

/** A type whose values are whole numbers of 2 or 4 bytes. */
function small(name: string, size: 2 | 4, signed: boolean): Codec<number> {
  const [min, max] = signed ? [-(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1] : [0, 2 ** (size * 8) - 1];
  const wanted = `a whole number from ${min} to ${max}`;
  const isOne = (value: number): boolean => Number.isInteger(value) && value >= min && value <= max;
  const checked = (value: number): number => {
    if (!isOne(value) || Object.is(value, -0)) refuse(wanted, value, name);
    return value;
  };
  return {
    name,
    readText(text) {
      const value = Number(text);
      // The server prints each number in one way only.
      return isOne(value) && String(value) === text ? value : badText(name, text, wanted);
    },
    writeText: (value) => String(checked(value)),
    readBinary(bytes) {
      mustHaveLength(bytes, size, name);
      if (size === 2) return ((bytes[0]! << 24) >> 16) | bytes[1]!;
      const value = (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!;
      return signed ? value : value >>> 0;
    },
    writeBinary(value) {
      const n = checked(value);
      return size === 2 ? Uint8Array.of(n >> 8, n) : Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
    },
  };
}

export const int2 = /* @__PURE__ */ small("int2", 2, true);
export const int4 = /* @__PURE__ */ small("int4", 4, true);
export const oid = /* @__PURE__ */ small("oid", 4, false);
export const xid = /* @__PURE__ */ small("xid", 4, false);
export const cid = /* @__PURE__ */ small("cid", 4, false);

/** A type whose values are whole numbers of 8 bytes. */
function large(name: string, signed: boolean): Codec<bigint> {
  const wanted = `a bigint ${signed ? "that fits 64 bits with its sign" : "from 0 to 2^64 - 1"}`;
  const wrap = signed ? BigInt.asIntN : BigInt.asUintN;
  const checked = (value: bigint): bigint => {
    if (typeof value !== "bigint" || wrap(64, value) !== value) refuse(wanted, value, name);
    return value;
  };
  return {
    name,
    readText(text) {
      // Up to 15 characters fit a number, which takes a third of the time.
      const near = text.length < 16 ? Number(text) : Number.NaN;
      if (String(near) === text && Number.isInteger(near) && (signed || near >= 0)) return BigInt(near);
      // Checked before BigInt, whose time grows with the square of the length, and which also accepts "0x1" and "".
      if (!/^-?\d{1,20}$/.test(text)) badText(name, text, wanted);
      const value = BigInt(text);
      return wrap(64, value) === value && String(value) === text ? value : badText(name, text, wanted);
    },
    writeText: (value) => String(checked(value)),
    readBinary(bytes) {
      const view = viewOf(bytes, 8, name);
      return signed ? view.getBigInt64(0) : view.getBigUint64(0);
    },
    writeBinary(value) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, checked(value)));
      return bytes;
    },
  };
}

export const int8 = /* @__PURE__ */ large("int8", true);
export const oid8 = /* @__PURE__ */ large("oid8", false);
export const xid8 = /* @__PURE__ */ large("xid8", false);
const pgLsnNumber = /* @__PURE__ */ large("pg_lsn", false);

/** A position in WAL. Servers from 19 on pad the second half with zeros; all versions read both forms. */
export const pgLsnOf = (server: Server): Codec<Lsn> => ({
  name: "pg_lsn",
  readText(text) {
    try {
      return parseLsn(text);
    } catch {
      return badText("pg_lsn", text, "two hexadecimal numbers of 32 bits with a slash between");
    }
  },
  writeText: (value) => formatLsn(BigInt(pgLsnNumber.writeText(value)) as Lsn, { server }),
  readBinary: (bytes) => pgLsnNumber.readBinary(bytes) as Lsn,
  writeBinary: (value) => pgLsnNumber.writeBinary(value),
});
