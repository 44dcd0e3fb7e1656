/** The demo on every live server: the stream of `npm start`, byte for byte, and the tables that it makes. */
import { describe, expect, test } from "vitest";
import { demo } from "../../scripts/demo/demo.ts";
import { supports } from "../../src/capabilities.ts";
import { decodePgoutputMessage, encodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { Conversation } from "../../src/node/conversation.ts";
import { WalSenderMessage } from "../../src/physical/messages.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  test("the demo's stream re-encodes byte for byte, and its tables equal SELECT", async () => {
    const server = liveServer(major);
    const database = `demo_${process.pid}`;
    await server.sql(`CREATE DATABASE ${database}`);
    const lines: string[] = [];
    const payloads: Uint8Array[] = [];
    const { host, port, user } = server;
    const good = await demo({
      server: { host, port, user, database },
      conversation: new Conversation({ output: { write: (text: string) => lines.push(...text.split("\n")) } }),
      rows: 2000,
      onPayload: (payload) => payloads.push(payload),
    });
    await server.sql(`DROP DATABASE ${database}`);
    expect(good, lines.join("\n")).toBe(true);

    const seen = new Set<string>();
    for (const payload of payloads) {
      const message = decodeWalSenderMessage(payload);
      seen.add(message.type);
      expect(Buffer.compare(encodeWalSenderMessage(message), payload)).toBe(0);
      expect(interpretDecode(WalSenderMessage, payload)).toEqual(message);
      if (message.type !== "XLogData") continue;
      const change = decodePgoutputMessage(message.data);
      seen.add(change.type);
      expect(Buffer.compare(encodePgoutputMessage(change), message.data)).toBe(0);
      expect(interpretDecode(PgoutputMessage, message.data)).toEqual(change);
      expect(Buffer.compare(interpretEncode(PgoutputMessage, change), message.data)).toBe(0);
    }
    const expected = [
      "XLogData",
      "Keepalive",
      "Begin",
      "Type",
      "Relation",
      "Origin",
      "Insert",
      "Update",
      "Delete",
      "Commit",
    ];
    if (supports(server.versionNum, "publishTruncate")) expected.push("Truncate");
    if (supports(server.versionNum, "logicalMessages")) expected.push("Message");
    expect([...seen].sort()).toEqual(expected.sort());
    expect(payloads.length).toBeGreaterThan(2040);

    const text = lines.join("\n");
    expect(text).toContain("(unchanged TOAST)");
    expect(text).toContain("(old key: id=2)");
    expect(text).toContain("(old full: fruit=1 pieces=3)");
    // A status update may come in between.
    const hidden = [...text.matchAll(/… ([\d,]+) more Insert public\.measurement/g)];
    const shown = lines.filter((line) => /Insert +public\.measurement/.test(line) && !line.includes("more Insert"));
    const total = hidden.reduce((sum, [, count]) => sum + Number(count!.replace(",", "")), shown.length);
    expect(total).toBe(2000);
    expect(shown.length).toBeLessThan(20);
    expect(lines.filter((line) => line.startsWith("← ") && line.includes("undone"))).toEqual([]);
  });
});
