import { type CallOf, defineSubcommand, serverOption } from "../shared/declare.ts";

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
    dictionary: "write the words of the replication languages as a dictionary for AFL and libFuzzer",
  },
  argument: { name: "WHAT", count: "optional", help: "what to emit; without it, emit lists the kinds" },
  options: {
    server: { ...serverOption, default: "18", only: ["emit"] },
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
      default: "100",
      help: "how many inputs",
      only: ["emit"],
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
  },
});
