/** Inputs that broke walwire once, by kind: an arbitrary makes each of them soon. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as arbitraries from "../../src/arbitraries/index.ts";
import type { Relation } from "../../src/generated/logical.ts";
import { encodeBackendMessage } from "../../src/session/messages.ts";
import { type TupleData, unchanged } from "../../src/wire/tuple.ts";

/** One kind: among so many samples is one of it. */
interface Kind<T> {
  readonly kind: string;
  readonly from: fc.Arbitrary<T>;
  readonly is: (sample: T) => boolean;
  readonly within?: number;
}

const kinds: { readonly kind: string; readonly isMade: () => boolean }[] = [];

function made<T>({ kind, from, is, within = 1000 }: Kind<T>): void {
  const none = fc.property(from, (sample) => !is(sample));
  kinds.push({ kind, isMade: () => fc.check(none, { seed: 1, numRuns: within, endOnFailure: true }).failed });
}

// ---- Sessions ----

type Session = readonly arbitraries.SessionMessage[];

const session = arbitraries.walsenderSession({ server: 18 });
/** Do messages of these types follow each other? */
const follow =
  (...types: readonly string[]) =>
  (messages: Session): boolean =>
    messages.some((_, i) => types.every((type, j) => messages[i + j]?.message.type === type));

made({
  kind: "an error right behind the ReadyForQuery of the login",
  from: session,
  is: follow("BackendKeyData", "ReadyForQuery", "ErrorResponse"),
});
made({
  kind: "such a session in chunks that end inside of messages",
  from: session.chain((messages) =>
    arbitraries.splits(fc.constant(bytesOf(messages.filter(({ from }) => from === "walsender")))),
  ),
  is: (chunks) => chunks.length > 3,
});
made({ kind: "a notice when the server is idle", from: session, is: follow("ReadyForQuery", "NoticeResponse") });
made({
  kind: "two result sets of other columns in the answer to one query",
  from: session,
  is: follow("DataRow", "CommandComplete", "RowDescription", "CommandComplete"),
});
made({
  kind: "a server that shuts down when the client ends the stream",
  from: session,
  is: follow("CopyDone", "CommandComplete"),
});
made({
  kind: "an error that takes the place of a result",
  from: session,
  is: follow("DataRow", "ErrorResponse", "ReadyForQuery"),
});
made({
  kind: "a login that is rejected",
  from: session,
  is: (all) => all.at(-1)?.message.type === "ErrorResponse" && all.length < 9,
});
made({
  kind: "a password that is never asked for, and the extended query protocol",
  from: session,
  is: follow("Parse", "ErrorResponse", "Sync", "ReadyForQuery"),
});

/** The answer to a query. */
const answer = (
  [
    {
      type: "RowDescription",
      columns: [{ name: "a", tableId: 0, columnNumber: 0, typeId: 25, typeSize: -1, typeModifier: -1, format: "text" }],
    },
    { type: "DataRow", values: ["1"] },
    { type: "CommandComplete", tag: "SELECT 1" },
    { type: "ReadyForQuery", status: "I" },
  ] as const
).map((message) => encodeBackendMessage(message));
const tagged = (bytes: Uint8Array, tag: string): boolean => bytes[0] === tag.charCodeAt(0);
const hostile = arbitraries.damagedFrames(fc.constant(answer));
made({
  kind: "ReadyForQuery twice",
  from: hostile,
  is: (all) => all.some((each, i) => tagged(each, "Z") && each.length === 6 && i > 0 && tagged(all[i - 1]!, "Z")),
});
made({
  kind: "a transaction status that there is not",
  from: hostile,
  is: (all) =>
    all.some((each) => tagged(each, "Z") && each.length === 6 && !"ITE".includes(String.fromCharCode(each[5]!))),
});
made({
  kind: "ReadyForQuery without CommandComplete",
  from: hostile,
  is: (all) => all.some((each, i) => tagged(each, "Z") && i > 0 && tagged(all[i - 1]!, "D")),
});
made({
  kind: "a row before its columns",
  from: hostile,
  is: (all) => all.some((each, i) => tagged(each, "D") && tagged(all[i + 1] ?? each, "T")),
});
made({ kind: "a length less than 4", from: hostile, is: (all) => all.some((each) => lengthOf(each) < 4) });
made({ kind: "a length of 2 GB", from: hostile, is: (all) => all.some((each) => lengthOf(each) >= 0x7fffffff) });
made({
  kind: "a number of columns that does not fit",
  from: hostile,
  is: (all) => all.some((each) => tagged(each, "T") && each[5] === 0xff && each[6] === 0xff),
});
made({
  kind: "a message that is cut",
  from: hostile,
  is: (all) => all.length > 0 && lengthOf(all.at(-1)!) > all.at(-1)!.length - 1,
});
made({ kind: "another protocol", from: hostile, is: (all) => all.some((each) => each[0] === 0x16) });
made({
  kind: "an error without fields",
  from: arbitraries.backendMessage(),
  is: (message) => message.type === "ErrorResponse" && Object.keys(message.fields).length === 0,
});
made({
  kind: "an error without SQLSTATE",
  from: arbitraries.backendMessage(),
  is: (message) => message.type === "ErrorResponse" && message.fields.C === undefined,
});
made({
  kind: "a copy stream in binary format",
  from: arbitraries.backendMessage(),
  is: (message) => message.type === "CopyBothResponse" && message.format === "binary",
});
made({
  kind: "text that is not UTF-8",
  from: arbitraries.wireText(),
  is: (text) => /[\udc80-\udcff]/.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, "")),
});

function bytesOf(messages: Session): Uint8Array {
  return new Uint8Array(Buffer.concat(messages.map(({ bytes }) => bytes)));
}

function lengthOf(frame: Uint8Array): number {
  return frame.length < 5 ? 4 : new DataView(frame.buffer, frame.byteOffset).getUint32(1);
}

// ---- Logical streams and values ----

const streamed = arbitraries.pgoutputStream({ protocol: 4, streaming: "parallel", twoPhase: true, messages: true });
made({
  kind: "a streamed transaction without changes",
  from: streamed,
  is: (all) => all.some(({ type }, i) => type === "StreamStart" && all[i + 1]?.type === "StreamStop"),
});
made({
  kind: "a table of which only the modifier of a type has changed",
  from: streamed,
  is: (all) => {
    const relations = all.filter((each): each is Relation => each.type === "Relation" && each.xid === undefined);
    return relations.some((one, i) =>
      relations
        .slice(i + 1)
        .some((other) => one.relationId === other.relationId && differOnlyIn(one.columns, other.columns)),
    );
  },
});
made({
  kind: "a type with the name of another one",
  from: streamed,
  is: (all) => {
    const types = all.flatMap((each) => (each.type === "Type" ? [each] : []));
    return types.some((one) => types.some(({ name, typeId }) => name === one.name && typeId !== one.typeId));
  },
});
made({
  kind: "NULL in the whole old row where the new row has an unchanged value",
  from: streamed,
  is: (all) =>
    all.some(
      (each) =>
        each.type === "Update" &&
        each.oldTuple?.type === "full" &&
        nullAndUnchanged(each.oldTuple.tuple, each.newTuple),
    ),
});
made({
  kind: "a prepared transaction that is rolled back, and one that was prepared before",
  from: streamed,
  is: (all) => all.some(({ type }) => type === "RollbackPrepared"),
});
made({
  kind: "rolled-back subtransactions of streamed transactions",
  from: arbitraries.pgoutputHistory({ streaming: "on" }),
  is: ({ messages }) => messages.some(([tag]) => tag === "A".charCodeAt(0)),
  within: 50,
});
made({
  kind: "keepalives that ask for a reply",
  from: arbitraries.walSenderMessage(),
  is: (message) => message.type === "Keepalive" && message.replyRequested,
});
made({
  kind: "numerics of few bytes and thousands of digits",
  from: arbitraries.typeValue(1700),
  is: (value) => String(value).length > 1000,
});
made({
  kind: '"char" above 127',
  from: arbitraries.typeValue(18),
  is: (value) => String(value).charCodeAt(0) > 127 || String(value).startsWith("\\"),
});

function differOnlyIn(one: Relation["columns"], other: Relation["columns"]): boolean {
  const plain = (columns: Relation["columns"], modifier: boolean) =>
    JSON.stringify(columns.map(({ typeModifier, ...each }) => (modifier ? { ...each, typeModifier } : each)));
  return plain(one, false) === plain(other, false) && plain(one, true) !== plain(other, true);
}

function nullAndUnchanged(before: TupleData, after: TupleData): boolean {
  return Array.from({ length: after.length }, (_, i) => i).some(
    (i) => before.get(i) === null && after.get(i) === unchanged,
  );
}

// ---- Text ----

const command = arbitraries.commandText({ server: 18 });
made({
  kind: "a hyphen in a name without quotes",
  from: command,
  is: (text) => /search-demo/.test(text),
  within: 5000,
});
made({ kind: "a word that begins with a digit", from: command, is: (text) => /\s\d+[a-z]/.test(text) });
made({ kind: "a name of more than 63 bytes", from: command, is: (text) => /"[^"]{64,}"/.test(text), within: 5000 });
made({
  kind: "an option that older servers do not have",
  from: arbitraries.command({ server: 18 }),
  is: (each) =>
    "options" in each &&
    (each.options as readonly { defname?: string }[]).some(({ defname }) => defname === "failover"),
  within: 5000,
});
const names = arbitraries.synchronousStandbyNamesText();
made({ kind: "a list inside of quotes", from: names, is: (text) => /"(?:ANY|FIRST)? ?\d \(/.test(text) });
made({ kind: "names of letters that fold in other ways", from: names, is: (text) => /[ÉİK]/.test(text) });
made({
  kind: "a blank at the end of a quoted name",
  from: names,
  is: (text) => / "/.test(text) && /[^\s,("] "(?:[,\s)]|$)/.test(text),
});
made({ kind: "words that mean something elsewhere", from: names, is: (text) => /^(?:none|off|NULL|ALL)$/i.test(text) });
made({ kind: "a name with a glob", from: names, is: (text) => /[a-z]-?\*/.test(text) });
made({ kind: "a name with a dollar", from: names, is: (text) => /\w\$/.test(text) });
made({
  kind: "a number that is negative or has a point",
  from: names,
  is: (text) => /ANY (?:-\d|\d+\.\d)/i.test(text),
});
made({ kind: "a value that only blanks surround", from: names, is: (text) => /^\s+$/.test(text) });

const conf = arbitraries.confFiles().map((files) => Object.values(files).join("\n"));
made({ kind: "a long value of escapes", from: conf, is: (text) => /(?:\\101){900}/.test(text) });
made({ kind: "a byte order mark", from: conf, is: (text) => text.includes("\ufeff") });
made({ kind: "a no-break space before a parameter", from: conf, is: (text) => /\u00a0\w/.test(text) });
made({ kind: "a parameter that is nearly ours", from: conf, is: (text) => /synchronous_standby_name\b/.test(text) });
made({
  kind: "a parameter twice, in another case",
  from: conf,
  is: (text) => text.includes("synchronous_standby_names") && text.includes("Synchronous_Standby_Names"),
});
made({ kind: "include_if_exists of a directory", from: conf, is: (text) => text.includes("include_if_exists 'd'") });

// ---- Files ----

const history = arbitraries.timeLineHistoryText();
made({ kind: "repeated timelines", from: history, is: (text) => /(?:^|\n)\s*(\d+)\s.*\n\s*\1\s/.test(text) });
made({ kind: "NUL in a history", from: history, is: (text) => text.includes("\0") });
made({ kind: "NUL in a manifest", from: arbitraries.backupManifestText(), is: (bytes) => bytes.includes(0) });
made({
  kind: "positions of a history that go back",
  from: arbitraries.timeLineHistory(),
  is: (all) => all.some(({ begin, end }) => end !== 0n && end < begin),
});
made({
  kind: "an unknown line behind START TIMELINE in backup_label",
  from: arbitraries.backupLabelText(),
  is: (text) => /START TIMELINE: 1\n(?!INCREMENTAL)[^\n]+\n/.test(text),
});
made({
  kind: "an archive that is cut in its second file",
  from: arbitraries.damaged(arbitraries.backupArchive()),
  is: (bytes) => bytes.length > 1600 && bytes.length % 512 !== 0,
});
made({
  kind: "a checksum of a slot that is wrong",
  from: arbitraries.damaged(arbitraries.slotState({ server: 17 })),
  is: (bytes) => bytes.length === 200 && bytes[0] === 0xa1,
});
const wal = arbitraries.walStream({ server: 18 });
made({
  kind: "WAL of an unknown version",
  from: arbitraries.damaged(wal.map(({ bytes }) => bytes)),
  is: (bytes) => bytes[1] !== 0xd1 && bytes.length > 24,
});
made({
  kind: "a first page without its long header",
  from: wal,
  is: ({ bytes }) => bytes.length > 24 && ((bytes[2] ?? 0) & 2) === 0,
});
made({
  kind: "a page at a position that is no page's",
  from: arbitraries.damaged(wal.map(({ bytes }) => bytes)),
  is: (bytes) => bytes.length > 24 && (bytes[8]! & 7) !== 0,
});
made({
  kind: "pages of zeros behind the end of WAL",
  from: wal,
  is: ({ bytes }) => bytes.length >= 2048 && bytes.subarray(-1024).every((byte) => byte === 0),
});

describe("makes", () => {
  test.each(kinds)("$kind", ({ isMade }) => {
    expect(isMade()).toBe(true);
  });
});
