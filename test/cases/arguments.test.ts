/** What decoders, encoders and the pieces below them are given may be anything: each answers with an error of ours. */
import { describe, expect, test } from "vitest";
import * as basebackup from "../../src/generated/basebackup.ts";
import * as files from "../../src/generated/files.ts";
import * as logical from "../../src/generated/logical.ts";
import * as physical from "../../src/generated/physical.ts";
import * as wal from "../../src/generated/wal.ts";
import { ArgumentError, EncodeError } from "../../src/kernel/errors.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { toHex } from "../hex.ts";

type Codec = (value: never, context?: never) => unknown;
const codecs = Object.entries<unknown>({ ...basebackup, ...files, ...logical, ...physical, ...wal });
const decoders = codecs.filter(([name]) => name.startsWith("decode")) as [string, Codec][];
const encoders = codecs.filter(([name]) => name.startsWith("encode")) as [string, Codec][];

const notBytes = [undefined, null, "k", 5, [107], {}, new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), () => 1];

describe("generated codecs", () => {
  test("there are some of each domain", () => {
    expect(decoders.length).toBeGreaterThan(30);
    expect(encoders.length).toBe(decoders.length);
  });

  test.each(decoders)("%s takes a Uint8Array and nothing else", (_, decode) => {
    for (const each of notBytes) {
      expect(() => decode(each as never)).toThrow(ArgumentError);
      expect(() => decode(each as never)).toThrow(/^bytes: expected a Uint8Array, got /);
    }
  });

  test.each(encoders)("%s takes an object and nothing else", (_, encode) => {
    for (const each of [undefined, null, "k", 5, () => 1, Symbol("k"), 1n]) {
      expect(() => encode(each as never)).toThrow(EncodeError);
    }
  });

  test.each(decoders.filter(([, decode]) => /context/.test(decode.toString())))(
    "%s checks its context",
    (_, decode) => {
      for (const each of [null, "parallel", 5]) {
        expect(() => decode(new Uint8Array(0) as never, each as never)).toThrow(ArgumentError);
      }
    },
  );
});

describe("an array that lies about its length", () => {
  class Lie extends Uint8Array {
    override get length(): number {
      return 3000;
    }
  }
  const secret = "SECRET".repeat(400);
  const message = { type: "Message", transactional: false, lsn: 0n, prefix: "", content: new Uint8Array(0) } as const;

  test("is written as long as it is: nothing of an earlier message comes out", () => {
    logical.encodePgoutputMessage({ ...message, prefix: secret } as never);
    const honest = logical.encodePgoutputMessage({ ...message, content: new Uint8Array(1) } as never);
    const lying = logical.encodePgoutputMessage({ ...message, content: new Lie(1) } as never);
    expect(toHex(lying)).toBe(toHex(honest));
    const ownProperty = Object.defineProperty(new Uint8Array(1), "length", { value: 3000 });
    expect(toHex(logical.encodePgoutputMessage({ ...message, content: ownProperty } as never))).toBe(toHex(honest));
  });

  test("is written as long as it is in a row, in WAL's envelope and in a struct", () => {
    expect(TupleData.of([new Lie(2)]).bytes.length).toBe(2 + 5 + 2);
    const data = { type: "XLogData", dataStart: 0n, walEnd: 0n, sendTime: 0n, data: new Lie(2) };
    expect(physical.encodeWalSenderMessage(data as never).length).toBe(25 + 2);
    const struct = { dbid: 1, tsid: 1, nbytes: 2, data: new Lie(2) };
    expect(wal.encodeXlRelmapUpdate(struct).length).toBe(12 + 2);
  });

  test("is read as long as it is", () => {
    const bytes = new Lie([0x6b, 0, 0]);
    expect(() => physical.decodeWalSenderMessage(bytes)).toThrow(
      expect.objectContaining({ code: "TRUNCATED", offset: 1 }),
    );
  });
});
