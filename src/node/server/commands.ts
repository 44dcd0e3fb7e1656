/**
 * The commands of a server: parsed and checked in the words of its version, then answered by the application.
 *
 * @source walsender.c: exec_replication_command
 */

import type { Command, SQLCmd, StartReplicationCmd } from "../../command/ast.ts";
import { commandCapabilities } from "../../command/capabilities.ts";
import {
  type AlterReplicationSlotOptions,
  type BaseBackupOptions,
  type CreateReplicationSlotOptions,
  checkCommand,
  type PGOutputOptions,
} from "../../command/check.ts";
import { parseCommand } from "../../command/parse.ts";
import { commandAnswer } from "../../command/results/answer.ts";
import type { RowValue } from "../../command/results/columns.ts";
import type { ResultSetName } from "../../command/results/result-sets.ts";
import { describeResultSet, encodeResultSet, type ResultSetValue } from "../../command/results/rows.ts";
import { formatLsn, invalidLsn } from "../../kernel/lsn.ts";
import { walFileName } from "../../kernel/wal-names.ts";
import { sessionCapabilities } from "../../session/capabilities.ts";
import type { BackendMessage } from "../../session/messages.ts";
import { errorOf, noticeResponse } from "../../session/server/words.ts";
import { plainBytes } from "../../wire/check.ts";
import { decodeText } from "../../wire/text.ts";
import { ServerBaseBackup } from "./base-backup.ts";
import type { CommandContext, WalsenderSignal } from "./handlers.ts";
import type { Link } from "./link.ts";
import { noRoom } from "./max-slots.ts";
import { runSql } from "./sql.ts";
import { ServerStream } from "./stream.ts";
import { manifestPieces } from "./upload.ts";

/** Commands that may not run in a transaction. @source walsender.c: PreventInTransactionBlock */
const notInTransaction: Readonly<Partial<Record<Command["type"], string>>> = {
  BaseBackupCmd: "BASE_BACKUP",
  StartReplicationCmd: "START_REPLICATION",
  TimeLineHistoryCmd: "TIMELINE_HISTORY",
  UploadManifestCmd: "UPLOAD_MANIFEST",
};

/** Run the text of a Query. @throws ServerError, ParseError: the answer; whatever a handler throws */
export async function runQuery(link: Link, text: string, signal: WalsenderSignal): Promise<void> {
  const { settings, session } = link;
  const context: CommandContext = { session, signal };
  // An ordinary session has no replication commands.
  if (session.replication === "false") return runSql(link, text, context);
  const command = parseCommand(text, {
    server: settings.server,
    database: session.replication === "database",
    onNotice: ({ severity, sqlstate, message }) => link.say(noticeResponse({ severity, sqlstate, message })),
  });
  if (command.type === "SQLCmd") return runSql(link, text, context);
  if (link.transaction === "E") throw failedTransaction();
  const name = notInTransaction[command.type];
  if (name !== undefined && link.transaction === "T") {
    throw errorOf("ACTIVE_SQL_TRANSACTION", `${name} cannot run inside a transaction block`);
  }
  await new CommandRun(link, context).run(command);
}

/** @source walsender.c: exec_replication_command; postgres.c: exec_simple_query */
export function failedTransaction(): Error {
  const message = "current transaction is aborted, commands ignored until end of transaction block";
  return errorOf("IN_FAILED_SQL_TRANSACTION", message);
}

/** A result set as messages, without CommandComplete. */
export function rowsOf<N extends ResultSetName>(
  name: N,
  value: ResultSetValue<N>,
  server: number,
  parameter?: string,
): BackendMessage[] {
  const rows = encodeResultSet(name, value, { server });
  return [descriptionOf(name, server, parameter), ...rows.map((row) => dataRow(row))];
}

function descriptionOf(name: ResultSetName, server: number, parameter?: string): BackendMessage {
  const columns = describeResultSet(name, { server, parameter }).map((column) => ({
    ...column,
    ...({ tableId: 0, columnNumber: 0, format: "text" } as const),
  }));
  return { type: "RowDescription", columns };
}

function dataRow(values: readonly RowValue[]): BackendMessage {
  return {
    type: "DataRow",
    values: values.map((value) => {
      if (typeof value === "string" || value === null) return value;
      const bytes = plainBytes(value);
      return decodeText(bytes, 0, bytes.length);
    }),
  };
}

/** One command on its way. */
class CommandRun {
  readonly #link: Link;
  readonly #context: CommandContext;
  readonly #server: number;

  constructor(link: Link, context: CommandContext) {
    this.#link = link;
    this.#context = context;
    this.#server = link.settings.server;
  }

  async run(command: Exclude<Command, SQLCmd>): Promise<void> {
    const { handlers } = this.#link;
    switch (command.type) {
      case "IdentifySystemCmd": {
        const { identifySystem } = handlers;
        const { systemid } = this.#link.settings;
        const row = await this.#ask(() => identifySystem?.(this.#context));
        const { database } = this.#context.session;
        const dbname = database === "" ? undefined : database;
        return this.#answer(command, [
          "IDENTIFY_SYSTEM",
          { ...(row ?? { systemid, timeline: 1, xlogpos: invalidLsn }), dbname },
        ]);
      }
      case "VariableShowStmt":
        return this.#show(command);
      case "TimeLineHistoryCmd": {
        const filename = walFileName({ type: "history", timeline: command.timeline });
        const content = await this.#ask(() => handlers.timelineHistory?.(command, this.#context));
        if (content === undefined) {
          this.#link.say(descriptionOf("TIMELINE_HISTORY", this.#server));
          const message = `could not open file "pg_wal/${filename}": No such file or directory`;
          throw errorOf("UNDEFINED_FILE", message);
        }
        return this.#answer(command, ["TIMELINE_HISTORY", { filename, content }]);
      }
      case "CreateReplicationSlotCmd": {
        const options = this.#check(command) as CreateReplicationSlotOptions;
        this.#checkSnapshot(command.kind, options);
        if (handlers.createSlot === undefined) throw noRoom(this.#context.session);
        const row = await this.#ask(() => handlers.createSlot!(command, options, this.#context));
        return this.#answer(command, ["CREATE_REPLICATION_SLOT", row]);
      }
      case "DropReplicationSlotCmd":
        this.#check(command);
        if (handlers.dropSlot === undefined) throw missingSlot(command.slotname);
        await this.#ask(() => handlers.dropSlot!(command, this.#context));
        return this.#answer(command);
      case "AlterReplicationSlotCmd": {
        const options = this.#check(command) as AlterReplicationSlotOptions;
        if (handlers.alterSlot === undefined) throw missingSlot(command.slotname);
        await this.#ask(() => handlers.alterSlot!(command, options, this.#context));
        return this.#answer(command);
      }
      case "ReadReplicationSlotCmd": {
        const row = await this.#ask(() => handlers.readSlot?.(command, this.#context));
        const none = { slot_type: undefined, restart_lsn: undefined, restart_tli: undefined };
        return this.#answer(command, ["READ_REPLICATION_SLOT", row ?? none]);
      }
      case "StartReplicationCmd":
        return command.kind === "LOGICAL" ? this.#startLogical(command) : this.#startPhysical(command);
      case "BaseBackupCmd": {
        const options = this.#check(command) as BaseBackupOptions;
        if (handlers.baseBackup === undefined) {
          throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", "WAL level not sufficient for making an online backup", {
            hint: 'wal_level must be set to "replica" or "logical" at server start.',
          });
        }
        const out = new ServerBaseBackup(this.#link, this.#context, rowsOf);
        await this.#ask(() => handlers.baseBackup!(command, options, out));
        out.checkComplete();
        const tag = this.#tags(command).at(-1)!;
        return this.#link.say({ type: "CommandComplete", tag });
      }
      case "UploadManifestCmd": {
        this.#check(command);
        if (handlers.uploadManifest === undefined) {
          throw errorOf("FEATURE_NOT_SUPPORTED", "UPLOAD_MANIFEST is not supported");
        }
        const pieces = manifestPieces(this.#link);
        await this.#ask(() => handlers.uploadManifest!(pieces, this.#context));
        // What the handler has left must be read.
        await this.#ask(async () => {
          for await (const _ of pieces);
        });
        return this.#answer(command);
      }
    }
  }

  /** A handler's answer; it ends at once when the command does. */
  #ask<T>(handler: () => T | Promise<T>): Promise<T> {
    return this.#link.run(this.#context.signal, handler);
  }

  /** @throws ParseError in the server's words */
  #check(command: Command, plugin?: string): unknown {
    const database = this.#context.session.replication === "database";
    return checkCommand(command, { server: this.#server, database, plugin });
  }

  /** The tags of CommandComplete that this version says, in order. */
  #tags(command: Command): string[] {
    const steps = commandAnswer(command, { server: this.#server }) ?? [];
    return steps.flatMap((step) => (step.type === "CommandComplete" ? [step.tag] : []));
  }

  #answer<N extends ResultSetName>(command: Command, ...sets: (readonly [N, ResultSetValue<N>])[]): void {
    this.#link.say(
      ...sets.flatMap(([name, value]) => rowsOf(name, value, this.#server)),
      ...this.#tags(command).map((tag): BackendMessage => ({ type: "CommandComplete", tag })),
    );
  }

  async #show(command: Extract<Command, { readonly type: "VariableShowStmt" }>): Promise<void> {
    const { name } = command;
    const complete = this.#tags(command).map((tag): BackendMessage => ({ type: "CommandComplete", tag }));
    if (name.toLowerCase() === "all") {
      const all = this.#link.parameters
        .all()
        .map(({ name, value }) => ({ name, setting: value, description: undefined }));
      return this.#link.say(...rowsOf("SHOW_ALL", all, this.#server), ...complete);
    }
    const { handlers, parameters } = this.#link;
    const shown = (await this.#ask(() => handlers.show?.(name, this.#context))) ?? parameters.get(name);
    if (shown === undefined) throw errorOf("UNDEFINED_OBJECT", `unrecognized configuration parameter "${name}"`);
    this.#link.say(...rowsOf("SHOW", { setting: shown.value }, this.#server, shown.name), ...complete);
  }

  /** @source walsender.c: CreateReplicationSlot */
  #checkSnapshot(kind: string, options: CreateReplicationSlotOptions): void {
    if (kind !== "LOGICAL") return;
    const { transaction } = this.#link;
    const action = options.snapshot;
    const isGeneric = commandCapabilities.supports(this.#server, "genericOptions");
    const option = isGeneric ? `(SNAPSHOT '${action}')` : `${String(action).toUpperCase()}_SNAPSHOT`;
    const what = `CREATE_REPLICATION_SLOT ... ${option}`;
    if (action === "export" && transaction !== "I") {
      throw errorOf("INTERNAL_ERROR", `${what} must not be called inside a transaction`);
    }
    if (action === "use" && transaction === "I") {
      throw errorOf("INTERNAL_ERROR", `${what} must be called inside a transaction`);
    }
  }

  async #startPhysical(command: StartReplicationCmd): Promise<void> {
    this.#check(command);
    const { startPhysical } = this.#link.handlers;
    if (startPhysical === undefined) {
      if (command.slotname !== undefined) throw missingSlot(command.slotname);
      const lsn = formatLsn(command.startpoint, { server: this.#server });
      const flushed = formatLsn(invalidLsn, { server: this.#server });
      const message = `requested starting point ${lsn} is ahead of the WAL flush position of this server ${flushed}`;
      throw errorOf("INTERNAL_ERROR", message);
    }
    const stream = new ServerStream(this.#link, "PHYSICAL");
    const next = await stream.run(
      this.#context.signal,
      () => startPhysical(command, stream),
      (result) => typeof result === "object",
    );
    if (typeof next === "object") this.#link.say(...rowsOf("NEXT_TIMELINE", next, this.#server));
    this.#answer(command);
  }

  async #startLogical(command: StartReplicationCmd): Promise<void> {
    const { startLogical, plugin: pluginOf } = this.#link.handlers;
    const slotname = command.slotname!;
    // Of another plugin than this no options are checked: first what does not depend on it.
    this.#check(command, "");
    const plugin =
      startLogical === undefined
        ? undefined
        : pluginOf === undefined
          ? "pgoutput"
          : await this.#ask(() => pluginOf(slotname, this.#context));
    if (plugin === undefined || startLogical === undefined) throw missingSlot(slotname);
    const stream = new ServerStream(this.#link, "LOGICAL");
    await stream.run(
      this.#context.signal,
      () => {
        if (sessionCapabilities.supports(this.#server, "streamOpensFirst")) stream.open();
        return startLogical(command, this.#check(command, plugin) as PGOutputOptions | undefined, stream);
      },
      () => false,
    );
    this.#answer(command);
  }
}

/** @source slot.c: ReplicationSlotAcquire */
function missingSlot(slotname: string): Error {
  return errorOf("UNDEFINED_OBJECT", `replication slot "${slotname}" does not exist`);
}
