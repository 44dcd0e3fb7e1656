/** Real logical streams, and files of them. */
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Server } from "./index.ts";
import { checked, type RawConnection, ServerError } from "./raw.ts";

/** What a server sent, and to which command. */
export interface Capture {
  readonly command: string;
  /** server_version_num */
  readonly versionNum: number;
  /** Of CopyData messages, whole and in order: XLogData and keepalives. */
  readonly payloads: readonly Uint8Array[];
}

let slots = 0;

/**
 * Runs a workload while a pgoutput stream is open, and gives everything that the server sent of it.
 *
 * The slot is temporary and made just before, so making it waits for transactions that are open then, prepared ones included.
 * The publications must exist. Transactions that `workload` does not commit are in it only if they stream: `options` must allow
 * that, and logical_decoding_work_mem, which a database may have set, must be small.
 *
 * @param options For the plugin: `{ proto_version: "1", publication_names: "p" }`.
 * @param database Default: the server's.
 * @throws ServerError if the server refuses any of it; whatever `workload` throws.
 */
export async function captureStream(
  server: Server,
  { database = server.database, options, twoPhase = false, workload, onPayload }: CaptureRequest,
): Promise<Capture> {
  const connection = await server.connect({ replication: "database", database });
  try {
    const slot = `capture_${process.pid}_${++slots}`;
    const slotOptions =
      server.versionNum >= 150000 ? `(SNAPSHOT 'nothing'${twoPhase ? ", TWO_PHASE" : ""})` : "NOEXPORT_SNAPSHOT";
    checked(await connection.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput ${slotOptions}`));

    const list = Object.entries(options).map(([name, value]) => `${name} '${value.replaceAll("'", "''")}'`);
    const command = `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (${list.join(", ")})`;
    return await capture(server, connection, { command, workload, onPayload });
  } finally {
    await connection.close();
  }
}

/**
 * The same of a physical stream, which begins where WAL ends now.
 *
 * @throws as captureStream
 */
export async function capturePhysicalStream(
  server: Server,
  { workload, onPayload }: Pick<CaptureRequest, "workload" | "onPayload">,
): Promise<Capture> {
  const connection = await server.connect({ replication: "true" });
  try {
    const { rows } = await server.sql("SELECT pg_current_wal_flush_lsn()");
    const command = `START_REPLICATION ${rows[0]![0]}`;
    return await capture(server, connection, { command, workload, onPayload });
  } finally {
    await connection.close();
  }
}

/** What START_REPLICATION gives on this connection while a workload runs. */
async function capture(
  server: Server,
  connection: RawConnection,
  {
    command,
    workload,
    onPayload,
  }: Pick<CaptureRequest, "workload"> & { command: string; onPayload: CaptureRequest["onPayload"] },
): Promise<Capture> {
  const control = await server.connect();
  try {
    connection.send("Q", command);
    const answer = await connection.next();
    if (answer.type === "E") throw new ServerError(answer.body);
    if (answer.type !== "W")
      throw new Error(`The server answered "${answer.type}", not CopyBothResponse, to ${command}.`);

    const stream = collect(connection, onPayload);
    const sent = async () => {
      // All that was written has an end; a checkpoint flushes up to it (an abort would wait for the WAL writer), and walsenders
      // send what is flushed. Nothing of the checkpoint itself is for a plugin. Where nothing is to be flushed there is none: it
      // takes 0.1 s before version 12.
      const answer = checked(
        await control.query("SELECT pg_current_wal_insert_lsn() || ' ' || pg_current_wal_flush_lsn()"),
      );
      const row = answer.find(({ type }) => type === "D")!.body; // the number of columns, 1; the length; the text
      const [written, flushed] = row.toString("latin1", 6).split(" ").map(lsn);
      if (flushed! < written!) checked(await control.query("CHECKPOINT"));
      await stream.upTo(written!);
    };
    await Promise.race([workload({ sent }), stream.failed]);
    await sent();
    const payloads = stream.stop();

    connection.send("c", new Uint8Array());
    await stream.end; // and on the way, what others have written since
    checked(await connection.until("Z"));
    return { command, versionNum: server.versionNum, payloads };
  } finally {
    await control.close();
  }
}

export interface CaptureRequest {
  readonly database?: string;
  readonly options: Readonly<Record<string, string>>;
  /** The slot sends transactions when they are prepared (servers from 15 on; `options` must say two_phase as well). */
  readonly twoPhase?: boolean;
  readonly workload: (stream: OpenStream) => Promise<unknown>;
  /** Called with each payload when it comes. */
  readonly onPayload?: ((payload: Uint8Array) => void) | undefined;
}

/** The stream, for a workload that minds what of it has been sent. */
export interface OpenStream {
  /** Resolves when everything that was written until now, of open transactions too, has been read by the server and sent. */
  sent(): Promise<void>;
}

/** Reads the stream as it comes, so that the server never waits for us, and answers keepalives that ask for it. */
function collect(connection: RawConnection, onPayload: CaptureRequest["onPayload"]) {
  const payloads: Uint8Array[] = [];
  let stopped = false;
  let position = 0n;
  let waiting: { readonly lsn: bigint; resolve(): void } | undefined;
  let timer: NodeJS.Timeout | undefined;

  /**
   * Standby status update: all is written and flushed up to the last keepalive's position, since a server that waits for us to
   * flush says so each time; nothing is applied; the time is zero; `1` asks for a keepalive.
   */
  const status = (replyRequested: 0 | 1) => {
    const body = Buffer.alloc(34);
    body.write("r", "latin1");
    body.writeBigUInt64BE(position, 1);
    body.writeBigUInt64BE(position, 9);
    body[33] = replyRequested;
    connection.send("d", body);
  };

  const end = (async () => {
    for (;;) {
      const { type, body } = await connection.next();
      if (type === "c") return;
      if (type === "E") throw new ServerError(body);
      if (type !== "d") throw new Error(`The server sent "${type}" in the stream.`);
      if (stopped) continue;
      payloads.push(body);
      onPayload?.(body);
      if (body[0] !== 0x6b) continue; // "k", keepalive: walEnd, time, replyRequested
      position = body.readBigUInt64BE(1);
      if (body[17] === 1) status(0);
      if (waiting === undefined) continue;
      clearTimeout(timer);
      if (position >= waiting.lsn) {
        waiting.resolve();
        waiting = undefined;
      } else timer = setTimeout(status, 1, 1); // it is on its way: ask again
    }
  })();
  const failed = end.then((): never => {
    throw new Error("The server ended the stream.");
  });
  failed.catch(() => {}); // seen by whoever waits for it; not when the workload fails first

  return {
    /** Never resolves; rejects if the stream breaks. */
    failed,
    /** Resolves when the server has ended the stream; rejects if it breaks. */
    end,
    /** Waits for the server's word that it has sent its WAL up to there: the walEnd of a keepalive is its position. */
    upTo(lsn: bigint): Promise<void> {
      const there = new Promise<void>((resolve) => {
        waiting = { lsn, resolve };
      });
      status(1);
      return Promise.race([there, failed]);
    },
    /** What has come until now; what comes from now on is nobody's. */
    stop(): readonly Uint8Array[] {
      stopped = true;
      return payloads;
    },
  };
}

function lsn(text: string): bigint {
  const [high, low] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** Writes payloads to a file, in the form of {@link packCapture}. */
export function writeCapture(file: string, payloads: readonly Uint8Array[]): void {
  writeFileSync(file, packCapture(payloads));
}

/** The payloads of a file of {@link writeCapture}. @throws Error if it ends in the middle of one. */
export function readCapture(file: string): Uint8Array[] {
  return unpackCapture(readFileSync(file), file);
}

/** Payloads as gzip of: u32 big-endian length, payload, and so on. */
export function packCapture(payloads: readonly Uint8Array[]): Uint8Array {
  const parts = payloads.flatMap((payload) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    return [length, payload];
  });
  return gzipSync(Buffer.concat(parts), { level: 9 });
}

/** What was packed. @param file Its name, for the error. @throws Error if it ends in the middle of a payload. */
export function unpackCapture(packed: Uint8Array, file: string): Uint8Array[] {
  const bytes = gunzipSync(packed);
  const payloads: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + (bytes.length - at < 4 ? 0 : bytes.readUInt32BE(at));
    if (end > bytes.length) throw new Error(`${file} ends within the payload at ${at} of its ${bytes.length} bytes.`);
    payloads.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return payloads;
}
