/** Three readers of synchronous_standby_names, one of them a server of each version, say the same, word for word. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { syncRepConfig } from "../../src/arbitraries/syncrep.ts";
import { printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { compareStandbyNames } from "../oracle/standby-names-readers.ts";
import { standbyNamesTexts } from "../oracle/texts.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const { versionNum } = server;

  test("says the same of any value: accepted, or SQLSTATE, message and detail", {
    timeout: 120_000 * times,
  }, async () => {
    const values = [...standbyNamesTexts(versionNum, seed + major, 4000 * times)].flat();
    const compared = await compareStandbyNames(server, values);
    expect(
      compared.flatMap(({ disagreement }) => disagreement ?? []),
      `seed ${seed}`,
    ).toEqual([]);
    for (const ok of [true, false]) {
      expect(compared.filter(({ verdict }) => verdict.ok === ok).length).toBeGreaterThan(values.length / 10);
    }
    expect(compared.filter(({ text }) => text.includes("\n")).length).toBeGreaterThan(0);
  });

  test("accepts whatever is printed for it", { timeout: 60_000 * times }, async () => {
    const configs = fc.sample(syncRepConfig({ server: versionNum }), { seed: seed + major, numRuns: 500 * times });
    const printed = configs.map((config) => printSynchronousStandbyNames(config, { server: versionNum }));
    const values = printed.filter((text) => !text.includes("\n"));
    const compared = await compareStandbyNames(server, values);
    expect(
      compared.filter(({ verdict, disagreement }) => !verdict.ok || disagreement),
      `seed ${seed}`,
    ).toEqual([]);
  });
});
