/** Decompressing: what zstd and lz4 wrote, cut and damaged, in chunks of any size, and in bounded memory. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import {
  type Compression,
  compressionOf,
  decompress,
  decompressCommand,
  isReadable,
  type ReadableCompression,
} from "../../src/node/decompress.ts";

/** What the vectors hold. */
function sample(): Uint8Array {
  const rows = Array.from({ length: 1200 }, (_, i) => `row ${i} of the table, and once more row ${i % 97}\n`).join("");
  const noise = Array.from({ length: 94 }, (_, i) => createHash("sha256").update(String(i)).digest());
  const whole = concat(new TextEncoder().encode(rows), new Uint8Array(200_000), ...noise);
  return concat(whole, whole.subarray(0, 40_000));
}

const plain = sample();
const twice = concat(plain, plain);

const vector = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../vectors/compressed/${name}`, import.meta.url)));

const readable: readonly (readonly [name: string, bytes: Uint8Array, contents: Uint8Array])[] = [
  ...["one.zst", "unchecked.zst", "linked.lz4", "independent.lz4", "unchecked.lz4"].map(
    (name) => [name, vector(name), plain] as const,
  ),
  ...["frames.zst", "frames.lz4"].map((name) => [name, vector(name), twice] as const),
  ...["empty.zst", "empty.lz4"].map((name) => [name, vector(name), new Uint8Array()] as const),
  ["one.gz", gzipSync(plain), plain],
  ["members.gz", concat(gzipSync(plain), gzipSync(plain)), twice],
  ["empty.gz", gzipSync(new Uint8Array()), new Uint8Array()],
];

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What can be read, and why there is no more. */
async function read(source: AsyncIterable<Uint8Array>, compression: Compression | undefined) {
  const pieces: Uint8Array[] = [];
  let error: unknown;
  try {
    for await (const piece of decompress(source, compression as ReadableCompression)) pieces.push(piece);
  } catch (thrown) {
    error = thrown;
  }
  return { bytes: concat(...pieces), pieces, error };
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe("decompressing", () => {
  test.each(readable)("%s, in chunks of any size", async (_, bytes, contents) => {
    for (const size of [1 << 20, 4096, 7]) {
      const { bytes: found, error } = await read(inChunks(bytes, size), compressionOf(bytes));
      expect(error).toBeUndefined();
      expect(same(found, contents)).toBe(true);
    }
  });

  test.each(readable)(
    "%s, truncated anywhere: returns everything before, then TRUNCATED",
    async (name, bytes, contents) => {
      const compression = compressionOf(bytes);
      const cuts = [11, 12, 13, 14, 1000, (bytes.length >> 1) + 9, bytes.length - 5, bytes.length - 1];
      for (const cut of cuts.filter((each) => each < bytes.length)) {
        const { bytes: found, error } = await read(inChunks(bytes.subarray(0, cut), 4096), compression);
        expect(same(found, contents.subarray(0, found.length))).toBe(true);
        expect(error, `${name} cut at ${cut}`).toBeInstanceOf(DecodeError);
        expect(error).toMatchObject({ code: "TRUNCATED", path: compression, offset: cut });
        expect((error as Error).message).toBe(`the ${compression} data ends early, at byte ${cut}`);
      }
    },
  );

  test.each(readable.filter(([, , contents]) => contents.length > 0))(
    "%s, damaged: our error, soon",
    async (name, bytes, contents) => {
      const compression = compressionOf(bytes);
      const checked = !name.startsWith("unchecked");
      let state = 12345;
      for (let i = 0; i < 40; i++) {
        const damaged = Uint8Array.from(bytes);
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        // The headers at the start, and the rest.
        const at = 4 + ((state >>> 8) % (i % 2 === 0 ? 40 : bytes.length - 4));
        damaged[at]! ^= 1 << (state >>> 29);
        const { bytes: found, error } = await read(inChunks(damaged, 1 << 20), compression);
        if (error !== undefined) expect(error, `byte ${at}`).toBeInstanceOf(DecodeError);
        // A checksum notices, unless the damage is in what nobody needs: a name, a time, a skippable frame.
        else if (checked) expect(same(found, contents), `byte ${at}`).toBe(true);
      }
    },
  );

  test("damage is named, with its place and the words of the library", async () => {
    const of = async (name: string, at: number, value: number) => {
      const bytes = vector(name);
      bytes[at] = value;
      const { error } = await read(inChunks(bytes, 4096), compressionOf(vector(name)));
      return [(error as Error).message, ((error as Error).cause as Error).message];
    };
    const length = vector("linked.lz4").length;
    expect(await of("linked.lz4", 4, 0x24)).toEqual([
      "the lz4 data is damaged at byte 6: its version is unknown",
      "ERROR_headerVersion_wrong",
    ]);
    expect(await of("linked.lz4", 14, 0)).toEqual([
      "the lz4 data is damaged at byte 15: the checksum of its header is wrong",
      "ERROR_headerChecksum_invalid",
    ]);
    expect(await of("linked.lz4", length - 1, 0)).toEqual([
      `the lz4 data is damaged at byte ${length}: the checksum of its contents is wrong`,
      "ERROR_contentChecksum_invalid",
    ]);
    expect((await of("one.zst", 4, 0x08))[0]).toMatch(/^the zstd data is damaged at byte \d+: /);
    expect(await of("frames.zst", vector("one.zst").length, 0)).toEqual([
      `the zstd data is damaged at byte ${vector("one.zst").length}: no frame begins here`,
      "Unknown frame descriptor",
    ]);
  });

  test("a bomb comes in pieces, only as they are asked for", async () => {
    // Four bytes for each 128 kB: 4 GB in 128 kB, after a header without a size and with a window of 128 kB.
    const blocks = 32_768;
    const bomb = new Uint8Array(6 + 4 * blocks);
    bomb.set([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3]);
    for (let i = 0; i < blocks; i++) bomb.set([0x02, 0x00, 0x10, 0x61], 6 + 4 * i);
    const before = process.memoryUsage().rss;
    let total = 0;
    for await (const piece of decompress(inChunks(bomb, bomb.length), "zstd")) {
      expect(piece.length).toBeLessThanOrEqual(4 << 20);
      total += piece.length;
      if (total > 64 << 20) break;
    }
    expect(total).toBeGreaterThan(64 << 20);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
  });

  test("a header that wants gigabytes is rejected before they are allocated", async () => {
    const { error } = await read(inChunks(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0), 99), "zstd");
    expect(error).toMatchObject({ code: "BAD_VALUE" });
    expect((error as Error).message).toBe(
      "the zstd data is damaged at byte 6: its frame needs a window of more than 128 MB",
    );
  });

  test("errors of the source pass", async () => {
    const failure = new Error("no such disk");
    for (const name of ["one.zst", "linked.lz4"]) {
      async function* source() {
        yield vector(name).subarray(0, 5000);
        throw failure;
      }
      expect((await read(source(), compressionOf(vector(name)))).error).toBe(failure);
    }
  });

  test("who stops early closes the source", async () => {
    for (const [name, bytes] of readable.filter(([, , contents]) => contents.length > 0)) {
      let closed = false;
      async function* source() {
        try {
          yield* inChunks(bytes, 100);
          while (true) {
            await setImmediate();
            yield new Uint8Array();
          }
        } finally {
          closed = true;
        }
      }
      for await (const _ of decompress(source(), compressionOf(bytes) as ReadableCompression)) break;
      await setImmediate();
      expect(closed, name).toBe(true);
    }
  });
});

describe("recognising", () => {
  test("each compression by its first bytes", () => {
    expect(compressionOf(vector("hi.xz"))).toBe("xz");
    expect(compressionOf(vector("hi.bz2"))).toBe("bzip2");
    expect(compressionOf(vector("empty.bz2"))).toBe("bzip2");
    expect(compressionOf(gzipSync("hi"))).toBe("gzip");
    expect(compressionOf(new TextEncoder().encode("BZh9 is not one"))).toBeUndefined();
    expect(compressionOf(new Uint8Array())).toBeUndefined();
    expect(compressionOf(plain)).toBeUndefined();
  });

  test("what is not read has a command that does", () => {
    expect(isReadable("xz")).toBe(false);
    expect(isReadable("lz4")).toBe(true);
    expect(decompressCommand("bzip2")).toBe("bzip2 -dc");
  });
});
