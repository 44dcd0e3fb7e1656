/** Physical streams, and the WAL that the server has on disk at the same positions. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { formatLsn, toLsn } from "../../src/kernel/lsn.ts";
import { segmentName, segmentStart } from "../../src/kernel/wal-names.ts";
import { capturePhysicalStream, packCapture, unpackCapture } from "../../test/servers/capture.ts";
import type { OwnServer } from "../../test/servers/index.ts";
import { readBytes } from "./dataset.ts";
import type { Kind } from "./kind.ts";

interface WalStreamInput {
  /** Payloads of CopyData. */
  readonly file: string;
}

interface WalStreamSaid {
  /** Where the WAL begins. */
  readonly start: string;
  readonly bytes: number;
  /** Of these bytes in the files of pg_wal. */
  readonly sha256: string;
}

const segmentSize = 1 << 24;

export const walStreams: Kind<WalStreamInput, WalStreamSaid> = {
  name: "wal-streams",

  inputs: ({ servers }) => servers.map((versionNum) => ({ file: `data/wal-streams/${versionNum / 10000}.bin.gz` })),

  async ask(server, inputs, store) {
    const said: (WalStreamSaid | undefined)[] = [];
    for (const { file } of inputs) {
      if (file !== `data/wal-streams/${server.major}.bin.gz`) {
        said.push(undefined);
        continue;
      }
      const payloads = await physicalStream(server);
      store(file, packCapture(payloads));
      const { start, bytes } = walOf(payloads);
      const name = segmentName(1, segmentStart(start / BigInt(segmentSize)));
      const from = Number(start % BigInt(segmentSize));
      const disk = readFileSync(`${server.dataDirectory}/pg_wal/${name}`).subarray(from, from + bytes.length);
      said.push(summary(start, disk));
    }
    return said;
  },

  ours({ file }) {
    const { start, bytes } = walOf(unpackCapture(readBytes(file), file));
    return { said: summary(start, bytes) };
  },

  // Positions, xids and times are those of a server's life.
  isSame: (said, now) => said.bytes > 0 && now.bytes > 0,
};

/** A few records of WAL, in one segment, from its start on. */
async function physicalStream(server: OwnServer): Promise<readonly Uint8Array[]> {
  await server.sql("CREATE TABLE wal_stream (value text); SELECT pg_switch_wal()");
  const { payloads } = await capturePhysicalStream(server, {
    workload: async ({ sent }) => {
      await sent();
      for (const value of ["'one'", "'two'", "repeat('x', 500) FROM generate_series(1, 40)"]) {
        await server.sql(`INSERT INTO wal_stream SELECT ${value}`);
        await sent();
      }
    },
  });
  await server.sql("DROP TABLE wal_stream");
  return payloads;
}

/** The WAL in the payloads, which must follow each other. */
function walOf(payloads: readonly Uint8Array[]): { start: bigint; bytes: Uint8Array } {
  const pieces: Uint8Array[] = [];
  let start: bigint | undefined;
  let end: bigint | undefined;
  for (const payload of payloads) {
    const message = decodeWalSenderMessage(payload);
    if (message.type !== "XLogData") continue;
    if (end !== undefined && message.dataStart !== end)
      throw new Error(`WAL is missing before ${formatLsn(message.dataStart)}.`);
    start ??= message.dataStart;
    end = message.dataStart + BigInt(message.data.length);
    pieces.push(message.data);
  }
  return { start: start ?? 0n, bytes: Buffer.concat(pieces) };
}

function summary(start: bigint, bytes: Uint8Array): WalStreamSaid {
  return {
    start: formatLsn(toLsn(start)),
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}
