/**
 * Sessions that do no harm to a server that keeps PostgreSQL's rules, and as little as possible to one that does not:
 *
 * - Commands of the grammar are sent in a transaction that has failed: a server parses them, and then answers 25P02 whatever they say. Text
 *   that could end the transaction is not sent.
 * - Elsewhere come only commands that read, commands on slots that do not exist, and commands that are refused before anything is done.
 *   Slots in them are temporary.
 * - Streams of WAL are without a slot, from the end of WAL; streams of changes are of temporary slots. Their feedback has no xmin, and
 *   positions that no commit waits for: nothing is kept, no commit is released.
 */
import fc from "fast-check";
import { checkedCommand, startLogical, streamed } from "../../../../arbitraries/checked-command.ts";
import { commandText } from "../../../../arbitraries/index.ts";
import { testDecodingOptions } from "../../../../arbitraries/test-decoding.ts";
import { commandCapabilities } from "../../../../command/capabilities.ts";
import { judgeCommand } from "../../../../command/judge.ts";
import { keywords } from "../../../../command/keywords.ts";
import { encodeWalReceiverMessage, type WalReceiverMessage } from "../../../../generated/physical.ts";
import { invalidLsn, type Lsn, toLsn } from "../../../../kernel/lsn.ts";
import { toPgTime } from "../../../../kernel/time.ts";
import { physicalCapabilities } from "../../../../physical/capabilities.ts";
import { sessionCapabilities } from "../../../../session/capabilities.ts";
import { encodeFrontendMessage, type FrontendMessage } from "../../../../session/messages.ts";
import { readStartup } from "../../../../session/server/startup.ts";
import { encodeFrame } from "../../../../wire/framer.ts";
import { quoteBytes, quoteText } from "../../../../wire/trace.ts";
import type { LogicalStream } from "./compare.ts";
import type { Login, Session, Step } from "./steps.ts";

/** Sessions with a server of this version. @param startup Also first packets that are refused before the login. */
export function attackSession(server: number, { startup }: { readonly startup: boolean }): fc.Arbitrary<Session> {
  return fc.oneof(
    { weight: 5, arbitrary: commandSession(server) },
    { weight: 4, arbitrary: mixedSession(server) },
    { weight: 3, arbitrary: streamSession(server) },
    { weight: 3, arbitrary: changesSession(server) },
    ...(startup ? [{ weight: 1, arbitrary: startupSession(server) }] : []),
  );
}

const send = (message: FrontendMessage, shown: string = message.type): Step => ({
  type: "send",
  bytes: encodeFrontendMessage(message),
  shown,
});
const query = (text: string): Step => send({ type: "Query", query: text }, `Query ${quoteText(text, 2000)}`);
const sendBytes = (type: string, body: Uint8Array): Step => ({
  type: "send",
  bytes: encodeFrame(type, body),
  shown: `${quoteText(type)} ${quoteBytes(body)}`,
});
const terminate = send({ type: "Terminate" });
const close: Step = { type: "close" };
const end: readonly Step[] = [terminate, close];
const nothing = new Uint8Array(0);
const utf8 = new TextEncoder();

// ---- Commands in a transaction that has failed ----

/** White space and the first word of a command of any version: what begins so is never SQL that could run. */
const keywordFirst = new RegExp(
  `^[ \\t\\n\\r\\f\\v]*(?:${[...keywords].flatMap(([word, { command }]) => (command ? [word] : [])).join("|")})`,
);

/** A timeline that no server has. */
const noTimeline = "TIMELINE_HISTORY 777777777";

function commandSession(server: number): fc.Arbitrary<Session> {
  const quotesLeak = !commandCapabilities.supports(server, "firstTokenRule");
  const text = fc.oneof(commandText({ server }), checkedCommand(server)).filter((each) => {
    if (!keywordFirst.test(each)) return false;
    // Such a server scans the next text from inside a quote that was left open.
    if (quotesLeak && mayLeaveQuoteOpen(each)) return false;
    return judgeCommand(each, { server }).type !== "sql";
  });
  return fc.array(text, { minLength: 1, maxLength: 6 }).map((texts) => ({
    login: "database",
    steps: [
      query("BEGIN"),
      { type: "ready", status: "T" },
      query(noTimeline),
      { type: "ready", status: "E" },
      ...texts.flatMap((each): Step[] => [query(each), { type: "ready", status: "E" }]),
      ...end,
    ],
  }));
}

function mayLeaveQuoteOpen(text: string): boolean {
  const [single, double] = [text.split("'").length - 1, text.split('"').length - 1];
  return (single > 0 && double > 0) || (single + double) % 2 === 1;
}

// ---- Commands that do nothing, between messages in any order ----

const fixed = [
  ...["IDENTIFY_SYSTEM", "SHOW server_version", "SHOW DATESTYLE", "SHOW walwire_nope", "SHOW walwire.nope", noTimeline],
  ...["DROP_REPLICATION_SLOT walwire_nope", "DROP_REPLICATION_SLOT walwire_nope WAIT", "", " ; "],
  // Rejected for its name.
  'CREATE_REPLICATION_SLOT "walwire-nope" TEMPORARY PHYSICAL',
  "START_REPLICATION SLOT walwire_nope 0/1000000",
  "START_REPLICATION SLOT walwire_nope LOGICAL 0/0 (proto_version '1', publication_names 'a')",
];
const inDatabase = ["BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION READ ONLY", "END", "ABORT"];

/** Outside of a stream each of these is ignored, or refused by its type. */
const otherTypes = "dcfPBDECFHS";

/** Is it refused before it does anything, and would it do no lasting harm where it is not? */
function isRefused(text: string, server: number, database: boolean): boolean {
  // Only the server knows whether summarize_wal is on, and which libraries it is built with.
  if (/incremental|zstd|lz4/i.test(text)) return false;
  // Without a database a server knows no encoding.
  if (!database && /[^\x00-\x7f]/.test(text)) return false;
  const verdict = judgeCommand(text, { server, database });
  if (verdict.type !== "refused" || verdict.stage !== "check") return false;
  if (/^\s*CREATE/.test(text)) return /\bTEMPORARY\b/.test(text);
  return !/^\s*ALTER/.test(text) || /\bcheck_/.test(text);
}

function mixedSession(server: number): fc.Arbitrary<Session> {
  return fc.constantFrom<Login>("database", "true").chain((login) => {
    const database = login === "database";
    const texts = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...fixed, ...(database ? inDatabase : ["SELECT 1", "BEGIN"])) },
      { weight: 4, arbitrary: checkedCommand(server).filter((text) => isRefused(text, server, database)) },
    );
    const message = fc.oneof(
      { weight: 6, arbitrary: texts.map(query) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom(...otherTypes), fc.oneof(fc.constant(nothing), fc.uint8Array({ maxLength: 6 })))
          .map(([type, body]) => sendBytes(type, body)),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom("", "A", "SHOW a", "SHOW a\0b").map((text) => sendBytes("Q", utf8.encode(text))),
      },
    );
    const cut = (bytes: readonly number[], shown: string): readonly Step[] => [
      { type: "send", bytes: Uint8Array.from(bytes), shown },
      close,
    ];
    const last = fc.constantFrom<readonly Step[]>(
      ...[end, end, end, end],
      ...["p", "!", "\0"].map((type) => cut([type.charCodeAt(0), 0, 0, 0, 4], `a message of type ${quoteText(type)}`)),
      cut([0x51, 0, 0, 0, 0], "Query with the length 0"),
      cut([0x51, 0, 0, 0, 3], "Query with the length 3"),
      cut([0x51, 0, 0, 0, 0x20, 0x41, 0x41, 0x41], "Query of which the end is missing"),
      cut([0x53], "the type of a message, and nothing else"),
    );
    return fc
      .tuple(fc.array(message, { maxLength: 8 }), last)
      .map(([messages, ending]) => ({ login, steps: [...messages, ...ending] }));
  });
}

// ---- Streams ----

function feedback(message: WalReceiverMessage, shown: string): Step {
  return send({ type: "CopyData", data: encodeWalReceiverMessage(message) }, shown);
}

const time = toPgTime(0n);
const none = { write: invalidLsn, flush: invalidLsn, apply: invalidLsn, clientTime: time };
const update = feedback(
  { type: "StandbyStatusUpdate", ...none, replyRequested: false },
  "StandbyStatusUpdate without positions",
);
const ping: readonly Step[] = [
  feedback({ type: "StandbyStatusUpdate", ...none, replyRequested: true }, "StandbyStatusUpdate that asks for a reply"),
  { type: "until", message: "Keepalive" },
];

/** Any positions, in any order, all of them before the WAL of every server. */
const positions = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .map((all): readonly Step[] => {
    const [write, flush, apply] = all.map((each) => toLsn(BigInt(each))) as [Lsn, Lsn, Lsn];
    const message = {
      type: "StandbyStatusUpdate",
      write,
      flush,
      apply,
      clientTime: time,
      replyRequested: false,
    } as const;
    return [feedback(message, `StandbyStatusUpdate write ${write} flush ${flush} apply ${apply}`)];
  });

/** What a receiver says in a stream, and how it ends. */
function talkInStream(server: number): fc.Arbitrary<readonly Step[]> {
  const hot: WalReceiverMessage = {
    type: "HotStandbyFeedback",
    ...{ clientTime: time, xmin: 0, xminEpoch: 0 },
    ...(physicalCapabilities.supports(server, "feedbackCatalogXmin") ? { catalogXmin: 0, catalogXminEpoch: 0 } : {}),
  } as WalReceiverMessage;
  const act = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(ping, [update], [feedback(hot, "HotStandbyFeedback without xmin")]) },
    { weight: 2, arbitrary: positions },
  );
  const done: readonly Step[] = [
    send({ type: "CopyDone" }),
    { type: "ready", status: "I" },
    query("IDENTIFY_SYSTEM"),
    { type: "ready", status: "I" },
    ...end,
  ];
  const fault = (...steps: readonly Step[]): readonly Step[] => [...steps, close];
  const last = fc.oneof(
    { weight: 4, arbitrary: fc.constant(done) },
    {
      weight: 5,
      arbitrary: fc.constantFrom<readonly Step[]>(
        end,
        fault(send({ type: "CopyFail", message: "no" })),
        fault(query("IDENTIFY_SYSTEM")),
        fault(send({ type: "Sync" })),
        fault(sendBytes("d", nothing)),
        fault(sendBytes("d", utf8.encode("?"))),
        fault(sendBytes("d", utf8.encode("r"))),
        fault(sendBytes("d", Uint8Array.of(0x72, 0, 0, 0, 0))),
        fault(sendBytes("d", Uint8Array.of(0x68, 0, 0))),
        fault({ type: "send", bytes: Uint8Array.of(0x21, 0, 0, 0, 4), shown: "a message of type !" }),
        fault({ type: "send", bytes: Uint8Array.of(0x64, 0, 0, 0, 3), shown: "CopyData with the length 3" }),
      ),
    },
  );
  return fc.tuple(fc.array(act, { maxLength: 5 }), last).map(([acts, ending]) => [...acts.flat(), ...ending]);
}

function streamSession(server: number): fc.Arbitrary<Session> {
  return fc.tuple(fc.constantFrom<Login>("true", "database"), talkInStream(server)).map(([login, talk]) => ({
    login,
    steps: [
      query("IDENTIFY_SYSTEM"),
      { type: "ready", status: "I" },
      { type: "start" },
      { type: "until", message: "CopyBothResponse" },
      ...talk,
    ],
  }));
}

// ---- Streams of changes ----

/** The output plugins that every server has. */
export const plugins: readonly string[] = ["pgoutput", "test_decoding"];

function changesSession(server: number): fc.Arbitrary<Session> {
  const has = commandCapabilities.of(server);
  const legacy = ["", " NOEXPORT_SNAPSHOT", " EXPORT_SNAPSHOT", " USE_SNAPSHOT"];
  const generic = [" (SNAPSHOT 'nothing')", " (SNAPSHOT 'export', TWO_PHASE)", " (TWO_PHASE false)"];
  const endings = fc.constantFrom(
    ...legacy,
    ...(has.genericOptions ? generic : []),
    ...(has.failoverSlots ? [" (FAILOVER)", " (FAILOVER false, SNAPSHOT 'nothing')"] : []),
  );
  const flag = fc.constantFrom("", " '0'", " 'on'", " 'of'", " 'maybe'", " ''");
  const name = fc.constantFrom(...testDecodingOptions(server), "nope", "include-Xids");
  const option = fc.tuple(name, flag).map(([name, value]) => `"${name}"${value}`);
  const ofTestDecoding = fc
    .array(option, { maxLength: 3 })
    .map((list) => `START_REPLICATION SLOT $slot LOGICAL 0/0${list.length > 0 ? ` (${list.join(", ")})` : ""}`);
  const ofPgoutput = fc.oneof(
    fc.constant("START_REPLICATION SLOT $slot LOGICAL 0/1 (proto_version '1', publication_names 'walwire_fuzz')"),
    startLogical(server).map((text) => text.replace(`SLOT ${streamed} `, "SLOT $slot ")),
  );
  const made: Step = { type: "made" };
  const of = (query: string): Step => ({ type: "slot", query });
  const create = fc
    .tuple(fc.constantFrom(...plugins, ...plugins, ...plugins, "walwire_nope"), endings)
    .map(
      ([plugin, ending]) => [plugin, of(`CREATE_REPLICATION_SLOT $slot TEMPORARY LOGICAL ${plugin}${ending}`)] as const,
    );
  const drop: readonly Step[] = [of("DROP_REPLICATION_SLOT $slot"), { type: "ready", status: "I" }];
  const between = fc.oneof(
    { weight: 4, arbitrary: fc.constant<readonly Step[]>([]) },
    { weight: 1, arbitrary: fc.constant<readonly Step[]>([query("IDENTIFY_SYSTEM"), { type: "ready", status: "I" }]) },
    {
      weight: 1,
      arbitrary: fc.constant<readonly Step[]>([of("CREATE_REPLICATION_SLOT $slot TEMPORARY LOGICAL pgoutput"), made]),
    },
    { weight: 3, arbitrary: fc.constant(drop) },
  );
  return fc
    .tuple(create, between, ofPgoutput, ofTestDecoding, talkInStream(server))
    .map(([[plugin, step], before, one, other, talk]) => ({
      login: "database",
      steps: [
        step,
        made,
        ...before,
        of(plugin === "test_decoding" ? other : one),
        { type: "until", message: "CopyBothResponse" },
        ...talk,
      ],
    }));
}

/** The stream of changes that a session asks for. */
export function streamOf({ steps }: Session, server: number): LogicalStream | undefined {
  const queries = steps.flatMap((step) =>
    step.type === "slot" ? [step.query.replaceAll("$slot", "walwire_fuzz")] : [],
  );
  const plugin = / LOGICAL (\w+)/.exec(queries[0] ?? "")?.[1];
  const start = queries.find((text) => text.startsWith("START_REPLICATION"));
  if (start === undefined) return undefined;
  if (plugin !== "pgoutput") return "text";
  const verdict = judgeCommand(start, { server });
  if (verdict.type !== "command" || verdict.options?.type !== "PGOutputOptions") return "text";
  const { protocol, streaming } = verdict.options;
  return { protocol, streaming };
}

// ---- First packets ----

function startupSession(server: number): fc.Arbitrary<Session> {
  // Protocol 2 is not played for servers that speak it.
  const two = sessionCapabilities.supports(server, "protocolTwoIsGone") ? [0x20000] : [];
  const version = fc.constantFrom(...two, 0x30000, 0x30001, 0x30002, 0x40000, 0x31234, 0, 0xffffffff, 80877100);
  const name = fc.constantFrom("user", "database", "replication", "_pq_.x", "options");
  const value = fc.constantFrom("postgres", "", "database", "true", "maybe", "é");
  const packet = fc
    .tuple(version, fc.array(fc.tuple(name, value), { maxLength: 4 }), fc.constantFrom("\0", "", "\0\0", "x"))
    .map(([number, parameters, ending]) => {
      const text = utf8.encode(parameters.map((pair) => pair.map((each) => `${each}\0`).join("")).join("") + ending);
      const body = new Uint8Array(4 + text.length);
      new DataView(body.buffer).setUint32(0, number);
      body.set(text, 4);
      return body;
    });
  return packet
    .filter((body) => readStartup(body, { server, sslDone: false, gssDone: false }).type === "refused")
    .map((body) => {
      const bytes = new Uint8Array(4 + body.length);
      new DataView(bytes.buffer).setUint32(0, bytes.length);
      bytes.set(body, 4);
      return { login: "none", steps: [{ type: "send", bytes, shown: `first packet ${quoteBytes(body)}` }, close] };
    });
}
