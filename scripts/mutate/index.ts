/**
 * `npm run mutate -- [--folder src/wire] [--sample N] [--seed S] [--minutes N] [--line FILE:LINE] [--tests PATH]`: change one thing in
 * a source at a time, and run the tests of the project core that reach it until one fails. Mutants that no test sees are printed.
 *
 * A seed's sample of a line stays the same while the line does. What each test reaches is kept in node_modules/.cache until a source
 * changes. No source is written: Vite serves the changed text. The compiler is asked about each survivor.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import ts from "typescript";
import { createVitest, type TestModule, type Vitest } from "vitest/node";
import config from "../../vitest.config.ts";
import { type Mutant, marked, mutantsOf } from "./mutants.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folders: Readonly<Record<string, readonly string[]>> = {
  "src/wire": ["src/wire"],
  // The codecs are made by scripts/codecs.ts: what it does wrong would stand in its output.
  "src/logical": ["src/logical", "src/generated/logical.ts"],
  "src/command": ["src/command"],
  "src/syncrep": ["src/syncrep"],
};

const { values: options } = parseArgs({
  options: {
    folder: { type: "string", multiple: true, default: Object.keys(folders) },
    sample: { type: "string", default: "150" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "Infinity" },
    line: { type: "string", multiple: true, default: [] },
    tests: { type: "string", default: "" },
  },
});
// Laws draw the same cases for each mutant.
process.env.WALWIRE_SEED ??= "1";
process.env.WALWIRE_RUNS ??= "0.1";
Error.stackTraceLimit = 0;
process.setMaxListeners(0);

/** How long tests of one file may take with a mutant, in ms: five times as long as before, and this. */
const patience = 20_000;
/** How long one mutant may be tried, in ms; then it counts as one that no test sees. */
const limit = 90_000;

const files = Object.values(folders).flat().flatMap(sources);
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const analysed = new Map(files.map((file) => [file, mutantsOf(file, texts.get(file)!)]));
/** The first site of each file among all. */
const firsts = new Map<string, number>();
let siteCount = 0;
for (const [file, { sites }] of analysed) {
  firsts.set(file, siteCount);
  siteCount += sites.length;
}

/** What the tests of a file reach. */
interface Reached {
  readonly hash: string;
  readonly outside: string;
  readonly tests: readonly { readonly id: string; readonly ms: number; readonly hits: string }[];
  readonly ms: number;
}

function sources(path: string): string[] {
  if (path.endsWith(".ts")) return [path];
  const found = readdirSync(join(root, path), { recursive: true, encoding: "utf8" });
  return found
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(path, file))
    .sort();
}

const hash = (...parts: readonly string[]) => createHash("sha256").update(parts.join("\0")).digest("hex");

/** Vitest with the tests of the project core, each file in a process of its own; Vite gives the text of `replaced` instead of a source. */
function start(bail: number, replaced: ReadonlyMap<string, string>): Promise<Vitest> {
  const core = config.test!.projects!.find(
    (each) => typeof each === "object" && "test" in each && each.test?.name === "core",
  );
  const options = (core as { test: object }).test;
  const setup = join(root, "scripts/mutate/worker.ts");
  return createVitest(
    "test",
    {
      ...options,
      root,
      config: false,
      watch: false,
      reporters: [{}],
      isolate: true,
      maxWorkers: 1,
      bail,
      setupFiles: [setup],
    },
    {
      plugins: [
        { name: "mutant", enforce: "pre", transform: (_, id) => replaced.get(relative(root, id.replace(/\?.*/, ""))) },
      ],
    },
  );
}

/** What each test reaches: measured for the files of tests that changed, or for all if a source did. */
async function measure(): Promise<Map<string, Reached>> {
  const cache = join(root, "node_modules/.cache/walwire-mutate.json");
  const shared = ["src", "test"].flatMap((each) => sources(each)).filter((file) => !file.endsWith(".test.ts"));
  const key = shared.map((file) => readFileSync(join(root, file), "utf8")).join("\0");
  const known: Record<string, Reached> = existsSync(cache) ? JSON.parse(readFileSync(cache, "utf8")) : {};
  const replaced = new Map<string, string>();
  for (const [file, { sites }] of analysed) replaced.set(file, marked(texts.get(file)!, sites, firsts.get(file)!));
  process.env.WALWIRE_MUTATE_SITES = String(siteCount);
  const vitest = await start(0, replaced);
  const reached = new Map<string, Reached>();
  mkdirSync(dirname(cache), { recursive: true });
  for (const specification of await vitest.globTestSpecifications()) {
    const { moduleId } = specification;
    const file = relative(root, moduleId);
    // These read the package and the sources from disk, where no mutant is.
    const fromDisk = /^test\/package\/(?:dependencies|fuzzing|layers|sizes|tarball|testing-docs)\./.test(file);
    if (!file.includes(options.tests) || fromDisk) continue;
    const of = hash(key, readFileSync(moduleId, "utf8"));
    if (known[file]?.hash !== of) {
      const from = Date.now();
      const { testModules } = await vitest.runTestSpecifications([specification]);
      const module = testModules.find((each) => each.moduleId === moduleId)!;
      known[file] = reachedBy(module, of, Date.now() - from);
      writeFileSync(cache, JSON.stringify(known));
      console.log(`${file}: ${known[file].tests.length} tests, ${known[file].ms} ms`);
    }
    reached.set(file, known[file]!);
  }
  await vitest.close();
  process.env.WALWIRE_MUTATE_SITES = "0";
  return reached;
}

function reachedBy(module: TestModule, of: string, ms: number): Reached {
  // Tests that fail without a mutant, because the marks make them slow, say nothing about one.
  const passed = [...module.children.allTests("passed")];
  return {
    hash: of,
    outside: passed.at(-1)?.meta().outside ?? "",
    tests: passed.map((test) => ({ id: test.id, ms: test.diagnostic()?.duration ?? 0, hits: test.meta().hits ?? "" })),
    ms,
  };
}

const bit = (bits: Uint8Array, site: number) => ((bits[site >> 3] ?? 0) >> (site & 7)) & 1;
const has = (hits: string, site: number) => bit(Buffer.from(hits, "base64"), site);

/** The tests that reach a site, by their file: first those that cost least and have most to do with the folder of the source. */
function testsOf({ file, site }: Mutant, reached: ReadonlyMap<string, Reached>) {
  const at = firsts.get(file)! + site;
  const found = [...reached].flatMap(([path, { outside, tests, ms }]) => {
    const reaching = tests.filter(({ hits }) => has(hits, at));
    const chosen = has(outside, at) ? tests : reaching;
    if (chosen.length === 0) return [];
    const loading = ms - tests.reduce((sum, test) => sum + test.ms, 0);
    const cost = loading + chosen.reduce((sum, test) => sum + test.ms, 0);
    return [{ path, ids: chosen.map(({ id }) => id), cost, related: foldersOf(reached.get(path)!).has(dirname(file)) }];
  });
  return found.sort((a, b) => Number(b.related) - Number(a.related) || a.cost - b.cost);
}

const folderSets = new Map<Reached, ReadonlySet<string>>();

/** The folders of sources that tests of a file reach, other than by loading them. */
function foldersOf(reached: Reached): ReadonlySet<string> {
  let folders = folderSets.get(reached);
  if (folders === undefined) {
    const all = new Uint8Array(siteCount);
    for (const { hits } of reached.tests) {
      for (const [i, bits] of Buffer.from(hits, "base64").entries()) all[i]! |= bits;
    }
    const reaches = (file: string) => analysed.get(file)!.sites.some((_, i) => bit(all, firsts.get(file)! + i));
    folders = new Set(files.filter(reaches).map((file) => dirname(file)));
    folderSets.set(reached, folders);
  }
  return folders;
}

/** A mutant that keeps tests busy without end is killed by that. */
type Verdict = "killed" | "timed out" | "type error" | "survived" | "not reached";

/** A Vitest that tries one mutant after the other; two of them keep two cores busy. */
interface Lane {
  readonly vitest: Vitest;
  readonly replaced: Map<string, string>;
  /** How long its process may take now, in ms. */
  limit: number;
}

const lanes: Lane[] = [];

async function judge(mutant: Mutant, lane: Lane, reached: ReadonlyMap<string, Reached>): Promise<[Verdict, string]> {
  const tests = testsOf(mutant, reached);
  if (tests.length === 0) return [rejected(mutant) ? "type error" : "not reached", ""];
  const { vitest, replaced } = lane;
  replaced.set(mutant.file, changed(mutant));
  vitest.invalidateFile(join(root, mutant.file));
  const until = Date.now() + limit;
  let late = false;
  try {
    for (const { path, ids, cost } of tests) {
      late = Date.now() > until;
      if (late) break;
      lane.limit = Math.ceil(patience + 5 * cost);
      process.env.WALWIRE_MUTATE_LIMIT = String(Math.max(...lanes.map((each) => each.limit)));
      const specification = vitest.projects[0]!.createSpecification(join(root, path), { testIds: ids });
      const { testModules, unhandledErrors } = await vitest.runTestSpecifications([specification]);
      const module = testModules.find(({ moduleId }) => moduleId === specification.moduleId);
      if (unhandledErrors.length > 0 || module?.state() !== "passed") {
        const [test] = module?.children.allTests("failed") ?? [];
        if (test !== undefined) return ["killed", `${path}: ${test.fullName}`];
        const [error] = module?.errors() ?? [];
        return error === undefined ? ["timed out", path] : ["killed", `${path}: ${error.message}`];
      }
    }
  } finally {
    replaced.delete(mutant.file);
    vitest.invalidateFile(join(root, mutant.file));
  }
  return [rejected(mutant) ? "type error" : "survived", `${tests.length} files${late ? ", not all tried" : ""}`];
}

/** The source with the mutant. */
function changed({ file, start, end, text }: Mutant): string {
  const source = texts.get(file)!;
  return source.slice(0, start) + text + source.slice(end);
}

/** Whether the compiler rejects a mutant. */
function rejected(mutant: Mutant): boolean {
  const path = join(root, mutant.file);
  mutated = { path, text: changed(mutant), version: mutated.version + 1 };
  return service.getSyntacticDiagnostics(path).length + service.getSemanticDiagnostics(path).length > 0;
}

let mutated = { path: "", text: "", version: 0 };
const { options: compilerOptions, fileNames } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
  ts.sys,
  root,
);
const service = ts.createLanguageService({
  ...ts.sys,
  useCaseSensitiveFileNames: () => true,
  getCompilationSettings: () => compilerOptions,
  getScriptFileNames: () => fileNames.filter((file) => relative(root, file).startsWith("src/")),
  getScriptVersion: (file) => (file === mutated.path ? String(mutated.version) : "0"),
  getScriptSnapshot: (file) => {
    const text = file === mutated.path ? mutated.text : ts.sys.readFile(file);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
});

/** The mutants of a folder to try: those of --line, or a sample. */
function chosen(folder: string): Mutant[] {
  const all = folders[folder]!.flatMap(sources).flatMap((file) => analysed.get(file)!.mutants);
  if (options.line.length > 0) return all.filter(({ file, line }) => options.line.includes(`${file}:${line}`));
  const seen = new Map<string, number>();
  const ranked = all.map((mutant) => {
    const name = hash(options.seed, mutant.file, said(mutant));
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return { mutant, rank: hash(name, String(times)) };
  });
  return ranked
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, Number(options.sample))
    .map(({ mutant }) => mutant);
}

/** The line with a mutant, and the change. */
function said({ file, start, end, text }: Mutant): string {
  const source = texts.get(file)!;
  const from = source.lastIndexOf("\n", start) + 1;
  const to = source.indexOf("\n", end);
  return `${source.slice(from, start)}⟦${source.slice(start, end)} → ${text}⟧${source.slice(end, to)}`.trim();
}

/** The interval of 95 % by Wilson. */
function interval(hits: number, count: number): string {
  const z = 1.96;
  const share = hits / count;
  const middle = (share + z ** 2 / (2 * count)) / (1 + z ** 2 / count);
  const half = (z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2))) / (1 + z ** 2 / count);
  const percent = (value: number) => (100 * value).toFixed(1);
  return `${percent(share)} % (${percent(middle - half)} to ${percent(middle + half)})`;
}

const until = Date.now() + Number(options.minutes) * 60_000;
const reached = await measure();
const counts = new Map(
  options.folder.map((folder) => [
    folder,
    { killed: 0, "timed out": 0, "type error": 0, survived: 0, "not reached": 0 },
  ]),
);
/** The first of each folder, then the second, so that a run that ends early has tried as many of each. */
const queue = options.folder
  .flatMap((folder) => chosen(folder).map((mutant, i) => ({ folder, mutant, i })))
  .sort((a, b) => a.i - b.i);
for (let i = 0; i < 2; i++) {
  const replaced = new Map<string, string>();
  lanes.push({ vitest: await start(1, replaced), replaced, limit: 0 });
}
await Promise.all(
  lanes.map(async (lane) => {
    await lane.vitest.globTestSpecifications();
    for (let next = queue.shift(); next !== undefined && Date.now() < until; next = queue.shift()) {
      const { folder, mutant } = next;
      const from = Date.now();
      const [verdict, by] = await judge(mutant, lane, reached);
      counts.get(folder)![verdict]++;
      const line = said(mutant).replace(/\s+/g, " ");
      console.log(`${verdict}: ${mutant.file}:${mutant.line} ${line} [${by}; ${Date.now() - from} ms]`);
    }
    await lane.vitest.close();
  }),
);
for (const [folder, count] of counts) {
  const killed = count.killed + count["timed out"] + count["type error"];
  const total = killed + count.survived + count["not reached"];
  console.log(`${folder}: ${total} mutants, ${JSON.stringify(count)}, score ${interval(killed, total)}`);
}
