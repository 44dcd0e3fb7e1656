/**
 * PgTime: PostgreSQL's TimestampTz, microseconds since 2000-01-01 00:00:00 UTC.
 *
 * A branded bigint, since a JavaScript Date holds milliseconds only.
 */

import { refuseArgument } from "./errors.ts";

declare const brand: unique symbol;

/** Microseconds since 2000-01-01 00:00 UTC, a signed 64-bit number. */
export type PgTime = bigint & { readonly [brand]: "PgTime" };

/** timestamp.h: DT_NOEND and DT_NOBEGIN. */
export const pgTimeInfinity: PgTime = (2n ** 63n - 1n) as PgTime;
/** The time `-infinity`. */
export const pgTimeMinusInfinity: PgTime = -(2n ** 63n) as PgTime;

/** Milliseconds from JavaScript's epoch to PostgreSQL's. */
const EPOCH_MS = Date.UTC(2000, 0, 1);

/** The largest distance from 1970, in milliseconds, that a Date holds. */
const DATE_LIMIT_MS = 8.64e15;

/**
 * A number of microseconds since 2000-01-01 UTC as a PgTime.
 *
 * @throws ArgumentError if it is not a bigint that fits 64 bits.
 */
export function toPgTime(microseconds: bigint): PgTime {
  if (typeof microseconds !== "bigint" || microseconds < pgTimeMinusInfinity || microseconds > pgTimeInfinity) {
    refuseArgument("time", "a bigint from -2^63 to 2^63 - 1", microseconds);
  }
  return microseconds as PgTime;
}

/**
 * The time of a Date.
 *
 * @throws ArgumentError for anything else, an invalid Date included.
 * @example pgTimeFromDate(new Date("2000-01-01T00:00:01Z")) // 1000000n
 */
export function pgTimeFromDate(date: Date): PgTime {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) refuseArgument("date", "a valid Date", date);
  return (BigInt(date.getTime() - EPOCH_MS) * 1000n) as PgTime;
}

/**
 * The Date of a time, rounded down to milliseconds.
 *
 * @throws ArgumentError for the infinities and for times outside the range of a Date (years -271821 to 275760).
 */
export function pgTimeToDate(time: PgTime): Date {
  const ms = milliseconds(toPgTime(time));
  if (Math.abs(ms) > DATE_LIMIT_MS) refuseArgument("time", "a time within the range of a Date", time);
  return new Date(ms);
}

/**
 * A time as ISO 8601 with microseconds, `infinity` or `-infinity`; what a Date cannot hold as a plain number of
 * microseconds, so that any time has a text.
 *
 * @example formatPgTime(toPgTime(1n)) // "2000-01-01T00:00:00.000001Z"
 */
export function formatPgTime(time: PgTime): string {
  toPgTime(time);
  if (time === pgTimeInfinity) return "infinity";
  if (time === pgTimeMinusInfinity) return "-infinity";
  const ms = milliseconds(time);
  if (Math.abs(ms) > DATE_LIMIT_MS) return `${time}us`;
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1000).toISOString().slice(0, -"000Z".length);
  }
  const micros = 1000 * (ms - 1000 * second) + Number(((time % 1000n) + 1000n) % 1000n);
  return `${lastText}${String(micros).padStart(6, "0")}Z`;
}

/** The second that was formatted last, and its text up to the point: times come in order, many of a second, and making a Date takes 500 ns (Node 20). */
let lastSecond = Number.NaN;
let lastText = "";

/** Milliseconds since 1970, rounded towards the past; exact wherever a Date is. */
function milliseconds(time: PgTime): number {
  return Number((time - (((time % 1000n) + 1000n) % 1000n)) / 1000n) + EPOCH_MS;
}
