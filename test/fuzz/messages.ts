/**
 * Damaged messages of every family, in their own context or another one: the generated codec and the interpreter return the same value
 * or the same error, a value encodes to exactly its bytes with both, and its rows can be read in every way.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { concat } from "../../src/arbitraries/bytes.ts";
import { messageOf } from "../../src/arbitraries/messages.ts";
import { BaseBackupMessage } from "../../src/basebackup/messages.ts";
import { decodeBaseBackupMessage, encodeBaseBackupMessage } from "../../src/generated/basebackup.ts";
import { decodePgoutputMessage, encodePgoutputMessage } from "../../src/generated/logical.ts";
import {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
} from "../../src/generated/physical.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../src/physical/messages.ts";
import type { Conditions, Family } from "../../src/wire/shape.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";
import { readCapture } from "../servers/capture.ts";
import type { FuzzTarget } from "./target.ts";

/** Generated messages of each context. */
const GENERATED = 1000;

const TAG = { XLogData: 0x77, StreamStart: 0x53, StreamStop: 0x45 };
/** The length of dataStart, walEnd and sendTime, which precede the data of an XLogData. */
const XLOGDATA_HEADER = 25;

/** Every context of a family. The first byte of an input says which of them, and the message follows. */
function contextsOf({ context }: Family): readonly Conditions[] {
  return Object.keys(context.conditions).reduce<Conditions[]>(
    (all, name) => all.flatMap((each) => [false, true].map((holds) => ({ ...each, [name]: holds }))),
    [{}],
  );
}

function inContext(family: Family, holds: Conditions, message: Uint8Array): Uint8Array {
  const is = (each: Conditions): boolean => Object.keys(each).every((name) => each[name] === holds[name]);
  return concat(Uint8Array.of(contextsOf(family).findIndex(is)), message);
}

/** The recorded messages of servers, of one family. */
function recorded(family: Family): Uint8Array[] {
  const inputs: Uint8Array[] = [];
  const vectors = new URL("../vectors/", import.meta.url);
  // Each index has the command that made each file next to it.
  for (const index of ["demo.json", "physical/index.json", "workload/index.json"]) {
    const streams = JSON.parse(readFileSync(new URL(index, vectors), "utf8")) as { file: string; command: string }[];
    for (const { file, command } of streams.filter((each) => each.file.endsWith(".bin.gz"))) {
      const parallel = command.includes("streaming 'parallel'");
      let inStream = false;
      for (const payload of readCapture(new URL(file, new URL(index, vectors)).pathname)) {
        if (family === WalSenderMessage) {
          inputs.push(inContext(family, { feedbackCatalogXmin: true, primaryStatus: false }, payload));
        }
        if (family !== PgoutputMessage || payload[0] !== TAG.XLogData || !command.includes(" LOGICAL ")) continue;
        const data = payload.subarray(XLOGDATA_HEADER);
        inputs.push(inContext(family, { inStream, parallel }, data));
        if (data[0] === TAG.StreamStart) inStream = true;
        if (data[0] === TAG.StreamStop) inStream = false;
      }
    }
  }
  return inputs;
}

/** Compare two values of messages: plain data and rows. Messages contain no NaN. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (one instanceof Uint8Array) return other instanceof Uint8Array && Buffer.compare(one, other) === 0;
  if (TupleData.is(one)) return TupleData.is(other) && one.length === other.length && same(one.bytes, other.bytes);
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => name in other && same(one[name as never], other[name as never]));
}

/** The columns of a long row that are checked one by one. */
const LOOKS = 64;

/** Read a row in every way. @throws Error if two ways differ */
function readRow(row: TupleData): void {
  const all = row.toArray();
  const json = row.toJSON();
  if (all.length !== row.length || json.length !== row.length) throw new Error("a row has another number of values");
  const step = Math.ceil(row.length / LOOKS);
  for (let i = 0; i < row.length; i += step) {
    const value = row.get(i);
    const kind = row.kind(i);
    const bytes = row.valueBytes(i);
    const good =
      value === null || value === unchanged
        ? kind === (value === null ? "null" : "unchanged") && bytes === undefined
        : kind === (typeof value === "string" ? "text" : "binary") && bytes !== undefined;
    if (!good || !same(value, all[i])) throw new Error(`column ${i} is not the same in every way to read it`);
  }
}

/** Read the rows of a message. */
function readRows(value: object): void {
  for (const field of Object.values(value)) {
    if (TupleData.is(field)) readRow(field);
    else if (typeof field === "object" && field !== null && "tuple" in field) readRow(field.tuple as TupleData);
  }
}

/** The value, or the DecodeError. @throws any other error */
function outcome(decode: () => object): object {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

function target<T>(
  family: Family,
  decode: (bytes: Uint8Array, holds: never) => T & object,
  encode: (message: T) => Uint8Array,
): FuzzTarget {
  const contexts = contextsOf(family);
  return {
    name: family.name,
    sound: true,
    corpus: () => [
      ...recorded(family),
      ...contexts.flatMap((holds) =>
        fc
          .sample(messageOf(family, holds), { numRuns: GENERATED, seed: 1 })
          .map((message) => inContext(family, holds, interpretEncode(family, message))),
      ),
    ],
    check(input) {
      const holds = contexts[(input[0] ?? 0) % contexts.length]!;
      const bytes = input.subarray(1);
      const value = outcome(() => decode(bytes, holds as never));
      const expected = outcome(() => interpretDecode(family, bytes, holds));
      if (value instanceof DecodeError) {
        if (!(expected instanceof DecodeError) || !same(value.toJSON(), expected.toJSON())) {
          throw new Error(`${value} at ${value.path}, but the interpreter: ${JSON.stringify(expected)}`);
        }
        if (!(value.offset >= 0 && value.offset <= bytes.length)) throw new Error(`${value} is outside of the bytes`);
        return "error";
      }
      if (!same(value, expected)) throw new Error(`the interpreter reads another message: ${expected}`);
      if (!same(encode(value as T), bytes)) throw new Error("the generated encoder writes other bytes");
      if (!same(interpretEncode(family, value), bytes)) throw new Error("the interpreter writes other bytes");
      readRows(value);
      return "value";
    },
  };
}

export const messages: readonly FuzzTarget[] = [
  target(WalSenderMessage, decodeWalSenderMessage, encodeWalSenderMessage),
  target(WalReceiverMessage, decodeWalReceiverMessage, encodeWalReceiverMessage),
  target(PgoutputMessage, decodePgoutputMessage, encodePgoutputMessage),
  target(BaseBackupMessage, decodeBaseBackupMessage, encodeBaseBackupMessage),
];
