/** The package as it is published: packed, put into an empty folder, and used from there. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unpackPackage } from "../../scripts/unpack.ts";
import { majors, startServer } from "../servers/index.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(import.meta.url);

let folder: string;
const packageFolder = (): string => join(folder, "node_modules", "walwire");

/** The JavaScript of the README and of the guide, each block with the sentence before it and the output that is shown after it. */
const examples = ["README.md", "docs/library.md"].flatMap((page) =>
  [
    ...readFileSync(join(root, page), "utf8").matchAll(
      /^(.+)\n\n```js\n([\s\S]*?)```\n(?:\n```text\n([\s\S]*?)```)?/gm,
    ),
  ].map(([, title, code, output]) => ({ page, title: title!, code: code!, output })),
);

/** Run a module in the empty folder while other things go on, and give what it prints. */
async function start(code: string, env: Record<string, string>): Promise<string> {
  const file = join(folder, "started.mjs");
  writeFileSync(file, code);
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    cwd: folder,
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** Run code in the empty folder, as CommonJS or as a module, and give what it prints. */
function run(code: string, type: "commonjs" | "module"): string {
  const file = join(folder, type === "module" ? "main.mjs" : "main.cjs");
  writeFileSync(file, code);
  return execFileSync(process.execPath, [file], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

let version: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "walwire-package-")));
  version = unpackPackage(packageFolder());
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, string> };
/** What needs other packages: a dependency, or a peer that the user installs. */
const needsOthers = ["./arbitraries", "./client", "./basebackup/tar", "./files/manifest", "./verify-backup"];
const alone = Object.keys(manifest.exports).filter(
  (path) => path.endsWith(".json") === false && !needsOthers.includes(path),
);

describe("the packed package", () => {
  test.each(alone)("%s can be imported and required with nothing else installed", (path) => {
    const name = path.replace(/^\./, "walwire");
    const imported = run(
      `import * as it from ${JSON.stringify(name)}; console.log(Object.keys(it).sort().join());`,
      "module",
    );
    const required = run(`console.log(Object.keys(require(${JSON.stringify(name)})).sort().join());`, "commonjs");
    expect(imported.trim().length).toBeGreaterThan(5);
    expect(required).toBe(imported);
  });

  test("every example but one shows its output: following a server takes a server", () => {
    expect(examples.length).toBe(8);
    expect(
      examples.filter(({ output }) => output === undefined).map(({ code }) => code.includes("DATABASE_URL")),
    ).toEqual([true]);
  });

  test("it works: a command is read and printed, a message decoded and encoded", () => {
    const code = (load: string) => `${load}
      const text = walwire.printCommand(walwire.parseCommand("SHOW  Wal_Level ;"));
      const bytes = walwire.encodeWalSenderMessage({ type: "Keepalive", walEnd: 1n, sendTime: 2n, replyRequested: true });
      console.log(text, walwire.decodeWalSenderMessage(bytes).walEnd);`;
    const expected = "SHOW wal_level 1n\n";
    expect(run(code('import * as walwire from "walwire";'), "module")).toBe(expected);
    expect(run(code('const walwire = require("walwire");'), "commonjs")).toBe(expected);
  });

  test("without pg, its program says what to install", () => {
    const cli = join(packageFolder(), "dist", "node", "cli.js");
    const { status, stderr } = spawnSync(process.execPath, [cli, "tail", "postgres://a@127.0.0.1:1/b"], {
      encoding: "utf8",
    });
    expect(stderr).toBe(
      "walwire: connections are opened with the package pg, which is not installed: npm install pg\n",
    );
    expect(status).toBe(3);
  });

  test("with its peers installed, the client and the arbitraries load too", () => {
    for (const name of ["pg", "fast-check"]) {
      symlinkSync(dirname(require.resolve(`${name}/package.json`)), join(folder, "node_modules", name), "dir");
    }
    mkdirSync(join(folder, "node_modules", "@noble"));
    for (const name of ["@noble/hashes", "modern-tar"]) {
      symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "dir");
    }
    for (const path of needsOthers) {
      const name = path.replace(/^\./, "walwire");
      expect(run(`import * as it from ${JSON.stringify(name)}; console.log(typeof it);`, "module")).toBe("object\n");
    }
  });

  test.each(examples.filter(({ output }) => output !== undefined))("$page: $title", ({ code, output }) => {
    expect(run(code, "module")).toBe(output);
  });

  test("docs/library.md: follow a server", async () => {
    const server = await startServer({ major: majors.at(-1)! });
    try {
      await server.sql("CREATE TABLE t (id int)");
      await server.sql("CREATE PUBLICATION p FOR TABLE t");
      const { code } = examples.find((block) => block.code.includes("DATABASE_URL"))!;
      const url = `postgres://${server.user}@/${server.database}?host=${server.host}&port=${server.port}`;
      const child = start(code, { DATABASE_URL: url });
      let ended = false;
      child.catch(() => {}).finally(() => (ended = true));
      const streams = async () =>
        (await server.sql("SELECT FROM pg_stat_replication WHERE state = 'streaming'")).rows.length;
      while (!ended && (await streams()) === 0) {}
      await server.sql("INSERT INTO t VALUES (1)");
      expect(await child).toBe("a row in t\n");
    } finally {
      await server.stop();
    }
  });

  test("its program says its version and how it is called", () => {
    const cli = join(packageFolder(), "dist", "node", "cli.js");
    expect(execFileSync(process.execPath, [cli, "--version"], { encoding: "utf8" })).toBe(`${version}\n`);
    expect(execFileSync(process.execPath, [cli, "--help"], { encoding: "utf8" })).toContain("  tail ");
  });

  test("it holds what it should, and no tests", () => {
    for (const path of ["LICENSE", "README.md", "CHANGELOG.md", "package.json", "dist/index.d.ts", "src/index.ts"]) {
      expect(existsSync(join(packageFolder(), path)), path).toBe(true);
    }
    expect(existsSync(join(packageFolder(), "test"))).toBe(false);
  });
});
