/** LineBuffer: lines as bytes, in memory that is used again and again. */

/** Bytes of the memory at first. */
const SIZE = 384 * 1024;
/** Up to so many characters a loop writes ASCII faster than Buffer.write: 8 take 11 ns, where that takes 42 (Node 20). */
const SHORT = 24;
/** Up to so many bytes a loop copies faster than `set`: 8 take 6 ns, where that takes 11. */
const FEW = 8;
/** Texts longer than this are measured before room is made for them. */
const MEASURED = 16 * 1024;

/** Bytes that grow at their end. */
export class LineBuffer {
  /** The memory. Bytes are added by writing behind `length`, where there is `room`, and moving that. */
  bytes: Buffer = Buffer.allocUnsafeSlow(SIZE);
  /** Bytes in use. */
  length = 0;
  #spare: Buffer | undefined;

  /** Make room for so many bytes behind `length`. @returns the memory */
  room(size: number): Buffer {
    if (this.length + size > this.bytes.length) this.#grow(this.length + size);
    return this.bytes;
  }

  /** Add bytes. */
  put(part: Uint8Array): void {
    const { length } = part;
    const bytes = this.room(length);
    if (length > FEW) bytes.set(part, this.length);
    else for (let i = 0, at = this.length; i < length; i++, at++) bytes[at] = part[i]!;
    this.length += length;
  }

  /** Add text without lone surrogates, as UTF-8. */
  text(text: string): void {
    const { length } = text;
    // A UTF-16 unit has at most three bytes.
    const bytes = this.room(length > MEASURED ? Buffer.byteLength(text) : 3 * length);
    if (length <= SHORT) {
      let at = this.length;
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0x80) break;
        bytes[at++] = unit;
      }
      if (i === length) {
        this.length = at;
        return;
      }
    }
    this.length += bytes.write(text, this.length);
  }

  /** Take the bytes in use out. They stay as they are until they are given back with `reuse`. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length);
    this.bytes = this.#spare ?? Buffer.allocUnsafeSlow(SIZE);
    this.#spare = undefined;
    this.length = 0;
    return taken;
  }

  /** Bytes that were taken are no longer needed. */
  reuse({ buffer }: Uint8Array): void {
    // What a long line has needed is not kept.
    if (buffer.byteLength === SIZE) this.#spare = Buffer.from(buffer as ArrayBuffer);
  }

  /** What is in it as text. */
  toString(): string {
    return this.bytes.toString("utf8", 0, this.length);
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, size));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** A constant part of lines as bytes. */
export function part(text: string): Uint8Array {
  return Buffer.from(text);
}
