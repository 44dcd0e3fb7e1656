/**
 * The second reader of replication commands: grammars/lalr/replication.jison made into a parser for each version, and what is C in
 * PostgreSQL's Bison and flex files.
 *
 * It shares no code with src/command, and reads bytes where that reads UTF-16, so that a mistake of one is not a mistake of both.
 *
 * Source: repl_gram.y, repl_scanner.l; scansup.c; walsender.c, exec_replication_command.
 */
import { readFileSync } from "node:fs";
import { supports } from "../../src/capabilities.ts";
import type {
  Command,
  CreateReplicationSlotCmd,
  DefElem,
  DefElemArg,
  StartReplicationCmd,
} from "../../src/command/ast.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import type { Notice, Verdict } from "./commands.ts";
import { bytesOf, decoded, type Jison, type JisonLexer, linesFor, makeJison, utf8 } from "./jison.ts";

/** What the second reader makes of a text: a verdict as the oracle's, without the routine, and the tree. */
export type Reading =
  | { readonly outcome: "command" | "sql"; readonly notices: readonly Notice[]; readonly command: Command }
  | Omit<Extract<Verdict, { outcome: "error" }>, "routine">;

/**
 * Reads a text as a server of this version does.
 *
 * @param database Is the connection to a database? If not, the server knows no encoding, and cuts identifiers inside characters.
 */
export function readCommand(text: string, server: number, database = true): Reading {
  const { parser, firstTokenRule } = lalrParser(server);
  const { yy } = parser;
  const bytes = bytesOf(text);
  yy.reset(database);
  const notices = yy.notices();
  try {
    if (firstTokenRule && !isReplicationCommand(parser, bytes)) {
      return { outcome: "sql", notices, command: { type: "SQLCmd", text } };
    }
    parser.parse(bytes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { outcome: "error", sqlstate: "42601", message: error.message, notices };
  }
  const command = yy.result();
  if (command.type === "SQLCmd") return { outcome: "sql", notices, command: { type: "SQLCmd", text } };
  return { outcome: "command", notices, command: bytes.length === text.length ? command : decoded(command) };
}

/** repl_scanner.l: replication_scanner_is_replication_command; of all versions, since a version scans only those that it has. */
const firstKeywords: readonly string[] = [
  ...[
    "K_IDENTIFY_SYSTEM",
    "K_BASE_BACKUP",
    "K_START_REPLICATION",
    "K_CREATE_REPLICATION_SLOT",
    "K_DROP_REPLICATION_SLOT",
  ],
  ...["K_ALTER_REPLICATION_SLOT", "K_READ_REPLICATION_SLOT", "K_TIMELINE_HISTORY", "K_UPLOAD_MANIFEST", "K_SHOW"],
];

function isReplicationCommand(parser: Jison<Yy>, bytes: string): boolean {
  // Scanned once more by the parser: the server pushes the token back, but a keyword has neither value nor notice.
  const lexer: JisonLexer<Yy> = Object.create(parser.lexer);
  const token = lexer.setInput(bytes, parser.yy).lex();
  return firstKeywords.includes(parser.terminals_[token as number] ?? "");
}

/** ereport(ERROR) with ERRCODE_SYNTAX_ERROR, the only one that is in these files. */
class Refusal extends Error {}

// ---- What is C ----

type Yy = ReturnType<typeof cParts>;

/** What grammar and scanner call `yy`. Strings are bytes; what they become is decoded at the end. */
function cParts() {
  let encoding: "UTF8" | "SQL_ASCII" = "UTF8";
  let notices: Notice[] = [];
  let litbuf = "";
  let parsed: Command | undefined;
  const yyerror = (message: string): never => {
    throw new Refusal(message);
  };
  const makeDefElem = (defname: string, arg: DefElemArg | undefined): DefElem => ({ defname, arg });

  /** scansup.c: truncate_identifier, with its NOTICE; NAMEDATALEN is 64. */
  function truncate_identifier(ident: string): string {
    if (ident.length < 64) return ident;
    let length = 63;
    // mbutils.c: pg_mbcliplen. A character ends where none goes on.
    if (encoding === "UTF8") while (/[\x80-\xbf]/.test(ident[length]!)) length--;
    const cut = ident.slice(0, length);
    notices.push({ sqlstate: "42622", message: utf8(`identifier "${ident}" will be truncated to "${cut}"`) });
    return cut;
  }

  return {
    reset: (database: boolean) => {
      encoding = database ? "UTF8" : "SQL_ASCII";
      notices = [];
      parsed = undefined;
    },
    notices: () => notices,
    result: () => parsed!,
    replication_parse_result: (command: Command) => {
      parsed = command;
    },
    yyerror,
    /** jison's own, for what fits no production: Bison says no more than this. */
    parseError: () => yyerror("syntax error"),
    startlit: () => {
      litbuf = "";
    },
    addlit: (text: string) => {
      litbuf += text;
    },
    litbufdup: () => litbuf,
    truncate_identifier,
    /** scansup.c: downcase_truncate_identifier. In an encoding of many bytes, or none, only ASCII is folded. */
    downcase_truncate_identifier: (ident: string) =>
      truncate_identifier(ident.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32))),
    /** Of C on 64-bit Linux, and put into a uint32. */
    strtoul: (digits: string) => uint32(digits, 10),
    sscanfRecptr,
    makeDefElem,
    makeString: (sval: string): DefElemArg => ({ type: "String", sval }),
    /** value.c. The parameter is an int (a long before 11, of which our tree tells as much as an int). */
    makeInteger: (ival: number): DefElemArg => ({ type: "Integer", ival: Number(BigInt.asIntN(32, BigInt(ival))) }),
    makeBoolean: (boolval: boolean): DefElemArg => ({ type: "Boolean", boolval }),
    lappend: <T>(list: T[], item: T): T[] => {
      list.push(item);
      return list;
    },
    createReplicationSlot: (
      kind: "PHYSICAL" | "LOGICAL",
      slotname: string,
      plugin: string | undefined,
      temporary: boolean,
      options: DefElem[],
    ): CreateReplicationSlotCmd => ({ type: "CreateReplicationSlotCmd", kind, slotname, plugin, temporary, options }),
    startReplication: (
      kind: "PHYSICAL" | "LOGICAL",
      slotname: string | undefined,
      startpoint: bigint,
      timeline: number,
      options: DefElem[],
    ): StartReplicationCmd => {
      return { type: "StartReplicationCmd", kind, slotname, startpoint: toLsn(startpoint), timeline, options };
    },
  };
}

/** The low 32 bits of what strtoul() makes of digits. Beyond 64 bits that is ULONG_MAX. */
function uint32(digits: string, radix: 10 | 16): number {
  let value = 0n;
  for (const digit of digits) {
    value = value * BigInt(radix) + BigInt(Number.parseInt(digit, 16));
    if (value >= 1n << 64n) return 0xffffffff;
  }
  return Number(BigInt.asUintN(32, value));
}

/**
 * sscanf() of "%X/%X", or of another width for the second, and the halves put together; undefined if it scans fewer than two.
 * %X takes a prefix 0x, which letters before the scanner knew only hexadecimal digits can be; what follows the second is nobody's.
 */
function sscanfRecptr(text: string, lowWidth: number): bigint | undefined {
  let at = 0;
  const percentX = (width: number): bigint | undefined => {
    const end = at + width;
    let digits = "";
    if (text[at] === "0") {
      digits = "0";
      at++;
      if (at < end && (text[at] === "x" || text[at] === "X")) at++;
    }
    const from = at;
    while (at < end && at < text.length && /[0-9A-Fa-f]/.test(text[at]!)) at++;
    digits += text.slice(from, at);
    return digits === "" ? undefined : BigInt(uint32(digits, 16));
  };
  const hi = percentX(Number.POSITIVE_INFINITY);
  if (hi === undefined || text[at] !== "/") return undefined;
  at++;
  const lo = percentX(lowWidth);
  return lo === undefined ? undefined : (hi << 32n) | lo;
}

// ---- The parsers ----

const source = readFileSync(new URL("../../grammars/lalr/replication.jison", import.meta.url), "utf8");

/** One for each grammar that versions make of the file: some have the same. */
const parsers = new Map<string, Jison<Yy>>();

interface LalrParser {
  readonly parser: Jison<Yy>;
  readonly firstTokenRule: boolean;
}

const byServer = new Map<number, LalrParser>();

function lalrParser(server: number): LalrParser {
  let known = byServer.get(server);
  if (known === undefined) {
    const grammar = grammarFor(server);
    const parser = parsers.get(grammar) ?? makeParser(grammar);
    parsers.set(grammar, parser);
    known = { parser, firstTokenRule: supports(server, "firstTokenRule") };
    byServer.set(server, known);
  }
  return known;
}

/** The file as it is for one version. */
export function grammarFor(server: number): string {
  return linesFor(source, server);
}

/** A parser as Bison would make it. @throws Error for a grammar with conflicts. */
export function makeParser(grammar: string): Jison<Yy> {
  return makeJison(grammar, cParts());
}
