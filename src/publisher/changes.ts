/**
 * Transactions as a publisher keeps them: what a log says of one, and its changes as messages of pgoutput.
 *
 * A change is kept as a server sends it to a subscriber to whom all is published: in text format, with the old row as far as the
 * replica identity has it, and with the id of its table's form where a server has the table's oid.
 */
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";

/** Where a transaction comes from, if the publisher itself had it by replication. */
export interface TransactionOrigin {
  /** The name of the origin. */
  readonly name: string;
  /** Position of its commit on the origin's server. */
  readonly commitLsn: Lsn;
}

/** What is known of a transaction before its first change. */
export interface TransactionHeader {
  /** Its transaction id. Its subtransactions have the ones that follow. */
  readonly xid: number;
  /** The number of its subtransactions. */
  readonly subtransactions: number;
  /** When it committed, or was prepared. */
  readonly time: PgTime;
  /** Start of the record that ends it: its commit, or PREPARE TRANSACTION. */
  readonly finalLsn: Lsn;
  /** End of this record. */
  readonly endLsn: Lsn;
  /** The identifier of a prepared transaction; undefined if it has committed without. */
  readonly gid: string | undefined;
  /** Where it comes from; undefined for the publisher's own. */
  readonly origin: TransactionOrigin | undefined;
  /** Bytes of its changes. */
  readonly size: number;
}

/** One step of a transaction. */
export type ChangeRecord =
  /** A change, or a transactional message, of the toplevel transaction (0) or the nth of its subtransactions. */
  | {
      readonly type: "change";
      readonly lsn: Lsn;
      readonly subtransaction: number;
      /** It was rolled back to a savepoint: only streams of transactions in progress have it. */
      readonly rolledBack: boolean;
      /** Insert, Update, Delete, Truncate or Message. */
      readonly message: Uint8Array;
    }
  /** A subtransaction was rolled back. */
  | { readonly type: "abort"; readonly lsn: Lsn; readonly subtransaction: number; readonly time: PgTime };

/** Something to send in an XLogData. */
export interface Sent {
  /** The position in its header: where the change is; 0 before something that belongs to it. @source walsender.c: WalSndPrepareWrite */
  readonly lsn: Lsn;
  /** A message of pgoutput. */
  readonly data: Uint8Array;
}

/** The outcome of a prepared transaction. */
export interface PreparedOutcome {
  /** Whether it committed. */
  readonly committed: boolean;
  /** Start of the record. */
  readonly lsn: Lsn;
  /** End of the record. */
  readonly endLsn: Lsn;
  /** When. */
  readonly time: PgTime;
  /** The transaction as it was prepared. */
  readonly prepared: TransactionHeader;
}
