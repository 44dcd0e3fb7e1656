/** Backup manifests of real servers, and what servers say to those that a client sends. */
import { createHash } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { backupManifest, backupManifestText } from "../../src/arbitraries/index.ts";
import { manifestCapabilities } from "../../src/files/capabilities.ts";
import { BackupManifestReader, parseBackupManifest, printBackupManifest } from "../../src/files/manifest/index.ts";
import { checksumLengths } from "../../src/files/manifest/types.ts";
import { numbersOf } from "../fuzz/damage.ts";
import { lossyText, takeManifest, uploadManifest } from "../manifests.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { type RawConnection, startServer } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

const algorithms = ["CRC32C", "SHA224", "SHA256", "SHA384", "SHA512", "NONE"] as const;
const sha256 = () => createHash("sha256");

async function connect(major: number): Promise<RawConnection> {
  const connection = await liveServer(major).connect({ replication: "true" });
  onTestFinished(() => connection.close());
  return connection;
}

const withManifests = liveMajors.filter((major) => manifestCapabilities.supports(major, "backupManifest"));

describe.each(withManifests)("PostgreSQL %d", (major) => {
  test("its manifest is read, and written again byte for byte", { timeout: 60_000 }, async () => {
    const server = liveServer(major).versionNum;
    const checksums = algorithms[major % algorithms.length]!;
    const encode = major % 2 === 0;
    const bytes = await takeManifest(await connect(major), server, { checksums, encode });
    const manifest = parseBackupManifest(bytes, { server, sha256 });
    expect(Buffer.from(printBackupManifest(manifest, { server })).equals(bytes)).toBe(true);
    expect(manifest.files.length).toBeGreaterThan(500);
    for (const { path, encoded, checksumAlgorithm, checksum } of manifest.files) {
      expect([path, encoded, checksumAlgorithm, checksum?.length ?? 0]).toEqual([
        path,
        encode,
        checksums,
        checksumLengths[checksums],
      ]);
    }
    expect(manifest.files.map(({ path }) => path)).toEqual(expect.arrayContaining(["PG_VERSION", "global/pg_control"]));
  });
});

/** What walwire says where the server says its message. */
function verdict(chunks: readonly Uint8Array[], server: number, systemIdentifier: bigint): string | undefined {
  const reader = new BackupManifestReader({ server, judge: "server", systemIdentifier, sha256 });
  try {
    for (const chunk of chunks) reader.push(chunk);
    reader.end();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const withUpload = liveMajors.filter((major) => manifestCapabilities.supports(major, "manifestInPieces"));

describe.each(withUpload)("what PostgreSQL %d says to UPLOAD_MANIFEST, walwire says", (major) => {
  const { versionNum } = liveServer(major);

  async function systemIdentifier(): Promise<bigint> {
    const { rows } = await liveServer(major).sql("SELECT system_identifier FROM pg_control_system()");
    return BigInt(rows[0]![0]!);
  }

  test("of texts that are right, almost right and hostile", { timeout: 60_000 * Math.max(1, times) }, async () => {
    const own = await systemIdentifier();
    const connection = await connect(major);
    const value = backupManifest({ maxFiles: 3 }).map((manifest) =>
      manifest.files.length === 1 ? manifest : { ...manifest, version: 2 as const, systemIdentifier: own },
    );
    const texts = fc.sample(backupManifestText(value), { seed, numRuns: 800 * Math.max(1, times) });
    const said = new Map<string, number>();
    for (const text of texts) {
      const theirs = await uploadManifest(connection, [text]);
      const ours = verdict([text], versionNum, own);
      expect(ours === undefined ? undefined : lossyText(ours), Buffer.from(text).toString("latin1")).toBe(theirs);
      const kind = theirs?.replace(/".*"|\d+/gs, "…") ?? "taken";
      said.set(kind, (said.get(kind) ?? 0) + 1);
    }
    if (process.env.WALWIRE_SAID) console.log(said);
    expect(said.size).toBeGreaterThan(20);
    expect(said.get("taken")).toBeGreaterThan(texts.length / 40);
  });

  test("wherever its messages and its own pieces end", { timeout: 60_000 * Math.max(1, times) }, async () => {
    const own = await systemIdentifier();
    const connection = await connect(major);
    const tokens = ["1.5", "1-2", '"a', '"\\u0041b"', '"\\ud83d"', "truex", '"x\u0001"', "}", " ", '"\\\\"'];
    const next = numbersOf(seed, major);
    const said = new Set<string>();
    // First each token across the end of a piece: one, two and three bytes of it before that.
    const across = tokens.flatMap((token) => [1, 2, 3].map((before) => ({ token, before })));
    for (let i = 0; i < across.length + 20 * Math.max(1, times); i++) {
      const aimed = across[i];
      const files = Array.from({ length: aimed ? 2000 : 1200 + (next() % 900) }, (_, k) => ({
        path: `base/1/${k}`,
        encoded: false,
        size: BigInt(k),
        lastModified: "2026-11-27 03:54:00 GMT",
        checksumAlgorithm: "NONE" as const,
        checksum: undefined,
      }));
      const bytes = printBackupManifest({ version: 2, systemIdentifier: own, files, walRanges: [] }, { sha256 });
      // Up to how many bytes a server parses at once depends on how they come.
      const length = aimed ? 50_000 : 1 + (next() % 60_000);
      const edge = Math.floor(131072 / length) * length - 1024;
      const all = Buffer.from(bytes);
      const where = (aimed ? all.lastIndexOf("Size", edge - 10) : all.indexOf("Size", edge - 60 + (next() % 120))) + 7;
      const token = Buffer.from(aimed?.token ?? tokens[next() % tokens.length]!);
      const fill = Buffer.alloc(aimed ? edge - aimed.before - where : next() % 70, " ");
      const text =
        !aimed && i % 5 === 0
          ? bytes
          : Buffer.concat([bytes.subarray(0, where), fill, token, bytes.subarray(where + 1)]);
      const chunks = Array.from({ length: Math.ceil(text.length / length) }, (_, k) =>
        text.subarray(k * length, (k + 1) * length),
      );
      const theirs = await uploadManifest(connection, chunks);
      const ours = verdict(chunks, versionNum, own);
      expect(ours === undefined ? undefined : lossyText(ours), `pieces of ${length}`).toBe(theirs);
      said.add(theirs?.replace(/".*"|\d+/gs, "…") ?? "taken");
    }
    expect(said.size).toBeGreaterThan(3);
    expect(said).toContain("taken");
  });
});

const oldest = withManifests[0]!;

test(`PostgreSQL ${oldest} writes a name that is not UTF-8 in hexadecimal digits`, { timeout: 60_000 }, async () => {
  const server = await startServer({ major: oldest });
  onTestFinished(() => server.stop());
  const name = Buffer.concat([Buffer.from(`${server.dataDirectory}/base/a`), Buffer.of(0xe9), Buffer.from('b"\n')]);
  writeFileSync(name, "content");
  chmodSync(name, 0o644);
  const connection = await server.connect({ replication: "true" });
  onTestFinished(() => connection.close());
  const bytes = await takeManifest(connection, server.versionNum);
  const manifest = parseBackupManifest(bytes, { server: server.versionNum });
  expect(manifest.files.find(({ path }) => path.startsWith("base/a"))).toMatchObject({
    path: 'base/a\udce9b"\n',
    encoded: true,
    size: 7n,
  });
  expect(Buffer.from(printBackupManifest(manifest, { server: server.versionNum })).equals(bytes)).toBe(true);
});
