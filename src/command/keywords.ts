/**
 * The keywords of repl_scanner.l, and which servers have them: the one list, for the grammar, for advice, and for arbitraries.
 *
 * Keywords are whole words in capitals; the same word in other letters is an identifier.
 */
import type { CommandCapabilities, CommandCapability } from "./capabilities.ts";

/** What is known of a keyword. */
export interface Keyword {
  /** What a server must have for it; undefined if every server has it. */
  readonly since?: CommandCapability;
  /** Is it the first word of a command? @source repl_scanner.l: replication_scanner_is_replication_command */
  readonly command?: true;
  /** May it not be the name of an option, as other keywords may? @source repl_gram.y: ident_or_keyword */
  readonly reserved?: true;
}

/** Every keyword. */
export const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ["BASE_BACKUP", { command: true }],
  ["IDENTIFY_SYSTEM", { command: true }],
  ["READ_REPLICATION_SLOT", { since: "readReplicationSlot", command: true, reserved: true }],
  ["SHOW", { since: "showCommand", command: true }],
  ["START_REPLICATION", { command: true }],
  ["CREATE_REPLICATION_SLOT", { command: true }],
  ["DROP_REPLICATION_SLOT", { command: true }],
  ["ALTER_REPLICATION_SLOT", { since: "alterReplicationSlot", command: true }],
  ["TIMELINE_HISTORY", { command: true }],
  ["UPLOAD_MANIFEST", { since: "uploadManifest", command: true }],
  ["TIMELINE", {}],
  ["PHYSICAL", {}],
  ["LOGICAL", {}],
  ["SLOT", {}],
  ["RESERVE_WAL", { since: "reserveWal" }],
  ["TEMPORARY", { since: "createSlotOptions" }],
  ["EXPORT_SNAPSHOT", { since: "createSlotOptions" }],
  ["NOEXPORT_SNAPSHOT", { since: "createSlotOptions" }],
  ["USE_SNAPSHOT", { since: "createSlotOptions" }],
  ["WAIT", { since: "createSlotOptions" }],
  ["TWO_PHASE", { since: "genericOptions" }],
  ["LABEL", { since: "baseBackupKeywords" }],
  ["PROGRESS", { since: "baseBackupKeywords" }],
  ["FAST", { since: "baseBackupKeywords" }],
  ["WAL", { since: "baseBackupKeywords" }],
  ["NOWAIT", { since: "baseBackupKeywords" }],
  ["MAX_RATE", { since: "baseBackupKeywords" }],
  ["TABLESPACE_MAP", { since: "baseBackupTablespaceMap" }],
  ["NOVERIFY_CHECKSUMS", { since: "baseBackupNoVerifyChecksums" }],
  ["MANIFEST", { since: "baseBackupManifest" }],
  ["MANIFEST_CHECKSUMS", { since: "baseBackupManifest" }],
]);

/** The first words of commands. */
export const commandKeywords: readonly string[] = [...keywords]
  .filter(([, { command }]) => command)
  .map(([word]) => word);

/** Is the word, as it stands, a keyword of this server? */
export function isKeyword(word: string, has: CommandCapabilities): boolean {
  // Most words are in small letters, and need no look at the list.
  if (word.charCodeAt(0) > 0x5a) return false;
  const keyword = keywords.get(word);
  return keyword !== undefined && (keyword.since === undefined || has[keyword.since]);
}
