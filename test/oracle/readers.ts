/** The three readers of a text side by side: the package's, the second one, and a live server. */
import { isDeepStrictEqual } from "node:util";
import { type Command, type Notice as OurNotice, parseCommand } from "../../src/command/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import type { Server } from "../servers/index.ts";
import { commandVerdicts, isAskedOnDatabase, type Notice, type Verdict } from "./commands.ts";
import { type Reading, readCommand } from "./lalr.ts";

/** What the package makes of a text, in the form of the second reader. */
export function parsedCommand(text: string, server: number): Reading {
  const notices: Notice[] = [];
  const onNotice = ({ sqlstate, message }: OurNotice): void => {
    notices.push({ sqlstate, message });
  };
  let command: Command;
  try {
    command = parseCommand(text, { server, onNotice });
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return { outcome: "error", sqlstate: error.sqlstate, message: error.message, notices };
  }
  return { outcome: command.type === "SQLCmd" ? "sql" : "command", notices, command };
}

/** A text that not all readers agree on. */
export interface Disagreement {
  readonly text: string;
  readonly package: Reading;
  readonly second: Reading;
  readonly server: Verdict | undefined;
}

/** What the readers said of one text. */
export interface Comparison {
  readonly verdict: Verdict;
  readonly disagreement: Disagreement | undefined;
}

/**
 * Has all three read each text: the outcome, SQLSTATE and message of an error, and notices must be the same, and of the package's
 * parser and the second reader the trees.
 */
export async function compareReaders(server: Server, texts: readonly string[]): Promise<Comparison[]> {
  const verdicts = await commandVerdicts(server, texts);
  return texts.map((text, i) => {
    const verdict = verdicts[i]!;
    const [ours, second] = [parsedCommand(text, server.versionNum), readCommand(text, server.versionNum)];
    const agreed = isDeepStrictEqual(ours, second) && saysTheSame(text, second, verdict, server);
    return {
      verdict,
      disagreement: agreed ? undefined : { text, package: ours, second, server: verdict },
    };
  });
}

function saysTheSame(text: string, second: Reading, verdict: Verdict, server: Server): boolean {
  if (second.outcome !== verdict.outcome) return false;
  if (second.outcome === "error" && verdict.outcome === "error") {
    if (second.sqlstate !== verdict.sqlstate || second.message !== verdict.message) return false;
  }
  if (verdict.notices === undefined) return true;
  // Asked without a database, the server had no encoding to cut identifiers by.
  const sameEncoding = second.notices.length === 0 || isAskedOnDatabase(server, text);
  const expected = sameEncoding ? second : readCommand(text, server.versionNum, false);
  return isDeepStrictEqual(expected.notices, verdict.notices);
}
