/** conformance/check.py, which holds other implementations against the set, holds walwire against it. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checkRows } from "../../scripts/conformance/check.ts";
import { kinds } from "../../scripts/conformance/kinds.ts";
import { seed } from "../seed.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

function check(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync("python3", ["conformance/check.py", ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test.each([
  ["commands", "15"],
  ["standby-names", "18"],
])("walwire has the right answer to every row of %s", (file, major) => {
  const answer = [process.execPath, "--import", "tsx", "scripts/conformance/index.ts", "--answer"];
  const { status, stdout, stderr } = check(file, major, "--", ...answer);
  expect(stderr).toBe("");
  expect(stdout).toMatch(new RegExp(`^${file}, PostgreSQL ${major}: [1-9]\\d{2,} right, 0 wrong, 0 not answered\n$`));
  expect(status).toBe(0);
});

test("wrong answers are counted by their kind, with the shortest example, and those that are missing apart", () => {
  const script = `
import sys, json
for n, line in enumerate(sys.stdin):
    print('null' if n == 0 else json.dumps({"verdict": "accepted"}), flush=True)
`;
  const { status, stdout } = check("commands", "10", "--only", "verdict", "--", "python3", "-c", script);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^commands, PostgreSQL 10: [1-9]\d+ right, [1-9]\d+ wrong, 1 not answered\n/);
  expect(stdout).toMatch(/^ +\d+ {2}expected rejected, got accepted, as for \{"text": /m);
  expect(stdout).toMatch(/^ +\d+ {2}expected sql, got accepted, as for /m);
});

test("a program that ends is named with the input that it did not answer", () => {
  const { status, stderr } = check("commands", "10", "--", "python3", "-c", "");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^python3 ended at the input \{"text"/);
});

test("PostgreSQL 15's programs say what rows say that they said", { timeout: 60_000 }, async () => {
  const { asked, differences } = await checkRows(
    kinds.filter(({ byProgram }) => byProgram === true),
    15,
    { step: 3, seed },
  );
  expect(differences, `seed ${seed}`).toEqual([]);
  expect(asked.get("manifests")).toBeGreaterThan(10);
});
