/**
 * A stored base backup, in the plain format of pg_basebackup, as the answer to BASE_BACKUP.
 *
 * Portions Copyright (c) 2010-2026, PostgreSQL Global Development Group
 *
 * @source basebackup.c: SendBaseBackup, perform_base_backup, sendDir, sendTablespace; basebackup_copy.c
 */
import { createReadStream, type Dirent, type Stats } from "node:fs";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeBaseBackupMessage } from "../../../basebackup/index.ts";
import { commandCapabilities } from "../../../command/capabilities.ts";
import type { BaseBackupOptions } from "../../../command/check.ts";
import type { ResultSetRow } from "../../../command/results/rows.ts";
import { type BackupLabel, parseBackupLabel } from "../../../files/backup-label.ts";
import { parseBackupManifest, printBackupManifest } from "../../../files/manifest/index.ts";
import { formatLastModified } from "../../../files/manifest/print.ts";
import { printTablespaceMap } from "../../../files/tablespace-map.ts";
import { FileError } from "../../../kernel/errors.ts";
import { toLsn } from "../../../kernel/lsn.ts";
import { pgTimeFromDate } from "../../../kernel/time.ts";
import { segmentName, segmentNumber, segmentStart } from "../../../kernel/wal-names.ts";
import { errorOf } from "../../../session/server/words.ts";
import { tarHeader, tarPadding } from "../../base-backup/tar-header.ts";
import { strerror } from "../../strerror.ts";
import type { BaseBackupOutput } from "../handlers.ts";
import type { WalFiles } from "./files.ts";

/** Bytes of a piece of a file. @source basebackup.c: SINK_BUFFER_LENGTH */
const PIECE = 32 * 1024;

/** How often a second the rate is looked at. @source basebackup_throttle.c */
const THROTTLING_FREQUENCY = 8;

const SYMLINK = "2";
const DIRECTORY = "5";

/** What to do with an incremental backup. */
const COMBINE = "combine it with the backups that it depends on by walwire combine-backup, and serve the result";

/** A member of an archive, before its contents are read. */
interface Member {
  /** In the archive. */
  readonly name: string;
  /** On this machine. */
  readonly path: string;
  readonly stat: Stats;
}

/** A tablespace that is backed up. */
interface Tablespace {
  readonly oid: number;
  readonly location: string;
}

/** Files that are not sent where they are: they come first, last or not at all. */
const apart: ReadonlySet<string> = new Set(["backup_label", "tablespace_map", "backup_manifest", "global/pg_control"]);

/** A backup in a directory, and the WAL that it needs. */
export class StoredBackup {
  readonly #path: string;
  readonly #files: WalFiles;

  private constructor(path: string, files: WalFiles) {
    this.#path = path;
    this.#files = files;
  }

  /** @throws FileError for a directory that has no whole base backup */
  static async open(path: string, files: WalFiles): Promise<StoredBackup> {
    const backup = new StoredBackup(path, files);
    const label = await backup.#label(files.identity.server).catch((cause: Error) => {
      if (cause instanceof FileError) throw cause;
      throw new FileError(path, `"${join(path, "backup_label")}" is not one: ${cause.message}`, "BAD_FILE", { cause });
    });
    if (label.incrementalFromLsn === undefined) return backup;
    throw new FileError(path, `"${path}" is an incremental backup: ${COMBINE}`, "BAD_FILE");
  }

  /** @throws ServerError for what a stored backup cannot do; FileError for one that is damaged */
  async send(options: BaseBackupOptions, out: BaseBackupOutput): Promise<void> {
    const server = out.session.version;
    refuse(options);
    const label = await this.#label(server);
    // Who asks for a backup gets a whole one: nothing in the answer could say otherwise, and no server starts from this one.
    if (label.incrementalFromLsn !== undefined) {
      throw errorOf("FEATURE_NOT_SUPPORTED", "the stored backup is incremental, and is not sent", {
        hint: `${COMBINE[0]!.toUpperCase()}${COMBINE.slice(1)}.`,
      });
    }
    const end = await this.#end(label, server);
    const tablespaces = await this.#tablespaces();
    const map = options.tablespaceMap ? mapOf(tablespaces, server) : undefined;
    const manifest = options.manifest === "no" ? undefined : await this.#manifest(map, server);
    const oneStream = commandCapabilities.supports(server, "baseBackupOneStream");
    const sink = new ArchiveSink(out, oneStream, options.maxRate);

    const rows: ResultSetRow<"BACKUP_TABLESPACES">[] = [];
    for (const tablespace of [...tablespaces, undefined]) {
      const size = options.progress ? await this.#size(tablespace) : undefined;
      rows.push({ spcoid: tablespace?.oid, spclocation: tablespace?.location, size });
    }
    const tli = Number.parseInt(label.startWalFile.slice(0, 8), 16);
    await out.begin({ recptr: label.startWalLocation, tli }, rows);
    if (oneStream) await out.openCopy();
    for (const tablespace of tablespaces) {
      await sink.begin(`${tablespace.oid}.tar`, tablespace.location);
      for await (const member of walk(join(this.#path, "pg_tblspc", String(tablespace.oid)), ""))
        await sink.member(member);
      await sink.end();
    }
    await sink.begin("base.tar", "");
    await sink.member(await this.#member("backup_label"));
    if (map !== undefined) await sink.contents("tablespace_map", map);
    for await (const member of walk(this.#path, "")) {
      // The links are made from the map.
      if (map !== undefined && member.stat.isSymbolicLink() && member.name.startsWith("pg_tblspc/")) continue;
      if (!apart.has(member.name) && !member.name.startsWith("pg_wal/")) await sink.member(member);
      // Of pg_wal only the directories that a server needs.
      else if (member.name.startsWith("pg_wal/") && member.stat.isDirectory()) await sink.member(member);
    }
    await sink.member(await this.#member("global/pg_control"));
    if (options.wal) await this.#sendWal(sink, label, end);
    await sink.end();
    if (manifest !== undefined) await sink.manifest(manifest);
    if (oneStream) await out.closeCopy();
    await out.end(end);
  }

  async #label(server: number): Promise<BackupLabel> {
    return parseBackupLabel(await this.#read("backup_label"), { server });
  }

  async #read(name: string): Promise<Uint8Array> {
    const path = join(this.#path, name);
    try {
      return await readFile(path);
    } catch (error) {
      throw failure(path, `could not open file "${path}"`, error);
    }
  }

  /** As it is stored; with a map, which is no file of the backup, as one that has it. */
  async #manifest(map: Uint8Array | undefined, server: number): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      bytes = await this.#read("backup_manifest");
    } catch (error) {
      if (!isMissing((error as Error).cause)) throw error;
      throw errorOf("FEATURE_NOT_SUPPORTED", "the stored backup has no manifest", { hint: "Ask for none." });
    }
    if (map === undefined) return bytes;
    const manifest = parseBackupManifest(bytes, { server });
    const files = manifest.files.filter(({ path }) => path !== "tablespace_map");
    files.push({
      ...{ path: "tablespace_map", encoded: false, size: BigInt(map.length) },
      lastModified: formatLastModified(pgTimeFromDate(new Date())),
      ...{ checksumAlgorithm: "NONE", checksum: undefined },
    });
    return printBackupManifest({ ...manifest, files }, { server });
  }

  /** Where the backup ends: by its manifest, else by the record that ends it. */
  async #end(label: BackupLabel, server: number): Promise<ResultSetRow<"BACKUP_END">> {
    let manifest: Uint8Array | undefined;
    try {
      manifest = await this.#read("backup_manifest");
    } catch (error) {
      if (!isMissing((error as Error).cause)) throw error;
    }
    if (manifest !== undefined) {
      const last = parseBackupManifest(manifest, { server }).walRanges.at(-1);
      if (last !== undefined) return { recptr: last.endLsn, tli: last.timeline };
    }
    const found = await this.#files.backupEnd(label.startWalLocation);
    if (found !== undefined) return found;
    throw new FileError(
      this.#path,
      `the directory of WAL does not have the end of the backup that began at ${label.startWalFile}`,
      "BAD_FILE",
    );
  }

  async #tablespaces(): Promise<Tablespace[]> {
    const tablespaces: Tablespace[] = [];
    for (const name of await names(join(this.#path, "pg_tblspc"))) {
      if (!/^[1-9][0-9]{0,9}$/.test(name)) continue;
      const path = join(this.#path, "pg_tblspc", name);
      // One in place is a directory, and comes with the others.
      if (!(await on(path, () => lstat(path))).isSymbolicLink()) continue;
      tablespaces.push({ oid: Number(name), location: await on(path, () => readlink(path)) });
    }
    return tablespaces;
  }

  /** About how large an archive is, in kB. */
  async #size(tablespace: Tablespace | undefined): Promise<bigint> {
    const root = tablespace === undefined ? this.#path : join(this.#path, "pg_tblspc", String(tablespace.oid));
    let bytes = 0;
    for await (const { stat } of walk(root, "")) if (stat.isFile()) bytes += stat.size;
    return BigInt(Math.floor(bytes / 1024));
  }

  async #member(name: string): Promise<Member> {
    const path = join(this.#path, name);
    return { name, path, stat: await on(path, () => lstat(path)) };
  }

  /** The segments that the backup needs. */
  async #sendWal(sink: ArchiveSink, label: BackupLabel, end: ResultSetRow<"BACKUP_END">): Promise<void> {
    const { segmentSize } = this.#files;
    const last = segmentNumber(toLsn(end.recptr - 1n), segmentSize);
    for (let number = segmentNumber(label.startWalLocation, segmentSize); number <= last; number++) {
      const start = segmentStart(number, segmentSize);
      const found = await this.#files.open(start);
      const name = segmentName(end.tli, start, segmentSize);
      if (found.file === undefined || !found.file.isComplete) {
        if (found.file !== undefined) await found.opened.close();
        throw errorOf("INTERNAL_ERROR", `could not find WAL file "${name}"`);
      }
      try {
        await sink.header({
          path: `pg_wal/${found.file.name.slice(0, 24)}`,
          size: segmentSize,
          mode: 0o600,
          mtime: 0,
          typeflag: "0",
        });
        for await (const bytes of found.opened.pieces(0, segmentSize)) await sink.bytes(bytes);
      } finally {
        await found.opened.close();
      }
    }
  }
}

/** @throws ServerError in the words of a server that cannot do it */
function refuse({ incremental, target, compression }: BaseBackupOptions): void {
  if (incremental) {
    const message = "incremental backups cannot be taken unless WAL summarization is enabled";
    throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
  }
  if (target !== "client") throw errorOf("FEATURE_NOT_SUPPORTED", `the stored backup cannot go to target "${target}"`);
  if (compression !== "none") {
    throw errorOf(
      "FEATURE_NOT_SUPPORTED",
      `compression algorithm "${compression}" is not supported for a stored backup`,
    );
  }
}

/** @source xlog.c: do_pg_backup_start */
function mapOf(tablespaces: readonly Tablespace[], server: number): Uint8Array {
  return printTablespaceMap(
    tablespaces.map(({ oid, location }) => ({ oid, path: location })),
    { server },
  );
}

/** Keeps what is sent below a rate. @source basebackup_throttle.c: throttle */
class Throttle {
  /** Bytes between two looks at the clock, and milliseconds that they must take. */
  readonly #sample: number;
  readonly #time = 1000 / THROTTLING_FREQUENCY;
  #counter = 0;
  #last = performance.now();

  /** @param maxRate Kilobytes a second. */
  constructor(maxRate: number) {
    this.#sample = (maxRate * 1024) / THROTTLING_FREQUENCY;
  }

  /** Resolves when so many bytes may be sent. */
  async sent(bytes: number): Promise<void> {
    this.#counter += bytes;
    if (this.#counter < this.#sample) return;
    const due = this.#last + Math.floor(this.#counter / this.#sample) * this.#time;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    this.#counter %= this.#sample;
    this.#last = performance.now();
  }
}

/** Archives, as the copy streams of a version. @source basebackup_copy.c: bbsink_copystream_begin_archive, bbsink_copytblspc_begin_archive */
class ArchiveSink {
  readonly #out: BaseBackupOutput;
  readonly #oneStream: boolean;
  readonly #throttle: Throttle | undefined;
  #done = 0n;

  /** @param maxRate Kilobytes a second; 0 is no limit. */
  constructor(out: BaseBackupOutput, oneStream: boolean, maxRate: number) {
    this.#out = out;
    this.#oneStream = oneStream;
    this.#throttle = maxRate > 0 ? new Throttle(maxRate) : undefined;
  }

  async begin(archive: string, tablespacePath: string): Promise<void> {
    if (this.#oneStream) await this.#out.send(encodeBaseBackupMessage({ type: "NewArchive", archive, tablespacePath }));
    else await this.#out.openCopy();
  }

  /** Since 15 the server ends archives with two blocks of zeros; before, the client does. */
  async end(): Promise<void> {
    if (this.#oneStream) {
      await this.bytes(new Uint8Array(1024));
      await this.#out.send(encodeBaseBackupMessage({ type: "Progress", bytesDone: this.#done }));
    } else await this.#out.closeCopy();
  }

  async bytes(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += PIECE) {
      const piece = data.subarray(at, at + PIECE);
      this.#done += BigInt(piece.length);
      await this.#throttle?.sent(piece.length);
      await this.#out.send(this.#oneStream ? encodeBaseBackupMessage({ type: "Data", data: piece }) : piece);
    }
  }

  async manifest(manifest: Uint8Array): Promise<void> {
    if (this.#oneStream) await this.#out.send(encodeBaseBackupMessage({ type: "ManifestStart" }));
    else await this.#out.openCopy();
    for (let at = 0; at < manifest.length; at += PIECE) {
      const data = manifest.subarray(at, at + PIECE);
      await this.#throttle?.sent(data.length);
      await this.#out.send(this.#oneStream ? encodeBaseBackupMessage({ type: "Data", data }) : data);
    }
    if (!this.#oneStream) await this.#out.closeCopy();
  }

  async header(file: {
    readonly path: string;
    readonly size: number;
    readonly mode: number;
    readonly mtime: number;
    readonly typeflag: "0" | "2" | "5";
    readonly linkname?: string | undefined;
  }): Promise<void> {
    const { path, linkname: link = "" } = file;
    if (Buffer.byteLength(path) > 99) {
      throw new FileError(path, `file name too long for tar format: "${path}"`, "BAD_FILE");
    }
    if (Buffer.byteLength(link) > 99) {
      throw new FileError(
        path,
        `symbolic link target too long for tar format: file name "${path}", target "${link}"`,
        "BAD_FILE",
      );
    }
    await this.bytes(tarHeader({ ...file, size: BigInt(file.size), uid: 0n, gid: 0n }));
  }

  /** A file that is not on this machine. */
  async contents(path: string, contents: Uint8Array): Promise<void> {
    const mtime = Math.floor(Date.now() / 1000);
    await this.header({ path, size: contents.length, mode: 0o600, mtime, typeflag: "0" });
    await this.bytes(contents);
    await this.bytes(tarPadding(BigInt(contents.length)));
  }

  /** @throws FileError if a file has not as many bytes as it had */
  async member({ name, path, stat }: Member): Promise<void> {
    const { mode, size } = stat;
    const mtime = Math.max(0, Math.floor(stat.mtimeMs / 1000));
    if (stat.isSymbolicLink()) {
      const link = await on(path, () => readlink(path));
      return this.header({ path: name, size: 0, mode, mtime, typeflag: SYMLINK, linkname: link });
    }
    if (stat.isDirectory()) return this.header({ path: `${name}/`, size: 0, mode, mtime, typeflag: DIRECTORY });
    await this.header({ path: name, size, mode, mtime, typeflag: "0" });
    let left = size;
    if (size > 0) {
      try {
        for await (const bytes of createReadStream(path, { end: size - 1, highWaterMark: PIECE })) {
          left -= (bytes as Uint8Array).length;
          await this.bytes(bytes as Uint8Array);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
        throw failure(path, `could not read file "${path}"`, error);
      }
    }
    if (left > 0) {
      throw new FileError(path, `could not read file "${path}": read ${size - left} of ${size}`, "BAD_FILE");
    }
    await this.bytes(tarPadding(BigInt(size)));
  }
}

/** Everything below a directory, each directory before what it has. Links are not followed, and nothing but files is read. */
async function* walk(root: string, below: string): AsyncGenerator<Member, void, undefined> {
  const directory = join(root, below);
  const entries: Dirent[] = await on(directory, () => readdir(directory, { withFileTypes: true }));
  for (const { name: last } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = below === "" ? last : `${below}/${last}`;
    const path = join(root, name);
    const found = await on(path, () => lstat(path));
    // pg_wal may be a link to another disk.
    const isWal = name === "pg_wal" && found.isSymbolicLink();
    const member = { name, path, stat: isWal ? await on(path, () => stat(path)) : found };
    if (member.stat.isFile() || member.stat.isDirectory() || member.stat.isSymbolicLink()) yield member;
    if (member.stat.isDirectory()) yield* walk(root, name);
  }
}

/** The names in a directory; none if it is not there. */
async function names(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw failure(path, `could not open directory "${path}"`, error);
  }
}

async function on<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw failure(path, `could not read "${path}"`, error);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}

function failure(path: string, what: string, cause: unknown): FileError {
  return new FileError(path, `${what}: ${strerror(cause)}`, "FILE_SYSTEM", { cause });
}
