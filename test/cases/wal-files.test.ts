/** Which files are read as the WAL of a timeline, and what `walwire wal` makes of pg_wal as it lies on disk. */
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { ArgumentError, ParseError } from "../../src/kernel/errors.ts";
import { formatLsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { selectWalSegments, WalReader, WalWriter, type WalWriterOptions } from "../../src/wal/index.ts";
import { runWalwire } from "../walwire.ts";

const root = mkdtempSync(join(tmpdir(), "walwire-wal-files-"));
afterAll(() => rmSync(root, { recursive: true }));

const MB = 1024 * 1024;

/** A new directory with these files in it. */
let made = 0;
function directory(files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(root, `d${made++}`);
  mkdirSync(path);
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(path, name), contents);
  return path;
}

const name = (timeline: number, segment: number): string =>
  `${timeline.toString(16).padStart(8, "0")}00000000${segment.toString(16).padStart(8, "0")}`.toUpperCase();

/** A record that fills nearly a whole segment, and one that says which transaction it was. */
const filler = { rmid: 21, info: 0, mainData: new Uint8Array(1_000_000) };
const mark = (xid: number) => ({ rmid: 0, info: 0x20, xid, mainData: new Uint8Array(4) });

/**
 * Segments 2, 3, … of one timeline, each with two records: transaction 100 times the timeline plus the segment, and a filler.
 *
 * @param before WAL that comes before, as it stands in the first segment.
 */
function timeline(tli: number, count: number, options: WalWriterOptions = {}): Record<string, Uint8Array> {
  const writer = new WalWriter({
    server: 18,
    segmentSize: MB,
    start: toLsn(BigInt(2 * MB)),
    timeline: tli,
    systemIdentifier: 7n,
    ...options,
  });
  const first = Number((options.start ?? BigInt(2 * MB)) / BigInt(MB));
  for (let i = 0; i < count; i++) {
    writer.write(mark(100 * tli + first + i));
    writer.write(filler);
    writer.write({ rmid: 0, info: 0x40 });
  }
  const bytes = writer.take();
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [name(tli, first + i), bytes.slice(i * MB, (i + 1) * MB)]),
  );
}

/** Where timeline 1's segment 3 has its first record's end: timeline 2 goes on from there. */
const first = timeline(1, 4);
const forkAt = toLsn(BigInt(3 * MB) + 40n + 32n);
/** Timeline 2 begins within segment 3, whose file holds what timeline 1 had up to there. */
const second = (() => {
  const writer = new WalWriter({
    server: 18,
    segmentSize: MB,
    start: forkAt,
    prev: toLsn(BigInt(3 * MB) + 40n),
    timeline: 2,
    systemIdentifier: 7n,
  });
  writer.write(mark(203));
  writer.write({ rmid: 0, info: 0x40 });
  const parent = first[name(1, 3)]!.subarray(0, 40 + 32);
  return { [name(2, 3)]: Buffer.concat([parent, writer.take()]) };
})();
const history = `1\t${formatLsn(forkAt)}\tno recovery target specified\n`;
const forked = { ...first, ...second, "00000002.history": history };

// biome-ignore lint/suspicious/noExplicitAny: what a program reads.
async function objects(status: number, ...args: string[]): Promise<any[]> {
  const result = await runWalwire(["wal", ...args, "--jsonl"]);
  expect(result.status, result.stdout + result.stderr).toBe(status);
  return result.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** The transactions that are read, and what is said. */
const seen = (lines: Awaited<ReturnType<typeof objects>>): unknown[] =>
  lines.flatMap(({ xid, notice }) => (notice ?? xid) || []);
const saidOf = (lines: Awaited<ReturnType<typeof objects>>, notice: string): string[] =>
  lines.filter((line) => line.notice === notice).map(({ file, message }) => `${file}: ${message}`);

describe("selectWalSegments", () => {
  const files = (names: readonly string[]) => names.map((each) => ({ name: each, content: "" }));
  const select = (names: readonly string[], options = {}) =>
    selectWalSegments(files(names), { segmentSize: MB, ...options });
  const namesOf = ({ segments }: { segments: readonly { file: { name: string } }[] }) =>
    segments.map(({ file }) => file.name);
  const all = Object.entries(forked).map(([each, content]) => ({ name: each, content }));

  test("takes each position once, in order", () => {
    const names = [name(1, 3), name(1, 2), `${name(1, 3)}.gz`, `${name(1, 3)}.partial`, "00000001.history"];
    const selection = select(names);
    expect(namesOf(selection)).toEqual([name(1, 2), name(1, 3)]);
    expect(selection.segments.map(({ start }) => start)).toEqual([BigInt(2 * MB), BigInt(3 * MB)]);
    expect(selection.passedOver.map(({ file, reason }) => [file.name, reason])).toEqual([
      [`${name(1, 3)}.gz`, "duplicate"],
      [`${name(1, 3)}.partial`, "partial"],
    ]);
    expect(namesOf(select([`${name(1, 3)}.gz`, name(1, 3)]))).toEqual([name(1, 3)]);
  });

  test("follows the history of the timeline, by default the one that the version's default is", () => {
    for (const [options, names, timelines] of [
      [{}, [name(1, 2), name(2, 3)], [1, 2]],
      [{ server: 12 }, [name(1, 2), name(2, 3)], [1, 2]],
      [{ server: 11 }, [2, 3, 4, 5].map((segment) => name(1, segment)), [1]],
      [{ server: 11, timeline: "latest" }, [name(1, 2), name(2, 3)], [1, 2]],
      [{ timeline: "current" }, [2, 3, 4, 5].map((segment) => name(1, segment)), [1]],
      [{ timeline: 1 }, [2, 3, 4, 5].map((segment) => name(1, segment)), [1]],
      [{ timeline: 2 }, [name(1, 2), name(2, 3)], [1, 2]],
    ] as const) {
      const selection = selectWalSegments(all, { segmentSize: MB, ...options });
      expect(namesOf(selection), JSON.stringify(options)).toEqual(names);
      expect(selection.history.map(({ tli }) => tli)).toEqual(timelines);
    }
  });

  test("never goes back to an older timeline, and takes a parent's file where the child has none", () => {
    const three = [
      ...files([name(1, 2), name(1, 3), name(2, 4), name(1, 5), name(3, 6), name(2, 6), name(2, 7)]),
      { name: "00000002.history", content: "1\t0/300000\tx\n" },
      { name: "00000003.history", content: "1\t0/300000\tx\n2\t0/680000\ty\n" },
    ];
    const { segments, gaps, passedOver } = selectWalSegments(three, { segmentSize: MB });
    expect(segments.map(({ file }) => file.name)).toEqual([name(1, 2), name(1, 3), name(2, 4), name(3, 6)]);
    expect(gaps).toEqual([{ from: BigInt(5 * MB), to: BigInt(6 * MB) }]);
    expect(passedOver.map(({ file, reason }) => [file.name, reason])).toContainEqual([name(1, 5), "older timeline"]);
  });

  test("probes for the newest timeline one number after the other, as a server does", () => {
    const names = (...histories: number[]) =>
      selectWalSegments([
        { name: name(1, 2) },
        ...histories.map((tli) => ({ name: `0000000${tli}.history`, content: "1\t0/300000\tx\n" })),
      ]).timeline;
    expect([names(), names(2), names(3), names(2, 3)]).toEqual([1, 2, 1, 3]);
  });

  test("leaves out what comes before the start, and takes partial files only if asked to", () => {
    const names = [name(1, 2), name(1, 3), `${name(1, 4)}.partial`];
    expect(namesOf(select(names, { start: toLsn(BigInt(3 * MB + 100)) }))).toEqual([name(1, 3)]);
    expect(namesOf(select(names, { partial: true }))).toEqual(names);
    expect(select(names).passedOver[0]!.message).toContain("a server does not read it");
  });

  test("passes over names that are not segments of that size, backup histories and all else", () => {
    const names = [`${name(1, 3)}.00000028.backup`, "archive_status", "0000000100000000000000FF"];
    expect(select(names).passedOver.map(({ reason }) => reason)).toEqual(["backup history", "not WAL"]);
    const large = selectWalSegments(files(["000000010000000000000100"]));
    expect(large.passedOver[0]!.message).toBe("no segment of 16777216 bytes has this name");
  });

  test("rejects timelines that do not exist, invalid histories, and invalid options", () => {
    expect(() => select([name(1, 2)], { timeline: 5 })).toThrow(
      new ArgumentError("options.timeline", "recovery target timeline 5 does not exist"),
    );
    expect(select([name(5, 2)], { timeline: 5 }).segments.length).toBe(1);
    const bad = [{ name: name(1, 2) }, { name: "00000002.history", content: "x" }];
    expect(() => selectWalSegments(bad)).toThrow(ParseError);
    expect(() => selectWalSegments([{ name: name(1, 2) }, { name: "00000002.history" }])).toThrow(ArgumentError);
    for (const options of [{ segmentSize: 5 }, { timeline: 0 }, { timeline: "newest" }, { start: -1n }]) {
      expect(() => select([], options)).toThrow(ArgumentError);
    }
    expect(() => selectWalSegments([{ name: 5 }] as never)).toThrow(ArgumentError);
  });
});

describe("a segment whose name says another position than its pages", () => {
  const recycled = { [name(1, 6)]: first[name(1, 3)]! };

  test("alone is not WAL, as for pg_waldump", async () => {
    const path = join(directory(recycled), name(1, 6));
    const [passedOver, damage, ...more] = await objects(1, path);
    expect(passedOver).toMatchObject({ notice: "passed over", file: path });
    expect(damage.message).toBe(
      "could not find a valid record after 0/600000: its name says 0/600000 and its first page 0/300000, so it was recycled and not yet written to",
    );
    expect(more).toEqual([]);
    const decoded = await runWalwire(["decode", path]);
    expect(decoded.status).toBe(1);
    expect(decoded.stdout).toContain("could not find a valid record after 0/600000: unexpected pageaddr 0/300000 in");
  });

  test("behind the others is where WAL ends, and nothing of it is counted", async () => {
    const path = directory({ ...first, ...recycled });
    const lines = await objects(0, path);
    expect(seen(lines)).toEqual([102, 103, 104, 105, "end"]);
    expect(lines.at(-1).message).toBe(
      "unexpected pageaddr 0/300000 in WAL segment 000000010000000000000006, LSN 0/600000, offset 0",
    );
    const missing = await runWalwire(["wal", path, "--target-xid", "999"]);
    expect(missing.status).toBe(1);
  });

  test("is held against its name by the reader", () => {
    const reader = new WalReader({ segmentSize: MB });
    reader.push(first[name(1, 3)]!, toLsn(BigInt(6 * MB)), 1);
    expect(reader.next()).toBeUndefined();
    expect(reader.end).toMatchObject({ found: "old pages", lsn: BigInt(6 * MB) });
    const later = new WalReader({ segmentSize: MB });
    later.push(first[name(1, 3)]!, toLsn(BigInt(2 * MB)), 1);
    expect(() => later.next()).toThrow("unexpected pageaddr 0/300000 in WAL segment 000000010000000000000002");
  });

  test("or another cluster, segment size or timeline than its neighbours is rejected", async () => {
    const readAll = (segments: readonly Uint8Array[], options = {}) => {
      const reader = new WalReader(options);
      for (const each of segments) {
        reader.push(each);
        while (reader.next() !== undefined);
      }
    };
    const other = timeline(1, 4, { systemIdentifier: 8n })[name(1, 3)]!;
    expect(() => readAll([first[name(1, 2)]!, other])).toThrow(
      "WAL file database system identifier is 8, pg_control database system identifier is 7",
    );
    const resized = first[name(1, 3)]!.slice();
    new DataView(resized.buffer).setUint32(32, 2 * MB, true);
    expect(() => readAll([first[name(1, 2)]!, resized])).toThrow("incorrect segment size in page header");
    const renamed = timeline(2, 4)[name(2, 3)]!;
    expect(() => readAll([first[name(1, 2)]!, renamed], { timelines: [1] })).toThrow(
      "unexpected timeline ID 2 in WAL segment",
    );
    const path = directory({ [name(1, 2)]: first[name(1, 2)]!, [name(1, 3)]: renamed });
    const [damage] = (await objects(1, path)).slice(-1);
    expect(damage).toMatchObject({
      notice: "damage",
      message: "unexpected timeline ID 2 in WAL segment 000000010000000000000003, LSN 0/300000, offset 0",
    });
  });
});

describe("timelines", () => {
  test("are followed along their history; each position is read once", async () => {
    const path = directory(forked);
    expect(seen(await objects(0, path)).filter((each) => typeof each === "number")).toEqual([102, 103, 203]);
    const current = await objects(0, path, "--timeline", "current");
    expect(seen(current).filter((each) => typeof each === "number")).toEqual([102, 103, 104, 105]);
    expect(saidOf(await objects(0, path), "passed over")).toEqual([
      `${join(path, name(1, 3))}: timeline 2 goes on here`,
      `${join(path, name(1, 4))}: timeline 2 goes on here`,
      `${join(path, name(1, 5))}: timeline 2 goes on here`,
    ]);
    expect((await runWalwire(["wal", path, "--timeline", "7"])).stderr).toContain(
      "recovery target timeline 7 does not exist",
    );
    expect((await runWalwire(["wal", path, "--timeline", "x"])).status).toBe(2);
  });

  test("a recovery target on the branch that was left is not reached", async () => {
    const path = directory(forked);
    const stop = async (status: number, ...args: string[]) => (await objects(status, path, ...args)).at(-1).stop;
    const lsn = (segment: number) => formatLsn(toLsn(BigInt(segment * MB) + 40n));
    expect(await stop(0, "--target-lsn", lsn(3))).toMatchObject({ lsn: lsn(3) });
    expect(await stop(1, "--target-lsn", lsn(4))).toBe(null);
    expect(await stop(0, "--target-lsn", lsn(4), "--timeline", "1")).toMatchObject({ lsn: lsn(4) });
    const people = await runWalwire(["wal", path, "--target-lsn", lsn(4)]);
    expect(people.stdout).toContain("FATAL: recovery ended before configured recovery target was reached");
  });

  test("a partial segment is shown where nothing else holds its position, and not replayed", async () => {
    const path = directory({ [name(1, 2)]: first[name(1, 2)]!, [`${name(1, 3)}.partial`]: first[name(1, 3)]! });
    expect(seen(await objects(0, path))).toEqual([102, 103, "end"]);
    const lines = await objects(1, path, "--target-lsn", formatLsn(toLsn(BigInt(3 * MB))));
    expect(saidOf(lines, "passed over")[0]).toContain("rename it without .partial");
  });
});

describe("a gap", () => {
  const path = directory({ [name(1, 2)]: first[name(1, 2)]!, [name(1, 4)]: first[name(1, 4)]! });

  test("is shown, and is exit status 1", async () => {
    const lines = await objects(1, path);
    expect(seen(lines)).toEqual([102, "gap", 104, "end"]);
    expect(lines.find(({ notice }) => notice === "gap").message).toBe("no WAL from 0/300000 to 0/400000");
    const { stdout } = await runWalwire(["wal", path]);
    expect(stdout).toContain("✘ gap before ");
  });

  test("ends recovery", async () => {
    for (const target of ["0/300000", "0/400028"]) {
      const lines = await objects(1, path, "--target-lsn", target);
      expect(lines.at(-1).stop).toBe(null);
      expect(lines.filter(({ notice }) => notice === "gap").length).toBe(1);
    }
    expect((await objects(0, path, "--target-lsn", "0/200028")).at(-1).stop).not.toBe(null);
    // What comes before the position where recovery begins is not needed.
    expect((await objects(0, path, "--start", "0/400028", "--target-lsn", "0/400028")).at(-1).stop).not.toBe(null);
    expect((await objects(1, path, "--start", "0/100028", "--target-lsn", "0/200028")).at(-1).stop).toBe(null);
  });

  test("is also where WAL ended early and a later segment holds more", async () => {
    const ended = first[name(1, 2)]!.slice().fill(0, 40 + 32);
    const lines = await objects(1, directory({ ...first, [name(1, 2)]: ended }));
    expect(seen(lines)).toEqual([102, "end", "gap", 103, 104, 105, "end"]);
    const short = await objects(1, directory({ ...first, [name(1, 2)]: first[name(1, 2)]!.subarray(0, 600_000) }));
    expect(short.find(({ notice }) => notice === "gap").message).toMatch(/; the record at 0\/200048 is cut off$/);
  });
});

describe("pg_wal as it lies on disk", () => {
  const path = directory({
    ...first,
    [name(1, 6)]: new Uint8Array(MB),
    [`${name(1, 2)}.00000028.backup`]: "START WAL LOCATION: 0/200028\n",
    "00000001.history": "",
    "xlogtemp.123": new Uint8Array(100),
  });
  mkdirSync(join(path, "archive_status"));
  mkdirSync(join(path, "summaries"));

  test("FIFOs and broken links in it are passed over", async () => {
    const odd = directory(first);
    execFileSync("mkfifo", [join(odd, name(1, 7))]);
    symlinkSync("nowhere", join(odd, name(1, 8)));
    const said = saidOf(await objects(0, odd), "passed over").join("\n");
    for (const segment of [7, 8]) expect(said).toMatch(new RegExp(`${name(1, segment)}: not a regular file`));
  });

  test("is read as a directory, and file by file", async () => {
    const { readdirSync } = await import("node:fs");
    const files = readdirSync(path)
      .filter((each) => each !== "xlogtemp.123")
      .map((each) => join(path, each));
    for (const args of [[path], files]) {
      const lines = await objects(0, ...args);
      expect(seen(lines).filter((each) => each !== "passed over")).toEqual([102, 103, 104, 105, "end"]);
      const said = saidOf(lines, "passed over").join("\n");
      expect(said).toMatch(/archive_status: a directory/);
      expect(said).toMatch(/summaries: a directory/);
      expect(said).toMatch(/\.backup: a backup history file/);
    }
    const stats = (await objects(0, path, "--stats")).at(-1);
    expect(stats.stats.count).toBe(12);
    const parent = join(root, "data");
    mkdirSync(parent);
    symlinkSync(path, join(parent, "pg_wal"));
    expect(seen(await objects(0, parent)).filter((each) => each !== "passed over")).toEqual([
      102,
      103,
      104,
      105,
      "end",
    ]);
  });

  test("of files that are passed over for the same reason there is one line", async () => {
    const { stdout } = await runWalwire(["wal", path]);
    expect(stdout).toMatch(/→ passed over \S+archive_status and 1 more, to \S+summaries: a directory\n/);
  });

  test("that holds nothing to read says why", async () => {
    const empty = directory({ [`${name(1, 2)}.00000028.backup`]: "x" });
    const result = await runWalwire(["wal", empty]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("there is no WAL to read: passed over ");
    const zeros = await objects(1, directory({ [name(1, 2)]: new Uint8Array(MB) }));
    expect(zeros.at(-1).message).toMatch(/^could not find a valid record after 0\/200000: it begins with zeros/);
  });

  test("can be compressed, in part by what is not read", async () => {
    const packed = Object.fromEntries(Object.entries(first).map(([each, bytes]) => [`${each}.gz`, gzipSync(bytes)]));
    expect(seen(await objects(0, directory(packed)))).toEqual([102, 103, 104, 105, "end"]);
    const xz = directory({ ...first, [`${name(1, 6)}.xz`]: Buffer.from("fd377a585a000004e6d6b446", "hex") });
    const lines = await objects(3, xz);
    expect(seen(lines)).toEqual([102, 103, 104, 105, "passed over", "end"]);
    expect(saidOf(lines, "passed over")[0]).toContain("xz -dc");
  });

  test("a file that is longer than a segment is read up to the segment's end", async () => {
    const long = directory({ ...first, [name(1, 2)]: Buffer.concat([first[name(1, 2)]!, new Uint8Array(100)]) });
    expect(seen(await objects(0, long))).toEqual([102, 103, 104, 105, "end"]);
  });
});

describe("headers that are not known or damaged", () => {
  const page = first[name(1, 2)]!;
  const changed = (change: (bytes: DataView) => void): string => {
    const bytes = page.slice();
    change(new DataView(bytes.buffer));
    const path = join(root, `page${made++}`);
    writeFileSync(path, bytes);
    return path;
  };

  test.each([
    [0xd123, "the magic number D123, which is unknown: a server after 19 wrote it"],
    [0xd087, "a server before 9.6 wrote it"],
    [0xd121, "no release of PostgreSQL writes it"],
    [0xd117, "no release of PostgreSQL writes it"],
  ])("%x is an unknown magic number", async (magic, words) => {
    const path = changed((bytes) => bytes.setUint16(0, magic, true));
    for (const command of ["wal", "decode"]) {
      const result = await runWalwire([command, path]);
      expect(result.status).toBe(3);
      expect(result.stderr).toContain(words);
    }
  });

  test("a big-endian segment is called one", async () => {
    const path = changed((bytes) => {
      bytes.setUint16(0, 0xd118, false);
      bytes.setUint16(2, 6, false);
      bytes.setUint32(4, 1, false);
      bytes.setBigUint64(8, BigInt(2 * MB), false);
    });
    const result = await runWalwire(["wal", path]);
    expect(result.status).toBe(3);
    expect(result.stderr).toContain("a big-endian machine wrote it");
  });

  test("a first page without its long header, and one whose position is not aligned, are rejected in the server's words", async () => {
    const short = page.slice();
    short[2]! &= ~2;
    const path = directory({ [name(1, 2)]: short, [name(1, 3)]: first[name(1, 3)]! });
    const [damage] = (await objects(1, path)).slice(-1);
    expect(damage.message).toBe(
      "invalid info bits 0004 in WAL segment 000000010000000000000002, LSN 0/200000, offset 0",
    );
    const unaligned = changed((bytes) => bytes.setBigUint64(8, BigInt(2 * MB + 8), true));
    expect((await objects(1, unaligned)).at(-1).message).toBe(
      "unexpected pageaddr 0/200008 in WAL segment 000000010000000000000002, LSN 0/200000, offset 0",
    );
  });
});

describe("input without an end", () => {
  const zero = async (command: string, head: Uint8Array): Promise<{ status: number | null; output: string }> => {
    const program = fileURLToPath(new URL("../../src/node/cli.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, command, "-"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.stderr.on("data", (data) => {
      output += data;
    });
    child.stdin.on("error", () => undefined);
    child.stdin.write(head);
    let ended = false;
    const feed = (): void => {
      if (ended) return;
      if (child.stdin.write(new Uint8Array(MB))) setImmediate(feed);
      else child.stdin.once("drain", feed);
    };
    feed();
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    ended = true;
    return { status, output };
  };

  test.each([
    ["wal", "zeros", new Uint8Array(1), 1, "it begins with zeros"],
    ["decode", "zeros", new Uint8Array(1), 1, "it begins with zeros"],
    ["wal", "a segment and zeros", first[name(1, 2)]!, 0, "end of WAL in standard input"],
    ["decode", "a segment and zeros", first[name(1, 2)]!, 0, "WAL ends at 0/300000"],
  ] as const)("%s of %s ends", { timeout: 30_000 }, async (command, _, head, status, words) => {
    const result = await zero(command, head);
    expect(result.output).toContain(words);
    expect(result.output.length).toBeLessThan(10_000);
    expect(result.status).toBe(status);
  });

  test("a zero-filled segment is one error", async () => {
    const path = join(directory({ [name(1, 2)]: new Uint8Array(MB) }), name(1, 2));
    const { status, stdout } = await runWalwire(["decode", path]);
    expect(status).toBe(1);
    expect(stdout.split("\n").filter((line) => line !== "").length).toBe(1);
  });
});

describe("what pg_waldump has", () => {
  const path = directory(first);
  const xids = async (...args: string[]) => seen(await objects(0, ...args)).filter((each) => typeof each === "number");

  test("--path, with the first and the last segment", async () => {
    expect(await xids("--path", path)).toEqual([102, 103, 104, 105]);
    expect(await xids("--path", path, name(1, 3))).toEqual([103]);
    expect(await xids("-p", path, name(1, 3), name(1, 4))).toEqual([103, 104]);
    for (const [args, status, words] of [
      [[name(1, 9)], 1, `could not locate WAL file "${name(1, 9)}"`],
      [[name(1, 4), name(1, 3)], 2, `ENDSEG ${name(1, 3)} is before STARTSEG ${name(1, 4)}`],
      [["x"], 2, "expected the name of a segment"],
    ] as const) {
      const result = await runWalwire(["wal", "--path", path, ...args]);
      expect([result.status, result.stderr]).toEqual([status, expect.stringContaining(words)]);
    }
  });

  test("--limit, --quiet, --follow", async () => {
    expect(await xids(path, "--limit", "4")).toEqual([102, 103]);
    expect(await xids(path, "--follow", "--limit", "4")).toEqual([102, 103]);
    const quiet = await runWalwire(["wal", path, "--quiet"]);
    expect([quiet.status, quiet.stdout, quiet.stderr]).toEqual([0, "", ""]);
    const bad = await runWalwire(["wal", directory({ [name(1, 2)]: new Uint8Array(MB) }), "-q"]);
    expect([bad.status, bad.stdout]).toEqual([1, expect.stringContaining("could not find a valid record")]);
    const stream = await runWalwire(["wal", "--follow", "-"], { input: first[name(1, 2)]! });
    expect(stream.status).toBe(2);
  });

  test("--follow waits for more, in the same segment and in the next", async () => {
    const whole = first[name(1, 3)]!;
    const growing = directory({ [name(1, 2)]: first[name(1, 2)]!, [name(1, 3)]: whole.slice().fill(0, 40 + 32) });
    const following = xids(growing, "--follow", "--limit", "7");
    // As a server does it: a segment that is there is written over in place, a new one gets its name when it is whole.
    setTimeout(() => {
      const file = openSync(join(growing, name(1, 3)), "r+");
      writeSync(file, whole, 0, whole.length, 0);
      closeSync(file);
    }, 500);
    setTimeout(() => {
      writeFileSync(join(growing, "xlogtemp.1"), first[name(1, 4)]!);
      renameSync(join(growing, "xlogtemp.1"), join(growing, name(1, 4)));
    }, 2500);
    expect(await following).toEqual([102, 103, 104]);
  });

  test("--end leaves out a record that ends behind it", async () => {
    expect(await xids(path, "--end", "0/200048")).toEqual([102]);
    expect(await xids(path, "--end", "0/200040")).toEqual([]);
  });

  test("--rmgr, more than once, and its names", async () => {
    expect((await runWalwire(["wal", "--rmgr", "list"])).stdout).toMatch(/^XLOG\nTransaction\n/);
    expect(await xids(path, "-r", "xlog")).toEqual([102, 103, 104, 105]);
    expect(await xids(path, "-r", "heap", "-r", "XLOG")).toEqual([102, 103, 104, 105]);
    expect(await xids(path, "-r", "custom130")).toEqual([]);
    for (const bad of ["Heap3", "custom127", "custom300"]) {
      const result = await runWalwire(["wal", path, "-r", bad]);
      expect([result.status, result.stderr]).toEqual([2, expect.stringContaining("unrecognized resource manager")]);
    }
  });

  test("--relation, --block, --fork, --fullpage", async () => {
    const image = {
      bytes: new Uint8Array(8192),
      holeOffset: 0,
      holeLength: 0,
      compression: "none",
      apply: true,
    } as const;
    const block = {
      id: 0,
      tablespace: 1663,
      database: 5,
      relation: 9,
      fork: "main",
      block: 3,
      willInit: false,
    } as const;
    const writer = new WalWriter({ server: 18, segmentSize: MB, start: toLsn(BigInt(2 * MB)) });
    const put = (xid: number, change: object) =>
      writer.write({
        rmid: 10,
        info: 0,
        xid,
        blocks: [{ ...block, image: undefined, data: Uint8Array.of(1), ...change }],
      });
    put(1, {});
    put(2, { block: 4 });
    put(3, { fork: "vm" });
    put(4, { relation: 10 });
    put(5, { image, data: undefined });
    const wal = directory({ [name(1, 2)]: Buffer.concat([writer.take()], MB) });
    expect(await xids(wal, "-R", "1663/5/9")).toEqual([1, 2, 3, 5]);
    expect(await xids(wal, "-R", "1663/5/9", "-B", "3")).toEqual([1, 3, 5]);
    expect(await xids(wal, "-R", "1663/5/9", "-B", "3", "-F", "main")).toEqual([1, 5]);
    expect(await xids(wal, "--fork", "vm")).toEqual([3]);
    expect(await xids(wal, "-w")).toEqual([5]);
    for (const [args, words] of [
      [["-B", "3"], "--block requires --relation"],
      [["-R", "1663/5"], 'invalid relation specification: "1663/5"'],
      [["-F", "x"], "expected main, fsm, vm or init"],
    ] as const) {
      const result = await runWalwire(["wal", wal, ...args]);
      expect([result.status, result.stderr]).toEqual([2, expect.stringContaining(words)]);
    }
  });

  test("--target-immediate stops where the backup that began at --start ends", async () => {
    const writer = new WalWriter({ server: 18, segmentSize: MB, start: toLsn(BigInt(2 * MB)) });
    const ends = [0x200028n, 0x300028n].map((startpoint) => {
      const mainData = new Uint8Array(8);
      new DataView(mainData.buffer).setBigUint64(0, startpoint, true);
      return writer.write({ rmid: 0, info: 0x50, mainData });
    });
    const wal = directory({ [name(1, 2)]: writer.take() });
    const stop = async (...args: string[]) => (await objects(0, wal, "--target-immediate", ...args)).at(-1).stop;
    expect(await stop()).toMatchObject({ at: "consistency", side: "after", position: formatLsn(ends[0]!.end) });
    expect(await stop("--start", "0/200028")).toMatchObject({ lsn: formatLsn(ends[0]!.lsn) });
    expect((await runWalwire(["wal", wal, "--target-immediate", "--exclusive"])).status).toBe(2);
    expect(parseLsn((await stop()).lsn)).toBe(ends[0]!.lsn);
  });
});
