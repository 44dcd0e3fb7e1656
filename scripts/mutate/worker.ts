/** Runs in each process of tests: says which sites each test reaches, and ends a process that a mutant keeps busy. */
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    /** The sites that ran in the test: a bit each, in base64. */
    hits?: string;
    /** Those that ran outside of tests so far: while modules load, and in hooks. */
    outside?: string;
  }
}

const sites = Number(process.env.WALWIRE_MUTATE_SITES ?? 0);
const limit = Number(process.env.WALWIRE_MUTATE_LIMIT ?? 0);

// A loop without end lets no timer of this thread run.
if (limit > 0)
  new Worker(`setTimeout(() => process.kill(${process.pid}, "SIGKILL"), ${limit})`, { eval: true }).unref();

if (sites > 0) {
  const hits = new Uint8Array(sites);
  Object.assign(globalThis, { walwireHits: hits });
  const outside = new Uint8Array(sites);
  beforeEach(() => {
    for (let i = 0; i < sites; i++) outside[i]! |= hits[i]!;
    hits.fill(0);
  });
  afterEach(({ task }) => {
    task.meta.hits = packed(hits);
    task.meta.outside = packed(outside);
    hits.fill(0);
  });
}

function packed(hits: Uint8Array): string {
  const bits = new Uint8Array(Math.ceil(hits.length / 8));
  for (let i = 0; i < hits.length; i++) bits[i >> 3]! |= hits[i]! << (i & 7);
  return Buffer.from(bits).toString("base64");
}
