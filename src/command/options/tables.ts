/**
 * The options of the replication commands, one row an option. A new option is one row here, and its capability in ../capabilities.ts.
 */

import { listed } from "../../kernel/words.ts";
import type { PgoutputStreaming } from "../../logical/protocol.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import type { Command } from "../ast.ts";
import { algorithmNames, type CompressAlgorithm, isBuilt } from "../check/compression.ts";
import { errcode } from "../check/refusal.ts";
import {
  boolean,
  compressionDetail,
  integer,
  names,
  optionalString,
  orBoolean,
  protocolVersion,
  quotedBoolean,
  streaming,
  text,
  word,
} from "./kinds.ts";
import { type OptionTable, option } from "./option.ts";

/** What becomes of the snapshot of a new logical slot. @source walsender.h: CRSSnapshotAction */
export type SnapshotAction = "export" | "nothing" | "use";

/** Is there a backup manifest, and are all file names in it encoded? @source basebackup.c: backup_manifest_option */
export type ManifestOption = "yes" | "no" | "force-encode";

/** The checksums of the files in a manifest, spelled as there. @source checksum_helper.h: pg_checksum_type */
export type ChecksumType = "NONE" | "CRC32C" | "SHA224" | "SHA256" | "SHA384" | "SHA512";

/** Which changes are sent, by where they come from. @source pgoutput.c: parse_output_parameters */
export type OriginOption = "any" | "none";

const conflicting = () => ({ sqlstate: errcode.SYNTAX_ERROR, message: "conflicting or redundant options" });

const twoPhase = "decode prepared transactions when they are prepared";
const failover = "synchronize the slot to standbys";

export const createSlotOptions = {
  title: "CREATE_REPLICATION_SLOT",
  source: "walsender.c: parseCreateReplSlotOptions",
  parenthesesSince: "genericOptions",
  unrecognized: (name) => ({ sqlstate: errcode.INTERNAL_ERROR, message: `unrecognized option: ${name}` }),
  repeated: conflicting,
  rows: {
    /** What becomes of the snapshot of a new logical slot; undefined for a physical slot. */
    snapshot: option<SnapshotAction | undefined>(
      "snapshot",
      word<SnapshotAction>({
        words: ["export", "nothing", "use"],
        ignoreCase: false,
        complaint: (value) => ({
          sqlstate: errcode.INVALID_PARAMETER_VALUE,
          message: `unrecognized value for CREATE_REPLICATION_SLOT option "snapshot": "${value}"`,
        }),
        takes: "export, nothing or use, in lower case",
      }),
      {
        default: "export",
        slot: "LOGICAL",
        words: [
          { word: "EXPORT_SNAPSHOT", means: "export", option: "export_snapshot", since: "createSlotOptions" },
          {
            word: "NOEXPORT_SNAPSHOT",
            means: "nothing",
            option: "export_snapshot",
            ival: 0,
            since: "createSlotOptions",
          },
          { word: "USE_SNAPSHOT", means: "use", option: "use_snapshot", since: "createSlotOptions" },
        ],
        doc: (value) =>
          value === "export"
            ? "export a snapshot of the data where the stream begins, for other sessions"
            : value === "use"
              ? "give this transaction a snapshot of the data where the stream begins"
              : "no snapshot of the data where the stream begins",
      },
    ),
    /** Does a physical slot keep WAL from now on, rather than from its first use? False for a logical slot, which always does. */
    reserveWal: option("reserve_wal", boolean, {
      default: false,
      slot: "PHYSICAL",
      words: [{ word: "RESERVE_WAL", means: true, option: "reserve_wal", since: "reserveWal" }],
      doc: "reserve WAL immediately instead of at first use",
    }),
    /** Does a logical slot decode prepared transactions when they are prepared? */
    twoPhase: option("two_phase", boolean, {
      default: false,
      slot: "LOGICAL",
      words: [{ word: "TWO_PHASE", means: true, since: "genericOptions" }],
      doc: twoPhase,
    }),
    /** Is a logical slot synchronized to standbys? */
    failover: option("failover", boolean, {
      default: false,
      since: "failoverSlots",
      slot: "LOGICAL",
      doc: failover,
    }),
  },
} as const satisfies OptionTable;

export const alterSlotOptions = {
  title: "ALTER_REPLICATION_SLOT",
  source: "walsender.c: AlterReplicationSlot, before 18 ParseAlterReplSlotOptions",
  since: "alterReplicationSlot",
  unrecognized: createSlotOptions.unrecognized,
  repeated: conflicting,
  rows: {
    /** Is the slot synchronized to standbys? Undefined: no change. */
    failover: option<boolean | undefined>("failover", boolean, { default: undefined, doc: failover }),
    /** Are prepared transactions decoded when they are prepared? Undefined: no change. */
    twoPhase: option<boolean | undefined>("two_phase", boolean, {
      default: undefined,
      since: "alterTwoPhase",
      doc: twoPhase,
    }),
  },
} as const satisfies OptionTable;

/** @source basebackup.h: MAX_RATE_LOWER, MAX_RATE_UPPER */
const [maxRateLower, maxRateUpper] = [32, 1048576];

export const baseBackupOptions = {
  title: "BASE_BACKUP",
  source: "basebackup.c: parse_basebackup_options",
  parenthesesSince: "genericOptions",
  unrecognized: (name) => ({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized base backup option: "${name}"`,
  }),
  unrecognizedWord: (name) => ({ sqlstate: errcode.INTERNAL_ERROR, message: `option "${name}" not recognized` }),
  repeated: (name) => ({ sqlstate: errcode.SYNTAX_ERROR, message: `duplicate option "${name}"` }),
  rows: {
    /** The label of the backup in backup_label. */
    label: option("label", text, {
      default: "base backup",
      words: [{ word: "LABEL", option: "label" }],
      doc: "label in backup_label",
    }),
    /** Is the size of each tablespace estimated first, and progress reported? */
    progress: option("progress", boolean, {
      default: false,
      words: [{ word: "PROGRESS", means: true, option: "progress" }],
      doc: "estimate the size of each tablespace first",
    }),
    /** How fast the checkpoint at the start is done. */
    checkpoint: option<"fast" | "spread">(
      "checkpoint",
      word({
        words: ["fast", "spread"],
        ignoreCase: true,
        complaint: (value) => ({
          sqlstate: errcode.SYNTAX_ERROR,
          message: `unrecognized checkpoint type: "${value}"`,
        }),
        takes: "fast or spread",
      }),
      {
        default: "spread",
        valueFirst: true,
        words: [{ word: "FAST", means: "fast", option: "fast" }],
        doc: (value) => (value === "fast" ? "start with an immediate checkpoint" : "start with a spread checkpoint"),
      },
    ),
    /** Does the server wait at the end until the required WAL is archived? */
    wait: option("wait", boolean, {
      default: true,
      words: [{ word: "NOWAIT", means: false, option: "nowait" }],
      doc: "wait at the end until the required WAL is archived",
    }),
    /** Are the WAL files that the backup requires in it? */
    wal: option("wal", boolean, {
      default: false,
      words: [{ word: "WAL", means: true, option: "wal" }],
      doc: "include the required WAL",
    }),
    /** Only what changed since the manifest that was uploaded? Since 17. */
    incremental: option("incremental", boolean, {
      default: false,
      since: "incrementalBackup",
      doc: "send only what changed since the uploaded manifest",
    }),
    /** The highest rate of transfer in kB a second; 0 for no limit. */
    maxRate: option(
      "max_rate",
      integer(
        maxRateLower,
        maxRateUpper,
        `kilobytes a second, from ${maxRateLower} to ${maxRateUpper}`,
        (rate) => `${rate} is outside the valid range for parameter "MAX_RATE" (${maxRateLower} .. ${maxRateUpper})`,
      ),
      {
        default: 0,
        words: [{ word: "MAX_RATE", option: "max_rate" }],
        doc: (rate) => (rate === 0 ? "no limit of the transfer rate" : "highest transfer rate, kB a second"),
      },
    ),
    /** Is there a tablespace_map in the backup? Since 9.5. */
    tablespaceMap: option("tablespace_map", boolean, {
      default: false,
      words: [{ word: "TABLESPACE_MAP", means: true, option: "tablespace_map", since: "baseBackupTablespaceMap" }],
      doc: "include a tablespace_map, to restore tablespaces elsewhere",
    }),
    /** Are checksums of pages verified? Before 11 they are not. */
    verifyChecksums: option("verify_checksums", boolean, {
      default: true,
      without: false,
      words: [
        {
          word: "NOVERIFY_CHECKSUMS",
          means: false,
          option: "noverify_checksums",
          since: "baseBackupNoVerifyChecksums",
        },
      ],
      doc: "verify the checksums of pages",
    }),
    /** Is there a manifest? Since 13. */
    manifest: option<ManifestOption>(
      "manifest",
      word({
        words: ["yes", "no", "force-encode"],
        ignoreCase: true,
        also: orBoolean,
        complaint: (value) => ({
          sqlstate: errcode.SYNTAX_ERROR,
          message: `unrecognized manifest option: "${value}"`,
        }),
        takes: "yes, no or force-encode",
      }),
      {
        default: "no",
        valueFirst: true,
        words: [{ word: "MANIFEST", option: "manifest", since: "baseBackupManifest" }],
        doc: "add a backup_manifest, the list of the files",
      },
    ),
    /** The checksums of the files in the manifest; NONE without one. */
    manifestChecksums: option<ChecksumType>(
      "manifest_checksums",
      word({
        words: ["NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512"],
        ignoreCase: true,
        complaint: (value) => ({
          sqlstate: errcode.SYNTAX_ERROR,
          message: `unrecognized checksum algorithm: "${value}"`,
        }),
        takes: "one of NONE, CRC32C, SHA224, SHA256, SHA384, SHA512",
      }),
      {
        default: "CRC32C",
        valueFirst: true,
        words: [{ word: "MANIFEST_CHECKSUMS", option: "manifest_checksums", since: "baseBackupManifest" }],
        doc: "checksums of the files in the manifest",
      },
    ),
    /** Where the backup goes: "client", "server" for a directory there, "blackhole" for nowhere, or a target of an extension. */
    target: option(
      "target",
      { ...text, words: ["client", "server", "blackhole"] },
      {
        default: "client",
        doc: "where the backup goes",
      },
    ),
    /** The directory, for the target "server"; undefined for others. */
    targetDetail: option<string | undefined>("target_detail", optionalString, {
      default: undefined,
      valueFirst: true,
      of: "target",
      doc: "directory of the server, for the target server",
    }),
    /** How the server compresses the archives. Before 15 it cannot. */
    compression: option<CompressAlgorithm>(
      "compression",
      word({
        words: algorithmNames,
        ignoreCase: false,
        complaint: (value) => ({
          sqlstate: errcode.SYNTAX_ERROR,
          message: `unrecognized compression algorithm: "${value}"`,
        }),
        takes: listed(algorithmNames),
        advise: (value, { build }) => {
          const built = algorithmNames.filter((name) => isBuilt(name, build));
          const lower = built.find((name) => name === downcaseIdentifier(value));
          return lower === undefined ? `Write one of ${built.join(", ")}.` : `Write it in lower case: ${lower}.`;
        },
      }),
      { default: "none", valueFirst: true, doc: "compression by the server" },
    ),
    /** The level and more, as given. `compressionSpecification` is what it means. */
    compressionDetail: option<string | undefined>("compression_detail", compressionDetail, {
      default: undefined,
      of: "compression",
      doc: "level and more of the compression",
    }),
  },
} as const satisfies OptionTable;

export const pgoutputOptions = {
  title: "START_REPLICATION with pgoutput",
  source: "pgoutput.c: parse_output_parameters",
  since: "pgoutput",
  unrecognized: (name) => ({ sqlstate: errcode.INTERNAL_ERROR, message: `unrecognized pgoutput option: ${name}` }),
  repeated: conflicting,
  rows: {
    /** The version of the protocol. */
    protocol: option("proto_version", protocolVersion, {
      default: 0,
      // Since the server looks whether there is a version, it does so before it notices that it has one.
      valueFirst: "pgoutputValuesChecked",
      doc: "protocol of pgoutput",
    }),
    /** In the order given, repeated ones too; as names, so without quotes, in lower case unless they had some. Empty only since 17. */
    publicationNames: option("publication_names", names, { default: [], doc: "publications whose changes are sent" }),
    /** Are values sent in binary form, where their type has one? Since 14. */
    binary: option("binary", quotedBoolean, {
      default: false,
      since: "pgoutputBinary",
      doc: "send values in binary form where their type has one",
    }),
    /** Are logical decoding messages sent? Since 14. */
    messages: option("messages", quotedBoolean, {
      default: false,
      since: "logicalMessages",
      doc: "send the messages of pg_logical_emit_message",
    }),
    /** Are transactions sent while they are in progress, and may they be applied in parallel? Since 14; "parallel" since 16. */
    streaming: option<PgoutputStreaming>("streaming", streaming, {
      default: "off",
      since: "streamingOfTransactions",
      doc: "send large transactions before they commit",
    }),
    /** Are prepared transactions sent when they are prepared? Since 15. If not, they are for a slot that already does so. */
    twoPhase: option("two_phase", quotedBoolean, { default: false, since: "twoPhaseOption", doc: twoPhase }),
    /** Which changes are sent, by their origin: "none" for those of the server itself. Since 16. */
    origin: option<OriginOption>(
      "origin",
      word({
        words: ["any", "none"],
        ignoreCase: true,
        complaint: (value) => ({
          sqlstate: errcode.INVALID_PARAMETER_VALUE,
          message: `unrecognized origin value: "${value}"`,
        }),
        takes: "'any' or 'none'",
      }),
      {
        default: "any",
        since: "originOption",
        doc: (value) =>
          value === "none" ? "only changes without an origin" : "changes of any origin, replicated ones too",
      },
    ),
  },
} as const satisfies OptionTable;

/** All of them. */
export const optionTables = [
  createSlotOptions,
  alterSlotOptions,
  baseBackupOptions,
  pgoutputOptions,
] as const satisfies readonly OptionTable[];

/** The options that a command has; of START_REPLICATION those of pgoutput. */
export function optionTableOf({ type }: Extract<Command, { options: unknown }>): OptionTable {
  switch (type) {
    case "BaseBackupCmd":
      return baseBackupOptions;
    case "CreateReplicationSlotCmd":
      return createSlotOptions;
    case "AlterReplicationSlotCmd":
      return alterSlotOptions;
    case "StartReplicationCmd":
      return pgoutputOptions;
  }
}
