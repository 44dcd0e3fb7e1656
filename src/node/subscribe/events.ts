/** The events of a subscription. */
import type { CommitPrepared, Message, RollbackPrepared } from "../../generated/logical.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import type { PreparedTransaction, Transaction } from "../../logical/transactions.ts";
import type { SubscribedChanges } from "./changes.ts";
import type { CopyEvent } from "./copy-events.ts";

/** Where an event ends. */
export interface Ended {
  /** Everything up to here is stored once this event and all before it are: the `lsn` to keep. */
  readonly endLsn: Lsn;
}

/** A transaction that has committed, with its changes. */
export interface SubscribedTransaction extends Omit<Transaction, "changes"> {
  /** Its changes, in order, without any that was rolled back. */
  readonly changes: SubscribedChanges;
}

/** A prepared transaction, with its changes. Its CommitPrepared or RollbackPrepared follows, perhaps after a restart. */
export interface SubscribedPreparedTransaction extends Omit<PreparedTransaction, "changes"> {
  /** Its changes, in order, without any that was rolled back. */
  readonly changes: SubscribedChanges;
}

/**
 * Nothing has come for a while, and the server has sent everything up to here: store `endLsn` as of a transaction. Only consumers whose
 * `store` has no `save` get it: the slot may not pass what they have stored.
 */
export interface Progress extends Ended {
  readonly type: "Progress";
}

/** An event of the stream, in WAL order. */
export type StreamEvent =
  | SubscribedTransaction
  | SubscribedPreparedTransaction
  | CommitPrepared
  | (RollbackPrepared & Ended)
  | (Message & Ended)
  | Progress;

/** An event of a subscription. */
export type SubscriptionEvent = StreamEvent | CopyEvent;
