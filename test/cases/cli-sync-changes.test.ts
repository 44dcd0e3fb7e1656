/** `walwire sync diff`, `plan`, and `check --setting synchronized_standby_slots`: what they print, and how they end. */
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

describe("check --setting synchronized_standby_slots", () => {
  const slots = (...args: string[]) => ["sync", "check", "--setting", "synchronized_standby_slots", ...args];
  const rows = [
    { slot_name: "a", slot_type: "physical", active: true, restart_lsn: "0/90" },
    { slot_name: "b", slot_type: "physical", active: true, restart_lsn: "0/80" },
    { slot_name: "idle", slot_type: "physical", active: false, restart_lsn: "0/70" },
    { slot_name: "sub", slot_type: "logical", active: true, restart_lsn: "0/10", failover: true },
  ];

  test("gives the verdict, with the server's message", async () => {
    const run = await runWalwire(slots("ANY 1 (a, b)"));
    expect([run.status, run.stderr]).toEqual([1, ""]);
    expect(run.stdout).toContain(
      'ERROR:  22023: invalid value for parameter "synchronized_standby_slots": "ANY 1 (a, b)"',
    );
    expect(run.stdout).toContain("Write names of slots with commas between them: all of them must have caught up.");
    expect((await runWalwire(slots("*", "--json"))).stdout).toContain('"sqlstate": "42602"');
  });

  test.each([
    [["a, b"], 0, "→ b is 16 bytes behind, at 0/80."],
    [["a"], 0, "✔ All of them have caught up."],
    [["a, idle"], 4, "✘ idle is 32 bytes behind, at 0/70, and no standby uses it"],
    [["a, none"], 4, "✘ There is no slot none: create it, or leave it out."],
    [["a, A"], 0, "warning DUPLICATE: a stands twice: write it once."],
    [["a, A", "--strict"], 1, "info FOLDED"],
    [[""], 0, "Logical failover slots wait for no slot."],
  ])("%j ends with %i", async (args, status, says) => {
    const run = await runWalwire([...slots(...args), "--slots", "-"], { input: JSON.stringify(rows) });
    expect([run.status, run.stderr]).toEqual([status, ""]);
    expect(run.stdout).toContain(says);
    expect(run.stdout).toContain("Logical failover slots: sub.");
  });

  test("answers programs", async () => {
    const run = await runWalwire([...slots("b, idle", "--json"), "--slots", "-"], { input: JSON.stringify(rows) });
    expect(JSON.parse(run.stdout)).toMatchObject({
      ...{ ok: false, verdict: "blocked", slots: ["b", "idle"], caughtUp: false, oldest: "0/70", waiting: ["sub"] },
      blockers: [
        { reason: "behind", behind: 16 },
        { reason: "inactive", behind: 32 },
      ],
    });
  });

  test.each([
    [["a", "--conf", "x"], 2, "mutually exclusive"],
    [["a", "--also", "18"], 2, "--also are mutually exclusive"],
    [["a", "--server", "16"], 2, "synchronized_standby_slots is not in PostgreSQL 16"],
    [["a", "--slots", "-"], 3, "standard input: [0].slot_type must be physical or logical"],
  ])("%j is wrong", async (args, status, says) => {
    const run = await runWalwire(slots(...args), { input: '[{"slot_name": "a"}]' });
    expect(run.status).toBe(status);
    expect(run.stderr).toContain(says);
  });
});
