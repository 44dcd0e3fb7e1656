/** `walwire sync diff` and `walwire sync plan`: what they print, and how they end. */
import { describe, expect, test } from "vitest";
import { runWalwire } from "../walwire.ts";

const sync = (...args: string[]) => runWalwire(["sync", ...args]);

describe("diff", () => {
  test.each([
    [["ANY 2 (a, b)", "ANY 1 (a, b)"], 0, "✔ What returned before is on enough standbys"],
    [["ANY 1 (a, b)", "ANY 1 (b, c)"], 1, "✘ A commit that returned before may be on the primary and a only"],
    [["ANY 1 (a)", "ANY 1 (b"], 1, "✘ ANY 1 (b is rejected by PostgreSQL"],
    [["", "a", "--server", "9.5"], 1, "Before, a commit waits for no standby."],
  ])("%j ends with %i", async (args, status, says) => {
    const run = await sync("diff", ...args);
    expect([run.status, run.stderr]).toEqual([status, ""]);
    expect(run.stdout).toContain(says);
  });

  test("answers programs", async () => {
    const run = await sync("diff", "ANY 2 (a, b)", "ANY 1 (a, b)", "--json");
    expect(JSON.parse(run.stdout)).toMatchObject({
      ...{ ok: true, verdict: "good", number: { before: 2, after: 1 } },
      onlyAfter: { exist: true, sets: [["a"], ["b"]] },
    });
  });

  test.each([
    [["diff", "a"], "expected two arguments, got 1: walwire sync diff OLD NEW"],
    [["diff", "a", "b", "c"], "expected two arguments, got 3: quote each"],
    [["diff", "a", "b", "--conf", "x"], "--conf is an option of walwire sync check, fix and explain only"],
    [["plan", "a"], "missing --nodes NAMES"],
    [["plan", "a", "--nodes", "a,b"], "missing --primary NAME"],
    [["plan", "a", "--nodes", "a,b", "--primary", "c"], 'the primary "c" is not among --nodes'],
    [
      ["plan", "a", "--nodes", "a,b", "--primary", "a", "--copies", "2"],
      "--copies: expected a whole number from 0 to 1",
    ],
    [["plan", "a", "--nodes", "a,b", "--primary", "a", "--rule", "a"], "--rule: expected '2 of a,b,c' or none"],
    [
      ["plan", "a", "--nodes", "a,b", "--primary", "a", "--rule", "3 of a,b"],
      "--rule: expected a whole number from 1 to 2",
    ],
    [["plan", "--standbys", "-", "--nodes", "a", "--primary", "a"], "standard input cannot be both"],
  ])("a wrong call: %j", async (args, says) => {
    const run = await sync(...args);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain(says);
  });
});

describe("plan", () => {
  const cluster = ["--primary", "a", "--nodes", "a,b,c"];

  test("prints steps and their SQL", async () => {
    const run = await sync("plan", "ANY 1 (b)", ...cluster, "--copies", "2", "--rule", "1 of a,b");
    expect(run.status).toBe(0);
    const steps = run.stdout.split("\n").filter((line) => /^\d/.test(line));
    expect(steps).toEqual([
      "1. Let a node take over when 2 of a, b and c were seen.",
      "2. Set ANY 2 (b, c).",
      "3. Wait until each walsender has read the value, and then until b and c have flushed what has been written until then.",
      "4. Let a node take over when 1 of a, b and c was seen.",
    ]);
    expect(run.stdout).toContain(
      "   ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (b, c)';\n   SELECT pg_reload_conf();\n",
    );
    expect(run.stdout).toContain("   SELECT pg_current_wal_insert_lsn() AS lsn \\gset\n");
    expect(run.stdout).toMatch(/ >= :'lsn'::pg_lsn - '0\/0'\) AS s;\n/);
  });

  test("has nothing to do where all is as wanted", async () => {
    const run = await sync("plan", "FIRST 1 (b, c)", ...cluster, "--method", "first", "--rule", "2 of A,B,C");
    expect([run.status, run.stdout]).toEqual([
      0,
      "✔ Safe: a commit that returned is on 2 voters at least, and 2 of A, B and C must be seen before one takes over.\n\nNothing is left to do.\n",
    ]);
  });

  test("is bad where the rule in force is not safe, or standbys share a name", async () => {
    const unsafe = await sync("plan", "ANY 1 (b, c)", ...cluster, "--rule", "1 of a,b,c");
    expect(unsafe.status).toBe(1);
    expect(unsafe.stdout).toMatch(/^✘ Not safe: /);
    const row = { application_name: "b", state: "streaming", flush_lsn: "0/8" };
    const run = await runWalwire(
      ["sync", "plan", "ANY 1 (b, c)", ...cluster, "--rule", "2 of a,b,c", "--standbys", "-", "--json"],
      { input: JSON.stringify([row, row]) },
    );
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({
      ...{ ok: false, verdict: "bad", steps: [] },
      findings: [{ code: "SHARED_NAME", severity: "error" }, { code: "NOT_STREAMING" }],
    });
  });

  test("lowers the number of copies on request", async () => {
    const args = ["plan", "ANY 2 (b, c)", ...cluster, "--copies", "2", "--rule", "1 of a,b,c", "--missing", "lower"];
    const run = await runWalwire(["sync", ...args, "--standbys", "-"], { input: "[]" });
    expect(run.stdout).toContain(
      "1. Let a node take over when all of a, b and c were seen.\n2. Set the empty value.\n",
    );
    expect(run.stdout).toContain("warning LOWERED: Commits return when they are on the primary only");
  });
});
