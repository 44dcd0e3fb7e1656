/** How much who bundles a part of the package for a browser has to carry. */

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** Bytes as bundlers count them: minified, and compressed with gzip -9. */
const sizes: readonly { entry: string; file: string; names: string; limit: number; reason: string }[] = [
  {
    entry: "walwire/syncrep",
    file: "syncrep/index.ts",
    names: "*",
    limit: 12 * 1024,
    reason: "a control plane's web page checks a setting with it",
  },
  {
    entry: "walwire/syncrep, parse and print",
    file: "syncrep/index.ts",
    names: "{ parseSynchronousStandbyNames, printSynchronousStandbyNames }",
    limit: 7_000,
    reason: "a form that takes the setting checks it as one types",
  },
  {
    entry: "walwire/syncrep/plan",
    file: "syncrep/plan/index.ts",
    names: "*",
    limit: 20_000,
    reason: "a control plane's web page shows the next steps with it",
  },
  {
    entry: "walwire/physical: decode, encode, context",
    file: "physical/index.ts",
    names:
      "{ decodeWalReceiverMessage, decodeWalSenderMessage, encodeWalReceiverMessage, encodeWalSenderMessage, physicalContext }",
    limit: 4_096,
    reason: "a proxy or a tool at the edge reads the envelopes and nothing else",
  },
  {
    entry: "walwire/physical, the JSON views",
    file: "physical/index.ts",
    names: "{ jsonOfWalReceiverMessage, jsonOfWalSenderMessage }",
    limit: 9_000,
    reason: "who logs messages carries their descriptions too",
  },
  {
    entry: "walwire/logical, the JSON view",
    file: "logical/index.ts",
    names: "{ jsonOfPgoutputMessage }",
    limit: 9_000,
    reason: "who logs messages carries their descriptions too",
  },
  {
    entry: "walwire/logical: all but the JSON view",
    file: "logical/index.ts",
    names: "{ decodePgoutputMessage, encodePgoutputMessage, PgoutputDecoder, TupleData, unchanged }",
    limit: 12_000,
    reason: "changes are followed in browsers and edge workers too",
  },
  {
    entry: "walwire/values",
    file: "values/index.ts",
    names: "*",
    limit: 28_000,
    reason: "rows are read where changes are followed",
  },
  {
    entry: "walwire/logical/transactions",
    file: "logical/transactions.ts",
    names: "*",
    limit: 14_000,
    reason: "who assembles transactions needs the messages, but no encoder",
  },
  {
    entry: "walwire/basebackup",
    file: "basebackup/index.ts",
    names: "*",
    limit: 17_000,
    reason: "a backup is taken apart at the edge of a store, too",
  },
  {
    entry: "walwire/basebackup, the messages",
    file: "basebackup/index.ts",
    names: "{ decodeBaseBackupMessage }",
    limit: 2_500,
    reason: "a proxy reads them and nothing else",
  },
];

/** What a bundler for browsers makes of it. It throws for what a browser has not. */
async function bundle(file: string, names: string): Promise<{ code: Uint8Array; imports: string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names} from "./${file}"`, resolveDir: src, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return {
    code: outputFiles[0]!.contents,
    imports: Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path)),
  };
}

describe("compressed", () => {
  test.each(sizes)("$entry is less than $limit bytes: $reason", async ({ file, names, limit }) => {
    const { code } = await bundle(file, names);
    const size = gzipSync(code, { level: 9 }).length;
    expect(size).toBeLessThan(limit);
    // A bundle of nothing would be small too.
    expect(size).toBeGreaterThan(limit / 3);
  });

  test("a part does not carry what it does not use", async () => {
    const { code } = await bundle("syncrep/index.ts", "*");
    const text = new TextDecoder().decode(code);
    expect(text).toContain("quorumCommit");
    expect(text).not.toMatch(/baseBackup|pgoutput|TIMELINE_HISTORY/);
  });
});

describe("for browsers", () => {
  test.each([
    "index",
    "kernel/lsn",
    "command/index",
    "syncrep/index",
    "syncrep/plan/index",
    "syncrep/standby-slots",
    "physical/index",
    "logical/index",
    "values/index",
    "files/index",
    "files/manifest/index",
    "wal/index",
    "basebackup/index",
    "logical/transactions",
    "logical/copy",
    "session/index",
  ])("%s imports nothing, of Node least of all", async (file) => {
    const { code, imports } = await bundle(`${file}.ts`, "*");
    expect(imports).toEqual([]);
    expect(new TextDecoder().decode(code)).not.toContain("node:");
  });

  test("what does import of Node is refused", async () => {
    await expect(bundle("node/client.ts", "*")).rejects.toThrow("Could not resolve");
  });
});
