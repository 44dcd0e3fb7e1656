/**
 * `walwire receive-wal`: receive WAL into a directory, as pg_receivewal does.
 *
 * @source pg_receivewal.c: main, stop_streaming
 */
import { formatLsn } from "../../../kernel/lsn.ts";
import { formatBytes } from "../../../kernel/words.ts";
import { type ConnectOptions, connect } from "../../client.ts";
import { createReceiveWalSlot, receiveWal, type WalEvent, type WalProgress } from "../../receive-wal/index.ts";
import { explain } from "../shared/explain-error.ts";
import { urlOf } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { ProgressLine } from "../shared/output.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { ReceiveWalCall } from "./declaration.ts";

/** What is written without --verbose. */
const always: ReadonlySet<WalEvent["type"]> = new Set(["partial", "skipped", "disconnected"]);

/** `walwire receive-wal`. */
export async function run({ argument: directory, options }: ReceiveWalCall): Promise<Status> {
  const { slot, verbose, quiet, endpos } = options;
  const compression = compressionOf(options.compress);
  const server: ConnectOptions = {
    replication: "true",
    fallback_application_name: "walwire receive-wal",
    ...(options.dbname === undefined ? {} : { connectionString: urlOf(options.dbname) }),
  };
  if (options.createSlot || options.dropSlot) return changeSlot(server, options);
  const line = new Position(!quiet && (options.progress || process.stderr.isTTY));
  const abort = new AbortController();
  const stop = onInterrupt(() => {
    if (abort.signal.aborted) process.exit(status.interrupted);
    abort.abort();
  });
  try {
    const { replication: _, ...how } = server;
    await receiveWal({
      connect: how,
      directory,
      slotname: slot,
      endpos,
      synchronous: options.synchronous,
      sync: !options.noSync,
      loop: !options.noLoop,
      statusInterval: options.statusInterval * 1000,
      ...compression,
      signal: abort.signal,
      onEvent(event) {
        if (quiet && event.type !== "disconnected") return;
        if (verbose || always.has(event.type)) line.say(event);
      },
      onProgress: (progress) => line.show(progress),
    });
    return status.good;
  } catch (error) {
    // Interrupted before streaming has begun.
    if (abort.signal.aborted && error === abort.signal.reason) return status.good;
    throw error;
  } finally {
    line.end();
    stop();
  }
}

async function changeSlot(server: ConnectOptions, options: ReceiveWalCall["options"]): Promise<Status> {
  const { slot, createSlot, ifNotExists, verbose } = options;
  const connection = await connect(server);
  try {
    if (verbose) {
      process.stderr.write(`walwire: ${createSlot ? "creating" : "dropping"} replication slot "${slot}"\n`);
    }
    if (createSlot) await createReceiveWalSlot(connection, slot!, { ifNotExists });
    else await connection.dropSlot(slot!);
    return status.good;
  } finally {
    await connection.disconnect();
  }
}

/**
 * The value of --compress, as pg_receivewal 15 reads it: METHOD, METHOD:LEVEL, METHOD:level=LEVEL, or a level alone.
 *
 * @source compression.c: parse_compress_specification; pg_receivewal.c: parse_compress_options
 */
function compressionOf(value = "none"): { readonly compress: "none" | "gzip"; readonly level: number | undefined } {
  if (/^\d+$/.test(value)) return Number(value) === 0 ? compressionOf("none") : compressionOf(`gzip:${value}`);
  const [, method, , detail] = /^([^:]*)(:(.*))?$/s.exec(value) ?? [];
  if (method === "lz4")
    throw new UsageError("--compress: lz4 cannot be written: use gzip, or lz4 on complete segments");
  if (method === "zstd") throw new UsageError("--compress: compression with ZSTD is not yet supported");
  if (method !== "none" && method !== "gzip") {
    throw new UsageError(`--compress: unrecognized compression algorithm: "${method}", expected none or gzip`);
  }
  if (detail === undefined) return { compress: method, level: undefined };
  const wrong = "--compress: invalid compression specification: ";
  if (method === "none") {
    throw new UsageError(`${wrong}compression algorithm "none" does not accept a compression level`);
  }
  const level = /^(?:level=)?(\d{1,9})$/.exec(detail)?.[1];
  if (level === undefined) throw new UsageError(`${wrong}expected gzip:LEVEL, got ${JSON.stringify(value)}`);
  if (Number(level) < 1 || Number(level) > 9) {
    throw new UsageError(`${wrong}compression algorithm "gzip" expects a compression level between 1 and 9`);
  }
  return { compress: method, level: Number(level) };
}

/** Milliseconds between two reports on a terminal, and elsewhere. */
const OFTEN = 200;
const SELDOM = 5000;
/** Milliseconds over which the rate is measured. */
const WINDOW = 2000;

/** Position, rate and lag on standard error, and what happens, above it. */
class Position {
  readonly #line: ProgressLine;
  readonly #isShown: boolean;
  readonly #interval = process.stderr.isTTY ? OFTEN : SELDOM;
  #shown = 0;
  #since = { time: Date.now(), written: 0n };
  #rate = 0;

  constructor(isShown: boolean) {
    this.#line = new ProgressLine(isShown);
    this.#isShown = isShown;
  }

  show({ written, flushed, walEnd, timeline }: WalProgress): void {
    const time = Date.now();
    if (!this.#isShown || time - this.#shown < this.#interval) return;
    this.#shown = time;
    const elapsed = time - this.#since.time;
    if (this.#since.written === 0n || written < this.#since.written) this.#since = { time, written };
    else if (elapsed >= WINDOW) {
      this.#rate = (Number(written - this.#since.written) / elapsed) * 1000;
      this.#since = { time, written };
    }
    const lag = walEnd > written ? `${formatBytes(walEnd - written)} behind` : "up to date";
    const on = timeline === 1 ? "" : ` on timeline ${timeline}`;
    this.#line.show(
      `${formatLsn(written)} written${on}, ${formatLsn(flushed)} flushed, ${formatBytes(Math.round(this.#rate))}/s, ${lag} `,
    );
  }

  say({ type, message, error }: WalEvent): void {
    this.#line.clear();
    if (error !== undefined) process.stderr.write(`walwire: ${explain(error)?.sentence ?? String(error)}\n`);
    process.stderr.write(`walwire: ${type === "skipped" ? "warning: " : ""}${message}\n`);
  }

  end(): void {
    this.#line.clear();
  }
}
