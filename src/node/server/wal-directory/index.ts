/**
 * WalDirectory: WAL from a directory of segments, served while it grows: an archive, or what receive-wal and pg_receivewal write.
 */
import type { Lsn } from "../../../kernel/lsn.ts";
import { checkOptions, checkType, checkWhole } from "../../../kernel/options.ts";
import type { WalsenderHandlers } from "../handlers.ts";
import { WalFiles } from "./files.ts";
import { readIdentity } from "./names.ts";
import { physicalHandlers } from "./physical.ts";
import { SlotStore } from "./slots.ts";
import { StoredBackup } from "./stored-backup.ts";

/** How a directory is served. */
export interface WalDirectoryOptions {
  /**
   * A directory for replication slots, in the form of pg_replslot. It is made if it does not exist. Default: slots are kept in memory, and
   * gone with the object.
   */
  readonly slots?: string | undefined;
  /**
   * A base backup in the plain format, as `walwire base-backup` and pg_basebackup write it: what BASE_BACKUP answers with. Default: there
   * is none.
   */
  readonly backup?: string | undefined;
  /** Milliseconds after which a stream that has sent everything looks for more, where the system does not tell. Default: 250. */
  readonly pollInterval?: number | undefined;
}

/**
 * A directory of WAL segments.
 *
 * Where WAL ends, records are checked before they are served; of segments behind which WAL goes on, the headers of pages. Files may be
 * added, grow, and lose the suffix `.partial` meanwhile.
 */
export class WalDirectory {
  /** The directory. */
  readonly path: string;
  /** The server_version_num of the major that wrote the WAL, with its newest known minor: what `listen` is to play. */
  readonly server: number;
  /** The cluster. */
  readonly systemid: bigint;
  /** Bytes of a segment. */
  readonly segmentSize: number;
  /** Handlers for `listen`. */
  readonly handlers: WalsenderHandlers;
  readonly #files: WalFiles;
  readonly #slots: SlotStore;

  private constructor(files: WalFiles, slots: SlotStore, backup: StoredBackup | undefined) {
    const { server, systemIdentifier, segmentSize } = files.identity;
    this.path = files.path;
    this.server = server;
    this.systemid = systemIdentifier;
    this.segmentSize = segmentSize;
    this.handlers = physicalHandlers(files, slots, backup);
    this.#files = files;
    this.#slots = slots;
  }

  /**
   * Open a directory, and find where its WAL ends.
   *
   * @throws ArgumentError for an invalid option.
   * @throws FileError FILE_SYSTEM if a directory or a file cannot be read; BAD_FILE if there is no WAL, or a slot is damaged, or the
   *   base backup is not a whole one.
   * @throws ParseError with the server's message if the history of the newest timeline is not one.
   */
  static async open(path: string, options: WalDirectoryOptions = {}): Promise<WalDirectory> {
    checkType("path", path, "string");
    checkOptions(options, ["slots", "backup", "pollInterval"]);
    const { slots, backup, pollInterval = 250 } = options;
    checkType("options.slots", slots, "string");
    checkType("options.backup", backup, "string");
    checkWhole("options.pollInterval", pollInterval, 1, 3_600_000);
    const files = new WalFiles(path, await readIdentity(path), pollInterval);
    await files.refresh();
    const store = await SlotStore.open(slots, files.identity.server);
    return new WalDirectory(files, store, backup === undefined ? undefined : await StoredBackup.open(backup, files));
  }

  /** The newest timeline. */
  get timeline(): number {
    return this.#files.timeline;
  }

  /** Where the WAL ends that can be served: behind the last whole record, or the last segment that is complete. */
  get end(): Lsn {
    return this.#files.end;
  }

  /**
   * Look what is new. Commands of clients do so, too.
   *
   * @throws as `open`.
   */
  refresh(): Promise<void> {
    return this.#files.refresh();
  }

  /**
   * Save slots that have moved. Streams save theirs when they end.
   *
   * @throws FileError FILE_SYSTEM.
   */
  close(): Promise<void> {
    return this.#slots.flush();
  }
}
