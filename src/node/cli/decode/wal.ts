/** `walwire decode` of a WAL segment: one line per record. `walwire wal` says more of it, and reads several. */
import { basename } from "node:path";
import { dissectWalPage } from "../../../dissect/index.ts";
import { DecodeError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { defaultSegmentSize, isSegmentSize, parseSegmentName } from "../../../kernel/wal-names.ts";
import { encodeWalRecord, WalReader, type WalRecord } from "../../../wal/index.ts";
import { DEFAULT_PAGE_SIZE, decodeWalPageHeader, isPageSize, LONG_HEADER } from "../../../wal/page.ts";
import { unpackedName } from "../../../wal/timeline.ts";
import { firstDifference } from "../../first-difference.ts";
import { printable } from "../shared/people.ts";
import { InputError, UnseenError } from "../shared/usage.ts";
import { contentsOf } from "../wal/contents.ts";
import { sayRecord } from "../wal/page.ts";
import { describe, recordLine, truncatedSegment } from "../wal/records.ts";
import { name } from "./input.ts";
import type { FileError, FileKind, FilePart, Head } from "./kind.ts";

/** XLOG_BLCKSZ at the least, in bytes. */
const MIN_PAGE = 1024n;

/** A segment, by its name or by what it begins with. */
function isSegment({ bytes, name: file }: Head): boolean {
  const contents = contentsOf(bytes);
  switch (contents.kind) {
    case "pages":
      return parseSegmentName(file) !== undefined || contents.pageAddress % MIN_PAGE === 0n;
    case "zeros":
      return true;
    case "other":
      return contents.unseen;
    default:
      return false;
  }
}

export const walSegment: FileKind = {
  name: "a segment of WAL",
  recognise: isSegment,
  async *dissect(source, { server }) {
    let pageSize = DEFAULT_PAGE_SIZE;
    let offset = 0;
    let rest = new Uint8Array(0);
    for await (const chunk of source.chunks) {
      const bytes = rest.length === 0 ? chunk : new Uint8Array(Buffer.concat([rest, chunk]));
      if (offset === 0) pageSize = pageSizeOf(bytes);
      let at = 0;
      for (; at + pageSize <= bytes.length; at += pageSize) {
        const page = bytes.subarray(at, at + pageSize);
        yield { tree: dissectWalPage(page, { server }), bytes: page, offset: offset + at };
      }
      rest = bytes.slice(at);
      offset += at;
    }
    if (rest.length > 0) {
      throw new InputError(`${name(source.path)} ends inside of a page: ${rest.length} bytes at byte ${offset}`);
    }
  },
  async *read(source, { server, verify }): AsyncGenerator<FilePart | FileError> {
    const contents = contentsOf(source.head);
    if (contents.kind !== "pages") {
      source.close();
      const { message } = contents as { readonly message: string };
      if (contents.kind === "other") throw new UnseenError(`${name(source.path)}: ${message}`);
      // Zeros can go on without end: nothing more is read.
      yield { error: new DecodeError("BAD_VALUE", "XLogPageHeaderData.xlp_magic", 0, message) };
      return;
    }
    const reader = new WalReader({ server });
    let start: Lsn | undefined;
    let timeline: number | undefined;
    let segmentSize = 0;
    let length = 0;
    for await (const chunk of source.chunks) {
      const first = length === 0;
      length += chunk.length;
      // What follows is not WAL, and can be without end: of a segment it counts.
      if (reader.end !== undefined) {
        if (length < segmentSize) continue;
        break;
      }
      try {
        if (first) ({ start, timeline, segmentSize } = namedPlace(source.path, chunk));
        reader.push(chunk, first ? start : undefined, timeline);
        for (let record = reader.next(); record !== undefined; record = reader.next()) {
          yield partOf(record);
        }
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        yield { error };
        return;
      }
      if (reader.end !== undefined && length >= segmentSize) break;
    }
    const { end, incomplete } = reader;
    if (end !== undefined && end.lsn === start) {
      // What the file is named after is not in it.
      const message = `could not find a valid record after ${formatLsn(start, { server })}: ${end.message}`;
      yield { error: new DecodeError("BAD_VALUE", "XLogPageHeaderData.xlp_pageaddr", 0, message) };
    } else if (end !== undefined) {
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

    const truncated = truncatedSegment(length, segmentSize);
    if (truncated !== undefined) {
      yield { error: new DecodeError("TRUNCATED", "XLogLongPageHeaderData.xlp_seg_size", length, truncated) };
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

/** The position and the timeline in the name of a file, which its first page must have, and its size: undefined and 0 for other names. */
function namedPlace(
  path: string,
  head: Uint8Array,
): { readonly start: Lsn | undefined; readonly timeline: number | undefined; readonly segmentSize: number } {
  const file = unpackedName(basename(path));
  const whole = file.replace(/\.partial$/, "");
  const size = segmentSizeOf(head);
  const named = parseSegmentName(whole, size);
  // A partial segment may be shorter.
  const segmentSize = named === undefined || whole !== file ? 0 : size;
  return { start: named?.start, timeline: named?.timeline, segmentSize };
}

/** What a long header says; the default if there is none. */
function pageSizeOf(head: Uint8Array): number {
  const size = head.length < LONG_HEADER ? undefined : decodeWalPageHeader(head).long?.pageSize;
  return size !== undefined && isPageSize(size) ? size : DEFAULT_PAGE_SIZE;
}

/** What a long header says; 16 MiB if there is none. */
function segmentSizeOf(head: Uint8Array): number {
  if (head.length < LONG_HEADER) return defaultSegmentSize;
  const size = decodeWalPageHeader(head).long?.segmentSize;
  return size !== undefined && isSegmentSize(size) ? size : defaultSegmentSize;
}
