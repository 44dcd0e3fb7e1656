/**
 * The measurements of the benchmarks. Rates are the best of several rounds, in which the subjects alternate; only their ratios apply to
 * other machines.
 */
import { cpus } from "node:os";

const rounds = 5;
const roundTime = 200;

/** Calls per second, measured for about 200 ms. */
export function rate(run: () => unknown): number {
  let calls = 0;
  const start = performance.now();
  let elapsed = 0;
  for (let batch = 1; elapsed < roundTime; batch = Math.min(batch * 2, 4096)) {
    for (let i = 0; i < batch; i++) run();
    calls += batch;
    elapsed = performance.now() - start;
  }
  return (calls / elapsed) * 1000;
}

/** Operations per second of an asynchronous call that does `count` of them. */
export async function rateOf(count: number, run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (count / (performance.now() - start)) * 1000;
}

/** The best rate of each subject. */
export async function inTurns<Name extends string>(
  subjects: Readonly<Record<Name, () => number | Promise<number>>>,
): Promise<Record<Name, number>> {
  const best = {} as Record<Name, number>;
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(subjects) as Name[]) best[name] = Math.max(best[name] ?? 0, await subjects[name]());
  }
  return best;
}

export const thousands = (value: number): string => Math.round(value).toLocaleString("en");

export const machine = `${cpus()[0]?.model}, Node ${process.version}`;

/** A table of the time per byte of long texts: three sizes of each kind. */
export function longTexts(
  texts: Readonly<Record<string, (bytes: number) => string>>,
  run: (text: string) => unknown,
): void {
  const sizes = [1_000, 32_000, 1_000_000];
  console.log(`\nNanoseconds a byte of a long text:\n`);
  console.log(`| text of | ${sizes.map((size) => `${thousands(size)} bytes`).join(" | ")} |`);
  console.log(`|---|${sizes.map(() => "--:|").join("")}`);
  const outcome = (text: string): unknown => {
    try {
      return run(text);
    } catch (error) {
      return error;
    }
  };
  for (const [name, text] of Object.entries(texts)) {
    const figures = sizes.map((size) => {
      const each = text(size);
      const best = Math.max(...Array.from({ length: rounds }, () => rate(() => outcome(each))));
      return (1e9 / best / each.length).toFixed(2);
    });
    console.log(`| ${name} | ${figures.join(" | ")} |`);
  }
}

/** A goal and the measured value. */
export function verdict(value: number, relation: "≥" | "≤", goal: number, of: string): string {
  const met = relation === "≥" ? value >= goal : value <= goal;
  return `${met ? "✔" : "✘"} ${value.toFixed(value < 10 ? 2 : 1)} ${relation} ${goal} × ${of}`;
}
