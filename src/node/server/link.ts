/** A logged-in connection, as commands and streams use it. */
import { ConnectionError } from "../../kernel/errors.ts";
import type { BackendMessage, TransactionStatus } from "../../session/messages.ts";
import type { SessionParameters } from "../../session/server/parameters.ts";
import type { WalsenderHandlers, WalsenderSession, WalsenderSignal } from "./handlers.ts";
import type { ServerSettings } from "./settings.ts";

/** Thrown to end a connection without a word. */
export const gone = new ConnectionError("the client has ended the connection");

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
  /** Aborted when the server shuts down in order. */
  readonly stopping: WalsenderSignal;
  /** Called on an orderly shutdown while a stream runs, instead of ending the command. */
  onShutDown: (() => void) | undefined;
  /** Send messages. They leave together at the end of the turn. */
  say(...messages: readonly BackendMessage[]): void;
  /**
   * Send bytes.
   *
   * @param written Called when they may be written to: the system has them, or the client is gone.
   */
  write(bytes: Uint8Array, written?: () => void): void;
  /** Resolves when more may be sent, or the client is gone. */
  drained(): Promise<void>;
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
