/** Backup manifests, good and damaged: what PostgreSQL 15's pg_verifybackup says, and servers to UPLOAD_MANIFEST. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { backupManifest, backupManifestText } from "../../src/arbitraries/index.ts";
import { supports } from "../../src/capabilities.ts";
import { BackupManifestReader } from "../../src/files/manifest/index.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { lossyText, uploadManifest } from "../../test/manifests.ts";
import { runProgram } from "../../test/programs/programs.ts";
import type { OwnServer } from "../../test/servers/index.ts";
import type { Kind } from "./kind.ts";

interface ManifestInput {
  readonly base64: string;
}

type ManifestSaid = { readonly verdict: "accepted" } | { readonly verdict: "rejected"; readonly message: string };

/** The major whose pg_verifybackup judges. */
const judge = 15;

export const manifests: Kind<ManifestInput, ManifestSaid> = {
  name: "manifests",
  ofEachSort: 4,
  byProgram: true,

  inputs({ seed, times }) {
    const texts = fc.sample(backupManifestText(backupManifest({ maxFiles: 3 })), {
      seed,
      numRuns: Math.ceil(700 * times),
    });
    return [...new Set(texts.map((text) => Buffer.from(text).toString("base64")))].map((base64) => ({ base64 }));
  },

  async ask(server, inputs) {
    if (supports(server.versionNum, "uploadManifest")) return askServer(server, inputs);
    if (server.major !== judge) return inputs.map(() => undefined);
    const folder = mkdtempSync(join(tmpdir(), "walwire-manifests-"));
    try {
      const said: ManifestSaid[] = [];
      for (const { base64 } of inputs) {
        writeFileSync(join(folder, "backup_manifest"), Buffer.from(base64, "base64"));
        const { stderr } = await runProgram("pg_verifybackup", ["--no-parse-wal", "--skip-checksums", folder]);
        const message = stderr.replace(/^pg_verifybackup: error: /, "").replace(/\n$/, "");
        // The directory is empty: what it says of files comes after the manifest was read.
        const isRead = message === "" || /is present in the manifest but not on disk/.test(message);
        said.push(isRead ? { verdict: "accepted" } : { verdict: "rejected", message });
      }
      return said;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  ours({ base64 }, { versionNum: server }) {
    const sha256 = () => createHash("sha256");
    const reader = new BackupManifestReader(
      Math.floor(server / 10000) === judge
        ? { server: judge, judge: "pg_verifybackup", sha256 }
        : { server, judge: "server", systemIdentifier: 0n, sha256 },
    );
    try {
      reader.push(Buffer.from(base64, "base64"));
      reader.end();
      return { said: { verdict: "accepted" } };
    } catch (error) {
      if (!(error instanceof DecodeError) && !("text" in (error as object))) throw error;
      return { said: { verdict: "rejected", message: lossyText((error as Error).message) } };
    }
  },

  sort: (_, said) => (said.verdict === "accepted" ? "accepted" : said.message.replace(/".*"|\d+/gs, "…")),
};

/** A manifest with the identifier of another cluster is rejected with this server's own, which no row can have: it is not asked. */
async function askServer(server: OwnServer, inputs: readonly ManifestInput[]): Promise<(ManifestSaid | undefined)[]> {
  const connection = await server.connect({ replication: "true" });
  try {
    const said: (ManifestSaid | undefined)[] = [];
    for (const { base64 } of inputs) {
      const message = await uploadManifest(connection, [Buffer.from(base64, "base64")]);
      if (message === undefined) said.push({ verdict: "accepted" });
      else said.push(/database system identifier/.test(message) ? undefined : { verdict: "rejected", message });
    }
    return said;
  } finally {
    await connection.close();
  }
}
