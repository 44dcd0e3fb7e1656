/**
 * The members of a tar archive as they stream, by the rules of pg_verifybackup and pg_basebackup: which archives they reject, and in which
 * words, is the verdict that verify-backup and base-backup give. The reader for other purposes is walwire/basebackup/tar, which is
 * modern-tar and reads archives that these rules reject. Two readers, because one cannot be both exact and lenient.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 *
 * @source astreamer_tar.c: astreamer_tar_parser_content, astreamer_tar_header
 * @source tar.c: read_tar_number, isValidTarHeader
 */
import { posix } from "node:path";
import { textPath } from "./paths.ts";

export interface TarMember {
  readonly path: string;
  readonly size: bigint;
  /** Where its contents begin in the archive, in bytes. */
  readonly offset: number;
  readonly isFile: boolean;
  /** The type flag: "0" or NUL for a file, "5" for a directory, "2" for a symbolic link. */
  readonly type: string;
  /** Permissions, such as 0o600. */
  readonly mode: number;
  /** The target of a symbolic link; empty for other types. */
  readonly target: string;
}

/** What is done with members, in the order in which they come. */
export interface TarVisitor {
  /** @param block The header as it is in the archive: a buffer that the parser uses again. */
  header(member: TarMember, block: Uint8Array): void;
  contents(bytes: Uint8Array): void;
  end(): void;
}

/** The archive is none: pg_verifybackup ends with this message. */
export class TarError extends Error {}

const BLOCK = 512;

export class TarParser {
  readonly #visitor: TarVisitor;
  /** Are headers looked at, and the end not? */
  readonly #checked: boolean;
  #state: "header" | "contents" | "padding" | "trailer" = "header";
  /** Of a header or a padding that has begun. */
  readonly #block = Buffer.alloc(BLOCK);
  #have = 0;
  /** Bytes of the archive before those that are being pushed. */
  #offset = 0;
  #left = 0n;
  #padding = 0;

  constructor(visitor: TarVisitor, checked: boolean) {
    this.#visitor = visitor;
    this.#checked = checked;
  }

  /** @throws TarError */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const there = bytes.length - at;
      if (this.#state === "header") {
        const taken = Math.min(BLOCK - this.#have, there);
        this.#block.set(bytes.subarray(at, at + taken), this.#have);
        this.#have += taken;
        at += taken;
        if (this.#have < BLOCK) break;
        this.#have = 0;
        this.#header(this.#offset + at);
      } else if (this.#state === "contents") {
        const taken = this.#left < BigInt(there) ? Number(this.#left) : there;
        this.#visitor.contents(bytes.subarray(at, at + taken));
        at += taken;
        this.#left -= BigInt(taken);
        if (this.#left > 0n) continue;
        if (this.#padding > 0) this.#state = "padding";
        else this.#end();
      } else if (this.#state === "padding") {
        const taken = Math.min(this.#padding, there);
        this.#padding -= taken;
        at += taken;
        if (this.#padding === 0) this.#end();
      } else {
        return;
      }
    }
    this.#offset += bytes.length;
  }

  /** @throws TarError if the archive is not whole. */
  end(): void {
    if (this.#state === "trailer" || (this.#state === "header" && this.#have === 0)) return;
    throw new TarError("COPY stream ended before last file was finished");
  }

  #end(): void {
    this.#visitor.end();
    this.#state = "header";
  }

  #header(offset: number): void {
    const block = this.#block;
    if (block.every((byte) => byte === 0)) {
      this.#state = "trailer";
      return;
    }
    if (this.#checked && !isValidHeader(block)) {
      throw new TarError("input file does not appear to be a valid tar archive");
    }
    // The name goes on into the fields behind it if nothing ends it, as a C string does.
    const path = cString(block, 0, BLOCK);
    if (path === "") throw new TarError("tar member has empty name");
    if (this.#checked && !isSafe(path)) throw new TarError(`tar member has unsafe path name: "${path}"`);
    const size = tarNumber(block, 124, 12);
    const type = String.fromCharCode(block[156]!);
    if (this.#checked && (type === "x" || type === "g")) {
      throw new TarError("pax extensions to tar format are not supported");
    }
    const isFile = this.#checked ? type === "0" || type === "\0" : type !== "5" && type !== "2";
    const mode = Number(tarNumber(block, 100, 8) & 0xffffffffn);
    const target = type === "2" ? cString(block, 157, 257) : "";
    this.#visitor.header({ path, size, offset, isFile, type, mode, target }, block);
    this.#left = size;
    this.#padding = Number((512n - (size % 512n)) % 512n);
    if (size === 0n) this.#end();
    else this.#state = "contents";
  }
}

function cString(block: Buffer, from: number, to: number): string {
  const nul = block.indexOf(0, from);
  return textPath(block.toString("latin1", from, nul === -1 || nul > to ? to : nul));
}

/** Octal digits, or a byte 128 and then the number in the order of the network; it wraps at 64 bits. */
export function tarNumber(block: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  if (block[at] === 0x80) {
    for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i]!);
  } else {
    for (let i = at; i < at + length && block[i]! >= 0x30 && block[i]! <= 0x37; i++) {
      value = (value << 3n) | BigInt(block[i]! - 0x30);
    }
  }
  return BigInt.asUintN(64, value);
}

const CHECKSUM_AT = 148;

/** The checksum, and the magic and version of POSIX, of GNU tar, or of pg_dump before 9.3. */
function isValidHeader(block: Buffer): boolean {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < CHECKSUM_AT || i >= CHECKSUM_AT + 8) sum += block[i]!;
  if (tarNumber(block, CHECKSUM_AT, 8) !== BigInt(sum)) return false;
  return ["ustar\0" + "00", "ustar  \0", "ustar00\0"].includes(block.toString("latin1", 257, 265));
}

/** @source path.c: path_is_safe_for_extraction */
function isSafe(path: string): boolean {
  const normal = posix.normalize(path);
  return !normal.startsWith("/") && normal !== ".." && !normal.startsWith("../");
}
