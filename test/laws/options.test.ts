/** Options from values: what the server makes of them is these values. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command } from "../../src/command/ast.ts";
import { checkCommand } from "../../src/command/check.ts";
import { type OptionForm, type OptionTable, optionsFrom } from "../../src/command/options/option.ts";
import {
  alterSlotOptions,
  baseBackupOptions,
  createSlotOptions,
  pgoutputOptions,
} from "../../src/command/options/tables.ts";
import { parseCommand } from "../../src/command/parse.ts";
import { printCommand } from "../../src/command/print.ts";
import { ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { invalidLsn } from "../../src/kernel/lsn.ts";
import { times } from "../seed.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const word = fc.stringMatching(/^[ -~]{1,12}$/);

/** Values of each form. */
const ofForm: { readonly [F in OptionForm]: fc.Arbitrary<unknown> } = {
  boolean: fc.boolean(),
  string: word,
  word,
  integer: fc.integer({ min: 32, max: 1048576 }),
  protocol: fc.integer({ min: 1, max: 4 }),
  names: fc.array(word, { minLength: 1, maxLength: 3 }),
  compressionDetail: fc.constantFrom("5", "level=3"),
};

function valuesOf(table: OptionTable): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(table.rows).map(([field, { kind }]) => {
    return [
      field,
      kind.words === undefined || kind.form === "string" ? ofForm[kind.form] : fc.constantFrom(...kind.words),
    ];
  });
  // ALTER_REPLICATION_SLOT has one option at least.
  return fc.record(Object.fromEntries(fields), { requiredKeys: table === alterSlotOptions ? ["failover"] : [] });
}

const commands: readonly [OptionTable, (options: Extract<Command, { options: unknown }>["options"]) => Command][] = [
  [
    createSlotOptions,
    (options) => ({
      type: "CreateReplicationSlotCmd",
      kind: "LOGICAL",
      slotname: "s",
      plugin: "p",
      temporary: false,
      options,
    }),
  ],
  [alterSlotOptions, (options) => ({ type: "AlterReplicationSlotCmd", slotname: "s", options })],
  [baseBackupOptions, (options) => ({ type: "BaseBackupCmd", options })],
  [
    pgoutputOptions,
    (options) => ({
      type: "StartReplicationCmd",
      kind: "LOGICAL",
      slotname: "s",
      timeline: 0,
      startpoint: invalidLsn,
      options,
    }),
  ],
];

let accepted = 0;

law(
  "what a server makes of options that were written from values is these values, where it accepts them",
  fc.property(
    fc.constantFrom(...commands).chain(([table, make]) => valuesOf(table).map((values) => ({ table, make, values }))),
    fc.constantFrom(...versionsWith("replicationSlots")),
    ({ table, make, values }, server) => {
      try {
        const command = make(optionsFrom(table, values as never));
        const checked = checkCommand(parseCommand(printCommand(command, { server }), { server }), { server });
        // A server without pgoutput does not look at its options.
        if (checked === undefined) return;
        accepted++;
        for (const [field, value] of Object.entries(values)) {
          expect((checked as unknown as Record<string, unknown>)[field], field).toEqual(value);
        }
      } catch (error) {
        if (!(error instanceof ParseError || error instanceof UnsupportedError)) throw error;
      }
    },
  ),
);

test("the law above is about commands that are accepted, too", () => {
  // About a quarter of them.
  expect(accepted).toBeGreaterThan((2000 * times) / 20);
});
