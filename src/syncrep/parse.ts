/**
 * Text of `synchronous_standby_names` to a SyncRepConfig, or to the error that a server gives.
 *
 * A port of syncrep.c: check_synchronous_standby_names.
 */

import * as grammar from "../generated/syncrep.js";
import { ParseError, type ParseErrorInit, refuseArgument } from "../kernel/errors.ts";
import { defaultServer, type Server, serverVersionNum } from "../kernel/version.ts";
import { requireText } from "../text/scan.ts";
import { withSource } from "../text/source.ts";
import { advise } from "./advise.ts";
import type { SyncRepConfig } from "./ast.ts";
import { type SyncrepCapabilities, syncrepCapabilities } from "./capabilities.ts";

/** The server that options name, in any function of this domain. */
export function serverOf(options: { readonly server?: Server | undefined }): number {
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  return serverVersionNum(options.server ?? defaultServer);
}

/** The server that a value is parsed for. */
export interface SynchronousStandbyNamesOptions {
  /** The server that the value is for. Its minor release counts; a major alone means its newest known minor. */
  readonly server?: Server | undefined;
}

/** Wherever a parameter's value comes from, a NUL character would have been refused as no character of the encoding. */
const nulInValue = { message: 'invalid byte sequence for encoding "UTF8": 0x00', sqlstate: "22021" };

/**
 * Read a value of `synchronous_standby_names` as the check of the parameter does, on any server from 9.1 on.
 *
 * Three languages, by server: a list of identifiers to 9.5; `N (list)` or a list in 9.6; from 10 on also `FIRST N (list)` and
 * `ANY N (list)`.
 *
 * @param text The value itself, without the quotes that it has in postgresql.conf. The server is taken to be in UTF-8.
 * @returns undefined for the empty string, which switches synchronous replication off.
 * @throws ParseError SYNTAX | UNTERMINATED | INVALID_VALUE | NOT_TEXT, with the server's message, detail and SQLSTATE.
 * @throws UnsupportedError for a version that walwire does not know.
 * @source syncrep_gram.y, syncrep_scanner.l; syncrep.c: check_synchronous_standby_names; varlena.c: SplitIdentifierString
 * @example parseSynchronousStandbyNames("ANY 2 (a, b, c)") // { type: "SyncRepConfig", syncrepMethod: "QUORUM", numSync: 2, memberNames: ["a", "b", "c"] }
 * @example parseSynchronousStandbyNames("*")?.numSync // 1
 * @example parseSynchronousStandbyNames("node-1, Node-2", { server: "9.5" })?.memberNames // ["node-1", "node-2"]
 */
export function parseSynchronousStandbyNames(
  text: string,
  options: SynchronousStandbyNamesOptions = {},
): SyncRepConfig | undefined {
  const server = serverOf(options);
  requireText(text, nulInValue);
  if (text === "") return undefined;
  const has = syncrepCapabilities.of(server);
  const config = parse(text, has);
  if (config.numSync <= 0 && has.numSyncIsChecked) refuseNumSync(text, config.numSync);
  return withSource(config, { text, server });
}

function refuseNumSync(text: string, numSync: number): never {
  // Nothing but white space and a keyword can stand before the number.
  const { 0: near, index: offset } = /[0-9]+/.exec(text)!;
  throw new ParseError({
    code: "INVALID_VALUE",
    message: `number of synchronous standbys (${numSync}) must be greater than zero`,
    sqlstate: "22023",
    text,
    offset,
    near,
  });
}

/** A token of the scanner: a name, a number, `(`, `)`, `,`, or a character that is none of these. */
export interface Token {
  /** As it stands in the text, quotes included. */
  readonly text: string;
  /** UTF-16 code units from the start of the text. */
  readonly offset: number;
}

/** All tokens of any text. A quote that is left open takes all the rest. */
export function tokens(text: string, server: number): readonly Token[] {
  return grammar.parse(text, { startRule: "tokens", has: syncrepCapabilities.of(server), refuse: () => {} });
}

/** Does the text, as it stands, scan as this one standby name? What the printer asks, so that it has no opinion of its own. */
export function scansAsStandbyName(text: string, name: string, server: number): boolean {
  // An error takes ten times as long as to see that there are more tokens.
  if (tokens(text, server).length !== 1) return false;
  const has = syncrepCapabilities.of(server);
  const startRule = has.syncrepGrammar ? "standby_name" : "identifier_item";
  try {
    return grammar.parse(text, { startRule, has, refuse: () => {} }) === name;
  } catch (error) {
    if (error instanceof grammar.SyntaxError) return false;
    throw error;
  }
}

function parse(text: string, has: SyncrepCapabilities): SyncRepConfig {
  const fail = (
    init: Pick<ParseErrorInit, "code" | "offset" | "near" | "expected" | "advice">,
    detail: string,
  ): never => {
    throw new ParseError({
      ...init,
      message: `invalid value for parameter "synchronous_standby_names": "${text}"`,
      sqlstate: has.syncrepGrammar ? "42601" : "22023",
      detail: has.syncrepGrammar ? detail : "List syntax is invalid.",
      text,
    });
  };
  // What the scanner itself refuses becomes the detail of the parameter's error.
  const refuseFrom =
    (base: number) =>
    ({ code, message, offset }: Pick<ParseErrorInit, "code" | "message" | "offset">) =>
      fail({ code, offset: base + offset }, message);
  const failsAt = (other: string): number => {
    let refused: number | undefined;
    const refuse = (init: { readonly offset: number }): void => {
      refused ??= init.offset;
    };
    try {
      grammar.parse(other, { startRule: "result", has, refuse });
      return refused ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      if (error instanceof grammar.SyntaxError) return refused ?? error.offset;
      throw error;
    }
  };
  try {
    return grammar.parse(text, { startRule: "result", has, refuse: refuseFrom(0) });
  } catch (error) {
    if (!(error instanceof grammar.SyntaxError)) throw error;
    const { offset, expected } = error;
    const near =
      offset < text.length
        ? grammar.parse(text.slice(offset), { startRule: "offending_token", has, refuse: refuseFrom(offset) }).text
        : undefined;
    return fail(
      { code: "SYNTAX", offset, near, expected, advice: advise(text, offset, near, expected, has, failsAt) },
      // Of a quoted name flex holds the closing quote only.
      near === undefined
        ? "syntax error at end of input"
        : `syntax error at or near "${near.startsWith('"') ? '"' : near}"`,
    );
  }
}
