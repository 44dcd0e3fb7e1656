/** How far a backup is, as pg_basebackup counts it. @source pg_basebackup.c: progress_report */

/** How far a backup is. */
export interface BackupProgress {
  /** Bytes of archives that the server has read so far, before compression. */
  readonly doneBytes: bigint;
  /** The size of all tablespaces as the server estimated it, or what is done if that is more; 0 without an estimate. */
  readonly totalBytes: bigint;
  /** How many tablespaces are complete. */
  readonly tablespaces: number;
  /** How many there are, with the main data directory. */
  readonly totalTablespaces: number;
  /** The file that is being written; undefined before the first and after the last. */
  readonly file: string | undefined;
}

/** Milliseconds between two reports. */
const INTERVAL = 200;

export class Progress {
  readonly #tell: ((progress: BackupProgress) => void) | undefined;
  #told = 0;
  doneBytes = 0n;
  totalBytes = 0n;
  tablespaces = 0;
  totalTablespaces = 0;
  file: string | undefined;

  constructor(tell: ((progress: BackupProgress) => void) | undefined) {
    this.#tell = tell;
  }

  /** @param always Report even if the last report was a moment ago. */
  report(always = false): void {
    if (this.#tell === undefined) return;
    const now = performance.now();
    if (!always && now - this.#told < INTERVAL) return;
    this.#told = now;
    const { doneBytes, tablespaces, totalTablespaces, file } = this;
    const totalBytes = this.totalBytes > doneBytes || this.totalBytes === 0n ? this.totalBytes : doneBytes;
    this.#tell({ doneBytes, totalBytes, tablespaces, totalTablespaces, file });
  }
}
