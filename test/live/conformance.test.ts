/** The rows of conformance/, of which a live server is asked some again: it says the same today. */
import { describe, expect, test } from "vitest";
import { checkRows } from "../../scripts/conformance/check.ts";
import { kinds } from "../../scripts/conformance/kinds.ts";
import { seed, times } from "../seed.ts";
import { liveMajors } from "../servers/live.ts";

/** What PostgreSQL's programs say, test/programs asks. */
const byServers = kinds.filter(({ byProgram }) => byProgram !== true);

/** One of so many rows. */
const step = Math.max(1, Math.round(8 / Math.max(1, times)));

describe("the conformance set", () => {
  test("servers say what its rows say that they said", { timeout: 120_000 * Math.max(1, times) }, async () => {
    // All of them take minutes: npm run conformance -- --check.
    const major = liveMajors[seed % liveMajors.length]!;
    const { asked, differences } = await checkRows(byServers, major, { step, seed });
    expect(differences, `PostgreSQL ${major}, seed ${seed}`).toEqual([]);
    expect([...asked.values()].filter((rows) => rows > 0).length).toBeGreaterThan(4);
  });
});
