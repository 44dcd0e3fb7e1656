/** The package as it is published: packed, put into an empty folder, and used from there. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
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
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string>;
  dependencies: Record<string, string>;
};
/** What needs other packages: a dependency, or a peer that the user installs. */
const needsOthers = [
  "./arbitraries",
  "./client",
  "./server",
  "./testing",
  "./basebackup/tar",
  "./files/manifest",
  "./verify-backup",
  "./base-backup",
  "./combine-backup",
  "./dissect",
];
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

  test("every example but three shows its output: following a server takes a server, and publishing goes on", () => {
    expect(examples.length).toBe(12);
    expect(
      examples
        .filter(({ output }) => output === undefined)
        .map(({ code }) => /DATABASE_URL|setInterval/.exec(code)?.[0]),
    ).toEqual(["DATABASE_URL", "setInterval", "DATABASE_URL"]);
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
    for (const name of Object.keys(manifest.dependencies)) {
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
      const { code } = examples.find(({ code, page }) => page === "docs/library.md" && code.includes("DATABASE_URL"))!;
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

  test("it holds what its users need, and nothing else", () => {
    const files = readdirSync(packageFolder(), { recursive: true, encoding: "utf8" });
    for (const path of [
      "LICENSE",
      "README.md",
      "CHANGELOG.md",
      "package.json",
      "dist/index.d.ts",
      "docs/command-line.md",
    ]) {
      expect(files).toContain(path);
    }
    const folders = new Set(files.filter((path) => path.includes("/")).map((path) => path.slice(0, path.indexOf("/"))));
    expect([...folders].sort()).toEqual(["dist", "docs"]);
    expect(files.filter((path) => /\.map$|(?<!\.d)\.ts$|\/(demo|replica)\.|docs\/(api|style)/.test(path))).toEqual([]);
    // Nothing is left of a module that is gone: each file is the code or the types of one.
    // The conformance set is a package of its own.
    expect(files.filter((path) => /conformance\/|\.jsonl$/.test(path))).toEqual([]);

    const modules = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
    const made = files.filter((path) => /^dist\/.*\.(js|d\.ts)$/.test(path));
    const sources = new Set(modules.map((path) => path.replace(/(\.d)?\.[jt]s$/, "")));
    expect(made.filter((path) => !sources.has(path.slice("dist/".length).replace(/(\.d)?\.[jt]s$/, "")))).toEqual([]);
    // Who installs it downloads it: a megabyte takes a second on a line of 10 Mbit/s.
    expect(statSync(join(folder, "node_modules", `walwire-${version}.tgz`)).size).toBeLessThan(1_400_000);
  });

  test("what its README and guides link to is there", () => {
    const dead = ["README.md", ...readdirSync(join(packageFolder(), "docs")).map((name) => `docs/${name}`)]
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) => {
        const links = [...readFileSync(join(packageFolder(), path), "utf8").matchAll(/\]\(([^)#\s]+)[^)]*\)/g)];
        return links
          .map(([, target]) => target!)
          .filter((target) => !/^https?:/.test(target) && !existsSync(join(packageFolder(), dirname(path), target)))
          .map((target) => `${path}: ${target}`);
      });
    expect(dead).toEqual([]);
  });

  test("no map is named that is not there", () => {
    const files = readdirSync(join(packageFolder(), "dist"), { recursive: true, encoding: "utf8" });
    const named = files.filter(
      (path) =>
        /\.[jt]s$/.test(path) && readFileSync(join(packageFolder(), "dist", path), "utf8").includes("sourceMappingURL"),
    );
    expect(named).toEqual([]);
  });
});

describe.each([
  ["TypeScript 5.0", "test/typescript-5.0/node_modules/typescript"],
  ["today's TypeScript", "node_modules/typescript"],
])("types, with %s", { timeout: 120_000 }, (_, compiler) => {
  const tsc = (options: object, files: Readonly<Record<string, string>>): string => {
    const project = join(folder, "types");
    rmSync(project, { recursive: true, force: true });
    mkdirSync(project);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    const compilerOptions = {
      ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true, target: "es2022", lib: ["es2022"], types: [] },
      ...{ module: "nodenext", moduleResolution: "nodenext", ...options },
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
    return spawnSync(process.execPath, [join(root, compiler, "lib/tsc.js"), "-p", project], { encoding: "utf8" })
      .stdout;
  };
  const importOf = (paths: readonly string[]): string =>
    paths.map((path, i) => `export * as it${i} from ${JSON.stringify(path.replace(/^\./, "walwire"))};\n`).join("");
  const paths = Object.keys(manifest.exports).filter((path) => !path.endsWith(".json"));
  // walwire/basebackup/tar needs the types of web streams, from Node or the DOM.
  const portable = paths.filter((path) => path !== "./basebackup/tar");

  // Declarations are checked too: skipLibCheck is off.
  test("without types of Node or the DOM", () => {
    expect(tsc({}, { "main.mts": importOf(portable) })).toBe("");
  });

  // The folder has pg and no @types/pg.
  test("with types of Node, every sub-path and every example", () => {
    const typeRoot = join(folder, "node_modules/@types");
    mkdirSync(typeRoot, { recursive: true });
    if (!existsSync(join(typeRoot, "node")))
      symlinkSync(join(root, "node_modules/@types/node"), join(typeRoot, "node"));
    const options = { types: ["node"], typeRoots: [typeRoot], noUncheckedIndexedAccess: true };
    const files = examples.map(({ code }, i) => [`example-${i}.mts`, code] as const);
    expect(tsc(options, { "main.mts": importOf(paths), ...Object.fromEntries(files) })).toBe("");
  });
});

describe("in one file, bundled by esbuild", () => {
  const all = Object.keys(manifest.exports).filter((path) => !path.endsWith(".json"));

  test.each(["esm", "cjs"] as const)("every sub-path as %s", async (format) => {
    const nameOf = (path: string): string => path.replace(/^\./, "walwire");
    const print = "Object.keys(it).sort().join()";
    const code = (path: string): string =>
      `import * as it from "${nameOf(path)}"; console.log("${nameOf(path)}", ${print});`;
    // In a folder without node_modules; pg is loaded when it is needed, as its users bundle it.
    const outdir = mkdtempSync(join(tmpdir(), "walwire-bundle-"));
    try {
      for (const [i, path] of all.entries()) {
        const { warnings } = await build({
          ...{
            stdin: { contents: code(path), resolveDir: folder },
            outfile: join(outdir, `${i}.${format === "esm" ? "mjs" : "cjs"}`),
          },
          ...{ format, bundle: true, minify: true, platform: "node", external: ["pg"], logLevel: "silent" },
        });
        expect(warnings.map(({ text }) => `${path}: ${text}`)).toEqual([]);
      }
      const load = all.map((_, i) => (format === "esm" ? `await import("./${i}.mjs");` : `require("./${i}.cjs");`));
      const main = join(outdir, format === "esm" ? "main.mjs" : "main.cjs");
      writeFileSync(main, load.join("\n"));
      const printed = execFileSync(process.execPath, [main], { encoding: "utf8" });
      const unbundled = `for (const name of ${JSON.stringify(all.map(nameOf))}) {
        const it = await import(name);
        console.log(name, ${print});
      }`;
      expect(printed).toBe(run(unbundled, "module"));
    } finally {
      rmSync(outdir, { recursive: true });
    }
  });

  test("errors keep their names", async () => {
    const outfile = join(folder, "names.mjs");
    const contents = `import { parseLsn } from "walwire/lsn"; try { parseLsn("x"); } catch (error) { console.log(error.name, String(error).slice(0, 11)); }`;
    await build({ stdin: { contents, resolveDir: folder }, outfile, bundle: true, minify: true, format: "esm" });
    expect(execFileSync(process.execPath, [outfile], { encoding: "utf8" })).toBe("ParseError ParseError:\n");
  });
});
