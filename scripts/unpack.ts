/** The unpacked package, as it is published: for tests that use it from outside or run against it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * Build and pack the package, and unpack it as `folder`, which must not exist yet.
 *
 * @returns its version.
 */
export function unpackPackage(folder: string): string {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  const npm = { cwd: root, shell: process.platform === "win32", stdio: "pipe" } as const;
  execFileSync("npm", ["run", "build"], npm);
  execFileSync("npm", ["pack", "--pack-destination", parent], npm);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  execFileSync("tar", ["-xzf", `walwire-${version}.tgz`], { cwd: parent });
  renameSync(join(parent, "package"), folder);
  return version;
}
