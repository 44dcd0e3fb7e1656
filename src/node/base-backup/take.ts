/**
 * Takes a base backup, from the first connection to the name of the manifest.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_basebackup.c: main, BaseBackup
 */
import { symlinkSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { baseBackupCapabilities } from "../../basebackup/capabilities.ts";
import type { BackupTablespace } from "../../basebackup/events.ts";
import { FileError, ProtocolError } from "../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../kernel/lsn.ts";
import { requireCapability } from "../../kernel/version.ts";
import { checkSignal } from "../abort-signal.ts";
import { baseBackupProgramCapabilities } from "../capabilities.ts";
import type { ReplicationConnection } from "../client.ts";
import { durableRename } from "../durable.ts";
import { openConnection } from "../program-connection.ts";
import { allowsGroup } from "../server-settings.ts";
import { strerror } from "../strerror.ts";
import { BackupDirectories, TABLESPACE } from "./directories.ts";
import { Ending } from "./ending.ts";
import { BackupFiles } from "./files.ts";
import type { BackupPlan } from "./options.ts";
import { Progress } from "./progress.ts";
import { BackupWriter, MANIFEST_TMP } from "./receiver.ts";
import { primaryConninfo, recoveryConfig } from "./recovery-conf.ts";
import { syncDirectories } from "./sync-directories.ts";
import { type BackupTablespacePlace, checkOids, placesOf } from "./tablespaces.ts";
import { WalStream } from "./wal-stream.ts";

/** A base backup that was taken. */
export interface BaseBackup {
  /** The server's `server_version_num`. */
  readonly serverVersion: number;
  /** The cluster's system identifier. */
  readonly systemIdentifier: bigint;
  /** Where the backup starts in WAL. Bytes. */
  readonly startLsn: Lsn;
  /** The timeline on which it starts. */
  readonly timeline: number;
  /** WAL up to here is required to restore it. Bytes. */
  readonly endLsn: Lsn;
  /** The size of all archives, before compression. Bytes. */
  readonly bytes: bigint;
  /** The tablespaces besides the main data directory. */
  readonly tablespaces: readonly {
    /** Its OID. */
    readonly oid: number;
    /** Its directory on the server. */
    readonly location: string;
    /** Its directory in the backup; undefined in tar format. */
    readonly directory: string | undefined;
  }[];
}

/** Open a connection for a backup or its WAL. */
export function openBackupConnection({ connect, signal }: BackupPlan): Promise<ReplicationConnection> {
  return openConnection(connect, "walwire base-backup", signal);
}

interface Modes {
  readonly directory: number;
  readonly file: number;
}

/** What the server has said of the backup. */
interface Received {
  readonly start: { readonly recptr: Lsn; readonly tli: number };
  readonly end: { readonly recptr: Lsn };
  readonly tablespaces: readonly BackupTablespace[];
}

export class BackupTaker {
  readonly #plan: BackupPlan;
  readonly #connection: ReplicationConnection;
  readonly #server: number;
  readonly #files = new BackupFiles();
  readonly #progress: Progress;
  /** Aborted by the caller's signal, and if the WAL cannot be streamed. */
  readonly #end = new Ending();
  #places: readonly BackupTablespacePlace[] = [];
  #wal: WalStream | undefined;
  #systemIdentifier = 0n;
  /** The server has sent everything but its verdict. */
  #isReceived = false;

  constructor(plan: BackupPlan, connection: ReplicationConnection) {
    this.#plan = plan;
    this.#connection = connection;
    this.#server = connection.serverVersion;
    this.#progress = new Progress(plan.onProgress);
  }

  async run(): Promise<BaseBackup> {
    const { clean = true, signal } = this.#plan;
    const abort = (): void => this.#end.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    let directories: BackupDirectories | undefined;
    try {
      checkSignal(signal);
      const isGroup = await allowsGroup(this.#connection, { signal: this.#end });
      const modes: Modes = isGroup ? { directory: 0o750, file: 0o640 } : { directory: 0o700, file: 0o600 };
      directories = new BackupDirectories(modes.directory);
      return await this.#take(directories, modes);
    } catch (error) {
      await this.#wal?.abandon();
      this.#files.abandon();
      await this.#connection.disconnect();
      const say = (message: string): void => this.#say(message);
      const warn = (message: string): void => this.#plan.onWarning?.(message);
      // With wrong checksums, it may be the only copy of what is left.
      if (this.#isReceived && isChecksumFailure(error)) say("checksum error occurred");
      else if (clean) await directories?.undo(say, warn);
      else directories?.keep(say);
      const slot = this.#wal?.createdSlot;
      if (slot !== undefined) {
        warn(
          `replication slot "${slot}" was created and is left; drop it with SELECT pg_drop_replication_slot('${slot}')`,
        );
      }
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #take(directories: BackupDirectories, modes: Modes): Promise<BaseBackup> {
    const { directory, walDirectory, format, compressed, slotname } = this.#plan;
    const connection = this.#connection;
    const has = baseBackupProgramCapabilities.of(this.#server);
    const isInParameters = has.recoveryParameters;
    const conninfo = await this.#conninfo();
    directories.claim(directory, "directory", "data directory");
    if (walDirectory !== undefined) {
      directories.claim(walDirectory, "options.walDirectory", "WAL directory");
      symlinkSync(walDirectory, `${directory}/${has.walDirectoryIsPgWal ? "pg_wal" : "pg_xlog"}`);
    }
    const { systemid } = await connection.identifySystem({ signal: this.#end });
    this.#systemIdentifier = systemid;
    await this.#uploadManifest();
    const writer = new BackupWriter({
      directory,
      format,
      compress: compressed,
      directoryMode: modes.directory,
      fileMode: modes.file,
      recovery:
        conninfo === undefined
          ? undefined
          : { contents: recoveryConfig(conninfo, slotname, isInParameters), isInParameters, fileMode: modes.file },
      endsArchives: baseBackupCapabilities.supports(this.#server, "baseBackupTerminatesTar"),
      files: this.#files,
      progress: this.#progress,
      onMade: (tablespace, path) => directories.made(tablespace, path),
    });
    const received = await this.#receive(writer, directories, modes);
    await connection.disconnect();
    await this.#makeDurable(writer.hasManifest);
    this.#say("base backup completed");
    return this.#result(received);
  }

  /** Flush everything, then give the manifest its name: a crash before leaves nothing that looks like a backup. */
  async #makeDurable(hasManifest: boolean): Promise<void> {
    const { directory, walDirectory, sync = true } = this.#plan;
    if (sync) {
      this.#say("syncing data to disk ...");
      const linked = this.#places.filter(({ isInPlace }) => !isInPlace).map((place) => place.directory);
      const all = [directory, ...(walDirectory === undefined ? [] : [walDirectory]), ...linked];
      await syncDirectories(all, () => checkSignal(this.#end));
    }
    if (!hasManifest) return;
    this.#say("renaming backup_manifest.tmp to backup_manifest");
    const renameManifest = sync ? durableRename : rename;
    await renameManifest(`${directory}/${MANIFEST_TMP}`, `${directory}/backup_manifest`);
  }

  #result({ start, end, tablespaces }: Received): BaseBackup {
    const listed = tablespaces.flatMap(({ spcoid: oid, spclocation: location }) =>
      oid === undefined || location === undefined ? [] : [{ oid, location }],
    );
    return {
      serverVersion: this.#server,
      systemIdentifier: this.#systemIdentifier,
      startLsn: start.recptr,
      timeline: start.tli,
      endLsn: end.recptr,
      bytes: this.#progress.doneBytes,
      tablespaces: listed.map(({ oid, location }) => {
        const directory = this.#places.find((place) => place.oid === oid)?.directory;
        return { oid, location, directory };
      }),
    };
  }

  async #conninfo(): Promise<string | undefined> {
    const { writeRecoveryConf = false, connect: how } = this.#plan;
    if (typeof writeRecoveryConf === "string") return writeRecoveryConf;
    return writeRecoveryConf && typeof how !== "function" ? primaryConninfo(how) : undefined;
  }

  async #uploadManifest(): Promise<void> {
    const { incremental } = this.#plan;
    if (incremental === undefined) return;
    requireCapability(baseBackupProgramCapabilities, this.#server, "walSummaries", "An incremental backup");
    await this.#connection.uploadManifest(bytesOf(incremental), { signal: this.#end });
  }

  async #receive(writer: BackupWriter, directories: BackupDirectories, modes: Modes): Promise<Received> {
    const { format, walMethod } = this.#plan;
    const progress = this.#progress;
    /** Servers before 15 send no progress: what arrives is counted. */
    let counts = true;
    let start: Received["start"] | undefined;
    let end: Received["end"] | undefined;
    let tablespaces: readonly BackupTablespace[] = [];
    this.#say("initiating base backup, waiting for checkpoint to complete");
    for await (const event of this.#connection.baseBackup(this.#commandOptions())) {
      checkSignal(this.#end);
      switch (event.type) {
        case "BackupStart":
          start = event;
          this.#say("checkpoint completed");
          this.#say(`write-ahead log start point: ${this.#format(event.recptr)} on timeline ${event.tli}`);
          break;
        case "Tablespaces":
          tablespaces = event.tablespaces;
          checkOids(tablespaces);
          if (format === "plain") this.#claimTablespaces(tablespaces, writer, directories);
          progress.totalTablespaces = tablespaces.length;
          for (const { size } of tablespaces) progress.totalBytes += 1024n * BigInt(size ?? 0);
          if (walMethod === "stream") await this.#streamWal(start!, modes);
          break;
        case "StreamStart":
          counts = false;
          break;
        case "ArchiveStart":
          writer.beginArchive(event.archive, event.compression, event.tablespace);
          break;
        case "Data": {
          const wait = writer.write(event.data);
          if (wait !== undefined) await wait;
          if (counts && writer.isInArchive) progress.doneBytes += BigInt(event.data.length);
          progress.report();
          break;
        }
        case "Progress":
          progress.doneBytes = event.bytesDone;
          progress.report();
          break;
        case "ArchiveEnd":
          await writer.endArchive();
          progress.tablespaces++;
          progress.report(true);
          break;
        case "ManifestStart":
          writer.beginManifest();
          break;
        case "ManifestEnd":
          writer.endManifest();
          break;
        case "BackupEnd":
          end = event;
          this.#isReceived = true;
          this.#say(`write-ahead log end point: ${this.#format(event.recptr)}`);
          break;
      }
    }
    progress.file = undefined;
    progress.report(true);
    if (start === undefined || end === undefined) throw new ProtocolError("the server ended the base backup too early");
    if (this.#wantsManifest && !writer.hasManifest) throw new ProtocolError("the server sent no manifest");
    if (this.#wal !== undefined) {
      this.#say("waiting for the WAL to be streamed ...");
      await this.#wal.end(end.recptr);
    }
    return { start, end, tablespaces };
  }

  #claimTablespaces(
    tablespaces: readonly BackupTablespace[],
    writer: BackupWriter,
    directories: BackupDirectories,
  ): void {
    const { directory, mapping } = this.#plan;
    this.#places = placesOf(tablespaces, directory, mapping);
    for (const place of this.#places) directories.claim(place.directory, "options.tablespaceMapping", TABLESPACE);
    writer.places = this.#places;
  }

  async #streamWal(start: Received["start"], modes: Modes): Promise<void> {
    const plan = this.#plan;
    this.#say("starting to stream WAL");
    this.#wal = new WalStream({
      connection: await openBackupConnection(plan),
      directory: plan.directory,
      format: plan.format,
      compress: plan.compressed,
      directoryMode: modes.directory,
      fileMode: modes.file,
      startLsn: start.recptr,
      timeline: start.tli,
      systemIdentifier: this.#systemIdentifier,
      slotname: plan.slotname,
      createSlot: plan.createSlot ?? false,
      temporarySlot: plan.temporarySlot ?? true,
      statusInterval: plan.statusInterval,
      signal: this.#end,
      say: (message) => this.#say(message),
      onFailure: (error) => this.#end.abort(error),
    });
    await this.#wal.start();
  }

  get #wantsManifest(): boolean {
    const { manifest = baseBackupProgramCapabilities.supports(this.#server, "manifests") } = this.#plan;
    return manifest !== false;
  }

  #commandOptions(): Parameters<ReplicationConnection["baseBackup"]>[0] {
    const plan = this.#plan;
    const { label = "walwire base backup", estimateSize = true, compressed, walMethod } = plan;
    const isByServer = compressed.where === "server" && compressed.algorithm !== "none";
    return {
      label,
      progress: estimateSize || undefined,
      checkpoint: plan.checkpoint === "fast" ? "fast" : undefined,
      wal: walMethod === "fetch" || undefined,
      wait: walMethod === "none" ? undefined : false,
      maxRate: plan.maxRate,
      tablespaceMap: plan.format === "tar" || undefined,
      verifyChecksums: plan.verifyChecksums === false ? false : undefined,
      manifest: this.#wantsManifest ? (plan.manifest === "force-encode" ? "force-encode" : "yes") : undefined,
      manifestChecksums: plan.manifestChecksums,
      incremental: plan.incremental === undefined ? undefined : true,
      compression: isByServer ? compressed.algorithm : undefined,
      compressionDetail: isByServer ? compressed.detail : undefined,
      signal: this.#end,
    };
  }

  #format(lsn: Lsn): string {
    return formatLsn(lsn, { server: this.#server });
  }

  #say(message: string): void {
    this.#plan.onMessage?.(message);
  }
}

/** @source pg_basebackup.c: ERRCODE_DATA_CORRUPTED */
function isChecksumFailure(error: unknown): boolean {
  return error instanceof Error && (error as { sqlstate?: unknown }).sqlstate === "XX001";
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* (await open(path)).createReadStream();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new FileError(path, `could not read file "${path}": ${strerror(error)}`, "FILE_SYSTEM", { cause: error });
  }
}
