/** Streams recorded from real servers, byte for byte: see scripts/capture.ts. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { decodePgoutputMessage, encodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { Replica } from "../../scripts/demo/replica.ts";
import { parseCommand, printCommand } from "../../src/command/index.ts";
import { readCapture } from "../servers/capture.ts";
import { toHex } from "../hex.ts";

const folder = fileURLToPath(new URL("./", import.meta.url));
const vectors = JSON.parse(readFileSync(`${folder}demo.json`, "utf8")) as {
  file: string;
  server: string;
  command: string;
  payloads: number;
}[];

test("each recorded file is named with the server and the command that made it", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".bin.gz"));
  expect(vectors.map(({ file }) => file).sort()).toEqual(files.sort());
  expect(vectors.length).toBe(9);
});

describe.each(vectors)("PostgreSQL $server", ({ file, server, command, payloads: count }) => {
  const payloads = readCapture(`${folder}${file}`);

  test("every payload, and the message in it, encodes back to the same bytes", () => {
    expect(payloads.length).toBe(count);
    for (const payload of payloads) {
      const message = decodeWalSenderMessage(payload);
      expect(toHex(encodeWalSenderMessage(message))).toBe(toHex(payload));
      if (message.type !== "XLogData") continue;
      expect(toHex(encodePgoutputMessage(decodePgoutputMessage(message.data)))).toBe(toHex(message.data));
    }
  });

  test("it holds every message that this server can send, and the tables that it makes", () => {
    const seen = new Set<string>();
    const replica = new Replica();
    const decoder = new PgoutputDecoder();
    for (const payload of payloads) {
      const envelope = decodeWalSenderMessage(payload);
      if (envelope.type !== "XLogData") continue;
      const message = decoder.decode(envelope.data);
      seen.add(message.type);
      replica.apply(message);
    }
    // The demo speaks protocol 1.
    const { messages, capabilities } = PgoutputMessage;
    const asked = messages.filter(({ options = [] }) => !options.some((each) => /^(streaming|two_phase)$/.test(each)));
    const expected = asked.filter(({ since }) => since === undefined || capabilities.supports(server, since));
    expect([...seen].sort()).toEqual(expected.map(({ name }) => name).sort());
    const rows = Object.fromEntries([...replica.tables()].map(({ relation, rows }) => [relation.name, rows.length]));
    expect(rows).toEqual({ fruit: 7, document: 1, basket: capabilities.supports(server, "publishTruncate") ? 0 : 2, measurement: 20 });
  });

  test("its command is what our grammar prints", () => {
    expect(printCommand(parseCommand(command, { server }), { server })).toBe(command);
  });
});
