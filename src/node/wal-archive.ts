/**
 * The WAL segments in a tar archive, as pg_waldump from 19 on finds them: of pg_wal.tar, base.tar, or the directory of an archive_command.
 *
 * The archive is read once, from its beginning to its end. Segments of a compressed archive go to a temporary file that has no name, so
 * none is left behind whatever ends the process.
 *
 * Portions Copyright (c) 2026, PostgreSQL Global Development Group
 *
 * @source archive_waldump.c: init_archive_reader, astreamer_waldump_content, member_is_wal_file
 * @source compression.c: parse_tar_compress_algorithm
 */
import { closeSync, createReadStream, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { DecodeError } from "../kernel/errors.ts";
import { decompress, type ReadableCompression } from "./decompress.ts";
import { binaryPath } from "./verify-backup/paths.ts";
import { systemPath } from "./verify-backup/system-path.ts";
import { TarError, type TarMember, TarParser } from "./verify-backup/tar.ts";

const suffixes: readonly (readonly [string, "none" | ReadableCompression])[] = [
  [".tar", "none"],
  [".tgz", "gzip"],
  [".tar.gz", "gzip"],
  [".tar.lz4", "lz4"],
  [".tar.zst", "zstd"],
];

/** The compression of an archive by the end of its name; undefined if it is not the name of an archive. */
export function archiveCompression(name: string): "none" | ReadableCompression | undefined {
  return suffixes.find(([suffix]) => name.endsWith(suffix))?.[1];
}

/** A file in an archive. */
export interface ArchivedFile {
  /** In the file that `fd` refers to. */
  readonly offset: number;
  /** Bytes of it that are there: fewer than it has if the archive ends early. */
  length: number;
}

export interface WalArchiveOptions {
  /** Whether a file is kept, by its name without the directories before it. */
  readonly wants: (name: string) => boolean;
  readonly breathe: () => Promise<void>;
}

/** Some files of an archive. */
export class WalArchive {
  /** Of the archive, or of the temporary file. */
  readonly fd: number;
  readonly files: ReadonlyMap<string, ArchivedFile>;
  /** Why the archive could not be read to its end: pg_waldump's message. */
  readonly damage: string | undefined;

  private constructor(fd: number, files: ReadonlyMap<string, ArchivedFile>, damage: string | undefined) {
    this.fd = fd;
    this.files = files;
    this.damage = damage;
  }

  /** @throws errors of the file system */
  static async open(
    path: string,
    compression: "none" | ReadableCompression,
    { wants, breathe }: WalArchiveOptions,
  ): Promise<WalArchive> {
    const raw = openSync(systemPath(binaryPath(path)), "r");
    const copy = compression === "none" && fstatSync(raw).isFile() ? undefined : temporaryFile();
    const files = new Map<string, ArchivedFile>();
    let end = 0;
    let file: ArchivedFile | undefined;
    const parser = new TarParser(
      {
        header({ isFile, path: member, offset }: TarMember) {
          file = undefined;
          const name = isFile ? nameOf(member) : undefined;
          // Of duplicates the first counts.
          if (name === undefined || files.has(name) || !wants(name)) return;
          file = { offset: copy === undefined ? offset : end, length: 0 };
          files.set(name, file);
        },
        contents(bytes) {
          if (file === undefined) return;
          file.length += bytes.length;
          if (copy === undefined) return;
          for (let at = 0; at < bytes.length; ) at += writeSync(copy, bytes, at, bytes.length - at, end + at);
          end += bytes.length;
        },
        end() {
          file = undefined;
        },
      },
      true,
    );
    let damage: string | undefined;
    try {
      const chunks = createReadStream(path, { fd: raw, autoClose: false, highWaterMark: 1 << 20 });
      for await (const bytes of compression === "none" ? chunks : decompress(chunks, compression)) {
        parser.push(bytes);
        await breathe();
      }
    } catch (error) {
      if (error instanceof TarError) damage = error.message;
      else if (error instanceof DecodeError && error.code !== "TRUNCATED") {
        damage = `could not decompress data: ${(error.cause as Error).message}`;
      } else if (!(error instanceof DecodeError)) {
        closeSync(raw);
        if (copy !== undefined) closeSync(copy);
        throw error;
      }
    }
    try {
      if (damage === undefined) parser.end();
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      damage = error.message;
    }
    if (copy !== undefined) closeSync(raw);
    return new WalArchive(copy ?? raw, files, damage);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** @source archive_waldump.c: member_is_wal_file */
function nameOf(member: string): string | undefined {
  const path = posix.normalize(`./${member}`);
  return path.includes("/") && !path.startsWith("pg_wal") ? undefined : posix.basename(path);
}

/** A file for reading and writing that no directory has. */
export function temporaryFile(): number {
  const directory = mkdtempSync(join(tmpdir(), "walwire-wal-"));
  try {
    return openSync(join(directory, "segments"), "wx+", 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
