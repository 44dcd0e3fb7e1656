/** Logging in: passwords by SCRAM, and TLS, after which the socket is ours all the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { connect, ServerError } from "../../src/node/client.ts";
import { majors, type OwnServer } from "../servers/index.ts";
import { secret as role, startTlsServer, tls } from "../tls-server.ts";

let server: OwnServer;

beforeAll(async () => {
  server = await startTlsServer(majors.at(-1)!);
});

afterAll(() => server.stop());

/** Log in and stream, which shows that the bytes after the login are ours. */
async function stream(options: Parameters<typeof connect>[0]): Promise<string> {
  const connection = await connect(options);
  try {
    const { rows } = await connection.query("IDENTIFY_SYSTEM");
    await connection.startReplication(`START_REPLICATION ${rows[0]?.[2]}`);
    await server.sql("SELECT pg_logical_emit_message(true, '', 'something to send')");
    const payload = await connection.receive();
    await connection.endReplication();
    return decodeWalSenderMessage(payload!).type;
  } finally {
    await connection.disconnect();
  }
}

const secret = { ...role, replication: "true" } as const;

test("a password by SCRAM", async () => {
  expect(await stream({ ...secret, host: server.host, port: server.port })).toMatch(/XLogData|Keepalive/);
});

test("a wrong password is the server's error 28P01", async () => {
  const wrong = connect({ ...secret, password: "wrong", host: server.host, port: server.port });
  await expect(wrong).rejects.toThrow(expect.objectContaining({ constructor: ServerError, sqlstate: "28P01" }));
});

test("TLS, with the server's certificate checked", async () => {
  const ca = readFileSync(join(tls, "server.crt"), "utf8");
  expect(await stream({ ...secret, host: "127.0.0.1", port: server.port, ssl: { ca } })).toMatch(/XLogData|Keepalive/);
});

test("TLS, with a certificate that nobody has signed, is refused", async () => {
  await expect(stream({ ...secret, host: "127.0.0.1", port: server.port, ssl: true })).rejects.toThrow(
    "self-signed certificate",
  );
});

test("without TLS, where pg_hba.conf wants it, is the server's error 28000", async () => {
  const plain = connect({ ...secret, host: "127.0.0.1", port: server.port });
  await expect(plain).rejects.toThrow(expect.objectContaining({ sqlstate: "28000" }));
});
