/** Values of every built-in type and of arrays of them, in both formats. */
import fc from "fast-check";
import { typeValue } from "../../src/arbitraries/values.ts";
import { builtinTypes } from "../../src/values/builtin.ts";
import { TypeMap } from "../../src/values/index.ts";
import { hex, toHex } from "../../test/hex.ts";
import { pipeline, queryBody } from "../../test/oracle/pipeline.ts";
import { frame, type Message, type OwnServer } from "../../test/servers/index.ts";
import { floats, literal, literals, literalsOnly, sentBytes, sqlName } from "../../test/value-literals.ts";
import type { Kind, ServerFacts } from "./kind.ts";

/** Where a set is made, a literal is asked for; what is in a row are the bytes that the server made of it. */
interface ValueInput {
  readonly type: string;
  readonly oid: number;
  readonly literal?: string;
  /** Hexadecimal digits. */
  readonly binary?: string;
}

interface ValueSaid {
  readonly text: string;
}

/** Of each type, beside its literals. */
const generated = { scalar: 6, array: 4 };

export const values: Kind<ValueInput, ValueSaid> = {
  name: "values",

  inputs({ seed, times }) {
    const typeMap = new TypeMap();
    const inputs = builtinTypes().flatMap(([oid, arrayOid, { name }]): ValueInput[] => {
      const of = (type: string, typeOid: number, texts: readonly string[]) =>
        [...new Set(texts)].map((text) => ({ type, oid: typeOid, literal: text }));
      const made = (typeOid: number, numRuns: number): string[] =>
        literalsOnly.test(name)
          ? []
          : fc
              .sample(typeValue(typeOid, typeMap), { seed, numRuns: Math.ceil(numRuns * times) })
              .map((value) => typeMap.codec(typeOid).writeText(value));
      const ofArray = made(arrayOid, generated.array).concat("{}", "{NULL}");
      return [
        ...of(name, oid, [...literals[name]!, ...made(oid, generated.scalar)]),
        ...of(`_${name}`, arrayOid, ofArray),
      ];
    });
    return inputs.filter(({ literal: text }) => text!.length < 2000 && !text!.includes("\0"));
  },

  async ask(server, inputs) {
    // Before 12 floats were written with more digits than they need.
    const isAsked = (i: number): boolean => server.major >= 12 || !floats.test(inputs[i]!.type);
    const said: (ValueSaid | undefined)[] = new Array(inputs.length);
    const all = [...inputs.keys()].filter(isAsked);
    const literalsAsked = all.filter((i) => inputs[i]!.literal !== undefined);
    await askLiterals(server, inputs, literalsAsked, said);
    // Not all bytes that a server sends does it take: what it does not read back is left out.
    const asked = inputs.map((input, i) => (said[i] === undefined ? input : withBytes(input, said[i], server)));
    const read: (ValueSaid | undefined)[] = new Array(inputs.length);
    const bytesAsked = all.filter((i) => asked[i]!.binary !== undefined);
    await askBytes(server, asked, bytesAsked, read);
    for (const i of bytesAsked) said[i] = read[i];
    return said;
  },

  inputOf: withBytes,

  ours({ type, oid, binary }, { versionNum: server }) {
    if (literalsOnly.test(type.replace(/^_/, ""))) return undefined;
    const codec = new TypeMap({ server }).codec(oid);
    const text = codec.writeText(codec.readBinary(hex(binary!)));
    const back = toHex(codec.writeBinary(codec.readText(text)));
    if (back !== binary) throw new Error(`${type}: ${text} is written as ${back}, and was read from ${binary}.`);
    return { said: { text } };
  },
};

function withBytes(
  { type, oid, literal: text, binary }: ValueInput,
  said: ValueSaid,
  { major }: Pick<ServerFacts, "major">,
): ValueInput {
  return { type, oid, binary: binary ?? sent.get(keyOf(String(major), type, text!, said.text))! };
}

/** The bytes that servers made of literals. */
const sent = new Map<string, string>();
const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);

async function askLiterals(
  server: OwnServer,
  inputs: readonly ValueInput[],
  indexes: readonly number[],
  said: (ValueSaid | undefined)[],
): Promise<void> {
  if (indexes.length === 0) return;
  const { rows } = await server.sql("SELECT oid, typsend::regproc FROM pg_type WHERE typsend <> 0");
  const sends = new Map(rows.map(([oid, send]) => [Number(oid), send!]));
  const known = indexes.filter((i) => sends.has(inputs[i]!.oid));
  const connection = await server.connect({ options: "-c standard_conforming_strings=on" });
  try {
    const queries = known.map((i) => {
      const { type, oid, literal: text } = inputs[i]!;
      const value = `SELECT ${literal(text!)}::${sqlName(type)} AS v`;
      return queryBody(`SELECT v, ${sentBytes(sends.get(oid)!, "v")} FROM (${value}) AS s`);
    });
    await pipeline(connection, queries, (answer, nth) => {
      const [text, binary] = valuesOf(answer) ?? [];
      // Not all that one version writes does another take.
      if (text === undefined || binary === undefined) return;
      const { type, literal: given } = inputs[known[nth]!]!;
      sent.set(keyOf(String(server.major), type, given!, text), binary);
      said[known[nth]!] = { text };
    });
  } finally {
    await connection.close();
  }
}

/** The text of bytes: a parameter in binary that comes back as text. */
async function askBytes(
  server: OwnServer,
  inputs: readonly ValueInput[],
  indexes: readonly number[],
  said: (ValueSaid | undefined)[],
): Promise<void> {
  const connection = await server.connect();
  try {
    for (const i of indexes) {
      const { oid, binary } = inputs[i]!;
      const bytes = Buffer.from(binary!, "hex");
      // Names are empty. Parse: one parameter of the type. Bind: one format, binary; one value; all results as text.
      const parse = Buffer.concat([Buffer.from("\0SELECT $1\0"), uint16(1), uint32(oid)]);
      const bind = Buffer.concat([
        Buffer.from("\0\0"),
        uint16(1),
        uint16(1),
        uint16(1),
        uint32(bytes.length),
        bytes,
        uint16(0),
      ]);
      connection.write(
        Buffer.concat([frame("P", parse), frame("B", bind), frame("E", Buffer.alloc(5)), frame("S", Buffer.alloc(0))]),
      );
      const [text] = valuesOf(await connection.until("Z")) ?? [];
      if (text !== undefined) said[i] = { text };
    }
  } finally {
    await connection.close();
  }
}

/** The values of the one row of an answer; undefined if it is an error. */
function valuesOf(answer: readonly Message[]): string[] | undefined {
  const row = answer.find(({ type }) => type === "D")?.body;
  if (row === undefined) return undefined;
  const found: string[] = [];
  for (let at = 2, n = row.readInt16BE(0); n > 0; n--) {
    const length = row.readInt32BE(at);
    if (length >= 0) found.push(row.toString("utf8", at + 4, at + 4 + length));
    at += 4 + Math.max(length, 0);
  }
  return found;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
