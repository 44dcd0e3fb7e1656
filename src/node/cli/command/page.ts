/** What `walwire command` says to people. */
import { adviseOnFirstWord } from "../../../command/advise.ts";
import {
  type AnswerStep,
  type CommandWarning,
  commandAnswer,
  type Notice,
  type ResultSet,
  resultSets,
} from "../../../command/index.ts";
import { type CommandVerdict, judgeCommand, versionsThat } from "../../../command/judge.ts";
import { forms } from "../../../command/results/columns.ts";
import { formatServerVersion, formatVersions, type VersionVerdict } from "../../../kernel/version.ts";
import { type Mark, type Page, printable } from "../shared/people.ts";
import { sayAdvice, sayError } from "../shared/say-error.ts";
import type { Explanation, Judged } from "./model.ts";
import { optionsOf, partsOf, summarise } from "./words.ts";

/** The verdict of the server in a line, and what it says. */
export function sayVerdict(page: Page, { text, call, verdict, notices }: Judged): void {
  const server = `PostgreSQL ${formatServerVersion(call.server)}`;
  const where = call.database ? "" : " on a connection without a database";
  // The first word, whatever it is: of text that is refused nothing else may be known.
  const word = /^\s*(\w*)/.exec(text)![1]!;
  const name = page.style("bold", printable(word) || "This text");
  switch (verdict.type) {
    case "command":
      page.mark("good", `${name} is accepted by ${server}${where}`);
      break;
    case "sql":
      page.mark("neutral", `${name} is not a replication command of ${server}, which hands the text to SQL`);
      // SQL has a command of this name too, and no other.
      if (word.toUpperCase() !== "SHOW") sayAdvice(page, adviseOnFirstWord(word, call.server));
      break;
    case "refused":
      page.mark("bad", `${name} is rejected by ${server}${where}`);
  }
  for (const notice of notices) sayNotice(page, notice);
  if (verdict.type === "refused") sayError(page, verdict.error);
  if (verdict.type === "command") for (const warning of verdict.warnings) sayWarning(page, warning);
  if (
    verdict.type === "refused" &&
    judgeCommand(text, { server: call.server, database: call.database, plugin: "" }).type === "command"
  ) {
    sayAdvice(page, "The slot is taken to be one of pgoutput: with --plugin it is one of another output plugin.");
  }
}

export function sayNotice(page: Page, { sqlstate, message }: Notice): void {
  page.line(`${page.style("yellow", "NOTICE:")}  ${sqlstate}: ${printable(message)}`);
}

function sayWarning(page: Page, { message, advice }: CommandWarning): void {
  sayAdvice(page, [message, advice].join(" "));
}

/** Which versions take the text, and which hand it to SQL. */
export function sayAcceptedBy(page: Page, byVersion: readonly VersionVerdict<CommandVerdict>[]): void {
  page.line(`accepted by ${formatVersions(versionsThat("command", byVersion))}`);
  const sql = versionsThat("sql", byVersion);
  if (sql.length > 0) page.line(`handed to SQL by ${formatVersions(sql)}`);
}

/** All there is to say about a text. */
export function sayExplanation(page: Page, explanation: Explanation): void {
  const { judged, byVersion, printed } = explanation;
  sayVerdict(page, judged);
  const { verdict, call } = judged;
  if (verdict.type === "command") {
    const { command } = verdict;
    page.line(summarise(command));
    const rows = [
      ...partsOf(command, call.server).map(([name, value, meaning]) => [name, value, "", meaning]),
      ...optionsOf(command, verdict.options, call.server).map(({ name, value, isDefault, meaning }) => {
        return [name, value, isDefault ? "default" : "", meaning];
      }),
    ];
    if (rows.length > 0) page.line();
    page.table(rows, ["bold", "green", "dim"]);
    sayAnswer(page, commandAnswer(command, { server: call.server }), call.server);
  }
  page.heading("What each version says");
  for (const { versions, verdict } of byVersion) page.mark(...inWords(formatVersions(versions), verdict));
  if (printed.length > 1 || printed.some(({ text }) => text !== judged.text)) {
    page.heading("How to write it");
    page.table(
      printed.map(({ versions, text }) => [formatVersions(versions), text]),
      ["bold"],
    );
  }
}

const occurs = { once: "", maybe: ", or nothing", some: ", once or more often" } as const;

/** What comes back, step by step; the columns of rows below them. */
function sayAnswer(page: Page, steps: readonly AnswerStep[] = [], server: number): void {
  page.heading("Answer");
  for (const step of steps) {
    if (step.type === "CommandComplete") page.line(`  CommandComplete ${page.style("bold", step.tag)}`);
    else if (step.type === "Rows") {
      const { rows, doc, columns }: ResultSet = resultSets[step.resultSet];
      page.line(`  ${rows === "one" ? "one row" : "rows"}${occurs[step.occurs]}: ${doc}`);
      page.table(
        Object.entries(columns).map(([name, { form, doc }]) => [`  ${name}`, forms[form].type(server), doc]),
        ["bold", "green"],
      );
    } else page.line(`  ${streams[step.type]}${occurs[step.occurs]}`);
  }
}

const streams = {
  CopyOut: "CopyOut: a stream from the server",
  CopyIn: "CopyIn: a stream to the server",
  CopyBoth: "CopyBoth: a stream in both directions, until both sides end it",
} as const;

/** What some versions say, in a line. */
function inWords(versions: string, verdict: CommandVerdict): [mark: Mark, text: string] {
  switch (verdict.type) {
    case "command":
      return ["good", `${versions}: accepted`];
    case "sql":
      return ["neutral", `${versions}: handed to SQL`];
    case "refused": {
      const { sqlstate, message, advice } = verdict.error;
      return [
        "bad",
        `${versions}: ${sqlstate} ${printable(message)}${advice === undefined ? "" : `. ${printable(advice)}`}`,
      ];
    }
  }
}
