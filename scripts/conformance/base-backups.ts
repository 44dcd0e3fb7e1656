/** Base backups: all that a server sends for BASE_BACKUP, and what is in it by GNU tar. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { baseBackupCapabilities } from "../../src/basebackup/capabilities.ts";
import { type BaseBackupEvent, BaseBackupReceiver } from "../../src/basebackup/index.ts";
import { type TarEntry, type TarOptions, tarEntries } from "../../src/basebackup/tar.ts";
import { supports } from "../../src/capabilities.ts";
import { manifestCapabilities } from "../../src/files/capabilities.ts";
import { parseBackupLabel, printBackupLabel } from "../../src/files/index.ts";
import { parseBackupManifest } from "../../src/files/manifest/index.ts";
import { formatLsn, type Lsn } from "../../src/kernel/lsn.ts";
import { decodeBackendMessage, type ServerFields } from "../../src/session/messages.ts";
import { baseBackupCommand, giveToServer } from "../../test/basebackup.ts";
import { takeManifest, uploadManifest } from "../../test/manifests.ts";
import { valuesOf } from "../../test/oracle/answers.ts";
import { packCapture, unpackCapture } from "../../test/servers/capture.ts";
import {
  checked,
  errorFields,
  type Message,
  type OwnServer,
  type RawConnection,
  startServer,
} from "../../test/servers/index.ts";
import { frame } from "../../test/servers/raw.ts";
import { readBytes } from "./dataset.ts";
import { type Kind, type ServerFacts, type Words, words } from "./kind.ts";

interface BaseBackupInput {
  /** All messages from the command to ReadyForQuery. */
  readonly file: string;
  readonly text: string;
}

type Word = { readonly severity: string } & Words;

interface BaseBackupSaid {
  /** The types of the messages; of those that follow each other, one. */
  readonly messages: readonly string[];
  readonly start: readonly (string | null)[];
  readonly tablespaces: readonly (readonly (string | null)[])[];
  readonly archives: readonly Archive[];
  /** backup_label, which is in the last archive. */
  readonly label?: string;
  readonly manifest?: { readonly bytes: number; readonly sha256: string };
  readonly end?: readonly (string | null)[];
  readonly notices?: readonly Word[];
  readonly error?: Word;
}

interface Archive {
  /** Its name, from 15 on. */
  readonly archive?: string;
  readonly members: readonly Member[];
  /** Is the last member followed by 1024 zero bytes, as the format wants it? */
  readonly isEnded?: boolean;
}

interface Member {
  readonly name: string;
  readonly type: "directory" | "file" | "symlink";
  readonly bytes?: number;
  readonly sha256?: string;
  readonly target?: string;
}

interface Backup {
  readonly options: NonNullable<Parameters<typeof baseBackupCommand>[1]>;
  readonly since?: Parameters<typeof supports>[1];
  /** A page of a shared catalog is damaged meanwhile. */
  readonly isDamaged?: boolean;
}

/** In this order. */
const backups: Readonly<Record<string, Backup>> = {
  plain: { options: { LABEL: "it''s a label", PROGRESS: true, TABLESPACE_MAP: true } },
  damaged: { options: {}, isDamaged: true },
  manifest: { options: { MANIFEST: "yes", MANIFEST_CHECKSUMS: "SHA256" } },
  gzip: { options: { PROGRESS: true, COMPRESSION: "gzip", COMPRESSION_DETAIL: "9" }, since: "baseBackupOneStream" },
  blackhole: { options: { TARGET: "blackhole", MANIFEST: "force-encode" }, since: "baseBackupOneStream" },
  incremental: { options: { MANIFEST: "yes", INCREMENTAL: true }, since: "incrementalBackup" },
};

const fileOf = (major: number, name: string): string => `data/base-backups/${major}-${name}.bin.gz`;

/** A shared catalog that no login reads. */
const damagedFile = "global/2396";

export const baseBackups: Kind<BaseBackupInput, BaseBackupSaid> = {
  name: "base-backups",

  inputs: ({ servers }) =>
    servers.flatMap((server) =>
      Object.entries(backups).flatMap(([name, { options, since }]) => {
        if (since !== undefined && !supports(server, since)) return [];
        if (options.MANIFEST !== undefined && !manifestCapabilities.supports(server, "backupManifest")) return [];
        return [{ file: fileOf(server / 10000, name), text: baseBackupCommand(server, options) }];
      }),
    ),

  async ask({ major }, inputs, store) {
    const own = Object.keys(backups).map((name) => fileOf(major, name));
    if (!inputs.some(({ file }) => own.includes(file))) return inputs.map(() => undefined);
    const small = await SmallServer.start(major);
    try {
      const said: (BaseBackupSaid | undefined)[] = [];
      for (const { file, text } of inputs) {
        const backup = Object.entries(backups).find(([name]) => fileOf(major, name) === file)?.[1];
        if (backup === undefined) {
          said.push(undefined);
          continue;
        }
        const messages = await small.take(text, backup);
        store(file, packCapture(messages.map(({ type, body }) => frame(type, body))));
        said.push(saidIn(messages, major));
      }
      return said;
    } finally {
      await small.stop();
    }
  },

  async ours({ file }, server) {
    return { said: await received(unpackCapture(readBytes(file), file), server) };
  },

  // Positions, times and contents are those of a server's life.
  isSame: (said, now) => JSON.stringify(lasting(said)) === JSON.stringify(lasting(now)),
};

/** The shared catalogs of roles, databases, tablespaces and settings, and their indexes. */
const needed = [
  ...["1213", "1260", "1261", "1262", "2396", "2671", "2672", "2676", "2677", "2694", "2695", "2697", "2698"],
  ...["2964", "2965", "6302", "6303"],
];

/** A server without the files that a walsender without a database does not read: they are 30 MB. */
class SmallServer {
  readonly #server: OwnServer;
  readonly #walsender: RawConnection;
  /** It has read all that it needs of its database. */
  readonly #session: RawConnection;
  #manifest: Buffer | undefined;
  #changes = 0;

  private constructor(server: OwnServer, walsender: RawConnection, session: RawConnection) {
    this.#server = server;
    this.#walsender = walsender;
    this.#session = session;
  }

  static async start(major: number): Promise<SmallServer> {
    const settings = supports(major, "incrementalBackup") ? { summarize_wal: "on" } : {};
    const server = await startServer({ major, settings, initdb: ["--data-checksums"] });
    try {
      const tablespace = join(server.host, "tablespace");
      mkdirSync(tablespace);
      giveToServer(tablespace);
      const session = await server.connect();
      for (const text of [
        `CREATE TABLESPACE t LOCATION '${tablespace}'`,
        "CREATE ROLE warm",
        "DROP ROLE warm",
        "CHECKPOINT",
      ])
        checked(await session.query(text));
      const data = server.dataDirectory;
      for (const path of readdirSync(data, { recursive: true, encoding: "utf8" })) {
        const [, catalog] = /^(?:base\/\d+|global)\/(\d\w*|pg_internal\.init)$/.exec(path) ?? [];
        if (catalog !== undefined && !(path.startsWith("global/") && needed.includes(catalog)))
          rmSync(join(data, path));
        // It has read them.
        if (/^\w+\.conf$/.test(path)) writeFileSync(join(data, path), `# ${path}\n`);
      }
      return new SmallServer(server, await server.connect({ replication: "true" }), session);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async take(text: string, { isDamaged = false, options }: Backup): Promise<Message[]> {
    if (options.INCREMENTAL) {
      this.#manifest ??= (await takeManifest(this.#walsender, this.#server.versionNum)) as Buffer;
      checked(await this.#session.query(`CREATE ROLE changed_${++this.#changes}`));
      const refusal = await uploadManifest(this.#walsender, [this.#manifest]);
      if (refusal !== undefined) throw new Error(refusal);
    }
    const path = join(this.#server.dataDirectory, damagedFile);
    const good = readFileSync(path);
    const bad = good.map((byte, at) => (at === 4000 ? byte ^ 1 : byte));
    if (isDamaged) writeFileSync(path, bad);
    try {
      const messages = await this.#walsender.query(text);
      if (options.MANIFEST === "yes") this.#manifest = streamsOf(messages, this.#server.major).manifest;
      return messages;
    } finally {
      if (isDamaged) writeFileSync(path, good);
    }
  }

  async stop(): Promise<void> {
    await this.#walsender.close();
    await this.#session.close();
    await this.#server.stop();
  }
}

/** The archives and the manifest in copy streams: one for each before 15, one for all from then on. */
function streamsOf(messages: readonly Message[], major: number) {
  const streams: { archive?: string; readonly chunks: Buffer[]; readonly isManifest: boolean }[] = [];
  const rows = messages.filter(({ type }) => type === "D").map(rowOf);
  for (const { type, body } of messages) {
    if (major < 15) {
      // All but the first and the last row are tablespaces, each of which has an archive; the manifest comes after them.
      if (type === "H") streams.push({ chunks: [], isManifest: streams.length === rows.length - 2 });
      if (type === "d") streams.at(-1)!.chunks.push(body);
    } else if (type === "d") {
      const kind = String.fromCharCode(body[0]!);
      if (kind === "n") {
        streams.push({ archive: body.toString("utf8", 1, body.indexOf(0, 1)), chunks: [], isManifest: false });
      }
      if (kind === "m") streams.push({ chunks: [], isManifest: true });
      if (kind === "d") streams.at(-1)!.chunks.push(body.subarray(1));
    }
  }
  const manifest = streams.find(({ isManifest }) => isManifest);
  return {
    archives: streams.filter(({ isManifest }) => !isManifest),
    manifest: manifest && Buffer.concat(manifest.chunks),
  };
}

function saidIn(messages: readonly Message[], major: number): BaseBackupSaid {
  const { archives, manifest } = streamsOf(messages, major);
  const rows = messages.filter(({ type }) => type === "D").map(rowOf);
  const contents = archives.map(({ archive, chunks }) => ({ archive, ...extracted(Buffer.concat(chunks), archive) }));
  const label = contents.at(-1)!.label;
  const wordsIn = ({ body }: Message): Word => wordOf(errorFields(body));
  const notices = messages.filter(({ type }) => type === "N").map(wordsIn);
  const error = messages.find(({ type }) => type === "E");
  return {
    messages: collapsed(messages.map(({ type }) => typeNames[type]!)),
    start: rows[0]!,
    tablespaces: rows.slice(1, -1),
    archives: contents.map(({ archive, members, isEnded }) => ({
      ...(archive !== undefined && { archive }),
      members,
      ...(isEnded !== undefined && { isEnded }),
    })),
    ...(label !== undefined && { label }),
    ...(manifest && { manifest: digestOf(manifest) }),
    end: rows.at(-1)!,
    ...(notices.length > 0 && { notices }),
    ...(error && { error: wordsIn(error) }),
  };
}

const typeNames: Readonly<Record<string, string>> = {
  ...{ T: "RowDescription", D: "DataRow", C: "CommandComplete", H: "CopyOutResponse", d: "CopyData", c: "CopyDone" },
  ...{ N: "NoticeResponse", E: "ErrorResponse", Z: "ReadyForQuery" },
};

const collapsed = (all: readonly string[]): string[] => all.filter((each, i) => each !== all[i - 1]);

function wordOf({ S, C, M, D, H }: ServerFields): Word {
  return { severity: S!, ...words({ sqlstate: C!, message: M!, detail: D, hint: H }) };
}

const digestOf = (bytes: Uint8Array) => ({
  bytes: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex"),
});

const byName = (a: Member, b: Member): number => (a.name < b.name ? -1 : 1);

/** What GNU tar makes of an archive. */
function extracted(archive: Buffer, name = ""): Archive & { readonly label?: string } {
  // A target on the server gets the archive.
  if (archive.length === 0) return { members: [] };
  const folder = mkdtempSync(join(tmpdir(), "walwire-archive-"));
  try {
    execFileSync("tar", ["-x", "--no-same-owner", ...(name.endsWith(".gz") ? ["-z"] : []), "-C", folder], {
      input: archive,
      stdio: ["pipe", "ignore", "ignore"],
    });
    // With their types, since else it follows links.
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    const members = entries.map((entry): Member => {
      const path = join(entry.parentPath, entry.name);
      const name = path.slice(folder.length + 1);
      if (entry.isDirectory()) return { name, type: "directory" };
      if (entry.isSymbolicLink()) return { name, type: "symlink", target: readlinkSync(path) };
      return { name, type: "file", ...digestOf(readFileSync(path)) };
    });
    const hasLabel = members.some((member) => member.name === "backup_label");
    return {
      members: members.sort(byName),
      isEnded: (name.endsWith(".gz") ? gunzipSync(archive) : archive).length > lengthOf(members),
      ...(hasLabel && { label: readFileSync(join(folder, "backup_label"), "utf8") }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Of an archive up to the end of its last member. */
function lengthOf(members: readonly Member[]): number {
  return members.reduce((sum, { bytes = 0 }) => sum + 512 + Math.ceil(bytes / 512) * 512, 0);
}

function rowOf({ body }: Message): (string | null)[] {
  return valuesOf(body).map((value) => value?.toString() ?? null);
}

/** The same by walwire. */
async function received(
  frames: readonly Uint8Array[],
  { versionNum: server, major }: ServerFacts,
): Promise<BaseBackupSaid> {
  const receiver = new BaseBackupReceiver({ server });
  const types: string[] = [];
  const archives: Archive[] = [];
  const manifest: Uint8Array[] = [];
  const events: BaseBackupEvent[] = [];
  let chunks: Uint8Array[] = [];
  let label: string | undefined;
  for (const each of frames) {
    const message = decodeBackendMessage({ tag: each[0]!, bytes: each.subarray(5) });
    types.push(message.type);
    for (const event of receiver.receive(message)) {
      if (event.type === "Data") (receiver.state === "manifest" ? manifest : chunks).push(event.data);
      else events.push(event);
      if (event.type === "ArchiveStart") chunks = [];
      if (event.type === "ArchiveEnd") {
        const { archive, compression } = eventsOf(events, "ArchiveStart").at(-1)!;
        const entries = chunks.length === 0 ? [] : await entriesOf(chunks, { compression, server });
        archives.push({
          ...(major >= 15 && { archive }),
          members: entries.map(({ member }) => member),
          ...(entries.length > 0 && {
            isEnded: baseBackupCapabilities.supports(server, "baseBackupTerminatesTar"),
          }),
        });
        const found = entries.find(({ member }) => member.name === "backup_label");
        // As it would write it.
        if (found)
          label = Buffer.from(printBackupLabel(parseBackupLabel(found.content, { server }), { server })).toString();
      }
    }
  }
  receiver.end();
  const [start] = eventsOf(events, "BackupStart");
  const [end] = eventsOf(events, "BackupEnd");
  const [error] = eventsOf(events, "Error");
  const notices = eventsOf(events, "Notice").map(({ fields }) => wordOf(fields));
  const bytes = Buffer.concat(manifest);
  if (bytes.length > 0) parseBackupManifest(bytes, { server, sha256: () => createHash("sha256") });
  const positionOf = ({ recptr, tli }: { recptr: Lsn; tli: number }) => [formatLsn(recptr, { server }), String(tli)];
  return {
    messages: collapsed(types),
    start: positionOf(start!),
    tablespaces: receiver.tablespaces.map(({ spcoid, spclocation, size }) => [
      spcoid === undefined ? null : String(spcoid),
      spclocation ?? null,
      size === undefined ? null : String(size),
    ]),
    archives,
    ...(label !== undefined && { label }),
    ...(eventsOf(events, "ManifestStart").length > 0 && { manifest: digestOf(bytes) }),
    end: positionOf(end!),
    ...(notices.length > 0 && { notices }),
    ...(error && { error: wordOf(error.fields) }),
  };
}

function eventsOf<T extends BaseBackupEvent["type"]>(events: readonly BaseBackupEvent[], type: T) {
  return events.filter((event): event is Extract<BaseBackupEvent, { type: T }> => event.type === type);
}

async function entriesOf(
  chunks: readonly Uint8Array[],
  options: TarOptions,
): Promise<{ readonly member: Member; readonly content: Uint8Array }[]> {
  const { writable, readable } = tarEntries(options);
  const writer = writable.getWriter();
  const written = (async () => {
    for (const chunk of chunks) await writer.write(chunk);
    await writer.close();
  })();
  written.catch(() => {}); // the reader fails likewise
  const entries: { readonly member: Member; readonly content: Uint8Array }[] = [];
  for await (const { name: path, type, target, body } of readable as unknown as AsyncIterable<TarEntry>) {
    const name = path.replace(/^\.\//, "");
    const parts: Uint8Array[] = [];
    for await (const part of body as unknown as AsyncIterable<Uint8Array>) parts.push(part);
    const content = Buffer.concat(parts);
    const member =
      type === "file" ? { name, type, ...digestOf(content) } : { name, type, ...(target !== undefined && { target }) };
    entries.push({ member, content });
  }
  await written;
  return entries.sort((a, b) => byName(a.member, b.member));
}

/** What two servers of a major have in common. */
function lasting({ messages, archives, tablespaces, manifest, notices = [], error }: BaseBackupSaid) {
  return {
    messages,
    archives: archives.map(({ archive, members, isEnded }) => [
      archive,
      isEnded,
      members.map(({ name, type }) => [name, type]),
    ]),
    tablespaces: tablespaces.map(([oid, , size]) => [oid, size === null]),
    manifest: manifest !== undefined,
    words: [...notices, ...(error ? [error] : [])].map(({ message, ...rest }) => [
      rest,
      message.replace(/calculated.*/, ""),
    ]),
  };
}
