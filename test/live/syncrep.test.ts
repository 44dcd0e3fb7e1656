/** Our parser of synchronous_standby_names and the check of a server of each version say the same, word for word. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText, syncRepConfig } from "../../src/arbitraries/syncrep.ts";
import { ParseError } from "../../src/errors.ts";
import { parseSynchronousStandbyNames, printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { type StandbyNamesVerdict, standbyNamesVerdicts } from "../oracle/standby-names.ts";
import { seed, times } from "../seed.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  /** What we say, in the oracle's form. */
  function verdict(text: string): StandbyNamesVerdict {
    try {
      parseSynchronousStandbyNames(text, { server: server.versionNum });
      return { ok: true };
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      const { sqlstate, message, detail } = error;
      return { ok: false, sqlstate, message, detail };
    }
  }

  test("says the same of any value: accepted, or error and detail", { timeout: 120_000 * times }, async () => {
    const options = { seed: seed + major, numRuns: 3000 * times };
    const values = [
      ...fc.sample(synchronousStandbyNamesText(), options),
      ...fc
        .sample(syncRepConfig(), { ...options, numRuns: 300 * times })
        .map((config) => printSynchronousStandbyNames(config)),
    ].filter((value) => !value.includes("\n")); // ALTER SYSTEM takes no newline
    const verdicts = await standbyNamesVerdicts(server, values);
    const disagreements = values.flatMap((value, i) => {
      const ours = verdict(value);
      return JSON.stringify(ours) === JSON.stringify(verdicts[i]) ? [] : [{ value, theirs: verdicts[i], ours }];
    });
    expect(disagreements, `seed ${seed}`).toEqual([]);
    for (const ok of [true, false]) {
      expect(verdicts.filter((each) => each.ok === ok).length).toBeGreaterThan(values.length / 10);
    }
  });
});
