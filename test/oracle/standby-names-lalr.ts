/**
 * The second reader of synchronous_standby_names: grammars/lalr/syncrep.jison made into a parser for each version, what is C in
 * PostgreSQL's Bison and flex files, and for servers before 9.6 the C that they have instead.
 *
 * It shares no code with src/syncrep, and reads bytes where that reads UTF-16, so that a mistake of one is not a mistake of both.
 *
 * Source: syncrep_gram.y, syncrep_scanner.l; syncrep.c, check_synchronous_standby_names; varlena.c, SplitIdentifierString.
 */
import { readFileSync } from "node:fs";
import { supports } from "../../src/capabilities.ts";
import type { SyncRepConfig } from "../../src/syncrep/ast.ts";
import { bytesOf, decoded, type Jison, linesFor, makeJison, utf8 } from "./jison.ts";
import type { StandbyNamesVerdict } from "./standby-names.ts";

/** What a reader makes of a value: a verdict as the oracle's, and the configuration. */
export type StandbyNamesReading =
  | { readonly ok: true; readonly config: SyncRepConfig | undefined }
  | Extract<StandbyNamesVerdict, { ok: false }>;

/** syncrep.c: check_synchronous_standby_names */
export function readStandbyNames(text: string, server: number): StandbyNamesReading {
  const bytes = bytesOf(text);
  const invalid = (sqlstate: string, detail: string): StandbyNamesReading => {
    return {
      ok: false,
      sqlstate,
      message: `invalid value for parameter "synchronous_standby_names": "${text}"`,
      detail,
    };
  };
  if (!supports(server, "syncrepGrammar")) {
    const elemlist: string[] = [];
    // Without GUC_check_errcode() it is ERRCODE_INVALID_PARAMETER_VALUE.
    if (!splitIdentifierString(bytes, elemlist)) return invalid("22023", "List syntax is invalid.");
    // SyncStandbysDefined() looks at the text.
    return { ok: true, config: bytes === "" ? undefined : create_syncrep_config("1", elemlist, "PRIORITY") };
  }
  if (bytes === "") return { ok: true, config: undefined };
  const parser = lalrParser(server);
  try {
    parser.parse(bytes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return invalid("42601", utf8(error.message));
  }
  const config = parser.yy.result();
  if (config.numSync <= 0 && supports(server, "numSyncIsChecked")) {
    const message = `number of synchronous standbys (${config.numSync}) must be greater than zero`;
    return { ok: false, sqlstate: "22023", message, detail: undefined };
  }
  return { ok: true, config };
}

/** What syncrep_yyerror() writes down, of which only the first counts. */
class Refusal extends Error {}

/** What grammar and scanner call `yy`. */
function cParts() {
  let xdbuf = "";
  let result: SyncRepConfig | undefined;
  const yyerror = (message: string, yytext: string): never => {
    throw new Refusal(yytext === "" ? `${message} at end of input` : `${message} at or near "${yytext}"`);
  };
  return {
    result: () => result!,
    syncrep_parse_result: (config: SyncRepConfig) => {
      result = config;
    },
    initStringInfo: () => {
      xdbuf = "";
    },
    appendStringInfo: (text: string) => {
      xdbuf += text;
    },
    xdbuf: () => xdbuf,
    lappend: (list: string[], item: string) => {
      list.push(item);
      return list;
    },
    create_syncrep_config,
    yyerror,
    /** jison's own. `text` is what the last rule matched, as yytext is in C. */
    parseError: (_: string, { text }: { text: string }) => yyerror("syntax error", text),
  };
}

type Yy = ReturnType<typeof cParts>;

function create_syncrep_config(
  num_sync: string,
  members: readonly string[],
  syncrepMethod: SyncRepConfig["syncrepMethod"],
): SyncRepConfig {
  return decoded({ type: "SyncRepConfig", syncrepMethod, numSync: atoi(num_sync), memberNames: members });
}

/** strtol() of 64 bits, which stops at LONG_MAX, put into an int. */
function atoi(digits: string): number {
  const max = 2n ** 63n - 1n;
  let value = 0n;
  for (const digit of digits) {
    value = value * 10n + BigInt(digit);
    if (value > max) {
      value = max;
      break;
    }
  }
  return Number(value & 0xffffffffn) | 0;
}

/** varlena.c: SplitIdentifierString, with ',' for a separator. A NUL ends the string. @returns false for a syntax error. */
function splitIdentifierString(string: string, namelist: string[]): boolean {
  const raw = Buffer.from(`${string}\0`, "latin1");
  const [quote, separator] = [0x22, 0x2c];
  let nextp = 0;
  let done = false;
  while (isspace(raw[nextp]!)) nextp++;
  if (raw[nextp] === 0) return true;
  do {
    let curname: number;
    let endp: number;
    if (raw[nextp] === quote) {
      const pieces: string[] = [];
      curname = nextp + 1;
      for (;;) {
        endp = raw.indexOf(quote, nextp + 1);
        if (endp === -1) return false;
        pieces.push(raw.toString("latin1", nextp + 1, endp));
        if (raw[endp + 1] !== quote) break;
        pieces.push('"');
        nextp = endp + 1;
      }
      nextp = endp + 1;
      namelist.push(truncate_identifier(pieces.join("")));
    } else {
      curname = nextp;
      while (raw[nextp] !== 0 && raw[nextp] !== separator && !isspace(raw[nextp]!)) nextp++;
      endp = nextp;
      if (curname === nextp) return false;
      namelist.push(truncate_identifier(downcase_identifier(raw.toString("latin1", curname, endp))));
    }
    while (isspace(raw[nextp]!)) nextp++;
    if (raw[nextp] === separator) {
      nextp++;
      while (isspace(raw[nextp]!)) nextp++;
    } else if (raw[nextp] === 0) done = true;
    else return false;
  } while (!done);
  return true;
}

/** In the locale C, and in those of UTF-8 for any one byte. */
function isspace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** scansup.c: in an encoding of many bytes ASCII alone is folded. */
function downcase_identifier(ident: string): string {
  return ident.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32));
}

/** scansup.c, mbutils.c: pg_mbcliplen. A character ends where none goes on; NAMEDATALEN is 64. */
function truncate_identifier(ident: string): string {
  if (ident.length < 64) return ident;
  let length = 63;
  while (/[\x80-\xbf]/.test(ident[length]!)) length--;
  return ident.slice(0, length);
}

const source = readFileSync(new URL("../../grammars/lalr/syncrep.jison", import.meta.url), "utf8");

/** The file as it is for one version. */
export function standbyNamesGrammarFor(server: number): string {
  return linesFor(source, server);
}

const parsers = new Map<string, Jison<Yy>>();
const byServer = new Map<number, Jison<Yy>>();

/** The parser of a version from 9.6 on. */
export function lalrParser(server: number): Jison<Yy> {
  let parser = byServer.get(server);
  if (parser === undefined) {
    const grammar = standbyNamesGrammarFor(server);
    parser = parsers.get(grammar) ?? makeJison(grammar, cParts());
    parsers.set(grammar, parser);
    byServer.set(server, parser);
  }
  return parser;
}
