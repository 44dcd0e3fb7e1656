/** Backup manifests, good and damaged: what PostgreSQL 15's pg_verifybackup says. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { backupManifest, backupManifestText } from "../../src/arbitraries/index.ts";
import { BackupManifestReader } from "../../src/files/manifest/index.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { lossyText } from "../../test/manifests.ts";
import { runProgram } from "../../test/programs/programs.ts";
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

  ours({ base64 }) {
    const reader = new BackupManifestReader({
      server: judge,
      judge: "pg_verifybackup",
      sha256: () => createHash("sha256"),
    });
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
