/** `walwire fuzz emit`: inputs of a kind as JSON lines, as files, or as bytes. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { listed } from "../../../kernel/words.ts";
import { bytesJson } from "../../../wire/json.ts";
import { makeDirectories } from "../../make-directories.ts";
import { errnoWords } from "../shared/file-error.ts";
import { nearest } from "../shared/nearest.ts";
import { Blocks } from "../shared/output.ts";
import { Page } from "../shared/people.ts";
import { didYouMean } from "../shared/read-call.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../shared/usage.ts";
import type { FuzzCall } from "./declaration.ts";
import { type FuzzInput, type Kind, kinds } from "./kinds.ts";

/** Inputs that are made at a time. */
const BATCH = 100;

export async function emit({ argument: name, options }: FuzzCall, seedOf: () => number): Promise<Status> {
  if (name === undefined) {
    new Page(process.stdout).table(
      Object.entries(kinds).map(([each, { doc }]) => [each, doc]),
      ["bold"],
    );
    return status.good;
  }
  const kind = kindOf(name);
  const { server, count = 100, damage, corpus, raw } = options;
  if (!kind.damage.includes(damage)) {
    throw new UsageError(`--damage: ${name} can have ${listed(kind.damage)}, not ${damage}`);
  }
  const seed = seedOf();
  const inputs = numbered(kind.inputs(server, damage), seed, count);
  if (corpus !== undefined) return writeCorpus(corpus, name, seed, inputs);
  const output = new Blocks();
  for (const [n, input] of inputs) {
    if (raw) {
      if (input.wire === undefined) throw new UsageError(`--raw: ${name} is not a message: use --corpus`);
      await written(input.wire);
      continue;
    }
    output.json({
      kind: name,
      seed,
      n,
      ...(input.text === undefined ? { bytes: bytesJson(input.bytes) } : { text: input.text }),
      ...(input.isFramed ? { isFramed: true } : {}),
      ...verdictOf(kind, input, server),
    });
    await output.flush(false);
  }
  await output.flush();
  return status.good;
}

/** @throws UsageError */
function kindOf(name: string): Kind {
  if (Object.hasOwn(kinds, name)) return kinds[name]!;
  const all = Object.keys(kinds);
  const near = nearest(name, all);
  throw new UsageError(
    `unknown kind ${JSON.stringify(name)}${near.length > 0 ? didYouMean(near) : `: expected ${listed(all)}`}`,
  );
}

function verdictOf(kind: Kind, input: FuzzInput, server: number): object {
  const verdict = kind.judge(input, server);
  return Array.isArray(verdict) ? { verdicts: verdict } : { verdict };
}

/** Inputs by their numbers from 0, each of which depends on the seed and its number alone. */
function* numbered<T>(arbitrary: fc.Arbitrary<T>, seed: number, count: number): Generator<readonly [number, T]> {
  for (let start = 0; start < count; start += BATCH) {
    const numRuns = Math.min(BATCH, count - start);
    const batch = fc.sample(arbitrary, { seed: Math.imul(seed, 0x9e3779b1) + start / BATCH, numRuns });
    for (const [i, input] of batch.entries()) yield [start + i, input];
  }
}

/** @throws UnseenError, InputError */
function writeCorpus(
  directory: string,
  name: string,
  seed: number,
  inputs: Iterable<readonly [number, FuzzInput]>,
): Status {
  try {
    makeDirectories(directory);
    if (readdirSync(directory).length > 0) throw new InputError(`${directory} is not empty: choose another directory`);
    for (const [n, { bytes }] of inputs) {
      writeFileSync(join(directory, `${name}-${seed}-${String(n).padStart(6, "0")}`), bytes);
    }
  } catch (error) {
    if (error instanceof InputError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new UnseenError(`${directory}: ${errnoWords((error as Error).message)}`);
  }
  return status.good;
}

function written(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
