/**
 * walwire/lsn: `parseLsn`, `formatLsn`: positions in the WAL.
 *
 * A branded bigint: compare with `<`, subtract to get bytes. Text is made only when someone asks for it.
 */
import { ParseError, refuseArgument } from "./errors.ts";
import { lsnCapabilities, type Server } from "./version.ts";
import { shown } from "./words.ts";

declare const brand: unique symbol;

/** A WAL position: bytes, 0 to 2^64 - 1. 0 is PostgreSQL's InvalidXLogRecPtr, "unknown". */
export type Lsn = bigint & { readonly [brand]: "Lsn" };

const LIMIT = 1n << 64n;

/**
 * A number of bytes as an Lsn.
 *
 * @throws ArgumentError if it is not a bigint from 0 to 2^64 - 1.
 * @example toLsn(16777216n) // 16777216n
 */
export function toLsn(bytes: bigint): Lsn {
  if (typeof bytes !== "bigint" || bytes < 0n || bytes >= LIMIT) {
    refuseArgument("lsn", "a bigint from 0 to 2^64 - 1", bytes);
  }
  return bytes as Lsn;
}

/** "Unknown": what PostgreSQL prints as 0/0. */
export const invalidLsn: Lsn = 0n as Lsn;

/**
 * Read an LSN as pg_lsn's input function does: one to eight hexadecimal digits, a slash, one to eight digits, and nothing
 * else, no blank either. Both text forms, `0/16B3748` and 19's `0/016B3748`, are read.
 *
 * @throws ParseError INVALID_VALUE, SQLSTATE 22P02, with the server's message.
 * @source pg_lsn.c: pg_lsn_in_safe
 * @example parseLsn("16/B374D848") // 97500059720n
 */
export function parseLsn(text: string): Lsn {
  const given = typeof text === "string" ? text : shown(text);
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(given);
  // `$` also stands before a final newline only with the m flag, so "0/0\n" is refused here as there.
  if (match === null) {
    throw new ParseError({
      code: "INVALID_VALUE",
      message: `invalid input syntax for type pg_lsn: "${given}"`,
      sqlstate: "22P02",
      text: given,
      offset: 0,
      advice: "An LSN is two hexadecimal numbers with a slash between, such as 0/16B3748.",
    });
  }
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/**
 * Write an LSN as the server prints it: `%X/%X`, and from 19 on `%X/%08X`.
 *
 * @throws ArgumentError if it is not a bigint from 0 to 2^64 - 1.
 * @source xlogdefs.h: LSN_FORMAT_ARGS
 * @example formatLsn(toLsn(97500059720n)) // "16/B374D848"
 * @example formatLsn(toLsn(1n), { server: "19" }) // "0/00000001"
 */
export function formatLsn(lsn: Lsn, options?: { readonly server?: Server | undefined }): string {
  toLsn(lsn);
  const server = options?.server;
  const low = (lsn & 0xffffffffn).toString(16).toUpperCase();
  const padded = server !== undefined && lsnCapabilities.supports(server, "lsnZeroPadded");
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${padded ? low.padStart(8, "0") : low}`;
}
