/** SCRAM-SHA-256 beside PostgreSQL: the same secrets for the same passwords, and the same answers to each message of a client. */
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/node/client.ts";
import { startProxy } from "../../src/node/proxy/index.ts";
import { listen, scramSecret } from "../../src/node/server/index.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import { empty, encrypted, frame, messagesOf, ourServer, query, startup, talk } from "../session/server-talk.ts";
import { secret, startTlsServer, tls } from "../tls-server.ts";

expectNothingUncaught();

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const login = startup({ user: "u", replication: "true" });

/** A SASLInitialResponse. */
const initial = (body: string, mechanism = "SCRAM-SHA-256", length = body.length): Buffer => {
  const size = Buffer.alloc(4);
  size.writeInt32BE(length);
  return frame("p", Buffer.concat([bytes(`${mechanism}\0`), size, bytes(body)]));
};
const answer = (body: string): Buffer => frame("p", bytes(body));

/** Bytes of AuthenticationSASL, after which the client speaks. */
const request = 24;
const first = initial("n,,n=,r=abc");

const cases: Readonly<Record<string, readonly Buffer[]>> = {
  "another mechanism": [initial("n,,n=,r=a", "SCRAM-SHA-256-PLUS")],
  "no NUL": [frame("p", bytes("SCRAM"))],
  "an empty body": [empty("p")],
  "no length": [frame("p", bytes("SCRAM-SHA-256\0"))],
  "a length that is too long": [initial("n,,n=,r=a", undefined, 100)],
  "a length that is too short": [initial("n,,n=,r=a", undefined, 3)],
  "a negative length": [initial("", undefined, -2)],
  "no initial response, then an empty one": [initial("", undefined, -1), empty("p")],
  "no initial response, then nonsense": [initial("", undefined, -1), answer("x")],
  "an empty message": [initial("")],
  "a NUL in it": [initial("n,,n=\0,r=a")],
  ...Object.fromEntries(
    [
      ...[
        "x",
        "\x01",
        "\xe9",
        "n",
        "nx",
        "n,",
        "n,a=b,",
        "n,x",
        "n,,",
        "n,,m=x",
        "n,,x",
        "n,,n",
        "n,,n=",
        "n,,n=,",
        "y,,n=a,s=a",
      ],
      ...[
        "n,,n=,r",
        "n,,n=,r=\xe9",
        "n,,n=,r=a b",
        "n,,n=,r=a,",
        "n,,n=,r=a,1",
        "n,,n=,r=a,x",
        "p=tls-unique,,n=,r=a",
        "y",
      ],
    ].map((text) => [`first ${JSON.stringify(text)}`, [initial(text)]]),
  ),
  ...Object.fromEntries(
    [
      ...[
        "",
        "x",
        "c",
        "c=",
        "c=biws",
        "c=eSws,r=abc",
        "c=biws,",
        "c=biws,r=abc",
        "c=biws,r=abc,",
        "c=biws,r=abc,p=",
        "c=biws,r=abc,1",
      ],
      ...[
        "c=biws,r=abc,p=AAAA",
        "c=biws,r=abc,p=!",
        `c=biws,r=abc,p=${"A".repeat(43)}=`,
        `c=biws,r=abc,x=y,p=${"A".repeat(43)}=,z`,
      ],
      "c=biws,r=a\0bc",
    ].map((text) => [`final ${JSON.stringify(text)}`, [first, answer(text)]]),
  ),
  "a Query": [query("SELECT 1")],
  "a message of 1,020 bytes": [frame("p", bytes("x".repeat(1020)))],
  "a message of 1,021 bytes": [frame("p", bytes("x".repeat(1021)))],
  "a length of 3": [bytes("p\0\0\0\x03")],
  "half a message": [bytes("p\0\0\0\x20x")],
};

/** What a client that binds its login to a certificate says first, and last without its proof. */
const bound = (header = "p=tls-server-end-point,,") => initial(`${header}n=,r=abc`, "SCRAM-SHA-256-PLUS");
const proof = `,r=abc,p=${"A".repeat(43)}=`;
const binding = (hash: Buffer, header = "p=tls-server-end-point,,"): string =>
  `c=${Buffer.concat([bytes(header), hash]).toString("base64")}${proof}`;
/** ecdsa-with-SHA256, so it is by SHA-256. */
const hash = createHash("sha256")
  .update(new X509Certificate(readFileSync(join(tls, "server.crt"))).raw)
  .digest();

const encryptedCases: Readonly<Record<string, readonly Buffer[]>> = {
  "no channel binding": [first, answer(`c=biws${proof}`)],
  "a client that thinks the server has none": [initial("y,,n=,r=abc")],
  "without a type": [bound("p,,")],
  "an empty type": [bound("p=,,")],
  "another type": [bound("p=tls-unique,,")],
  "a long type": [bound(`p=tls ${"é".repeat(40)},,`)],
  "an authorization identity": [bound("p=tls-server-end-point,a=x,")],
  "the mechanism with binding, a message without": [bound("n,,")],
  "the mechanism with binding, a message that thinks there is none": [bound("y,,")],
  "the mechanism with binding, an unknown flag": [bound("x,,")],
  "the mechanism without binding, a message with": [initial("p=tls-server-end-point,,n=,r=abc")],
  "an unknown mechanism": [initial("n,,n=,r=abc", "SCRAM-SHA-1-PLUS")],
  "the right certificate, a wrong proof": [bound(), answer(binding(hash))],
  "another certificate": [bound(), answer(binding(hash.map((byte) => byte ^ 1) as Buffer))],
  "another hash": [bound(), answer(binding(Buffer.concat([hash, hash])))],
  "another header": [bound(), answer(binding(hash, "p=tls-unique,,"))],
  "no certificate": [bound(), answer(binding(Buffer.alloc(0)))],
  "nothing that binds": [bound(), answer(`c=biws${proof}`)],
};

describe.each(longTestMajors.filter((major) => major >= 14))("PostgreSQL %i over TLS", (major) => {
  let live: OwnServer;
  let verifier: string;
  const [cert, key] = ["server.crt", "server.key"].map((name) => readFileSync(join(tls, name)));

  beforeAll(async () => {
    live = await startTlsServer(major);
    verifier = (await live.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'secret'")).rows[0]![0]!;
    return () => live.stop();
  }, 120_000);

  test.each(Object.entries(encryptedCases))("%s", async (_, messages) => {
    const ours = await listen({ server: live.versionNum, users: { secret: verifier }, tls: { cert, key } });
    onTestFinished(() => ours.close({ immediate: true }));
    const steps = [startup({ user: "secret", replication: "true" }), 42, ...messages];
    const [theirs, said] = await Promise.all(
      [live.port, ours.address.port!].map(async (port) => messagesOf(await talk(await encrypted(port), steps))),
    );
    const masked = (all: readonly string[]) => all.map((each) => each.replace(/r=abc[^,]+,s=/, "r=abc…,s="));
    expect(theirs![0]).toContain("SCRAM-SHA-256-PLUS");
    expect(masked(said!)).toEqual(masked(theirs!));
  });

  test("our client binds its login to the certificate", async () => {
    const to = {
      port: live.port,
      ...secret,
      host: "127.0.0.1",
      ssl: { ca: cert },
      enableChannelBinding: true,
    } as const;
    const client = await connect({ ...to, replication: "true" });
    await client.identifySystem();
    await client.disconnect();
    // Between them the offer is taken away, of which the server is told.
    const between = await startProxy({
      to: { host: "127.0.0.1", port: live.port },
      serverTls: { ca: cert },
      tls: { cert, key },
    });
    onTestFinished(() => between.close());
    const { port } = between.address as { port: number };
    const login = connect({ ...to, port, replication: "true" });
    await expect(login).rejects.toThrow("SCRAM channel binding negotiation error");
  });
});

describe.each(longTestMajors)("PostgreSQL %i", (major) => {
  let live: OwnServer;
  let verifier: string;

  beforeAll(async () => {
    live = await startServer({ major });
    await live.sql("SET password_encryption = 'scram-sha-256'; CREATE ROLE u LOGIN REPLICATION PASSWORD 'secret'");
    verifier = (await live.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'u'")).rows[0]![0]!;
    const hba = join(live.dataDirectory, "pg_hba.conf");
    const trusted = readFileSync(hba, "utf8");
    writeFileSync(hba, `local replication u,nobody scram-sha-256\n${trusted}`);
    await live.sql("SELECT pg_reload_conf()");
    // The postmaster reads it when it comes to it.
    const path = `${live.host}/.s.PGSQL.${live.port}`;
    for (
      let asks = "";
      !asks.startsWith('R "\\u0000\\u0000\\u0000\\n');
      asks = messagesOf(await talk(path, [login]))[0] ?? ""
    );
    return () => live.stop();
  }, 120_000);

  test("the same secrets for the same passwords", async () => {
    for (const password of ["secret", "", "pässword", "a b", "a\u00a0b", "ﬁ", "x\u00ady", "日本", "Å", "é"]) {
      if (password === "") continue;
      await live.sql(`SET password_encryption = 'scram-sha-256'; ALTER ROLE postgres PASSWORD '${password}'`);
      const theirs = (await live.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")).rows[0]![0]!;
      const salt = Buffer.from(/:([^$]*)\$/.exec(theirs)![1]!, "base64");
      expect(scramSecret(password, { salt }), password).toBe(theirs);
    }
  });

  test.each(Object.entries(cases))("%s", { timeout: 120_000 }, async (_, messages) => {
    const { path } = await ourServer({ server: live.versionNum, users: { u: verifier } });
    for (const user of ["u", "nobody"]) {
      const steps = [startup({ user, replication: "true" }), request, ...messages];
      const [theirs, ours] = await Promise.all(
        [`${live.host}/.s.PGSQL.${live.port}`, path].map(async (each) => messagesOf(await talk(each, steps))),
      );
      // Nonces are random, and so are the salts of roles that do not exist.
      const masked = (all: readonly string[]) => all.map((each) => each.replace(/r=(abc|a)[^,]+,s=[^,]+/, "r=$1…,s=…"));
      expect(masked(ours!)).toEqual(masked(theirs!));
    }
  });
});
