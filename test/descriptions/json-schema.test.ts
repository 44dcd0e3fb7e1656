/** The JSON Schemas, by ajv: each JSON view is valid, and one with a change is not. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { families } from "../../scripts/descriptions/kaitai.ts";
import { command, syncRepConfig } from "../../src/arbitraries/index.ts";
import { contextOf, messageOf, structOf } from "../../src/arbitraries/messages.ts";
import { parseCommand } from "../../src/command/index.ts";
import {
  ControlFileData,
  ReplicationSlotOnDisk,
  ReplicationStateOnDisk,
  SnapBuildOnDisk,
} from "../../src/files/structs.ts";
import { serverVersionNum } from "../../src/kernel/version.ts";
import { commandJson } from "../../src/node/cli/command/json.ts";
import { type Json, jsonOf, jsonOfStruct } from "../../src/wire/json.ts";
import { law } from "../laws/law.ts";

const require = createRequire(import.meta.url);
type Validate = ((value: unknown) => boolean) & { readonly errors?: unknown };
const { default: Ajv } = require("ajv/dist/2020") as {
  default: new (options: object) => { compile(schema: unknown): Validate };
};

const root = fileURLToPath(new URL("../../", import.meta.url));

function validatorOf(name: string): Validate {
  const schema = readFileSync(`${root}descriptions/json-schema/${name}.schema.json`, "utf8");
  return new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schema));
}

/** A value as programs get it, and some near it that are not of its form: a property missing, one too many, and one of another type. */
function expectValid(validate: Validate, value: object): void {
  const json = JSON.parse(JSON.stringify(value)) as Record<string, Json>;
  if (!validate(json)) expect.fail(`${JSON.stringify(json)}: ${JSON.stringify(validate.errors)}`);
  expect(validate({ ...json, another: 1 })).toBe(false);
  for (const name of Object.keys(json)) {
    // No view has arrays in arrays in arrays.
    expect(validate({ ...json, [name]: [[[]]] }), name).toBe(false);
    if (name === "type") expect(validate({ ...json, type: "Nothing" })).toBe(false);
  }
}

describe.each(families)("$name", (family) => {
  const validate = validatorOf(family.name);
  law(
    "any message's view is valid, and no other object",
    fc.property(
      contextOf(family).chain((holds) => messageOf(family, holds)),
      fc.constantFrom("16", "19"),
      (message, server) => expectValid(validate, jsonOf(family, message as { type: string }, server)),
    ),
    300,
  );

  test("each property that is always there is required", () => {
    for (const message of fc.sample(messageOf(family), { numRuns: 50, seed: 1 })) {
      const json = jsonOf(family, message as { type: string });
      const { type, ...others } = json;
      expect(validate(others)).toBe(false);
      expect(validate({ type })).toBe(Object.keys(others).length === 0);
    }
  });
});

describe.each([ReplicationSlotOnDisk, ReplicationStateOnDisk, SnapBuildOnDisk, ControlFileData])("$name", (struct) => {
  const validate = validatorOf(struct.name);
  law(
    "any value's view is valid, and no other object",
    fc.property(
      contextOf(struct).chain((holds) => structOf(struct as never, holds) as fc.Arbitrary<object>),
      (value) => expectValid(validate, jsonOfStruct(struct, value)),
    ),
    50,
  );
});

describe("Command", () => {
  const validate = validatorOf("Command");
  law(
    "any command is valid as walwire command prints it, and no other object",
    fc.property(command(), (each) => expectValid(validate, commandJson(each, serverVersionNum("18")))),
    500,
  );

  test.each(["IDENTIFY_SYSTEM", "SHOW wal_level", "TIMELINE_HISTORY 2", "UPLOAD_MANIFEST", "SELECT 1"])(
    "%s",
    (text) => {
      expectValid(validate, commandJson(parseCommand(text, { server: "18" }), serverVersionNum("18")));
    },
  );
});

describe("SyncRepConfig", () => {
  const validate = validatorOf("SyncRepConfig");
  law(
    "any value is valid, and no other object",
    fc.property(syncRepConfig(), (each) => expectValid(validate, each)),
    200,
  );
});
