/**
 * A full backup and two incremental ones, good and damaged in every way: the messages are those that pg_combinebackup 18
 * gave for chains damaged in the same ways.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArgumentError, UnsupportedError } from "../../src/kernel/errors.ts";
import { verifyBackupChain } from "../../src/node/verify-backup.ts";
import { chainContents, controlFile, incrementalFile, makeBackup, makeChain } from "../backups.ts";
import { runWalwire } from "../walwire.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-chain-"));
const good = join(folder, "good");

afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => makeChain(good));

let made = 0;

/** A copy of the chain, damaged. */
function chain(damage: (path: (name: string) => string) => void = () => {}): string {
  const directory = join(folder, String(made++));
  cpSync(good, directory, { recursive: true });
  damage((name) => join(directory, name));
  return directory;
}

const names = Object.keys(chainContents);

async function problemsOf(directory: string, of: readonly string[] = names) {
  const { ok, problems } = await verifyBackupChain(
    of.map((name) => join(directory, name)),
    { parseWal: false },
  );
  expect(ok).toBe(problems.length === 0);
  return problems.map(({ message, ...rest }) => ({ ...rest, message: message.replaceAll(`${directory}/`, "") }));
}

test("a chain is intact, and only the WAL of its last backup is read", async () => {
  const directories = names.map((name) => join(good, name));
  const { verdict, warnings, backups } = await verifyBackupChain(directories);
  expect([verdict, warnings]).toEqual(["intact", []]);
  expect(backups.map(({ ok, walChecked }) => [ok, walChecked])).toEqual([
    [true, false],
    [true, false],
    [true, true],
  ]);
  expect(await problemsOf(good, ["full"])).toEqual([]);
});

const both = "base/1/INCREMENTAL.1259";
const edit = (path: string, change: (bytes: Buffer) => Buffer | string): void =>
  writeFileSync(path, change(readFileSync(path)));
const setNumber = (number: number, at: number) => (path: string) =>
  edit(path, (bytes) => {
    bytes.writeUInt32LE(number, at);
    return bytes;
  });
const relabel = (from: string, to: string) => (path: string) => edit(path, (text) => text.toString().replace(from, to));

describe("the first problem is pg_combinebackup's", () => {
  test.each<[string, readonly string[], string]>([
    ["a gap", ["full", "second"], 'backup at "full" starts at LSN 0/1000028, but expected 0/1800028'],
    [
      "no full backup",
      ["first", "second"],
      'backup at "first" is an incremental backup, but the first backup should be a full backup',
    ],
    [
      "another order",
      ["second", "first", "full"],
      'backup at "full" is a full backup, but only the first backup should be a full backup',
    ],
    ["no such directory", ["full", "third"], 'could not open file "third/PG_VERSION": No such file or directory'],
  ])("%s", async (_, of, message) => {
    expect((await problemsOf(good, of))[0]!.message).toBe(message);
  });

  test.each<[message: string, kind: string, file: string, damage: (path: string) => void]>([
    ['could not open file "second/PG_VERSION": No such file or directory', "chain", "second/PG_VERSION", rmSync],
    [
      "second/PG_VERSION: could not parse version number",
      "chain",
      "second/PG_VERSION",
      (path) => writeFileSync(path, "18"),
    ],
    ["second/PG_VERSION: server version too old", "chain", "second/PG_VERSION", (path) => writeFileSync(path, "9.6\n")],
    [
      "first/global/pg_control: CRC is incorrect",
      "control file",
      "first/global/pg_control",
      (path) => edit(path, (bytes) => bytes.fill(1, 40, 41)),
    ],
    [
      "full/global/pg_control: unexpected control file version",
      "control file",
      "full/global/pg_control",
      (path) => writeFileSync(path, controlFile({ version: 1300 })),
    ],
    [
      "full/global/pg_control: expected system identifier 7712700038425239164, but found 5",
      "chain",
      "full/global/pg_control",
      (path) => writeFileSync(path, controlFile({ identifier: 5n })),
    ],
    [
      'could not read file "first/global/pg_control": read 100 of 296',
      "control file",
      "first/global/pg_control",
      (path) => truncateSync(path, 100),
    ],
    ['could not open file "first/backup_label": No such file or directory', "chain", "first/backup_label", rmSync],
    [
      'file "first/backup_label" is too large',
      "chain",
      "first/backup_label",
      (path) => writeFileSync(path, "\n".repeat(12000)),
    ],
    [
      "first/backup_label: could not find START WAL LOCATION",
      "chain",
      "first/backup_label",
      (path) => writeFileSync(path, ""),
    ],
    ["first/backup_label: could not parse START WAL LOCATION", "chain", "first/backup_label", relabel("0/18", "x/18")],
    [
      "first/backup_label: improper terminator for START WAL LOCATION",
      "chain",
      "first/backup_label",
      relabel(" (file", "(file"),
    ],
    ["first/backup_label: could not find START TIMELINE", "chain", "first/backup_label", relabel("START TIME", "TIME")],
    [
      "first/backup_label: could not parse TLI for START TIMELINE",
      "chain",
      "first/backup_label",
      relabel("LINE: 1", "LINE: 1x"),
    ],
    ["first/backup_label: invalid TLI", "chain", "first/backup_label", relabel("LINE: 1", "LINE: 0")],
    [
      "first/backup_label: could not parse INCREMENTAL FROM TLI",
      "chain",
      "first/backup_label",
      relabel("TLI: 1", "TLI: x"),
    ],
    [
      "first/backup_label: improper terminator for INCREMENTAL FROM LSN",
      "chain",
      "first/backup_label",
      relabel("LSN: 0/1000028", "LSN: 0/1000028 "),
    ],
    [
      "first/backup_label: INCREMENTAL FROM LSN requires INCREMENTAL FROM TLI",
      "chain",
      "first/backup_label",
      relabel("FROM TLI", "TLI"),
    ],
    [
      "first/backup_label: INCREMENTAL FROM TLI requires INCREMENTAL FROM LSN",
      "chain",
      "first/backup_label",
      relabel("FROM LSN", "LSN"),
    ],
    [
      'backup at "first" starts on timeline 2, but expected 1',
      "chain",
      "first/backup_label",
      relabel("LINE: 1", "LINE: 2"),
    ],
    [
      "backup manifest version 1 does not support incremental backup",
      "chain",
      "first",
      (path) => makeBackup(path, { version: 1, of: chainContents.first }),
    ],
    [
      `file "second/${both}" has bad incremental magic number (0x1, expected 0xd3ae1f0d)`,
      "incremental",
      `second/${both}`,
      setNumber(1, 0),
    ],
    [
      `file "second/${both}" has block count 131073 in excess of segment size 131072`,
      "incremental",
      `second/${both}`,
      setNumber(131073, 4),
    ],
    [
      `file "first/${both}" has truncation block length 131073 in excess of segment size 131072`,
      "incremental",
      `first/${both}`,
      setNumber(131073, 8),
    ],
    [
      `could not read file "first/${both}": read 2 of 4`,
      "incremental",
      `first/${both}`,
      (path) => truncateSync(path, 6),
    ],
    [
      `could not read from file "second/${both}", offset 8192: read 100 of 8192`,
      "incremental",
      `second/${both}`,
      (path) => truncateSync(path, 8292),
    ],
    [
      `could not read from file "first/${both}", offset 8192: read 0 of 8192`,
      "incremental",
      `first/${both}`,
      (path) => truncateSync(path, 12 + 4),
    ],
    [`could not open file "first/${both}": No such file or directory`, "incremental", `first/${both}`, rmSync],
    [`could not open file "full/${both}": No such file or directory`, "incremental", "full/base/1/1259", rmSync],
    [
      `full backup contains unexpected incremental file "full/${both}"`,
      "incremental",
      "full/base/1/1259",
      (path) => {
        rmSync(path);
        writeFileSync(path.replace("1259", "INCREMENTAL.1259"), incrementalFile([0]));
      },
    ],
    [
      'could not open directory "second/pg_tblspc": No such file or directory',
      "chain",
      "second/pg_tblspc",
      (path) => rmSync(path, { recursive: true }),
    ],
    [
      'target of symbolic link "second/pg_tblspc/5" is relative',
      "chain",
      "second/pg_tblspc/5",
      (path) => symlinkSync("x", path),
    ],
  ])("%s", async (message, kind, file, damage) => {
    const [first] = await problemsOf(chain((path) => damage(path(file))));
    expect(first).toMatchObject({ message, kind });
  });
});

describe("where pg_combinebackup accepts", () => {
  test("what the manifests do not say, it is damage", async () => {
    const directory = chain((path) => {
      // Blocks that no backup has count as zeros there.
      truncateSync(path("full/base/1/1259"), 0);
      writeFileSync(path("second/base/INCREMENTAL.1"), "outside of the directories of databases");
    });
    expect(await problemsOf(directory)).toMatchObject([
      { backup: join(directory, "full"), kind: "size", path: "base/1/1259" },
      { backup: join(directory, "second"), kind: "extra", path: "base/INCREMENTAL.1" },
    ]);
  });

  test("a missing manifest, it cannot be known", async () => {
    const directory = chain((path) => rmSync(path("full/backup_manifest")));
    expect(await problemsOf(directory)).toMatchObject([{ kind: "unreadable" }]);
  });

  // pg_combinebackup 17.12 and 18.7 say so too; before, it took memory for as many blocks.
  test("a block number beyond the segment", async () => {
    const directory = chain((path) => setNumber(131072, 12)(path(`second/${both}`)));
    const message = `file "second/${both}" has block number 131072 in excess of segment size 131072`;
    expect((await problemsOf(directory))[0]!.message).toBe(message);
  });
});

test("a backup in archives cannot be in a chain, which is one problem and not one for each file", async () => {
  const directory = chain((path) => {
    const files = readdirSync(path("second")).filter((name) => name !== "backup_manifest");
    execFileSync("tar", ["-cf", path("base.tar"), "-C", path("second"), ...files]);
    for (const name of files) rmSync(path(`second/${name}`), { recursive: true });
    renameSync(path("base.tar"), path("second/base.tar"));
  });
  const { problems } = await verifyBackupChain(
    names.map((name) => join(directory, name)),
    { parseWal: false },
  );
  expect(problems.map(({ message, hint }) => [message.replaceAll(`${directory}/`, ""), hint])).toEqual([
    [
      'could not open file "second/PG_VERSION": No such file or directory',
      "Unpack its archives first: backups are combined as directories.",
    ],
  ]);
});

test("a backup without its PG_VERSION is taken for archives, unless the format is said to be plain", async () => {
  const directory = chain((path) => rmSync(path("first/PG_VERSION")));
  const directories = names.map((name) => join(directory, name));
  const messages = async (format: "plain" | undefined) =>
    (await verifyBackupChain(directories, { parseWal: false, format })).problems.map(({ message }) => message);
  expect(await messages("plain")).toEqual(['"PG_VERSION" is present in the manifest but not on disk']);
  expect((await messages(undefined)).length).toBeGreaterThan(1);
  await expect(verifyBackupChain(directories, { format: "tar" as "plain" })).rejects.toThrow(ArgumentError);
  const { stdout } = await runWalwire(["verify-backup", "-n", "-F", "plain", ...names], { cwd: directory });
  expect(stdout.split("\n").filter((line) => line.startsWith("✘"))).toEqual([
    '✘ first: "PG_VERSION" is present in the manifest but not on disk',
    "✘ 1 problem: do not rely on this backup",
  ]);
});

test("a control file that is older than its backup is a warning: its checksum in the manifest is the same", async () => {
  const label = readFileSync(join(good, "second/backup_label"), "utf8");
  const began = /CHECKPOINT LOCATION: 0\/(\S+)/.exec(label)![1]!;
  const of = (checkPoint: bigint) =>
    chain((path) => writeFileSync(path("second/global/pg_control"), controlFile({ checkPoint })));
  const warningsOf = async (directory: string) => {
    const found = await verifyBackupChain(names.map((name) => join(directory, name)));
    expect(found.verdict).toBe("intact");
    return found.warnings.map((message) => message.replaceAll(`${directory}/`, ""));
  };
  expect(await warningsOf(of(0x900n))).toEqual([
    `"second/global/pg_control" is not of this backup: its checkpoint is at 0/900, before that of backup_label at 0/${began}`,
  ]);
  expect(await warningsOf(of(BigInt(`0x${began}`)))).toEqual([]);
});

test("a FIFO is not waited for", async () => {
  const fifo = (path: string): void => {
    rmSync(path);
    execFileSync("mkfifo", [path]);
  };
  for (const name of [
    "first/backup_label",
    "second/PG_VERSION",
    "full/global/pg_control",
    "full/base/1/1259",
    `second/${both}`,
    "first/backup_manifest",
  ]) {
    const problems = await problemsOf(chain((path) => fifo(path(name))));
    expect(problems.length, name).toBeGreaterThan(0);
  }
});

test("with other checksums in one backup there is a warning", async () => {
  const directory = chain((path) => writeFileSync(path("second/global/pg_control"), controlFile({ checksums: 1 })));
  const { warnings } = await verifyBackupChain(names.map((name) => join(directory, name)));
  expect(warnings).toEqual(["only some backups have checksums enabled"]);
});

test("the first problem can be the last", async () => {
  const directory = chain((path) => {
    truncateSync(path(`second/${both}`), 8192);
    mkdirSync(path("second/base/1/dir"));
    writeFileSync(path("full/extra"), "");
  });
  const directories = names.map((name) => join(directory, name));
  const { problems, backups } = await verifyBackupChain(directories, { exitOnError: true });
  expect([problems.length, backups.length]).toEqual([1, 0]);
});

test("versions before 17, and no backup at all, are an error", async () => {
  await expect(verifyBackupChain([good], { server: "16" })).rejects.toThrow(UnsupportedError);
  await expect(verifyBackupChain([])).rejects.toThrow(ArgumentError);
});

test("on the command line several directories are a chain", async () => {
  const call = (...args: string[]) => runWalwire(["verify-backup", ...args], { cwd: good });
  const whole = await call(...names);
  expect(whole.stdout).toContain("✔ the 3 backups can be combined, and each is what its manifest says\n");
  expect(whole.status).toBe(0);
  const quick = await call(...names, "-s", "-n");
  expect(quick.stdout.split("\n").slice(3, 5)).toEqual([
    "→ checksums were not looked at",
    expect.stringMatching(/^→ the WAL that the last one needs, .* was not looked at$/),
  ]);
  expect(quick.stdout).not.toContain("compared");
  for (const directories of [["full", ""], [""]]) {
    const { status, stderr } = await call(...directories);
    expect([status, stderr]).toEqual([2, expect.stringContaining("a directory is an empty string")]);
  }
  await expect(verifyBackupChain([join(good, "full"), ""])).rejects.toThrow(ArgumentError);
  const single = await call("second");
  expect(single.stdout).toContain("this is an incremental backup");
  expect(single.status).toBe(0);
  const gap = await call("full", "second", "--jsonl");
  const lines = gap.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ problem: { kind: "chain", fatal: true } });
  expect(lines[1]).toMatchObject({ ok: false, verdict: "damaged", problems: 1, backups: [{ ok: true }, { ok: true }] });
  expect(gap.status).toBe(1);
});
