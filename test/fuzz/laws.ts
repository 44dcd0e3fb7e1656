/**
 * Every law of every test file, in one process: `npm run fuzz` has this run as a test file.
 *
 * A law is checked in rounds, each with a seed of its own. A law whose round reached parts of src that no round had reached before gets
 * another one at once.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keep, keptFolder, keptIn } from "../laws/kept.ts";
import { collected, type Law } from "../laws/law.ts";
import { Branches } from "./branches.ts";
import type { FuzzOptions } from "./options.ts";

const { minutes, seed, only } = JSON.parse(process.env.WALWIRE_FUZZ!) as FuzzOptions;

/** How long a round should take, in ms. Looking up what it reached takes 10 to 25 more. */
const roundTime = 100;

/** One after another, so that a law that always finds something does not keep the others waiting. */
const mostRounds = 4;

const root = fileURLToPath(new URL("../../", import.meta.url));

// No server is started: test/live and test/oracle have theirs.
for (const folder of ["laws", "cases", "vectors", "descriptions"]) {
  for (const path of readdirSync(join(root, "test", folder), { recursive: true, encoding: "utf8" })) {
    const name = `test/${folder}/${path}`;
    if (!path.endsWith(".test.ts") || !/\/(law|arguments)\.ts"/.test(readFileSync(join(root, name), "utf8"))) continue;
    describe(name, async () => {
      await import(/* @vite-ignore */ join(root, name));
    });
  }
}

test("the laws hold", { timeout: 2 ** 31 - 1, tags: ["law"] }, async () => {
  const laws = collected!.filter(({ name }) => only === undefined || name.includes(only));
  if (laws.length === 0) throw new Error(`no law has "${only}" in its name`);
  const names = new Set(collected!.map(({ name }) => name));
  expect(names.size, "two laws have the same name").toBe(collected!.length);
  const unknown = keptIn(keptFolder).filter(({ law }) => !names.has(law));
  expect(unknown, "cases of laws that do not exist").toEqual([]);
  const failures: string[] = [];
  const branches = new Branches();
  await branches.start();
  await branches.take();
  const run = new Run(branches, failures);
  await run.until(
    shuffled(laws).map((each) => new Rounds(each)),
    Date.now() + minutes * 60_000,
  );
  branches.stop();
  expect(failures).toEqual([]);
});

/** So that a short run has some of each file. */
function shuffled(laws: readonly Law[]): readonly Law[] {
  return fc.sample(fc.shuffledSubarray([...laws], { minLength: laws.length }), { numRuns: 1, seed })[0]!;
}

class Rounds {
  readonly law: Law;
  /** Cases in the next round. */
  runs = 1;
  count = 0;
  hasFailed = false;
  readonly #number: number;

  constructor(law: Law) {
    this.law = law;
    // By its name: with --only it has the same seeds.
    this.#number = [...law.name].reduce((sum, letter) => Math.imul(sum, 31) + letter.codePointAt(0)!, 0);
  }

  nextSeed(): number {
    return ((Math.imul(seed, 0x9e3779b1) ^ this.#number) + Math.imul(this.count++, 0x85ebca6b)) | 0;
  }
}

class Run {
  readonly #branches: Branches;
  readonly #failures: string[];
  readonly #began = Date.now();
  #cases = 0;
  #said = 0;

  constructor(branches: Branches, failures: string[]) {
    this.#branches = branches;
    this.#failures = failures;
  }

  async until(laws: readonly Rounds[], end: number): Promise<void> {
    let working = laws;
    while (working.length > 0) {
      for (const each of working) {
        for (let round = 0; round < mostRounds; round++) {
          if (Date.now() >= end) return this.#say(laws, "\n");
          this.#progress(laws, each);
          if ((await this.#round(each)) === 0 || each.hasFailed) break;
        }
      }
      working = working.filter(({ hasFailed }) => !hasFailed);
    }
    this.#say(laws, "\n");
  }

  /** How many blocks were reached for the first time. */
  async #round(of: Rounds): Promise<number> {
    const { name, property } = of.law;
    const began = performance.now();
    const details = await fc.check(property, {
      seed: of.nextSeed(),
      numRuns: of.runs,
      // Making a failure small is not to take all the time.
      interruptAfterTimeLimit: 20_000,
    });
    this.#cases += details.numRuns;
    const time = performance.now() - began;
    of.runs = Math.max(1, Math.min(of.runs * 4, Math.round((of.runs * roundTime) / Math.max(time, 1))));
    if (details.failed && details.counterexample !== null) {
      of.hasFailed = true;
      const file = await keep(name, property, details);
      this.#failures.push(`${name}\n${file.slice(root.length)}\n${await fc.defaultReportMessage(details)}`);
      process.stderr.write(`\r\x1b[K${this.#failures.at(-1)}\n`);
    }
    return this.#branches.take();
  }

  #progress(laws: readonly Rounds[], { law }: Rounds): void {
    if (Date.now() - this.#said < 1000) return;
    this.#said = Date.now();
    this.#say(laws, `, ${law.name}`.slice(0, 100));
  }

  #say(laws: readonly Rounds[], end: string): void {
    const seconds = (Date.now() - this.#began) / 1000;
    const checked = laws.filter(({ count }) => count > 0).length;
    const rounds = laws.reduce((sum, { count }) => sum + count, 0);
    const [some, all, cases] = [checked, laws.length, this.#cases].map((number) => number.toLocaleString("en"));
    process.stderr.write(
      `\r\x1b[K${seconds.toFixed(0)} s, seed ${seed}: ${some} of ${all} laws, ${rounds} rounds, ${cases} cases, ${Math.round(this.#cases / seconds).toLocaleString("en")} a second, ${this.#branches.count} new blocks, ${this.#failures.length} failures${end}`,
    );
  }
}
