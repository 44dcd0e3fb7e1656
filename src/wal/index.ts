/** walwire/wal: the frame of WAL, from files or from a physical stream. */
export type { WalBlock, WalImage, WalRecord } from "./record.ts";
