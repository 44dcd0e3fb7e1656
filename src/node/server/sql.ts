/** SQL on a connection: what the table of known statements has, else the application's `query`. */
import { refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkOneOf } from "../../kernel/options.ts";
import { sessionCapabilities } from "../../session/capabilities.ts";
import type { BackendMessage } from "../../session/messages.ts";
import { encodingName, reportedParameters } from "../../session/server/parameters.ts";
import { knownStatement } from "../../session/server/sql.ts";
import { errorOf, noticeResponse } from "../../session/server/words.ts";
import { checkBody } from "../../wire/framer.ts";
import type { AnswerColumn, CommandContext, SqlAnswer, WalsenderSignal } from "./handlers.ts";
import type { Link } from "./link.ts";

const TEXT = 25;

/**
 * Run SQL. Of several statements in one text those before the first that is not in the table are run one by one; the rest is the handler's,
 * as one text.
 *
 * @throws ServerError: the answer; whatever the handler throws
 */
export async function runSql(link: Link, text: string, context: CommandContext): Promise<void> {
  let rest = text;
  for (let end = rest.indexOf(";"); end !== -1; end = rest.indexOf(";")) {
    const first = rest.slice(0, end);
    if (/^[\s;]*$/.test(rest.slice(end)) || knownStatement(first) === undefined) break;
    if (!/^\s*$/.test(first)) await runStatement(link, first, context);
    await link.turn();
    context.signal.throwIfAborted();
    rest = rest.slice(end + 1);
  }
  await runStatement(link, rest, context);
}

async function runStatement(link: Link, text: string, context: CommandContext): Promise<void> {
  const statement = knownStatement(text);
  const ends = statement?.type === "commit" || statement?.type === "rollback";
  if (link.transaction === "E" && !ends && statement?.type !== "empty") {
    const message = "current transaction is aborted, commands ignored until end of transaction block";
    throw errorOf("IN_FAILED_SQL_TRANSACTION", message);
  }
  switch (statement?.type) {
    case "empty":
      return link.say({ type: "EmptyQueryResponse" });
    case "value":
      link.snapshot.isSet = true;
      if (statement.sets !== undefined) link.parameters.set(statement.sets, statement.value);
      return say(
        link,
        { type: "rows", columns: [{ name: statement.column }], rows: [[statement.value]] },
        context.signal,
      );
    case "begin":
      if (link.transaction === "T") warn(link, "25001", "there is already a transaction in progress");
      if (link.transaction === "I") {
        link.transactionNumber++;
        const byDefault = link.parameters.get("default_transaction_isolation")?.value ?? "read committed";
        link.snapshot = { isolation: statement.isolation ?? byDefault, isReadOnly: statement.isReadOnly, isSet: false };
      }
      link.transaction = "T";
      return link.say({ type: "CommandComplete", tag: /^\s*start/i.test(text) ? "START TRANSACTION" : "BEGIN" });
    case "commit":
    case "rollback": {
      if (link.transaction === "I") warn(link, "25P01", "there is no transaction in progress");
      const isCommit = statement.type === "commit" && link.transaction !== "E";
      link.transaction = "I";
      return link.say({ type: "CommandComplete", tag: isCommit ? "COMMIT" : "ROLLBACK" });
    }
    case "set":
      return set(link, statement.name, statement.value);
  }
  const { query } = link.handlers;
  link.snapshot.isSet = true;
  if (query === undefined) throw errorOf("FEATURE_NOT_SUPPORTED", "this server does not execute SQL");
  // Rows are the handler's, too: waiting for them ends with the command.
  await link.run(context.signal, async () => {
    const answer = await query(text, context);
    for (const each of Array.isArray(answer) ? (answer as readonly SqlAnswer[]) : [answer as SqlAnswer]) {
      await say(link, each, context.signal);
    }
  });
}

function warn(link: Link, sqlstate: string, message: string): void {
  link.say(noticeResponse({ severity: "WARNING", sqlstate, message }));
}

function set(link: Link, name: string, value: string): void {
  const parameter = link.parameters.get(name);
  if (parameter === undefined && !name.includes(".")) {
    throw errorOf("UNDEFINED_OBJECT", `unrecognized configuration parameter "${name}"`);
  }
  if (name.toLowerCase() === "client_encoding" && encodingName(value) === undefined) {
    throw errorOf("INVALID_PARAMETER_VALUE", `invalid value for parameter "client_encoding": "${value}"`);
  }
  const { server } = link.settings;
  const { name: reported, value: now } = link.parameters.set(name, value);
  // Before 14 also if the value is the same; later ReadyForQuery comes with what has changed.
  const atOnce = sessionCapabilities.supports(server, "parametersReportedAtOnce");
  if (atOnce && reportedParameters(server).includes(reported)) {
    link.parameters.changed();
    link.say({ type: "ParameterStatus", name: reported, value: now });
  }
  link.say({ type: "CommandComplete", tag: "SET" });
}

/** Say an answer. Once the signal is aborted nothing is written: another answer may be on its way. */
async function say(link: Link, answer: SqlAnswer, signal: WalsenderSignal): Promise<void> {
  signal.throwIfAborted();
  checkObject("answer", answer);
  checkOneOf("answer.type", answer.type, ["rows", "copyOut", "command"]);
  if (answer.type === "command") {
    link.say({ type: "CommandComplete", tag: answer.tag });
    return;
  }
  let count = 0;
  if (answer.type === "rows") {
    link.say({ type: "RowDescription", columns: answer.columns.map(described) });
    for await (const values of answer.rows) {
      signal.throwIfAborted();
      if (values.length !== answer.columns.length) {
        refuseArgument(`answer.rows[${count}]`, `${answer.columns.length} values`, values.length);
      }
      link.say({ type: "DataRow", values });
      count++;
      await link.drained();
      signal.throwIfAborted();
    }
    signal.throwIfAborted();
    link.say({ type: "CommandComplete", tag: answer.tag ?? `SELECT ${count}` });
    return;
  }
  const { format = "text", columns } = answer;
  const start: BackendMessage = {
    type: "CopyOutResponse",
    format,
    columnFormats: Array.from({ length: columns }, () => format),
  };
  link.say(start);
  for await (const data of answer.data) {
    signal.throwIfAborted();
    checkBody(data);
    count++;
    await link.copyData(data);
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
  link.say({ type: "CopyDone" }, { type: "CommandComplete", tag: answer.tag ?? `COPY ${count}` });
}

function described({ name, typeId = TEXT, typeSize = -1, typeModifier = -1 }: AnswerColumn) {
  return { name, tableId: 0, columnNumber: 0, typeId, typeSize, typeModifier, format: "text" } as const;
}
