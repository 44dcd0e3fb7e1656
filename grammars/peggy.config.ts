/**
 * How Peggy makes the shipped parsers of the grammars in this folder: what is folded into each, where one may start, and
 * of which type the results are.
 */
import { keywordRules } from "./keyword-rules.ts";

export interface GrammarConfig {
  /** The file made: src/generated/NAME.js and .d.ts. */
  readonly name: string;
  /** Folded into one parser, from this folder. The first holds the default start rule. */
  readonly inputs: readonly string[];
  /** Rules that are folded in beside them. */
  readonly rules?: string;
  /** Start rules, with the type of what each returns. Peggy asserts the types; the laws of test/laws prove them. */
  readonly returnTypes: Readonly<Record<string, string>>;
}

export const grammars: readonly GrammarConfig[] = [
  {
    name: "replication",
    inputs: ["replication.peggy", "lexical.peggy"],
    rules: keywordRules,
    returnTypes: {
      exec_replication_command: 'import("../command/ast.js").Command',
      offending_token: 'import("../command/token.js").Token',
      tokens: 'readonly import("../command/token.js").Token[]',
      IDENT: "string",
    },
  },
  {
    name: "syncrep",
    inputs: ["syncrep.peggy", "lexical.peggy"],
    returnTypes: {
      result: 'import("../syncrep/ast.js").SyncRepConfig',
      standby_name: "string",
      identifier_item: "string",
    },
  },
];
