/**
 * WAL that is streamed by a second connection while the backup is taken.
 *
 * @source pg_basebackup.c: StartLogStreamer, LogStreamerMain, reached_end_position
 */
import { randomUUID } from "node:crypto";
import { chmodSync } from "node:fs";
import { type Lsn, toLsn } from "../../kernel/lsn.ts";
import { segmentOffset } from "../../kernel/wal-names.ts";
import type { AbortSignalLike } from "../abort-signal.ts";
import { baseBackupProgramCapabilities } from "../capabilities.ts";
import type { ReplicationConnection } from "../client.ts";
import { makeDirectories } from "../make-directories.ts";
import { WalDirectory } from "../receive-wal/directory-method.ts";
import type { WalWriteMethod } from "../receive-wal/method.ts";
import { WalStop } from "../receive-wal/stop.ts";
import { receiveWalStream } from "../receive-wal/stream.ts";
import { walSegmentSize } from "../server-settings.ts";
import { type ByteSink, FileSink, GzipSink } from "./archive.ts";
import type { BackupCompress } from "./compression.ts";
import { BackupFiles } from "./files.ts";
import { WalTar } from "./wal-tar.ts";

interface WalStreamOptions {
  readonly connection: ReplicationConnection;
  readonly directory: string;
  readonly format: "plain" | "tar";
  readonly compress: BackupCompress;
  readonly directoryMode: number;
  readonly fileMode: number;
  readonly startLsn: Lsn;
  readonly timeline: number;
  readonly systemIdentifier: bigint;
  readonly slotname: string | undefined;
  readonly createSlot: boolean;
  readonly temporarySlot: boolean;
  readonly statusInterval: number | undefined;
  readonly signal: AbortSignalLike | undefined;
  readonly say: (message: string) => void;
  /** Called with the error if streaming fails. */
  readonly onFailure: (error: unknown) => void;
}

export class WalStream {
  readonly #options: WalStreamOptions;
  readonly #files = new BackupFiles();
  readonly #stop = new WalStop();
  #done: Promise<void> = Promise.resolve();
  /** The permanent slot that it has created. */
  createdSlot: string | undefined;

  constructor(options: WalStreamOptions) {
    this.#options = options;
  }

  /** Create the slot, and begin to stream. @throws the error if the server rejects it */
  async start(): Promise<void> {
    const { connection, signal, startLsn, timeline, systemIdentifier, statusInterval, onFailure } = this.#options;
    const segmentSize = await walSegmentSize(connection, { signal });
    const slotname = await this.#slot();
    const method = this.#method();
    const run = async (): Promise<void> => {
      await receiveWalStream({
        connection,
        method,
        startpoint: toLsn(startLsn - BigInt(segmentOffset(startLsn, segmentSize))),
        timeline,
        segmentSize,
        systemIdentifier,
        stop: this.#stop,
        slotname,
        markDone: true,
        statusInterval,
        signal,
      });
      await method.finish();
    };
    this.#done = run();
    this.#done.catch(onFailure);
  }

  /** Stream up to the end of the backup. @throws the error of the stream */
  async end(lsn: Lsn): Promise<void> {
    this.#stop.at(lsn);
    await this.#done;
    await this.#options.connection.disconnect();
  }

  /** End at once, after an error. Never fails. */
  async abandon(): Promise<void> {
    this.#stop.now();
    await this.#options.connection.disconnect();
    await this.#done.catch(() => {});
    this.#files.abandon();
  }

  async #slot(): Promise<string | undefined> {
    const { connection, slotname, createSlot, temporarySlot, signal, say } = this.#options;
    const has = baseBackupProgramCapabilities.of(connection.serverVersion);
    if (slotname !== undefined) {
      if (!createSlot) return slotname;
      await connection.createSlot(slotname, { reserveWal: true, signal });
      this.createdSlot = slotname;
      say(`created replication slot "${slotname}"`);
      return slotname;
    }
    if (!temporarySlot || !has.temporarySlots) return undefined;
    const name = `walwire_base_backup_${randomUUID().slice(0, 8)}`;
    await connection.createSlot(name, { temporary: true, reserveWal: true, signal });
    say(`created temporary replication slot "${name}"`);
    return name;
  }

  #method(): WalWriteMethod {
    const { connection, directory, format, directoryMode, fileMode } = this.#options;
    const has = baseBackupProgramCapabilities.of(connection.serverVersion);
    if (format === "tar") return new WalTar(this.#archive());
    // The archive has these directories too, but later.
    const wal = `${directory}/${has.walDirectoryIsPgWal ? "pg_wal" : "pg_xlog"}`;
    for (const path of [wal, `${wal}/archive_status`, ...(has.walSummaries ? [`${wal}/summaries`] : [])]) {
      makeDirectories(path, 0o700);
      chmodSync(path, directoryMode);
    }
    return new WalDirectory(wal, { sync: false, mode: fileMode });
  }

  #archive(): ByteSink {
    const { directory, compress, fileMode } = this.#options;
    const isGzip = compress.where === "client" && compress.algorithm === "gzip";
    const path = `${directory}/pg_wal.tar${isGzip ? ".gz" : ""}`;
    const file = new FileSink(this.#files, this.#files.create(path, fileMode));
    return isGzip ? new GzipSink(file, compress.level) : file;
  }
}
