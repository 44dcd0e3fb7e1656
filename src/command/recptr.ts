/** The text of a position, RECPTR of repl_scanner.l. The generated parser calls it. */
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { uint32 } from "../text/scan.ts";

/**
 * The two halves of a position, both hexadecimal. Up to 18 a half of more than eight digits wraps; from 19 on the low half
 * ends after eight digits, and what follows is dropped.
 *
 * @source repl_scanner.l: RECPTR, sscanf of "%X/%X" and of "%X/%08X"
 */
export function recptr(hi: string, lo: string, lowIsEightDigits: boolean): Lsn {
  return toLsn((BigInt(uint32(hi, 16)) << 32n) | BigInt(uint32(lowIsEightDigits ? lo.slice(0, 8) : lo, 16)));
}

/**
 * A position where the scanner takes any letter for a hexadecimal digit, and leaves it to sscanf to end a half at the first
 * that is none. What ends the first half must be the slash; what ends the second is dropped. As with strtoul, a half may
 * begin with `0x`.
 *
 * @returns undefined where sscanf does not find two halves.
 * @source repl_scanner.l: RECPTR, sscanf of "%X/%X"
 */
export function sscanfRecptr(text: string): Lsn | undefined {
  const match = /^(?:0x([0-9a-f]*)|([0-9a-f]+))\/(?:0x([0-9a-f]*)|([0-9a-f]+))/i.exec(text);
  if (match === null) return undefined;
  const [, hi0x, hi, lo0x, lo] = match;
  return recptr(hi ?? (hi0x || "0"), lo ?? (lo0x || "0"), false);
}
