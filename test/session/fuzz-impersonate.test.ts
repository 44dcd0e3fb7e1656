/** `walwire fuzz impersonate`: it finds each client that breaks a rule, and nothing in one that keeps them all. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { playedStream } from "../../src/arbitraries/played-streams.ts";
import { decodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../../src/generated/physical.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { serverVersionNum } from "../../src/kernel/version.ts";
import { logicalCapabilities } from "../../src/logical/capabilities.ts";
import { fuzz } from "../../src/node/cli/fuzz/declaration.ts";
import { impersonate } from "../../src/node/cli/fuzz/impersonate/index.ts";
import { frameViolations, pgoutputViolations } from "../../src/node/cli/fuzz/impersonate/script.ts";
import { readCall } from "../../src/node/cli/shared/read-call.ts";
import { type SubscribeOptions, subscribe } from "../../src/node/subscribe/index.ts";
import {
  decodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
} from "../../src/session/messages.ts";
import { Framer } from "../../src/wire/framer.ts";
import { seed } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

/** A client that breaks a rule, or none. */
type Fault = "none" | "silent" | "ahead" | "back" | "deaf" | "endless" | "early";

/** Has one stream: of WAL, or of pgoutput. */
function client(port: number, fault: Fault, isLogical = false): void {
  const socket = connect(port, "127.0.0.1");
  const framer = new Framer();
  const send = (message: FrontendMessage): void => void socket.write(encodeFrontendMessage(message));
  const start = 0x1000000n;
  let end = start;
  let replies = 0;
  const reply = (): void => {
    replies++;
    const flush = fault === "ahead" ? end + 1n : fault === "back" && replies > 1 ? start - 1n : end;
    const position = toLsn(flush);
    send({
      type: "CopyData",
      data: encodeWalReceiverMessage({
        type: "StandbyStatusUpdate",
        ...{ write: position, flush: position, apply: toLsn(0n), clientTime: toPgTime(0n), replyRequested: false },
      }),
    });
  };
  socket.on("error", () => {});
  socket.on("connect", () => {
    const parameters = [
      ["user", "u"],
      ["replication", isLogical ? "database" : "true"],
      ["application_name", fault],
    ] as const;
    socket.write(encodeStartupPacket({ type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters }));
  });
  let isStarted = false;
  socket.on("data", (chunk) => {
    try {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        const message = decodeBackendMessage(frame);
        if (message.type === "ReadyForQuery") {
          if (isStarted) return fault === "deaf" ? undefined : send({ type: "Terminate" });
          isStarted = true;
          const options = `(proto_version '1', publication_names 'p')`;
          const query = isLogical ? `SLOT s LOGICAL 0/0 ${options}` : "0/1000000 TIMELINE 1";
          send({ type: "Query", query: `START_REPLICATION ${query}` });
        }
        if (message.type === "ErrorResponse" && fault !== "deaf") return void socket.end();
        if (message.type === "CopyDone" && fault !== "endless") send({ type: "CopyDone" });
        if (message.type !== "CopyData") continue;
        const inside = decodeWalSenderMessage(message.data);
        if (inside.type === "XLogData" && isLogical) {
          end = inside.walEnd;
          const change = decodePgoutputMessage(inside.data);
          if (change.type === "Begin" && fault === "early") {
            end = change.finalLsn + 8n;
            reply();
          }
        } else if (inside.type === "XLogData") {
          if (inside.dataStart !== end) return void socket.end();
          end += BigInt(inside.data.length);
        }
        if (inside.type === "Keepalive" && inside.replyRequested && fault !== "silent") reply();
      }
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error;
      if (fault !== "deaf") socket.end();
    }
    return undefined;
  });
}

/** Play a script to a client, which is told the port. @returns what is said of it, and the exit status */
async function playedTo(start: (port: number) => void, script: readonly object[], timeout: number, ...more: string[]) {
  const lines: string[] = [];
  const [out, err] = [process.stdout.write, process.stderr.write];
  process.stdout.write = ((text: string) => lines.push(text) > 0) as typeof process.stdout.write;
  process.stderr.write = ((text: string) => {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) start(Number(port));
    return true;
  }) as typeof process.stderr.write;
  try {
    const args = ["--script", JSON.stringify(script), "--count", "1", "--timeout", `${timeout}`, "--jsonl", ...more];
    const status = await impersonate(readCall(fuzz, ["impersonate", ...args]), () => 0);
    return { status, ...JSON.parse(lines[0]!) };
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
}

const played = (fault: Fault, script: readonly object[], timeout: number, isLogical = false) =>
  playedTo((port) => client(port, fault, isLogical), script, timeout);

/** The rows of the table in docs/fuzzing.md. */
const survived = readFileSync(new URL("../../docs/fuzzing.md", import.meta.url), "utf8")
  .split("### What a reader must survive")[1]!
  .split("\n## ")[0]!
  .match(/^\|.*`\[.*$/gm)!
  .map((row) => row.split("|").map((cell) => cell.trim()))
  .map(([, what, , script]) => [what!, JSON.parse(script!.slice(1, -1)) as { readonly act: string }[]] as const);

/** What a subscription of ours has got: changes of committed transactions, and how it ended. */
async function subscription(port: number, more: Partial<SubscribeOptions>) {
  const changes: unknown[] = [];
  const followed = subscribe({
    connection: { host: "127.0.0.1", port, user: "u", database: "d" },
    ...{ slotname: "s", publications: ["p"], reconnect: false, ...more },
  });
  try {
    for await (const event of followed) {
      if (event.type === "Transaction") {
        for await (const change of event.changes) {
          if (change.type === "SchemaChange") continue;
          changes.push([change.type, change.row && Object.keys(change.row).length]);
        }
      }
      followed.confirm(event);
    }
  } catch (error) {
    return { changes, error };
  }
  return { changes, error: undefined };
}

const data = { act: "data", bytes: 100 };
const ask = { act: "keepalive", reply: true };
const scripts: readonly (readonly object[])[] = [
  [data, ask, data, { act: "stale" }, ask, { act: "end" }],
  ...["error", "cut", "gap", "letter", "short", "type", "length"].map((act) => [
    data,
    ask,
    { act: "split", size: 7 },
    { act },
  ]),
];

/** A seed of changes with one transaction: what a client confirms in it is then not mistaken for the end of another. */
const withOneTransaction = Array.from({ length: 1000 }, (_, i) => i).find((i) => {
  const options = {
    protocol: 1,
    server: serverVersionNum("18"),
    lsn: 0x1000000n,
    time: 0n,
    xid: 0x8000_0000,
    table: undefined,
  } as const;
  const [messages] = fc.sample(playedStream(options), { seed: i, numRuns: 1 });
  return messages!.filter(({ type }) => type === "Begin").length === 1;
});

describe("walwire fuzz impersonate", () => {
  expect(survived.length).toBeGreaterThanOrEqual(20);

  test.each(survived)("a subscription of ours survives %s", async (_, script) => {
    let ended: ReturnType<typeof subscription> | undefined;
    const start = (port: number) => {
      ended = subscription(port, { protocol: 4, streaming: "parallel", messages: true, binary: true });
    };
    expect(await playedTo(start, script, 30_000)).toMatchObject({ status: 0, ok: true });
    expect((await ended)?.error).toBeInstanceOf(WalwireError);
  });

  test("the table has every violation of pgoutput", () => {
    const acts = survived.flatMap(([, script]) => script.map(({ act }) => act));
    expect(acts).toEqual(expect.arrayContaining([...frameViolations, ...pgoutputViolations]));
  });

  test("changes by seed have what the table says, and a subscription gets all of it", async () => {
    const [, script] = survived.find(([what]) => what.includes("__proto__"))!;
    const folder = mkdtempSync(join(tmpdir(), "walwire-sent-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "sent.jsonl");
    let ended: ReturnType<typeof subscription> | undefined;
    const start = (port: number) => {
      ended = subscription(port, { protocol: 1 });
    };
    expect(await playedTo(start, script, 30_000, "--sent", file)).toMatchObject({ ok: true });
    const text = readFileSync(file, "utf8");
    const sent = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const of = (type: string) => sent.filter((message) => message.type === type);
    expect(text).toContain('{"unchanged":true}');
    expect(text).toContain("null");
    expect(
      of("Relation").some(({ columns }) => columns.some(({ name }: { name: string }) => name === "__proto__")),
    ).toBe(true);
    expect(of("Relation").some(({ relationId }) => relationId >= 2 ** 31)).toBe(true);
    expect(of("Begin").every(({ xid }) => xid >= 2 ** 31)).toBe(true);
    expect(of("Truncate").some(({ relationIds }) => relationIds.length > 1)).toBe(true);
    expect(of("Origin").length).toBeGreaterThan(0);
    const forms = new Map<number, Set<string>>();
    for (const { relationId, columns } of of("Relation")) {
      forms.set(relationId, (forms.get(relationId) ?? new Set()).add(JSON.stringify(columns)));
    }
    expect([...forms.values()].some(({ size }) => size > 1)).toBe(true);
    // A value that did not change is not in the row.
    const isThere = (value: unknown) => JSON.stringify(value) !== '{"unchanged":true}';
    const changes = sent.flatMap(({ type, newTuple }) =>
      ["Insert", "Update", "Delete", "Truncate"].includes(type) ? [[type, newTuple?.filter(isThere).length]] : [],
    );
    const got = (await ended)?.changes;
    expect(got).toEqual(changes);
  });

  test.each<[Fault, readonly object[], RegExp | undefined]>([
    ["none", [data, ask, { act: "changes", seed: 1 }, { act: "stale" }, { act: "shutdown" }], undefined],
    ["ahead", [data, ask], /says write 0\/1000011, and was sent nothing behind 0\/1000010/],
    ["early", [{ act: "changes", seed: withOneTransaction }], /says write .*, and was sent nothing behind/],
    ["deaf", [data, { act: "letter" }], /neither closes the connection nor goes on after .* an unknown letter/],
    ["deaf", [data, { act: "relation" }], /does not close the connection after an Insert into a relation/],
  ])("a reader of pgoutput that is %s: %j", async (fault, script, problem) => {
    const said = await played(fault, script, fault === "deaf" ? 300 : 30_000, true);
    expect(said.problem).toEqual(problem === undefined ? undefined : expect.stringMatching(problem));
  });

  test.each(scripts)("a client that keeps the rules has no finding", async (...script) => {
    expect(await played("none", script.flat(), 30_000)).toMatchObject({ status: 0, ok: true });
  });

  test.each<[Fault, readonly object[], RegExp]>([
    ["silent", [data, ask], /is not answered by a StandbyStatusUpdate/],
    ["ahead", [data, ask], /says write 0\/1000065, and was sent nothing behind 0\/1000064/],
    ["back", [data, ask, ask], /write goes back from 0\/1000064 to 0\/FFFFFF/],
    ["endless", [data, { act: "end" }], /has not answered CopyDone/],
    [
      "deaf",
      [data, { act: "letter" }],
      /does not close the connection after a message in CopyData with an unknown letter/,
    ],
    ["deaf", [data, { act: "error" }], /neither closes the connection nor sends a command/],
  ])("a client that is %s is found: %j", async (fault, script, problem) => {
    const isSilence = !["ahead", "back"].includes(fault);
    const said = await played(fault, script, isSilence ? 300 : 30_000);
    expect(said).toMatchObject({ status: 1, ok: false, client: fault });
    expect(said.problem).toMatch(problem);
  });

  test.each(longTestMajors)(
    "a subscription of PostgreSQL %i applies it all, and rejects what we say it does",
    async (major) => {
      const server = liveServer(major);
      const { streamingOfTransactions, twoPhaseOption, parallelStreaming } = logicalCapabilities.of(server.versionNum);
      const options = [
        ...[
          "copy_data = off",
          ...(streamingOfTransactions ? [`streaming = ${parallelStreaming ? "parallel" : "on"}`] : []),
        ],
        ...(twoPhaseOption ? ["two_phase = on"] : []),
      ];
      await server.sql("CREATE TABLE walwire_fuzz (id bigint, note text)");
      const seeds = [seed, seed + 1, seed + 2].map((each) => ({ act: "changes", seed: each >>> 0 }));
      const ending = { act: pgoutputViolations[seed % pgoutputViolations.length] };
      let subscribed: Promise<unknown> | undefined;
      const start = (port: number) => {
        const where = `CONNECTION 'host=127.0.0.1 port=${port} user=u dbname=d' PUBLICATION walwire_fuzz`;
        subscribed = server.sql(`CREATE SUBSCRIPTION walwire_fuzz ${where} WITH (${options.join(", ")})`);
        subscribed.catch(() => {});
      };
      try {
        const script = [...seeds, { act: "notice" }, data, ask, ending];
        const said = await playedTo(start, script, 30_000, "--subscription", "--server", `${major}`);
        expect(said.problem).toBeUndefined();
        expect(Number((await server.sql("SELECT count(*) FROM walwire_fuzz")).rows[0]![0])).toBeGreaterThan(0);
      } finally {
        await subscribed;
        await server.sql("ALTER SUBSCRIPTION walwire_fuzz DISABLE");
        await server.sql("ALTER SUBSCRIPTION walwire_fuzz SET (slot_name = NONE)");
        await server.sql("DROP SUBSCRIPTION walwire_fuzz");
        await server.sql("DROP TABLE walwire_fuzz");
      }
    },
  );
});
