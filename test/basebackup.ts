/** Base backups for tests: taken over a RawConnection, held against what encodes to the same bytes, and written to a directory. */
import {
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type BaseBackupEvent, BaseBackupReceiver, encodeBaseBackupEvent } from "../src/basebackup/index.ts";
import { type TarEntry, tarEntries } from "../src/basebackup/tar.ts";
import { supports } from "../src/server-version.ts";
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
    for (const event of receiver.receive({ tag: type.charCodeAt(0), bytes: body })) {
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

/** Where the tablespace of a backup in `directory` is put. */
export function tablespaceDirectory(directory: string, oid: number): string {
  return `${directory}.${oid}`;
}

/** A new directory that the servers' user can reach, and what removes it. */
export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const user = serverUser();
  const path = mkdtempSync(join(temporaryRoot(user !== undefined), "walwire-backup-"));
  if (user !== undefined) chownSync(path, user.uid, user.gid);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Makes the servers' user own a directory and all in it. */
export function giveToServer(directory: string): void {
  const user = serverUser();
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
