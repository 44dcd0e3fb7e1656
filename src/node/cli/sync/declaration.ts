import { type CallOf, defineSubcommand, jsonOption, linesOption, serverOption } from "../shared/declare.ts";

export type SyncCall = CallOf<typeof sync>;

export const sync = defineSubcommand({
  name: "sync",
  summary: "Check, fix, explain, compare or plan values of synchronous_standby_names",
  description: `\
Shows how a server reads a value of synchronous_standby_names, what it does, and what is probably a
mistake in it. No server is needed.`,
  verbs: {
    check: "accept or reject a value, with the server's message, and list likely mistakes",
    fix: "print the corrected value",
    explain: "explain which standbys commits wait for, and which failures block commits",
    diff: "compare two values, and say whether a commit that returned could be missed after the change",
    plan: "print the steps to another set of nodes, between which no commit is lost",
  },
  argument: {
    name: "VALUE",
    count: "optional",
    quoted: true,
    pairs: { diff: ["OLD", "NEW"] },
    help: "the value; - or no VALUE reads standard input, unless --conf or --from has it",
  },
  options: {
    conf: {
      type: "string",
      value: "FILE",
      help: "take the value from this postgresql.conf, or the one in this directory, with its includes and postgresql.auto.conf",
      only: ["check", "fix", "explain"],
      conflicts: ["VALUE", "jsonl"],
    },
    from: {
      type: "string",
      value: "URL",
      help: "take the version, the standbys and, without VALUE and --conf, the value from a running primary; changes nothing there",
      only: ["check", "fix", "explain", "plan"],
      conflicts: ["standbys"],
    },
    standbys: {
      type: "string",
      value: "FILE",
      help: "the standbys: rows of pg_stat_replication as JSON; - reads standard input",
      only: ["explain", "plan"],
    },
    nodes: {
      type: "string",
      value: "NAMES",
      help: "the nodes that may be primary, the present one among them: names with commas between them",
      only: ["plan"],
    },
    primary: {
      type: "string",
      value: "NAME",
      help: "the primary among them (default: cluster_name of --from)",
      only: ["plan"],
    },
    copies: {
      type: "integer",
      value: "N",
      min: 0,
      max: 255,
      default: "1",
      help: "how many standbys must have a commit when it returns: so many nodes may be lost",
      only: ["plan"],
    },
    rule: {
      type: "string",
      value: "RULE",
      help: "who may take over now, such as '2 of a,b,c', or none (the default)",
      only: ["plan"],
    },
    method: {
      type: "choice",
      choices: ["any", "first"],
      default: "any",
      help: "write ANY or FIRST",
      only: ["plan"],
    },
    missing: {
      type: "choice",
      choices: ["wait", "lower"],
      default: "wait",
      help: "while fewer standbys stream: let commits wait, or require fewer copies",
      only: ["plan"],
    },
    "at-least": {
      type: "integer",
      value: "N",
      min: 0,
      max: 255,
      default: "0",
      help: "with --missing lower: require so many copies nevertheless",
      only: ["plan"],
    },
    wait: {
      type: "string",
      value: "FILE",
      help: "how far the wait was: the wait of an earlier answer of plan --json",
      only: ["plan"],
    },
    server: {
      ...serverOption,
      help: `${serverOption.help} (default: that of the cluster of --conf or --from, else 18)`,
    },
    also: {
      ...serverOption,
      help: "another version that must accept the value",
      many: true,
      only: ["check", "fix", "explain"],
    },
    ignore: {
      type: "string",
      value: "CODE",
      help: "leave out findings with this code, as a comment `# walwire: ignore CODE` at the entry in the file does",
      many: true,
      only: ["check", "fix", "explain"],
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
      only: ["check", "fix", "explain"],
      conflicts: ["VALUE"],
    },
  },
});
