/** Laws and cases of the kernel: LSNs, times, server versions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn, pgTime } from "../../src/arbitraries/messages.ts";
import { type CapabilityName, capabilities, sinceVersion, supports } from "../../src/capabilities.ts";
import { ArgumentError, ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { formatLsn, invalidLsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import {
  formatPgTime,
  pgTimeFromDate,
  pgTimeInfinity,
  pgTimeMinusInfinity,
  pgTimeToDate,
  toPgTime,
} from "../../src/kernel/time.ts";
import { formatServerVersion, serverVersionNum } from "../../src/kernel/version.ts";
import { hostileValue } from "./grammar.ts";
import { law } from "./law.ts";

describe("Lsn", () => {
  law(
    "both text forms are read back",
    fc.property(lsn(), (each) => {
      expect(parseLsn(formatLsn(each, { server: "18" }))).toBe(each);
      expect(parseLsn(formatLsn(each, { server: "19" }))).toBe(each);
      expect(parseLsn(formatLsn(each).toLowerCase())).toBe(each);
    }),
  );

  law(
    "any text is an LSN or a ParseError with the server's words",
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9A-Fa-f/ ]{0,20}$/)), (text) => {
      try {
        expect(text.toUpperCase()).toMatch(new RegExp(`^0*${formatLsn(parseLsn(text)).replace("/", "/0*")}$`));
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        expect(error.message).toBe(`invalid input syntax for type pg_lsn: "${text}"`);
        expect(error.sqlstate).toBe("22P02");
      }
    }),
  );

  test.each([
    ["0/0", 0n, "0/0", "0/00000000"],
    ["0/16B3748", 0x16b3748n, "0/16B3748", "0/016B3748"],
    ["16/b374d848", 0x16b374d848n, "16/B374D848", "16/B374D848"],
    ["FFFFFFFF/FFFFFFFF", 2n ** 64n - 1n, "FFFFFFFF/FFFFFFFF", "FFFFFFFF/FFFFFFFF"],
    ["00000001/00000002", 0x100000002n, "1/2", "1/00000002"],
  ])("%s", (text, bytes, to18, from19) => {
    expect(parseLsn(text)).toBe(bytes);
    expect(formatLsn(toLsn(bytes), { server: "18" })).toBe(to18);
    expect(formatLsn(toLsn(bytes), { server: "19" })).toBe(from19);
  });

  test.each(["", "/", "0", "0/", "/0", "123456789/0", "0/123456789", "0/0 ", " 0/0", "0/0\n", "x/0", "0/-1", "0//0"])(
    "%j is refused",
    (text) => {
      expect(() => parseLsn(text)).toThrow(ParseError);
    },
  );

  test.each([-1n, 2n ** 64n, 1 as never, "1" as never, undefined as never])("%s is no LSN", (value) => {
    expect(() => toLsn(value)).toThrow(ArgumentError);
    expect(toLsn(0n)).toBe(invalidLsn);
  });
});

describe("PgTime", () => {
  law(
    "a time that a Date holds becomes that Date, its microseconds cut",
    fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 999 }), (date, micros) => {
      const time = toPgTime(pgTimeFromDate(date) + BigInt(micros));
      expect(pgTimeToDate(time)).toEqual(date);
      const text = date.toISOString().replace("Z", `${String(micros).padStart(3, "0")}Z`);
      expect(formatPgTime(time)).toBe(text);
      // The same second once more, and others before and after it.
      expect(formatPgTime(time)).toBe(text);
      for (const other of [-1000, -1, 1, 1000]) {
        const near = new Date(date.getTime() + other);
        if (Number.isNaN(near.getTime())) continue;
        expect(formatPgTime(pgTimeFromDate(near))).toBe(near.toISOString().replace("Z", "000Z"));
      }
    }),
  );

  law(
    "any time has a text",
    fc.property(pgTime(), (time) => {
      expect(formatPgTime(time)).toMatch(/^-?infinity$|^-?\d+us$|^[+-]?\d+-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    }),
  );

  test("the epoch is 2000-01-01 UTC, counted in microseconds", () => {
    expect(formatPgTime(toPgTime(0n))).toBe("2000-01-01T00:00:00.000000Z");
    expect(formatPgTime(toPgTime(-1n))).toBe("1999-12-31T23:59:59.999999Z");
    expect(pgTimeFromDate(new Date("2000-01-01T00:00:01Z"))).toBe(1_000_000n);
  });

  test("the infinities have names and no Date", () => {
    expect(formatPgTime(pgTimeInfinity)).toBe("infinity");
    expect(formatPgTime(pgTimeMinusInfinity)).toBe("-infinity");
    expect(() => pgTimeToDate(pgTimeInfinity)).toThrow(ArgumentError);
    expect(() => toPgTime(2n ** 63n)).toThrow(ArgumentError);
    expect(() => pgTimeFromDate(new Date(Number.NaN))).toThrow(ArgumentError);
  });
});

describe("server versions", () => {
  test.each([
    ["18.4", 180004],
    ["15.18 (Debian 15.18-0+deb12u1)", 150018],
    ["9.6.24", 90624],
    ["9.4", 90426],
    ["10.23", 100023],
    ["19beta1", 190000],
    ["19", 190000],
    ["19devel", 190000],
    ["16rc1", 160000],
    ["15beta2", 150000],
    ["16devel", 160000],
    ["16", 160016],
    [150018, 150018],
    [18, serverVersionNum("18")],
    [" 17.10 ", 170010],
  ])("%s is %d", (server, num) => {
    expect(serverVersionNum(server)).toBe(num);
  });

  test.each([
    "",
    "x",
    "8.4",
    "9.0.23",
    "1",
    "100",
    "9",
    "9.10",
    "18.",
    "18.4.1x",
    "18.4x",
    -1,
    0,
    1.5,
    9.6,
    "9.7",
    90700,
    99999,
    "20devel",
    99,
    200000,
    Number.NaN,
    1e9,
    null,
    {},
  ])("%j is not a version that walwire knows", (server) => {
    expect(() => serverVersionNum(server as never)).toThrow(
      expect.objectContaining({ code: "UNKNOWN_SERVER", constructor: UnsupportedError }),
    );
  });

  law(
    "anything from JavaScript is a version or an UnsupportedError",
    fc.property(fc.oneof(hostileValue(), fc.anything({ withBigInt: true })), (server) => {
      try {
        expect(serverVersionNum(serverVersionNum(server as never))).toBe(serverVersionNum(server as never));
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error;
      }
    }),
  );

  law(
    "a version reads back as it is written",
    fc.property(fc.integer({ min: 10, max: 19 }), fc.integer({ min: 0, max: 99 }), (major, minor) => {
      const num = major * 10000 + minor;
      expect(serverVersionNum(formatServerVersion(num))).toBe(num);
    }),
  );

  test.each(Object.keys(capabilities) as CapabilityName[])("%s begins exactly where it says", (name) => {
    const { since, until }: { since: readonly number[]; until?: number } = capabilities[name];
    for (const first of since) {
      expect(supports(first, name), String(first)).toBe(true);
      // The version before a whole major is of another branch, which may have it by an entry of its own.
      const before = first === since[0] || first % 100 !== 0 ? first - 1 : undefined;
      // There is nothing between 9.6 and 10.
      const last = before === 99999 ? 90699 : before;
      if (last !== undefined && last >= 90100) expect(supports(last, name), String(last)).toBe(false);
    }
    if (until !== undefined) {
      expect(supports(until, name)).toBe(false);
      expect(supports(until === 100000 ? 90699 : until - 1, name)).toBe(true);
    }
    expect(sinceVersion(name)).toMatch(/^\d/);
  });

  /** How many minor releases each branch had on the same day that the one before had these more: the calendar of releases. */
  const behind: Readonly<Record<number, number>> = {
    905: 5,
    906: 4,
    10: 5,
    11: 5,
    12: 5,
    13: 4,
    14: 4,
    15: 5,
    16: 4,
    17: 4,
    18: 5,
    19: 6,
  };
  const branchOf = (num: number) => (num < 100000 ? Math.floor(num / 100) : Math.floor(num / 10000));

  test.each(Object.keys(capabilities) as CapabilityName[])(
    "%s begins with a major, or on one day in each branch",
    (name) => {
      const since: readonly number[] = capabilities[name].since;
      const minors = since.filter((num) => num % 100 !== 0);
      expect(since.slice(0, minors.length)).toEqual(minors);
      expect(since.length - minors.length).toBeLessThanOrEqual(1);
      if (since.length === 1 && name !== "numSyncIsChecked") expect(minors).toEqual([]);
      for (const [i, num] of minors.slice(1).entries()) {
        expect((minors[i]! % 100) - (num % 100), String(num)).toBe(behind[branchOf(num)]);
      }
    },
  );

  test("a behaviour that came by minor releases is asked minor by minor", () => {
    const has = (server: string): boolean => supports(server, "doubledQuoteInIdentifier");
    expect([
      has("13.23"),
      has("14.23"),
      has("14.24"),
      has("15.18"),
      has("15.19"),
      has("18.4"),
      has("18"),
      has("19"),
    ]).toEqual([false, false, true, false, true, false, true, true]);
    expect(sinceVersion("doubledQuoteInIdentifier")).toBe("14.24, 15.19, 16.15, 17.11 or 18.6");
  });
});
