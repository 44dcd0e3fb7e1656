/**
 * SendLoop: what a walsender does while it streams besides sending data, without I/O and without a clock of its own: keepalives, the
 * time limit, the ends of both sides, and a shutdown that first sends everything.
 *
 * Portions Copyright (c) 2010-2026, PostgreSQL Global Development Group
 *
 * @source walsender.c: WalSndLoop, WalSndDone, ProcessRepliesIfAny
 */
import type { Keepalive, WalReceiverMessage } from "../../generated/physical.ts";
import { StateError } from "../../kernel/errors.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import type { PgTime } from "../../kernel/time.ts";
import { Keepalives, type KeepalivesOptions } from "../keepalives.ts";

/** What is to be done now. */
export type SendLoopStep =
  | {
      /** Send this keepalive. It counts as sent. */
      readonly type: "keepalive";
      readonly message: Keepalive;
    }
  | {
      /** The client has sent CopyDone: send CopyDone, which counts as sent. */
      readonly type: "copyDone";
    }
  | {
      /** Both sides have sent CopyDone: the stream is over. */
      readonly type: "over";
    }
  | {
      /** The shutdown is complete: send CommandComplete with the tag "COPY 0", and close the connection. */
      readonly type: "shutDown";
    };

/**
 * One stream of a walsender. Tell it what was sent and received, and ask `due` for what is to be done, after each of these and at
 * `deadline`.
 *
 * @example
 * const loop = new SendLoop({ timeout: 60_000_000n }, toPgTime(0n));
 * loop.sent(toLsn(16n));
 * loop.shutDown();
 * loop.due(toPgTime(1n)) // undefined
 * loop.caughtUp(toLsn(16n));
 * loop.due(toPgTime(1n)) // { type: "keepalive", message: { type: "Keepalive", walEnd: 16n, sendTime: 1n, replyRequested: true } }
 */
export class SendLoop {
  readonly #keepalives: Keepalives;
  #caughtUp = false;
  #shuttingDown = false;
  #clientDone = false;
  #done = false;

  /**
   * @param options The time limit.
   * @param now The clock at the start of the stream.
   * @throws ArgumentError for an invalid option.
   */
  constructor(options: KeepalivesOptions, now: PgTime) {
    this.#keepalives = new Keepalives(options, now);
  }

  /** The positions of the receiver, and the end of what was sent. */
  get positions(): Pick<Keepalives, "sent" | "write" | "flush" | "apply"> {
    return this.#keepalives;
  }

  /** The client has sent CopyDone. */
  get isClientDone(): boolean {
    return this.#clientDone;
  }

  /** CopyDone was sent: nothing may be sent any more. */
  get isDone(): boolean {
    return this.#done;
  }

  /**
   * Data was sent.
   *
   * @param lsn The end of it; undefined for data without a position.
   * @throws StateError after CopyDone; ArgumentError for anything but an LSN.
   */
  sent(lsn: Lsn | undefined): void {
    if (this.#done) throw new StateError("nothing can be sent after CopyDone");
    if (lsn !== undefined) this.#keepalives.advance(lsn);
    this.#caughtUp = false;
  }

  /** Everything up to this position was sent, or need not be, and there is nothing behind it for now. @throws ArgumentError */
  caughtUp(lsn: Lsn): void {
    this.#keepalives.advance(lsn);
    this.#caughtUp = true;
    if (this.#shuttingDown) this.#keepalives.shutDown();
  }

  /**
   * A message of the receiver.
   *
   * @param now The clock.
   * @throws ArgumentError for positions that are not LSNs; nothing changes.
   */
  received(message: WalReceiverMessage | { readonly type: "CopyDone" }, now: PgTime): void {
    if (message.type === "CopyDone") this.#clientDone = true;
    else this.#keepalives.note(message, now);
  }

  /** There is nothing more to send, and CopyDone was sent. */
  end(): void {
    this.#done = true;
  }

  /** The server shuts down: the stream ends once the receiver has everything. */
  shutDown(): void {
    this.#shuttingDown = true;
    if (this.#caughtUp) this.#keepalives.shutDown();
  }

  /**
   * What is to be done now; undefined if nothing is. Ask until it is.
   *
   * @param now The clock.
   * @throws ConnectionError TIMEOUT if the receiver was silent for the whole time limit: close the connection without a word.
   */
  due(now: PgTime): SendLoopStep | undefined {
    if (this.#clientDone) {
      if (this.#done) return { type: "over" };
      this.#done = true;
      return { type: "copyDone" };
    }
    if (this.#shuttingDown && this.#caughtUp && !this.#done && this.#keepalives.isReplicated)
      return { type: "shutDown" };
    const message = this.#keepalives.due(now);
    return message === undefined ? undefined : { type: "keepalive", message };
  }

  /**
   * When `due` is to be asked next, if nothing is sent or received before.
   *
   * @param now The clock.
   */
  deadline(now: PgTime): PgTime {
    return this.#keepalives.deadline(now);
  }
}
