/**
 * Feedback: the status updates that a receiver owes its walsender, and when they are due.
 *
 * A walsender disconnects a receiver that is silent for wal_sender_timeout, keeps WAL after the flush position that it was sent, and
 * waits at a shutdown until the receiver has confirmed everything.
 *
 * @source walreceiver.c: WalReceiverMain, XLogWalRcvSendReply; worker.c: LogicalRepApplyLoop, send_feedback
 */

import type { StandbyStatusUpdate, WalSenderMessage } from "../generated/physical.ts";
import { ConnectionError, refuseArgument } from "../kernel/errors.ts";
import { invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { type PgTime, toPgTime } from "../kernel/time.ts";
import { endOfWal } from "../kernel/wal-end.ts";
import { lengthOf, mustBeObject } from "../wire/check.ts";

/** PostgreSQL's defaults of wal_receiver_status_interval and wal_receiver_timeout, in microseconds. */
const STATUS_INTERVAL = 10_000_000n;
const RECEIVER_TIMEOUT = 60_000_000n;

/**
 * A flush position that has advanced is reported at once, as commits may wait for it, unless an update was sent within so many
 * microseconds: a receiver that confirms 50,000 transactions a second sends 100 updates.
 */
const PROMPT = 10_000n;

/** Options of a Feedback. */
export interface FeedbackOptions {
  /**
   * Microseconds between two status updates while nothing is flushed. The default is 10 s, as for wal_receiver_status_interval. It
   * must be well below the server's wal_sender_timeout.
   */
  readonly interval?: bigint | undefined;
  /**
   * The time in microseconds that the server may be silent. After half of it, `due` asks the server for a reply; after all of it, `due`
   * throws. 0n disables the limit. The default is 60 s, as for wal_receiver_timeout.
   */
  readonly timeout?: bigint | undefined;
  /**
   * The output plugin of a logical stream, if Feedback can read its messages. With "pgoutput" only the end of a transaction waits for
   * `flushed`, as in PostgreSQL's own subscriber. By default everything that was received waits for it.
   */
  readonly plugin?: "pgoutput" | undefined;
  /**
   * Whether what was received counts as flushed by itself once everything that waits for `flushed` is. The default is true. With false
   * only `flushed` moves the flush position, for a caller that stores positions of Keepalives before the server may learn of them.
   */
  readonly automatic?: boolean | undefined;
}

/** Type bytes of pgoutput that end something to flush: Commit, Prepare, CommitPrepared, RollbackPrepared, StreamCommit, StreamPrepare. */
const ENDS_TRANSACTION = "CcPpKr";

/**
 * Keeps the positions of a receiver, and makes its status updates; the caller supplies the time. `startReplication` of walwire/client
 * accepts a Feedback and sends the updates.
 *
 * Once everything that was received is flushed, positions of Keepalives count as flushed too, so WAL without changes for this receiver
 * does not hold back the server.
 *
 * @example new Feedback({ interval: 1_000_000n }).received // 0n
 * @source worker.c: send_feedback
 */
export class Feedback {
  readonly #interval: bigint;
  readonly #timeout: bigint;
  readonly #plugin: "pgoutput" | undefined;
  readonly #automatic: boolean;
  #received: Lsn = invalidLsn;
  #flushed: Lsn = invalidLsn;
  /** Everything received up to here must be flushed before positions of Keepalives count. */
  #needed: Lsn = invalidLsn;
  /** Whether `#needed` is not flushed. Comparing positions is not enough: a record may begin where the flushed ones end. */
  #waiting = false;
  #requested = false;
  #sent: PgTime | undefined;
  /** The flush position that was sent. */
  #reported: Lsn = invalidLsn;
  /** A commit may wait for a flush position that was not sent. Positions within a transaction are not worth an update. */
  #news = false;
  #heard: PgTime | undefined;
  /** Whether the server was asked for a reply during its present silence. */
  #asked = false;
  /** Called when `flushed` has made an update due. @internal */
  onDue: (() => void) | undefined;

  /** @throws ArgumentError for an invalid option. */
  constructor(options: FeedbackOptions = {}) {
    checkOptions(options, ["interval", "timeout", "plugin", "automatic"]);
    const { interval = STATUS_INTERVAL, timeout = RECEIVER_TIMEOUT, plugin, automatic = true } = options;
    if (typeof interval !== "bigint" || interval <= 0n) {
      refuseArgument("options.interval", "a bigint above 0", interval);
    }
    checkTimeout(timeout);
    if (plugin !== undefined && plugin !== "pgoutput") refuseArgument("options.plugin", '"pgoutput"', plugin);
    this.#interval = interval;
    this.#timeout = timeout;
    checkType("options.automatic", automatic, "boolean");
    this.#plugin = plugin;
    this.#automatic = automatic;
  }

  /** The last position that the server has sent, in bytes. */
  get received(): Lsn {
    return this.#received;
  }

  /**
   * When `due` is to be asked next if nothing arrives before: an update or a question will be due then, or the time limit is over.
   *
   * @param now The clock.
   */
  deadline(now: PgTime): PgTime {
    toPgTime(now);
    if (this.#sent === undefined || this.#requested) return now;
    const prompt = this.#news && PROMPT < this.#interval;
    const update = this.#sent + (prompt ? PROMPT : this.#interval);
    if (this.#timeout === 0n || this.#heard === undefined) return update as PgTime;
    const silence = this.#heard + (this.#asked ? this.#timeout : (this.#timeout + 1n) / 2n);
    return (silence < update ? silence : update) as PgTime;
  }

  /**
   * Record a received message. Positions never go back.
   *
   * @param message A Keepalive or XLogData; others change nothing.
   * @throws ProtocolError for data that ends beyond the last position there is; nothing changes.
   * @throws ArgumentError for positions that are not LSNs.
   */
  note(message: WalSenderMessage): void {
    mustBeObject(message, "message");
    if (message.type === "Keepalive") {
      this.#advance(toLsn(message.walEnd));
      if (message.replyRequested) this.#requested = true;
      this.#settle();
      if (this.#flushed > this.#reported) this.#news = true;
    } else if (message.type === "XLogData") {
      const { dataStart, walEnd, data } = message;
      // A logical walsender sends the same position twice, or 0; `walEnd` of a physical one is the end of all its WAL.
      const end = dataStart === walEnd ? toLsn(walEnd) : endOfWal(dataStart, lengthOf(data));
      this.#advance(end);
      const waits = this.#plugin === undefined || ENDS_TRANSACTION.includes(String.fromCharCode(data[0] ?? 0));
      if (waits && end >= this.#flushed && end > invalidLsn) {
        this.#waiting = true;
        if (end > this.#needed) this.#needed = end;
      }
      this.#settle();
    }
  }

  /**
   * Everything up to this position is stored: the server may remove it.
   *
   * @param lsn In a logical stream the `endLsn` of the last stored transaction; in a physical one the end of the stored bytes.
   * @throws ArgumentError for anything but an LSN.
   */
  flushed(lsn: Lsn): void {
    toLsn(lsn);
    if (lsn > this.#flushed) this.#flushed = lsn;
    if (lsn >= this.#needed) this.#waiting = false;
    this.#advance(lsn);
    this.#settle();
    if (this.#flushed > this.#reported) this.#news = true;
    if (this.#news) this.onDue?.();
  }

  /**
   * Restart the measurement of the server's silence: bytes have arrived, or reading has just begun.
   *
   * @param now The present time.
   */
  heard(now: PgTime): void {
    this.#heard = toPgTime(now);
    this.#asked = false;
  }

  /**
   * The status update that is due, if one is; it counts as sent.
   *
   * @param now The present time.
   * @throws ConnectionError TIMEOUT if the server was silent for the whole time limit, since the last call of `heard`.
   */
  due(now: PgTime): StandbyStatusUpdate | undefined {
    toPgTime(now);
    const ask = this.#mustAsk(now);
    // A clock that was set back must not suppress updates.
    const since = this.#sent === undefined ? this.#interval : now - this.#sent;
    const silent = since >= this.#interval || since < 0n || (this.#news && since >= PROMPT);
    return silent || this.#requested || ask ? this.update(now, ask) : undefined;
  }

  /**
   * A status update, due or not; it counts as sent.
   *
   * @param now The present time.
   * @param replyRequested Ask the server for a Keepalive.
   */
  update(now: PgTime, replyRequested = false): StandbyStatusUpdate {
    this.#sent = now;
    this.#reported = this.#flushed;
    this.#news = false;
    this.#requested = false;
    if (replyRequested) this.#asked = true;
    const { received: write } = this;
    // Without queries on the receiver, applied means the same as flushed.
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

  /** If nothing waits to be flushed, everything received counts as flushed. */
  #settle(): void {
    if (this.#automatic && !this.#waiting) this.#flushed = this.#received;
  }

  #advance(lsn: Lsn): void {
    if (lsn > this.#received) this.#received = lsn;
  }
}

/** Check a time limit in microseconds, where 0n is none. @throws ArgumentError */
export function checkTimeout(timeout: bigint): void {
  if (typeof timeout !== "bigint" || timeout < 0n) refuseArgument("options.timeout", "a bigint, 0n or more", timeout);
}
