/**
 * `npm run bench`: the time to parse a backup manifest and to verify a backup, next to pg_verifybackup 15 on the same files in the same
 * run. Times are the best of several rounds, in which the two alternate; the page cache is warm.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathOf } from "../test/programs/programs.ts";
import { machine, verdict } from "./measure.ts";

// The compiled code: the loader of the sources would make functions slower.
const dist = (path: string) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { BackupManifestWriter } = (await dist(
  "files/manifest/index.js",
)) as typeof import("../src/files/manifest/index.ts");
const { crc32c } = (await dist("kernel/crc32c.js")) as typeof import("../src/kernel/crc32c.ts");

/** The least acceptable ratio of pg_verifybackup's time to ours. */
const goal = 0.7;
const rounds = 3;

const folder = mkdtempSync(join(tmpdir(), "walwire-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function program(args: readonly string[]): number {
  const started = performance.now();
  const { status, stderr } = spawnSync(pathOf("pg_verifybackup"), ["-n", ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`pg_verifybackup: ${stderr.slice(0, 500)}`);
  return performance.now() - started;
}

/**
 * The time of an expression that returns a promise, in a separate process: functions loaded by tsx, even those of dist, are two to three
 * times slower. The start of Node, another 40 ms, is not included.
 */
function plain(module: string, expression: string): number {
  const script = `
    import { createHash } from "node:crypto";
    import { openSync, readSync } from "node:fs";
    import * as it from ${JSON.stringify(new URL(`../dist/${module}`, import.meta.url).href)};
    const sha256 = () => createHash("sha256");
    /** Up to hundreds of MB, so it is not read as a whole. */
    function* pieces(path) {
      const [file, buffer] = [openSync(path), new Uint8Array(65536)];
      for (let count; (count = readSync(file, buffer)) > 0; ) yield buffer.subarray(0, count);
    }
    function* parsed(reader, path) {
      for (const piece of pieces(path)) yield* reader.push(piece);
      yield* reader.end();
    }
    const started = performance.now();
    await ${expression};
    console.log(performance.now() - started);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

function compare(name: string, unit: string, amount: number, theirs: () => number, ours: () => number): void {
  let [their, our] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < rounds; round++) {
    their = Math.min(their, theirs());
    our = Math.min(our, ours());
  }
  const ratio = their / our;
  console.log(
    `| ${name} | ${their.toFixed(0)} ms | ${our.toFixed(0)} ms | ${((amount / our) * 1000).toFixed(0)} ${unit}/s | ${verdict(ratio, "≥", goal, "pg_verifybackup")} |`,
  );
}

function fileOf(path: string, size: number, checksum: Uint8Array) {
  const lastModified = "2026-11-27 03:54:00 GMT";
  return { path, encoded: false, size: BigInt(size), lastModified, checksumAlgorithm: "CRC32C" as const, checksum };
}

function crcBytes(bytes: Uint8Array): Uint8Array {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32c(bytes));
  return sum;
}

const sha256 = () => createHash("sha256");
const writer = () => new BackupManifestWriter({ version: 1, systemIdentifier: undefined, sha256 });

console.log(`${machine}; pg_verifybackup 15 -n\n`);
console.log("| | pg_verifybackup | walwire | walwire | ratio |\n|---|--:|--:|--:|---|");

// Parsing: pg_verifybackup should not look for files, so all paths in the manifest are ignored.
const small = join(folder, "small");
mkdirSync(small);
const many = writer();
const FILES = 100_000;
const chunks = Array.from({ length: FILES }, (_, i) =>
  many.file(fileOf(`base/16384/${16384 + i}`, 8192 * (i % 100), Uint8Array.of(i, i >> 8, i >> 16, 7))),
);
writeFileSync(join(small, "backup_manifest"), Buffer.concat([...chunks, many.end([])]));
compare(
  "parse a manifest of 100,000 files",
  "files",
  FILES,
  () => program(["-s", "-i", "base", small]),
  () =>
    plain(
      "files/manifest/index.js",
      `it.collectManifest(parsed(new it.BackupManifestReader({ server: "15", sha256 }), ${JSON.stringify(join(small, "backup_manifest"))}))`,
    ),
);

// Verifying a gigabyte.
const large = join(folder, "large");
mkdirSync(join(large, "base/1"), { recursive: true });
const block = Buffer.alloc(16 * 1024 * 1024, "walwire ");
const gigabyte = writer();
const parts = Array.from({ length: 64 }, (_, i) => {
  block.writeUInt32LE(i, 0);
  writeFileSync(join(large, `base/1/${i}`), block);
  return gigabyte.file(fileOf(`base/1/${i}`, block.length, crcBytes(block)));
});
writeFileSync(join(large, "backup_manifest"), Buffer.concat([...parts, gigabyte.end([])]));
compare(
  "verify 1 GB, CRC-32C",
  "MB",
  64 * 16.8,
  () => program([large]),
  () =>
    plain(
      "node/verify-backup.js",
      `it.verifyBackup(${JSON.stringify(large)}, { server: "15", parseWal: false }).then(({ ok }) => ok || Promise.reject())`,
    ),
);
