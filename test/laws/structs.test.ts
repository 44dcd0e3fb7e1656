/** Laws of every struct's codec: round trips, the interpreter as oracle, C's layout, and damage. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contextsOf, structsOf } from "../../scripts/codecs.ts";
import { concat } from "../../src/arbitraries/bytes.ts";
import { damaged } from "../../src/arbitraries/damage.ts";
import { contextOf, structOf } from "../../src/arbitraries/messages.ts";
import * as files from "../../src/files/structs.ts";
import * as generatedFiles from "../../src/generated/files.ts";
import * as generatedWal from "../../src/generated/wal.ts";
import { DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import * as wal from "../../src/wal/structs.ts";
import { jsonOfStruct } from "../../src/wire/json.ts";
import { layoutOf } from "../../src/wire/layout.ts";
import type { Struct } from "../../src/wire/shape.ts";
import { traceStruct } from "../../src/wire/trace.ts";
import { toHex } from "../hex.ts";
import { interpretStructDecode, interpretStructEncode } from "../oracle/interpret.ts";
import { hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";

interface Codec {
  readonly struct: Struct;
  readonly name: string;
  readonly decode: (bytes: Uint8Array, holds?: never) => object;
  readonly encode: (value: never) => Uint8Array;
}

/** Every struct of a domain, with its generated functions. */
function codecsOf(structs: object, generated: object): Codec[] {
  const functions = generated as Record<string, never>;
  return structsOf(structs).map((struct) => ({
    struct,
    name: struct.name,
    decode: functions[`decode${struct.name}`]!,
    encode: functions[`encode${struct.name}`]!,
  }));
}

const codecs: readonly Codec[] = [...codecsOf(files, generatedFiles), ...codecsOf(wal, generatedWal)];

/** What a codec makes of its input: the value, or the error's class, code, place and words; any other error is a bug. */
function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof DecodeError) return { class: "DecodeError", ...error.toJSON() };
    if (error instanceof EncodeError) return { class: "EncodeError", ...error.toJSON() };
    throw error;
  }
}

test("there are structs", () => {
  expect(codecs.length).toBeGreaterThan(2);
});

describe.each(codecs)("$name", ({ struct, decode, encode }) => {
  const inContext = contextOf(struct).chain((holds) =>
    fc.record({ holds: fc.constant(holds as never), value: structOf(struct, holds) as fc.Arbitrary<never> }),
  );
  const value = inContext.map((each) => each.value);
  const damagedInContext = inContext.chain(({ holds, value: each }) =>
    fc.record({
      holds: fc.oneof({ weight: 3, arbitrary: fc.constant(holds) }, contextOf(struct) as fc.Arbitrary<never>),
      bytes: damaged(fc.constant(interpretStructEncode(struct, each))),
    }),
  );

  law(
    "decoding what was encoded gives the same value, also by the interpreter",
    fc.property(inContext, ({ holds, value: each }) => {
      const bytes = encode(each);
      expect(decode(bytes, holds)).toEqual(each);
      expect(interpretStructDecode(struct, bytes, holds)).toEqual(each);
      expect(toHex(interpretStructEncode(struct, each))).toBe(toHex(bytes));
    }),
    200,
  );

  law(
    "a struct is as long as its layout says, and changes where that says if a field changes",
    fc.property(inContext, value, ({ holds, value: each }, other) => {
      const { size, offsets } = layoutOf(struct, holds);
      const bytes = encode(each);
      expect(bytes.length).toBeGreaterThanOrEqual(size.min);
      expect(bytes.length).toBeLessThanOrEqual(size.max);
      const starts = [...offsets].filter(([name]) => !name.includes("."));
      for (const [i, [name, offset]] of starts.entries()) {
        const field = (other as object as Record<string, unknown>)[name];
        // What is there in one of them only moves what stands behind it.
        if ((each as object as Record<string, unknown>)[name] === undefined || field === undefined) continue;
        const changed = outcome(() => encode({ ...(each as object), [name]: field } as never)) as {
          value?: Uint8Array;
        };
        if (changed.value?.length !== bytes.length) continue;
        const until = starts[i + 1]?.[1] ?? bytes.length;
        const differ = [...bytes.keys()].filter((at) => bytes[at] !== changed.value![at]);
        expect(differ.every((at) => at >= offset && at < until)).toBe(true);
      }
    }),
    100,
  );

  law(
    "the generated decoder and the interpreter agree on damaged bytes; what is read encodes to the same bytes",
    fc.property(damagedInContext, ({ holds, bytes }) => {
      const result = outcome(() => decode(bytes, holds)) as { value?: never; offset: number; path: string };
      expect(result).toEqual(outcome(() => interpretStructDecode(struct, bytes, holds)));
      if (result.value !== undefined) {
        expect(toHex(encode(result.value))).toBe(toHex(bytes));
      } else {
        expect(result.offset).toBeGreaterThanOrEqual(0);
        expect(result.offset).toBeLessThanOrEqual(bytes.length);
        expect(result.path).toMatch(/^[A-Z]\w+(\.\w+)*(\[\d+\](\.\w+)*)?$/);
      }
    }),
    600,
  );

  law(
    "a struct cut short is TRUNCATED, and one with a byte too many has TRAILING_BYTES, but for open ends",
    fc.property(inContext, ({ holds, value: each }) => {
      const bytes = encode(each);
      const { min, max } = layoutOf(struct, holds).size;
      for (let end = 0; end < Math.min(bytes.length, min); end++) {
        expect(outcome(() => decode(bytes.subarray(0, end), holds))).toMatchObject({ code: "TRUNCATED" });
      }
      if (max === min) {
        expect(outcome(() => decode(concat(bytes, Uint8Array.of(0)), holds))).toMatchObject({ code: "TRAILING_BYTES" });
      }
    }),
    50,
  );

  law(
    "a value with anything put in anywhere is encoded by both alike, or refused by both with the same path",
    fc.property(value, fc.nat(), hostileValue(), (each, pick, hostile) => {
      const changed = withChange(each, pick, hostile);
      expect(outcome(() => toHex(encode(changed)))).toEqual(
        outcome(() => toHex(interpretStructEncode(struct, changed))),
      );
    }),
    600,
  );

  law(
    "two values have the same JSON exactly if they have the same bytes, and a trace is one line",
    fc.property(inContext, value, ({ holds, value: each }, other) => {
      const json = jsonOfStruct(struct, each);
      expect(JSON.parse(JSON.stringify(json))).toEqual(json);
      const same = toHex(encode(each)) === toHex(encode(other));
      expect(JSON.stringify(jsonOfStruct(struct, other)) === JSON.stringify(json)).toBe(same);
      expect(JSON.stringify(jsonOfStruct(struct, decode(encode(each), holds)))).toBe(JSON.stringify(json));
      expect(traceStruct(struct, each)).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u);
    }),
    200,
  );

  test("its layout is one of C in every context", () => {
    for (const holds of contextsOf(struct)) expect(() => layoutOf(struct, holds)).not.toThrow();
  });

  test.each([undefined, null, 1, "x", {}, []])("%j is refused as a value", (each) => {
    expect(() => encode(each as never)).toThrow(EncodeError);
  });
});
