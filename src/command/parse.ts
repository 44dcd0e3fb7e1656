/**
 * Text of a replication command to a Command: what a walsender does with the text of a Query message before it runs it.
 *
 * A port of walsender.c: exec_replication_command, up to the point where the grammar is done.
 */
import { ParseError } from "../errors.ts";
import * as grammar from "../generated/replication.js";
import { displayNames, type Refuse, requireText } from "../scan.ts";
import {
  type CapabilityName,
  defaultServer,
  requireCapability,
  type Server,
  serverVersionNum,
  supports,
} from "../server-version.ts";
import { advise, adviseOnSql } from "./advise.ts";
import type { Command } from "./ast.ts";

export interface ParseCommandOptions {
  /** The server that the text is for. Its minor release counts; a major alone means its newest known minor. */
  readonly server?: Server | undefined;
  /** Is the connection to a database (`replication=database`)? If not, text that is no command is an error. Default: true. */
  readonly database?: boolean | undefined;
  /** Called for each notice that the server would send, in order, before the command or the error is given. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
}

/** A NoticeResponse that the scanner gives rise to: an identifier of more than 63 bytes was cut. */
export interface Notice {
  readonly severity: "NOTICE";
  /** name_too_long */
  readonly sqlstate: "42622";
  /** The server's, word for word. */
  readonly message: string;
  /** Where the identifier starts: UTF-16 code units from the start of the text. */
  readonly offset: number;
}

/** What a NUL character in a Query message leads to: the message ends before its length does. */
const nulInQuery = { message: "invalid message format", sqlstate: "08P01" };

/**
 * Read a replication command as a server of this version does.
 *
 * Text whose first token begins no replication command is given back as SQLCmd: the server would hand it to SQL.
 *
 * @param text What a Query message would hold. The database is taken to be in UTF-8.
 * @throws ParseError SYNTAX | UNTERMINATED | INVALID_VALUE | NOT_TEXT, with the server's message and SQLSTATE.
 * @throws UnsupportedError for a server that parses SQL with the replication grammar (`firstTokenRule`: before 10, and
 * early minors of 10 to 14), and for an unknown one.
 * @source repl_gram.y, repl_scanner.l; walsender.c: exec_replication_command
 * @example parseCommand("DROP_REPLICATION_SLOT Sub1 WAIT") // { type: "DropReplicationSlotCmd", slotname: "sub1", wait: true }
 * @example parseCommand("drop_replication_slot sub1") // { type: "SQLCmd", text: "drop_replication_slot sub1" }
 * @example parseCommand("BASE_BACKUP FAST", { server: 14 }).options // [{ defname: "fast", arg: { type: "Integer", ival: 1 } }]
 */
export function parseCommand(text: string, options: ParseCommandOptions = {}): Command {
  const { server = defaultServer, database = true, onNotice } = options;
  requireFirstTokenRule(server);
  requireText(text, nulInQuery);
  const num = serverVersionNum(server);
  const scan = new Scan(text, num, database);
  try {
    const command = scan.command();
    sources.set(command, { text, server: num });
    return command;
  } finally {
    if (onNotice !== undefined) for (const notice of scan.notices()) onNotice(notice);
  }
}

/** What a command was parsed from, for whoever asks where its parts stand (locate.ts). */
const sources = new WeakMap<Command, CommandSource>();

export interface CommandSource {
  readonly text: string;
  readonly server: number;
}

/** The text that `parseCommand` made this very command of. */
export function sourceOf(command: Command): CommandSource | undefined {
  return sources.get(command);
}

/** A token of the replication scanner. */
export interface Token {
  readonly kind: "RECPTR" | "UCONST" | "SCONST" | "IDENT" | "keyword" | "character";
  /** As it stands in the text, quotes included. */
  readonly text: string;
  /** UTF-16 code units from the start of the text. */
  readonly offset: number;
}

/** All tokens of a text that the scanner does not refuse. */
export function tokens(text: string, server: number): readonly Token[] {
  return new Scan(text, server, true).tokens();
}

/** Before this rule the replication grammar parsed SQL too, which is another language than the one here. */
export function requireFirstTokenRule(server: Server): void {
  requireCapability(server, "firstTokenRule", "A walsender that parses nothing but its own commands");
}

/**
 * Does the unquoted text scan as this one identifier?
 *
 * The printer asks the scanner itself, so that it cannot hold another opinion on what needs quotes.
 */
export function scansAsIdentifier(name: string, server: number): boolean {
  if (name.startsWith('"')) return false;
  try {
    return new Scan(name, server, true).identifier() === name;
  } catch (error) {
    if (error instanceof grammar.SyntaxError) return false;
    throw error;
  }
}

/** One text on its way through the generated parser. */
class Scan {
  readonly #text: string;
  readonly #server: number;
  readonly #database: boolean;
  /** By offset, since the grammar may try the same token more than once. */
  readonly #notices = new Map<number, Notice>();

  constructor(text: string, server: number, database: boolean) {
    this.#text = text;
    this.#server = server;
    this.#database = database;
  }

  notices(): Notice[] {
    return [...this.#notices.values()].sort((a, b) => a.offset - b.offset);
  }

  identifier(): string {
    return grammar.parse(this.#text, { startRule: "IDENT", ...this.#hooks(0) });
  }

  tokens(): readonly Token[] {
    return grammar.parse(this.#text, { startRule: "tokens", ...this.#hooks(0) });
  }

  command(): Command {
    try {
      return grammar.parse(this.#text, { startRule: "exec_replication_command", ...this.#hooks(0) });
    } catch (error) {
      if (!(error instanceof grammar.SyntaxError)) throw error;
      const offset = error.location.start.offset;
      // The server has read the token that it has no use for: an open quote is reported first, a long name is cut.
      const offending =
        offset < this.#text.length
          ? grammar.parse(this.#text.slice(offset), { startRule: "offending_token", ...this.#hooks(offset) })
          : undefined;
      const expected = displayNames(error.expected);
      throw new ParseError({
        code: "SYNTAX",
        message: "syntax error",
        sqlstate: "42601",
        text: this.#text,
        offset,
        near: offending?.text,
        expected,
        advice: advise(this.#text, offset, offending, expected, this.#server),
      });
    }
  }

  /** What the grammar's predicates and actions ask for. `base` is where the text given to the parser starts in ours. */
  #hooks(base: number): Hooks {
    return {
      database: this.#database,
      supports: (name) => supports(this.#server, name),
      truncated: (name, cut, at) => {
        const message = `identifier "${name}" will be truncated to "${cut}"`;
        this.#notices.set(base + at, { severity: "NOTICE", sqlstate: "42622", message, offset: base + at });
      },
      refuse: (init) => {
        const offset = base + init.offset;
        const advice = init.sqlstate === "0A000" ? adviseOnSql(this.#text, offset, this.#server) : undefined;
        throw new ParseError({ ...init, text: this.#text, offset, advice });
      },
    };
  }
}

interface Hooks {
  readonly database: boolean;
  readonly supports: (name: CapabilityName) => boolean;
  readonly truncated: (name: string, cut: string, at: number) => void;
  readonly refuse: Refuse;
}
