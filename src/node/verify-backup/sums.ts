/** Many files summed up at once, by as many worker threads as there are processors. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type SumResult, type SumTask, sumFile } from "./sum.ts";
import type { WorkerMessage } from "./worker.ts";

export interface SumItem extends SumTask {
  /** In bytes, as far as one knows. */
  readonly size: number;
}

export interface SumOptions {
  /** How many threads; 0 for none but this one. */
  readonly workers: number | undefined;
  readonly tell: (bytes: number) => void;
  readonly breathe: () => Promise<void>;
}

/** Below this many bytes a worker, which takes 40 ms to start, is not worth it. */
const WORTH_A_WORKER = 32 * 1024 * 1024;

/** What a worker gets at once: so many bytes, or files. */
const BATCH_BYTES = 32 * 1024 * 1024;
const BATCH_FILES = 256;

/** The results, in the order of the items; each is handed over as soon as all before it are there. */
export async function* sumFiles(items: readonly SumItem[], options: SumOptions): AsyncGenerator<SumResult> {
  const total = items.reduce((bytes, { size }) => bytes + size, 0);
  const worker = workerUrl();
  const most = worker === undefined ? 0 : Math.ceil(total / WORTH_A_WORKER);
  const workers = Math.min(options.workers ?? availableParallelism(), most);
  if (worker === undefined || workers < 1 || (workers === 1 && options.workers === undefined && most === 1)) {
    return yield* sumHere(items, options);
  }
  yield* sumThere(items, workers, worker, options);
}

/**
 * The file that a worker thread runs. Undefined if there is none: where a bundler has put this module into another file (as CommonJS it
 * has no import.meta), and in the sources, which are TypeScript. The files are then summed up in this thread.
 */
function workerUrl(): URL | undefined {
  const here = import.meta.url as string | undefined;
  if (here === undefined || !/\/verify-backup\/sums\.js$/.test(here)) return undefined;
  const url = new URL("./worker.js", here);
  return existsSync(url) ? url : undefined;
}

async function* sumHere(items: readonly SumItem[], { tell, breathe }: SumOptions): AsyncGenerator<SumResult> {
  let since = 0;
  for (const item of items) {
    yield sumFile(item, (bytes) => {
      tell(bytes);
      since += bytes;
    });
    since += 4096;
    if (since < 4 * 1024 * 1024) continue;
    since = 0;
    await breathe();
  }
}

function batchesOf(items: readonly SumItem[]): SumItem[][] {
  const batches: SumItem[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (bytes + item.size > BATCH_BYTES || batches.at(-1)!.length === BATCH_FILES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(item);
    bytes += item.size;
  }
  return batches;
}

async function* sumThere(
  items: readonly SumItem[],
  count: number,
  url: URL,
  options: SumOptions,
): AsyncGenerator<SumResult> {
  const batches = batchesOf(items);
  const done: (readonly SumResult[] | undefined)[] = batches.map(() => undefined);
  let next = 0;
  let wake = (): void => {};
  let failure: Error | undefined;
  const workers = Array.from({ length: Math.min(count, batches.length) }, () => {
    // Options of this process such as --input-type=module are none for a file.
    const worker = new Worker(url, { execArgv: [] });
    /** The batches that it has, oldest first: one more than it works on, so that it does not wait. */
    const has: number[] = [];
    const give = (): void => {
      while (has.length < 2 && next < batches.length) {
        has.push(next);
        worker.postMessage(batches[next++]!.map(({ path, algorithm }) => ({ path, algorithm })));
      }
    };
    worker.on("message", (message: WorkerMessage) => {
      if (message.type === "progress") return options.tell(message.bytes);
      done[has.shift()!] = message.results;
      give();
      wake();
    });
    worker.on("error", (error) => {
      failure = error;
      wake();
    });
    give();
    return worker;
  });
  try {
    for (let i = 0; i < batches.length; i++) {
      while (done[i] === undefined) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      yield* done[i]!;
      done[i] = [];
      await options.breathe();
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
