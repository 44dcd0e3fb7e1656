/** `walwire fuzz dictionary`: the words of the replication languages, as AFL and libFuzzer read them: name="value". */
import { BaseBackupMessage } from "../../../basebackup/messages.ts";
import { keywords } from "../../../command/keywords.ts";
import type { OptionTable } from "../../../command/options/option.ts";
import { optionTables } from "../../../command/options/tables.ts";
import { PgoutputMessage } from "../../../logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../../physical/messages.ts";
import { backendTypes, frontendTypes } from "../../../session/messages.ts";
import type { Family } from "../../../wire/shape.ts";
import { type Status, status } from "../shared/status.ts";

export function dictionary(): Status {
  const sections: Readonly<Record<string, readonly string[]>> = {
    "keywords of replication commands": [...keywords.keys()],
    "names of options": optionTables.flatMap(({ rows }: OptionTable) => Object.values(rows).map(({ name }) => name)),
    "values of options": optionTables.flatMap(({ rows }: OptionTable) =>
      Object.values(rows).flatMap(({ kind }) => kind.words ?? []),
    ),
    synchronous_standby_names: ["FIRST", "ANY", "*", "2 (", "ANY 2 ("],
    "positions and numbers": ["0/0", "0/16B3748", "FFFFFFFF/FFFFFFFF", "4294967295", "18446744073709551616"],
    "startup parameters": ["replication\0database\0", "replication\0true\0", "_pq_.", "options\0-c "],
    "versions of the protocol": [
      "\0\x03\0\0",
      "\0\x03\0\x02",
      "\x04\xd2\x16\x2f",
      "\x04\xd2\x16\x30",
      "\x04\xd2\x16\x2e",
    ],
    lengths: ["\0\0\0\x04", "\0\0\0\0", "\xff\xff\xff\xff", "\x7f\xff\xff\xff", "\xff\xff", "\x7f\xff"],
    "types of messages": typesOf(backendTypes.keys(), frontendTypes.keys()),
    "types inside CopyData": [WalSenderMessage, WalReceiverMessage, PgoutputMessage, BaseBackupMessage].flatMap(tagsOf),
  };
  const lines = Object.entries(sections).flatMap(([title, values]) => [
    `# ${title}`,
    ...[...new Set(values)].map((value) => `"${[...value].map(escaped).join("")}"`),
  ]);
  process.stdout.write(`${lines.join("\n")}\n`);
  return status.good;
}

function typesOf(...sets: readonly Iterable<number>[]): string[] {
  return sets.flatMap((set) => [...set].map((tag) => String.fromCharCode(tag)));
}

function tagsOf({ messages }: Family): string[] {
  return messages.map(({ tag }) => tag);
}

/** Printable characters of ASCII are themselves; all else is \xNN. */
function escaped(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  const code = character.charCodeAt(0);
  return code >= 0x20 && code < 0x7f ? character : `\\x${code.toString(16).padStart(2, "0")}`;
}
