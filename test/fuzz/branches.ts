/** Which parts of src have run in this process, by V8's counts of blocks. */
import { Session } from "node:inspector/promises";

export class Branches {
  readonly #session = new Session();
  /** By file: 1 for each character that has run. */
  readonly #reached = new Map<string, Uint8Array>();
  #count = 0;

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** How many blocks have been reached for the first time: one by one if there is code between them that has not run. */
  get count(): number {
    return this.#count;
  }

  /** How many have been reached since the last call, and never before. */
  async take(): Promise<number> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    const before = this.#count;
    for (const { url, functions } of result) {
      if (!/\/src\/[^?]*\.[jt]s$/.test(url) || url.includes("/node_modules/")) continue;
      const length = Math.max(...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
      // Outer ones come first: a block has the count of the innermost range around it.
      const now = new Uint8Array(length);
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      }
      const reached = this.#reached.get(url) ?? new Uint8Array(length);
      this.#reached.set(url, reached);
      let isNew = false;
      for (let i = 0; i < length; i++) {
        const wasNew = isNew;
        isNew = now[i] === 1 && reached[i] !== 1;
        if (!isNew) continue;
        reached[i] = 1;
        if (!wasNew) this.#count++;
      }
    }
    return this.#count - before;
  }

  stop(): void {
    this.#session.disconnect();
  }
}
