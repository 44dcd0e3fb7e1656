/**
 * Text of a replication command to a Command: what a walsender does with the text of a Query message before it runs it.
 *
 * A port of walsender.c: exec_replication_command, up to the point where the grammar is done.
 */

import * as grammar from "../generated/replication.js";
import { ParseError, type ParseErrorInit } from "../kernel/errors.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import { requireText } from "../text/scan.ts";
import { withSource } from "../text/source.ts";
import { advise, adviseOnSql } from "./advise.ts";
import type { Command } from "./ast.ts";
import { type CommandCapabilities, commandCapabilities } from "./capabilities.ts";
import type { Token } from "./token.ts";

/** The server that a command is parsed for. */
export interface ParseCommandOptions {
  /** The server that the text is for. Its minor release counts; a major alone means its newest known minor. */
  readonly server?: Server | undefined;
  /** Is the connection to a database (`replication=database`)? If not, other text than a command is an error. Default: true. */
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
 * From 10 on, text whose first token begins no replication command is given back as SQLCmd: the server would hand it to SQL.
 * Minors of 10 to 14 before `firstTokenRule` read such text with the replication scanner to its first semicolon, and refuse
 * what that does not like. Before 10 a walsender knows no SQL.
 *
 * Before `firstTokenRule` a quote left open in one command lets the server begin the next one inside that quote. Here each text
 * begins anew.
 *
 * @param text What a Query message would hold. The database is taken to be in UTF-8.
 * @throws ParseError SYNTAX | UNTERMINATED | INVALID_VALUE | NOT_TEXT, with the server's message and SQLSTATE.
 * @throws UnsupportedError for a version that walwire does not know; ArgumentError for options that it does not take.
 * @source repl_gram.y, repl_scanner.l; walsender.c: exec_replication_command
 * @example parseCommand("DROP_REPLICATION_SLOT Sub1 WAIT") // { type: "DropReplicationSlotCmd", slotname: "sub1", wait: true }
 * @example parseCommand("drop_replication_slot sub1") // { type: "SQLCmd", text: "drop_replication_slot sub1" }
 * @example parseCommand("BASE_BACKUP FAST", { server: 14 }).options // [{ defname: "fast", arg: { type: "Integer", ival: 1 } }]
 */
export function parseCommand(text: string, options: ParseCommandOptions = {}): Command {
  checkOptions(options, ["server", "database", "onNotice"]);
  const { server = defaultServer, database = true, onNotice } = options;
  checkType("options.database", database, "boolean");
  checkType("options.onNotice", onNotice, "function");
  const num = serverVersionNum(server);
  requireText(text, nulInQuery);
  const scan = new Scan(text, num);
  try {
    const command = scan.command(database);
    if (command.type === "SQLCmd" && !database) scan.refuseSql();
    return withSource(command, { text, server: num });
  } finally {
    if (onNotice !== undefined) for (const notice of scan.notices()) onNotice(notice);
  }
}

/** All tokens of a text that the scanner does not refuse. */
export function tokens(text: string, server: number): readonly Token[] {
  return new Scan(text, server).tokens();
}

/**
 * Does the unquoted text scan as this one identifier?
 *
 * The printer asks the scanner itself, so that it cannot hold another opinion on what needs quotes.
 */
export function scansAsIdentifier(name: string, server: number): boolean {
  if (name.startsWith('"')) return false;
  try {
    return new Scan(name, server).identifier() === name;
  } catch (error) {
    if (error instanceof grammar.SyntaxError) return false;
    throw error;
  }
}

/** What a text could become if one follows advice. */
function commandOrNothing(text: string, server: number): Command | undefined {
  try {
    return new Scan(text, server).tree();
  } catch (error) {
    if (error instanceof ParseError || error instanceof grammar.SyntaxError) return undefined;
    throw error;
  }
}

/** One text on its way through the generated parser, which asks it for capabilities and tells it of notices and refusals. */
class Scan {
  readonly has: CommandCapabilities;
  readonly #text: string;
  readonly #server: number;
  /** Where in our text that of the parser starts. */
  #base = 0;
  /** By offset, since the grammar may try the same token more than once. */
  #notices: Map<number, Notice> | undefined;

  constructor(text: string, server: number) {
    this.has = commandCapabilities.of(server);
    if (!this.has.replicationSlots)
      requireCapability(commandCapabilities, server, "replicationSlots", "The replication language with slots");
    this.#text = text;
    this.#server = server;
  }

  notices(): Notice[] {
    return [...(this.#notices?.values() ?? [])].sort((a, b) => a.offset - b.offset);
  }

  identifier(): string {
    return grammar.parse(this.#text, { startRule: "IDENT", has: this.has, scan: this });
  }

  tokens(): readonly Token[] {
    return grammar.parse(this.#text, { startRule: "tokens", has: this.has, scan: this });
  }

  /** @throws what the generated parser throws, too. */
  tree(): Command {
    return grammar.parse(this.#text, { startRule: "exec_replication_command", has: this.has, scan: this });
  }

  command(database: boolean): Command {
    try {
      return this.tree();
    } catch (error) {
      if (!(error instanceof grammar.SyntaxError)) throw error;
      const { offset, expected } = error;
      const offending = this.#offending(offset);
      throw new ParseError({
        code: "SYNTAX",
        message: "syntax error",
        sqlstate: "42601",
        text: this.#text,
        offset,
        near: offending?.text,
        expected,
        advice: advise({
          ...{ text: this.#text, offset, offending, expected, server: this.#server, database },
          parse: (text) => commandOrNothing(text, this.#server),
        }),
      });
    }
  }

  /** The server has read the token that it has no use for: an open quote is reported first, a long name is cut. */
  #offending(offset: number): Token | undefined {
    if (offset === this.#text.length) return undefined;
    this.#base = offset;
    return grammar.parse(this.#text.slice(offset), { startRule: "offending_token", has: this.has, scan: this });
  }

  /** On a connection without a database. */
  refuseSql(): never {
    const offset = this.#text.search(this.has.verticalTabIsSpace ? /[^ \t\n\r\f\v]|$/ : /[^ \t\n\r\f]|$/);
    throw new ParseError({
      code: "SYNTAX",
      message: "cannot execute SQL commands in WAL sender for physical replication",
      // Before, ereport() was not told of a code.
      sqlstate: this.has.sqlOnPhysicalIsUnsupported ? "0A000" : "XX000",
      text: this.#text,
      offset,
      advice: adviseOnSql(this.#text, offset, this.#server),
    });
  }

  /** Called by the grammar. */
  truncated(name: string, cut: string, at: number): void {
    const offset = this.#base + at;
    const message = `identifier "${name}" will be truncated to "${cut}"`;
    this.#notices ??= new Map();
    this.#notices.set(offset, { severity: "NOTICE", sqlstate: "42622", message, offset });
  }

  /** Called by the grammar, as it would call ereport(ERROR). */
  refuse(init: Pick<ParseErrorInit, "code" | "message" | "sqlstate" | "offset">): never {
    throw new ParseError({ ...init, text: this.#text, offset: this.#base + init.offset });
  }
}
