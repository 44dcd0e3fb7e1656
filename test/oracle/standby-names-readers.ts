/** The three readers of a value of synchronous_standby_names side by side: the package's, the second one, and a live server. */
import { isDeepStrictEqual } from "node:util";
import { ParseError } from "../../src/kernel/errors.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import type { Server } from "../servers/index.ts";
import { type StandbyNamesVerdict, standbyNamesVerdicts } from "./standby-names.ts";
import { readStandbyNames, type StandbyNamesReading } from "./standby-names-lalr.ts";

/** What the package makes of a value, in the form of the second reader. */
export function parsedStandbyNames(text: string, server: number): StandbyNamesReading {
  try {
    return { ok: true, config: parseSynchronousStandbyNames(text, { server }) };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { sqlstate, message, detail } = error;
    return { ok: false, sqlstate, message, detail };
  }
}

/** A value that not all readers agree on. */
export interface Disagreement {
  readonly text: string;
  readonly package: StandbyNamesReading;
  readonly second: StandbyNamesReading;
  readonly server: StandbyNamesVerdict;
}

/** What the readers said of one value. */
export interface Comparison {
  readonly text: string;
  readonly verdict: StandbyNamesVerdict;
  readonly disagreement: Disagreement | undefined;
}

/**
 * Has all three read each value: SQLSTATE, message and detail of an error must be the same, and of the package's parser and the second
 * reader the configurations.
 */
export async function compareStandbyNames(server: Server, texts: readonly string[]): Promise<Comparison[]> {
  const verdicts = await standbyNamesVerdicts(server, texts);
  return texts.map((text, i) => {
    const verdict = verdicts[i]!;
    const [ours, second] = [parsedStandbyNames(text, server.versionNum), readStandbyNames(text, server.versionNum)];
    const said = second.ok ? { ok: true } : second;
    const agreed = isDeepStrictEqual(ours, second) && isDeepStrictEqual(said, verdict);
    return { text, verdict, disagreement: agreed ? undefined : { text, package: ours, second, server: verdict } };
  });
}
