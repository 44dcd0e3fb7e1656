/** Whatever the functions of walwire/files are given, they return, or throw an error of ours. */
import { describe, expect, test } from "vitest";
import * as files from "../../src/files/index.ts";
import * as manifest from "../../src/files/manifest/index.ts";
import { WalwireError } from "../../src/kernel/errors.ts";

const junk: readonly unknown[] = [
  ...[undefined, null, true, 0, -1, 1.5, Number.NaN, 2 ** 40, 5n, -1n, 2n ** 70n, "", "x", "18", "\ud800"],
  ...[Symbol("s"), () => 1, [], [null], [1, 2], [{}], [[]], {}, { server: null }, { server: "99" }, { server: {} }],
  ...[new Uint8Array(), new Uint8Array(7), new Date(), new Map(), new DataView(new ArrayBuffer(9)), new ArrayBuffer(4)],
  ...[{ version: "x", files: null }, { name: 1, database: "x" }, { tli: 1 }, { tli: 1, lsn: "0/1" }, [{ tli: 1 }]],
  ...[{ oid: 1 }, [{ oid: "1", path: 3 }], { segmentSize: 3 }, { walEnd: "x" }, { directory: 7 }, { checkpoint: null }],
  ...[{ checkpoint: { tli: 1, lsn: 5n }, minRecoveryPoint: 3 }, { head: {} }, { head: { builder: null } }],
  ...[{ head: { builder: { committed: 1 } } }, { slotdata: 5 }, { sha256: 5 }, { maxOrigins: "x", path: 3, name: {} }],
  Object.create(null),
];

/** Those of names of slots are of src/text, and only exported here too. */
const functions = Object.entries({ ...files, ...manifest }).filter(
  ([name, value]) => typeof value === "function" && !/Error$|[sS]lotName/.test(name),
) as [string, (...args: unknown[]) => unknown][];

/** Calls it, as a constructor too; what it throws that is not ours. */
function wrongError(name: string, call: (...args: unknown[]) => unknown, args: readonly unknown[]): string | undefined {
  try {
    if (/^[A-Z]/.test(name)) new (call as unknown as new (...args: unknown[]) => unknown)(...args);
    else call(...args);
  } catch (error) {
    if (error instanceof WalwireError) return undefined;
    return `${args.map((arg) => (typeof arg === "object" ? JSON.stringify(arg, (_, v) => (typeof v === "bigint" ? `${v}n` : v)) : String(arg))).join(", ")}: ${(error as Error).stack?.split("\n").slice(0, 3).join(" ")}`;
  }
  return undefined;
}

describe("arguments of the wrong kind", () => {
  test.each(functions)("%s", (name, call) => {
    const wrong = new Set<string>();
    for (const first of junk) {
      for (const second of junk) {
        for (const third of [undefined, null, 5, { server: "x" }]) {
          const fault = wrongError(name, call, [first, second, third]);
          if (fault !== undefined) wrong.add(fault);
        }
      }
    }
    expect([...wrong].slice(0, 5), `${wrong.size} calls`).toEqual([]);
  });
});
