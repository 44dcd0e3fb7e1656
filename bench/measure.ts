/**
 * The measurements of the benchmarks. Rates are the best of several rounds, in which the subjects alternate; only their ratios apply to
 * other machines.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
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

/** What a program took. */
export interface Run {
  /** Seconds from the start of the process to its end. */
  readonly elapsed: number;
  /** Seconds of the processor, in the process and in the system for it. */
  readonly user: number;
  readonly system: number;
  /** The most memory that it had, in MB. */
  readonly memory: number;
}

/** Ticks of /proc a second. */
const ticks = 100;

/** Run a program to its end, and look at it every 10 ms: its processor time and memory are those of the last look. */
export async function runProgram(command: string, args: readonly string[]): Promise<Run> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, LC_ALL: "C" } });
  let [memory, user, system, stderr] = [0, 0, 0, ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const look = setInterval(() => {
    try {
      const high = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1];
      memory = Math.max(memory, Number(high ?? 0) / 1024);
      const fields = readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1]!.split(" ");
      [user, system] = [Number(fields[11]) / ticks, Number(fields[12]) / ticks];
    } catch {
      // It has just ended.
    }
  }, 10);
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearInterval(look);
  if (status !== 0) throw new Error(`${command}: ${stderr.slice(-500)}`);
  return { elapsed: (performance.now() - started) / 1000, user, system, memory };
}
