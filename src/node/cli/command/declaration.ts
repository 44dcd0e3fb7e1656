import { type CallOf, defineSubcommand, jsonOption, linesOption, serverOption } from "../shared/declare.ts";

export type CommandCall = CallOf<typeof command>;

export const command = defineSubcommand({
  name: "command",
  summary: "Check, print or explain a replication command",
  description: `\
Shows how a server answers a replication command before it executes it. No server is needed.`,
  verbs: {
    check: "accept or reject a command, with the server's message",
    print: "print a command in its normal form",
    explain: "explain each part of a command, and how each version answers it",
  },
  argument: {
    name: "TEXT",
    count: "optional",
    quoted: true,
    help: "the command; - or no TEXT reads standard input",
  },
  options: {
    server: { ...serverOption, default: "18" },
    for: { type: "server", value: "V", help: "print the command for this version", only: ["print"] },
    physical: { type: "boolean", help: "the connection is physical (replication=true), to no database" },
    plugin: {
      type: "string",
      value: "NAME",
      help: "the output plugin of the slot that START_REPLICATION names, if it is not pgoutput",
    },
    json: { ...jsonOption, conflicts: ["jsonl"] },
    jsonl: {
      ...linesOption,
      help: "read one JSON string per line from standard input, write one JSON object per line",
      conflicts: ["TEXT"],
    },
  },
});
