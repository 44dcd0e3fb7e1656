/**
 * Feedback: what a receiver owes its walsender, and when.
 *
 * A walsender drops a receiver that is silent for wal_sender_timeout, keeps WAL until the flush position it is told, and at a
 * shutdown waits until the receiver has confirmed everything. Feedback keeps the positions and says when a status update is due.
 *
 * @source walreceiver.c: WalReceiverMain, XLogWalRcvSendReply; worker.c: LogicalRepApplyLoop, send_feedback
 */
import type { StandbyStatusUpdate, WalSenderMessage } from "../generated/physical.ts";
import { ConnectionError, refuseArgument } from "../kernel/errors.ts";
import { invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { type PgTime, toPgTime } from "../kernel/time.ts";

/** PostgreSQL's defaults of wal_receiver_status_interval and wal_receiver_timeout, in microseconds. */
const STATUS_INTERVAL = 10_000_000n;
const RECEIVER_TIMEOUT = 60_000_000n;

/** Options of a Feedback. */
export interface FeedbackOptions {
  /**
   * Microseconds between two status updates that the server did not ask for. The default is 10 s, as of
   * wal_receiver_status_interval. It must be well below the server's wal_sender_timeout.
   */
  readonly interval?: bigint | undefined;
  /**
   * Microseconds that the server may be silent: after half of them `due` asks it for a reply, after all of them `due` throws. 0n
   * is no limit. The default is 60 s, as of wal_receiver_timeout.
   */
  readonly timeout?: bigint | undefined;
  /**
   * The output plugin of a logical stream, if Feedback can read its messages. With "pgoutput" only the end of a transaction waits for
   * `flushed`, as in PostgreSQL's own subscriber. By default everything that was received waits for it.
   */
  readonly plugin?: "pgoutput" | undefined;
}

/** The type bytes of pgoutput after which something must become safe: Commit, Prepare, CommitPrepared, RollbackPrepared, and streamed ones. */
const ENDS_TRANSACTION = "CcPpKr";

/**
 * Keeps what a receiver tells its walsender, without a clock of its own. `startReplication` of walwire/client takes one and sends
 * the status updates itself.
 *
 * Once all that was received is flushed, positions of Keepalives count as flushed too: WAL with nothing for this receiver does not
 * hold back the server.
 *
 * @example new Feedback({ interval: 1_000_000n }).received // 0n
 * @source worker.c: send_feedback
 */
export class Feedback {
  readonly #interval: bigint;
  readonly #timeout: bigint;
  readonly #plugin: "pgoutput" | undefined;
  #received: Lsn = invalidLsn;
  #flushed: Lsn = invalidLsn;
  /** What was received up to here must be flushed before positions of Keepalives count. */
  #needed: Lsn = invalidLsn;
  #requested = false;
  #sent: PgTime | undefined;
  #heard: PgTime | undefined;
  /** The server was asked for a reply since it was heard last. */
  #asked = false;

  /** @throws ArgumentError for an option that is not one. */
  constructor({ interval = STATUS_INTERVAL, timeout = RECEIVER_TIMEOUT, plugin }: FeedbackOptions = {}) {
    if (typeof interval !== "bigint" || interval <= 0n)
      refuseArgument("options.interval", "a bigint above 0", interval);
    if (typeof timeout !== "bigint" || timeout < 0n)
      refuseArgument("options.timeout", "a bigint of 0 or more", timeout);
    if (plugin !== undefined && plugin !== "pgoutput") refuseArgument("options.plugin", '"pgoutput"', plugin);
    this.#interval = interval;
    this.#timeout = timeout;
    this.#plugin = plugin;
  }

  /** How far the server has sent, as far as its messages tell. */
  get received(): Lsn {
    return this.#received;
  }

  /** How often `due` should be asked while nothing arrives, in microseconds. */
  get pace(): bigint {
    const limit = this.#timeout === 0n ? this.#interval : this.#timeout / 2n;
    const shorter = limit < this.#interval ? limit : this.#interval;
    return shorter / 4n;
  }

  /**
   * Take note of a message that was received. Positions never go back.
   *
   * @param message A Keepalive or XLogData; others change nothing.
   */
  note(message: WalSenderMessage): void {
    if (message.type === "Keepalive") {
      this.#advance(message.walEnd);
      if (message.replyRequested) this.#requested = true;
      this.#settle();
    } else if (message.type === "XLogData") {
      const { dataStart, walEnd, data } = message;
      // A logical walsender says the same position twice, or 0; the end of a physical one is the end of all its WAL.
      const end = dataStart === walEnd ? walEnd : ((dataStart + BigInt(data.length)) as Lsn);
      this.#advance(end);
      const waits = this.#plugin === undefined || ENDS_TRANSACTION.includes(String.fromCharCode(data[0] ?? 0));
      if (waits && end > this.#needed) this.#needed = end;
      this.#settle();
    }
  }

  /**
   * Everything up to here is safe: the server may forget it.
   *
   * @param lsn In a logical stream the `endLsn` of the last transaction that is safe; in a physical one the end of its bytes.
   * @throws ArgumentError for anything but an LSN.
   */
  flushed(lsn: Lsn): void {
    toLsn(lsn);
    if (lsn > this.#flushed) this.#flushed = lsn;
    this.#advance(lsn);
    this.#settle();
  }

  /**
   * The server was heard, or was not listened to until now: its silence begins anew.
   *
   * @param now The clock.
   */
  heard(now: PgTime): void {
    this.#heard = toPgTime(now);
    this.#asked = false;
  }

  /**
   * The status update that is due, if one is; it counts as sent.
   *
   * @param now The clock.
   * @throws ConnectionError TIMEOUT if the server was silent for the whole time limit. Only `heard` says that it was not.
   */
  due(now: PgTime): StandbyStatusUpdate | undefined {
    toPgTime(now);
    const ask = this.#mustAsk(now);
    // A clock that was set back must not keep us silent.
    const silent = this.#sent === undefined || now - this.#sent >= this.#interval || now < this.#sent;
    return silent || this.#requested || ask ? this.update(now, ask) : undefined;
  }

  /**
   * A status update whether or not one is due; it counts as sent.
   *
   * @param now The clock.
   * @param replyRequested Ask the server for a Keepalive.
   */
  update(now: PgTime, replyRequested = false): StandbyStatusUpdate {
    this.#sent = now;
    this.#requested = false;
    if (replyRequested) this.#asked = true;
    const { received: write } = this;
    // A receiver without queries of its own has no other meaning for "applied".
    const flush = this.#flushed;
    return { type: "StandbyStatusUpdate", write, flush, apply: flush, clientTime: now, replyRequested };
  }

  #mustAsk(now: PgTime): boolean {
    if (this.#timeout === 0n || this.#heard === undefined) return false;
    const silence = now - this.#heard;
    if (silence >= this.#timeout) {
      throw new ConnectionError(`the server has been silent for ${Number(silence) / 1e6} s`, "TIMEOUT");
    }
    return !this.#asked && silence * 2n >= this.#timeout;
  }

  /** Nothing waits to be flushed: all that was received counts. */
  #settle(): void {
    if (this.#flushed >= this.#needed) this.#flushed = this.#received;
  }

  #advance(lsn: Lsn): void {
    if (lsn > this.#received) this.#received = lsn;
  }
}
