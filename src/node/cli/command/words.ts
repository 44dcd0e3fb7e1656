/** Replication commands in words: what each does, and what its parts and options mean. */

import { type CommandCapability, commandCapabilities } from "../../../command/capabilities.ts";
import type {
  BaseBackupOptions,
  Command,
  CommandOptions,
  CompressSpecification,
  CreateReplicationSlotOptions,
  DefElem,
  PGOutputOptions,
  SQLCmd,
  StartReplicationCmd,
} from "../../../command/index.ts";
import { formatLsn } from "../../../kernel/lsn.ts";

type ReplicationCommand = Exclude<Command, SQLCmd>;

/** A part of a command: what it is called, its value, and what it means. */
export type Part = readonly [name: string, value: string, meaning: string];

/** What a command does, in a sentence. */
export function summarise(command: ReplicationCommand): string {
  switch (command.type) {
    case "IdentifySystemCmd":
      return "Ask which cluster this is, and how far its log is.";
    case "VariableShowStmt":
      return "Ask for the value of a configuration parameter.";
    case "TimeLineHistoryCmd":
      return "Fetch the history file of a timeline.";
    case "CreateReplicationSlotCmd":
      return `Make a ${command.kind.toLowerCase()} replication slot: the server keeps what its reader still needs.`;
    case "DropReplicationSlotCmd":
      return "Drop a replication slot.";
    case "AlterReplicationSlotCmd":
      return "Change a logical replication slot.";
    case "ReadReplicationSlotCmd":
      return "Ask what a physical replication slot keeps.";
    case "StartReplicationCmd":
      return command.kind === "LOGICAL" ? "Stream the changes of a database." : "Stream the write-ahead log.";
    case "BaseBackupCmd":
      return "Stream a copy of the whole cluster.";
    case "UploadManifestCmd":
      return "Send the manifest of an earlier backup, for an incremental BASE_BACKUP that follows.";
    default:
      return command satisfies never;
  }
}

/** The parts of a command but for its options, in the order of the text; positions as this server writes them. */
export function partsOf(command: ReplicationCommand, server: number): Part[] {
  switch (command.type) {
    case "VariableShowStmt":
      return [["name", command.name, "the parameter, whatever the case; all for all of them"]];
    case "TimeLineHistoryCmd":
      return [["timeline", String(command.timeline), "the timeline"]];
    case "CreateReplicationSlotCmd":
      return [
        ["slotname", command.slotname, "the name of the slot"],
        command.temporary
          ? ["temporary", "true", "the slot goes when the connection ends, or on an error"]
          : ["temporary", "false", "the slot stays until it is dropped"],
        command.kind === "LOGICAL"
          ? ["kind", command.kind, "it gives changes"]
          : ["kind", command.kind, "it gives the write-ahead log as it is"],
        ...(command.plugin === undefined
          ? []
          : [["plugin", command.plugin, "the output plugin, which writes the changes"] as const]),
      ];
    case "DropReplicationSlotCmd":
      return [
        ["slotname", command.slotname, "the slot"],
        ["wait", String(command.wait), "does it wait while somebody uses the slot? If not, it fails"],
      ];
    case "AlterReplicationSlotCmd":
    case "ReadReplicationSlotCmd":
      return [["slotname", command.slotname, "the slot"]];
    case "StartReplicationCmd":
      return startParts(command, server);
    default:
      return [];
  }
}

function startParts({ kind, slotname, startpoint, timeline }: StartReplicationCmd, server: number): Part[] {
  const logical = kind === "LOGICAL";
  const parts: Part[] = [
    slotname === undefined
      ? ["slotname", "", "none: the server may remove log that is still needed"]
      : ["slotname", slotname, "the slot, which keeps what is not confirmed"],
    ["kind", kind, logical ? "changes, as the slot's output plugin writes them" : "the write-ahead log as it is"],
    [
      "startpoint",
      formatLsn(startpoint, { server }),
      logical ? "from here on, or from where the slot is confirmed if that is later" : "from here on",
    ],
  ];
  if (!logical) {
    parts.push([
      "timeline",
      timeline === 0 ? "" : String(timeline),
      timeline === 0 ? "the server's latest" : "of this one",
    ]);
  }
  return parts;
}

/** An option as a row: also whether it is one that the command leaves to the server. */
export interface OptionPart {
  readonly name: string;
  readonly value: string;
  readonly isDefault: boolean;
  readonly meaning: string;
}

/**
 * The options of a command: all that the server has, with what it makes of them; where that is not known, those that are there
 * as they are written.
 */
export function optionsOf(
  command: ReplicationCommand,
  checked: CommandOptions | undefined,
  server: number,
): OptionPart[] {
  const given = "options" in command ? command.options : [];
  if (checked === undefined) {
    return given.map((option) => ({ name: option.defname, value: written(option), isDefault: false, meaning: "" }));
  }
  const table = optionTable(command, checked);
  return table
    .filter(({ since }) => since?.some((name) => commandCapabilities.supports(server, name)) ?? true)
    .map(({ name, words = [], value, meaning }) => {
      const isDefault = !given.some(({ defname }) => defname === name || words.includes(defname));
      return { name, value, isDefault, meaning };
    });
}

/** The value of an option as it was written; nothing where there is none. */
function written({ arg }: DefElem): string {
  switch (arg?.type) {
    case "String":
      return arg.sval;
    case "Integer":
      return String(arg.ival);
    case "Boolean":
      return String(arg.boolval);
    default:
      return "";
  }
}

interface Option {
  readonly name: string;
  /** What it is called in a tree from before options had names. */
  readonly words?: readonly string[];
  /** A server with one of these has the option; where nothing is said, every server. */
  readonly since?: readonly CommandCapability[];
  readonly value: string;
  readonly meaning: string;
}

function optionTable(command: ReplicationCommand, checked: CommandOptions): readonly Option[] {
  switch (checked.type) {
    case "CreateReplicationSlotOptions":
      return command.type === "CreateReplicationSlotCmd" && command.kind === "LOGICAL"
        ? logicalSlotOptions(checked)
        : [{ name: "reserve_wal", since: ["reserveWal"], value: String(checked.reserveWal), meaning: reserveWal }];
    case "AlterReplicationSlotOptions":
      return [
        { name: "failover", value: changed(checked.failover), meaning: failover },
        { name: "two_phase", since: ["alterTwoPhase"], value: changed(checked.twoPhase), meaning: twoPhase },
      ];
    case "BaseBackupOptions":
      return baseBackupOptions(checked);
    case "PGOutputOptions":
      return pgoutputOptions(checked);
    default:
      return checked satisfies never;
  }
}

const reserveWal = "is log kept from now on, not only from the first connection on?";
const failover = "is the slot kept on standbys too?";
const twoPhase = "do prepared transactions come when they are prepared?";

/** What ALTER leaves as it is has no value. */
function changed(value: boolean | undefined): string {
  return value === undefined ? "" : String(value);
}

const snapshotActions = { EXPORT_SNAPSHOT: "export", NOEXPORT_SNAPSHOT: "nothing", USE_SNAPSHOT: "use" } as const;

const snapshotMeanings = {
  EXPORT_SNAPSHOT: "other sessions can see the data as it is where the stream begins",
  NOEXPORT_SNAPSHOT: "nobody sees the data as it is where the stream begins",
  USE_SNAPSHOT: "this transaction sees the data as it is where the stream begins",
} as const;

function logicalSlotOptions(checked: CreateReplicationSlotOptions): Option[] {
  // A logical slot always has one.
  const action = checked.snapshotAction!;
  return [
    {
      name: "snapshot",
      words: ["export_snapshot", "use_snapshot"],
      value: snapshotActions[action],
      meaning: snapshotMeanings[action],
    },
    { name: "two_phase", since: ["genericOptions"], value: String(checked.twoPhase), meaning: twoPhase },
    { name: "failover", since: ["failoverSlots"], value: String(checked.failover), meaning: failover },
  ];
}

function baseBackupOptions(checked: BaseBackupOptions): Option[] {
  const { compressionSpecification: compression } = checked;
  return [
    { name: "label", value: checked.label, meaning: "what backup_label calls it" },
    { name: "progress", value: String(checked.progress), meaning: "is the size of each tablespace estimated first?" },
    {
      name: "checkpoint",
      words: ["fast"],
      value: checked.fastcheckpoint ? "fast" : "spread",
      meaning: `begin with a checkpoint ${checked.fastcheckpoint ? "as fast as can be" : "without haste"}`,
    },
    { name: "wal", value: String(checked.includewal), meaning: "is the log that it needs in it?" },
    {
      name: "wait",
      words: ["nowait"],
      value: String(!checked.nowait),
      meaning: "does it end only when the log that it needs is archived?",
    },
    {
      name: "incremental",
      since: ["incrementalBackup"],
      value: String(checked.incremental),
      meaning: "is it only what has changed since the manifest that was uploaded?",
    },
    {
      name: "max_rate",
      value: checked.maxrate === 0 ? "" : String(checked.maxrate),
      meaning: checked.maxrate === 0 ? "as fast as can be" : "kB a second at most",
    },
    {
      name: "tablespace_map",
      since: ["baseBackupTablespaceMap", "genericOptions"],
      value: String(checked.sendtblspcmapfile),
      meaning: "is there a tablespace_map in it, for tablespaces restored elsewhere?",
    },
    {
      name: "verify_checksums",
      words: ["noverify_checksums"],
      since: ["baseBackupNoVerifyChecksums", "genericOptions"],
      value: String(!checked.noverifyChecksums),
      meaning: "are the checksums of pages verified?",
    },
    {
      name: "manifest",
      since: ["baseBackupManifest", "genericOptions"],
      value: checked.manifest.toLowerCase().replace("_", "-"),
      meaning: "is there a backup_manifest with it, which lists its files?",
    },
    {
      name: "manifest_checksums",
      since: ["baseBackupManifest", "genericOptions"],
      value: checked.manifestChecksumType.toLowerCase(),
      meaning: "of the files in the manifest",
    },
    {
      name: "target",
      words: ["target_detail"],
      since: ["genericOptions"],
      value: [checked.target, ...(checked.targetDetail === undefined ? [] : [checked.targetDetail])].join(" "),
      meaning: "where it goes",
    },
    {
      name: "compression",
      words: ["compression_detail"],
      since: ["genericOptions"],
      value: compressionInWords(compression),
      meaning: "by the server",
    },
  ];
}

function compressionInWords({ algorithm, level, workers, longDistance }: CompressSpecification): string {
  const details = [
    // zlib has its own idea of a default, -1.
    ...(algorithm === "NONE" || level < 0 ? [] : [`level ${level}`]),
    ...(workers === undefined ? [] : [`${workers} workers`]),
    ...(longDistance ? ["long"] : []),
  ];
  return [algorithm.toLowerCase(), ...details].join(", ");
}

function pgoutputOptions(checked: PGOutputOptions): Option[] {
  return [
    { name: "proto_version", value: String(checked.protocolVersion), meaning: "the protocol of pgoutput" },
    { name: "publication_names", value: checked.publicationNames.join(", "), meaning: "which changes are sent" },
    {
      name: "binary",
      since: ["pgoutputBinary"],
      value: String(checked.binary),
      meaning: "do values come in binary form?",
    },
    {
      name: "messages",
      since: ["logicalMessages"],
      value: String(checked.messages),
      meaning: "does what pg_logical_emit_message writes come too?",
    },
    {
      name: "streaming",
      since: ["streamingOfTransactions"],
      value: checked.streaming.toLowerCase(),
      meaning: "do large transactions come before they commit?",
    },
    { name: "two_phase", since: ["twoPhaseOption"], value: String(checked.twoPhase), meaning: twoPhase },
    {
      name: "origin",
      since: ["originOption"],
      value: checked.publishNoOrigin ? "none" : "any",
      meaning: checked.publishNoOrigin
        ? "only what was not replicated from elsewhere"
        : "also what was replicated from elsewhere",
    },
  ];
}
