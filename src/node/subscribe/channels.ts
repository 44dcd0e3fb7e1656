/**
 * The channels of node:diagnostics_channel on which subscriptions tell what they do, for tracing and metrics.
 *
 * Each message has the `slotname`. Without subscribers they cost nothing.
 */
import { channel } from "node:diagnostics_channel";

/** By what happened: each is called `walwire:subscription:` and this name. */
export const channels = {
  /** A stream is open: `{ slotname, serverVersion, startpoint, created }`. */
  connect: channel("walwire:subscription:connect"),
  /** A stream has ended: `{ slotname, error }`; the error is undefined after a stop. */
  disconnect: channel("walwire:subscription:disconnect"),
  /** Another attempt follows: `{ slotname, error, delay }`, in milliseconds. */
  reconnect: channel("walwire:subscription:reconnect"),
  /** An event is given to the consumer: `{ slotname, event }`. */
  transaction: channel("walwire:subscription:transaction"),
  /** The consumer has confirmed an event: `{ slotname, event }`. */
  confirm: channel("walwire:subscription:confirm"),
  /** The iterator waits until an event is confirmed, since `memoryLimit` is reached: `{ slotname, pending, bytes }`. */
  full: channel("walwire:subscription:full"),
  /** The catalogs were asked for types: `{ slotname, added }`, the number of descriptions that are new. */
  types: channel("walwire:subscription:types"),
} as const;
