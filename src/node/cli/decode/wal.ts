/** `walwire decode` of a segment of WAL: a line a record. `walwire wal` says more of it, and of several. */
import { DecodeError } from "../../../kernel/errors.ts";
import { formatLsn, toLsn } from "../../../kernel/lsn.ts";
import { encodeWalRecord, WalReader, type WalRecord, walFormatOfMagic } from "../../../wal/index.ts";
import { SHORT_HEADER } from "../../../wal/page.ts";
import { printable } from "../shared/people.ts";
import { sayRecord } from "../wal/page.ts";
import { describe, recordLine } from "../wal/records.ts";
import type { FileError, FileKind, FilePart } from "./kind.ts";
import { firstDifference } from "./stream.ts";

/** XLOG_BLCKSZ at the least, in bytes. */
const MIN_PAGE = 1024n;

/** Where a page is in WAL. @source xlog_internal.h: XLogPageHeaderData */
function pageAddress(head: Uint8Array): bigint {
  return new DataView(head.buffer, head.byteOffset, head.length).getBigUint64(8, true);
}

export const walSegment: FileKind = {
  name: "a segment of WAL",
  recognise: ({ bytes }) =>
    bytes.length >= SHORT_HEADER &&
    walFormatOfMagic(bytes[0]! | (bytes[1]! << 8)) !== undefined &&
    pageAddress(bytes) % MIN_PAGE === 0n,
  async *read(source, { server, verify }): AsyncGenerator<FilePart | FileError> {
    const reader = new WalReader({ server });
    let first = true;
    for await (const chunk of source.chunks) {
      try {
        reader.push(chunk, first ? toLsn(pageAddress(source.head)) : undefined);
        first = false;
        for (let record = reader.next(); record !== undefined; record = reader.next()) {
          yield partOf(record);
        }
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        yield { error };
        return;
      }
    }
    const { end, incomplete } = reader;
    if (end !== undefined) {
      yield {
        json: { type: "WalEnd", lsn: formatLsn(end.lsn, { server }), found: end.found, message: end.message },
        say: (page) => page.mark("neutral", `WAL ends at ${formatLsn(end.lsn, { server })}: ${printable(end.message)}`),
      };
    } else if (incomplete !== undefined) {
      yield {
        json: { type: "WalEnd", lsn: formatLsn(incomplete, { server }), found: "file ends" },
        say: (page) =>
          page.mark(
            "neutral",
            `the record at ${formatLsn(incomplete, { server })} goes on in the segment after this one`,
          ),
      };
    }

    function partOf(record: WalRecord): FilePart {
      const found = describe(record, reader);
      return {
        json: { type: "WalRecord", ...recordLine(found) },
        say: (page) => sayRecord(page, found),
        mismatch: verify
          ? firstDifference(encodeWalRecord(record, { format: reader.format! }), record.bytes)
          : undefined,
      };
    }
  },
};
