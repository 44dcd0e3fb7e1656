/**
 * Positions of a reader as numbers: an LSN less an origin, which is a multiple of the largest segment, so that a position is at the
 * same offset in page and segment as its LSN.
 */
import type { Lsn } from "../kernel/lsn.ts";

const UNIT = 1n << 30n;

const scratch = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8));

export class Origin {
  #high = 0;
  #low = 0;
  isKnown = false;

  /** Put the origin below this LSN. Returns the position of the LSN. */
  set(lsn: Lsn): number {
    const origin = lsn - (lsn % UNIT);
    this.#high = Number(origin >> 32n);
    this.#low = Number(origin & 0xffffffffn);
    this.isKnown = true;
    return Number(lsn % UNIT);
  }

  /** Takes two thirds of the time of `origin + BigInt(position)`. */
  lsnOf(position: number): Lsn {
    scratch.setInt32(0, this.lowOf(position), true);
    scratch.setInt32(4, this.highOf(position), true);
    return scratch.getBigUint64(0, true) as Lsn;
  }

  /** The halves of an LSN, with signs. */
  lowOf(position: number): number {
    return (this.#low + position) | 0;
  }

  highOf(position: number): number {
    return (this.#high + Math.floor((this.#low + position) / 0x100000000)) | 0;
  }
}
