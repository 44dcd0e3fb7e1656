/** Every package that a file imports is declared where the file needs it. */
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}
const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(`${root}${folder}package.json`, "utf8"));
const manifest = manifestOf("");
const names = (...parts: (Readonly<Record<string, string>> | undefined)[]): string[] =>
  parts.flatMap((part) => Object.keys(part ?? {}));

/** What the published package has when it is installed. */
const published = names(manifest.dependencies, manifest.peerDependencies);
/** What a clone has besides: the private packages of the workspace. */
const all = [...published, ...names(manifest.devDependencies), "walwire", "@walwire/test-servers"];

/** Folders, and what their files may import; the workspaces have dependencies of their own. */
const folders: readonly (readonly [folder: string, declared: readonly string[]])[] = [
  ["src/", published],
  ["grammars/", all],
  ["scripts/", all],
  ["bench/", [...all, ...names(manifestOf("bench/").dependencies, manifestOf("bench/").devDependencies)]],
  ["test/servers/", [...all, ...names(manifestOf("test/servers/").dependencies)]],
  ["test/descriptions/", [...all, ...names(manifestOf("test/descriptions/").dependencies)]],
  ["test/", all],
];

/** The packages that a module imports. */
function packagesOf(path: string): Set<string> {
  const specifiers = ts
    .preProcessFile(readFileSync(path, "utf8"), true, path.endsWith(".js"))
    .importedFiles.map(({ fileName }) => fileName);
  const foreign = specifiers.filter((specifier) => !/^[./]/.test(specifier) && !isBuiltin(specifier));
  return new Set(foreign.map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0]));
}

describe("packages are declared", () => {
  test.each(folders)("%s", (folder, declared) => {
    const paths = readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" }).filter(
      (path) =>
        /(?<!\.d)\.[cm]?[jt]s$/.test(path) &&
        !path.includes("node_modules") &&
        !(folder === "test/" && /^(?:servers|descriptions)/.test(path)),
    );
    expect(paths.length).toBeGreaterThan(0);
    const undeclared = paths.flatMap((path) =>
      [...packagesOf(`${root}${folder}${path}`)]
        .filter((name) => !declared.includes(name))
        .map((name) => `${folder}${path} imports ${name}`),
    );
    expect(undeclared).toEqual([]);
  });

  test("and each dependency is used", () => {
    const used = new Set(
      readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
        .filter((path) => /(?<!\.d)\.ts$/.test(path))
        .flatMap((path) => [...packagesOf(`${root}src/${path}`)]),
    );
    expect([...used].sort()).toEqual([...published].sort());
  });
});
