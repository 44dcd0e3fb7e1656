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
  { database = server.database, options, workload }: CaptureRequest,
): Promise<Capture> {
  const connection = await server.connect({ replication: "database", database });
  try {
    const slot = `capture_${process.pid}_${++slots}`;
    const withoutSnapshot = server.versionNum >= 150000 ? "(SNAPSHOT 'nothing')" : "NOEXPORT_SNAPSHOT";
    checked(await connection.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput ${withoutSnapshot}`));

    const list = Object.entries(options).map(([name, value]) => `${name} '${value.replaceAll("'", "''")}'`);
    const command = `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (${list.join(", ")})`;
    connection.send("Q", command);
    const answer = await connection.next();
    if (answer.type === "E") throw new ServerError(answer.body);
    if (answer.type !== "W")
      throw new Error(`The server answered "${answer.type}", not CopyBothResponse, to ${command}.`);

    const stream = collect(connection);
    await Promise.race([workload(), stream.failed]);
    // All that was written has an end; a checkpoint flushes up to it (an abort would wait for the WAL writer), and walsenders
    // send what is flushed. Nothing of the checkpoint itself is for a plugin.
    const { rows } = await server.sql("SELECT pg_current_wal_insert_lsn()");
    await server.sql("CHECKPOINT");
    const payloads = await stream.upTo(lsn(rows[0]![0]!));

    connection.send("c", new Uint8Array());
    await connection.until("c"); // and on the way, what others have written since
    checked(await connection.until("Z"));
    return { command, versionNum: server.versionNum, payloads };
  } finally {
    await connection.close();
  }
}

export interface CaptureRequest {
  readonly database?: string;
  readonly options: Readonly<Record<string, string>>;
  readonly workload: () => Promise<unknown>;
}

/** Reads the stream as it comes, so that the server never waits for us, and answers keepalives that ask for it. */
function collect(connection: RawConnection) {
  const payloads: Uint8Array[] = [];
  let target: bigint | undefined;

  /** Standby status update: nothing is written, flushed or applied; the time is zero; `1` asks for a keepalive. */
  const status = (replyRequested: 0 | 1) => {
    const body = Buffer.alloc(34);
    body.write("r", "latin1");
    body[33] = replyRequested;
    connection.send("d", body);
  };

  const done = (async () => {
    for (;;) {
      const { type, body } = await connection.next();
      if (type === "E") throw new ServerError(body);
      if (type !== "d") throw new Error(`The server sent "${type}" in the stream.`);
      payloads.push(body);
      if (body[0] !== 0x6b) continue; // "k", keepalive: walEnd, time, replyRequested
      const walEnd = body.readBigUInt64BE(1);
      if (target !== undefined && walEnd >= target) return payloads;
      if (target !== undefined)
        setTimeout(status, 5, 1); // it is on its way: ask again
      else if (body[17] === 1) status(0);
    }
  })();
  const failed = done.then(() => new Promise<never>(() => {}));
  failed.catch(() => {}); // seen by whoever waits for it; not when the workload fails first

  return {
    /** Never resolves; rejects if the stream breaks. */
    failed,
    /** Everything up to the server's word that it has sent its WAL up to there: the walEnd of a keepalive is its position. */
    upTo(lsn: bigint): Promise<Uint8Array[]> {
      target = lsn;
      status(1);
      return done;
    },
  };
}

function lsn(text: string): bigint {
  const [high, low] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** Writes payloads to a file, gzip of: u32 big-endian length, payload, and so on. */
export function writeCapture(file: string, payloads: readonly Uint8Array[]): void {
  const parts = payloads.flatMap((payload) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    return [length, payload];
  });
  writeFileSync(file, gzipSync(Buffer.concat(parts), { level: 9 }));
}

/** The payloads of a file of {@link writeCapture}. @throws Error if it ends in the middle of one. */
export function readCapture(file: string): Uint8Array[] {
  const bytes = gunzipSync(readFileSync(file));
  const payloads: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + (bytes.length - at < 4 ? 0 : bytes.readUInt32BE(at));
    if (end > bytes.length) throw new Error(`${file} ends within the payload at ${at} of its ${bytes.length} bytes.`);
    payloads.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return payloads;
}
