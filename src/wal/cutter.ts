/**
 * WalCutter: cuts the WAL of a physical stream into segment files, as pg_receivewal does. It writes nothing: it says which bytes go
 * where.
 *
 * @source receivelog.c: ProcessWALDataMsg
 */

import { ProtocolError } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { endOfWal } from "../kernel/wal-end.ts";
import { defaultSegmentSize, segmentName, segmentOffset } from "../kernel/wal-names.ts";
import { givenBytes } from "../wire/check.ts";

/** Bytes of one file. */
export interface WalPiece {
  /** The segment's name. Until it is complete, pg_receivewal has `.partial` behind it. */
  readonly name: string;
  /** Where in the file the bytes go. */
  readonly offset: number;
  /** A view of what was pushed. */
  readonly bytes: Uint8Array;
  /** With these the file is complete. */
  readonly complete: boolean;
}

/**
 * Cuts a stream of one timeline into files: push what arrives, and write the pieces that it returns.
 *
 * @example new WalCutter({ timeline: 1 }).push(new Uint8Array(3), parseLsn("0/3000000")).map(({ name }) => name) // ["000000010000000000000003"]
 */
export class WalCutter {
  readonly #timeline: number;
  readonly #segmentSize: number;
  #position: Lsn | undefined;

  /**
   * @param options.timeline Of the files' names: the one that the stream was started on.
   * @param options.segmentSize In bytes: what `SHOW wal_segment_size` says.
   * @throws ArgumentError if there are no such segments.
   */
  constructor(options: { readonly timeline: number; readonly segmentSize?: number | undefined }) {
    checkOptions(options, ["timeline", "segmentSize"]);
    this.#timeline = options.timeline;
    this.#segmentSize = options.segmentSize ?? defaultSegmentSize;
    segmentName(this.#timeline, toLsn(0n), this.#segmentSize); // throws for invalid options
  }

  /** Where the next byte must be in WAL; undefined before the first. */
  get position(): Lsn | undefined {
    return this.#position;
  }

  /** The incomplete file; undefined if there is none. */
  get partial():
    | {
        /** Its name, with `.partial`. */
        readonly name: string;
        /** Its length so far, in bytes. */
        readonly length: number;
      }
    | undefined {
    if (this.#position === undefined) return undefined;
    const length = segmentOffset(this.#position, this.#segmentSize);
    return length === 0 ? undefined : { name: `${this.#nameOf(this.#position)}.partial`, length };
  }

  /**
   * The pieces of files in these bytes, one for each file.
   *
   * @param lsn Where the bytes begin: XLogData.dataStart. The first must begin a segment, and all others follow.
   * @throws ProtocolError OUT_OF_ORDER with pg_receivewal's message if they do not; also for bytes beyond the last position.
   */
  push(bytes: Uint8Array, lsn: Lsn): WalPiece[] {
    bytes = givenBytes(bytes);
    const offset = segmentOffset(toLsn(lsn), this.#segmentSize);
    if (this.partial === undefined) {
      if (offset !== 0) {
        throw new ProtocolError(`received write-ahead log record for offset ${offset} with no file open`);
      }
    } else if (lsn !== this.#position) {
      const digits = (number: number): string => number.toString(16).padStart(8, "0");
      const expected = segmentOffset(this.#position!, this.#segmentSize);
      throw new ProtocolError(`got WAL data offset ${digits(offset)}, expected ${digits(expected)}`);
    }
    endOfWal(lsn, bytes.length);
    const pieces: WalPiece[] = [];
    let position = lsn;
    for (let at = 0; at < bytes.length; ) {
      const from = segmentOffset(position, this.#segmentSize);
      const count = Math.min(bytes.length - at, this.#segmentSize - from);
      const complete = from + count === this.#segmentSize;
      pieces.push({ name: this.#nameOf(position), offset: from, bytes: bytes.subarray(at, at + count), complete });
      at += count;
      position = toLsn(position + BigInt(count));
    }
    this.#position = position;
    return pieces;
  }

  #nameOf(lsn: Lsn): string {
    return segmentName(this.#timeline, lsn, this.#segmentSize);
  }
}
