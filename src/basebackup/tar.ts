/**
 * walwire/basebackup/tar: the files in an archive of a base backup, as it streams.
 *
 * modern-tar reads the format. This module adds archives without an end (servers before 15), compression by the server, a check of
 * names that lead out of the directory, and errors with a position.
 *
 * There is no writer: modern-tar's ends numbers with NUL where PostgreSQL has a blank, omits device numbers, and writes pax headers
 * for files larger than 8 GB, which PostgreSQL's programs reject.
 *
 * The streams are the platform's: type checking needs TypeScript's lib "DOM", or @types/node.
 *
 * @source astreamer_tar.c; tar.c: tarCreateHeader
 */
import { createTarDecoder, type ParsedTarEntry } from "modern-tar";
import { DecodeError, UnsupportedError, WalwireError } from "../kernel/errors.ts";
import { checkOneOf, checkOptions } from "../kernel/options.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import { givenBytes } from "../wire/check.ts";
import { quoteText } from "../wire/trace.ts";
import { baseBackupCapabilities } from "./capabilities.ts";
import type { BackupCompression } from "./events.ts";

/** A file, a directory, or a symbolic link to a tablespace's directory. */
export interface TarEntry {
  /** The type of the entry. */
  readonly type: "file" | "directory" | "symlink";
  /** Its path below the directory of the archive, without a slash at the end: `base/1/1259`. */
  readonly name: string;
  /** Bytes of the body; 0 unless it is a file. */
  readonly size: number;
  /** Permissions, such as 0o600. */
  readonly mode: number;
  /** The owner's user ID on the server. */
  readonly uid: number;
  /** The owner's group ID on the server. */
  readonly gid: number;
  /** The time of its last modification, to the second. */
  readonly mtime: Date;
  /** The target of a symbolic link, on the server; undefined for other types. */
  readonly target: string | undefined;
  /** The contents. Read them to the end or cancel them: then the next entry comes. */
  readonly body: ReadableStream<Uint8Array>;
}

/** Options of `tarEntries`. */
export interface TarOptions {
  /** The compression of the archive, as in ArchiveStart. */
  readonly compression?: BackupCompression | undefined;
  /** The server's version: those before 15 do not write the end of an archive. Default: as in the receiver. */
  readonly server?: Server | undefined;
}

/** Zero bytes at the end of an archive. */
const TERMINATOR = 1024;

/**
 * Split the bytes of one archive into its entries: write the data of each Data event, and close the writer at ArchiveEnd.
 *
 * Only a few chunks are held in memory: the writer waits for the reader.
 *
 * @returns a pair of streams, as `pipeThrough` takes it. Both streams, and the body that is being read, fail with a DecodeError if the
 *   bytes are not a whole archive. That can be found after the last entry, so read until the end.
 * @throws UnsupportedError for lz4 and zstd. Decompress such an archive first and leave `compression` out: with
 *   `Duplex.toWeb(zlib.createZstdDecompress())` of Node 22.15 and later, the programs `zstd -dc` and `lz4 -dc`, or a package.
 * @throws ArgumentError for an invalid option. The writer fails with one for a chunk that is not a Uint8Array.
 * @example Object.keys(tarEntries({ compression: "gzip" })) // ["writable", "readable"]
 */
export function tarEntries(options: TarOptions = {}): {
  /** Takes the bytes of the archive. */
  readonly writable: WritableStream<Uint8Array>;
  /** Gives the entries. */
  readonly readable: ReadableStream<TarEntry>;
} {
  checkOptions(options, ["compression", "server"]);
  const { compression, server = defaultServer } = options;
  checkOneOf("options.compression", compression, [undefined, "gzip", "lz4", "zstd"]);
  if (compression === "lz4" || compression === "zstd") {
    throw new UnsupportedError(
      `archives compressed with ${compression} must be decompressed first: platforms support gzip only`,
      "compression",
    );
  }
  let offset = 0;
  /** Why the writer was aborted: the reader fails with the same. */
  let aborted: { readonly reason: unknown } | undefined;
  const damage = (error: unknown): unknown => (aborted === undefined ? asDecodeError(error, offset) : aborted.reason);
  const input = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      offset += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const plain: ReadableStream<Uint8Array> =
    compression === "gzip" ? input.readable.pipeThrough(gunzip()) : input.readable;
  const ended = baseBackupCapabilities.supports(server, "baseBackupTerminatesTar")
    ? plain
    : plain.pipeThrough(terminator());
  const entries = ended.pipeThrough(createTarDecoder({ strict: true })).getReader();
  const writer = input.writable.getWriter();
  writer.closed.catch(() => {}); // the reader or the writer gets the error
  return {
    writable: new WritableStream({
      write: async (chunk) => writer.write(givenBytes(chunk, "chunk")).catch(rethrow(damage)),
      close: () => writer.close().catch(rethrow(damage)),
      abort: (reason) => {
        aborted = { reason };
        return writer.abort(reason);
      },
    }),
    readable: new ReadableStream(
      {
        async pull(controller) {
          try {
            const { done, value } = await entries.read();
            if (done) controller.close();
            else controller.enqueue(entryOf(value, damage, offset));
          } catch (error) {
            const reason = damage(error);
            controller.error(reason);
            await entries.cancel(reason).catch(() => {}); // the writer gets the reason
          }
        },
        cancel: (reason) => entries.cancel(reason),
      },
      { highWaterMark: 0 },
    ),
  };
}

function gunzip(): TransformStream<Uint8Array, Uint8Array> {
  return new DecompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>;
}

function terminator(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    flush(controller) {
      controller.enqueue(new Uint8Array(TERMINATOR));
    },
  });
}

function entryOf({ header, body }: ParsedTarEntry, damage: (error: unknown) => unknown, offset: number): TarEntry {
  const { type = "file", size, mode = 0, uid = 0, gid = 0, mtime = new Date(0), linkname } = header;
  if (header.pax !== undefined) {
    // The message of pg_basebackup. modern-tar (0.8.6) reads pax headers, also some that are damaged.
    throw new DecodeError("BAD_VALUE", "Tar.type", offset, "pax extensions to tar format are not supported");
  }
  if (type !== "file" && type !== "directory" && type !== "symlink") {
    throw new DecodeError(
      "BAD_VALUE",
      "Tar.type",
      offset,
      `the entry is a ${type}, expected a file, directory or symlink`,
    );
  }
  const name = safe(type === "directory" || type === "symlink" ? header.name.replace(/\/$/, "") : header.name, offset);
  for (const text of [name, linkname ?? ""]) {
    // modern-tar puts U+FFFD for bytes that are not UTF-8, so that two names could become one.
    if (text.includes("\ufffd")) {
      throw new DecodeError("BAD_VALUE", "Tar.name", offset, `the name ${quoteText(text)} is not UTF-8`);
    }
  }
  return {
    type,
    name,
    size,
    mode,
    uid,
    gid,
    mtime,
    target: type === "symlink" ? linkname : undefined,
    body: told(body, damage),
  };
}

/** @throws DecodeError, with the message of pg_basebackup 19, for a name that is empty or leads out of the directory */
function safe(name: string, offset: number): string {
  if (name === "") throw new DecodeError("BAD_VALUE", "Tar.name", offset, "tar member has empty name");
  if (/^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(name)) {
    throw new DecodeError("BAD_VALUE", "Tar.name", offset, `tar member has unsafe path name: ${quoteText(name)}`);
  }
  return name;
}

/**
 * The same bytes, with our errors. Cancelling a body still reads it to its end: if modern-tar's own stream is cancelled (0.8.6), it
 * throws the errors of later entries there, and the next entry may never end.
 */
function told(body: ReadableStream<Uint8Array>, damage: (error: unknown) => unknown): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(damage(error));
        }
      },
      cancel() {
        passOver(reader).catch(() => {}); // the reader of the next entry gets the error
      },
    },
    { highWaterMark: 0 },
  );
}

async function passOver(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done) {}
}

function rethrow(damage: (error: unknown) => unknown): (error: unknown) => never {
  return (error) => {
    throw damage(error);
  };
}

/** Convert the errors that modern-tar and platforms throw for damaged bytes. */
function asDecodeError(error: unknown, offset: number): unknown {
  if (error instanceof WalwireError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  const truncated = /truncated/i.test(error.message) || code === "Z_BUF_ERROR";
  const said = error.message.replace(/\.$/, "");
  return truncated
    ? new DecodeError("TRUNCATED", "Tar", offset, `the archive ends at offset ${offset}, before its last file does`)
    : new DecodeError("BAD_VALUE", "Tar", offset, `the bytes up to offset ${offset} are not a tar archive: ${said}`);
}
