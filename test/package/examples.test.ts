/** Every `@example` of a docstring runs, and gives what it says: `expression // value`. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as arbitraries from "../../src/arbitraries/index.ts";
import * as basebackup from "../../src/basebackup/index.ts";
import * as tar from "../../src/basebackup/tar.ts";
import * as conf from "../../src/conf/index.ts";
import * as dissect from "../../src/dissect/index.ts";
import * as files from "../../src/files/index.ts";
import * as manifest from "../../src/files/manifest/index.ts";
import * as walwire from "../../src/index.ts";
import * as crc from "../../src/kernel/crc32c.ts";
import * as walNames from "../../src/kernel/wal-names.ts";
import * as words from "../../src/kernel/words.ts";
import * as copy from "../../src/logical/copy.ts";
import * as logicalMessages from "../../src/logical/messages.ts";
import * as transactions from "../../src/logical/transactions.ts";
import * as confDisk from "../../src/node/conf-disk.ts";
import * as physicalMessages from "../../src/physical/messages.ts";
import * as session from "../../src/session/index.ts";
import * as scram from "../../src/session/server/scram.ts";
import * as serverStartup from "../../src/session/server/startup.ts";
import * as syncrepJudge from "../../src/syncrep/judge.ts";
import * as syncrepPlan from "../../src/syncrep/plan/index.ts";
import * as standbySlots from "../../src/syncrep/standby-slots.ts";
import * as values from "../../src/values/index.ts";
import * as wal from "../../src/wal/index.ts";
import * as json from "../../src/wire/json.ts";
import * as trace from "../../src/wire/trace.ts";
import { hex } from "../hex.ts";

/** What an example may name. */
const scope = {
  ...logicalMessages,
  ...transactions,
  ...copy,
  ...physicalMessages,
  ...walwire,
  ...arbitraries,
  ...session,
  ...scram,
  ...serverStartup,
  ...conf,
  ...confDisk,
  ...syncrepJudge,
  ...syncrepPlan,
  ...standbySlots,
  ...json,
  ...values,
  ...trace,
  ...crc,
  ...walNames,
  ...words,
  ...files,
  ...manifest,
  ...wal,
  ...basebackup,
  ...tar,
  ...dissect,
  fc,
  hex,
};

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const paths = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));

function evaluate(expression: string): unknown {
  return new Function(...Object.keys(scope), `return (${expression});`)(...Object.values(scope));
}

const examples = paths.flatMap((path) => {
  const text = readFileSync(`${src}${path}`, "utf8");
  return [...text.matchAll(/@example (.*)$/gm)].map(([, example]) => ({ path, example: example! }));
});

describe("examples in docstrings", () => {
  test("there are some", () => {
    expect(examples.length).toBeGreaterThan(15);
  });

  test.each(examples)("$path: $example", ({ example }) => {
    const [, expression, result] = /^(.*?) \/\/ (.*)$/.exec(example) ?? [];
    expect(expression, "an example has the form `expression // value`").toBeDefined();
    expect(evaluate(expression!)).toEqual(evaluate(result!));
  });
});
