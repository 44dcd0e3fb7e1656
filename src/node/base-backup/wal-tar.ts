/**
 * WAL in a tar archive: pg_wal.tar. The size of a segment is known when it is opened; other files are short, and wait until they are closed.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source walmethods.c: CreateWalTarMethod, tar_open_for_write, tar_close, tar_finish
 */
import { StateError } from "../../kernel/errors.ts";
import type { WalCloseMethod, Walfile, WalWriteMethod } from "../receive-wal/method.ts";
import type { ByteSink } from "./archive.ts";
import { tarHeader, tarPadding } from "./tar-header.ts";

export class WalTar implements WalWriteMethod {
  /** Nothing of it can be read. */
  readonly isPlain = false;
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  fileName(pathname: string, suffix: string): string {
    return `${pathname}${suffix}`;
  }

  async fileSize(): Promise<undefined> {}

  async isZero(): Promise<boolean> {
    return false;
  }

  async open(pathname: string, _: string, padToSize: number): Promise<Walfile> {
    return padToSize > 0 ? new SegmentInTar(this.#sink, pathname, padToSize) : new FileInTar(this.#sink, pathname);
  }

  async finish(): Promise<void> {
    this.#sink.write(new Uint8Array(1024));
    await this.#sink.end();
  }
}

/** What the archive is padded with. */
const ZEROS = new Uint8Array(64 * 1024);

class SegmentInTar implements Walfile {
  position = 0;
  readonly #sink: ByteSink;
  readonly #size: number;

  constructor(sink: ByteSink, pathname: string, size: number) {
    this.#sink = sink;
    this.#size = size;
    sink.write(headerOf(pathname, size));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#sink.write(bytes);
    this.position += bytes.length;
    await this.#sink.ready();
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    for (let left = this.#size - this.position; left > 0; left -= ZEROS.length) {
      await this.#put(ZEROS.subarray(0, left));
    }
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#sink.write(bytes);
    await this.#sink.ready();
  }
}

class FileInTar implements Walfile {
  position = 0;
  readonly #sink: ByteSink;
  readonly #pathname: string;
  readonly #chunks: Uint8Array[] = [];

  constructor(sink: ByteSink, pathname: string) {
    this.#sink = sink;
    this.#pathname = pathname;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(bytes.slice());
    this.position += bytes.length;
  }

  async sync(): Promise<void> {}

  async close(method: WalCloseMethod): Promise<void> {
    if (method === "unlink") return;
    if (method === "noRename") throw new StateError("a file in an archive has its name from the beginning");
    this.#sink.write(headerOf(this.#pathname, this.position));
    for (const chunk of this.#chunks) this.#sink.write(chunk);
    this.#sink.write(tarPadding(BigInt(this.position)));
    await this.#sink.ready();
  }
}

function headerOf(path: string, size: number): Uint8Array {
  const mtime = Math.floor(Date.now() / 1000);
  return tarHeader({ path, size: BigInt(size), mode: 0o600, uid: 0n, gid: 0n, mtime });
}
