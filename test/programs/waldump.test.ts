/** What we say of WAL and what PostgreSQL 15's pg_waldump says: record by record, of nearly every kind that there is. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatLsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { WalStats } from "../../src/node/cli/wal/stats.ts";
import { describeWalRecord } from "../../src/wal/contents.ts";
import { crcOfRecord } from "../../src/wal/decode.ts";
import { formatWalBlocks, formatWalRecord } from "../../src/wal/desc.ts";
import { WalError } from "../../src/wal/error.ts";
import { WalReader } from "../../src/wal/reader.ts";
import type { WalRecord } from "../../src/wal/record.ts";
import type { OwnServer } from "../servers/index.ts";
import { startWalServer, writeWal } from "../wal-workload.ts";
import { runWalwire } from "../walwire.ts";
import { runProgram } from "./programs.ts";

let server: OwnServer;
let directory: string;
let segments: string[];
let records: WalRecord[];
let reader: WalReader;

beforeAll(async () => {
  server = await startWalServer(15);
  await writeWal(server);
  directory = join(server.dataDirectory, "pg_wal");
  segments = readdirSync(directory)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  reader = new WalReader();
  records = [];
  for (const segment of segments) {
    reader.push(readFileSync(join(directory, segment)));
    for (let record = reader.next(); record !== undefined; record = reader.next()) records.push(record);
  }
}, 60_000);

afterAll(() => server.stop());

/** What pg_waldump prints of all segments; it ends with what it takes for an error, that there is no more. */
async function waldump(...args: string[]): Promise<{ lines: string[]; end: string }> {
  const { stdout, stderr } = await runProgram("pg_waldump", [
    ...args,
    "--path",
    directory,
    segments[0]!,
    segments.at(-1)!,
  ]);
  return { lines: stdout.split("\n").slice(0, -1), end: stderr };
}

/** The first of many lines that are not alike, with its like: all would be megabytes. */
function firstDifference(theirs: readonly string[], ours: readonly string[]): unknown {
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  return at === -1 ? undefined : { at, theirs: theirs[at], ours: ours[at] };
}

describe("pg_waldump", () => {
  test("describes each record as we do, and its contents where we decode them", async () => {
    const { lines, end } = await waldump();
    expect(lines.length).toBe(records.length);
    const kinds = new Set<string>();
    let decoded = 0;
    const ours = records.map((record, i) => {
      const description = describeWalRecord(record, { server: 15 });
      kinds.add(`${description.resourceManager}/${description.operation}`);
      const line = formatWalRecord(record, description, { server: 15 });
      if (description.contents !== undefined) decoded++;
      if (description.contents !== undefined || lines[i] === undefined) return line;
      // What it says of a table's or an index's pages stands between the operation and the blocks.
      const head = line.slice(0, line.indexOf("desc: ") + `desc: ${description.operation} `.length);
      const blocks = line.slice(head.length);
      const alike = lines[i].startsWith(head) && lines[i].endsWith(blocks);
      return alike ? lines[i] : line;
    });
    expect(firstDifference(lines, ours)).toBeUndefined();
    // That the server wrote what it was to write.
    expect([...kinds].filter((kind) => !kind.includes("UNKNOWN")).length).toBeGreaterThan(85);
    expect(decoded).toBeGreaterThan(2000);
    expect(end).toContain(reader.end!.message);
  });

  test("describes the pages of each record as we do", async () => {
    const { lines } = await waldump("--bkp-details");
    const theirs = lines.filter((line) => line.startsWith("\t"));
    const ours = records.flatMap((record) => formatWalBlocks(record, { server: 15 }).map((line) => `\t${line}`));
    expect(firstDifference(theirs, ours)).toBeUndefined();
    expect(ours.length).toBe(theirs.length);
    expect(ours.filter((line) => line.includes("method: pglz")).length).toBeGreaterThan(5);
  });

  test("counts what our --stats counts", async () => {
    const stats = new WalStats();
    for (const record of records) {
      stats.note({
        record,
        server: 150000,
        timeline: 1,
        description: describeWalRecord(record, { server: 15 }),
        error: undefined,
      });
    }
    for (const [kind, shares] of [
      ["record", stats.operations],
      ["rmgr", stats.managers],
    ] as const) {
      const { lines } = await waldump(`--stats=${kind}`);
      const rows = lines.flatMap((line) => {
        const match = /^(\S.*?) +(\d+) \( *[\d.]+\) +(\d+) \( *[\d.]+\) +(\d+) \( *[\d.]+\) +\d+ \(/.exec(line);
        const [, name, count, recordBytes, imageBytes] = match ?? [];
        if (name === undefined || count === "0") return [];
        return [
          [name, { count: Number(count), recordBytes: Number(recordBytes), imageBytes: Number(imageBytes) }] as const,
        ];
      });
      expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(shares));
      const total = /^Total +(\d+) +(\d+) \[.*?\] +(\d+) \[/.exec(lines.at(-1)!)!;
      const { count, recordBytes, imageBytes } = stats.all;
      expect(total.slice(1).map(Number)).toEqual([count, recordBytes, imageBytes]);
    }
  });

  test("says of a record with damaged contents and a good checksum what we say", { timeout: 60_000 }, async () => {
    // Minors differ in the record that they name.
    const version = /\d+\.\d+/.exec((await runProgram("pg_waldump", ["--version"])).stdout)![0];
    const folder = mkdtempSync(join(tmpdir(), "walwire-damaged-"));
    try {
      const [segment] = segments as [string];
      const bytes = readFileSync(join(directory, segment));
      const { lsn: first } = records[0]!;
      const start = first - (first % BigInt(bytes.length));
      const inPage = records.filter(
        ({ lsn, end, blocks }) =>
          lsn / 8192n === (end - 1n) / 8192n && lsn < start + BigInt(bytes.length) && blocks.length > 0,
      );
      const kinds = new Set<string>();
      for (let i = 0; i < 24; i++) {
        const { lsn, length } = inPage[10 + i * Math.floor((inPage.length - 10) / 24)]!;
        const at = Number(lsn - start);
        const copy = Buffer.from(bytes);
        // The identifier of the first block, its flags, the length of its data; the last are what follows, by image or not.
        copy[at + 24 + (i % 8)] = [213, 0, 0x33, 0xff, 0x80][i % 5]!;
        copy.writeUInt32LE(crcOfRecord(copy, at, length) >>> 0, at + 20);
        writeFileSync(join(folder, segment), copy);
        const from = records[Math.max(0, records.findIndex((each) => each.lsn === lsn) - 3)]!.lsn;
        const args = ["--path", folder, "--start", formatLsn(from), "--limit", "4", segment];
        const { stderr } = await runProgram("pg_waldump", args);
        const theirs = /: error: error in WAL record at \S+: (.*)/.exec(stderr)?.[1];
        const damagedReader = new WalReader({ server: version });
        damagedReader.push(copy, toLsn(start));
        let ours: string | undefined;
        try {
          for (let record = damagedReader.next(); record !== undefined && record.lsn < lsn; )
            record = damagedReader.next();
        } catch (error) {
          if (!(error instanceof WalError)) throw error;
          ours = error.message;
        }
        expect(ours, `record at ${formatLsn(lsn)}`).toBe(theirs);
        if (theirs !== undefined) kinds.add(theirs.replace(/ at .*/, "").replace(/\d+/g, "#"));
      }
      expect(kinds.size, [...kinds].join("; ")).toBeGreaterThan(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("walwire wal", () => {
  const lsnsOf = (lines: readonly string[]): string[] =>
    lines
      .flatMap((line) => /, lsn: ([0-9A-F]+\/[0-9A-F]+),/.exec(line)?.[1] ?? [])
      .map((lsn) => formatLsn(parseLsn(lsn)));
  const ours = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await runWalwire(["wal", directory, "--jsonl", ...args]);
    return stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter(({ notice }) => notice === undefined)
      .map(({ lsn }) => lsn);
  };

  test("chooses the records that pg_waldump chooses", { timeout: 60_000 }, async () => {
    const changed = records.find(({ blocks }) => blocks.some(({ block, fork }) => block > 0 && fork === "main"))!;
    const { tablespace, database, relation, block } = changed.blocks.find((each) => each.block > 0)!;
    const relationArgs = ["--relation", `${tablespace}/${database}/${relation}`];
    const end = records.at(-20)!;
    for (const args of [
      relationArgs,
      [...relationArgs, "--block", String(block)],
      [...relationArgs, "--block", "0", "--fork", "main"],
      ["--fork", "vm"],
      ["--fork", "init"],
      ["--fullpage"],
      ["--limit", "17"],
      ["--fullpage", "--limit", "3"],
      ["--rmgr", "Heap", "--rmgr", "btree", "--limit", "500"],
      ["--xid", String(records.findLast(({ xid }) => xid > 0)!.xid)],
      ["--start", formatLsn(end.lsn), "--limit", "10"],
      ["--start", formatLsn(records.at(-60)!.lsn), "--end", formatLsn(end.lsn)],
      ["--start", formatLsn(records.at(-60)!.lsn), "--end", formatLsn(toLsn(end.lsn + 8n))],
    ]) {
      // With segments it wants the start to be in the first, and the end in the last.
      const { stdout } = args.includes("--start")
        ? await runProgram("pg_waldump", [...args, "--path", directory])
        : { stdout: (await waldump(...args)).lines.join("\n") };
      const theirs = lsnsOf(stdout.split("\n"));
      expect(theirs.length, args.join(" ")).toBeGreaterThan(0);
      expect(await ours(...args), args.join(" ")).toEqual(theirs);
    }
  });

  test("refuses what pg_waldump refuses", async () => {
    for (const args of [
      ["--block", "1"],
      ["--relation", "1663/5"],
      ["--fork", "none"],
      ["--rmgr", "None"],
    ]) {
      const theirs = await runProgram("pg_waldump", [...args, "--path", directory, segments[0]!]);
      expect(theirs.status, args.join(" ")).toBe(1);
      expect((await runWalwire(["wal", directory, ...args])).status, args.join(" ")).toBe(2);
    }
  });

  test("rejects a truncated segment, as pg_waldump does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "walwire-truncated-"));
    try {
      const path = join(folder, segments[0]!);
      for (const length of [8192, 100_000, 106_496]) {
        writeFileSync(path, readFileSync(join(directory, segments[0]!)).subarray(0, length));
        const theirs = await runProgram("pg_waldump", ["--quiet", path]);
        expect(theirs.stderr).toMatch(/could not read from file .* read 0 of/);
        for (const command of [["wal", "--quiet"], ["decode"]]) {
          const ours = await runWalwire([...command, path]);
          expect([theirs.status, ours.status]).toEqual([1, 1]);
          expect(ours.stdout).toContain(`the file ends after ${length} of the 16777216 bytes`);
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("counts nothing of a segment that was recycled, of which pg_waldump finds no record", async () => {
    const folder = mkdtempSync(join(tmpdir(), "walwire-recycled-"));
    try {
      const recycled = `${segments[0]!.slice(0, 16)}000000F0`;
      cpSync(join(directory, segments[0]!), join(folder, recycled));
      const theirs = await runProgram("pg_waldump", ["--path", folder, recycled]);
      const alone = await runWalwire(["wal", join(folder, recycled)]);
      expect([theirs.status, alone.status]).toEqual([1, 1]);
      const message = /could not find a valid record after 0\/F0000000/;
      expect([theirs.stderr, alone.stdout]).toEqual([expect.stringMatching(message), expect.stringMatching(message)]);
      for (const segment of segments) cpSync(join(directory, segment), join(folder, segment));
      const all = await runProgram("pg_waldump", ["--path", folder, segments[0]!, segments.at(-1)!]);
      const { stdout } = await runWalwire(["wal", folder, "--stats", "--jsonl"]);
      const { stats } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
      expect(stats.count).toBe(all.stdout.trimEnd().split("\n").length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
