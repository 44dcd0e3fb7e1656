/** `walwire decode --bytes` on recorded streams and files, on what is damaged, and on files that have no descriptions. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { hex } from "../hex.ts";
import { runWalwire } from "../walwire.ts";

const vector = (name: string): string => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
const decode = (args: readonly string[], input?: Uint8Array) =>
  runWalwire(["decode", "--bytes", ...args], input === undefined ? {} : { input });

interface Tree {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly fields?: readonly Tree[];
  readonly error?: { readonly code: string };
}

/** Where the leaves begin and end. */
const leaves = ({ start, end, fields }: Tree): (readonly [number, number])[] =>
  fields === undefined || fields.length === 0 ? [[start, end]] : fields.flatMap(leaves);

test("a keepalive: the bytes of each field beside its name and value", async () => {
  const payload = hex("00000012 6b 0000000006033cc8 000303e6278429f8 00");
  const { stdout, status } = await decode(["--physical", "-"], payload);
  expect(stdout).toBe(`\
Keepalive, 18 bytes at byte 0
000000  6b                       type Keepalive
000001  00 00 00 00 06 03 3c c8  walEnd 0/6033CC8
000009  00 03 03 e6 27 84 29 f8  sendTime 2026-11-23T01:19:30.466296Z
000011  00                       replyRequested false

`);
  expect(status).toBe(0);
});

test("a damaged message: the fields before the damage, what is wrong, and the bytes after it", async () => {
  const { stdout, status } = await decode(["--physical", "-"], hex("00000010 6b 0000000006033cc8 000303e6278429"));
  expect(stdout).toContain(
    "000001  00 00 00 00 06 03 3c c8  walEnd 0/6033CC8\n✘ TRUNCATED Keepalive.sendTime needs 8 bytes",
  );
  expect(stdout).toContain("000009  00 03 03 e6 27 84 29\n");
  expect(status).toBe(1);
});

describe.each([
  "demo-18.bin.gz",
  "workload/18-parallel.bin.gz",
  "physical/14.bin.gz",
  "wal/18.bin.gz",
  "files/pg_control-18",
])("%s", (name) => {
  test("has lines of at most 100 characters", async () => {
    const { stdout, status } = await decode([vector(name)]);
    const widths = stdout.split("\n").map((line) => [...line].length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
    expect(widths.length).toBeGreaterThan(40);
    expect(status).toBe(0);
  });

  test("has trees in JSON whose leaves follow each other", async () => {
    const { stdout } = await decode(["--jsonl", vector(name)]);
    const trees = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Tree);
    let bytes = 0;
    for (const tree of trees) {
      let at = 0;
      for (const [start, end] of leaves(tree)) {
        expect(start).toBe(at);
        at = end;
      }
      expect(tree.end).toBe(at);
      bytes += at;
    }
    const file = readFileSync(vector(name));
    const length = (name.endsWith(".gz") ? gunzipSync(file) : file).length;
    // Each payload of a stream stands after its length.
    expect(bytes).toBe(/^(wal|files)/.test(name) ? length : length - 4 * trees.length);
  });
});

test("files without descriptions of their bytes are named", async () => {
  const { stderr, status } = await decode(
    ["-"],
    new TextEncoder().encode('{ "PostgreSQL-Backup-Manifest-Version": 1,\n'),
  );
  expect(stderr).toContain("the file is a backup manifest: --bytes needs a stream of messages, a state file or WAL");
  expect(status).toBe(2);
});
