/** WAL summaries of real servers, against what their own pg_wal_summary_contents() says. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseWalSummaryName, WalSummaryReader, walSummaryBlocks } from "../../src/files/index.ts";
import { formatLsn } from "../../src/kernel/lsn.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

const forks = ["main", "fsm", "vm", "init"];

describe.for(liveMajors.filter((major) => major >= 17))("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let directory: string;
  let files: string[];

  beforeAll(async () => {
    server = await startServer({ major, settings: { summarize_wal: "on", checkpoint_timeout: "1h" } });
    directory = join(server.dataDirectory, "pg_wal/summaries");
    await server.sql("CREATE TABLE t (id int) WITH (fillfactor = 10)");
    // So many blocks that a bitmap says which.
    await server.sql("INSERT INTO t SELECT generate_series(1, 120000)");
    await server.sql("CREATE TABLE gone (id int); INSERT INTO gone SELECT generate_series(1, 5000); TRUNCATE gone");
    await server.sql("CHECKPOINT");
    await server.sql("UPDATE t SET id = -id WHERE id % 7001 = 0");
    await server.sql("DELETE FROM t WHERE id > 60000");
    await server.sql("VACUUM t");
    await server.sql("CHECKPOINT");
    const { rows } = await server.sql("SELECT pg_current_wal_lsn()");
    for (let tries = 0; ; tries++) {
      const { rows: far } = await server.sql(
        `SELECT coalesce(max(end_lsn), '0/0') > (SELECT redo_lsn - 1 FROM pg_control_checkpoint()) FROM pg_available_wal_summaries()`,
      );
      if (far[0]![0] === "t") break;
      if (tries > 300) throw new Error(`no summary up to ${rows[0]![0]}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    files = readdirSync(directory).filter((name) => parseWalSummaryName(name) !== undefined);
  }, 120_000);

  afterAll(() => server.stop());

  test("says the same of each of its files, in pieces of any size", async () => {
    expect(files.length).toBeGreaterThan(1);
    const kinds = new Set<string>();
    for (const [at, name] of files.entries()) {
      const { timeline, start, end } = parseWalSummaryName(name)!;
      const [from, to] = [start, end].map((lsn) => formatLsn(lsn, { server: String(major) }));
      const theirs = await server.sql(
        `SELECT relfilenode, reltablespace, reldatabase, relforknumber, relblocknumber, is_limit_block
         FROM pg_wal_summary_contents(${timeline}, '${from}', '${to}') ORDER BY 2, 3, 1, 4, 6 DESC, 5`,
      );
      const reader = new WalSummaryReader({ file: name });
      const bytes = new Uint8Array(readFileSync(join(directory, name)));
      const ours: string[][] = [];
      let relation: string[] = [];
      const size = at === 0 ? 1 : 997 * at;
      for (let i = 0; i < bytes.length; i += size) {
        for (const event of reader.receive(bytes.subarray(i, i + size))) {
          if (event.type === "Relation") {
            const { relNumber, spcOid, dbOid, forknum, limitBlock } = event.entry;
            relation = [relNumber, spcOid, dbOid, forks.indexOf(String(forknum))].map(String);
            if (limitBlock !== 0xffffffff) ours.push([...relation, String(limitBlock), "t"]);
            if (limitBlock !== 0xffffffff) kinds.add("limit");
          } else if (event.type === "Chunk") {
            kinds.add("bitmap" in event.chunk ? "bitmap" : "offsets");
            for (const block of walSummaryBlocks(event.chunk, event.first))
              ours.push([...relation, String(block), "f"]);
          }
        }
      }
      reader.end();
      expect(ours).toEqual(theirs.rows);
    }
    expect([...kinds].sort()).toEqual(["bitmap", "limit", "offsets"]);
  });

  test("has files that the command line decodes and verifies", async () => {
    for (const name of files) {
      const { status, stdout } = await runWalwire(["decode", "--verify", join(directory, name)]);
      expect(status).toBe(0);
      expect(stdout).toContain("WAL summary of timeline 1 from ");
      expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({ mismatches: 0, errors: 0 });
    }
  });
});
