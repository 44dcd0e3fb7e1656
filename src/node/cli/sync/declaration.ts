import { type CallOf, defineSubcommand, jsonOption, linesOption, serverOption } from "../shared/declare.ts";

export type SyncCall = CallOf<typeof sync>;

export const sync = defineSubcommand({
  name: "sync",
  summary: "Check, fix or explain a value of synchronous_standby_names",
  description: `\
Shows how a server reads a value of synchronous_standby_names, what it does, and what is probably a
mistake in it. No server is needed.`,
  verbs: {
    check: "accept or reject a value, with the server's message, and list likely mistakes",
    fix: "print the corrected value",
    explain: "explain which standbys commits wait for, and which failures block commits",
  },
  argument: {
    name: "VALUE",
    count: "optional",
    quoted: true,
    help: "the value; - or no VALUE reads standard input, unless --conf or --from has it",
  },
  options: {
    conf: {
      type: "string",
      value: "FILE",
      help: "take the value from this postgresql.conf, or the one in this directory, with its includes and postgresql.auto.conf",
      conflicts: ["VALUE", "jsonl"],
    },
    from: {
      type: "string",
      value: "URL",
      help: "take the version, the standbys and, without VALUE and --conf, the value from a running primary; changes nothing there",
      conflicts: ["standbys"],
    },
    standbys: {
      type: "string",
      value: "FILE",
      help: "the standbys: rows of pg_stat_replication as JSON; - reads standard input",
      only: ["explain"],
    },
    server: {
      ...serverOption,
      help: `${serverOption.help} (default: that of the cluster of --conf or --from, else 18)`,
    },
    also: { ...serverOption, help: "another version that must accept the value", many: true },
    ignore: {
      type: "string",
      value: "CODE",
      help: "leave out findings with this code, as a comment `# walwire: ignore CODE` at the entry in the file does",
      many: true,
    },
    strict: { type: "boolean", help: "treat warnings as errors", only: ["check"] },
    unsafe: { type: "boolean", help: "also apply fixes that may change the meaning", only: ["fix"] },
    write: { type: "boolean", help: "change the file of --conf", only: ["fix"], requires: ["conf"] },
    format: {
      type: "choice",
      choices: ["text", "github"],
      default: "text",
      help: "github writes annotations for a pull request",
      only: ["check"],
      conflicts: ["json", "jsonl"],
    },
    json: { ...jsonOption, conflicts: ["jsonl"] },
    jsonl: {
      ...linesOption,
      help: "read one JSON string per line from standard input, write one JSON object per line",
      conflicts: ["VALUE"],
    },
  },
});
