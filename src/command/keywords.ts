/**
 * The keywords of repl_scanner.l, and which servers have them: the one list, for the grammar, for advice, and for arbitraries.
 *
 * Keywords are whole words in capitals; the same word in other letters is an identifier.
 */
import type { CommandCapabilities, CommandCapability } from "./capabilities.ts";

/** Each keyword with the capability that a server must have for it, or `true` for those that every server has. */
export const keywords: ReadonlyMap<string, CommandCapability | true> = new Map<string, CommandCapability | true>([
  ["BASE_BACKUP", true],
  ["IDENTIFY_SYSTEM", true],
  ["READ_REPLICATION_SLOT", "readReplicationSlot"],
  ["SHOW", "sqlCommands"],
  ["START_REPLICATION", true],
  ["CREATE_REPLICATION_SLOT", true],
  ["DROP_REPLICATION_SLOT", true],
  ["ALTER_REPLICATION_SLOT", "alterReplicationSlot"],
  ["TIMELINE_HISTORY", true],
  ["UPLOAD_MANIFEST", "uploadManifest"],
  ["TIMELINE", true],
  ["PHYSICAL", true],
  ["LOGICAL", true],
  ["SLOT", true],
  ["RESERVE_WAL", "reserveWal"],
  ["TEMPORARY", "createSlotOptions"],
  ["EXPORT_SNAPSHOT", "createSlotOptions"],
  ["NOEXPORT_SNAPSHOT", "createSlotOptions"],
  ["USE_SNAPSHOT", "createSlotOptions"],
  ["WAIT", "createSlotOptions"],
  ["TWO_PHASE", "genericOptions"],
  ["LABEL", "baseBackupKeywords"],
  ["PROGRESS", "baseBackupKeywords"],
  ["FAST", "baseBackupKeywords"],
  ["WAL", "baseBackupKeywords"],
  ["NOWAIT", "baseBackupKeywords"],
  ["MAX_RATE", "baseBackupKeywords"],
  ["TABLESPACE_MAP", "baseBackupTablespaceMap"],
  ["NOVERIFY_CHECKSUMS", "baseBackupNoVerifyChecksums"],
  ["MANIFEST", "baseBackupManifest"],
  ["MANIFEST_CHECKSUMS", "baseBackupManifest"],
]);

/** The first words of commands, repl_scanner.l: replication_scanner_is_replication_command. */
export const commandKeywords: readonly string[] = [...keywords.keys()].slice(0, 10);

/** The words of BASE_BACKUP before its options came in parentheses. */
export const baseBackupKeywords: readonly string[] = [...keywords.keys()].filter((word) =>
  String(keywords.get(word)).startsWith("baseBackup"),
);

/** Is the word, as it stands, a keyword of this server? */
export function isKeyword(word: string, has: CommandCapabilities): boolean {
  // Most words are in small letters, and need no look at the list.
  if (word.charCodeAt(0) > 0x5a) return false;
  const needs = keywords.get(word);
  return needs === true || (needs !== undefined && has[needs]);
}
