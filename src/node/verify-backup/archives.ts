/**
 * The files of a backup in tar archives.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 *
 * @source pg_verifybackup.c: verify_tar_backup, precheck_tar_backup_file, verify_tar_file
 * @source astreamer_verify.c
 */

import { createReadStream, readdirSync, statSync } from "node:fs";
import { CONTROL_FILE_SIZE } from "../../files/control-file.ts";
import { strtoul } from "../../files/manifest/numbers.ts";
import { DecodeError } from "../../kernel/errors.ts";
import { decompress, type ReadableCompression } from "../decompress.ts";
import { strerror } from "../strerror.ts";
import { archiveCompression } from "../wal-archive.ts";
import { type ManifestRecord, shouldVerifyChecksum, type VerifyContext } from "./context.ts";
import { CONTROL_FILE, checkControlFile } from "./control-file.ts";
import { binaryPath, canonicalPath, textPath } from "./paths.ts";
import { FatalProblem } from "./problems.ts";
import { type Summing, summing } from "./sum.ts";
import { systemPath } from "./system-path.ts";
import { TarError, type TarMember, TarParser, type TarVisitor } from "./tar.ts";

interface Archive {
  readonly name: string;
  /** Of its tablespace; 0 of the data directory. */
  readonly tablespace: number;
  readonly compression: "none" | ReadableCompression;
}

const OID_MAX = 0xffffffffn;

/**
 * Verify the files in the archives of a backup.
 *
 * @returns the path of the archive that holds the WAL; undefined if there is none.
 * @throws FatalProblem
 */
export async function verifyArchives(context: VerifyContext): Promise<string | undefined> {
  const top = binaryPath(context.directory);
  let names: string[];
  try {
    names = readdirSync(systemPath(top), { encoding: "latin1" }).sort().map(textPath);
  } catch (error) {
    throw new FatalProblem(
      "unreadable",
      undefined,
      `could not open directory "${context.directory}": ${strerror(error)}`,
    );
  }
  const archives: Archive[] = [];
  let wal: string | undefined;
  let base: string | undefined;
  for (const name of names) {
    if (context.ignored.has(name)) continue;
    const archive = precheck(context, name, `${top}/${binaryPath(name)}`);
    if (archive === undefined) continue;
    if (name.startsWith("pg_wal")) wal = name;
    else archives.push(archive);
    if (name.startsWith("base")) base = name;
  }
  for (const archive of archives) await verifyArchive(context, archive, `${top}/${binaryPath(archive.name)}`);
  // Without pg_wal.tar the WAL is among the files of the data directory.
  const holder = wal ?? base;
  return holder === undefined ? undefined : `${context.directory}/${holder}`;
}

function precheck(context: VerifyContext, name: string, full: string): Archive | undefined {
  let size: number;
  try {
    const stats = statSync(systemPath(full));
    if (!stats.isFile()) {
      context.report("not a file", name, `file "${name}" is not a regular file`);
      return undefined;
    }
    size = stats.size;
  } catch (error) {
    context.report("unreadable", name, `could not stat file or directory "${name}": ${strerror(error)}`);
    return undefined;
  }
  const named = /^(?:base|pg_wal|([ \t\n\v\f\r]*[-+]?\d+))(.*)$/s.exec(name);
  const [, digits, suffix] = named ?? [];
  const tablespace = digits === undefined ? 0n : strtoul(digits)!;
  const isExpected = named !== null && (digits === undefined || (tablespace > 0n && tablespace <= OID_MAX));
  const compression = isExpected && /^\.(?:tgz|tar(?:\.\w+)?)$/.test(suffix!) ? archiveCompression(suffix!) : undefined;
  if (compression === undefined) {
    context.report("extra", name, `file "${name}" is not expected in a tar format backup`);
    return undefined;
  }
  if (!name.startsWith("pg_wal")) context.progress.totalBytes += size;
  return { name, tablespace: Number(tablespace), compression };
}

async function verifyArchive(context: VerifyContext, archive: Archive, full: string): Promise<void> {
  const { name } = archive;
  const members = new MemberVerifier(context, archive);
  const parser = new TarParser(members, context.has.tarHeadersChecked);
  const file = createReadStream(systemPath(full), { highWaterMark: 1024 * 1024 });
  // A listener of "data" would make the file flow before its reader is there.
  async function* bytesOfFile(): AsyncGenerator<Uint8Array> {
    for await (const bytes of file) {
      context.progress.doneBytes += bytes.length;
      context.progress.tell();
      yield bytes;
    }
  }
  let opened = false;
  file.once("open", () => {
    opened = true;
  });
  try {
    const { compression } = archive;
    for await (const bytes of compression === "none" ? bytesOfFile() : decompress(bytesOfFile(), compression)) {
      parser.push(bytes);
      await context.breathe();
    }
  } catch (error) {
    file.destroy();
    if (error instanceof TarError) throw new FatalProblem("archive", name, error.message);
    if (!(error instanceof DecodeError)) {
      context.report("unreadable", name, `could not ${opened ? "read" : "open"} file "${name}": ${strerror(error)}`);
      if (!opened) return;
    } else if (error.code !== "TRUNCATED") {
      const { message } = error.cause as Error;
      throw new FatalProblem("archive", name, `could not decompress data: ${message}`);
    }
    // The compressed data ends too early: then the archive does too, and that is the message.
  }
  try {
    parser.end();
  } catch (error) {
    throw error instanceof TarError ? new FatalProblem("archive", name, error.message) : error;
  }
}

/** Looks at each member as pg_verifybackup does. */
class MemberVerifier implements TarVisitor {
  readonly #context: VerifyContext;
  readonly #archive: Archive;
  #record: ManifestRecord | undefined;
  #sum: Summing | undefined;
  #bytes = 0n;
  #control: Uint8Array | undefined;

  constructor(context: VerifyContext, archive: Archive) {
    this.#context = context;
    this.#archive = archive;
  }

  header({ path, size, isFile }: TarMember): void {
    const context = this.#context;
    const { name, tablespace } = this.#archive;
    this.#record = this.#sum = this.#control = undefined;
    this.#bytes = 0n;
    if (!isFile) return;
    // A path of the file system counts only below this directory.
    const full = canonicalPath(tablespace === 0 ? `./${path}` : `pg_tblspc/${tablespace}/${path}`);
    if (context.ignored.has(full)) return;
    const record = context.files.get(full);
    if (record === undefined) {
      return context.report("extra", full, `file "${path}" is present in archive "${name}" but not in the manifest`);
    }
    this.#record = record;
    record.matched = true;
    context.progress.files++;
    const { file } = record;
    if (file.size !== size) {
      record.bad = true;
      const message = `file "${path}" has size ${size} in archive "${name}" but size ${file.size} in the manifest`;
      return context.report("size", full, message);
    }
    if (!context.skipChecksums && shouldVerifyChecksum(record)) this.#sum = summing(file.checksumAlgorithm);
    if (context.version !== 1 && !record.bad && file.path === CONTROL_FILE) {
      this.#control = new Uint8Array(CONTROL_FILE_SIZE);
    }
  }

  contents(bytes: Uint8Array): void {
    this.#sum?.update(bytes);
    if (this.#control !== undefined && this.#bytes < this.#control.length) {
      const at = Number(this.#bytes);
      this.#control.set(bytes.subarray(0, this.#control.length - at), at);
    }
    this.#bytes += BigInt(bytes.length);
  }

  end(): void {
    const record = this.#record;
    if (record === undefined) return;
    if (this.#sum !== undefined) this.#checkSum(record, this.#sum.digest());
    if (this.#control !== undefined) this.#checkControl(this.#control);
    this.#record = this.#sum = this.#control = undefined;
  }

  #checkSum({ file }: ManifestRecord, digest: Uint8Array): void {
    const context = this.#context;
    const { path, checksum = new Uint8Array() } = file;
    const where = `file "${path}" in archive "${this.#archive.name}"`;
    context.progress.checksums++;
    if (digest.length !== checksum.length) {
      const message = `${where} has checksum of length ${checksum.length}, but expected ${digest.length}`;
      context.report("checksum", path, message);
    } else if (digest.some((byte, i) => byte !== checksum[i])) {
      context.report("checksum", path, `checksum mismatch for ${where}`);
    }
  }

  #checkControl(control: Uint8Array): void {
    if (this.#bytes !== BigInt(CONTROL_FILE_SIZE)) {
      const message = `unexpected control file size ${this.#bytes}, expected ${CONTROL_FILE_SIZE}`;
      throw new FatalProblem("control file", CONTROL_FILE, message);
    }
    checkControlFile(this.#context, control, `${this.#archive.name}: ${CONTROL_FILE}`);
  }
}
