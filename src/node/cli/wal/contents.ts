/** What a file that should hold WAL begins with, in a sentence if it is not WAL that can be read. */

import { type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { formatMajor } from "../../../kernel/version.ts";
import { newestWalPageMagic, oldestWalPageMagic } from "../../../wal/capabilities.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { SHORT_HEADER } from "../../../wal/page.ts";

export type Contents =
  /** Pages of a server that is known. */
  | { readonly kind: "pages"; readonly pageAddress: Lsn }
  /** Payloads of CopyData of a physical stream. */
  | { readonly kind: "stream" }
  /** Zeros: a segment that was created and not written to. */
  | { readonly kind: "zeros"; readonly message: string }
  /** Nothing that can be read: `unseen` if it may be good WAL in a form that walwire does not read. */
  | { readonly kind: "other"; readonly message: string; readonly unseen: boolean };

/** What a file is that begins with these bytes: 40 of them, fewer only if the file is shorter. */
export function contentsOf(head: Uint8Array): Contents {
  if (head.length === 0) return other("it is empty");
  if (head.every((byte) => byte === 0)) {
    return { kind: "zeros", message: "it begins with zeros: a segment that was created and not yet written to" };
  }
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (head.length >= SHORT_HEADER) {
    const magic = view.getUint16(0, true);
    if (walFormatOfMagic(magic) !== undefined) return { kind: "pages", pageAddress: toLsn(view.getBigUint64(8, true)) };
    if (isHeader(view, true)) return unseen(unknownMagic(magic));
    const swapped = view.getUint16(0, false);
    if (isHeader(view, false) && (walFormatOfMagic(swapped) !== undefined || isMagic(swapped))) {
      return unseen("a big-endian machine wrote it: read it with pg_waldump on a machine of that kind");
    }
  }
  // A payload begins with its length, of which the first byte is 0, and WAL is in XLogData.
  if (head[0] === 0 && (head[4] === 0x77 || head[4] === 0x6b)) return { kind: "stream" };
  const digits = Array.from(head.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return other(
    `it begins with ${digits}. Expected a WAL segment, whose first two bytes say which version of PostgreSQL wrote it, or the ` +
      "CopyData payloads of a physical stream, each after its length in four bytes. Encrypted WAL cannot be read",
  );
}

function other(message: string): Contents {
  return { kind: "other", message, unseen: false };
}

function unseen(message: string): Contents {
  return { kind: "other", message, unseen: true };
}

/** Does all but the magic look like a page header? */
function isHeader(view: DataView, littleEndian: boolean): boolean {
  const magic = view.getUint16(0, littleEndian);
  const info = view.getUint16(2, littleEndian);
  const pageAddress = view.getBigUint64(8, littleEndian);
  return isMagic(magic) && info < 0x10 && pageAddress > 0n && pageAddress % 1024n === 0n;
}

/** XLOG_PAGE_MAGIC of all versions begin with D0 or D1 so far. */
function isMagic(magic: number): boolean {
  return magic >> 8 >= 0xd0 && magic >> 8 <= 0xd3;
}

function unknownMagic(magic: number): string {
  const [oldest, newest] = [oldestWalPageMagic(), newestWalPageMagic()];
  const digits = magic.toString(16).toUpperCase();
  const whose =
    magic > newest.magic
      ? `a server after ${formatMajor(newest.server)} wrote it: a newer walwire may read it`
      : magic < oldest.magic
        ? `a server before ${formatMajor(oldest.server)} wrote it, whose WAL walwire does not read`
        : "no release of PostgreSQL writes it: it may be a development version's or a fork's";
  return `its pages have the magic number ${digits}, which is unknown: ${whose}`;
}
