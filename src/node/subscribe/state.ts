/** The state of a subscription on the consumer's side: how far it has come, and which tables it has copied. */
import { refuseArgument } from "../../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../../kernel/lsn.ts";

/** A table whose initial copy is complete. */
export interface CopiedTable {
  /** Its oid, as in the Relation message. */
  readonly relationId: number;
  /** Its schema. */
  readonly namespace: string;
  /** Its name. */
  readonly name: string;
  /** The consistent point of the snapshot that it was copied from: transactions that committed before are in the copy. */
  readonly lsn: Lsn;
}

/** What a consumer has stored. */
export interface SubscriptionState {
  /** The `endLsn` of the last event that is stored: everything up to there is. */
  readonly lsn: Lsn;
  /** The tables whose copy is complete. */
  readonly copied: readonly CopiedTable[];
}

/**
 * Where the state is kept. Without a `save`, the consumer writes it itself, best in the same transaction of its database as the rows:
 * then each row is stored exactly once.
 */
export interface SubscriptionStore {
  /** The state as it was stored last; undefined if there is none yet. Called at the start, and after each lost connection. */
  load(): SubscriptionState | undefined | PromiseLike<SubscriptionState | undefined>;
  /** Keep the state durably. It is called with confirmed positions only, one call at a time; the server is told afterwards. */
  save?(state: SubscriptionState): unknown;
}

/** A state as a store returned it, which may be anything. The position is undefined if there is none. @throws ArgumentError */
export function checkState(state: SubscriptionState | undefined): {
  readonly position: Lsn | undefined;
  readonly copied: readonly CopiedTable[];
} {
  if (state === undefined || state === null) return { position: undefined, copied: [] };
  const path = "options.store.load()";
  if (typeof state !== "object") refuseArgument(path, "a state or undefined", state);
  const { lsn, copied = [] } = state;
  if (typeof lsn !== "bigint" || lsn < 0n || lsn >= 1n << 64n) {
    refuseArgument(`${path}.lsn`, "a bigint from 0 to 2^64 - 1", lsn);
  }
  if (!Array.isArray(copied)) refuseArgument(`${path}.copied`, "an array of tables", copied);
  return { position: lsn === invalidLsn ? undefined : lsn, copied };
}
