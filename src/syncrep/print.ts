/**
 * A SyncRepConfig to text, in the form that a server of the given version takes.
 *
 * The law: on every version, parsing what was printed gives the same SyncRepConfig. What the version cannot say is an
 * UnsupportedError; what no version can say, an EncodeError.
 */
import { EncodeError } from "../errors.ts";
import { truncateIdentifier } from "../identifier.ts";
import { printableText } from "../scan.ts";
import { capabilitiesOf, defaultServer, requireCapability, type Server, serverVersionNum } from "../server-version.ts";
import type { SyncRepConfig } from "./ast.ts";
import { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions, scansAsStandbyName } from "./parse.ts";
import { partsOf } from "./parts.ts";

export interface PrintSynchronousStandbyNamesOptions extends SynchronousStandbyNamesOptions {
  /**
   * A value to change no more than needs be: what it says already stays as it is written there, with its blanks and quotes. Not
   * said, or the empty string: the canonical form.
   */
  readonly like?: string | undefined;
  /** The server that takes `like`; `server` if it is not said. */
  readonly from?: Server | undefined;
}

const keywords = { PRIORITY: "FIRST", QUORUM: "ANY" } as const;

/**
 * Write a value of `synchronous_standby_names` as a server of this version takes it.
 *
 * The canonical form has method and number in words, as far as the version has them, and no more quotes than it needs.
 *
 * @param config undefined is "off", the empty string.
 * @throws EncodeError if no text makes this value, with its path: a number below 1, a NUL character.
 * @throws UnsupportedError naming what this server lacks: `quorumCommit` before 10; before 9.6 `syncrepGrammar`, for more than one
 *   standby and for names of more than 63 bytes; from 9.6 on `standbyIdentifierList`, for a list of no names.
 * @throws ParseError if `like` is no value.
 * @source the reverse of syncrep_gram.y and syncrep_scanner.l
 * @example printSynchronousStandbyNames(parseSynchronousStandbyNames('s1, "s-2", *')) // 'FIRST 1 (s1, "s-2", *)'
 * @example printSynchronousStandbyNames(parseSynchronousStandbyNames("node-1, b", { server: "9.5" }), { server: "9.6" }) // '1 ("node-1", b)'
 * @example printSynchronousStandbyNames({ type: "SyncRepConfig", syncrepMethod: "QUORUM", numSync: 2, memberNames: ["a", "c"] }, { like: 'first 2 ("a" , b)' }) // 'ANY 2 ("a" , c)'
 */
export function printSynchronousStandbyNames(
  config: SyncRepConfig | undefined,
  options: PrintSynchronousStandbyNamesOptions = {},
): string {
  const server = serverVersionNum(options.server ?? defaultServer);
  if (config === undefined) return "";
  const names = standbyNames(config, server);
  const { like } = options;
  if (like !== undefined && like !== "" && names.length > 0) {
    return respelled(config, names, server, like, serverVersionNum(options.from ?? server));
  }
  if (!capabilitiesOf(server).syncrepGrammar) return names.join(", ") || " ";
  return `${head(config, server)} (${names.join(", ")})`;
}

/** Each name as this server must see it, and nothing in the value that it could not. */
function standbyNames(config: SyncRepConfig, server: number): readonly string[] {
  if (typeof config !== "object" || config === null) fail("", "it must be an object");
  const { syncrepMethod, numSync, memberNames } = config;
  const has = capabilitiesOf(server);
  if (syncrepMethod !== "PRIORITY" && syncrepMethod !== "QUORUM") fail(".syncrepMethod", "it is PRIORITY or QUORUM");
  if (syncrepMethod === "QUORUM") requireCapability(server, "quorumCommit", "ANY");
  if (typeof numSync !== "number" || numSync !== (numSync | 0)) fail(".numSync", "it is a 32-bit integer");
  if (numSync !== 1) requireCapability(server, "syncrepGrammar", "A number of standbys");
  if (numSync < 1 && has.numSyncIsChecked) fail(".numSync", "it is 1 at least");
  if (!Array.isArray(memberNames)) fail(".memberNames", "it is an array");
  if (memberNames.length === 0) requireCapability(server, "standbyIdentifierList", "A list of no standbys");
  return Array.from(memberNames, (name, index) => {
    const text = printableText(`SyncRepConfig.memberNames[${index}]`, name);
    if (!has.syncrepGrammar && truncateIdentifier(text) !== text) {
      requireCapability(server, "syncrepGrammar", "A standby name of more than 63 bytes");
    }
    return scansAsStandbyName(text, text, server) ? text : `"${text.replaceAll('"', '""')}"`;
  });
}

/** What stands before the parenthesis. */
function head({ syncrepMethod, numSync }: SyncRepConfig, server: number): string {
  return capabilitiesOf(server).quorumCommit ? `${keywords[syncrepMethod]} ${number(numSync)}` : number(numSync);
}

/** No sign is a number to the scanner. Without `numSyncIsChecked` 2^32 less makes a negative one. */
function number(numSync: number): string {
  return String(numSync >>> 0);
}

/** The value, with everything spelled as in another one, as far as that says the same. */
function respelled(
  config: SyncRepConfig,
  names: readonly string[],
  server: number,
  like: string,
  from: number,
): string {
  const old = parseSynchronousStandbyNames(like, { server: from })!;
  const parts = partsOf(like, from);
  const places = parts.memberNames;
  const between = (start: number, end: number): string => like.slice(start, end);

  // Which of its names is which: the first ones, the last ones, and in between any of the same name.
  const [count, countOld] = [names.length, places.length];
  const same = (i: number, iOld: number): boolean => config.memberNames[i] === old.memberNames[iOld];
  const fewer = Math.min(count, countOld);
  let first = 0;
  while (first < fewer && same(first, first)) first++;
  let last = 0;
  while (last < fewer - first && same(count - 1 - last, countOld - 1 - last)) last++;
  const anywhere = new Map(old.memberNames.map((name, i) => [name, i]));
  const list = names.map((canonical, i) => {
    const name = config.memberNames[i]!;
    const iOld = i < first ? i : i >= count - last ? i + countOld - count : (anywhere.get(name) ?? countOld);
    const place = places[iOld];
    const spelled = place === undefined ? canonical : between(place.offset, place.end);
    const text = scansAsStandbyName(spelled, name, server) ? spelled : canonical;
    if (i === 0) return text;
    // What was before it if both neighbours were there; else whatever is between two names there.
    const gap = i > count - last ? i + countOld - count : Math.min(i, countOld - 1);
    return (gap < 1 ? ", " : between(places[gap - 1]!.end, places[gap]!.offset)) + text;
  });

  const start = places[0]?.offset ?? like.length;
  const end = places.at(-1)?.end ?? like.length;
  const { syncrepMethod: word, numSync: num } = parts;
  const has = capabilitiesOf(server);
  const before = between(0, (word ?? num)?.offset ?? start);
  if (!has.syncrepGrammar || num === undefined) {
    const after = between(end, like.length).replace(/^.*\)/s, "");
    const alone = !has.syncrepGrammar || (config.syncrepMethod === "PRIORITY" && config.numSync === 1);
    return before + (alone ? list.join("") : `${head(config, server)} (${list.join("")})`) + after;
  }
  let method = "";
  if (has.quorumCommit && (word !== undefined || config.syncrepMethod === "QUORUM")) {
    const spelled = word !== undefined && config.syncrepMethod === old.syncrepMethod;
    method = spelled ? between(word.offset, word.end) : keywords[config.syncrepMethod];
    method += word === undefined ? " " : between(word.end, num.offset);
  }
  const numSync = config.numSync === old.numSync ? between(num.offset, num.end) : number(config.numSync);
  return before + method + numSync + between(num.end, start) + list.join("") + between(end, like.length);
}

function fail(field: string, reason: string): never {
  throw new EncodeError(`SyncRepConfig${field}`, `SyncRepConfig${field}: ${reason}`);
}
