/** Data of COPY … TO STDOUT as a server writes it, for tests: the second half of what CopyDecoder reads. */

/** A row: bytes in binary format, and as text the bytes of it; null is NULL. */
export type CopyRow = readonly (Uint8Array | null)[];

const LETTERS = new Map([
  [8, "b"],
  [9, "t"],
  [10, "n"],
  [11, "v"],
  [12, "f"],
  [13, "r"],
  [92, "\\"],
]);

/** @source copyto.c: CopyAttributeOutText */
export function copyText(rows: readonly CopyRow[]): Uint8Array {
  const out: number[] = [];
  for (const row of rows) {
    for (const [i, value] of row.entries()) {
      if (i > 0) out.push(9);
      if (value === null) {
        out.push(92, 78);
        continue;
      }
      for (const byte of value) {
        const letter = LETTERS.get(byte);
        if (letter === undefined) out.push(byte);
        else out.push(92, letter.charCodeAt(0));
      }
    }
    out.push(10);
  }
  return Uint8Array.from(out);
}

/** @source copyto.c: CopyToBinaryStart, CopyToBinaryOneRow, CopyToBinaryEnd */
export function copyBinary(rows: readonly CopyRow[], extension = new Uint8Array(0)): Uint8Array {
  const parts: Uint8Array[] = [
    Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"),
    number(0, 4),
    number(extension.length, 4),
    extension,
  ];
  for (const row of rows) {
    parts.push(number(row.length, 2));
    for (const value of row) parts.push(number(value?.length ?? -1, 4), value ?? new Uint8Array(0));
  }
  return new Uint8Array(Buffer.concat([...parts, number(-1, 2)]));
}

function number(value: number, width: number): Buffer {
  const bytes = Buffer.alloc(width);
  bytes.writeIntBE(value, 0, width);
  return bytes;
}

/** Lines of one column, and the value that PostgreSQL reads of each: test/live/copy-text.test.ts asks servers. */
export const escapes: readonly (readonly [line: string, value: string | null])[] = [
  ["\\N\n", null],
  ["\\\\N\n", "\\N"],
  ["x\\N\n", "xN"],
  ["\\Nx\n", "Nx"],
  ["\n", ""],
  ["\\b\\f\\n\\r\\t\\v\n", "\b\f\n\r\t\v"],
  ["\\a.x\n", "a.x"],
  ["\\101\\60\\7x\\1234\n", "A0\u0007xS4"],
  ["\\x41\\x4g\\xg\\x\n", "A\u0004gxgx"],
  ["\\541\n", "a"],
  ["a\\\nb\n", "a\nb"],
  ["a\\\\\n", "a\\"],
  ["\\\t\n", "\t"],
  ["\\\r\n", "\r"],
];
