/** Laws of every message codec, held for each family: round trips, the interpreter as oracle, and damage. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { damaged } from "../../src/arbitraries/damage.ts";
import { contextOf, messageOf } from "../../src/arbitraries/messages.ts";
import { BaseBackupMessage } from "../../src/basebackup/messages.ts";
import * as generatedBaseBackup from "../../src/generated/basebackup.ts";
import * as generatedLogical from "../../src/generated/logical.ts";
import * as generatedPhysical from "../../src/generated/physical.ts";
import { DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../src/physical/messages.ts";
import { sizeOf } from "../../src/wire/layout.ts";
import type { Family } from "../../src/wire/shape.ts";
import { traceMessage } from "../../src/wire/trace.ts";
import { hex, toHex } from "../hex.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";
import { seed, times } from "../seed.ts";
import { hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";

interface Codec {
  readonly family: Family;
  readonly decode: (bytes: Uint8Array, holds?: never) => { readonly type: string };
  readonly encode: (message: never) => Uint8Array;
}

const codecs: readonly Codec[] = [
  {
    family: WalSenderMessage,
    decode: generatedPhysical.decodeWalSenderMessage,
    encode: generatedPhysical.encodeWalSenderMessage,
  },
  {
    family: WalReceiverMessage,
    decode: generatedPhysical.decodeWalReceiverMessage,
    encode: generatedPhysical.encodeWalReceiverMessage,
  },
  {
    family: PgoutputMessage,
    decode: generatedLogical.decodePgoutputMessage,
    encode: generatedLogical.encodePgoutputMessage,
  },
  {
    family: BaseBackupMessage,
    decode: generatedBaseBackup.decodeBaseBackupMessage,
    encode: generatedBaseBackup.encodeBaseBackupMessage,
  },
];

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

describe.each(codecs)("$family.name", ({ family, decode, encode }) => {
  /** A message, and the context that it belongs in. */
  const inContext = contextOf(family).chain((holds) =>
    fc.record({ holds: fc.constant(holds as never), message: messageOf(family, holds) as fc.Arbitrary<never> }),
  );
  const message = inContext.map((each) => each.message);
  const encoded = inContext.map(({ holds, message: each }) => ({ holds, bytes: interpretEncode(family, each) }));
  /** Damaged bytes, in the context of what they were or in another. */
  const damagedInContext = encoded.chain(({ holds, bytes }) =>
    fc.record({
      holds: fc.oneof({ weight: 3, arbitrary: fc.constant(holds) }, contextOf(family) as fc.Arbitrary<never>),
      bytes: damaged(fc.constant(bytes)),
    }),
  );

  const anyBytes = fc.record({
    holds: contextOf(family) as fc.Arbitrary<never>,
    bytes: fc.uint8Array({ maxLength: 60 }),
  });

  law(
    "decoding what was encoded gives the same message",
    fc.property(inContext, ({ holds, message: each }) => {
      expect(decode(encode(each), holds)).toEqual(each);
    }),
  );

  law(
    "the generated encoder writes what the interpreter writes",
    fc.property(message, (each) => {
      expect(toHex(encode(each))).toBe(toHex(interpretEncode(family, each)));
    }),
  );

  law(
    "the generated decoder and the interpreter agree on damaged bytes, errors and their places included",
    fc.property(damagedInContext, ({ holds, bytes }) => {
      expect(outcome(() => decode(bytes, holds))).toEqual(outcome(() => interpretDecode(family, bytes, holds)));
    }),
    10_000,
  );

  law(
    "any bytes give a message that encodes to the same bytes, or a DecodeError with its place",
    fc.property(fc.oneof(damagedInContext, anyBytes), ({ holds, bytes: each }) => {
      const result = outcome(() => decode(each, holds)) as { value?: never; offset: number; path: string };
      if (result.value !== undefined) {
        expect(toHex(encode(result.value))).toBe(toHex(each));
      } else {
        expect(result.offset).toBeGreaterThanOrEqual(0);
        expect(result.offset).toBeLessThanOrEqual(each.length);
        expect(result.path).toMatch(/^[A-Z]\w+(\.\w+)*(\[\d+\](\.\w+)*)?$/);
      }
    }),
    10_000,
  );

  law(
    "a truncated message is TRUNCATED, and an extra byte TRAILING_BYTES",
    fc.property(encoded, ({ holds, bytes: each }) => {
      const open = family.messages.find(({ tag }) => tag.charCodeAt(0) === each[0])!;
      const forms = Object.values(open.fields).map(({ form }) => form);
      const least = sizeOf(open, holds).min;
      for (let end = 0; end < each.length; end++) {
        const result = outcome(() => decode(each.subarray(0, end), holds)) as { code?: string };
        if (end < least || !forms.some((form) => form === "rest" || form === "extra")) {
          expect(result.code).toBe("TRUNCATED");
        }
      }
      const longer = outcome(() => decode(concat(each, Uint8Array.of(0)), holds)) as { code?: string };
      if (!forms.some((form) => form === "rest" || form === "extra")) expect(longer.code).toBe("TRAILING_BYTES");
    }),
    500,
  );

  law(
    "both encode a mutated value alike, or reject it with the same path",
    fc.property(message, fc.nat(), hostileValue(), (each, pick, value) => {
      const changed = withChange(each, pick, value);
      expect(outcome(() => toHex(encode(changed)))).toEqual(outcome(() => toHex(interpretEncode(family, changed))));
    }),
    5000,
  );

  law(
    "a trace is one line without control characters that names the message",
    fc.property(message, (each) => {
      const line = traceMessage(family, each);
      expect(line).toMatch(/^[A-Z]\w+( |$)/);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      expect(line.length).toBeLessThan(200_000);
    }),
    1000,
  );

  test("its example decodes to what it says, and encodes back", () => {
    const example = hex(family.example.hex);
    const decoded = decode(example);
    expect(decoded.type).toBe(family.example.type);
    expect(toHex(encode(decoded as never))).toBe(toHex(example));
  });

  test.each([undefined, null, 1, "x", {}, { type: 1 }, { type: "Nothing" }, { type: "toString" }, []])(
    "%j is refused as a message",
    (value) => {
      expect(() => encode(value as never)).toThrow(EncodeError);
    },
  );
});

test("a trace writes positions as the server that sent them does", () => {
  const keepalive = hex(WalSenderMessage.example.hex);
  const trace = (server?: string): string =>
    traceMessage(WalSenderMessage, generatedPhysical.decodeWalSenderMessage(keepalive), server);
  expect(trace()).toContain("walEnd=0/6033CC8 ");
  expect(trace("18")).toContain("walEnd=0/6033CC8 ");
  expect(trace("19")).toContain("walEnd=0/06033CC8 ");
});

/** `npm run fuzz:messages` runs more of them. */
test("damaged messages, of real servers too, in a process of their own", { timeout: 120_000 }, () => {
  const runs = Math.ceil(50_000 * times);
  const script = fileURLToPath(new URL("../../scripts/fuzz.ts", import.meta.url));
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", script, "messages", "--seed", String(seed), "--runs", String(runs)],
    { cwd: fileURLToPath(new URL("../../", import.meta.url)), encoding: "utf8" },
  );
  expect(stdout + stderr).toContain(`seed ${seed}: ${runs.toLocaleString("en")} damaged inputs, 0 failures, made of `);
  expect(status).toBe(0);
});
