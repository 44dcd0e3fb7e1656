/** Lines: what a format writes for the events of a subscription. */
import type {
  CopyEvent,
  StreamEvent,
  SubscribedChange,
  SubscribedPreparedTransaction,
  SubscribedTransaction,
} from "../subscribe/index.ts";
import type { LineBuffer } from "./line-buffer.ts";

/** A transaction whose changes are written. */
export type WithChanges = SubscribedTransaction | SubscribedPreparedTransaction;

/** Lines of JSON. Each function adds whole lines, or nothing. */
export interface Lines {
  begin(to: LineBuffer, transaction: WithChanges): void;
  /** A change of the transaction that began last. */
  change(to: LineBuffer, change: SubscribedChange): void;
  /** @param count The number of lines of its changes. */
  end(to: LineBuffer, transaction: WithChanges, count: number): void;
  /** What is not a transaction. */
  other(to: LineBuffer, event: Exclude<StreamEvent, WithChanges> | CopyEvent): void;
}
