/**
 * pg_verifybackup 15 beside ours: the same lines, and the same exit status, for backups that are good, and damaged in every way that we
 * could think of. Where it goes through a hash table, its lines have no order: they are compared sorted.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
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
import { build } from "esbuild";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backupManifestText } from "../../src/arbitraries/index.ts";
import { type ChecksumAlgorithm, type ManifestWalRange, parseBackupManifest } from "../../src/files/manifest/index.ts";
import { formatLsn } from "../../src/kernel/lsn.ts";
import { segmentName } from "../../src/kernel/wal-names.ts";
import { verifyBackup } from "../../src/node/verify-backup.ts";
import { contents, makeBackup, walRanges } from "../backups.ts";
import { compile } from "../compiled.ts";
import { lossyText, withChecksum } from "../manifests.ts";
import { seed, times } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { serverUser } from "../servers/locate.ts";
import { spawnWalwire } from "../walwire.ts";
import { pathOf, runProgram } from "./programs.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-verify-"));
const compiled = compile();
let server: OwnServer;
let taken: string;

beforeAll(async () => {
  server = await startServer({ major: 15 });
  taken = join(folder, "taken");
  const args = [
    "-h",
    server.host,
    "-p",
    String(server.port),
    "-U",
    server.user,
    "-D",
    taken,
    "-X",
    "fetch",
    "-c",
    "fast",
  ];
  const { status, stderr } = await runProgram("pg_basebackup", [...args, "--no-sync"]);
  expect(status, stderr).toBe(0);
}, 60_000);

afterAll(async () => {
  await server.stop();
  compiled.remove();
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true, force: true });
});

/** What a call of the two gives: lines of standard error, sorted, and the exit status. */
interface Said {
  readonly status: number | null;
  readonly lines: readonly string[];
}

function said(status: number | null, stdout: string, stderr: string): Said {
  return { status, lines: `${stdout}${stderr}`.split("\n").sort() };
}

async function theirs(directory: string, args: readonly string[] = []): Promise<Said> {
  const { status, stdout, stderr } = await runProgram("pg_verifybackup", ["-n", ...args, directory]);
  return said(status, stdout, stderr);
}

/** The command, as a process. */
async function ours(directory: string, args: readonly string[] = []): Promise<Said> {
  const call = ["verify-backup", "--server", "15", "--plain", "-n", ...args, directory];
  const { status, stdout, stderr } = await spawnWalwire(compiled.dist, call);
  return said(status, stdout, stderr);
}

/** The function, with the options that such arguments mean. */
async function called(directory: string, args: readonly string[] = []): Promise<Said> {
  const value = (name: string) => args.flatMap((arg, i) => (args[i - 1] === name ? [arg] : []));
  const { ok, problems } = await verifyBackup(directory, {
    server: "15",
    ignore: value("-i"),
    manifestPath: value("-m")[0],
    exitOnError: args.includes("-e"),
    skipChecksums: args.includes("-s"),
    parseWal: false,
  });
  const lines = problems.map(({ message }) => `pg_verifybackup: error: ${lossyText(message)}\n`);
  const isQuiet = args.includes("-q");
  return said(ok ? 0 : 1, ok && !isQuiet ? "backup successfully verified\n" : "", lines.join(""));
}

let made = 0;

/** A good backup in a directory of its own. */
function newBackup(algorithm?: ChecksumAlgorithm): string {
  const directory = join(folder, `backup${made++}`);
  makeBackup(directory, { algorithm });
  return directory;
}

/** Changes the manifest's text, and puts the right checksum in the place of its own. */
function editManifest(directory: string, edit: (text: string) => string): void {
  const path = join(directory, "backup_manifest");
  const text = edit(readFileSync(path, "utf8"));
  writeFileSync(path, withChecksum(text.replace(/("Manifest-Checksum": ")[0-9a-f]{64}/, "$1CHECKSUM")));
}

function overwrite(path: string, at: number, text: string): void {
  const bytes = readFileSync(path);
  bytes.write(text, at);
  writeFileSync(path, bytes);
}

interface Damage {
  readonly name: string;
  readonly make: (directory: string) => void;
  readonly args?: readonly string[];
  readonly algorithm?: ChecksumAlgorithm;
}

const manifestDamage: readonly Damage[] = [
  { name: "no manifest", make: (d) => rmSync(join(d, "backup_manifest")) },
  {
    name: "a manifest that is a directory",
    make: (d) => {
      rmSync(join(d, "backup_manifest"));
      mkdirSync(join(d, "backup_manifest"));
    },
  },
  { name: "an empty manifest", make: (d) => writeFileSync(join(d, "backup_manifest"), "") },
  { name: "a manifest of blanks", make: (d) => writeFileSync(join(d, "backup_manifest"), " \n\n") },
  { name: "a scalar", make: (d) => writeFileSync(join(d, "backup_manifest"), "1\n") },
  { name: "an array", make: (d) => writeFileSync(join(d, "backup_manifest"), "[]\n") },
  { name: "an empty object", make: (d) => writeFileSync(join(d, "backup_manifest"), "{}\n") },
  {
    name: "another first field",
    make: (d) => editManifest(d, (t) => t.replace("PostgreSQL-Backup-Manifest-Version", "Version")),
  },
  { name: "version 2", make: (d) => editManifest(d, (t) => t.replace('Version": 1', 'Version": 2')) },
  { name: "version 1 as text", make: (d) => editManifest(d, (t) => t.replace('Version": 1', 'Version": "1"')) },
  { name: "version 01", make: (d) => editManifest(d, (t) => t.replace('Version": 1', 'Version": "01"')) },
  {
    name: "a system identifier",
    make: (d) => editManifest(d, (t) => t.replace('"Files"', '"System-Identifier": 1,\n"Files"')),
  },
  { name: "cut in the middle", make: (d) => truncateSync(join(d, "backup_manifest"), 900) },
  {
    name: "no newline at the end",
    make: (d) => writeFileSync(join(d, "backup_manifest"), readFileSync(join(d, "backup_manifest"), "utf8").trimEnd()),
  },
  {
    name: "a line more",
    make: (d) => writeFileSync(join(d, "backup_manifest"), `${readFileSync(join(d, "backup_manifest"), "utf8")}\n`),
  },
  {
    name: "one line",
    make: (d) =>
      writeFileSync(
        join(d, "backup_manifest"),
        `${readFileSync(join(d, "backup_manifest"), "utf8").replaceAll("\n", " ")}\n`,
      ),
  },
  { name: "a wrong checksum", make: (d) => overwrite(join(d, "backup_manifest"), 60, "q") },
  {
    name: "a checksum that is none",
    make: (d) =>
      writeFileSync(
        join(d, "backup_manifest"),
        readFileSync(join(d, "backup_manifest"), "utf8").replace(/[0-9a-f]{64}/, "nothing"),
      ),
  },
  {
    name: "a checksum in capitals",
    make: (d) =>
      writeFileSync(
        join(d, "backup_manifest"),
        readFileSync(join(d, "backup_manifest"), "utf8").replace(/[0-9a-f]{64}/, (digits) => digits.toUpperCase()),
      ),
  },
  { name: "a path twice", make: (d) => editManifest(d, (t) => t.replace("base/1/1259_fsm", "base/1/1259")) },
  {
    name: "a path that is another",
    make: (d) => editManifest(d, (t) => t.replace("base/1/1259_fsm", "base/1/1259_vm")),
  },
  {
    name: "a path in hexadecimal digits",
    make: (d) => editManifest(d, (t) => t.replace('"Path": "PG_VERSION"', '"Encoded-Path": "50475f56455253494F4E"')),
  },
  {
    name: "an odd digit in a path",
    make: (d) => editManifest(d, (t) => t.replace('"Path": "PG_VERSION"', '"Encoded-Path": "5"')),
  },
  {
    name: "a path both ways",
    make: (d) =>
      editManifest(d, (t) => t.replace('"Path": "PG_VERSION"', '"Path": "PG_VERSION", "Encoded-Path": "50"')),
  },
  { name: "no path", make: (d) => editManifest(d, (t) => t.replace('"Path": "PG_VERSION", ', "")) },
  { name: "no size", make: (d) => editManifest(d, (t) => t.replace('"Size": 8192, ', "")) },
  { name: "a size with a point", make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Size": 8192.0')) },
  { name: "a size below 0", make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Size": -8192')) },
  {
    name: "a size beyond 64 bits",
    make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Size": 99999999999999999999')),
  },
  {
    name: "a size as text, with a blank",
    make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Size": " 8192"')),
  },
  {
    name: "a field that is unknown",
    make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Mode": 1, "Size": 8192')),
  },
  { name: "a field twice", make: (d) => editManifest(d, (t) => t.replace('"Size": 8192', '"Size": 1, "Size": 8192')) },
  { name: "an algorithm that is none", make: (d) => editManifest(d, (t) => t.replace('"CRC32C"', '"MD5"')) },
  { name: "an algorithm in small letters", make: (d) => editManifest(d, (t) => t.replaceAll('"CRC32C"', '"crc32c"')) },
  { name: "no algorithm", make: (d) => editManifest(d, (t) => t.replace('"Checksum-Algorithm": "CRC32C", ', "")) },
  { name: "no checksum", make: (d) => editManifest(d, (t) => t.replace(/, "Checksum": "[0-9a-f]+"/, "")) },
  {
    name: "a checksum too short",
    make: (d) => editManifest(d, (t) => t.replace(/"Checksum": "[0-9a-f]+"/, '"Checksum": "00"')),
  },
  {
    name: "a checksum of an odd digit",
    make: (d) => editManifest(d, (t) => t.replace(/"Checksum": "[0-9a-f]+"/, '"Checksum": "0"')),
  },
  {
    name: "a checksum of letters",
    make: (d) => editManifest(d, (t) => t.replace(/"Checksum": "[0-9a-f]+"/, '"Checksum": "zz"')),
  },
  { name: "a position that is none", make: (d) => editManifest(d, (t) => t.replace("0/2000028", "here")) },
  { name: "no end position", make: (d) => editManifest(d, (t) => t.replace(/, "End-LSN": "[^"]+"/, "")) },
  {
    name: "a timeline that is none",
    make: (d) => editManifest(d, (t) => t.replace('"Timeline": 1', '"Timeline": "x"')),
  },
  { name: "bytes that are not UTF-8", make: (d) => editManifest(d, (t) => t.replace("base/1/1259_fsm", "base/1/é世")) },
  { name: "an escape that is none", make: (d) => editManifest(d, (t) => t.replace("base/1/1259_fsm", "base\\\\x")) },
  { name: "no files", make: (d) => editManifest(d, (t) => t.replace(/"Files": \[.*?\n\],/s, '"Files": [\n],')) },
  {
    name: "files in two lists",
    make: (d) => editManifest(d, (t) => t.replace('"Files": [', '"Files": [],\n"Files": [')),
  },
];

const directoryDamage: readonly Damage[] = [
  { name: "none", make: () => {} },
  { name: "none, quietly", make: () => {}, args: ["-q"] },
  { name: "none, with a slash behind the name", make: () => {}, args: ["-s"] },
  ...(["NONE", "SHA224", "SHA256", "SHA384", "SHA512"] as const).map((algorithm) => ({
    name: `a byte changed, ${algorithm}`,
    make: (d: string) => overwrite(join(d, "base/1/1259"), 5000, "!"),
    algorithm,
  })),
  { name: "a file missing", make: (d) => rmSync(join(d, "base/1/1259")) },
  { name: "a directory missing", make: (d) => rmSync(join(d, "base"), { recursive: true }) },
  {
    name: "all missing",
    make: (d) =>
      readdirSync(d).forEach((name) => void (name === "backup_manifest" || rmSync(join(d, name), { recursive: true }))),
  },
  { name: "a file more", make: (d) => writeFileSync(join(d, "base/1/1260"), "more") },
  { name: "a directory more, empty", make: (d) => mkdirSync(join(d, "base/7")) },
  { name: "a name that is not ASCII", make: (d) => writeFileSync(join(d, "base/1/é世"), "") },
  {
    name: "a name that is not UTF-8",
    make: (d) => writeFileSync(Buffer.concat([Buffer.from(`${d}/base/1/a`), Buffer.of(0xe9, 0x80)]), ""),
  },
  {
    name: "a name that is not UTF-8, in the manifest",
    make: (d) => {
      writeFileSync(Buffer.concat([Buffer.from(`${d}/base/1/a`), Buffer.of(0xe9)]), "15\n");
      editManifest(d, (t) => t.replace('"Path": "PG_VERSION"', '"Encoded-Path": "626173652f312f61e9"'));
    },
  },
  { name: "a file longer", make: (d) => writeFileSync(join(d, "base/1/1259"), "x", { flag: "a" }) },
  { name: "a file shorter", make: (d) => truncateSync(join(d, "global/1262"), 100) },
  { name: "a file empty", make: (d) => truncateSync(join(d, "global/1262"), 0) },
  { name: "a byte changed", make: (d) => overwrite(join(d, "base/1/1259"), 5000, "!") },
  { name: "the last byte changed", make: (d) => overwrite(join(d, "base/1/1259"), 16383, "!") },
  { name: "a byte changed, not looked at", make: (d) => overwrite(join(d, "base/1/1259"), 5000, "!"), args: ["-s"] },
  {
    name: "a byte changed, ignored",
    make: (d) => overwrite(join(d, "base/1/1259"), 5000, "!"),
    args: ["-i", "base/1/"],
  },
  {
    name: "a file missing, ignored",
    make: (d) => rmSync(join(d, "base/1/1259")),
    args: ["-i", "base/1/1259", "-i", "base/5"],
  },
  { name: "the beginning of a name ignored", make: (d) => rmSync(join(d, "base/1/1259")), args: ["-i", "base/1/12"] },
  {
    name: "two things wrong, ending at the first",
    make: (d) => {
      rmSync(join(d, "base/1/1259"));
      rmSync(join(d, "base/1"), { recursive: true });
      mkdirSync(join(d, "base/1"));
      writeFileSync(join(d, "base/1/only"), "");
    },
    args: ["-e"],
  },
  {
    name: "two files for one",
    make: (d) => {
      renameSync(join(d, "base/1/1259"), join(d, "base/1/12590"));
      copyFileSync(join(d, "base/1/12590"), join(d, "base/1/12591"));
    },
  },
  {
    name: "two files changed for each other",
    make: (d) => writeFileSync(join(d, "global/pg_control"), contents["global/1262"]!),
  },
  {
    name: "a file become a directory",
    make: (d) => {
      rmSync(join(d, "global/1262"));
      mkdirSync(join(d, "global/1262"));
    },
  },
  {
    name: "a directory become a file",
    make: (d) => {
      rmSync(join(d, "base"), { recursive: true });
      writeFileSync(join(d, "base"), "");
    },
  },
  { name: "a link to nowhere", make: (d) => symlinkSync("nowhere", join(d, "base/1/1260")) },
  {
    name: "a link to nowhere in the place of a file",
    make: (d) => {
      rmSync(join(d, "base/1/1259"));
      symlinkSync("nowhere", join(d, "base/1/1259"));
    },
  },
  {
    name: "a link to itself",
    make: (d) => {
      rmSync(join(d, "base/1/1259"));
      symlinkSync("1259", join(d, "base/1/1259"));
    },
  },
  {
    name: "a link to the file",
    make: (d) => {
      renameSync(join(d, "base/1/1259"), join(d, "pg_wal_of_it"));
      symlinkSync("../../pg_wal_of_it", join(d, "base/1/1259"));
    },
    args: ["-i", "pg_wal_of_it"],
  },
  {
    name: "a tablespace behind a link",
    make: (d) => {
      renameSync(join(d, "pg_tblspc/16384"), `${d}.tablespace`);
      symlinkSync(`${d}.tablespace`, join(d, "pg_tblspc/16384"));
    },
  },
  { name: "a device", make: (d) => symlinkSync("/dev/null", join(d, "base/1/null")) },
  {
    name: "files that are not looked at",
    make: (d) => {
      mkdirSync(join(d, "pg_wal"));
      for (const name of ["pg_wal/more", "postgresql.auto.conf", "recovery.signal", "standby.signal"])
        writeFileSync(join(d, name), "x");
    },
  },
  {
    name: "files that are looked at elsewhere",
    make: (d) => {
      mkdirSync(join(d, "base/1/pg_wal"));
      for (const name of ["base/1/pg_wal/more", "base/postgresql.auto.conf", "base/backup_manifest"])
        writeFileSync(join(d, name), "x");
    },
  },
  {
    name: "no directory",
    make: (d) => {
      renameSync(join(d, "backup_manifest"), `${d}.manifest`);
      rmSync(d, { recursive: true });
      symlinkSync(`${d}.manifest`, `${d}-manifest`);
    },
    args: ["-m", "MANIFEST"],
  },
  {
    name: "the manifest elsewhere",
    make: (d) => renameSync(join(d, "backup_manifest"), `${d}-manifest`),
    args: ["-m", "MANIFEST"],
  },
];

describe("with small backups", () => {
  const damages = [...manifestDamage, ...directoryDamage];

  test("there are enough kinds of damage", () => {
    expect(new Set(damages.map(({ name }) => name)).size).toBe(damages.length);
    expect(damages.length).toBeGreaterThan(60);
  });

  test.each(damages)("$name", async ({ name, make, args = [], algorithm }) => {
    const directory = newBackup(algorithm);
    make(directory);
    const call = args.map((arg) => (arg === "MANIFEST" ? `${directory}-manifest` : arg));
    const expected = await theirs(directory, call);
    expect(await called(directory, call)).toEqual(expected);
    expect(expected.lines.length).toBeGreaterThan(name === "none, quietly" ? 0 : 1);
  });
});

test("texts of manifests that are right, almost right and hostile", {
  timeout: 60_000 * Math.max(1, times),
}, async () => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  const path = join(folder, "manifest");
  const messages = new Set<string>();
  for (const text of fc.sample(backupManifestText(), { seed, numRuns: 100 * times })) {
    writeFileSync(path, text);
    const expected = await theirs(empty, ["-m", path]);
    expect(await called(empty, ["-m", path]), Buffer.from(text).toString("latin1")).toEqual(expected);
    for (const line of expected.lines) messages.add(line.replace(/".*"/gs, "…"));
  }
  // Of a few texts, several may have the same error.
  expect(messages.size).toBeGreaterThan(times < 1 ? 1 : 6);
});

describe("with a backup that pg_basebackup took", () => {
  test("it is good", async () => {
    const expected = await theirs(taken);
    expect(expected).toEqual({ status: 0, lines: ["", "backup successfully verified"] });
    expect(await ours(taken)).toEqual(expected);
    const { checked, manifest, walChecked } = await verifyBackup(taken, { server: "15" });
    // These are passed over.
    const { files } = parseBackupManifest(readFileSync(join(taken, "backup_manifest")), { server: "15" });
    const looked = files.filter(({ path }) => path !== "postgresql.auto.conf" && !path.startsWith("pg_wal/"));
    expect(checked.files).toBe(looked.length);
    expect(checked.checksums).toBe(looked.length);
    expect(checked.bytes).toBe(looked.reduce((bytes, { size }) => bytes + Number(size), 0));
    expect(manifest!.files).toBe(files.length);
    expect(walChecked).toBe(true);
  });

  test("what it writes of much that is wrong", async () => {
    const damaged = join(folder, "damaged");
    cpSync(taken, damaged, { recursive: true });
    const { files } = parseBackupManifest(readFileSync(join(damaged, "backup_manifest")), { server: "15" });
    const changed = files.filter(({ size }) => size > 0n).filter((_, i) => i % 7 === 0);
    for (const [i, { path }] of changed.entries()) {
      if (i % 3 === 0) rmSync(join(damaged, path));
      else if (i % 3 === 1) overwrite(join(damaged, path), 1, "\u0001");
      else writeFileSync(join(damaged, path), "more", { flag: "a" });
    }
    const expected = await theirs(damaged);
    expect(expected.lines.length).toBeGreaterThan(100);
    expect(await ours(damaged)).toEqual(expected);
    expect(await ours(damaged, ["-s"])).toEqual(await theirs(damaged, ["-s"]));
  });
});

/** What can be wrong with the WAL of a backup; `wal` is its directory, and `segment` in that the one that is needed. */
const walDamage: readonly {
  readonly name: string;
  readonly make: (wal: string, segment: string) => void;
  readonly args?: readonly string[];
}[] = [
  { name: "none", make: () => {} },
  { name: "no directory", make: (wal) => rmSync(wal, { recursive: true }) },
  { name: "no segment", make: (_, segment) => rmSync(segment) },
  { name: "another segment only", make: (wal, segment) => renameSync(segment, join(wal, "000000010000000000000077")) },
  {
    name: "a segment of another timeline",
    make: (wal, segment) => renameSync(segment, join(wal, otherTimeline(segment))),
  },
  {
    name: "in a pg_wal below",
    make: (wal) => {
      renameSync(wal, `${wal}2`);
      mkdirSync(wal);
      renameSync(`${wal}2`, join(wal, "pg_wal"));
    },
  },
  { name: "a segment that is empty", make: (_, segment) => truncateSync(segment, 0) },
  { name: "a segment that ends in its first page", make: (_, segment) => truncateSync(segment, 5000) },
  { name: "a segment of a page", make: (_, segment) => truncateSync(segment, 8192) },
  { name: "the first page zeros", make: (_, segment) => fill(segment, 0, 8192, 0) },
  { name: "another magic number", make: (_, segment) => fill(segment, 0, 1, 0x0d) },
  { name: "another size of segments", make: (_, segment) => fill(segment, 34, 35, 0) },
  {
    name: "a size of segments of one byte",
    make: (_, segment) => {
      fill(segment, 32, 36, 0);
      fill(segment, 32, 33, 1);
    },
  },
  { name: "a flag that is none", make: (_, segment) => fill(segment, 3, 4, 0xff) },
  ...[0x28, 0x2c, 0x30, 0x38, 0x39, 0x3c, 0x40, 0x48, 0x5c, 0x60, 0x6c, 0x90, 0xa0].map((at) => ({
    name: `byte ${at} changed`,
    make: (_: string, segment: string) => fill(segment, at, at + 1, 0x7f),
  })),
  { name: "zeros from the second record on", make: (_, segment) => fill(segment, 0x60, 8192, 0) },
  { name: "ones from the second record on", make: (_, segment) => fill(segment, 0x60, 8192, 0xff) },
  {
    name: "elsewhere",
    make: (wal) => renameSync(wal, `${wal}-elsewhere`),
    args: ["-w", "WAL-elsewhere"],
  },
  { name: "nowhere, not looked for", make: (wal) => rmSync(wal, { recursive: true }), args: ["-n"] },
  { name: "nowhere, ending at the first problem", make: (wal) => rmSync(wal, { recursive: true }), args: ["-e"] },
];

function otherTimeline(segment: string): string {
  return `00000002${segment.slice(-16)}`;
}

function fill(path: string, from: number, to: number, byte: number): void {
  const bytes = readFileSync(path);
  bytes.fill(byte, from, to);
  writeFileSync(path, bytes);
}

test("WAL is read as pg_waldump reads it", { timeout: 60_000 * Math.max(1, times) }, async () => {
  const { walRanges: ranges } = parseBackupManifest(readFileSync(join(taken, "backup_manifest")), { server: "15" });
  const [{ timeline, startLsn, endLsn }] = ranges as [ManifestWalRange];
  const ends = new Set<string>();
  // All at once: pg_waldump waits five seconds for a segment.
  const run = async ({ name, make, args = [] }: (typeof walDamage)[number]): Promise<void> => {
    const directory = newBackup();
    editManifest(directory, (t) =>
      t
        .replace("0/2000028", formatLsn(startLsn, { server: 15 }))
        .replace("0/2000100", formatLsn(endLsn, { server: 15 })),
    );
    const wal = join(directory, "pg_wal");
    cpSync(join(taken, "pg_wal"), wal, { recursive: true });
    make(wal, join(wal, segmentName(timeline, startLsn)));
    const call = ["-i", "pg_wal-elsewhere", ...args.map((arg) => arg.replace("WAL", wal))];
    const expected = await runProgram("pg_verifybackup", [...call, directory]);
    const lines: string[] = [];
    const { ok } = await verifyBackup(directory, {
      server: "15",
      ignore: ["pg_wal-elsewhere"],
      exitOnError: args.includes("-e"),
      parseWal: !args.includes("-n"),
      walPath: args.includes("-w") ? `${wal}-elsewhere` : undefined,
      onProblem({ message, waldump, hint }) {
        lines.push(`pg_waldump: error: ${waldump}\n`);
        if (hint !== undefined) lines.push(`pg_waldump: hint: ${hint}\n`);
        lines.push(`pg_verifybackup: error: ${message}\n`);
      },
    });
    const ours = { status: ok ? 0 : 1, stdout: ok ? "backup successfully verified\n" : "", stderr: lines.join("") };
    expect(ours, name).toEqual(expected);
    if (args.length > 0 || name === "none" || name === "no segment") {
      const written = ["verify-backup", "--server", "15", "--plain", ...call, directory];
      expect(await spawnWalwire(compiled.dist, written), name).toEqual(expected);
    }
    ends.add(expected.stderr.replaceAll(directory, ""));
    rmSync(wal, { recursive: true, force: true });
  };
  await Promise.all(walDamage.map(run));
  if (process.env.WALWIRE_SAID) console.log(ends);
  expect(ends.size).toBeGreaterThan(11);
});

test("the WAL is looked at by whoever is named", async () => {
  const directory = newBackup();
  const asked: unknown[] = [];
  const result = await verifyBackup(directory, {
    server: "15",
    parseWal: (range, where) => {
      asked.push([range, where]);
      return false;
    },
  });
  expect(asked).toEqual([[walRanges[0], `${directory}/pg_wal`]]);
  // What the program says when its pg_waldump fails.
  const { status, stderr } = await runProgram("pg_verifybackup", [directory]);
  expect(stderr).toContain(`pg_verifybackup: error: ${result.problems[0]!.message}\n`);
  expect(status).toBe(1);
  expect(result.problems).toHaveLength(1);
});

// A backup is also verified where a server ran on it, by mistake or to try it: all that it left is there.
describe("a directory as it lies on disk", { timeout: 60_000 }, () => {
  /** The files of a server that was started on the backup, as they would lie there after a crash. */
  async function left(from: string, run: (running: OwnServer) => Promise<unknown>): Promise<string> {
    const running = await startServer({ major: 15, from });
    try {
      await run(running);
      const copy = join(folder, `left${made++}`);
      cpSync(running.dataDirectory, copy, { recursive: true });
      return copy;
    } finally {
      await running.stop();
    }
  }

  /** Both programs with the WAL, and what they said. */
  async function bothSay(directory: string, args: readonly string[] = []): Promise<Said> {
    const program = await runProgram("pg_verifybackup", [...args, directory]);
    const expected = said(program.status, program.stdout, program.stderr);
    const call = ["verify-backup", "--server", "15", "--plain", ...args, directory];
    const { status, stdout, stderr } = await spawnWalwire(compiled.dist, call);
    expect(said(status, stdout, stderr)).toEqual(expected);
    return expected;
  }

  test("of a server that crashed, with more WAL than the backup", async () => {
    const crashed = await left(taken, async (running) => {
      await running.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id");
      await running.sql("CHECKPOINT");
      for (let i = 0; i < 3; i++) await running.sql("INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
      await running.sql("INSERT INTO t VALUES (1)");
    });
    expect(readdirSync(join(crashed, "pg_wal")).length).toBeGreaterThan(3);
    const { lines } = await bothSay(crashed);
    expect(lines.join("\n")).toMatch(/is present on disk but not in the manifest/);
    expect(lines.join("\n")).toMatch(/checksum mismatch|has size/);
    await bothSay(crashed, ["-s"]);
  });

  test("of a standby that was promoted, with a second timeline", async () => {
    const standby = join(folder, `standby${made++}`);
    cpSync(taken, standby, { recursive: true });
    writeFileSync(join(standby, "standby.signal"), "");
    const promoted = await left(standby, async (running) => {
      await running.sql("SELECT pg_promote()");
      await running.sql("CREATE TABLE t AS SELECT 1 AS id; SELECT pg_switch_wal(); CHECKPOINT");
    });
    expect(readdirSync(join(promoted, "pg_wal"))).toContain("00000002.history");
    await bothSay(promoted);
  });

  // Root may read everything: then both run as nobody, ours from one file that nobody can reach.
  test("with files and a directory that this user may not read", async () => {
    const script = join(folder, "ours.mjs");
    await build({
      stdin: {
        contents: `import { verifyBackup } from "./node/verify-backup.js";
          const { problems } = await verifyBackup(process.argv[2], { server: "15", parseWal: false });
          for (const { message } of problems) console.log("pg_verifybackup: error: " + message);`,
        resolveDir: compiled.dist,
      },
      ...{ bundle: true, platform: "node", format: "esm", outfile: script, logLevel: "silent" },
    });
    const directory = newBackup();
    chmodSync(folder, 0o755);
    execFileSync("chmod", ["-R", "a+rX", directory]);
    mkdirSync(join(directory, "closed"));
    const closed = [Object.keys(contents).find((path) => path.includes("/"))!, "closed"];
    for (const path of closed) chmodSync(join(directory, path), 0);
    const as = { ...serverUser(), encoding: "utf8", env: { PATH: process.env.PATH, LC_ALL: "C" } } as const;
    const program = spawnSync(pathOf("pg_verifybackup"), ["-n", directory], as);
    const own = spawnSync(process.execPath, [script, directory], as);
    expect(program.stderr.match(/Permission denied/g)).toHaveLength(2);
    expect(said(program.status, own.stdout, own.stderr)).toEqual(said(1, program.stdout, program.stderr));
    for (const path of closed) chmodSync(join(directory, path), 0o755);
  });
});
