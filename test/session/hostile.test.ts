/** The client against servers that tests write: slow, broken and hostile ones. Each script ends with values or typed errors. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { decodeWalReceiverMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import {
  ArgumentError,
  ConnectionError,
  DecodeError,
  EncodeError,
  ProtocolError,
  ServerError,
  StateError,
  WalwireError,
} from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { peerMissing } from "../../src/node/pg.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { type AuthenticationMethod, type BackendMessage, encodeBackendMessage } from "../../src/session/messages.ts";
import { law } from "../laws/law.ts";
import {
  columns,
  complete,
  copyBoth,
  copyDone,
  data,
  error,
  expectNothingUncaught,
  hostileServer,
  login,
  notice,
  ready,
  row,
  type Script,
  say,
  status,
} from "./hostile-server.ts";

expectNothingUncaught();

type Options = Partial<Parameters<typeof connect>[0]>;

const authentication = (method: AuthenticationMethod) =>
  ({ type: "Authentication", method, mechanisms: [], data: new Uint8Array(0) }) as const;

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
              // A write after the end would destroy the socket, and with it what was not sent yet.
              if (type === "Query" && !end) sent?.then(() => client.write(...answer));
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
          const { sockets, ...where } = address;
          const connection = await connect({
            ...where,
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
            for (const socket of sockets) socket.destroy();
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
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
    [
      "parameters without end",
      (client, { type }) => {
        if (type !== "startup") return;
        const many = Array.from({ length: 1500 }, () => ({ type: "ParameterStatus", name: "a", value: "b" }) as const);
        client.write({ type: "Authentication", method: "Ok", mechanisms: [], data: new Uint8Array(0) }, ...many);
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
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
    [
      "a method that pg does not know",
      (client) => client.write({ type: "Authentication", method: "GSS", mechanisms: [], data: new Uint8Array(0) }),
      {},
      { name: "ConnectionError", code: "AUTHENTICATION" },
    ],
    [
      "mechanisms that pg does not know",
      (client) =>
        client.write({ type: "Authentication", method: "SASL", mechanisms: ["OAUTHBEARER"], data: new Uint8Array(0) }),
      {},
      { name: "ConnectionError", code: "AUTHENTICATION" },
    ],
    ["ReadyForQuery and nothing before", (client) => client.write(ready), {}, { name: "ProtocolError" }],
    [
      "parameters and ReadyForQuery",
      (client) => client.write({ type: "ParameterStatus", name: "a", value: "b" }, ready),
      {},
      { name: "ProtocolError" },
    ],
    [
      "nothing, with a time limit beyond timers",
      () => {},
      { connectionTimeoutMillis: 2 ** 31 },
      { name: "ArgumentError" },
    ],
    [
      "nothing, with a time limit that is none",
      () => {},
      { connectionTimeoutMillis: Number.NaN },
      { name: "ArgumentError" },
    ],
    [
      "a text of protocol 2",
      (client) => client.socket.end("Ecould not fork new process for connection: Cannot allocate memory\n\0"),
      {},
      { name: "ServerError", message: "could not fork new process for connection: Cannot allocate memory" },
    ],
    [
      "a notice that onNotice throws at",
      (client) => client.write(notice("hi"), ...login),
      {
        onNotice: () => {
          throw new TypeError("mine");
        },
      },
      { name: "TypeError", message: "mine" },
    ],
    [
      "a notice whose promise rejects",
      (client) => client.write(notice("hi")),
      {
        onNotice: async () => {
          throw new TypeError("mine");
        },
      },
      { name: "TypeError", message: "mine" },
    ],
    ...(
      [
        ["throws", () => Promise.reject(new TypeError("mine")), { name: "TypeError", message: "mine" }],
        ["is a number", () => 5 as unknown as string, { name: "ArgumentError", path: "options.password" }],
      ] as const
    ).map(([what, password, expected]): [string, Script, Options, unknown] => [
      `a question for a password that ${what}`,
      (client) => client.write(authentication("CleartextPassword")),
      { password },
      expected,
    ]),
    [
      "the end while the password is being found",
      (client) => {
        client.write(authentication("CleartextPassword"));
        setTimeout(() => client.end(), 30);
      },
      { password: () => new Promise<never>(() => {}) },
      { name: "ConnectionError", code: "CONNECTION_LOST" },
    ],
    [
      "a signature of SCRAM that is wrong",
      (client, message) => {
        if (message.type === "startup") client.write({ ...authentication("SASL"), mechanisms: ["SCRAM-SHA-256"] });
        if (message.type !== "PasswordMessage") return;
        const said = new TextDecoder().decode(message.data);
        const nonce = /n=[^,]*,r=([^,]+)$/.exec(said)?.[1];
        if (nonce === undefined)
          client.write({ ...authentication("SASLFinal"), data: Buffer.from("v=AAAA") }, ...login);
        else client.write({ ...authentication("SASLContinue"), data: Buffer.from(`r=${nonce}x,s=c2FsdA==,i=4096`) });
      },
      {},
      { name: "ConnectionError", code: "AUTHENTICATION", message: /server signature does not match/ },
    ],
    [
      "a signal that throws",
      () => {},
      {
        signal: {
          aborted: false,
          addEventListener: () => {
            throw new Error("mine");
          },
          removeEventListener: () => {},
        } as never,
      },
      { message: "mine" },
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
    ["a port that is text", { replication: "true", port: "abc" }],
    ["a port that is too large", { replication: "true", port: 70_000 }],
    ["port 0", { replication: "true", port: 0 }],
    ["a port of a URL that is too large", { replication: "true", connectionString: "postgres://h/d?port=70000" }],
    ["an option that is misspelt", { replication: "true", connectionTimeoutMilis: 5 }],
    ["a host that is a number", { replication: "true", host: 5 }],
    ["a password that is a number", { replication: "true", password: 5 }],
    ["TLS that is text", { replication: "true", ssl: "true" }],
    ["keys and values of libpq", { replication: "true", connectionString: "host=127.0.0.1 port=1 password=geheim" }],
    ["a URL of another kind", { replication: "true", connectionString: "http://u:geheim@127.0.0.1:1/x" }],
    ["another encoding", { replication: "true", client_encoding: "LATIN1" }],
    ["another encoding in a URL", { replication: "true", connectionString: "postgres://h/d?client_encoding=GBK" }],
    ["an encoding of libpq's", { replication: "true", client_encoding: "auto" }],
    ["an encoding among the session's options", { replication: "true", options: "-c Client_Encoding=LATIN1" }],
    ["an encoding there in another form", { replication: "true", options: "-c geqo=off --client-encoding=UTF8" }],
  ])("%s is an ArgumentError", async (_, options) => {
    const thrown = await connect(options as Parameters<typeof connect>[0]).catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(ArgumentError);
    expect(String(thrown)).not.toContain("geheim");
  });

  test("encodings that are read are accepted in the server's spellings, and libpq's variable has no effect", async () => {
    const seen: unknown[] = [];
    const script: Script = (client, message) => {
      if (message.type !== "startup") return;
      seen.push(message.parameters.get("client_encoding"));
      client.write(...login);
    };
    const names = ["utf-8", "Unicode", "'UTF8'", "sql_ascii", "SQL-ASCII"];
    for (const client_encoding of names) await open(script, { client_encoding });
    process.env.PGCLIENTENCODING = "LATIN1";
    onTestFinished(() => {
      delete process.env.PGCLIENTENCODING;
    });
    await open(script);
    expect(seen).toEqual([...names, "UTF8"]);
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

  const copyIn: BackendMessage = { type: "CopyInResponse", format: "text", columnFormats: [] };

  test("a query that reads data is declined, and the connection is good", async () => {
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query" && message.query === "x") client.write(complete("A"), ready);
      else if (message.type === "Query") client.write(copyIn);
      if (message.type === "CopyFail") client.write(error("57014", "COPY from stdin failed"), ready);
    });
    await expect(connection.query("UPLOAD_MANIFEST")).rejects.toThrow(
      new StateError("the command reads data, which query does not send: use uploadManifest for a manifest"),
    );
    await expect(connection.startReplication("COPY t FROM STDIN")).rejects.toThrow(StateError);
    expect((await connection.query("x")).commandTags).toEqual(["A"]);
  });

  test("a query that sends data closes the connection, as all of it would have to be read", async () => {
    const connection = await open(answering({ type: "CopyOutResponse", format: "text", columnFormats: [] }, data("a")));
    await expect(connection.query("BASE_BACKUP")).rejects.toThrow(
      new StateError(
        "the command sends data, which query does not read: use baseBackup, or copyOut for COPY; the connection is closed",
      ),
    );
    await expect(connection.query("x")).rejects.toMatchObject({ name: "ConnectionError", code: "DISCONNECTED" });
  });

  test("an encoding that cannot be read ends the connection", async () => {
    const connection = await open(answering(status("client_encoding", "SQL_ASCII"), complete("SET"), ready));
    await connection.query("SET client_encoding = SQL_ASCII");
    const latin = await open(answering(status("client_encoding", "LATIN1"), complete("SET"), ready));
    await expect(latin.query("SET client_encoding = latin1")).rejects.toThrow(
      new ProtocolError('the server has set client_encoding to "LATIN1": walwire reads and writes text as UTF-8'),
    );
    expect(latin.state).toBe("closed");
    const { sockets: _, ...address } = await hostileServer((client, { type }) => {
      if (type === "startup") client.write(...login.slice(0, -1), status("client_encoding", "GBK"), ready);
    });
    await expect(connect(address)).rejects.toThrow(ProtocolError);
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
    expect(second).toMatchObject({ reason: { name: "StateError", message: /while the connection is busy/ } });
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
    expect(await inside).toMatchObject({ name: "StateError" });
  });

  test("what a promise of onNotice rejects with rejects the call that waits, or the next one", async () => {
    const connection = await open(answering(notice("hi"), complete("A"), ready));
    connection.onNotice = async () => {
      throw new TypeError("mine");
    };
    await expect(connection.query("x")).rejects.toThrow(new TypeError("mine"));
    connection.onNotice = async () => {
      await sleep(20);
      throw new TypeError("late");
    };
    await connection.query("x");
    await sleep(50);
    connection.onNotice = undefined;
    await expect(connection.query("x")).rejects.toThrow(new TypeError("late"));
    expect((await connection.query("x")).commandTags).toEqual(["A"]);
    const streaming = await open(answering(notice("hi"), copyBoth));
    streaming.onNotice = async () => {
      await sleep(20);
      throw new TypeError("late");
    };
    await streaming.startReplication("x");
    await expect(streaming.receive()).rejects.toThrow(new TypeError("late"));
    expect(streaming.state).toBe("streaming");
  });

  test("a notice without fields is told as one", async () => {
    const notices: object[] = [];
    const bare = answering({ type: "NoticeResponse", fields: {} }, complete("A"), ready);
    const connection = await open(bare, { onNotice: (each) => notices.push(each) });
    await connection.query("x");
    expect(notices).toMatchObject([
      { severity: "NOTICE", sqlstate: "", message: "the server sent a notice without a message" },
    ]);
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

  test("returns payloads, then the server's error, then CONNECTION_LOST", async () => {
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
    expect(both[1]).toMatchObject({ reason: { name: "StateError" } });
    expect(text(await connection.receive())).toBe("p2");
  });

  test("receive and endReplication without a stream", async () => {
    const connection = await open(answering());
    expect(await connection.receive()).toBeUndefined();
    expect((await connection.endReplication()).results).toEqual([]);
    expect(() => connection.send(new Uint8Array(1))).toThrow(StateError);
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

  /** A server that takes its time to end a stream, and then answers every command. */
  const slowEnd =
    (...end: BackendMessage[]): Script =>
    (client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query" && message.query === "START_REPLICATION 0/0") client.write(copyBoth);
      else if (message.type === "Query") client.write(complete(message.query), ready);
      if (message.type === "CopyDone") setTimeout(() => client.write(...end), 40);
    };

  test("a command waits for the end of a stream that a timer ends", async () => {
    const connection = await stream(slowEnd(copyDone, complete("COPY 0"), complete("START_REPLICATION"), ready));
    const ends: Promise<unknown>[] = [];
    setTimeout(() => ends.push(connection.endReplication(), connection.endReplication()), 10);
    expect(await connection.receive()).toBeUndefined();
    expect((await connection.query("a")).commandTags).toEqual(["a"]);
    const end = expect.objectContaining({ commandTags: ["COPY 0", "START_REPLICATION"] });
    expect(await Promise.all(ends)).toEqual([end, end]);
    // Another stream, and a typed command after it.
    await connection.startReplication("START_REPLICATION 0/0");
    const again = connection.endReplication();
    await connection.dropSlot("s");
    expect(await again).toEqual(end);
  });

  test("a stream that fails while it is ended leaves the connection free", async () => {
    const connection = await stream(slowEnd(error("XX000", "broken"), ready));
    const ended = connection.endReplication().catch((reason: unknown) => reason);
    expect((await connection.query("a")).commandTags).toEqual(["a"]);
    expect(await ended).toMatchObject({ name: "ServerError", message: "broken" });
    expect(connection.state).toBe("idle");
  });

  test("a command that waits for the end of a stream can be aborted", async () => {
    const connection = await stream(slowEnd());
    const ended = connection.endReplication().catch((reason: unknown) => reason);
    await expect(connection.query("a", { signal: AbortSignal.timeout(10) })).rejects.toThrow("timeout");
    expect(await ended).toMatchObject({ name: "ConnectionError", code: "DISCONNECTED" });
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

  test("readable sees what has arrived since tryReceive returned null, and the end", async () => {
    let write = (): void => {};
    const connection = await stream((client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type !== "Query") return;
      client.write(copyBoth);
      const parts = [say(data("p1")), say(data("p2")).subarray(0, 3), say(data("p2")).subarray(3)];
      write = () => {
        const part = parts.shift();
        if (part === undefined) client.socket.end();
        else client.write(part);
      };
    });
    const next: (string | null | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      expect(connection.tryReceive()).toBeNull();
      write();
      await sleep(20);
      await connection.readable();
      const payload = connection.tryReceive();
      next.push(payload && text(payload));
    }
    expect(next).toEqual(["p1", null, "p2"]);
    expect(connection.tryReceive()).toBeNull();
    const signal = AbortSignal.timeout(30);
    await expect(connection.readable({ signal })).rejects.toMatchObject({ name: "TimeoutError" });
    write();
    await sleep(20);
    await expect(connection.readable()).rejects.toThrow(lost);
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
        if (asked.filter(Boolean).length === 1 && asked.at(-1)) client.write(keepalive(0n, false));
      }
    });
    const started = Date.now();
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback({ timeout: 800_000n }) });
    expect((await connection.receive())?.[0]).toBe(0x6b);
    await expect(connection.receive()).rejects.toMatchObject({ name: "ConnectionError", code: "TIMEOUT" });
    expect(asked).toEqual([false, true, true]);
    expect(Date.now() - started).toBeGreaterThanOrEqual(1100);
  });

  test.each<[string, BackendMessage[], (connection: ReplicationConnection) => Promise<unknown>]>([
    ["says that it shuts down, and does not close", [complete("COPY 0")], (c) => c.receive()],
    ["never answers to the end of the stream", [], (c) => c.endReplication()],
    ["has ended the stream, and never answers to ours", [copyDone], (c) => c.endReplication()],
    ["fails and is never ready again", [error("XX000", "no")], (c) => c.endReplication()],
    [
      "sends notices, and then nothing",
      [copyDone],
      async (c) => {
        const end = c.endReplication();
        for (const socket of sockets)
          for (const after of [200, 400]) setTimeout(() => socket.write(say(notice("a"))), after);
        return end;
      },
    ],
  ])("a server that %s is given up after the time limit", async (_, after, call) => {
    const server = await hostileServer(answering(copyBoth, keepalive(5n, false), ...after));
    sockets = server.sockets;
    const { sockets: __, ...address } = server;
    const connection = await connect(address);
    onTestFinished(() => connection.disconnect());
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback({ timeout: 600_000n }) });
    expect((await connection.receive())?.[0]).toBe(0x6b);
    const started = Date.now();
    await expect(call(connection)).rejects.toMatchObject({ name: "ConnectionError", code: "TIMEOUT" });
    expect(Date.now() - started).toBeGreaterThanOrEqual(500);
    await expect(connection.query("x")).rejects.toMatchObject({ code: "TIMEOUT" });
  });
  let sockets: Set<Socket> = new Set();

  test("the time limit ends with the stream", async () => {
    const connection = await open((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query" && message.query === "slow") {
        setTimeout(() => client.write(complete("A"), ready), 500);
      } else if (message.type === "Query") client.write(copyBoth);
      if (message.type === "CopyDone") client.write(copyDone, complete("COPY 0"), ready);
    });
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback({ timeout: 200_000n }) });
    await connection.endReplication();
    await sleep(300);
    expect((await connection.query("slow")).commandTags).toEqual(["A"]);
  });

  test("WAL beyond the last position closes the connection", async () => {
    const payload = encodeWalSenderMessage({
      type: "XLogData",
      dataStart: toLsn(2n ** 64n - 16n),
      walEnd: toLsn(2n ** 64n - 1n),
      sendTime: toPgTime(0n),
      data: new Uint8Array(50),
    });
    const connection = await open(answering(copyBoth, { type: "CopyData", data: payload }, keepalive(5n, true)));
    await connection.startReplication("START_REPLICATION 0/0", { feedback: new Feedback() });
    const first = await connection.receive().catch((reason: unknown) => reason);
    expect(first).toMatchObject({ name: "ProtocolError", message: /^the server sent 50 bytes of WAL from FFFFFFFF/ });
    await expect(connection.receive()).rejects.toBe(first);
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

describe("a manifest that is uploaded", () => {
  const copyIn: BackendMessage = { type: "CopyInResponse", format: "text", columnFormats: [] };
  /** A server of 18 that opens the copy stream, and does this at its first payload. */
  const reading =
    (first: (client: Parameters<Script>[0]) => void = () => {}): Script =>
    (client, { type }) => {
      if (type === "startup") client.write(...login);
      if (type === "Query") client.write(copyIn);
      if (type === "CopyData") first(client);
      if (type === "CopyDone") client.write(complete("UPLOAD_MANIFEST"), ready);
      if (type === "CopyFail") client.write(error("57014", "COPY from stdin failed"), ready);
    };
  /** A source that never ends, and whether it was told that no more is wanted. */
  const sources = {
    waits: () => ({ next: (i: number) => (i === 0 ? Buffer.from("{") : new Promise<never>(() => {})) }),
    goesOn: () => ({ next: () => sleep(1, Buffer.from(" ")) }),
    "is never at a loss": () => ({ next: () => Buffer.from(" ") }),
  };
  function source(kind: keyof typeof sources) {
    const { next } = sources[kind]();
    let calls = 0;
    const chunks = {
      left: 0,
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: await next(calls++) }),
        return: async () => {
          chunks.left++;
          return new Promise<never>(() => {});
        },
      }),
    };
    return chunks;
  }

  describe.each(Object.keys(sources) as (keyof typeof sources)[])("from a source that %s", (kind) => {
    test("an abort ends it, and closes the connection", async () => {
      const connection = await open(reading());
      const chunks = source(kind);
      const upload = connection.uploadManifest(chunks, { signal: AbortSignal.timeout(50) });
      await expect(upload).rejects.toMatchObject({ name: "TimeoutError" });
      expect([chunks.left, connection.state]).toEqual([1, "closed"]);
      await expect(connection.query("x")).rejects.toMatchObject({ code: "DISCONNECTED" });
    });

    test("so do our disconnect and the end of the server", async () => {
      const connection = await open(reading());
      const left = source(kind);
      const upload = connection.uploadManifest(left);
      upload.catch(() => {});
      setTimeout(() => connection.disconnect(), 50);
      await expect(upload).rejects.toMatchObject({ code: "DISCONNECTED" });
      const dying = await open(reading((client) => client.socket.destroy()));
      const lost = source(kind);
      await expect(dying.uploadManifest(lost)).rejects.toMatchObject({ code: "CONNECTION_LOST" });
      await expect.poll(() => [left.left, lost.left]).toEqual([1, 1]);
    });

    test("so does an error of the server, and the connection is good", async () => {
      let refused = false;
      const connection = await open(
        reading((client) => {
          if (!refused) client.write(notice("no"), error("22023", "not a manifest"), ready);
          refused = true;
        }),
      );
      const chunks = source(kind);
      await expect(connection.uploadManifest(chunks)).rejects.toMatchObject({ sqlstate: "22023" });
      expect([chunks.left, connection.state]).toEqual([1, "idle"]);
      await connection.uploadManifest(Buffer.from("{}"));
    });
  });

  test("a source that throws, and one that gives something else, are declined; what they did is thrown", async () => {
    const connection = await open(reading());
    const failing = (function* () {
      yield Buffer.from("{");
      throw new TypeError("mine");
    })();
    await expect(connection.uploadManifest(failing)).rejects.toThrow(new TypeError("mine"));
    let left = 0;
    const junk = (function* () {
      try {
        yield "text" as unknown as Uint8Array;
      } finally {
        left++;
      }
    })();
    await expect(connection.uploadManifest(junk)).rejects.toThrow(
      new ArgumentError("chunk", 'chunk: expected a Uint8Array, got "text"'),
    );
    const broken = {
      [Symbol.iterator]() {
        throw new TypeError("broken");
      },
    };
    await expect(connection.uploadManifest(broken)).rejects.toThrow(new TypeError("broken"));
    await connection.uploadManifest([Buffer.from("{"), Buffer.from("}")]);
    expect([left, connection.state]).toEqual([1, "idle"]);
  });

  test("a server that does not read it is a ProtocolError", async () => {
    const connection = await open(answering(complete("UPLOAD_MANIFEST"), ready));
    await expect(connection.uploadManifest(Buffer.from("{}"))).rejects.toThrow(ProtocolError);
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
