/** SCRAM-SHA-256 beside PostgreSQL: the same secrets for the same passwords, and the same answers to each message of a client. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { scramSecret } from "../../src/node/server/index.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import { empty, frame, messagesOf, ourServer, query, startup, talk } from "../session/server-talk.ts";

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

// Three of these errors had other words before.
describe.each(longTestMajors.filter((major) => major >= 14))("PostgreSQL %i", (major) => {
  let live: OwnServer;
  let secret: string;

  beforeAll(async () => {
    live = await startServer({ major });
    await live.sql("SET password_encryption = 'scram-sha-256'; CREATE ROLE u LOGIN REPLICATION PASSWORD 'secret'");
    secret = (await live.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'u'")).rows[0]![0]!;
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
    const { path } = await ourServer({ server: live.versionNum, users: { u: secret } });
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
