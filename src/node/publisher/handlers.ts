/** What a walsender answers for a Publisher. */

import type { CreateReplicationSlotCmd } from "../../command/ast.ts";
import type { PGOutputOptions } from "../../command/check.ts";
import { refuseArgument, ServerError } from "../../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../../kernel/lsn.ts";
import { checkOptions, checkType } from "../../kernel/options.ts";
import { publisherCapabilities } from "../../publisher/capabilities.ts";
import { copyRows } from "../../publisher/copy.ts";
import { PgoutputEncoder } from "../../publisher/encoder.ts";
import { type AcquiredSlot, type CopySnapshot, Publisher } from "../../publisher/publisher.ts";
import { answerSql } from "../../publisher/sql.ts";
import { matchTemplate, templateOf, tokensOf } from "../../publisher/sql-tokens.ts";
import { streamSteps } from "../../publisher/stream.ts";
import { now } from "../now.ts";
import type { SqlAnswer, WalsenderHandlers, WalsenderSession, WalsenderStream } from "../server/handlers.ts";
import { mustHaveRoom } from "../server/max-slots.ts";
import { subscribeStatements } from "./subscribe-sql.ts";

/** Options of `publisherHandlers`. */
export interface PublisherHandlersOptions {
  /** SQL that no subscriber of PostgreSQL sends. Without it, it is rejected. */
  readonly query?: WalsenderHandlers["query"] | undefined;
  /** Called with an error of the store that no client sees: a confirmed position could not be saved. It must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What a session has until its end. */
interface Held {
  /** That of its transaction. */
  snapshot: { readonly shared: SharedSnapshot; readonly transaction: number } | undefined;
  /** The name of the snapshot that its last command has exported. */
  exported: string | undefined;
}

/** A snapshot that several sessions can have. */
class SharedSnapshot {
  readonly snapshot: CopySnapshot;
  #users = 1;

  constructor(snapshot: CopySnapshot) {
    this.snapshot = snapshot;
  }

  taken(): this {
    this.#users++;
    return this;
  }

  async release(): Promise<void> {
    if (--this.#users === 0) await this.snapshot.close();
  }
}

const importing = templateOf("SET TRANSACTION SNAPSHOT $text");

/** Positions that are remembered of a stream, from which reading could begin again. */
const MAX_POSITIONS = 4096;

/**
 * The handlers of a walsender that publishes: slots, streams, and the SQL that subscriptions of PostgreSQL 10 to 18 run.
 *
 * @throws ArgumentError for anything but a publisher, and for invalid options.
 * @example
 * const handlers = publisherHandlers(await Publisher.open());
 * typeof handlers.startLogical // "function"
 */
export function publisherHandlers(publisher: Publisher, options: PublisherHandlersOptions = {}): WalsenderHandlers {
  if (!(publisher instanceof Publisher)) refuseArgument("publisher", "a Publisher", publisher);
  checkOptions(options, ["query", "onError"]);
  const { query, onError } = options;
  checkType("options.query", query, "function");
  checkType("options.onError", onError, "function");
  const sessions = new WeakMap<WalsenderSession, Held>();
  const exported = new Map<string, SharedSnapshot>();
  let exports = 0;
  /** Slots that are not there yet. */
  let creating = 0;

  const held = (session: WalsenderSession): Held => {
    let of = sessions.get(session);
    if (of === undefined) {
      of = { snapshot: undefined, exported: undefined };
      sessions.set(session, of);
      const end = () => void release(session).catch((reason: unknown) => onError?.(reason));
      session.signal.addEventListener("abort", end);
    }
    return of;
  };
  const forget = async (of: Held): Promise<void> => {
    const { snapshot } = of;
    of.snapshot = undefined;
    await snapshot?.shared.release();
  };
  /** An exported snapshot is there until the next command; who has imported it keeps it. @source snapbuild.c: SnapBuildClearExportedSnapshot */
  const next = async (session: WalsenderSession): Promise<void> => {
    const of = sessions.get(session);
    if (of === undefined) return;
    if (of.exported !== undefined) {
      const shared = exported.get(of.exported);
      exported.delete(of.exported);
      of.exported = undefined;
      await shared?.release();
    }
    const isOver = session.transaction === "I" || of.snapshot?.transaction !== session.transactionNumber;
    if (isOver) await forget(of);
  };
  /** @source snapmgr.c: ImportSnapshot */
  const take = async (session: WalsenderSession, name: string): Promise<void> => {
    if (session.transaction === "I")
      throw error(
        "0A000",
        "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ",
      );
    if (!/^[0-9A-F-]*$/.test(name)) throw error("22023", `invalid snapshot identifier: "${name}"`);
    const shared = exported.get(name);
    if (shared === undefined) {
      const isNew = publisherCapabilities.supports(session.version, "missingSnapshotSaid");
      throw isNew
        ? error("42704", `snapshot "${name}" does not exist`)
        : error("22023", `invalid snapshot identifier: "${name}"`);
    }
    const of = held(session);
    await forget(of);
    of.snapshot = { shared: shared.taken(), transaction: session.transactionNumber };
  };

  const release = async (session: WalsenderSession): Promise<void> => {
    const of = sessions.get(session);
    if (of === undefined) return;
    await next(session);
    await forget(of);
  };

  return {
    async identifySystem({ session }) {
      await next(session);
      return { systemid: publisher.systemid, timeline: 1, xlogpos: publisher.end };
    },

    async createSlot(command, given, { session }) {
      mustBeOurs(command);
      const { snapshot, twoPhase, failover } = given;
      await next(session);
      const of = held(session);
      const { slots } = publisher;
      if (slots.every(({ slotname }) => slotname !== command.slotname)) mustHaveRoom(slots.length + creating, session);
      creating++;
      const created = await publisher
        .createSlot(command.slotname, {
          temporary: command.temporary,
          user: session,
          twoPhase,
          failover,
          snapshot: snapshot === "use" || snapshot === "export",
        })
        .finally(() => {
          creating--;
        });
      if (created.snapshot !== undefined) {
        const shared = new SharedSnapshot(created.snapshot);
        if (snapshot === "use") of.snapshot = { shared, transaction: session.transactionNumber };
        else {
          of.exported = `${hex(session.processId)}-${hex(++exports)}-1`;
          exported.set(of.exported, shared);
        }
      }
      return {
        slot_name: command.slotname,
        consistent_point: created.slot.confirmedFlush,
        snapshot_name: of.exported,
        output_plugin: command.plugin,
      };
    },

    async dropSlot({ slotname, wait }, { session, signal }) {
      await next(session);
      await publisher.dropSlot(slotname, { wait, signal, user: session });
    },

    async alterSlot({ slotname }, { failover, twoPhase }, { session, signal }) {
      await next(session);
      await publisher.alterSlot(slotname, { failover, twoPhase }, { wait: true, signal, user: session });
    },

    // Whether it is free is found before its options are looked at.
    plugin: (slotname, { session }) => {
      publisher.mustBeFree(slotname, session);
      return "pgoutput";
    },

    async startLogical({ slotname, startpoint }, given, stream) {
      const acquired = publisher.acquireSlot(slotname!, stream.session);
      try {
        await next(stream.session);
        await serve(publisher, acquired, startpoint, given!, stream, onError);
      } finally {
        acquired.release();
      }
    },

    async query(sql, context): Promise<SqlAnswer | readonly SqlAnswer[]> {
      const { session } = context;
      await next(session);
      const imported = matchTemplate(importing, tokensOf(sql) ?? []);
      if (imported !== undefined) {
        await take(session, imported.texts[0]!);
        return { type: "command", tag: "SET" };
      }
      const answer = answerSql(publisher, sql, session.database, subscribeStatements);
      switch (answer?.type) {
        case "rows":
          return answer;
        case "refused":
          throw error(answer.sqlstate, answer.message);
        case "copy": {
          const own = sessions.get(session)?.snapshot?.shared.snapshot;
          // Without a slot's snapshot it is that of the statement.
          const snapshot = own ?? (await publisher.snapshot());
          const result = { type: "copyOut", format: answer.format, columns: answer.columns.length } as const;
          const data = copyRows(publisher, snapshot, answer);
          return { ...result, data: own === undefined ? closing(data, snapshot) : data };
        }
        default:
          if (query !== undefined) return query(sql, context);
          throw error("0A000", "this publisher answers only the SQL that subscriptions run");
      }
    },
  };
}

async function* closing(data: AsyncIterable<Uint8Array>, snapshot: CopySnapshot): AsyncGenerator<Uint8Array, void> {
  try {
    yield* data;
  } finally {
    await snapshot.close();
  }
}

/** Send what a slot has not confirmed, and go on with what comes. */
async function serve(
  publisher: Publisher,
  acquired: AcquiredSlot,
  requested: Lsn,
  options: PGOutputOptions,
  stream: WalsenderStream,
  onError: ((error: unknown) => void) | undefined,
): Promise<void> {
  const { slot } = acquired;
  const { version } = stream.session;
  // Of an earlier position the subscriber has said that it needs it no more.
  const startpoint = requested > slot.confirmedFlush ? requested : slot.confirmedFlush;
  if (options.twoPhase) await acquired.enableTwoPhase(startpoint);
  const { workMemory } = publisher;
  const encoder = new PgoutputEncoder(publisher, { ...options, origin: options.origin, server: version, workMemory });
  let positions: Lsn[] = [];
  stream.onFeedback = (message) => {
    if (message.type !== "StandbyStatusUpdate" || message.flush === invalidLsn) return;
    const passed = positions.findLastIndex((lsn) => lsn <= message.flush);
    const restart = positions[passed] ?? slot.restartLsn;
    if (passed > 0) positions = positions.slice(passed);
    const flushed = message.flush < publisher.end ? message.flush : publisher.end;
    acquired.confirm(flushed, restart).catch((reason: unknown) => onError?.(reason));
  };
  stream.open();
  const { restartLsn, twoPhaseAt } = slot;
  const start = { restartLsn, startpoint, twoPhaseAt, signal: stream.signal };
  for await (const steps of streamSteps(publisher, encoder, start)) {
    for (const step of steps) {
      if (step.type === "send") {
        for (const { lsn, data } of step.messages) {
          await stream.send({ type: "XLogData", dataStart: lsn, walEnd: lsn, sendTime: now(), data });
        }
        continue;
      }
      positions.push(step.lsn);
      if (positions.length > MAX_POSITIONS) positions = positions.filter((_, i) => i % 2 === 1);
      if (!step.caughtUp) continue;
      // The subscriber knows only what was sent to it: tables that wait for this position would wait. @source walsender.c: WalSndWaitForWal
      const { write, flush } = stream.feedback;
      if (flush < step.lsn && write < step.lsn) {
        await stream.send({ type: "Keepalive", walEnd: step.lsn, sendTime: now(), replyRequested: false });
      }
      stream.caughtUp(step.lsn);
    }
  }
}

/** Part of the name of a snapshot. @source snapmgr.c: ExportSnapshot */
function hex(n: number): string {
  return n.toString(16).toUpperCase().padStart(8, "0");
}

/** @throws ServerError for a slot that this publisher cannot have */
function mustBeOurs({ kind, plugin }: CreateReplicationSlotCmd): void {
  if (kind === "PHYSICAL") throw error("0A000", "this publisher has no physical replication slots");
  if (plugin !== "pgoutput") throw error("58P01", `could not access file "${plugin}": No such file or directory`);
}

function error(sqlstate: string, message: string): ServerError {
  return new ServerError({ severity: "ERROR", sqlstate, message });
}
