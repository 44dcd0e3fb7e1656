/** The examples of docs/testing.md run, one with a consumer of walwire's, and print what the page says. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { compile } from "../compiled.ts";

const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-testing-"));
afterAll(() => {
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
});

const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  exports: Record<string, string>;
};
/** Imports of the package as imports of what was compiled. */
const here = (code: string): string =>
  code.replace(/from "walwire(\/[^"]+)?"/g, (_, path = "") => {
    const file = exports[`.${path}`]!.replace("./dist/", "");
    return `from ${JSON.stringify(pathToFileURL(join(compiled.dist, file)).href)}`;
  });

/** It connects again until it is stopped, and acknowledges each transaction that is complete. */
const consumer = `
import { connect } from "walwire/client";
import { PgoutputDecoder } from "walwire/logical";
import { decodeWalSenderMessage } from "walwire/physical";
import { Feedback } from "walwire/session";
export function follow(url, onRow) {
  let stopped = false;
  let client;
  const running = (async () => {
    while (!stopped) {
      try {
        client = await connect({ connectionString: url, replication: "database" });
        const feedback = new Feedback({ plugin: "pgoutput", automatic: false });
        await client.startLogical({ slotname: "shop", protocol: 1, publicationNames: ["p"], feedback });
        const decoder = new PgoutputDecoder();
        let rows = [];
        for (let payload; (payload = await client.receive()) !== undefined; ) {
          const message = decodeWalSenderMessage(payload);
          if (message.type !== "XLogData") continue;
          const change = decoder.decode(message.data);
          if (change.type === "Begin") rows = [];
          if (change.type === "Insert") rows.push(change.newTuple.get(0));
          if (change.type !== "Commit") continue;
          rows.forEach(onRow);
          feedback.flushed(change.endLsn);
        }
      } catch (error) {
        if (error.code !== "CONNECTION_LOST" && error.code !== "DISCONNECTED") throw error;
      }
    }
  })();
  return {
    async stop() {
      stopped = true;
      await client.disconnect();
      await running;
    },
  };
}`;

const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");
const examples = Array.from(
  page.matchAll(/^```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/gm),
  ([, code, output]) => [code!, output!] as const,
);

test.each(examples)("an example prints what the page says", async (code, output) => {
  expect(examples).toHaveLength(2);
  writeFileSync(join(folder, "my-consumer.mjs"), here(consumer));
  writeFileSync(join(folder, "main.mjs"), here(code));
  // pg is found from there.
  const run = promisify(execFile)(process.execPath, [join(folder, "main.mjs")], { timeout: 60_000 });
  const { stdout } = await run;
  expect(stdout).toBe(output);
});
