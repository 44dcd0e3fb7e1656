/** Where subcommands with long input write: standard output in blocks, and how far they are. */
import { once } from "node:events";

/** How much is put together before it is written. */
const BLOCK = 64 * 1024;

/** Standard output in blocks, which waits for whoever reads it. */
export class Blocks {
  #block = "";

  write(text: string): void {
    this.#block += text;
  }

  hasColors(): boolean {
    return process.stdout.isTTY && process.stdout.hasColors();
  }

  /** @param all Also if it is only a little. */
  async flush(all = true): Promise<void> {
    if (this.#block === "" || (!all && this.#block.length < BLOCK)) return;
    const text = this.#block;
    this.#block = "";
    if (!process.stdout.write(text)) await once(process.stdout, "drain");
  }
}

/** A line on standard error that is written over, for whoever waits there while the output goes elsewhere. */
export class Progress {
  readonly #what: string;
  readonly #part: () => number | undefined;
  readonly #shown = process.stderr.isTTY && !process.stdout.isTTY;
  #at = Date.now();
  #written = false;

  /** @param part How much of the input was read, 0 to 1; undefined if nobody knows. */
  constructor(what: string, part: () => number | undefined) {
    this.#what = what;
    this.#part = part;
  }

  show(count: number): void {
    if (!this.#shown || Date.now() - this.#at < 200) return;
    this.#at = Date.now();
    this.#written = true;
    const part = this.#part();
    const percent = part === undefined ? "" : `, ${Math.min(100, Math.round(part * 100))} %`;
    process.stderr.write(`\r${count.toLocaleString("en")} ${this.#what}${percent} `);
  }

  end(): void {
    if (this.#written) process.stderr.write("\r\u001b[K");
  }
}
