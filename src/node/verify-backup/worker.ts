/** A worker thread that sums up files: it gets a list of them, and answers with the results. */
import { parentPort } from "node:worker_threads";
import { type SumResult, type SumTask, sumFile } from "./sum.ts";

/** What a worker says. */
export type WorkerMessage =
  | { readonly type: "progress"; readonly bytes: number }
  | { readonly type: "results"; readonly results: readonly SumResult[] };

/** Bytes between two messages of progress. */
const STEP = 16 * 1024 * 1024;

const port = parentPort!;

port.on("message", (tasks: readonly SumTask[]) => {
  let untold = 0;
  const tell = (message: WorkerMessage): void => port.postMessage(message);
  const results = tasks.map((task) =>
    sumFile(task, (bytes) => {
      untold += bytes;
      if (untold < STEP) return;
      tell({ type: "progress", bytes: untold });
      untold = 0;
    }),
  );
  tell({ type: "progress", bytes: untold });
  tell({ type: "results", results });
});
