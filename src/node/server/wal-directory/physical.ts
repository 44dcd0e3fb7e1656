/**
 * What a directory of WAL answers.
 *
 * Portions Copyright (c) 2010-2026, PostgreSQL Global Development Group
 *
 * @source walsender.c: IdentifySystem, StartReplication, XLogSendPhysical, ReadReplicationSlot
 */
import type { StartReplicationCmd } from "../../../command/ast.ts";
import type { ResultSetRow } from "../../../command/results/rows.ts";
import { judgeStartReplication, tliOfPointInHistory, tliSwitchPoint } from "../../../files/timeline-questions.ts";
import { ServerError } from "../../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { segmentName, segmentOffset } from "../../../kernel/wal-names.ts";
import { errorOf } from "../../../session/server/words.ts";
import { now } from "../../now.ts";
import type { WalsenderHandlers, WalsenderStream } from "../handlers.ts";
import type { WalFiles } from "./files.ts";
import { noLogicalDecoding, type SlotStore } from "./slots.ts";

import type { StoredBackup } from "./stored-backup.ts";

/** Bytes of a message at most. @source walsender.c: MAX_SEND_SIZE, of pages of 8 kB */
const MAX_SEND_SIZE = 128 * 1024;
/** Bytes that are read at once. */
const READ = 8 * MAX_SEND_SIZE;

/** The handlers of a directory. */
export function physicalHandlers(
  files: WalFiles,
  slots: SlotStore,
  backup: StoredBackup | undefined,
): WalsenderHandlers {
  return {
    baseBackup(_, options, out) {
      if (backup !== undefined) return backup.send(options, out);
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", "this server has WAL only, and no base backup", {
        hint: "Start it with a base backup in the plain format: walwire serve --base-backup DIRECTORY, or the option backup of WalDirectory.",
      });
    },
    async identifySystem() {
      await files.refresh();
      return { systemid: files.identity.systemIdentifier, timeline: files.timeline, xlogpos: files.end };
    },
    show(name) {
      const shown: Readonly<Record<string, string>> = {
        wal_segment_size: sizeOf(files.segmentSize),
        wal_block_size: String(files.identity.pageSize),
        wal_level: "replica",
      };
      const key = name.toLowerCase();
      return Object.hasOwn(shown, key) ? { name: key, value: shown[key]! } : undefined;
    },
    timelineHistory: ({ timeline }) => files.historyFile(timeline),
    async createSlot(command, options, { session }) {
      await files.refresh();
      const reserve = options.reserveWal === true;
      await slots.create(command, reserve ? files.end : invalidLsn, session);
      return {
        slot_name: command.slotname,
        consistent_point: invalidLsn,
        snapshot_name: undefined,
        output_plugin: undefined,
      };
    },
    dropSlot: ({ slotname, wait }, { session, signal }) => slots.drop(slotname, { wait, signal, user: session }),
    alterSlot: ({ slotname }, _, { session, signal }) => slots.alter(slotname, { wait: true, signal, user: session }),
    async readSlot({ slotname }) {
      await files.refresh();
      const slot = slots.read(slotname);
      if (slot === undefined) return undefined;
      const restart = slot.restartLsn === invalidLsn ? undefined : slot.restartLsn;
      return {
        slot_type: "physical",
        restart_lsn: restart,
        restart_tli: restart === undefined ? undefined : tliOfPointInHistory(restart, files.history),
      };
    },
    // So that the answer to logical commands is PostgreSQL's.
    plugin(_, { session }) {
      throw noLogicalDecoding(session);
    },
    startLogical() {},
    async startPhysical(command, stream) {
      const { slotname } = command;
      if (slotname === undefined) return new PhysicalSender(files, command, stream).run();
      const slot = slots.acquire(slotname, stream.session);
      try {
        stream.onFeedback = (message) => {
          if (message.type === "StandbyStatusUpdate" && message.flush !== invalidLsn) slot.confirm(message.flush);
        };
        return await new PhysicalSender(files, command, stream).run();
      } finally {
        await slot.release();
      }
    },
  };
}

/** A size as SHOW gives it. @source guc.c: convert_int_from_base_unit */
function sizeOf(bytes: number): string {
  const megabytes = bytes / 1024 ** 2;
  return megabytes === 1024 ? "1GB" : `${megabytes}MB`;
}

/** One stream. */
class PhysicalSender {
  readonly #files: WalFiles;
  readonly #command: StartReplicationCmd;
  readonly #stream: WalsenderStream;
  #position: Lsn;

  constructor(files: WalFiles, command: StartReplicationCmd, stream: WalsenderStream) {
    this.#files = files;
    this.#command = command;
    this.#stream = stream;
    this.#position = command.startpoint;
  }

  async run(): Promise<ResultSetRow<"NEXT_TIMELINE"> | undefined> {
    const files = this.#files;
    const server = this.#stream.session.version;
    await files.refresh();
    const timeline = this.#command.timeline || files.timeline;
    let next = this.#next(timeline);
    if (next === undefined || this.#position < next.next_tli_startpos) {
      this.#stream.open();
      if (files.end < this.#position) {
        const [lsn, flushed] = [this.#position, files.end].map((each) => formatLsn(each, { server }));
        const message = `requested starting point ${lsn} is ahead of the WAL flush position of this server ${flushed}`;
        throw errorOf("INTERNAL_ERROR", message);
      }
    }
    for (;;) {
      next = this.#next(timeline);
      if (next !== undefined && this.#position >= next.next_tli_startpos) return next;
      const end = next?.next_tli_startpos ?? files.end;
      if (this.#position < files.end) await this.#send(end < files.end ? end : files.end, end);
      else {
        if (next === undefined) this.#stream.caughtUp(this.#position);
        await files.grown(this.#position, this.#stream.signal);
      }
    }
  }

  /** Where the history goes on after the timeline that is sent; undefined if it is the latest. @throws ServerError */
  #next(tli: number): ResultSetRow<"NEXT_TIMELINE"> | undefined {
    const { history } = this.#files;
    const refusal = judgeStartReplication(
      history,
      { tli, lsn: this.#position },
      { server: this.#stream.session.version },
    );
    if (refusal !== undefined) {
      const { sqlstate, message, detail } = refusal;
      throw new ServerError({ severity: "ERROR", sqlstate, message, detail });
    }
    const { switchPoint, nextTli } = tliSwitchPoint(tli, history)!;
    return nextTli === undefined ? undefined : { next_tli: nextTli, next_tli_startpos: switchPoint };
  }

  /** Send what one file has. */
  async #send(upTo: Lsn, walEnd: Lsn): Promise<void> {
    const whole = await this.#files.openWhole(this.#position);
    const found = whole === undefined ? await this.#files.open(this.#position) : { ...whole, limit: whole.file.end };
    if (found.file === undefined) throw this.#missing(found.problem);
    const { file, limit, opened } = found;
    const end = limit < upTo ? limit : upTo;
    // Fresh memory for each read would take as long as the read.
    const buffer = Buffer.allocUnsafeSlow(this.#length(READ, end));
    try {
      while (this.#position < end) {
        const bytes = buffer.subarray(0, this.#length(READ, end));
        const offset = segmentOffset(this.#position, this.#files.segmentSize);
        const count = await opened.read(bytes, offset);
        if (count < bytes.length) {
          file.forget();
          const message = `could not read from WAL segment ${file.name}, offset ${offset}: read ${count} of ${bytes.length}`;
          throw errorOf("INTERNAL_ERROR", message);
        }
        const good = whole === undefined ? count : file.goodPages(bytes, this.#position);
        await this.#sendBytes(bytes.subarray(0, good), walEnd);
        if (good < count) return;
      }
    } finally {
      await opened.close();
    }
  }

  async #sendBytes(bytes: Uint8Array, walEnd: Lsn): Promise<void> {
    const end = toLsn(this.#position + BigInt(bytes.length));
    const sent: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; ) {
      const data = bytes.subarray(at, at + this.#length(MAX_SEND_SIZE, end));
      const dataStart = this.#position;
      sent.push(this.#stream.send({ type: "XLogData", dataStart, walEnd, sendTime: now(), data }));
      at += data.length;
      this.#position = toLsn(dataStart + BigInt(data.length));
    }
    await Promise.all(sent);
  }

  /** How many bytes are next: all up to an end, or whole pages. @source walsender.c: XLogSendPhysical */
  #length(most: number, end: Lsn): number {
    const left = end - this.#position;
    return left <= most ? Number(left) : most - Number(this.#position % BigInt(this.#files.identity.pageSize));
  }

  /** @source walsender.c: WalSndSegmentOpen */
  #missing(problem: string | undefined): ServerError {
    if (problem !== undefined) return errorOf("INTERNAL_ERROR", problem);
    const tli = tliOfPointInHistory(this.#position, this.#files.history)!;
    const name = segmentName(tli, this.#position, this.#files.segmentSize);
    return errorOf("UNDEFINED_FILE", `requested WAL segment ${name} has already been removed`);
  }
}
