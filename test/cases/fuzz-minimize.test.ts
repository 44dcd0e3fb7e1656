/** `walwire fuzz minimize`: what is left still fails in the same way, and no part of it can be left out. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { smallest } from "../../src/node/cli/fuzz/minimize.ts";
import { encodeFrame } from "../../src/wire/framer.ts";
import { runWalwire } from "../walwire.ts";

const utf8 = new TextEncoder();

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "walwire-minimize-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test("messages are left out whole", async () => {
  const frames = Array.from({ length: 50 }, (_, i) => encodeFrame("d", utf8.encode(`message ${i}`)));
  const bad = encodeFrame("!", utf8.encode("bad"));
  const small = await smallest(concat(...frames.slice(0, 30), bad, ...frames.slice(30)), async (bytes) =>
    bytes.some((byte, i) => byte === 0x21 && bytes[i + 4] === 7),
  );
  expect(small.length).toBeLessThanOrEqual(5);
});

test("lines, then bytes; the rest becomes plain", async () => {
  const text = Array.from({ length: 40 }, (_, i) => `line ${i} of a text\n`).join("");
  const small = await smallest(utf8.encode(text), async (bytes) => /1.*3/.test(Buffer.from(bytes).toString()));
  expect(Buffer.from(small).toString()).toBe("13");
});

test.skipIf(process.platform === "win32")("a command decides, and its status must stay the same", async () => {
  const file = join(folder(), "input");
  writeFileSync(file, `${"a\n".repeat(20)}needle\n${"b\n".repeat(20)}`);
  // Without a needle it fails in another way.
  const cmd = "grep -q needle {} && exit 7; exit 1";
  const { status, stdout } = await runWalwire(["fuzz", "minimize", file, "--cmd", cmd]);
  expect(status).toBe(0);
  expect(stdout).toContain("6 bytes of 87");
  expect(readFileSync(`${file}.min`, "utf8")).toBe("needle");
});

test.skipIf(process.platform === "win32")("a file with which the command succeeds is left alone", async () => {
  const file = join(folder(), "input");
  writeFileSync(file, "good");
  const { status, stderr } = await runWalwire(["fuzz", "minimize", file, "--cmd", "true"]);
  expect([status, stderr]).toEqual([1, "walwire: the command succeeds with this file: there is nothing to keep\n"]);
  expect(existsSync(`${file}.min`)).toBe(false);
  expect((await runWalwire(["fuzz", "minimize", file])).status).toBe(2);
});
