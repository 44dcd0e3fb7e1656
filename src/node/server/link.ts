/** A logged-in connection, as commands and streams use it. */
import { ConnectionError } from "../../kernel/errors.ts";
import type { BackendMessage, TransactionStatus } from "../../session/messages.ts";
import type { SessionParameters } from "../../session/server/parameters.ts";
import type { TransactionSnapshot } from "../../session/server/snapshot.ts";
import type { WalsenderHandlers, WalsenderSession, WalsenderSignal } from "./handlers.ts";
import type { ServerSettings } from "./settings.ts";

/** Thrown to end a connection without a word. */
export const gone = new ConnectionError("the client has ended the connection");

export const nothing: Uint8Array = new Uint8Array(0);

/** A message of the client: its type byte and body; a type that no message has, without a body. */
export interface Incoming {
  readonly tag: number;
  readonly body: Uint8Array;
  /** The type byte is not one of a message. */
  readonly isUnknown: boolean;
}

export interface Link {
  readonly settings: ServerSettings;
  readonly handlers: WalsenderHandlers;
  readonly session: WalsenderSession;
  readonly parameters: SessionParameters;
  transaction: TransactionStatus;
  /** The transactions that have begun. */
  transactionNumber: number;
  /** Of the transaction that is open. */
  snapshot: TransactionSnapshot;
  /** Aborted when the server shuts down in order. */
  readonly stopping: WalsenderSignal;
  /** Called on an orderly shutdown while a stream runs, instead of ending the command. */
  onShutDown: (() => void) | undefined;
  /** Send messages. They leave together at the end of the turn. */
  say(...messages: readonly BackendMessage[]): void;
  /** Send bytes, which must not be written to any more. */
  write(bytes: Uint8Array): void;
  /**
   * Send a CopyData.
   *
   * @param head What comes before the data: it is short, and copied.
   * @returns a promise that resolves when the data may be written to, and more may be sent, or the client is gone; undefined if that is
   *   now.
   */
  copyData(data: Uint8Array, head?: Uint8Array): Promise<void> | undefined;
  /** Resolves when more may be sent, or the client is gone; undefined if it may be sent now. */
  drained(): Promise<void> | undefined;
  /** As `drained`, but a connection that has much to do lets others have their turn first. */
  turn(): Promise<void> | undefined;
  /** The next message, which stays the next until `consume`; undefined if there is none: the client is gone. */
  peek(): Promise<Incoming | undefined>;
  consume(): void;
  /** Run what a handler does; it ends at once when the signal is aborted. */
  run<T>(signal: WalsenderSignal, handler: () => T | Promise<T>): Promise<T>;
  /** Tell the application of an error. */
  tell(error: unknown): void;
  /** Close the connection without a word. */
  destroy(): void;
}
