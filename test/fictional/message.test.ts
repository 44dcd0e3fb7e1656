/**
 * A message is one entry of a family: here a fictional message Sequence of pgoutput comes with a capability "sequences", and all that is
 * derived from the family must know it.
 */
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { generatedCodecs } from "../../scripts/codecs.ts";
import { generatedReference } from "../../scripts/reference.ts";
import { messageOf } from "../../src/arbitraries/messages.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { jsonOfPgoutputMessage } from "../../src/logical/json.ts";
import { messagesOfKind, PgoutputMessage } from "../../src/logical/messages.ts";
import { traceMessage } from "../../src/wire/trace.ts";
import { hex, toHex } from "../hex.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";

// What a newcomer adds: this capability, which stands in for one of a server that is not there yet.
vi.mock(import("../../src/logical/capabilities.ts"), async (original) => {
  const real = await original();
  const { CapabilityTable } = await import("../../src/kernel/version.ts");
  const logicalRows = { ...real.logicalCapabilities.rows, sequences: { since: [190000] } };
  return { ...real, logicalCapabilities: new CapabilityTable(logicalRows) };
});

// And this entry.
vi.mock(import("../../src/logical/messages.ts"), async (original) => {
  const real = await original();
  const { bool, family, lsn, message, oid, when, xid } = await import("../../src/wire/shape.ts");
  const { logicalCapabilities } = await import("../../src/logical/capabilities.ts");
  const Sequence = {
    ...message("Sequence", "q", {
      doc: "A sequence went on.",
      source: "proto.c: logicalrep_write_sequence",
      since: "sequences",
      options: ["sequences"],
      fields: {
        xid: when("inStream", xid(""), "In a stream segment, the transaction."),
        relationId: oid("The oid of the sequence."),
        lastLsn: lsn("Where it went on in WAL."),
        isCalled: bool("Was nextval called?"),
      },
    }),
    kind: "change",
  } as const;
  const messages = real.PgoutputMessage.messages as unknown as unknown[];
  const entry = { ...real.PgoutputMessage, capabilities: logicalCapabilities, messages: [...messages, Sequence] };
  // messagesOfKind reads the family of its own module, so the entry is put there too.
  messages.push(Sequence);
  return { ...real, Sequence, PgoutputMessage: family("PgoutputMessage", entry as never) as never };
});

const bytes = hex("71 0000400b 0000000001741c98 01");
const value = { type: "Sequence", relationId: 16395, lastLsn: 24386712n, isCalled: true };
const outside = { inStream: false, parallel: false };

test("it is decoded and encoded, in a stream segment with a transaction", () => {
  expect(interpretDecode(PgoutputMessage, bytes)).toEqual(value);
  expect(toHex(interpretEncode(PgoutputMessage, value))).toBe(toHex(bytes));
  const streamed = hex("71 000002f4 0000400b 0000000001741c98 01");
  const inStream = { inStream: true, parallel: false };
  expect(interpretDecode(PgoutputMessage, streamed, inStream)).toEqual({ ...value, xid: 756 });
  expect(toHex(interpretEncode(PgoutputMessage, { ...value, xid: 756 }))).toBe(toHex(streamed));
});

test("the error for a tag of no message names it", () => {
  const unknown = () => interpretDecode(PgoutputMessage, hex("00"));
  expect(unknown).toThrow(DecodeError);
  expect(unknown).toThrow(/q/);
});

test("arbitraries make it", () => {
  const samples = fc.sample(messageOf(PgoutputMessage, outside) as fc.Arbitrary<{ type: string }>, {
    numRuns: 500,
    seed: 1,
  });
  const sequences = samples.filter(({ type }) => type === "Sequence");
  expect(sequences.length).toBeGreaterThan(0);
  for (const each of sequences) {
    expect(interpretDecode(PgoutputMessage, interpretEncode(PgoutputMessage, each), outside)).toEqual(each);
  }
});

test("it has a trace line and a JSON view", () => {
  expect(traceMessage(PgoutputMessage, value)).toBe("Sequence relationId=16395 lastLsn=0/1741C98 isCalled=true");
  expect(jsonOfPgoutputMessage(value as never)).toEqual({ ...value, lastLsn: "0/1741C98" });
});

test("lists of kinds have it", () => {
  expect(messagesOfKind("change").has("Sequence")).toBe(true);
  expect(messagesOfKind("begin", "end", "stream").has("Sequence")).toBe(false);
});

test("the reference describes it", () => {
  const page = generatedReference().get("docs/messages.md")!;
  const section = page.slice(page.indexOf("### Sequence"));
  expect(page).toContain("### Sequence");
  expect(section).toContain("A sequence went on.");
  expect(section).toMatch(/`lastLsn`.*Where it went on in WAL\./);
  expect(section).toContain("logicalrep_write_sequence");
  expect(page).toContain("| `q` | [Sequence](#sequence) | 19 | sequences | 14; 18 with `inStream` |");
});

test("the generated codec reads it, writes it, and has its type", async () => {
  const text = (await generatedCodecs()).get("src/generated/logical.ts")!;
  expect(text).toContain("export interface Sequence {");
  expect(text).toMatch(/export type PgoutputMessage =[^;]*\| Sequence\b/);
  expect(text).toMatch(/export type RelationChange =[^;]*\| Sequence\b/);
  expect(text).toContain("function readSequence(");
  expect(text).toContain("function writeSequence(");
  const dispatch = (start: string) => text.slice(text.indexOf(start), text.indexOf("\n}\n", text.indexOf(start)));
  expect(dispatch("function readPgoutputMessage")).toMatch(/case 0x71:[\s\S]*readSequence\(/);
  expect(dispatch("function writePgoutputMessage")).toMatch(/case "Sequence":[\s\S]*writeSequence/);
});
