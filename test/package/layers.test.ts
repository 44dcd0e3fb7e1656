/** Dependencies point one way: kernel <- wire <- domains <- session <- node. Read from the imports themselves. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** Each part of src, from the bottom up: the parts it may import beside itself, and the packages. */
const parts: Readonly<Record<string, { readonly from: readonly string[]; readonly packages?: RegExp }>> = {
  kernel: { from: [] },
  text: { from: ["kernel"] },
  wire: { from: ["kernel", "text"] },
  "generated/physical": { from: ["kernel", "wire"] },
  "generated/logical": { from: ["kernel", "wire"] },
  "generated/wal": { from: ["kernel", "wire", "generated/files"] },
  "generated/files": { from: ["kernel", "wire"] },
  "generated/basebackup": { from: ["kernel", "wire"] },
  "generated/replication": { from: ["kernel", "text", "command"] },
  "generated/syncrep": { from: ["kernel", "text", "syncrep"] },
  physical: { from: ["kernel", "text", "wire", "generated/physical"] },
  logical: { from: ["kernel", "text", "wire", "generated/logical"] },
  // START_REPLICATION has the options of pgoutput.
  command: { from: ["kernel", "text", "logical", "generated/replication"] },
  syncrep: { from: ["kernel", "text", "generated/syncrep"] },
  conf: { from: ["kernel", "text"] },
  // Of the messages it takes the types only.
  values: { from: ["kernel", "text", "wire", "generated/logical"] },
  files: { from: ["kernel", "text", "wire", "generated/files"], packages: /^@noble\/hashes\/sha2\.js$/ },
  // WAL is read along the history of a timeline.
  wal: { from: ["kernel", "text", "wire", "files", "generated/wal", "generated/files"] },
  // Its copy streams stand among the messages of a session.
  basebackup: {
    from: ["kernel", "text", "wire", "command", "session", "generated/basebackup"],
    packages: /^modern-tar$/,
  },
  // What it sends are messages of pgoutput with rows of typed values; sessions use its slots.
  publisher: { from: ["kernel", "text", "wire", "generated/logical", "logical", "values", "session"] },
  // A conversation knows which tags answer a command.
  session: {
    from: [
      ...["kernel", "text", "wire", "generated/physical", "generated/logical"],
      ...["physical", "logical", "command"],
    ],
    packages: /^@noble\/hashes\/(?:hmac|pbkdf2|sha2)\.js$/,
  },
  dissect: {
    from: [
      ...["kernel", "text", "wire", "generated/physical", "generated/logical"],
      ...["physical", "logical", "basebackup", "files", "wal", "session"],
    ],
  },
  index: { from: ["kernel", "text", "command", "syncrep", "physical", "logical"] },
  arbitraries: {
    from: [
      ...["kernel", "text", "wire", "generated/physical", "generated/logical", "generated/basebackup"],
      ...["generated/files"],
      ...["command", "syncrep", "physical", "logical", "values", "files", "wal", "basebackup", "session"],
    ],
    packages: /^fast-check$/,
  },
  node: {
    from: [
      ...["kernel", "text", "wire", "generated/physical", "generated/logical"],
      ...["command", "syncrep", "conf", "physical", "logical", "values", "session"],
      ...["files", "wal", "basebackup", "publisher", "dissect"],
      // For `walwire fuzz`.
      "arbitraries",
    ],
    packages: /^(node:.*|pg|zstddec\/stream|xxhash-wasm|fast-check)$/,
  },
};

/** Which part a file of src belongs to, by its path in there. */
function partOf(path: string): string {
  if (path === "index.ts" || path === "capabilities.ts") return "index";
  if (path.startsWith("generated/")) return path.replace(/(\.d)?\.[jt]s$/, "");
  return path.slice(0, path.indexOf("/"));
}

function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const pattern = /(?<!["'.])\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g;
  return [...code.matchAll(pattern)].map(([, specifier]) => specifier!);
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => /\.[jt]s$/.test(path));

test("src has files, and each belongs to a part that is named here", () => {
  expect(files.length).toBeGreaterThan(30);
  expect(new Set(files.map(partOf))).toEqual(new Set(Object.keys(parts)));
});

test.each(files)("%s imports what its part may", (path) => {
  const part = partOf(path);
  const { from, packages } = parts[part]!;
  for (const specifier of importsOf(readFileSync(join(src, path), "utf8"))) {
    if (specifier.startsWith(".")) {
      const target = partOf(relative(src, join(src, dirname(path), specifier)));
      expect([part, ...from], `${path} imports ${specifier}`).toContain(target);
    } else {
      expect(packages?.test(specifier) ?? false, `${path} imports ${specifier}`).toBe(true);
    }
  }
});

test("no file imports itself by way of others", () => {
  const imports = new Map(
    files.map((path) => [
      path,
      importsOf(readFileSync(join(src, path), "utf8"))
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => relative(src, join(src, dirname(path), specifier))),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, above: readonly string[]): void => {
    if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(" > "));
    if (done.has(path) || above.includes(path)) return;
    for (const next of imports.get(path) ?? []) walk(next, [...above, path]);
    done.add(path);
  };
  for (const path of files) walk(path, []);
  expect(circles).toEqual([]);
});

const holdsVersions = (path: string): boolean => path === "kernel/version.ts" || /(^|\/)capabilities\.ts$/.test(path);

test("version numbers are written in kernel/version.ts and the domains' capabilities.ts only", () => {
  for (const path of files.filter((each) => !holdsVersions(each))) {
    const code = readFileSync(join(src, path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    expect(code, path).not.toMatch(/\b(90[0-6]\d\d|[12]\d00\d\d)\b|major: \d|server: ["\d]/);
  }
});

test("directories are made by make-directories.ts: Node's recursive mkdir may never return", () => {
  const recursive = files.filter((path) =>
    /\bmkdir(?:Sync)?\([^;]*\brecursive\b/.test(readFileSync(join(src, path), "utf8")),
  );
  expect(recursive).toEqual([]);
});

test("every capability is asked for somewhere", async () => {
  const grammars = fileURLToPath(new URL("../../grammars/", import.meta.url));
  const texts = [
    ...files.filter((path) => !holdsVersions(path)).map((path) => readFileSync(join(src, path), "utf8")),
    ...readdirSync(grammars)
      .filter((path) => path.endsWith(".peggy"))
      .map((path) => readFileSync(join(grammars, path), "utf8")),
  ].join("\n");
  const names = files
    .filter(holdsVersions)
    .flatMap((path) =>
      [...readFileSync(join(src, path), "utf8").matchAll(/^ {2}(\w+): \{ since: /gm)].map(([, name]) => name!),
    );
  expect(names.length).toBeGreaterThan(140);
  for (const name of names)
    expect
      .soft(new RegExp(`"${name}"|[hH]as\\.${name}\\b|\\{[^}]*\\b${name}\\b[^}]*\\} = [\\w.]*has\\b`).test(texts), name)
      .toBe(true);
});
