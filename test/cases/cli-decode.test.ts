/** `walwire decode` as people and programs run it, on recorded streams, on outputs of psql, and on what is damaged. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { encodeWalReceiverMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { PgoutputMessage as PgoutputFamily } from "../../src/logical/messages.ts";
import { type Item, openInput } from "../../src/node/cli/decode/input.ts";
import { tagsOf } from "../../src/node/cli/decode/stream.ts";
import { firstDifference } from "../../src/node/first-difference.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { compile } from "../compiled.ts";
import { hex, toHex } from "../hex.ts";
import { readCapture, writeCapture } from "../servers/capture.ts";
import { type Run, runWalwire } from "../walwire.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-decode-"));

afterAll(() => {
  compiled.remove();
  rmSync(folder, { recursive: true });
});

const decode = (args: readonly string[], input?: string | Uint8Array): Promise<Run> =>
  runWalwire(["decode", ...args], input === undefined ? {} : { input });

/** What it prints, if it ends with this status and has nothing to say on standard error. */
async function says(status: number, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const result = await decode(args, input);
  expect(result.stderr).toBe("");
  expect(result.status, result.stdout).toBe(status);
  return result.stdout;
}

/** What `--jsonl` prints. */
// biome-ignore lint/suspicious/noExplicitAny: what a program reads.
async function objects(status: number, args: readonly string[], input?: string | Uint8Array): Promise<any[]> {
  const output = await says(status, [...args, "--jsonl"], input);
  return output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Each payload after its length. */
function file(payloads: readonly Uint8Array[]): Uint8Array {
  const parts = payloads.flatMap((payload) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    return [length, payload];
  });
  return Buffer.concat(parts);
}

const position = parseLsn("0/175B3E0");
const time = toPgTime(848_711_970_466_296n);

function xlogData(data: Uint8Array, walEnd = position): Uint8Array {
  return encodeWalSenderMessage({ type: "XLogData", dataStart: position, walEnd, sendTime: time, data });
}

const sent = (...messages: readonly PgoutputMessage[]) =>
  messages.map((message) => xlogData(encodePgoutputMessage(message)));

const relation = (xid?: number): PgoutputMessage => ({
  type: "Relation",
  xid,
  relationId: 16384,
  namespace: "public",
  name: "t",
  replicaIdentity: "default",
  columns: [
    { key: true, name: "id", typeId: 23, typeModifier: -1 },
    { key: false, name: "v", typeId: 25, typeModifier: -1 },
  ],
});

const insert = (id: string, v: string, xid?: number): PgoutputMessage => ({
  type: "Insert",
  xid,
  relationId: 16384,
  newTuple: TupleData.of([id, v]),
});

const begin: PgoutputMessage = { type: "Begin", finalLsn: position, commitTime: time, xid: 742 };
const commit: PgoutputMessage = { type: "Commit", commitLsn: position, endLsn: position, commitTime: time };

const plain = sent(begin, relation(), insert("1", "one"), commit);

/** A transaction in two blocks, of which a subtransaction is rolled back, and one that is rolled back as a whole. */
const streamed = (parallel: boolean): Uint8Array[] => {
  const abort = parallel ? { abortLsn: position, abortTime: time } : {};
  return sent(
    { type: "StreamStart", xid: 800, firstSegment: true },
    relation(800),
    insert("1", "one", 800),
    insert("2", "two", 801),
    { type: "StreamStop" },
    { type: "StreamStart", xid: 900, firstSegment: true },
    relation(900),
    { type: "StreamStop" },
    { type: "StreamStart", xid: 800, firstSegment: false },
    insert("3", "three", 800),
    { type: "StreamStop" },
    { type: "StreamAbort", xid: 800, subxid: 801, ...abort },
    { type: "StreamAbort", xid: 900, subxid: 900, ...abort },
    { type: "StreamCommit", xid: 800, commitLsn: position, endLsn: position, commitTime: time },
  );
};

const prepared = sent(
  { type: "BeginPrepare", prepareLsn: position, endLsn: position, prepareTime: time, xid: 743, gid: "g" },
  relation(),
  insert("1", "one"),
  { type: "Prepare", prepareLsn: position, endLsn: position, prepareTime: time, xid: 743, gid: "g" },
  { type: "CommitPrepared", commitLsn: position, endLsn: position, commitTime: time, xid: 743, gid: "g" },
);

const counts = (messages: number, errors = 0) => ({ messages, mismatches: 0, errors });

describe("for people", () => {
  test("a line each message, what is in a transaction is indented, then a table", async () => {
    const keepalive = encodeWalSenderMessage({
      type: "Keepalive",
      walEnd: position,
      sendTime: time,
      replyRequested: true,
    });
    expect(await says(0, ["-", "--proto", "1"], file([...plain, keepalive]))).toBe(`\
← 0/175B3E0  Begin    xid 742
← 0/175B3E0    Relation public.t (id int4 key, v text)
← 0/175B3E0    Insert   public.t id=1 v="one"
← 0/175B3E0  Commit   end 0/175B3E0
← Keepalive walEnd=0/175B3E0 sendTime=2026-11-23T01:19:30.466296Z replyRequested=true

  message    count  bytes
  Relation       1     65   28.6 %
  Commit         1     51   22.5 %
  Insert         1     47   20.7 %
  Begin          1     46   20.3 %
  Keepalive      1     18    7.9 %
  all            5    227  100.0 %

✔ 5 messages, 0 errors
`);
  });

  test("values in binary as their text where the type is built in, else their bytes", async () => {
    const row: PgoutputMessage = {
      type: "Insert",
      relationId: 16384,
      newTuple: TupleData.of([hex("00000004"), hex("ff00")]),
    };
    const wrong: PgoutputMessage = { ...row, newTuple: TupleData.of([hex("0004"), hex("616263")]) };
    const output = await says(0, ["-"], file(sent(begin, relation(), row, wrong, commit)));
    expect(output).toContain(String.raw`Insert   public.t id=4 v=\xff00`);
    expect(output).toContain(String.raw`Insert   public.t id=\x0004 v="abc"`);
  });

  test("positions as a server of that version writes them, and no control characters of a peer", async () => {
    const payloads = sent(begin, relation(), insert("1", "\u001b[31m\u009b\u2028"), commit);
    const output = await says(0, ["-", "--server", "19"], file(payloads));
    expect(output).toContain("← 0/0175B3E0 Begin");
    expect(output).toContain(String.raw`v="\u001b[31m\u{9b}\u{2028}"`);
  });

  test("names that SQL would quote are in double quotes", async () => {
    const quoted: PgoutputMessage = {
      type: "Relation",
      relationId: 16384,
      namespace: "My schema",
      name: 'a "table"',
      replicaIdentity: "default",
      columns: ["a b", "x=1", "größe", "id_1"].map((name) => ({ key: false, name, typeId: 23, typeModifier: -1 })),
    };
    const newTuple = TupleData.of(["1", "2", "3", "4"]);
    const row: PgoutputMessage = { type: "Insert", relationId: 16384, newTuple };
    const payloads = file(sent(begin, quoted, row, commit));
    const output = await says(0, ["-"], payloads);
    expect(output).toContain('Relation "My schema"."a ""table""" ("a b" int4, "x=1" int4, "größe" int4, id_1 int4)\n');
    expect(output).toContain('Insert   "My schema"."a ""table""" "a b"=1 "x=1"=2 "größe"=3 id_1=4\n');
    expect(await says(0, ["-", "--stats"], payloads)).toContain('  "My schema"."a ""table"""  █');
  });

  test("an error has its place and its bytes, and the rest is read", async () => {
    const damaged = plain.map((payload) => payload.slice());
    damaged[2]![25 + 8] = 0x78;
    const output = await says(1, ["-", "--proto", "1"], file(damaged));
    expect(output).toContain(`\
← 0/175B3E0    Relation public.t (id int4 key, v text)
✘ message 3, which begins at byte 119: BAD_VALUE Insert.newTuple[0].type is "x", expected "n", "u", "t" or "b", at offset 8
  000000  49 00 00 40 00 4e 00 02 78 00 00 00 01 31 74 00  I..@.N..x....1t.
                                  ^^
  000010  00 00 03 6f 6e 65                                ...one
← 0/175B3E0  Commit   end 0/175B3E0
`);
    expect(output).toMatch(/\n {2}damaged {7}1 {5}47 {3}22\.5 %\n[\s\S]*✘ 4 messages, 1 error\n$/);
  });

  test("a file that ends too soon is read up to there", async () => {
    const whole = file(plain);
    const output = await says(1, ["-"], whole.subarray(0, whole.length - 3));
    expect(output).toContain("Insert   public.t");
    expect(output).toContain("✘ the file ends after 52 of the 55 bytes of a payload");
    expect(output).toMatch(/✘ 3 messages, 1 error\n$/);
    const packed = gzipSync(whole);
    const cut = await says(1, ["-"], packed.subarray(0, packed.length - 12));
    expect(cut).toContain("← 0/175B3E0  Begin    xid 742");
    expect(cut).toContain("✘ standard input: the gzip data ends early, at byte");
  });

  test("a length that no message has ends the reading", async () => {
    const output = await says(1, ["-"], concat(file(plain), hex("ffffffff 77")));
    expect(output).toContain("✘ 4294967295 bytes are more than a message can have\n");
  });

  test("--changes shows those alone, and what is wrong", async () => {
    const output = await says(1, ["-", "--changes"], file([...plain, Uint8Array.of(0x77), ...plain]));
    expect(output.split("\n\n")[0]!.split("\n")).toEqual([
      '← 0/175B3E0    Insert   public.t id=1 v="one"',
      "✘ message 5, which begins at byte 225: TRUNCATED XLogData.dataStart needs 8 bytes at offset 1; 0 are left",
      "  000000  77                                               w",
      `${" ".repeat(13)}^^`,
      '← 0/175B3E0    Insert   public.t id=1 v="one"',
    ]);
  });
});

describe("protocols", () => {
  test.each([
    ["1", "off", plain],
    ["2", "on", streamed(false)],
    ["3", "off", prepared],
    ["4", "on", streamed(false)],
    ["4", "parallel", streamed(true)],
  ] as const)("--proto %s --streaming %s", async (proto, streaming, payloads) => {
    const args = ["-", "--proto", proto, "--streaming", streaming, "--verify"];
    const lines = await objects(0, args, file(payloads));
    expect(lines.at(-1)).toEqual(counts(payloads.length));
    expect(lines).toHaveLength(payloads.length + 1);
    // The same without being told.
    expect(await objects(0, ["-", "--verify"], file(payloads))).toEqual(lines);
    expect((await says(0, args, file(payloads))).split("\n").at(-2)).toBe(JSON.stringify(counts(payloads.length)));
  });

  test.each([
    [["--proto", "1"], streamed(false), 1, "--proto 2 --streaming on reads it"],
    [["--proto", "3"], streamed(false), 1, "--proto 3 --streaming on reads it"],
    [["--proto", "4", "--streaming", "on"], streamed(true), 2, "is it --streaming parallel?"],
    [["--proto", "4", "--streaming", "parallel"], streamed(false), 2, "is it --streaming on?"],
  ] as const)(
    "%j is too little or too much, and what is right is said once",
    async (args, payloads, errors, advice) => {
      const output = await says(1, ["-", ...args, "--verify"], file(payloads));
      expect(output.split(advice)).toHaveLength(2);
      expect(output.split("\n").at(-2)).toBe(JSON.stringify(counts(payloads.length, errors)));
    },
  );

  test("a StreamAbort that is longer in another way is an error, each time", async () => {
    const [start, , , , stop] = streamed(false);
    const abort = encodePgoutputMessage({ type: "StreamAbort", xid: 800, subxid: 801 });
    const wrong = Array.from({ length: 3 }, () => xlogData(concat(abort, Uint8Array.of(0))));
    const lines = await objects(1, ["-", "--verify"], file([start!, stop!, ...wrong, xlogData(abort)]));
    expect(lines.at(-1)).toEqual(counts(6, 3));
  });

  test("a message that was lost does not make errors of those behind its transaction", async () => {
    for (const [lost, errors] of [
      [0, 3],
      [3, 1],
    ] as const) {
      const payloads = [...plain.filter((_, i) => i !== lost), ...plain, ...plain];
      const lines = await objects(1, ["-", "--verify"], file(payloads));
      expect(lines.at(-1)).toEqual(counts(payloads.length, errors));
      expect(lines.slice(-5, -1).every((line) => line.error === undefined)).toBe(true);
      // What came out of order is shown all the same.
      const wrong = lines.filter(({ error }) => error !== undefined);
      expect(wrong.every(({ message, error }) => message !== undefined && error.code === "OUT_OF_ORDER")).toBe(true);
    }
    const blocks = streamed(false);
    for (const lost of [4, 8]) {
      const payloads = [...blocks.filter((_, i) => i !== lost), ...plain, ...plain];
      const lines = await objects(1, ["-"], file(payloads));
      expect(lines.slice(-4).map(({ message, error }) => error ?? message.type)).toEqual([
        "Begin",
        "Relation",
        "Insert",
        "Commit",
      ]);
    }
  });
});

describe("--jsonl", () => {
  test("where it stands, what is around it, and the message", async () => {
    const [first, , third] = await objects(0, ["-"], file(plain));
    expect(first).toEqual({
      offset: 0,
      lsn: "0/175B3E0",
      walEnd: "0/175B3E0",
      sendTime: "2026-11-23T01:19:30.466296Z",
      message: { type: "Begin", finalLsn: "0/175B3E0", commitTime: "2026-11-23T01:19:30.466296Z", xid: 742 },
    });
    expect(third).toMatchObject({
      offset: 119,
      schema: "public",
      table: "t",
      message: { type: "Insert", relationId: 16384, newTuple: ["1", "one"] },
    });
  });

  test("errors as they are, with the place of their message", async () => {
    const lines = await objects(
      1,
      ["-"],
      file([plain[0]!, xlogData(hex("49 00004000 4e 0001 78")), ...plain.slice(1)]),
    );
    expect(lines[1]).toEqual({
      offset: 50,
      lsn: "0/175B3E0",
      walEnd: "0/175B3E0",
      sendTime: "2026-11-23T01:19:30.466296Z",
      error: {
        code: "BAD_VALUE",
        message: 'Insert.newTuple[0].type is "x", expected "n", "u", "t" or "b", at offset 8',
        path: "Insert.newTuple[0].type",
        offset: 8,
      },
    });
    expect(lines).toHaveLength(5);
    const whole = file(plain);
    const cut = await objects(1, ["-", "--verify"], whole.subarray(0, whole.length - 1));
    expect(cut.slice(-2)).toEqual([
      {
        offset: 170,
        error: {
          code: "TRUNCATED",
          message: "the file ends after 54 of the 55 bytes of a payload",
          path: "CopyData",
          offset: 170,
        },
      },
      counts(3, 1),
    ]);
  });

  test("--stats", async () => {
    const lines = await objects(0, ["-", "--stats", "--verify"], file([...streamed(true), ...prepared, ...plain]));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toEqual(counts(23));
    const { stats } = lines[0];
    expect(stats.types.Insert).toEqual({ count: 5, bytes: 2 * 47 + 2 * 51 + 53 });
    expect(stats.tables).toEqual([
      { schema: "public", table: "t", Insert: 5, Update: 0, Delete: 0, count: 5, bytes: 2 * 47 + 2 * 51 + 53 },
    ]);
    expect(stats.transactions).toMatchObject({ whole: 1, prepared: 1, largest: { xid: 800, changes: 2 } });
    // In vain: the insert of 801 and the relation of 900.
    expect(stats.streamed).toMatchObject({ transactions: 1, blocks: 3, aborts: 2, abortedBytes: 51 + 69 });
    expect(stats.time.seconds).toBe(0);
  });
});

describe("--stats", () => {
  test("a picture of the demo's stream", async () => {
    const output = await says(0, [join(root, "test/vectors/demo-18.bin.gz"), "--stats"]);
    expect(output).toMatch(/^[\d,]+ messages, [\d,]+ bytes, sent in [\d.]+ s from 2\d{3}-.*Z: [\d,]+ messages and/);
    expect(output).toMatch(/\nMessages\n {2}Insert +█+[▏▎▍▌▋▊▉]? +\d+ +[\d,]+ +\d+\.\d %\n/);
    expect(output).toMatch(/\nTables\n {2}public\.document +█+.* \+1 +~1 +-0\n/);
    expect(output).toMatch(/\nTransactions\n {2}whole {4}15\n {2}largest {2}xid \d+: 1 change, [\d,]+ bytes\n/);
  });
});

describe("recorded streams", () => {
  const vectors: { file: string; payloads: number }[] = JSON.parse(
    readFileSync(join(root, "test/vectors/demo.json"), "utf8"),
  );

  test.each(vectors)("$file encodes back to the same bytes", async ({ file, payloads }) => {
    const path = join(root, "test/vectors", file);
    const lines = await objects(0, [path, "--proto", "1", "--verify"]);
    expect(lines.at(-1)).toEqual(counts(payloads));
    const [some] = lines.filter(({ message }) => message?.type === "Insert");
    expect(some).toMatchObject({ schema: "public", message: { newTuple: expect.any(Array) } });
    // The offset is where the payload is.
    const bytes = gunzipSync(readFileSync(path));
    const all = readCapture(path);
    for (const [i, { offset }] of lines.slice(0, -1).entries()) {
      expect(bytes.readUInt32BE(offset)).toBe(all[i]!.length);
    }
  });
});

describe("what servers sent of a workload that makes them send everything", () => {
  const index = (name: string): Recorded[] => JSON.parse(readFileSync(join(root, "test/vectors", name), "utf8"));
  interface Recorded {
    readonly file: string;
    readonly options: { readonly protocol: number; readonly streaming?: string };
    /** How many messages there are of each type byte. */
    readonly tags: Readonly<Record<string, number>>;
    readonly payloads?: number;
    readonly messages?: number;
  }
  const recorded = [...index("workload/index.json"), ...index("workload/slot-changes.json")];

  test.each(recorded)("$file", async ({ file, options, tags, payloads, messages = payloads! }) => {
    const path = join(root, "test/vectors/workload", file);
    const args = ["--proto", String(options.protocol), "--streaming", options.streaming ?? "off"];
    const [line, last, ...rest] = await objects(0, [path, ...args, "--stats", "--verify"]);
    expect([last, ...rest]).toEqual([counts(messages)]);
    const { types } = line.stats;
    const seen = PgoutputFamily.messages.flatMap(({ name, tag }) => (name in types ? [[tag, types[name].count]] : []));
    expect(Object.fromEntries(seen)).toEqual(tags);
    // Also without being told, and in a line each.
    const lines = await says(0, [path, "--verify"]);
    expect(lines.split("\n").at(-2)).toBe(JSON.stringify(counts(messages)));
    expect(lines.match(/^← /gm)).toHaveLength(messages);
  });

  test.each(index("physical/index.json"))("physical/$file", async ({ file, payloads }) => {
    const path = join(root, "test/vectors/physical", file);
    const lines = await objects(0, [path, "--physical", "--verify"]);
    expect(lines.at(-1)).toEqual(counts(payloads!));
    expect(lines.some(({ message }) => message?.type === "XLogData" && message.length > 0)).toBe(true);
    expect(await objects(0, [path, "--verify"])).toEqual(lines);
  });
});

describe("physical streams, and the other direction", () => {
  const wal = xlogData(new Uint8Array(8192), parseLsn("0/2000000"));

  test("WAL is not spelled out", async () => {
    for (const args of [["-"], ["-", "--physical"]]) {
      expect((await says(0, args, file([wal]))).split("\n")[0]).toBe(
        "← XLogData dataStart=0/175B3E0 walEnd=0/2000000 sendTime=2026-11-23T01:19:30.466296Z data=8192 bytes",
      );
      const [line, ...rest] = await objects(0, [...args, "--verify"], file([wal]));
      expect(line).toEqual({
        offset: 0,
        message: {
          type: "XLogData",
          dataStart: "0/175B3E0",
          walEnd: "0/2000000",
          sendTime: "2026-11-23T01:19:30.466296Z",
          length: 8192,
        },
      });
      expect(rest).toEqual([counts(1)]);
    }
    const wrong = await says(1, ["-", "--proto", "1"], file([wal]));
    expect(wrong).toContain("If the stream is a physical one, --proto is wrong: --physical reads it.");
  });

  const status = encodeWalReceiverMessage({
    type: "StandbyStatusUpdate",
    write: position,
    flush: position,
    apply: parseLsn("0/0"),
    clientTime: time,
    replyRequested: false,
    extra: undefined,
  });
  const shortFeedback = hex("68 000303e6278429f8 000002f4 00000000");

  test("--from client", async () => {
    const output = await says(0, ["-", "--from", "client", "--verify"], file([status]));
    expect(output.split("\n")[0]).toBe(
      "→ StandbyStatusUpdate write=0/175B3E0 flush=0/175B3E0 apply=0/0 clientTime=2026-11-23T01:19:30.466296Z replyRequested=false",
    );
    const server = ["-", "--from", "client", "--server", "9.6"];
    expect((await objects(0, server, file([shortFeedback])))[0].message).toEqual({
      type: "HotStandbyFeedback",
      clientTime: "2026-11-23T01:19:30.466296Z",
      xmin: 756,
      xminEpoch: 0,
    });
    expect(await says(1, ["-", "--from", "client"], file([shortFeedback]))).toContain(
      "Servers before 10 have a shorter form of it: --server says which one it is.",
    );
    expect(await says(1, ["-"], file([status]))).toContain("with --from client it is read as that");
    expect(await says(1, ["-", "--from", "client"], file([wal]))).toContain("without --from client it is read as that");
  });

  test("what only newer servers say", async () => {
    const update = encodeWalSenderMessage({
      type: "PrimaryStatusUpdate",
      walWrite: position,
      oldestXidInCommit: 3n,
      nextXid: 4n,
      sendTime: time,
    });
    expect((await objects(0, ["-"], file([update])))[0].message.nextXid).toBe("4");
    const output = await says(1, ["-", "--server", "18"], file([update]));
    expect(output).toContain("Only servers from 19 on have this message: is --server right?");
  });
});

describe("what pg_logical_slot_get_binary_changes gives, as psql prints it", () => {
  /** From psql 15, by the options that it was given, from PostgreSQL 18.4; the Relation was left out. */
  const outputs: Record<string, string> = JSON.parse(readFileSync(join(root, "test/cases/psql.json"), "utf8"));
  const messages = [
    "42000000000174e4380003040e60516021000002f2",
    "49000040004e0001740000000131",
    "4300000000000174e438000000000174e4680003040e60516021",
  ];
  const lsns = ["0/174E358", "0/174E358", "0/174E468"].map(parseLsn);

  async function read(text: string | Uint8Array): Promise<{ form: string; items: readonly Item[] }> {
    const path = join(folder, "rows");
    writeFileSync(path, text);
    const { form, batches } = await openInput(path, tagsOf("server"));
    const items: Item[] = [];
    for await (const batch of batches) {
      for (const item of batch) {
        if ("unreadable" in item) throw item.unreadable;
        items.push(item);
      }
    }
    return { form, items };
  }

  test.each(Object.entries(outputs))("%s", async (how, text) => {
    const all = !/alone|encode/.test(how);
    const expected = messages.map((message, i) => ({
      bytes: message,
      ...(all && how !== "psql, in a transaction" ? { lsn: lsns[i] } : {}),
      ...(all && how !== "psql with timing" ? { xid: 754 } : {}),
    }));
    for (const file of [
      text,
      text.replaceAll("\n", "\r\n"),
      `\ufeff${text}`,
      text.replace(/\n+$/, ""),
      gzipSync(text),
    ]) {
      const { form, items } = await read(file);
      expect(form).toBe("rows");
      expect(items.map(({ bytes, row }) => ({ bytes: toHex(bytes), ...row }))).toEqual(expected);
    }
  });

  test("a line each message, with the position of its row", async () => {
    const rows = messages
      .filter((_, i) => i !== 1)
      .map((digits, i) => `${["0/174E358", "0/174E468"][i]}|754|\\x${digits}`);
    expect((await says(0, ["-"], rows.join("\n"))).split("\n").slice(0, 2)).toEqual([
      "← 0/174E358  Begin    xid 754",
      "← 0/174E468  Commit   end 0/174E468",
    ]);
    const lines = await objects(0, ["-", "--proto", "1", "--verify"], rows.join("\n"));
    expect(lines[1]).toMatchObject({ offset: 59, lsn: "0/174E468", xid: 754, message: { type: "Commit" } });
    expect(lines[2]).toEqual(counts(2));
    const bare = await says(0, ["-"], messages.filter((_, i) => i !== 1).join("\n"));
    expect(bare.split("\n")[0]).toBe(`← ${" ".repeat(10)} Begin    xid 754`);
  });

  test("no rows are no messages, and lines of something else are errors", async () => {
    expect(await objects(0, ["-", "--verify"], " lsn | xid | data \n-----+-----+------\n(0 rows)\n\n")).toEqual([
      counts(0),
    ]);
    const lines = await objects(1, ["-", "--verify"], `\\x${messages[0]}\nWARNING: \u001b[31m\n\\x${messages[2]}\n`);
    expect(lines.map(({ offset, error }) => error?.message ?? offset)).toEqual([
      0,
      "a line at 45 of the file holds no message: WARNING: \\u{1b}[31m",
      60,
      undefined,
    ]);
  });

  test("a line of nothing but separators is one error, and takes its length only", async () => {
    const text = `\\x${messages[0]}\n${",".repeat(20_000_000)}\n\\x${messages[2]}\n`;
    const lines = await objects(1, ["-", "--verify"], text);
    expect(lines.at(-1)).toEqual(counts(2, 1));
    expect(JSON.stringify(lines).length).toBeLessThan(1000);
  });

  test.each([
    ["words", `${"A ".repeat(7_500_000)}A`],
    ["numbers", `A${" 1".repeat(7_500_000)}`],
  ])("a command tag of any number of %s is passed over", async (_, tag) => {
    const lines = await objects(0, ["-", "--verify"], `\\x${messages[0]}\n${tag}\n`);
    expect(lines.at(-1)).toEqual(counts(1, 0));
  });

  test("messages much larger than what is read at a time, and many small ones", async () => {
    const large = encodePgoutputMessage(insert("1", "x".repeat(3_000_000)));
    const { items } = await read([`\\x${toHex(large)}`, ...messages.map((digits) => `\\x${digits}`)].join("\n"));
    expect(items.map(({ bytes }) => bytes.length)).toEqual([large.length, 21, 14, 26]);
    const payloads = [xlogData(large), ...Array.from({ length: 100_000 }, () => plain[0]!), new Uint8Array()];
    const { items: cut } = await read(file(payloads));
    expect(cut).toHaveLength(payloads.length);
    expect([cut.at(-1)!.number, cut.at(-1)!.bytes.length]).toEqual([payloads.length, 0]);
  });
});

describe("what is no stream", () => {
  test.each([
    ["hello, world", 'begins with "hello, world".'],
    ["table public.t: INSERT: id[integer]:1", "which looks like test_decoding."],
    ['{"change":[]}', 'begins with "{\\"change\\":[]}", which looks like JSON, such as wal2json prints.'],
    ["IDENTIFY_SYSTEM;", 'begins with "IDENTIFY_SYSTEM;".'],
    ["START_REPLICATION 0/0", "which looks like a replication command: see walwire command."],
    [hex("89504e47 0d0a1a0a"), "begins with the bytes 89 50 4e 47 0d 0a 1a 0a."],
    [hex("01"), "begins with the bytes 01."],
  ])("%j", async (input, beginning) => {
    const { status, stdout, stderr } = await decode(["-"], input);
    expect(stdout).toBe("");
    const [looksLike = "", accepted = "", ...rest] = stderr.split("\n");
    expect(looksLike).toMatch(/^walwire: standard input holds no messages: it begins with /);
    expect(looksLike).toContain(beginning);
    expect(accepted).toMatch(/^Accepted: CopyData payloads, .{0,150}\(walwire help decode\)\.$/);
    expect(rest).toEqual([""]);
    expect(status).toBe(1);
  });

  test.each([["--proto", "1"], ["--physical"], ["--from", "client"], ["--proto", "2", "--stats"]])(
    "zeros without an end, read with %s %s, end after 100 errors",
    async (...options) => {
      const people = await decode([...options.filter(Boolean), "/dev/zero"]);
      expect(people.stdout).toContain("✘ stopped after 100 errors in a row: is it a stream of this kind?");
      expect(people.stdout).toContain("100 messages, 100 errors");
      expect(people.status).toBe(1);
      const lines = await objects(1, [...options.filter(Boolean), "--jsonl", "/dev/zero"]);
      expect(lines.filter((line) => "error" in line)).toHaveLength(100);
      expect(lines.some((line) => "stopped" in line)).toBe(true);
    },
  );

  test("zeros without an end, of which nothing is said, are a segment without WAL", async () => {
    const { status, stdout } = await decode(["/dev/zero"]);
    expect(stdout).toMatch(/^✘ BAD_VALUE at byte 0: it begins with zeros/);
    expect(status).toBe(1);
  });

  test("100 errors that are all there is end as they did, and a message between errors counts anew", async () => {
    const zeros = (count: number) => Array.from({ length: count }, () => new Uint8Array());
    const exactly = await decode(["-", "--physical"], file(zeros(100)));
    expect(exactly.stdout).not.toContain("stopped");
    const between = await decode(["-", "--physical"], file([...zeros(99), plain[0]!, ...zeros(99)]));
    expect(between.stdout).not.toContain("stopped");
    expect(between.stdout).toContain("199 messages, 198 errors");
  });

  test("nothing is no messages, and what is not there is said", async () => {
    expect(await objects(0, ["-", "--verify"], "")).toEqual([counts(0)]);
    for (const [path, reason] of [
      ["/no/such/file", ": no such file or directory"],
      [folder, " is a directory, expected a file: walwire wal reads the WAL of a directory"],
    ] as const) {
      const { status, stderr } = await decode([path]);
      expect(stderr).toBe(`walwire: ${path}${reason}\n`);
      expect(status).toBe(3);
    }
  });

  test("where bytes differ", () => {
    expect(firstDifference(hex("010203"), hex("010203"))).toBeUndefined();
    expect(firstDifference(hex("010203"), hex("010303"))).toBe(1);
    expect(firstDifference(hex("010203"), hex("0102"))).toBe(2);
  });
});

describe("as a stream", () => {
  test("memory does not grow with the file, and a line comes when its message has", async () => {
    const program = join(compiled.dist, "node/cli.js");
    const child = spawn(process.execPath, ["--max-old-space-size=48", program, "decode", "-", "--jsonl"]);
    const ended = once(child, "close");
    const lines = child.stdout.setEncoding("utf8")[Symbol.asyncIterator]();
    child.stdin.write(file(plain.slice(0, 1)));
    expect(JSON.parse((await lines.next()).value).message.type).toBe("Begin");
    child.stdin.write(file(plain.slice(1, 2)));
    // 100 MB.
    const block = file(Array.from({ length: 2000 }, () => sent(insert("1", "x".repeat(1000)))).flat());
    const blocks = 50;
    const writing = (async () => {
      for (let i = 0; i < blocks; i++) if (!child.stdin.write(block)) await once(child.stdin, "drain");
      child.stdin.end(file(plain.slice(3)));
    })();
    let newlines = 0;
    for (let piece = await lines.next(); !piece.done; piece = await lines.next()) {
      newlines += piece.value.split("\n").length - 1;
    }
    await writing;
    expect(await ended).toEqual([0, null]);
    expect(newlines).toBe(2000 * blocks + 2);
  });

  test("a FIFO without a writer is waited for, and named", async () => {
    const path = join(folder, "fifo");
    execFileSync("mkfifo", [path]);
    const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), "decode", path]);
    const ended = once(child, "close");
    const [note] = await once(child.stderr.setEncoding("utf8"), "data");
    expect(note).toBe(`walwire: ${path} is a FIFO: waiting for a program to write to it\n`);
    const printed = once(child.stdout.setEncoding("utf8"), "data");
    writeFileSync(path, file(plain));
    expect((await printed)[0]).toContain("Begin");
    expect(await ended).toEqual([0, null]);
  });

  test("a capture as the tests write it is read from a file too", async () => {
    const path = join(folder, "capture.bin.gz");
    writeCapture(path, plain);
    expect(await says(0, [path])).toBe(await says(0, ["-"], file(plain)));
  });
});

describe("calls", () => {
  test.each([
    [[], "missing FILE"],
    [["a", "b"], "expected one FILE, got 2"],
    [["-", "--proto", "5"], '--proto: expected 1, 2, 3 or 4, got "5"'],
    [["-", "--streaming", "yes"], '--streaming: expected off, on or parallel, got "yes"'],
    [["-", "--proto", "1", "--streaming", "on"], "--streaming on needs --proto 2"],
    [["-", "--proto", "3", "--streaming", "parallel"], "--streaming parallel needs --proto 4"],
    [["-", "--physical", "--proto", "1"], "--physical and --proto are mutually exclusive"],
    [["-", "--from", "x"], '--from: expected server or client, got "x"'],
    [["-", "--from", "client", "--proto", "1"], "--from client cannot be used with --proto and --streaming"],
    [["-", "--stats", "--changes"], "--changes and --stats are mutually exclusive"],
    [["-", "--server", "x"], '--server: unknown server version "x"'],
    [["-", "--verbose"], "unknown option --verbose"],
  ])("%j is wrong", async (args, sentence) => {
    const { status, stdout, stderr } = await decode(args);
    expect(stdout).toBe("");
    expect(stderr).toContain(`walwire decode: ${sentence}`);
    expect(stderr).toMatch(/^.*\nSee walwire decode --help\.\n$/);
    expect(status).toBe(2);
  });

  test("rows of a slot function have no envelope", async () => {
    const { status, stderr } = await decode(["-", "--physical"], "\\x45\n");
    expect(stderr).toContain(
      "--physical requires payloads of CopyData, and the file is text. Rows of an output plugin",
    );
    expect(status).toBe(2);
  });

  test.each(["--physical", "--from=client", "--proto=1"])(
    "with %s a file that is not a stream is named",
    async (option) => {
      const label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n";
      const { stdout, stderr } = await decode(["-", option], label);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/the file is backup_label\n|; without --proto, backup_label\.\n/);
      expect(stderr).not.toContain("rows of an output plugin");
    },
  );

  test("--help", async () => {
    expect(await says(0, ["--help"])).toContain("  walwire decode [OPTION]… FILE\n");
  });
});

describe("names that need quotes", () => {
  const odd = (namespace: string, name: string, column: string): PgoutputMessage =>
    ({
      ...relation(),
      namespace,
      name,
      columns: [{ key: true, name: column, typeId: 23, typeModifier: -1 }],
    }) as PgoutputMessage;
  const change = { type: "Insert", relationId: 16384, newTuple: TupleData.of(["1"]) } as PgoutputMessage;

  test.each([
    ["public", "t", "a_1", "public.t (a_1 int4 key)", "public.t a_1=1"],
    ["public", "t", "a b", 'public.t ("a b" int4 key)', 'public.t "a b"=1'],
    ["S", "my table", 'say "hi"=', '"S"."my table" ("say ""hi""=" int4 key)', '"S"."my table" "say ""hi""="=1'],
    ["s.1", "1a", "é", '"s.1"."1a" ("é" int4 key)', '"s.1"."1a" "é"=1'],
    ["public", "t", "", 'public.t ("" int4 key)', 'public.t ""=1'],
    ["public", "t", "\u001b[2J", 'public.t ("\\u001b[2J" int4 key)', 'public.t "\\u001b[2J"=1'],
  ])("%s.%s (%s)", async (namespace, name, column, described, changed) => {
    const stream = file(sent(begin, odd(namespace, name, column), change, commit));
    const output = await says(0, ["-"], stream);
    expect(output).toContain(` ${described}\n`);
    expect(output).toContain(` ${changed}\n`);
  });

  test("are quoted in the table of bytes too", async () => {
    const output = await says(0, ["-", "--stats"], file(sent(begin, odd("public", "my table", "a"), change, commit)));
    expect(output).toContain('public."my table"');
  });
});
