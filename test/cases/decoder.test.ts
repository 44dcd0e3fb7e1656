/** What a PgoutputDecoder says of messages that no server sends at that point, one case each, and what it does take. */
import { describe, expect, test } from "vitest";
import { checkCommand, parseCommand } from "../../src/command/index.ts";
import { encodePgoutputMessage } from "../../src/generated/logical.ts";
import { ArgumentError, ProtocolError } from "../../src/kernel/errors.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "../../src/logical/decoder.ts";
import { hex } from "../hex.ts";

const time = "000303e62782f6fd";
// What servers sent, shortened.
const begin = `42 0000000006034b78 ${time} 000002e7`;
const commit = `43 00 0000000006034b78 0000000006034ba8 ${time}`;
const relation = "52 0000400b 7075626c696300 7400 64 0002 01 696400 00000017 ffffffff 00 7600 00000019 ffffffff";
const type = "59 00004005 7075626c696300 6d6f6f6400";
const insert = "49 0000400b 4e 0002 74 00000001 32 6e";
const update = "55 0000400b 4b 0002 74 00000001 32 6e 4e 0002 74 00000001 33 6e";
const remove = "44 0000400b 4b 0002 74 00000001 33 6e";
const truncate = "54 00000002 03 0000400b 00004012";
const origin = "4f 0000000000aabbcc 6f3100";
const message = (transactional: boolean) => `4d ${transactional ? "01" : "00"} 0000000006036558 70667800 00000002 7478`;
const beginPrepare = `62 0000000006036608 0000000006036700 ${time} 000002f0 673100`;
const prepare = `50 00 0000000006036608 0000000006036700 ${time} 000002f0 673100`;
const commitPrepared = `4b 00 0000000006036700 0000000006036738 ${time} 000002f0 673100`;
const rollbackPrepared = `72 00 0000000006036870 00000000060368a8 ${time} ${time} 000002f1 673200`;
const firstBlock = "53 000002f4 01";
const block = "53 000002f4 00";
const stop = "45";
const streamedRelation = "52 000002f4 0000400b 7075626c696300 7400 64 0001 01 696400 00000017 ffffffff";
const streamCommit = `63 000002f4 00 00000000060d37c8 00000000060d3800 ${time}`;
const streamPrepare = `70 00 0000000006170390 0000000006170488 ${time} 000002f4 673300`;
const abort = "41 000002f4 000002f4";
const subAbort = "41 000002f4 000002f5";

const streaming: PgoutputDecoderOptions = { protocol: 2, streaming: "on" };

/** After the first messages, which are good, the last one is refused. */
const refused: readonly [sentence: string, options: PgoutputDecoderOptions, ...messages: string[]][] = [
  ["Insert can only come inside a transaction", {}, insert],
  ["Update can only come inside a transaction", {}, update],
  ["Delete can only come inside a transaction", {}, begin, relation, commit, remove],
  ["Truncate can only come inside a transaction", {}, truncate],
  ["Relation can only come inside a transaction", streaming, firstBlock, stop, relation],
  ["Type can only come inside a transaction", {}, type],
  ["a transactional Message can only come inside a transaction", {}, message(true)],
  ["a Message that is not transactional cannot come before the Commit of transaction 743", {}, begin, message(false)],
  ["a change names relation 16395, which no Relation message has announced", {}, begin, insert],
  ["a change names relation 16402, which no Relation message has announced", {}, begin, relation, truncate],
  ["a row of relation 16395 has 1 columns, but the relation 2", {}, begin, relation, "49 0000400b 4e 0001 6e"],
  ["a row of relation 16395 has 3 columns, but the relation 2", {}, begin, relation, "44 0000400b 4b 0003 6e6e6e"],
  [
    "a row of relation 16395 has 1 columns, but the relation 2",
    {},
    begin,
    relation,
    "55 0000400b 4b 0001 6e 4e 0002 6e 6e",
  ],
  ["Origin can only come right after a transaction has begun", {}, origin],
  ["Origin can only come right after a transaction has begun", {}, begin, origin, origin],
  ["Origin can only come right after a transaction has begun", {}, begin, relation, origin],
  ["Origin can only come right after a transaction has begun", streaming, firstBlock, stop, block, origin],
  ["Begin cannot come before the Commit of transaction 743", {}, begin, begin],
  ["BeginPrepare cannot come before the Commit of transaction 743", {}, begin, beginPrepare],
  ["Begin cannot come before the Prepare of transaction 752", {}, beginPrepare, begin],
  ["Begin cannot come before the StreamStop of transaction 756", streaming, firstBlock, begin],
  ["StreamStart cannot come before the StreamStop of transaction 756", streaming, firstBlock, block],
  ["StreamAbort cannot come before the StreamStop of transaction 756", streaming, firstBlock, subAbort],
  ["StreamCommit cannot come before the Commit of transaction 743", streaming, firstBlock, stop, begin, streamCommit],
  ["CommitPrepared cannot come before the Commit of transaction 743", {}, begin, commitPrepared],
  ["RollbackPrepared cannot come before the Prepare of transaction 752", {}, beginPrepare, rollbackPrepared],
  ["Commit without its beginning: nothing is open", {}, commit],
  ["Commit without its beginning: BeginPrepare is open", {}, beginPrepare, commit],
  ["Prepare without its beginning: Begin is open", {}, begin, prepare],
  ["StreamStop without its beginning: nothing is open", streaming, stop],
  ["StreamStop without its beginning: Begin is open", streaming, begin, stop],
  ["Commit names LSN 0/6034B79, but its Begin 0/6034B78", {}, begin, `43 00 0000000006034b79 0000000006034ba8 ${time}`],
  [
    "Prepare names LSN 0/1, but its BeginPrepare 0/6036608",
    {},
    beginPrepare,
    `50 00 0000000000000001 0000000006036700 ${time} 000002f0 673100`,
  ],
  ["StreamStart of 756: the first segment is not marked", streaming, block],
  ["StreamStart of 756: a later segment is marked as the first", streaming, firstBlock, stop, firstBlock],
  ["StreamCommit of 756, which was not streamed", streaming, streamCommit],
  ["StreamPrepare of 756, which was not streamed", streaming, streamPrepare],
  ["StreamAbort of 756, which was not streamed", streaming, abort],
  ["StreamCommit of 756, which was not streamed", streaming, firstBlock, stop, abort, streamCommit],
  ["StreamStart in a stream without streaming", { protocol: 2 }, firstBlock],
  ["StreamAbort in a stream without streaming", {}, abort],
];

/** The same with a limit of 1; these are LIMIT_EXCEEDED. */
const beyond: readonly [sentence: string, ...messages: string[]][] = [
  [
    "more than 1 relations, the limit that was set",
    begin,
    relation,
    relation,
    relation.replace("0000400b", "0000400c"),
  ],
  ["more than 1 types, the limit that was set", begin, type, type, type.replace("00004005", "00004006")],
  ["more than 1 streamed transactions, the limit that was set", firstBlock, stop, block, stop, "53 000002f5 01"],
];

function decodeAll(options: PgoutputDecoderOptions, messages: readonly string[]): [PgoutputDecoder, Uint8Array] {
  const decoder = new PgoutputDecoder(options);
  for (const each of messages.slice(0, -1)) decoder.decode(hex(each));
  return [decoder, hex(messages.at(-1)!)];
}

describe("PgoutputDecoder rejects", () => {
  test.each(refused)("%s", (sentence, options, ...messages) => {
    const [decoder, last] = decodeAll(options, messages);
    expect(() => decoder.decode(last)).toThrow(
      expect.objectContaining({ constructor: ProtocolError, code: "OUT_OF_ORDER", message: sentence }),
    );
  });

  test.each(beyond)("%s", (sentence, ...messages) => {
    const [decoder, last] = decodeAll({ ...streaming, limit: 1 }, messages);
    expect(() => decoder.decode(last)).toThrow(
      expect.objectContaining({ constructor: ProtocolError, code: "LIMIT_EXCEEDED", message: sentence }),
    );
  });

  test.each([
    [{ streaming: "on" }, 'options.protocol: expected 2 or more with streaming "on", got 1'],
    [{ protocol: 3, streaming: "parallel" }, 'options.protocol: expected 4 or more with streaming "parallel", got 3'],
    [{ protocol: 1, streaming: "PARALLEL" }, 'options.streaming: expected "off", "on" or "parallel", got "PARALLEL"'],
    [{ streaming: "bogus" }, 'options.streaming: expected "off", "on" or "parallel", got "bogus"'],
    [{ streaming: "toString" }, 'options.streaming: expected "off", "on" or "parallel", got "toString"'],
    [{ protocol: 9 }, "options.protocol: expected 1, 2, 3 or 4, got 9"],
    [{ limit: -1 }, "options.limit: expected a whole number from 0 on, or Infinity, got -1"],
    [{ limit: "1" }, 'options.limit: expected a whole number from 0 on, or Infinity, got "1"'],
    [{ memoryLimit: 0.5 }, "options.memoryLimit: expected a whole number from 0 on, or Infinity, got 0.5"],
    [{ Limit: 5 }, 'options: expected protocol, streaming, limit or memoryLimit, got "Limit"'],
    ["on", 'options: expected an object, got "on"'],
    [null, "options: expected an object, got null"],
  ])("the options %j", (options, message) => {
    expect(() => new PgoutputDecoder(options as never)).toThrow(
      expect.objectContaining({ constructor: ArgumentError, code: "BAD_ARGUMENT", message }),
    );
  });

  test.each([
    [undefined, "snapshot: expected an object, got undefined"],
    [
      { options: {}, open: undefined, originMayFollow: false, streamed: [], relations: {}, types: [] },
      "snapshot.relations: expected an array, got an object",
    ],
    [
      { options: {}, open: { type: "x" }, originMayFollow: false, streamed: [], relations: [], types: [] },
      'snapshot.open.type: expected "Begin", "BeginPrepare" or "StreamStart", got "x"',
    ],
  ])("the snapshot %j", (snapshot, message) => {
    expect(() => PgoutputDecoder.from(snapshot as never)).toThrow(
      expect.objectContaining({ constructor: ArgumentError, message }),
    );
  });

  test("rejects relations and types beyond the memory limit", () => {
    const decoder = new PgoutputDecoder({ memoryLimit: 2000 });
    decoder.decode(hex(begin));
    decoder.decode(hex(relation));
    const one = decoder.memory;
    decoder.decode(hex(relation));
    expect(decoder.memory).toBe(one);
    const wide = encodePgoutputMessage({
      ...{
        type: "Relation",
        relationId: 5,
        namespace: "",
        name: "x".repeat(2000),
        replicaIdentity: "full",
        columns: [],
      },
    });
    expect(() => decoder.decode(wide)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    expect(decoder.memory).toBe(one);
    expect(decoder.relations.size).toBe(1);
    decoder.reset();
    expect(decoder.memory).toBe(0);
  });
});

describe("PgoutputDecoder takes", () => {
  test("the protocol and streaming of a checked command, without a cast", () => {
    const options = "(proto_version '4', publication_names 'p', streaming 'parallel')";
    const checked = checkCommand(parseCommand(`START_REPLICATION SLOT s LOGICAL 0/0 ${options}`));
    if (checked?.type !== "PGOutputOptions") return expect.unreachable();
    const { protocol, streaming } = checked;
    expect(new PgoutputDecoder({ protocol, streaming }).snapshot().options).toMatchObject({ protocol: 4, streaming });
  });

  test.each<[string, PgoutputDecoderOptions, ...string[]]>([
    ["a transaction without changes, as servers up to 14 send it", {}, begin, commit],
    [
      "a row after its table has lost a column",
      {},
      begin,
      relation,
      insert,
      "52 0000400b 7075626c696300 7400 64 0000",
      "49 0000400b 4e 0000",
    ],
    ["a row of a table that another transaction announced", {}, begin, relation, commit, begin, insert, commit],
    [
      "a row of a table that a transaction announced that was rolled back",
      streaming,
      firstBlock,
      streamedRelation,
      stop,
      abort,
      begin,
      "49 0000400b 4e 0001 6e",
      commit,
    ],
    [
      "prepared transactions in protocol 1: the slot may send them",
      {},
      beginPrepare,
      origin,
      relation,
      insert,
      prepare,
      commitPrepared,
    ],
    ["a Prepare alone, as 18 sends it for a transaction without changes", {}, prepare, commitPrepared],
    ["the end of a transaction that was prepared before the stream began", {}, rollbackPrepared, commitPrepared],
    ["the abort of a subtransaction of which nothing came, as 18 sends it", streaming, subAbort, firstBlock],
    ["the same without streaming", {}, subAbort, begin, commit],
    [
      "a message that is not transactional, between blocks",
      streaming,
      firstBlock,
      stop,
      message(false),
      block,
      stop,
      streamCommit,
    ],
    [
      "an xid again whose transaction has ended",
      streaming,
      firstBlock,
      stop,
      streamPrepare,
      firstBlock,
      stop,
      abort,
      firstBlock,
    ],
    ["relations up to the limit, as often as they come", { limit: 1 }, begin, relation, relation, commit],
  ])("%s", (_, options, ...messages) => {
    const [decoder, last] = decodeAll(options, messages);
    expect(() => decoder.decode(last)).not.toThrow();
  });

  test("the newest announcement of a relation, and forgets it when a connection ends", () => {
    const decoder = new PgoutputDecoder();
    for (const each of [begin, relation, type]) decoder.decode(hex(each));
    decoder.decode(hex(relation.replace("7400", "7500")));
    expect(decoder.relation(0x400b).name).toBe("u");
    expect([...decoder.relations.keys(), ...decoder.types.keys()]).toEqual([0x400b, 0x4005]);
    expect(decoder.open).toEqual({ type: "Begin", xid: 743, lsn: 0x6034b78n });
    decoder.reset();
    expect([decoder.open, decoder.relations.size, decoder.types.size]).toEqual([undefined, 0, 0]);
    expect(() => decoder.relation(0x400b)).toThrow("which no Relation message has announced");
  });
});
