/**
 * `npm run test:package`: the tests that need no server, and the streams of live ones, against the package as it is published
 * instead of src.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
// Inside node_modules, so that the package finds the same fast-check and pg as the tests.
const folder = fileURLToPath(new URL("../node_modules/.walwire-package/", import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const shell = process.platform === "win32";
execFileSync("npm", ["run", "build"], { cwd: root, shell, stdio: "ignore" });
execFileSync("npm", ["pack", "--pack-destination", folder], { cwd: root, shell, stdio: "ignore" });
execFileSync("tar", ["-xzf", `walwire-${version}.tgz`], { cwd: folder });
const { status } = spawnSync(
  "npx",
  ["vitest", "run", "test/laws", "test/cases", "test/vectors", "test/session", "test/live/demo.test.ts"],
  {
    cwd: root,
    shell,
    stdio: "inherit",
    env: { ...process.env, WALWIRE_PACKAGE: `${folder}package` },
  },
);
rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;
