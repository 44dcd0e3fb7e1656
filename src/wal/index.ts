/** walwire/wal: the frame of WAL, from files or from a physical stream. */
export { DEFAULT_BLOCK_SIZE, decodeWalRecord } from "./decode.ts";
export { encodeWalRecord, type WalRecordFields } from "./encode.ts";
export { WalError } from "./error.ts";
export { type WalFormat, walFormat, walFormatOfMagic } from "./format.ts";
export { decodeWalPageHeader, encodeWalPageHeader, type WalPageHeader } from "./page.ts";
export { type WalEnd, WalReader, type WalReaderOptions } from "./reader.ts";
export type { WalBlock, WalFork, WalImage, WalRecord, WalRecordHeader } from "./record.ts";
export { type WalRecordPlace, WalWriter, type WalWriterOptions } from "./writer.ts";
