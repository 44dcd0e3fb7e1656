/** Laws of the two ends of a walsender connection: whatever both may send, in whatever order it arrives, neither rejects. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { command } from "../../src/arbitraries/index.ts";
import { type Command, commandAnswer, printCommand } from "../../src/command/index.ts";
import { DecodeError, ProtocolError, StateError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { type Server, serverVersionNum } from "../../src/kernel/version.ts";
import type { Conversation, ConversationState, Role, Sent } from "../../src/session/conversation.ts";
import { Recorder, replay } from "../../src/session/log.ts";
import { encodeBackendMessage, encodeStartupPacket } from "../../src/session/messages.ts";
import { tagsOf } from "../../src/session/tags.ts";
import { WalReceiver } from "../../src/session/walreceiver.ts";
import { WalSender } from "../../src/session/walsender.ts";
import { encodeFrame } from "../../src/wire/framer.ts";
import { hex } from "../hex.ts";
import { seed, times } from "../seed.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const bytes = hex("01 02");
const column = { name: "a", tableId: 0, columnNumber: 0, typeId: 25, typeSize: -1, typeModifier: -1 } as const;
const noColumns = { format: "text", columnFormats: [] } as const;

/** One message of each type, and of each that leads elsewhere: a type without one does not compile. */
const ofClient: { readonly [T in Sent["walreceiver"]["type"]]: Extract<Sent["walreceiver"], { type: T }> } = {
  StartupMessage: { type: "StartupMessage", protocolMajor: 3, protocolMinor: 2, parameters: [["user", "a"]] },
  SSLRequest: { type: "SSLRequest" },
  GSSENCRequest: { type: "GSSENCRequest" },
  CancelRequest: { type: "CancelRequest", processId: 1, secretKey: bytes },
  PasswordMessage: { type: "PasswordMessage", data: bytes },
  Query: { type: "Query", query: "IDENTIFY_SYSTEM" },
  CopyData: { type: "CopyData", data: bytes },
  CopyDone: { type: "CopyDone" },
  CopyFail: { type: "CopyFail", message: "a" },
  Flush: { type: "Flush" },
  Sync: { type: "Sync" },
  Terminate: { type: "Terminate" },
  Parse: { type: "Parse", body: bytes },
  Bind: { type: "Bind", body: bytes },
  Describe: { type: "Describe", body: bytes },
  Execute: { type: "Execute", body: bytes },
  Close: { type: "Close", body: bytes },
  FunctionCall: { type: "FunctionCall", body: bytes },
};
const ofServer: { readonly [T in Sent["walsender"]["type"]]: Extract<Sent["walsender"], { type: T }> } = {
  EncryptionResponse: { type: "EncryptionResponse", accepted: true },
  Authentication: { type: "Authentication", method: "Ok", mechanisms: [], data: hex("") },
  BackendKeyData: { type: "BackendKeyData", processId: 1, secretKey: bytes },
  NegotiateProtocolVersion: { type: "NegotiateProtocolVersion", newestMinor: 0, options: ["_pq_.a"] },
  ParameterStatus: { type: "ParameterStatus", name: "a", value: "b" },
  NoticeResponse: { type: "NoticeResponse", fields: { M: "a" } },
  NotificationResponse: { type: "NotificationResponse", processId: 1, channel: "a", payload: "" },
  ReadyForQuery: { type: "ReadyForQuery", status: "I" },
  RowDescription: { type: "RowDescription", columns: [{ ...column, format: "text" }] },
  DataRow: { type: "DataRow", values: ["1"] },
  CommandComplete: { type: "CommandComplete", tag: "SHOW" },
  EmptyQueryResponse: { type: "EmptyQueryResponse" },
  ErrorResponse: { type: "ErrorResponse", fields: { C: "XX000" } },
  CopyInResponse: { type: "CopyInResponse", ...noColumns },
  CopyOutResponse: { type: "CopyOutResponse", ...noColumns },
  CopyBothResponse: { type: "CopyBothResponse", ...noColumns },
  CopyData: { type: "CopyData", data: bytes },
  CopyDone: { type: "CopyDone" },
};
const clientMessages = Object.values(ofClient) as Sent["walreceiver"][];
const serverMessages: Sent["walsender"][] = [
  ...Object.values(ofServer),
  { type: "EncryptionResponse", accepted: false },
  { type: "Authentication", method: "SASL", mechanisms: ["SCRAM-SHA-256"], data: hex("") },
  { type: "Authentication", method: "SASLContinue", mechanisms: [], data: bytes },
  { type: "Authentication", method: "SASLFinal", mechanisms: [], data: bytes },
];

/** The bytes on their way to one end. */
class Way<R extends Role> {
  readonly #to: Conversation<R>;
  readonly received: string[] = [];
  readonly sent: string[] = [];
  #bytes: Uint8Array = hex("");

  constructor(to: Conversation<R>) {
    this.#to = to;
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  put(type: string, frame: Uint8Array): void {
    this.sent.push(type);
    const all = new Uint8Array(this.#bytes.length + frame.length);
    all.set(this.#bytes);
    all.set(frame, this.#bytes.length);
    this.#bytes = all;
  }

  deliver(count: number): void {
    this.#to.receive(this.#bytes.slice(0, count));
    this.#bytes = this.#bytes.slice(count);
    this.read();
  }

  read(): void {
    for (let message = this.#to.next(); message !== undefined; message = this.#to.next()) {
      this.received.push((message as { type: string }).type);
    }
  }
}

/** Send a message if it may be sent now. Otherwise nothing changes. */
function trySend<R extends Role>(
  from: Conversation<R>,
  message: Sent[R],
  way: { put(type: string, frame: Uint8Array): void },
) {
  const { state } = from;
  try {
    way.put((message as { type: string }).type, from.send(message));
  } catch (error) {
    expect(error).toBeInstanceOf(StateError);
    expect(from.state).toBe(state);
  }
}

type Step = readonly ["client", number] | readonly ["server", number] | readonly ["deliver", boolean, number];

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant("client" as const), fc.nat(clientMessages.length - 1)) },
    { weight: 5, arbitrary: fc.tuple(fc.constant("server" as const), fc.nat(serverMessages.length - 1)) },
    { weight: 4, arbitrary: fc.tuple(fc.constant("deliver" as const), fc.boolean(), fc.integer({ min: 1, max: 60 })) },
  ),
  { minLength: 1, maxLength: 150, size: "max" },
);

/** Let two ends talk. Returns every state that the server was in. */
function talk(
  from: "startup" | "idle",
  all: readonly Step[],
  client = new WalReceiver({ from }),
  server = new WalSender({ from }),
): Set<ConversationState> {
  const up = new Way(server);
  const down = new Way(client);
  const states = new Set<ConversationState>();
  for (const step of all) {
    if (step[0] === "client") {
      const message = clientMessages[step[1]]!;
      // Terminate ends the walk: once is enough, and not at once.
      if (message.type !== "Terminate") trySend(client, message, up);
    } else if (step[0] === "server") {
      trySend(server, serverMessages[step[1]]!, down);
      up.read();
    } else if (step[1]) up.deliver(step[2]);
    else down.deliver(step[2]);
    states.add(server.state);
  }
  while (!up.isEmpty || !down.isEmpty) {
    up.deliver(1);
    down.deliver(1);
  }
  expect(down.received).toEqual(down.sent);
  return states;
}

describe("two ends", () => {
  law(
    "whatever both may send, in whatever pieces and order it arrives, neither rejects",
    fc.property(fc.constantFrom("startup" as const, "idle" as const), steps, (from, all) => {
      talk(from, all);
    }),
  );

  law(
    "a log of both repeats what they did, and a line that was changed is named",
    fc.property(fc.constantFrom("startup" as const, "idle" as const), steps, fc.nat(), (from, all, pick) => {
      const log: string[] = [];
      const recorder = new Recorder({ write: (line) => log.push(line) });
      talk(from, all, recorder.create("WalReceiver", { from }), recorder.create("WalSender", { from }));
      expect(replay(log)).toBeUndefined();
      const line = 2 + (pick % (log.length - 2));
      const changed = { ...JSON.parse(log[line]!), state: "failing" };
      expect(replay(log.with(line, JSON.stringify(changed)))?.line).toBe(line + 1);
    }),
    500,
  );

  test("such walks reach every state", () => {
    const reached = new Set<ConversationState>();
    const walks = fc.sample(fc.tuple(fc.constantFrom("startup" as const, "idle" as const), steps), {
      numRuns: 1500,
      seed: 1,
    });
    for (const [from, all] of walks) for (const state of talk(from, all)) reached.add(state);
    expect([...reached].sort()).toEqual(
      [
        "authentication",
        "busy",
        "clientDone",
        "closed",
        "copyIn",
        "copyOut",
        "encryption",
        "ending",
        "failed",
        "forbidden",
        "idle",
        "proof",
        "serverDone",
        "shutdown",
        "skipping",
        "starting",
        "startup",
        "streaming",
        "syncing",
      ].sort(),
    );
  });
});

describe("tags of commands", () => {
  const tagsIn = (each: Command, server: number): readonly string[] | undefined =>
    commandAnswer(each, { server })?.flatMap((step) => (step.type === "CommandComplete" ? [step.tag] : []));

  test.each(versionsWith("replicationSlots"))("%i: the first words of a command tell them", (server) => {
    fc.assert(
      fc.property(command({ server }), (each) => {
        expect(tagsOf(printCommand(each, { server, from: server }), server)).toEqual(tagsIn(each, server));
      }),
      { seed, numRuns: Math.ceil(300 * times) },
    );
  });

  test.each(["select 1", "identify_system", '"SHOW" a', "SHOWN", "SHOW$", "", ";", "/**/ SHOW a"])(
    "nothing is known of %j",
    (query) => {
      expect(tagsOf(query, serverVersionNum(18))).toBeUndefined();
    },
  );

  test.each(["\u00a0", "\ufeff", "\u2003"])("blanks of Unicode are letters of names: %j", (blank) => {
    for (const slot of [blank, `"${blank}"`, `"a""${blank}"`]) {
      const query = `START_REPLICATION SLOT ${slot} LOGICAL 0/0`;
      expect(tagsOf(query, serverVersionNum("9.4"))).toEqual(["COPY 0", "SELECT"]);
    }
  });

  function asked(query: string, server: Server): { receiver: WalReceiver; sender: WalSender } {
    const [receiver, sender] = [new WalReceiver({ server }), new WalSender({ server })];
    sender.receive(receiver.send({ type: "Query", query }));
    sender.next();
    return { receiver, sender };
  }

  test.each([
    [18, "DROP_REPLICATION_SLOT s", ["DROP_REPLICATION_SLOT"], "SELECT"],
    [12, "DROP_REPLICATION_SLOT s", ["DROP_REPLICATION_SLOT", "SELECT"], "SELECT"],
    ["13.0", "IDENTIFY_SYSTEM", ["IDENTIFY_SYSTEM"], "SHOW"],
  ] as const)("%s: the answer to %s", (server, query, tags, wrong) => {
    const { receiver, sender } = asked(query, server);
    for (const tag of tags) {
      expect(() => sender.send(complete(`${tag}S`))).toThrow(
        `CommandComplete "${tag}S" where PostgreSQL says "${tag}"`,
      );
      expect(() => sender.send(ofServer.ReadyForQuery)).toThrow(StateError);
      receiver.receive(sender.send(complete(tag)));
      receiver.next();
    }
    expect(() => sender.send(complete(wrong))).toThrow("after the answer");
    receiver.receive(encodeBackendMessage(complete(wrong)));
    expect(() => receiver.next()).toThrow(ProtocolError);
  });

  test("a stream that a shutdown ends says COPY 0", () => {
    const { sender } = asked("START_REPLICATION 0/0", 18);
    sender.send(ofServer.CopyBothResponse);
    expect(() => sender.send(complete("START_STREAMING"))).toThrow(StateError);
    sender.send(complete("COPY 0"));
    expect(sender.state).toBe("shutdown");
  });

  test("an error takes the place of any tag", () => {
    const { sender } = asked("TIMELINE_HISTORY 2", 18);
    sender.send(ofServer.ErrorResponse);
    sender.send(ofServer.ReadyForQuery);
    expect(sender.state).toBe("idle");
  });
});

describe("Sync and the extended query protocol", () => {
  const frames = (...tags: string[]): Uint8Array =>
    Uint8Array.from(tags.flatMap((tag) => [...encodeFrame(tag, tag === "Q" ? hex("61 00") : hex(""))]));

  test("ReadyForQuery alone answers Sync", () => {
    const [receiver, sender] = [new WalReceiver({ server: 18 }), new WalSender({ server: 18 })];
    sender.receive(receiver.send({ type: "Sync" }));
    expect([receiver.state, sender.next(), sender.state]).toEqual(["syncing", { type: "Sync" }, "syncing"]);
    expect(() => sender.send(complete("SYNC"))).toThrow(StateError);
    receiver.receive(sender.send(ofServer.ReadyForQuery));
    expect([receiver.next(), receiver.state, sender.state]).toEqual([ofServer.ReadyForQuery, "idle", "idle"]);
  });

  test("a message of the extended protocol is an error, and then everything up to Sync is ignored", () => {
    const sender = new WalSender();
    sender.receive(frames("P", "B", "D", "E", "Q", "F", "d", "c", "H", "C", "S", "Q"));
    expect(sender.next()).toEqual({ type: "Parse", body: hex("") });
    expect([sender.state, sender.next()]).toEqual(["forbidden", undefined]);
    expect(() => sender.send(ofServer.ReadyForQuery)).toThrow(StateError);
    sender.send(ofServer.ErrorResponse);
    expect(sender.state).toBe("skipping");
    expect(sender.next()).toEqual({ type: "Sync" });
    sender.send(ofServer.ReadyForQuery);
    expect(sender.next()).toEqual({ type: "Query", query: "a" });
  });

  test("a function call is an error, and then the server is ready", () => {
    const sender = new WalSender();
    sender.receive(frames("F", "Q"));
    expect(sender.next()).toEqual({ type: "FunctionCall", body: hex("") });
    expect(() => sender.send(ofServer.ReadyForQuery)).toThrow("ReadyForQuery without an answer");
    sender.send(ofServer.ErrorResponse);
    expect(sender.next()).toBeUndefined();
    sender.send(ofServer.ReadyForQuery);
    expect(sender.next()).toEqual({ type: "Query", query: "a" });
  });
});

const complete = (tag: string) => ({ type: "CommandComplete", tag }) as const;

describe("the end of a connection", () => {
  const query = encodeFrame("Q", hex("61 00"));

  test("whole messages that were not taken are not cut", () => {
    for (const [rest, cut] of [
      ["", false],
      ["58 00000004", false],
      ["58 00000004 58 00", true],
      ["58", true],
    ] as const) {
      const sender = new WalSender();
      sender.receive(query);
      sender.next();
      sender.receive(hex(rest));
      if (cut) expect(() => sender.end()).toThrow(expect.objectContaining({ code: "TRUNCATED" }));
      else sender.end();
      expect([sender.state, sender.next()]).toEqual(["closed", undefined]);
    }
    const receiver = new WalReceiver();
    receiver.receive(encodeBackendMessage(ofServer.NoticeResponse));
    receiver.end();
  });
});

describe("a postmaster that cannot start a process", () => {
  const said = "could not fork new process for connection: Cannot allocate memory";

  test.each([
    [`E${said}\n\0`, said],
    [`E${said}\0`, said],
    ["Eoff \n\n\0", "off \n"],
    [`E${"x".repeat(29_000)}\0`, "x".repeat(29_000)],
  ])("%j is an ErrorResponse, in whatever pieces it comes", (text, M) => {
    for (const size of [1, 4, 7, text.length]) {
      for (const first of ["StartupMessage", "SSLRequest"] as const) {
        const receiver = new WalReceiver({ from: "startup" });
        receiver.send(ofClient[first]);
        for (let at = 0; at < text.length; at += size) receiver.receive(Buffer.from(text.slice(at, at + size)));
        expect(receiver.next()).toEqual({ type: "ErrorResponse", fields: { M } });
        expect(receiver.state).toBe("closed");
      }
    }
  });

  test("a text that is cut or too long is a DecodeError", () => {
    for (const [text, code] of [
      [`E${said}`, "BAD_LENGTH"],
      ["Eco", "TRUNCATED"],
      [`E${"x".repeat(30_000)}`, "BAD_LENGTH"],
    ] as const) {
      const receiver = new WalReceiver({ from: "startup" });
      receiver.send(ofClient.StartupMessage);
      const read = (): void => {
        receiver.receive(Buffer.from(text));
        receiver.next();
        receiver.end();
      };
      expect(read).toThrow(expect.objectContaining({ constructor: DecodeError, code }));
    }
  });

  test("later messages are frames", () => {
    const receiver = new WalReceiver({ from: "startup" });
    receiver.send(ofClient.StartupMessage);
    receiver.receive(encodeBackendMessage(ofServer.NoticeResponse));
    receiver.receive(Buffer.from(`E${said}\n\0`));
    expect(receiver.next()).toEqual(ofServer.NoticeResponse);
    expect(() => receiver.next()).toThrow(expect.objectContaining({ code: "BAD_LENGTH" }));
  });
});

describe("logs", () => {
  const time = toPgTime(0n);

  test("those of Feedback and Keepalives, which a callback of Feedback does not disorder", () => {
    const log: string[] = [];
    const recorder = new Recorder({ write: (line) => log.push(line), clock: () => time });
    const feedback = recorder.create("Feedback", { interval: 50n, timeout: 100n });
    const keepalives = recorder.create("Keepalives", {}, time);
    feedback.onDue = () => void feedback.deadline(toPgTime(3n));
    keepalives.advance(toLsn(9n));
    feedback.note({ type: "XLogData", dataStart: toLsn(1n), walEnd: toLsn(9n), sendTime: time, data: bytes });
    keepalives.note(feedback.due(toPgTime(1n))!, toPgTime(2n));
    feedback.flushed(toLsn(9n));
    feedback.heard(toPgTime(4n));
    expect(() => feedback.due(toPgTime(104n))).toThrow("silent");
    keepalives.shutDown();
    keepalives.due(keepalives.deadline(toPgTime(5n)));
    expect(log.map((line) => JSON.parse(line).call)).toEqual([
      ...[undefined, undefined, "advance", "note", "due", "note", "flushed", "deadline", "heard", "due"],
      ...["shutDown", "deadline", "due"],
    ]);
    expect(replay(log)).toBeUndefined();
    expect(JSON.parse(log[0]!).time).toBe("2000-01-01T00:00:00.000000Z");
    const changed = log.map((line) => line.replace('"bigint":"51"', '"bigint":"11"'));
    expect(replay(changed)).toMatchObject({ line: 8, logged: '{"returned":{"bigint":"11"}}' });
  });

  test.each([
    ["1", "lines[0]: expected a line of a Recorder"],
    ['{"machine":1,"new":"Framer","args":[]}', "lines[0].new: expected"],
    ['{"machine":1,"new":"WalSender"}', "lines[0].args: expected an array"],
    ['{"machine":1,"call":"next","args":[]}', "lines[0].machine: expected the number of a machine above"],
    [
      '{"machine":1,"new":"WalSender","args":[]}\n{"machine":1,"call":"constructor","args":[]}',
      "lines[1].call: expected",
    ],
    ['{"machine":1,"new":"WalSender","args":[{"binary":"\\\\x0"}]}', "lines[0].args[0].binary: expected digits"],
    [`{"machine":1,"new":"WalSender","args":${"[".repeat(1e5)}${"]".repeat(1e5)}}`, "expected a value of a Recorder"],
  ])("%j is not a log", (text, message) => {
    expect(() => replay(text.split("\n"))).toThrow(message);
  });

  test("a call with what JSON cannot hold is rejected, and does nothing", () => {
    const log: string[] = [];
    const receiver = new Recorder({ write: (line) => log.push(line) }).create("WalReceiver");
    const query = { type: "Query", query: "a", more: () => 1 } as const;
    expect(() => receiver.send(query)).toThrow("args[0].more: expected a value that a log can hold, got a function");
    expect([receiver.state, log.length]).toEqual(["idle", 1]);
  });
});

describe("WalSender", () => {
  test("a client that sends before its request for encryption is answered is rejected", () => {
    const sender = new WalSender({ from: "startup" });
    sender.receive(encodeStartupPacket({ type: "SSLRequest" }));
    expect(sender.next()).toEqual({ type: "SSLRequest" });
    sender.receive(encodeStartupPacket(ofClient.StartupMessage));
    expect(sender.next()).toBeUndefined();
    sender.send({ type: "EncryptionResponse", accepted: true });
    expect(() => sender.next()).toThrow("the client sent data before the encryption was answered");
    expect(sender.state).toBe("closed");
  });

  test.each([
    ["a startup packet that is too long", "00002715"],
    ["one that is too short to count itself", "00000003"],
  ])("%s is rejected by its length, at its offset in the stream", (_, digits) => {
    for (const before of [0, 8]) {
      const sender = new WalSender({ from: "startup" });
      if (before > 0) {
        sender.receive(encodeStartupPacket({ type: "SSLRequest" }));
        sender.next();
        sender.send({ type: "EncryptionResponse", accepted: false });
      }
      sender.receive(hex(digits));
      expect(() => sender.next()).toThrow(expect.objectContaining({ constructor: DecodeError, offset: before }));
    }
  });

  test.each([
    ["00020000", "2.0"],
    ["00040000", "4.0"],
    // The codes beside it are SSLRequest and so on.
    ["04d21631", "1234.5681"],
  ])("a startup packet of protocol %s is rejected by its version", (digits, version) => {
    const sender = new WalSender({ from: "startup" });
    sender.receive(hex(`00000008 ${digits}`));
    expect(() => sender.next()).toThrow(`StartupMessage.protocolMajor is ${version}, expected 3.0 or later`);
  });

  test("a stream that ends within a startup packet", () => {
    const sender = new WalSender({ from: "startup" });
    sender.receive(hex("000000"));
    expect(() => sender.end()).toThrow("the stream ends at offset 3");
    new WalSender({ from: "startup" }).end();
  });

  test("a password longer than PostgreSQL accepts is rejected by its length", () => {
    const sender = new WalSender({ from: "startup" });
    sender.receive(encodeStartupPacket(ofClient.StartupMessage));
    sender.next();
    sender.send({ type: "Authentication", method: "CleartextPassword", mechanisms: [], data: hex("") });
    sender.receive(hex("70 00010004"));
    expect(() => sender.next()).toThrow("the limit is 65539");
  });

  test("commands that come before an answer is complete wait for it", () => {
    const sender = new WalSender();
    const query = encodeFrame("Q", hex("61 00"));
    sender.receive(query);
    sender.receive(query);
    expect(sender.next()).toEqual({ type: "Query", query: "a" });
    expect(sender.next()).toBeUndefined();
    sender.send(ofServer.CommandComplete);
    expect(sender.next()).toBeUndefined();
    sender.send(ofServer.ReadyForQuery);
    expect(sender.next()).toEqual({ type: "Query", query: "a" });
  });

  test("copy messages under way when a stream failed are ignored, as PostgresMain does", () => {
    const sender = new WalSender();
    sender.receive(encodeFrame("Q", hex("61 00")));
    sender.next();
    for (const type of ["CopyBothResponse", "ErrorResponse", "ReadyForQuery"] as const) sender.send(ofServer[type]);
    for (const tag of "dcf") sender.receive(encodeFrame(tag, tag === "f" ? hex("00") : hex("")));
    sender.receive(encodeFrame("Q", hex("62 00")));
    expect(sender.next()).toEqual({ type: "Query", query: "b" });
  });

  test("the client's faults are errors of the client", () => {
    const sender = new WalSender();
    sender.receive(encodeFrame("p", hex("")));
    expect(() => sender.next()).toThrow('the client sent message "p" while the connection is idle');
    expect(sender.state).toBe("closed");
  });

  test("what we send out of order is a StateError, and changes nothing", () => {
    const sender = new WalSender();
    expect(() => sender.send(ofServer.DataRow)).toThrow(StateError);
    sender.receive(encodeFrame("Q", hex("61 00")));
    sender.next();
    expect(() => sender.send(ofServer.DataRow)).toThrow("DataRow without RowDescription cannot be sent");
    sender.send(ofServer.RowDescription);
    expect(() => sender.send({ type: "DataRow", values: [] })).toThrow(
      "a row of 0 values under 1 columns cannot be sent",
    );
    expect(() => sender.send(ofServer.ReadyForQuery)).toThrow("ReadyForQuery among rows cannot be sent");
    expect(sender.state).toBe("busy");
  });
});

describe("WalReceiver", () => {
  test.each([
    ["SASLContinue first", ["SASLContinue"]],
    ["SASLFinal first", ["SASLFinal"]],
    ["Ok without the server's proof", ["SASL", "Ok"]],
    ["a password within SASL", ["SASL", "CleartextPassword"]],
  ] as const)("%s is out of order", (_, methods) => {
    const receiver = new WalReceiver({ from: "startup" });
    receiver.send(ofClient.StartupMessage);
    for (const method of methods) {
      const mechanisms = method === "SASL" ? ["SCRAM-SHA-256"] : [];
      const frame = encodeBackendMessage({ type: "Authentication", method, mechanisms, data: hex("") });
      receiver.receive(frame);
      if (method === methods.at(-1)) expect(() => receiver.next()).toThrow(ProtocolError);
      else {
        receiver.next();
        receiver.send(ofClient.PasswordMessage);
      }
    }
  });

  test("Terminate comes after the login only: a server would read it as a startup packet, or as a proof", () => {
    const receiver = new WalReceiver({ from: "startup" });
    expect(() => receiver.send({ type: "Terminate" })).toThrow(StateError);
    receiver.send(ofClient.StartupMessage);
    expect(() => receiver.send({ type: "Terminate" })).toThrow(StateError);
    expect(receiver.state).toBe("authentication");
  });

  test("what a server still sends after our Terminate is dropped", () => {
    const receiver = new WalReceiver();
    receiver.receive(hex("64 000000"));
    receiver.send({ type: "Terminate" });
    receiver.receive(hex("05 01 64"));
    expect(receiver.next()).toBeUndefined();
    receiver.end();
  });
});

describe("WalReceiver at the start of a connection", () => {
  function asked(type: "SSLRequest" | "GSSENCRequest" = "SSLRequest"): WalReceiver {
    const receiver = new WalReceiver({ from: "startup" });
    receiver.send({ type });
    return receiver;
  }

  test.each([
    ["S", "SSLRequest", true],
    ["G", "GSSENCRequest", true],
    ["N", "SSLRequest", false],
    ["N", "GSSENCRequest", false],
  ] as const)("the answer %s to %s", (byte, type, accepted) => {
    const receiver = asked(type);
    receiver.receive(Uint8Array.of(byte.charCodeAt(0)));
    expect(receiver.next()).toEqual({ type: "EncryptionResponse", accepted });
    expect(receiver.state).toBe("startup");
  });

  test.each(["G", "s", "\0", "R"])("the answer %j to SSLRequest is rejected", (byte) => {
    const receiver = asked();
    receiver.receive(Uint8Array.of(byte.charCodeAt(0)));
    expect(() => receiver.next()).toThrow(DecodeError);
  });

  test("data behind an answer that begins encryption is rejected: it was not encrypted", () => {
    const receiver = asked();
    receiver.receive(hex("53 52"));
    expect(() => receiver.next()).toThrow(ProtocolError);
  });

  test("a server that is full answers with an ErrorResponse", () => {
    const receiver = asked();
    receiver.receive(encodeFrame("E", hex("4d 61 00 00")));
    expect(receiver.next()).toEqual({ type: "ErrorResponse", fields: { M: "a" } });
    expect(receiver.state).toBe("closed");
  });
});
