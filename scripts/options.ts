/** docs/command-options.md: the options of the replication commands, from their tables. */
import { commandCapabilities } from "../src/command/capabilities.ts";
import type { OptionRow, OptionTable } from "../src/command/options/option.ts";
import { optionTables } from "../src/command/options/tables.ts";

const head = `# Options of the replication commands

<!-- Made from src/command/options/tables.ts by npm run generate. -->

What \`checkCommand\` reads, \`walwire command explain\` explains and \`printCommand\` writes. "Since" is the first server version with the
option in parentheses; servers before 15 say the options of BASE_BACKUP and CREATE_REPLICATION_SLOT with the words of the last column.
`;

function since({ since }: OptionRow, table: OptionTable): string {
  const needs = since ?? table.since ?? table.parenthesesSince;
  return needs === undefined ? "" : commandCapabilities.since(needs);
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

function row(each: OptionRow, table: OptionTable): string {
  const { name, kind, doc, words = [], slot } = each;
  const shown = kind.show(each.default);
  const meaning = typeof doc === "string" ? doc : doc(each.default);
  const cells = [
    `\`${name}\``,
    since(each, table),
    kind.takes,
    shown === "" ? "" : `\`${shown}\``,
    slot === undefined ? meaning : `${meaning}; ${slot.toLowerCase()} slots`,
    words.map(({ word }) => `\`${word}\``).join(", "),
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

/** By its path from the root of the repository. */
export function generatedOptions(): Map<string, string> {
  const sections = optionTables.map((table: OptionTable) =>
    [
      `## ${table.title}\n`,
      `Source: ${table.source}\n`,
      "| option | since | takes | default | meaning | words |",
      "|---|---|---|---|---|---|",
      ...Object.values(table.rows).map((each) => row(each, table)),
    ].join("\n"),
  );
  return new Map([["docs/command-options.md", `${[head, ...sections].join("\n\n").replace(/\n{3,}/g, "\n\n")}\n`]]);
}
