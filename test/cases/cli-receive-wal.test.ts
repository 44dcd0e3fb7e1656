/** `walwire receive-wal`: calls that are wrong, before anything is connected. */
import { expect, test } from "vitest";
import { runWalwire } from "../walwire.ts";

test.each<[args: readonly string[], words: string]>([
  [[], "missing DIRECTORY: where segments are written to"],
  [["d", "--dbname", "host"], 'expected a URL such as postgres://user@host/database, got "host"'],
  [["--create-slot"], "--create-slot requires --slot"],
  [["--slot", "s"], "missing DIRECTORY: where segments are written to"],
  [["--slot", "s", "--create-slot", "--drop-slot"], "--create-slot and --drop-slot are mutually exclusive"],
  [["d", "--if-not-exists"], "--if-not-exists requires --create-slot"],
  [["d", "--synchronous", "--no-sync"], "--synchronous and --no-sync are mutually exclusive"],
  [["d", "-E", "x"], '-E: invalid input syntax for type pg_lsn: "x": expected a position such as 0/16B3748'],
  [["d", "-Z", "lz4"], "--compress: lz4 cannot be written: use gzip, or lz4 on complete segments"],
  [["d", "-Z", "zstd"], "--compress: compression with ZSTD is not yet supported"],
  [["d", "-Z", "xz"], '--compress: unrecognized compression algorithm: "xz", expected none or gzip'],
  [
    ["d", "-Z", "none:1"],
    '--compress: invalid compression specification: compression algorithm "none" does not accept a compression level',
  ],
  [
    ["d", "-Z", "10"],
    '--compress: invalid compression specification: compression algorithm "gzip" expects a compression level between 1 and 9',
  ],
  [["d", "-Z", "gzip:level"], '--compress: invalid compression specification: expected gzip:LEVEL, got "gzip:level"'],
])("%j is a wrong call", async (args, words) => {
  const { status, stdout, stderr } = await runWalwire(["receive-wal", ...args]);
  expect(stdout).toBe("");
  expect(stderr.replace(/^walwire receive-wal: /, "").split("\n")[0]).toBe(words);
  expect(status).toBe(2);
});

test.each(["none", "0", "3", "gzip", "gzip:9", "gzip:level=1"])("--compress %s is a right one", async (value) => {
  const url = "postgres://a@127.0.0.1:1/";
  const { status, stderr } = await runWalwire(["receive-wal", "d", "-Z", value, "--dbname", url]);
  expect(stderr).toContain("cannot reach the server");
  expect(status).toBe(3);
});
