/**
 * walwire/subscribe: `subscribe`: a durable logical subscription, as whole transactions (needs `pg`).
 *
 * @source src/backend/replication/logical/worker.c: what PostgreSQL's own subscriber does
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type SubscribeOptions, settingsOf } from "./options.ts";
import { Subscription } from "./subscription.ts";

export {
  ArgumentError,
  ConnectionError,
  DecodeError,
  ProtocolError,
  ServerError,
  SlotError,
  type SlotErrorCode,
} from "../../kernel/errors.ts";
export type { AlteredColumn, SchemaDifference } from "../../logical/schema-change.ts";
export type {
  DeletedRow,
  InsertedRow,
  Lacking,
  SchemaChange,
  SubscribedChange,
  SubscribedChanges,
  UpdatedRow,
} from "./changes.ts";
export type { CopyBegin, CopyEnd, CopyEvent, CopyRows } from "./copy-events.ts";
export type {
  Ended,
  Progress,
  StreamEvent,
  SubscribedPreparedTransaction,
  SubscribedTransaction,
  SubscriptionEvent,
} from "./events.ts";
export type { CopyOptions, ReconnectOptions, SubscribeOptions } from "./options.ts";
export type { RowObject } from "./rows.ts";
export type { CopiedTable, SubscriptionState, SubscriptionStore } from "./state.ts";
export type { Subscription, SubscriptionStateName, SubscriptionStatus } from "./subscription.ts";

/**
 * Subscribe to publications: whole transactions in commit order, each until it is confirmed, across lost connections and restarts.
 *
 * Nothing that is not confirmed is acknowledged to the server. A lost connection is opened again, and the same slot followed; what the
 * consumer was given already does not come again. A slot from which changes are lost is a SlotError, never a silent gap.
 *
 * ```js
 * const subscription = subscribe({
 *   connection: { connectionString: process.env.DATABASE_URL },
 *   slotname: "my_slot",
 *   publications: ["my_publication"],
 * });
 * for await (const event of subscription) {
 *   if (event.type === "Transaction") {
 *     for await (const change of event.changes) console.log(change.type, change.relation?.name, change.row);
 *   }
 *   subscription.confirm(event);
 * }
 * ```
 *
 * @returns at once: it connects with the first step of the iteration, or with `start`.
 * @throws ArgumentError for an invalid option.
 */
export function subscribe(options: SubscribeOptions): Subscription {
  return new Subscription(settingsOf(options), {
    now: Date.now,
    random: Math.random,
    sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal: signal as AbortSignal }),
  });
}
