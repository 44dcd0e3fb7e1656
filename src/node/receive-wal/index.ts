/**
 * walwire/receive-wal: receives WAL into a directory as pg_receivewal does (Node; needs `pg`).
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_receivewal.c
 */
import { commandCapabilities } from "../../command/capabilities.ts";
import {
  ConnectionError,
  DecodeError,
  FileError,
  ProtocolError,
  refuseArgument,
  ServerError,
} from "../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { checkOneOf, checkOptions, checkType, checkWhole } from "../../kernel/options.ts";
import { segmentOffset } from "../../kernel/wal-names.ts";
import { type AbortSignalLike, checkSignal, orAborted } from "../abort-signal.ts";
import { type ConnectOptions, ReplicationConnection } from "../client.ts";
import { openConnection } from "../program-connection.ts";
import { allowsGroup, walSegmentSize } from "../server-settings.ts";
import { WalDirectory } from "./directory-method.ts";
import { findStreamingStart } from "./find-start.ts";
import { WalStop } from "./stop.ts";
import { receiveWalStream, type WalEvent, type WalProgress } from "./stream.ts";

export { FileError } from "../../kernel/errors.ts";
export type { AbortSignalLike } from "../abort-signal.ts";
export type { ConnectOptions } from "../client.ts";
export type { WalEvent, WalProgress } from "./stream.ts";

/** Options of `receiveWal`. */
export interface ReceiveWalOptions {
  /** How to connect: options of `connect`, or a function that opens a connection with `replication: "true"`. It is closed at the end. */
  readonly connect: Omit<ConnectOptions, "replication" | "signal"> | (() => Promise<ReplicationConnection>);
  /** An existing directory. Receiving goes on where its last segment ends. */
  readonly directory: string;
  /** A physical slot, so that the server keeps WAL that was not received. */
  readonly slotname?: string | undefined;
  /** Create the slot if it does not exist. It keeps WAL from then on. */
  readonly createSlot?: boolean | undefined;
  /** Flush what arrives at once and report it, as a synchronous standby must. */
  readonly synchronous?: boolean | undefined;
  /** Flush files and names to the disk. Default: true. Without it a crash of the machine can lose what the server has dropped. */
  readonly sync?: boolean | undefined;
  /** The compression of all files. Default: none. */
  readonly compress?: "none" | "gzip" | undefined;
  /** The level of the compression, 1 to 9. Default: zlib's own choice. */
  readonly level?: number | undefined;
  /** End once WAL up to this position, and the byte there, is written. Default: do not end. */
  readonly endpos?: Lsn | undefined;
  /** Milliseconds between two status updates; 0 sends only those that the server asks for. Default: 10,000. */
  readonly statusInterval?: number | undefined;
  /** Connect again when the connection or the stream has ended. Default: true. The first connection must succeed. */
  readonly loop?: boolean | undefined;
  /** Milliseconds before another connection is tried. Default: 5,000. */
  readonly retryInterval?: number | undefined;
  /** Called with each event: where streaming starts, complete segments, timelines, lost connections. */
  readonly onEvent?: ((event: WalEvent) => void) | undefined;
  /** Called whenever something was received. */
  readonly onProgress?: ((progress: WalProgress) => void) | undefined;
  /** Ends receiving: what was written is flushed, the server is told, and the promise is fulfilled. */
  readonly signal?: AbortSignalLike | undefined;
}

/** How receiving has ended. */
export interface ReceiveWalResult {
  /** By `endpos` or by `signal`. */
  readonly reason: "endpos" | "signal";
  /** The timeline that was received last; undefined if streaming had not begun. */
  readonly timeline: number | undefined;
  /** WAL up to here is written and flushed; undefined if streaming had not begun. Bytes. */
  readonly lsn: Lsn | undefined;
}

const optionNames = [
  ...["connect", "directory", "slotname", "createSlot", "synchronous", "sync", "compress", "level", "endpos"],
  ...["statusInterval", "loop", "retryInterval", "onEvent", "onProgress", "signal"],
];

/** The SQLSTATE of a slot that exists. */
const DUPLICATE_OBJECT = "42710";
const LONGEST_WAIT = 2 ** 31 - 1;

/**
 * Receive WAL into a directory, until `endpos` or `signal`.
 *
 * A segment is `NAME.partial` until it is complete. Segments, and histories of timelines, are byte for byte those of the server. They
 * are flushed before the server learns of them, and begin anew after a crash.
 *
 * @throws FileError FILE_SYSTEM if a file cannot be read, written or flushed; BAD_FILE for a file of another size, cluster or position.
 * @throws ConnectionError, ServerError, ProtocolError or DecodeError for what ends the first connection before streaming; later ones
 *   only with `loop: false`, and for a server of another cluster.
 * @throws UnsupportedError for a server version that walwire does not know.
 * @throws ArgumentError for an invalid option; the signal's reason if it is aborted already.
 * @source pg_receivewal.c: main, StreamLog
 */
export async function receiveWal(options: ReceiveWalOptions): Promise<ReceiveWalResult> {
  checkReceiveWalOptions(options);
  const { endpos, signal } = options;
  // What pg_receivewal calls the end position is the last byte that it wants.
  const stop = new WalStop(endpos === undefined || endpos === invalidLsn ? undefined : toLsn(endpos + 1n));
  const abort = (): void => stop.now();
  signal?.addEventListener("abort", abort);
  try {
    return await new Loop(options, stop).run();
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Options of `createReceiveWalSlot`. */
export interface CreateReceiveWalSlotOptions {
  /** Succeed if there is such a slot. Default: false. */
  readonly ifNotExists?: boolean | undefined;
  /** Stops waiting. */
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * Create a physical slot that keeps WAL from now on. `connection.dropSlot` drops it.
 *
 * @throws ServerError 42710 if there is such a slot, unless `ifNotExists`; else as `createSlot` of a connection.
 * @source streamutil.c: CreateReplicationSlot
 */
export async function createReceiveWalSlot(
  connection: ReplicationConnection,
  slotname: string,
  options: CreateReceiveWalSlotOptions = {},
): Promise<void> {
  if (!(connection instanceof ReplicationConnection)) {
    refuseArgument("connection", "a ReplicationConnection", connection);
  }
  checkOptions(options, ["ifNotExists", "signal"]);
  const { ifNotExists = false, signal } = options;
  checkType("options.ifNotExists", ifNotExists, "boolean");
  const reserveWal = commandCapabilities.supports(connection.serverVersion, "reserveWal");
  try {
    await connection.createSlot(slotname, { ...(reserveWal ? { reserveWal } : {}), signal });
  } catch (error) {
    if (!(ifNotExists && error instanceof ServerError && error.sqlstate === DUPLICATE_OBJECT)) throw error;
  }
}

class Loop {
  readonly #options: ReceiveWalOptions;
  readonly #stop: WalStop;
  #systemIdentifier: bigint | undefined;
  #isConnected = false;
  #isStreaming = false;
  #last: WalProgress | undefined;

  constructor(options: ReceiveWalOptions, stop: WalStop) {
    this.#options = options;
    this.#stop = stop;
  }

  async run(): Promise<ReceiveWalResult> {
    const { loop = true, retryInterval = 5000, onEvent } = this.#options;
    for (;;) {
      try {
        return await this.#attempt();
      } catch (error) {
        if (this.#stop.isNow && this.#isOfTheEnd(error)) return this.#interrupted();
        if (!loop || !this.#isConnected || !this.#canTryAgain(error)) throw error;
        const message = `disconnected; waiting ${retryInterval / 1000} seconds to try again`;
        const { timeline = 0, written = invalidLsn } = this.#last ?? {};
        onEvent?.({ type: "disconnected", timeline, lsn: written, message, error });
      }
      await this.#pause(retryInterval);
      if (this.#stop.isNow) return this.#interrupted();
    }
  }

  /** Commands reject with the signal's reason, and their connections end. */
  #isOfTheEnd(error: unknown): boolean {
    return error === this.#options.signal?.reason || error instanceof ConnectionError;
  }

  #interrupted(): ReceiveWalResult {
    return { reason: "signal", timeline: this.#last?.timeline, lsn: this.#last?.written };
  }

  /** A disk may have room again, and a server may come back. What cannot be flushed is lost, and is not flushed the next time either. */
  #canTryAgain(error: unknown): boolean {
    if (error instanceof FileError) {
      return (
        this.#isStreaming && error.code === "FILE_SYSTEM" && (error.cause as NodeJS.ErrnoException).syscall !== "fsync"
      );
    }
    return [ConnectionError, ServerError, ProtocolError, DecodeError].some((kind) => error instanceof kind);
  }

  async #attempt(): Promise<ReceiveWalResult> {
    const { signal } = this.#options;
    this.#isStreaming = false;
    const connection = await openConnection(this.#options.connect, "walwire receive-wal", signal);
    try {
      const begun = await this.#begin(connection);
      this.#isConnected = true;
      this.#isStreaming = true;
      const { timeline, lsn } = await receiveWalStream(begun);
      return { reason: this.#stop.isNow ? "signal" : "endpos", timeline, lsn };
    } finally {
      await orAborted(connection.disconnect(), signal?.aborted ? undefined : signal).catch(() => {});
    }
  }

  /** Find out where to start. @source pg_receivewal.c: StreamLog */
  async #begin(connection: ReplicationConnection): Promise<Parameters<typeof receiveWalStream>[0]> {
    const { directory, slotname, createSlot, synchronous, statusInterval, onEvent, onProgress, signal } = this.#options;
    const { compress, level, sync } = this.#options;
    const wait = { signal };
    const { systemid, timeline: current, xlogpos } = await connection.identifySystem(wait);
    this.#systemIdentifier ??= systemid;
    if (systemid !== this.#systemIdentifier) {
      throw new FileError(
        directory,
        `the server is of the cluster with system identifier ${systemid}, and was of ${this.#systemIdentifier} before: use another directory`,
        "BAD_FILE",
      );
    }
    const mode = (await allowsGroup(connection, wait)) ? 0o640 : 0o600;
    const segmentSize = await walSegmentSize(connection, wait);
    if (createSlot && slotname !== undefined && !this.#isConnected) {
      await createReceiveWalSlot(connection, slotname, { ifNotExists: true, signal });
    }
    let start = await findStreamingStart(directory, { systemIdentifier: systemid, segmentSize }, (message) =>
      onEvent?.({ type: "skipped", timeline: 0, lsn: invalidLsn, message }),
    );
    // Later the server may be a standby that has yet to follow.
    if (start !== undefined && start.timeline > current && !this.#isConnected) {
      throw new FileError(
        directory,
        `the directory has WAL of timeline ${start.timeline}, and the server is on timeline ${current}: use another directory, or the server of that timeline`,
        "BAD_FILE",
      );
    }
    start ??= await startOfSlot(connection, slotname, wait);
    const { lsn, timeline } = start ?? { lsn: xlogpos, timeline: current };
    const startpoint = toLsn(lsn - BigInt(segmentOffset(lsn, segmentSize)));
    const position = formatLsn(startpoint, { server: connection.serverVersion });
    const message = `starting log streaming at ${position} (timeline ${timeline})`;
    onEvent?.({ type: "started", timeline, lsn: startpoint, message });
    return {
      connection,
      method: new WalDirectory(directory, { compress, level, sync, mode }),
      startpoint,
      timeline,
      segmentSize,
      systemIdentifier: systemid,
      stop: this.#stop,
      slotname,
      partialSuffix: ".partial",
      synchronous,
      statusInterval,
      signal,
      onEvent,
      onProgress: (progress) => {
        this.#last = progress;
        onProgress?.(progress);
      },
    };
  }

  /** Wait, unless the signal is aborted first. */
  #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal?.addEventListener("abort", done);
      if (signal?.aborted) done();
    });
  }
}

/** Where a slot keeps WAL from, if the server says so. @source streamutil.c: GetSlotInformation */
async function startOfSlot(
  connection: ReplicationConnection,
  slotname: string | undefined,
  wait: { readonly signal: AbortSignalLike | undefined },
): Promise<{ readonly lsn: Lsn; readonly timeline: number } | undefined> {
  if (slotname === undefined || !commandCapabilities.supports(connection.serverVersion, "readReplicationSlot")) {
    return undefined;
  }
  const slot = await connection.readSlot(slotname, wait);
  if (slot === undefined) throw new ProtocolError(`replication slot "${slotname}" does not exist`);
  const { restart_lsn: lsn, restart_tli: timeline } = slot;
  return lsn === undefined || timeline === undefined ? undefined : { lsn, timeline };
}

function checkReceiveWalOptions(options: ReceiveWalOptions): void {
  checkOptions(options, optionNames);
  const { connect: how, directory, slotname, compress = "none", level, endpos, sync = true } = options;
  if (typeof how !== "function" && (typeof how !== "object" || how === null)) {
    refuseArgument("options.connect", "options of connect, or a function that returns a connection", how);
  }
  if (typeof directory !== "string" || directory === "" || directory.includes("\0")) {
    refuseArgument("options.directory", "a path", directory);
  }
  if (slotname !== undefined) checkType("options.slotname", slotname, "string");
  for (const name of ["createSlot", "synchronous", "sync", "loop"] as const) {
    if (options[name] !== undefined) checkType(`options.${name}`, options[name], "boolean");
  }
  if (options.createSlot && slotname === undefined) refuseArgument("options.slotname", "a name to create", slotname);
  if (options.synchronous && !sync) refuseArgument("options.sync", "true with synchronous", sync);
  checkOneOf("options.compress", compress, ["none", "gzip"]);
  if (level !== undefined) checkWhole("options.level", level, 1, 9);
  if (level !== undefined && compress === "none") refuseArgument("options.compress", '"gzip" with a level', compress);
  if (endpos !== undefined) toLsn(endpos);
  for (const name of ["statusInterval", "retryInterval"] as const) {
    if (options[name] !== undefined) checkWhole(`options.${name}`, options[name], 0, LONGEST_WAIT);
  }
  for (const name of ["onEvent", "onProgress"] as const) {
    if (options[name] !== undefined) checkType(`options.${name}`, options[name], "function");
  }
  checkSignal(options.signal);
}
