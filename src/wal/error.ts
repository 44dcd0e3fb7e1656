/** Errors in WAL, in the server's words. */
import { DecodeError, type ErrorCode } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";

/**
 * WAL that a server would not replay.
 *
 * `message` is the server's, word for word; `path` names the field of PostgreSQL's struct; `offset` counts bytes of what was
 * decoded: the record's, or those that were pushed to a reader.
 */
export class WalError extends DecodeError {
  /** Where in WAL: the page, or the record, that is to blame. */
  readonly lsn: Lsn;

  constructor(code: ErrorCode, path: string, offset: number, lsn: Lsn, message: string) {
    super(code, path, offset, message);
    this.lsn = lsn;
  }

  /** The fields as a plain object, for JSON.stringify. */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), lsn: formatLsn(this.lsn) };
  }
}
