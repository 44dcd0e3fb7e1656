/**
 * `npm run test:package`: runs the tests that need no server, and those of live streams, against the packed package instead of src.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { unpackPackage } from "./unpack.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
// Inside node_modules, so that the package finds the same fast-check and pg as the tests.
const folder = `${root}node_modules/.walwire-package`;

rmSync(folder, { recursive: true, force: true });
unpackPackage(`${folder}/walwire`);
// This tests the packing. A part of the command line is enough, since each case is a process here; the laws with thousands of cases run
// in full against src; and one server is enough.
const files = ["test/laws", "test/cases", "test/vectors", "test/session", "test/live/demo.test.ts"];
const passedOver = [
  "test/cases/{cli-{command,decode,decode-bytes,decode-file,fuzz,sync,wal},combine-backup,conformance,verify-backup,wal-files}.test.ts",
  // They wait for time limits.
  "test/session/{conversation,fuzz-attack,hostile,receive-wal,server,server-hostile}.test.ts",
  "test/laws/{command,conversation,framer,lalr,syncrep,syncrep-*,values}.test.ts",
];
const { status } = spawnSync("npx", ["vitest", "run", ...files, ...passedOver.map((path) => `--exclude=${path}`)], {
  cwd: root,
  shell: process.platform === "win32",
  stdio: "inherit",
  env: { WALWIRE_RUNS: "0.05", WALWIRE_MAJORS: "18", ...process.env, WALWIRE_PACKAGE: `${folder}/walwire` },
});
rmSync(folder, { recursive: true });
process.exitCode = status ?? 1;
