/** libpq of PostgreSQL 15 and our client bind their logins to the certificate of a server of ours, whatever has signed it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/node/client.ts";
import { type ListenOptions, listen, scramSecret } from "../../src/node/server/index.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { tls } from "../tls-server.ts";
import { runProgram } from "./programs.ts";

const users = { me: scramSecret("secret", { salt: new Uint8Array(16) }) };

async function port(options: ListenOptions): Promise<number> {
  const server = await listen({ server: 15, users, ...options });
  onTestFinished(() => server.close({ immediate: true }));
  return server.address.port!;
}

/** What psql says of a login to it. */
async function psql(port: number, how: string): Promise<string> {
  const url = `postgres://me:secret@127.0.0.1:${port}/shop?replication=database&sslmode=require&${how}`;
  const { stdout, stderr } = await runProgram("psql", [url, "-Atc", "SHOW server_version"]);
  return `${stdout}${stderr}`;
}

const isIn = "15";
const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const rsa = ["-newkey", "rsa:2048"];

// pg has no SHA-224, and expects RSASSA-PSS to name its hash.
test.each<[string, readonly string[], string?]>([
  ["ecdsa-with-SHA1", [...curve, "-sha1"]],
  ["ecdsa-with-SHA224", [...curve, "-sha224"], "Unrecognized algorithm name"],
  ["ecdsa-with-SHA384", [...curve, "-sha384"]],
  ["ecdsa-with-SHA512", [...curve, "-sha512"]],
  ["sha224WithRSAEncryption", [...rsa, "-sha224"], "Unrecognized algorithm name"],
  ["sha256WithRSAEncryption", [...rsa, "-sha256"]],
  ["sha512WithRSAEncryption", [...rsa, "-sha512"]],
  ["RSASSA-PSS of SHA-1", [...rsa, "-sha1", "-sigopt", "rsa_padding_mode:pss"], "non-tag data"],
  ["RSASSA-PSS of SHA-384", [...rsa, "-sha384", "-sigopt", "rsa_padding_mode:pss"]],
])("%s", async (_, args, unknown) => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const [cert, key] = [join(path, "a.crt"), join(path, "a.key")];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", "-nodes", "-subj", "/CN=a", ...args, ...files], { stdio: "ignore" });
  // Node takes no certificate by SHA-1 at its usual level of security.
  const to = await port({ tls: { cert: readFileSync(cert), key: readFileSync(key), ciphers: "DEFAULT:@SECLEVEL=0" } });
  expect(await psql(to, "channel_binding=require")).toMatch(isIn);
  const options = { host: "127.0.0.1", port: to, user: "me", password: "secret", ssl: { rejectUnauthorized: false } };
  const login = connect({ ...options, database: "shop", enableChannelBinding: true, replication: "database" });
  if (unknown === undefined) await (await login).disconnect();
  else await expect(login).rejects.toThrow(unknown);
});

test("a certificate by Ed25519, which has no hash", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const [cert, key] = [join(path, "a.crt"), join(path, "a.key")];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", "-nodes", "-subj", "/CN=a", "-newkey", "ed25519", ...files], {
    stdio: "ignore",
  });
  const to = await port({ tls: { cert: readFileSync(cert), key: readFileSync(key) } });
  expect(await psql(to, "channel_binding=require")).toContain("could not find digest for NID UNDEF");
  expect(await psql(to, "channel_binding=disable")).toMatch(isIn);
});

test("the certificate of the server's own tests, and what has no channel binding", async () => {
  const [cert, key] = ["server.crt", "server.key"].map((name) => readFileSync(join(tls, name)));
  expect(await psql(await port({ tls: { cert, key } }), "channel_binding=require")).toMatch(isIn);
  const missing = "channel binding is required, but server did not offer an authentication method";
  expect(await psql(await port({ server: 10, tls: { cert, key } }), "channel_binding=require")).toContain(missing);
  expect(await psql(await port({ server: 10, tls: { cert, key } }), "channel_binding=prefer")).toMatch("10");
});
