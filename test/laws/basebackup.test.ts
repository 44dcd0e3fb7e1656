/** Laws of base backups: the conversation, incremental files, and the rule that combines them. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { baseBackupEvents } from "../../src/arbitraries/basebackup.ts";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import {
  type BaseBackupEvent,
  BaseBackupReceiver,
  encodeBaseBackupEvent,
  encodeIncrementalHeader,
  type IncrementalEvent,
  type IncrementalHeader,
  IncrementalReader,
  reconstruct,
} from "../../src/basebackup/index.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { decodeBackendMessage } from "../../src/session/messages.ts";
import { type Frame, Framer, framesOf } from "../../src/wire/framer.ts";
import { law } from "./law.ts";

const servers = ["9.4", "10", "12", "13", "14", "15", "18", "19"];

/** The frames of a conversation, whose bodies are plain arrays. */
function framesFrom(bytes: Uint8Array): Frame[] {
  return [...framesOf(new Framer(), bytes)];
}

function received(server: string, frames: readonly Frame[]): BaseBackupEvent[] {
  const receiver = new BaseBackupReceiver({ server });
  return frames.flatMap((frame) => receiver.receive(decodeBackendMessage(frame)));
}

describe.each(servers)("a base backup of server %s", (server) => {
  const conversation = baseBackupEvents(server).map((events) => ({
    events,
    bytes: concat(...events.map((event) => encodeBaseBackupEvent(event, { server }))),
  }));

  law(
    "what happens is what was sent, and the conversation is over",
    fc.property(conversation, ({ events, bytes }) => {
      const receiver = new BaseBackupReceiver({ server });
      expect(framesFrom(bytes).flatMap((frame) => receiver.receive(decodeBackendMessage(frame)))).toEqual(events);
      expect(receiver.state).toBe("done");
      receiver.end();
    }),
    300,
  );

  law(
    "it does not matter in which pieces it comes",
    fc.property(
      conversation.chain(({ events, bytes }) =>
        fc.record({ events: fc.constant(events), chunks: splits(fc.constant(bytes)) }),
      ),
      ({ events, chunks }) => {
        const framer = new Framer();
        const receiver = new BaseBackupReceiver({ server });
        const all = chunks.flatMap((chunk) =>
          [...framesOf(framer, chunk)].flatMap((frame) => receiver.receive(decodeBackendMessage(frame))),
        );
        expect(all).toEqual(events);
      },
    ),
    100,
  );

  law(
    "a frame that is missing, doubled or in another's place is refused, or tells of another backup that encodes to these bytes",
    fc.property(conversation, fc.nat(), fc.constantFrom("missing", "doubled", "moved"), ({ bytes }, pick, how) => {
      const frames = framesFrom(bytes);
      const i = pick % frames.length;
      const frame = frames[i]!;
      if (how !== "doubled") frames.splice(i, 1);
      if (how !== "missing") frames.splice((pick * 7) % (frames.length + 1), 0, frame);
      const receiver = new BaseBackupReceiver({ server });
      for (const each of frames) {
        const before = receiver.state;
        try {
          const events = receiver.receive(decodeBackendMessage(each));
          for (const event of events) encodeBaseBackupEvent(event, { server });
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error;
          // It is as if it had not come.
          expect(receiver.state).toBe(before);
          return;
        }
      }
      const again = concat(...received(server, frames).map((event) => encodeBaseBackupEvent(event, { server })));
      const heard = received(server, framesFrom(again));
      expect(heard).toEqual(received(server, frames));
    }),
    300,
  );

  law(
    "only the whole conversation is one: cut anywhere, it is not over",
    fc.property(conversation, fc.nat(), ({ bytes }, pick) => {
      const frames = framesFrom(bytes);
      const receiver = new BaseBackupReceiver({ server });
      for (const frame of frames.slice(0, pick % frames.length)) receiver.receive(decodeBackendMessage(frame));
      expect(() => receiver.end()).toThrow(/closed the connection while the base backup is in state \w+/);
    }),
    100,
  );
});

/** Small sizes, so that all kinds of files are small. */
const sizes = { blockSize: 32, segmentSize: 12 };

const header: fc.Arbitrary<IncrementalHeader> = fc.record({
  truncationBlockLength: fc.nat(sizes.segmentSize),
  blocks: fc.array(fc.nat(sizes.segmentSize - 1), { maxLength: sizes.segmentSize }),
});

/** An incremental file: the header, and blocks of random bytes. */
const incrementalFile = header.chain((each) =>
  fc.record({
    header: fc.constant(each),
    blocks: fc.tuple(
      ...each.blocks.map(() => fc.uint8Array({ minLength: sizes.blockSize, maxLength: sizes.blockSize })),
    ) as fc.Arbitrary<Uint8Array[]>,
  }),
);

function fileOf({ header: each, blocks }: { header: IncrementalHeader; blocks: Uint8Array[] }): Uint8Array {
  return concat(encodeIncrementalHeader(each, sizes), ...blocks);
}

describe("an incremental file", () => {
  law(
    "says its header and each block, whatever the pieces",
    fc.property(
      incrementalFile.chain((file) =>
        fc.record({ file: fc.constant(file), chunks: splits(fc.constant(fileOf(file))) }),
      ),
      ({ file, chunks }) => {
        const reader = new IncrementalReader(sizes);
        const events: IncrementalEvent[] = chunks.flatMap((chunk) => reader.receive(chunk));
        reader.end();
        const length = encodeIncrementalHeader(file.header, sizes).length;
        expect(events).toEqual([
          { type: "Header", header: file.header, length },
          ...file.header.blocks.map((block, i) => ({ type: "Block", block, data: file.blocks[i] })),
        ]);
        expect(length % sizes.blockSize === 0 || file.header.blocks.length === 0).toBe(true);
      },
    ),
    500,
  );

  law(
    "cut anywhere before its end is one that pg_combinebackup could not read",
    fc.property(incrementalFile, fc.nat(), (file, pick) => {
      const bytes = fileOf(file);
      const reader = new IncrementalReader({ ...sizes, file: "INCREMENTAL.1" });
      const end = pick % bytes.length;
      reader.receive(bytes.subarray(0, end));
      const { blocks } = file.header;
      const complete = blocks.length === 0 && end >= 12;
      if (complete) reader.end();
      else
        expect(() => reader.end()).toThrow(
          /^could not read (from )?file "INCREMENTAL.1"(, offset \d+)?: read \d+ of \d+$/,
        );
    }),
    500,
  );
});

/** What pg_combinebackup does, block by block, without its tables. */
function combined(newest: IncrementalHeader, older: readonly (IncrementalHeader | { size: number })[]): unknown[] {
  const length = Math.max(newest.truncationBlockLength, ...newest.blocks.map((block) => block + 1));
  return Array.from({ length }, (_, block) => {
    if (newest.blocks.includes(block)) return [0, newest.blocks.lastIndexOf(block)];
    if (block >= newest.truncationBlockLength) return "zeros";
    for (const [i, file] of older.entries()) {
      if ("size" in file) return (block + 1) * sizes.blockSize <= file.size ? [i + 1, block] : "zeros";
      if (file.blocks.includes(block)) return [i + 1, file.blocks.indexOf(block)];
    }
    return "zeros";
  });
}

describe("combining", () => {
  law(
    "each block comes from the newest backup that has it, in ranges that cover the file",
    fc.property(
      header,
      fc.array(header, { maxLength: 3 }),
      fc.nat(sizes.blockSize * sizes.segmentSize),
      (newest, incremental, size) => {
        const older = [...incremental, { size }];
        const { length, ranges } = reconstruct(newest, older, sizes);
        let next = 0;
        const blocks = ranges.flatMap(({ block, count, from }) => {
          expect(block).toBe(next);
          next += count;
          return Array.from({ length: count }, (_, i) => {
            if (from === undefined) return "zeros";
            const file = [newest, ...older][from.file]!;
            const start = "size" in file ? 0 : encodeIncrementalHeader(file, sizes).length;
            return [from.file, (from.offset - start) / sizes.blockSize + i];
          });
        });
        expect(next).toBe(length);
        expect(blocks).toEqual(combined(newest, older));
      },
    ),
    1000,
  );

  test("a file of which no block has changed is a copy of the whole one", () => {
    const unchanged = { truncationBlockLength: 3, blocks: [] };
    expect(reconstruct(unchanged, [unchanged, { size: 96 }], sizes).copyOf).toBe(2);
    expect(reconstruct(unchanged, [unchanged, { size: 95 }], sizes).copyOf).toBeUndefined();
    expect(
      reconstruct(unchanged, [{ truncationBlockLength: 3, blocks: [1] }, { size: 96 }], sizes).copyOf,
    ).toBeUndefined();
    expect(reconstruct(unchanged, [{ truncationBlockLength: 4, blocks: [3] }, { size: 96 }], sizes).copyOf).toBe(2);
  });

  test("without a whole file there is nothing to start from", () => {
    const file = { truncationBlockLength: 1, blocks: [] };
    // A path is never cut: it is what names the file.
    for (const path of ["base/1/INCREMENTAL.2", `${"directory/".repeat(50)}INCREMENTAL.2`]) {
      for (const older of [[], [file]]) {
        expect(() => reconstruct(file, older, { file: path })).toThrow(
          `full backup contains unexpected incremental file "${path}"`,
        );
      }
    }
  });
});
