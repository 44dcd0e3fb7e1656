/** Differences between versions in replication commands: their language, the checks after parsing, and their answers. */
import { CapabilityTable, lsnRows } from "../kernel/version.ts";
import { logicalRows } from "../logical/capabilities.ts";
import { slotRows } from "../text/capabilities.ts";

/** The minor releases of January 2022, which changed the replication scanner: commits 6aa5186146 and 3c06ec6d14. */
const scannerOf2022 = [100020, 110015, 120010, 130006, 140002, 150000] as const;

export const commandRows = {
  ...lsnRows,
  ...slotRows,
  ...logicalRows,
  /** slot.c: ReplicationSlotAcquire, until commit 420a0392ef */
  slotNameIsCheckedAgain: { since: [90400], until: 100000 },
  /** repl_gram.y: base_backup_opt */
  baseBackupKeywords: { since: [90400], until: 150000 },
  /** repl_gram.y: K_TABLESPACE_MAP */
  baseBackupTablespaceMap: { since: [90500], until: 150000 },
  /** repl_gram.y: K_RESERVE_WAL */
  reserveWal: { since: [90600] },
  /** repl_gram.y: create_slot_opt_list, opt_temporary, K_WAIT */
  createSlotOptions: { since: [100000] },
  /** repl_gram.y: show */
  showCommand: { since: [100000] },
  /** walsender.c: exec_replication_command */
  sqlCommands: { since: [100000] },
  /** repl_scanner.l: T_WORD */
  unknownCharacterIsToken: { since: [100000] },
  /** walsender.c: begin_tup_output_tupdesc */
  walsenderTupleDesc: { since: [100000] },
  /** repl_gram.y: K_NOVERIFY_CHECKSUMS */
  baseBackupNoVerifyChecksums: { since: [110000], until: 150000 },
  /** repl_gram.y: K_MANIFEST */
  baseBackupManifest: { since: [130000], until: 150000 },
  /** walsender.c: EndReplicationCommand, commit 07082b08cc */
  ownCommandTag: { since: [130000] },
  /** walsender.c: exec_replication_command, commit 4e9821b6fa */
  startReplicationTagMissing: { since: [130000], until: 130001 },
  /** walsender.c: SendTimeLineHistory */
  timelineHistoryText: { since: [140000] },
  /** repl_scanner.l: replication_scanner_is_replication_command */
  firstTokenRule: { since: scannerOf2022 },
  /** repl_scanner.l: space */
  carriageReturnIsSpace: { since: scannerOf2022 },
  /** repl_scanner.l: hexdigit */
  recptrIsHexadecimal: { since: scannerOf2022 },
  /** repl_scanner.l: the rule of any character */
  dotIsToken: { since: scannerOf2022 },
  /** walsender.c: exec_replication_command */
  sqlOnPhysicalIsUnsupported: { since: scannerOf2022 },
  /** repl_gram.y: generic_option_list */
  genericOptions: { since: [150000] },
  /** basebackup_copy.c: bbsink_copystream_begin_backup */
  baseBackupOneStream: { since: [150000] },
  /** repl_gram.y: read_replication_slot */
  readReplicationSlot: { since: [150000] },
  /** basebackup_copy.c, walsender.c: SendTimeLineHistory */
  backupTupleDesc: { since: [160000] },
  /** walsender.c: IdentifySystem, commit ec40f34224 */
  identifySystemInt8: { since: [160000] },
  /** compression.c: PG_COMPRESSION_OPTION_LONG_DISTANCE */
  compressionLong: { since: [160000] },
  /** repl_gram.y: alter_replication_slot */
  alterReplicationSlot: { since: [170000] },
  /** repl_gram.y: upload_manifest */
  uploadManifest: { since: [170000] },
  /** basebackup.c: parse_basebackup_options */
  incrementalBackup: { since: [170000] },
  /** walsender.c: parseCreateReplSlotOptions */
  failoverSlots: { since: [170000] },
  /** repl_scanner.l: space */
  verticalTabIsSpace: { since: [170000] },
  /** repl_scanner.l: xddouble, commit a75bd485b5 */
  doubledQuoteInIdentifier: { since: [140024, 150019, 160015, 170011, 180006] },
  /** walsender.c: AlterReplicationSlot */
  alterTwoPhase: { since: [180000] },
} as const;

export const commandCapabilities = /* @__PURE__ */ new CapabilityTable(commandRows);
export type CommandCapability = keyof typeof commandRows;
export type CommandCapabilities = ReturnType<typeof commandCapabilities.of>;
