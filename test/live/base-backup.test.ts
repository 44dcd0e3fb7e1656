/** Base backups that we take: verify-backup accepts them, servers start from them, standbys follow. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { type BackupProgress, type TakeBaseBackupOptions, takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { baseBackupProgramCapabilities } from "../../src/node/capabilities.ts";
import { verifyBackup, verifyBackupChain } from "../../src/node/verify-backup.ts";
import { giveToServer, temporaryDirectory } from "../basebackup.ts";
import { times } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";

/** A major takes about 5 s of the processor, most of it to copy data directories: short runs have the oldest and the newest. */
const majors = times < 1 ? [...new Set([liveMajors[0]!, liveMajors.at(-1)!])] : liveMajors;

describe.each(majors)("PostgreSQL %i", (major) => {
  const has = baseBackupProgramCapabilities.of(major);
  const oneStream = supports(major, "baseBackupOneStream");
  /** A test of what not every version has: the others have no such test. */
  const testWhere = (condition: boolean, ...args: Parameters<typeof test>) => condition && test(...args);
  let server: OwnServer;
  let oid: string;

  beforeAll(async () => {
    server = await startServer({
      major,
      initdb: ["--data-checksums", ...(major >= 11 ? ["--wal-segsize=1"] : [])],
      settings: has.walSummaries ? { summarize_wal: "on" } : {},
    });
    mkdirSync(`${server.host}/ts`);
    giveToServer(`${server.host}/ts`);
    await server.sql(`CREATE TABLESPACE ts LOCATION '${server.host}/ts'`);
    await server.sql("CREATE TABLE here AS SELECT g, repeat(md5(g::text), 20) t FROM generate_series(1, 2000) g");
    await server.sql("CREATE TABLE there TABLESPACE ts AS TABLE here");
    // Two thirds of a new cluster are databases to copy from, which nobody needs here.
    for (const template of ["template0", "template1"]) {
      await server.sql(`UPDATE pg_database SET datistemplate = false WHERE datname = '${template}'`);
      await server.sql(`DROP DATABASE ${template}`);
    }
    oid = (await server.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'ts'")).rows[0]![0]!;
  }, 60_000);

  afterAll(() => server?.stop());

  const place = (): string => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    return path;
  };
  const take = (directory: string, options: Partial<TakeBaseBackupOptions> = {}) =>
    takeBaseBackup(directory, {
      connect: { host: server.host, port: server.port, user: server.user },
      checkpoint: "fast",
      sync: false,
      ...(options.format === "tar" ? {} : { tablespaceMapping: { [`${server.host}/ts`]: `${directory}.ts` } }),
      ...options,
    });
  const start = async (directory: string, settings = {}): Promise<OwnServer> => {
    giveToServer(directory);
    if (existsSync(`${directory}.ts`)) giveToServer(`${directory}.ts`);
    const restored = await startServer({ major, from: directory, settings });
    onTestFinished(() => restored.stop());
    return restored;
  };
  const counts = async (from: OwnServer) =>
    (await from.sql("SELECT (SELECT count(*) FROM here), (SELECT count(*) FROM there)")).rows[0];

  test("a plain backup with a tablespace: a server starts from it", { timeout: 60_000 }, async () => {
    const path = place();
    const directory = join(path, "data");
    const reports: BackupProgress[] = [];
    const messages: string[] = [];
    const backup = await take(directory, {
      walMethod: "fetch",
      label: "it's a label",
      sync: true,
      onProgress: (progress) => reports.push(progress),
      onMessage: (message) => messages.push(message),
    });
    expect(backup).toMatchObject({ serverVersion: server.versionNum, timeline: 1 });
    expect(backup.tablespaces).toEqual([
      { oid: Number(oid), location: `${server.host}/ts`, directory: `${directory}.ts` },
    ]);
    expect(readFileSync(join(directory, "backup_label"), "utf8")).toContain("\nLABEL: it's a label\n");
    expect(readlinkSync(join(directory, "pg_tblspc", oid))).toBe(`${directory}.ts`);
    expect(existsSync(join(directory, "backup_manifest"))).toBe(has.manifests);
    const last = reports.at(-1)!;
    expect(last).toMatchObject({ doneBytes: backup.bytes, tablespaces: 2, totalTablespaces: 2, file: undefined });
    expect(last.totalBytes).toBeGreaterThanOrEqual(backup.bytes);
    expect(messages.at(-1)).toBe("base backup completed");
    if (has.manifests) {
      for (const options of [{ server: major }, {}]) {
        expect(await verifyBackup(directory, options)).toMatchObject({ problems: [], walChecked: true });
      }
    }
    expect(await counts(await start(directory))).toEqual(["2000", "2000"]);
  });

  test("archives, extracted by tar, are a data directory", { timeout: 60_000 }, async () => {
    const path = place();
    const [archives, directory] = [join(path, "archives"), join(path, "data")];
    await take(archives, { format: "tar", compress: "gzip:1" });
    const names = [
      ...(has.manifests ? ["backup_manifest"] : []),
      "base.tar.gz",
      "pg_wal.tar.gz",
      `${oid}.tar.gz`,
    ].sort();
    expect(readdirSync(archives).sort()).toEqual(names);
    for (const name of names) expect(statSync(join(archives, name)).mode & 0o777).toBe(0o600);
    if (has.manifests) {
      for (const options of [{}, { format: "tar" }] as const) {
        expect(await verifyBackup(archives, options)).toMatchObject({ problems: [], format: "tar", walChecked: true });
      }
    }
    for (const [name, to] of [
      ["base", directory],
      [oid, `${directory}.ts`],
      ["pg_wal", join(directory, "pg_wal")],
    ] as const) {
      mkdirSync(to, { recursive: true, mode: 0o700 });
      execFileSync("tar", ["-xzf", join(archives, `${name}.tar.gz`), "-C", to]);
    }
    if (has.manifests) {
      copyFileSync(join(archives, "backup_manifest"), join(directory, "backup_manifest"));
      symlinkSync(`${directory}.ts`, join(directory, "pg_tblspc", oid));
      expect(await verifyBackup(directory, { server: major })).toMatchObject({ verdict: "intact", walChecked: true });
    }
    execFileSync("sed", ["-i", `s,${server.host}/ts,${directory}.ts,`, join(directory, "tablespace_map")]);
    expect(await counts(await start(directory))).toEqual(["2000", "2000"]);
  });

  test.each(["plain", "tar"] as const)("a standby from a %s backup follows", { timeout: 60_000 }, async (format) => {
    const path = place();
    const directory = join(path, "data");
    const taken = format === "plain" ? directory : join(path, "archives");
    await take(taken, { format, writeRecoveryConf: true });
    if (format === "tar") {
      for (const [name, to] of [
        ["base", directory],
        [oid, `${directory}.ts`],
        ["pg_wal", join(directory, "pg_wal")],
      ] as const) {
        mkdirSync(to, { recursive: true, mode: 0o700 });
        execFileSync("tar", ["-xf", join(taken, `${name}.tar`), "-C", to]);
      }
      execFileSync("sed", ["-i", `s,${server.host}/ts,${directory}.ts,`, join(directory, "tablespace_map")]);
    }
    const conninfo = `user=postgres host='${server.host}' port=${server.port}`;
    const lines = `primary_conninfo = '${conninfo.replaceAll("'", "''")}'\n`;
    if (has.recoveryParameters) {
      expect(readFileSync(join(directory, "standby.signal"), "utf8")).toBe("");
      expect(readFileSync(join(directory, "postgresql.auto.conf"), "utf8").endsWith(lines)).toBe(true);
    } else {
      expect(readFileSync(join(directory, "recovery.conf"), "utf8")).toBe(`standby_mode = 'on'\n${lines}`);
    }
    if (has.manifests && format === "plain") {
      expect(await verifyBackup(directory, { server: major })).toMatchObject({ verdict: "intact", walChecked: true });
    }
    const standby = await start(directory, { hot_standby: "on" });
    await server.sql("INSERT INTO there VALUES (0)");
    await vi.waitFor(async () => expect(await counts(standby)).toEqual(["2000", "2001"]), 20_000);
    await server.sql("DELETE FROM there WHERE g = 0");
  });

  testWhere(oneStream, "archives that the server compresses become files", { timeout: 60_000 }, async () => {
    const path = place();
    for (const method of ["gzip", "lz4", "zstd"]) {
      const directory = join(path, method);
      try {
        await take(directory, { walMethod: "none", compress: `server-${method}`, manifestChecksums: "SHA256" });
      } catch (error) {
        // Not every build has all of them.
        expect(String(error)).toContain("this build does not support compression");
        expect(readdirSync(path).filter((name) => name.startsWith(method))).toEqual([]);
        continue;
      }
      expect(await verifyBackup(directory, { server: major, parseWal: false })).toMatchObject({ verdict: "intact" });
      const archives = join(path, `${method}.archives`);
      await take(archives, { format: "tar", walMethod: "none", compress: `server-${method}` });
      const suffix = { gzip: "gz", lz4: "lz4", zstd: "zst" }[method];
      expect(readdirSync(archives).sort()).toEqual(
        [`${oid}.tar.${suffix}`, "backup_manifest", `base.tar.${suffix}`].sort(),
      );
    }
  });

  testWhere(has.walSummaries, "an incremental backup follows a full one", { timeout: 60_000 }, async () => {
    const path = place();
    const [full, incremental] = [join(path, "full"), join(path, "incremental")];
    await take(full, { walMethod: "fetch" });
    await server.sql("INSERT INTO here VALUES (0); DELETE FROM here WHERE g = 0");
    await take(incremental, { walMethod: "fetch", incremental: join(full, "backup_manifest") });
    for (const options of [{ server: major }, {}]) {
      expect(await verifyBackupChain([full, incremental], options)).toMatchObject({ problems: [], warnings: [] });
    }
    // What the server rejects leaves nothing.
    const failed = take(join(path, "other"), { walMethod: "none", incremental: join(path, "none") });
    await expect(failed).rejects.toMatchObject({ code: "FILE_SYSTEM" });
    expect(existsSync(join(path, "other"))).toBe(false);
  });

  test("a backup whose WAL cannot be streamed any more fails, and is removed", { timeout: 60_000 }, async () => {
    const directory = join(place(), "data");
    let cut = 0;
    const failed = take(directory, {
      maxRate: 1024,
      onProgress: () => {
        const of = "state <> 'backup' AND application_name = 'walwire base-backup'";
        const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE ${of}`;
        if (cut === 0)
          server.sql(sql).then(({ rows }) => {
            cut += rows.length;
          });
      },
    });
    // The server's reason, unless a status update finds the connection closed before it is read.
    await expect(failed).rejects.toMatchObject({ name: expect.stringMatching(/^(?:Server|Connection)Error$/) });
    expect(existsSync(directory)).toBe(false);
    // So is the slot.
    await vi.waitFor(async () =>
      expect((await server.sql("SELECT slot_name FROM pg_replication_slots")).rows).toEqual([]),
    );
  });

  test("what the server lacks is an error, and no directory is made", async () => {
    const path = place();
    const lacking: Partial<TakeBaseBackupOptions>[] = [
      ...(has.walSummaries ? [] : [{ incremental: "x" }]),
      ...(has.manifests ? [] : [{ manifest: true }, { manifestChecksums: "SHA224" } as const]),
      ...(oneStream ? [] : [{ compress: "server-gzip" }]),
    ];
    for (const options of lacking) {
      const failed = take(join(path, "backup"), { walMethod: "none", ...options });
      await expect(failed, JSON.stringify(options)).rejects.toMatchObject({ name: "UnsupportedError" });
    }
    expect(readdirSync(path).filter((name) => name === "backup")).toEqual([]);
  });
});
