/**
 * `npm run bench`: the speed at which the framer splits a stream into CopyData frames, next to pg-protocol's parser and to a loop that
 * only follows the lengths, all in one run on the bytes of one live server, in chunks as a socket delivers them. Also how often each byte
 * is copied.
 */
import { Parser } from "pg-protocol/dist/parser.js";
import type { FramerOptions } from "../src/session/index.ts";
import { makeCorpus } from "./corpus.ts";
import { inTurns, machine, rate, thousands, verdict } from "./measure.ts";

// The compiled code: the loader of the sources would make functions slower.
const { Framer, encodeFrame, isLast } = (await import(
  new URL("../dist/session/index.js", import.meta.url).href
)) as typeof import("../src/session/index.ts");

/** Of a socket read at most; of a small read; of a packet of Ethernet. */
const CHUNKS = [65536, 16384, 1460];

function chunksOf(bytes: Buffer, size: number): Buffer[] {
  // Each has memory of its own, as a socket gives them.
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    Buffer.from(bytes.subarray(i * size, (i + 1) * size)),
  );
}

// ---- The readers. Each reads the first byte of every body, and returns the number of frames. ----

let looked = 0;

function walk(chunks: readonly Buffer[]): number {
  let frames = 0;
  let left = 0; // of the body
  let header = 0; // bytes of it that were seen
  let length = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const count = Math.min(left, chunk.length - at);
        at += count;
        left -= count;
        continue;
      }
      if (header === 0 && at + 5 <= chunk.length) {
        length = chunk.readUInt32BE(at + 1);
        at += 5;
      } else {
        length = header === 0 ? 0 : length * 256 + chunk[at]!;
        at++;
        if (++header < 5) continue;
        header = 0;
      }
      frames++;
      left = length - 4;
    }
  }
  return frames;
}

function peer(chunks: readonly Buffer[]): number {
  const parser = new Parser();
  let frames = 0;
  const take = (message: { chunk?: Buffer }) => {
    frames++;
    looked += message.chunk![0]!;
  };
  for (const chunk of chunks) parser.parse(chunk, take as never);
  return frames;
}

function frame(chunks: readonly Buffer[], options?: FramerOptions): number {
  const framer = new Framer(options);
  let frames = 0;
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let part = framer.next(); part !== undefined; part = framer.next()) {
      looked += part.bytes[0]!;
      if (isLast(part)) frames++;
    }
  }
  framer.end();
  return frames;
}

const IN_PIECES: FramerOptions = { wholeUpTo: 65536 };
const memory = new Uint8Array(200_000);
const SAME_MEMORY: FramerOptions = { allocate: () => memory };

// ---- They read the same, and copy so often ----

/** All bodies, concatenated. */
function bodies(chunks: readonly Buffer[], options?: FramerOptions): Buffer[] {
  const framer = new Framer(options);
  const found: Buffer[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let part = framer.next(); part !== undefined; part = framer.next()) {
      found.push(part.start === 0 ? Buffer.from(part.bytes) : Buffer.concat([found.pop()!, part.bytes]));
    }
  }
  return found;
}

function checkEqual(payloads: readonly Uint8Array[], chunks: readonly Buffer[]): void {
  const theirs: Buffer[] = [];
  const parser = new Parser();
  for (const chunk of chunks)
    parser.parse(chunk, (message) => theirs.push(Buffer.from((message as never as { chunk: Buffer }).chunk)));
  for (const each of [theirs, bodies(chunks), bodies(chunks, IN_PIECES), bodies(chunks, SAME_MEMORY)]) {
    const same = each.length === payloads.length && each.every((body, i) => body.equals(payloads[i]!));
    if (!same) throw new Error("the readers do not give the same frames");
  }
  const counts = [walk(chunks), peer(chunks), frame(chunks), frame(chunks, IN_PIECES), frame(chunks, SAME_MEMORY)];
  if (counts.some((count) => count !== payloads.length)) throw new Error(`they count ${counts} frames`);
}

/** Bytes that our framer copies: a body outside the stream's memory was copied once. Chunks here are not small. */
function copied(chunks: readonly Buffer[], options?: FramerOptions): number {
  const framer = new Framer(options);
  let bytes = 0;
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let part = framer.next(); part !== undefined; part = framer.next()) {
      if (part.bytes.buffer !== chunk.buffer) bytes += part.bytes.length;
    }
  }
  return bytes;
}

/** Bytes that pg-protocol's parser copies, all by Buffer.copy. */
function copiedByPeer(chunks: readonly Buffer[]): number {
  const { copy } = Buffer.prototype;
  let bytes = 0;
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer["copy"]>) {
    const count = copy.apply(this, args);
    bytes += count;
    return count;
  };
  try {
    peer(chunks);
  } finally {
    Buffer.prototype.copy = copy;
  }
  return bytes;
}

// ---- The table ----

async function measure(name: string, payloads: readonly Uint8Array[]): Promise<void> {
  const stream = Buffer.concat(payloads.map((payload) => encodeFrame("d", payload)));
  const size = stream.length / payloads.length;
  console.log(`\n${name}: ${thousands(payloads.length)} frames of ${thousands(size)} bytes on average.\n`);
  console.log("| chunks | | MB/s | 1,000 frames a second | times pg-protocol | copies of a byte | goals |");
  console.log("|---|---|--:|--:|--:|--:|---|");
  for (const chunkSize of CHUNKS) {
    const chunks = chunksOf(stream, chunkSize);
    checkEqual(payloads, chunks);
    const best = await inTurns({
      walk: () => rate(() => walk(chunks)),
      peer: () => rate(() => peer(chunks)),
      whole: () => rate(() => frame(chunks)),
      same: () => rate(() => frame(chunks, SAME_MEMORY)),
      pieces: () => rate(() => frame(chunks, IN_PIECES)),
    });
    const line = (label: string, figure: number, copies: number, goal = false) => {
      const times = figure / best.peer;
      const figures = [
        thousands((figure * stream.length) / 1e6),
        thousands((figure * payloads.length) / 1000),
        times.toFixed(1),
      ];
      const goals = goal
        ? `${verdict(times, "≥", 1.5, "pg-protocol")}, ${verdict(copies / stream.length, "≤", 1, "copy")}`
        : "";
      console.log(
        `| ${[thousands(chunkSize), label, ...figures, (copies / stream.length).toFixed(2), goals].join(" | ")} |`,
      );
    };
    line("walk over the lengths", best.walk, 0);
    line("pg-protocol, buffer used again", best.peer, copiedByPeer(chunks));
    line("walwire, whole frames to keep", best.whole, copied(chunks), size < 1000);
    if (size < 1000) continue; // none is longer than what comes whole, or than what is put together in memory of the caller's
    line("walwire, whole frames, memory used again", best.same, copied(chunks, SAME_MEMORY), true);
    line("walwire, pieces as they arrive", best.pieces, copied(chunks, IN_PIECES), true);
  }
}

const corpus = await makeCorpus();
console.log(`${machine}, PostgreSQL ${corpus.version}; CopyData with XLogData.`);
const small = corpus.usual.filter(({ length }) => length >= 60 && length <= 140);
await measure("Logical messages of about 100 bytes", small);
await measure("WAL", corpus.physical);
if (looked === 0) throw new Error("nobody looked at a byte");
