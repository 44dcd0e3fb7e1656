/** Standard output, its errors, long output in blocks, and progress on standard error. */
import { once } from "node:events";
import { errnoWords } from "./file-error.ts";
import { status } from "./status.ts";

/** How many characters are collected before they are written. */
const BLOCK = 64 * 1024;

/** Is the output of this call long? Then the program ends when its reader closes the pipe. */
let isLong = false;
let failed = false;

/** Listen for errors of standard output for as long as the program runs. */
export function watchOutput(): void {
  process.stdout.on("error", outputError);
  // There is nowhere to report it.
  process.stderr.on("error", () => {});
}

/**
 * End with this status once everything is written. It stays if the reader of a short output closed the pipe. After another error of
 * standard output, 0 becomes 3.
 */
export function finish(code: number): void {
  process.exitCode = code === status.good && failed ? status.unseen : code;
}

/** End the program at once if standard output can no longer be written. Subcommands with long output call this first. */
export function expectLongOutput(): void {
  isLong = true;
}

function outputError(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") {
    if (isLong) process.exit(status.cut);
    return;
  }
  if (!failed) process.stderr.write(`walwire: cannot write to standard output: ${errnoWords(error.message)}\n`);
  failed = true;
  if (isLong) process.exit(status.unseen);
  if (process.exitCode === status.good) process.exitCode = status.unseen;
}

/** Does this output have colours? FORCE_COLOR and NO_COLOR decide; without them, the terminal. */
export function hasColors(output: { readonly isTTY?: boolean; hasColors?(): boolean }): boolean {
  const { FORCE_COLOR, NO_COLOR } = process.env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  // Deno's standard output has this method without a terminal too.
  return output.isTTY !== false && (output.hasColors?.() ?? false);
}

/** Standard output in blocks. `flush` waits for the reader. */
export class Blocks {
  #block = "";

  constructor() {
    expectLongOutput();
  }

  write(text: string): void {
    this.#block += text;
  }

  /** A value as a line of JSON. */
  json(value: unknown): void {
    this.write(`${JSON.stringify(value)}\n`);
  }

  hasColors(): boolean {
    return hasColors(process.stdout);
  }

  /** @param all Write also a block that is not full. */
  async flush(all = true): Promise<void> {
    if (this.#block === "" || (!all && this.#block.length < BLOCK)) return;
    const text = this.#block;
    this.#block = "";
    if (!process.stdout.write(text)) await once(process.stdout, "drain");
  }
}

/** A line on standard error that each text replaces; if that is not a terminal, a line for each text. */
export class ProgressLine {
  readonly #isShown: boolean;
  #isWritten = false;

  constructor(isShown: boolean) {
    this.#isShown = isShown;
  }

  show(text: string): void {
    if (!this.#isShown) return;
    this.#isWritten = true;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  }

  /** Make room for another line. */
  clear(): void {
    if (this.#isWritten && process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    this.#isWritten = false;
  }
}

/** How much was read, for people at a terminal whose output goes to a file. */
export class Progress {
  readonly #what: string;
  readonly #part: () => number | undefined;
  readonly #line = new ProgressLine(process.stderr.isTTY && !process.stdout.isTTY);
  #at = Date.now();

  /** @param part How much of the input was read, 0 to 1; undefined if that is unknown. */
  constructor(what: string, part: () => number | undefined) {
    this.#what = what;
    this.#part = part;
  }

  show(count: number): void {
    if (Date.now() - this.#at < 200) return;
    this.#at = Date.now();
    const part = this.#part();
    const percent = part === undefined ? "" : `, ${Math.min(100, Math.round(part * 100))} %`;
    this.#line.show(`${count.toLocaleString("en")} ${this.#what}${percent} `);
  }

  end(): void {
    this.#line.clear();
  }
}
