/** Generates the tables between the markers in docs/command-line.md from the declarations of the subcommands. */
import { readFileSync } from "node:fs";
import { optionTable, statusTable } from "../src/node/cli/shared/help.ts";
import { declarations } from "../src/node/cli/subcommands.ts";

const path = "docs/command-line.md";

/** docs/command-line.md with new tables, by its path. */
export function generatedCommandLine(): Map<string, string> {
  let text = readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
  text = replaceTable(text, "statuses", statusTable());
  for (const declaration of declarations) {
    if (Object.keys(declaration.options).length === 0) continue;
    text = replaceTable(text, `options: ${declaration.name}`, optionTable(declaration));
  }
  return new Map([[path, text]]);
}

function replaceTable(text: string, marker: string, table: string): string {
  const [begin, end] = [`<!-- ${marker} -->\n`, "<!-- end -->"];
  const start = text.indexOf(begin);
  if (start === -1) throw new Error(`${path} has no ${begin.trim()}`);
  const stop = text.indexOf(end, start);
  return `${text.slice(0, start + begin.length)}${table}${text.slice(stop)}`;
}
