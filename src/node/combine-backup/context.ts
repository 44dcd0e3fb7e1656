/** What all steps of a combination share. */
import type { ChecksumAlgorithm } from "../../files/manifest/types.ts";
import type { Manifest } from "../verify-backup/manifest.ts";
import type { ManifestOutput } from "./manifest-output.ts";
import type { Modes } from "./output.ts";

/** How whole files get into the output. */
export type CopyMethod = "copy" | "clone" | "link";

export interface CombineContext {
  /** The backups as they were given, the full one first. */
  readonly directories: readonly string[];
  /** Those of the backups; undefined where there is none. */
  readonly manifests: readonly (Manifest | undefined)[];
  /** Of the checksums in the new manifest; NONE if there will be none. */
  readonly algorithm: ChecksumAlgorithm;
  readonly copyMethod: CopyMethod;
  /** Write nothing. */
  readonly dryRun: boolean;
  readonly modes: Modes;
  /** The new manifest, if there will be one. */
  readonly manifest: ManifestOutput | undefined;
  readonly progress: Progress;
  /** Through which all bytes pass. */
  readonly buffer: Uint8Array;
  warn(message: string): void;
  /** Let others have their turn, and hear whether to stop. */
  breathe(): Promise<void>;
}

/** How far a combination is. */
export interface CombineProgress {
  /** Files that are complete. */
  readonly files: number;
  /** Bytes of the output so far, also of files that are cloned or linked. */
  readonly bytes: number;
}

/** The bytes that are written before others have their turn. */
const BYTES_AT_ONCE = 8 * 1024 * 1024;
/** What a file counts as, beside its bytes. */
const FILE_COST = 16 * 1024;

export class Progress {
  files = 0;
  /** Files whose blocks come from several backups. */
  reconstructed = 0;
  bytes = 0;
  #since = 0;
  readonly #breathe: () => Promise<void>;

  constructor(breathe: () => Promise<void>) {
    this.#breathe = breathe;
  }

  /** Bytes of a file are written. */
  async add(bytes: number): Promise<void> {
    this.bytes += bytes;
    this.#since += bytes;
    if (this.#since >= BYTES_AT_ONCE) await this.#pause();
  }

  /** A file is complete. */
  async addFile(): Promise<void> {
    this.files++;
    this.#since += FILE_COST;
    if (this.#since >= BYTES_AT_ONCE) await this.#pause();
  }

  async #pause(): Promise<void> {
    this.#since = 0;
    await this.#breathe();
  }
}
