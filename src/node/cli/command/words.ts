/** Replication commands in words: what each does, and what its parts and options mean. */

import { type CommandCapability, commandCapabilities } from "../../../command/capabilities.ts";
import type { Command, CommandOptions, DefElem, SQLCmd, StartReplicationCmd } from "../../../command/index.ts";
import type { OptionRow, OptionTable } from "../../../command/options/option.ts";
import { optionTableOf } from "../../../command/options/tables.ts";
import { formatLsn } from "../../../kernel/lsn.ts";

type ReplicationCommand = Exclude<Command, SQLCmd>;

/** A part of a command: what it is called, its value, and what it means. */
export type Part = readonly [name: string, value: string, meaning: string];

/** What a command does, in a sentence. */
export function summarise(command: ReplicationCommand): string {
  switch (command.type) {
    case "IdentifySystemCmd":
      return "Ask which cluster this is, and how far its WAL is.";
    case "VariableShowStmt":
      return "Ask for the value of a configuration parameter.";
    case "TimeLineHistoryCmd":
      return "Fetch the history file of a timeline.";
    case "CreateReplicationSlotCmd":
      return `Make a ${command.kind.toLowerCase()} replication slot: the server keeps the WAL that its reader still needs.`;
    case "DropReplicationSlotCmd":
      return "Drop a replication slot.";
    case "AlterReplicationSlotCmd":
      return "Change a logical replication slot.";
    case "ReadReplicationSlotCmd":
      return "Ask what a physical replication slot keeps.";
    case "StartReplicationCmd":
      return command.kind === "LOGICAL" ? "Stream the changes of a database." : "Stream WAL.";
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
          ? ["temporary", "true", "the slot is dropped when the connection ends, or on an error"]
          : ["temporary", "false", "the slot stays until it is dropped"],
        command.kind === "LOGICAL"
          ? ["kind", command.kind, "it gives changes"]
          : ["kind", command.kind, "it gives WAL as it is"],
        ...(command.plugin === undefined
          ? []
          : [["plugin", command.plugin, "the output plugin, which writes the changes"] as const]),
      ];
    case "DropReplicationSlotCmd":
      return [
        ["slotname", command.slotname, "the slot"],
        ["wait", String(command.wait), "wait while the slot is in use, or fail"],
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
      ? ["slotname", "", "none: the server may remove WAL that is still needed"]
      : ["slotname", slotname, "the slot, which keeps what is not confirmed"],
    ["kind", kind, logical ? "changes, as the slot's output plugin writes them" : "WAL as it is"],
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
  if (!("options" in command)) return [];
  const given = command.options;
  if (checked === undefined) {
    return given.map((option) => ({ name: option.defname, value: written(option), isDefault: false, meaning: "" }));
  }
  const kind = "kind" in command ? command.kind : undefined;
  const table: OptionTable = optionTableOf(command);
  const all = Object.entries<OptionRow>(table.rows);
  const values = checked as unknown as Readonly<Record<string, unknown>>;
  return all
    .filter(([, row]) => row.of === undefined && hasOption(table, row, server) && (row.slot ?? kind) === kind)
    .map(([field, row]) => {
      const { name, words = [], kind, doc } = row;
      const parts = all.filter(([, { of }]) => of === name);
      const names = [name, ...words.map(({ option }) => option), ...parts.map(([, { name }]) => name)];
      const shown = [kind.show(values[field]), ...parts.map(([field, { kind }]) => kind.show(values[field]))];
      return {
        name,
        value: shown.filter((text) => text !== "").join(" "),
        isDefault: !given.some(({ defname }) => names.includes(defname)),
        meaning: typeof doc === "string" ? doc : doc(values[field]),
      };
    });
}

/** Does this server have the option, in parentheses or as a word? */
function hasOption({ parenthesesSince }: OptionTable, { since, words = [] }: OptionRow, server: number): boolean {
  const supports = (name: CommandCapability | undefined) =>
    name === undefined || commandCapabilities.supports(server, name);
  if (supports(parenthesesSince)) return supports(since);
  return words.some((word) => word.option !== undefined && supports(word.since));
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
