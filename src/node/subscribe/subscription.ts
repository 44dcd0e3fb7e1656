/** Subscription: follows a slot across connections, gives events to one consumer, and acknowledges what it has confirmed. */

import type { Message } from "../../generated/logical.ts";
import type { WalSenderMessage } from "../../generated/physical.ts";
import { ConnectionError, ProtocolError, refuseArgument, ServerError } from "../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn } from "../../kernel/lsn.ts";
import { notes } from "../../kernel/notes.ts";
import { type PgTime, pgTimeFromDate } from "../../kernel/time.ts";
import type { DescribedRelation } from "../../logical/described.ts";
import { TransactionAssembler, type TransactionEvent } from "../../logical/transactions.ts";
import "../async-dispose.ts";
import type { ReplicationConnection } from "../client.ts";
import { BackOff } from "./back-off.ts";
import { SubscribedChanges } from "./changes.ts";
import { channels } from "./channels.ts";
import type { CopiedTables } from "./copied-tables.ts";
import { copyTables } from "./copy.ts";
import type { CopyEvent } from "./copy-events.ts";
import { CopyProgress } from "./copy-progress.ts";
import { Deliveries, type Delivery } from "./deliveries.ts";
import { isPassing } from "./errors.ts";
import type { StreamEvent, SubscriptionEvent } from "./events.ts";
import { Forms } from "./forms.ts";
import {
  endExport,
  type Knowledge,
  type Link,
  missingPublication,
  openConnection,
  type Prepared,
  prepare,
  type Surroundings,
  startpointOf,
  startStream,
} from "./link.ts";
import type { Settings } from "./options.ts";
import { Spill } from "./spill.ts";
import { checkState } from "./state.ts";
import { Types } from "./types.ts";
import { within } from "./within.ts";

/** What a subscription is doing. */
export type SubscriptionStateName =
  /** It has not been started. */
  | "new"
  /** It connects, for the first time or again. */
  | "connecting"
  /** Tables are copied. */
  | "copying"
  /** The stream is open. */
  | "streaming"
  /** The stream is open, and the iterator waits for `confirm`, since `memoryLimit` is reached. */
  | "full"
  /** The connection was lost, and it waits before it connects again. */
  | "waiting"
  /** It waits for events under way. */
  | "stopping"
  | "stopped"
  /** It ended with an error. */
  | "failed";

/** What `status` returns. */
export interface SubscriptionStatus {
  /** What it is doing. */
  readonly state: SubscriptionStateName;
  /** The slot. */
  readonly slotname: string;
  /** The last position that the server has sent, in bytes. */
  readonly received: Lsn;
  /** The position that the server was told as flushed: it does not send again what ended before. */
  readonly confirmed: Lsn;
  /** Events that were given to the consumer and are not confirmed. */
  readonly pending: {
    /** Their number. */
    readonly events: number;
    /** Bytes of memory that they take. */
    readonly bytes: number;
  };
  /** How far the consumer is behind. */
  readonly lag: {
    /** Bytes of WAL between `confirmed` and `received`. */
    readonly bytes: number;
    /** Seconds since the oldest event that is not confirmed committed at the server; 0 if there is none. */
    readonly seconds: number;
  };
  /** Bytes of memory of transactions that are being received. */
  readonly memory: number;
  /** Bytes in the spill. */
  readonly spilledBytes: number;
  /** How often an open connection was lost. */
  readonly reconnects: number;
}

/** An initial copy that is under way. */
interface Copying {
  readonly events: AsyncGenerator<CopyEvent, CopiedTables>;
  readonly prepared: Prepared;
}

const DONE = { done: true, value: undefined } as const;

/** Bytes of memory of an event without its changes: measured (Node 20). */
const EVENT = 1000;

/** The deliveries of events. */
const deliveries = notes<{ readonly by: Subscription; readonly delivery: Delivery<TransactionEvent> }>();

/** Type bytes of pgoutput. */
const [RELATION, STREAM_START, STREAM_STOP] = [0x52, 0x53, 0x45];

/** A subscription, made by `subscribe`. It connects when it is iterated or started. */
export class Subscription implements AsyncIterable<SubscriptionEvent> {
  readonly #settings: Settings;
  readonly #surroundings: Surroundings;
  readonly #spill: Spill;
  readonly #types: Types;
  readonly #rowsOf = (relation: DescribedRelation) => this.#types.rowsOf(relation);
  readonly #forms = new Forms();
  readonly #deliveries = new Deliveries<TransactionEvent>();
  readonly #backOff: BackOff;
  /** Aborted when nothing more is to be read. */
  readonly #halt = new AbortController();
  readonly #onAbort = (): void => void this.stop();

  #state: SubscriptionStateName = "new";
  readonly #copied = new CopyProgress();
  /** The initial copy that is under way, and the connection whose stream follows it. */
  #copy: Copying | undefined;
  /** Whether the tables are copied, as far as this run is concerned. */
  #isCopied: boolean;
  #link: Link | undefined;
  #assembler: TransactionAssembler | undefined;
  #systemid: bigint | undefined;
  #received: Lsn = invalidLsn;
  /** The server may be told that everything up to here is flushed. */
  #flushed: Lsn = invalidLsn;
  /** It may be told this once the store has it. */
  #target: Lsn = invalidLsn;
  #saving: Promise<void> | undefined;
  #reconnects = 0;
  /** When the connection was lost, in milliseconds since 1970. */
  #lostAt: number | undefined;
  /** Whether something was received on this connection. */
  #heard = false;
  /** Relations that were announced on this connection, outside of streamed transactions. */
  #announced = new Set<number>();
  #inStream = false;
  /** The end of the last event on this connection. */
  #lastEnd: Lsn = invalidLsn;
  #progressAt = 0;
  /** The event that was given last. */
  #last: SubscriptionEvent | undefined;
  readonly #copyEvents = new WeakSet<CopyEvent>();
  /** A table is complete, and the store does not have it yet. */
  #news = false;
  /** The call of `next` or `start` that is under way. */
  #turn: Promise<void> | undefined;
  #broken: { readonly error: unknown } | undefined;
  #stopping: Promise<void> | undefined;
  /** Called at each `confirm`. */
  #waiters: (() => void)[] = [];

  /** @internal */
  constructor(settings: Settings, surroundings: Surroundings) {
    const { slotname, typeMap, onUnreadable, reconnect, signal } = settings;
    this.#settings = settings;
    this.#isCopied = settings.copy === false;
    this.#surroundings = surroundings;
    this.#spill = new Spill(settings.spill);
    const open = () => openConnection(settings, this.#halt.signal);
    const query = (connection: ReplicationConnection, text: string) =>
      within(settings.timeout, this.#halt.signal, (signal) => connection.query(text, { signal }));
    this.#types = new Types({ slotname, typeMap, onUnreadable, open, query });
    const { first, longest } = reconnect === false ? { first: 0, longest: 0 } : reconnect;
    this.#backOff = new BackOff({ first, longest, random: surroundings.random });
    if (signal?.aborted) this.#stopping = Promise.resolve(this.#over("stopped"));
    else signal?.addEventListener("abort", this.#onAbort);
  }

  /** What it is doing, for metrics. */
  status(): SubscriptionStatus {
    const { time } = this.#deliveries.oldest ?? {};
    const received = this.#receivedNow();
    const confirmed = this.#flushed;
    return {
      state: this.#state,
      slotname: this.#settings.slotname,
      received,
      confirmed,
      pending: {
        events: this.#deliveries.pending + this.#copied.pending,
        bytes: this.#deliveries.bytes + this.#copied.bytes,
      },
      lag: {
        bytes: received > confirmed ? Number(received - confirmed) : 0,
        seconds: time === undefined ? 0 : Math.max(0, Number(this.#clock() - time) / 1e6),
      },
      memory: this.#assembler?.memory ?? 0,
      spilledBytes: this.#spill.bytes,
      reconnects: this.#reconnects,
    };
  }

  /**
   * Connect now, instead of with the first step of the iteration. Afterwards the slot exists, and the stream is open, or the copy can
   * begin.
   *
   * @throws as the iteration does.
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#stopping === undefined && this.#link === undefined && this.#copy === undefined) await this.#connected();
    });
  }

  /**
   * Confirm an event, in any order: it is stored or not needed. Once all events before it are confirmed too, the server is told, and
   * does not send it again. Its changes cannot be read afterwards. Confirming it again does nothing.
   *
   * @throws ArgumentError for anything but an event of this subscription.
   */
  confirm(event: SubscriptionEvent): void {
    const delivery = this.#deliveryOf(event);
    if (delivery === undefined) this.#confirmCopy(event as CopyEvent);
    else if (delivery.confirmed) return;
    else {
      this.#deliveries.confirm(delivery);
      for (const source of delivery.sources.splice(0)) this.#release(source);
    }
    if (channels.confirm.hasSubscribers) {
      channels.confirm.publish({ slotname: this.#settings.slotname, event });
    }
    this.#acknowledge();
    this.#wake();
  }

  #confirmCopy(event: CopyEvent): void {
    if (!this.#copyEvents.has(event)) refuseArgument("event", "an event of this subscription, not a copy", event);
    if (this.#copied.confirm(event) === true && this.#settings.store?.save !== undefined) {
      this.#news = true;
      this.#saving ??= this.#save();
    }
  }

  /**
   * Stop: nothing more is given to the consumer, and the iteration ends. Waits until events under way are confirmed, at most
   * `stopTimeout`; then tells the server and disconnects. Never fails. A second call waits for the same end.
   *
   * A handler that awaits this must confirm its own event before.
   */
  stop(): Promise<void> {
    return this.#stop(undefined);
  }

  /** As `stop`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * The events. There is one iteration: leaving the loop stops the subscription. It does not wait for the event of that round, but
   * for others that are not confirmed.
   *
   * The iteration rejects once, and then ends:
   *
   * @throws ConnectionError for a lost connection, if it is the first one, or if `reconnect` does not allow another one.
   * @throws SlotError if the slot is missing, lost, in use, or of another kind, or if changes after the stored position are gone.
   * @throws DecodeError or ProtocolError for a server that breaks the protocol.
   * @throws ServerError for what the server rejects; ArgumentError if a publication does not exist, or for an invalid stored state.
   * @throws UnsupportedError if the server does not have what the options ask for.
   * @throws errors of the `store` and of the spill.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<SubscriptionEvent> {
    const iterator: AsyncIterableIterator<SubscriptionEvent> = {
      next: () => this.#arrived() ?? this.#inTurn(() => this.#next()),
      return: async () => {
        await this.#stop(this.#last);
        return DONE;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** One call after the other. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn === undefined ? run() : this.#turn.then(run);
    const done = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    const turn: Promise<void> = result.then(done, done);
    this.#turn = turn;
    return result;
  }

  /**
   * The next event, if all of it has arrived and nothing is to be done before; else undefined. Small transactions come a hundred at a
   * time, and the promises of the other way take a microsecond for each (Node 20).
   */
  #arrived(): Promise<IteratorResult<SubscriptionEvent, undefined>> | undefined {
    const link = this.#link;
    if (link === undefined || this.#turn !== undefined || this.#stopping !== undefined || this.#broken !== undefined) {
      return undefined;
    }
    if (this.#isFull) return undefined;
    try {
      const event = this.#poll(link);
      if (event === undefined) return undefined;
      if (event instanceof Promise) return this.#inTurn(() => this.#after(event));
      return Promise.resolve({ done: false, value: event });
    } catch (error) {
      return this.#inTurn(() => this.#after(Promise.reject(error)));
    }
  }

  /** The event that is awaited already, or else the next one. */
  async #after(awaited: Promise<StreamEvent | undefined>): Promise<IteratorResult<SubscriptionEvent, undefined>> {
    try {
      const event = await awaited;
      if (event !== undefined) return { done: false, value: event };
    } catch (error) {
      await this.#lost(error);
    }
    return this.#next();
  }

  async #next(): Promise<IteratorResult<SubscriptionEvent, undefined>> {
    while (this.#stopping === undefined) {
      if (this.#broken !== undefined) await this.#failed(this.#broken.error);
      if (this.#isFull) await this.#room();
      else {
        if (this.#link === undefined && this.#copy === undefined) await this.#connected();
        const event = await (this.#copy === undefined ? this.#followed() : this.#copying(this.#copy));
        if (event !== undefined) return { done: false, value: event };
      }
    }
    return DONE;
  }

  /** The next event of the stream; undefined if the connection was lost, or at the end. */
  async #followed(): Promise<StreamEvent | undefined> {
    const link = this.#link;
    if (link === undefined) return undefined;
    try {
      for (;;) {
        const event = await this.#poll(link);
        if (event !== undefined) return event;
        await link.connection.readable({ signal: this.#halt.signal });
      }
    } catch (error) {
      await this.#lost(error);
      return undefined;
    }
  }

  /** The next event of the copy; undefined at its end, and then the stream is open, or if a connection was lost. */
  async #copying({ events, prepared }: Copying): Promise<CopyEvent | undefined> {
    try {
      const { done, value } = await events.next();
      if (this.#stopping !== undefined) return undefined;
      if (!done) {
        this.#copied.add(value);
        this.#copyEvents.add(value);
        this.#last = value;
        if (channels.transaction.hasSubscribers) {
          channels.transaction.publish({ slotname: this.#settings.slotname, event: value });
        }
        return value;
      }
      this.#isCopied = true;
      this.#copy = undefined;
      await this.#startStream(prepared);
    } catch (error) {
      await this.#lost(error);
    }
    return undefined;
  }

  /** Read what has arrived until an event is complete; undefined if none is. */
  #poll(link: Link): StreamEvent | undefined | Promise<StreamEvent | undefined> {
    for (;;) {
      if (this.#stopping !== undefined) throw this.#halt.signal.reason;
      const message = link.connection.tryReceiveMessage();
      if (message === null) return undefined;
      if (message === undefined) throw new ConnectionError("the server has ended the stream", "SERVER_SHUTDOWN");
      const event = this.#take(message);
      if (event instanceof Promise) return event.then((each) => each ?? this.#poll(link));
      if (event !== undefined) return event;
    }
  }

  #take(message: WalSenderMessage): StreamEvent | undefined | Promise<StreamEvent | undefined> {
    const assembler = this.#assembler!;
    if (!this.#heard) {
      this.#heard = true;
      this.#backOff.reset();
    }
    if (message.type === "Keepalive") {
      assembler.keepalive(message.walEnd);
      this.#acknowledge();
      return this.#progress(message.replyRequested);
    }
    if (message.type !== "XLogData") return undefined;
    const { data, dataStart } = message;
    this.#watch(data);
    const event = assembler.receive(data, dataStart);
    if (event instanceof Promise) return event.then((each) => this.#deliver(each));
    return this.#deliver(event);
  }

  /** A relation that is announced again may have types that changed. */
  #watch(data: Uint8Array): void {
    switch (data[0]) {
      case STREAM_START:
        this.#inStream = true;
        return;
      case STREAM_STOP:
        this.#inStream = false;
        return;
      case RELATION: {
        if (this.#inStream || data.length < 5) return;
        const id = new DataView(data.buffer, data.byteOffset).getUint32(1);
        if (this.#announced.has(id)) this.#types.suspect();
        this.#announced.add(id);
      }
    }
  }

  /** What the consumer gets of an event of the assembler. */
  #deliver(event: TransactionEvent | undefined): StreamEvent | undefined | Promise<StreamEvent | undefined> {
    if (event === undefined) {
      // Within a transaction nothing more can be confirmed.
      if (!this.#assembler!.isCollecting) this.#acknowledge();
      return undefined;
    }
    const end = endOf(event);
    if (end <= this.#lastEnd) {
      const message = `the server sent what ends at ${formatLsn(end)} after what ends at ${formatLsn(this.#lastEnd)}`;
      throw new ProtocolError(message);
    }
    this.#lastEnd = end;
    const found = this.#deliveries.find(end);
    if (found !== "new") {
      // The consumer has it, or works on it.
      if (found === "stored" || found.confirmed) this.#release(event);
      else found.sources.push(event);
      this.#acknowledge();
      return undefined;
    }
    const relations = "changes" in event ? event.changes.relations : [];
    if (!this.#types.mustLoad(relations)) return this.#give(event, relations);
    return this.#types.load(relations).then(() => this.#give(event, relations));
  }

  #give(source: TransactionEvent, relations: readonly DescribedRelation[]): StreamEvent | undefined {
    if (this.#stopping !== undefined) return undefined;
    const endLsn = endOf(source);
    const sources = [source];
    if (source.type === "Transaction" || source.type === "PreparedTransaction") {
      const { changes } = source;
      const view = { rowsOf: this.#rowsOf, before: this.#forms.advance(relations), leavesOut: this.#leavesOut(source) };
      const time = source.type === "Transaction" ? source.commitTime : source.prepareTime;
      const event = { ...source, changes: new SubscribedChanges(changes, view) } as StreamEvent;
      return this.#hand(event, { endLsn, bytes: EVENT + changes.memory, time, sources, confirmed: false });
    }
    // The content would keep the whole received chunk alive.
    const event =
      source.type === "Message" ? { ...source, content: source.content.slice(), endLsn } : { ...source, endLsn };
    const bytes = EVENT + (source.type === "Message" ? source.content.length : 0);
    return this.#hand(event as StreamEvent, { endLsn, bytes, time: undefined, sources, confirmed: false });
  }

  /** Whether changes of a transaction are in the copy of their table; undefined once that cannot be. */
  #leavesOut(source: TransactionEvent): ((relationId: number) => boolean) | undefined {
    const { given } = this.#copied;
    if (source.type !== "Transaction" || source.commitLsn >= given.last) return undefined;
    return (relationId) => given.leavesOut(relationId, source.commitLsn);
  }

  /** The consumer stores positions itself, and nothing has come for a while: give it one. */
  #progress(isAsked: boolean): StreamEvent | undefined {
    if (!this.#settings.consumerStores || this.#deliveries.pending > 0) return undefined;
    const endLsn = this.#assembler!.confirmable;
    const isDue = this.#surroundings.now() - this.#progressAt >= this.#settings.progressInterval;
    if (endLsn <= this.#deliveries.position || !(isAsked || isDue)) return undefined;
    return this.#hand(
      { type: "Progress", endLsn },
      { endLsn, bytes: EVENT, time: undefined, sources: [], confirmed: false },
    );
  }

  #hand(event: StreamEvent, delivery: Delivery<TransactionEvent>): StreamEvent {
    this.#deliveries.add(delivery);
    deliveries.add(event, { by: this, delivery });
    this.#last = event;
    if (this.#settings.consumerStores) this.#progressAt = this.#surroundings.now();
    if (channels.transaction.hasSubscribers) {
      channels.transaction.publish({ slotname: this.#settings.slotname, event });
    }
    return event;
  }

  /** The assembler need not keep this event. */
  #release(source: TransactionEvent): void {
    const done = this.#assembler!.confirm(source);
    if (done !== undefined) done.catch((error: unknown) => this.#break(error));
  }

  /** Tell the server what it may forget, once the store has it. */
  #acknowledge(): void {
    if (this.#assembler === undefined) return;
    let lsn = this.#assembler.confirmable;
    if (this.#settings.consumerStores && this.#deliveries.position < lsn) lsn = this.#deliveries.position;
    if (lsn <= this.#target) return;
    this.#target = lsn;
    if (this.#settings.store?.save === undefined) this.#tell(lsn);
    else this.#saving ??= this.#save();
  }

  /** Store the newest position, until there is none that is newer. */
  async #save(): Promise<void> {
    const { store } = this.#settings;
    try {
      while (this.#target > this.#flushed || this.#news) {
        const lsn = this.#target;
        const { position } = this.#deliveries;
        this.#news = false;
        await store!.save!({ lsn: position > lsn ? position : lsn, copied: this.#copied.stored.tables });
        this.#tell(lsn);
      }
    } catch (error) {
      this.#break(error);
    } finally {
      this.#saving = undefined;
    }
  }

  #tell(lsn: Lsn): void {
    this.#flushed = lsn;
    this.#link?.feedback.flushed(lsn);
  }

  get #isFull(): boolean {
    return this.#deliveries.bytes + this.#copied.bytes > this.#settings.memoryLimit / 2;
  }

  /** Wait until there is room for another event. */
  async #room(): Promise<void> {
    const { pending, bytes } = this.#deliveries;
    const { slotname } = this.#settings;
    if (channels.full.hasSubscribers) channels.full.publish({ slotname, pending, bytes });
    const before = this.#state;
    this.#state = "full";
    while (this.#isFull && this.#stopping === undefined) await this.#change();
    if (this.#state === "full") this.#state = before;
  }

  /** Wait for the next `confirm`, or the end. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Open the stream, or begin the copy. @throws what is not worth another attempt */
  async #connected(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      await this.#lost(error);
    }
  }

  async #connect(): Promise<void> {
    this.#state = "connecting";
    const { position, copied } = checkState(await this.#settings.store?.load());
    if (position !== undefined) this.#deliveries.stored(position);
    this.#copied.load(copied);
    const knowledge = this.#knowledge();
    const prepared = await prepare(this.#withPinned, knowledge, this.#surroundings, this.#halt.signal);
    if (this.#systemid === undefined) {
      this.#begin(prepared, knowledge.position);
      // From now on a slot that is gone has lost something, even if nothing has come yet.
      if (position === undefined && this.#settings.store?.save !== undefined) {
        this.#news = true;
        this.#saving ??= this.#save();
      }
    }
    this.#deliveries.stored(prepared.slotPosition);
    if (this.#isCopied) return this.#startStream(prepared);
    this.#state = "copying";
    const { publications, binary, copy, onUnreadable } = this.#settings;
    const { snapshot: name, slotPosition: lsn } = prepared;
    const events = copyTables({
      open: ({ signal }) => openConnection(this.#settings, signal),
      ...{ publications, binary, onUnreadable, typeMap: this.#types.typeMap, copied: this.#copied.given.tables },
      ...(name !== undefined && {
        snapshot: { name, lsn, imported: () => endExport(prepared.connection, this.#settings, this.#halt.signal) },
      }),
      timeout: this.#settings.timeout,
      workers: copy === false ? undefined : copy.workers,
      signal: this.#halt.signal,
    });
    this.#copy = { events, prepared };
  }

  async #startStream(prepared: Prepared): Promise<void> {
    const { slotname } = this.#settings;
    const settings = this.#withPinned;
    const knowledge = this.#knowledge();
    const link = await startStream(prepared, settings, knowledge, this.#surroundings, this.#halt.signal);
    this.#link = link;
    this.#lostAt = undefined;
    this.#heard = false;
    this.#inStream = false;
    this.#lastEnd = invalidLsn;
    this.#announced.clear();
    this.#progressAt = this.#surroundings.now();
    this.#state = "streaming";
    if (channels.connect.hasSubscribers) {
      const { connection, created } = prepared;
      const startpoint = startpointOf(settings, knowledge);
      channels.connect.publish({ slotname, serverVersion: connection.serverVersion, startpoint, created });
    }
  }

  /** What is known before a connection. */
  #knowledge(): Knowledge {
    const { position } = this.#deliveries;
    const known = position > this.#flushed ? position : this.#flushed;
    return {
      position: known === invalidLsn ? undefined : known,
      flushed: this.#flushed,
      systemid: this.#systemid,
    };
  }

  /** The first connection says which server it is, and what it speaks. */
  #begin({ systemid, slotPosition, protocol, streaming }: Prepared, position: Lsn = invalidLsn): void {
    const { prepared, memoryLimit } = this.#settings;
    this.#systemid = systemid;
    this.#pinned = { protocol, streaming };
    // Where transactions are held, the slot may be behind the position that is stored.
    this.#flushed = position > slotPosition && prepared !== "hold" ? position : slotPosition;
    this.#target = this.#flushed;
    this.#assembler = new TransactionAssembler({
      ...{ protocol, streaming, prepared, spill: this.#spill },
      memoryLimit: Math.floor(memoryLimit / 2),
    });
  }

  get #withPinned(): Settings {
    return { ...this.#settings, ...this.#pinned };
  }

  /** The protocol stays that of the first connection: a newer server speaks it too. */
  #pinned: Pick<Settings, "protocol" | "streaming"> = {};

  /**
   * The stream has ended, or could not be opened: wait before another attempt. Returns at once at the end.
   *
   * @throws the error if it is not worth another attempt
   */
  async #lost(error: unknown): Promise<void> {
    const wasOpen = this.#link !== undefined || this.#copy !== undefined;
    const { slotname, reconnect, temporary } = this.#settings;
    if (this.#broken !== undefined) return this.#failed(this.#broken.error);
    // The end disconnects, once events under way are confirmed.
    if (this.#stopping !== undefined) return;
    const lost = wasOpen ? asLost(error, this.#settings) : error;
    this.#drop(lost);
    const { now, sleep } = this.#surroundings;
    this.#lostAt ??= now();
    const isFirst = this.#systemid === undefined;
    if (!isPassing(error) || reconnect === false || isFirst || temporary || now() - this.#lostAt >= reconnect.limit) {
      return this.#failed(lost);
    }
    try {
      if (wasOpen) {
        this.#reconnects++;
        this.#types.suspect();
        await this.#assembler!.reset({ keep: true });
      }
    } catch (problem) {
      return this.#failed(problem);
    }
    const delay = this.#backOff.next();
    this.#state = "waiting";
    if (channels.reconnect.hasSubscribers) channels.reconnect.publish({ slotname, error, delay });
    try {
      await sleep(delay, this.#halt.signal);
    } catch {
      // It is the end; or something broke, which the next step finds.
    }
  }

  /** Close the connections, without waiting for that. */
  #drop(error: unknown): void {
    const link = this.#link;
    const copy = this.#copy;
    if (link === undefined && copy === undefined) return;
    this.#received = this.#receivedNow();
    this.#link = undefined;
    this.#copy = undefined;
    void link?.connection.disconnect();
    void copy?.prepared.connection.disconnect();
    // What it throws then is of no interest.
    copy?.events.return(copy.events as never).catch(() => {});
    if (channels.disconnect.hasSubscribers) {
      channels.disconnect.publish({ slotname: this.#settings.slotname, error });
    }
  }

  /** Something outside of the stream failed: the iteration ends with this error. */
  #break(error: unknown): void {
    if (this.#state === "stopped" || this.#state === "failed") return;
    this.#broken ??= { error };
    this.#halt.abort(error);
    this.#wake();
  }

  /** End with an error. @throws it */
  async #failed(error: unknown): Promise<never> {
    this.#stopping ??= Promise.resolve();
    this.#drop(error);
    await this.#close();
    this.#over("failed");
    throw error;
  }

  #stop(except: SubscriptionEvent | undefined): Promise<void> {
    this.#stopping ??= this.#end(except);
    return this.#stopping;
  }

  async #end(except: SubscriptionEvent | undefined): Promise<void> {
    this.#state = "stopping";
    this.#halt.abort(new ConnectionError("the subscription was stopped", "DISCONNECTED"));
    this.#wake();
    await this.#settled(except);
    await this.#patiently(this.#saving);
    // The last status update goes first.
    await this.#disconnect();
    await this.#close();
    // A step that was under way may have opened another connection.
    await this.#patiently(this.#turn);
    await this.#disconnect();
    this.#over("stopped");
  }

  /** Close the connection, and wait for that. */
  async #disconnect(): Promise<void> {
    const connection = this.#link?.connection ?? this.#copy?.prepared.connection;
    this.#drop(undefined);
    await connection?.disconnect();
  }

  /** Wait for a promise of the consumer's, which may never settle, at most for `stopTimeout`. */
  async #patiently(promise: Promise<void> | undefined): Promise<void> {
    if (promise === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#settings.stopTimeout);
    });
    await Promise.race([promise, limit]);
    clearTimeout(timer);
  }

  /** Wait until events under way are confirmed, at most for `stopTimeout`. */
  async #settled(except: SubscriptionEvent | undefined): Promise<void> {
    const { stopTimeout } = this.#settings;
    const isSettled = (): boolean =>
      (this.#link === undefined && this.#copy === undefined) ||
      this.#deliveries.pending + this.#copied.pending <= (except !== undefined && this.#isPending(except) ? 1 : 0);
    if (isSettled()) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      controller.abort();
      this.#wake();
    }, stopTimeout);
    while (!isSettled() && !controller.signal.aborted) await this.#change();
    clearTimeout(timer);
  }

  async #close(): Promise<void> {
    await this.#types.close();
    try {
      await this.#spill.close();
    } catch {
      // What is left of it goes with the process.
    }
  }

  #deliveryOf(event: SubscriptionEvent): Delivery<TransactionEvent> | undefined {
    const given = deliveries.of(event);
    return given?.by === this ? given.delivery : undefined;
  }

  #isPending(event: SubscriptionEvent): boolean {
    const delivery = this.#deliveryOf(event);
    return delivery === undefined ? this.#copied.waitsFor(event as CopyEvent) : !delivery.confirmed;
  }

  #over(state: "stopped" | "failed"): void {
    this.#state = state;
    this.#settings.signal?.removeEventListener("abort", this.#onAbort);
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #receivedNow(): Lsn {
    const now = this.#link?.feedback.received ?? invalidLsn;
    return now > this.#received ? now : this.#received;
  }

  #clock(): PgTime {
    return pgTimeFromDate(new Date(this.#surroundings.now()));
  }
}

/** The error of a stream whose server has ended the connection, for a reason of its own: as one of a lost connection. */
function asLost(error: unknown, settings: Settings): unknown {
  if (!(error instanceof ServerError)) return error;
  if (error.severity === "ERROR") return missingPublication(error, settings) ?? error;
  return new ConnectionError(`the server closed the connection: ${error.message}`, "CONNECTION_LOST", { cause: error });
}

/** Where an event of the assembler ends. */
function endOf(event: TransactionEvent): Lsn {
  switch (event.type) {
    case "RollbackPrepared":
      return event.rollbackEndLsn;
    case "Message":
      // A server gives the end of the record.
      return (event satisfies Message).lsn;
    default:
      return event.endLsn;
  }
}
