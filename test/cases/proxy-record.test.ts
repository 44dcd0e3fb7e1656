/** What `walwire proxy --record` keeps. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Records } from "../../src/node/cli/proxy/record.ts";
import type { PassingMessage } from "../../src/node/proxy/index.ts";
import { encodeBackendMessage } from "../../src/session/messages.ts";

test("what comes after the client's Terminate is behind what came before", () => {
  const directory = mkdtempSync(join(tmpdir(), "walwire-record-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const records = new Records(directory);
  const common = {
    connection: 1,
    types: [],
    payload: undefined,
    change: undefined,
    error: undefined,
    mismatch: undefined,
  };
  const row = (text: string): PassingMessage => {
    const message = { type: "CopyData", data: Buffer.from(text) } as const;
    return { ...common, from: "server", message, bytes: encodeBackendMessage(message) };
  };
  records.write(row("1\n"));
  records.write({ ...common, from: "client", message: { type: "Terminate" }, bytes: new Uint8Array(5) });
  records.write(row("2\n"));
  records.close();
  expect(readFileSync(join(directory, "1.0-server.raw"), "utf8")).toBe("1\n2\n");
});
