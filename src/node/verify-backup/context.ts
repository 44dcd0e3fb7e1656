/** What all steps of a verification share. */
import type { ControlFileFormat } from "../../files/control-file.ts";
import type { ManifestFile } from "../../files/manifest/types.ts";
import type { verifyBackupCapabilities } from "../capabilities.ts";
import type { IgnoreList } from "./paths.ts";
import type { BackupProblem, BackupProblemKind } from "./problems.ts";

/** A file that the manifest knows. */
export interface ManifestRecord {
  readonly file: ManifestFile;
  /** Has it been found? */
  matched: boolean;
  /** Has something been found wrong with it already? */
  bad: boolean;
}

export interface VerifyContext {
  /** What the version whose program judges can do. */
  readonly has: ReturnType<typeof verifyBackupCapabilities.of>;
  /** The format of the control file; undefined: that of the version that is in it. */
  readonly controlFile: ControlFileFormat | undefined;
  /** As it was given, in its shortest form. */
  readonly directory: string;
  readonly files: ReadonlyMap<string, ManifestRecord>;
  readonly version: 1 | 2;
  readonly systemIdentifier: bigint;
  readonly ignored: IgnoreList;
  readonly skipChecksums: boolean;
  /** Notes a problem. @throws Stop if that is the end. */
  report(kind: BackupProblemKind, path: string | undefined, message: string): void;
  readonly progress: Progress;
  /** Lets others have their turn, and hears whether to stop. */
  breathe(): Promise<void>;
}

/** How far verification is. */
export interface VerifyProgress {
  /** Files of the manifest that were found so far. */
  readonly files: number;
  /** Checksums that were compared so far. */
  readonly checksums: number;
  /** Bytes read for checksums so far. */
  readonly doneBytes: number;
  /** Bytes to read for checksums; 0 until that is known. */
  readonly totalBytes: number;
}

export class Progress {
  files = 0;
  checksums = 0;
  doneBytes = 0;
  totalBytes = 0;
  readonly #say: ((progress: VerifyProgress) => void) | undefined;
  #said = Date.now();

  constructor(say: ((progress: VerifyProgress) => void) | undefined) {
    this.#say = say;
  }

  /** Says how far it is, some times a second. */
  tell(always = false): void {
    if (this.#say === undefined) return;
    const now = Date.now();
    if (!always && now - this.#said < 100) return;
    this.#said = now;
    const { files, checksums, doneBytes, totalBytes } = this;
    this.#say({ files, checksums, doneBytes, totalBytes });
  }
}

/** Verification ends early: at the first problem, as was asked for. */
export class Stop extends Error {
  readonly problem: BackupProblem | undefined;

  constructor(problem?: BackupProblem) {
    super("stopped");
    this.problem = problem;
  }
}

/** @source pg_verifybackup.h: should_verify_checksum */
export function shouldVerifyChecksum({ matched, bad, file }: ManifestRecord): boolean {
  return matched && !bad && file.checksumAlgorithm !== "NONE";
}
