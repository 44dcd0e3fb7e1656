/** fast-check arbitraries of archives, as a base backup sends them. */
import * as fc from "fast-check";
import { concat } from "./bytes.ts";
import { characters } from "./text.ts";

/** tar is made of blocks of this many bytes. */
const BLOCK = 512;

/**
 * A tar archive of small files and directories, with the header that a server writes.
 *
 * @param end Does the archive have its end, two blocks of zeros? Servers before 15 leave it to the client.
 * @example fc.sample(backupArchive(), 1)[0].length % 512 // 0
 * @source tar.c: tarCreateHeader
 */
export function backupArchive(end = true): fc.Arbitrary<Uint8Array> {
  const name = fc.oneof(
    fc.constantFrom("PG_VERSION", "base/1/1259", "global/pg_control", "INCREMENTAL.16384"),
    characters().map((text) => `a${text.replace(/[/\\:\ufffd]/g, "_")}b`),
  );
  const entry = fc.record({
    name,
    isDirectory: fc.nat(4).map((share) => share === 4),
    data: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(1500).map((length) => new Uint8Array(length).fill(66)),
    ),
  });
  return fc.array(entry, { maxLength: 4 }).map((entries) =>
    concat(
      ...entries.flatMap(({ name: path, isDirectory, data }) => {
        const bytes = isDirectory ? new Uint8Array(0) : data;
        return [header(path, isDirectory, bytes.length), bytes, new Uint8Array(-bytes.length & (BLOCK - 1))];
      }),
      new Uint8Array(end ? 2 * BLOCK : 0),
    ),
  );
}

const utf8 = new TextEncoder();

function header(name: string, isDirectory: boolean, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string, most: number): void => block.set(utf8.encode(text).subarray(0, most), at);
  const octal = (at: number, value: number, digits: number): void =>
    put(at, `${value.toString(8).padStart(digits, "0")} `, digits + 1);
  put(0, isDirectory ? `${name}/` : name, 99);
  octal(100, isDirectory ? 0o40700 : 0o100600, 7);
  octal(108, 1000, 7);
  octal(116, 1000, 7);
  octal(124, size, 11);
  octal(136, 1_800_000_000, 11);
  put(148, " ".repeat(8), 8);
  put(156, isDirectory ? "5" : "0", 1);
  put(257, "ustar\0" + "00", 8);
  put(265, "postgres", 31);
  put(297, "postgres", 31);
  octal(329, 0, 7);
  octal(337, 0, 7);
  octal(
    148,
    block.reduce((sum, byte) => sum + byte, 0),
    7,
  );
  return block;
}
