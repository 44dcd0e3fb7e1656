/**
 * Feedback: what a receiver owes its walsender, and when.
 *
 * A walsender drops a receiver that is silent for wal_sender_timeout, and keeps WAL until the flush position it is told. So
 * this keeps the three positions, and says when a status update is due: at once if the server asks, else every so often.
 *
 * @source walreceiver.c: XLogWalRcvSendReply; worker.c: send_feedback
 */
import type { StandbyStatusUpdate, WalSenderMessage } from "../generated/physical.ts";
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";

/** PostgreSQL's default of wal_receiver_status_interval, in microseconds. */
const STATUS_INTERVAL = 10_000_000n;

export class Feedback {
  readonly #interval: bigint;
  #received: Lsn = invalidLsn;
  #flushed: Lsn = invalidLsn;
  #requested = false;
  #last: PgTime | undefined;

  /** @param interval Microseconds between two updates that nobody asked for. */
  constructor(interval: bigint = STATUS_INTERVAL) {
    this.#interval = interval;
  }

  /** How far the server has sent, as far as its messages tell. */
  get received(): Lsn {
    return this.#received;
  }

  /** Take note of a message. Positions never go back: in a logical stream many a message says 0. */
  note(message: WalSenderMessage): void {
    if (message.type === "Keepalive") {
      this.#advance(message.walEnd);
      if (message.replyRequested) this.#requested = true;
    } else if (message.type === "XLogData") {
      this.#advance(message.dataStart);
      this.#advance(message.walEnd);
    }
  }

  /**
   * All up to here is safe: the server may forget it. For a logical stream this is the endLsn of the last transaction that
   * is safe, or what a Keepalive says while no transaction is open.
   */
  flushed(lsn: Lsn): void {
    if (lsn > this.#flushed) this.#flushed = lsn;
    this.#advance(lsn);
  }

  /**
   * The status update that is due, if one is; it counts as sent.
   *
   * @param now The clock.
   */
  due(now: PgTime): StandbyStatusUpdate | undefined {
    const silent = this.#last === undefined || now - this.#last >= this.#interval;
    return silent || this.#requested ? this.update(now) : undefined;
  }

  /** A status update whether or not one is due; it counts as sent. */
  update(now: PgTime, replyRequested = false): StandbyStatusUpdate {
    this.#last = now;
    this.#requested = false;
    // What is flushed counts as applied: a receiver without queries of its own has no other meaning for it.
    const { received: write } = this;
    const flush = this.#flushed;
    return { type: "StandbyStatusUpdate", write, flush, apply: flush, clientTime: now, replyRequested };
  }

  #advance(lsn: Lsn): void {
    if (lsn > this.#received) this.#received = lsn;
  }
}
