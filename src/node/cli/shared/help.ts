/** Texts derived from declarations: `--help`, and the tables of docs/command-line.md. */
import { listed } from "../../../kernel/words.ts";
import type { Declaration, Option } from "./declare.ts";
import { valueName } from "./read-call.ts";
import { statusMeanings } from "./status.ts";

/** The width of `--help`, in characters. */
const WIDTH = 95;

/** What `walwire --help` prints. */
export function overview(declarations: readonly Declaration[]): string {
  return `\
walwire: PostgreSQL's replication languages and wire messages

Usage:
  walwire COMMAND [OPTION]… [ARGUMENT]…

Commands:
${columns(declarations.map(({ name, summary }) => [name, summary]))}
Options:
${columns([
  ["-h, --help", "print this help; walwire COMMAND --help prints that of a command"],
  ["-V, --version", "print the version"],
])}
Exit status:
${columns(statusMeanings.map(([status, meaning]) => [String(status), meaning.replaceAll("`", "")]))}`;
}

/** What `walwire NAME --help` prints. */
export function help(declaration: Declaration): string {
  const { description, verbs = {}, argument, options } = declaration;
  const rows = Object.entries(options).map(([name, option]) => [forms(name, option), meaning(option)]);
  const parts = [
    `Usage:\n${synopses(declaration)
      .map((line) => `  ${line}\n`)
      .join("")}`,
    paragraphs(description),
    Object.keys(verbs).length === 0 ? "" : `Verbs:\n${columns(Object.entries(verbs))}`,
    argument === undefined ? "" : `Arguments:\n${columns([[argument.name, argument.help]])}`,
    `Options:\n${columns([...rows, ["-h, --help", "print this help"]])}`,
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** The usage lines of a subcommand, one for each verb. */
export function synopses({ name, verbs, argument }: Declaration): string[] {
  const counts = { one: "%", optional: "[%]", many: "%…" };
  const operand = argument === undefined ? "" : ` ${counts[argument.count].replace("%", argument.name)}`;
  if (verbs === undefined) return [`walwire ${name} [OPTION]…${operand}`];
  return Object.keys(verbs).map((verb) => {
    const pair = argument?.pairs?.[verb];
    return `walwire ${name} ${verb} [OPTION]…${pair === undefined ? operand : ` ${pair.join(" ")}`}`;
  });
}

/** The options of a subcommand as a table of Markdown, with a line break at the end. */
export function optionTable({ options }: Declaration): string {
  const rows = Object.entries(options).map(
    ([name, option]) =>
      `| \`${forms(name, option).replaceAll("|", "\\|")}\` | ${meaning(option).replaceAll("|", "\\|")} |\n`,
  );
  return `| option | meaning |\n|---|---|\n${rows.join("")}`;
}

/** The exit statuses as a table of Markdown. */
export function statusTable(): string {
  const rows = statusMeanings.map(([status, meaning]) => `| ${status} | ${meaning} |\n`);
  return `| status | meaning |\n|---|---|\n${rows.join("")}`;
}

function forms(name: string, option: Option): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  return `${short}--${name}${option.type === "boolean" ? "" : ` ${valueName(option)}`}`;
}

function meaning(option: Option): string {
  const notes = [
    option.type === "boolean" || option.default === undefined ? "" : `default ${option.default}`,
    option.type === "boolean" || !option.many ? "" : "can be repeated",
    option.only === undefined ? "" : `${listed(option.only, "and")} only`,
  ].filter((note) => note !== "");
  return notes.length === 0 ? option.help : `${option.help} (${notes.join(", ")})`;
}

/** Rows of two columns, the second wrapped, with a line break at the end. */
function columns(rows: readonly (readonly string[])[]): string {
  const left = Math.max(...rows.map(([first]) => first!.length));
  return rows
    .map(([first, second]) => {
      const lines = wrapped(second!, WIDTH - left - 4);
      return lines.map((line, i) => `  ${(i === 0 ? first! : "").padEnd(left)}  ${line}\n`).join("");
    })
    .join("");
}

/** Paragraphs, wrapped again; lines that begin with a blank stay unchanged. */
function paragraphs(text: string): string {
  return text
    .trim()
    .replace(/^\S.*(?:\n\S.*)*/gm, (paragraph) => wrapped(paragraph.replaceAll("\n", " "), WIDTH).join("\n"))
    .concat("\n");
}

function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
