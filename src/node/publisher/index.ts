/**
 * walwire/publisher: `Publisher`: tables and transactions of an application, for subscriptions of PostgreSQL; its stores (Node).
 */
export * from "../../publisher/index.ts";
export { DirectoryStore, type DirectoryStoreOptions } from "./directory-store.ts";
export { type PublisherHandlersOptions, publisherHandlers } from "./handlers.ts";
