/**
 * Dates and times, exact: microseconds and days since 2000-01-01, as servers store them, with the same values for infinities. Texts are
 * those of DateStyle ISO and IntervalStyle postgres, the server's defaults. Text of another style is rejected.
 *
 * @source datetime.c: EncodeDateOnly, EncodeTimeOnly, EncodeDateTime, EncodeInterval; timestamp.h; date.h
 */
import { type PgTime, pgTimeInfinity, pgTimeMinusInfinity } from "../kernel/time.ts";
import { mustBeObject, refuse } from "../wire/check.ts";
import { badBytes, badText, type Codec, viewOf } from "./codec.ts";

/** A time of day with its zone. */
export interface TimeTz {
  /** Microseconds since midnight, local time, up to 24:00:00. */
  readonly microseconds: bigint;
  /** Offset of the zone in seconds ahead of UTC: 3600 is `+01`. */
  readonly offset: number;
}

/** A span of time. Each part has its own sign, and there is no fixed ratio between parts. */
export interface Interval {
  /** Months, years included: 1 year is 12. */
  readonly months: number;
  /** Days. */
  readonly days: number;
  /** Microseconds, hours and minutes included. */
  readonly microseconds: bigint;
}

const [minInt32, maxInt32] = [-(2 ** 31), 2 ** 31 - 1];

/** The date `infinity`. @source date.h: DATEVAL_NOEND */
export const dateInfinity: number = maxInt32;
/** The date `-infinity`. @source date.h: DATEVAL_NOBEGIN */
export const dateMinusInfinity: number = minInt32;

/** The interval `infinity`, in servers from 17 on. @source timestamp.h: INTERVAL_NOEND */
export const intervalInfinity: Interval = /* @__PURE__ */ Object.freeze({
  ...{ months: maxInt32, days: maxInt32, microseconds: pgTimeInfinity },
});
/** The interval `-infinity`, in servers from 17 on. @source timestamp.h: INTERVAL_NOBEGIN */
export const intervalMinusInfinity: Interval = /* @__PURE__ */ Object.freeze({
  ...{ months: minInt32, days: minInt32, microseconds: pgTimeMinusInfinity },
});

/** The first date, 4714-11-24 BC, and the day after the last one, 5874897-12-31. */
const [firstDay, dayAfterLast] = [-2451545, 2145031949];
/** The first timestamp, midnight of the first date, and the end of 294276-12-31. */
const [firstTime, timeAfterLast] = [-211813488000000000n, 9223371331200000000n];

const dayLength = 86_400_000_000;
/** Zones are less than 16 hours from UTC. */
const offsetLimit = 57_600;

// ---- Calendar ----

/** Days from 2000-01-01 to a date of the Gregorian calendar; the year before 1 is 0. Undefined if there is no such date. */
function daysOf(year: number, month: number, day: number): number | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  // Years that begin in March end with the leap day.
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 730_425;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The date `days` days after 2000-01-01, as `YYYY-MM-DD`, and the suffix that follows the time of day: ` BC` for years before 1. */
function formatDay(days: number): { date: string; era: string } {
  const day = days + 730_425;
  const cycle = Math.floor(day / 146_097);
  const dayOfCycle = day - cycle * 146_097;
  const yearOfCycle = Math.floor(
    (dayOfCycle - Math.floor(dayOfCycle / 1460) + Math.floor(dayOfCycle / 36_524) - Math.floor(dayOfCycle / 146_096)) /
      365,
  );
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0);
  const shownYear = String(year > 0 ? year : 1 - year).padStart(4, "0");
  const date = `${shownYear}-${two(month)}-${two(dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1)}`;
  return { date, era: year > 0 ? "" : " BC" };
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}

/** Microseconds of a day as `HH:MM:SS`, with a fraction if there is one. */
function formatTimeOfDay(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  const minutes = Math.floor(seconds / 60);
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}${formatFraction(microseconds % 1_000_000)}`;
}

function formatFraction(microseconds: number): string {
  return microseconds === 0 ? "" : `.${String(microseconds).padStart(6, "0").replace(/0+$/, "")}`;
}

function formatOffset(offset: number): string {
  const size = Math.abs(offset);
  const [hours, minutes, seconds] = [Math.floor(size / 3600), Math.floor(size / 60) % 60, size % 60];
  const rest = seconds !== 0 ? `:${two(minutes)}:${two(seconds)}` : minutes !== 0 ? `:${two(minutes)}` : "";
  return (offset < 0 ? "-" : "+") + two(hours) + rest;
}

const dayPattern = String.raw`(\d{4,7})-(\d\d)-(\d\d)`;
const timePattern = String.raw`(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?`;
const offsetPattern = String.raw`([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?`;
const eraPattern = "( BC)?";

/** The groups of these patterns. */
type Groups = readonly (string | undefined)[];

/** The date whose groups begin at `at`. */
function parseDay(groups: Groups, at: number, era: string | undefined): number | undefined {
  const y = Number(groups[at]);
  return y === 0 ? undefined : daysOf(era === undefined ? y : 1 - y, Number(groups[at + 1]), Number(groups[at + 2]));
}

/** Microseconds of a day, up to `24:00:00`. */
function parseTimeOfDay(groups: Groups, at: number): number | undefined {
  const m = Number(groups[at + 1]);
  const s = Number(groups[at + 2]);
  const fraction = groups[at + 3];
  const microseconds = fraction === undefined ? 0 : Number(fraction.padEnd(6, "0"));
  const time = ((Number(groups[at]) * 60 + m) * 60 + s) * 1_000_000 + microseconds;
  return m < 60 && s < 60 && time <= dayLength ? time : undefined;
}

function parseOffset(groups: Groups, at: number): number | undefined {
  const m = Number(groups[at + 2] ?? 0);
  const s = Number(groups[at + 3] ?? 0);
  const offset = (Number(groups[at + 1]) * 60 + m) * 60 + s;
  if (m > 59 || s > 59 || offset >= offsetLimit) return undefined;
  return groups[at] === "-" && offset !== 0 ? -offset : offset;
}

// ---- date ----

const wantedDate = "a date of DateStyle ISO between 4714-11-24 BC and 5874897-12-31, or an infinity";
const wholeDate = new RegExp(`^${dayPattern}${eraPattern}$`);

function isDate(days: number): boolean {
  return (days >= firstDay && days < dayAfterLast) || days === dateInfinity || days === dateMinusInfinity;
}

function mustBeDate(days: number): number {
  if (!Number.isInteger(days) || Object.is(days, -0) || !isDate(days)) {
    refuse(`a whole number of days since 2000-01-01, ${firstDay} to ${dayAfterLast - 1} or an infinity`, days, "date");
  }
  return days;
}

/** Days since 2000-01-01. */
export const date: Codec<number> = {
  name: "date",
  readText(text) {
    if (text === "infinity") return dateInfinity;
    if (text === "-infinity") return dateMinusInfinity;
    const parts = wholeDate.exec(text);
    const days = parts === null ? undefined : parseDay(parts, 1, parts[4]);
    return days !== undefined && days >= firstDay && days < dayAfterLast ? days : badText("date", text, wantedDate);
  },
  writeText(value) {
    if (mustBeDate(value) === dateInfinity) return "infinity";
    if (value === dateMinusInfinity) return "-infinity";
    const { date, era } = formatDay(value);
    return date + era;
  },
  toJson: (value) => date.writeText(value),
  readBinary(bytes) {
    const days = viewOf(bytes, 4, "date").getInt32(0);
    return isDate(days) ? days : badBytes("date", `is ${days} days from 2000-01-01, beyond all dates,`);
  },
  writeBinary(value) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, mustBeDate(value));
    return bytes;
  },
};

// ---- timestamp, timestamptz ----

function isTimestamp(time: bigint): boolean {
  return (time >= firstTime && time < timeAfterLast) || time === pgTimeInfinity || time === pgTimeMinusInfinity;
}

/** Days and microseconds as one bigint. For common years a number is exact, which saves a third of the time. */
function microsecondsOf(days: number, microseconds: number): bigint {
  const sum = days * dayLength + microseconds;
  return Number.isSafeInteger(sum) ? BigInt(sum) : BigInt(days) * BigInt(dayLength) + BigInt(microseconds);
}

function timestampCodec(name: "timestamp" | "timestamptz"): Codec<PgTime> {
  const zoned = name === "timestamptz";
  const whole = new RegExp(`^${dayPattern} ${timePattern}${zoned ? offsetPattern : ""}${eraPattern}$`);
  const wanted = `a date and time of DateStyle ISO ${zoned ? "with" : "without"} zone, up to the year 294276, or an infinity`;
  const checked = (time: PgTime): PgTime => {
    if (typeof time !== "bigint" || !isTimestamp(time)) {
      refuse("a bigint of microseconds since 2000-01-01, from 4714 BC to the year 294276 or an infinity", time, name);
    }
    return time;
  };
  const codec: Codec<PgTime> = {
    name,
    // As ISO 8601 has it.
    toJson: (value) => codec.writeText(value).replace(" ", "T").replace("+00", "Z"),
    fromJson: (json) => {
      if (typeof json !== "string") return refuse("text", json, name);
      return codec.readText(json.replace("T", " ").replace("Z", zoned ? "+00" : "Z"));
    },
    readText(text) {
      if (text === "infinity") return pgTimeInfinity;
      if (text === "-infinity") return pgTimeMinusInfinity;
      const parts = whole.exec(text);
      if (parts === null) return badText(name, text, wanted);
      const days = parseDay(parts, 1, parts[zoned ? 12 : 8]);
      const time = parseTimeOfDay(parts, 4);
      const offset = zoned ? parseOffset(parts, 8) : 0;
      if (days === undefined || time === undefined || time === dayLength || offset === undefined) {
        return badText(name, text, wanted);
      }
      const value = microsecondsOf(days, time - offset * 1_000_000);
      return value >= firstTime && value < timeAfterLast ? (value as PgTime) : badText(name, text, wanted);
    },
    writeText(value) {
      if (checked(value) === pgTimeInfinity) return "infinity";
      if (value === pgTimeMinusInfinity) return "-infinity";
      const timeOfDay = ((value % BigInt(dayLength)) + BigInt(dayLength)) % BigInt(dayLength);
      const { date, era } = formatDay(Number((value - timeOfDay) / BigInt(dayLength)));
      return `${date} ${formatTimeOfDay(Number(timeOfDay))}${zoned ? "+00" : ""}${era}`;
    },
    readBinary(bytes) {
      const time = viewOf(bytes, 8, name).getBigInt64(0);
      return isTimestamp(time)
        ? (time as PgTime)
        : badBytes(name, `is ${time} microseconds from 2000-01-01, beyond all of them,`);
    },
    writeBinary(value) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, checked(value));
      return bytes;
    },
  };
  return codec;
}

/** Microseconds since 2000-01-01 00:00, local time of no particular zone. */
export const timestamp = /* @__PURE__ */ timestampCodec("timestamp");
/** Microseconds since 2000-01-01 00:00 UTC. Reads any offset, writes UTC. */
export const timestamptz = /* @__PURE__ */ timestampCodec("timestamptz");

// ---- time, timetz ----

const wholeTime = new RegExp(`^${timePattern}$`);
const wholeTimeTz = new RegExp(`^${timePattern}${offsetPattern}$`);

function mustBeTime(microseconds: bigint, name: string): bigint {
  if (typeof microseconds !== "bigint" || microseconds < 0n || microseconds > BigInt(dayLength)) {
    refuse(`a bigint of microseconds since midnight, up to ${dayLength}`, microseconds, name);
  }
  return microseconds;
}

function readTime(microseconds: bigint, name: string): bigint {
  if (microseconds >= 0n && microseconds <= BigInt(dayLength)) return microseconds;
  return badBytes(name, `is ${microseconds} microseconds since midnight, beyond a day,`);
}

/** Microseconds since midnight, up to 24:00:00. */
export const time: Codec<bigint> = {
  name: "time",
  readText(text) {
    const parts = wholeTime.exec(text);
    const microseconds = parts === null ? undefined : parseTimeOfDay(parts, 1);
    return microseconds === undefined ? badText("time", text, "a time up to 24:00:00") : BigInt(microseconds);
  },
  writeText: (value) => formatTimeOfDay(Number(mustBeTime(value, "time"))),
  readBinary: (bytes) => readTime(viewOf(bytes, 8, "time").getBigInt64(0), "time"),
  writeBinary(value) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, mustBeTime(value, "time"));
    return bytes;
  },
};

function mustBeTimeTz(value: TimeTz): TimeTz {
  mustBeObject(value, "timetz");
  mustBeTime(value.microseconds, "timetz.microseconds");
  if (!Number.isInteger(value.offset) || Object.is(value.offset, -0) || Math.abs(value.offset) >= offsetLimit) {
    refuse("a whole number of seconds, less than 16 hours", value.offset, "timetz.offset");
  }
  return value;
}

export const timetz: Codec<TimeTz> = {
  name: "timetz",
  readText(text) {
    const parts = wholeTimeTz.exec(text);
    const microseconds = parts === null ? undefined : parseTimeOfDay(parts, 1);
    const offset = parts === null ? undefined : parseOffset(parts, 5);
    if (microseconds === undefined || offset === undefined) {
      return badText("timetz", text, "a time up to 24:00:00 with a zone less than 16 hours away");
    }
    return { microseconds: BigInt(microseconds), offset };
  },
  writeText(value) {
    const { microseconds, offset } = mustBeTimeTz(value);
    return formatTimeOfDay(Number(microseconds)) + formatOffset(offset);
  },
  readBinary(bytes) {
    const view = viewOf(bytes, 12, "timetz");
    const microseconds = readTime(view.getBigInt64(0), "timetz");
    // The server counts seconds west of Greenwich.
    const west = view.getInt32(8);
    if (Math.abs(west) >= offsetLimit) badBytes("timetz", `has a zone ${west} seconds away`, 8);
    return { microseconds, offset: west === 0 ? 0 : -west };
  },
  writeBinary(value) {
    const { microseconds, offset } = mustBeTimeTz(value);
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, microseconds);
    view.setInt32(8, -offset);
    return bytes;
  },
};

// ---- interval ----

const wholeInterval =
  /^(?:([+-]?\d{1,9}) years?)?(?: ?([+-]?\d\d?) mons?)?(?: ?([+-]?\d{1,10}) days?)?(?: ?([+-]?)(\d{2,10}):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?$/;

function mustBeInterval(value: Interval): Interval {
  mustBeObject(value, "interval");
  for (const part of ["months", "days"] as const) {
    const n = value[part];
    if (!Number.isInteger(n) || Object.is(n, -0) || n < minInt32 || n > maxInt32) {
      refuse("a whole number from -2147483648 to 2147483647", n, `interval.${part}`);
    }
  }
  const { microseconds } = value;
  if (typeof microseconds !== "bigint" || BigInt.asIntN(64, microseconds) !== microseconds) {
    refuse("a bigint from -2^63 to 2^63 - 1", microseconds, "interval.microseconds");
  }
  return value;
}

function isSameInterval(a: Interval, b: Interval): boolean {
  return a.months === b.months && a.days === b.days && a.microseconds === b.microseconds;
}

export const interval: Codec<Interval> = {
  name: "interval",
  readText(text) {
    if (text === "infinity") return intervalInfinity;
    if (text === "-infinity") return intervalMinusInfinity;
    const wanted = "an interval of IntervalStyle postgres";
    const parts = wholeInterval.exec(text);
    if (parts === null || text === "" || text.startsWith(" ")) return badText("interval", text, wanted);
    const [, years = "0", months = "0", days = "0", sign, hours = "0", minutes = "0", seconds = "0", fraction = ""] =
      parts;
    const size =
      ((BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(seconds)) * 1_000_000n + BigInt(fraction.padEnd(6, "0"));
    const value = {
      months: Number(years) * 12 + Number(months),
      days: Number(days) + 0,
      microseconds: sign === "-" ? -size : size,
    };
    if (Number(minutes) > 59 || Number(seconds) > 59) badText("interval", text, wanted);
    try {
      return mustBeInterval(value);
    } catch {
      return badText("interval", text, "an interval whose months, days and microseconds fit");
    }
  },
  writeText(value) {
    const { months, days, microseconds } = mustBeInterval(value);
    if (isSameInterval(value, intervalInfinity)) return "infinity";
    if (isSameInterval(value, intervalMinusInfinity)) return "-infinity";
    const parts: string[] = [];
    // A positive part after a negative one has a plus sign.
    let afterNegative = false;
    for (const [n, unit] of [
      [Math.trunc(months / 12), "year"],
      [months % 12, "mon"],
      [days, "day"],
    ] as const) {
      if (n === 0) continue;
      parts.push(`${afterNegative && n > 0 ? "+" : ""}${n} ${unit}${n === 1 ? "" : "s"}`);
      afterNegative = n < 0;
    }
    if (microseconds !== 0n || parts.length === 0) {
      const size = microseconds < 0n ? -microseconds : microseconds;
      const hours = size / 3_600_000_000n;
      const rest = formatTimeOfDay(Number(size % 3_600_000_000n)).slice(2);
      const sign = microseconds < 0n ? "-" : afterNegative ? "+" : "";
      parts.push(sign + String(hours).padStart(2, "0") + rest);
    }
    return parts.join(" ");
  },
  readBinary(bytes) {
    const view = viewOf(bytes, 16, "interval");
    return { months: view.getInt32(12), days: view.getInt32(8), microseconds: view.getBigInt64(0) };
  },
  writeBinary(value) {
    const { months, days, microseconds } = mustBeInterval(value);
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, microseconds);
    view.setInt32(8, days);
    view.setInt32(12, months);
    return bytes;
  },
};
