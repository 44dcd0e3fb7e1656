/**
 * A full backup and two incremental ones, combined: the output, and the messages where that fails, which are those that
 * pg_combinebackup 18 gave for chains damaged in the same ways.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseBackupManifest } from "../../src/files/manifest/index.ts";
import { ArgumentError, UnsupportedError } from "../../src/kernel/errors.ts";
import { CombineBackupError, type CombineBackupOptions, combineBackup } from "../../src/node/combine-backup.ts";
import { verifyBackup } from "../../src/node/verify-backup.ts";
import { chainContents, contents, controlFile, incrementalFile, makeChain } from "../backups.ts";
import { runWalwire } from "../walwire.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-combine-"));
const good = join(folder, "good");

afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => makeChain(good));

let made = 0;

/** A copy of the chain, changed. */
function chain(change: (path: (name: string) => string) => void = () => {}): (name: string) => string {
  const directory = join(folder, String(made++));
  cpSync(good, directory, { recursive: true, verbatimSymlinks: true });
  const path = (name: string): string => join(directory, name);
  change(path);
  return path;
}

const names = Object.keys(chainContents);

/** Combines a chain without waiting for the disk. */
async function combined(
  path: (name: string) => string,
  options: CombineBackupOptions = {},
  of: readonly string[] = names,
) {
  const warnings: string[] = [];
  const result = await combineBackup(of.map(path), path("out"), {
    sync: false,
    onWarning: (message, hint) => warnings.push(hint === undefined ? message : `${message} (${hint})`),
    ...options,
  });
  return { ...result, warnings: warnings.map((warning) => warning.replaceAll(`${path("")}/`, "")) };
}

async function failure(path: (name: string) => string, options: CombineBackupOptions = {}, of = names) {
  const error = await combined(path, options, of).catch((thrown: unknown) => thrown);
  if (!(error instanceof CombineBackupError)) throw error;
  return error;
}

const block = (number: number): Buffer => Buffer.alloc(8192, number + 1);

describe("the output", () => {
  test("is a full backup: each block is the newest, and the label names no older backup", async () => {
    const path = chain((of) => chmodSync(of("second"), 0o700));
    const progress: unknown[] = [];
    const result = await combined(path, { sync: true, onProgress: (how) => progress.push(how) });
    expect(result).toEqual({
      systemIdentifier: 7712700038425239164n,
      files: 12,
      reconstructed: 1,
      bytes: expect.any(Number),
      warnings: [],
    });
    expect(progress.at(-1)).toEqual({ files: 12, bytes: result.bytes });
    expect(readFileSync(path("out/base/1/1259"))).toEqual(Buffer.concat([block(0), block(1)]));
    expect(readFileSync(path("out/backup_label"), "utf8")).toBe(
      "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000028\nLABEL: chain\nSTART TIMELINE: 1\n",
    );
    for (const name of Object.keys(contents).filter((each) => !/backup_label|1259$/.test(each))) {
      expect(readFileSync(path(`out/${name}`)), name).toEqual(readFileSync(path(`second/${name}`)));
    }
    const modes = ["", "base/1", "base/1/1259", "global/pg_control", "backup_label", "backup_manifest"].map((name) =>
      (statSync(path(`out/${name}`)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(["700", "700", "600", "600", "600", "600"]);
    expect(await verifyBackup(path("out"))).toMatchObject({ ok: true, walChecked: true, checked: { checksums: 11 } });
  });

  test("can be read by the group if the last backup can", async () => {
    const path = chain((of) => chmodSync(of("second"), 0o750));
    await combined(path);
    const modes = ["", "base", "base/1/1259"].map((name) => (statSync(path(`out/${name}`)).mode & 0o777).toString(8));
    expect(modes).toEqual(["750", "750", "640"]);
  });

  test.each(["NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512"] as const)(
    "has checksums of %s",
    async (name) => {
      const path = chain();
      await combined(path, { manifestChecksums: name });
      const { files, walRanges, version } = parseBackupManifest(readFileSync(path("out/backup_manifest")));
      // As in PostgreSQL's, WAL is in it without checksums.
      const wal = files.filter((file) => file.path.startsWith("pg_wal/"));
      expect(wal.map(({ checksumAlgorithm }) => checksumAlgorithm)).toEqual(["NONE"]);
      const others = files.filter((file) => !file.path.startsWith("pg_wal/"));
      expect(new Set(others.map(({ checksumAlgorithm }) => checksumAlgorithm))).toEqual(new Set([name]));
      expect([version, others.length, walRanges.length]).toEqual([2, 11, 1]);
      expect((await verifyBackup(path("out"))).ok).toBe(true);
    },
  );

  test("has no manifest if nobody wants one", async () => {
    const path = chain();
    await combined(path, { manifest: false });
    expect(existsSync(path("out/backup_manifest"))).toBe(false);
    expect(readFileSync(path("out/backup_label"), "utf8")).toContain("LABEL: chain");
  });

  test("is a copy where no block changed, with the checksum that the older manifest has", async () => {
    const path = chain((of) => {
      for (const name of ["first", "second"]) writeFileSync(of(`${name}/base/1/INCREMENTAL.1259`), incrementalFile([]));
      // It is believed, as in PostgreSQL: the copy is not what the manifest says.
      writeFileSync(of("full/base/1/1259"), "Z".repeat(16384));
    });
    expect(await combined(path)).toMatchObject({ reconstructed: 0, warnings: [] });
    const { problems } = await verifyBackup(path("out"));
    expect(problems.map(({ message }) => message)).toEqual(['checksum mismatch for file "base/1/1259"']);
  });

  test("has zeros for blocks that no backup has", async () => {
    const path = chain((of) => truncateSync(of("full/base/1/1259"), 0));
    rmSync(path("first/base/1/INCREMENTAL.1259"));
    writeFileSync(path("first/base/1/1259"), "");
    await combined(path);
    expect(readFileSync(path("out/base/1/1259"))).toEqual(Buffer.concat([Buffer.alloc(8192), block(1)]));
  });

  test("is of one full backup alone, too", async () => {
    const path = chain();
    expect(await combined(path, {}, ["full"])).toMatchObject({ reconstructed: 0, files: 11 });
    expect((await verifyBackup(path("out"), { parseWal: false })).ok).toBe(true);
  });

  test("keeps a file with the name of an incremental one where there are none", async () => {
    const path = chain((of) => {
      for (const name of ["", "base/", "pg_xact/"]) writeFileSync(of(`second/${name}INCREMENTAL.x`), "not one");
    });
    const { warnings } = await combined(path);
    for (const name of ["", "base/", "pg_xact/"]) {
      expect(readFileSync(path(`out/${name}INCREMENTAL.x`), "utf8")).toBe("not one");
    }
    expect(warnings).toEqual(
      ["INCREMENTAL.x", "base/INCREMENTAL.x", "pg_xact/INCREMENTAL.x"].map(
        (name) => `manifest file "second/backup_manifest" contains no entry for file "${name}"`,
      ),
    );
  });

  test.runIf(process.platform === "linux")("has names that are not UTF-8", async () => {
    const name = Buffer.concat([Buffer.from(`${join(folder, String(made))}/second/base/1/`), Buffer.of(0x61, 0xff)]);
    const path = chain();
    writeFileSync(name, "x");
    const { warnings } = await combined(path);
    expect(warnings).toEqual(['manifest file "second/backup_manifest" contains no entry for file "base/1/a\udcff"']);
    expect(readdirSync(path("out/base/1"), { encoding: "latin1" })).toContain("a\xff");
    expect(readFileSync(path("out/backup_manifest"), "latin1")).toContain('"Encoded-Path": "626173652f312f61ff"');
  });
});

test("without a manifest of an older backup there is a warning; the last one's is needed for a new one", async () => {
  const path = chain((of) => rmSync(of("full/backup_manifest")));
  expect((await combined(path)).warnings).toEqual(['file "full/backup_manifest" does not exist']);
  rmSync(path("out"), { recursive: true });
  rmSync(path("second/backup_manifest"));
  const error = await failure(path);
  expect(error).toMatchObject({ kind: "manifest", path: path("second/backup_manifest") });
  expect(error.message).toBe("cannot generate a manifest because no manifest is available for the final input backup");
  expect(existsSync(path("out"))).toBe(false);
  await combined(path, { manifest: false });
});

test("other checksums of data in one backup are warned of", async () => {
  const path = chain((of) => writeFileSync(of("second/global/pg_control"), controlFile({ checksums: 1 })));
  expect((await combined(path)).warnings).toEqual([
    "only some backups have checksums enabled (Disable, and optionally reenable, checksums on the output directory to avoid failures.)",
  ]);
});

const incremental = "base/1/INCREMENTAL.1259";
const setNumber = (number: number, at: number) => (path: string) => {
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(number, at);
  writeFileSync(path, bytes);
};

describe("a damaged chain ends with pg_combinebackup's message, and the output is removed", () => {
  test.each<[message: string, kind: string, file: string, offset: number | undefined, damage: (path: string) => void]>([
    [
      'could not open file "second/PG_VERSION": No such file or directory',
      "chain",
      "second/PG_VERSION",
      undefined,
      rmSync,
    ],
    [
      "first/backup_label: could not find START WAL LOCATION",
      "chain",
      "first/backup_label",
      undefined,
      (path) => writeFileSync(path, ""),
    ],
    [
      'could not read file "first/global/pg_control": read 100 of 296',
      "control file",
      "first/global/pg_control",
      undefined,
      (path) => truncateSync(path, 100),
    ],
    [
      `file "second/${incremental}" has bad incremental magic number (0x1, expected 0xd3ae1f0d)`,
      "incremental",
      `second/${incremental}`,
      0,
      setNumber(1, 0),
    ],
    [
      `file "first/${incremental}" has block count 131073 in excess of segment size 131072`,
      "incremental",
      `first/${incremental}`,
      4,
      setNumber(131073, 4),
    ],
    [
      `file "first/${incremental}" has block number 131072 in excess of segment size 131072`,
      "incremental",
      `first/${incremental}`,
      12,
      setNumber(131072, 12),
    ],
    [
      `could not read file "first/${incremental}": read 16372 of 524288`,
      "incremental",
      `first/${incremental}`,
      16384,
      (path) => {
        setNumber(131072, 4)(path);
        setNumber(0xffffffff, 12)(path);
      },
    ],
    [
      `could not read from file "second/${incremental}", offset 8192: read 100 of 8192`,
      "incremental",
      `second/${incremental}`,
      8192,
      (path) => truncateSync(path, 8292),
    ],
    [
      `could not open file "first/${incremental}": No such file or directory`,
      "incremental",
      `first/${incremental}`,
      undefined,
      rmSync,
    ],
    [
      `full backup contains unexpected incremental file "full/${incremental}"`,
      "incremental",
      `full/${incremental}`,
      0,
      (path) => {
        rmSync(path.replace("INCREMENTAL.", ""));
        writeFileSync(path, incrementalFile([0]));
      },
    ],
    [
      'could not open directory "second/pg_tblspc": No such file or directory',
      "chain",
      "second/pg_tblspc",
      undefined,
      (path) => rmSync(path, { recursive: true }),
    ],
    [
      'target of symbolic link "second/pg_tblspc/5" is relative',
      "chain",
      "second/pg_tblspc/5",
      undefined,
      (path) => symlinkSync("x", path),
    ],
    [
      'could not open file "out/base/1/1259_fsm": File exists',
      "output",
      "out/base/1/1259_fsm",
      undefined,
      (path) => writeFileSync(path.replace("out/base/1/", "second/base/1/INCREMENTAL."), incrementalFile([0])),
    ],
  ])("%s", async (message, kind, file, offset, damage) => {
    const path = chain((of) => damage(of(file)));
    if (kind === "output") cpSync(path("full/base/1/1259"), path("first/base/1/1259_fsm"));
    const error = await failure(path);
    expect(error.message.replaceAll(`${path("")}/`, "")).toBe(message);
    expect([error.kind, error.path, error.offset]).toEqual([kind, path(file), offset]);
    expect(error.code).toBe(kind === "output" ? "FILE_SYSTEM" : "BAD_FILE");
    expect(existsSync(path("out"))).toBe(false);
  });

  test("cut manifests of any length", async () => {
    const whole = readFileSync(join(good, "first/backup_manifest"));
    for (const length of [0, 1, 100, whole.length - 80, whole.length - 1]) {
      const path = chain((of) => truncateSync(of("first/backup_manifest"), length));
      expect((await failure(path)).kind, String(length)).toBe("manifest");
    }
  });

  test("a dry run says which file is too short", async () => {
    const path = chain((of) => truncateSync(of(`second/${incremental}`), 8292));
    const { message } = await failure(path, { dryRun: true });
    expect(message).toBe(`file "${path(`second/${incremental}`)}" is too short: expected 16384, found 8292`);
  });

  test("backups of another order", async () => {
    const path = chain();
    expect((await failure(path, {}, ["second", "full"])).message).toBe(
      `backup at "${path("full")}" is a full backup, but only the first backup should be a full backup`,
    );
  });
});

describe("the output directory", () => {
  test("may be empty, and is emptied if something goes wrong", async () => {
    const path = chain((of) => mkdirSync(of("out")));
    await combined(path);
    expect(existsSync(path("out/backup_manifest"))).toBe(true);
    const bad = chain((of) => {
      mkdirSync(of("out"));
      truncateSync(of(`second/${incremental}`), 8292);
    });
    await failure(bad);
    expect(readdirSync(bad("out"))).toEqual([]);
  });

  test("may not have anything in it", async () => {
    const path = chain((of) => {
      mkdirSync(of("out"));
      writeFileSync(of("out/.x"), "mine");
    });
    const error = await failure(path);
    expect(error).toMatchObject({ kind: "output", message: `directory "${path("out")}" exists but is not empty` });
    expect(readFileSync(path("out/.x"), "utf8")).toBe("mine");
  });

  test("may not be a file or below one, and gets directories above it", async () => {
    const path = chain((of) => writeFileSync(of("file"), ""));
    const backups = names.map(path);
    await expect(combineBackup(backups, path("file"))).rejects.toThrow("could not access directory");
    await expect(combineBackup(backups, path("file/x"))).rejects.toThrow("could not access directory");
    await combineBackup(backups, path("a/b/c"), { sync: false });
    expect(existsSync(path("a/b/c/backup_label"))).toBe(true);
  });

  test.each(["second/out", "second/base/out/more", "full/out", "link/out"])(
    "may not be inside a backup: %s",
    async (name) => {
      const path = chain((of) => symlinkSync(of("second"), of("link")));
      const error = await combineBackup(names.map(path), path(name)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        kind: "output",
        message: expect.stringMatching(/ is inside ".*", which is an input/),
      });
      expect(existsSync(path(name))).toBe(false);
    },
  );
});

describe("tablespaces", () => {
  /** The second backup has one, elsewhere. */
  const withTablespace = (oid = "16500") =>
    chain((of) => {
      mkdirSync(of("space/PG_18/5"), { recursive: true });
      writeFileSync(of("space/PG_18/5/1"), "there");
      writeFileSync(of("space/backup_label"), "not of the tablespace");
      symlinkSync(`${of("space")}/`, of(`second/pg_tblspc/${oid}`));
    });

  test("are written where the mapping says", async () => {
    const path = withTablespace();
    const { warnings } = await combined(path, { tablespaces: { [path("space")]: path("elsewhere") } });
    expect(readlinkSync(path("out/pg_tblspc/16500"))).toBe(path("elsewhere"));
    expect(readFileSync(path("elsewhere/PG_18/5/1"), "utf8")).toBe("there");
    expect(readdirSync(path("elsewhere"))).toEqual(["PG_18"]);
    // As pg_combinebackup has it, this manifest would be in the tablespace.
    expect(warnings).toEqual([
      'manifest file "space/backup_manifest" contains no entry for file "pg_tblspc/16500/PG_18/5/1"',
    ]);
    expect((await verifyBackup(path("out"))).ok).toBe(true);
    expect(readFileSync(path("out/pg_tblspc/16384/PG_15_202209061/5/16385"))).toEqual(Buffer.alloc(8192, "t"));
  });

  test("need a mapping", async () => {
    const path = withTablespace();
    const error = await failure(path);
    expect(error.message).toBe(`tablespace at "${path("space")}" has no tablespace mapping`);
    expect(existsSync(path("out"))).toBe(false);
  });

  test("are removed if something goes wrong, and may be neither shared nor inside a backup", async () => {
    const path = withTablespace();
    const to = (name: string) => ({ tablespaces: { [path("space")]: path(name) } });
    expect((await failure(path, to("space/inner"))).message).toContain("which is an input");
    expect((await failure(path, to("second"))).message).toContain("exists but is not empty");
    symlinkSync(path("space"), path("second/pg_tblspc/16501"));
    expect((await failure(path, to("new"))).message).toBe(
      `tablespaces with OIDs 16500 and 16501 both point at directory "${path("new")}"`,
    );
    rmSync(path("second/pg_tblspc/16501"));
    truncateSync(path(`second/${incremental}`), 8292);
    await failure(path, to("new"));
    expect(readdirSync(path("")).sort()).toEqual(["first", "full", "second", "space"]);
  });

  test("have OIDs as strtoul() reads them", async () => {
    for (const [name, is] of [
      [" +0016500", true],
      ["-18446744073709535116", true],
      ["0", false],
      ["4294967296", false],
      ["99999999999999999999999", false],
      ["1x", false],
    ] as const) {
      const path = withTablespace(name);
      if (is) expect((await failure(path)).message, name).toContain("has no tablespace mapping");
      else expect((await combined(path)).warnings, name).toEqual([`skipping symbolic link "second/pg_tblspc/${name}"`]);
    }
  });
});

describe("what is no file", () => {
  test.runIf(process.platform !== "win32")("is skipped with a warning, and no link is followed", async () => {
    const path = chain((of) => {
      symlinkSync("/", of("second/base/1/root"));
      symlinkSync(of("full"), of("second/pg_xact/loop"));
      execFileSync("mkfifo", [of("second/base/fifo")]);
    });
    const { warnings } = await combined(path);
    expect(warnings.sort()).toEqual([
      'skipping special file "second/base/fifo"',
      'skipping symbolic link "second/base/1/root"',
      'skipping symbolic link "second/pg_xact/loop"',
    ]);
    expect(existsSync(path("out/base/1/root"))).toBe(false);
  });

  test.runIf(process.platform !== "win32")("is not waited for", async () => {
    for (const name of ["first/backup_label", "second/PG_VERSION", "full/global/pg_control", "full/base/1/1259"]) {
      const path = chain((of) => {
        rmSync(of(name));
        execFileSync("mkfifo", [of(name)]);
      });
      expect((await failure(path)).path, name).toBe(path(name));
    }
    const path = chain((of) => {
      rmSync(of("full/base/1/1259"));
      mkdirSync(of("full/base/1/1259"));
    });
    expect((await failure(path)).message).toBe(`"${path("full/base/1/1259")}" is not a regular file`);
  });
});

describe("how files are copied", () => {
  test("as links", async () => {
    const path = chain();
    const { warnings } = await combined(path, { copyMethod: "link" });
    expect(warnings).toEqual([
      "--link mode was used; any modifications to the output directory might destructively modify input directories",
    ]);
    const same = (name: string): boolean => statSync(path(`out/${name}`)).ino === statSync(path(`second/${name}`)).ino;
    expect(["global/1262", "PG_VERSION", "backup_label"].map(same)).toEqual([true, true, false]);
    expect(statSync(path("out/base/1/1259")).nlink).toBe(1);
    expect((await verifyBackup(path("out"))).ok).toBe(true);
    await expect(combined(path, { copyMethod: "link", server: 17 })).rejects.toThrow(UnsupportedError);
  });

  test("a link to a symbolic link would lead out of the output", async () => {
    const path = chain((of) => {
      for (const name of ["first", "second"]) writeFileSync(of(`${name}/base/1/INCREMENTAL.1259`), incrementalFile([]));
      renameSync(of("full/base/1/1259"), of("moved"));
      symlinkSync(of("moved"), of("full/base/1/1259"));
    });
    expect((await failure(path, { copyMethod: "link" })).kind).toBe("not a file");
    await combined(path);
    expect(statSync(path("out/base/1/1259")).size).toBe(16384);
  });

  test("as clones, where the file system can", async () => {
    const path = chain();
    try {
      await combined(path, { copyMethod: "clone" });
      expect((await verifyBackup(path("out"))).ok).toBe(true);
      expect(statSync(path("out/global/1262")).mode & 0o777).toBe(0o600);
    } catch (error) {
      expect((error as Error).message).toMatch(/^error while cloning file ".*" to ".*": Operation not supported$/);
      expect(existsSync(path("out"))).toBe(false);
    }
  });
});

test("a dry run writes nothing", async () => {
  const path = chain();
  expect(await combined(path, { dryRun: true })).toMatchObject({ files: 12, reconstructed: 1, warnings: [] });
  expect(existsSync(path("out"))).toBe(false);
  const again = await combined(path);
  expect(await combined(chain(), { dryRun: true })).toEqual(again);
});

test("a signal ends it, and the output is removed", async () => {
  const path = chain((of) => writeFileSync(of("second/base/1/large"), Buffer.alloc(40_000_000)));
  const controller = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason));
  await expect(combined(path, { signal: controller.signal })).rejects.toBe(reason);
  expect(existsSync(path("out"))).toBe(false);
});

test("several at once do not get into each other's way", async () => {
  const paths = [chain(), chain(), chain()];
  for (const [i, path] of paths.entries()) {
    const bytes = Buffer.concat([incrementalFile([0, 1]).subarray(0, 8192), block(10 * i), block(10 * i + 1)]);
    writeFileSync(path(`second/${incremental}`), bytes);
  }
  await Promise.all(paths.map((path) => combined(path)));
  for (const [i, path] of paths.entries()) {
    expect(readFileSync(path("out/base/1/1259"))).toEqual(Buffer.concat([block(10 * i), block(10 * i + 1)]));
  }
});

test.each<[path: string, args: readonly unknown[]]>([
  ["directories", ["a", "b"]],
  ["directories", [[], "b"]],
  ["directories[0]", [[""], "b"]],
  ["output", [["a"], ""]],
  ["options.copyMethod", [["a"], "b", { copyMethod: "copy-file-range" }]],
  ["options.tablespaces", [["a"], "b", { tablespaces: { "/a": "b" } }]],
  ["options.manifestChecksums", [["a"], "b", { manifestChecksums: "crc32c" }]],
  ["options", [["a"], "b", { noSync: true }]],
])("%s is checked: %j", async (path, args) => {
  const call = (combineBackup as (...args: unknown[]) => Promise<unknown>)(...args);
  const error = await call.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ArgumentError);
  expect((error as ArgumentError).path).toBe(path);
});

test("a version without incremental backups is unsupported, and that of the last backup is followed", async () => {
  await expect(combined(chain(), { server: 16 })).rejects.toThrow(UnsupportedError);
  const path = chain((of) => writeFileSync(of("second/PG_VERSION"), "17\n"));
  // The control file is of 18, and has its checksum at another place.
  expect((await failure(path)).message).toContain("second/global/pg_control: CRC is incorrect");
});

describe("docs/combine-backup.md", () => {
  const page = readFileSync(fileURLToPath(new URL("../../docs/combine-backup.md", import.meta.url)), "utf8");
  const examples = [...page.matchAll(/```sh\nwalwire (.*)\n```\n\n```text\n([\s\S]*?)```/g)].map(
    ([, call, output]) => ({ call: call!, output: output! }),
  );
  const cwd = join(folder, "docs");

  beforeAll(() => {
    makeChain(cwd);
    cpSync(join(cwd, "second"), join(cwd, "tablespace"), { recursive: true });
    symlinkSync("/backups/tuesday/16500", join(cwd, "tablespace/pg_tblspc/16500"));
  });

  test("has examples", () => {
    expect(examples.length).toBe(page.match(/```sh/g)!.length);
    expect(examples.length).toBe(4);
  });

  test.each(examples)("$call", async ({ call, output }) => {
    const { status, stdout, stderr } = await runWalwire(call.split(" "), { cwd });
    const steady = `${stdout}${stderr}`
      .replace(/[\d.]+ s, [\d.]+ \w+\/s/g, "… s, … MB/s")
      .replace(/"seconds":[\d.]+/, '"seconds":…');
    expect(steady).toBe(output);
    expect(status).toBe(steady.startsWith("walwire:") ? 1 : 0);
  });
});

describe("walwire combine-backup", () => {
  test.each([
    [["a", "b"], "missing --output DIRECTORY"],
    [["-o", "x"], "missing DIRECTORY"],
    [["a", "-o", ""], "the path of a directory is empty"],
    [["a", "-o", "x", "-T", "/a"], 'invalid tablespace mapping format "/a", must be "OLDDIR=NEWDIR"'],
    [["a", "-o", "x", "-T", "/a=/b=/c"], 'multiple "=" signs in tablespace mapping'],
    [["a", "-o", "x", "-T", "a=/b"], "old directory is not an absolute path in tablespace mapping: a"],
    [["a", "-o", "x", "-T", "/a=b"], "new directory is not an absolute path in tablespace mapping: b"],
    [["a", "-o", "x", "--copy-file-range"], "--copy-file-range is not supported"],
    [["a", "-o", "x", "-k", "--server", "17"], "--link requires --server 18 or later"],
    [["a", "-o", "x", "--server", "16"], "--server must be 17 or later"],
    [["a", "-o", "x", "--link", "--clone"], "--link and --clone are mutually exclusive"],
  ])("%j is a wrong call", async (args, message) => {
    const { status, stderr } = await runWalwire(["combine-backup", ...args]);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  test("an = in the path of a tablespace has a backslash", async () => {
    const path = chain((of) => {
      mkdirSync(of("a=b"));
      symlinkSync(of("a=b"), of("second/pg_tblspc/16500"));
    });
    const mapping = `${path("a\\=b")}=${path("c\\=d")}`;
    const args = ["combine-backup", ...names.map(path), "-o", path("out"), "-N", "-q", "-T", mapping];
    expect(await runWalwire(args)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(readlinkSync(path("out/pg_tblspc/16500"))).toBe(path("c=d"));
  });

  test("warnings are on standard error; what cannot be written is exit status 3", async () => {
    const path = chain((of) => linkSync(of("full/PG_VERSION"), of("file")));
    const call = ["combine-backup", ...names.map(path), "-N", "-k", "-q", "--manifest-checksums", "sha256"];
    const { status, stdout, stderr } = await runWalwire([...call, "-o", path("out")]);
    expect([status, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("warning: --link mode was used");
    expect(readFileSync(path("out/backup_manifest"), "utf8")).toContain('"Checksum-Algorithm": "SHA256"');
    expect(await runWalwire([...call, "-o", path("out")])).toMatchObject({
      status: 3,
      stderr: `walwire: directory "${path("out")}" exists but is not empty\n`,
    });
  });
});
