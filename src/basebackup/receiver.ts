/**
 * BaseBackupReceiver: a client's side of BASE_BACKUP, without I/O: the server's messages go in, events come out.
 *
 * Servers from 15 on send everything in one copy stream, as messages inside CopyData. Older ones send each tablespace as a copy stream
 * of plain bytes, and from 13 on the manifest as another. The events are the same, except for StreamStart and StreamEnd.
 *
 * @source pg_basebackup.c: BaseBackup, ReceiveArchiveStreamChunk; basebackup_copy.c
 */

import { commandCapabilities } from "../command/capabilities.ts";
import { resultSets } from "../command/results/result-sets.ts";
import { decodeResultSet } from "../command/results/rows.ts";
import { type BaseBackupMessage, decodeBaseBackupMessage } from "../generated/basebackup.ts";
import { ProtocolError } from "../kernel/errors.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { defaultServer, serverVersionNum } from "../kernel/version.ts";
import { shown } from "../kernel/words.ts";
import { type BackendMessage, type CopyStart, checkCopyStart, type RowColumn } from "../session/messages.ts";
import { mustBeArray, mustBeBytes, mustBeObject } from "../wire/check.ts";
import { quoteText } from "../wire/trace.ts";
import {
  type BackupCompression,
  type BackupTablespace,
  type BaseBackupEvent,
  type BaseBackupOptions,
  commandTag,
  RESULT_TAG,
  suffixes,
} from "./events.ts";

/**
 * The state of the conversation:
 * - `checkpoint`: the server waits for a checkpoint, perhaps for minutes, and estimates the size.
 * - `tablespaces`: the list of tablespaces is next.
 * - `between`: no archive is open; the next archive, the manifest or the end is next.
 * - `archive`, `manifest`: their bytes arrive.
 * - `end`: the position where the backup ends is next.
 * - `verdict`: everything was sent; CommandComplete or ErrorResponse is next.
 * - `complete`, `failed`: ReadyForQuery is next.
 * - `done`: the conversation is over.
 */
export type BaseBackupState =
  | "checkpoint"
  | "tablespaces"
  | "between"
  | "archive"
  | "manifest"
  | "end"
  | "verdict"
  | "complete"
  | "failed"
  | "done";

/** Options of a BaseBackupReceiver. */
export interface BaseBackupReceiverOptions extends BaseBackupOptions {
  /** The most tablespaces to accept, the main data directory included. Default: no limit. */
  readonly limit?: number | undefined;
}

type BackupSet = "BACKUP_START" | "BACKUP_TABLESPACES" | "BACKUP_END";

/** The result set that begins in each state. */
const setOf: Readonly<Partial<Record<BaseBackupState, BackupSet>>> = {
  checkpoint: "BACKUP_START",
  tablespaces: "BACKUP_TABLESPACES",
  end: "BACKUP_END",
};

/**
 * Follows one BASE_BACKUP from the command to ReadyForQuery. It keeps the list of tablespaces and nothing else.
 *
 * @example new BaseBackupReceiver({ server: 18 }).state // "checkpoint"
 * @source pg_basebackup.c: BaseBackup
 */
export class BaseBackupReceiver {
  readonly #server: number;
  readonly #oneStream: boolean;
  readonly #limit: number;
  #state: BaseBackupState = "checkpoint";
  /** The rows so far of the result set that is open. */
  #rows: (readonly (string | null)[])[] | undefined;
  #tablespaces: readonly BackupTablespace[] = [];
  /** How many archives have begun. */
  #archives = 0;
  #hadManifest = false;
  /** The one copy stream is open. */
  #streaming = false;

  /** @throws UnsupportedError for an unknown server version; ArgumentError for an invalid option */
  constructor(options: BaseBackupReceiverOptions = {}) {
    checkOptions(options, ["server", "limit"]);
    const { server = defaultServer, limit = Number.POSITIVE_INFINITY } = options;
    checkWhole("options.limit", limit, 0, Number.POSITIVE_INFINITY);
    this.#server = serverVersionNum(server);
    this.#oneStream = commandCapabilities.supports(this.#server, "baseBackupOneStream");
    this.#limit = limit;
  }

  /** The state of the conversation. */
  get state(): BaseBackupState {
    return this.#state;
  }

  /** The tablespaces of the backup, in the order of their archives; empty until the server has listed them. */
  get tablespaces(): readonly BackupTablespace[] {
    return this.#tablespaces;
  }

  /**
   * Receive one message of the server. An error leaves the state as it was before the call.
   *
   * @param message As WalReceiver or decodeBackendMessage gives it. Bytes of Data are views into it.
   * @returns the events, in order: none, one or two.
   * @throws DecodeError for bytes that are not a message.
   * @throws ProtocolError for a message that may not come at this point, and for more tablespaces than the limit.
   */
  receive(message: BackendMessage): BaseBackupEvent[] {
    mustBeObject(message, "message");
    if (this.#state === "done") this.#refuse(message.type);
    switch (message.type) {
      case "CopyData":
        mustBeBytes(message.data, "message.data");
        return this.#copyData(message.data);
      case "RowDescription":
        mustBeArray(message.columns, "message.columns");
        return this.#rowDescription(message.columns);
      case "DataRow":
        mustBeArray(message.values, "message.values");
        return this.#dataRow(message.values);
      case "CommandComplete":
        return this.#commandComplete(message.tag);
      case "CopyOutResponse":
        return this.#copyOutResponse(message);
      case "CopyDone":
        return this.#copyDone();
      case "NoticeResponse":
        return [{ type: "Notice", fields: message.fields }];
      case "ErrorResponse":
        if (this.#state === "failed") this.#refuse(message.type);
        this.#state = "failed";
        this.#rows = undefined;
        return [{ type: "Error", fields: message.fields }];
      case "ReadyForQuery":
        if (this.#state !== "complete" && this.#state !== "failed") this.#refuse(message.type);
        this.#state = "done";
        return [{ type: "Ready", status: message.status }];
      case "ParameterStatus":
      case "NotificationResponse":
        return [message];
      default:
        return this.#refuse(message.type);
    }
  }

  /** The connection has ended. @throws ProtocolError unless the conversation is over */
  end(): void {
    if (this.#state !== "done") {
      throw new ProtocolError(`the server closed the connection while the base backup is in state ${this.#state}`);
    }
  }

  #rowDescription(columns: readonly RowColumn[]): BaseBackupEvent[] {
    const set = this.#setToCome();
    if (set === undefined || this.#rows !== undefined) this.#refuse("RowDescription");
    const names = columns.map(({ name }) => name);
    const expected = Object.keys(resultSets[set].columns);
    if (names.length !== expected.length || names.some((name, i) => name !== expected[i])) {
      throw new ProtocolError(`the server sent columns ${shownNames(names)}, expected ${expected.join(", ")}`);
    }
    const binary = columns.find(({ format }) => format !== "text");
    if (binary !== undefined) {
      throw new ProtocolError(`the server sent column ${quoteText(binary.name)} in binary, expected text`);
    }
    this.#rows = [];
    return [];
  }

  #dataRow(row: readonly (string | null)[]): BaseBackupEvent[] {
    const rows = this.#rows;
    if (rows === undefined) this.#refuse("DataRow");
    const [limit, what] = this.#setToCome() === "BACKUP_TABLESPACES" ? [this.#limit, "tablespaces"] : [1, "rows"];
    if (rows.length >= limit) {
      throw new ProtocolError(
        `the server sent more than ${limit} ${what}`,
        what === "rows" ? "OUT_OF_ORDER" : "LIMIT_EXCEEDED",
      );
    }
    rows.push(row);
    return [];
  }

  #commandComplete(tag: string): BaseBackupEvent[] {
    if (this.#rows === undefined) {
      if (this.#state !== "verdict") this.#refuse("CommandComplete");
      this.#tagIs(tag, commandTag(this.#server));
      this.#state = "complete";
      return [{ type: "Complete" }];
    }
    this.#tagIs(tag, RESULT_TAG);
    const event = this.#resultSet(this.#setToCome()!, this.#rows);
    this.#rows = undefined;
    return [event];
  }

  #resultSet(set: BackupSet, rows: readonly (readonly (string | null)[])[]): BaseBackupEvent {
    switch (set) {
      case "BACKUP_START": {
        const start = decodeResultSet(set, rows);
        this.#state = "tablespaces";
        return { type: "BackupStart", ...start };
      }
      case "BACKUP_TABLESPACES": {
        const tablespaces = decodeResultSet(set, rows);
        checkTablespaces(tablespaces);
        this.#tablespaces = tablespaces;
        this.#state = "between";
        return { type: "Tablespaces", tablespaces };
      }
      case "BACKUP_END": {
        const end = decodeResultSet(set, rows);
        this.#state = "verdict";
        return { type: "BackupEnd", ...end };
      }
    }
  }

  /** The result set that is open or may begin now. */
  #setToCome(): BackupSet | undefined {
    // Before 15, nothing announces that no further copy stream follows.
    const ended = !this.#oneStream && this.#state === "between" && this.#allArchives();
    return ended ? "BACKUP_END" : setOf[this.#state];
  }

  #copyOutResponse(start: CopyStart): BaseBackupEvent[] {
    if (this.#state !== "between" || this.#rows !== undefined || this.#streaming) this.#refuse("CopyOutResponse");
    checkCopyStart(start);
    if (this.#oneStream) {
      this.#streaming = true;
      return [{ type: "StreamStart" }];
    }
    if (!this.#allArchives()) {
      const tablespace = this.#tablespaces[this.#archives++]!;
      this.#state = "archive";
      return [{ type: "ArchiveStart", archive: archiveName(tablespace), compression: undefined, tablespace }];
    }
    if (this.#hadManifest || !commandCapabilities.supports(this.#server, "baseBackupManifest")) {
      throw new ProtocolError("the server sent more copy streams than tablespaces");
    }
    return [this.#manifestStart()];
  }

  #copyData(bytes: Uint8Array): BaseBackupEvent[] {
    if (this.#streaming) return this.#message(decodeBaseBackupMessage(bytes));
    if (this.#state !== "archive" && this.#state !== "manifest") this.#refuse("CopyData");
    return [{ type: "Data", data: bytes }];
  }

  #message(message: BaseBackupMessage): BaseBackupEvent[] {
    const events: BaseBackupEvent[] = [];
    switch (message.type) {
      case "Data":
        if (this.#state === "between") throw new ProtocolError("Data cannot come before the first archive");
        return [message];
      case "Progress":
        return [message];
      case "NewArchive": {
        if (this.#state === "manifest") throw new ProtocolError("archives must precede manifest");
        const tablespace = this.#tablespaces[this.#archives];
        if (tablespace === undefined) throw new ProtocolError("the server sent more archives than tablespaces");
        const { archive, tablespacePath } = message;
        const compression = compressionOf(archive, tablespace);
        if (tablespacePath !== (tablespace.spclocation ?? "")) {
          throw new ProtocolError(
            `archive ${quoteText(archive)} is of ${quoteText(tablespacePath)}, expected ${quoteText(tablespace.spclocation ?? "")}`,
          );
        }
        if (this.#state === "archive") events.push({ type: "ArchiveEnd" });
        this.#archives++;
        this.#state = "archive";
        events.push({ type: "ArchiveStart", archive, compression, tablespace });
        return events;
      }
      case "ManifestStart":
        if (this.#state === "manifest") throw new ProtocolError("the server sent a second manifest");
        this.#mustHaveArchives("the manifest");
        return [{ type: "ArchiveEnd" }, this.#manifestStart()];
    }
  }

  #copyDone(): BaseBackupEvent[] {
    const state = this.#state;
    if (this.#streaming) this.#mustHaveArchives("the end of the stream");
    else if (state !== "archive" && state !== "manifest") this.#refuse("CopyDone");
    const events: BaseBackupEvent[] = [{ type: state === "manifest" ? "ManifestEnd" : "ArchiveEnd" }];
    if (this.#streaming) events.push({ type: "StreamEnd" });
    // Only the end may follow the manifest.
    this.#state = this.#streaming || state === "manifest" ? "end" : "between";
    this.#streaming = false;
    return events;
  }

  #manifestStart(): BaseBackupEvent {
    this.#state = "manifest";
    this.#hadManifest = true;
    return { type: "ManifestStart" };
  }

  #allArchives(): boolean {
    return this.#archives === this.#tablespaces.length;
  }

  #mustHaveArchives(what: string): void {
    if (!this.#allArchives()) {
      throw new ProtocolError(
        `the server sent ${what} after ${this.#archives} of ${this.#tablespaces.length} archives`,
      );
    }
  }

  #tagIs(tag: string, expected: string): void {
    if (tag !== expected) {
      throw new ProtocolError(`the server ended a command with ${quoteText(tag)}, expected ${expected}`);
    }
  }

  #refuse(type: unknown): never {
    const what = typeof type === "string" ? type : shown(type);
    throw new ProtocolError(`the server sent ${what} while the base backup is in state ${this.#state}`);
  }
}

/** The server's name for the file of an archive: base.tar, or the tablespace's OID and `.tar`. */
function archiveName({ spcoid }: BackupTablespace): string {
  return `${spcoid ?? "base"}.tar`;
}

/** The main data directory comes last, and is the only one without an OID. */
function checkTablespaces(tablespaces: readonly BackupTablespace[]): void {
  for (const [i, { spcoid, spclocation }] of tablespaces.entries()) {
    const main = i === tablespaces.length - 1;
    if ((spcoid === undefined) !== main || (spclocation === undefined) !== main || spclocation === "") {
      throw new ProtocolError(
        main ? "the last tablespace is not the main data directory" : `tablespace ${i} has no OID or no directory`,
      );
    }
  }
  if (tablespaces.length === 0)
    throw new ProtocolError("the server listed no tablespaces, expected at least the main data directory");
}

/** The compression in the name of an archive. @throws ProtocolError if the name does not belong to this tablespace */
function compressionOf(archive: string, tablespace: BackupTablespace): BackupCompression | undefined {
  const name = archiveName(tablespace);
  if (archive === name) return undefined;
  for (const [compression, suffix] of Object.entries(suffixes)) {
    if (archive === name + suffix) return compression as BackupCompression;
  }
  throw new ProtocolError(`the server sent archive ${quoteText(archive)}, expected ${name}`);
}

function shownNames(names: readonly string[]): string {
  return quoteText(names.slice(0, 10).join(", "));
}
