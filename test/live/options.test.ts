/** Each option of the replication commands, asked of servers that have it and of servers that do not: the tables of options say which. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tooLong } from "../../src/arbitraries/checked-command.ts";
import { type CommandCapability, commandCapabilities } from "../../src/command/capabilities.ts";
import { judgeCommand } from "../../src/command/index.ts";
import type { OptionRow, OptionTable } from "../../src/command/options/option.ts";
import {
  alterSlotOptions,
  baseBackupOptions,
  createSlotOptions,
  pgoutputOptions,
} from "../../src/command/options/tables.ts";
import { outcomes } from "../oracle/checks.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

const slot = "option_rows";

interface Question {
  readonly text: string;
  /** What a server must have to accept the text. */
  readonly needs: readonly (CommandCapability | undefined)[];
}

/** A value that fits the option, in quotes. */
function fittingValue({ name, kind }: OptionRow): string {
  if (name === "target_detail") return "'/proc/self/cwd/pg_snapshots'";
  const values = { boolean: "false", integer: "32", protocol: "1", names: "p", compressionDetail: "1", string: "x" };
  const value = kind.form === "word" ? kind.words![0]! : values[kind.form];
  return kind.form === "integer" ? value : `'${kind.form === "string" ? (kind.words?.[0] ?? value) : value}'`;
}

/** What the option is nothing without. */
const companions: Readonly<Record<string, string>> = {
  target_detail: "target 'server', ",
  compression_detail: "compression 'gzip', ",
  manifest_checksums: "manifest 'yes', ",
};

/** The options in parentheses, and the words, of one command. */
function questions(
  { rows, since, parenthesesSince }: OptionTable,
  write: (row: OptionRow, options: string, inParentheses: boolean) => string,
): Question[] {
  return Object.values(rows).flatMap((row) => [
    {
      text: write(row, `${companions[row.name] ?? ""}${row.name} ${fittingValue(row)}`, true),
      needs: [since, parenthesesSince, row.since],
    },
    ...(row.words ?? []).map(({ word, means, since, option }) => ({
      text: write(
        row,
        `${word === "MANIFEST_CHECKSUMS" ? "MANIFEST 'yes' " : ""}${word}${means === undefined ? ` ${fittingValue(row)}` : ""}`,
        false,
      ),
      needs: option === undefined ? (["genericOptions", since] as const) : [since],
    })),
  ]);
}

/** A backup is rejected at its end, for a label that is too long. */
const backup = questions(baseBackupOptions, ({ name }, options, inParentheses) => {
  const all = [...(name === "label" ? [] : [options]), tooLong];
  return inParentheses ? `BASE_BACKUP (${all.join(", ")})` : `BASE_BACKUP ${all.join(" ")}`;
}).map(({ text, needs }): Question => ({ text, needs: text.includes("(") ? needs : [...needs, "baseBackupKeywords"] }));

const all: readonly Question[] = [
  ...backup,
  ...questions(createSlotOptions, ({ slot: kind }, options, inParentheses) => {
    const what = kind === "PHYSICAL" ? "PHYSICAL" : "LOGICAL nosuchplugin";
    return `CREATE_REPLICATION_SLOT ${slot}_new TEMPORARY ${what} ${inParentheses ? `(${options})` : options}`;
  }),
  ...questions(alterSlotOptions, (_, options) => `ALTER_REPLICATION_SLOT ${slot}_missing (${options})`),
  ...questions(pgoutputOptions, ({ name }, option) => {
    const required = Object.entries({ proto_version: "'1'", publication_names: "'p'" });
    const others = required.filter(([each]) => each !== name).map((each) => each.join(" "));
    return `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (${[...others, option].join(", ")})`;
  }),
];

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  beforeAll(() => server.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`));
  afterAll(() => server.sql(`SELECT pg_drop_replication_slot('${slot}')`));

  test("has the options that the tables say, and no others", { timeout: 60_000 }, async () => {
    const { versionNum } = server;
    const texts = all.map(({ text }) => text);
    const complaints = await outcomes(server, texts, true);
    const isAccepted = (message: string | undefined) =>
      message === undefined || message.startsWith("backup label too long");
    const expected = all.map(({ text, needs }) => [
      text,
      needs.every((each) => each === undefined || commandCapabilities.supports(versionNum, each)),
    ]);
    expect(texts.map((text, i) => [text, isAccepted(complaints[i]?.message)])).toEqual(expected);
    // And so say we.
    const ours = texts.map((text) => {
      const verdict = judgeCommand(text, { server: versionNum });
      return [text, verdict.type === "command" || (verdict.type === "refused" && isAccepted(verdict.error.message))];
    });
    expect(ours).toEqual(expected);
  });
});
