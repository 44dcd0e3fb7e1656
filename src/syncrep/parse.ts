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
import { tokenEnd } from "./parts.ts";

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
export const nulInValue = { message: 'invalid byte sequence for encoding "UTF8": 0x00', sqlstate: "22021" };

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
  const config = parseValue(text, has);
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

/** Does the text, as it stands, scan as this one standby name? The printer asks, so that it has no opinion of its own. */
export function scansAsStandbyName(text: string, name: string, has: SyncrepCapabilities): boolean {
  // An error takes ten times as long as to see that there are more tokens.
  if (text === "" || tokenEnd(text, 0, has) < text.length) return false;
  return attempt(text, has.syncrepGrammar ? "standby_name" : "identifier_item", has).value === name;
}

/** What the text is, and where its first error is; Infinity if it has none. */
function attempt(
  text: string,
  startRule: "result" | "standby_name" | "identifier_item",
  has: SyncrepCapabilities,
): { readonly value: unknown; readonly failsAt: number } {
  let failsAt = Number.POSITIVE_INFINITY;
  const refuse = ({ offset }: { readonly offset: number }): void => {
    failsAt = Math.min(failsAt, offset);
  };
  let value: unknown;
  try {
    value = grammar.parse(text, { startRule, has, refuse });
  } catch (error) {
    if (!(error instanceof grammar.SyntaxError)) throw error;
    refuse(error);
  }
  return { value, failsAt };
}

/**
 * @param parameter The one whose value it is: its error names it.
 */
export function parseValue(
  text: string,
  has: SyncrepCapabilities,
  parameter = "synchronous_standby_names",
): SyncRepConfig {
  const fail = (
    init: Pick<ParseErrorInit, "code" | "offset" | "near" | "expected" | "advice">,
    detail: string,
  ): never => {
    throw new ParseError({
      ...init,
      message: `invalid value for parameter "${parameter}": "${text}"`,
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
  const failsAt = (other: string): number => attempt(other, "result", has).failsAt;
  try {
    return grammar.parse(text, { startRule: "result", has, refuse: refuseFrom(0) });
  } catch (error) {
    if (!(error instanceof grammar.SyntaxError)) throw error;
    const { offset, expected } = error;
    const near = offset < text.length ? text.slice(offset, tokenEnd(text, offset, has)) : undefined;
    // An open quote is an error of the scanner, which has read the token already.
    if (near?.startsWith('"')) grammar.parse(near, { startRule: "standby_name", has, refuse: refuseFrom(offset) });
    return fail(
      { code: "SYNTAX", offset, near, expected, advice: advise(text, offset, near, expected, has, failsAt) },
      // Of a quoted name flex holds the closing quote only.
      near === undefined
        ? "syntax error at end of input"
        : `syntax error at or near "${near.startsWith('"') ? '"' : near}"`,
    );
  }
}
