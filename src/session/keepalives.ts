/**
 * Keepalives: what a walsender sends besides data, and when: keepalives, and the end of a receiver that is silent or has everything.
 *
 * @source walsender.c: WalSndKeepaliveIfNecessary, WalSndCheckTimeOut, WalSndComputeSleeptime, WalSndDone, ProcessStandbyReplyMessage
 */
import type { Keepalive, WalReceiverMessage } from "../generated/physical.ts";
import { ConnectionError } from "../kernel/errors.ts";
import { invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { type PgTime, toPgTime } from "../kernel/time.ts";
import { mustBeObject } from "../wire/check.ts";
import { checkTimeout } from "./feedback.ts";

/** PostgreSQL's default of wal_sender_timeout, in microseconds. */
const SENDER_TIMEOUT = 60_000_000n;
/** The longest that a walsender sleeps, in microseconds. */
const LONGEST_SLEEP = 10_000_000n;

const POSITIONS = ["write", "flush", "apply"] as const;

/** Options of Keepalives. */
export interface KeepalivesOptions {
  /**
   * Microseconds that the receiver may be silent, as of wal_sender_timeout: after half of them `due` asks it for a reply, after all
   * of them `due` throws. 0n is no limit. The default is 60 s.
   */
  readonly timeout?: bigint | undefined;
}

/**
 * Keeps what a walsender knows of its receiver, without a clock of its own.
 *
 * @example
 * const keepalives = new Keepalives({ timeout: 60_000_000n }, toPgTime(0n));
 * keepalives.due(toPgTime(29_999_999n)) // undefined
 * keepalives.due(toPgTime(30_000_000n)).replyRequested // true
 * @source walsender.c: WalSndLoop
 */
export class Keepalives {
  readonly #timeout: bigint;
  #heard: PgTime;
  #sent: Lsn = invalidLsn;
  #write: Lsn = invalidLsn;
  #flush: Lsn = invalidLsn;
  #apply: Lsn = invalidLsn;
  /** The receiver asked for a reply. */
  #requested = false;
  /** It was asked for one, and has not been heard since. */
  #asked = false;
  #shuttingDown = false;

  /**
   * @param options The time limit.
   * @param now The clock at the start of the stream.
   * @throws ArgumentError for an invalid option.
   */
  constructor(options: KeepalivesOptions, now: PgTime) {
    checkOptions(options, ["timeout"]);
    const { timeout = SENDER_TIMEOUT } = options;
    checkTimeout(timeout);
    this.#timeout = timeout;
    this.#heard = toPgTime(now);
  }

  /** The end of what was sent. */
  get sent(): Lsn {
    return this.#sent;
  }

  /** The end of what the receiver has written; 0 if it has not said. */
  get write(): Lsn {
    return this.#write;
  }

  /** The end of what the receiver has flushed: nothing before it will be asked for again. 0 if it has not said. */
  get flush(): Lsn {
    return this.#flush;
  }

  /** The end of what the receiver has applied; 0 if it has not said. */
  get apply(): Lsn {
    return this.#apply;
  }

  /** Everything that was sent is flushed, or written where the receiver flushes nothing: a shutdown may end the stream. */
  get isReplicated(): boolean {
    return this.#sent === (this.#flush === invalidLsn ? this.#write : this.#flush);
  }

  /** Take note of what was sent. @param lsn The end of it. @throws ArgumentError for anything but an LSN */
  advance(lsn: Lsn): void {
    this.#sent = toLsn(lsn);
  }

  /** The receiver must have everything before the stream ends: from now on `due` asks at once. */
  shutDown(): void {
    this.#shuttingDown = true;
  }

  /**
   * Take note of a message that was received.
   *
   * @param now The clock.
   * @throws ArgumentError for positions that are not LSNs; nothing changes.
   */
  note(message: WalReceiverMessage, now: PgTime): void {
    mustBeObject(message, "message");
    if (message.type === "StandbyStatusUpdate") for (const name of POSITIONS) toLsn(message[name]);
    this.#heard = toPgTime(now);
    this.#asked = false;
    if (message.type !== "StandbyStatusUpdate") return;
    // As they come: a receiver that has lost its files goes back, and walsender.c takes its word for it.
    this.#write = message.write;
    this.#flush = message.flush;
    this.#apply = message.apply;
    if (message.replyRequested) this.#requested = true;
  }

  /**
   * When `due` is to be asked next, if nothing arrives and nothing is sent before.
   *
   * @param now The clock.
   */
  deadline(now: PgTime): PgTime {
    toPgTime(now);
    if (this.#requested || this.#mustHurry()) return now;
    const longest = now + LONGEST_SLEEP;
    if (this.#timeout === 0n) return longest as PgTime;
    const silence = this.#heard + (this.#asked ? this.#timeout : this.#timeout / 2n);
    return (silence < longest ? silence : longest) as PgTime;
  }

  /**
   * The keepalive that is due, if one is; it counts as sent.
   *
   * @param now The clock.
   * @throws ConnectionError TIMEOUT if the receiver was silent for the whole time limit.
   */
  due(now: PgTime): Keepalive | undefined {
    const silence = toPgTime(now) - this.#heard;
    if (this.#timeout > 0n && silence >= this.#timeout) {
      throw new ConnectionError(`the receiver has been silent for ${Number(silence) / 1e6} s`, "TIMEOUT");
    }
    const ask = !this.#asked && (this.#mustHurry() || (this.#timeout > 0n && silence >= this.#timeout / 2n));
    if (!ask && !this.#requested) return undefined;
    this.#requested = false;
    if (ask) this.#asked = true;
    return { type: "Keepalive", walEnd: this.#sent, sendTime: now, replyRequested: ask };
  }

  #mustHurry(): boolean {
    return this.#shuttingDown && !this.#asked && !this.isReplicated;
  }
}
