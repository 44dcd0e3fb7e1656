/**
 * A SyncRepConfig to text, in the form that a server of the given version takes.
 *
 * The law: on every version, parsing what was printed gives the same SyncRepConfig. What the version cannot say is an
 * UnsupportedError; what no version can say, an EncodeError.
 */

import { EncodeError } from "../kernel/errors.ts";
import { requireCapability } from "../kernel/version.ts";
import { quoteIdentifier, truncateIdentifier } from "../text/identifier.ts";
import { printableText } from "../text/scan.ts";
import type { SyncRepConfig } from "./ast.ts";
import { type SyncrepCapabilities, syncrepCapabilities } from "./capabilities.ts";
import { type SynchronousStandbyNamesOptions, scansAsStandbyName, serverOf } from "./parse.ts";

export const keywords = { PRIORITY: "FIRST", QUORUM: "ANY" } as const;

/**
 * Write a value of `synchronous_standby_names` as a server of this version takes it: with method and number in words, as far as
 * the version has them, and no more quotes than it needs.
 *
 * @param config undefined is "off", the empty string.
 * @throws EncodeError if no text makes this value, with its path: a number below 1, a NUL character.
 * @throws UnsupportedError naming what this server lacks: `quorumCommit` before 10; before 9.6 `syncrepGrammar`, for more than one
 *   standby and for names of more than 63 bytes; from 9.6 on `standbyIdentifierList`, for a list of no names.
 * @source the reverse of syncrep_gram.y and syncrep_scanner.l; before 9.6 of varlena.c: SplitIdentifierString
 * @example printSynchronousStandbyNames(parseSynchronousStandbyNames('s1, "s-2", *')) // 'FIRST 1 (s1, "s-2", *)'
 * @example printSynchronousStandbyNames(parseSynchronousStandbyNames("node-1, b", { server: "9.5" }), { server: "9.6" }) // '1 ("node-1", b)'
 */
export function printSynchronousStandbyNames(
  config: SyncRepConfig | undefined,
  options: SynchronousStandbyNamesOptions = {},
): string {
  const server = serverOf(options);
  if (config === undefined) return "";
  return standbyConfig(config, standbyNames(config, server).join(", "), syncrepCapabilities.of(server));
}

/** The list with what it needs before and around it. */
export function standbyConfig(
  { syncrepMethod, numSync }: SyncRepConfig,
  list: string,
  has: SyncrepCapabilities,
): string {
  if (!has.syncrepGrammar) return list || " ";
  return `${has.quorumCommit ? `${keywords[syncrepMethod]} ` : ""}${number(numSync)} (${list})`;
}

/** No sign is a number to the scanner. Without `numSyncIsChecked` 2^32 less makes a negative one. */
export function number(numSync: number): string {
  return String(numSync >>> 0);
}

/** Each name as this server must see it, if it can say the whole value. */
export function standbyNames(config: SyncRepConfig, server: number): readonly string[] {
  const require = (name: keyof typeof has, what: string): void =>
    requireCapability(syncrepCapabilities, server, name, what);
  const has = syncrepCapabilities.of(server);
  if (typeof config !== "object" || config === null) fail("", "it is an object");
  const { syncrepMethod, numSync, memberNames } = config;
  if (syncrepMethod !== "PRIORITY" && syncrepMethod !== "QUORUM") fail(".syncrepMethod", "it is PRIORITY or QUORUM");
  if (syncrepMethod === "QUORUM") require("quorumCommit", "ANY");
  if (typeof numSync !== "number" || numSync !== (numSync | 0) || (numSync < 1 && has.numSyncIsChecked)) {
    fail(".numSync", "it is an integer of 1 to 2^31 - 1");
  }
  if (numSync !== 1) require("syncrepGrammar", "A number of standbys");
  if (!Array.isArray(memberNames)) fail(".memberNames", "it is an array");
  if (memberNames.length === 0) require("standbyIdentifierList", "A list of no standbys");
  return Array.from(memberNames, (name, index) => {
    const text = printableText(`SyncRepConfig.memberNames[${index}]`, name);
    if (truncateIdentifier(text) !== text) require("syncrepGrammar", "A standby name of more than 63 bytes");
    return scansAsStandbyName(text, text, has) ? text : quoteIdentifier(text);
  });
}

function fail(field: string, reason: string): never {
  const path = `SyncRepConfig${field}`;
  throw new EncodeError(path, `${path}: ${reason}`);
}
