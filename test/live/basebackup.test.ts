/**
 * Base backups of real servers of every major: what each sends is understood, encodes to the same bytes (takeBackup holds that of all
 * that it takes), and makes a directory that a server starts from.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type BackupTablespace, ManifestReceiver } from "../../src/basebackup/index.ts";
import { supports } from "../../src/capabilities.ts";
import { crc32c } from "../../src/kernel/crc32c.ts";
import { verifyBackupChain } from "../../src/node/verify-backup.ts";
import { Framer, framesOf } from "../../src/wire/framer.ts";
import {
  type Backup,
  baseBackupCommand,
  combineDirectories,
  eventsOf,
  giveToServer,
  type Member,
  tablespaceDirectory,
  takeBackup,
  temporaryDirectory,
  uploadManifest,
} from "../basebackup.ts";
import { errorFields, frame, type Message, type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

const QUESTION = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM ONLY";

/** Each algorithm as a server's manifest names it, and what makes a file's checksum in it. */
const algorithms: Readonly<Record<string, (bytes: Buffer) => string>> = {
  CRC32C: (bytes) => {
    const digest = Buffer.alloc(4);
    digest.writeUInt32LE(crc32c(bytes));
    return digest.toString("hex");
  },
  SHA224: (bytes) => createHash("sha224").update(bytes).digest("hex"),
  SHA256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
  SHA384: (bytes) => createHash("sha384").update(bytes).digest("hex"),
  SHA512: (bytes) => createHash("sha512").update(bytes).digest("hex"),
};

/** Each major has one of them for its first backup: 13 to 18 have all. */
const names = [...Object.keys(algorithms), "NONE"];

interface ManifestFile {
  readonly Path: string;
  readonly Size: number;
  readonly "Checksum-Algorithm"?: string;
  readonly Checksum?: string;
}

/** A test of those servers that can do it; where they cannot, there is none. */
function testIf(condition: boolean): (name: string, run: () => Promise<void>, timeout?: number) => void {
  return condition ? test : () => {};
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let connection: RawConnection;
  const has = {
    oneStream: supports(major, "baseBackupOneStream"),
    manifest: major >= 13,
    verifies: major >= 11,
    incremental: supports(major, "incrementalBackup"),
  };

  const take = (options: Parameters<typeof baseBackupCommand>[1] = {}, how: Parameters<typeof takeBackup>[3] = {}) =>
    takeBackup(connection, server.versionNum, baseBackupCommand(server.versionNum, options), how);
  /** Do not verify checksums, where that is a choice. */
  const unverified: Record<string, boolean> = has.oneStream
    ? { "VERIFY_CHECKSUMS false": true }
    : has.verifies
      ? { NOVERIFY_CHECKSUMS: true }
      : {};

  beforeAll(async () => {
    server = await startServer({
      major,
      initdb: ["--data-checksums", ...(major >= 11 ? ["--wal-segsize=1"] : [])],
      settings: has.incremental ? { summarize_wal: "on" } : {},
    });
    mkdirSync(`${server.host}/ts`);
    giveToServer(`${server.host}/ts`);
    await server.sql(`CREATE TABLESPACE ts LOCATION '${server.host}/ts'`);
    await server.sql(`
      CREATE TABLE here (id int PRIMARY KEY, t text);
      CREATE TABLE there (id int PRIMARY KEY, t text) TABLESPACE ts;
      INSERT INTO here SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 2000) g;
      INSERT INTO there SELECT * FROM here`);
    // Two thirds of a new cluster are databases to copy from, which nobody needs here.
    for (const template of ["template0", "template1"]) {
      await server.sql(`UPDATE pg_database SET datistemplate = false WHERE datname = '${template}'`);
      await server.sql(`DROP DATABASE ${template}`);
    }
    connection = await server.connect({ replication: "true", application_name: "backup" });
  }, 60_000);

  afterAll(async () => {
    await connection?.close();
    await server?.stop();
  });

  test("a backup with WAL, a tablespace and a manifest is understood, and a server starts from it", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const directory = join(path, "data");
    const algorithm = names[major % names.length]!;
    const backup = await take(
      {
        LABEL: "it's me".replace("'", "''"),
        PROGRESS: true,
        WAL: true,
        ...(has.manifest && { MANIFEST: "yes", MANIFEST_CHECKSUMS: algorithm }),
      },
      { directory, keep: (name) => name === "backup_label" },
    );

    const { rows } = await server.sql(
      "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'ts'",
    );
    const [oid, location] = rows[0]! as [string, string];
    const [list] = eventsOf(backup, "Tablespaces");
    expect(list!.tablespaces).toEqual([
      { spcoid: Number(oid), spclocation: location, size: expect.any(BigInt) },
      { spcoid: undefined, spclocation: undefined, size: expect.any(BigInt) },
    ]);
    expect(backup.archives.map(({ archive }) => archive)).toEqual([`${oid}.tar`, "base.tar"]);
    // The sizes are what the server took the files for, in kB: of the tablespace they are right but for what ends a tar.
    const kilobytes = Number(list!.tablespaces[0]!.size);
    expect(Math.abs(kilobytes - backup.archives[0]!.bytes / 1024)).toBeLessThan(4);

    const label = memberOf(backup, "backup_label").content!.toString();
    const [start] = eventsOf(backup, "BackupStart");
    const [end] = eventsOf(backup, "BackupEnd");
    const lsn = (await server.sql(`SELECT '${label.match(/START WAL LOCATION: (\S+)/)![1]}'::pg_lsn - '0/0'`)).rows;
    expect(String(start!.recptr)).toBe(lsn[0]![0]);
    expect(label).toContain("LABEL: it's me\n");
    expect([start!.tli, end!.tli]).toEqual([1, 1]);
    expect(end!.recptr).toBeGreaterThan(start!.recptr);
    expect(backup.events.slice(-2).map(({ type }) => type)).toEqual(["Complete", "Ready"]);
    expect(eventsOf(backup, "Notice").map(({ fields }) => fields.M)).toEqual([
      expect.stringMatching(/WAL archiving is not enabled/),
    ]);
    if (has.oneStream) {
      // The last progress of each archive counts all of its bytes.
      const progress = eventsOf(backup, "Progress").map(({ bytesDone }) => Number(bytesDone));
      const [first, second] = backup.archives.map(({ bytes }) => bytes);
      expect(progress).toContain(first!);
      expect(progress.at(-1)).toBe(first! + second!);
    }

    expect(backup.manifest === undefined).toBe(!has.manifest);
    if (backup.manifest !== undefined) checkManifest(backup, directory, algorithm);

    // Members are as the server has them: modes, links, directories.
    expect(memberOf(backup, "global/pg_control")).toMatchObject({
      type: "file",
      size: 8192,
      mode: 0o600,
      target: undefined,
    });
    expect(memberOf(backup, "pg_wal")).toMatchObject({ type: "directory", mode: 0o700, size: 0 });
    expect(memberOf(backup, `pg_tblspc/${oid}`)).toMatchObject({ type: "symlink", target: location });

    const expected = await answers(server);
    giveToServer(tablespaceDirectory(directory, Number(oid)));
    const again = await startServer({ major, from: directory });
    onTestFinished(() => again.stop());
    expect(await answers(again)).toEqual(expected);
    expect(await answers(again)).not.toEqual([
      ["0", null],
      ["0", null],
    ]);
  }, 60_000);

  test("a backup that is cancelled ends with an error, and the connection goes on", async () => {
    let cancelled: Promise<unknown> | undefined;
    const backup = await take(
      { MAX_RATE: 1024 },
      {
        read: true,
        onEvent: ({ type }) => {
          if (type !== "Data") return;
          cancelled ??= server.sql(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_replication WHERE application_name = 'backup'",
          );
        },
      },
    );
    await cancelled;
    const [error] = eventsOf(backup, "Error");
    expect(error!.fields).toMatchObject({ S: "ERROR", C: "57014", M: "canceling statement due to user request" });
    expect(backup.events.at(-1)).toEqual({ type: "Ready", status: "I" });
    expect(eventsOf(backup, "Complete")).toEqual([]);
  });

  test("an error at once is the only event", async () => {
    const backup = await take({ MAX_RATE: 1 });
    expect(backup.events.map(({ type }) => type)).toEqual(["Error", "Ready"]);
    expect(eventsOf(backup, "Error")[0]!.fields.M).toMatch(/1 is outside the valid range for parameter "MAX_RATE"/);
  });

  test("a damaged page is warned of, and makes the backup fail after all has come, unless nobody asks for that", async () => {
    await server.sql("CREATE TABLE damaged AS SELECT g FROM generate_series(1, 2000) g");
    await server.sql("CHECKPOINT");
    const [[file]] = (await server.sql("SELECT pg_relation_filepath('damaged')")).rows as [[string]];
    const repair = [1, 3].map((block) => damagePage(join(server.dataDirectory, file), block));
    try {
      const failed = await take({ ...(has.manifest && { MANIFEST: "force-encode" }) });
      // Names that are not UTF-8 would be encoded, as all are if one asks.
      if (has.manifest) expect(failed.manifest!.toString()).toMatch(/"Encoded-Path": "6261636b75705f6c6162656c"/);
      if (has.verifies) {
        expect(failed.events.map(({ type }) => type).slice(-4)).toEqual(["BackupEnd", "Notice", "Error", "Ready"]);
        expect(eventsOf(failed, "Error")[0]!.fields).toMatchObject({
          C: "XX001",
          M: "checksum verification failure during base backup",
        });
        const warnings = eventsOf(failed, "Notice").filter(({ fields }) => fields.S === "WARNING");
        const quoted = `"./${file}"`;
        expect(warnings.map(({ fields }) => fields.M)).toEqual([
          expect.stringMatching(
            new RegExp(`^checksum verification failed in file ${quoted}, block 1: calculated \\w+ but expected \\w+$`),
          ),
          expect.stringContaining(`checksum verification failed in file ${quoted}, block 3`),
          `file ${quoted} has a total of 2 checksum verification failures`,
          "2 total checksum verification failures",
        ]);
      } else {
        expect(failed.events.at(-2)).toEqual({ type: "Complete" });
      }

      const backup = await take(
        { ...unverified, TABLESPACE_MAP: true, MAX_RATE: 1048576 },
        { read: true, keep: (name) => name === "tablespace_map" },
      );
      expect(backup.events.at(-2)).toEqual({ type: "Complete" });
      // Links to tablespaces are lines of a file; what was not asked for did not come.
      const { tablespaces } = eventsOf(backup, "Tablespaces")[0]!;
      expect(tablespaces.map(({ size }) => size)).toEqual([undefined, undefined]);
      const [{ spcoid, spclocation }] = tablespaces as [BackupTablespace];
      expect(memberOf(backup, "tablespace_map").content!.toString()).toBe(`${spcoid} ${spclocation}\n`);
      const { members } = backup.archives[1]!;
      expect(members.filter(({ type, name }) => type === "symlink" || /^pg_wal\/\w{24}$/.test(name))).toEqual([]);
      expect(backup.manifest).toBeUndefined();
    } finally {
      for (const undo of repair) undo();
      await server.sql("DROP TABLE damaged");
    }
  });

  testIf(has.oneStream)("a target on the server: archives are named, and nothing of them comes", async () => {
    const backup = await take({ TARGET: "blackhole", MANIFEST: "yes" });
    expect(backup.archives.map(({ archive, bytes }) => [archive, bytes])).toEqual([
      [expect.stringMatching(/^\d+\.tar$/), 0],
      ["base.tar", 0],
    ]);
    expect(backup.manifest).toEqual(Buffer.alloc(0));
    expect(Number(eventsOf(backup, "Progress").at(-1)!.bytesDone)).toBeGreaterThan(1e6);
  });

  testIf(has.oneStream)("compression by the server", async () => {
    const outcomes: Record<string, unknown> = {};
    for (const [algorithm, suffix] of [
      ["gzip", ".gz"],
      ["lz4", ".lz4"],
      ["zstd", ".zst"],
    ] as const) {
      const reads = algorithm === "gzip";
      const backup = await take({ COMPRESSION: algorithm, COMPRESSION_DETAIL: "1" }, { read: reads });
      const [error] = eventsOf(backup, "Error");
      if (error !== undefined) {
        outcomes[algorithm] = error.fields.M;
        continue;
      }
      outcomes[algorithm] = "sent";
      expect(eventsOf(backup, "ArchiveStart").map(({ archive, compression }) => [archive, compression])).toEqual([
        [expect.stringMatching(new RegExp(`^\\d+\\.tar\\${suffix}$`)), algorithm],
        [`base.tar${suffix}`, algorithm],
      ]);
      const done = Number(eventsOf(backup, "Progress").at(-1)!.bytesDone);
      expect(backup.archives.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(done / 2);
      if (reads) expect(memberOf(backup, "global/pg_control")).toMatchObject({ size: 8192 });
    }
    // Builds differ: the packages have zlib.
    const refusal = (name: string) =>
      `invalid compression specification: this build does not support compression with ${name}`;
    expect(outcomes).toEqual({
      gzip: "sent",
      lz4: expect.toBeOneOf(["sent", refusal("LZ4")]),
      zstd: expect.toBeOneOf(["sent", refusal("ZSTD")]),
    });
  });

  testIf(has.incremental)(
    "an incremental backup: the manifest goes up, and what comes is combined to a whole one",
    async () => {
      const { path, remove } = temporaryDirectory();
      onTestFinished(remove);
      const [full, first, second, combined] = ["full", "first", "second", "combined"].map((name) =>
        join(path, name),
      ) as [string, string, string, string];
      const whole = await take({ MANIFEST: "yes", WAL: true }, { directory: full });
      await server.sql("UPDATE here SET t = 'one' WHERE id IN (1, 1000)");
      await uploadManifest(connection, whole.manifest!);
      const one = await take({ INCREMENTAL: true, MANIFEST: "yes", WAL: true }, { directory: first });
      await server.sql(
        "UPDATE there SET t = 'two' WHERE id = 1999; INSERT INTO here SELECT g, 'two' FROM generate_series(2001, 9000) g",
      );
      await server.sql("DELETE FROM there WHERE id > 1000");
      await server.sql("VACUUM there");
      await uploadManifest(connection, one.manifest!);
      const two = await take({ INCREMENTAL: true, MANIFEST: "yes", WAL: true }, { directory: second });

      for (const [directory, { manifest }] of [
        [full, whole],
        [first, one],
        [second, two],
      ] as const) {
        writeFileSync(join(directory, "backup_manifest"), manifest!);
      }
      const verified = await verifyBackupChain([full, first, second], { server: String(major) });
      expect(verified).toMatchObject({ ok: true, problems: [], warnings: [], verdict: "intact" });
      expect(verified.backups.map(({ walChecked }) => walChecked)).toEqual([false, false, true]);
      const { problems } = await verifyBackupChain([full, second], { server: String(major), parseWal: false });
      expect(problems.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^backup at ".*\/full" starts at LSN [0-9A-F/]+, but expected [0-9A-F/]+$/),
      ]);

      const oid = eventsOf(whole, "Tablespaces")[0]!.tablespaces[0]!.spcoid!;
      const kinds = { whole: 0, incremental: 0, blocks: 0, copies: 0, zeros: 0 };
      for (const [from, to] of [
        [[second, first, full], combined],
        [[second, first, full].map((each) => tablespaceDirectory(each, oid)), tablespaceDirectory(combined, oid)],
      ] as const) {
        combineDirectories(from, to, kinds);
      }
      expect(kinds.incremental).toBeGreaterThan(100);
      expect(kinds.blocks).toBeGreaterThan(5);
      expect(kinds.copies).toBeGreaterThan(100);
      const expected = await answers(server);
      giveToServer(tablespaceDirectory(combined, oid));
      const again = await startServer({ major, from: combined });
      onTestFinished(() => again.stop());
      expect(await answers(again)).toEqual(expected);
    },
    60_000,
  );

  testIf(has.incremental)("what a server says of a manifest, and of a client that breaks the rules", async () => {
    const uploaded = await server.connect({ replication: "true" });
    onTestFinished(() => uploaded.close());
    await expect(uploadManifest(uploaded, Buffer.from("{}\n"))).rejects.toThrow(/could not parse backup manifest/);
    // Both ends of an upload say the same of a client that gives up, and of one that speaks of something else.
    for (const message of ["f", "Q"]) {
      const client = await server.connect({ replication: "true" });
      client.send("Q", "UPLOAD_MANIFEST");
      const taken = new ManifestReceiver();
      expect(answerOf([await client.next()])).toEqual(taken.start());
      client.send("S", Buffer.alloc(0));
      expect(taken.receive({ tag: 0x53, bytes: new Uint8Array(0) })).toEqual({ type: "Ignored" });
      client.send(message, "no more");
      const verdict = taken.receive({ tag: message.charCodeAt(0), bytes: Buffer.from("no more\0") });
      if (verdict.type !== "Failed") throw new Error("it was taken");
      const answer = [await client.next(), await client.next()];
      expect(withoutPlaces(answer)).toEqual(withoutPlaces(messagesOf(verdict.answer)));
      expect(verdict.closes).toBe(message === "Q");
      if (verdict.closes) await expect(client.next()).rejects.toThrow();
      else await client.close();
    }
  });
});

function memberOf(backup: Backup, name: string): Member {
  const found = backup.archives.flatMap(({ members }) => members).find((member) => member.name === name);
  if (found === undefined) throw new Error(`there is no ${name} in the backup`);
  return found;
}

async function answers(server: OwnServer): Promise<unknown> {
  const here = await server.sql(`${QUESTION} here`);
  const there = await server.sql(`${QUESTION} there`);
  return [...here.rows, ...there.rows];
}

/** The manifest names what came, with its size and the checksum of its bytes. */
function checkManifest({ manifest, archives }: Backup, directory: string, algorithm: string): void {
  const { Files: files } = JSON.parse(manifest!.toString()) as { Files: ManifestFile[] };
  const members = archives.flatMap(({ archive, members: each }) => {
    const oid = /^(\d+)\.tar/.exec(archive)?.[1];
    return each
      .filter(({ type }) => type === "file")
      .map(({ name, size }) => ({ name: oid === undefined ? name : `pg_tblspc/${oid}/${name}`, size }));
  });
  // WAL is not in it.
  const listed = members.filter(({ name }) => !/^pg_wal\/[0-9A-F]{24}$/.test(name));
  const sorted = (list: readonly { name: string; size: number }[]) =>
    list.map(({ name, size }) => `${name} ${size}`).sort();
  expect(sorted(files.map(({ Path, Size }) => ({ name: Path, size: Size })))).toEqual(sorted(listed));
  expect(listed.length).toBeGreaterThan(300);
  if (algorithm === "NONE") {
    expect(files.filter((file) => file["Checksum-Algorithm"] !== undefined)).toEqual([]);
    return;
  }
  const checksum = algorithms[algorithm]!;
  for (const file of files) {
    const bytes = readFileSync(join(directory, file.Path));
    if (file["Checksum-Algorithm"] !== algorithm || file.Checksum !== checksum(bytes)) {
      throw new Error(
        `${file.Path} has not the checksum ${file["Checksum-Algorithm"]} ${file.Checksum} of the manifest`,
      );
    }
  }
}

/** Changes a byte of a page, on disk only. @returns what puts it back */
function damagePage(path: string, block: number): () => void {
  const position = block * 8192 + 5000;
  const old = Buffer.alloc(1);
  const change = (byte: number): void => {
    const file = openSync(path, "r+");
    try {
      readSync(file, old, 0, 1, position);
      writeSync(file, Buffer.of(byte), 0, 1, position);
    } finally {
      closeSync(file);
    }
  };
  change(0xff);
  const before = old[0]!;
  if (before === 0xff) change(0xfe);
  return () => change(before);
}

/** Messages as bytes. */
function answerOf(messages: readonly Message[]): Uint8Array {
  return new Uint8Array(Buffer.concat(messages.map(({ type, body }) => frame(type, body))));
}

function messagesOf(bytes: Uint8Array): Message[] {
  return [...framesOf(new Framer(), bytes)].map(({ tag, bytes: body }) => ({
    type: String.fromCharCode(tag),
    body: Buffer.from(body),
  }));
}

/** Messages with what an error says, but not where in the server's sources. */
function withoutPlaces(messages: readonly Message[]): unknown {
  return messages.map(({ type, body }) => {
    if (type !== "E") return [type, body.toString("latin1")];
    const { S, V, C, M } = errorFields(body);
    return [type, { S, V, C, M }];
  });
}
