/** `walwire command` as people and programs run it: whole outputs, exit statuses, and lines that are no JSON. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const unpacked = process.env.WALWIRE_PACKAGE;
const program =
  unpacked === undefined ? ["--import", "tsx", `${root}src/node/cli.ts`] : [`${unpacked}/dist/node/cli.js`];

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `walwire command` with this on standard input. */
function walwire(args: readonly string[], input: string | Uint8Array = ""): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...program, "command", ...args], { cwd: root });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text) => {
        output[name] += text;
      });
    }
    child.on("close", (status) => resolve({ status, ...output }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** What it prints where nothing is wrong with the call. */
async function says(status: number, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const result = await walwire(args, input);
  expect(result.stderr).toBe("");
  expect(result.status).toBe(status);
  return result.stdout;
}
