/** The dissector for Wireshark, by tshark: on captures of recorded streams every field has the bytes that `dissect` gives it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { snake } from "../../scripts/descriptions/kaitai.ts";
import { messageOf } from "../../src/arbitraries/messages.ts";
import { type DissectedField, dissectWalReceiverMessage, dissectWalSenderMessage } from "../../src/dissect/index.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../../src/generated/physical.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import { WalReceiverMessage } from "../../src/physical/messages.ts";
import { encodeFrame } from "../../src/wire/framer.ts";
import { toHex } from "../hex.ts";
import { times } from "../seed.ts";
import { readCapture } from "../servers/capture.ts";
import { pcapOf, type Sent } from "./pcap.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "walwire-wireshark-"));
afterAll(() => rmSync(folder, { recursive: true }));

const copyBoth: Sent = { from: "server", bytes: encodeFrame("W", Uint8Array.of(0, 0, 0)) };

/** A field: the last part of its name, and its bytes. */
type Field = string;

/** What tshark says of a capture: the fields of our protocol in order, and how many frames it marks as malformed. */
function tshark(sent: readonly Sent[]): { readonly fields: Field[]; readonly malformed: number } {
  const file = join(folder, "stream.pcap");
  writeFileSync(file, pcapOf(sent));
  const script = `lua_script:${root}descriptions/wireshark/pgreplication.lua`;
  const pdml = execFileSync("tshark", ["-r", file, "-X", script, "-T", "pdml"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const fields = [
    ...pdml.matchAll(/<field name="pgreplication\.([\w.]+)"[^>]* size="(\d+)"[^>]*?(?: value="(\w*)")?[ /]*>/g),
  ];
  return {
    fields: fields.map(([, name, , value = ""]) => `${name!.split(".").at(-1)} ${value}`),
    malformed: [...pdml.matchAll(/name="(?:_ws\.malformed|pgreplication\.failed|_ws\.lua\.(?!fake)[^"]*)"/g)].length,
  };
}

/** The leaves of a tree, as tshark has them: an element of a list has the name of the list, and there are none without bytes. */
function leavesOf({ name, start, end, fields }: DissectedField, bytes: Uint8Array, list = ""): Field[] {
  const own = name.startsWith("[") ? list : name;
  if (fields.length > 0) return fields.flatMap((each) => leavesOf(each, bytes, own));
  return end === start ? [] : [`${snake(own)} ${toHex(bytes.subarray(start, end))}`];
}

const copyData = (from: Sent["from"], payload: Uint8Array): Sent => ({ from, bytes: encodeFrame("d", payload) });

describe("streams of servers", () => {
  const recorded = JSON.parse(readFileSync(`${root}test/vectors/workload/index.json`, "utf8")) as readonly {
    readonly file: string;
    readonly options: { readonly protocol: 1 | 2 | 3 | 4; readonly streaming?: "off" | "on" | "parallel" };
  }[];

  test.each(recorded.filter(({ file }) => (times < 1 ? /^18-(?:parallel|two-phase)/ : /^1[0458]/).test(file)))(
    "$file",
    ({ file, options }) => {
      const { protocol, streaming = "off" } = options;
      const decoder = new PgoutputDecoder({ protocol, streaming });
      const payloads = readCapture(`${root}test/vectors/workload/${file}`).map((each) => new Uint8Array(each));
      const expected = payloads.flatMap((payload) => {
        const message = decodeWalSenderMessage(payload);
        if (message.type !== "XLogData") return leavesOf(dissectWalSenderMessage(payload), payload);
        const context = { inStream: decoder.open?.type === "StreamStart", parallel: streaming === "parallel" };
        decoder.decode(message.data);
        const inner = dissectWalSenderMessage(payload, undefined, context);
        expect(inner.error).toBeUndefined();
        return [
          ...inner.fields.slice(0, -1).flatMap((each) => leavesOf(each, payload)),
          `data ${toHex(message.data)}`,
          ...leavesOf(inner.fields.at(-1)!, payload),
        ];
      });
      const { fields, malformed } = tshark([copyBoth, ...payloads.map((payload) => copyData("server", payload))]);
      expect(malformed).toBe(0);
      expect(fields.length).toBeGreaterThan(1000);
      expect(fields).toEqual(expected);
    },
  );

  test("a physical stream", () => {
    const payloads = readCapture(`${root}test/vectors/physical/18.bin.gz`).map((each) => new Uint8Array(each));
    const expected = payloads.flatMap((payload) => leavesOf(dissectWalSenderMessage(payload), payload));
    const { fields, malformed } = tshark([copyBoth, ...payloads.map((payload) => copyData("server", payload))]);
    expect(malformed).toBe(0);
    expect(fields).toEqual(expected);
  });
});

test("what receivers say", () => {
  const payloads = fc.sample(messageOf(WalReceiverMessage), { numRuns: 100, seed: 1 }).map(encodeWalReceiverMessage);
  const expected = payloads.flatMap((payload) => leavesOf(dissectWalReceiverMessage(payload), payload));
  const { fields, malformed } = tshark([copyBoth, ...payloads.map((payload) => copyData("client", payload))]);
  expect(malformed).toBe(0);
  expect(fields).toEqual(expected);
});

test("a message that is too short is marked, and an ordinary COPY is left alone", () => {
  const keepalive = Uint8Array.of(0x6b, 0, 0, 0, 0, 0, 0, 0, 1, 0);
  const short = tshark([copyBoth, copyData("server", keepalive)]);
  expect(short.malformed).toBeGreaterThan(0);
  expect(short.fields.slice(0, 2)).toEqual(["type 6b", "wal_end 0000000000000001"]);
  expect(tshark([copyData("server", keepalive)])).toEqual({ fields: [], malformed: 0 });
});
