/** Base backups of servers that tests write: nothing gets out of the directory, and what fails leaves nothing behind. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { type BackupTablespace, type BaseBackupEvent, encodeBaseBackupEvent } from "../../src/basebackup/index.ts";
import { ArgumentError, DecodeError, ProtocolError, ServerError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { type TakeBaseBackupOptions, takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { columns, complete, error, hostileServer, login, ready, row } from "./hostile-server.ts";

interface Member {
  readonly name: string;
  readonly type?: string;
  readonly body?: string;
  /** What the header says, if it lies. */
  readonly size?: number;
  readonly target?: string;
  readonly mode?: number;
}

/** A member of a tar archive, as the server writes it. */
function member({ name, type = "0", body = "", size = body.length, target = "", mode = 0o600 }: Member): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, "latin1");
  header.write(`${mode.toString(8).padStart(7, "0")} `, 100);
  header.write(`${size.toString(8).padStart(11, "0")} `, 124);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(target, 157, "latin1");
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")} `, 148);
  return Buffer.concat([header, Buffer.from(body), Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

const archive = (...members: Member[]): Buffer => Buffer.concat([...members.map(member), Buffer.alloc(1024)]);

const main: BackupTablespace = { spcoid: undefined, spclocation: undefined, size: 1n as never };
const start = { type: "BackupStart", recptr: toLsn(40n), tli: 1 } as const;
const end: BaseBackupEvent[] = [
  { type: "StreamEnd" },
  { type: "BackupEnd", recptr: toLsn(80n), tli: 1 },
  { type: "Complete" },
  { type: "Ready", status: "I" },
];

/** The events of a backup with these archives. */
function events(
  archives: readonly { name: string; bytes: Uint8Array; tablespace?: BackupTablespace }[],
): BaseBackupEvent[] {
  const tablespaces = archives.map(({ tablespace = main }) => tablespace);
  return [
    start,
    { type: "Tablespaces", tablespaces },
    { type: "StreamStart" },
    ...archives.flatMap(({ name, bytes, tablespace = main }): BaseBackupEvent[] => [
      { type: "ArchiveStart", archive: name, compression: undefined, tablespace },
      { type: "Data", data: bytes },
      { type: "ArchiveEnd" },
    ]),
    { type: "ManifestStart" },
    { type: "Data", data: Buffer.from("{}") },
    { type: "ManifestEnd" },
    ...end,
  ];
}

/** A directory with a neighbour that must not change, and what is beside the backup afterwards. */
function place() {
  const path = mkdtempSync(join(tmpdir(), "walwire-hostile-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  mkdirSync(join(path, "outside"));
  writeFileSync(join(path, "outside", "file"), "mine");
  return { path, directory: join(path, "backup"), outside: join(path, "outside") };
}

async function take(directory: string, sent: readonly BaseBackupEvent[], options: Partial<TakeBaseBackupOptions> = {}) {
  const { host, port, user, password } = await hostileServer((client, message) => {
    if (message.type === "startup") return client.write(...login);
    if (message.type !== "Query") return;
    if (message.query.startsWith("SHOW")) {
      client.write(columns("data_directory_mode"), row("0750"), complete("SHOW"), ready);
    } else if (message.query.startsWith("IDENTIFY_SYSTEM")) {
      client.write(columns("systemid", "timeline", "xlogpos", "dbname"), row("7", "1", "0/28", null));
      client.write(complete("IDENTIFY_SYSTEM"), ready);
    } else for (const event of sent) client.write(encodeBaseBackupEvent(event));
  });
  return takeBaseBackup(directory, { connect: { host, port, user, password }, walMethod: "none", ...options });
}

const file: Member = { name: "PG_VERSION", body: "18\n" };
const tablespace = (spcoid: number, spclocation: string): BackupTablespace => ({
  spcoid,
  spclocation,
  size: undefined,
});

test("what is sent is written, with the server's permissions", async () => {
  const { directory } = place();
  const names = [
    { name: "base/", type: "5", mode: 0o750 },
    { name: "base/\xff", body: "bytes", mode: 0o4640 },
  ];
  await take(directory, events([{ name: "base.tar", bytes: archive(file, ...names) }]));
  expect(readFileSync(join(directory, "PG_VERSION"), "utf8")).toBe("18\n");
  expect(readFileSync(join(directory, "backup_manifest"), "utf8")).toBe("{}");
  // Names need not be UTF-8, and no file gets more than permissions.
  const [name] = readdirSync(Buffer.from(join(directory, "base")), { encoding: "buffer" });
  expect(name).toEqual(Buffer.of(0xff));
  const path = Buffer.concat([Buffer.from(`${directory}/base/`), name!]);
  expect(statSync(path).mode & 0o7777).toBe(0o640);
  expect(statSync(join(directory, "base")).mode & 0o7777).toBe(0o750);
  // The group may read what the server's group may read.
  expect(statSync(directory).mode & 0o7777).toBe(0o750);
  expect(statSync(join(directory, "backup_manifest")).mode & 0o7777).toBe(0o640);
});

describe("a member that no server sends is an error, and nothing is left", () => {
  const { path: outsideDirectory } = { path: join(tmpdir(), "walwire-outside") };
  test.each<[string, Member[]]>([
    ["a path with ..", [{ name: "../outside/file", body: "theirs" }]],
    ["a path with .. inside", [{ name: "base/../../outside/file", body: "theirs" }]],
    ["a path with .. that stays inside", [{ name: "base/", type: "5" }, { name: "base/../x" }]],
    ["an absolute path", [{ name: `${outsideDirectory}/x`, body: "theirs" }]],
    [
      "a symbolic link",
      [
        { name: "link", type: "2", target: "../outside" },
        { name: "link/file", body: "theirs" },
      ],
    ],
    [
      "a symbolic link of an unknown tablespace",
      [
        { name: "pg_tblspc/", type: "5" },
        { name: "pg_tblspc/5", type: "2", target: outsideDirectory },
      ],
    ],
    ["a symbolic link in the place of a directory", [{ name: "pg_tblspc", type: "2", target: outsideDirectory }]],
    ["a hard link", [{ name: "link", type: "1", target: "PG_VERSION" }]],
    ["a device", [{ name: "null", type: "3" }]],
    ["a pax header", [{ name: "x", type: "x", body: "20 path=../outside\n" }]],
    ["an empty part", [{ name: "base//x" }]],
    ["the directory itself", [{ name: "./", type: "5" }]],
    ["a directory with contents", [{ name: "base/", type: "5", body: "x" }]],
    ["a link with contents", [{ name: "pg_tblspc/5", type: "2", target: "/x", body: "x" }]],
    ["a size beyond the archive", [{ name: "x", body: "x", size: 1e9 }]],
  ])("%s", async (_, members) => {
    const { path, directory, outside } = place();
    const failed = take(directory, events([{ name: "base.tar", bytes: archive(file, ...members) }]));
    await expect(failed).rejects.toThrow(DecodeError);
    expect(readdirSync(path)).toEqual(["outside"]);
    expect(readFileSync(join(outside, "file"), "utf8")).toBe("mine");
    expect(existsSync(outsideDirectory)).toBe(false);
  });

  test("two members with one name", async () => {
    const { path, directory } = place();
    const failed = take(directory, events([{ name: "base.tar", bytes: archive(file, file) }]));
    await expect(failed).rejects.toThrow('tar member "PG_VERSION" exists already');
    expect(readdirSync(path)).toEqual(["outside"]);
  });

  test("the name of the manifest, when the manifest comes", async () => {
    const { path, directory } = place();
    const members = [file, { name: "backup_manifest.tmp", body: "x" }];
    await expect(take(directory, events([{ name: "base.tar", bytes: archive(...members) }]))).rejects.toMatchObject({
      code: "FILE_SYSTEM",
      message: `could not create file "${directory}/backup_manifest.tmp": File exists`,
    });
    expect(readdirSync(path)).toEqual(["outside"]);
  });

  test.each([[Buffer.from("not an archive".repeat(100))], [Buffer.alloc(100)]])(
    "bytes that are not an archive",
    async (bytes) => {
      const { path, directory } = place();
      await expect(take(directory, events([{ name: "base.tar", bytes }]))).rejects.toThrow(DecodeError);
      expect(readdirSync(path)).toEqual(["outside"]);
    },
  );

  test("a compressed archive that is damaged", async () => {
    const { path, directory } = place();
    const bytes = gzipSync(archive(file, { name: "x", body: "x".repeat(5000) }));
    bytes[bytes.length - 6]! ^= 1;
    const sent = events([{ name: "base.tar.gz", bytes }]);
    await expect(take(directory, sent, { compress: "server-gzip" })).rejects.toThrow(DecodeError);
    expect(readdirSync(path)).toEqual(["outside"]);
  });
});

describe("tablespaces", () => {
  const place1 = tablespace(16384, "/srv/one");

  test("one that is not mapped is an error: the server does not choose directories", async () => {
    const { path, directory, outside } = place();
    const there = tablespace(16384, join(outside, "new"));
    const sent = events([
      { name: "16384.tar", bytes: archive(), tablespace: there },
      { name: "base.tar", bytes: archive(file) },
    ]);
    await expect(take(directory, sent)).rejects.toThrow(ArgumentError);
    expect(readdirSync(path)).toEqual(["outside"]);
    expect(readdirSync(outside)).toEqual(["file"]);
  });

  test.each<[string, Member[]]>([
    [
      "a member behind the link",
      [
        { name: "pg_tblspc/", type: "5" },
        { name: "pg_tblspc/16384", type: "2", target: "/srv/one" },
        { name: "pg_tblspc/16384/x", body: "x" },
      ],
    ],
    [
      "another target",
      [
        { name: "pg_tblspc/", type: "5" },
        { name: "pg_tblspc/16384", type: "2", target: "/srv/other" },
      ],
    ],
  ])("%s", async (_, members) => {
    const { directory, path } = place();
    const sent = events([
      { name: "16384.tar", bytes: archive({ name: "PG_18/", type: "5" }), tablespace: place1 },
      { name: "base.tar", bytes: archive(...members) },
    ]);
    const options = { tablespaceMapping: { "/srv/one": join(path, "one") } };
    await expect(take(directory, sent, options)).rejects.toThrow(DecodeError);
    expect(existsSync(directory)).toBe(false);
    expect(existsSync(join(path, "one"))).toBe(false);
  });

  test.each([false, true])("are as before after a failure, if the directory was there: %j", async (wasThere) => {
    const { directory, path } = place();
    if (wasThere) mkdirSync(join(path, "one"));
    const sent = events([
      {
        name: "16384.tar",
        bytes: archive({ name: "PG_18/", type: "5" }, { name: "PG_18/1", body: "x" }),
        tablespace: place1,
      },
      { name: "base.tar", bytes: archive({ name: "../x" }) },
    ]);
    const options = { tablespaceMapping: { "/srv/one": join(path, "one") } };
    for (let time = 0; time < 2; time++) await expect(take(directory, sent, options)).rejects.toThrow(DecodeError);
    expect(readdirSync(path).sort()).toEqual(wasThere ? ["one", "outside"] : ["outside"]);
    if (wasThere) expect(readdirSync(join(path, "one"))).toEqual([]);
  });

  test("files that are not of the backup are left, and named", async () => {
    const { directory, path } = place();
    const one = join(path, "one");
    const sent = events([
      { name: "16384.tar", bytes: archive({ name: "PG_18/", type: "5" }), tablespace: place1 },
      { name: "base.tar", bytes: archive({ name: "../x" }) },
    ]);
    const warnings: string[] = [];
    const failed = take(directory, sent, {
      tablespaceMapping: { "/srv/one": one },
      onProgress: () => writeFileSync(join(one, "theirs"), "theirs"),
      onWarning: (message) => warnings.push(message),
    });
    await expect(failed).rejects.toThrow(DecodeError);
    expect(readdirSync(one)).toEqual(["theirs"]);
    expect(warnings).toEqual([`tablespace directory "${one}" is left, with files that are not of this backup`]);
  });

  test.each<[string, string, string | undefined]>([
    ["is", "backup", undefined],
    ["is inside", "backup/one", undefined],
    ["is inside", "outside/../backup/one", undefined],
    ["contains", "", undefined],
    ["is", "wal", "wal"],
    ["is inside", "wal/one", "wal"],
  ])("a directory that %s another, %j, is rejected before anything is written", async (relation, to, wal) => {
    const { directory, path } = place();
    const options = {
      tablespaceMapping: { "/srv/one": join(path, to) },
      walDirectory: wal === undefined ? undefined : join(path, wal),
    };
    const failed = takeBaseBackup(directory, { ...options, connect: () => Promise.reject(new Error("connected")) });
    await expect(failed).rejects.toThrow(ArgumentError);
    await expect(failed).rejects.toThrow(` ${relation} the `);
    expect(readdirSync(path)).toEqual(["outside"]);
  });

  test("a link in the archive of a tablespace", async () => {
    const { directory, path } = place();
    const members = [
      { name: "pg_tblspc/", type: "5" },
      { name: "pg_tblspc/16384", type: "2", target: "/srv/one" },
    ];
    const sent = events([
      { name: "16384.tar", bytes: archive(...members), tablespace: place1 },
      { name: "base.tar", bytes: archive(file) },
    ]);
    const options = { tablespaceMapping: { "/srv/one": join(path, "one") } };
    await expect(take(directory, sent, options)).rejects.toThrow(DecodeError);
  });

  test.each([
    ["../outside", "expected an absolute path"],
    ["pg_tblspc/1", "expected an absolute path"],
  ])("a relative location %s", async (location, message) => {
    const { directory, path } = place();
    const sent = events([
      { name: "16384.tar", bytes: archive(), tablespace: tablespace(16384, location) },
      { name: "base.tar", bytes: archive(file) },
    ]);
    await expect(take(directory, sent)).rejects.toThrow(message);
    expect(readdirSync(path)).toEqual(["outside"]);
  });

  test("two archives with one name", async () => {
    const { directory, path } = place();
    const sent = events([
      { name: "16384.tar", bytes: archive(), tablespace: place1 },
      { name: "16384.tar", bytes: archive(), tablespace: tablespace(16384, "/srv/two") },
      { name: "base.tar", bytes: archive(file) },
    ]);
    await expect(take(directory, sent, { format: "tar" })).rejects.toThrow(ProtocolError);
    expect(readdirSync(path)).toEqual(["outside"]);
  });
});

describe.each(["../base.tar", "/tmp/base.tar", "x/base.tar", ".tar", "", "base.tar.exe"])(
  "an archive called %j",
  (name) => {
    test.each(["plain", "tar"] as const)("%s", async (format) => {
      const { directory, path } = place();
      await expect(take(directory, events([{ name, bytes: archive(file) }]), { format })).rejects.toThrow(
        ProtocolError,
      );
      expect(readdirSync(path)).toEqual(["outside"]);
    });
  },
);

describe("a directory", () => {
  const good = events([{ name: "base.tar", bytes: archive(file) }]);
  const bad = [...events([{ name: "base.tar", bytes: archive(file) }]).slice(0, -2)];

  test("that is not empty is left alone", async () => {
    const { outside } = place();
    await expect(take(outside, good)).rejects.toThrow(`directory "${outside}" exists but is not empty`);
    expect(readFileSync(join(outside, "file"), "utf8")).toBe("mine");
  });

  test("that was there is emptied, one that was not is removed", async () => {
    const { directory, path } = place();
    mkdirSync(join(path, "there"));
    mkdirSync(join(path, "wal"));
    const failing = async (to: string, options: Partial<TakeBaseBackupOptions> = {}) => {
      const { host, port, user, password } = await failingServer(bad, "53100");
      return takeBaseBackup(to, { connect: { host, port, user, password }, walMethod: "none", ...options });
    };
    const wal = { walDirectory: join(path, "wal") };
    await expect(failing(join(path, "there"), wal)).rejects.toThrow(ServerError);
    expect(readdirSync(join(path, "there"))).toEqual([]);
    expect(readdirSync(join(path, "wal"))).toEqual([]);
    await expect(failing(directory)).rejects.toThrow(ServerError);
    expect(existsSync(directory)).toBe(false);
    await expect(failing(directory, { clean: false })).rejects.toThrow(ServerError);
    expect(readdirSync(directory).sort()).toEqual(["PG_VERSION", "backup_manifest.tmp"]);
  });

  test("is kept if only checksums are wrong", async () => {
    const { directory } = place();
    const { host, port, user, password } = await failingServer(bad, "XX001");
    const failed = takeBaseBackup(directory, { connect: { host, port, user, password }, walMethod: "none" });
    await expect(failed).rejects.toThrow(ServerError);
    expect(readdirSync(directory).sort()).toEqual(["PG_VERSION", "backup_manifest.tmp"]);
  });
});

/** A server that sends events, then an error. */
function failingServer(sent: readonly BaseBackupEvent[], sqlstate: string) {
  return hostileServer((client, message) => {
    if (message.type === "startup") return client.write(...login);
    if (message.type !== "Query") return;
    if (message.query.startsWith("SHOW")) {
      client.write(columns("data_directory_mode"), row("0700"), complete("SHOW"), ready);
    } else if (message.query.startsWith("IDENTIFY_SYSTEM")) {
      client.write(columns("systemid", "timeline", "xlogpos", "dbname"), row("7", "1", "0/28", null));
      client.write(complete("IDENTIFY_SYSTEM"), ready);
    } else {
      for (const event of sent) client.write(encodeBaseBackupEvent(event));
      client.write(error(sqlstate, "it failed"), ready);
    }
  });
}

test("a signal ends it, and nothing is left", async () => {
  const { directory, path } = place();
  const controller = new AbortController();
  const sent = events([{ name: "base.tar", bytes: archive(file) }]).slice(0, 5);
  const failed = take(directory, sent, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await expect(failed).rejects.toThrow("enough");
  expect(readdirSync(path)).toEqual(["outside"]);
});

test("a server that closes the connection in the middle", async () => {
  const { directory, path } = place();
  const { host, port, user, password } = await hostileServer((client, message) => {
    if (message.type === "startup") return client.write(...login);
    if (message.type !== "Query") return;
    if (message.query.startsWith("SHOW")) {
      client.write(columns("data_directory_mode"), row("0700"), complete("SHOW"), ready);
    } else if (message.query.startsWith("IDENTIFY_SYSTEM")) {
      client.write(columns("systemid", "timeline", "xlogpos", "dbname"), row("7", "1", "0/28", null));
      client.write(complete("IDENTIFY_SYSTEM"), ready);
    } else {
      for (const event of events([{ name: "base.tar", bytes: archive(file) }]).slice(0, 4)) {
        client.write(encodeBaseBackupEvent(event));
      }
      client.end();
    }
  });
  const failed = takeBaseBackup(directory, { connect: { host, port, user, password }, walMethod: "none" });
  await expect(failed).rejects.toMatchObject({ code: "CONNECTION_LOST" });
  expect(readdirSync(path)).toEqual(["outside"]);
});
