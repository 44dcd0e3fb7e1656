/**
 * The checksum of a manifest: SHA-256 of all but its last line.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source parse_manifest.c: verify_manifest_checksum
 */
import { refuseArgument } from "../../kernel/errors.ts";
import type { Sha256 } from "./types.ts";

const NEWLINE = 0x0a;

/** The result of a caller's function. @throws ArgumentError if it cannot make checksums. */
export function madeBy(make: () => Sha256): Sha256 {
  const sum: unknown = typeof make === "function" && !/^class\b/.test(String(make)) ? make() : undefined;
  const { update, digest } = (sum ?? {}) as Partial<Sha256>;
  if (typeof update === "function" && typeof digest === "function") return sum as Sha256;
  return refuseArgument("sha256", "a function that returns an object with update and digest", make);
}

/** Sums up bytes as they come, and keeps back what may yet be the last line. Whatever is kept is copied. */
export class ManifestDigest {
  readonly #sha256: Sha256;
  /** From behind the last newline but one up to the last newline, and from there on. */
  #line: Uint8Array[] = [];
  #rest: Uint8Array[] = [];
  #newlines = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** The pieces before the last: they count as a whole, wherever their lines end. */
  piece(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
  }

  /** Text that may contain the last line. */
  tail(bytes: Uint8Array): void {
    const last = bytes.lastIndexOf(NEWLINE);
    if (last === -1) {
      if (bytes.length > 0) this.#rest.push(bytes.slice());
      return;
    }
    this.#hash(this.#line);
    const lastButOne = last === 0 ? -1 : bytes.lastIndexOf(NEWLINE, last - 1);
    if (lastButOne !== -1) {
      this.#hash(this.#rest);
      this.#sha256.update(bytes.subarray(0, lastButOne + 1));
      this.#rest = [];
      this.#newlines = 2;
    } else {
      this.#newlines++;
    }
    this.#line = [...this.#rest, bytes.slice(lastButOne + 1, last + 1)];
    this.#rest = last + 1 < bytes.length ? [bytes.slice(last + 1)] : [];
  }

  #hash(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#sha256.update(part);
  }

  /** The checksum, or the error of the lines. */
  end(): Uint8Array | "expected at least 2 lines" | "last line not newline-terminated" {
    if (this.#newlines < 2) return "expected at least 2 lines";
    if (this.#rest.length > 0) return "last line not newline-terminated";
    return this.#sha256.digest();
  }
}
