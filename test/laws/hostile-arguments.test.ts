/** What users can call of messages and base backups may be given anything: it answers with a value, or with one of our errors. */
import fc from "fast-check";
import { describe, expect } from "vitest";
import { pgoutputMessage, walReceiverMessage, walSenderMessage } from "../../src/arbitraries/messages.ts";
import * as basebackup from "../../src/basebackup/index.ts";
import { tarEntries } from "../../src/basebackup/tar.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import * as logical from "../../src/logical/index.ts";
import * as physical from "../../src/physical/index.ts";
import { encodeFrame, Framer, framesOf, isLast } from "../../src/wire/framer.ts";
import { law } from "./law.ts";

type Anything = (...args: unknown[]) => unknown;

const odd = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, "", "k", "length", "1", -1, 0, 1, 2 ** 31, 2 ** 53, 0.5, Number.NaN),
  fc.constantFrom<unknown>(
    Infinity,
    0n,
    -1n,
    2n ** 64n,
    Symbol("k"),
    () => 1,
    [],
    [null],
    [[]],
    {},
    new Map(),
    new Date(0),
  ),
  fc.constantFrom<unknown>(
    new ArrayBuffer(4),
    new DataView(new ArrayBuffer(4)),
    Object.create(null),
    new Uint16Array(3),
  ),
  fc.constantFrom<unknown>({ server: 5 }, { server: null }, { protocol: 9 }, { type: "Insert" }, { tag: 1, length: 5 }),
  fc.constantFrom<unknown>({ blockSize: 0 }, { blockSize: -1 }, { segmentSize: 2 ** 40 }, { size: -1 }, [
    { size: 1e300 },
  ]),
  fc.constantFrom<unknown>(
    { truncationBlockLength: 1, blocks: [0] },
    { truncationBlockLength: 0, blocks: new Array(2) },
  ),
  fc.constantFrom<unknown>({ tag: 0x47, bytes: new Uint8Array(3) }, { type: "Data", data: null }, { file: 5 }),
  fc.constantFrom<unknown>({ inStream: 1 }, { length: -1 }, { [Symbol.iterator]: 5 }, { maxLength: -1 }),
  fc.uint8Array({ maxLength: 40 }),
  fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true, maxDepth: 2 }),
  fc.constant(logical.TupleData.of(["1", null, new Uint8Array(2)])),
);

/** A good message of which a field, or a field of a field, is something else. */
const spoilt = fc
  .tuple(fc.oneof(pgoutputMessage(), walSenderMessage(), walReceiverMessage()), fc.nat(), odd, fc.boolean())
  .map(([message, n, value, deep]) => {
    const names = Object.keys(message);
    const name = names[n % names.length]!;
    const inner = (message as unknown as Record<string, unknown>)[name];
    if (deep && Array.isArray(inner) && inner.length > 0) {
      const [first, ...rest] = inner as unknown[];
      const other =
        typeof first === "object" && first !== null ? { ...first, [Object.keys(first)[n % 4] ?? "x"]: value } : value;
      return { ...message, [name]: [other, ...rest] };
    }
    if (deep && typeof inner === "object" && inner !== null && !logical.TupleData.is(inner)) {
      return { ...message, [name]: { ...inner, [Object.keys(inner)[n % 2] ?? "x"]: value } };
    }
    return { ...message, [name]: value };
  });

const args = fc.array(fc.oneof(odd, spoilt), { maxLength: 3 });

/** Values of ours, and errors of ours; a generator is run to its end. */
function answers(call: () => unknown): void {
  try {
    const value = call();
    if (typeof value === "object" && value !== null && "next" in value && Symbol.iterator in value) {
      for (const _ of value as Iterable<unknown>);
    }
  } catch (error) {
    expect(error, String((error as Error)?.stack)).toBeInstanceOf(WalwireError);
  }
}

const exported = Object.entries<unknown>({
  ...logical,
  ...physical,
  ...basebackup,
  tarEntries,
  encodeFrame,
  Framer,
  framesOf,
  isLast,
});
const isClass = (value: unknown): boolean =>
  typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
const functions = exported.filter(([, each]) => typeof each === "function" && !isClass(each)) as [string, Anything][];
const classes = exported.filter(([, each]) => isClass(each)) as [string, new (...args: unknown[]) => object][];

describe("functions", () => {
  for (const [name, call] of functions) {
    law(
      `${name} answers whatever it is given`,
      fc.property(args, (given) => answers(() => call(...given))),
    );
  }
});

/** Objects of each class, and the static functions of it. */
const objects: Record<string, () => object> = {
  Framer: () => new Framer(),
  PgoutputDecoder: () => new logical.PgoutputDecoder(),
  BaseBackupReceiver: () => new basebackup.BaseBackupReceiver(),
  IncrementalReader: () => new basebackup.IncrementalReader({ blockSize: 8, segmentSize: 4 }),
  ManifestReceiver: () => new basebackup.ManifestReceiver(),
  ManifestUpload: () => new basebackup.ManifestUpload(),
  TupleData: () => logical.TupleData.of(["1", null, new Uint8Array(2), logical.unchanged]),
};

describe("classes", () => {
  for (const [name, Class] of classes) {
    // The constructor of a row is private, and what calls it knows what it does.
    if (name !== "TupleData") {
      law(
        `new ${name} answers whatever it is given`,
        fc.property(args, (given) => answers(() => new Class(...given))),
      );
    }
    const statics = Object.getOwnPropertyNames(Class).filter(
      (each) => typeof (Class as unknown as Record<string, unknown>)[each] === "function",
    );
    for (const each of statics) {
      law(
        `${name}.${each} answers whatever it is given`,
        fc.property(args, (given) => answers(() => (Class as unknown as Record<string, Anything>)[each]!(...given))),
      );
    }
    const methods = Object.entries(Object.getOwnPropertyDescriptors(Class.prototype)).filter(
      ([each, { value }]) => each !== "constructor" && typeof value === "function",
    );
    for (const [each] of methods) {
      law(
        `${each} of a ${name} answers whatever it is given`,
        fc.property(fc.array(args, { minLength: 1, maxLength: 3 }), (calls) => {
          const object = objects[name]!() as Record<string, Anything>;
          for (const given of calls) answers(() => object[each]!(...given));
        }),
      );
    }
  }
});
