/** Facts about base backups, one by one: what is refused, in which words, and what reading tar and gzip makes of damage. */

import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { describe, expect, test } from "vitest";
import {
  BaseBackupReceiver,
  encodeBaseBackupEvent,
  encodeIncrementalHeader,
  IncrementalReader,
  ManifestReceiver,
  ManifestUpload,
  reconstruct,
} from "../../src/basebackup/index.ts";
import { type TarEntry, type TarOptions, tarEntries } from "../../src/basebackup/tar.ts";
import {
  ArgumentError,
  DecodeError,
  EncodeError,
  ProtocolError,
  UnsupportedError,
  WalwireError,
} from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { decodeBackendMessage } from "../../src/session/messages.ts";
import { encodeFrame, Framer, framesOf } from "../../src/wire/framer.ts";
import { recorded } from "../fuzz/basebackup.ts";
import { hex, toHex } from "../hex.ts";

const main = { spcoid: undefined, spclocation: undefined, size: undefined };
const space = { spcoid: 16384, spclocation: "/srv/ts", size: 5n };
const start = { type: "BackupStart", recptr: toLsn(0x2000028n), tli: 1 } as const;

/** A receiver that has seen these events. */
function having(server: number, ...events: Parameters<typeof encodeBaseBackupEvent>[0][]): BaseBackupReceiver {
  const receiver = new BaseBackupReceiver({ server });
  feed(receiver, ...events.map((event) => encodeBaseBackupEvent(event, { server })));
  return receiver;
}

function feed(receiver: BaseBackupReceiver, ...chunks: Uint8Array[]): unknown[] {
  return chunks.flatMap((chunk) =>
    [...framesOf(new Framer(), chunk)].flatMap((frame) => receiver.receive(decodeBackendMessage(frame))),
  );
}

const copyData = (text: string): Uint8Array => encodeFrame("d", hex(text));

describe("what no server sends", () => {
  const streaming = having.bind(
    undefined,
    18,
    start,
    { type: "Tablespaces", tablespaces: [space, main] },
    { type: "StreamStart" },
  );

  test.each<[string, () => BaseBackupReceiver, Uint8Array, typeof ProtocolError | typeof DecodeError, RegExp]>([
    [
      "an unknown letter",
      streaming,
      copyData("78"),
      DecodeError,
      /BaseBackupMessage.type is "x", expected "n", "d", "p" or "m"/,
    ],
    ["an empty CopyData", streaming, copyData(""), DecodeError, /BaseBackupMessage.type needs 1 byte/],
    [
      "data before an archive",
      streaming,
      copyData("64 00"),
      ProtocolError,
      /Data cannot come before the first archive/,
    ],
    [
      "the manifest before the archives",
      streaming,
      copyData("6d"),
      ProtocolError,
      /the manifest after 0 of 2 archives/,
    ],
    [
      "the end before the archives",
      streaming,
      encodeFrame("c", hex("")),
      ProtocolError,
      /the end of the stream after 0 of \d archives/,
    ],
    [
      "another archive's name",
      streaming,
      copyData("6e 62617365 2e746172 00 2f7372762f7473 00"),
      ProtocolError,
      /sent archive "base.tar", expected 16384.tar/,
    ],
    [
      "a name that leads elsewhere",
      streaming,
      copyData("6e 2e2e2f78 00 2f7372762f7473 00"),
      ProtocolError,
      /sent archive "\.\.\/x", expected 16384.tar/,
    ],
    [
      "another directory",
      streaming,
      copyData("6e 31363338342e746172 00 2f78 00"),
      ProtocolError,
      /is of "\/x", expected "\/srv\/ts"/,
    ],
    [
      "a second stream",
      streaming,
      hex("48 00000007 00 0000"),
      ProtocolError,
      /CopyOutResponse while the base backup is in state between/,
    ],
    [
      "a copy stream with columns",
      () => having(18, start, { type: "Tablespaces", tablespaces: [main] }),
      hex("48 00000009 00 0001 0000"),
      ProtocolError,
      /opened a text copy stream of 1 columns/,
    ],
    [
      "copy data without a stream",
      () => having(18, start),
      copyData("64 00"),
      ProtocolError,
      /CopyData while the base backup is in state tablespaces/,
    ],
    [
      "CopyBothResponse",
      () => having(18),
      hex("57 00000007 00 0000"),
      ProtocolError,
      /CopyBothResponse while the base backup is in state checkpoint/,
    ],
    [
      "no tablespaces at all",
      () => having(18, start),
      encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [] }),
      ProtocolError,
      /no tablespaces, expected at least the main data directory/,
    ],
    [
      "a tablespace behind the main directory",
      () => having(18, start),
      encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [main, space] }),
      ProtocolError,
      /tablespace 0 has no OID or no directory/,
    ],
    [
      "a tablespace without a directory",
      () => having(18, start),
      encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [{ ...space, spclocation: "" }, main] }),
      ProtocolError,
      /tablespace 0 has no OID or no directory/,
    ],
    [
      "no main directory",
      () => having(18, start),
      encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [space] }),
      ProtocolError,
      /the last tablespace is not the main data directory/,
    ],
    [
      "another result set",
      () => having(18),
      encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [main] }),
      ProtocolError,
      /sent columns "spcoid, spclocation, size", expected recptr, tli/,
    ],
    [
      "an end before the end",
      () => having(18),
      hex("5a 00000005 49"),
      ProtocolError,
      /ReadyForQuery while the base backup is in state checkpoint/,
    ],
    [
      "success without the end",
      () => having(18),
      encodeBaseBackupEvent({ type: "Complete" }),
      ProtocolError,
      /CommandComplete/,
    ],
    [
      "a manifest of a server without one",
      () =>
        having(
          12,
          start,
          { type: "Tablespaces", tablespaces: [main] },
          { type: "ArchiveStart", archive: "base.tar", compression: undefined, tablespace: main },
          { type: "ArchiveEnd" },
        ),
      hex("48 00000007 00 0000"),
      ProtocolError,
      /sent more copy streams than tablespaces/,
    ],
    [
      "the end after one of two archives",
      () =>
        having(
          14,
          start,
          { type: "Tablespaces", tablespaces: [space, main] },
          { type: "ArchiveStart", archive: "16384.tar", compression: undefined, tablespace: space },
          { type: "ArchiveEnd" },
        ),
      encodeBaseBackupEvent({ type: "BackupEnd", recptr: toLsn(1n), tli: 1 }, { server: 14 }),
      ProtocolError,
      /RowDescription while the base backup is in state between/,
    ],
    [
      "an error with a field twice",
      () => having(18),
      encodeFrame("E", hex("4d 00 4d 00 00")),
      DecodeError,
      /ErrorResponse.code is "M" for the second time/,
    ],
    [
      "a status that is none",
      () => having(18, { type: "Error", fields: {} }),
      hex("5a 00000005 58"),
      DecodeError,
      /ReadyForQuery.status is "X"/,
    ],
  ])("%s", (_, receiver, bytes, type, message) => {
    const before = receiver();
    const { state } = before;
    expect(() => feed(before, bytes)).toThrow(type);
    expect(() => feed(receiver(), bytes)).toThrow(message);
    expect(before.state === state || bytes.length > 200 || before.state === "checkpoint").toBe(true);
  });

  test("more tablespaces than the limit", () => {
    const receiver = new BaseBackupReceiver({ limit: 1 });
    feed(receiver, encodeBaseBackupEvent(start));
    const list = encodeBaseBackupEvent({ type: "Tablespaces", tablespaces: [space, main] });
    expect(() => feed(receiver, list)).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED", message: "the server sent more than 1 tablespaces" }),
    );
  });

  test("what an older server cannot say is not encoded", () => {
    expect(() => encodeBaseBackupEvent({ type: "Progress", bytesDone: 1n }, { server: 14 })).toThrow(UnsupportedError);
    expect(() => encodeBaseBackupEvent({ type: "StreamStart" }, { server: 14 })).toThrow(UnsupportedError);
    for (const bad of [
      undefined,
      null,
      {},
      { type: "toString" },
      { type: "Data" },
      { type: "Ready", status: "X" },
      { type: "Error", fields: { MM: "" } },
    ]) {
      expect(() => encodeBaseBackupEvent(bad as never)).toThrow(EncodeError);
    }
  });
});

describe("what real servers have said", () => {
  test("there is something of each major", () => {
    expect(new Set(recorded().map(({ major }) => major))).toEqual(new Set([10, 11, 12, 13, 14, 15, 16, 17, 18]));
  });

  test.each(recorded())("$name encodes to the same bytes", ({ name, major, bytes }) => {
    const receiver = new BaseBackupReceiver({ server: major });
    const events = [...framesOf(new Framer(), bytes)].flatMap((frame) => receiver.receive(decodeBackendMessage(frame)));
    expect(receiver.state).toBe("done");
    const encoded = events.map((event) => encodeBaseBackupEvent(event, { server: major }));
    expect(toHex(Buffer.concat(encoded))).toBe(toHex(bytes));
    expect(events.at(-2)!.type).toBe(name.includes("cancelled") ? "Error" : "Complete");
    // Another server's way of speaking is not taken for this one, unless all of it is one archive that has not ended.
    if (name.includes("cancelled")) return;
    const other = new BaseBackupReceiver({ server: major < 15 ? 18 : 14 });
    expect(() => [...framesOf(new Framer(), bytes)].map((frame) => other.receive(decodeBackendMessage(frame)))).toThrow(
      WalwireError,
    );
  });
});

describe("incremental files in the words of pg_combinebackup", () => {
  test.each([
    [
      "0d1faed4 00000000 00000000",
      'file "INCREMENTAL.5" has bad incremental magic number (0xd4ae1f0d, expected 0xd3ae1f0d)',
      0,
    ],
    ["0d1faed4", 'file "INCREMENTAL.5" has bad incremental magic number (0xd4ae1f0d, expected 0xd3ae1f0d)', 0],
    ["0d1faed3 01000200", 'file "INCREMENTAL.5" has block count 131073 in excess of segment size 131072', 4],
    [
      "0d1faed3 00000200 01000200",
      'file "INCREMENTAL.5" has truncation block length 131073 in excess of segment size 131072',
      8,
    ],
    [
      "0d1faed3 01000000 00000000 00000200",
      'file "INCREMENTAL.5" has block number 131072 in excess of segment size 131072',
      12,
    ],
    ["0d1faed3 01000000 0000", 'could not read file "INCREMENTAL.5": read 2 of 4', 10],
    ["0d1faed3 02000000 00000000 01000000 02", 'could not read file "INCREMENTAL.5": read 5 of 8', 17],
    ["", 'could not read file "INCREMENTAL.5": read 0 of 4', 0],
  ])("%s", (digits, message, offset) => {
    const read = (): void => {
      const reader = new IncrementalReader({ file: "INCREMENTAL.5" });
      reader.receive(hex(digits));
      reader.end();
    };
    expect(read).toThrow(DecodeError);
    expect(read).toThrow(expect.objectContaining({ message, offset }));
  });

  test("a block that is cut short", () => {
    const reader = new IncrementalReader({ file: "INCREMENTAL.5" });
    reader.receive(encodeIncrementalHeader({ truncationBlockLength: 9, blocks: [3, 8] }));
    expect(reader.receive(new Uint8Array(8192 + 100))).toHaveLength(1);
    expect(() => reader.end()).toThrow('could not read from file "INCREMENTAL.5", offset 16384: read 100 of 8192');
  });

  test("a file of 2^32 - 2 blocks is combined as quickly as a small one", () => {
    const segmentSize = 0xfffffffe;
    const newest = { truncationBlockLength: segmentSize, blocks: [segmentSize - 1, 1] };
    const plan = reconstruct(newest, [{ size: 3 * 8192 }], { segmentSize });
    expect(plan.ranges).toEqual([
      { block: 0, count: 1, from: { file: 1, offset: 0 } },
      { block: 1, count: 1, from: { file: 0, offset: 16384 } },
      { block: 2, count: 1, from: { file: 1, offset: 16384 } },
      { block: 3, count: segmentSize - 4, from: undefined },
      { block: segmentSize - 1, count: 1, from: { file: 0, offset: 8192 } },
    ]);
  });

  test("what no server writes is not encoded", () => {
    for (const bad of [
      undefined,
      {},
      { truncationBlockLength: -1, blocks: [] },
      { truncationBlockLength: 1, blocks: [131072] },
    ]) {
      expect(() => encodeIncrementalHeader(bad as never)).toThrow(EncodeError);
    }
  });
});

describe("UPLOAD_MANIFEST", () => {
  const frame = (tag: string, bytes = hex("")) => ({ tag: tag.charCodeAt(0), bytes });

  test("goes its way", () => {
    const client = new ManifestUpload();
    expect(() => client.copyData(hex("00"))).toThrow(
      "CopyData cannot be sent while the manifest upload is in state waiting",
    );
    const server = new ManifestReceiver();
    expect(client.receive([...framesOf(new Framer(), server.start())][0]!)).toEqual({ type: "CopyIn" });
    const [data] = framesOf(new Framer(), client.copyData(hex("7b7d")));
    expect(server.receive(data!)).toEqual({ type: "Data", data: hex("7b7d") });
    const [done] = framesOf(new Framer(), client.copyDone());
    expect(server.receive(done!)).toEqual({ type: "End" });
    const answer = [...framesOf(new Framer(), server.complete())];
    expect(answer.map((each) => client.receive(each))).toEqual([{ type: "Complete" }, { type: "Ready", status: "I" }]);
    expect(client.state).toBe("done");
  });

  test("what no server sends is refused", () => {
    expect(() => new ManifestUpload().receive(frame("C", hex("00")))).toThrow(ProtocolError);
    expect(() => new ManifestUpload().receive(frame("W", hex("00 0000")))).toThrow(
      'message "W" while the manifest upload is in state waiting',
    );
    expect(() => new ManifestUpload().receive(frame("Z", hex("49")))).toThrow(ProtocolError);
  });

  test("a CopyFail that is no text", () => {
    const server = new ManifestReceiver();
    server.start();
    expect(server.receive(frame("f", hex("41")))).toMatchObject({
      fields: { C: "08P01", M: "invalid string in message" },
    });
    expect(() => server.receive(frame("c"))).toThrow(ProtocolError);
  });

  test("a message that is too long", () => {
    const server = new ManifestReceiver();
    server.start();
    expect(server.receive(frame("H", new Uint8Array(9997)))).toMatchObject({ type: "Failed", closes: true });
  });
});

describe("archives", () => {
  const files = [
    { header: { name: "base/", size: 0, type: "directory" as const } },
    { header: { name: "base/1", size: 1000 }, body: new Uint8Array(1000).fill(7) },
    { header: { name: "empty", size: 0 } },
  ];
  const archive = packTar(files);

  async function entriesOf(bytes: Uint8Array, options: TarOptions = {}, piece = 100): Promise<unknown[]> {
    const { writable, readable } = tarEntries(options);
    const writer = writable.getWriter();
    const written = (async () => {
      for (let at = 0; at < bytes.length; at += piece) await writer.write(bytes.subarray(at, at + piece));
      await writer.close();
    })();
    written.catch(() => {});
    const entries: unknown[] = [];
    const reader = readable.getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      entries.push([value!.name, value!.type, await lengthOf(value!)]);
    }
    await written;
    return entries;
  }

  async function lengthOf({ body }: TarEntry): Promise<number> {
    let length = 0;
    const reader = body.getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) length += chunk.value.length;
    return length;
  }

  const expected = [
    ["base", "directory", 0],
    ["base/1", "file", 1000],
    ["empty", "file", 0],
  ];

  test("are read in pieces of any size", async () => {
    for (const piece of [1, 511, 512, 4096]) expect(await entriesOf(await archive, {}, piece)).toEqual(expected);
  });

  /** What becomes of each entry, and of the whole, when bodies are read, cancelled at once, or after their first chunk. */
  async function outcomes(bytes: Uint8Array, piece: number, ways: readonly string[]): Promise<string[]> {
    const { writable, readable } = tarEntries();
    const writer = writable.getWriter();
    const said = (what: string) => (error: unknown) => {
      expect(error).toBeInstanceOf(DecodeError);
      return `${what}: ${(error as DecodeError).code}`;
    };
    const written = (async () => {
      for (let at = 0; at < bytes.length; at += piece) await writer.write(bytes.subarray(at, at + piece));
      await writer.close();
      return "written";
    })().catch(said("writer"));
    const seen: string[] = [];
    const reader = readable.getReader();
    const read = (async () => {
      for (let i = 0; ; i++) {
        const { done, value } = await reader.read();
        if (done) return "ended";
        const way = ways[i % ways.length];
        const body = value.body.getReader();
        if (way === "first") await body.read().catch(said("body"));
        if (way !== "read") {
          await body.cancel();
          seen.push(`${value.name} cancelled`);
          continue;
        }
        let length = 0;
        const end = (async () => {
          for (let chunk = await body.read(); !chunk.done; chunk = await body.read()) length += chunk.value.length;
          return `${value.name} ${length}`;
        })();
        seen.push(await end.catch(said(value.name)));
      }
    })().catch(said("reader"));
    return [...seen, await read, await written];
  }

  test("cut anywhere, in any chunks, with bodies that are cancelled: every reader and writer ends", async () => {
    const whole = await packTar([
      { header: { name: "a", size: 3 }, body: new Uint8Array(3) },
      { header: { name: "b", size: 600 }, body: new Uint8Array(600) },
      { header: { name: "c", size: 1 }, body: new Uint8Array(1) },
    ]);
    for (const ways of [["read"], ["cancel"], ["first"], ["cancel", "read"], ["read", "cancel"]]) {
      for (const piece of [100, 512, 5000]) {
        expect((await outcomes(whole, piece, ways)).slice(-2)).toEqual(["ended", "written"]);
        for (const end of [1, 511, 514, 1023, 1024, 1030, 1534, 1546, 2136, 2200, 2560, 3072, 3073]) {
          const all = await outcomes(whole.subarray(0, end), piece, ways);
          expect(all.at(-2), `${ways} ${piece} ${end}: ${all}`).toBe("reader: TRUNCATED");
          // A writer that has handed over everything may be done before that is read.
          expect(["written", "writer: TRUNCATED"]).toContain(all.at(-1));
        }
      }
    }
  });

  test("of servers before 15 have no end", async () => {
    const open = (await archive).subarray(0, (await archive).length - 1024);
    expect(await entriesOf(open, { server: 14 })).toEqual(expected);
    await expect(entriesOf(open, { server: 15 })).rejects.toThrow(expect.objectContaining({ code: "TRUNCATED" }));
  });

  test("compressed with gzip are read; lz4 and zstd are not", async () => {
    const zipped = gzipSync(await archive);
    expect(await entriesOf(zipped, { compression: "gzip" })).toEqual(expected);
    await expect(entriesOf(zipped.subarray(0, zipped.length - 12), { compression: "gzip" })).rejects.toThrow(
      DecodeError,
    );
    await expect(entriesOf(await archive, { compression: "gzip" })).rejects.toThrow(DecodeError);
    for (const compression of ["lz4", "zstd"] as const)
      expect(() => tarEntries({ compression })).toThrow(UnsupportedError);
  });

  test("cut anywhere are an error", async () => {
    const whole = await archive;
    for (let end = 0; end < whole.length; end += 37) {
      await expect(entriesOf(whole.subarray(0, end)), String(end)).rejects.toThrow(DecodeError);
    }
  });

  test("with bytes that are none are an error", async () => {
    const whole = await archive;
    await expect(entriesOf(new Uint8Array(2048).fill(65))).rejects.toThrow(DecodeError);
    for (const at of [3, 100, 130, 150, 520, 700]) {
      const bytes = whole.slice();
      bytes[at]! ^= 1;
      await expect(entriesOf(bytes), String(at)).rejects.toThrow(/not a tar archive: Invalid tar header checksum/);
    }
    await expect(entriesOf(new Uint8Array([...whole, 1]))).rejects.toThrow(DecodeError);
  });

  test.each([
    ["../x", /unsafe path name: "..\/x"/],
    ["/etc/passwd", /unsafe path name/],
    ["a/../../b", /unsafe path name/],
    ["C:\\x", /unsafe path name/],
  ])("with a file called %s are an error", async (name, message) => {
    await expect(entriesOf(await packTar([{ header: { name, size: 0 } }]))).rejects.toThrow(message);
  });

  test("with a name that is not UTF-8 are an error", async () => {
    const bytes = (await packTar([{ header: { name: "aa", size: 0 } }])).slice();
    bytes[1] = 0xff;
    const sum = 0xff - 0x61 + Number.parseInt(new TextDecoder().decode(bytes.subarray(148, 154)), 8);
    bytes.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0")), 148);
    await expect(entriesOf(bytes)).rejects.toThrow(/is not UTF-8/);
  });

  test("with a fifo or a hard link are an error", async () => {
    await expect(entriesOf(await packTar([{ header: { name: "a", size: 0, type: "fifo" } }]))).rejects.toThrow(
      /is a fifo, expected a file/,
    );
    await expect(
      entriesOf(await packTar([{ header: { name: "a", size: 0, type: "link", linkname: "b" } }])),
    ).rejects.toThrow(/is a link, expected a file/);
  });

  test("with pax headers are an error, as for pg_basebackup, also with a damaged one", async () => {
    // @source astreamer_tar.c: astreamer_tar_header
    const message = /pax extensions to tar format are not supported/;
    await expect(entriesOf(await packTar([{ header: { name: "a", size: 0, pax: { comment: "b" } } }]))).rejects.toThrow(
      message,
    );
    const bytes = (await packTar([{ header: { name: "a", size: 0, pax: { size: "0", comment: "b" } } }])).slice();
    const digits = /\d+ size/.exec(new TextDecoder("latin1").decode(bytes))!;
    bytes.set(new TextEncoder().encode("99"), digits.index);
    await expect(entriesOf(bytes)).rejects.toThrow(message);
  });

  test("read chunks of a Uint8Array only, whatever length it says", async () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 2 ** 40;
      }
    }
    const whole = await archive;
    const names = async (chunk: Uint8Array): Promise<string[]> => {
      const { writable, readable } = tarEntries();
      const writer = writable.getWriter();
      const written = writer.write(chunk).then(() => writer.close());
      written.catch(() => {});
      const seen: string[] = [];
      const reader = readable.getReader();
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        seen.push(value!.name);
        await value!.body.cancel();
      }
      await written;
      return seen;
    };
    expect(await names(new Liar(whole))).toEqual(await names(whole));
    for (const chunk of ["text", 5, null, new ArrayBuffer(512), [1, 2]]) {
      const { writable } = tarEntries();
      await expect(writable.getWriter().write(chunk as never)).rejects.toThrow(ArgumentError);
    }
  });

  test("whose source fails: the reader gets the error of the source", async () => {
    for (const compression of [undefined, "gzip"] as const) {
      const failure = new Error("connection reset");
      const source = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(failure) });
      const reader = source.pipeThrough(tarEntries({ compression })).getReader();
      await expect(reader.read()).rejects.toBe(failure);
    }
  });

  test("files of more than 8 GB have their size in base 256", async () => {
    const bytes = (await packTar([{ header: { name: "big", size: 0 } }])).slice(0, 512);
    const size = 9_000_000_000;
    bytes.set(hex("80 00000000000000"), 124);
    new DataView(bytes.buffer).setBigUint64(128, BigInt(size));
    bytes.fill(0x20, 148, 156);
    const sum = bytes.reduce((total, byte) => total + byte, 0);
    bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
    const { writable, readable } = tarEntries();
    const writer = writable.getWriter();
    writer.write(bytes).catch(() => {});
    const { value } = await readable.getReader().read();
    expect(value).toMatchObject({ name: "big", size });
    writer.abort().catch(() => {});
  });
});
