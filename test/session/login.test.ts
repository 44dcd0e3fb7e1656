/** Logging in: passwords by SCRAM, and TLS, after which the socket is ours all the same. */
import { appendFileSync, chmodSync, chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { connect, ServerError } from "../../src/node/client.ts";
import { majors, type OwnServer, startServer } from "../servers/index.ts";

const tls = fileURLToPath(new URL("tls/", import.meta.url));
let server: OwnServer;

/** A port of 127.0.0.1 that nobody listens on just now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer().on("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address() as { port: number };
      listener.close(() => resolve(port));
    });
  });
}

beforeAll(async () => {
  const port = String(await freePort());
  server = await startServer({ major: majors.at(-1)!, settings: { port, listen_addresses: "127.0.0.1" } });
  const data = join(server.host, "data");
  const { uid, gid } = statSync(data);
  for (const [file, mode] of [
    ["server.crt", 0o644],
    ["server.key", 0o600],
  ] as const) {
    copyFileSync(join(tls, file), join(data, file));
    chmodSync(join(data, file), mode);
    if (process.getuid?.() === 0) chownSync(join(data, file), uid, gid);
  }
  const hba = join(data, "pg_hba.conf");
  const rules = [
    "local all,replication secret scram-sha-256",
    "hostssl all,replication secret 127.0.0.1/32 scram-sha-256",
    "host all,replication all 127.0.0.1/32 reject",
  ];
  writeFileSync(hba, `${rules.join("\n")}\n${readFileSync(hba, "utf8")}`);
  appendFileSync(join(data, "postgresql.conf"), "\nssl = on\n");
  await server.sql("CREATE ROLE secret LOGIN REPLICATION PASSWORD 'p4ß word'");
  await server.sql("SELECT pg_reload_conf()");
  // The postmaster reads its files when the signal has reached it.
  for (let ssl = "off"; ssl === "off"; ssl = String((await server.sql("SHOW ssl")).rows[0]?.[0]));
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

const secret = { user: "secret", password: "p4ß word", database: "postgres", replication: "true" } as const;

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
