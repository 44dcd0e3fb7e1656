/**
 * Writes the events of a BASE_BACKUP to a directory.
 *
 * @source pg_basebackup.c: CreateBackupStreamer, ReceiveArchiveStreamChunk, ReceiveBackupManifest
 */
import type { BackupCompression, BackupTablespace } from "../../basebackup/events.ts";
import { type BinaryPath, binaryPath } from "../verify-backup/paths.ts";
import type { TarVisitor } from "../verify-backup/tar.ts";
import { type ByteSink, FileSink, GzipSink, TarArchiver } from "./archive.ts";
import type { BackupCompress } from "./compression.ts";
import { Extractor } from "./extract.ts";
import type { BackupFile, BackupFiles } from "./files.ts";
import type { Progress } from "./progress.ts";
import { type RecoveryConfig, RecoveryInjector } from "./recovery-injector.ts";
import type { BackupTablespacePlace } from "./tablespaces.ts";
import { type ArchiveTarget, CompressedArchive, ParsedArchive, WholeArchive } from "./targets.ts";

/** What decides how archives are written. */
export interface ReceiverOptions {
  readonly directory: string;
  readonly format: "plain" | "tar";
  readonly compress: BackupCompress;
  readonly directoryMode: number;
  readonly fileMode: number;
  readonly recovery: RecoveryConfig | undefined;
  /** Does the server write the end of an archive? */
  readonly endsArchives: boolean;
  readonly files: BackupFiles;
  readonly progress: Progress;
  /** Called with each file and directory that was made in the directory of a tablespace. */
  readonly onMade: (tablespace: string, path: BinaryPath) => void;
}

/** The name of the manifest until the backup is complete. */
export const MANIFEST_TMP = "backup_manifest.tmp";

export class BackupWriter {
  readonly #options: ReceiverOptions;
  #places: readonly BackupTablespacePlace[] = [];
  #archive: ArchiveTarget | undefined;
  #manifest: BackupFile | undefined;
  /** Was there a manifest? */
  hasManifest = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** The directories of the tablespaces; none in tar format. */
  set places(places: readonly BackupTablespacePlace[]) {
    this.#places = places;
  }

  beginArchive(archive: string, compression: BackupCompression | undefined, tablespace: BackupTablespace): void {
    const isMain = tablespace.spcoid === undefined;
    if (this.#options.format === "tar") {
      this.#archive = this.#tarTarget(archive, isMain);
      return;
    }
    const plain = this.#plainTarget(tablespace, isMain);
    this.#archive = compression === undefined ? plain : new CompressedArchive(plain, compression);
  }

  /** Is an archive being written, and not the manifest? */
  get isInArchive(): boolean {
    return this.#manifest === undefined;
  }

  /** @returns a promise if there is no room for more until it is fulfilled */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#manifest === undefined) return this.#archive!.write(bytes);
    this.#options.files.write(this.#manifest, bytes);
    return undefined;
  }

  async endArchive(): Promise<void> {
    await this.#archive!.end();
    this.#archive = undefined;
  }

  beginManifest(): void {
    this.#manifest = this.#create(MANIFEST_TMP);
    this.hasManifest = true;
  }

  endManifest(): void {
    if (this.#manifest !== undefined) this.#options.files.close(this.#manifest);
    this.#manifest = undefined;
  }

  #create(name: string): BackupFile {
    const { directory, fileMode, files, progress } = this.#options;
    progress.file = `${directory}/${name}`;
    return files.create(`${binaryPath(directory)}/${name}`, fileMode);
  }

  #plainTarget(tablespace: BackupTablespace, isMain: boolean): ArchiveTarget {
    const { directory, directoryMode, files, recovery, progress, onMade } = this.#options;
    const place = this.#places.find(({ oid }) => oid === tablespace.spcoid);
    const links = this.#places.filter(({ isInPlace }) => isMain && !isInPlace);
    const extractor = new Extractor({
      directory: place?.directory ?? directory,
      links: new Map(links.map((link) => [`pg_tblspc/${link.oid}`, link])),
      directoryMode,
      files,
      onFile: (path) => {
        progress.file = path;
      },
      onMade: (path) => {
        if (place?.isInPlace === false) onMade(place.directory, path);
      },
    });
    const injector = isMain && recovery !== undefined ? new RecoveryInjector(extractor, recovery) : undefined;
    return new ParsedArchive({
      visitor: injector ?? extractor,
      ready: () => undefined,
      finish: async () => injector?.finish(),
    });
  }

  #tarTarget(archive: string, isMain: boolean): ArchiveTarget {
    const { compress, recovery, endsArchives } = this.#options;
    const sink = this.#sink(archive, compress);
    if (!isMain || recovery === undefined) return new WholeArchive(sink, new Uint8Array(endsArchives ? 0 : 1024));
    const archiver = new TarArchiver(sink);
    const injector = new RecoveryInjector(archiver, recovery);
    return new ParsedArchive({
      visitor: injector satisfies TarVisitor,
      ready: () => sink.ready(),
      finish: async () => {
        injector.finish();
        archiver.finish();
        await sink.end();
      },
    });
  }

  #sink(archive: string, { where, algorithm, level }: BackupCompress): ByteSink {
    const isGzip = where === "client" && algorithm === "gzip";
    const file = new FileSink(this.#options.files, this.#create(isGzip ? `${archive}.gz` : archive));
    return isGzip ? new GzipSink(file, level) : file;
  }
}
