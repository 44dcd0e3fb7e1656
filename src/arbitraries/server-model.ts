/**
 * A model of a server: its sessions and its replication slots, and what it answers to each command.
 *
 * A port of what slot.c, slotfuncs.c, logicalfuncs.c, logical.c and walsender.c decide, without their WAL: positions are known only as
 * far as whether there is one.
 */
import type {
  AlterReplicationSlotCmd,
  Command,
  CreateReplicationSlotCmd,
  StartReplicationCmd,
} from "../command/ast.ts";
import { commandCapabilities } from "../command/capabilities.ts";
import {
  type AlterReplicationSlotOptions,
  type CreateReplicationSlotOptions,
  checkCommand,
  type PGOutputOptions,
} from "../command/check.ts";
import { parseCommand } from "../command/parse.ts";
import { commandAnswer } from "../command/results/answer.ts";
import { ParseError, refuseArgument, ServerError } from "../kernel/errors.ts";
import { formatLsn, invalidLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { sessionCapabilities } from "../session/capabilities.ts";
import type { BackendMessage, ServerFields, TransactionStatus } from "../session/messages.ts";
import { knownStatement } from "../session/server/sql.ts";
import { errorOf, fatal, fieldsOf, shutdownError } from "../session/server/words.ts";
import { judgeSlotName } from "../text/slot-name.ts";
import { modelCapabilities } from "./capabilities.ts";
import { checkTestDecoding } from "./test-decoding.ts";

/** A session of the model: the parameters of its startup packet that matter. */
export interface ModelSession {
  /** "true" is a walsender without a database, "database" one with it, "false" an ordinary session. */
  readonly replication: "true" | "database" | "false";
  /** The database of a walsender that has one, and of an ordinary session. */
  readonly database: string;
}

/** What a model of a server takes. */
export interface ServerModelOptions {
  /** The version. Default: 18. */
  readonly server?: Server | undefined;
  /** The sessions that there can be. Default: a walsender with the database "postgres", one without, and an ordinary session. */
  readonly sessions?: readonly ModelSession[] | undefined;
  /** What the names of its slots begin with. Other slots of the server are not in the model. Default: "". */
  readonly prefix?: string | undefined;
  /** max_replication_slots, if no other slots take places. Default: no limit. */
  readonly maxReplicationSlots?: number | undefined;
}

/** A replication slot, as far as the model knows it. */
export interface ModelSlot {
  /** Its name. */
  readonly slotname: string;
  /** Physical or logical. */
  readonly kind: "PHYSICAL" | "LOGICAL";
  /** The output plugin of a logical slot. */
  readonly plugin: string | undefined;
  /** The database of a logical slot. */
  readonly database: string | undefined;
  /** It ends with its session, and with an error of that. */
  readonly temporary: boolean;
  /** Prepared transactions are decoded when they are prepared. */
  readonly twoPhase: boolean;
  /** It is synchronized to standbys. */
  readonly failover: boolean;
  /** Does it have a restart_lsn? */
  readonly reserved: boolean;
  /** The same on disk, where a crash leaves it. */
  readonly savedReserved: boolean;
  /** Why nobody can use it: its WAL was removed, or it was idle for too long. */
  readonly invalidated: "wal_removed" | "idle_timeout" | undefined;
  /** The session that uses it, by number. A temporary slot is always in use. */
  readonly session: number | undefined;
  /** It has an inactive_since: nobody uses it, and since its session last did, nobody else has tried. */
  readonly inactive: boolean;
}

/**
 * What happens to a whole server: it crashes and recovers, it is shut down and started again, it makes a checkpoint, it removes all
 * WAL that it does not need itself (max_slot_wal_keep_size, since 13), all its slots that are not in use have been idle for too long
 * (idle_replication_slot_timeout, since 18).
 */
export type ServerEvent = "crash" | "restart" | "checkpoint" | "remove WAL" | "idle timeout";

/**
 * An answer, a line for each message, without what nobody can know: `columns slot_name|lsn`, `row a|LSN`, `complete SELECT 1`,
 * `error ERROR 42704 replication slot "b" does not exist`, `ready I`, `copy both`, `copy done`, `closed`.
 */
export type AnswerLines = readonly string[];

type Slot = { -readonly [K in keyof ModelSlot]: ModelSlot[K] };

interface Session {
  transaction: TransactionStatus;
  repeatableRead: boolean;
  /** The transaction has a snapshot. */
  queried: boolean;
  /** The command whose copy stream it is in. */
  stream: StartReplicationCmd | undefined;
}

const defaultSessions: readonly ModelSession[] = [
  { replication: "database", database: "postgres" },
  { replication: "true", database: "" },
  { replication: "false", database: "postgres" },
];

/**
 * A model of a server with its sessions and replication slots. Each method is something that a client does or that happens to the
 * server; it returns what the server answers.
 *
 * @example new ServerModel({ server: 16 }).connect(0) // ["ready I"]
 * @source slot.c; slotfuncs.c; logicalfuncs.c; logical.c; walsender.c
 */
export class ServerModel {
  /** The version, as server_version_num. */
  readonly server: number;
  /** What the names of its slots begin with. */
  readonly prefix: string;
  /** The sessions that there can be. */
  readonly sessions: readonly ModelSession[];
  readonly #max: number;
  readonly #open: (Session | undefined)[] = [];
  readonly #slots = new Map<string, Slot>();

  /** @throws ArgumentError for an option that it does not take; UnsupportedError for an unknown server */
  constructor(options: ServerModelOptions = {}) {
    checkOptions(options, ["server", "sessions", "prefix", "maxReplicationSlots"]);
    this.server = serverVersionNum(options.server);
    this.sessions = options.sessions ?? defaultSessions;
    this.prefix = options.prefix ?? "";
    this.#max = options.maxReplicationSlots ?? Number.POSITIVE_INFINITY;
  }

  /** The slots, by name. */
  get slots(): readonly ModelSlot[] {
    return Array.from(this.#slots.values(), (slot) => ({ ...slot })).sort((a, b) => (a.slotname < b.slotname ? -1 : 1));
  }

  /** Is this session connected? */
  isOpen(session: number): boolean {
    return this.#open[session] !== undefined;
  }

  /** Is this session in a copy stream? */
  isStreaming(session: number): boolean {
    return this.#open[session]?.stream !== undefined;
  }

  /** Is this session in a copy stream whose WAL no slot keeps? When WAL is removed, nobody knows whether it has sent all of it. */
  isUnprotected(session: number): boolean {
    const stream = this.#open[session]?.stream;
    const slot = this.#slots.get(stream?.slotname ?? "");
    return stream !== undefined && (slot?.reserved !== true || this.#isLost(slot));
  }

  /** The state of a session's transaction. */
  transactionOf(session: number): TransactionStatus {
    return this.#of(session).transaction;
  }

  /** Connect a session that is not connected. */
  connect(session: number): AnswerLines {
    if (this.sessions[session] === undefined) refuseArgument("session", "the number of a session", session);
    this.#open[session] = { transaction: "I", repeatableRead: false, queried: false, stream: undefined };
    return ["ready I"];
  }

  /** End a session in order, by Terminate. */
  close(session: number): void {
    this.#end(session);
  }

  /** Would this command wait for another session? Then it has no answer until that one is done. */
  waits(session: number, text: string): boolean {
    const command = this.#parsed(session, text);
    if (command?.type !== "DropReplicationSlotCmd" && command?.type !== "AlterReplicationSlotCmd") return false;
    const user = this.#slots.get(command.slotname)?.session;
    const nowait = command.type === "DropReplicationSlotCmd" && !command.wait;
    return !nowait && user !== undefined && user !== session && this.transactionOf(session) !== "E";
  }

  /** A query of a session that is connected, in a copy stream or not. */
  query(session: number, text: string): AnswerLines {
    const of = this.#of(session);
    if (of.stream !== undefined) {
      this.#end(session);
      return [errorLine(fieldsOf(fatal("PROTOCOL_VIOLATION", 'invalid standby message type "Q"'))), "closed"];
    }
    const lines: string[] = [];
    try {
      lines.push(...this.#run(session, text, (line) => lines.push(line)));
      if (of.stream !== undefined) return lines;
    } catch (error) {
      lines.push(errorLine(fieldsOf(refusalOf(error))));
      this.#abort(session);
    }
    lines.push(`ready ${of.transaction}`);
    return lines;
  }

  /** The client ends its copy stream by CopyDone. */
  copyDone(session: number): AnswerLines {
    const of = this.#of(session);
    if (of.stream === undefined) refuseArgument("session", "a session in a copy stream", session);
    const tags = this.#tags(of.stream);
    const slot = this.#slots.get(of.stream.slotname ?? "");
    if (slot !== undefined) slot.inactive = true;
    this.#release(session);
    of.stream = undefined;
    return ["copy done", ...tags, `ready ${of.transaction}`];
  }

  /** The client of a stream says that everything up to a position is flushed. */
  confirm(session: number): void {
    const { stream } = this.#of(session);
    const slot = stream?.slotname === undefined ? undefined : this.#slots.get(stream.slotname);
    // @source walsender.c: PhysicalConfirmReceivedLocation, which does not save it
    if (slot?.kind === "PHYSICAL") slot.reserved = true;
  }

  /**
   * Something happens to the server.
   *
   * @returns the sessions that it ends, and what each is told.
   */
  happen(event: ServerEvent): ReadonlyMap<number, AnswerLines> {
    const ended = new Map<number, AnswerLines>();
    switch (event) {
      case "checkpoint":
        break;
      case "crash":
        for (const [session, of] of this.#open.entries()) if (of !== undefined) ended.set(session, ["closed"]);
        for (const session of ended.keys()) this.#open[session] = undefined;
        for (const slot of this.#slots.values()) {
          if (slot.temporary) this.#slots.delete(slot.slotname);
          else Object.assign(slot, { session: undefined, reserved: slot.savedReserved });
        }
        this.#load();
        break;
      case "restart":
        // A stream ends when its client has all WAL, or ends it: with what words depends on that. @source walsender.c: WalSndDone
        for (const [session, of] of this.#open.entries()) {
          if (of === undefined) continue;
          ended.set(session, of.stream === undefined ? [errorLine(fieldsOf(shutdownError())), "closed"] : ["closed"]);
          this.#end(session);
        }
        this.#load();
        break;
      case "remove WAL": {
        const has = modelCapabilities.supports(this.server, "maxSlotWalKeepSize");
        for (const slot of this.#invalidate(ended, () => has)) {
          Object.assign(slot, { reserved: false, savedReserved: false, invalidated: "wal_removed" });
        }
        break;
      }
      case "idle timeout": {
        const has = modelCapabilities.supports(this.server, "idleReplicationSlotTimeout");
        for (const slot of this.#invalidate(ended, ({ inactive }) => has && inactive))
          slot.invalidated = "idle_timeout";
        break;
      }
      default:
        event satisfies never;
    }
    // Each of them makes a checkpoint. @source slot.c: CheckPointReplicationSlots
    for (const slot of this.#slots.values()) slot.savedReserved = slot.reserved;
    return ended;
  }

  /** @source slot.c: RestoreSlotFromDisk */
  #load(): void {
    for (const slot of this.#slots.values()) slot.inactive = slot.invalidated === undefined;
  }

  /**
   * Whoever uses a slot that is to be invalidated is terminated, and a session has its temporary slots also when they are idle.
   *
   * @returns those that are to be invalidated.
   * @source slot.c: InvalidatePossiblyObsoleteSlot
   */
  #invalidate(ended: Map<number, AnswerLines>, isObsolete: (slot: Slot) => boolean): readonly Slot[] {
    const obsolete = [...this.#slots.values()].filter(
      (slot) => slot.reserved && !this.#isLost(slot) && isObsolete(slot),
    );
    for (const session of new Set(obsolete.map((slot) => slot.session))) {
      if (session === undefined) continue;
      this.#end(session);
      ended.set(session, [errorLine(fieldsOf(shutdownError())), "closed"]);
    }
    return obsolete;
  }

  /** The rows of pg_replication_slots, as `slotsQuery` asks for them. */
  slotRows(): AnswerLines {
    const has = modelCapabilities.of(this.server);
    const rows = this.slots.map((slot) => {
      const values: Readonly<Record<string, string | undefined>> = {
        slot_name: slot.slotname,
        plugin: slot.plugin,
        slot_type: slot.kind.toLowerCase(),
        database: slot.database,
        temporary: flag(slot.temporary),
        active: flag(slot.session !== undefined),
        active_pid: slot.session === undefined ? undefined : pidOf(slot.session),
        catalog_xmin: slot.kind === "LOGICAL" ? "some" : undefined,
        restart_lsn: slot.reserved ? "some" : undefined,
        confirmed_flush_lsn: slot.kind === "LOGICAL" ? "some" : undefined,
        wal_status: this.#walStatus(slot),
        two_phase: flag(slot.twoPhase),
        // At first it meant any reason, of a logical slot.
        conflicting:
          slot.kind === "PHYSICAL" ? undefined : flag(slot.invalidated !== undefined && !has.slotInvalidationReason),
        failover: flag(slot.failover),
        synced: "f",
        invalidation_reason: slot.invalidated,
        inactive_since: slot.inactive ? "some" : undefined,
      };
      return `row ${this.#slotColumns()
        .map((name) => values[name] ?? "null")
        .join("|")}`;
    });
    return [`columns ${this.#slotColumns().join("|")}`, ...rows, `complete SELECT ${rows.length}`];
  }

  /** The query of the slots, for an ordinary session or a walsender with a database. */
  get slotsQuery(): string {
    const some = (column: string) => `CASE WHEN ${column} IS NOT NULL THEN 'some' END AS ${column}`;
    const special: Readonly<Record<string, string>> = {
      catalog_xmin: some("catalog_xmin"),
      restart_lsn: some("restart_lsn"),
      confirmed_flush_lsn: some("confirmed_flush_lsn"),
      inactive_since: some("inactive_since"),
      wal_status:
        "CASE WHEN wal_status IN ('reserved', 'extended', 'unreserved') THEN 'kept' ELSE wal_status END AS wal_status",
    };
    const columns = this.#slotColumns().map((name) => special[name] ?? name);
    const { length } = this.prefix;
    const ours = length === 0 ? "" : ` WHERE substr(slot_name::text, 1, ${length}) = '${this.prefix}'`;
    return `SELECT ${columns.join(", ")} FROM pg_replication_slots${ours} ORDER BY slot_name`;
  }

  /** @source slotfuncs.c: pg_get_replication_slots */
  #walStatus(slot: Slot): string | undefined {
    // A walsender that still runs might have gone on to WAL that is there.
    if (this.#isLost(slot)) return slot.reserved && slot.session !== undefined ? "kept" : "lost";
    return slot.reserved ? "kept" : slot.invalidated && "lost";
  }

  /** The slot was invalidated and stays so. Before 16 a client that confirms a position of a physical slot makes it valid again. */
  #isLost({ invalidated }: Slot): boolean {
    return invalidated !== undefined && modelCapabilities.supports(this.server, "invalidationLasts");
  }

  #slotColumns(): readonly string[] {
    const has = modelCapabilities.of(this.server);
    return [
      ...["slot_name", "plugin", "slot_type", "database", "temporary", "active", "active_pid"],
      ...["catalog_xmin", "restart_lsn", "confirmed_flush_lsn"],
      ...(has.maxSlotWalKeepSize ? ["wal_status"] : []),
      ...(has.twoPhaseSlots ? ["two_phase"] : []),
      ...(has.slotConflicts ? ["conflicting"] : []),
      ...(has.slotInvalidationReason ? ["failover", "synced", "invalidation_reason"] : []),
      ...(has.idleReplicationSlotTimeout ? ["inactive_since"] : []),
    ];
  }

  #of(session: number): Session {
    const of = this.#open[session];
    if (of === undefined) refuseArgument("session", "a session that is connected", session);
    return of;
  }

  #parsed(session: number, text: string): Command | undefined {
    const { replication } = this.sessions[session]!;
    if (replication === "false") return undefined;
    try {
      return parseCommand(text, { server: this.server, database: replication === "database" });
    } catch {
      return undefined;
    }
  }

  /** @source walsender.c: exec_replication_command */
  #run(session: number, text: string, say: (line: string) => void): AnswerLines {
    const of = this.#of(session);
    const { replication } = this.sessions[session]!;
    if (replication === "false") return this.#sql(session, text, say);
    const command = parseCommand(text, { server: this.server, database: replication === "database" });
    if (command.type === "SQLCmd") return this.#sql(session, text, say);
    if (of.transaction === "E") throw failedTransaction();
    switch (command.type) {
      case "IdentifySystemCmd":
        return [
          "columns systemid|timeline|xlogpos|dbname",
          `row SYSTEM|1|LSN|${this.sessions[session]!.database || "null"}`,
          ...this.#tags(command),
        ];
      case "CreateReplicationSlotCmd":
        return this.#create(session, command);
      case "DropReplicationSlotCmd":
        this.#check(session, command);
        this.#acquire(session, command.slotname);
        this.#slots.delete(command.slotname);
        return this.#tags(command);
      case "AlterReplicationSlotCmd":
        return this.#alter(session, command);
      case "ReadReplicationSlotCmd": {
        const slot = this.#slots.get(command.slotname);
        if (slot?.kind === "LOGICAL") {
          throw errorOf("FEATURE_NOT_SUPPORTED", "cannot use READ_REPLICATION_SLOT with a logical replication slot");
        }
        const row = slot === undefined ? "null|null|null" : slot.reserved ? "physical|LSN|1" : "physical|null|null";
        return ["columns slot_type|restart_lsn|restart_tli", `row ${row}`, ...this.#tags(command)];
      }
      case "StartReplicationCmd":
        return this.#start(session, command, say);
      default:
        throw new TypeError(`the model does not know ${command.type}`);
    }
  }

  #check(session: number, command: Command, plugin?: string): unknown {
    return checkCommand(command, {
      server: this.server,
      database: this.sessions[session]!.replication === "database",
      plugin,
    });
  }

  #tags(command: Command): string[] {
    const steps = commandAnswer(command, { server: this.server }) ?? [];
    return steps.flatMap((step) => (step.type === "CommandComplete" ? [`complete ${step.tag}`] : []));
  }

  /** @source walsender.c: CreateReplicationSlot */
  #create(session: number, command: CreateReplicationSlotCmd): AnswerLines {
    const { kind, slotname, plugin, temporary } = command;
    const of = this.#of(session);
    const options = this.#check(session, command) as CreateReplicationSlotOptions;
    const isLogical = kind === "LOGICAL";
    const slot = this.#newSlot(session, slotname, {
      kind,
      plugin,
      temporary,
      twoPhase: options.twoPhase ?? false,
      failover: options.failover ?? false,
      reserved: isLogical || (options.reserveWal ?? false),
    });
    if (isLogical) {
      this.#checkSnapshot(of, options.snapshot!);
      mustBePlugin(plugin!);
      if (options.snapshot === "use") of.queried = true;
    }
    this.#slots.set(slotname, slot);
    const snapshot = isLogical && options.snapshot === "export" ? "SNAPSHOT" : "null";
    const lsn = isLogical ? "LSN" : formatLsn(invalidLsn, { server: this.server });
    return [
      "columns slot_name|consistent_point|snapshot_name|output_plugin",
      `row ${slotname}|${lsn}|${snapshot}|${plugin ?? "null"}`,
      ...this.#tags(command),
    ];
  }

  /** @source walsender.c: CreateReplicationSlot */
  #checkSnapshot(of: Session, action: string): void {
    const isGeneric = commandCapabilities.supports(this.server, "genericOptions");
    const option = isGeneric ? `(SNAPSHOT '${action}')` : `${action.toUpperCase()}_SNAPSHOT`;
    const refuse = (why: string) => errorOf("INTERNAL_ERROR", `CREATE_REPLICATION_SLOT ... ${option} must ${why}`);
    if (action === "export" && of.transaction !== "I") throw refuse("not be called inside a transaction");
    if (action !== "use") return;
    if (of.transaction === "I") throw refuse("be called inside a transaction");
    if (!of.repeatableRead) throw refuse("be called in REPEATABLE READ isolation mode transaction");
    if (of.queried) throw refuse("be called before any query");
  }

  /** @source slot.c: ReplicationSlotAlter */
  #alter(session: number, command: AlterReplicationSlotCmd): AnswerLines {
    const { failover, twoPhase } = this.#check(session, command) as AlterReplicationSlotOptions;
    const slot = this.#acquire(session, command.slotname);
    this.#mustBeValid(slot);
    if (slot.kind === "PHYSICAL") {
      throw errorOf("FEATURE_NOT_SUPPORTED", "cannot use ALTER_REPLICATION_SLOT with a physical replication slot");
    }
    if (failover && slot.temporary) throw noFailover();
    if (failover !== undefined) slot.failover = failover;
    if (twoPhase !== undefined) slot.twoPhase = twoPhase;
    return this.#tags(command);
  }

  /** @source walsender.c: StartReplication, StartLogicalReplication */
  #start(session: number, command: StartReplicationCmd, say: (line: string) => void): AnswerLines {
    const opensFirst = sessionCapabilities.supports(this.server, "streamOpensFirst");
    const of = this.#of(session);
    const { kind, slotname } = command;
    if (of.transaction === "T") {
      throw errorOf("ACTIVE_SQL_TRANSACTION", "START_REPLICATION cannot run inside a transaction block");
    }
    this.#check(session, command, "");
    if (kind === "PHYSICAL") {
      const slot = slotname === undefined ? undefined : this.#acquire(session, slotname);
      if (slot !== undefined) {
        this.#mustBeValid(slot);
        if (slot.kind === "LOGICAL") {
          throw errorOf(
            "OBJECT_NOT_IN_PREREQUISITE_STATE",
            "cannot use a logical replication slot for physical replication",
          );
        }
        Object.assign(slot, { session, inactive: false });
      }
    } else {
      const slot = this.#acquire(session, slotname!);
      // The stream was opened before the slot was looked at.
      if (opensFirst) say("copy both");
      if (!slot.reserved && modelCapabilities.supports(this.server, "logicalStreamNeedsRestartLsn")) {
        throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", `cannot read from logical replication slot "${slotname}"`, {
          detail: "This slot has been invalidated because it exceeded the maximum reserved size.",
        });
      }
      this.#mustBeDecodable(session, slot);
      if (slot.plugin === "test_decoding") checkTestDecoding(command, this.server);
      const options = this.#check(session, command, slot.plugin) as PGOutputOptions | undefined;
      if (options?.twoPhase) slot.twoPhase = true;
      Object.assign(slot, { session, inactive: false });
    }
    of.stream = command;
    return kind === "LOGICAL" && opensFirst ? [] : ["copy both"];
  }

  /** @source logical.c: CreateDecodingContext */
  #mustBeDecodable(session: number, slot: Slot, fastForward = false): void {
    this.#mustBeValid(slot);
    if (slot.kind === "PHYSICAL") {
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", "cannot use physical replication slot for logical decoding");
    }
    if (slot.database !== this.sessions[session]!.database && !fastForward) {
      const message = `replication slot "${slot.slotname}" was not created in this database`;
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
    }
    if (slot.invalidated && modelCapabilities.supports(this.server, "invalidSlotsAreNotDecoded")) {
      throw errorOf(
        "OBJECT_NOT_IN_PREREQUISITE_STATE",
        `can no longer get changes from replication slot "${slot.slotname}"`,
        {
          detail: "This slot has been invalidated because it exceeded the maximum reserved size.",
        },
      );
    }
  }

  /** @source slot.c: ReplicationSlotAcquire, from 18 on with error_if_invalid */
  #mustBeValid({ slotname, invalidated }: Slot): void {
    if (invalidated === undefined || !modelCapabilities.supports(this.server, "invalidSlotsAreNotAcquired")) return;
    throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", `can no longer access replication slot "${slotname}"`, {
      detail: `This replication slot has been invalidated due to "${invalidated}".`,
    });
  }

  /** @source slot.c: ReplicationSlotAcquire */
  #acquire(session: number, slotname: string): Slot {
    const slot = this.#slots.get(slotname);
    if (slot === undefined) throw errorOf("UNDEFINED_OBJECT", `replication slot "${slotname}" does not exist`);
    const isFree = slot.session === undefined || slot.session === session;
    // Whoever may not have the slot resets inactive_since as well, for which there is no release.
    if (slot.invalidated === undefined) slot.inactive = isFree;
    if (!isFree) {
      throw errorOf("OBJECT_IN_USE", `replication slot "${slotname}" is active for PID ${pidOf(slot.session!)}`);
    }
    return slot;
  }

  /** @source slot.c: ReplicationSlotCreate */
  #newSlot(
    session: number,
    slotname: string,
    of: Pick<Slot, "kind" | "plugin" | "temporary" | "twoPhase" | "failover" | "reserved">,
  ): Slot {
    const refusal = judgeSlotName(slotname, { server: this.server });
    if (refusal !== undefined) throw new ServerError(refusal);
    if (of.failover && of.temporary) throw noFailover();
    if (this.#slots.has(slotname)) throw errorOf("DUPLICATE_OBJECT", `replication slot "${slotname}" already exists`);
    if (this.#slots.size >= this.#max) {
      const name = modelCapabilities.supports(this.server, "slotInvalidationReason")
        ? '"max_replication_slots"'
        : "max_replication_slots";
      throw errorOf("CONFIGURATION_LIMIT_EXCEEDED", "all replication slots are in use", {
        hint: `Free one or increase ${name}.`,
      });
    }
    return {
      slotname,
      ...of,
      database: of.kind === "LOGICAL" ? this.sessions[session]!.database : undefined,
      savedReserved: of.reserved,
      invalidated: undefined,
      session: of.temporary ? session : undefined,
      inactive: true,
    };
  }

  #release(session: number): void {
    for (const slot of this.#slots.values()) {
      if (slot.session === session && !slot.temporary) Object.assign(slot, { session: undefined, inactive: true });
    }
  }

  /** After an error: the transaction fails, and the temporary slots of the session are gone. @source slot.c: ReplicationSlotCleanup */
  #abort(session: number): void {
    const of = this.#of(session);
    if (of.transaction === "T") of.transaction = "E";
    this.#release(session);
    for (const slot of this.#slots.values()) if (slot.session === session) this.#slots.delete(slot.slotname);
  }

  #end(session: number): void {
    this.#abort(session);
    this.#open[session] = undefined;
  }

  /** SQL: transactions, the functions of slots, and a few queries. @throws TypeError for other SQL, which is not in the model */
  #sql(session: number, text: string, say: (line: string) => void): AnswerLines {
    const of = this.#of(session);
    // An ordinary session has no such commands.
    const [word] = /^[A-Z]+_[A-Z_]+\b/.exec(text) ?? [];
    if (word !== undefined) throw errorOf("SYNTAX_ERROR", `syntax error at or near "${word}"`);
    const statement = knownStatement(text);
    switch (statement?.type) {
      case "begin":
        if (of.transaction !== "I") break;
        of.transaction = "T";
        of.repeatableRead = /repeatable/i.test(text);
        of.queried = false;
        return ["complete BEGIN"];
      case "commit":
      case "rollback": {
        const was = of.transaction;
        of.transaction = "I";
        if (was === "I") {
          say(noticeLine({ S: "WARNING", C: "25P01", M: "there is no transaction in progress" }));
        }
        return [was === "E" || statement.type === "rollback" ? "complete ROLLBACK" : "complete COMMIT"];
      }
    }
    if (of.transaction === "E") throw failedTransaction();
    if (of.transaction === "T") of.queried = true;
    if (text === "SELECT 1") return ["columns ?column?", "row 1", "complete SELECT 1"];
    if (text === "SELECT 1/0") throw new ServerError({ sqlstate: "22012", message: "division by zero" });
    if (text === this.slotsQuery) return this.slotRows();
    const [, name, list] = /^SELECT (?:\*|count\(\*\)) FROM (pg_\w+)\((.*)\)$/.exec(text) ?? [];
    if (name === undefined) throw new TypeError(`the model does not know this SQL: ${text}`);
    const columns = callColumns[name];
    if (columns === undefined) throw new TypeError(`the model does not know ${name}`);
    // The columns are sent before the function is called.
    say(`columns ${columns}`);
    return [`row ${this.#call(session, name, list!.split(", ").map(argumentOf))}`, "complete SELECT 1"];
  }

  #call(session: number, name: string, given: readonly Argument[]): string {
    const [first = "", second, third, fourth] = given as readonly (string | undefined)[];
    const [slotname, isThird] = [String(first), (given[2] as Argument) === true];
    switch (name) {
      case "pg_create_physical_replication_slot": {
        const reserved = (given[1] as Argument) === true;
        const slot = {
          kind: "PHYSICAL",
          plugin: undefined,
          temporary: isThird,
          twoPhase: false,
          failover: false,
        } as const;
        this.#slots.set(slotname, this.#newSlot(session, slotname, { ...slot, reserved }));
        return `${slotname}|${reserved ? "LSN" : "null"}`;
      }
      case "pg_create_logical_replication_slot": {
        const plugin = String(second);
        const [twoPhase, failover] = [given[3] === true, given[4] === true];
        const of = { kind: "LOGICAL", plugin, temporary: isThird, twoPhase, failover, reserved: true } as const;
        const slot = this.#newSlot(session, slotname, of);
        mustBePlugin(plugin);
        this.#slots.set(slotname, slot);
        return `${slotname}|LSN`;
      }
      case "pg_drop_replication_slot":
        this.#acquire(session, slotname);
        this.#slots.delete(slotname);
        return "";
      case "pg_replication_slot_advance":
        this.#advance(session, slotname, String(second));
        return `${slotname}|LSN`;
      case "pg_copy_physical_replication_slot":
      case "pg_copy_logical_replication_slot": {
        const kind = name.startsWith("pg_copy_l") ? "LOGICAL" : "PHYSICAL";
        return this.#copy(session, kind, slotname, String(second), third as Argument, fourth);
      }
      case "pg_logical_slot_get_changes":
      case "pg_logical_slot_peek_changes": {
        const slot = this.#acquire(session, slotname);
        this.#mustBeDecodable(session, slot);
        if (slot.plugin === "pgoutput") {
          // The options are checked first: it starts without any.
          checkCommand(
            {
              type: "StartReplicationCmd",
              kind: "LOGICAL",
              slotname,
              timeline: 0,
              startpoint: invalidLsn,
              options: [],
            },
            { server: this.server, plugin: "pgoutput" },
          );
        }
        if (!slot.reserved) {
          throw errorOf(
            "OBJECT_NOT_IN_PREREQUISITE_STATE",
            `can no longer get changes from replication slot "${slotname}"`,
            { detail: this.#neverReserved() },
          );
        }
        return "0";
      }
      default:
        throw new TypeError(`the model does not know ${name}`);
    }
  }

  /** @source slotfuncs.c: pg_replication_slot_advance */
  #advance(session: number, slotname: string, lsn: string): void {
    const has = modelCapabilities.of(this.server);
    if (lsn === "0/0") {
      const what = has.invalidLsnInCapitals ? "WAL LSN" : "wal lsn";
      throw errorOf(has.invalidLsnHasCode ? "INVALID_PARAMETER_VALUE" : "INTERNAL_ERROR", `invalid target ${what}`);
    }
    const slot = this.#acquire(session, slotname);
    this.#mustBeValid(slot);
    if (!slot.reserved && !has.maxSlotWalKeepSize) {
      const message = "cannot advance replication slot that has not previously reserved WAL";
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
    }
    if (!slot.reserved) {
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", `replication slot "${slotname}" cannot be advanced`, {
        detail: this.#neverReserved(),
      });
    }
    if (lsn === "0/1") {
      const message = "cannot advance replication slot to LSN, minimum is LSN";
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
    }
    if (slot.kind === "LOGICAL") this.#mustBeDecodable(session, slot, has.slotAdvanceInAnyDatabase);
  }

  #neverReserved(): string {
    const it = modelCapabilities.supports(this.server, "twoPhaseSlots") ? "it " : "";
    return `This slot has never previously reserved WAL, or ${it}has been invalidated.`;
  }

  /** @source slotfuncs.c: copy_replication_slot */
  #copy(
    session: number,
    kind: Slot["kind"],
    from: string,
    to: string,
    temporary: Argument,
    plugin: string | undefined,
  ): string {
    const source = this.#slots.get(from);
    if (source === undefined) throw errorOf("UNDEFINED_OBJECT", `replication slot "${from}" does not exist`);
    if (source.kind !== kind) {
      // PostgreSQL has the two texts the wrong way round.
      const [is, asked] = kind === "LOGICAL" ? ["logical", "physical"] : ["physical", "logical"];
      const message = `cannot copy ${is} replication slot "${from}" as a ${asked} replication slot`;
      throw errorOf("FEATURE_NOT_SUPPORTED", message);
    }
    if (!source.reserved) {
      const isNew = modelCapabilities.supports(this.server, "maxSlotWalKeepSize");
      const code = isNew ? "OBJECT_NOT_IN_PREREQUISITE_STATE" : "FEATURE_NOT_SUPPORTED";
      throw errorOf(code, "cannot copy a replication slot that doesn't reserve WAL");
    }
    if (source.invalidated && modelCapabilities.supports(this.server, "invalidSlotsAreNotCopied")) {
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", `cannot copy invalidated replication slot "${from}"`);
    }
    const slot = this.#newSlot(session, to, {
      kind,
      plugin: plugin ?? source.plugin,
      temporary: temporary === undefined ? source.temporary : temporary === true,
      twoPhase: false,
      failover: false,
      reserved: true,
    });
    if (kind === "LOGICAL") mustBePlugin(slot.plugin!);
    this.#slots.set(to, slot);
    return `${to}|${kind === "LOGICAL" ? "LSN" : "null"}`;
  }
}

/** The columns of the functions of slots, and of the count of their rows. */
const callColumns: Readonly<Record<string, string>> = {
  pg_create_physical_replication_slot: "slot_name|lsn",
  pg_create_logical_replication_slot: "slot_name|lsn",
  pg_drop_replication_slot: "pg_drop_replication_slot",
  pg_replication_slot_advance: "slot_name|end_lsn",
  pg_copy_physical_replication_slot: "slot_name|lsn",
  pg_copy_logical_replication_slot: "slot_name|lsn",
  pg_logical_slot_get_changes: "count",
  pg_logical_slot_peek_changes: "count",
};

type Argument = string | boolean | undefined;

/** An argument of a function as SQL writes it: 'text', true, false, or NULL. */
function argumentOf(text: string): Argument {
  if (text === "true" || text === "false") return text === "true";
  return /^'(.*)'$/.exec(text)?.[1];
}

function flag(value: boolean): string {
  return value ? "t" : "f";
}

function pidOf(session: number): string {
  return `of session ${session}`;
}

/** @source dfmgr.c: load_external_function */
function mustBePlugin(plugin: string): void {
  if (plugin === "pgoutput" || plugin === "test_decoding") return;
  throw errorOf("UNDEFINED_FILE", `could not access file "${plugin}": No such file or directory`);
}

function failedTransaction(): ServerError {
  const message = "current transaction is aborted, commands ignored until end of transaction block";
  return errorOf("IN_FAILED_SQL_TRANSACTION", message);
}

function noFailover(): ServerError {
  return errorOf("FEATURE_NOT_SUPPORTED", "cannot enable failover for a temporary replication slot");
}

/** The server's error, of those that our parser and checks throw too. */
function refusalOf(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  if (!(error instanceof ParseError) || error.sqlstate === undefined) throw error;
  const { sqlstate, message, detail, hint } = error;
  return new ServerError({ sqlstate, message, detail, hint });
}

function errorLine(fields: ServerFields): string {
  return `error ${sentence(fields)}`;
}

function noticeLine(fields: ServerFields): string {
  return `notice ${sentence(fields)}`;
}

function sentence({ S, C, M, D, H }: ServerFields): string {
  return [S, C, M, D && `DETAIL ${D}`, H && `HINT ${H}`].filter(Boolean).join(" ");
}

/**
 * The messages of a server as lines, to compare with those of a model: positions, names of snapshots and system identifiers are only
 * said to be there, and process IDs are replaced by `pids`.
 *
 * @param pids The sessions' process IDs, by number.
 * @example answerLines([{ type: "CommandComplete", tag: "BEGIN" }, { type: "ReadyForQuery", status: "T" }]) // ["complete BEGIN", "ready T"]
 */
export function answerLines(
  messages: readonly BackendMessage[],
  pids: readonly (number | undefined)[] = [],
): AnswerLines {
  let columns: readonly string[] = [];
  const known = (text: string) =>
    text.replace(/\bPID (\d+)\b/, (whole, pid) => {
      const session = pids.indexOf(Number(pid));
      return session < 0 ? whole : `PID ${pidOf(session)}`;
    });
  const value = (text: string | null, column: string | undefined): string => {
    if (text === null) return "null";
    if (column === "systemid") return "SYSTEM";
    if (column === "active_pid") return known(`PID ${text}`).replace("PID ", "");
    if (/^[0-9A-F]{8}-[0-9A-F]{8}-\d+$/.test(text)) return "SNAPSHOT";
    return /^[0-9A-F]+\/[0-9A-F]+$/.test(text) && !/^0\/0+$/.test(text) ? "LSN" : text;
  };
  return messages.flatMap((message): string[] => {
    switch (message.type) {
      case "RowDescription":
        columns = message.columns.map(({ name }) => name);
        return [`columns ${columns.join("|")}`];
      case "DataRow":
        return [`row ${message.values.map((text, i) => value(text, columns[i])).join("|")}`];
      case "CommandComplete":
        return [`complete ${message.tag}`];
      case "ErrorResponse":
      case "NoticeResponse": {
        const { M = "", ...rest } = message.fields;
        const words = known(M).replace(/\b[0-9A-F]+\/[0-9A-F]+\b/g, "LSN");
        const line = sentence({ ...rest, M: words });
        return [`${message.type === "ErrorResponse" ? "error" : "notice"} ${line}`];
      }
      case "ReadyForQuery":
        return [`ready ${message.status}`];
      case "CopyBothResponse":
        return ["copy both"];
      case "CopyDone":
        return ["copy done"];
      default:
        return [];
    }
  });
}
