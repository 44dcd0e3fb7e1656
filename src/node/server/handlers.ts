/** What an application gives a server: an answer to each command. All are optional. */
import type {
  AlterReplicationSlotCmd,
  BaseBackupCmd,
  CreateReplicationSlotCmd,
  DropReplicationSlotCmd,
  ReadReplicationSlotCmd,
  StartReplicationCmd,
  TimeLineHistoryCmd,
} from "../../command/ast.ts";
import type {
  AlterReplicationSlotOptions,
  BaseBackupOptions,
  CreateReplicationSlotOptions,
  PGOutputOptions,
} from "../../command/check.ts";
import type { ResultSetRow } from "../../command/results/rows.ts";
import type { WalReceiverMessage, WalSenderMessage } from "../../generated/physical.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import type { ColumnFormat, TransactionStatus } from "../../session/messages.ts";
import type { ReplicationMode } from "../../session/server/startup.ts";
import type { AbortSignalLike } from "../abort-signal.ts";

/** A value, or a promise of one. */
export type Maybe<T> = T | Promise<T>;

/** An AbortSignal, without the types of a platform. */
export interface WalsenderSignal extends AbortSignalLike {
  /** @throws its reason, if it is aborted. */
  throwIfAborted(): void;
}

/** A parameter and its value, as SHOW gives them. */
export interface ShownParameter {
  /** The name in the server's spelling, which is that of the column. */
  readonly name: string;
  /** The value with its unit. */
  readonly value: string;
}

/** One client, as a handler sees it. */
export interface WalsenderSession {
  /** The role that has logged in. */
  readonly user: string;
  /** The database; empty for physical replication. */
  readonly database: string;
  /** Physical replication ("true"), logical replication ("database"), or an ordinary session ("false"). */
  readonly replication: ReplicationMode;
  /** The process ID in BackendKeyData. */
  readonly processId: number;
  /** The server_version_num of the version that is played. */
  readonly version: number;
  /** A run-time parameter of the session, such as application_name, whatever the case of the name; undefined if it is unknown. */
  parameter(name: string): string | undefined;
  /** Whether the session is in a transaction ("T"), in one that has failed ("E"), or in none ("I"). */
  readonly transaction: TransactionStatus;
  /** How many transactions the session has begun: what belongs to one, such as its snapshot, goes when there is another. */
  readonly transactionNumber: number;
  /** Aborted when the session has ended: what belongs to it goes with it. */
  readonly signal: WalsenderSignal;
  /**
   * Aborted by the next error that the client is told, or when the session has ended: temporary slots go with either. After an error it
   * is another signal.
   */
  readonly untilError: WalsenderSignal;
}

/** What a handler is given besides the command. */
export interface CommandContext {
  /** The client. */
  readonly session: WalsenderSession;
  /**
   * Aborted when the command has lost its purpose: the client is gone, has cancelled it, or the server closes. What the handler does
   * after that is not seen by anybody.
   */
  readonly signal: WalsenderSignal;
}

/** The positions of a receiver. 0 means that it has not said. */
export interface ReceiverPositions {
  /** The end of what it has written. */
  readonly write: Lsn;
  /** The end of what it has flushed: nothing before it will be asked for again. */
  readonly flush: Lsn;
  /** The end of what it has applied. */
  readonly apply: Lsn;
}

/** The server's end of a stream: what START_REPLICATION opens. */
export interface WalsenderStream extends CommandContext {
  /**
   * Aborted when the stream has lost its purpose: the client has ended it by CopyDone or is gone, has cancelled the command or fallen
   * silent, or the server closes at once. The handler must then return. `send` rejects from then on with the signal's reason.
   */
  readonly signal: WalsenderSignal;
  /**
   * Aborted when the server shuts down in order: the handler goes on until it has sent everything, and says `caughtUp`. The stream ends
   * once the receiver has flushed that.
   */
  readonly stopping: WalsenderSignal;
  /** The last positions of the receiver. */
  readonly feedback: ReceiverPositions;
  /** The receiver's next message, whichever it is; undefined once the stream has ended. */
  nextFeedback(): Promise<WalReceiverMessage | undefined>;
  /** Called with each message of the receiver, in order. An error that it throws ends the stream. */
  onFeedback: ((message: WalReceiverMessage) => void) | undefined;
  /**
   * Open the stream by CopyBothResponse. An error that is thrown before it is the answer to the command; one after it comes inside
   * the stream. The first `send` or `caughtUp` does it, too.
   */
  open(): void;
  /**
   * Send a message. The bytes in it must not be written to until the promise resolves.
   *
   * @returns a promise that resolves when more may be sent: the receiver's speed is the sender's.
   * @throws the reason of `signal`, once it is aborted; EncodeError for a message that cannot be written.
   */
  send(message: WalSenderMessage): Promise<void>;
  /**
   * Everything up to this position was sent, or need not be, and there is nothing behind it for now. Keepalives tell it to the
   * receiver, and a shutdown ends the stream when the receiver has flushed it.
   */
  caughtUp(walEnd: Lsn): void;
}

/** The stream of BASE_BACKUP, in the order of its functions. @source basebackup_copy.c */
export interface BaseBackupOutput extends CommandContext {
  /**
   * Where the backup starts, and its tablespaces, of which the main data directory is the last.
   *
   * @throws EncodeError for rows that cannot be written.
   */
  begin(start: ResultSetRow<"BACKUP_START">, tablespaces: readonly ResultSetRow<"BACKUP_TABLESPACES">[]): Promise<void>;
  /** Open a copy stream: one for all from 15 on; before, one for each archive, and one for the manifest. */
  openCopy(): Promise<void>;
  /** Send the contents of one CopyData. The bytes must not be written to until the promise resolves, when more may be sent. */
  send(data: Uint8Array): Promise<void>;
  /** End the copy stream. */
  closeCopy(): Promise<void>;
  /** Where the backup ends. */
  end(stop: ResultSetRow<"BACKUP_END">): Promise<void>;
}

/** A column of an answer to SQL. */
export interface AnswerColumn {
  /** Its name. */
  readonly name: string;
  /** OID of its type. Default: 25, text. */
  readonly typeId?: number | undefined;
  /** Bytes of a value, negative if that varies. Default: -1. */
  readonly typeSize?: number | undefined;
  /** Default: -1. */
  readonly typeModifier?: number | undefined;
}

/** The answer to one SQL statement. */
export type SqlAnswer =
  | {
      readonly type: "rows";
      /** The columns. */
      readonly columns: readonly AnswerColumn[];
      /** Values in the order of the columns, as text; null is NULL. */
      readonly rows: Iterable<readonly (string | null)[]> | AsyncIterable<readonly (string | null)[]>;
      /** The tag of CommandComplete. Default: SELECT and the number of rows. */
      readonly tag?: string | undefined;
    }
  | {
      /** COPY … TO STDOUT. */
      readonly type: "copyOut";
      /** "binary" for COPY … (FORMAT binary). Default: "text". */
      readonly format?: ColumnFormat | undefined;
      /** The number of columns. */
      readonly columns: number;
      /** The contents of each CopyData: one row in text format. */
      readonly data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
      /** The tag of CommandComplete, such as "COPY 3". Default: COPY and the number of pieces. */
      readonly tag?: string | undefined;
    }
  | {
      readonly type: "command";
      /** The tag of CommandComplete. */
      readonly tag: string;
    };

/**
 * What a server asks an application. A handler that throws a ServerError or a ParseError makes it the answer. Of any other error, a
 * ServerError that a server could not send included, `onError` is told, and the client gets "internal error".
 */
export interface WalsenderHandlers {
  /** IDENTIFY_SYSTEM, but for the database. Default: the option `systemid`, timeline 1, position 0. */
  readonly identifySystem?: (context: CommandContext) => Maybe<Omit<ResultSetRow<"IDENTIFY_SYSTEM">, "dbname">>;
  /** SHOW of a parameter; undefined leaves it to the parameters of the session. */
  readonly show?: (name: string, context: CommandContext) => Maybe<ShownParameter | undefined>;
  /** TIMELINE_HISTORY: the contents of the file; undefined if there is none. */
  readonly timelineHistory?: (
    command: TimeLineHistoryCmd,
    context: CommandContext,
  ) => Maybe<string | Uint8Array | undefined>;
  /** CREATE_REPLICATION_SLOT. */
  readonly createSlot?: (
    command: CreateReplicationSlotCmd,
    options: CreateReplicationSlotOptions,
    context: CommandContext,
  ) => Maybe<ResultSetRow<"CREATE_REPLICATION_SLOT">>;
  /** DROP_REPLICATION_SLOT. */
  readonly dropSlot?: (command: DropReplicationSlotCmd, context: CommandContext) => Maybe<void>;
  /** ALTER_REPLICATION_SLOT. */
  readonly alterSlot?: (
    command: AlterReplicationSlotCmd,
    options: AlterReplicationSlotOptions,
    context: CommandContext,
  ) => Maybe<void>;
  /** READ_REPLICATION_SLOT; undefined if there is no such slot. */
  readonly readSlot?: (
    command: ReadReplicationSlotCmd,
    context: CommandContext,
  ) => Maybe<ResultSetRow<"READ_REPLICATION_SLOT"> | undefined>;
  /**
   * The output plugin of a logical slot, by which the options of START_REPLICATION are checked; undefined if there is no such slot.
   * Default: "pgoutput" for each.
   */
  readonly plugin?: (slotname: string, context: CommandContext) => Maybe<string | undefined>;
  /**
   * START_REPLICATION of WAL. It sends until the signal is aborted, or until the timeline ends.
   *
   * @returns where the history goes on, if the timeline is not the latest.
   */
  readonly startPhysical?:
    | ((command: StartReplicationCmd, stream: WalsenderStream) => Maybe<ResultSetRow<"NEXT_TIMELINE"> | undefined>)
    | ((command: StartReplicationCmd, stream: WalsenderStream) => Maybe<void>);
  /** START_REPLICATION of decoded changes. `options` are those of pgoutput, undefined for other plugins. */
  readonly startLogical?: (
    command: StartReplicationCmd,
    options: PGOutputOptions | undefined,
    stream: WalsenderStream,
  ) => Maybe<void>;
  /** BASE_BACKUP. */
  readonly baseBackup?: (command: BaseBackupCmd, options: BaseBackupOptions, out: BaseBackupOutput) => Maybe<void>;
  /** UPLOAD_MANIFEST: the pieces of the manifest as they arrive, each a view that must be copied to be kept. */
  readonly uploadManifest?: (pieces: AsyncIterable<Uint8Array>, context: CommandContext) => Maybe<void>;
  /** SQL that the server does not answer itself. Several statements in one text are the handler's, too. */
  readonly query?: (sql: string, context: CommandContext) => Maybe<SqlAnswer | readonly SqlAnswer[]>;
}
