/** Dependencies point one way: kernel <- wire <- domains <- session <- node. Read from the imports themselves. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { capabilities } from "../../src/server-version.ts";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** Each part of src, from the bottom up: the parts it may import beside itself, and the packages. */
const parts: Readonly<Record<string, { readonly from: readonly string[]; readonly packages?: RegExp }>> = {
  kernel: { from: [] },
  wire: { from: ["kernel"] },
  "generated/physical": { from: ["kernel", "wire"] },
  "generated/logical": { from: ["kernel", "wire"] },
  "generated/wal": { from: ["kernel", "wire"] },
  "generated/files": { from: ["kernel", "wire"] },
  "generated/basebackup": { from: ["kernel", "wire"] },
  "generated/replication": { from: ["kernel", "command"] },
  "generated/syncrep": { from: ["kernel", "syncrep"] },
  command: { from: ["kernel", "generated/replication"] },
  syncrep: { from: ["kernel", "generated/syncrep"] },
  conf: { from: ["kernel"] },
  physical: { from: ["kernel", "wire", "generated/physical"] },
  logical: { from: ["kernel", "wire", "generated/logical"] },
  // Of the messages it takes the types only.
  values: { from: ["kernel", "wire", "generated/logical"] },
  files: { from: ["kernel", "wire", "generated/files"], packages: /^@noble\/hashes\/sha2\.js$/ },
  wal: { from: ["kernel", "wire", "generated/wal"] },
  basebackup: { from: ["kernel", "wire", "command", "generated/basebackup"], packages: /^modern-tar$/ },
  session: { from: ["kernel", "wire", "generated/physical", "generated/logical", "physical", "logical"] },
  index: { from: ["kernel", "command", "syncrep", "physical", "logical"] },
  arbitraries: {
    from: [
      ...["kernel", "wire", "generated/physical", "generated/logical", "generated/basebackup"],
      ...["command", "syncrep", "physical", "logical", "values", "files", "wal", "basebackup"],
    ],
    packages: /^fast-check$/,
  },
  node: {
    from: [
      ...["kernel", "wire", "generated/physical", "generated/logical"],
      ...["command", "syncrep", "conf", "physical", "logical", "values", "session"],
      ...["files", "wal", "basebackup"],
    ],
    packages: /^(node:.*|pg|pg-protocol(\/.*)?|@walwire\/test-servers)$/,
  },
};

/** Which part a file of src belongs to, by its path in there. */
function partOf(path: string): string {
  if (path === "index.ts") return "index";
  if (!path.includes("/")) return "kernel";
  if (path.startsWith("generated/")) return path.replace(/(\.d)?\.[jt]s$/, "");
  return path.slice(0, path.indexOf("/"));
}

function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const pattern = /\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g;
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

test("no version number is written outside of server-version.ts", () => {
  for (const path of files.filter((each) => each !== "server-version.ts")) {
    const code = readFileSync(join(src, path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    expect(code, path).not.toMatch(/\b(90[0-6]\d\d|[12]\d00\d\d)\b|major: \d|server: ["\d]/);
  }
});

test("every capability is asked for somewhere", () => {
  const grammars = fileURLToPath(new URL("../../grammars/", import.meta.url));
  const texts = [
    ...files.filter((path) => path !== "server-version.ts").map((path) => readFileSync(join(src, path), "utf8")),
    ...readdirSync(grammars)
      .filter((path) => path.endsWith(".peggy"))
      .map((path) => readFileSync(join(grammars, path), "utf8")),
  ].join("\n");
  for (const name of Object.keys(capabilities))
    expect(new RegExp(`"${name}"|has\\.${name}\\b`).test(texts), name).toBe(true);
});
