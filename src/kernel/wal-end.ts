/** Where WAL ends that a peer sent. */
import { ProtocolError } from "./errors.ts";
import { formatLsn, type Lsn, toLsn } from "./lsn.ts";

const LIMIT = 1n << 64n;

/**
 * @param lsn Where it begins.
 * @param length Its length, in bytes.
 * @throws ProtocolError if its end is not a position.
 */
export function endOfWal(lsn: Lsn, length: number): Lsn {
  const end = toLsn(lsn) + BigInt(length);
  if (end < LIMIT) return end as Lsn;
  throw new ProtocolError(`the server sent ${length} bytes of WAL from ${formatLsn(lsn)}, beyond the last position`);
}
