/**
 * Text of `synchronous_standby_names` to a SyncRepConfig, or to the error that a server gives.
 *
 * A port of syncrep.c: check_synchronous_standby_names.
 */
import { ParseError, type ParseErrorInit } from "../errors.ts";
import * as grammar from "../generated/syncrep.js";
import { displayNames, type Refuse, requireText } from "../scan.ts";
import { defaultServer, requireCapability, type Server } from "../server-version.ts";
import { advise } from "./advise.ts";
import type { SyncRepConfig } from "./ast.ts";

export interface SynchronousStandbyNamesOptions {
  /** The server that the value is for. */
  readonly server?: Server | undefined;
}

/** Wherever a parameter's value comes from, a NUL character would have been refused as no character of the encoding. */
const nulInValue = { message: 'invalid byte sequence for encoding "UTF8": 0x00', sqlstate: "22021" };

/**
 * Read a value of `synchronous_standby_names` as a server's check of the parameter does.
 *
 * @param text The value itself, without the quotes that it has in postgresql.conf.
 * @returns undefined for the empty string, which switches synchronous replication off.
 * @throws ParseError SYNTAX | UNTERMINATED | INVALID_VALUE | NOT_TEXT, with the server's message, detail and SQLSTATE.
 * @throws UnsupportedError for a server before 10 (`quorumCommit`), whose language is another, and for an unknown one.
 * @source syncrep_gram.y, syncrep_scanner.l; syncrep.c: check_synchronous_standby_names
 * @example parseSynchronousStandbyNames("ANY 2 (a, b, c)") // { type: "SyncRepConfig", syncrepMethod: "QUORUM", numSync: 2, memberNames: ["a", "b", "c"] }
 * @example parseSynchronousStandbyNames("*")?.numSync // 1
 */
export function parseSynchronousStandbyNames(
  text: string,
  options: SynchronousStandbyNamesOptions = {},
): SyncRepConfig | undefined {
  const { server = defaultServer } = options;
  requireCapability(server, "quorumCommit", "The language of ANY and FIRST");
  requireText(text, nulInValue);
  if (text === "") return undefined;
  const config = parse(text);
  if (config.numSync <= 0) {
    throw new ParseError({
      code: "INVALID_VALUE",
      message: `number of synchronous standbys (${config.numSync}) must be greater than zero`,
      sqlstate: "22023",
      text,
      // Nothing but white space and a keyword can stand before the number.
      offset: text.search(/[0-9]/),
    });
  }
  return config;
}

/** Does the text, unquoted, scan as this one standby name? What the printer asks, so that it has no opinion of its own. */
export function scansAsStandbyName(name: string): boolean {
  if (name.startsWith('"')) return false;
  try {
    return grammar.parse(name, { startRule: "standby_name" }) === name;
  } catch (error) {
    if (error instanceof grammar.SyntaxError) return false;
    throw error;
  }
}

function parse(text: string): SyncRepConfig {
  const fail = (init: Pick<ParseErrorInit, "code" | "offset" | "expected" | "advice">, detail: string): never => {
    throw new ParseError({
      ...init,
      message: `invalid value for parameter "synchronous_standby_names": "${text}"`,
      sqlstate: "42601",
      detail,
      text,
    });
  };
  // What the scanner itself refuses becomes the detail of the parameter's error.
  const refuseFrom =
    (base: number): Refuse =>
    ({ code, message, offset }) =>
      fail({ code, offset: base + offset }, message);
  try {
    return grammar.parse(text, { startRule: "result", refuse: refuseFrom(0) });
  } catch (error) {
    if (!(error instanceof grammar.SyntaxError)) throw error;
    const offset = error.location.start.offset;
    const expected = displayNames(error.expected);
    const near =
      offset < text.length
        ? grammar.parse(text.slice(offset), { startRule: "offending_token", refuse: refuseFrom(offset) })
        : undefined;
    return fail(
      { code: "SYNTAX", offset, expected, advice: advise(text, offset, near, expected) },
      near === undefined ? "syntax error at end of input" : `syntax error at or near "${near}"`,
    );
  }
}
