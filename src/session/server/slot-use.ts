/**
 * Who uses a replication slot, and who waits for it.
 *
 * @source slot.c: ReplicationSlotAcquire, ReplicationSlotRelease, ReplicationSlotCleanup
 */
import type { Stop } from "../../kernel/stop.ts";
import { errorOf } from "./words.ts";

/** Who uses slots: a session of `walwire/server`, or any object of the application that stands for one. */
export interface SlotUser {
  /** Its process ID, for errors. */
  readonly processId: number;
  /** Aborted by its next error, or by its end: both drop its temporary slots. */
  readonly untilError?: Stop | undefined;
}

/** How to get a slot that somebody may use. */
export interface SlotWaitOptions {
  /** Wait until nobody else uses it. Default: false; then that is an error. */
  readonly wait?: boolean | undefined;
  /** Ends the waiting. */
  readonly signal?: Stop | undefined;
  /** For whom: a temporary slot is its owner's. */
  readonly user?: SlotUser | undefined;
}

/** The use of one slot. A temporary one has an owner, who uses it until it is dropped. */
export class SlotUse {
  readonly #slotname: string;
  readonly #owner: SlotUser | undefined;
  readonly #untilError: Stop | undefined;
  readonly #drop: () => void;
  #user: SlotUser | undefined;
  readonly #waiting = new Set<() => void>();

  /**
   * @param owner Whose slot it is, if it is temporary.
   * @param drop Called once the owner has an error or ends.
   */
  constructor(slotname: string, owner?: SlotUser, drop: () => void = () => {}) {
    this.#slotname = slotname;
    this.#owner = owner;
    this.#user = owner;
    this.#untilError = owner?.untilError;
    this.#drop = drop;
    this.#untilError?.addEventListener("abort", drop);
  }

  /** The process ID of who uses it. */
  get activePid(): number | undefined {
    return this.#user?.processId;
  }

  /** @throws ServerError 55006 if somebody else uses it */
  mustBeFree(user?: SlotUser): void {
    if (this.#isFree(user)) return;
    throw errorOf("OBJECT_IN_USE", `replication slot "${this.#slotname}" is active for PID ${this.activePid}`);
  }

  /** Use it, alone. @throws ServerError 55006 if somebody else uses it */
  acquire(user: SlotUser): void {
    this.mustBeFree(user);
    this.#user = user;
  }

  /** Use it no more; a temporary slot stays its owner's. */
  release(): void {
    this.#user = this.#owner;
    if (this.#user === undefined) this.#wake();
  }

  /** The slot is dropped. */
  end(): void {
    this.#untilError?.removeEventListener("abort", this.#drop);
    this.#wake();
  }

  /** Resolves when it may be free, or the signal is aborted; undefined if it is free, or there is no waiting. */
  wait({ wait = false, signal, user }: SlotWaitOptions): Promise<void> | undefined {
    if (!wait || this.#isFree(user) || signal?.aborted === true) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener("abort", done);
    });
  }

  #isFree(user: SlotUser | undefined): boolean {
    return this.#user === undefined || (this.#owner !== undefined && this.#owner === user);
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

/**
 * A slot that nobody else uses.
 *
 * @param find Gives the slot, or throws: while it is waited for, it may be dropped and made anew.
 * @throws ServerError 55006 if somebody else uses it and there is no waiting for it
 */
export async function freeSlot<T extends { readonly use: SlotUse }>(
  find: () => T,
  options: SlotWaitOptions,
): Promise<T> {
  for (;;) {
    const slot = find();
    const waiting = slot.use.wait(options);
    if (waiting !== undefined) await waiting;
    else {
      slot.use.mustBeFree(options.user);
      return slot;
    }
  }
}
