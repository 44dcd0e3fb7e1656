/** `walwire/testing`: what a test can do to a client, and what it learns from it. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Begin, Commit, Insert, PgoutputMessage, Relation } from "../../src/generated/logical.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { PgoutputDecoder, TupleData } from "../../src/logical/index.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { subscribe } from "../../src/node/subscribe/index.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../../src/node/testing/index.ts";
import { decodeWalSenderMessage } from "../../src/physical/index.ts";
import { Feedback } from "../../src/session/index.ts";

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer(options);
  onTestFinished(() => server.close());
  return server;
}

const relation: Relation = {
  type: "Relation",
  relationId: 16384,
  namespace: "public",
  name: "fruit",
  replicaIdentity: "default",
  columns: [{ key: true, name: "id", typeId: 23, typeModifier: -1 }],
};

/** A transaction that inserts rows of one column. */
function transaction(xid: number, at: bigint, ...ids: readonly number[]): PgoutputMessage[] {
  const commitTime = toPgTime(0n);
  const [commitLsn, endLsn] = [toLsn(at), toLsn(at + 8n)];
  const begin: Begin = { type: "Begin", finalLsn: commitLsn, commitTime, xid };
  const commit: Commit = { type: "Commit", commitLsn, endLsn, commitTime };
  const inserts = ids.map(
    (id): Insert => ({ type: "Insert", relationId: 16384, newTuple: TupleData.of([String(id)]) }),
  );
  return [begin, relation, ...inserts, commit];
}

/** A client that acknowledges each commit, and collects the ids of what it gets. */
async function follow(server: TestServer, options: { readonly acknowledge?: boolean } = {}) {
  const { host, port } = server;
  const client = await connect({ host, port, user: "u", database: "d", replication: "database" });
  onTestFinished(() => client.disconnect());
  const feedback = new Feedback({ plugin: "pgoutput", automatic: false });
  await client.startLogical({ slotname: "s", protocol: 1, publicationNames: ["p"], feedback });
  const ids: number[] = [];
  const end = (async (client: ReplicationConnection) => {
    const decoder = new PgoutputDecoder();
    for (;;) {
      const payload = await client.receive();
      if (payload === undefined) {
        await client.endReplication();
        return "ended";
      }
      const message = decodeWalSenderMessage(payload);
      if (message.type !== "XLogData") continue;
      const change = decoder.decode(message.data);
      if (change.type === "Insert") ids.push(Number(change.newTuple.get(0)));
      if (change.type === "Commit" && options.acknowledge !== false) feedback.flushed(change.endLsn);
    }
  })(client).catch((error: { code?: string; sqlstate?: string }) => error.sqlstate ?? error.code);
  return { client, ids, end };
}

describe("a stream in a test's hands", () => {
  test("says what the client has asked for, and what it has acknowledged", async () => {
    const server = await start({ server: 16 });
    const [{ ids, client }, stream] = await Promise.all([follow(server), server.nextStream()]);
    expect(stream.command).toMatchObject({ type: "StartReplicationCmd", slotname: "s", startpoint: 0n });
    expect(stream.options).toMatchObject({ protocol: 1, publicationNames: ["p"] });
    expect(server.commands.at(-1)).toMatch(/^START_REPLICATION SLOT "?s"? LOGICAL 0\/0/);
    expect(client.serverVersion).toBeGreaterThanOrEqual(160000);
    await stream.change(transaction(1, 100n, 1, 2));
    await stream.untilAcknowledged(toLsn(108n));
    expect(stream.acknowledged).toBe(108n);
    expect(stream.updates.at(-1)).toMatchObject({ flush: 108n });
    await stream.change(transaction(2, 200n, 3));
    await stream.untilAcknowledged(toLsn(208n));
    expect(ids).toEqual([1, 2, 3]);
  });

  test("a client that acknowledges too little is an error that says what it has said", async () => {
    const server = await start();
    const [, stream] = await Promise.all([follow(server, { acknowledge: false }), server.nextStream()]);
    await stream.change(transaction(1, 100n, 1));
    await expect(stream.untilAcknowledged(toLsn(108n), { timeout: 50 })).rejects.toThrow(
      "after 50 ms the client has reported 0/0 as flushed, expected 0/6C",
    );
    await expect(server.nextStream({ timeout: 20 })).rejects.toThrow(
      /no client has started a stream for 20 ms; the last commands: .*START_REPLICATION/,
    );
    const waiting = expect(stream.untilAcknowledged(toLsn(108n))).rejects.toThrow(
      "the stream has ended: the client has reported 0/0",
    );
    stream.cut();
    await waiting;
  });

  test("cuts a connection within a message, and the client comes back", async () => {
    const server = await start();
    const [first, stream] = await Promise.all([follow(server), server.nextStream()]);
    stream.breakAt({ type: "Insert", n: 2 }, { type: "cut", after: 12 });
    await stream.change(transaction(1, 100n, 1, 2)).catch(() => {});
    expect(await first.end).toBe("CONNECTION_LOST");
    expect(first.ids).toEqual([1]);
    await stream.ended;
    const [second, again] = await Promise.all([follow(server), server.nextStream()]);
    await again.change(transaction(1, 100n, 1, 2));
    await again.untilAcknowledged(toLsn(108n));
    expect(second.ids).toEqual([1, 2]);
  });

  test("ends it in order, and with an error of the server", async () => {
    const server = await start();
    const [first, stream] = await Promise.all([follow(server), server.nextStream()]);
    await stream.end();
    expect(await first.end).toBe("ended");
    const [second, again] = await Promise.all([follow(server), server.nextStream()]);
    await again.fail({
      sqlstate: "58P01",
      message: "requested WAL segment 000000010000000000000001 has already been removed",
    });
    expect(await second.end).toBe("58P01");
  });

  test("crashes, and listens again on the same port", async () => {
    const server = await start();
    const { port } = server;
    const [first, stream] = await Promise.all([follow(server), server.nextStream()]);
    await server.crash();
    expect(await first.end).toBe("CONNECTION_LOST");
    await stream.ended;
    const { host } = server;
    const again = connect({ host, port, user: "u", replication: "true", connectionTimeoutMillis: 5000 });
    await expect(again).rejects.toMatchObject({ name: "ConnectionError" });
    await server.restart();
    expect(server.port).toBe(port);
    const [second, next] = await Promise.all([follow(server), server.nextStream()]);
    await next.change(transaction(1, 100n, 7));
    await next.untilAcknowledged(toLsn(108n));
    expect(second.ids).toEqual([7]);
  });

  test("duplicates, delays and corrupts a message", async () => {
    const server = await start();
    const [first, stream] = await Promise.all([follow(server), server.nextStream()]);
    stream.breakAt({ type: "Commit" }, { type: "delay", milliseconds: 50 });
    const twice = transaction(1, 100n, 1);
    await stream.change([...twice.slice(0, 3), ...twice.slice(2)]);
    await stream.untilAcknowledged(toLsn(108n));
    expect(first.ids).toEqual([1, 1]);
    // A type byte that no walsender sends.
    stream.breakAt({ type: "Keepalive" }, { type: "replace", bytes: Uint8Array.of(0x64, 0, 0, 0, 5, 0x21) });
    await stream.keepalive(toLsn(300n)).catch(() => {});
    expect(await first.end).toBe("BAD_TAG");
  });

  test("a message that there cannot be, and wrong options, are errors", async () => {
    const server = await start();
    const cut = { type: "cut" } as const;
    for (const [place, path] of [
      [{ type: "Nope" }, "place.type"],
      [{ type: "Query" }, "place.type"],
      [{ type: "Insert", n: 0 }, "place.n"],
      [{ type: "Insert", from: "xx" }, "place.from"],
      [{}, "place.type"],
    ] as const) {
      expect(() => server.breakAt(place as never, cut)).toThrow(path);
    }
    expect(() => server.breakAt({ type: "Insert" }, { type: "delay" } as never)).toThrow("action.milliseconds");
    await expect(startTestServer({ zap: 1 } as never)).rejects.toThrow("zap");
    await expect(startTestServer({ handlers: 5 } as never)).rejects.toMatchObject({ path: "options.handlers" });
    const [, stream] = await Promise.all([follow(server), server.nextStream()]);
    await expect(stream.change(undefined as never)).rejects.toThrow("changes");
    const waiting = expect(server.nextStream()).rejects.toThrow("the test server was closed");
    await server.close();
    await waiting;
    await expect(server.nextStream()).rejects.toThrow("the test server was closed");
    await expect(server.restart()).rejects.toThrow("the test server was closed");
  });

  test("handlers of the options answer first", async () => {
    const server = await start({
      handlers: {
        dropSlot: ({ slotname }) => {
          throw Object.assign(new Error(slotname));
        },
        query: () => ({ type: "rows", columns: [{ name: "a" }], rows: [["b"]] }),
      },
      position: toLsn(77n),
    });
    const { host, port } = server;
    const client = await connect({ host, port, user: "u", database: "d", replication: "database" });
    onTestFinished(() => client.disconnect());
    expect(await client.identifySystem()).toMatchObject({ xlogpos: 77n, dbname: "d" });
    expect((await client.query("SELECT 1 AS a")).rows).toEqual([["b"]]);
    await expect(client.dropSlot("s")).rejects.toMatchObject({ sqlstate: "XX000" });
    expect((await client.createSlot("t", { plugin: "pgoutput" })).consistent_point).toBe(77n);
    expect(server.connections).toBe(1);
    server.cut();
    await expect.poll(() => server.connections).toBe(0);
  });
});

test("plays a recording of a server", async () => {
  const server = await start();
  const [first, stream] = await Promise.all([follow(server, { acknowledge: false }), server.nextStream()]);
  const payloads = [];
  const bytes = gunzipSync(readFileSync(new URL("../vectors/demo-18.bin.gz", import.meta.url)));
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at))
    payloads.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at)));
  await stream.play(payloads);
  await stream.end();
  expect(await first.end).toBe("ended");
  expect(first.ids.length).toBeGreaterThan(0);
});

test("walwire/subscribe follows it, and comes back when it is cut off or crashes", async () => {
  const server = await start({ server: 17 });
  const { host, port } = server;
  const seen: string[] = [];
  const subscription = subscribe({
    connection: { host, port, user: "u", database: "d" },
    ...{ slotname: "s", publications: ["p"], reconnect: { first: 10 } },
  });
  const done = (async () => {
    for await (const event of subscription) {
      if (event.type === "Transaction") {
        for await (const { row } of event.changes) if (row !== undefined) seen.push(`${event.xid} ${row.id}`);
      }
      subscription.confirm(event);
    }
  })();
  const first = await server.nextStream();
  expect(first.command.slotname).toBe("s");
  await first.change(transaction(7, 0x1000100n, 1));
  await first.untilAcknowledged(toLsn(0x1000108n));
  first.breakAt({ type: "Insert", n: 2 }, { type: "cut", after: 10 });
  const second = transaction(8, 0x1000200n, 2, 3);
  await first.change(second).catch(() => {});
  const again = await server.nextStream();
  await again.change(second);
  await again.untilAcknowledged(toLsn(0x1000208n));
  await server.crash();
  await server.restart();
  const last = await server.nextStream();
  await last.change(transaction(9, 0x1000300n, 4));
  await last.untilAcknowledged(toLsn(0x1000308n));
  await subscription.stop();
  await done;
  expect(seen).toEqual(["7 1", "8 2", "8 3", "9 4"]);
});
