/** Connections that use their memory again: what was received holds until the next is asked for, however the bytes arrive. */
import { readFileSync } from "node:fs";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import type { BackendMessage } from "../../src/session/messages.ts";
import { complete, copyBoth, copyDone, hostileServer, login, ready, say } from "./hostile-server.ts";

const [key, cert] = ["key", "crt"].map((kind) =>
  readFileSync(fileURLToPath(new URL(`tls/server.${kind}`, import.meta.url)), "utf8"),
) as [string, string];

/** 20 MB: small and large, and in each other bytes. */
const payloads = Array.from({ length: 300 }, (_, i) => {
  const length = i % 3 === 0 ? (i * 7919) % 100 : (i * 104_729) % 200_000;
  return Buffer.alloc(length, `${i} and `);
});
const copyOut: BackendMessage = { type: "CopyOutResponse", format: "text", columnFormats: [] };

/** Writes bytes in pieces of all sizes. */
async function drip(write: (bytes: Uint8Array) => void, bytes: Uint8Array): Promise<void> {
  for (let at = 0, i = 1; at < bytes.length; i++) {
    const count = i % 5 === 0 ? (i * 37) % 100 : (i * 7919) % 300_000;
    write(bytes.subarray(at, at + count));
    at += count;
    if (i % 3 === 0) await setImmediate();
  }
}

async function open(secure: boolean, reuseMemory: boolean): Promise<ReplicationConnection> {
  let written = Promise.resolve();
  const server = await hostileServer(
    (client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "CopyDone") {
        void written.then(() => client.write(complete("START_REPLICATION"), ready));
      }
      if (message.type !== "Query") return;
      const isStream = message.query.startsWith("START");
      const bytes = say(
        isStream ? copyBoth : copyOut,
        ...payloads.map((data) => ({ type: "CopyData", data }) as const),
        copyDone,
        ...(isStream ? [] : [complete("COPY 300"), ready]),
      );
      written = drip((piece) => void client.socket.write(piece), bytes);
    },
    secure ? { key, cert } : undefined,
  );
  const { sockets: _, ...options } = server;
  return connect({ ...options, reuseMemory, ...(secure ? { ssl: { ca: cert } } : {}) });
}

describe.each([
  ["TCP", false],
  ["TLS", true],
])("%s", (_, secure) => {
  test("a payload of a stream holds until the next is asked for", { timeout: 60_000 }, async () => {
    const connection = await open(secure, true);
    await connection.startReplication("START_REPLICATION 0/0");
    for (const [i, expected] of payloads.entries()) {
      const payload = await connection.receive();
      expect(expected.equals(payload!)).toBe(true);
      // The socket reads on meanwhile.
      if (i % 10 === 0) await setTimeout(3);
      else if (i % 3 === 0) await setImmediate();
      expect(expected.equals(payload!)).toBe(true);
    }
    expect(await connection.receive()).toBeUndefined();
    await connection.endReplication();
    await connection.disconnect();
  });

  test("a payload holds while another call ends the stream", { timeout: 60_000 }, async () => {
    const connection = await open(secure, true);
    await connection.startReplication("START_REPLICATION 0/0");
    let payload: Uint8Array | undefined;
    for (let i = 0; i <= 4; i++) payload = await connection.receive();
    await connection.endReplication();
    expect(payloads[4]!.equals(payload!)).toBe(true);
    await connection.disconnect();
  });

  test("so does a payload of COPY", { timeout: 60_000 }, async () => {
    const connection = await open(secure, true);
    let i = 0;
    for await (const payload of connection.copyOut("COPY t TO STDOUT")) {
      if (i % 10 === 0) await setTimeout(3);
      expect(payloads[i++]!.equals(payload)).toBe(true);
    }
    expect(i).toBe(payloads.length);
    await connection.disconnect();
  });

  test("without reuseMemory nothing that was received changes", { timeout: 60_000 }, async () => {
    const connection = await open(secure, false);
    const kept: Uint8Array[] = [];
    for await (const payload of connection.copyOut("COPY t TO STDOUT")) kept.push(payload);
    expect(kept.every((payload, i) => payloads[i]!.equals(payload))).toBe(true);
    expect(kept.length).toBe(payloads.length);
    await connection.disconnect();
  });
});

test("who asks for the next at once needs little memory for any stream", { timeout: 60_000 }, async () => {
  const connection = await open(false, true);
  const buffers = new Set<ArrayBufferLike>();
  for await (const payload of connection.copyOut("COPY t TO STDOUT")) buffers.add(payload.buffer);
  // The two that are read into, and those for a frame in pieces, of which each is longer than the one before.
  expect(buffers.size).toBeLessThan(10);
  await connection.disconnect();
});
