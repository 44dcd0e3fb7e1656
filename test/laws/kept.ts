/** Cases in which a law failed once: `npm run fuzz` keeps them as files in test/vectors/regressions, and each run of a law checks them first. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import fc from "fast-check";

export const keptFolder = fileURLToPath(new URL("../vectors/regressions/", import.meta.url));

/** A file. */
export interface Kept {
  /** The name of the law: file, suites and sentence. */
  readonly law: string;
  /** With which fast-check makes the case, as long as the arbitraries stay as they are. */
  readonly seed: number;
  readonly path: string;
  /** The smallest case, for people. */
  readonly shown: string;
  /** The same, by v8.serialize, in base64. Absent if it has functions or objects of classes: then it is made from seed and path. */
  readonly value?: string;
}

/** What fast-check needs to check this one case. */
function parametersOf({ seed, path, value }: Kept): fc.Parameters<unknown> {
  const once = { numRuns: 1, endOnFailure: true };
  return value === undefined
    ? { ...once, seed, path }
    : { ...once, examples: [deserialize(Buffer.from(value, "base64"))] };
}

/** Checks the cases that were kept for a law. */
export async function replayKept<T>(law: string, property: fc.IRawProperty<T>, folder = keptFolder): Promise<void> {
  for (const kept of keptIn(folder)) {
    if (kept.law === law) await fc.assert(property, parametersOf(kept) as fc.Parameters<T>);
  }
}

const read = new Map<string, readonly Kept[]>();

export function keptIn(folder: string): readonly Kept[] {
  let all = read.get(folder);
  if (all === undefined) {
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
    all = names.sort().map((name): Kept => JSON.parse(readFileSync(join(folder, name), "utf8")));
    read.set(folder, all);
  }
  return all;
}

/**
 * Keeps the smallest case of a failure.
 *
 * @returns its file.
 */
export async function keep(
  law: string,
  property: fc.IRawProperty<unknown>,
  details: fc.RunDetails<unknown>,
  folder = keptFolder,
): Promise<string> {
  const { seed, counterexamplePath, counterexample } = details;
  const plain = { law, seed, path: counterexamplePath!, shown: fc.stringify(counterexample) };
  const value = serialized(counterexample);
  const whole = { ...plain, ...(value !== undefined && { value }) };
  // A case that was serialized must fail, too; one that depends on what a law changed in it does not.
  const again = await fc.check(property, parametersOf(whole));
  const text = `${JSON.stringify(again.failed ? whole : plain, undefined, 2)}\n`;
  const words = law.replace(/^.*\/|\.test\.ts/g, "").replace(/\W+/g, "-");
  const file = join(
    folder,
    `${words.slice(0, 80)}-${createHash("sha256").update(text).digest("hex").slice(0, 8)}.json`,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, text);
  read.delete(folder);
  return file;
}

/** Undefined if the copy would be another value: functions and classes are not kept. */
function serialized(value: unknown): string | undefined {
  try {
    const bytes = serialize(value);
    return isDeepStrictEqual(deserialize(bytes), value) ? bytes.toString("base64") : undefined;
  } catch {
    return undefined;
  }
}
