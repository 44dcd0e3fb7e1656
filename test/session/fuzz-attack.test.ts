/**
 * `walwire fuzz attack` against servers with one fault each: it finds every one, and its sentence names it.
 *
 * With WALWIRE_RUNS below 1 a twelfth of the faults is tried, which the seed chooses.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { encodePgoutputMessage } from "../../src/generated/logical.ts";
import { encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { Attacker, referenceHandlers } from "../../src/node/cli/fuzz/attack/index.ts";
import { listen } from "../../src/node/server/index.ts";
import {
  type BackendMessage,
  decodeBackendMessage,
  decodeFrontendMessage,
  encodeBackendMessage,
  type FrontendMessage,
} from "../../src/session/messages.ts";
import { encodeFrame, Framer } from "../../src/wire/framer.ts";
import { seed, times } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

/** What a fault knows of its connection. */
interface Connection {
  /** Queries of the client, the last at the end. */
  readonly queries: string[];
  /** Types of the server's messages since the login, the last at the end, without this one. */
  readonly said: string[];
  /** Something to count with. */
  n: number;
}

/** What passes, and from whom. */
type Passing =
  | { readonly from: "server"; readonly message: BackendMessage; readonly bytes: Uint8Array }
  | { readonly from: "client"; readonly message: FrontendMessage; readonly bytes: Uint8Array };

/** What passes instead: other bytes, nothing, or nothing ever again. */
type Action = Uint8Array | "stall" | "cut";

type Fault = (passing: Passing, connection: Connection) => Action | undefined;

const replace = (...parts: (BackendMessage | Uint8Array)[]): Action =>
  concat(...parts.map((part) => (part instanceof Uint8Array ? part : encodeBackendMessage(part))));
const drop: Action = new Uint8Array(0);

/** At a message of the server of this type. */
const at =
  <T extends BackendMessage["type"]>(
    type: T,
    action: (
      message: Extract<BackendMessage, { type: T }>,
      connection: Connection,
      passing: Passing,
    ) => Action | undefined,
  ): Fault =>
  (passing, connection) =>
    passing.from === "server" && passing.message.type === type
      ? action(passing.message as Extract<BackendMessage, { type: T }>, connection, passing)
      : undefined;

/** At an error of the server: other fields. */
const atError = (change: (fields: Record<string, string>, connection: Connection) => Record<string, string>): Fault =>
  at("ErrorResponse", (message, connection) =>
    replace({ ...message, fields: change({ ...message.fields }, connection) }),
  );

/** At a message of the client of this type. */
const atClient =
  (type: FrontendMessage["type"], action: Action): Fault =>
  ({ from, message }) =>
    from === "client" && message.type === type ? action : undefined;

const keepalive = (walEnd: bigint): Uint8Array =>
  encodeFrame(
    "d",
    encodeWalSenderMessage({ type: "Keepalive", walEnd: toLsn(walEnd), sendTime: toPgTime(0n), replyRequested: false }),
  );
const wal = (dataStart: bigint): Uint8Array =>
  encodeFrame(
    "d",
    encodeWalSenderMessage({
      type: "XLogData",
      dataStart: toLsn(dataStart),
      walEnd: toLsn(dataStart + 8n),
      sendTime: toPgTime(0n),
      data: new Uint8Array(8),
    }),
  );
const pgoutputCommit = encodeFrame(
  "d",
  encodeWalSenderMessage({
    type: "XLogData",
    ...{ dataStart: toLsn(0x1000008n), walEnd: toLsn(0x1000008n), sendTime: toPgTime(0n) },
    data: encodePgoutputMessage({
      type: "Commit",
      ...{ commitLsn: toLsn(0x1000000n), endLsn: toLsn(0x1000008n), commitTime: toPgTime(0n) },
    }),
  }),
);
const atKeepalive = (action: (connection: Connection, passing: Passing) => Action): Fault => {
  return at("CopyData", ({ data }, connection, passing) =>
    data[0] === 0x6b ? action(connection, passing) : undefined,
  );
};

/** The whole message, with one more or less in its length. */
const withLength = ({ bytes }: Passing, by: number): Action => {
  const wrong = bytes.slice();
  const view = new DataView(wrong.buffer);
  view.setUint32(1, view.getUint32(1) + by);
  return replace(wrong);
};

const complete = (tag: string): BackendMessage => ({ type: "CommandComplete", tag });

/** Faults by name, and what a report says of each. */
const faults: Readonly<Record<string, readonly [fault: Fault, sentence: RegExp]>> = {
  "the type byte of ReadyForQuery is wrong": [
    at("ReadyForQuery", (_, __, { bytes }) => replace(concat(Uint8Array.of(0x7a), bytes.subarray(1)))),
    /cannot be read: BackendMessage\.type.*0x7a|"z"/,
  ],
  "a length is one too many": [at("CommandComplete", (_, __, m) => withLength(m, 1)), /cannot be read/],
  "a length is one too few": [at("RowDescription", (_, __, m) => withLength(m, -1)), /cannot be read.*RowDescription/],
  "a reply that was asked for is lost": [atKeepalive(() => drop), /is silent, expected Keepalive/],
  "a SQLSTATE is wrong": [
    atError((fields) => ({ ...fields, C: fields.C === "42601" ? "42P01" : fields.C! })),
    /SQLSTATE is 42P01, expected 42601/,
  ],
  "the words of an error are others": [
    atError((fields) => ({ ...fields, M: fields.M!.replace("syntax error", "parse error") })),
    /message is parse error, expected syntax error/,
  ],
  "a fatal error is an error": [
    atError((fields) => ({ ...fields, S: "ERROR", V: "ERROR" })),
    /severity is ERROR, expected FATAL/,
  ],
  "CopyFail is ignored": [
    atClient("CopyFail", drop),
    /expected ErrorResponse FATAL 08P01 "invalid standby message type/,
  ],
  "a position goes back": [
    atKeepalive((connection) => replace(keepalive(0x1000000n - BigInt(connection.n++)))),
    /Keepalive\.walEnd goes back from 0\/1000000 to 0\/FFFFFF/,
  ],
  "WAL has a gap": [
    atKeepalive((_, { bytes }) => replace(wal(0x1000008n), bytes)),
    /XLogData\.dataStart is 0\/1000008, expected 0\/1000000/,
  ],
  "a failed transaction is idle": [
    at("ReadyForQuery", ({ status }) => (status === "E" ? replace({ type: "ReadyForQuery", status: "I" }) : undefined)),
    /says ReadyForQuery I, expected ReadyForQuery E/,
  ],
  "no ReadyForQuery comes after an error": [
    at("ReadyForQuery", (_, { said }) => (said.at(-1) === "ErrorResponse" ? drop : undefined)),
    /expected ReadyForQuery/,
  ],
  "ReadyForQuery comes twice": [at("ReadyForQuery", (message) => replace(message, message)), /ReadyForQuery/],
  "CommandComplete is lost": [
    at("CommandComplete", () => drop),
    /says ReadyForQuery I, expected CommandComplete|says ReadyForQuery T, expected CommandComplete/,
  ],
  "a tag is wrong": [
    at("CommandComplete", ({ tag }) => (tag === "IDENTIFY_SYSTEM" ? replace(complete("SELECT 1")) : undefined)),
    /says CommandComplete SELECT 1, expected CommandComplete IDENTIFY_SYSTEM/,
  ],
  "a row comes after CommandComplete": [
    at("CommandComplete", (message, { said }) =>
      said.at(-1) === "DataRow" ? replace(message, { type: "DataRow", values: ["1"] }) : undefined,
    ),
    /says DataRow \["1"\], expected ReadyForQuery/,
  ],
  "the end of a stream is not answered": [at("CopyDone", () => drop), /says CommandComplete.*, expected CopyDone/],
  "the extended protocol ends the connection": [atClient("Parse", "cut"), /closes the connection, expected/],
  "Sync is never answered": [atClient("Sync", "stall"), /is silent, expected/],
  "a stream is opened by another message": [
    at("CopyBothResponse", (message) => replace({ ...message, type: "CopyOutResponse" })),
    /says CopyOutResponse.*, expected CopyBothResponse/,
  ],
  "a row has a value too many": [
    at("DataRow", ({ values }) => replace({ type: "DataRow", values: [...values, null] })),
    /number of values is/,
  ],
  "a value has another form": [
    at("DataRow", ({ values }) => replace({ type: "DataRow", values: values.map(() => "x") })),
    /value of column \d is "x", expected/,
  ],
  "bad grammar is accepted": [
    atError((fields) =>
      fields.C === "42601"
        ? {
            ...fields,
            C: "25P02",
            M: "current transaction is aborted, commands ignored until end of transaction block",
          }
        : fields,
    ),
    /SQLSTATE is 25P02, expected 42601/,
  ],
  "good grammar is rejected": [
    atError((fields, { queries }) =>
      fields.C === "25P02" && /^\s*CREATE/.test(queries.at(-1)!)
        ? { ...fields, C: "42601", M: "syntax error" }
        : fields,
    ),
    /SQLSTATE is 42601, expected 25P02/,
  ],
  "an option that is wrong is accepted": [
    at("ErrorResponse", ({ fields }, { queries }) =>
      fields.C !== "25P02" && /^\s*CREATE/.test(queries.at(-1)!)
        ? replace(complete("CREATE_REPLICATION_SLOT"))
        : undefined,
    ),
    /says CommandComplete CREATE_REPLICATION_SLOT, expected ErrorResponse/,
  ],
  "a notice is lost": [at("NoticeResponse", () => drop), /expected NoticeResponse/],
  "a hint is missing": [atError(({ H: _, ...fields }) => fields), /hint is missing, expected/],
  "data comes after the end of a stream": [
    at("CopyDone", (message) => replace(message, keepalive(0x1000000n))),
    /CopyData outside of a stream/,
  ],
  "a message in a stream is one byte short": [
    atKeepalive((_, { bytes }) => replace(encodeFrame("d", bytes.subarray(5, -1)))),
    /CopyData cannot be read: Keepalive\.replyRequested/,
  ],
  "a message in a stream has an unknown letter": [
    atKeepalive((_, { bytes }) => replace(encodeFrame("d", Uint8Array.of(0x3f)), bytes)),
    /CopyData cannot be read: WalSenderMessage\.type/,
  ],
  "a status of the primary is told unasked": [
    atKeepalive((_, { bytes }) => replace(encodeFrame("d", concat(Uint8Array.of(0x73), new Uint8Array(40))), bytes)),
    /CopyData cannot be read|PrimaryStatusUpdate unasked/,
  ],
  "bytes follow an error": [
    at("ErrorResponse", (message) => replace(message, Uint8Array.of(0, 0, 0, 0, 0))),
    /cannot be read/,
  ],
  "a wrong option of an output plugin is accepted": [
    at("ErrorResponse", ({ fields }, { queries }) =>
      fields.C === "22023" && /^START/.test(queries.at(-1)!)
        ? replace({ type: "CopyBothResponse", format: "text", columnFormats: [] })
        : undefined,
    ),
    /says CopyBothResponse.*, expected ErrorResponse ERROR 22023/,
  ],
  "a slot is of another plugin": [
    at("DataRow", ({ values }) =>
      values[3] === "pgoutput" ? replace({ type: "DataRow", values: [...values.slice(0, 3), "wal2json"] }) : undefined,
    ),
    /value of column 4 is "wal2json", expected "pgoutput"/,
  ],
  "a slot cannot be dropped": [
    at("CommandComplete", ({ tag }) =>
      tag === "DROP_REPLICATION_SLOT"
        ? replace({ type: "ErrorResponse", fields: { S: "ERROR", V: "ERROR", C: "55006", M: "it is active" } })
        : undefined,
    ),
    /says ErrorResponse ERROR 55006 "it is active", expected CommandComplete DROP_REPLICATION_SLOT/,
  ],
  "a transaction of pgoutput has no beginning": [
    at("CopyBothResponse", (message, { queries }) =>
      /proto_version/.test(queries.at(-1)!) ? replace(message, pgoutputCommit) : undefined,
    ),
    /CopyData cannot be read: Commit without/,
  ],
  "Parse is accepted": [
    at("ErrorResponse", ({ fields }) =>
      /extended query protocol/.test(fields.M!) ? replace(complete("PARSE")) : undefined,
    ),
    /says CommandComplete PARSE, expected ErrorResponse ERROR 08P01 "extended query protocol/,
  ],
};

/**
 * Passes what client and server say, but for what a fault does after the login. What the client says passes as it is, even if it is no
 * message.
 */
function pipe(client: Socket, port: number, fault: Fault | undefined): void {
  const server = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const connection: Connection = { queries: [], said: [], n: 0 };
  const framers = { client: new Framer(), server: new Framer() };
  let first: Uint8Array | undefined = new Uint8Array(0);
  let isLoggedIn = false;
  let isStalled = false;
  const act = (to: Socket, passing: Passing): void => {
    const action = isLoggedIn ? fault?.(passing, connection) : undefined;
    if (passing.from === "server") {
      if (isLoggedIn) connection.said.push(passing.message.type);
      if (passing.message.type === "ReadyForQuery") isLoggedIn = true;
    } else if (passing.message.type === "Query") connection.queries.push(passing.message.query);
    if (action === "stall") isStalled = true;
    if (action === "cut") client.destroy();
    else if (!isStalled) to.write(action ?? passing.bytes);
  };
  client.on("data", (chunk) => {
    let rest: Uint8Array = chunk;
    if (first !== undefined) {
      first = concat(first, chunk);
      const length = first.length < 4 ? Infinity : new DataView(first.buffer).getUint32(0);
      if (first.length < length) return;
      server.write(first.subarray(0, length));
      rest = first.subarray(length);
      first = undefined;
    }
    framers.client.push(rest);
    try {
      for (let frame = framers.client.next(); frame !== undefined; frame = framers.client.next()) {
        const bytes = encodeFrame(String.fromCharCode(frame.tag), frame.bytes);
        let message: FrontendMessage = { type: "Flush" };
        try {
          message = decodeFrontendMessage(frame);
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error;
        }
        act(server, { from: "client", message, bytes });
      }
    } catch (error) {
      // A length that is impossible. Nothing comes behind it.
      if (!(error instanceof WalwireError)) throw error;
      server.write(rest.subarray(rest.length - 5));
    }
  });
  client.on("end", () => {
    // The beginning of a message, if there is one, makes no difference to a server.
    if (!isStalled) server.end();
  });
  server.on("data", (chunk) => {
    // The text of an error in protocol 2.
    if (!isLoggedIn && chunk.toString("latin1").startsWith("EFATAL")) return client.write(chunk);
    framers.server.push(chunk);
    for (let frame = framers.server.next(); frame !== undefined; frame = framers.server.next()) {
      const bytes = encodeFrame(String.fromCharCode(frame.tag), frame.bytes);
      act(client, { from: "server", message: decodeBackendMessage(frame), bytes });
    }
    return undefined;
  });
  server.on("end", () => client.end());
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on("error", () => {});
    one.on("close", () => other.destroySoon());
  }
}

/** A server that plays 18, with a fault after the login. @returns its URL, and what ends it */
async function broken(fault: Fault | undefined, server: number | string = 18) {
  const walsender = await listen({
    server,
    limits: { connections: 100 },
    handlers: referenceHandlers(),
  });
  const port = walsender.address.port!;
  const sockets = new Set<Socket>();
  const between = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    pipe(socket, port, fault);
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
  const target = { host: "127.0.0.1", port: (between.address() as AddressInfo).port };
  return {
    url: `postgres://postgres@127.0.0.1:${target.port}/postgres`,
    target,
    async [Symbol.asyncDispose]() {
      between.close();
      for (const socket of sockets) socket.destroy();
      await walsender.close({ immediate: true });
    },
  };
}

/** Faults that are a silence: for them the time limit is short, for all others longer than a busy machine sleeps. */
const silences: ReadonlySet<string> = new Set([
  "a reply that was asked for is lost",
  "no ReadyForQuery comes after an error",
  "Sync is never answered",
]);

describe("walwire fuzz attack", () => {
  const all = Object.entries(faults);
  expect(all.length).toBeGreaterThanOrEqual(30);
  const some = times < 1 ? all.filter((_, i) => (i + seed) % 12 === 0) : all;

  test.each(some)("%s: it is found", async (name, [fault, sentence]) => {
    await using server = await broken(fault);
    const attacker = await Attacker.start(server, silences.has(name) ? 1500 : 20_000);
    try {
      const finding = await attacker.search({ seed, count: 3000, known: [], isOver: () => false });
      expect(finding?.problem.sentence).toMatch(sentence);
      // It is small, and a replay shows it again.
      expect(finding!.session.steps.length).toBeLessThanOrEqual(16);
      const [start, ...path] = finding!.replay.split(":");
      const again = await attacker.try(attacker.at(Number(start), path.join(":")));
      expect(again?.signature).toBe(finding!.problem.signature);
    } finally {
      await attacker.close();
    }
  });

  test("a server without a fault has none", async () => {
    await using server = await broken(undefined);
    const attacker = await Attacker.start(server, 30_000);
    try {
      expect(await attacker.search({ seed, count: 300 * times, known: [], isOver: () => false })).toBeUndefined();
    } finally {
      await attacker.close();
    }
  });

  test("the command line: a finding is saved, and repeated from its file and from its seed", async () => {
    const [fault] = faults["a value has another form"]!;
    await using server = await broken(fault);
    const folder = mkdtempSync(join(tmpdir(), "walwire-attack-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const run = (...args: readonly string[]) => runWalwire(["fuzz", "attack", server.url, ...args, "--jsonl"]);
    const first = await run("--seed", "1", "--findings", "1", "--save", folder);
    expect(first.status).toBe(1);
    const [finding, summary] = first.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(summary).toMatchObject({ seed: 1, findings: 1, server: expect.any(Number) });
    for (const what of [join(folder, "finding-1.json"), finding.replay]) {
      const again = await run("--replay", what);
      expect(again.status).toBe(1);
      expect(JSON.parse(again.stdout).signature).toBe(finding.signature);
    }
    writeFileSync(join(folder, "other.json"), "{}");
    expect(await run("--replay", join(folder, "other.json"))).toMatchObject({ status: 1, stdout: "" });
  });

  test("another machine is not attacked unasked", async () => {
    const { status, stderr } = await runWalwire(["fuzz", "attack", "postgres://u@192.0.2.1/d"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("--i-own-this-host")]);
  });

  test.each(longTestMajors)("PostgreSQL %i has none", async (major) => {
    const { host, port } = liveServer(major);
    const url = `postgres://postgres@${encodeURIComponent(host)}:${port}/postgres`;
    const attacker = await Attacker.start({ url, target: { path: `${host}/.s.PGSQL.${port}` } }, 60_000);
    try {
      const finding = await attacker.search({ seed, count: 300 * times, known: [], isOver: () => false });
      expect(finding?.problem).toBeUndefined();
    } finally {
      await attacker.close();
    }
  });
});
