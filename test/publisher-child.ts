/** Runs publisher-process.ts, bundled, so that it starts at once and can be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { PublisherTask } from "./publisher-process.ts";

/** Write the program to a file. */
export async function bundlePublisher(outfile: string): Promise<void> {
  const entry = fileURLToPath(new URL("./publisher-process.ts", import.meta.url));
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
    logLevel: "error",
    external: ["pg"],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
}

/** A publisher in a process of its own, which ends with this one. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** The last transaction that it has acknowledged. */
  stored = -1;

  /** @param limit Kilobytes that a file can have. */
  constructor(program: string, task: PublisherTask, limit?: number) {
    const node = [process.execPath, program, JSON.stringify(task)];
    const shell = ["-c", `ulimit -f ${limit}; exec "$@"`, "bash", ...node];
    this.#process = limit === undefined ? spawn(node[0]!, node.slice(1)) : spawn("bash", shell);
    this.#process.stderr!.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
    this.#process.stdin!.on("error", () => {}); // it was killed
  }

  order(text: string): void {
    this.#process.stdin!.write(`${text}\n`);
  }

  /** Read what it says until `is`; undefined once it has ended. */
  async until(is: (line: string) => boolean): Promise<string | undefined> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) return undefined;
      const [, stored] = /^stored (\d+)$/.exec(value) ?? [];
      if (stored !== undefined) this.stored = Number(stored);
      if (is(value)) return value;
    }
  }

  /** Wait until it has acknowledged so many transactions more. */
  async writes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.until((line) => line.startsWith("stored "));
  }

  /** End it without a warning, and read what it had said. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.until(() => false);
  }
}
