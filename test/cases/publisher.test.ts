/** Publisher and its stores: what was acknowledged is sent to every slot once, whatever is restarted, cut off or full. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  DecodeError,
  EncodeError,
  FileError,
  ServerError,
  StateError,
} from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import { pgTimeFromDate } from "../../src/kernel/time.ts";
import { DirectoryStore } from "../../src/node/publisher/directory-store.ts";
import { PgoutputEncoder } from "../../src/publisher/encoder.ts";
import { Publisher, type PublisherOptions } from "../../src/publisher/publisher.ts";
import { MemoryStore, type PublisherStore } from "../../src/publisher/store.ts";
import { streamSteps } from "../../src/publisher/stream.ts";
import type { Table } from "../../src/publisher/tables.ts";
import type { PublisherTransaction } from "../../src/publisher/transaction.ts";
import { type TupleData, unchanged } from "../../src/wire/tuple.ts";
import { Child } from "../publisher-child.ts";
import { folder, publisherProgram } from "../publisher-program.ts";
import { oneByOne, sentTo } from "../publisher-streams.ts";
import { seed, times } from "../seed.ts";

async function open(
  store: PublisherStore,
  options: PublisherOptions = {},
): Promise<{ publisher: Publisher; item: Table }> {
  const publisher = await Publisher.open({ store, ...options });
  const item = await publisher.table({
    name: "item",
    columns: [
      { name: "id", type: "int4", key: true },
      { name: "value", type: "text" },
    ],
  });
  publisher.publication("all", { tables: "all" });
  return { publisher, item };
}

/** The rows of the copy that a new subscriber would get. */
async function rowsOf(publisher: Publisher, table: Table): Promise<readonly unknown[][]> {
  const rows: unknown[][] = [];
  const snapshot = await publisher.snapshot();
  for await (const row of snapshot.rows(table)) rows.push(row.toArray());
  await snapshot.close();
  return rows.sort();
}

/** What a slot is sent, a word for each transaction. */
async function wordsOf(publisher: Publisher, slotname: string): Promise<readonly string[]> {
  const { messages } = await sentTo(publisher, slotname);
  const words: string[] = [];
  let ids: unknown[] = [];
  for (const message of messages) {
    if (message.type === "Insert") ids.push(message.newTuple.get(0));
    else if (message.type === "Delete") ids.push(`-${message.oldTuple.tuple.get(0)}`);
    else if (message.type === "Commit") words.push(`commit ${ids}`);
    else if (message.type === "Prepare") words.push(`prepare ${message.gid} ${ids}`);
    else if (message.type === "CommitPrepared") words.push(`committed ${message.gid}`);
    else if (message.type === "RollbackPrepared") words.push(`rolled back ${message.gid}`);
    else if (message.type === "Message") words.push(`message ${message.prefix}`);
    if (message.type === "Begin" || message.type === "BeginPrepare") ids = [];
  }
  return words;
}

/** What was done since a slot was made, as it should be sent. */
interface Expected {
  readonly end: Lsn;
  readonly plain: string | undefined;
  readonly twoPhase: string | undefined;
}

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("write" as const), count: fc.nat(4), long: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fail" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("prepare" as const), gid: fc.constantFrom("a", "b") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("resolve" as const),
      gid: fc.constantFrom("a", "b"),
      commit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("message" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("slot" as const), twoPhase: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("confirm" as const), slot: fc.nat(3), part: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const), crash: fc.boolean() }) },
);

describe.each(["memory", "directory"])("a store in %s", (kind) => {
  test("has what was acknowledged, for each slot what it has not confirmed, whatever is done and restarted", {
    timeout: 60_000,
  }, async () => {
    const parent = folder();
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
        let directory = join(parent, String(++number));
        const make = (): PublisherStore =>
          kind === "memory" ? memory : new DirectoryStore(directory, { segmentSize: 700 });
        const memory = new MemoryStore();
        let { publisher, item } = await open(make(), { keepRows: true });
        const rows = new Map<number, string>();
        const prepared = new Map<string, { readonly ids: readonly number[]; readonly begin: Lsn }>();
        const done: Expected[] = [];
        const slots: { readonly name: string; readonly made: Lsn; readonly twoPhase: boolean; confirmed: Lsn }[] = [];
        let next = 0;
        let mark: string | undefined;
        for (const [i, each] of operations.entries()) {
          switch (each.type) {
            case "write": {
              const ids = Array.from({ length: each.count }, () => next++);
              const gone = rows.keys().next().value;
              const value = each.long ? "x".repeat(900) : "short";
              const { endLsn } = await publisher.transaction(
                async (t) => {
                  for (const id of ids) t.insert(item, [id, value]);
                  await Promise.resolve();
                  if (gone !== undefined) t.delete(item, { id: gone });
                },
                { mark: `${i}` },
              );
              mark = `${i}`;
              for (const id of ids) rows.set(id, value);
              if (gone !== undefined) rows.delete(gone);
              const list = [...ids, ...(gone === undefined ? [] : [`-${gone}`])];
              const word = list.length === 0 ? undefined : `commit ${list}`;
              done.push({ end: endLsn, plain: word, twoPhase: word });
              break;
            }
            case "fail":
              await expect(
                publisher.transaction(
                  (t) => {
                    t.insert(item, [-1, "never"]);
                    throw new Error("no");
                  },
                  { mark: "never" },
                ),
              ).rejects.toThrow("no");
              break;
            case "prepare": {
              const { gid } = each;
              const id = next++;
              const write = publisher.prepare(gid, (t) => t.insert(item, [id, "prepared"]), { mark: `${i}` });
              if (prepared.has(gid)) await expect(write).rejects.toThrow(ArgumentError);
              else {
                const { endLsn, commitLsn } = await write;
                mark = `${i}`;
                prepared.set(gid, { ids: [id], begin: commitLsn });
                done.push({ end: endLsn, plain: undefined, twoPhase: `prepare ${gid} ${id}` });
              }
              break;
            }
            case "resolve": {
              const { gid, commit } = each;
              const of = prepared.get(gid);
              const resolved = commit
                ? publisher.commitPrepared(gid, { mark: `${i}` })
                : publisher.rollbackPrepared(gid, { mark: `${i}` });
              if (of === undefined) await expect(resolved).rejects.toThrow(`"${gid}" does not exist`);
              else {
                const { endLsn } = await resolved;
                mark = `${i}`;
                prepared.delete(gid);
                if (commit) for (const id of of.ids) rows.set(id, "prepared");
                done.push({
                  end: endLsn,
                  plain: commit ? `commit ${of.ids}` : undefined,
                  // A slot that was made after the transaction was prepared is sent all of it.
                  twoPhase: `${of.begin} ${of.ids} ${commit ? "committed" : "rolled back"} ${gid}`,
                });
              }
              break;
            }
            case "message": {
              const end = await publisher.message("m", Uint8Array.of(1, 2));
              done.push({ end, plain: "message m", twoPhase: "message m" });
              break;
            }
            case "slot": {
              const name = `s${slots.length}`;
              const { slot } = await publisher.createSlot(name, { twoPhase: each.twoPhase });
              slots.push({ name, made: slot.confirmedFlush, twoPhase: each.twoPhase, confirmed: slot.confirmedFlush });
              await expect(publisher.createSlot(name)).rejects.toThrow(`replication slot "${name}" already exists`);
              break;
            }
            case "confirm": {
              const slot = slots[each.slot];
              if (slot === undefined) break;
              const { positions } = await sentTo(publisher, slot.name);
              const position = positions[Math.floor((positions.length * each.part) / 101)]!;
              const acquired = publisher.acquireSlot(slot.name, { processId: 7 });
              expect(() => publisher.acquireSlot(slot.name, { processId: 8 })).toThrow(
                `"${slot.name}" is active for PID 7`,
              );
              await acquired.confirm(position, position);
              acquired.release();
              if (position > slot.confirmed) slot.confirmed = position;
              break;
            }
            case "restart":
              if (each.crash && kind === "directory") {
                // The process is gone at once, and its machine with an append that had begun.
                const copy = join(parent, `${++number}`);
                cpSync(directory, copy, { recursive: true });
                rmSync(join(copy, "owner.pid"));
                const last = readdirSync(join(copy, "log")).sort().at(-1)!;
                writeFileSync(join(copy, "log", last), Buffer.alloc(number % 40, 7), { flag: "a" });
                await publisher.close();
                directory = copy;
              } else if (!each.crash) await publisher.close();
              ({ publisher, item } = await open(make(), { keepRows: true }));
              expect(publisher.mark).toBe(mark);
              break;
          }
        }
        const expected = (slot: (typeof slots)[number]): string[] =>
          done.flatMap(({ end, plain, twoPhase }) => {
            if (end <= slot.confirmed) return [];
            if (!slot.twoPhase) return plain ?? [];
            const [, begin, ids, what] = /^(\d+) (\d+) (.*)$/.exec(twoPhase ?? "") ?? [];
            if (begin === undefined) return twoPhase ?? [];
            const late = BigInt(begin) < slot.made && what!.startsWith("committed");
            return [...(late ? [`prepare ${what!.at(-1)} ${ids}`] : []), what!];
          });
        for (const slot of slots)
          expect([slot.name, ...(await wordsOf(publisher, slot.name))]).toEqual([slot.name, ...expected(slot)]);
        expect(publisher.slots.map(({ slotname, confirmedFlush }) => [slotname, confirmedFlush])).toEqual(
          slots.map(({ name, confirmed }) => [name, confirmed]),
        );
        expect(publisher.mark).toBe(mark);
        expect(publisher.prepared.map(({ gid }) => gid).sort()).toEqual([...prepared.keys()].sort());
        expect(await rowsOf(publisher, item)).toEqual(Array.from(rows, ([id, value]) => [String(id), value]).sort());
        await publisher.close();
      }),
      { seed, numRuns: Math.ceil((kind === "memory" ? 300 : 60) * times) },
    );
  });
});

/** What a store has of transactions 0 to N, which are all that there are: N. */
async function lastOf(directory: string): Promise<number> {
  const { publisher, item } = await open(new DirectoryStore(directory), { keepRows: true });
  const { messages } = await sentTo(publisher, "s", { streaming: "off" });
  const ids = messages.flatMap((message) => {
    if (message.type !== "Insert") return [];
    const id = Number(message.newTuple.get(0));
    return id < 0 ? [] : [id];
  });
  expect(ids).toEqual(ids.map((_, i) => i));
  const last = ids.length - 1;
  const rows = [
    [String(last), `value ${last}`],
    [String(last - 1), "updated"],
    [String(last - 2), "updated"],
  ];
  expect(await rowsOf(publisher, item)).toEqual(rows.sort());
  await publisher.close();
  return last;
}

test("a process that is killed has stored what it has acknowledged", { timeout: 120_000 }, async () => {
  const program = await publisherProgram();
  const directory = folder();
  const { publisher } = await open(new DirectoryStore(directory), { keepRows: true });
  await publisher.createSlot("s");
  await publisher.close();
  let before = -1;
  for (let round = 0; round < Math.ceil(4 * times); round++) {
    const child = new Child(program, { directory });
    expect(await child.until((line) => line === "open")).toBeDefined();
    child.order("run");
    const goal = before + 10 + ((seed + round * 7) % 30);
    await child.until((line) => line === `stored ${goal}`);
    await child.kill();
    expect(child.stored).toBeGreaterThanOrEqual(goal);
    before = await lastOf(directory);
    // One transaction can be stored whose acknowledgement was not read.
    expect([child.stored, child.stored + 1]).toContain(before);
  }
});

test("a store that cannot grow rejects transactions, and has those before", { timeout: 120_000 }, async () => {
  const program = await publisherProgram();
  const directory = folder();
  const { publisher } = await open(new DirectoryStore(directory), { keepRows: true });
  await publisher.createSlot("s");
  await publisher.close();
  // Files of the log are of 50,000 bytes or one transaction more; a large transaction has 80,000.
  const child = new Child(program, { directory }, 60);
  expect(await child.until((line) => line === "open")).toBeDefined();
  child.order("run");
  expect(await child.until((line) => line.startsWith("failed"))).toBe("failed FILE_SYSTEM");
  expect(child.stored).toBe(5);
  // It was not told to run again: the same transaction would fail.
  child.order("run");
  expect(await child.until((line) => line.startsWith("failed"))).toBe("failed FILE_SYSTEM");
  await child.kill();
  expect(await lastOf(directory)).toBe(5);
});

test("whatever of the last append a crash has left, the store has those before, and goes on", async () => {
  const parent = folder();
  const directory = join(parent, "whole");
  const { publisher, item } = await open(new DirectoryStore(directory));
  await publisher.createSlot("s");
  await publisher.transaction((t) => t.insert(item, [1, "one"]));
  const { endLsn } = await publisher.transaction((t) => t.insert(item, [2, "two"]), { mark: "two" });
  const before = join(parent, "before");
  cpSync(directory, before, { recursive: true });
  rmSync(join(before, "owner.pid"));
  await publisher.transaction((t) => t.insert(item, [3, "three"]), { mark: "three" });
  await publisher.close();
  const [name] = readdirSync(join(directory, "log"));
  const bytes = readFileSync(join(directory, "log", name!));
  const kept = Number(endLsn - 0x1000000n);
  for (let size = kept; size < bytes.length; size++) {
    const copy = join(parent, String(size));
    cpSync(before, copy, { recursive: true });
    writeFileSync(join(copy, "log", name!), bytes.subarray(0, size));
    const again = await open(new DirectoryStore(copy));
    expect(again.publisher.end).toBe(endLsn);
    expect(again.publisher.mark).toBe("two");
    await again.publisher.transaction((t) => t.insert(again.item, [4, "four"]));
    expect(await wordsOf(again.publisher, "s")).toEqual(["commit 1", "commit 2", "commit 4"]);
    await again.publisher.close();
  }
});

test("damage before the last file is an error, and is never passed over", async () => {
  const directory = folder();
  const { publisher, item } = await open(new DirectoryStore(directory, { segmentSize: 1 }));
  await publisher.createSlot("s");
  for (const id of [1, 2, 3]) await publisher.transaction((t) => t.insert(item, [id, "x"]));
  await publisher.close();
  const names = readdirSync(join(directory, "log")).sort();
  const path = join(directory, "log", names[0]!);
  const bytes = readFileSync(path);
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes);
    damaged[i]! ^= 1 << (i % 8);
    writeFileSync(path, damaged);
    const store = new DirectoryStore(directory);
    await expect(Publisher.open({ store })).rejects.toThrow(DecodeError);
    await store.close();
  }
  writeFileSync(path, bytes);
  rmSync(join(directory, "log", names[1]!));
  // A store that cannot be opened is not in use.
  for (let i = 0; i < 2; i++) {
    await expect(Publisher.open({ store: new DirectoryStore(directory) })).rejects.toThrow("has a gap before");
  }
});

test("two publishers cannot use one directory", async () => {
  const directory = folder();
  const { publisher } = await open(new DirectoryStore(directory));
  await expect(open(new DirectoryStore(directory))).rejects.toThrow(`is in use by process ${process.pid}`);
  await publisher.close();
  await (await open(new DirectoryStore(directory))).publisher.close();
});

test("a publisher that cannot save at its end has released its store", async () => {
  const directory = folder();
  const { publisher } = await open(new DirectoryStore(directory));
  // As a full disk, it keeps the slots from being saved.
  const inTheWay = join(directory, "slots.document.tmp");
  mkdirSync(inTheWay);
  await expect(publisher.close()).rejects.toThrow(FileError);
  expect(readdirSync(directory)).not.toContain("owner.pid");
  rmSync(inTheWay, { recursive: true });
  await (await open(new DirectoryStore(directory))).publisher.close();
});

describe("the owner of a directory", () => {
  const openOwnedBy = async (owner: string) => {
    const directory = folder();
    writeFileSync(join(directory, "owner.pid"), owner);
    const store = new DirectoryStore(directory);
    await store.open();
    await store.close();
  };

  test("is a process that runs, and is named with the file", async () => {
    await expect(openOwnedBy(`${process.ppid}\n`)).rejects.toThrow(
      new RegExp(`is in use by process ${process.ppid}: stop it, or remove ".*/owner.pid" if`),
    );
  });

  test("is not one that is gone, or whose file was not finished", async () => {
    await openOwnedBy("");
    await openOwnedBy("0\n");
    await openOwnedBy("4194305\n");
    await openOwnedBy(`${process.pid}\n`);
  });

  const onLinux = process.platform === "linux";

  test.runIf(onLinux)("is not another process that has its number now", async () => {
    await openOwnedBy(`${process.ppid}\nbefore a reboot:1\n`);
  });

  test.runIf(onLinux)("is not a zombie", { timeout: 60_000 }, async () => {
    // cat ends with its input, and sleep, which the shell has become by then, never asks how.
    const script = "cat <&3 & echo $!; exec sleep 60";
    const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore", "pipe"] });
    try {
      const [text] = (await once(parent.stdout!, "data")) as [Buffer];
      const zombie = Number(text);
      const program = () => readFileSync(`/proc/${parent.pid}/comm`, "latin1");
      await expect.poll(program, { timeout: 20_000 }).toBe("sleep\n");
      (parent.stdio[3] as Writable).end();
      const state = () => readFileSync(`/proc/${zombie}/stat`, "latin1").split(") ")[1]?.[0];
      await expect.poll(state, { timeout: 20_000 }).toBe("Z");
      await openOwnedBy(`${zombie}\n`);
    } finally {
      parent.kill("SIGKILL");
      await once(parent, "close");
    }
  });
});

test("a directory of other files is left as it is", async () => {
  const directory = folder();
  const open = () => Publisher.open({ store: new DirectoryStore(directory) });
  writeFileSync(join(directory, "index.html"), "");
  await expect(open()).rejects.toThrow('has other files, such as "index.html", and no store of a publisher');
  expect(readdirSync(directory)).toEqual(["index.html"]);
  rmSync(join(directory, "index.html"));
  mkdirSync(join(directory, "log"));
  writeFileSync(join(directory, "log", "access.log"), "");
  await expect(open()).rejects.toThrow('such as "access.log"');
  rmSync(join(directory, "log", "access.log"));
  await (await open()).close();
  // What is put beside a store does not matter.
  writeFileSync(join(directory, "README"), "");
  await (await open()).close();
});

test("a row says what each column is", async () => {
  const publisher = await Publisher.open();
  const columns = [
    { name: "symbol", type: "text", key: true },
    { name: "value", type: "numeric" },
    { name: "note", type: "text" },
  ];
  const price = await publisher.table({ name: "price", columns });
  const full = await publisher.table({ name: "full", columns, replicaIdentity: "full" });
  const elsewhere = await (await Publisher.open()).table({ name: "price", columns });
  publisher.publication("all", { tables: "all" });
  await publisher.createSlot("s");
  const { end } = publisher;
  const missing = "row.symbol is missing, a column of the key";
  const isNull = "row.symbol: expected a value, as the column is of the key, got null";
  const wrong: readonly [message: string, write: (t: PublisherTransaction) => void][] = [
    [missing, (t) => t.insert(price, { value: "1" })],
    [isNull, (t) => t.insert(price, [null, "1", null])],
    [isNull, (t) => t.insert(full, [null, "1", null])],
    ["row.note: expected a value, null for NULL, got undefined", (t) => t.insert(price, ["A", "1", undefined])],
    ["row.note: expected a value, null for NULL, got", (t) => t.insert(price, ["A", "1", unchanged])],
    [missing, (t) => t.update(price, { value: "9" })],
    [isNull, (t) => t.update(price, { symbol: null }, { symbol: "A" })],
    ["old.symbol is missing, a column of the key", (t) => t.update(price, { symbol: "A" }, { value: "9" })],
    ["old.note: expected a value, null for NULL", (t) => t.update(full, ["A", "1", "n"], { symbol: "A", value: "1" })],
    ["old.note: expected a value, null for NULL", (t) => t.delete(full, { symbol: "A", value: "1" })],
    ["old.symbol is missing, a column of the key", (t) => t.delete(price, { value: "1" })],
    ["a table that `table` of this publisher returned", (t) => t.insert(elsewhere, ["A", "1", null])],
  ];
  for (const [message, write] of wrong) {
    const error = await publisher.transaction(write).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toContain(message);
  }
  expect(publisher.end).toBe(end);
  await expect(publisher.transaction(undefined as never)).rejects.toThrow("write: expected a function");

  await publisher.transaction((t) => {
    t.insert(price, { symbol: "A" });
    t.update(price, { symbol: "A", value: "9" });
    t.update(price, { note: "x" }, { symbol: "A" });
    t.update(price, { symbol: "B" }, { symbol: "A" });
    t.update(full, { value: "9" }, ["A", "1", null]);
  });
  const { messages } = await sentTo(publisher, "s");
  const show = (tuple: TupleData | undefined) =>
    tuple?.toArray().map((value) => (value === unchanged ? "same" : value));
  expect(
    messages.flatMap((message) =>
      message.type === "Insert" || message.type === "Update"
        ? [[show(message.newTuple), message.type === "Update" ? show(message.oldTuple?.tuple) : undefined]]
        : [],
    ),
  ).toEqual([
    [["A", null, null], undefined],
    [["A", "9", "same"], undefined],
    [["A", "same", "x"], undefined],
    [
      ["B", "same", "same"],
      ["A", null, null],
    ],
    [
      ["A", "9", null],
      ["A", "1", null],
    ],
  ]);
});

test("a value or a call that cannot be is an error of that call, and nothing is stored", async () => {
  const { publisher, item } = await open(new MemoryStore());
  const full = await publisher.table({ name: "f", replicaIdentity: "full", columns: [{ name: "a", type: "int4" }] });
  const none = await publisher.table({ name: "n", columns: [{ name: "a", type: "int4" }] });
  const { end } = publisher;
  const fails = (write: Parameters<Publisher["transaction"]>[0]) =>
    publisher.transaction(write).catch((error: Error) => error);
  expect(await fails((t) => t.insert(item, ["x", "y"]))).toBeInstanceOf(EncodeError);
  expect(await fails((t) => t.insert(item, { nowhere: 1 }))).toBeInstanceOf(ArgumentError);
  expect(await fails((t) => t.insert(item, [1]))).toBeInstanceOf(ArgumentError);
  expect(await fails((t) => t.update(full, [1]))).toBeInstanceOf(ArgumentError);
  expect(await fails((t) => t.delete(item, { value: "x" }))).toBeInstanceOf(ArgumentError);
  expect(String(await fails((t) => t.update(none, [1])))).toBe(
    'ArgumentError: cannot update table "n" because it does not have a replica identity and publishes updates',
  );
  let late: unknown;
  await publisher.transaction((t) => {
    late = t;
    const savepoint = t.savepoint();
    t.release(savepoint);
    expect(() => t.rollbackTo(savepoint)).toThrow(StateError);
  });
  expect(() => (late as { insert(...args: unknown[]): void }).insert(item, [1, "x"])).toThrow(
    "the transaction is over",
  );
  expect(() => publisher.slot("s")).toThrow(ServerError);
  expect(() =>
    publisher.publication("p", { tables: [{ table: item, rowFilter: { columns: ["value"], test: () => true } }] }),
  ).toThrow("columns of the replica identity");
  expect(publisher.end - end).toBeLessThan(200n);
  await publisher.close();
  await expect(publisher.transaction(() => {})).rejects.toThrow("the publisher is closed");
});

test("a transaction beyond its memory is rejected", async () => {
  const { publisher, item } = await open(new MemoryStore(), { transactionMemory: 1000 });
  const { end } = publisher;
  const write = publisher.transaction((t) => {
    for (let i = 0; i < 100; i++) t.insert(item, [i, "some value"]);
  });
  await expect(write).rejects.toThrow("the transaction has more than 1000 bytes");
  expect(publisher.end).toBe(end);
});

test("a table that is declared otherwise has its new form from then on, and its kept rows", async () => {
  const store = new MemoryStore();
  const { publisher, item } = await open(store, { keepRows: true });
  await publisher.createSlot("s");
  await publisher.transaction((t) => t.insert(item, [1, "one"]));
  const wider = await publisher.table({
    name: "item",
    columns: [
      { name: "id", type: "int4", key: true },
      { name: "more", type: "bool" },
      { name: "value", type: "text" },
    ],
  });
  expect(wider.relationId).toBe(item.relationId);
  expect(await rowsOf(publisher, wider)).toEqual([["1", null, "one"]]);
  await publisher.transaction((t) => t.insert(wider, { id: 2, more: true }));
  const { messages } = await sentTo(publisher, "s");
  expect(messages.flatMap((each) => (each.type === "Relation" ? [each.columns.length] : []))).toEqual([2, 3]);
  expect(await rowsOf(publisher, wider)).toEqual([
    ["1", null, "one"],
    ["2", "t", null],
  ]);
});

test("kept rows are saved when the log has grown, and the log goes", async () => {
  const directory = folder();
  const { publisher, item } = await open(new DirectoryStore(directory, { segmentSize: 1_000_000 }), { keepRows: true });
  const value = "x".repeat(1_000_000);
  for (let i = 0; i < 40; i++) await publisher.transaction((t) => t.insert(item, [i % 3, value]));
  await publisher.close();
  expect(readdirSync(join(directory, "log")).length).toBeLessThan(30);
  const again = await open(new DirectoryStore(directory), { keepRows: true });
  expect((await rowsOf(again.publisher, again.item)).map(([id]) => id)).toEqual(["0", "1", "2"]);
  await again.publisher.close();
});

test("only the last message of a transaction has the position of its end, which a subscriber may then confirm", async () => {
  const { publisher, item } = await open(new MemoryStore(), { workMemory: 1000, streamRolledBack: true });
  const { slot } = await publisher.createSlot("s");
  const write = (t: PublisherTransaction) => {
    for (let i = 0; i < 50; i++) t.insert(item, [i, "x".repeat(100)]);
    const savepoint = t.savepoint();
    t.insert(item, [50, "undone"]);
    t.rollbackTo(savepoint);
    // The last segment is open when the transaction ends.
    t.insert(item, [51, "kept"]);
  };
  await publisher.transaction(write);
  await publisher.prepare("g", write);
  const { signal } = new AbortController();
  for (const streaming of ["off", "on"] as const) {
    const asked = {
      protocol: 4,
      publicationNames: ["all"],
      binary: false,
      messages: true,
      twoPhase: true,
      origin: "any",
    } as const;
    const encoder = new PgoutputEncoder(publisher, { ...asked, streaming, workMemory: 1000 });
    const { restartLsn, confirmedFlush: startpoint } = slot;
    let sent: bigint[] = [];
    let count = 0;
    for await (const step of oneByOne(
      streamSteps(publisher, encoder, {
        restartLsn,
        startpoint,
        twoPhaseAt: startpoint,
        signal,
      }),
    )) {
      if (step.type === "send") sent.push(...step.messages.map(({ lsn }) => lsn));
      else if (sent.length > 0) {
        expect(sent.pop()).toBe(step.lsn);
        expect(sent.every((lsn) => lsn < step.lsn)).toBe(true);
        count += sent.length;
        sent = [];
      }
      if (step.type === "position" && step.caughtUp) break;
    }
    expect(count).toBeGreaterThan(100);
  }
});

test("its system identifier tells when it was made, as that of a cluster", async () => {
  const made = new Date("2026-11-30T12:00:00Z");
  const { systemid } = await Publisher.open({ now: () => pgTimeFromDate(made) });
  expect(new Date(Number(systemid >> 32n) * 1000)).toEqual(made);
});
