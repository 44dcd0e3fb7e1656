/** What tests of publishers share: a directory, and the program of publisher-child.ts in one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { bundlePublisher } from "./publisher-child.ts";

/** A directory that goes when the test ends. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "publisher-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The path of the program. */
export async function publisherProgram(): Promise<string> {
  const path = join(folder(), "publisher-process.mjs");
  await bundlePublisher(path);
  return path;
}
