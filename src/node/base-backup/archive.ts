/**
 * Tar format: the bytes of an archive go to a file, as they are or compressed. With a recovery configuration to be put into it, the
 * archive is taken apart and put together again.
 *
 * @source astreamer_file.c: astreamer_plain_writer_new; astreamer_gzip.c; astreamer_tar.c: astreamer_tar_archiver_content
 */
import { createGzip, type Gzip } from "node:zlib";
import type { TarMember, TarVisitor } from "../verify-backup/tar.ts";
import type { BackupFile, BackupFiles } from "./files.ts";
import { tarPadding } from "./tar-header.ts";

/** Takes the bytes of a file. */
export interface ByteSink {
  /** @param bytes are not needed afterwards. */
  write(bytes: Uint8Array): void;
  /** Wait while there is too much that is not written; undefined if there is not. @throws the error of a write */
  ready(): Promise<void> | undefined;
  /** The file is complete. @throws the error of a write */
  end(): Promise<void>;
}

/** A file as it is. */
export class FileSink implements ByteSink {
  readonly #files: BackupFiles;
  readonly #file: BackupFile;

  constructor(files: BackupFiles, file: BackupFile) {
    this.#files = files;
    this.#file = file;
  }

  write(bytes: Uint8Array): void {
    this.#files.write(this.#file, bytes);
  }

  ready(): undefined {}

  async end(): Promise<void> {
    this.#files.close(this.#file);
  }
}

/** A file that is compressed with gzip. */
export class GzipSink implements ByteSink {
  readonly #file: FileSink;
  readonly #gzip: Gzip;
  readonly #done: Promise<void>;

  /** @param level 1 to 9; undefined for zlib's default. */
  constructor(file: FileSink, level: number | undefined) {
    this.#file = file;
    this.#gzip = createGzip({ level, chunkSize: 128 * 1024 });
    this.#gzip.on("error", () => {}); // the loop that reads it throws it
    this.#done = this.#drain();
    this.#done.catch(() => {}); // `ready` and `end` throw it
  }

  async #drain(): Promise<void> {
    for await (const bytes of this.#gzip) this.#file.write(bytes);
  }

  write(bytes: Uint8Array): void {
    this.#gzip.write(bytes.slice());
  }

  ready(): Promise<void> | undefined {
    return this.#gzip.writableNeedDrain || this.#gzip.destroyed ? this.#drained() : undefined;
  }

  async #drained(): Promise<void> {
    const gzip = this.#gzip;
    if (gzip.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        const go = (): void => {
          gzip.off("drain", go).off("close", go);
          resolve();
        };
        gzip.on("drain", go).on("close", go);
      });
    }
    if (gzip.destroyed) await this.#done;
  }

  async end(): Promise<void> {
    this.#gzip.end();
    await this.#done;
    await this.#file.end();
  }
}

const END = new Uint8Array(1024);

/** Members as an archive: headers and contents that come are written as they are. */
export class TarArchiver implements TarVisitor {
  readonly #sink: ByteSink;
  #padding: Uint8Array = END;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  header({ size }: TarMember, block: Uint8Array): void {
    this.#sink.write(block);
    this.#padding = tarPadding(size);
  }

  contents(bytes: Uint8Array): void {
    this.#sink.write(bytes);
  }

  end(): void {
    this.#sink.write(this.#padding);
  }

  /** Write the end of the archive. */
  finish(): void {
    this.#sink.write(END);
  }
}
