/** The .ksy files, by Kaitai's compiler and runtime: what they read of any message and file equals what the decoders read. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { families, snake } from "../../scripts/descriptions/kaitai.ts";
import { contextOf, messageOf, structOf } from "../../src/arbitraries/messages.ts";
import {
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
} from "../../src/files/index.ts";
import { allSlotStateFormats, SLOT_MAGIC, slotStateLength } from "../../src/files/slot-state.ts";
import { ReplicationSlotOnDisk, ReplicationStateOnDisk, SnapBuildOnDisk } from "../../src/files/structs.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalSenderMessage } from "../../src/physical/messages.ts";
import { type Conditions, type Family, otherwise } from "../../src/wire/shape.ts";
import { law } from "../laws/law.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";
import { readCapture } from "../servers/capture.ts";
import { compileKsy, differences, type KaitaiObject } from "./kaitai.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const ksy = (name: string): string => readFileSync(`${root}descriptions/kaitai/${name}.ksy`, "utf8");
const vector = (path: string): string => `${root}test/vectors/${path}`;

type Parse = Awaited<ReturnType<typeof compileKsy>>;

/** Differences between what Kaitai and we read of a message. */
function compare(parse: Parse, family: Family, bytes: Uint8Array, holds: Conditions): string[] {
  const names = Object.keys(family.context.conditions);
  const theirs = parse(bytes, ...names.map((name) => holds[name])) as { type: number; body: KaitaiObject };
  const ours = interpretDecode(family, bytes, holds);
  const message = family.messages.find(({ name }) => name === ours.type)!;
  const tag =
    theirs.type === message.tag.charCodeAt(0) ? [] : [`type: ${message.tag} of ours, ${theirs.type} of Kaitai's`];
  return [...tag, ...differences(message.fields, ours, theirs.body, holds)];
}

describe.each(families)("$name", (family) => {
  let parse: Parse;
  beforeAll(async () => {
    parse = await compileKsy(ksy(snake(family.name)));
  });

  law(
    "Kaitai reads any message as the decoder does",
    fc.property(
      contextOf(family).chain((holds) => fc.tuple(fc.constant(holds), messageOf(family, holds))),
      ([holds, message]) => {
        expect(compare(parse, family, interpretEncode(family, message), holds)).toEqual([]);
      },
    ),
    500,
  );

  test("Kaitai rejects a byte that begins no message", () => {
    expect(() => parse(Uint8Array.of(0x7f), false, false)).toThrow();
  });
});

const recorded = JSON.parse(readFileSync(vector("workload/index.json"), "utf8")) as readonly {
  readonly file: string;
  readonly options: { readonly protocol: 1 | 2 | 3 | 4; readonly streaming?: "off" | "on" | "parallel" };
}[];

test("Kaitai reads every message that servers sent as the decoders do", async () => {
  const [envelope, inside] = await Promise.all([
    compileKsy(ksy("wal_sender_message")),
    compileKsy(ksy("pgoutput_message")),
  ]);
  let messages = 0;
  for (const { file, options } of recorded) {
    const { protocol, streaming = "off" } = options;
    const decoder = new PgoutputDecoder({ protocol, streaming });
    for (const payload of readCapture(vector(`workload/${file}`))) {
      messages++;
      const found = compare(envelope, WalSenderMessage, payload, otherwise(WalSenderMessage.context));
      const message = decodeWalSenderMessage(payload);
      if (message.type === "XLogData") {
        const holds = { inStream: decoder.open?.type === "StreamStart", parallel: streaming === "parallel" };
        found.push(...compare(inside, PgoutputMessage, message.data, holds));
        decoder.decode(message.data);
      }
      if (found.length > 0) expect(found, file).toEqual([]);
    }
  }
  expect(messages).toBeGreaterThan(10_000);
});

const file = (name: string): Uint8Array => new Uint8Array(readFileSync(vector(`files/${name}`)));
const filesLike = (pattern: RegExp): string[] => readdirSync(vector("files")).filter((name) => pattern.test(name));

describe("state files", () => {
  /** The conditions that hold, as the instances of the root say. */
  const holdsIn = (kaitai: KaitaiObject, conditions: Conditions): Conditions =>
    Object.fromEntries(Object.keys(conditions).map((name) => [name, Boolean(kaitai[name])]));

  test("slots, of every format", async () => {
    const parse = await compileKsy(ksy("replication_slot_on_disk"));
    const context = otherwise(ReplicationSlotOnDisk.context!);
    const check = (bytes: Uint8Array, value: object): void => {
      const theirs = parse(bytes);
      expect(differences(ReplicationSlotOnDisk.fields, value, theirs, holdsIn(theirs, context))).toEqual([]);
    };
    for (const name of filesLike(/^slot-state/)) check(file(name), decodeSlotState(file(name)));
    for (const format of allSlotStateFormats) {
      const slots = fc.sample(structOf(ReplicationSlotOnDisk, { ...format.context }), { numRuns: 30, seed: 1 });
      for (const slot of slots) {
        const { version } = format;
        const value = { ...slot, magic: SLOT_MAGIC, version, length: slotStateLength(format) };
        check(encodeReplicationSlotOnDisk(value), value);
        const wanted = Object.keys(context).map((name) => Boolean((format.context as unknown as Conditions)[name]));
        expect(Object.values(holdsIn(parse(encodeReplicationSlotOnDisk(value)), context))).toEqual(wanted);
      }
    }
  });

  test("replication origins", async () => {
    const parse = await compileKsy(ksy("replication_origins"));
    const states = fc.sample(fc.array(structOf(ReplicationStateOnDisk), { maxLength: 5 }), { numRuns: 30, seed: 1 });
    for (const bytes of [file("replorigin_checkpoint"), ...states.map(encodeReplicationOrigins)]) {
      const ours = decodeReplicationOrigins(bytes);
      const theirs = parse(bytes) as unknown as { states: KaitaiObject[]; checksum: number };
      expect(theirs.states.length).toBe(ours.length);
      for (const [i, state] of ours.entries()) {
        expect(differences(ReplicationStateOnDisk.fields, state, theirs.states[i]!, {})).toEqual([]);
      }
      expect(theirs.checksum).toBe(new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true));
    }
  });

  test.each(filesLike(/\.snap$/))("a snapshot: %s", async (name) => {
    const parse = await compileKsy(ksy("snap_build_snapshot"));
    const { head, wasRunning, committed, catchange } = decodeSnapshot(file(name));
    const theirs = parse(file(name));
    const holds = holdsIn(theirs, otherwise(SnapBuildOnDisk.context!));
    expect(differences(SnapBuildOnDisk.fields, head, theirs.head as KaitaiObject, holds)).toEqual([]);
    expect(theirs.wasRunning).toEqual(wasRunning);
    expect(theirs.committed).toEqual(committed);
    expect(theirs.catchange).toEqual(catchange);
  });
});
