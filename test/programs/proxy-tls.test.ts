/** PostgreSQL 15's programs through the proxy, with TLS on either side: it reads what passes, and they check certificates. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ProxyOptions, startProxy } from "../../src/node/proxy/index.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { compile } from "../compiled.ts";
import type { OwnServer } from "../servers/index.ts";
import { secret, startTlsServer, tls } from "../tls-server.ts";
import { runProgram } from "./programs.ts";

const [cert, key] = ["server.crt", "server.key"].map((name) => readFileSync(join(tls, name), "utf8"));
const password = encodeURIComponent(secret.password);
let server: OwnServer;

beforeAll(async () => {
  server = await startTlsServer(15);
});
afterAll(() => server.stop());

async function proxyTo(options: Partial<ProxyOptions>) {
  const texts: string[] = [];
  const errors: string[] = [];
  const proxy = await startProxy({
    to: { host: "localhost", port: server.port },
    onMessage({ message, error, mismatch }) {
      if (message?.type === "Query") texts.push(message.query);
      if (error !== undefined || mismatch !== undefined) errors.push(String(error ?? mismatch));
    },
    onError: (error) => errors.push(error.message),
    ...options,
  });
  onTestFinished(() => proxy.close());
  const { port } = proxy.address as { port: number };
  const url = (more: string) => `postgres://secret:${password}@localhost:${port}/postgres?${more}`;
  return { texts, errors, url };
}

const full = `sslmode=verify-full&sslrootcert=${join(tls, "server.crt")}&channel_binding=disable`;
const isEncrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

describe.each<[string, Partial<ProxyOptions>]>([
  ["verify-full", { serverTls: { ca: cert } }],
  ["require", { serverTls: { rejectUnauthorized: false } }],
])("a server by %s", (_, toServer) => {
  test.each<[string, Partial<ProxyOptions>, string]>([
    ["with TLS", { tls: { cert, key } }, full],
    ["without TLS", {}, "sslmode=disable"],
    ["that may have TLS, but has not", {}, "sslmode=prefer"],
  ])("a client %s", async (_, toClient, how) => {
    const { texts, errors, url } = await proxyTo({ ...toServer, ...toClient });
    const outcome = await runProgram("psql", [url(how), "-Atc", isEncrypted]);
    expect(outcome).toMatchObject({ status: 0, stdout: "t\n" });
    expect(texts).toEqual([isEncrypted]);
    expect(errors).toEqual([]);
  });
});

test("a base backup with a stream, encrypted on both sides", { timeout: 60_000 }, async () => {
  const { errors, url } = await proxyTo({ tls: { cert, key }, serverTls: { ca: cert } });
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const backup = join(path, "backup");
  const outcome = await runProgram("pg_basebackup", ["-d", url(full), "-D", backup, "-c", "fast", "-X", "stream"]);
  expect(outcome).toMatchObject({ status: 0 });
  expect(await runProgram("pg_verifybackup", [backup])).toMatchObject({ status: 0 });
  expect(errors).toEqual([]);
});

test("walwire proxy, encrypted on both sides", { timeout: 60_000 }, async () => {
  const compiled = compile();
  onTestFinished(() => compiled.remove());
  const files = ["--tls-cert", join(tls, "server.crt"), "--tls-key", join(tls, "server.key")];
  const toServer = [
    "--to",
    `localhost:${server.port}`,
    "--sslmode",
    "verify-full",
    "--sslrootcert",
    join(tls, "server.crt"),
  ];
  const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), "proxy", ...toServer, ...files]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text) => {
      said[name] += text;
    });
  }
  const closed = new Promise((resolve) => child.on("close", resolve));
  await expect.poll(() => said.stderr, { timeout: 20_000 }).toMatch(/listening on .*\n/);
  const port = /:(\d+)\n/.exec(said.stderr)![1];
  const url = `postgres://secret:${password}@localhost:${port}/postgres?${full}`;
  expect(await runProgram("psql", [url, "-Atc", isEncrypted])).toMatchObject({ status: 0, stdout: "t\n" });
  child.kill("SIGINT");
  expect(await closed).toBe(0);
  expect(said.stdout).toContain(`1 → Query query="${isEncrypted}"`);
  expect(said.stdout).toContain('mechanisms=["SCRAM-SHA-256"]');
});

test("says what is wrong with TLS", async () => {
  const unsigned = await proxyTo({ serverTls: {} });
  expect((await runProgram("psql", [unsigned.url("sslmode=disable"), "-c", "SELECT"])).status).toBe(2);
  expect(unsigned.errors).toEqual(["cannot speak TLS with the server: self-signed certificate"]);

  const other = await proxyTo({ serverTls: { ca: cert, servername: "elsewhere" } });
  expect((await runProgram("psql", [other.url("sslmode=disable"), "-c", "SELECT"])).status).toBe(2);
  expect(other.errors).toEqual([expect.stringContaining("does not match certificate's altnames")]);

  const inner = await proxyTo({});
  const plain = await proxyTo({ to: { port: Number(new URL(inner.url("")).port) }, serverTls: { ca: cert } });
  expect((await runProgram("psql", [plain.url("sslmode=disable"), "-c", "SELECT"])).status).toBe(2);
  expect(plain.errors).toEqual(["cannot speak TLS with the server: it does not have TLS"]);

  // Another certificate, whose authority the client trusts.
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const authority = join(path, "other.crt");
  writeFileSync(authority, rootCertificates[0]!);
  const untrusted = await proxyTo({ tls: { cert, key }, serverTls: { ca: cert } });
  const refused = await runProgram("psql", [
    untrusted.url("sslmode=verify-full&sslrootcert=${authority}"),
    "-c",
    "SELECT",
  ]);
  expect(refused.status).toBe(2);
  await expect.poll(() => untrusted.errors).toEqual([expect.stringMatching(/^cannot speak TLS with the client: /)]);
});

test("beyond loopback, clients without TLS are rejected", async () => {
  const { errors, url } = await proxyTo({
    tls: { cert, key },
    serverTls: { ca: cert },
    listen: { host: "0.0.0.0", port: 0 },
  });
  expect((await runProgram("psql", [url("sslmode=disable"), "-c", "SELECT"])).status).toBe(2);
  expect(errors).toEqual(["the client does not encrypt, as it must beyond loopback"]);
  expect(await runProgram("psql", [url(full), "-Atc", isEncrypted])).toMatchObject({ status: 0, stdout: "t\n" });
});
