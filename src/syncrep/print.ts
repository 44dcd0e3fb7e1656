/**
 * A SyncRepConfig to text.
 *
 * The law: parsing what was printed gives the same SyncRepConfig.
 */
import { EncodeError } from "../errors.ts";
import { printableText } from "../scan.ts";
import { defaultServer, requireCapability } from "../server-version.ts";
import type { SyncRepConfig } from "./ast.ts";
import { type SynchronousStandbyNamesOptions, scansAsStandbyName } from "./parse.ts";

const keywords = { PRIORITY: "FIRST", QUORUM: "ANY" } as const;

/**
 * Write a value of `synchronous_standby_names`, with method and number in words and no more quotes than it needs.
 *
 * @param config undefined is "off", the empty string.
 * @throws EncodeError if no text makes this value, with its path: no names, a number below 1, a NUL character.
 * @throws UnsupportedError for a server before 10 (`quorumCommit`), and for an unknown one.
 * @source the reverse of syncrep_gram.y and syncrep_scanner.l
 * @example printSynchronousStandbyNames(parseSynchronousStandbyNames('s1, "s-2", *')) // 'FIRST 1 (s1, "s-2", *)'
 */
export function printSynchronousStandbyNames(
  config: SyncRepConfig | undefined,
  options: SynchronousStandbyNamesOptions = {},
): string {
  const { server = defaultServer } = options;
  requireCapability(server, "quorumCommit", "The language of ANY and FIRST");
  if (config === undefined) return "";
  const { syncrepMethod, numSync, memberNames } = config;
  if (syncrepMethod !== "PRIORITY" && syncrepMethod !== "QUORUM") fail("syncrepMethod", "it is PRIORITY or QUORUM");
  if (typeof numSync !== "number" || numSync !== (numSync | 0) || numSync < 1) {
    fail("numSync", "it is an integer of 1 to 2^31 - 1");
  }
  if (!Array.isArray(memberNames) || memberNames.length === 0)
    fail("memberNames", "it is an array of one name at least");
  return `${keywords[syncrepMethod]} ${numSync} (${Array.from(memberNames, standbyName).join(", ")})`;
}

function standbyName(name: string, index: number): string {
  const text = printableText(`SyncRepConfig.memberNames[${index}]`, name);
  return scansAsStandbyName(text) ? text : `"${text.replaceAll('"', '""')}"`;
}

function fail(field: string, reason: string): never {
  throw new EncodeError(`SyncRepConfig.${field}`, `SyncRepConfig.${field}: ${reason}`);
}
