/** Every function that package.json exports: whatever it is called with, it returns, or throws an error of ours. */
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArgumentError, WalwireError } from "../../src/kernel/errors.ts";
import { Publisher } from "../../src/publisher/publisher.ts";
import { PublisherTransaction } from "../../src/publisher/transaction.ts";
import { seed, times } from "../seed.ts";
import { hostileValue } from "./grammar.ts";
import { law } from "./law.ts";

type Call = (...args: unknown[]) => unknown;

const root = fileURLToPath(new URL("../../", import.meta.url));
const unpacked = process.env.WALWIRE_PACKAGE;
const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { exports: Record<string, string> };

/** Not called: connect opens connections, and arbitraries take arguments of fast-check, which checks them with errors of its own. */
const passedOver = new Set(["connect"]);
/** Classes that callers do not construct. */
const madeByUs = new Set(["TupleData", "Changes", "ReplicationConnection", "WalDirectory", "Publisher"]);

/** The error of a caller's own getter or proxy: it passes through. */
class TheirError extends Error {}

const fail = (): never => {
  throw new TheirError();
};
const traps: ProxyHandler<object> = { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail };

/** Options, records and others of which some properties are right. */
const almost = fc.constantFrom<unknown>(
  ...[{ server: 18 }, { server: "9.4" }, { server: null }, { server: {} }, { rmid: 1, info: 0 }, { type: "time" }],
  ...[{ rmid: 0, info: 0x10, lsn: 0n, end: 24n, mainData: new Uint8Array(3), blocks: [null] }, { type: "CheckPoint" }],
  ...[
    { resourceManager: "Heap", operation: "x", contents: { type: "XlXactCommit" } },
    { format: {}, lsn: 1n },
    { has: {} },
  ],
  ...[{ length: -1 }, { length: 2 ** 33 }, [{ name: "000000010000000000000001" }], { timeline: 1 }, "0/0", [[1]]],
);

const throwing = fc.constantFrom<() => unknown>(
  () => new Proxy({}, traps),
  () => new Proxy([], traps),
  () => [new Proxy({}, traps)],
  () => ({
    get server() {
      return fail();
    },
  }),
  () => ({
    get type() {
      return fail();
    },
  }),
  () => ({
    get length() {
      return fail();
    },
  }),
);

/** As functions that make them: fast-check would look into a proxy. */
const args = fc.array(
  fc.oneof(
    fc.oneof(hostileValue(), almost, fc.uint8Array({ maxLength: 60 })).map((value) => () => value),
    throwing,
  ),
  { maxLength: 4 },
);

async function attempt(call: Call, given: readonly unknown[]): Promise<void> {
  try {
    const value = await call(...given);
    if (typeof value !== "object" || value === null || !("next" in value) || !(Symbol.iterator in value)) return;
    let count = 0;
    for (const _ of value as Iterable<unknown>) if (++count === 1000) break;
  } catch (error) {
    if (!(error instanceof WalwireError || error instanceof TheirError)) throw error;
  }
}

const subPaths = Object.entries(exports).filter(([path, file]) => file.endsWith(".js") && path !== "./arbitraries");
const modules = await Promise.all(
  subPaths.map(async ([path, file]) => {
    const from =
      unpacked === undefined ? file.replace(/^\.\/dist\/(.*)\.js$/, `${root}src/$1.ts`) : `${unpacked}/${file}`;
    return [path, (await import(/* @vite-ignore */ pathToFileURL(from).href)) as Record<string, unknown>] as const;
  }),
);

const isClass = (value: Call): boolean => /^class\b/.test(Function.prototype.toString.call(value));

/** Functions, classes as functions, and the functions of exported objects; each once. */
const calls = new Map<unknown, readonly [name: string, call: Call]>();
for (const [path, exported] of modules) {
  for (const [name, value] of Object.entries(exported)) {
    const parts = typeof value === "object" && value !== null ? Object.entries(value) : [[name, value] as const];
    for (const [part, each] of parts) {
      if (typeof each !== "function" || passedOver.has(part) || calls.has(each)) continue;
      const call = each as Call;
      if (isClass(call) && (call.prototype instanceof Error || madeByUs.has(part))) continue;
      const Class = each as new (...args: unknown[]) => object;
      calls.set(each, [`${path} ${part}`, isClass(call) ? (...given) => new Class(...given) : call]);
    }
  }
}

test("the exports are there", () => {
  expect(modules.length).toBe(Object.keys(exports).length - 2);
  expect(calls.size).toBeGreaterThan(180);
});

describe.each([...calls.values()])("%s", (_, call) => {
  law(
    "any arguments",
    fc.asyncProperty(args, (makers) =>
      attempt(
        call,
        makers.map((make) => make()),
      ),
    ),
    500,
  );
});

const publisher = await Publisher.open();
const table = await publisher.table({ name: "t", columns: [{ name: "a", type: "int4", key: true }] });
await publisher.createSlot("s");

describe("methods of a publisher", () => {
  /** Not called: internal, or its end. */
  const internal = new Set(["constructor", "close", "begin", "commit", "pieces", "grown", "tableForm", "acquireSlot"]);
  const methodsOf = ({ prototype }: { readonly prototype: object }) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { value }]) =>
      typeof value === "function" && !internal.has(name) ? [[name, value as Call] as const] : [],
    );
  const first = fc.constantFrom<() => unknown>(...["s", "g", table, [table], () => {}].map((each) => () => each));
  const some = fc.tuple(fc.oneof(first, throwing), args).map(([one, rest]) => [one, ...rest]);
  const any = fc.oneof(args, some);
  test.each(methodsOf(Publisher))("%s", async (_, method) => {
    await fc.assert(
      fc.asyncProperty(any, (makers) =>
        attempt(
          method.bind(publisher),
          makers.map((make) => make()),
        ),
      ),
      { seed, numRuns: Math.ceil(300 * times) },
    );
  });
  test.each(methodsOf(PublisherTransaction))("of a transaction: %s", async (_, method) => {
    const call: Call = (...given) =>
      publisher.transaction((t) => {
        method.apply(t, given);
      });
    await fc.assert(
      fc.asyncProperty(any, (makers) =>
        attempt(
          call,
          makers.map((make) => make()),
        ),
      ),
      { seed, numRuns: Math.ceil(300 * times) },
    );
  });
});

describe("an argument that is missing or of another type is named", () => {
  const named = new Map([...calls.values()].map(([name, call]) => [name, call]));
  test.each<[name: string, path: string, args: readonly unknown[]]>([
    ["./wal walOperation", "options", [{ rmid: 9, info: 0 }]],
    ["./wal walOperation", "options.server", [{ rmid: 9, info: 0 }, {}]],
    ["./wal walOperation", "record.info", [{ rmid: 9 }, { server: 18 }]],
    ["./wal walCheckpoint", "record", [null, { server: 18 }]],
    [
      "./wal recoveryStopsAt",
      "target.type",
      [{ rmid: 1, info: 0, lsn: 0n, end: 0n, mainData: new Uint8Array(0) }, { type: "x" }, { server: 18 }],
    ],
    ["./wal selectWalSegments", "files", [5]],
    ["./wal decodeWalRecord", "options.format", [new Uint8Array(24), { lsn: 0n }]],
    ["./conf/disk decodeConf", "bytes", ["text"]],
    ["./verify-backup verifyBackup", "directory", [undefined]],
    ["./verify-backup verifyBackup", "directory", ["a\0b"]],
    ["./verify-backup verifyBackup", "options", ["a", { walDirectory: "b" }]],
    ["./verify-backup verifyBackupChain", "directories[1]", [["a", 5]]],
    ["./verify-backup verifyBackupChain", "directories", ["a"]],
    ["./publisher publisherHandlers", "publisher", []],
    ["./server listen", "options", [5]],
    ["./proxy startProxy", "options", []],
    ["./testing startTestServer", "options", [5]],
    ["./combine-backup combineBackup", "output", [["a"]]],
    ["./combine-backup combineBackup", "directories[0]", [[5], "b"]],
  ])("%s: %s", async (name, path, given) => {
    const error = await (async () => named.get(name)!(...given))().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as ArgumentError).path).toBe(path);
  });
});
