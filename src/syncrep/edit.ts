/** A value of `synchronous_standby_names` changed by as little as need be. */
import { type Server, serverVersionNum } from "../kernel/version.ts";
import type { SyncRepConfig } from "./ast.ts";
import { syncrepCapabilities } from "./capabilities.ts";
import {
  parseSynchronousStandbyNames,
  type SynchronousStandbyNamesOptions,
  scansAsStandbyName,
  serverOf,
} from "./parse.ts";
import { partsOf, rangeAt } from "./parts.ts";
import { keywords, number, printSynchronousStandbyNames, standbyConfig, standbyNames } from "./print.ts";

/** The server that the edited value is for. */
export interface EditSynchronousStandbyNamesOptions extends SynchronousStandbyNamesOptions {
  /** The server that takes the text as it is; `server` if it is not said. */
  readonly from?: Server | undefined;
}

/**
 * Make a value say something else, or the same to another server, and leave what need not change as it is written: its words,
 * numbers, quotes and white space.
 *
 * @param text The value as it is.
 * @param config What it is to say.
 * @throws ParseError if the text is no value.
 * @throws EncodeError, UnsupportedError as printSynchronousStandbyNames does.
 * @example editSynchronousStandbyNames('first 2 ("a" , b)', { type: "SyncRepConfig", syncrepMethod: "QUORUM", numSync: 2, memberNames: ["a", "c"] }) // 'ANY 2 ("a" , c)'
 */
export function editSynchronousStandbyNames(
  text: string,
  config: SyncRepConfig | undefined,
  options: EditSynchronousStandbyNamesOptions = {},
): string {
  const server = serverOf(options);
  const from = serverVersionNum(options.from ?? server);
  const old = parseSynchronousStandbyNames(text, { server: from });
  if (config === undefined || old === undefined) return printSynchronousStandbyNames(config, { server });
  const names = standbyNames(config, server);
  const has = syncrepCapabilities.of(server);
  if (names.length === 0) return old.memberNames.length === 0 ? text : standbyConfig(config, "", has);
  const { syncrepMethod: word, numSync: num, ...parts } = partsOf(text, syncrepCapabilities.of(from));
  const places = old.memberNames.map((_, i) => rangeAt(parts.places, i)!);
  return surrounded(standbyList());

  /** Each name as it is spelled in the text, if it is there, and between the names what is between them there. */
  function standbyList(): string {
    // Which name is which: the first ones, the last ones, and in between any of the same name.
    const most = Math.min(names.length, places.length);
    const shift = places.length - names.length;
    const same = (i: number, iOld: number): boolean => config!.memberNames[i] === old!.memberNames[iOld];
    let first = 0;
    while (first < most && same(first, first)) first++;
    let last = names.length;
    while (last > names.length - most + first && same(last - 1, last - 1 + shift)) last--;
    const anywhere = new Map(old!.memberNames.map((name, i) => [name, places[i]]));

    const spelled = names.map((canonical, i) => {
      const name = config!.memberNames[i]!;
      const place = i < first ? places[i] : i >= last ? places[i + shift] : anywhere.get(name);
      const asItWas = text.slice(place?.offset, place?.end);
      return place !== undefined && scansAsStandbyName(asItWas, name, has) ? asItWas : canonical;
    });
    return spelled.reduce((list, name, i) => {
      const before = i > last ? i + shift : Math.min(i, places.length - 1);
      return `${list}${before < 1 ? ", " : text.slice(places[before - 1]!.end, places[before]!.offset)}${name}`;
    });
  }

  /** The list with what is before and after it in the text, changed to say how many of which. */
  function surrounded(list: string): string {
    const { syncrepMethod, numSync } = config!;
    const start = places[0]?.offset ?? text.length;
    const before = text.slice(0, (word ?? num)?.offset ?? start);
    const after = text.slice(places.at(-1)?.end ?? text.length);
    if (!has.syncrepGrammar) return before + list + after.slice(after.indexOf(")") + 1);
    if (num === undefined) {
      const alone = syncrepMethod === "PRIORITY" && numSync === 1;
      return before + (alone ? list : standbyConfig(config!, list, has)) + after;
    }
    let method = "";
    if (has.quorumCommit && (word !== undefined || syncrepMethod === "QUORUM")) {
      const same = word !== undefined && syncrepMethod === old!.syncrepMethod;
      method = same ? text.slice(word.offset, word.end) : keywords[syncrepMethod];
      method += word === undefined ? " " : text.slice(word.end, num.offset);
    }
    const digits = numSync === old!.numSync ? text.slice(num.offset, num.end) : number(numSync);
    return before + method + digits + text.slice(num.end, start) + list + after;
  }
}
