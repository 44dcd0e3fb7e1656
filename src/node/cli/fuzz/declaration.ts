import { type CallOf, defineSubcommand, linesOption, serverOption } from "../shared/declare.ts";

export type FuzzCall = CallOf<typeof fuzz>;

export const fuzz = defineSubcommand({
  name: "fuzz",
  summary: "Test replication software with correct, almost correct and hostile input",
  description: `\
Makes inputs from a seed: the same seed gives the same inputs. It needs the package fast-check, beside walwire:
npm install fast-check.
For example: walwire fuzz emit command --seed 1 --count 3. docs/fuzzing.md is the guide.`,
  verbs: {
    emit: "write inputs of a KIND, with the verdict of each version where it is known",
    attack: "have sessions with the server at a URL, and compare what it says with what PostgreSQL says",
    impersonate: "be a walsender that keeps the rules and breaks them in turn, and judge what clients do",
    minimize: "make a FILE small that lets a command fail, as long as it fails in the same way",
    dictionary: "write the words of the replication languages as a dictionary for AFL and libFuzzer",
  },
  argument: {
    name: "WHAT",
    count: "optional",
    help: "emit: the kind, without which the kinds are listed; attack: the URL; minimize: the file",
  },
  options: {
    server: { ...serverOption, default: "18", only: ["emit", "impersonate"] },
    seed: {
      type: "integer",
      value: "N",
      min: 0,
      max: 4294967295,
      help: "the seed; without it, a random one that is printed",
    },
    count: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1000000000,
      help: "how many inputs (100), sessions (attack: as many as fit; impersonate: 100), or runs of the command (10000)",
      only: ["emit", "attack", "impersonate", "minimize"],
    },
    damage: {
      type: "choice",
      choices: ["none", "bytes", "structure"],
      default: "none",
      help: "damage them: bytes anywhere, or lengths, counts, types, order and cuts of messages",
      only: ["emit"],
    },
    corpus: {
      type: "string",
      value: "DIRECTORY",
      help: "write each input as a file there, for AFL and libFuzzer",
      conflicts: ["raw"],
      only: ["emit"],
    },
    raw: {
      type: "boolean",
      help: "write the inputs as messages of protocol 3, without anything between",
      only: ["emit"],
    },
    time: {
      type: "integer",
      value: "SECONDS",
      min: 1,
      max: 86400,
      default: "60",
      help: "the longest time",
      only: ["attack"],
    },
    findings: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1000,
      default: "20",
      help: "end after so many findings",
      only: ["attack"],
    },
    timeout: {
      type: "integer",
      value: "MILLISECONDS",
      min: 10,
      max: 600000,
      default: "10000",
      help: "how long a peer may be silent, or a command may run",
      only: ["attack", "impersonate", "minimize"],
    },
    replay: {
      type: "string",
      value: "FILE|SEED:PATH",
      help: "have only the session of a finding",
      conflicts: ["seed", "count", "time", "findings", "save"],
      only: ["attack"],
    },
    save: {
      type: "string",
      value: "DIRECTORY",
      help: "write each finding as a file there, for --replay",
      only: ["attack"],
    },
    coverage: { type: "boolean", help: "print what was tried", only: ["attack"] },
    listen: {
      type: "string",
      value: "ADDRESS",
      default: "127.0.0.1:0",
      help: "where to listen: 127.0.0.1:PORT; port 0 is any that is free",
      only: ["impersonate"],
    },
    script: {
      type: "string",
      value: "FILE|JSON",
      help: "play this in every session: a list of steps in JSON, as findings print it, or a file with it",
      conflicts: ["seed"],
      only: ["impersonate"],
    },
    plugin: {
      type: "string",
      value: "NAME",
      help: "the output plugin of the slots; without it, the one that the client made the slot with, or pgoutput",
      only: ["impersonate"],
    },
    subscription: {
      type: "boolean",
      help: "send only changes of public.walwire_fuzz (id bigint, note text), which a subscription can apply",
      only: ["impersonate"],
    },
    unread: {
      type: "boolean",
      help: "the client does not read messages of pgoutput, as pg_recvlogical: nothing in them is wrong",
      only: ["impersonate"],
    },
    sent: {
      type: "string",
      value: "FILE",
      help: "write the messages of pgoutput that were sent there, as lines of JSON",
      only: ["impersonate"],
    },
    cmd: {
      type: "string",
      value: "COMMAND",
      help: "the command, for a shell: {} is the name of the file; without {} it gets the file on standard input",
      only: ["minimize"],
    },
    output: {
      type: "string",
      short: "o",
      value: "FILE",
      help: "where to write the small file; without it, FILE.min",
      only: ["minimize"],
    },
    jsonl: { ...linesOption, only: ["attack", "impersonate"] },
    "i-own-this-host": { type: "boolean", help: "attack a server on another machine", only: ["attack"] },
  },
});
