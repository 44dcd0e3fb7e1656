/** Chains of backups that servers have taken: each server starts from what is combined, and has the tables of the source. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { combineBackup } from "../../src/node/combine-backup.ts";
import { verifyBackup } from "../../src/node/verify-backup.ts";
import {
  baseBackupCommand,
  eventsOf,
  giveToServer,
  tablespaceDirectory,
  takeBackup,
  temporaryDirectory,
  uploadManifest,
} from "../basebackup.ts";
import { type Server, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";

/** What happens before each incremental backup. */
const workloads = [
  "UPDATE here SET t = 'one' WHERE id IN (1, 1000); TRUNCATE gone; INSERT INTO inside SELECT * FROM here WHERE id < 500",
  "INSERT INTO here SELECT g, 'two' FROM generate_series(2001, 6000) g; DELETE FROM there WHERE id > 1000; DROP TABLE gone",
  "CREATE TABLE later AS SELECT * FROM here; ALTER TABLE inside SET TABLESPACE ts; UPDATE there SET t = 'three' WHERE id < 5",
] as const;
const vacuums = ["VACUUM here", "VACUUM there", "VACUUM FULL here"] as const;
const tables = ["here", "there", "inside", "later"] as const;

async function answers(server: Server): Promise<unknown> {
  const asked = tables.map((table) => server.sql(`SELECT count(*), md5(string_agg(t, ',' ORDER BY id)) FROM ${table}`));
  return (await Promise.all(asked)).map(({ rows }) => rows);
}

describe.for(liveMajors.filter((major) => supports(major, "incrementalBackup")))("PostgreSQL %i", (major) => {
  test("a full backup and three incremental ones", { timeout: 60_000 }, async () => {
    const server = await startServer({
      major,
      initdb: ["--data-checksums", "--wal-segsize=1"],
      settings: { summarize_wal: "on", allow_in_place_tablespaces: "on" },
    });
    onTestFinished(() => server.stop());
    mkdirSync(`${server.host}/ts`);
    giveToServer(`${server.host}/ts`);
    await server.sql(`CREATE TABLESPACE ts LOCATION '${server.host}/ts'`);
    await server.sql("CREATE TABLESPACE inplace LOCATION ''");
    await server.sql(`
      CREATE TABLE here (id int PRIMARY KEY, t text);
      CREATE TABLE there (id int PRIMARY KEY, t text) TABLESPACE ts;
      CREATE TABLE inside (id int PRIMARY KEY, t text) TABLESPACE inplace;
      INSERT INTO here SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 2000) g;
      INSERT INTO there SELECT * FROM here;
      CREATE TABLE gone AS SELECT * FROM here`);
    for (const template of ["template0", "template1"]) {
      await server.sql(`UPDATE pg_database SET datistemplate = false WHERE datname = '${template}'`);
      await server.sql(`DROP DATABASE ${template}`);
    }

    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const connection = await server.connect({ replication: "true" });
    onTestFinished(() => connection.close());
    const directories: string[] = [];
    let oid = 0;
    let manifest: Buffer | undefined;
    for (const i of [0, 1, 2, 3]) {
      const directory = join(path, String(i));
      if (manifest !== undefined) {
        await server.sql(workloads[i - 1]!);
        await server.sql(vacuums[i - 1]!);
        await uploadManifest(connection, manifest);
      }
      const options = { MANIFEST: "yes", WAL: true, INCREMENTAL: i > 0 };
      const backup = await takeBackup(connection, server.versionNum, baseBackupCommand(server.versionNum, options), {
        directory,
      });
      manifest = backup.manifest!;
      writeFileSync(join(directory, "backup_manifest"), manifest);
      const { tablespaces } = eventsOf(backup, "Tablespaces")[0]!;
      oid = tablespaces.find(({ spclocation }) => spclocation?.startsWith("/"))!.spcoid!;
      directories.push(directory);
    }

    const combined = join(path, "combined");
    const space = tablespaceDirectory(combined, oid);
    const warnings: string[] = [];
    const result = await combineBackup(directories, combined, {
      tablespaces: { [tablespaceDirectory(directories[3]!, oid)]: space },
      onWarning: (message) => warnings.push(message),
    });
    expect(warnings).toEqual([]);
    expect(result.reconstructed).toBeGreaterThan(5);
    expect(result.files).toBeGreaterThan(300);
    expect((await verifyBackup(combined)).problems).toEqual([]);
    const verified = await verifyBackup(combined, { server: String(major) });
    expect(verified).toMatchObject({ ok: true, walChecked: true, manifest: { isIncremental: false } });
    expect(verified.checked.files).toBeGreaterThan(300);

    giveToServer(space);
    const again = await startServer({ major, from: combined, settings: { allow_in_place_tablespaces: "on" } });
    onTestFinished(() => again.stop());
    const found = await answers(again);
    expect(found).toEqual(await answers(server));
    expect(found).toMatchObject([[["6000", expect.any(String)]], [["1000", expect.any(String)]], {}, {}]);
  });
});
