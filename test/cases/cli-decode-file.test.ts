/** `walwire decode` of PostgreSQL's own files: each is recognised by what it holds, shown, and encoded to the same bytes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import {
  type BaseBackupMessage,
  encodeBaseBackupMessage,
  encodeIncrementalHeader,
} from "../../src/basebackup/index.ts";
import {
  encodeReplicationOrigins,
  encodeSlotState,
  encodeWalSummary,
  parseBackupLabel,
  printBackupHistory,
  printBackupLabel,
  printTablespaceMap,
  printTimeLineHistory,
} from "../../src/files/index.ts";
import { printBackupManifest } from "../../src/files/manifest/index.ts";
import { invalidLsn, parseLsn } from "../../src/kernel/lsn.ts";
import { kinds } from "../../src/node/cli/decode/file.ts";
import { WalWriter } from "../../src/wal/index.ts";
import { runWalwire } from "../walwire.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-decode-file-"));

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const utf8 = new TextEncoder();

test("docs/command-line.md has a row for every kind of file", () => {
  const page = readFileSync(fileURLToPath(new URL("../../docs/command-line.md", import.meta.url)), "utf8");
  const [, table] = /\| file \| output \|\n\|---\|---\|\n((?:\|.*\|\n)+)/.exec(page)!;
  expect(table!.trimEnd().split("\n").length).toBe(kinds.length);
  expect(table).toContain("| `pg_control` |");
  expect(table).toContain("| WAL summary, `….summary` |");
});
const start = parseLsn("0/2000028");

const label = parseBackupLabel(`\
START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
CHECKPOINT LOCATION: 0/2000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-27 04:05:06 UTC
LABEL: nightly é
START TIMELINE: 1
INCREMENTAL FROM LSN: 0/1000028
INCREMENTAL FROM TLI: 1
`);

const history = [
  { tli: 1, begin: invalidLsn, end: parseLsn("0/3000000"), reason: "no recovery target specified" },
  { tli: 2, begin: parseLsn("0/3000000"), end: parseLsn("0/5000028"), reason: "before LSN 0/5000028" },
  { tli: 3, begin: parseLsn("0/5000028"), end: invalidLsn, reason: undefined },
];

const slot = {
  ...({ name: "standby_1", database: 0, persistency: "persistent", xmin: 742, catalogXmin: 0 } as const),
  ...{ restartLsn: start, confirmedFlush: invalidLsn, plugin: "" },
} as const;

function wal(): Uint8Array {
  const writer = new WalWriter({ start: parseLsn("0/2000000") });
  writer.write({ rmid: 0, info: 0x20 });
  writer.write({ rmid: 0, info: 0x70, mainData: concat(new Uint8Array(8), utf8.encode("point"), new Uint8Array(59)) });
  return concat(writer.take(), new Uint8Array(8192));
}

const messages: readonly BaseBackupMessage[] = [
  { type: "NewArchive", archive: "base.tar", tablespacePath: "" },
  { type: "Data", data: new Uint8Array(512) },
  { type: "Progress", bytesDone: 512n },
  { type: "ManifestStart" },
  { type: "Data", data: utf8.encode("{}") },
];

function payloads(): Uint8Array {
  return concat(
    ...messages.flatMap((message) => {
      const bytes = encodeBaseBackupMessage(message);
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, bytes.length);
      return [length, bytes];
    }),
  );
}

/** Each kind of file: its name, where that matters; the types of what --jsonl says, and what people read. */
const files: readonly {
  readonly kind: string;
  readonly name?: string;
  readonly bytes: Uint8Array;
  readonly types: readonly string[];
  readonly says: readonly string[];
}[] = [
  {
    kind: "a timeline history",
    name: "00000003.history",
    bytes: printTimeLineHistory(history),
    types: ["TimeLineHistory"],
    says: ["History of timeline 3\n", "where it was left for timeline 2: no recovery target specified."],
  },
  {
    kind: "a timeline history of 19",
    bytes: printTimeLineHistory(history, { server: "19" }),
    types: ["TimeLineHistory"],
    says: ["History of timeline 3, if that is the next one\n"],
  },
  {
    kind: "backup_label",
    bytes: printBackupLabel(label),
    types: ["BackupLabel"],
    says: ["LABEL                 nightly é\n", "→ a server does not start from it: this is an incremental backup"],
  },
  {
    kind: "a backup history",
    bytes: printBackupHistory({
      ...label,
      stopWalLocation: parseLsn("0/2000120"),
      stopWalFile: "000000010000000000000002",
      stopTime: "2026-11-27 04:05:07 UTC",
      stopTimeline: 1,
    }),
    types: ["BackupHistory"],
    says: ["STOP WAL LOCATION     0/2000120"],
  },
  {
    kind: "tablespace_map",
    bytes: printTablespaceMap([{ oid: 16384, path: "/srv/a\\b" }]),
    types: ["TablespaceMap"],
    says: ["pg_tblspc/16384  →  /srv/a\\b\n"],
  },
  {
    kind: "an empty tablespace_map",
    name: "tablespace_map",
    bytes: new Uint8Array(),
    types: ["TablespaceMap"],
    says: ["tablespace_map of no tablespace\n"],
  },
  {
    kind: "the state of a slot",
    bytes: encodeSlotState(slot),
    types: ["ReplicationSlotOnDisk"],
    says: ["Replication slot standby_1\n", "pg_wal/*0000000000000002 and all after it"],
  },
  {
    kind: "the state of a slot of 12",
    bytes: encodeSlotState(slot, { server: "12" }),
    types: ["ReplicationSlotOnDisk"],
    says: ["version 2 of 176 bytes"],
  },
  {
    kind: "pg_control",
    bytes: new Uint8Array(readFileSync(new URL("../vectors/files/pg_control-18", import.meta.url))),
    types: ["ControlFileData"],
    says: ["Control file of the cluster ", "The form is that of 18, version 1800.\n", "checkPointCopy.redo "],
  },
  {
    kind: "a WAL summary",
    name: "0000000100000000020000280000000002000120.summary",
    bytes: encodeWalSummary([
      {
        ...({ spcOid: 1663, dbOid: 5, relNumber: 16384, forknum: "main", limitBlock: 3 } as const),
        chunks: [{ offsets: [7, 0, 1] }, { offsets: [] }, { bitmap: new Uint8Array(8192).fill(1, 0, 1) }],
      },
    ]),
    types: ["WalSummary", "Relation", "Blocks", "Blocks", "Totals"],
    says: [
      "WAL summary of timeline 1 from 0/2000028 to 0/2000120\n",
      "  TS 1663, DB 5, REL 16384, FORK main: limit 3\n",
      "FORK main: blocks 0..1\n",
      "FORK main: block 7\n",
      "FORK main: block 131072\n",
      "  4 blocks of 1 fork\n",
    ],
  },
  {
    kind: "replorigin_checkpoint",
    bytes: encodeReplicationOrigins([{ roident: 7, remoteLsn: start }]),
    types: ["ReplicationOrigins"],
    says: ["origin 7  replayed up to 0/2000028\n"],
  },
  {
    kind: "a segment of WAL",
    bytes: wal(),
    types: ["WalRecord", "WalRecord", "WalEnd"],
    says: ["XLOG/NOOP", "XLOG/RESTORE_POINT", "→ WAL ends at 0/20000A8: "],
  },
  {
    kind: "a backup manifest",
    bytes: printBackupManifest({
      version: 2,
      systemIdentifier: 7n,
      files: [
        {
          path: "PG_VERSION",
          encoded: false,
          size: 3n,
          lastModified: "2026-11-27 04:05:06 GMT",
          checksumAlgorithm: "CRC32C",
          checksum: Uint8Array.of(1, 2, 3, 4),
        },
      ],
      walRanges: [{ timeline: 1, startLsn: start, endLsn: parseLsn("0/2000120") }],
    }),
    types: ["Version", "SystemIdentifier", "File", "WalRange", "Totals"],
    says: ["Backup manifest, version 2\n", "PG_VERSION\n", "needs WAL of timeline 1 from 0/2000028 to 0/2000120\n"],
  },
  {
    kind: "an incremental file",
    bytes: concat(
      encodeIncrementalHeader({ truncationBlockLength: 9, blocks: [1, 2, 3, 7] }),
      new Uint8Array(4 * 8192),
    ),
    types: ["IncrementalHeader"],
    says: ["blocks 1-3 7\n", "the whole file has 9 blocks or more\n"],
  },
  {
    kind: "the stream of a base backup",
    bytes: payloads(),
    types: ["NewArchive", "Data", "Progress", "ManifestStart", "Data"],
    says: ['NewArchive archive="base.tar"', "base.tar: 512 bytes in 1 pieces\n"],
  },
];

/** Of these the rest is missing: a text, a file with a checksum, parts one after the other. */
const cut: readonly string[] = [
  "backup_label",
  "the state of a slot",
  "pg_control",
  "a WAL summary",
  "a segment of WAL",
  "a backup manifest",
];

describe.each(files)("$kind", ({ kind, name, bytes, types, says }) => {
  const path = join(folder, name ?? "file");

  test("is shown, and encodes to the same bytes", async () => {
    writeFileSync(path, bytes);
    const { status, stdout, stderr } = await runWalwire(["decode", path, "--verify"]);
    expect([status, stderr], stdout).toEqual([0, ""]);
    for (const text of says) expect(stdout).toContain(text);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({ mismatches: 0, errors: 0 });
  });

  test("is one object a line for programs, packed too", async () => {
    const packed = join(folder, `${name ?? "file"}.gz`);
    writeFileSync(packed, gzipSync(bytes));
    const { status, stdout, stderr } = await runWalwire(["decode", packed, "--jsonl"]);
    expect([status, stderr], stdout).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(types);
  });

  if (!cut.includes(kind)) return;
  test("cut off, it is an error with a place, or another value", async () => {
    writeFileSync(path, bytes.slice(0, Math.floor(bytes.length * 0.6)));
    const { status, stdout, stderr } = await runWalwire(["decode", path, "--jsonl"]);
    expect(stderr).toBe("");
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const error = lines.find((line) => "error" in line)?.error;
    expect(status).toBe(error === undefined ? 0 : 1);
    if (error !== undefined) {
      expect(error.code).toMatch(/^[A-Z_]+$/);
      expect(error.offset).toBeGreaterThanOrEqual(0);
    }
  });
});

describe("what is wrong", () => {
  test("the server's words, with the line and a caret", async () => {
    const { status, stdout } = await runWalwire(["decode", "-"], {
      input: "START WAL LOCATION: 0/2000028 (file 0000000100000000000002)\n",
    });
    expect(status).toBe(1);
    expect(stdout).toContain('ERROR:  55000: invalid data in file "backup_label"');
    expect(stdout).toContain("^");
  });

  test("a control file that walwire does not know is not called bad", async () => {
    const path = join(folder, "pg_control");
    const bytes = new Uint8Array(8192);
    new DataView(bytes.buffer).setUint32(8, 937, true);
    writeFileSync(path, bytes);
    const old = await runWalwire(["decode", path]);
    expect([old.status, old.stderr]).toEqual([
      3,
      expect.stringContaining(
        "pg_control has the pg_control version 937: walwire reads those of releases, 9.4 and later",
      ),
    ]);
    new DataView(bytes.buffer).setUint32(8, 1800, false);
    writeFileSync(path, bytes);
    const big = await runWalwire(["decode", path]);
    expect([big.status, big.stderr]).toEqual([3, expect.stringContaining("a machine with big-endian numbers")]);
  });

  test("what a file can be is said of one that is none of it", async () => {
    const { status, stderr } = await runWalwire(["decode", "-"], { input: "\x7fELF\x02\x01" });
    expect(status).toBe(1);
    expect(stderr).toContain("or a file of PostgreSQL (walwire help decode)");
    const { stdout } = await runWalwire(["help", "decode"]);
    expect(stdout.replaceAll("\n", " ")).toMatch(/a timeline history, .* a WAL segment/);
  });

  test("a file of which there are no messages has no picture of them", async () => {
    const { status, stderr } = await runWalwire(["decode", "-", "--stats"], {
      input: printBackupLabel(label),
    });
    expect(status).toBe(2);
    expect(stderr).toContain("the file is backup_label: --stats and --changes need a stream of messages");
  });
});

describe("compressed files", () => {
  const vector = (name: string): string => fileURLToPath(new URL(`../vectors/compressed/${name}`, import.meta.url));

  test.each(["zst", "lz4"])("wal-18.%s is read as it is from gzip", async (suffix) => {
    const gzip = fileURLToPath(new URL("../../docs/examples/wal-18.gz", import.meta.url));
    const expected = await runWalwire(["decode", gzip, "--jsonl"]);
    const found = await runWalwire(["decode", vector(`wal-18.${suffix}`), "--jsonl"]);
    expect(expected.stdout.split("\n").length).toBeGreaterThan(100);
    expect(found).toEqual(expected);
  });

  test.each([
    ["decode", "hi.xz", "xz"],
    ["decode", "hi.bz2", "bzip2"],
    ["wal", "hi.xz", "xz"],
  ])("%s %s cannot be read: exit status 3, and what helps", async (subcommand, name, program) => {
    const path = vector(name);
    const { status, stdout, stderr } = await runWalwire([subcommand, path]);
    expect(stdout).toBe("");
    expect(stderr).toContain(
      `${path} is compressed by ${program}, which walwire does not read. Decompress it first: ${program} -dc ${path} | walwire ${subcommand} -`,
    );
    expect(status).toBe(3);
  });
});
