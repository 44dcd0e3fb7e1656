/** Base backups for tests: taken over a RawConnection, held against what encodes to the same bytes, and written to a directory. */

import {
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  type BackupFile,
  type BaseBackupEvent,
  BaseBackupReceiver,
  encodeBaseBackupEvent,
  encodeIncrementalHeader,
  INCREMENTAL_PREFIX,
  type IncrementalHeader,
  IncrementalReader,
  ManifestUpload,
  reconstruct,
} from "../src/basebackup/index.ts";
import { type TarEntry, tarEntries } from "../src/basebackup/tar.ts";
import { supports } from "../src/capabilities.ts";
import { decodeBackendMessage } from "../src/session/messages.ts";
import { serverUser, temporaryRoot } from "./servers/locate.ts";
import { frame, type RawConnection } from "./servers/raw.ts";

/** A member of an archive, without its bytes. */
export type Member = Omit<TarEntry, "body"> & {
  /** What it holds, if that was asked for. */
  readonly content: Buffer | undefined;
};

/** A backup that has been taken, or has failed. */
export interface Backup {
  /** All events but Data, in order. */
  readonly events: readonly BaseBackupEvent[];
  /** Each archive's name, how many bytes of it came in how many pieces, and its members if they were looked at. */
  readonly archives: readonly { readonly archive: string; bytes: number; pieces: number; readonly members: Member[] }[];
  readonly manifest: Buffer | undefined;
}

export interface TakeOptions {
  /** Where the main data directory is written to; it must not be there. Those of tablespaces are made beside it: `DIRECTORY.OID`. */
  readonly directory?: string;
  /** Read the archives without writing them. */
  readonly read?: boolean;
  /** Which members' bytes to keep. */
  readonly keep?: (name: string) => boolean;
  /** Gets each event as it comes. */
  readonly onEvent?: (event: BaseBackupEvent) => void;
}

/** The words of BASE_BACKUP, as this version wants them: a boolean is a flag, `false` the same as nothing. */
export function baseBackupCommand(
  server: number | string,
  options: Readonly<Record<string, string | number | boolean>> = {},
): string {
  const all: Record<string, string | number | boolean> = { CHECKPOINT: "fast", ...options };
  const generic = supports(server, "genericOptions");
  const words = Object.entries(all).flatMap(([name, value]) => {
    if (value === false) return [];
    if (name === "CHECKPOINT" && !generic) return ["FAST"];
    return [value === true ? name : `${name} ${typeof value === "number" ? value : `'${value}'`}`];
  });
  return generic ? `BASE_BACKUP (${words.join(", ")})` : `BASE_BACKUP ${words.join(" ")}`;
}

/**
 * Takes a backup, up to ReadyForQuery or the end of the connection.
 *
 * @param server The version of the server: a server_version_num.
 * @throws Error if what came does not encode to the same bytes from its events.
 */
export async function takeBackup(
  connection: RawConnection,
  server: number,
  command: string,
  options: TakeOptions = {},
): Promise<Backup> {
  const receiver = new BaseBackupReceiver({ server });
  const same = new SameBytes();
  const events: BaseBackupEvent[] = [];
  const archives: { archive: string; bytes: number; pieces: number; members: Member[] }[] = [];
  const manifest: Uint8Array[] = [];
  let archive: Extraction | undefined;
  connection.send("Q", command);
  while (receiver.state !== "done") {
    const { type, body } = await connection.next();
    same.received(frame(type, body));
    for (const event of receiver.receive(decodeBackendMessage({ tag: type.charCodeAt(0), bytes: body }))) {
      same.encoded(encodeBaseBackupEvent(event, { server }));
      options.onEvent?.(event);
      if (event.type === "Data") {
        if (receiver.state === "manifest") {
          manifest.push(event.data);
        } else {
          const last = archives.at(-1)!;
          last.bytes += event.data.length;
          last.pieces++;
          await archive?.write(event.data);
        }
        continue;
      }
      events.push(event);
      if (event.type === "ArchiveStart") {
        const members: Member[] = [];
        archives.push({ archive: event.archive, bytes: 0, pieces: 0, members });
        if (options.directory !== undefined || options.read === true)
          archive = extraction(event, members, server, options);
      }
      if (event.type === "ArchiveEnd") {
        await archive?.end();
        archive = undefined;
      }
      if (event.type === "Error") await archive?.abandon();
    }
  }
  same.end();
  const hasManifest = events.some(({ type }) => type === "ManifestStart");
  return { events, archives, manifest: hasManifest ? Buffer.concat(manifest) : undefined };
}

/** The events of one type. */
export function eventsOf<T extends BaseBackupEvent["type"]>(
  { events }: Backup,
  type: T,
): Extract<BaseBackupEvent, { type: T }>[] {
  return events.filter((event): event is Extract<BaseBackupEvent, { type: T }> => event.type === type);
}

/** Sends a manifest in small chunks. @throws Error with the server's message */
export async function uploadManifest(connection: RawConnection, manifest: Buffer): Promise<void> {
  const sent = new ManifestUpload();
  connection.send("Q", "UPLOAD_MANIFEST");
  let refusal: string | undefined;
  while (sent.state !== "done") {
    const { type, body } = await connection.next();
    const event = sent.receive({ tag: type.charCodeAt(0), bytes: body });
    if (event.type === "Error") refusal = event.fields.M;
    if (event.type !== "CopyIn") continue;
    for (let at = 0; at < manifest.length; at += 10_000)
      connection.write(sent.copyData(manifest.subarray(at, at + 10_000)));
    connection.write(sent.copyDone());
  }
  if (refusal !== undefined) throw new Error(refusal);
}

/** How much of what there was to combine: whole files, incremental ones and their blocks, copies of older files, blocks of zeros. */
export interface CombinedKinds {
  whole: number;
  incremental: number;
  blocks: number;
  copies: number;
  zeros: number;
}

/** What pg_combinebackup makes of backups, newest first: incremental files combined, all else of the newest. */
export function combineDirectories(from: readonly string[], to: string, kinds: CombinedKinds): void {
  mkdirSync(to, { mode: 0o700 });
  for (const entry of readdirSync(from[0]!, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(from[0]!.length + 1);
    const target = join(to, path);
    if (entry.isDirectory()) {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      continue;
    }
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    if (!entry.isFile()) continue;
    if (!entry.name.startsWith(INCREMENTAL_PREFIX)) {
      kinds.whole++;
      copyFileSync(join(from[0]!, path), target);
      continue;
    }
    kinds.incremental++;
    const name = join(dirname(path), basename(path).slice(INCREMENTAL_PREFIX.length));
    const sources = from.map((directory) => sourceOf(directory, name, path));
    const last = sources.findIndex(({ file }) => "size" in file);
    const newest = sources[0]!.file as IncrementalHeader;
    const { length, ranges, copyOf } = reconstruct(
      newest,
      sources.slice(1, last + 1).map(({ file }) => file),
    );
    kinds.blocks += newest.blocks.length;
    const output = join(to, name);
    const parts = ranges.map(({ count, from: source }) => {
      if (source !== undefined)
        return sources[source.file]!.bytes.subarray(source.offset, source.offset + count * 8192);
      kinds.zeros += count;
      return Buffer.alloc(count * 8192);
    });
    writeFileSync(output, Buffer.concat(parts));
    if (statSync(output).size !== length * 8192) throw new Error(`${output} is not ${length} blocks long`);
    if (copyOf !== undefined) {
      kinds.copies++;
      if (!readFileSync(output).equals(sources[copyOf]!.bytes)) throw new Error(`${output} is no copy`);
    }
  }
  const label = join(to, "backup_label");
  if (statSync(label, { throwIfNoEntry: false }) !== undefined) {
    writeFileSync(label, readFileSync(label, "utf8").replace(/^INCREMENTAL FROM .*\n/gm, ""));
  }
  // Links to tablespaces lead to the combined ones.
  for (const oid of statSync(join(to, "pg_tblspc"), { throwIfNoEntry: false })
    ? readdirSync(join(from[0]!, "pg_tblspc"))
    : []) {
    symlinkSync(tablespaceDirectory(to, Number(oid)), join(to, "pg_tblspc", oid));
  }
}

/** A file of one backup: whole, or incremental. */
function sourceOf(directory: string, name: string, incremental: string): { bytes: Buffer; file: BackupFile } {
  const whole = join(directory, name);
  const size = statSync(whole, { throwIfNoEntry: false })?.size;
  if (size !== undefined) return { bytes: readFileSync(whole), file: { size } };
  const bytes = readFileSync(join(directory, incremental));
  const reader = new IncrementalReader({ file: incremental });
  const events = reader.receive(bytes);
  reader.end();
  const header = reader.header!;
  // What the server wrote is the header, and blocks in the order of their numbers.
  const encoded = encodeIncrementalHeader(header);
  const blocks = events.flatMap((event) => (event.type === "Block" ? [event.data] : []));
  if (!Buffer.concat([encoded, ...blocks]).equals(bytes)) throw new Error(`${incremental} encodes otherwise`);
  return { bytes, file: header };
}

/** Where the tablespace of a backup in `directory` is put. */
export function tablespaceDirectory(directory: string, oid: number): string {
  return `${directory}.${oid}`;
}

/** Whom the servers run as; asked once, since that starts a program. */
const user = serverUser();

/** A new directory that the servers' user can reach, and what removes it. */
export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(temporaryRoot(user !== undefined), "walwire-backup-"));
  if (user !== undefined) chownSync(path, user.uid, user.gid);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Makes the servers' user own a directory and all in it. */
export function giveToServer(directory: string): void {
  if (user === undefined) return;
  for (const path of [".", ...readdirSync(directory, { recursive: true, encoding: "utf8" })]) {
    chownSync(join(directory, path), user.uid, user.gid);
  }
}

/** Holds that two streams have the same bytes, without keeping what was compared. */
class SameBytes {
  #received: Buffer = Buffer.alloc(0);
  #encoded: Buffer = Buffer.alloc(0);
  #offset = 0;

  received(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    this.#compare();
  }

  encoded(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#encoded = this.#encoded.length === 0 ? buffer : Buffer.concat([this.#encoded, buffer]);
    this.#compare();
  }

  end(): void {
    const left = this.#received.length - this.#encoded.length;
    if (left !== 0)
      throw new Error(`after ${this.#offset} equal bytes ${left} of those received are not in the events`);
  }

  #compare(): void {
    const length = Math.min(this.#received.length, this.#encoded.length);
    const [received, encoded] = [this.#received.subarray(0, length), this.#encoded.subarray(0, length)];
    if (!received.equals(encoded)) {
      const at = received.findIndex((byte, i) => byte !== encoded[i]);
      const excerpt = (bytes: Buffer): string => bytes.toString("hex", Math.max(0, at - 20), at + 20);
      throw new Error(
        `byte ${this.#offset + at} encodes otherwise: received ${excerpt(received)}, encoded ${excerpt(encoded)}`,
      );
    }
    this.#offset += length;
    this.#received = this.#received.subarray(length);
    this.#encoded = this.#encoded.subarray(length);
  }
}

interface Extraction {
  write(data: Uint8Array): Promise<void>;
  end(): Promise<void>;
  /** It will not end: the backup has failed. */
  abandon(): Promise<void>;
}

function extraction(
  { compression, tablespace }: Extract<BaseBackupEvent, { type: "ArchiveStart" }>,
  members: Member[],
  server: number,
  { directory, keep = () => false }: TakeOptions,
): Extraction {
  const { spcoid } = tablespace;
  const root = directory === undefined || spcoid === undefined ? directory : tablespaceDirectory(directory, spcoid);
  const { writable, readable } = tarEntries({ compression, server });
  const writer = writable.getWriter();
  if (root !== undefined) mkdirSync(root, { mode: 0o700 });
  const written = extract(readable, root, directory, keep, members);
  written.catch(() => {}); // it is waited for in the end
  return {
    // A reader that fails says why; the writer fails with it.
    write: (data) => Promise.race([writer.write(data), written.then(() => writer.write(data))]),
    end: async () => {
      await Promise.all([writer.close(), written]);
    },
    abandon: async () => {
      await writer.abort(new Error("the backup has failed")).catch(() => {});
      await written.catch(() => {});
    },
  };
}

async function extract(
  entries: ReadableStream<TarEntry>,
  root: string | undefined,
  main: string | undefined,
  keep: (name: string) => boolean,
  members: Member[],
): Promise<void> {
  const reader = entries.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    const { body, ...entry } = value!;
    const { type, name } = entry;
    const path = root && join(root, name);
    const chunks: Uint8Array[] = [];
    if (path !== undefined) {
      if (type === "directory") mkdirSync(path, { mode: 0o700, recursive: true });
      // The only links are those in pg_tblspc, which are called as the OID of the tablespace.
      if (type === "symlink") symlinkSync(tablespaceDirectory(main!, Number(name.slice("pg_tblspc/".length))), path);
      if (type === "file") mkdirSync(dirname(path), { mode: 0o700, recursive: true });
    }
    const file = path !== undefined && type === "file" ? openSync(path, "wx", 0o600) : undefined;
    const bytes = body.getReader();
    for (let chunk = await bytes.read(); !chunk.done; chunk = await bytes.read()) {
      if (file !== undefined) for (let at = 0; at < chunk.value.length; ) at += writeSync(file, chunk.value, at);
      if (keep(name)) chunks.push(chunk.value);
    }
    if (file !== undefined) closeSync(file);
    members.push({ ...entry, content: keep(name) ? Buffer.concat(chunks) : undefined } as Member);
  }
}
