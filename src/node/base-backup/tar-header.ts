/**
 * The header of a file in a tar archive, as PostgreSQL writes it.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source tar.c: tarCreateHeader, print_tar_number, tarChecksum
 */

/** The size of a header. */
const TAR_BLOCK = 512;

const CHECKSUM_AT = 148;

/** A file as its header describes it. */
export interface TarFile {
  /** The path, at most 99 bytes. */
  readonly path: string;
  readonly size: bigint;
  readonly mode: number;
  readonly uid: bigint;
  readonly gid: bigint;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** A file, a symbolic link or a directory. Default: a file. */
  readonly typeflag?: "0" | "2" | "5" | undefined;
  /** What a symbolic link leads to, at most 99 bytes. */
  readonly linkname?: string | undefined;
}

export function tarHeader({ path, size, mode, uid, gid, mtime, typeflag = "0", linkname = "" }: TarFile): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK);
  block.write(path, 0, 99, "utf8");
  putNumber(block, 100, 8, BigInt(mode & 0o7777));
  putNumber(block, 108, 8, uid);
  putNumber(block, 116, 8, gid);
  putNumber(block, 124, 12, size);
  putNumber(block, 136, 12, BigInt(mtime));
  block.write(typeflag, 156, "latin1");
  block.write(linkname, 157, 99, "utf8");
  block.write("ustar\0" + "00", 257, "latin1");
  block.write("postgres", 265, "latin1");
  block.write("postgres", 297, "latin1");
  putNumber(block, 329, 8, 0n);
  putNumber(block, 337, 8, 0n);
  putNumber(block, CHECKSUM_AT, 8, BigInt(checksumOf(block)));
  return block;
}

/** Zero bytes behind a file, up to the end of its last block. */
export function tarPadding(size: bigint): Uint8Array {
  return new Uint8Array(Number((512n - (size % 512n)) % 512n));
}

/** Octal digits and a blank, or a byte 128 and the number in base 256. */
function putNumber(block: Buffer, at: number, length: number, value: bigint): void {
  if (value < 1n << BigInt((length - 1) * 3)) {
    block.write(`${value.toString(8).padStart(length - 1, "0")} `, at, "latin1");
    return;
  }
  block[at] = 0x80;
  for (let i = at + length - 1, left = value; i > at; i--, left >>= 8n) block[i] = Number(left & 0xffn);
}

function checksumOf(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (const [i, byte] of block.entries()) if (i < CHECKSUM_AT || i >= CHECKSUM_AT + 8) sum += byte;
  return sum;
}
