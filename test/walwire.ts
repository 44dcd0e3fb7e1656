/** `walwire` with arguments and standard input, and what comes of it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { main } from "../src/node/cli/main.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** How a program ended, and what it said. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  /** What is on standard input. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
}

/** Runs the program that is dist/node/cli.js in this folder. */
export function spawnWalwire(
  dist: string,
  args: readonly string[],
  { input = "", cwd = root }: Surroundings = {},
): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(dist, "node/cli.js"), ...args], { cwd });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text) => {
        output[name] += text;
      });
    }
    child.on("close", (status) => resolve({ status, ...output }));
    // It may end without reading.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

const unpacked = process.env.WALWIRE_PACKAGE;

/** The runs before, since a process has only one standard output. */
let before: Promise<unknown> = Promise.resolve();

/**
 * Runs `walwire`: in this process, which takes a hundredth of the time that one of its own takes to start; but as a program if it is
 * the package that is tested.
 */
export function runWalwire(args: readonly string[], surroundings: Surroundings = {}): Promise<Run> {
  if (unpacked !== undefined) return spawnWalwire(join(unpacked, "dist"), args, surroundings);
  const run = before.then(() => runHere(args, surroundings));
  before = run.catch(() => {});
  return run;
}

async function runHere(args: readonly string[], { input = "", cwd = root }: Surroundings): Promise<Run> {
  const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const writable = (name: keyof typeof chunks): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        chunks[name].push(chunk);
        done();
      },
    });
  const theirs = Object.getOwnPropertyDescriptors(process);
  const directory = process.cwd();
  const streams = {
    stdin: Readable.from(input.length === 0 ? [] : [Buffer.from(input)], { objectMode: false }),
    stdout: writable("stdout"),
    stderr: writable("stderr"),
  };
  for (const [name, value] of Object.entries(streams)) {
    Object.defineProperty(process, name, { value, configurable: true });
  }
  process.chdir(cwd);
  try {
    const status = await main(args);
    const said = (name: keyof typeof chunks): string => Buffer.concat(chunks[name]).toString("utf8");
    return { status, stdout: said("stdout"), stderr: said("stderr") };
  } finally {
    process.chdir(directory);
    for (const name of Object.keys(streams) as (keyof typeof streams)[]) {
      Object.defineProperty(process, name, theirs[name]!);
    }
  }
}
