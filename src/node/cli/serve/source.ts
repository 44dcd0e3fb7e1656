/** Source: what `walwire serve` serves. */
import type { ListenOptions } from "../../server/index.ts";

/** What is served. */
export interface Source extends Pick<ListenOptions, "server" | "systemid" | "handlers"> {
  /** What it is, for people. */
  readonly says: string;
  /** What whoever reaches the address can read. */
  readonly contents: string;
  /** Rejects when nothing more can be served; it does not resolve before `close`. */
  readonly ended: Promise<void>;
  readonly close: () => Promise<void>;
}
