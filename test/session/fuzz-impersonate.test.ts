/** `walwire fuzz impersonate`: it finds each client that breaks a rule, and nothing in one that keeps them all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../../src/generated/physical.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { fuzz } from "../../src/node/cli/fuzz/declaration.ts";
import { impersonate } from "../../src/node/cli/fuzz/impersonate/index.ts";
import { readCall } from "../../src/node/cli/shared/read-call.ts";
import {
  decodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
} from "../../src/session/messages.ts";
import { Framer } from "../../src/wire/framer.ts";

/** A client that breaks a rule, or none. */
type Fault = "none" | "silent" | "ahead" | "back" | "deaf" | "endless";

/** Has one stream. */
function client(port: number, fault: Fault): void {
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
      ["replication", "true"],
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
          send({ type: "Query", query: "START_REPLICATION 0/1000000 TIMELINE 1" });
        }
        if (message.type === "ErrorResponse" && fault !== "deaf") return void socket.end();
        if (message.type === "CopyDone" && fault !== "endless") send({ type: "CopyDone" });
        if (message.type !== "CopyData") continue;
        const inside = decodeWalSenderMessage(message.data);
        if (inside.type === "XLogData") {
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

/** Play a script to a client. @returns what is said of it, and the exit status */
async function played(fault: Fault, script: readonly object[], timeout: number) {
  const folder = mkdtempSync(join(tmpdir(), "walwire-script-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "script.json");
  writeFileSync(file, JSON.stringify(script));
  const lines: string[] = [];
  const [out, err] = [process.stdout.write, process.stderr.write];
  process.stdout.write = ((text: string) => lines.push(text) > 0) as typeof process.stdout.write;
  process.stderr.write = ((text: string) => {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) client(Number(port), fault);
    return true;
  }) as typeof process.stderr.write;
  try {
    const call = readCall(fuzz, [
      "impersonate",
      "--script",
      file,
      "--count",
      "1",
      "--timeout",
      `${timeout}`,
      "--jsonl",
    ]);
    const status = await impersonate(call, () => 0);
    return { status, ...JSON.parse(lines[0]!) };
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
}

const data = { act: "data", bytes: 100 };
const ask = { act: "keepalive", reply: true };
const scripts: readonly (readonly object[])[] = [
  [data, ask, data, { act: "stale" }, ask, { act: "end" }],
  ...["error", "cut", "gap", "letter", "short", "type", "length"].map((act) => [data, ask, { act }]),
];

describe("walwire fuzz impersonate", () => {
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
});
