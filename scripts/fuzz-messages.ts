/**
 * `npm run fuzz:messages -- [--runs N] [--seed S] [--case N] [--vectors FOLDER]`: damage messages of every family, and check how the
 * codecs handle them.
 *
 * The messages come from real servers (the vectors) and from the arbitraries, each with its context. For each damaged message, in its
 * own context or a wrong one:
 * - the generated decoder and the interpreter return the same value, or the same error: code, path, offset and message;
 * - a value encodes to exactly the bytes that were decoded, with both encoders, and its rows can be read in every way;
 * - only a DecodeError is thrown, with an offset inside the bytes.
 *
 * A case depends only on the seed, its number and the vectors, so `--case` repeats one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import fc from "fast-check";
import type { Conditions, Family } from "../src/wire/shape.ts";
import type { TupleData } from "../src/wire/tuple.ts";
import { compile } from "../test/compiled.ts";
import { toHex } from "../test/hex.ts";
import { readCapture } from "../test/servers/capture.ts";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    case: { type: "string" },
    vectors: { type: "string", default: fileURLToPath(new URL("../test/vectors/", import.meta.url)) },
  },
});
const runs = Number(options.runs);
const seed = Number(options.seed);

// The compiled code: the loader of the sources would make functions slower.
const compiled = compile();
process.on("exit", compiled.remove);
const load = (path: string): Promise<unknown> => import(`${compiled.dist}/${path}`);
const { DecodeError } = (await load("kernel/errors.js")) as typeof import("../src/kernel/errors.ts");
const { interpretDecode, interpretEncode } = (await load(
  "wire/interpret.js",
)) as typeof import("../src/wire/interpret.ts");
const tuples = (await load("wire/tuple.js")) as typeof import("../src/wire/tuple.ts");
const arbitraries = (await load("arbitraries/messages.js")) as typeof import("../src/arbitraries/messages.ts");
const physical = {
  ...((await load("physical/messages.js")) as typeof import("../src/physical/messages.ts")),
  ...((await load("generated/physical.js")) as typeof import("../src/generated/physical.ts")),
};
const logical = {
  ...((await load("logical/messages.js")) as typeof import("../src/logical/messages.ts")),
  ...((await load("generated/logical.js")) as typeof import("../src/generated/logical.ts")),
};
const basebackup = {
  ...((await load("basebackup/messages.js")) as typeof import("../src/basebackup/messages.ts")),
  ...((await load("generated/basebackup.js")) as typeof import("../src/generated/basebackup.ts")),
};

/** A family and one of its contexts. */
interface Kind {
  readonly family: Family;
  readonly decode: (bytes: Uint8Array, holds: never) => object;
  readonly encode: (message: never) => Uint8Array;
  readonly holds: Conditions;
  /** The same family in every context, including this one. */
  readonly contexts: readonly Conditions[];
  /** Good messages. */
  readonly corpus: Uint8Array[];
}

/** Generated messages of each kind. */
const GENERATED = 1000;
/** Room for damage that makes a message longer. */
const ROOM = 1 << 20;

const kinds: Kind[] = [
  [physical.WalSenderMessage, physical.decodeWalSenderMessage, physical.encodeWalSenderMessage] as const,
  [physical.WalReceiverMessage, physical.decodeWalReceiverMessage, physical.encodeWalReceiverMessage] as const,
  [logical.PgoutputMessage, logical.decodePgoutputMessage, logical.encodePgoutputMessage] as const,
  [basebackup.BaseBackupMessage, basebackup.decodeBaseBackupMessage, basebackup.encodeBaseBackupMessage] as const,
].flatMap(([family, decode, encode]) => {
  const contexts = Object.keys(family.context.conditions).reduce<Conditions[]>(
    (all, name) => all.flatMap((each) => [false, true].map((holds) => ({ ...each, [name]: holds }))),
    [{}],
  );
  return contexts.map((holds) => ({
    family,
    decode,
    encode: encode as Kind["encode"],
    holds,
    contexts,
    corpus: fc
      .sample(arbitraries.messageOf(family, holds), { numRuns: GENERATED, seed: 1 })
      .map((message) => interpretEncode(family, message)),
  }));
});

const logicalKinds = kinds.filter(({ family }) => family === logical.PgoutputMessage);

function kindOf(family: Family, holds: Conditions): Kind {
  return kinds.find(
    (kind) => kind.family === family && Object.entries(kind.holds).every(([name, value]) => holds[name] === value),
  )!;
}

/** Add the messages of a recorded stream, logical or not. */
function addCapture(payloads: readonly Uint8Array[], command: string): void {
  const parallel = command.includes("streaming 'parallel'");
  let inStream = false;
  for (const payload of payloads) {
    kindOf(physical.WalSenderMessage, { feedbackCatalogXmin: true, primaryStatus: false }).corpus.push(payload);
    if (payload[0] !== TAG.XLogData || !command.includes(" LOGICAL ")) continue;
    const data = payload.subarray(XLOGDATA_HEADER);
    kindOf(logical.PgoutputMessage, { inStream, parallel }).corpus.push(data);
    if (data[0] === TAG.StreamStart) inStream = true;
    if (data[0] === TAG.StreamStop) inStream = false;
  }
}

const TAG = { XLogData: 0x77, StreamStart: 0x53, StreamStop: 0x45 };
/** The length of dataStart, walEnd and sendTime, which precede the data of an XLogData. */
const XLOGDATA_HEADER = 25;

// An index has the command that made each file next to it. Other JSON files are vectors.
for (const index of readdirSync(options.vectors, { recursive: true, encoding: "utf8" })) {
  if (!/(^|\/)(demo|index)\.json$/.test(index)) continue;
  const path = join(options.vectors, index);
  for (const { file, command } of JSON.parse(readFileSync(path, "utf8")) as { file: string; command: string }[]) {
    if (file.endsWith(".bin.gz")) addCapture(readCapture(join(dirname(path), file)), command);
  }
}
for (const { corpus } of kinds) {
  const each = new Map(corpus.map((bytes) => [toHex(bytes), bytes]));
  corpus.splice(0, corpus.length, ...each.values());
}

// A pseudo-random generator, sfc32: 2 ns per number, and good enough for these tests.
let a = 0;
let b = 0;
let c = 0;
let d = 0;

function random(): number {
  const sum = (a + b + d) | 0;
  d = (d + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = ((c << 21) | (c >>> 11)) + sum;
  return sum >>> 0;
}

/** A whole number from 0 to `limit` - 1. */
function below(limit: number): number {
  return limit === 0 ? 0 : random() % limit;
}

function pick<T>(list: readonly T[]): T {
  return list[below(list.length)]!;
}

function startCase(number: number): void {
  a = seed | 0;
  b = number | 0;
  c = (number / 2 ** 32) | 0;
  d = 1;
  for (let i = 0; i < 12; i++) random();
}

// The message being damaged, after some bytes that are not part of it.
const BEFORE = 16;
const buffer = new Uint8Array(ROOM);
let length = 0;

/** An offset in the message, most often in its first bytes, which have most of the structure. */
function place(): number {
  return below(random() & 1 ? length : Math.min(length, 32));
}

/** Insert or remove bytes. */
function replace(at: number, removed: number, inserted: number): void {
  const from = BEFORE + at;
  const rest = Math.min(removed, length - at);
  const added = Math.min(inserted, ROOM - BEFORE - length);
  buffer.copyWithin(from + added, from + rest, BEFORE + length);
  length += added - rest;
}

const EXTREMES = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];
const BYTES = [0, 1, 2, 3, 4, 0x20, 0x7f, 0x80, 0xff, ..."NKOntubdfi".split("").map((letter) => letter.charCodeAt(0))];

/** Write an extreme number, or one near the number of remaining bytes, at a likely offset. */
function putNumber(): void {
  let at = place();
  // Lengths of values follow their kind.
  if (random() & 1) {
    for (let i = at; i < length; i++) {
      if (buffer[BEFORE + i] === 0x74 || buffer[BEFORE + i] === 0x62) {
        at = i + 1;
        break;
      }
    }
  }
  const value = random() & 1 ? pick(EXTREMES) : length - at - 6 + below(5);
  const width = random() & 1 ? 4 : 2;
  for (let i = 0; i < width && at + i < length; i++) buffer[BEFORE + at + i] = value >>> (8 * (width - 1 - i));
}

/** The ways to damage a message, by name, for the table at the end. */
const damages: readonly [string, (kind: Kind) => void][] = [
  [
    "a bit flipped",
    () => {
      buffer[BEFORE + place()]! ^= 1 << below(8);
    },
  ],
  [
    "a byte set",
    () => {
      buffer[BEFORE + place()] = random() & 1 ? pick(BYTES) : below(256);
    },
  ],
  [
    "the end cut off",
    () => {
      length = below(length + 1);
    },
  ],
  ["a part cut out", () => replace(place(), 1 + below(8), 0)],
  [
    "bytes put in",
    () => {
      const at = below(length + 1);
      const count = 1 + below(8);
      replace(at, 0, count);
      for (let i = 0; i < count; i++) buffer[BEFORE + at + i] = random() & 1 ? pick(BYTES) : below(256);
    },
  ],
  [
    "a part doubled",
    () => {
      const at = place();
      const count = Math.min(1 + below(32), length - at);
      replace(at, 0, count);
    },
  ],
  [
    "spliced with another",
    (kind) => {
      const other = pick(pick(kinds.filter(({ family }) => family === kind.family)).corpus);
      const head = below(length + 1);
      const tail = other.subarray(below(other.length));
      buffer.set(tail.subarray(0, ROOM - BEFORE - head), BEFORE + head);
      length = Math.min(head + tail.length, ROOM - BEFORE);
    },
  ],
  ["a number changed", putNumber],
  [
    "another type byte",
    ({ family }) => {
      buffer[BEFORE] = pick(family.messages).tag.charCodeAt(0);
    },
  ],
  [
    "random bytes behind the type byte",
    ({ family }) => {
      length = below(64);
      for (let i = 0; i < length; i++) buffer[BEFORE + i] = below(256);
      if (random() & 7) buffer[BEFORE] = pick(family.messages).tag.charCodeAt(0);
    },
  ],
  ["only the context changed", () => {}],
];

/** A failed check. */
class Failure extends Error {}

/** Compare two values of messages: plain data and rows. Messages contain no NaN. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (one instanceof Uint8Array) return other instanceof Uint8Array && sameBytes(one, other);
  if (tuples.TupleData.is(one)) {
    return tuples.TupleData.is(other) && one.length === other.length && sameBytes(one.bytes, other.bytes);
  }
  if (Array.isArray(one)) {
    if (!Array.isArray(other) || one.length !== other.length) return false;
    for (let i = 0; i < one.length; i++) if (!same(one[i], other[i])) return false;
    return true;
  }
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  for (const name of names) {
    if (!(name in other) || !same(one[name as never], other[name as never])) return false;
  }
  return true;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Return a DecodeError. @throws any other error */
function decodeError(error: unknown): InstanceType<typeof DecodeError> {
  if (error instanceof DecodeError) return error;
  throw error;
}

/** The number of columns of a long row that are checked one by one. */
const LOOKS = 64;

/** Read a row in every way. @throws Failure if two ways differ */
function readRow(row: TupleData): void {
  const all = row.toArray();
  const json = row.toJSON();
  if (all.length !== row.length || json.length !== row.length) throw new Failure("a row has another number of values");
  const step = Math.ceil(row.length / LOOKS);
  for (let i = 0; i < row.length; i += step) {
    const value = row.get(i);
    const kind = row.kind(i);
    const bytes = row.valueBytes(i);
    const good =
      value === null || value === tuples.unchanged
        ? kind === (value === null ? "null" : "unchanged") && bytes === undefined
        : kind === (typeof value === "string" ? "text" : "binary") && bytes !== undefined;
    if (!good || !same(value, all[i])) throw new Failure(`column ${i} is not the same in every way to read it`);
  }
}

/** Read the rows of a message. */
function readRows(value: object): void {
  for (const field of Object.values(value)) {
    if (tuples.TupleData.is(field)) readRow(field);
    else if (typeof field === "object" && field !== null && "tuple" in field) readRow(field.tuple as TupleData);
  }
}

/** Check the codecs with these bytes. @returns the outcome of decoding @throws Failure, or any error of a codec */
function check({ family, decode, encode }: Kind, bytes: Uint8Array, holds: Conditions): string {
  let value: object | undefined;
  let error: InstanceType<typeof DecodeError> | undefined;
  try {
    value = decode(bytes, holds as never);
  } catch (thrown) {
    error = decodeError(thrown);
  }
  try {
    const expected = interpretDecode(family, bytes, holds);
    if (value === undefined) throw new Failure(`the interpreter reads it, but the generated decoder says: ${error}`);
    if (!same(value, expected)) throw new Failure("the interpreter reads another message");
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    const expected = decodeError(thrown);
    if (error === undefined) throw new Failure(`the generated decoder reads it, but the interpreter says: ${expected}`);
    const { code, path, offset, message } = error;
    if (
      code !== expected.code ||
      path !== expected.path ||
      offset !== expected.offset ||
      message !== expected.message
    ) {
      throw new Failure(`${error} at ${path}, but the interpreter says: ${expected} at ${expected.path}`);
    }
  }
  if (error !== undefined) {
    if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Failure(`${error}: that is not in the bytes`);
    return error.code;
  }
  if (!sameBytes(encode(value as never), bytes)) throw new Failure("the generated encoder writes other bytes");
  if (!sameBytes(interpretEncode(family, value), bytes)) throw new Failure("the interpreter writes other bytes");
  readRows(value!);
  return (value as { type: string }).type === undefined ? "nothing" : "a message";
}

const outcomes = new Map<string, Map<string, number>>(kinds.map(({ family }) => [family.name, new Map()]));
const causes = new Map<string, number>(damages.map(([name]) => [name, 0]));
let failures = 0;
/** The number of failures to report before stopping. */
const ENOUGH = 20;

function runCase(number: number): void {
  startCase(number);
  // Half of the cases are of the family with the most structure, besides its share of the rest.
  const kind = pick(random() & 1 ? kinds : logicalKinds);
  const original = pick(kind.corpus);
  buffer.set(original, BEFORE);
  length = original.length;
  const names: string[] = [];
  for (let count = random() & 3 ? 1 : 1 + below(3); count > 0; count--) {
    const [name, damage] = pick(damages);
    // An empty message has nothing to damage.
    if (length > 0) damage(kind);
    names.push(name);
  }
  const wrong = names.includes("only the context changed") || (random() & 7) === 0;
  const holds = wrong ? pick(kind.contexts) : kind.holds;
  const bytes = buffer.subarray(BEFORE, BEFORE + length);
  for (const name of names) causes.set(name, causes.get(name)! + 1);
  judge(kind, bytes, holds, number);
}

function judge(kind: Kind, bytes: Uint8Array, holds: Conditions, number: number): void {
  const counts = outcomes.get(kind.family.name)!;
  try {
    const outcome = check(kind, bytes, holds);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  } catch (error) {
    failures++;
    console.log(
      [
        `seed ${seed}, case ${number}: ${kind.family.name} ${JSON.stringify(holds)}`,
        `  ${toHex(bytes)}`,
        `  ${error instanceof Failure ? error.message : `it throws ${error instanceof Error ? error.stack : error}`}`,
        `  again: npm run fuzz:messages -- --seed ${seed} --case ${number}`,
      ].join("\n"),
    );
  }
}

const thousands = (value: number): string => Math.round(value).toLocaleString("en");

// The stacks of expected errors would cost more than everything else.
Error.stackTraceLimit = options.case === undefined ? 0 : 10;
const started = performance.now();
let shown = started;
let done = 0;
if (options.case !== undefined) {
  runCase(Number(options.case));
  done = 1;
} else {
  // Undamaged messages must decode.
  for (const kind of kinds) for (const bytes of kind.corpus) judge(kind, bytes, kind.holds, -1);
  for (const [family, counts] of outcomes) {
    const bad = [...counts.keys()].filter((outcome) => outcome !== "a message");
    if (bad.length > 0 || counts.size === 0) {
      console.log(`${family}: messages that are not damaged give ${bad.join(", ") || "nothing"}`);
      failures++;
    }
    counts.clear();
  }
  for (; done < runs && failures < ENOUGH; done++) {
    runCase(done);
    if (done % 1000 !== 0 || performance.now() - shown < 5000) continue;
    shown = performance.now();
    const rate = done / (shown - started);
    process.stderr.write(
      `${thousands(done)} of ${thousands(runs)}, ${thousands(rate * 1000)} a second, ${thousands((runs - done) / rate / 1000)} s to go\n`,
    );
  }
}

const good = kinds.reduce((sum, { corpus }) => sum + corpus.length, 0);
const seconds = (performance.now() - started) / 1000;
for (const [family, counts] of outcomes) {
  const parts = [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${thousands(count)} ${name}`);
  console.log(`${family}: ${parts.join(", ")}`);
}
console.log([...causes].map(([name, count]) => `${name} ${thousands(count)}`).join(", "));
console.log(
  `seed ${seed}: ${thousands(done)} damaged messages, ${failures} failures, made of ${thousands(good)} good ones, ${seconds.toFixed(1)} s, ${thousands(done / seconds)} a second`,
);
process.exit(failures > 0 ? 1 : 0);
