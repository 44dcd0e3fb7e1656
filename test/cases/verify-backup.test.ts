/** `walwire verify-backup` as people and programs run it, and what only versions say that no program here has. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UnsupportedError } from "../../src/kernel/errors.ts";
import type { Server } from "../../src/kernel/version.ts";
import { type VerifyBackupOptions, type VerifyProgress, verifyBackup } from "../../src/node/verify-backup.ts";
import { contents, controlFile, makeBackup, makeChain, makeWal, manifestOf, systemIdentifier } from "../backups.ts";
import { type Compiled, compile } from "../compiled.ts";
import { lz4Frame, zstdFrame } from "../compress.ts";
import { withChecksum } from "../manifests.ts";
import { runWalwire, spawnWalwire } from "../walwire.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-backup-"));
let compiled: Compiled;

beforeAll(() => {
  compiled = compile();
});

afterAll(() => {
  compiled.remove();
  rmSync(folder, { recursive: true });
});

let made = 0;

function newBackup(options?: Parameters<typeof makeBackup>[1]): string {
  const directory = join(folder, `backup${made++}`);
  makeBackup(directory, { version: 2, ...options });
  return directory;
}

/** A directory with the archives of a good backup. */
function newArchives(edit: (directory: string) => void = () => {}, suffix = ".tar"): string {
  const plain = newBackup();
  edit(plain);
  const directory = join(folder, `archives${made++}`);
  mkdirSync(directory);
  const tar = (from: string, name: string, names: readonly string[]) => {
    const bytes = execFileSync("tar", ["--format=ustar", "-cf", "-", ...names], { cwd: from });
    const compress =
      { ".tar": (same: Buffer) => same, ".tar.lz4": lz4Frame, ".tar.zst": zstdFrame }[suffix] ?? gzipSync;
    writeFileSync(join(directory, name), compress(bytes));
  };
  tar(join(plain, "pg_tblspc/16384"), `16384${suffix}`, ["PG_15_202209061"]);
  rmSync(join(plain, "pg_tblspc"), { recursive: true });
  const top = new Set([...Object.keys(contents).map((path) => path.split("/")[0]!)]);
  top.delete("pg_tblspc");
  tar(plain, `base${suffix}`, [...top]);
  writeFileSync(join(directory, "backup_manifest"), manifestOf("CRC32C", 2));
  return directory;
}

async function messages(directory: string, options: VerifyBackupOptions = {}): Promise<string[]> {
  const { problems, ok } = await verifyBackup(directory, { parseWal: false, ...options });
  expect(ok).toBe(problems.length === 0);
  return problems.map(({ message, fatal }) => (fatal ? `fatal: ${message}` : message).replaceAll(directory, "DIR"));
}

describe("the control file, since 17", () => {
  const replace = (bytes: Uint8Array, options: VerifyBackupOptions = {}) => {
    const directory = newBackup();
    writeFileSync(join(directory, "global/pg_control"), bytes);
    return messages(directory, { skipChecksums: true, ...options });
  };

  test("belongs to the system", async () => {
    expect(await replace(controlFile())).toEqual([]);
    expect(await replace(controlFile({ identifier: 5n }))).toEqual([
      `fatal: DIR/global/pg_control: manifest system identifier is ${systemIdentifier}, but control file has 5`,
    ]);
  });

  test("is one", async () => {
    const broken = controlFile();
    broken[100]! ^= 1;
    expect(await replace(broken)).toEqual(["fatal: DIR/global/pg_control: CRC is incorrect"]);
    expect(await replace(broken.subarray(0, 10))).toEqual([
      '"global/pg_control" has size 10 on disk but size 8192 in the manifest',
      'fatal: could not read file "DIR/global/pg_control": read 10 of 296',
    ]);
  });

  test("is of the version", async () => {
    const unexpected = ["fatal: DIR/global/pg_control: unexpected control file version"];
    for (const options of [{ server: "18" }, {}]) {
      expect(await replace(controlFile({ version: 1700 }), options)).toEqual(unexpected);
    }
    // Of a version that is not known yet.
    const directory = newBackup();
    writeFileSync(join(directory, "global/pg_control"), controlFile({ version: 2000 }));
    writeFileSync(join(directory, "PG_VERSION"), "20\n");
    expect(await messages(directory, { skipChecksums: true })).toEqual(unexpected);
    const { problems } = await verifyBackup(directory, { skipChecksums: true, parseWal: false });
    expect(problems[0]!.hint).toBe("The version of its server cannot be found out, or is newer than this walwire.");
  });

  test("is not looked at with a manifest of version 1", async () => {
    const directory = newBackup({ version: 1 });
    expect(await messages(directory, { server: "18" })).toEqual([]);
  });
});

describe("archives, since 18", () => {
  test("are read, packed or not", async () => {
    expect(await messages(newArchives())).toEqual([]);
    expect(await messages(newArchives(undefined, ".tar.gz"))).toEqual([]);
    const { format, checked, manifest } = await verifyBackup(newArchives(undefined, ".tgz"));
    expect([format, checked.files, checked.checksums]).toEqual(["tar", manifest!.files, manifest!.files]);
  });

  test.each([".tar.lz4", ".tar.zst"])("are read as %s too", async (suffix) => {
    const { ok, verdict, checked, manifest } = await verifyBackup(newArchives(undefined, suffix), { parseWal: false });
    expect([ok, verdict, checked.checksums]).toEqual([true, "intact", manifest!.files]);
    const damaged = newArchives((plain) => writeFileSync(join(plain, "base/1/1259"), "Z".repeat(16384)), suffix);
    expect(await messages(damaged)).toEqual([`checksum mismatch for file "base/1/1259" in archive "base${suffix}"`]);
    const cut = newArchives(undefined, suffix);
    const archive = join(cut, `base${suffix}`);
    truncateSync(archive, 68_000);
    expect((await messages(cut))[0]).toBe("fatal: COPY stream ended before last file was finished");
    writeFileSync(archive, "no archive at all");
    const said = suffix === ".tar.lz4" ? "ERROR_frameType_unknown" : "Unknown frame descriptor";
    expect((await messages(cut))[0]).toBe(`fatal: could not decompress data: ${said}`);
  });

  test("have files that are damaged", async () => {
    const directory = newArchives((plain) => {
      writeFileSync(join(plain, "base/1/1259"), "Z".repeat(16384));
      writeFileSync(join(plain, "base/1/1260"), "");
      truncateSync(join(plain, "global/1262"), 100);
      rmSync(join(plain, "pg_xact/0000"));
    });
    expect((await messages(directory)).sort()).toEqual([
      '"pg_xact/0000" is present in the manifest but not on disk',
      'checksum mismatch for file "base/1/1259" in archive "base.tar"',
      'file "base/1/1260" is present in archive "base.tar" but not in the manifest',
      'file "global/1262" has size 100 in archive "base.tar" but size 8192 in the manifest',
    ]);
    expect(await messages(directory, { exitOnError: true })).toHaveLength(1);
    expect(await messages(directory, { ignore: ["base", "global/", "pg_xact"] })).toEqual([]);
  });

  test("have a control file of another system", async () => {
    const directory = newArchives((plain) =>
      writeFileSync(join(plain, "global/pg_control"), controlFile({ identifier: 5n })),
    );
    expect(await messages(directory, { skipChecksums: true })).toEqual([
      `fatal: base.tar: global/pg_control: manifest system identifier is ${systemIdentifier}, but control file has 5`,
    ]);
  });

  test("are damaged themselves", async () => {
    const damage = async (edit: (bytes: Buffer) => Buffer, name = "base.tar") => {
      const directory = newArchives();
      const bytes = readFileSync(join(directory, "base.tar"));
      rmSync(join(directory, "base.tar"));
      writeFileSync(join(directory, name), edit(bytes));
      return (await messages(directory)).filter((message) => !message.includes("not on disk"));
    };
    expect(await damage((bytes) => bytes.subarray(0, 700))).toEqual([
      "fatal: COPY stream ended before last file was finished",
    ]);
    expect(await damage((bytes) => Buffer.concat([Buffer.from("x"), bytes.subarray(1)]))).toEqual([
      "fatal: input file does not appear to be a valid tar archive",
    ]);
    expect(await damage((bytes) => bytes, "base.tar.gz")).toEqual([
      "fatal: could not decompress data: incorrect header check",
    ]);
    expect(await damage((bytes) => gzipSync(bytes).subarray(0, 300), "base.tar.gz")).toEqual([
      "fatal: COPY stream ended before last file was finished",
    ]);
    expect(await damage((bytes) => bytes, "base.tar.lz4")).toEqual([
      "fatal: could not decompress data: ERROR_frameType_unknown",
    ]);
  });

  test("are not the only files", async () => {
    const directory = newArchives();
    writeFileSync(join(directory, "pg_wal.tar"), "anything");
    writeFileSync(join(directory, "base.zip"), "");
    writeFileSync(join(directory, "0.tar"), "");
    writeFileSync(join(directory, "notes"), "");
    mkdirSync(join(directory, "more"));
    expect((await messages(directory)).sort()).toEqual([
      'file "0.tar" is not expected in a tar format backup',
      'file "base.zip" is not expected in a tar format backup',
      'file "more" is not a regular file',
      'file "notes" is not expected in a tar format backup',
    ]);
  });

  test("are not read before", async () => {
    await expect(verifyBackup(newArchives(), { server: "17", format: "tar" })).rejects.toThrow(UnsupportedError);
    for (const parseWal of [true, () => true]) {
      expect(await messages(newArchives(), { server: "18", parseWal })).toEqual([
        "fatal: pg_waldump cannot read tar files",
      ]);
    }
    // Without the option it is left out, and the result says so.
    expect(await verifyBackup(newArchives(), { server: "18" })).toMatchObject({ ok: true, walChecked: false });
  });
});

describe("the WAL", () => {
  const faults = async (edit: (wal: Buffer) => Buffer, written: Server | undefined, options: VerifyBackupOptions) => {
    const directory = newBackup();
    makeWal(directory, written);
    const path = join(directory, "pg_wal/000000010000000000000002");
    writeFileSync(path, edit(readFileSync(path)));
    const { problems, walChecked } = await verifyBackup(directory, options);
    expect(walChecked).toBe(true);
    return problems.map(({ message, waldump }) => [message, waldump]);
  };
  const failed = "WAL parsing failed for timeline 1";
  const zeros = (wal: Buffer) => wal.fill(0, 0x40);

  test("is that of any version, if nobody says which", async () => {
    for (const version of ["13", "15", "18", "19"]) expect(await faults((wal) => wal, version, {})).toEqual([]);
    expect(await faults((wal) => wal, "17", { server: "18" })).toEqual([
      [failed, "could not find a valid record after 0/2000028"],
    ]);
  });

  test("is complained of as each version does it", async () => {
    expect(await faults(zeros, "18", { server: "18" })).toEqual([
      [failed, "error in WAL record at 0/2000028: invalid record length at 0/2000040: expected at least 24, got 0"],
    ]);
    const short = (wal: Buffer) => wal.subarray(0, 8191);
    expect(await faults(short, "18", { server: "18" })).toEqual([
      [failed, 'could not read file "000000010000000000000002": read 8191 of 8192'],
    ]);
    const size = (wal: Buffer) => wal.fill(0, 32, 36);
    expect(await faults(size, "18", { server: "18" })).toEqual([
      [failed, 'invalid WAL segment size in WAL file "000000010000000000000002" (0 bytes)'],
    ]);
    const damaged = (wal: Buffer) => wal.fill(0, 0x28, 0x40);
    expect(await faults(damaged, "19", { server: "19", ignore: ["global/pg_control"] })).toEqual([
      [
        failed,
        "could not find a valid record after 0/02000028: invalid record length at 0/02000028: expected at least 24, got 0",
      ],
    ]);
  });
});

test("a directory that leads back into itself comes to an end", async () => {
  const directory = newBackup();
  execFileSync("ln", ["-s", ".", join(directory, "base/again")]);
  execFileSync("ln", ["-s", "..", join(directory, "base/up")]);
  expect((await messages(directory)).sort()).toEqual([
    '"base/again" is a link to a directory that it is in',
    '"base/up" is a link to a directory that it is in',
  ]);
});

test("progress is told, and a signal ends it", async () => {
  const directory = newBackup();
  const told: VerifyProgress[] = [];
  await verifyBackup(directory, { onProgress: (progress) => void told.push(progress) });
  expect(told.at(-1)).toEqual({ files: 11, checksums: 11, doneBytes: 73806, totalBytes: 73806 });
  const reason = new Error("enough");
  await expect(verifyBackup(directory, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("by worker threads it is the same", async () => {
  const directory = newBackup();
  const big = "b".repeat(40 * 1024 * 1024);
  const script = `
    import { verifyBackup } from ${JSON.stringify(join(compiled.dist, "node/verify-backup.js"))};
    const said = [];
    const { ok, checked } = await verifyBackup(${JSON.stringify(directory)}, { workers: 2, parseWal: false, onProblem: ({ message }) => said.push(message) });
    console.log(JSON.stringify({ ok, checked, said }));`;
  writeFileSync(join(directory, "global/1262"), big);
  const text = Buffer.from(manifestOf("CRC32C", 2)).toString();
  const sum = createHash("sha256").update(big).digest("hex");
  const edited = text
    .replace(
      /("global\/1262", "Size": )8192(.*?)"CRC32C", "Checksum": "[0-9a-f]+"/,
      `$1${big.length}$2"SHA256", "Checksum": "${sum}"`,
    )
    .replace(/"[0-9a-f]{64}"\}/, '"CHECKSUM"}');
  writeFileSync(join(directory, "backup_manifest"), withChecksum(edited));
  writeFileSync(join(directory, "base/1/1259"), "Z".repeat(16384));
  const program = join(folder, "program.mjs");
  writeFileSync(program, script);
  const output = execFileSync(process.execPath, [program], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({
    ok: false,
    checked: { files: 11, checksums: 11, bytes: 73806 - 8192 + big.length },
    said: ['checksum mismatch for file "base/1/1259"'],
  });
});

describe("WAL in archives", () => {
  const segment = "000000010000000000000002";

  /** A backup in archives whose WAL is in `name`. */
  function withWal(
    name: string,
    edit: (wal: string) => void = () => {},
    compress = (bytes: Buffer): Uint8Array => bytes,
  ): string {
    const directory = newArchives();
    const wal = join(folder, `wal${made++}`);
    makeWal(wal);
    edit(join(wal, "pg_wal"));
    const cwd = name.startsWith("pg_wal") ? join(wal, "pg_wal") : wal;
    const bytes = execFileSync("tar", ["--format=ustar", "-cf", "-", "."], { cwd });
    writeFileSync(join(directory, name), compress(bytes));
    return directory;
  }

  /** What pg_waldump says. */
  async function waldump(directory: string, options: VerifyBackupOptions = {}): Promise<(string | undefined)[]> {
    const { problems, walChecked } = await verifyBackup(directory, options);
    expect(walChecked).toBe(true);
    return problems.map(({ message, waldump: said }) => {
      expect(message).toBe("WAL parsing failed for timeline 1");
      return said;
    });
  }

  test("is read from pg_wal.tar in every compression, and from another path", async () => {
    for (const [suffix, compress] of [
      [".tar", (bytes: Buffer) => bytes],
      [".tgz", gzipSync],
      [".tar.gz", gzipSync],
      [".tar.lz4", lz4Frame],
      [".tar.zst", zstdFrame],
    ] as const) {
      const good = withWal(`pg_wal${suffix}`, undefined, compress);
      expect(await waldump(good), suffix).toEqual([]);
      expect(await waldump(newArchives(), { walPath: join(good, `pg_wal${suffix}`) }), suffix).toEqual([]);
    }
  });

  test("is among the files of the data directory if there is no pg_wal.tar", async () => {
    const directory = newArchives();
    const wal = join(folder, `wal${made++}`);
    makeWal(wal);
    execFileSync("tar", ["--format=ustar", "-rf", join(directory, "base.tar"), `pg_wal/${segment}`], { cwd: wal });
    expect(await waldump(directory)).toEqual([]);
    expect(await waldump(newArchives())).toEqual(['could not find WAL in archive "base.tar"']);
  });

  test("is missing, short or damaged in pg_waldump's words", async () => {
    const path = (wal: string) => join(wal, segment);
    const cases: [string, (wal: string) => void][] = [
      [
        'invalid WAL segment size in WAL file from archive "pg_wal.tar" (0 bytes)',
        (wal) => writeFileSync(path(wal), Buffer.alloc(8192)),
      ],
      ['could not find WAL in archive "pg_wal.tar"', (wal) => rmSync(path(wal))],
      ['could not find WAL in archive "pg_wal.tar"', (wal) => truncateSync(path(wal), 39)],
      [
        `could not find WAL "${segment}" in archive "pg_wal.tar"`,
        (wal) => renameSync(path(wal), join(wal, segment.replace(/2$/, "3"))),
      ],
      [
        `WAL segment "${segment}" in archive "pg_wal.tar" is too short: read 64 of 256 bytes`,
        (wal) => truncateSync(path(wal), 64),
      ],
      [
        "error in WAL record at 0/2000028: incorrect resource manager data checksum in record at 0/2000040",
        (wal) => writeFileSync(path(wal), readFileSync(path(wal)).fill(1, 0x54, 0x58)),
      ],
    ];
    for (const [message, damage] of cases) expect(await waldump(withWal("pg_wal.tar", damage))).toEqual([message]);
    const cut = withWal("pg_wal.tar");
    truncateSync(join(cut, "pg_wal.tar"), 1100);
    expect(await waldump(cut)).toEqual(["COPY stream ended before last file was finished"]);
  });

  test("is rejected before 19 if the version is given", async () => {
    const { problems } = await verifyBackup(withWal("pg_wal.tar"), { server: "18", parseWal: true });
    expect(problems[0]!.message).toBe("pg_waldump cannot read tar files");
  });

  test("is shown by walwire wal", async () => {
    const directory = withWal("pg_wal.tar.gz", undefined, gzipSync);
    const { status, stdout } = await runWalwire(["wal", "pg_wal.tar.gz"], { cwd: directory });
    const plain = join(folder, `wal${made++}`);
    makeWal(plain);
    const expected = await runWalwire(["wal", `pg_wal/${segment}`], { cwd: plain });
    expect(stdout.replaceAll("pg_wal.tar.gz/", "pg_wal/")).toBe(expected.stdout);
    expect(stdout).toContain("0/2000028");
    expect(status).toBe(expected.status);
    const follow = await runWalwire(["wal", "-f", "pg_wal.tar.gz"], { cwd: directory });
    expect(follow.stderr).toContain("--follow is not supported when reading from a tar archive");
    writeFileSync(join(directory, "pg_wal.tar"), readFileSync(join(directory, "pg_wal.tar.gz")).subarray(0, 100));
    const none = await runWalwire(["wal", "pg_wal.tar"], { cwd: directory });
    expect(none.stderr).toContain("there is no WAL to read: passed over pg_wal.tar (COPY stream ended");
    expect(none.status).toBe(1);
  });
});

describe("docs/verify-backup.md", () => {
  const page = readFileSync(fileURLToPath(new URL("../../docs/verify-backup.md", import.meta.url)), "utf8");
  const examples = [...page.matchAll(/```sh\nwalwire (.*)\n```\n\n```text\n([\s\S]*?)```/g)].map(
    ([, call, output]) => ({
      call: call!,
      output: output!,
    }),
  );
  const cwd = join(folder, "docs");

  beforeAll(() => {
    makeBackup(join(cwd, "good"), { version: 2 });
    makeWal(join(cwd, "good"));
    makeChain(cwd);
    makeBackup(join(cwd, "damaged"), { version: 2 });
    makeWal(join(cwd, "damaged"));
    const wal = join(cwd, "damaged/pg_wal/000000010000000000000002");
    writeFileSync(wal, readFileSync(wal).fill(1, 0x54, 0x58));
    writeFileSync(join(cwd, "damaged/base/1/1260"), "");
    truncateSync(join(cwd, "damaged/global/1262"), 100);
    rmSync(join(cwd, "damaged/base/1/1259_fsm"));
    writeFileSync(join(cwd, "damaged/base/1/1259"), "Z".repeat(16384));
    cpSync(
      newArchives((plain) => writeFileSync(join(plain, "base/1/1259"), "Z".repeat(16384)), ".tar.gz"),
      join(cwd, "archives"),
      { recursive: true },
    );
  });

  test("has examples", () => {
    expect(examples.length).toBe(page.match(/```sh/g)!.length);
    expect(examples.length).toBe(8);
  });

  test.each(examples)("$call", async ({ call, output }) => {
    const { status, stdout, stderr } = await spawnWalwire(compiled.dist, call.split(" "), { cwd });
    // How long it takes, and how much of a packed archive there is, is another each time.
    const steady = `${stdout}${stderr}`
      .replace(/[\d.,]+ \w+ of archives/, "… of archives")
      .replace(/in [\d.]+ s, [\d.]+ \w+\/s/g, "in … s, … MB/s")
      .replace(/"seconds":[\d.]+/, '"seconds":…');
    expect(steady).toBe(output);
    expect(status).toBe(steady.includes("✔") ? 0 : 1);
  });
});

test.each([
  [["verify-backup"], "missing DIRECTORY"],
  [["verify-backup", "a", "b", "-F", "t"], "a chain of backups cannot be verified in archives"],
  [["verify-backup", "a", "b", "-m", "m"], "--manifest-path cannot be used with a chain of backups"],
  [["verify-backup", "a", "b", "--server", "16"], "a chain of backups requires --server 17 or later"],
  [["verify-backup", "a", "-F", "zip"], '-F: expected plain or tar, got "zip"'],
  [["verify-backup", "a", "-F", "t", "--server", "17"], "since PostgreSQL 18"],
  [["verify-backup", "a", "--server", "12"], "since PostgreSQL 13"],
  [["verify-backup", "a", "-P", "-q"], "--progress and --quiet are mutually exclusive"],
  [["verify-backup", "a", "-j", "many"], "-j: expected a number from 0 to 999"],
])("%j is a wrong call", async (args, message) => {
  const { status, stderr } = await spawnWalwire(compiled.dist, args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});

describe("what could not be looked at", () => {
  test("is no damage: a directory and a manifest that are not there", async () => {
    const directory = join(folder, "nothing");
    const { status, stdout } = await runWalwire(["verify-backup", directory]);
    expect(stdout).toContain("1 thing could not be read: the backup may be good or damaged");
    expect(status).toBe(3);
    const { verdict, problems } = await verifyBackup(directory);
    expect([verdict, problems[0]!.kind]).toEqual(["unknown", "unreadable"]);
    const json = await runWalwire(["verify-backup", directory, "--jsonl"]);
    expect(JSON.parse(json.stdout.trim().split("\n").at(-1)!)).toMatchObject({ ok: false, verdict: "unknown" });
    // As the program: 1 for whatever goes wrong.
    expect((await runWalwire(["verify-backup", "--plain", directory])).status).toBe(1);
  });

  /** The program, run by a user to whom files can be closed, and who must get to it. */
  const run = (...args: readonly string[]) => {
    chmodSync(folder, 0o755);
    if (process.env.WALWIRE_PACKAGE === undefined) chmodSync(dirname(compiled.dist), 0o755);
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const call = [join(compiled.dist, "node/cli.js"), "verify-backup", ...args];
    return spawnSync(process.execPath, call, { ...user, encoding: "utf8" });
  };
  const runJson = (...args: readonly string[]) => {
    const { status, stdout } = run("--jsonl", ...args);
    const lines = stdout.trim().split("\n");
    return { status, lines: lines.map((line) => JSON.parse(line)) };
  };

  describe("of the WAL", () => {
    const segment = "pg_wal/000000010000000000000002";
    const withWal = () => {
      const directory = newBackup();
      makeWal(directory);
      return directory;
    };
    const unknown = (waldump: string) => ({
      status: 3,
      lines: [
        { problem: { kind: "unreadable", message: "WAL parsing failed for timeline 1", waldump } },
        { ok: false, verdict: "unknown", walChecked: false },
      ],
    });

    test.each(["-w", "--wal-path", "--wal-directory"])("in a place that does not exist, given by %s", (option) => {
      const directory = withWal();
      const elsewhere = (name: string) => runJson(directory, option, join(folder, name));
      const missing = `could not open directory "${join(folder, "nowhere")}": No such file or directory`;
      expect(elsewhere("nowhere")).toMatchObject(unknown(missing));
      expect(elsewhere("nowhere.tar")).toMatchObject(unknown('could not open file "nowhere.tar"'));
    });

    test("in a directory or a segment without permission", () => {
      const directory = withWal();
      chmodSync(join(directory, segment), 0);
      expect(runJson(directory)).toMatchObject(unknown(`could not open file "${segment.slice(7)}": Permission denied`));
      chmodSync(join(directory, "pg_wal"), 0);
      const closed = unknown(`could not open directory "${directory}/pg_wal": Permission denied`);
      expect(runJson(directory)).toMatchObject(closed);
      const plain = run("--plain", directory);
      expect([plain.status, plain.stderr]).toEqual([
        1,
        `pg_waldump: error: could not open directory "${directory}/pg_wal": Permission denied
pg_waldump: hint: Try "pg_waldump --help" for more information.
pg_verifybackup: error: WAL parsing failed for timeline 1
`,
      ]);
      chmodSync(join(directory, "pg_wal"), 0o755);
    });

    test("of the last backup of a chain", () => {
      const directory = join(folder, `chain${made++}`);
      makeChain(directory);
      const chain = ["full", "first", "second"].map((name) => join(directory, name));
      chmodSync(join(directory, "second", segment), 0);
      const { status, lines } = runJson(...chain);
      expect([status, lines.length]).toEqual([3, 2]);
      expect(lines[1]).toMatchObject({ ok: false, verdict: "unknown" });
      expect(lines[1].backups[2]).toMatchObject({ ok: false, verdict: "unknown", walChecked: false });
      chmodSync(join(directory, "full/global/pg_control"), 0);
      expect(runJson(...chain).status).toBe(3);
    });

    test("in archives", () => {
      const directory = newArchives();
      writeFileSync(join(directory, "pg_wal.tar"), "");
      chmodSync(join(directory, "pg_wal.tar"), 0);
      expect(runJson(directory)).toMatchObject(unknown('could not open file "pg_wal.tar": Permission denied'));
      // The version was given, and its pg_waldump does not read archives.
      const { status, lines } = runJson(directory, "--server", "18");
      expect([status, lines.at(-1)]).toMatchObject([3, { verdict: "unknown", walChecked: false }]);
    });

    test("is damage if the backup lacks it, or has something else in its place", () => {
      const damaged = { status: 1, lines: [{ problem: { kind: "wal" } }, { verdict: "damaged", walChecked: true }] };
      for (const name of ["pg_wal", segment]) {
        const directory = withWal();
        rmSync(join(directory, name), { recursive: true });
        expect(runJson(directory)).toMatchObject(damaged);
        if (name === "pg_wal") writeFileSync(join(directory, name), "");
        else mkdirSync(join(directory, name));
        expect(runJson(directory)).toMatchObject(damaged);
      }
    });
  });

  test("is a control file without permission", () => {
    const directory = newBackup();
    chmodSync(join(directory, "global/pg_control"), 0);
    const { status, lines } = runJson("-n", directory);
    expect([status, lines[0].problem.kind]).toEqual([3, "unreadable"]);
  });

  test("beside damage counts as damage", async () => {
    const directory = newBackup();
    rmSync(join(directory, "base/1/1259"));
    mkdirSync(join(directory, "base/1/1259"));
    writeFileSync(join(directory, "base/5/new"), "");
    expect((await verifyBackup(directory, { parseWal: false })).verdict).toBe("damaged");
  });
});

describe("with --plain, calls are pg_verifybackup's", () => {
  const hint = 'pg_verifybackup: hint: Try "pg_verifybackup --help" for more information.\n';

  test.each([
    [[], `error: no backup directory specified\n${hint}`],
    [["a", "b"], `error: too many command-line arguments (first is "b")\n${hint}`],
    [["--nothing"], `unrecognized option '--nothing'\n${hint}`],
    [["-x"], `invalid option -- 'x'\n${hint}`],
    [["a", "--format"], `option '--format' requires an argument\n${hint}`],
    [["a", "-nF"], `option requires an argument -- 'F'\n${hint}`],
    [["--quiet=1"], `option '--quiet' doesn't allow an argument\n${hint}`],
    [["--"], `error: no backup directory specified\n${hint}`],
    [["-F", "y", "a"], 'error: invalid backup format "y", must be "plain" or "tar"\n'],
    [["a", "--pro", "-q"], "error: cannot specify both -P/--progress and -q/--quiet\n"],
    [["--server=17", "-F", "p", "a"], `invalid option -- 'F'\n${hint}`],
    [
      ["--server", "14", "a", "b"],
      'fatal: too many command-line arguments (first is "b")\nTry "pg_verifybackup --help" for more information.\n',
    ],
  ])("%j", async (args, said) => {
    const { status, stdout, stderr } = await runWalwire(["verify-backup", "--plain", ...args]);
    expect([status, stdout, stderr]).toEqual([1, "", `pg_verifybackup: ${said}`]);
  });

  test("its help and version go to standard output", async () => {
    const help = await runWalwire(["verify-backup", "--plain", "--help"]);
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("  -F, --format=p|t            backup format (plain, tar)\n");
    expect(help.stdout).toContain("  -w, --wal-directory=PATH    use specified path for WAL files\n");
    const of19 = await runWalwire(["verify-backup", "--plain", "--server", "19", "-?"]);
    expect(of19.stdout).toContain("      --wal-directory=PATH    (same as --wal-path, deprecated)\n");
    const version = await runWalwire(["verify-backup", "--plain", "-V", "--server", "15.18"]);
    expect([version.status, version.stdout]).toEqual([0, "pg_verifybackup (PostgreSQL) 15.18\n"]);
  });

  test("options stand behind the directory, together, and cut", async () => {
    const directory = newBackup();
    const { status, stdout, stderr } = await runWalwire(["verify-backup", directory, "-sn", "--ign=base", "--plain"]);
    expect([status, stdout, stderr]).toEqual([0, "backup successfully verified\n", ""]);
  });
});
