/** Clients that lie, flood, stall or speak something else: each is answered or closed, and nobody else notices. */
import { createConnection, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { listen, scramSecret, type WalsenderServer } from "../../src/node/server/index.ts";
import { expectNothingUncaught } from "./hostile-server.ts";
import { empty, frame, messagesOf, query, startup } from "./server-talk.ts";

expectNothingUncaught();

const user = { user: "u", replication: "true" };
const login = startup(user);
const database = startup({ user: "u", database: "d", replication: "database" });
const block = new Uint8Array(128 * 1024);

/** Bytes that one client may take, with what the operating system has not taken of the answers. */
const MEMORY = 32 * 1024 * 1024;

let server: WalsenderServer;
let other: Client;
let told: unknown[];
/** Blocks that the endless stream was allowed to send. */
let sent: number;

/** A server, and a client that nobody disturbs. */
async function begin(loginTimeout: number): Promise<void> {
  told = [];
  sent = 0;
  server = await listen({
    server: "18",
    limits: { loginTimeout, message: 100_000, walSenderTimeout: 60_000 },
    onError: (error) => told.push(error),
    handlers: {
      // 0/0 is a stream without an end, others one without data.
      startPhysical: async ({ startpoint }, stream) => {
        for (let position = 0n; startpoint === 0n; position += BigInt(block.length)) {
          const at = toLsn(position);
          await stream.send({ type: "XLogData", dataStart: at, walEnd: at, sendTime: toPgTime(0n), data: block });
          sent++;
        }
        stream.caughtUp(startpoint);
        await new Promise<void>((resolve) => stream.signal.addEventListener("abort", () => resolve()));
      },
      query: () => ({
        type: "rows",
        columns: [{ name: "x" }],
        rows: (function* () {
          for (let i = 0; i < 1_000_000; i++) yield ["x".repeat(1000)];
        })(),
      }),
    },
  });
  other = await Client.to(server, login);
  await other.until(/Z$/);
}

// A loaded machine may take its time for a login.
beforeEach(() => begin(30_000));

// Whatever one client has done, another one is answered, and the server still works.
afterEach(async () => {
  other.send(query("IDENTIFY_SYSTEM"));
  await other.until(/ZTDCZ$/);
  const fresh = await Client.to(server, login, query("SHOW wal_segment_size"));
  await fresh.until(/ZTDCZ$/);
  await server.close({ immediate: true });
});

/** One hostile client. */
class Client {
  readonly socket: Socket;
  isClosed = false;
  readonly #chunks: Buffer[] = [];

  constructor(address: { readonly host?: string | undefined; readonly port?: number | undefined }) {
    this.socket = createConnection({ host: address.host!, port: address.port!, allowHalfOpen: true });
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => this.#chunks.push(chunk));
    this.socket.on("end", () => this.socket.end());
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  static async to(of: WalsenderServer, ...parts: readonly Uint8Array[]): Promise<Client> {
    const client = new Client(of.address);
    await new Promise((resolve) => client.socket.once("connect", resolve));
    client.send(...parts);
    return client;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get messages(): string[] {
    return messagesOf(this.bytes);
  }

  /** Wait until the letters of the messages are these. */
  async until(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.messages.map(([type]) => type).join(""), { timeout: 30_000 }).toMatch(pattern);
  }

  async closed(): Promise<void> {
    await expect.poll(() => this.isClosed, { timeout: 30_000 }).toBe(true);
  }
}

/** The last message before the connection was closed. */
async function lastOf(...parts: readonly Uint8Array[]): Promise<string | undefined> {
  const client = await Client.to(server, ...parts);
  await client.closed();
  return client.messages.at(-1);
}

/** Send, until the server takes no more: what is left stays with the client. */
async function untilStuck(client: Client, flood: Uint8Array): Promise<void> {
  const piece = 100_000;
  let taken = 0;
  const send = (): void => {
    const bytes = flood.subarray(taken, taken + piece);
    if (bytes.length === 0) return;
    client.socket.write(bytes, () => {
      taken += bytes.length;
      send();
    });
  };
  send();
  let before = -1;
  let same = 0;
  const isStuck = (): boolean => {
    same = taken === before ? same + 1 : 0;
    before = taken;
    return same === 3;
  };
  await expect.poll(isStuck, { interval: 300, timeout: 60_000 }).toBe(true);
  expect(taken).toBeLessThan(flood.length);
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are in use: what the process takes beside depends on the tests before. */
function used(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes by which that grew. */
async function growth(run: () => Promise<void>): Promise<number> {
  const before = used();
  await run();
  return used() - before;
}

describe("before the login", () => {
  beforeEach(async () => {
    await server.close({ immediate: true });
    await begin(2000);
  });

  test("silence ends by the time limit", async () => {
    expect(await lastOf()).toBeUndefined();
  });

  test("a byte at a time ends by the time limit", async () => {
    const client = await Client.to(server);
    let at = 0;
    const timer = setInterval(() => client.send(login.subarray(at, ++at)), 100);
    await client.closed();
    clearInterval(timer);
    expect(client.bytes.length).toBe(0);
    expect(at).toBeLessThan(login.length);
  });

  test.each([
    ["a packet of 2 GB", Buffer.from("7fffffff00030000", "hex")],
    ["a packet of 10,005 bytes", Buffer.from("0000271500030000", "hex")],
    ["a negative length", Buffer.from("ffffffff00030000", "hex")],
    ["TLS to a server without it", Buffer.from("16030100a5010000a10303", "hex")],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["SSH", Buffer.from("SSH-2.0-OpenSSH_9.2p1\r\n")],
    ["zeros", Buffer.alloc(100_000)],
  ])("%s is closed without a word", async (_, bytes) => {
    expect(await lastOf(bytes)).toBeUndefined();
  });

  test("thousands of parameters are a login", async () => {
    const parameters = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`a.b${i}`, "c"]));
    const client = await Client.to(server, startup({ ...user, ...parameters }));
    await client.until(/KZ$/);
  });

  test("more sockets than there is room for are closed", async () => {
    const clients = await Promise.all(Array.from({ length: 60 }, () => Client.to(server)));
    await Promise.all(clients.map((client) => client.closed()));
  });
});

describe("with a password", () => {
  const sasl = (mechanism: string, body: string, length = body.length): Buffer => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(length);
    return frame("p", Buffer.concat([Buffer.from(`${mechanism}\0`), size, Buffer.from(body, "latin1")]));
  };
  const nonsense: readonly (readonly [string, Buffer, string])[] = [
    ["another mechanism", sasl("PLAIN", "x"), "08P01 client selected an invalid SASL authentication mechanism"],
    ["nothing", empty("p"), "08P01 invalid string in message"],
    ["a mechanism only", frame("p", "SCRAM-SHA-256"), "08P01 insufficient data left in message"],
    ["a long length", sasl("SCRAM-SHA-256", "n,,", 1000), "08P01 insufficient data left in message"],
    ["a short length", sasl("SCRAM-SHA-256", "n,,n=,r=a", 3), "08P01 invalid message format"],
    [
      "a NUL",
      sasl("SCRAM-SHA-256", "n,\0"),
      "08P01 malformed SCRAM message DETAIL Message length does not match input length.",
    ],
    ["an empty message", sasl("SCRAM-SHA-256", ""), "08P01 malformed SCRAM message DETAIL The message is empty."],
    ["a Query", query("SELECT 1"), "08P01 expected SASL response, got message type 81"],
    ["2 KB", frame("p", "x".repeat(2000)), '28P01 password authentication failed for user "u"'],
  ];
  test.each(nonsense)("%s", async (_, bytes, expected) => {
    const locked = await listen({ users: { u: scramSecret("p", { salt: new Uint8Array(16), iterations: 1 }) } });
    onTestFinished(() => locked.close({ immediate: true }));
    const client = await Client.to(locked, login, bytes);
    await client.closed();
    expect(client.messages.at(-1)).toBe(`E FATAL FATAL ${expected}`);
  });
});

describe("between commands", () => {
  test("megabytes of Sync that nobody reads the answers of do not fill memory", { timeout: 120_000 }, async () => {
    const client = await Client.to(server, login);
    await client.until(/Z$/);
    client.socket.pause();
    // 40 MB, to be answered by 48 MB, which would be some hundred in memory.
    const flood = Buffer.alloc(40_000_000, empty("S"));
    const grown = await growth(() => untilStuck(client, flood));
    expect(grown).toBeLessThan(MEMORY);
  });

  test("rows that nobody reads do not fill memory", async () => {
    const client = await Client.to(server, database);
    await client.until(/Z$/);
    client.socket.pause();
    const grown = await growth(async () => {
      client.send(query("SELECT endless"));
      await other.until(/Z$/);
      other.send(query("SHOW wal_level"));
      await other.until(/ZTDCZ$/);
    });
    expect(grown).toBeLessThan(MEMORY);
  });

  test("a Query beyond the limit is closed without a word", async () => {
    const header = Buffer.from("510001869f", "hex");
    header.writeUInt32BE(100_005, 1);
    expect(await lastOf(login, header)).toMatch(/^Z/);
  });

  test("a Query that never comes to its end waits, and takes no more than what has come", async () => {
    const client = await Client.to(server, login, Buffer.from("5100018000", "hex"), Buffer.alloc(1000, "x"));
    await client.until(/Z$/);
    expect(client.isClosed).toBe(false);
  });

  test("half close: what was asked is answered", async () => {
    const client = await Client.to(server, login, query("IDENTIFY_SYSTEM"));
    client.socket.end();
    await client.closed();
    expect(client.messages.map(([type]) => type).join("")).toMatch(/ZTDCZ$/);
  });

  test("a reset in the middle of a message is nobody's error", async () => {
    const client = await Client.to(server, login, Buffer.from("51000080", "hex"));
    await client.until(/Z$/);
    client.socket.resetAndDestroy();
    await expect.poll(() => server.connections.length).toBe(1);
    expect(told).toEqual([]);
  });
});

describe("in a stream", () => {
  test("a receiver that does not read stops the sender", async () => {
    const client = await Client.to(server, login);
    await client.until(/Z$/);
    client.socket.pause();
    const grown = await growth(async () => {
      client.send(query("START_REPLICATION 0/0"));
      await expect.poll(() => sent).toBeGreaterThan(0);
      let before = -1;
      // It has stopped once nothing was sent for some turns.
      await expect
        .poll(
          () => {
            const same = sent === before;
            before = sent;
            return same;
          },
          { interval: 200, timeout: 30_000 },
        )
        .toBe(true);
    });
    expect(grown).toBeLessThan(MEMORY);
    expect(sent * block.length).toBeLessThan(MEMORY);
  });

  test("requests for replies that nobody reads do not fill memory", { timeout: 120_000 }, async () => {
    const client = await Client.to(server, login, query("START_REPLICATION 0/10"));
    await client.until(/ZW$/);
    client.socket.pause();
    const ask = frame("d", Buffer.concat([Buffer.from("r"), Buffer.alloc(32), Buffer.of(1)]));
    const flood = Buffer.alloc(ask.length * 1_000_000, ask);
    const grown = await growth(() => untilStuck(client, flood));
    expect(grown).toBeLessThan(MEMORY);
  });

  test("Terminate ends it", async () => {
    const client = await Client.to(server, login, query("START_REPLICATION 0/0"));
    await expect.poll(() => sent).toBeGreaterThan(0);
    client.send(empty("X"));
    await client.closed();
    expect(server.connections.length).toBe(1);
  });

  test("CopyDone while the sender is busy ends it in order", async () => {
    const client = await Client.to(server, login, query("START_REPLICATION 0/0"));
    await expect.poll(() => sent).toBeGreaterThan(0);
    client.send(empty("c"), query("SHOW wal_level"));
    await client.until(/ZWcCCZTDCZ$/);
  });

  test("feedback of a megabyte is closed without a word", async () => {
    const header = Buffer.from("6400100000", "hex");
    expect(await lastOf(login, query("START_REPLICATION 0/10"), header)).toMatch(/^W/);
  });

  test("feedback of another kind is closed, and told to the application", async () => {
    expect(await lastOf(login, query("START_REPLICATION 0/10"), frame("d", Buffer.from("zabc")))).toMatch(/^W/);
    expect(told).toEqual([expect.objectContaining({ code: "BAD_TAG" })]);
  });
});

test("commands that wait do not keep others from their turn", async () => {
  let count = 0;
  let before: number | undefined;
  const busy = await listen({
    handlers: {
      show(name) {
        // As the first of many is answered, another client asks.
        if (count++ === 0) asks.send(query("IDENTIFY_SYSTEM"));
        for (const end = performance.now() + 0.5; performance.now() < end; );
        return { name, value: "" };
      },
      identifySystem() {
        before = count;
        return { systemid: 1n, timeline: 1, xlogpos: toLsn(0n) };
      },
    },
  });
  onTestFinished(() => busy.close({ immediate: true }));
  const asks = await Client.to(busy, login);
  await asks.until(/Z$/);
  await Client.to(busy, login, ...Array.from({ length: 400 }, () => query("SHOW a")));
  await expect.poll(() => before, { timeout: 30_000 }).toBeDefined();
  expect(before).toBeLessThan(200);
});
