/** Base backups that we take, next to PostgreSQL 15's pg_basebackup of the same server: the same files with the same bytes. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type TakeBaseBackupOptions, takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { textPath } from "../../src/node/verify-backup/paths.ts";
import { type TarMember, TarParser } from "../../src/node/verify-backup/tar.ts";
import { giveToServer, temporaryDirectory } from "../basebackup.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { runProgram } from "./programs.ts";

let server: OwnServer;
let oid: string;

beforeAll(async () => {
  const settings = { allow_in_place_tablespaces: "on" };
  server = await startServer({ major: 15, initdb: ["--wal-segsize=1"], settings });
  // A tablespace that is a directory of pg_tblspc, without a link.
  await server.sql("CREATE TABLESPACE in_place LOCATION ''");
  await server.sql("CREATE TABLE in_place TABLESPACE in_place AS SELECT 1 AS i");
  mkdirSync(`${server.host}/ts`);
  giveToServer(`${server.host}/ts`);
  await server.sql(`CREATE TABLESPACE ts LOCATION '${server.host}/ts'`);
  await server.sql("CREATE TABLE there TABLESPACE ts AS SELECT g, md5(g::text) FROM generate_series(1, 10000) g");
  await server.sql("UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'");
  await server.sql("DROP DATABASE template0");
  oid = (await server.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'ts'")).rows[0]![0]!;
}, 60_000);

afterAll(() => server?.stop());

/** What two backups of one server do not have in common: their times, positions and WAL. */
const changing = /^(?:backup_label|backup_manifest|global\/pg_control|pg_wal\/.*|0000.*|archive_status\/0000.*)$/;

const sum = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");

/** Every file, directory and link below a directory. */
function entriesOf(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, encoding: "utf8", withFileTypes: true });
  return entries
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const name = path
        .slice(directory.length + 1)
        .replace(/^(pg_wal\/(?:archive_status\/)?)[0-9A-F]{24}/, "$1SEGMENT");
      if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(path).replace(/.*(?=\.ts$)/, "")}`;
      const mode = (statSync(path).mode & 0o7777).toString(8);
      if (entry.isDirectory()) return `${mode} ${name}/`;
      const bytes = readFileSync(path);
      // What of WAL there is depends on when: a segment more or less.
      return changing.test(name) ? `${mode} ${name}` : `${mode} ${name} ${bytes.length} ${sum(bytes)}`;
    })
    .filter((entry, i, all) => all.indexOf(entry) === i)
    .sort();
}

/** Every member of an archive. */
function membersOf(archive: string): string[] {
  const members: string[] = [];
  let member: TarMember | undefined;
  let hash = createHash("sha1");
  let header = "";
  const parser = new TarParser(
    {
      header: (next, block) => {
        member = next;
        // Name, size, time and checksum apart, headers are equal too.
        const rest = [...block.subarray(100, 124), ...block.subarray(156)];
        hash = createHash("sha1").update(Buffer.from(rest));
        header = sum(Buffer.from(rest));
      },
      contents: (bytes) => void hash.update(bytes),
      end: () => {
        const { path, type, mode, target, size } = member!;
        const name = textPath(path).replace(/0000[0-9A-F]{20}/, "SEGMENT");
        const contents = changing.test(path) || path.includes("0000000") ? header : `${size} ${hash.digest("hex")}`;
        members.push(`${type} ${mode.toString(8)} ${name} ${target} ${contents}`);
      },
    },
    true,
  );
  parser.push(readFileSync(archive));
  parser.end();
  return members.filter((each, i) => members.indexOf(each) === i);
}

async function both(options: Partial<TakeBaseBackupOptions>, args: readonly string[]) {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const [ours, theirs] = [join(path, "ours"), join(path, "theirs")];
  const address = ["-h", server.host, "-p", String(server.port), "-U", server.user];
  const plain = options.format !== "tar";
  const mapping = (directory: string) => ({ [`${server.host}/ts`]: `${directory}.ts` });
  await takeBaseBackup(ours, {
    connect: { host: server.host, port: server.port, user: server.user },
    checkpoint: "fast",
    label: "pg_basebackup base backup",
    sync: false,
    ...(plain ? { tablespaceMapping: mapping(ours) } : {}),
    ...options,
  });
  const map = plain ? ["-T", `${server.host}/ts=${theirs}.ts`] : [];
  const taken = await runProgram("pg_basebackup", [...address, "-D", theirs, "-c", "fast", "-N", ...map, ...args]);
  expect(taken).toMatchObject({ status: 0 });
  return { ours, theirs };
}

/** Streamed WAL ends where the backup does, or with the segment, as time has it; only a whole segment is marked as done. */
function isDone(entry: string): boolean {
  return /archive_status\/SEGMENT\.done/.test(entry);
}

describe("plain", () => {
  test.each(["none", "fetch", "stream"] as const)("with WAL by %s", { timeout: 60_000 }, async (walMethod) => {
    const { ours, theirs } = await both({ walMethod }, ["-X", walMethod]);
    const but = (entry: string) => walMethod !== "stream" || !isDone(entry);
    expect(entriesOf(ours).filter(but)).toEqual(entriesOf(theirs).filter(but));
    expect(entriesOf(`${ours}.ts`)).toEqual(entriesOf(`${theirs}.ts`));
    const verified = await runProgram("pg_verifybackup", walMethod === "none" ? ["-n", ours] : [ours]);
    expect(verified).toEqual({ status: 0, stdout: "backup successfully verified\n", stderr: "" });
  });

  test("with the options of a manifest", { timeout: 60_000 }, async () => {
    const { ours, theirs } = await both(
      { walMethod: "none", manifest: "force-encode", manifestChecksums: "SHA384", verifyChecksums: false },
      ["-X", "none", "--manifest-force-encode", "--manifest-checksums=SHA384", "--no-verify-checksums"],
    );
    expect(entriesOf(ours)).toEqual(entriesOf(theirs));
    const files = (directory: string) =>
      readFileSync(join(directory, "backup_manifest"), "utf8")
        .split("\n")
        .filter((line) => line.includes("Encoded-Path"))
        .map((line) => line.replace(/"Last-Modified".*/, ""));
    expect(files(ours)).toEqual(files(theirs));
    expect(files(ours).length).toBeGreaterThan(500);
  });

  test("as a standby", { timeout: 60_000 }, async () => {
    const { ours, theirs } = await both({ walMethod: "none", writeRecoveryConf: true }, ["-X", "none", "-R"]);
    const but = (entry: string) => !entry.includes("postgresql.auto.conf");
    expect(entriesOf(ours).filter(but)).toEqual(entriesOf(theirs).filter(but));
    const conninfo = (directory: string): Record<string, string> => {
      const conf = readFileSync(join(directory, "postgresql.auto.conf"), "utf8");
      const value = /^primary_conninfo = '(.*)'$/m.exec(conf)![1]!.replaceAll("''", "'");
      return Object.fromEntries([...value.matchAll(/(\w+)=('[^']*'|\S+)/g)].map(([, name, each]) => [name, each]));
    };
    // libpq writes its defaults too.
    expect(conninfo(theirs)).toMatchObject(conninfo(ours));
    expect(conninfo(ours)).toEqual({ user: "postgres", host: `'${server.host}'`, port: "5432" });
  });
});

describe("tar", () => {
  test.each<[string, Partial<TakeBaseBackupOptions>, readonly string[]]>([
    ["with WAL by fetch", { walMethod: "fetch" }, ["-X", "fetch"]],
    ["with WAL by stream", { walMethod: "stream" }, ["-X", "stream"]],
    ["as a standby", { walMethod: "none", writeRecoveryConf: true }, ["-X", "none", "-R"]],
  ])("%s", { timeout: 60_000 }, async (_, options, args) => {
    const { ours, theirs } = await both({ ...options, format: "tar" }, ["-F", "t", ...args]);
    expect(readdirSync(ours).sort()).toEqual(readdirSync(theirs).sort());
    for (const archive of readdirSync(theirs).filter((name) => name.endsWith(".tar"))) {
      const but = (member: string) =>
        !(args.includes("-R") && member.includes("postgresql.auto.conf")) &&
        !(archive === "pg_wal.tar" && isDone(member));
      expect(membersOf(join(ours, archive)).filter(but)).toEqual(membersOf(join(theirs, archive)).filter(but));
    }
    expect(sum(readFileSync(join(ours, `${oid}.tar`)))).toBe(sum(readFileSync(join(theirs, `${oid}.tar`))));
  });
});
