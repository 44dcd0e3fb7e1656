/** walwire/verify-backup in a single file, as a bundler makes it: it has no file for a worker thread, and as CommonJS no import.meta. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { printBackupManifest } from "../../src/files/manifest/index.ts";
import { makeBackup } from "../backups.ts";
import { type Compiled, compile } from "../compiled.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-bundled-"));
const backup = join(folder, "backup");
let compiled: Compiled;

/** More than one worker's worth of bytes, all zeros, in a file with holes. */
const LARGE = 80 * 1024 * 1024;

beforeAll(() => {
  compiled = compile();
  makeBackup(backup, { version: 1 });
  writeFileSync(join(backup, "base/5/large"), "");
  truncateSync(join(backup, "base/5/large"), LARGE);
  const checksum = new Uint8Array(Buffer.from("ffffffff", "hex"));
  const file = { path: "base/5/large", encoded: false, size: BigInt(LARGE), lastModified: undefined } as const;
  const manifest = { version: 1, systemIdentifier: undefined, walRanges: [] } as const;
  const files = [{ ...file, checksumAlgorithm: "CRC32C", checksum } as const];
  writeFileSync(join(backup, "backup_manifest"), printBackupManifest({ ...manifest, files }));
});

afterAll(() => {
  compiled.remove();
  rmSync(folder, { recursive: true });
});

describe.each(["esm", "cjs"] as const)("as %s", (format) => {
  test.each([undefined, 2])("it sums up what would be worth workers, with workers: %s", async (workers) => {
    const directory = join(folder, `${format}${workers ?? ""}`);
    mkdirSync(directory);
    // A file of this name beside the bundle is somebody else's.
    writeFileSync(join(directory, "worker.js"), "setInterval(() => {}, 1000);");
    const outfile = join(directory, format === "esm" ? "bundle.mjs" : "bundle.cjs");
    const module = JSON.stringify(join(compiled.dist, "node/verify-backup.js"));
    await build({
      stdin: {
        contents: `import { verifyBackup } from ${module};
          verifyBackup(${JSON.stringify(backup)}, { parseWal: false, server: 16, ignore: ["base/1", "global"], workers: ${workers} })
            .then(({ checked, problems }) => console.log(checked.bytes, problems.map(({ kind }) => kind).sort().at(0)));`,
        resolveDir: fileURLToPath(new URL("../../", import.meta.url)),
      },
      bundle: true,
      platform: "node",
      format,
      outfile,
      logLevel: "silent",
    });
    // The checksum is another on purpose: it was compared.
    const output = execFileSync(process.execPath, [outfile], { encoding: "utf8", timeout: 60_000 });
    expect(output).toBe(`${LARGE} checksum\n`);
  });
});
