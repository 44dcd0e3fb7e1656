/** Replication commands in words: what each does, and what its parts and options mean. */
import type { Command, DefElem } from "../../command/index.ts";
import { formatLsn } from "../../lsn.ts";

/** A part of a command as a row of a table. */
export interface Part {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

export interface Description {
  /** What the command does, in a sentence. */
  readonly summary: string;
  /** Its parts but for the options, in the order of the text. */
  readonly parts: readonly Part[];
  /** What its options mean, by name. */
  readonly options: Readonly<Record<string, string>>;
}

/** A command in words; positions are written as this server does. */
export function describeCommand(command: Command, server: number): Description {
  switch (command.type) {
    case "IdentifySystemCmd":
      return { summary: "Ask which cluster this is, and how far its log is.", parts: [], options: {} };
    case "VariableShowStmt":
      return {
        summary: "Ask for the value of a configuration parameter.",
        parts: [
          { name: "name", value: command.name, meaning: "the parameter, in any case of letters; all for every one" },
        ],
        options: {},
      };
    case "TimeLineHistoryCmd":
      return {
        summary: "Fetch the history file of a timeline.",
        parts: [{ name: "timeline", value: String(command.timeline), meaning: "the timeline" }],
        options: {},
      };
    case "CreateReplicationSlotCmd": {
      const logical = command.kind === "LOGICAL";
      const parts = [
        { name: "slotname", value: command.slotname, meaning: "the slot's name: small letters, digits and _" },
        command.temporary
          ? { name: "temporary", value: "yes", meaning: "the slot goes when the connection ends, or on an error" }
          : { name: "temporary", value: "no", meaning: "the slot stays until it is dropped" },
        logical
          ? { name: "kind", value: command.kind, meaning: "its log is decoded into changes" }
          : { name: "kind", value: command.kind, meaning: "its log is streamed as it is" },
      ];
      if (command.plugin !== undefined)
        parts.push({ name: "plugin", value: command.plugin, meaning: "the output plugin, which writes the changes" });
      return {
        summary: `Make a ${logical ? "logical" : "physical"} replication slot: the server keeps what its reader still needs.`,
        parts,
        options: createSlotOptions,
      };
    }
    case "DropReplicationSlotCmd":
      return {
        summary: "Drop a replication slot.",
        parts: [
          { name: "slotname", value: command.slotname, meaning: "the slot" },
          command.wait
            ? { name: "wait", value: "yes", meaning: "wait while somebody uses the slot" }
            : { name: "wait", value: "no", meaning: "fail while somebody uses the slot" },
        ],
        options: {},
      };
    case "AlterReplicationSlotCmd":
      return {
        summary: "Change a logical replication slot.",
        parts: [{ name: "slotname", value: command.slotname, meaning: "the slot" }],
        options: alterSlotOptions,
      };
    case "ReadReplicationSlotCmd":
      return {
        summary: "Ask what a physical replication slot holds back.",
        parts: [{ name: "slotname", value: command.slotname, meaning: "the slot" }],
        options: {},
      };
    case "StartReplicationCmd":
      return startReplication(command, server);
    case "BaseBackupCmd":
      return { summary: "Stream a copy of the whole cluster.", parts: [], options: baseBackupOptions };
    case "UploadManifestCmd":
      return {
        summary: "Send the manifest of an earlier backup, for an incremental BASE_BACKUP that follows.",
        parts: [],
        options: {},
      };
    case "SQLCmd":
      return {
        summary: "No replication command: the server hands the text to SQL as it stands.",
        parts: [],
        options: {},
      };
    default:
      return command satisfies never;
  }
}

function startReplication(
  { kind, slotname, startpoint, timeline }: Extract<Command, { type: "StartReplicationCmd" }>,
  server: number,
): Description {
  const logical = kind === "LOGICAL";
  const parts = [
    slotname === undefined
      ? { name: "slotname", value: "", meaning: "no slot: the server may remove log that is still needed" }
      : { name: "slotname", value: slotname, meaning: "the slot, which keeps what has not been confirmed" },
    {
      name: "kind",
      value: kind,
      meaning: logical ? "changes, as the slot's output plugin writes them" : "the log itself",
    },
    {
      name: "startpoint",
      value: formatLsn(startpoint, server),
      meaning: logical
        ? "from here on, or from what the slot has been told is confirmed, whichever is later"
        : "from this position on",
    },
  ];
  if (!logical) {
    parts.push(
      timeline === 0
        ? { name: "timeline", value: "0", meaning: "the server's own, as none is given" }
        : { name: "timeline", value: String(timeline), meaning: "the timeline" },
    );
  }
  return {
    summary: logical ? "Stream the changes of a database." : "Stream the write-ahead log.",
    parts,
    options: pgoutputOptions,
  };
}

/** The value of an option as it was written; nothing where there is none. */
export function optionValue({ arg }: DefElem): string {
  switch (arg?.type) {
    case "String":
      return `'${arg.sval.replaceAll("'", "''")}'`;
    case "Integer":
      return String(arg.ival);
    case "Boolean":
      return String(arg.boolval);
    default:
      return "";
  }
}

const createSlotOptions = {
  snapshot:
    "the snapshot that the stream continues from: export it to other sessions, use it in this transaction, or nothing",
  export_snapshot: "export the snapshot that the stream continues from to other sessions",
  use_snapshot: "use the snapshot that the stream continues from in this transaction",
  reserve_wal: "keep log from now on, not from the first connection on",
  two_phase: "decode prepared transactions when they are prepared",
  failover: "keep the slot on standbys too, for a failover",
};

const alterSlotOptions = {
  failover: createSlotOptions.failover,
  two_phase: createSlotOptions.two_phase,
};

const baseBackupOptions = {
  label: "the backup's name, in backup_label",
  progress: "tell how large each tablespace is, about",
  checkpoint: "begin with a checkpoint at full speed (fast), or without haste (spread)",
  fast: "begin with a checkpoint at full speed",
  wait: "wait until the last log that the backup needs is archived",
  nowait: "do not wait until the last log that the backup needs is archived",
  wal: "put the log that the backup needs into it",
  incremental: "only what changed since the backup whose manifest was uploaded",
  max_rate: "kB of 1024 bytes a second at most; 0 is no limit",
  tablespace_map: "put a file tablespace_map into the backup, for tablespaces that are restored elsewhere",
  verify_checksums: "verify the checksums of data pages",
  noverify_checksums: "do not verify the checksums of data pages",
  manifest: "list all files in a backup_manifest; force-encode writes their names in hexadecimal digits",
  manifest_checksums: "the checksums in the manifest: none, crc32c, sha224, sha256, sha384 or sha512",
  target: "where the backup goes: client, server, blackhole, or what an extension adds",
  target_detail: "for the target server, the directory",
  compression: "how the server compresses: none, gzip, lz4 or zstd",
  compression_detail: "the compression's level, or keyword=value pairs",
};

/** Those of pgoutput, the plugin of PostgreSQL's own logical replication. */
const pgoutputOptions = {
  proto_version: "the version of pgoutput's protocol",
  publication_names: "the publications, as a list of SQL identifiers",
  binary: "send values in their binary form",
  messages: "send what pg_logical_emit_message wrote",
  streaming: "send large transactions before they commit",
  two_phase: createSlotOptions.two_phase,
  origin: "any, or none: only what was not replicated from elsewhere",
};
