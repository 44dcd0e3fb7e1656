/** `walwire wal` as people and programs run it, on segments, on recorded streams, and on what is damaged. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { WalWriter } from "../../src/wal/writer.ts";
import { type Run, runWalwire } from "../walwire.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-wal-"));

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A page that a server of version 18 wrote: 125 records. */
const page = gunzipSync(readFileSync(fileURLToPath(new URL("../../docs/examples/wal-18.gz", import.meta.url))));
const start = parseLsn("0/2000000");

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const wal = (args: readonly string[], input?: Uint8Array): Promise<Run> =>
  runWalwire(["wal", ...args], input === undefined ? {} : { input });

// biome-ignore lint/suspicious/noExplicitAny: what a program reads.
async function objects(status: number, args: readonly string[], input?: Uint8Array): Promise<any[]> {
  const result = await wal([...args, "--jsonl"], input);
  expect(result.stderr).toBe("");
  expect(result.status, result.stdout).toBe(status);
  return result.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Each XLogData after its length. */
function recorded(pieces: readonly (readonly [Lsn, Uint8Array])[]): Uint8Array {
  return Buffer.concat(
    pieces.flatMap(([dataStart, data]) => {
      const walEnd = toLsn(dataStart + BigInt(data.length));
      const payload = encodeWalSenderMessage({ type: "XLogData", dataStart, walEnd, sendTime: toPgTime(0n), data });
      const length = Buffer.alloc(4);
      length.writeUInt32BE(payload.length);
      return [length, payload];
    }),
  );
}

const good = file("page", page);

describe("what it reads", () => {
  test("a segment, packed or not, and standard input, say the same", async () => {
    const all = await objects(0, [good]);
    expect(all.length).toBe(126);
    expect(all[0]).toMatchObject({ lsn: "0/2000028", operation: "CHECKPOINT_REDO", contents: { walLevel: "logical" } });
    expect(all.at(-1)).toEqual({
      notice: "end",
      lsn: "0/2002000",
      file: good,
      message: "the input ends at 0/2002000",
    });
    const same = (lines: unknown[]) => lines.slice(0, -1);
    expect(same(await objects(0, [file("page.gz", gzipSync(page))]))).toEqual(same(all));
    expect(same(await objects(0, ["-"], page))).toEqual(same(all));
  });

  test("a recorded stream says the same, also one that begins in the middle of a page", async () => {
    const all = await objects(0, [good]);
    const pieces = [0, 1000, 1003, 5000].map((at, i, cuts) => {
      return [toLsn(start + BigInt(at)), page.subarray(at, cuts[i + 1])] as const;
    });
    expect((await objects(0, [file("stream", recorded(pieces))])).slice(0, -1)).toEqual(all.slice(0, -1));
    const from = parseLsn("0/2001748");
    const at = Number(from - start);
    const tail = recorded([[from, page.subarray(at)]]);
    const later = all.filter(({ lsn, notice }) => notice === undefined && parseLsn(lsn) >= from);
    expect((await objects(0, [file("tail", tail), "--server", "18"])).slice(0, -1)).toEqual(later);
    // The next page says which version wrote it.
    const writer = new WalWriter({ server: "18", start: toLsn(start + 8192n) });
    writer.write({ rmid: 0, info: 0x20, xid: 7 });
    const next = writer.take();
    const two = recorded([
      [from, page.subarray(at, at + 100)],
      [toLsn(from + 100n), page.subarray(at + 100)],
      [toLsn(start + 8192n), next],
    ]);
    const both = await objects(1, [file("two", two)]);
    expect(both.slice(0, later.length)).toEqual(later);
    // What was put behind it does not say the record before.
    expect(both.at(-1)).toMatchObject({ notice: "damage", message: expect.stringContaining("incorrect prev-link") });
    const nobody = await wal([file("tail", tail)]);
    expect(nobody.status).toBe(1);
    expect(nobody.stderr).toContain("--server");
  });

  test("segments come in the order of WAL, and what is missing is said", async () => {
    const segment = (number: number) => {
      const writer = new WalWriter({ server: "15", start: toLsn(BigInt(number) << 24n) });
      writer.write({ rmid: 0, info: 0x20, xid: number });
      return Buffer.concat([writer.take()], 1 << 24);
    };
    const names = ["000000010000000000000002", "000000010000000000000004"].map((name, i) =>
      file(name, segment(2 + 2 * i)),
    );
    const result = await objects(1, [names[1]!, names[0]!]);
    expect(result.map(({ xid, notice }) => xid ?? notice)).toEqual([2, "end", "gap", 4, "end"]);
    expect(result[2].message).toMatch(/^no WAL from 0\/20+[1-9A-F][0-9A-F]* to 0\/4000000/);
  });

  test("what is no WAL is refused with what it is", async () => {
    for (const [bytes, words] of [
      [new Uint8Array(8192), "zeros"],
      [new Uint8Array(), "empty"],
      [Buffer.from("CREATE TABLE"), "43 52 45"],
      [Buffer.from([0, 0, 0, 5, 0x42, 0, 0, 0, 0]), "00 00 00 05 42"],
    ] as const) {
      const result = await wal([file("other", bytes)]);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(words);
    }
    expect((await wal([join(folder, "nothing")])).stderr).toContain("no such file");
  });
});

describe("a file shorter than its segment", () => {
  const size = 1024 * 1024;
  const writer = new WalWriter({ server: 18, segmentSize: size, start: toLsn(BigInt(size)) });
  for (let i = 0; i < 9; i++) writer.write({ rmid: 21, info: 0, xid: 7, mainData: new Uint8Array(100_000) });
  const whole = Buffer.concat([writer.take()], size);
  const segment = "000000010000000000000001";
  const message = (length: number) => `the file ends after ${length} of the 1048576 bytes of a segment`;

  test.each<[string, Uint8Array, length: number]>([
    [segment, whole.subarray(0, 100_000), 100_000],
    [`${segment}.gz`, gzipSync(whole.subarray(0, 100_000)), 100_000],
    ["page boundary", whole.subarray(0, 81_920), 81_920],
    ["behind the last record", whole.subarray(0, 1_000_000), 1_000_000],
  ])("is damaged: %s", async (name, bytes, length) => {
    const path = file(name.startsWith("0") ? name : segment, bytes);
    const lines = await objects(1, [path]);
    const lsn = formatLsn(toLsn(BigInt(size + length)));
    expect(lines).toContainEqual({
      ...{ notice: "damage", lsn, file: path, message: message(length) },
      ...{ code: "TRUNCATED", path: "XLogLongPageHeaderData.xlp_seg_size", offset: length },
    });
    const quiet = await wal(["-q", path]);
    expect([quiet.status, quiet.stdout]).toEqual([1, `✘ damage in ${path}: ${message(length)}\n`]);
    const decoded = await runWalwire(["decode", path]);
    expect(decoded.status).toBe(1);
    expect(decoded.stdout).toContain(`✘ TRUNCATED at byte ${length}: ${message(length)}\n`);
  });

  test("is good if it is partial, and that is said", async () => {
    const path = file(`${segment}.partial`, whole.subarray(0, 100_000));
    expect((await objects(0, [path])).map(({ message }) => message)).toContain(
      `this segment is partial: ${message(100_000)}`,
    );
    expect((await runWalwire(["decode", path])).status).toBe(0);
    expect((await objects(0, [file(segment, whole)])).map(({ notice }) => notice)).not.toContain("damage");
  });

  test("recovery does not get beyond it", async () => {
    const path = file(segment, whole.subarray(0, 250_000));
    const lines = await objects(1, [path, "--target-lsn", "0/1F0000"]);
    expect(lines.map(({ notice }) => notice)).toEqual(["damage", "end", undefined]);
    const reached = await objects(0, [path, "--target-lsn", "0/110000"]);
    expect(reached.at(-1).stop.at).toBe("location");
  });

  test("a damaged archive is damage", async () => {
    const path = file("wal.tar", new Uint8Array(0));
    execFileSync("tar", ["--format=ustar", "-cf", path, "-C", folder, basename(file(segment, whole))]);
    expect((await wal(["-q", path])).status).toBe(0);
    truncateSync(path, 512 + 1_000_000);
    const { status, stdout } = await wal(["-q", path]);
    expect([status, stdout.split("\n")]).toEqual([
      1,
      [
        `✘ damage in ${path}: COPY stream ended before last file was finished`,
        `✘ damage in ${path}/${segment}: ${message(1_000_000)}`,
        "",
      ],
    ]);
  });
});

describe("what it says", () => {
  test("damage in the server's words, with where it is", async () => {
    const damaged = Uint8Array.from(page);
    damaged[0x1778 + 30]! ^= 1;
    const result = await objects(1, [file("damaged", damaged)]);
    expect(result.at(-1)).toMatchObject({
      notice: "damage",
      lsn: "0/2001778",
      message: "incorrect resource manager data checksum in record at 0/2001778",
    });
    const people = await wal([join(folder, "damaged")]);
    expect(people.status).toBe(1);
    expect(people.stdout).toContain("✘ damage");
  });

  test("a record whose data is not what its operation has is shown, and said to be damaged", async () => {
    const writer = new WalWriter({ server: "18" });
    writer.write({ rmid: 1, info: 0, xid: 9, mainData: Uint8Array.of(1, 2, 3) });
    writer.write({ rmid: 0, info: 0x20, xid: 10 });
    const path = file("short", writer.take());
    const [first, second] = await objects(1, [path]);
    expect(first).toMatchObject({
      operation: "COMMIT",
      rest: "\\x010203",
      error: { code: "TRUNCATED", path: "XlXactCommit.xactTime", offset: 0 },
    });
    expect(second).toMatchObject({ xid: 10 });
    expect((await wal([path])).stdout).toMatch(/COMMIT[^\n]*\n✘ TRUNCATED XlXactCommit.xactTime needs 8 bytes/);
  });

  test("a record that is cut off, and one that was never written", async () => {
    const cut = (await objects(0, [file("cut", page.subarray(0, 0x1790))])).at(-1);
    expect(cut).toMatchObject({ notice: "end", lsn: "0/2001778" });
    expect(cut.message).toBe("the record at 0/2001778 is incomplete: the input ends at 0/2001790");
    const ended = Uint8Array.from(page);
    ended.fill(0, 0x1778);
    const [end] = (await objects(0, [file("ended", ended)])).slice(-1);
    expect(end.message).toBe("invalid record length at 0/2001778: expected at least 24, got 0");
  });

  test("chosen records", async () => {
    const lsns = async (...args: string[]) => (await objects(0, [good, ...args])).map(({ lsn }) => lsn);
    expect((await objects(0, [good, "--rmgr", "standby"])).filter(({ notice }) => notice === undefined).length).toBe(4);
    expect(await lsns("--start", "0/2001778", "--end", "0/20017F8")).toEqual(["0/2001778", "0/20017C8"]);
    expect(await lsns("--xid", "755")).toEqual(["0/2001778", "0/20017C8", "0/2002000"]);
  });

  test("numbers of all, as JSON", async () => {
    const all = await objects(0, [good]);
    const { stats } = (await objects(0, [good, "--stats"])).at(-1);
    expect(stats).toMatchObject({
      count: 125,
      transactions: { committed: 4, aborted: 1, open: 0 },
      first: "0/2000028",
    });
    const sum = all.reduce((total, { length }) => total + (length ?? 0), 0);
    expect(stats.recordBytes + stats.imageBytes).toBe(sum);
    expect(stats.operations["Heap/INSERT"].count).toBe(all.filter(({ operation }) => operation === "INSERT").length);
    expect(stats.transactions.largest[0].xid).toBe(753);
  });
});

describe("where recovery stops", () => {
  const stops = async (...args: string[]) => (await objects(0, [good, ...args])).at(-1);

  test.each([
    [["--target-name", "before the clean-up"], "0/2001860", "after", 755],
    [["--target-xid", "755"], "0/20017F8", "after", 755],
    [["--target-xid", "755", "--exclusive"], "0/20017C8", "before", 754],
    [["--target-lsn", "0/2001700"], "0/2001748", "after", 753],
    [["--target-lsn", "0/2001708", "--exclusive"], "0/2001708", "before", 753],
    [["--target-time", "2026-11-27T05:03:29.479114Z"], "0/20018A0", "before", 755],
    [["--target-time", "2026-11-27 05:03:29.479114+00", "--exclusive"], "0/20017C8", "before", 754],
    [["--target-time", "2026-11-27 06:03:29.5+01"], "0/20018A0", "before", 755],
  ])("%j", async (args, position, side, xid) => {
    expect(await stops(...args)).toMatchObject({
      stop: { position, side },
      lastCommit: { xid },
      checkpoint: { lsn: "0/2000080", redo: "0/2000028", shutdown: false },
    });
  });

  test("a target that is not reached is said so", async () => {
    const result = await wal([good, "--target-name", "never"]);
    expect(result.status).toBe(1);
    expect(result.stdout).toContain('✘ no restore point "never" in this WAL');
    expect((await objects(1, [good, "--target-time", "2030-01-01 00:00:00+00"])).at(-1).stop).toBe(null);
  });
});

test.each([
  [[], "missing FILE"],
  [[good, "--start", "x"], "0/16B3748"],
  [[good, "--xid", "-1"], "missing value: --xid N"],
  [[good, "--xid", "x"], "--xid: expected a number from 0 to 4294967295"],
  [[good, "--target-time", "yesterday"], "yesterday"],
  [[good, "--target-xid", "1", "--target-name", "a"], "--target-xid and --target-name are mutually exclusive"],
  [[good, "--exclusive"], "--exclusive requires --target-time, --target-xid or --target-lsn"],
  [[good, "--target-name", "a", "--stats"], "--target-name and --stats are mutually exclusive"],
  [[good, "--server", "8"], "unknown server version"],
])("%j is a wrong call", async (args, words) => {
  const result = await wal(args);
  expect(result.status).toBe(2);
  expect(result.stderr).toContain(words);
  expect(result.stderr).toMatch(/^walwire wal: .*\nSee walwire wal --help\.\n$/);
  expect(result.stdout).toBe("");
});
