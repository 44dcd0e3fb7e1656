/**
 * Where received WAL goes: what a directory and a tar archive have in common.
 *
 * @source walmethods.h
 */

/** What becomes of a file when it is closed: it gets its name, it keeps the suffix, or it is removed. */
export type WalCloseMethod = "normal" | "noRename" | "unlink";

/** A file that is being written, from its beginning. Its methods are called one after the other. Errors are those of Node. */
export interface Walfile {
  /** How many bytes were written. */
  readonly position: number;
  /** Write bytes at `position`. They are not needed afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /** Flush what was written to the disk. */
  sync(): Promise<void>;
  /** Close the file and flush it. It is closed even if this fails. */
  close(method: WalCloseMethod): Promise<void>;
}

/** Where WAL, timeline histories and archive status files are written. Errors are those of Node. */
export interface WalWriteMethod {
  /** Whether files are written as they are: only these are padded, and can be compared by size. */
  readonly isPlain: boolean;
  /** The name of a file, with the suffixes of its compression and of a file in the making. */
  fileName(pathname: string, suffix: string): string;
  /** The size of a file that is there, in bytes, by its name with all suffixes. */
  fileSize(name: string): Promise<number | undefined>;
  /** Has a file nothing but zeros? */
  isZero(name: string): Promise<boolean>;
  /**
   * Open a file, made if it is not there, for writing from its beginning. What it has is kept until it is overwritten.
   *
   * @param padToSize Fill a plain file with zeros up to this size; 0 leaves it as it is.
   */
  open(pathname: string, suffix: string, padToSize: number): Promise<Walfile>;
  /** Everything is written. */
  finish(): Promise<void>;
}
