/** Parts of base backups that need no server. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ArgumentError } from "../../src/kernel/errors.ts";
import { parseCompress } from "../../src/node/base-backup/compression.ts";
import { BackupFiles } from "../../src/node/base-backup/files.ts";
import { type TakeBaseBackupOptions, takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { primaryConninfo, recoveryConfig } from "../../src/node/base-backup/recovery-conf.ts";

describe("primary_conninfo", () => {
  const clear = (variables: Readonly<Record<string, string>> = {}): void => {
    for (const name of Object.keys(process.env)) if (name.startsWith("PG")) vi.stubEnv(name, undefined);
    for (const [name, value] of Object.entries({ PGUSER: "me", ...variables })) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  test.each<[string, Record<string, string>, Parameters<typeof primaryConninfo>[0], string]>([
    ["a URL", {}, { connectionString: "postgres://a@h:7" }, "user=a host=h port=7"],
    ["a database", {}, { connectionString: "postgres://a@h/d%20b" }, "user=a host=h port=5432 dbname='d b'"],
    ["a password", {}, { connectionString: "postgres://a:p%27%5C@h" }, "user=a password='p\\'\\\\' host=h port=5432"],
    ["PGPASSWORD", { PGPASSWORD: "x" }, { host: "h" }, "user=me password=x host=h port=5432"],
    ["a function for the password", {}, { host: "h", password: () => "secret" }, "user=me host=h port=5432"],
    ["a socket", {}, { host: "/run/postgresql", port: 1 }, "user=me host='/run/postgresql' port=1"],
    [
      "a socket in a URL",
      {},
      { connectionString: "postgres://a@/d?host=/run/x&port=3" },
      "user=a host='/run/x' port=3 dbname=d",
    ],
    [
      "parameters of libpq, not those of pg",
      {},
      { connectionString: "postgres://a@h?sslmode=verify-full&application_name=s1&max=3" },
      "user=a host=h port=5432 sslmode='verify-full' application_name=s1",
    ],
    [
      "the environment",
      { PGHOST: "e", PGSSLMODE: "disable", PGAPPNAME: "n" },
      {},
      "user=me host=e port=5432 sslmode=disable application_name=n",
    ],
    ["no TLS", {}, { host: "h", ssl: false }, "user=me host=h port=5432 sslmode=disable"],
  ])("%s", async (_, variables, options, expected) => {
    clear(variables);
    expect(await primaryConninfo(options)).toBe(expected);
  });

  test("the lines of the configuration", () => {
    const lines = (isInParameters: boolean) =>
      Buffer.from(recoveryConfig("password='a\\'b'", "s1", isInParameters)).toString();
    const conninfo = "primary_conninfo = 'password=''a\\\\''b'''\nprimary_slot_name = 's1'\n";
    expect(lines(true)).toBe(conninfo);
    expect(lines(false)).toBe(`standby_mode = 'on'\n${conninfo}`);
  });
});

test.each<[string, object]>([
  ["none", { where: "client", algorithm: "none" }],
  ["0", { where: "client", algorithm: "none" }],
  ["6", { where: "client", algorithm: "gzip", level: 6 }],
  ["gzip", { where: "client", algorithm: "gzip", level: undefined }],
  ["client-gzip:level=9", { where: "client", algorithm: "gzip", level: 9 }],
  ["server-9", { where: "server", algorithm: "gzip", detail: "9" }],
  ["server-zstd:level=3,workers=2", { where: "server", algorithm: "zstd", detail: "level=3,workers=2" }],
  ["server-lz4", { where: "server", algorithm: "lz4", detail: undefined }],
])("the compression %s", (text, expected) => {
  expect(parseCompress(text, "options.compress")).toMatchObject(expected);
});

describe("the files of a backup", () => {
  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), "walwire-files-"));
    onTestFinished(() => rmSync(path, { recursive: true }));
    return path;
  };

  test("are written at once, whatever becomes of the bytes afterwards", () => {
    const path = join(folder(), "x");
    const files = new BackupFiles();
    const file = files.create(path, 0o600);
    const bytes = new Uint8Array(100_000);
    for (let i = 0; i < 5; i++) files.write(file, bytes.fill(i));
    files.close(file);
    const written = readFileSync(path);
    expect(written.length).toBe(500_000);
    expect(written.every((byte, at) => byte === Math.floor(at / 100_000))).toBe(true);
  });

  test("are not written over", () => {
    const path = join(folder(), "x");
    writeFileSync(path, "");
    expect(() => new BackupFiles().create(path, 0o600)).toThrow(expect.objectContaining({ code: "EEXIST" }));
  });

  test("are not written once they are abandoned: the descriptor may be another file's", () => {
    const files = new BackupFiles();
    const file = files.create(join(folder(), "x"), 0o600);
    files.abandon();
    expect(() => files.write(file, Uint8Array.of(1))).toThrow("abandoned");
    files.close(file);
  });

  test.runIf(process.platform === "linux")("a full disk is an error that names the file", () => {
    const path = join(folder(), "full");
    const files = new BackupFiles();
    const file = files.create(path, 0o600);
    closeSync(file.fd);
    // The lowest descriptor that is free is taken.
    while (openSync("/dev/full", "w") < file.fd);
    expect(() => files.write(file, new Uint8Array(1_000_000))).toThrow(
      expect.objectContaining({ code: "ENOSPC", syscall: "write", path }),
    );
    files.abandon();
  });
});

test.each<[string, Partial<TakeBaseBackupOptions> | { readonly [name: string]: unknown }]>([
  ["options.connect", { connect: 5 }],
  ["options.format", { format: "zip" }],
  ["options.walMethod", { walMethod: "copy" }],
  ["options.compress", { compress: "gzip" }],
  ["options.slotname", { slotname: "s", walMethod: "fetch" }],
  ["options.createSlot", { createSlot: true }],
  ["options.temporarySlot", { slotname: "s", temporarySlot: true }],
  ["options.manifestChecksums", { manifest: false, manifestChecksums: "NONE" }],
  ["options.walDirectory", { walDirectory: "relative" }],
  ["options.walDirectory", { walDirectory: "/w", format: "tar" }],
  ["options.writeRecoveryConf", { writeRecoveryConf: true, connect: () => {} }],
  ["options.writeRecoveryConf", { writeRecoveryConf: true, format: "tar", compress: "server-gzip" }],
  ['options.tablespaceMapping["a"]', { tablespaceMapping: { a: "/b" } }],
  ['options.tablespaceMapping["/a"]', { tablespaceMapping: { "/a": "b" } }],
  ["options.maxRate", { maxRate: "fast" }],
  ["options", { conection: {} }],
])("%s is an ArgumentError", async (path, options) => {
  const failed = takeBaseBackup("/nowhere", { connect: {}, ...options } as TakeBaseBackupOptions);
  await expect(failed).rejects.toThrow(ArgumentError);
  await expect(failed).rejects.toMatchObject({ path });
});
