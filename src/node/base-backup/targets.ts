/** Where the bytes of an archive go: taken apart into files, or into one file. */
import type { BackupCompression } from "../../basebackup/events.ts";
import { DecodeError } from "../../kernel/errors.ts";
import { decompress } from "../decompress.ts";
import { TarError, TarParser, type TarVisitor } from "../verify-backup/tar.ts";
import type { ByteSink } from "./archive.ts";

/** Takes the bytes of one archive. */
export interface ArchiveTarget {
  /** @returns a promise if there is no room for more until it is fulfilled: a backup of 1 GB writes 30,000 times. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** The archive is complete. */
  end(): Promise<void>;
}

/** The archive as a file. */
export class WholeArchive implements ArchiveTarget {
  readonly #sink: ByteSink;
  readonly #trailer: Uint8Array;

  /** @param trailer Follows the bytes of the server: those before 15 do not end their archives. */
  constructor(sink: ByteSink, trailer: Uint8Array) {
    this.#sink = sink;
    this.#trailer = trailer;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#sink.write(bytes);
    return this.#sink.ready();
  }

  end(): Promise<void> {
    if (this.#trailer.length > 0) this.#sink.write(this.#trailer);
    return this.#sink.end();
  }
}

interface ParsedArchiveOptions {
  readonly visitor: TarVisitor;
  /** Wait while there is too much that is not written; undefined if there is not. */
  readonly ready: () => Promise<void> | undefined;
  /** Called after the last member. */
  readonly finish: () => Promise<void>;
}

/** Bytes that are taken apart before the next wait: a server may send hundreds of megabytes in one message. */
const PIECE = 64 * 1024;

/** The members of the archive. */
export class ParsedArchive implements ArchiveTarget {
  readonly #parser: TarParser;
  readonly #options: ParsedArchiveOptions;
  #offset = 0;

  constructor(options: ParsedArchiveOptions) {
    this.#parser = new TarParser(options.visitor, true);
    this.#options = options;
  }

  /** @throws DecodeError for bytes that are not an archive */
  write(bytes: Uint8Array): Promise<void> | undefined {
    for (let at = 0; at < bytes.length; at += PIECE) {
      const wait = this.#piece(bytes.subarray(at, at + PIECE));
      if (wait !== undefined) return this.#rest(wait, bytes.subarray(at + PIECE));
    }
    return undefined;
  }

  async #rest(wait: Promise<void>, bytes: Uint8Array): Promise<void> {
    await wait;
    for (let at = 0; at < bytes.length; at += PIECE) await this.#piece(bytes.subarray(at, at + PIECE));
  }

  #piece(bytes: Uint8Array): Promise<void> | undefined {
    this.#told("BAD_VALUE", () => this.#parser.push(bytes));
    this.#offset += bytes.length;
    return this.#options.ready();
  }

  async end(): Promise<void> {
    this.#told("TRUNCATED", () => this.#parser.end());
    await this.#options.finish();
  }

  #told(code: "BAD_VALUE" | "TRUNCATED", run: () => void): void {
    try {
      run();
    } catch (error) {
      throw error instanceof TarError ? new DecodeError(code, "Tar", this.#offset, error.message) : error;
    }
  }
}

/** The archive is decompressed first. */
export class CompressedArchive implements ArchiveTarget {
  #waiting: Uint8Array | undefined;
  #ended = false;
  #isOver = false;
  /** Wakes the reader. */
  #given: () => void = () => {};
  /** Wakes the writer. */
  #taken: () => void = () => {};
  readonly #done: Promise<void>;

  constructor(next: ArchiveTarget, compression: BackupCompression) {
    this.#done = this.#run(next, compression).finally(() => {
      this.#isOver = true;
      this.#taken();
    });
    this.#done.catch(() => {}); // `write` and `end` throw it
  }

  async #run(next: ArchiveTarget, compression: BackupCompression): Promise<void> {
    for await (const bytes of decompress(this.#chunks(), compression)) await next.write(bytes);
    await next.end();
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#waiting;
      if (chunk !== undefined) {
        this.#waiting = undefined;
        this.#taken();
        yield chunk;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#given = resolve;
        });
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOver) {
      this.#waiting = bytes.slice();
      const taken = new Promise<void>((resolve) => {
        this.#taken = resolve;
      });
      this.#given();
      await taken;
    }
    // Only an error ends the reader before the archive ends.
    if (this.#isOver) await this.#done;
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#given();
    await this.#done;
  }
}
