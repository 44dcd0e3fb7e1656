/**
 * Names of files, whatever bytes they are: as text for people and for the manifest, and as the file system wants them.
 */
import { posix } from "node:path";
import { bytesText } from "../../files/manifest/error.ts";
import { encodeText } from "../../wire/text.ts";

/** A character a byte, as the file system has it. */
export type BinaryPath = string;

/** Of a text that `textPath` gives, or any other. */
export function binaryPath(text: string): BinaryPath {
  if (isAsciiText(text)) return text;
  const bytes = Buffer.alloc(3 * text.length);
  const length = encodeText(text, bytes, 0);
  return (length === -1 ? Buffer.from(text) : bytes.subarray(0, length)).toString("latin1");
}

/** As walwire has text: what is not UTF-8 is U+DC80 to U+DCFF. */
export function textPath(path: BinaryPath): string {
  return bytesText(path);
}

export function isAsciiText(text: string): boolean {
  return /^[\x00-\x7f]*$/.test(text);
}

/** Without what a path can do without. @source path.c: canonicalize_path */
export function canonicalPath(path: string): string {
  if (path === "") return path;
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** Paths that are passed over, each with all that is below it. @source pg_verifybackup.c: should_ignore_relpath */
export class IgnoreList {
  readonly #paths = new Set([
    // Not in the manifest, since it is the manifest.
    "backup_manifest",
    // Its files come another way, and are looked at in another.
    "pg_wal",
    // These may be made or changed when a backup is taken.
    "postgresql.auto.conf",
    "recovery.signal",
    "standby.signal",
  ]);

  add(path: string): void {
    this.#paths.add(path);
  }

  has(path: string): boolean {
    for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
      if (this.#paths.has(path.slice(0, slash))) return true;
    }
    return this.#paths.has(path);
  }
}
