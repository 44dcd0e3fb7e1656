/** Base backups, thrown at everything that reads them: whole and in pieces, decoded and encoded again. */

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { baseBackupEvents } from "../../src/arbitraries/basebackup.ts";
import { concat } from "../../src/arbitraries/bytes.ts";
import {
  type BaseBackupEvent,
  BaseBackupReceiver,
  encodeBaseBackupEvent,
  encodeIncrementalHeader,
  type IncrementalEvent,
  IncrementalReader,
  reconstruct,
} from "../../src/basebackup/index.ts";
import { DecodeError, WalwireError } from "../../src/kernel/errors.ts";
import { decodeBackendMessage } from "../../src/session/messages.ts";
import { Framer } from "../../src/wire/framer.ts";
import { hexOf } from "../../src/wire/text.ts";
import type { FuzzTarget } from "./target.ts";

/** One of each way in which servers speak. */
const servers = ["12", "14", "18"];

/** What became of a stream of bytes. */
interface Outcome {
  readonly events: readonly BaseBackupEvent[];
  readonly done: boolean;
  readonly error: string | undefined;
}

/** Long enough for what is damaged, so that a length that lies does not wait for more. */
const LIMIT = 1 << 20;

function read(server: string, chunks: readonly Uint8Array[]): Outcome {
  const framer = new Framer({ maxLength: LIMIT });
  const receiver = new BaseBackupReceiver({ server, limit: 100 });
  const events: BaseBackupEvent[] = [];
  try {
    for (const chunk of chunks) {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        try {
          events.push(...receiver.receive(decodeBackendMessage(frame)));
        } catch (error) {
          if (error instanceof DecodeError && (error.offset < 0 || error.offset > frame.bytes.length)) {
            throw new Error(`offset ${error.offset} is not in the frame of ${frame.bytes.length} bytes`);
          }
          throw error;
        }
      }
    }
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error;
    return { events, done: false, error: `${error.name} ${error.code} ${error.message}` };
  }
  return { events, done: receiver.state === "done", error: undefined };
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === "bigint" ? `${each}n` : each instanceof Uint8Array ? hexOf(each) : each,
  );
}

function mustBeSame(what: string, one: unknown, other: unknown): void {
  if (shown(one) !== shown(other)) throw new Error(`${what}:\n${shown(one)}\n${shown(other)}`);
}

function inPieces(bytes: Uint8Array, length: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) chunks.push(bytes.slice(at, at + length));
  return chunks;
}

/** What real servers of each major said, shortened: test/vectors/basebackup/README.md. */
export function recorded(): { readonly name: string; readonly major: number; readonly bytes: Uint8Array }[] {
  const folder = new URL("../vectors/basebackup/", import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".bin.gz"))
    .map((name) => ({
      name,
      major: Number.parseInt(name, 10),
      bytes: new Uint8Array(gunzipSync(readFileSync(new URL(name, folder)))),
    }));
}

/** The whole conversation, from the command on. */
export const baseBackupStream: FuzzTarget = {
  name: "basebackup stream",

  corpus: () => [
    ...servers.flatMap((server) =>
      fc
        .sample(baseBackupEvents(server), { numRuns: 40, seed: 1 })
        .map((events) => concat(...events.map((event) => encodeBaseBackupEvent(event, { server })))),
    ),
    ...recorded().map(({ bytes }) => bytes),
  ],

  check(bytes) {
    let value = false;
    for (const server of servers) {
      const whole = read(server, [bytes]);
      mustBeSame("in pieces it is another", whole, read(server, inPieces(bytes, 7)));
      const encoded = concat(...whole.events.map((event) => encodeBaseBackupEvent(event, { server })));
      const again = read(server, [encoded]);
      mustBeSame("what was encoded is another", whole.events, again.events);
      if (again.error !== undefined) throw new Error(`what was encoded is refused: ${again.error}`);
      value ||= whole.done;
    }
    return value ? "value" : "error";
  },
};

/** Small, so that what is damaged is the header as often as not. */
const sizes = { blockSize: 64, segmentSize: 40 };

function readFile(chunks: readonly Uint8Array[]): { events: IncrementalEvent[]; error: string | undefined } {
  const reader = new IncrementalReader(sizes);
  const events: IncrementalEvent[] = [];
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  try {
    for (const chunk of chunks) events.push(...reader.receive(chunk));
    reader.end();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error.offset < 0 || error.offset > length) throw new Error(`offset ${error.offset} is not in ${length} bytes`);
    return { events, error: `${error.code} ${error.path} ${error.offset} ${error.message}` };
  }
  return { events, error: undefined };
}

/** A file named INCREMENTAL.… in an archive. */
export const incrementalFile: FuzzTarget = {
  name: "incremental file",

  corpus: () => {
    const header = fc.record({
      truncationBlockLength: fc.nat(sizes.segmentSize),
      blocks: fc.array(fc.nat(sizes.segmentSize - 1), { maxLength: 30 }),
    });
    return fc.sample(header, { numRuns: 50, seed: 1 }).map((each) =>
      concat(
        encodeIncrementalHeader(each, sizes),
        Uint8Array.from({ length: each.blocks.length * sizes.blockSize }, (_, i) => i),
      ),
    );
  },

  check(bytes) {
    const whole = readFile([bytes]);
    const pieces = readFile(inPieces(bytes, 3));
    mustBeSame("in pieces it is another", whole, pieces);
    const [first] = whole.events;
    if (first?.type !== "Header") return "error";
    const { header, length } = first;
    const encoded = encodeIncrementalHeader(header, sizes);
    const numbers = 12 + 4 * header.blocks.length;
    // What fills it up is not looked at.
    mustBeSame("the header encodes otherwise", encoded.subarray(0, numbers), bytes.subarray(0, numbers));
    if (encoded.length !== length) throw new Error(`the header has ${length} bytes, and encodes to ${encoded.length}`);
    const plan = reconstruct(header, [header, { size: 1000 }], sizes);
    const blocks = plan.ranges.reduce((sum, { count }) => sum + count, 0);
    if (blocks !== plan.length || blocks > sizes.segmentSize)
      throw new Error(`ranges have ${blocks} of ${plan.length} blocks`);
    return whole.error === undefined ? "value" : "error";
  },
};
