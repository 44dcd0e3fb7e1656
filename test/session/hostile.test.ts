/** The client against servers that tests write: slow, broken and hostile ones. Each script ends with values or typed errors. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { decodeWalReceiverMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import {
  ArgumentError,
  ConnectionError,
  DecodeError,
  EncodeError,
  ProtocolError,
  ServerError,
  WalwireError,
} from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { peerMissing } from "../../src/node/pg.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { type BackendMessage, encodeBackendMessage } from "../../src/session/messages.ts";
import { law } from "../laws/law.ts";
import {
  columns,
  complete,
  copyBoth,
  copyDone,
  data,
  error,
  hostileServer,
  login,
  notice,
  ready,
  row,
  type Script,
  say,
  status,
} from "./hostile-server.ts";

/** Errors that no try and catch sees: there must be none. */
const uncaught: unknown[] = [];
const note = (reason: unknown): void => void uncaught.push(reason);
beforeAll(() => {
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
});
afterAll(() => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  expect(uncaught).toEqual([]);
});

type Options = Partial<Parameters<typeof connect>[0]>;

async function open(script: Script, options: Options = {}): Promise<ReplicationConnection> {
  const { sockets: _, ...address } = await hostileServer(script);
  const connection = await connect({ ...address, ...options });
  onTestFinished(() => connection.disconnect());
  return connection;
}

/** A server that logs in, and then says this to each command. */
const answering =
  (...answer: BackendMessage[]): Script =>
  (client, { type }) => {
    if (type === "startup") client.write(...login);
    if (type === "Query") client.write(...answer);
  };

const lost = expect.objectContaining({ constructor: ConnectionError, code: "CONNECTION_LOST" });
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);

describe("the end of the login", () => {
  test("an error right behind ReadyForQuery is thrown by the first command", async () => {
    for (const close of [true, false]) {
      const connection = await open((client, { type }) => {
        if (type !== "startup") return;
        const all = [...login, error("57P01", "terminating connection due to administrator command", "FATAL")];
        if (close) client.end(...all);
        else client.write(say(...all));
      });
      await expect(connection.query("IDENTIFY_SYSTEM")).rejects.toThrow(
        expect.objectContaining({ constructor: ServerError, sqlstate: "57P01", severity: "FATAL" }),
      );
      await connection.disconnect();
    }
  });

  const tls = Object.fromEntries(
    ["key", "crt"].map((kind) => [
      kind === "crt" ? "cert" : kind,
      readFileSync(fileURLToPath(new URL(`tls/server.${kind}`, import.meta.url)), "utf8"),
    ]),
  ) as { key: string; cert: string };

  // What follows the login, and what it comes to at the first command.
  const followers = [
    { what: "nothing", after: [], end: false },
    { what: "a parameter", after: [status("server_version", "17.1")], end: false },
    { what: "a notice", after: [notice("late"), status("application_name", "x".repeat(20))], end: false },
    { what: "an error and the end", after: [notice("late"), error("57P01", "bye", "FATAL")], end: true },
    { what: "the end", after: [], end: true },
  ] as const;

  for (const secure of [false, true]) {
    law(
      `no byte is lost there, however it is cut${secure ? ", with TLS" : ""}`,
      fc.asyncProperty(
        fc.constantFrom(...followers),
        fc.array(fc.tuple(fc.nat(), fc.boolean()), { maxLength: 6 }),
        async ({ after, end }, cuts) => {
          const all = say(...login, ...after);
          const places = [...new Set([0, ...cuts.map(([at]) => at % all.length)])].sort((a, b) => a - b);
          let sent: Promise<void> | undefined;
          const address = await hostileServer(
            (client, { type }) => {
              const answer = [columns("a"), row("1"), complete("IDENTIFY_SYSTEM"), ready];
              if (type === "Query") sent?.then(() => client.write(...answer));
              if (type !== "startup") return;
              sent = (async () => {
                for (const [i, from] of places.entries()) {
                  client.socket.write(all.subarray(from, places[i + 1]));
                  // Some pieces come in one chunk and some do not.
                  if (cuts[i % Math.max(1, cuts.length)]?.[1]) await sleep(1);
                }
                if (end) client.socket.end();
              })();
            },
            secure ? tls : undefined,
          );
          const notices: string[] = [];
          const connection = await connect({
            ...address,
            ...(secure ? { ssl: { ca: tls.cert } } : {}),
            onNotice: ({ message }) => notices.push(message),
          });
          try {
            await sleep(cuts.length % 3);
            const answer = await connection.query("IDENTIFY_SYSTEM").catch((reason: unknown) => reason);
            if (!end) {
              expect(answer).toMatchObject({ columns: ["a"], rows: [["1"]] });
              const version = after.some(
                (each: BackendMessage) => each.type === "ParameterStatus" && each.name === "server_version",
              );
              expect(connection.parameters.get("server_version")).toBe(version ? "17.1" : "18.4");
            } else if (after.length > 0) {
              expect(answer).toMatchObject({ name: "ServerError", sqlstate: "57P01" });
            } else {
              expect(answer).toMatchObject({ name: "ConnectionError", code: "CONNECTION_LOST" });
            }
            expect(notices).toEqual(
              after.some((each: BackendMessage) => each.type === "NoticeResponse") ? ["late"] : [],
            );
          } finally {
            await connection.disconnect();
            for (const socket of address.sockets) socket.destroy();
          }
        },
      ),
      secure ? 100 : 400,
    );
  }

  test.each<[string, Script, Options, unknown]>([
    ["silence", () => {}, { connectionTimeoutMillis: 100 }, { name: "ConnectionError", code: "TIMEOUT" }],
    [
      "a question that comes again and again",
      (client, { type }) => {
        if (type === "startup" || type === "PasswordMessage") {
          client.write({
            type: "Authentication",
            method: "CleartextPassword",
            mechanisms: [],
            data: new Uint8Array(0),
          });
        }
      },
      {},
      { name: "ProtocolError", code: "LIMIT_EXCEEDED" },
    ],
    [
      "an error, without closing",
      (client) => client.write(error("28000", "no", "FATAL")),
      {},
      { name: "ServerError", sqlstate: "28000", message: "no" },
    ],
    ["the end", (client) => client.end(), {}, { name: "ConnectionError", code: "CONNECTION_LOST" }],
    ["no message at all", (client) => client.write(new Uint8Array(100).fill(255)), {}, { name: "DecodeError" }],
    [
      "an error without its end",
      (client) => client.write(Uint8Array.of(0x45, 0, 0, 0, 8, 0x53, 0x61, 0x62, 0x63)),
      {},
      { name: "DecodeError", code: "TRUNCATED" },
    ],
    [
      "mechanisms without their end",
      (client) => client.write(Uint8Array.of(0x52, 0, 0, 0, 10, 0, 0, 0, 10, 0x53, 0x43)),
      {},
      { name: "DecodeError", code: "TRUNCATED" },
    ],
    ["rows", (client) => client.write(row("1")), {}, { name: "ProtocolError", code: "OUT_OF_ORDER" }],
    ["a stream", (client) => client.write(copyBoth), {}, { name: "ProtocolError", code: "OUT_OF_ORDER" }],
    [
      "SASL that cannot be",
      (client) =>
        client.write({
          type: "Authentication",
          method: "SASLContinue",
          mechanisms: [],
          data: new TextEncoder().encode("x"),
        }),
      {},
      { name: "ConnectionError", code: "CONNECTION_LOST" },
    ],
    [
      "a method that pg does not know",
      (client) => client.write({ type: "Authentication", method: "GSS", mechanisms: [], data: new Uint8Array(0) }),
      {},
      { name: "ConnectionError", code: "CONNECTION_LOST" },
    ],
  ])(
    "a server that answers the login with %s is a typed error, and the socket is closed",
    async (_, script, options, expected) => {
      const { sockets, ...address } = await hostileServer(script);
      await expect(connect({ ...address, ...options })).rejects.toMatchObject(expected as object);
      const [socket] = sockets;
      if (socket !== undefined && !socket.closed) await once(socket, "close");
    },
  );

  test("an abort ends the attempt", async () => {
    const { sockets, ...address } = await hostileServer(() => {});
    const controller = new AbortController();
    const attempt = connect({ ...address, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(attempt).rejects.toThrow("enough");
    const [socket] = sockets;
    if (!socket?.closed) await once(socket!, "close");
    await expect(connect({ ...address, signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });

  test.each<[string, object]>([
    ["no options", undefined as unknown as object],
    ["another kind of walsender", { replication: "yes" }],
    ["a signal that is none", { replication: "true", signal: {} }],
    ["a notice handler that is none", { replication: "true", onNotice: 1 }],
    ["a negative limit", { replication: "true", maxResult: -1 }],
    ["direct TLS without TLS", { replication: "true", sslnegotiation: "direct", ssl: false }],
  ])("%s is an ArgumentError", async (_, options) => {
    await expect(connect(options as Parameters<typeof connect>[0])).rejects.toThrow(ArgumentError);
  });

  test("a user with a NUL is an EncodeError", async () => {
    const { sockets: _, ...address } = await hostileServer(() => {});
    await expect(connect({ ...address, user: "a\0b" })).rejects.toThrow(EncodeError);
  });

  test("nobody listens: a ConnectionError with Node's error as its cause", async () => {
    const address = { host: "127.0.0.1", port: 1, user: "u", replication: "database" } as const;
    await expect(connect(address)).rejects.toMatchObject({
      name: "ConnectionError",
      code: "CONNECTION_LOST",
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("the startup packet has PostgreSQL's own settings, before those of the user", async () => {
    const seen: ReadonlyMap<string, string>[] = [];
    const script: Script = (client, message) => {
      if (message.type !== "startup") return;
      seen.push(message.parameters);
      client.write(...login);
    };
    const ours = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3";
    await open(script);
    await open(script, { options: "-c extra_float_digits=0", client_encoding: "SQL_ASCII", application_name: "mine" });
    await open(script, { replication: "true" });
    expect(seen.map((each) => Object.fromEntries(each))).toEqual([
      { user: "u", database: "d", replication: "database", client_encoding: "UTF8", options: ours },
      {
        ...{
          user: "u",
          database: "d",
          replication: "database",
          client_encoding: "SQL_ASCII",
          application_name: "mine",
        },
        options: `${ours} -c extra_float_digits=0`,
      },
      { user: "u", database: "d", replication: "true", client_encoding: "UTF8" },
    ]);
  });
});

describe("answers to commands", () => {
  test("one result for each statement", async () => {
    const connection = await open(
      answering(
        columns("a"),
        row("1"),
        complete("SELECT 1"),
        columns("b", "c"),
        complete("SELECT 0"),
        complete("DO"),
        ready,
      ),
    );
    expect(await connection.query("x")).toEqual({
      columns: ["b", "c"],
      rows: [],
      commandTags: ["SELECT 1", "SELECT 0", "DO"],
      results: [
        { columns: ["a"], rows: [["1"]], commandTag: "SELECT 1" },
        { columns: ["b", "c"], rows: [], commandTag: "SELECT 0" },
        { columns: [], rows: [], commandTag: "DO" },
      ],
    });
  });

  test.each<[string, BackendMessage[], object]>([
    ["a row before its columns", [row("1"), columns("a"), complete("A"), ready], { name: "ProtocolError" }],
    ["a row that is too wide", [columns("a"), row("1", "2", "3"), complete("A"), ready], { name: "ProtocolError" }],
    ["no end of the rows", [columns("a"), row("1"), ready], { name: "ProtocolError" }],
    ["nothing", [ready], { name: "ProtocolError" }],
    ["CopyInResponse", [{ type: "CopyInResponse", format: "text", columnFormats: [] }], { name: "ProtocolError" }],
    ["the end of a stream", [copyDone], { name: "ProtocolError" }],
  ])("%s is refused, and every later call says the same", async (_, answer, expected) => {
    const connection = await open(answering(...answer));
    const first = await connection.query("x").catch((reason: unknown) => reason);
    expect(first).toMatchObject(expected);
    await expect(connection.query("y")).rejects.toBe(first);
    await expect(connection.receive()).rejects.toBe(first);
    expect(connection.state).toBe("closed");
  });

  test.each<[string, number[]]>([
    ["an unknown transaction status", [0x43, 0, 0, 0, 6, 0x41, 0, 0x5a, 0, 0, 0, 5, 0x21]],
    ["an error without its end", [0x45, 0, 0, 0, 6, 0x53, 0x46]],
    ["columns that are cut short", [0x54, 0, 0, 0, 7, 255, 255, 0]],
    ["a format that there is not", [0x57, 0, 0, 0, 7, 9, 0, 0]],
    ["a length of 0", [0x44, 0, 0, 0, 0]],
  ])("%s is a DecodeError", async (_, bytes) => {
    const connection = await open((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(Uint8Array.from(bytes));
    });
    await expect(connection.query("x")).rejects.toThrow(DecodeError);
    expect(connection.state).toBe("closed");
  });

  test("a second ReadyForQuery is not the next command's answer, also where it comes late", async () => {
    for (const late of [false, true]) {
      const connection = await open((client, { type }) => {
        if (type === "startup") client.write(...login);
        if (type !== "Query") return;
        client.write(complete("A"), ready);
        if (late) setTimeout(() => client.write(ready), 20);
        else client.write(ready);
      });
      expect((await connection.query("x")).commandTags).toEqual(["A"]);
      await sleep(late ? 0 : 20);
      if (late) {
        expect((await connection.query("y")).commandTags).toEqual(["A"]);
        await sleep(60);
      }
      await expect(connection.query("z")).rejects.toThrow('the server sent message "Z" while the connection is idle');
    }
  });

  test("an error with no fields is a ServerError all the same", async () => {
    const connection = await open(answering({ type: "ErrorResponse", fields: {} }, ready));
    await expect(connection.query("x")).rejects.toMatchObject({ name: "ServerError", severity: "ERROR", sqlstate: "" });
    expect(connection.state).toBe("idle");
  });

  test.each<[unknown]>([["a\0b"], [undefined], [{ includes: () => false, toString: () => "x" }]])(
    "%j is not a command, and the connection is still good",
    async (command) => {
      const connection = await open(answering(complete("A"), ready));
      await expect(connection.query(command as string)).rejects.toThrow(EncodeError);
      await expect(connection.startReplication(command as string)).rejects.toThrow(EncodeError);
      expect((await connection.query("x")).commandTags).toEqual(["A"]);
    },
  );

  test("two commands at once: the second is refused", async () => {
    const connection = await open((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") setTimeout(() => client.write(complete("A"), ready), 20);
    });
    const [first, second] = await Promise.allSettled([connection.query("x"), connection.query("y")]);
    expect(first).toMatchObject({ value: { commandTags: ["A"] } });
    expect(second).toMatchObject({ reason: { name: "ProtocolError", message: /while the connection is busy/ } });
  });

  test("what onNotice throws rejects the command, and the connection is still good", async () => {
    const connection = await open(answering(notice("hi"), complete("A"), ready));
    connection.onNotice = () => {
      throw new TypeError("mine");
    };
    await expect(connection.query("x")).rejects.toThrow(new TypeError("mine"));
    expect(connection.state).toBe("idle");
    connection.onNotice = undefined;
    expect((await connection.query("x")).commandTags).toEqual(["A"]);
    let inside: Promise<unknown> | undefined;
    connection.onNotice = () => {
      inside = connection.query("y").catch((reason: unknown) => reason);
    };
    await connection.query("x");
    expect(await inside).toMatchObject({ name: "ProtocolError" });
  });

  test("what onNotice throws in a stream rejects receive, which goes on from there", async () => {
    const connection = await open(answering(copyBoth, data("a"), notice("hi"), data("b")));
    connection.onNotice = () => {
      throw new TypeError("mine");
    };
    await connection.startReplication("x");
    expect(text(await connection.receive())).toBe("a");
    await expect(connection.receive()).rejects.toThrow(new TypeError("mine"));
    expect(text(await connection.receive())).toBe("b");
  });

  test("an answer is limited, and so is a message, and what the server reports of itself", async () => {
    const many = Array.from({ length: 100 }, () => row("x".repeat(100)));
    const limited = await open(answering(columns("a"), ...many, complete("A"), ready), { maxResult: 5000 });
    await expect(limited.query("x")).rejects.toMatchObject({ name: "ProtocolError", code: "LIMIT_EXCEEDED" });
    const small = await open(answering(columns("a"), row("x".repeat(2000)), complete("A"), ready), { maxLength: 1000 });
    await expect(small.query("x")).rejects.toMatchObject({ name: "DecodeError", code: "BAD_LENGTH" });
    const statuses = Array.from({ length: 20_000 }, (_, i) => status(`p${i}`, "v"));
    const flooded = await open(answering(...statuses, complete("A"), ready));
    await expect(flooded.query("x")).rejects.toMatchObject({ name: "ProtocolError", code: "LIMIT_EXCEEDED" });
  });

  test("a parameter may be called anything", async () => {
    const names = ["__proto__", "constructor", "server_version"];
    const connection = await open((client, { type }) => {
      if (type === "startup")
        client.write(...login.slice(0, -1), ...names.map((name) => status(name, "banana")), ready);
    });
    expect(names.map((name) => connection.parameters.get(name))).toEqual(["banana", "banana", "banana"]);
    expect(() => connection.serverVersion).toThrow(WalwireError);
  });

  test("200,000 notices take no time that matters", async () => {
    const flood = concat(...Array.from({ length: 10_000 }, () => encodeBackendMessage(notice("hi"))));
    const connection = await open((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(...Array.from({ length: 20 }, () => flood), complete("A"), ready);
    });
    let notices = 0;
    connection.onNotice = () => void notices++;
    await connection.query("x");
    expect(notices).toBe(200_000);
  });

  test("an aborted command closes the connection", async () => {
    const connection = await open(answering());
    const controller = new AbortController();
    const command = connection.query("x", { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(command).rejects.toThrow("enough");
    await expect(connection.query("y")).rejects.toMatchObject({ name: "ConnectionError", code: "DISCONNECTED" });
  });
});

describe("streams", () => {
  async function stream(script: Script, options: Options = {}): Promise<ReplicationConnection> {
    const connection = await open(script, options);
    await connection.startReplication("START_REPLICATION 0/0");
    return connection;
  }

  test("messages between the payloads", async () => {
    const connection = await stream(
      answering(copyBoth, notice("hi"), status("a", "b"), data("p1"), data("p2"), error("XX000", "mid"), ready),
    );
    expect(text(await connection.receive())).toBe("p1");
    expect(text(await connection.receive())).toBe("p2");
    await expect(connection.receive()).rejects.toThrow(
      expect.objectContaining({ constructor: ServerError, message: "mid" }),
    );
    expect(await connection.receive()).toBeUndefined();
    expect(connection.parameters.get("a")).toBe("b");
    await connection.endReplication();
    expect(connection.state).toBe("idle");
  });

  test("an error and the end: first what had come, then the error, then that the connection is lost, and why", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.end(copyBoth, data("p1"), error("57P02", "bye", "FATAL"));
    });
    expect(text(await connection.receive())).toBe("p1");
    await expect(connection.receive()).rejects.toThrow("bye");
    const end = await connection.endReplication().catch((reason: unknown) => reason);
    expect(end).toMatchObject({ name: "ConnectionError", code: "CONNECTION_LOST", cause: { message: "bye" } });
    await expect(connection.query("x")).rejects.toBe(end);
  });

  test("a cut in a message is a lost connection", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query")
        client.socket.end(concat(say(copyBoth, data("p1")), say(data("x".repeat(100))).subarray(0, 50)));
    });
    expect(text(await connection.receive())).toBe("p1");
    await expect(connection.receive()).rejects.toThrow(lost);
    await expect(connection.receive()).rejects.toThrow("in the middle of a message");
  });

  test("a reset is a lost connection, and what had come before is not lost with it", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(say(copyBoth, data("p1"), data("p2")));
      setTimeout(() => client.socket.resetAndDestroy(), 50);
    });
    await sleep(100);
    connection.send(new Uint8Array(3));
    expect(text(await connection.receive())).toBe("p1");
    expect(text(await connection.receive())).toBe("p2");
    await expect(connection.receive()).rejects.toThrow(lost);
    connection.send(new Uint8Array(3));
    await expect(connection.query("x")).rejects.toThrow(lost);
    await connection.disconnect();
  });

  test("an idle connection that is reset is a lost one at the next command", async () => {
    const connection = await open((client, { type }) => {
      if (type === "startup") client.write(...login);
      setTimeout(() => client.socket.resetAndDestroy(), 20);
    });
    await sleep(60);
    await expect(connection.query("x")).rejects.toThrow(lost);
  });

  test("a server that shuts down says so by ending the stream without CopyDone", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.end(copyBoth, data("p1"), complete("COPY 0"));
    });
    expect(text(await connection.receive())).toBe("p1");
    await expect(connection.receive()).rejects.toMatchObject({ name: "ConnectionError", code: "SERVER_SHUTDOWN" });
    await expect(connection.endReplication()).rejects.toMatchObject({ code: "SERVER_SHUTDOWN" });
  });

  test("bytes that come one by one", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "CopyDone") client.write(complete("COPY 0"), ready);
      if (type !== "Query") return;
      const bytes = say(copyBoth, data("p1"), copyDone);
      let sent = 0;
      const timer = setInterval(() => {
        if (sent < bytes.length) client.write(bytes.subarray(sent, ++sent));
        else clearInterval(timer);
      }, 1);
    });
    expect(text(await connection.receive())).toBe("p1");
    expect(await connection.receive()).toBeUndefined();
    expect((await connection.endReplication()).commandTags).toEqual(["COPY 0"]);
    expect(connection.state).toBe("idle");
  });

  test.each([[[100, 0x7f, 255, 255, 255]], [[100, 0, 0, 0, 0]], [[102, 0, 0, 0, 6, 120, 0]]])(
    "bytes %j end the stream with a typed error",
    async (bytes) => {
      const connection = await stream((client, { type }) => {
        if (type === "startup") client.write(...login);
        if (type === "Query") client.write(copyBoth, Uint8Array.from(bytes));
      });
      const first = await connection.receive().catch((reason: unknown) => reason);
      expect(first).toBeInstanceOf(WalwireError);
      await expect(connection.receive()).rejects.toBe(first);
      await expect(connection.endReplication()).rejects.toBe(first);
      await connection.disconnect();
    },
  );

  test("two receives at once: one waits, the other is refused", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(copyBoth);
      setTimeout(() => client.write(say(data("p1"), data("p2"))), 50);
    });
    const both = await Promise.allSettled([connection.receive(), connection.receive()]);
    expect(both.map(({ status: how }) => how)).toEqual(["fulfilled", "rejected"]);
    expect(both[1]).toMatchObject({ reason: { name: "ProtocolError" } });
    expect(text(await connection.receive())).toBe("p2");
  });

  test("receive and endReplication without a stream", async () => {
    const connection = await open(answering());
    expect(await connection.receive()).toBeUndefined();
    expect((await connection.endReplication()).results).toEqual([]);
    expect(() => connection.send(new Uint8Array(1))).toThrow(ProtocolError);
  });

  test("endReplication ends a stream that is idle, and the receive that waits", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(copyBoth);
      // What is sent until the server has seen our end is dropped, also behind its own.
      if (type === "CopyDone")
        client.write(data("k"), copyDone, data("k2"), complete("COPY 0"), complete("START_REPLICATION"), ready);
    });
    const waiting = connection.receive();
    const [payload, end] = await Promise.all([waiting, connection.endReplication()]);
    expect(payload).toBeUndefined();
    expect(end.commandTags).toEqual(["COPY 0", "START_REPLICATION"]);
    expect(connection.state).toBe("idle");
    expect(await connection.receive()).toBeUndefined();
    // And again on the same connection.
    expect(await connection.startReplication("START_REPLICATION 0/0")).toBeUndefined();
    const again = connection.receive();
    await connection.endReplication();
    expect(await again).toBeUndefined();
  });

  test("a server that does not end the stream can be left", async () => {
    const connection = await stream(answering(copyBoth));
    const controller = new AbortController();
    const end = connection.endReplication({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(end).rejects.toThrow("enough");
    await expect(connection.receive()).rejects.toMatchObject({ code: "DISCONNECTED" });
    await expect(connection.query("x")).rejects.toMatchObject({ code: "DISCONNECTED" });
  });

  test("an aborted receive leaves the stream as it is", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(copyBoth);
      setTimeout(() => client.write(data("p1")), 60);
    });
    await expect(connection.receive({ signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(text(await connection.receive())).toBe("p1");
    await expect(connection.receive({ signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
  });

  test("our disconnect is told to who waits", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(copyBoth);
      if (type === "Terminate") client.end();
    });
    const waiting = connection.receive();
    const disconnected = expect.objectContaining({ constructor: ConnectionError, code: "DISCONNECTED" });
    const [end] = await Promise.allSettled([waiting, connection.disconnect(), connection.disconnect()]);
    expect(end).toEqual({ status: "rejected", reason: disconnected });
    await expect(connection.receive()).rejects.toThrow(disconnected);
    await expect(connection.query("x")).rejects.toThrow(disconnected);
  });

  test("good-bye to a server that floods", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(copyBoth);
      const chunk = say(data("x".repeat(1_000_000)));
      const go = (): void => {
        while (!client.socket.destroyed && client.socket.write(chunk)) {}
        client.socket.once("drain", go);
      };
      go();
    });
    await connection.receive();
    await connection.disconnect();
  });

  test("who does not read makes the server wait", async () => {
    let written = 0;
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(copyBoth);
      const chunk = say(data("x".repeat(100_000)));
      const go = (): void => {
        while (!client.socket.destroyed && written < 2e9) {
          written += chunk.length;
          if (!client.socket.write(chunk)) return void client.socket.once("drain", go);
        }
      };
      go();
    });
    await connection.receive();
    await sleep(200);
    const first = written;
    await sleep(200);
    expect(written).toBe(first);
    expect(first).toBeLessThan(50e6);
    for (let i = 0; i < 500; i++) await connection.receive();
    expect(written).toBeGreaterThan(50e6 - first);
  });

  test("a message of 64 MB in pieces", async () => {
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(copyBoth, data("x".repeat(64_000_000)), data("y"));
    });
    expect((await connection.receive())?.length).toBe(64_000_000);
    expect(text(await connection.receive())).toBe("y");
  });
});

describe("feedback", () => {
  const keepalive = (walEnd: bigint, replyRequested: boolean): BackendMessage => ({
    type: "CopyData",
    data: encodeWalSenderMessage({ type: "Keepalive", walEnd: toLsn(walEnd), sendTime: toPgTime(0n), replyRequested }),
  });

  test("status updates are sent at first, when the server asks, and at the end", async () => {
    const heard: unknown[] = [];
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query") client.write(copyBoth, keepalive(5n, true));
      if (message.type === "CopyData") {
        const update = decodeWalReceiverMessage(message.data);
        if (update.type === "StandbyStatusUpdate") heard.push(update.flush);
      }
      if (message.type === "CopyDone") client.write(copyDone, complete("COPY 0"), ready);
    });
    const feedback = new Feedback();
    await connection.startReplication("START_REPLICATION 0/0", { feedback });
    expect((await connection.receive())?.[0]).toBe(0x6b);
    feedback.flushed(toLsn(9n));
    await connection.endReplication();
    expect(heard).toEqual([0n, 5n, 9n]);
    await expect(connection.startReplication("x", { feedback: {} as Feedback })).rejects.toThrow(ArgumentError);
  });

  test("they go on while nobody receives, and a disconnect sends the last positions", async () => {
    const heard: unknown[] = [];
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query") client.write(copyBoth);
      if (message.type === "CopyData") {
        const update = decodeWalReceiverMessage(message.data);
        if (update.type === "StandbyStatusUpdate") heard.push(update.flush);
      }
      if (message.type === "Terminate") client.end();
    });
    const feedback = new Feedback({ interval: 20_000n });
    await connection.startReplication("START_REPLICATION 0/0", { feedback });
    await expect.poll(() => heard.length).toBeGreaterThan(3);
    feedback.flushed(toLsn(9n));
    await connection.disconnect();
    expect(heard.at(-1)).toBe(9n);
  });

  test("a server that is silent is asked, and then given up", async () => {
    const asked: boolean[] = [];
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query") client.write(copyBoth);
      if (message.type === "CopyData") {
        const update = decodeWalReceiverMessage(message.data);
        if (update.type === "StandbyStatusUpdate") asked.push(update.replyRequested);
        // It answers once, and then no more.
        if (asked.filter(Boolean).length === 1 && asked.at(-1)) client.write(keepalive(1n, false));
      }
    });
    const started = Date.now();
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback({ timeout: 800_000n }) });
    expect((await connection.receive())?.[0]).toBe(0x6b);
    await expect(connection.receive()).rejects.toMatchObject({ name: "ConnectionError", code: "TIMEOUT" });
    expect(asked).toEqual([false, true, true]);
    expect(Date.now() - started).toBeGreaterThanOrEqual(1100);
  });

  test("a server is not silent while nobody listens, nor while the process is busy", async () => {
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query")
        client.write(copyBoth, data("x".repeat(200_000)), data("y".repeat(10_000_000)), data("z"));
    });
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback({ timeout: 200_000n }) });
    await connection.receive();
    await sleep(500);
    const until = Date.now() + 500;
    while (Date.now() < until) {}
    await connection.receive();
    expect(text(await connection.receive())).toBe("z");
  });

  test("a server that does not read is given up", async () => {
    const connection = await open((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.socket.pause();
      client.write(copyBoth);
    });
    await connection.startReplication("START_REPLICATION 0/0");
    const send = (): void => {
      for (let i = 0; i < 1000; i++) connection.send(new Uint8Array(100_000));
    };
    expect(send).toThrow(expect.objectContaining({ constructor: ProtocolError, code: "LIMIT_EXCEEDED" }));
    await expect(connection.receive()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

describe("without pg", () => {
  const error = (code: string, message: string): Error => Object.assign(new Error(message), { code });
  test.each([
    error("ERR_MODULE_NOT_FOUND", "Cannot find package 'pg' imported from /app/node_modules/walwire/dist/node/pg.js"),
    error("MODULE_NOT_FOUND", "Cannot find module 'pg'\nRequire stack:\n- /app/bundle.cjs"),
    error(
      "MODULE_NOT_FOUND",
      "walwire tried to access pg (a peer dependency) but it isn't provided by your application",
    ),
  ])("%s: it is not installed", (cause) => {
    expect(peerMissing(cause)).toMatchObject({
      code: "PEER_MISSING",
      message: /not installed: npm install pg$/,
      cause,
    });
  });

  test.each([
    error("ERR_MODULE_NOT_FOUND", "Cannot find package 'pg-types' imported from /app/node_modules/pg/lib/index.js"),
    error("MODULE_NOT_FOUND", "Cannot find module 'split2'\nRequire stack:\n- /app/node_modules/pgpass/lib/helper.js"),
    error("EACCES", "EACCES: permission denied, open '/app/node_modules/pg/esm/index.mjs'"),
    new SyntaxError("Unexpected token"),
  ])("%s: it is there and cannot be loaded", (cause) => {
    expect(peerMissing(cause)).toMatchObject({ code: "PEER_MISSING", message: /cannot be loaded: / });
    expect(peerMissing(cause).message).toContain(cause.message);
  });
});
