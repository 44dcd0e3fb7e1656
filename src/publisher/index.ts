/**
 * walwire/publisher: `Publisher`: an application's tables and transactions for subscribers of logical replication; its stores.
 */
export type { Lsn } from "../kernel/lsn.ts";
export type { Stop } from "../kernel/stop.ts";
export type { PgTime } from "../kernel/time.ts";
export type { SlotUser, SlotWaitOptions } from "../session/server/slot-use.ts";
export type { TransactionOrigin } from "./changes.ts";
export type { Operation, Publication, PublicationDeclaration, PublishedTable, RowFilter } from "./publications.ts";
export {
  type AcquiredSlot,
  type Committed,
  type CopySnapshot,
  type CreatedSlot,
  type MarkOptions,
  type PreparedTransaction,
  Publisher,
  type PublisherOptions,
  type PublisherSlot,
  type PublisherSnapshot,
  type SlotOptions,
  type TransactionOptions,
} from "./publisher.ts";
export { type LogExtent, MemoryStore, type PublisherStore } from "./store.ts";
export type { ColumnDeclaration, Table, TableDeclaration } from "./tables.ts";
export type { PublisherTransaction, RowInput, Savepoint } from "./transaction.ts";
