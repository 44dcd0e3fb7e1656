/** `walwire fuzz emit` and `walwire fuzz dictionary`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { keywords } from "../../src/command/keywords.ts";
import { kinds } from "../../src/node/cli/fuzz/kinds.ts";
import { type Run, runWalwire } from "../walwire.ts";

const fuzz = (...args: readonly string[]): Promise<Run> => runWalwire(["fuzz", ...args]);

interface Line {
  readonly text: string;
  readonly bytes: string;
  readonly verdict?: { readonly ok: boolean };
  readonly verdicts?: readonly { readonly ok: boolean; readonly versions: { readonly text: string } }[];
}

async function emitted(...args: readonly string[]): Promise<Line[]> {
  const { status, stdout } = await fuzz("emit", ...args);
  expect(status).toBe(0);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("emit", () => {
  const modes = Object.entries(kinds).flatMap(([name, { damage }]) => damage.map((mode) => [name, mode] as const));

  test.each(modes)("%s, damage %s: the seed decides, and the count does not", async (name, mode) => {
    const [short, long, other] = await Promise.all(
      [
        ["7", "10"],
        ["7", "12"],
        ["8", "10"],
      ].map(([seed, count]) => emitted(name, "--damage", mode, "--seed", seed!, "--count", count!)),
    );
    expect(short).toHaveLength(10);
    expect(long!.slice(0, 10)).toEqual(short);
    expect(other).not.toEqual(short);
    for (const line of short!) expect(line.verdict ?? line.verdicts?.[0]).toHaveProperty("ok");
  });

  test.each(["pgoutput", "pgoutput-stream", "walsender", "base-backup", "backend", "frontend", "startup", "wal"])(
    "%s is correct until it is damaged",
    async (name) => {
      const isGood = ({ verdict, verdicts }: Line): boolean => (verdict ?? verdicts![0]!).ok;
      expect((await emitted(name, "--seed", "1", "--count", "50")).every(isGood)).toBe(true);
      expect((await emitted(name, "--seed", "1", "--count", "50", "--damage", "bytes")).every(isGood)).toBe(false);
    },
  );

  test("the same batch begins anew after 100 inputs, whatever the count", async () => {
    const long = await emitted("startup", "--seed", "3", "--count", "130");
    expect(long.slice(0, 105)).toEqual(await emitted("startup", "--seed", "3", "--count", "105"));
  });

  test("a command has the verdict of each version", async () => {
    const lines = await emitted("command", "--seed", "1", "--count", "200");
    const show = lines.find(({ text, verdicts }) => /^SHOW /.test(text) && verdicts![0]!.ok)!;
    expect(show.verdicts!.map(({ ok, versions }) => [ok, versions.text])).toContainEqual([
      false,
      expect.stringMatching(/^9\.4 to /),
    ]);
  });

  test("--corpus writes a file for each input, and --raw the messages", async () => {
    const folder = mkdtempSync(join(tmpdir(), "walwire-fuzz-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const args = ["walsender", "--seed", "5", "--count", "20"];
    const { status } = await fuzz("emit", ...args, "--corpus", join(folder, "new"));
    expect(status).toBe(0);
    const lines = await emitted(...args);
    const files = readdirSync(join(folder, "new")).sort();
    expect(files.map((file) => `\\x${readFileSync(join(folder, "new", file), "hex")}`)).toEqual(
      lines.map(({ bytes }) => bytes),
    );
    expect((await fuzz("emit", ...args, "--corpus", join(folder, "new"))).status).toBe(1);
    const raw = await fuzz("emit", "startup", "--raw", "--seed", "1");
    expect(raw).toMatchObject({ status: 2, stderr: expect.stringContaining("--raw: startup is not a message") });
  });

  test("what is wrong with a call is said", async () => {
    expect((await fuzz("emit", "comand", "--seed", "1")).stderr).toContain("did you mean command?");
    expect((await fuzz("emit", "command", "--damage", "bytes")).stderr).toContain("command can have none, not bytes");
    expect((await fuzz("emit")).stdout).toContain("standby-names");
    expect((await fuzz("emit", "walsender", "--count", "1")).stderr).toMatch(/^walwire: --seed \d+\n$/);
  });
});

test("the dictionary has the words, each line as AFL reads it", async () => {
  const { status, stdout } = await fuzz("dictionary");
  expect(status).toBe(0);
  for (const line of stdout.trim().split("\n"))
    expect(line).toMatch(/^(#.*|"(?:[ -!#-[\]-~]|\\["\\]|\\x[0-9a-f]{2})+")$/);
  for (const word of [...keywords.keys(), "publication_names", "READ_REPLICATION_SLOT"]) {
    expect(stdout).toContain(`"${word}"\n`);
  }
});
