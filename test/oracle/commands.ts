/**
 * An oracle of the replication grammar: a live walsender says of any text whether it is a replication command, a syntax error, or
 * text for SQL, and does nothing of what the text says.
 *
 * Source: walsender.c, exec_replication_command; repl_scanner.l; repl_gram.y. A walsender looks at the first token. If that is
 * one of some keywords, it parses the whole text, logs it, and refuses it if the transaction is aborted. If it is not, the text
 * goes to SQL, or is refused on a connection without a database. Hence two connections:
 *
 * - `replication=database`, in a transaction that an error has aborted. A command is parsed and then refused (25P02), so
 *   BASE_BACKUP, START_REPLICATION and the like are harmless. But SQL is not: COMMIT or ROLLBACK end the aborted transaction, and
 *   the rest of `ROLLBACK; DROP TABLE t`, or the next command in the pipeline, would run. So only texts that SQL cannot run come
 *   here: those that begin, after white space, with one of the keywords. As SQL they would begin with an identifier such as
 *   `BASE_BACKUPS`, which begins no statement, and SQL parses a string whole before it runs any of it. SHOW is the only word that
 *   begins both; a text that begins with the token SHOW is the walsender's, and `SHOWS` is an identifier again.
 * - `replication=true`, for all other texts. There is no database, so what would go to SQL is refused and nothing runs. Nor does a
 *   replication command, though there is no transaction to abort here: a text without a keyword in front is none.
 *
 * The same holds of the early minors of 10 to 14 (those without `firstTokenRule`), where the grammar itself makes of a text that
 * begins with an identifier a command for SQL.
 *
 * A walsender before 10 knows neither SQL nor transactions, and runs each command that it parses. There the oracle needs a server
 * that was altered: one that answers 25P02 as soon as the grammar is done. All texts go to it.
 *
 * The byte in each ReadyForQuery is checked all the same: should a transaction be in any other state, the oracle throws.
 */
import { supports } from "../../src/capabilities.ts";
import { checked, errorFields, type Message, type RawConnection, type Server } from "../servers/index.ts";
import { pipeline, queryBody } from "./pipeline.ts";

export type Verdict =
  | { readonly outcome: "command"; readonly notices: readonly Notice[] }
  | {
      readonly outcome: "sql";
      /** Undefined where SQL has scanned the text too: its scanner cuts identifiers with the same words. */
      readonly notices: readonly Notice[] | undefined;
    }
  | {
      readonly outcome: "error";
      readonly sqlstate: string;
      readonly message: string;
      /** The C function that complained: replication_yyerror for the grammar, replication_yyparse for an action in it. */
      readonly routine: string;
      readonly notices: readonly Notice[];
    };

/** Of the scanner: 42622, `identifier "…" will be truncated to "…"`. */
export interface Notice {
  readonly sqlstate: string;
  readonly message: string;
}

/** The newest major of which it is known that {@link keywordFirst} has all keywords that it should. */
const newestKnown = 19;

/**
 * The first keywords of commands in any version, as repl_scanner.l spells them. With more white space than any version knows (\v
 * came in 17) and with no look at what follows the keyword: a text too many here is harmless, a text too few would not be.
 */
const keywordFirst =
  /^[ \t\n\r\f\v]*(?:IDENTIFY_SYSTEM|BASE_BACKUP|START_REPLICATION|(?:CREATE|DROP|ALTER|READ)_REPLICATION_SLOT|TIMELINE_HISTORY|UPLOAD_MANIFEST|SHOW)/;

/**
 * Is the server asked about the text on a connection to a database? On the others it knows no encoding, and cuts an identifier
 * inside a character.
 */
export function isAskedOnDatabase(server: Pick<Server, "versionNum">, text: string): boolean {
  return !supports(server.versionNum, "sqlCommands") || keywordFirst.test(text);
}

/**
 * Asks a server about many texts, pipelined (80,000 to 200,000 a second on two cores, busy or idle).
 *
 * @param texts As strings (sent as UTF-8) or as bytes. Bytes that are no UTF-8 get the server's error 22021 if a keyword is in
 * front of them. Elsewhere they are "sql" like any other text: without a database there is no encoding to hold them against.
 * @returns a verdict for each, in order.
 * @throws Error for a text that cannot be sent as it is (a NUL, a lone surrogate), before any is sent.
 */
export function commandVerdicts(server: Server, texts: readonly (string | Uint8Array)[]): Promise<Verdict[]> {
  return commandAnswers(server, texts, verdict);
}

/** The same, with what `read` makes of the messages of each answer. */
export async function commandAnswers<Answer, Text extends string | Uint8Array>(
  server: Server,
  texts: readonly Text[],
  read: (answer: readonly Message[], text: Text) => Answer,
): Promise<Answer[]> {
  if (server.major > newestKnown)
    throw new Error(`Add the first keywords of PostgreSQL ${server.major} to the oracle.`);
  const queries = texts.map(queryBody);
  const answers: Answer[] = new Array(texts.length);
  const ask = async (database: boolean, indexes: readonly number[]) => {
    if (indexes.length === 0) return;
    const connection = await openHarmless(server, database);
    try {
      await pipeline(
        connection,
        indexes.map((index) => queries[index]!),
        (answer, nth) => {
          requireState(server, database, answer, texts[indexes[nth]!]!);
          answers[indexes[nth]!] = read(answer, texts[indexes[nth]!]!);
        },
      );
    } finally {
      await connection.close();
    }
  };
  /** Each with a connection that no other has spoilt. */
  const askAlone = async (database: boolean, indexes: readonly number[]) => {
    let connection: RawConnection | undefined;
    for (const index of indexes) {
      connection ??= await openHarmless(server, database);
      const answer = await connection.query(queries[index]!.subarray(0, -1));
      requireState(server, database, answer, texts[index]!);
      answers[index] = read(answer, texts[index]!);
      const said = verdict(answer);
      if (said.outcome === "error" && said.message === openQuote) {
        await connection.close();
        connection = undefined;
      }
    }
    await connection?.close();
  };
  const remembers = !supports(server.versionNum, "firstTokenRule");
  await Promise.all(
    [true, false].map(async (database) => {
      const indexes = [...queries.keys()].filter(
        (index) => isAskedOnDatabase(server, queries[index]!.toString("latin1")) === database,
      );
      const spoils = (index: number): boolean => remembers && mayLeaveQuoteOpen(queries[index]!.toString("latin1"));
      await ask(
        database,
        indexes.filter((index) => !spoils(index)),
      );
      await askAlone(database, indexes.filter(spoils));
    }),
  );
  return answers;
}

const openQuote = "unterminated quoted string";

/**
 * Before `firstTokenRule`, a text in which a quote is left open lets the server scan the next text from inside that quote (and
 * write to memory that it has freed). Is this perhaps such a text? It is not if all quotes in it are of one kind, and even in number.
 */
function mayLeaveQuoteOpen(text: string): boolean {
  const [single, double] = [text.split("'").length - 1, text.split('"').length - 1];
  return (single > 0 && double > 0) || (single + double) % 2 === 1;
}

/** A connection on which no text of its kind does anything. */
async function openHarmless(server: Server, database: boolean): Promise<RawConnection> {
  const connection = await server.connect({ replication: database ? "database" : "true" });
  try {
    if (!supports(server.versionNum, "sqlCommands")) {
      const answer = verdict(await connection.query("IDENTIFY_SYSTEM"));
      if (answer.outcome !== "command") throw new Error("This server runs what it parses, and is no oracle.");
    } else if (database) {
      checked(await connection.query("BEGIN"));
      if (!isInState(await connection.query("x"), "E")) throw new Error("The oracle's transaction is not aborted.");
    }
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function requireState(server: Server, database: boolean, answer: readonly Message[], text: string | Uint8Array): void {
  const expected = database && supports(server.versionNum, "sqlCommands") ? "E" : "I";
  if (!isInState(answer, expected)) {
    throw new Error(`The oracle's transaction changed its state at the text ${JSON.stringify(text)}.`);
  }
}

/** What ReadyForQuery says of the transaction: I none, T one, E an aborted one. */
function isInState(answer: readonly Message[], state: "I" | "E"): boolean {
  return answer.at(-1)?.body.toString("latin1") === state;
}

/** What an answer means. @throws Error for one without an error: the text was run. */
export function verdict(answer: readonly Message[]): Verdict {
  const of = (type: string) => answer.filter((message) => message.type === type).map(({ body }) => errorFields(body));
  const notices = of("N").map(({ C, M }) => ({ sqlstate: C!, message: M! }));
  const [error] = of("E");
  if (error === undefined) throw new Error(`The oracle got ${answer.map(({ type }) => type).join("")} and no error.`);
  const { C: sqlstate, M: message, R: routine } = error as { C: string; M: string; R: string };
  if (routine === "exec_replication_command") {
    if (sqlstate === "25P02") return { outcome: "command", notices };
    if (message.startsWith("cannot execute SQL commands")) return { outcome: "sql", notices };
  }
  if (routine === "scanner_yyerror") return { outcome: "sql", notices: undefined };
  return { outcome: "error", sqlstate, message, routine, notices };
}
