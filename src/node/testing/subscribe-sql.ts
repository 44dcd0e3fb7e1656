/** The SQL that walwire/subscribe asks, answered for a server on which every slot and publication exists. */
import type { Lsn } from "../../kernel/lsn.ts";
import { matchTemplate, templateOfExample, tokensOf } from "../../publisher/sql-tokens.ts";
import { catalogQuery } from "../../values/catalog.ts";
import type { SqlAnswer } from "../server/index.ts";
import { ALIVE, afterFirst, stateAnswer, stateQuery } from "../subscribe/questions.ts";

const state = templateOfExample(afterFirst(stateQuery("$text", ["$names"])));
/** Those that have no rows here. */
const empty = [ALIVE, catalogQuery()].map(templateOfExample);

/** @returns undefined for a statement that it does not ask */
export function answerSubscribe(sql: string, database: string, position: Lsn): SqlAnswer | undefined {
  const tokens = tokensOf(sql);
  if (tokens === undefined) return undefined;
  if (empty.some((template) => matchTemplate(template, tokens) !== undefined)) {
    return { type: "rows", columns: [], rows: [] };
  }
  const [slotname] = matchTemplate(state, tokens)?.texts ?? [];
  if (slotname === undefined) return undefined;
  const idle = { temporary: false, activePid: undefined, twoPhaseAt: undefined };
  const slot = { slotname, ...idle, restartLsn: position, confirmedFlush: position };
  return { type: "rows", columns: [{ name: "row_to_json" }], rows: [[stateAnswer(slot, database, [])]] };
}
