/**
 * Receives WAL from a walsender and writes it as segments, along the timelines of the server.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source receivelog.c: ReceiveXlogStream
 */

import { setImmediate } from "node:timers/promises";
import { decodeResultSet, type ResultSetRow } from "../../command/results/rows.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage, type XLogData } from "../../generated/physical.ts";
import { ConnectionError, FileError, ProtocolError, refuseArgument } from "../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { endOfWal } from "../../kernel/wal-end.ts";
import { segmentName, segmentOffset, walFileName } from "../../kernel/wal-names.ts";
import { encodeText } from "../../wire/text.ts";
import type { AbortSignalLike } from "../abort-signal.ts";
import type { ReplicationConnection } from "../client.ts";
import { now } from "../now.ts";
import { strerror } from "../strerror.ts";
import type { Walfile, WalWriteMethod } from "./method.ts";
import { type WalStop, woken } from "./stop.ts";

/** How far a stream of WAL is. */
export interface WalProgress {
  /** The timeline that is received. */
  readonly timeline: number;
  /** WAL up to here is written. Bytes. */
  readonly written: Lsn;
  /** WAL up to here is on the disk. Bytes. */
  readonly flushed: Lsn;
  /** How far the server's WAL goes, as it said last. Bytes. */
  readonly walEnd: Lsn;
}

/** What happens in a stream of WAL, in pg_receivewal's words. */
export interface WalEvent {
  /**
   * "started": streaming starts at `lsn`; "segment": a segment ends there; "switched": the timeline does; "partial": a segment is left
   * incomplete; "stopped": streaming ended there; "skipped": a file of the directory is passed over; "disconnected": the connection
   * has ended and another one is tried.
   */
  readonly type: "started" | "segment" | "switched" | "partial" | "stopped" | "skipped" | "disconnected";
  /** The timeline. */
  readonly timeline: number;
  /** The position; 0 where there is none. Bytes. */
  readonly lsn: Lsn;
  /** What pg_receivewal says of it. */
  readonly message: string;
  /** The reason of "disconnected". */
  readonly error?: unknown;
}

/** What to receive, and where it goes. */
export interface WalStream {
  /** A connection for physical replication without another stream. It can be used afterwards. */
  readonly connection: ReplicationConnection;
  /** Where segments, histories and archive status files are written. */
  readonly method: WalWriteMethod;
  /** The beginning of a segment. */
  readonly startpoint: Lsn;
  /** The timeline to start on. */
  readonly timeline: number;
  /** wal_segment_size of the server, in bytes. */
  readonly segmentSize: number;
  /** The cluster that the server must be of. */
  readonly systemIdentifier: bigint;
  /** When to end. */
  readonly stop: WalStop;
  /** A physical slot. */
  readonly slotname?: string | undefined;
  /** The suffix of a segment that is not complete. Default: none. */
  readonly partialSuffix?: string | undefined;
  /** Write `archive_status/NAME.done` beside each file, as for WAL that need not be archived again. */
  readonly markDone?: boolean | undefined;
  /** Flush what arrives as soon as nothing more is there, and report it at once. */
  readonly synchronous?: boolean | undefined;
  /** Milliseconds between two status updates; 0 sends only those that the server asks for. Default: 10,000. */
  readonly statusInterval?: number | undefined;
  /** Ends commands that wait for the server. A stream is ended by `stop`. */
  readonly signal?: AbortSignalLike | undefined;
  /** Called with each event. */
  readonly onEvent?: ((event: WalEvent) => void) | undefined;
  /** Called whenever something was written. */
  readonly onProgress?: ((progress: WalProgress) => void) | undefined;
}

/** Where a stream has ended. */
export interface WalStreamEnd {
  /** The timeline. */
  readonly timeline: number;
  /** WAL up to here is written, and flushed if files are. Bytes. */
  readonly lsn: Lsn;
}

/** Milliseconds that a server has to answer to the end of a stream. Everything is flushed by then. */
const PATIENCE = 10_000;

/**
 * Receive WAL until `stop` says so. Histories of timelines that the directory lacks are fetched.
 *
 * Nothing is reported as flushed that is not: the position of the last flush is that of a whole segment, or with `synchronous` and where
 * the server waits for it, that of the last write.
 *
 * @throws ServerError if the server rejects a command or ends the stream; ConnectionError if the connection ends, also by a shutdown.
 * @throws ProtocolError for WAL of a position that was not expected, or an impossible timeline.
 * @throws FileError if a file cannot be written, or one of the directory has an unexpected size. What is written stays as it is.
 */
export async function receiveWalStream(stream: WalStream): Promise<WalStreamEnd> {
  return new Receiver(stream).run();
}

class Receiver {
  readonly #stream: WalStream;
  readonly #reportsFlush: boolean;
  #timeline: number;
  #file: Walfile | undefined;
  /** The name of the file without suffixes. */
  #filename = "";
  #written: Lsn;
  #flushed: Lsn;
  #walEnd: Lsn;

  constructor(stream: WalStream) {
    const { startpoint, segmentSize } = stream;
    if (segmentOffset(startpoint, segmentSize) !== 0) {
      refuseArgument("startpoint", `a multiple of ${segmentSize}`, formatLsn(startpoint));
    }
    this.#stream = stream;
    // Who reports a flush position can be a synchronous standby: only if that is wanted.
    this.#reportsFlush = stream.slotname !== undefined || stream.synchronous === true;
    this.#timeline = stream.timeline;
    this.#written = this.#flushed = this.#walEnd = stream.startpoint;
  }

  async run(): Promise<WalStreamEnd> {
    const { connection, systemIdentifier, segmentSize, signal } = this.#stream;
    const { systemid, timeline } = await connection.identifySystem({ signal });
    if (systemid !== systemIdentifier) {
      throw new ProtocolError("system identifier does not match between base backup and streaming connection");
    }
    if (this.#timeline > timeline) {
      throw new ProtocolError(`starting timeline ${this.#timeline} is not present in the server`);
    }
    for (;;) {
      await this.#fetchHistory();
      if (this.#isStopped()) return this.#end();
      const next = await this.#streamTimeline();
      if (next === undefined) return this.#end();
      const { next_tli: tli, next_tli_startpos: startpos } = next;
      if (tli <= this.#timeline) {
        throw new ProtocolError(
          `server reported unexpected next timeline ${tli}, following timeline ${this.#timeline}`,
        );
      }
      if (startpos > this.#written) {
        throw new ProtocolError(
          `server stopped streaming timeline ${this.#timeline} at ${this.#format(this.#written)}, but reported next timeline ${tli} to begin at ${this.#format(startpos)}`,
        );
      }
      const before = this.#written;
      // WAL of the old timeline behind the switch may have been flushed too.
      if (this.#flushed > startpos) this.#flushed = startpos;
      this.#timeline = tli;
      this.#written = toLsn(startpos - BigInt(segmentOffset(startpos, segmentSize)));
      this.#tell("switched", before, `switched to timeline ${tli} at ${this.#format(before)}`);
    }
  }

  #format(lsn: Lsn): string {
    return formatLsn(lsn, { server: this.#stream.connection.serverVersion });
  }

  #end(): WalStreamEnd {
    return { timeline: this.#timeline, lsn: this.#written };
  }

  /** Does the stream end here? */
  #isStopped(): boolean {
    const { stop } = this.#stream;
    if (!stop.isReached(this.#written)) return false;
    const words = stop.isNow
      ? "received interrupt signal, exiting"
      : `stopped log streaming at ${this.#format(this.#written)} (timeline ${this.#timeline})`;
    this.#tell("stopped", this.#written, words);
    return true;
  }

  /** Receive a timeline up to its end. @returns what follows it; undefined if the stream is to end */
  async #streamTimeline(): Promise<ResultSetRow<"NEXT_TIMELINE"> | undefined> {
    const { connection, slotname, statusInterval = 10_000, signal } = this.#stream;
    const [startpoint, timeline] = [this.#written, this.#timeline];
    const started = await connection.startPhysical({ slotname, startpoint, timeline, signal });
    if (started !== undefined) return started;
    let clock: NodeJS.Timeout | undefined;
    const status = (): void => {
      clock?.refresh();
      this.#sendStatus();
    };
    if (statusInterval > 0) {
      // Also while a file is written or flushed, so that the server does not give up.
      clock = setInterval(() => this.#sendStatus(), statusInterval);
      this.#sendStatus();
    }
    try {
      const isOver = await this.#copy(status);
      const { rows } = await connection.endReplication({ signal: isOver ? undefined : AbortSignal.timeout(PATIENCE) });
      if (!isOver) return undefined;
      if (rows.length === 0) {
        throw new ConnectionError("replication stream was terminated before stop point", "CONNECTION_LOST");
      }
      return decodeResultSet("NEXT_TIMELINE", rows);
    } catch (error) {
      if (error instanceof DOMException && error.name === "TimeoutError") return undefined;
      throw error;
    } finally {
      clearInterval(clock);
      // What was written so far stays, and is written again from its beginning the next time.
      await this.#file?.close("noRename").catch(ignore);
      this.#file = undefined;
    }
  }

  /** Receive until the server ends the timeline, which is true, or `stop` the stream. @source receivelog.c: HandleCopyStream */
  async #copy(status: () => void): Promise<boolean> {
    const { connection, stop, synchronous, onProgress } = this.#stream;
    for (;;) {
      if (this.#isStopped()) {
        await this.#closeFile();
        // The server learns what was flushed last.
        status();
        return false;
      }
      const payload = connection.tryReceive();
      if (payload === null && synchronous && this.#flushed < this.#written) {
        // What the socket already has is flushed with the rest. Node reads between the first turn and the second.
        await setImmediate();
        if (!connection.hasArrived) await setImmediate();
        if (connection.hasArrived) continue;
        await this.#flush();
        status();
        continue;
      }
      if (payload === null) {
        await connection.readable({ signal: stop.signal }).catch((error: unknown) => {
          if (error !== woken) throw error;
        });
        continue;
      }
      if (payload === undefined) {
        await this.#closeFile();
        return true;
      }
      const message = decodeWalSenderMessage(payload);
      if (message.type === "Keepalive") {
        if (message.walEnd > this.#walEnd) this.#walEnd = message.walEnd;
        if (message.replyRequested) {
          // At a shutdown the server waits until everything is flushed.
          if (this.#reportsFlush) await this.#flush();
          status();
        }
      } else if (message.type === "XLogData") {
        if (message.walEnd > this.#walEnd) this.#walEnd = message.walEnd;
        await this.#write(message);
      }
      onProgress?.(this.#progress());
    }
  }

  #progress(): WalProgress {
    return { timeline: this.#timeline, written: this.#written, flushed: this.#flushed, walEnd: this.#walEnd };
  }

  /** @source receivelog.c: ProcessXLogDataMsg */
  async #write({ dataStart, data }: XLogData): Promise<void> {
    const { segmentSize, stop } = this.#stream;
    if (dataStart !== this.#written) {
      throw new ProtocolError(`the server sent WAL at ${formatLsn(dataStart)}, expected ${formatLsn(this.#written)}`);
    }
    endOfWal(dataStart, data.length);
    for (let done = 0; done < data.length; ) {
      this.#file ??= await this.#openFile();
      const file = this.#file;
      const part = data.subarray(done, done + segmentSize - file.position);
      try {
        await file.write(part);
      } catch (error) {
        throw failure(this.#filename, `could not write ${part.length} bytes to WAL file "${this.#filename}"`, error);
      }
      done += part.length;
      this.#written = toLsn(this.#written + BigInt(part.length));
      if (file.position < segmentSize) continue;
      await this.#closeFile();
      const [timeline, lsn] = [this.#timeline, this.#written];
      this.#tell("segment", lsn, `finished segment at ${this.#format(lsn)} (timeline ${timeline})`);
      // The rest of the message is not wanted.
      if (stop.isReached(lsn)) return;
    }
  }

  /** @source receivelog.c: open_walfile */
  async #openFile(): Promise<Walfile> {
    const { method, segmentSize, partialSuffix = "" } = this.#stream;
    this.#filename = segmentName(this.#timeline, this.#written, segmentSize);
    const name = method.fileName(this.#filename, partialSuffix);
    let size: number | undefined;
    try {
      size = method.isPlain ? await method.fileSize(name) : undefined;
    } catch (error) {
      throw failure(name, `could not get size of write-ahead log file "${name}"`, error);
    }
    const isThere = size === segmentSize;
    try {
      // A file of zeros was being padded when an earlier run ended.
      if (size !== undefined && size !== 0 && !isThere && !(size < segmentSize && (await method.isZero(name)))) {
        throw new FileError(
          name,
          `write-ahead log file "${name}" has ${size} bytes, should be 0 or ${segmentSize}`,
          "BAD_FILE",
        );
      }
      // It is flushed when it is opened, in case of a crash before.
      return await method.open(this.#filename, partialSuffix, isThere ? 0 : segmentSize);
    } catch (error) {
      if (error instanceof FileError) throw error;
      const existing = isThere ? "existing " : "";
      throw failure(name, `could not open ${existing}write-ahead log file "${name}"`, error);
    }
  }

  /** @source receivelog.c: close_walfile */
  async #closeFile(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const { method, segmentSize, partialSuffix = "", markDone } = this.#stream;
    this.#file = undefined;
    const isComplete = file.position === segmentSize;
    if (!isComplete && partialSuffix !== "") {
      const name = method.fileName(this.#filename, partialSuffix);
      this.#tell("partial", this.#written, `not renaming "${name}", segment is not complete`);
    }
    try {
      await file.close(isComplete || partialSuffix === "" ? "normal" : "noRename");
    } catch (error) {
      throw failure(this.#filename, `could not close file "${this.#filename}"`, error);
    }
    if (isComplete && markDone) await this.#markDone(this.#filename);
    this.#flushed = this.#written;
  }

  /** @source receivelog.c: mark_file_as_archived */
  async #markDone(filename: string): Promise<void> {
    const path = `archive_status/${filename}.done`;
    try {
      await (await this.#stream.method.open(path, "", 0)).close("normal");
    } catch (error) {
      throw failure(path, `could not create archive status file "${path}"`, error);
    }
  }

  async #flush(): Promise<void> {
    const position = this.#written;
    if (this.#file === undefined || this.#flushed >= position) return;
    try {
      await this.#file.sync();
    } catch (error) {
      throw failure(this.#filename, `could not fsync file "${this.#filename}"`, error);
    }
    this.#flushed = position;
  }

  /** @source receivelog.c: existsTimeLineHistoryFile, writeTimeLineHistoryFile */
  async #fetchHistory(): Promise<void> {
    const { connection, method, markDone, signal } = this.#stream;
    const timeline = this.#timeline;
    if (timeline === 1) return;
    const name = walFileName({ type: "history", timeline });
    let file: Walfile | undefined;
    try {
      if ((await method.fileSize(method.fileName(name, ""))) !== undefined) return;
    } catch (error) {
      throw failure(name, `could not get size of file "${name}"`, error);
    }
    const { filename, content } = await connection.timelineHistory(timeline, { signal });
    if (filename !== name) {
      throw new ProtocolError(`server reported unexpected history file name for timeline ${timeline}: ${filename}`);
    }
    try {
      file = await method.open(name, ".tmp", 0);
      await file.write(typeof content === "string" ? bytesOf(content) : content);
      await file.sync();
    } catch (error) {
      await file?.close("unlink").catch(ignore);
      throw failure(name, `could not write timeline history file "${name}"`, error);
    }
    try {
      await file.close("normal");
    } catch (error) {
      throw failure(name, `could not close file "${name}"`, error);
    }
    if (markDone) await this.#markDone(name);
  }

  /** @source receivelog.c: sendFeedback */
  #sendStatus(): void {
    const { connection } = this.#stream;
    try {
      connection.send(
        encodeWalReceiverMessage({
          type: "StandbyStatusUpdate",
          write: this.#written,
          flush: this.#reportsFlush ? this.#flushed : invalidLsn,
          apply: invalidLsn,
          clientTime: now(),
          replyRequested: false,
        }),
      );
    } catch {
      // A stream that is over, or a connection that is lost: the next call that waits for the server says so.
    }
  }

  #tell(type: WalEvent["type"], lsn: Lsn, message: string): void {
    this.#stream.onEvent?.({ type, timeline: this.#timeline, lsn, message });
  }
}

/** An error of the system as a FileError; others are returned as they are. */
function failure(path: string, what: string, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).syscall === undefined) return cause;
  return new FileError(path, `${what}: ${strerror(cause)}`, "FILE_SYSTEM", { cause });
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(3 * text.length);
  return bytes.subarray(0, encodeText(text, bytes, 0));
}

function ignore(): void {}
