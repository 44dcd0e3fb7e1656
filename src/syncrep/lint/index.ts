/**
 * Mistakes in a value of `synchronous_standby_names`, and their fixes.
 *
 * The rules of what standbys match are those of syncrep.c: SyncRepGetStandbyPriority, and of what application_name can be those of
 * variable.c (guc.c before 16): check_application_name.
 */
import { ParseError, refuseArgument } from "../../kernel/errors.ts";
import { isArrayOf } from "../../kernel/options.ts";
import { defaultServer, formatServerVersion, type Server, serverVersionNum } from "../../kernel/version.ts";
import { downcaseIdentifier, identifierBytes, quoteIdentifier } from "../../text/identifier.ts";
import { atoi } from "../../text/scan.ts";
import { meaningOf, type SyncRepConfig } from "../ast.ts";
import { syncrepCapabilities } from "../capabilities.ts";
import { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions, serverOf } from "../parse.ts";
import { partsOf, rangeAt, type TextRange } from "../parts.ts";
import { printSynchronousStandbyNames } from "../print.ts";
import {
  applyFixes,
  edit,
  type Finding,
  type FindingCode,
  type FixedText,
  finding,
  findingCodes,
  inTypographicQuotes,
  MAX_FINDINGS,
  show,
} from "./findings.ts";
import { type Repair, repair } from "./repair.ts";

/** The servers that a value is for. */
export interface LintSynchronousStandbyNamesOptions extends SynchronousStandbyNamesOptions {
  /** Servers that should read the same: the target of an upgrade, or others that share the file. */
  readonly also?: readonly Server[] | undefined;
  /** The `cluster_name` of the server that the value is for. From 12 on a standby may use its own as `application_name`. */
  readonly clusterName?: string | undefined;
  /** Findings that are not wanted. What the server rejects is found anyway. */
  readonly ignore?: readonly FindingCode[] | undefined;
}

/**
 * Find what a server rejects in a value of `synchronous_standby_names`, and what it accepts although it is probably a mistake.
 *
 * @param text The value itself, without the quotes that it has in postgresql.conf.
 * @returns The findings, about a thousand at most: first the reasons why the server rejects the value, then by position. Nothing is
 * thrown for bad text.
 * @throws UnsupportedError for an unknown version; ArgumentError for options of another kind.
 * @example lintSynchronousStandbyNames("ANY 2 (node-1, b)")[0].fix.edits // [{ offset: 7, end: 13, text: '"node-1"' }]
 * @example lintSynchronousStandbyNames("FIRST 3 (a, b)").map(({ code }) => code) // ["NEEDS_SHARED_NAMES"]
 * @example lintSynchronousStandbyNames("node-1", { server: "9.5", also: [18] })[0].code // "REFUSED_ELSEWHERE"
 */
export function lintSynchronousStandbyNames(
  text: string,
  options: LintSynchronousStandbyNamesOptions = {},
): readonly Finding[] {
  const context = optionsOf(options);
  const { server, also, ignore } = context;
  const { config, error } = read(text, server);
  const found = (): Finding[] => {
    if (error !== undefined) return refused(error, context);
    const elsewhere = also.flatMap((other) => compared(text, config, server, other));
    if (config === undefined) return elsewhere;
    const parts = partsOf(text, syncrepCapabilities.of(server));
    return [...meaning(text, config, parts, context), ...elsewhere];
  };
  if (ignore.length === 0) return found();
  return found().filter(({ code, error: refusal }) => refusal !== undefined || !ignore.includes(code));
}

type Context = ReturnType<typeof optionsOf>;

function optionsOf(options: LintSynchronousStandbyNamesOptions) {
  const server = serverOf(options);
  const { also = [], clusterName, ignore = [] } = options;
  if (!isArrayOf(also, (each) => each !== undefined)) refuseArgument("options.also", "an array of servers", also);
  if (clusterName !== undefined && typeof clusterName !== "string") {
    refuseArgument("options.clusterName", "a string", clusterName);
  }
  if (!Array.isArray(ignore)) refuseArgument("options.ignore", "an array of codes", ignore);
  for (const code of ignore)
    if (typeof code !== "string" || !Object.hasOwn(findingCodes, code))
      refuseArgument("options.ignore", "codes of findings", code);
  return {
    server,
    also: also.map((each) => serverVersionNum(each)),
    clusterName: clusterName && downcaseIdentifier(clusterName),
    ignore,
  };
}

/**
 * Make the fixes that are safe, which keep the meaning or restore the only one that can have been intended, until none is left. In a
 * text with a thousand mistakes or more the first thousand or so are fixed.
 *
 * @throws UnsupportedError for a version that walwire does not know.
 * @example fixSynchronousStandbyNames("node-1, node-2, node-1").text // '"node-1", "node-2"'
 */
export function fixSynchronousStandbyNames(text: string, options: LintSynchronousStandbyNamesOptions = {}): FixedText {
  const fixed: Finding[] = [];
  let result = text;
  let all = 0;
  // Why a value is rejected hides what it means, and one fix may overlap another. There are no more than a few such layers.
  for (let round = 0; round < 5 && all < MAX_FINDINGS; round++) {
    const found = lintSynchronousStandbyNames(result, options);
    const safe = found.filter(({ fix }) => fix?.safe);
    if (safe.length === 0) break;
    all += found.length;
    const done = applyFixes(result, safe);
    result = done.text;
    fixed.push(...done.fixed);
  }
  return { text: result, fixed };
}

function read(text: string, server: number): { config?: SyncRepConfig | undefined; error?: ParseError } {
  try {
    return { config: parseSynchronousStandbyNames(text, { server }) };
  } catch (error) {
    if (error instanceof ParseError) return { error };
    throw error;
  }
}

// ---- Refused ----

function placeOf({ offset, near = "" }: ParseError): { offset: number; end: number } {
  return { offset, end: offset + near.length };
}

/** The server's words as a sentence, and ours. */
function saying({ detail, message, advice }: ParseError): string {
  const words = (detail ?? message).replace(/\.$/, "");
  return `${words}.${advice === undefined ? "" : ` ${advice}`}`;
}

function refused(error: ParseError, context: Context): Finding[] {
  const { server } = context;
  const { text, code } = error;
  const whole = { offset: 0, end: text.length };
  const at = placeOf(error);
  const says = saying(error);
  const unclear = [finding("SYNTAX", at, [says], undefined, error)];
  if (code === "INVALID_VALUE") {
    return [finding("NUMBER_NOT_POSITIVE", at, [atoi(error.near!)], undefined, error)];
  }
  if (code !== "SYNTAX") return unclear;
  if (/^[ \t\n\r\f\v]*$/.test(text)) return [finding("BLANK", whole, [], [edit(whole, "")], error)];
  const isNewest = syncrepCapabilities.supports(server, "quorumCommit");
  const later = isNewest ? undefined : read(text, serverVersionNum(defaultServer)).config;
  if (later !== undefined) {
    const older = printed(later, server);
    return [finding("TOO_NEW", whole, [says, older ?? ""], older !== undefined && [edit(whole, older)], error)];
  }
  const inside = /^[ \t\n\r\f\v]*'([^']+)'[ \t\n\r\f\v]*$/.exec(text)?.[1];
  if (inside !== undefined && read(inside, server).config !== undefined) {
    return [finding("SINGLE_QUOTES", whole, ["The value", inside], [edit(whole, inside)], error)];
  }
  const repaired = repairedFor(text, server);
  if (repaired === undefined) return unclear;
  const { mistakes, config } = repaired;
  const refusals = mistakes.map((each) => ({ ...each, error }));
  // Where the number is missing, not all of what was meant is known.
  if (mistakes.some((each) => each.code === "NUMBER_MISSING")) return refusals;
  // Instead of the whole value the empty string: that does not go with a parenthesis at its end.
  const meant = meaning(text, config, repaired, context);
  return [...refusals, ...meant.map((each) => (each.code === "LOOKS_LIKE_OFF" ? { ...each, fix: undefined } : each))];
}

/** What was meant, if the value with all mistakes mended is one. */
function repairedFor(text: string, server: number): (Repair & { text: string; config: SyncRepConfig }) | undefined {
  const has = syncrepCapabilities.of(server);
  const repaired = has.syncrepGrammar ? repair(text, has) : undefined;
  if (repaired === undefined) return undefined;
  const mended = applyFixes(text, repaired.mistakes).text;
  const { config } = read(mended, server);
  return config && { ...repaired, text: mended, config };
}

/** The value in the form of an older server, if that can say it. */
function printed(config: SyncRepConfig, server: number): string | undefined {
  try {
    return printSynchronousStandbyNames(config, { server });
  } catch {
    return undefined;
  }
}

// ---- Accepted ----

/** What people write who want no synchronous replication. */
const OFF = /^(?:off|no|none|null|nil|false|disabled?|empty|)$/i;

/** A whole value, or several names. */
const LIST = /,|^\s*(?:(?:any|first)\s+)?\d+\s*\(|^\s*(?:any|first)\s*\(/i;

/** Glob patterns, and variables of shells and templates. Before 16 a question mark may stand for a byte that is not ASCII. */
const PATTERN = /[*[\]{}]|\$[{(A-Za-z_]|^%|^<.*>$/;

function meaning(
  text: string,
  { syncrepMethod, numSync, memberNames }: SyncRepConfig,
  { places, numSync: number }: Pick<Repair, "places" | "numSync">,
  { server, clusterName, ignore }: Context,
): Finding[] {
  const has = syncrepCapabilities.of(server);
  const found: Finding[] = [];
  const whole = { offset: 0, end: text.length };
  const list = { offset: places[0] ?? 0, end: places.at(-1) ?? text.length };
  const alone = memberNames.length === 1;
  const star = memberNames.indexOf("*");
  const seen = new Map<string, string>();
  let possible = 0;
  /** May a fix of a name change how many of the names a standby can have? */
  let isOpen = false;
  let own: Finding | undefined;
  let i = 0;
  let name = "";

  // Only while there is room: a value may repeat a name a million times.
  const say = (
    code: FindingCode,
    put?: string,
    words?: () => readonly (string | number)[],
    where?: TextRange,
  ): void => {
    if (put !== undefined && findingCodes[code].at(-1) === "ask" && !ignore.includes(code)) isOpen = true;
    if (found.length >= MAX_FINDINGS) return;
    const place = rangeAt(places, i)!;
    let range = where ?? place;
    if (put === "" && where === undefined) {
      // A comma beside it goes too.
      range = i > star ? { ...place, offset: places[2 * i - 1]! } : { ...place, end: places[2 * i + 2]! };
    }
    found.push(finding(code, place, words?.() ?? [show(name)], put !== undefined && [edit(range, put)]));
  };

  for (; i < memberNames.length; i++) {
    name = memberNames[i]!;
    if (star !== -1 && (syncrepMethod === "QUORUM" ? name !== "*" : i > star)) {
      say("NEVER_MATTERS", "");
      continue;
    }
    const folded = downcaseIdentifier(name);
    const same = seen.get(folded);
    if (same !== undefined) {
      say("DUPLICATE", "", () => [show(name), show(same)]);
      continue;
    }
    seen.set(folded, name);
    const bytes = has.applicationNameEscapes ? name.replace(escapes, "?").length : name.length;
    if (name === "*") {
      say("ANY_STANDBY");
      if (text[places[2 * i]!] === '"') say("QUOTED_STAR", "*");
    } else if (/[^ -~]/.test(name)) {
      // What the name becomes takes ten times as long as all the rest: not for a million names that nobody is told of.
      if (found.length >= MAX_FINDINGS && isOpen) continue;
      // U+FFFD stands for a byte that is not known here. As a fix a name is not offered that others become too.
      const inside = inTypographicQuotes(name);
      const escapes = has.applicationNameEscapes;
      const changed = name.includes("\ufffd") ? undefined : quoteIdentifier(cleanAscii(name, escapes));
      if (inside !== undefined) say("TYPOGRAPHIC_QUOTES", inside, () => [show(name), inside]);
      else say("NEVER_MATCHES", escapes ? changed : undefined, () => [show(name), changed ?? "ASCII", changed!]);
    } else if (bytes > identifierBytes) say("TOO_LONG", undefined, () => [show(name), bytes, identifierBytes]);
    else {
      possible++;
      if (folded === clusterName) own = finding("OWN_NAME", rangeAt(places, i)!, [show(name)]);
      // Most names are good.
      if (/^[\w-]+$/.test(name) && !alone && folded !== "all") continue;
      const trimmed = name.trim();
      if (alone && OFF.test(trimmed)) say("LOOKS_LIKE_OFF", "", undefined, whole);
      else if (trimmed === "") say("EMPTY_NAME");
      else if (LIST.test(name)) {
        // In a list with a number, only names can have been meant.
        const isValue = alone && read(number === undefined ? name : `1 (${name})`, server).config !== undefined;
        say("LIST_IN_QUOTES", isValue ? name : undefined);
      } else if (trimmed !== name) say("BLANKS_IN_NAME", quoteIdentifier(trimmed), () => [show(trimmed)]);
      else if (folded === "all") say("LOOKS_LIKE_ANY", "*");
      else if (PATTERN.test(name) || (has.applicationNameEscapes && name.includes("?"))) say("LOOKS_LIKE_PATTERN");
    }
  }

  const first = rangeAt(places, 0);
  const isNumber = (each: string): boolean => /^\d+$/.test(each);
  if (number !== undefined) {
    const digits = text.slice(number.offset, number.end).replace(/^0+(?=.)/, "");
    if (numSync <= 0) found.push(finding("NUMBER_NOT_POSITIVE", number, [numSync]));
    else if (digits !== String(numSync)) {
      found.push(finding("NUMBER_WRAPPED", number, [digits, numSync, numSync], [edit(number, String(numSync))]));
    }
  } else if (first !== undefined && isNumber(text.slice(first.offset, first.end))) {
    const digits = memberNames[0]!;
    const canCount = !alone && has.syncrepGrammar && /^0*[1-9]\d{0,8}$/.test(digits);
    const edits = canCount && [
      edit({ offset: first.offset, end: places[2]! }, `${has.quorumCommit ? "FIRST " : ""}${digits} (`),
      edit({ offset: list.end, end: list.end }, ")"),
    ];
    // A list of numbers is one of names.
    if (alone || !memberNames.every(isNumber)) found.push(finding("NUMBER_IS_NAME", first, [digits, digits], edits));
  }
  if (star === -1 && possible === 0) found.push(finding("WAITS_FOR_EVER", list));
  else if (star === -1 && numSync > possible) {
    // Not before the names are what they are to be: fewer standbys would be required than can be had.
    const edits = number !== undefined && !isOpen && [edit(number, String(possible))];
    found.push(finding("NEEDS_SHARED_NAMES", number ?? list, [numSync, possible, possible], edits));
  } else if (star === -1 && own !== undefined && numSync > possible - 1) {
    found.push(own);
  }
  return found.sort((a, b) => a.offset - b.offset);
}

/** What application_name shows of bytes that are no printable ASCII, and what of it can have been such a byte. */
const escapes = /\\x(?:0[1-9a-f]|1[0-9a-f]|7f|[89a-f][0-9a-f])/gi;

/** What the server makes of an application_name: cut, also inside a character, and then escaped. @source string.c: pg_clean_ascii */
function cleanAscii(name: string, escapes: boolean): string {
  // A UTF-16 unit takes a byte at least: nothing of what is left out here would be left.
  const bytes = new TextEncoder().encode(name.slice(0, identifierBytes + 1)).subarray(0, identifierBytes);
  const kept = (byte: number): string => {
    if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return escapes ? `\\x${byte.toString(16).padStart(2, "0")}` : "?";
  };
  return Array.from(bytes, kept).join("");
}

// ---- Elsewhere ----

function compared(text: string, config: SyncRepConfig | undefined, server: number, other: number): Finding[] {
  const { config: there, error } = read(text, other);
  const version = formatServerVersion(other);
  if (error !== undefined) {
    const repaired = repairedFor(text, other);
    // What mends it there must not change it here.
    const edits =
      repaired !== undefined &&
      meaningOf(read(repaired.text, server).config) === meaningOf(config) &&
      repaired.mistakes.flatMap(({ fix }) => fix!.edits);
    return [finding("REFUSED_ELSEWHERE", placeOf(error), [version, saying(error)], edits, error)];
  }
  if (meaningOf(there) === meaningOf(config)) return [];
  const words = [version, described(there), formatServerVersion(server), described(config)];
  return [finding("DIFFERENT_ELSEWHERE", { offset: 0, end: text.length }, words)];
}

function described(config: SyncRepConfig | undefined): string {
  if (config === undefined) return "nothing";
  const { numSync, memberNames } = config;
  const names = memberNames.slice(0, 5).map(show).join(", ");
  return `${numSync} of ${names}${memberNames.length > 5 ? ", …" : ""}`;
}
