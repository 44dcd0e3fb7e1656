/** `walwire decode --bytes` on recorded streams, on files of each kind, and on what is damaged. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { encodeIncrementalHeader } from "../../src/basebackup/index.ts";
import { encodeWalSummary } from "../../src/files/index.ts";
import { printBackupManifest } from "../../src/files/manifest/index.ts";
import { fileKindOf, kinds } from "../../src/node/cli/decode/file.ts";
import type { Source } from "../../src/node/cli/decode/input.ts";
import { hex } from "../hex.ts";
import { runWalwire } from "../walwire.ts";

const vector = (name: string): string => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(vector(name)));
const text = (each: string): Uint8Array => new TextEncoder().encode(each);
const HISTORY = `\
START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
STOP WAL LOCATION: 0/2000100 (file 000000010000000000000002)
CHECKPOINT LOCATION: 0/2000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-27 04:05:06 UTC
LABEL: x
START TIMELINE: 1
STOP TIME: 2026-11-27 04:05:07 UTC
STOP TIMELINE: 1
`;
const sourceOf = (path: string, bytes: Uint8Array): Source => ({
  path,
  head: bytes.subarray(0, 512),
  chunks: (async function* () {
    yield bytes;
  })(),
  progress: () => undefined,
  close: () => {},
});
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

/** A file of each kind, and the name of its tree. */
const samples: Readonly<Record<string, readonly [tree: string, bytes: Uint8Array, name: string]>> = {
  "the state of a replication slot": ["ReplicationSlotOnDisk", file("files/slot-state-18"), "state"],
  replorigin_checkpoint: ["ReplicationOrigins", file("files/replorigin_checkpoint"), "replorigin_checkpoint"],
  "a snapshot of logical decoding": ["SnapBuildSnapshot", file("files/0-174DED0-18.snap"), "0-174DED0.snap"],
  pg_control: ["ControlFileData", file("files/pg_control-18"), "pg_control"],
  "a WAL summary": ["WalSummary", encodeWalSummary([]), "x.summary"],
  "a segment of WAL": ["WalPage", gunzipSync(file("wal/18.bin.gz")), "000000010000000000000001"],
  "a backup manifest": [
    "BackupManifest",
    printBackupManifest({ version: 1, systemIdentifier: undefined, files: [], walRanges: [] }),
    "backup_manifest",
  ],
  "an incremental file of a backup": [
    "IncrementalFile",
    encodeIncrementalHeader({ truncationBlockLength: 1, blocks: [] }),
    "INCREMENTAL.1",
  ],
  "the stream of a base backup from 15 on": [
    "NewArchive",
    Uint8Array.from([...hex("0000000b"), ...text("nbase.tar\0\0")]),
    "stream",
  ],
  "a backup history file": ["BackupHistory", text(HISTORY), "000000010000000000000002.00000028.backup"],
  backup_label: ["BackupLabel", text(HISTORY.replace(/STOP.*\n/g, "")), "backup_label"],
  tablespace_map: ["TablespaceMap", text("16384 /srv/fast\n"), "tablespace_map"],
  "a timeline history": ["TimeLineHistory", text("1\t0/3000000\tx\n"), "00000002.history"],
};

test("each kind of file that decode knows has a sample here", () => {
  expect(kinds.map(({ name }) => name).sort()).toEqual(Object.keys(samples).sort());
});

test.each(kinds)("$name has a tree of all its bytes", async ({ name, dissect }) => {
  const [tree, bytes, file] = samples[name]!;
  const source = sourceOf(file, bytes);
  expect(fileKindOf(source)?.name).toBe(name);
  let at = 0;
  for await (const part of dissect(source, { server: undefined })) {
    expect(part.tree.error).toBeUndefined();
    if (at === 0) expect(part.tree.name).toBe(tree);
    expect(part.tree.end).toBe(part.bytes.length);
    at = part.offset + part.bytes.length;
  }
  // A payload stands after its length.
  expect(at).toBe(bytes.length - (tree === "NewArchive" ? 4 : 0));
});

test("a file of text: its lines, and the error of the parser", async () => {
  const { stdout, status } = await decode(["-"], text("START WAL LOCATION: x\n"));
  expect(stdout).toBe(`\
BackupLabel, 22 bytes at byte 0
                                 [0]
000000  53 54 41 52 54 20 57 41    name "START WAL LOCATION"
000008  4c 20 4c 4f 43 41 54 49
000010  4f 4e
000012  3a 20                      separator ": "
000014  78                         value "x"
000015  0a                         newline "\\n"
✘ SYNTAX invalid data in file "backup_label"

`);
  expect(status).toBe(1);
});

test("a file whose tree would be too large is rejected", async () => {
  const long = new Uint8Array(2 * 1024 * 1024 + 1);
  long.set(encodeWalSummary([]).subarray(0, 4));
  const { stderr, status } = await decode(["-"], long);
  expect(stderr).toContain("is too long for --bytes of a WAL summary: more than 2097152 bytes");
  expect(status).toBe(3);
});
