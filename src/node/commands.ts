/**
 * Each replication command as a typed method: written for the server that answered, checked as that server would before it is sent, and
 * answered with typed rows.
 */
import type { BaseBackupEvent } from "../basebackup/events.ts";
import { BaseBackupReceiver } from "../basebackup/receiver.ts";
import type { Command, DefElem } from "../command/ast.ts";
import { commandCapabilities } from "../command/capabilities.ts";
import { type CommandOptions, checkCommand, type PGOutputOptions } from "../command/check.ts";
import { newestProtocol } from "../command/options/kinds.ts";
import { findOption, type OptionTable, type OptionValues, optionsFrom } from "../command/options/option.ts";
import { alterSlotOptions, baseBackupOptions, createSlotOptions, pgoutputOptions } from "../command/options/tables.ts";
import { parseCommand } from "../command/parse.ts";
import { printCommand } from "../command/print.ts";
import type { ResultSetName } from "../command/results/result-sets.ts";
import { decodeResultSet, type ResultSetRow, type ResultSetValue } from "../command/results/rows.ts";
import { ProtocolError, refuseArgument, StateError } from "../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { requireCapability } from "../kernel/version.ts";
import type { Feedback } from "../session/feedback.ts";
import type { BackendMessage } from "../session/messages.ts";
import { isBytes } from "../wire/check.ts";
import type { AbortSignalLike } from "./abort-signal.ts";
import type { Chunks } from "./chunk-source.ts";

/** The result of one statement. */
export interface StatementResult {
  /** Names of the columns; empty if there are none. */
  readonly columns: readonly string[];
  /**
   * Values as text, by position; null is NULL. Bytes that are not UTF-8 are U+DC80 to U+DCFF, as in all text of walwire.
   */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Such as "SELECT 1"; undefined for an empty statement. */
  readonly commandTag: string | undefined;
}

/** The result of a command. */
export interface QueryResult {
  /** Names of the columns of the last statement that returned any; empty if none did. */
  readonly columns: readonly string[];
  /** Rows of the same statement. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command tags in order: START_REPLICATION has two of them. */
  readonly commandTags: readonly string[];
  /** The result of each statement: SQL may contain several, separated by semicolons. */
  readonly results: readonly StatementResult[];
}

/** Options of calls that wait for the server. */
export interface WaitOptions {
  /**
   * Stops waiting: the promise rejects with the signal's reason. An aborted `receive` leaves the stream as it is; all other
   * aborted calls close the connection, whose state would be unknown.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** Options of `startReplication`. */
export interface StreamOptions extends WaitOptions {
  /**
   * Records every received message. Its status updates are sent when the server asks, every 10 s by default, and at the end of the
   * stream. Without a Feedback the caller sends them.
   */
  readonly feedback?: Feedback | undefined;
}

/** Options of `createSlot`. Those left out have the server's default; those that the server does not have are an UnsupportedError. */
export interface CreateSlotOptions extends OptionValues<typeof createSlotOptions>, WaitOptions {
  /** The output plugin of a logical slot, such as "pgoutput"; without one the slot is physical. */
  readonly plugin?: string | undefined;
  /** The slot is dropped when the connection ends, or on an error. */
  readonly temporary?: boolean | undefined;
}

/** Options of `alterSlot`: what is to change. */
export interface AlterSlotOptions extends OptionValues<typeof alterSlotOptions>, WaitOptions {}

/** Options of `dropSlot`. */
export interface DropSlotOptions extends WaitOptions {
  /** Wait until the slot is not in use, instead of failing. */
  readonly wait?: boolean | undefined;
}

/** Options of `baseBackup`. Those left out have the server's default; those that the server does not have are an UnsupportedError. */
export interface BaseBackupCommandOptions extends OptionValues<typeof baseBackupOptions>, WaitOptions {}

/** Options of `startPhysical`. */
export interface StartPhysicalOptions extends StreamOptions {
  /** The slot, if any. */
  readonly slotname?: string | undefined;
  /** Where to start. */
  readonly startpoint: Lsn;
  /** The timeline; the server's current one by default. */
  readonly timeline?: number | undefined;
}

/** Options of `startLogical` with pgoutput. Those left out have the server's default, and `protocol` the newest that it speaks. */
export interface StartLogicalOptions extends OptionValues<typeof pgoutputOptions>, StreamOptions {
  /** The logical slot. */
  readonly slotname: string;
  /** Where to start; by default where the slot is. The server goes on from the later of the two. */
  readonly startpoint?: Lsn | undefined;
}

/** Options of `startPlugin`. */
export interface StartPluginOptions extends StreamOptions {
  /** The logical slot. */
  readonly slotname: string;
  /** The plugin's own options; null is an option without a value. They are not checked. */
  readonly options?: Readonly<Record<string, string | null>> | undefined;
  /** Where to start; by default where the slot is. The server goes on from the later of the two. */
  readonly startpoint?: Lsn | undefined;
}

/** What a physical stream has begun with: nothing if it is open, else where the history of the server goes on. */
export type NextTimeline = ResultSetRow<"NEXT_TIMELINE">;

/** The replication commands of a connection. Each throws what `query` throws, and besides UnsupportedError and ParseError before it is sent. */
export abstract class ReplicationCommands {
  /** The `server_version_num` of the server. */
  abstract get serverVersion(): number;
  /** Whether the connection is to a database. */
  protected abstract get isToDatabase(): boolean;
  /** Run a command or SQL. */
  abstract query(text: string, options?: WaitOptions): Promise<QueryResult>;
  /** Run a command and read its answer message by message, up to ReadyForQuery. @throws ServerError at the end of one with an error */
  protected abstract answerTo(text: string, options: WaitOptions): AsyncGenerator<BackendMessage, void>;
  /** Run a command that reads what the client sends. */
  protected abstract copyIn(text: string, chunks: Chunks, options: WaitOptions): Promise<void>;
  /** Run a START_REPLICATION. */
  abstract startReplication(text: string, options?: StreamOptions): Promise<QueryResult | undefined>;

  /** Ask which cluster, timeline and position this is. */
  async identifySystem(options: WaitOptions = {}): Promise<ResultSetRow<"IDENTIFY_SYSTEM">> {
    return this.#rows("IDENTIFY_SYSTEM", { type: "IdentifySystemCmd" }, options);
  }

  /** Ask for the value of a configuration parameter. @returns the value with its unit, such as "1min" */
  async show(name: string, options: WaitOptions = {}): Promise<string> {
    if (typeof name === "string" && name.toLowerCase() === "all") refuseArgument("name", "one parameter", name);
    return (await this.#rows("SHOW", { type: "VariableShowStmt", name }, options)).setting;
  }

  /** Ask for all configuration parameters. */
  async showAll(options: WaitOptions = {}): Promise<ResultSetValue<"SHOW_ALL">> {
    return this.#rows("SHOW_ALL", { type: "VariableShowStmt", name: "all" }, options);
  }

  /** Ask for the history file of a timeline. */
  async timelineHistory(timeline: number, options: WaitOptions = {}): Promise<ResultSetRow<"TIMELINE_HISTORY">> {
    return this.#rows("TIMELINE_HISTORY", { type: "TimeLineHistoryCmd", timeline }, options);
  }

  /** Create a slot: a logical one with a `plugin`, else a physical one. */
  async createSlot(
    slotname: string,
    options: CreateSlotOptions = {},
  ): Promise<ResultSetRow<"CREATE_REPLICATION_SLOT">> {
    checkOptions(options, ["plugin", "temporary", "signal", ...Object.keys(createSlotOptions.rows)]);
    const { plugin, temporary = false, signal, ...values } = options;
    checkType("options.temporary", temporary, "boolean");
    const command: Command = {
      type: "CreateReplicationSlotCmd",
      kind: plugin === undefined ? "PHYSICAL" : "LOGICAL",
      slotname,
      plugin,
      temporary,
      options: this.#optionsFrom(createSlotOptions, values),
    };
    return this.#rows("CREATE_REPLICATION_SLOT", command, { signal });
  }

  /** Ask what a physical slot keeps. @returns undefined if there is no such slot */
  async readSlot(
    slotname: string,
    options: WaitOptions = {},
  ): Promise<ResultSetRow<"READ_REPLICATION_SLOT"> | undefined> {
    const row = await this.#rows("READ_REPLICATION_SLOT", { type: "ReadReplicationSlotCmd", slotname }, options);
    return row.slot_type === undefined ? undefined : row;
  }

  /** Change a logical slot. */
  async alterSlot(slotname: string, options: AlterSlotOptions): Promise<void> {
    checkOptions(options, ["signal", ...Object.keys(alterSlotOptions.rows)]);
    const { signal, ...values } = options;
    const command = {
      type: "AlterReplicationSlotCmd",
      slotname,
      options: this.#optionsFrom(alterSlotOptions, values),
    } as const;
    await this.query(this.#textOf(command).text, { signal });
  }

  /** Drop a slot. */
  async dropSlot(slotname: string, options: DropSlotOptions = {}): Promise<void> {
    checkOptions(options, ["wait", "signal"]);
    const { wait = false, signal } = options;
    checkType("options.wait", wait, "boolean");
    await this.query(this.#textOf({ type: "DropReplicationSlotCmd", slotname, wait }).text, { signal });
  }

  /**
   * Take a base backup. A loop that reads slowly slows the server down; one that is left early closes the connection.
   *
   * @returns the events of BaseBackupReceiver, but for errors. Bytes of `Data` are views into what was received, which does not
   *   change later; with `reuseMemory`, not before the next event is asked for.
   * @throws ServerError if the server reports an error, once the connection is free for the next command.
   */
  async *baseBackup(
    options: BaseBackupCommandOptions = {},
  ): AsyncGenerator<Exclude<BaseBackupEvent, { type: "Error" }>, void> {
    checkOptions(options, ["signal", ...Object.keys(baseBackupOptions.rows)]);
    const { signal, ...values } = options;
    const command = { type: "BaseBackupCmd", options: this.#optionsFrom(baseBackupOptions, values) } as const;
    const receiver = new BaseBackupReceiver({ server: this.serverVersion });
    for await (const message of this.answerTo(this.#textOf(command).text, { signal })) {
      for (const event of receiver.receive(message)) if (event.type !== "Error") yield event;
    }
  }

  /**
   * Send the manifest of an older backup, for an incremental `baseBackup` on this connection.
   *
   * @param manifest The bytes of backup_manifest, whole or in chunks.
   * @throws ServerError if the server rejects it, also before all chunks were taken; what the chunks throw, after which the server has
   *   dropped the manifest.
   */
  async uploadManifest(
    manifest: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: WaitOptions = {},
  ): Promise<void> {
    checkOptions(options, ["signal"]);
    const chunks = isBytes(manifest) ? [manifest] : manifest;
    if (
      typeof chunks !== "object" ||
      chunks === null ||
      !(Symbol.iterator in chunks || Symbol.asyncIterator in chunks)
    ) {
      refuseArgument("manifest", "a Uint8Array, or an iterable of them", manifest);
    }
    await this.copyIn(this.#textOf({ type: "UploadManifestCmd" }).text, chunks, options);
  }

  /**
   * Run a COPY … TO STDOUT. A loop that reads slowly slows the server down; one that is left early closes the connection.
   *
   * @returns the payloads of its CopyData messages, for CopyDecoder of walwire/logical/copy: views into what was received, which does
   *   not change later; with `reuseMemory`, not before the next is asked for.
   * @throws ServerError if the server reports an error, once the connection is free for the next command; StateError for anything but
   *   a COPY … TO STDOUT.
   */
  async *copyOut(text: string, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void> {
    checkOptions(options, ["signal"]);
    let copies = false;
    for await (const message of this.answerTo(text, options)) {
      if (message.type === "CopyOutResponse") copies = true;
      else if (message.type === "CopyData" && copies) yield message.data;
      // The server would wait for data.
      else if (message.type === "CopyInResponse" || message.type === "CopyBothResponse") break;
    }
    if (!copies) throw new StateError("the text is not a COPY … TO STDOUT");
  }

  /**
   * Start a stream of WAL.
   *
   * @returns undefined once the stream is open; where the timeline ends at `startpoint`, the next timeline.
   */
  async startPhysical(options: StartPhysicalOptions): Promise<NextTimeline | undefined> {
    checkOptions(options, ["slotname", "startpoint", "timeline", "feedback", "signal"]);
    const { slotname, startpoint, timeline, ...stream } = options;
    // To the grammar it is a missing one.
    if (timeline === 0)
      refuseArgument("options.timeline", "a timeline from 1 on, or undefined for the server's", timeline);
    const command = {
      type: "StartReplicationCmd",
      kind: "PHYSICAL",
      slotname,
      timeline: timeline ?? 0,
      startpoint,
      options: [],
    } as const;
    const result = await this.startReplication(this.#textOf(command).text, stream);
    return result === undefined ? undefined : decodeResultSet("NEXT_TIMELINE", result.rows);
  }

  /**
   * Start a logical stream of pgoutput.
   *
   * @returns what the server makes of the options: `protocol` and `streaming` are for `new PgoutputDecoder(…)`.
   */
  async startLogical(options: StartLogicalOptions): Promise<PGOutputOptions> {
    checkOptions(options, ["slotname", "startpoint", "feedback", "signal", ...Object.keys(pgoutputOptions.rows)]);
    const { slotname, startpoint, feedback, signal, ...values } = options;
    const protocol = values.protocol ?? newestProtocol(this.serverVersion);
    const elements = this.#optionsFrom(pgoutputOptions, { ...values, protocol });
    const checked = await this.#startLogical({ slotname, startpoint, feedback, signal }, elements, "pgoutput");
    return checked as PGOutputOptions;
  }

  /** Start a logical stream of another output plugin than pgoutput. */
  async startPlugin(options: StartPluginOptions): Promise<void> {
    checkOptions(options, ["slotname", "startpoint", "options", "feedback", "signal"]);
    const { options: values = {}, ...stream } = options;
    if (typeof values !== "object" || values === null) refuseArgument("options.options", "an object", values);
    const elements = Object.entries(values).map(([defname, value]): DefElem => {
      if (value === null) return { defname, arg: undefined };
      if (typeof value !== "string") refuseArgument(`options.options.${defname}`, "a string or null", value);
      return { defname, arg: { type: "String", sval: value } };
    });
    await this.#startLogical(stream, elements, "");
  }

  async #startLogical(
    { slotname, startpoint = invalidLsn, ...stream }: Omit<StartPluginOptions, "options">,
    options: readonly DefElem[],
    plugin: string,
  ): Promise<CommandOptions | undefined> {
    const command = {
      type: "StartReplicationCmd",
      kind: "LOGICAL",
      slotname,
      timeline: 0,
      startpoint,
      options,
    } as const;
    const { text, checked } = this.#textOf(command, plugin);
    if ((await this.startReplication(text, stream)) !== undefined) {
      throw new ProtocolError("the server has ended a logical stream before it began");
    }
    return checked;
  }

  async #rows<const N extends ResultSetName>(
    name: N,
    command: Command,
    options: WaitOptions,
  ): Promise<ResultSetValue<N>> {
    checkOptions(options, ["signal"]);
    const { rows } = await this.query(this.#textOf(command).text, options);
    return decodeResultSet(name, rows);
  }

  /** Options of a command. @throws UnsupportedError for one that the server does not have */
  #optionsFrom<T extends OptionTable>(table: T, values: OptionValues<T>): DefElem[] {
    const options = optionsFrom(table, values);
    for (const { defname } of options) {
      const since = findOption(table, defname)?.row.since;
      const what = `The option ${defname} of ${table.title}`;
      if (since !== undefined) requireCapability(commandCapabilities, this.serverVersion, since, what);
    }
    return options;
  }

  /** The text of a command for this server, and what the server makes of its options. */
  #textOf(command: Command, plugin = "pgoutput"): { text: string; checked: CommandOptions | undefined } {
    const server = this.serverVersion;
    const text = printCommand(command, { server, plugin });
    const checked = checkCommand(parseCommand(text, { server }), { server, database: this.isToDatabase, plugin });
    return { text, checked };
  }
}
