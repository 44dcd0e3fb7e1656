/** The workload on every live server, in every kind of stream that it knows: the same bytes come back, and the same tables. */
import { describe, expect, test } from "vitest";
import { runsOf, runWorkload } from "../../scripts/workload/index.ts";
import { expectSameBytes, expectSameTables } from "../replay.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);

  test.each(runsOf(server))(
    "$name: every payload encodes back to the same bytes, and the tables rebuilt equal SELECT",
    async ({ options }) => {
      const { payloads, tables } = await runWorkload(server, options);
      expect(payloads.length).toBeGreaterThan(100);
      expectSameBytes(payloads, options);
      await expectSameTables(payloads, options, tables);
    },
  );
});
