/** Every finding of `walwire doctor`: the one list, for the code, docs/doctor.md and `--json`. A code is never reused for another meaning. */

/**
 * How bad a finding is: with an `error` replication does not work or has lost something; a `warning` will become one, or loses
 * something when a machine crashes; a `note` is worth knowing.
 */
export type DoctorSeverity = "error" | "warning" | "note";

/** What a finding is about, in the order in which they are looked at. */
export type DoctorArea =
  | "role"
  | "settings"
  | "publications"
  | "slots"
  | "transactions"
  | "standbys"
  | "standby"
  | "archiver"
  | "subscriptions";

/** What is known of a code. */
export interface DoctorCodeEntry {
  /** How bad it is. */
  readonly severity: DoctorSeverity;
  /** What it is about. */
  readonly area: DoctorArea;
  /** What is found, without a full stop. */
  readonly finding: string;
  /** What to do, without a full stop. */
  readonly advice: string;
}

/** The findings by code. */
export const doctorCodes = {
  REPLICATION_REFUSED: {
    severity: "error",
    area: "role",
    finding: "The server rejects a replication connection of this role",
    advice: "`ALTER ROLE … REPLICATION`, a line in pg_hba.conf, or what the server's message asks for",
  },
  PHYSICAL_REFUSED: {
    severity: "note",
    area: "role",
    finding: "pg_hba.conf has no line that lets this role stream physically, as standbys and base backups do",
    advice: "Add the line with the database `replication`, and reload",
  },
  HBA_ERROR: {
    severity: "warning",
    area: "role",
    finding:
      "pg_hba.conf has an error: the server does not read it again until that is fixed, and does not start with it",
    advice: "Correct the line, and reload",
  },
  TABLE_NOT_READABLE: {
    severity: "warning",
    area: "role",
    finding: "This role may not read a published table: its initial copy fails",
    advice: "`GRANT SELECT`, and `GRANT USAGE` on the schema",
  },
  ROW_SECURITY: {
    severity: "warning",
    area: "role",
    finding:
      "Row security hides rows of a published table from this role: its initial copy lacks them without an error",
    advice: "`ALTER ROLE … BYPASSRLS`",
  },
  WAL_LEVEL_MINIMAL: {
    severity: "error",
    area: "settings",
    finding: "wal_level is minimal: the WAL has too little for a standby, a base backup or a logical stream",
    advice: "Set wal_level to replica, or to logical for logical replication, and restart",
  },
  WAL_LEVEL_NOT_LOGICAL: {
    severity: "error",
    area: "settings",
    finding:
      "There are publications or logical slots, or one was asked for, but wal_level does not allow logical decoding",
    advice: "Set wal_level to logical, and restart",
  },
  NO_WAL_SENDER_LEFT: {
    severity: "error",
    area: "settings",
    finding: "All max_wal_senders are in use: the next standby, subscription or base backup is rejected",
    advice: "Raise max_wal_senders, and restart",
  },
  NO_SLOT_LEFT: {
    severity: "warning",
    area: "settings",
    finding: "All max_replication_slots are in use: no more can be created",
    advice: "Drop slots that nobody needs, or raise max_replication_slots and restart",
  },
  SENDER_TIMEOUT_OFF: {
    severity: "warning",
    area: "settings",
    finding:
      "wal_sender_timeout is 0: after a network failure a walsender may wait for hours, and its slot stays in use",
    advice: "`ALTER SYSTEM RESET wal_sender_timeout`, and reload",
  },
  SENDER_TIMEOUT_LOW: {
    severity: "warning",
    area: "settings",
    finding: "wal_sender_timeout is below 5 s: a short pause of a receiver or of the network ends streams",
    advice: "Raise wal_sender_timeout, and reload",
  },
  FSYNC_OFF: {
    severity: "error",
    area: "settings",
    finding:
      "fsync is off: after a crash of the machine the cluster may be damaged, and standbys may have WAL that it lost",
    advice: "Set fsync to on, and reload",
  },
  FULL_PAGE_WRITES_OFF: {
    severity: "warning",
    area: "settings",
    finding:
      "full_page_writes is off: after a crash of the machine torn pages may remain, unless the file system prevents them",
    advice: "Set full_page_writes to on, and reload",
  },
  SYNCHRONOUS_COMMIT_OFF: {
    severity: "warning",
    area: "settings",
    finding: "synchronous_commit is off: a crash loses commits that had returned, and commits wait for no standby",
    advice: "Set synchronous_commit to on",
  },
  PUBLICATION_MISSING: {
    severity: "error",
    area: "publications",
    finding: "A publication that was asked for does not exist in this database",
    advice: "Give each table that it will publish a replica identity, then `CREATE PUBLICATION`",
  },
  NO_PUBLICATION: {
    severity: "note",
    area: "publications",
    finding: "wal_level is logical, but the database has no publication",
    advice: "Give each table that it will publish a replica identity, then `CREATE PUBLICATION`",
  },
  PUBLICATION_EMPTY: {
    severity: "warning",
    area: "publications",
    finding: "A publication has no table: subscribers of it receive nothing",
    advice: "`ALTER PUBLICATION … ADD TABLE …`, with tables that have a replica identity",
  },
  TABLE_WITHOUT_IDENTITY: {
    severity: "error",
    area: "publications",
    finding: "A table whose updates or deletes are published has no replica identity: they fail on this server",
    advice: "Add a primary key, or `ALTER TABLE … REPLICA IDENTITY`",
  },
  COLUMN_LIST_WITHOUT_IDENTITY: {
    severity: "error",
    area: "publications",
    finding: "A column list lacks a column of the table's replica identity: updates or deletes fail on this server",
    advice: "Add the columns to the list; with REPLICA IDENTITY FULL no list is possible",
  },
  ROW_FILTER_OUTSIDE_IDENTITY: {
    severity: "error",
    area: "publications",
    finding:
      "A row filter uses a column that is not in the table's replica identity: updates or deletes fail on this server",
    advice: "`ALTER TABLE … REPLICA IDENTITY FULL`, or another filter",
  },
  GENERATED_IDENTITY: {
    severity: "error",
    area: "publications",
    finding:
      "A generated column is in the replica identity, but is not published: updates or deletes fail on this server",
    advice: "`ALTER PUBLICATION … SET (publish_generated_columns = stored)`",
  },
  IDENTITY_FULL: {
    severity: "note",
    area: "publications",
    finding:
      "A table has REPLICA IDENTITY FULL and no index: a subscriber without one reads the whole table for each update or delete",
    advice: "Add a primary key, then `ALTER TABLE … REPLICA IDENTITY DEFAULT`",
  },
  PARTITIONS_PUBLISHED: {
    severity: "note",
    area: "publications",
    finding: "A partitioned table is published as its partitions: subscribers need tables of the same names",
    advice: "`ALTER PUBLICATION … SET (publish_via_partition_root = true)` publishes it as one table",
  },
  UNLOGGED_NOT_PUBLISHED: {
    severity: "note",
    area: "publications",
    finding: "A publication FOR ALL TABLES leaves out an unlogged table",
    advice: "`ALTER TABLE … SET LOGGED` publishes it",
  },
  SLOT_MISSING: {
    severity: "error",
    area: "slots",
    finding: "A slot that was asked for does not exist",
    advice: "`SELECT pg_create_logical_replication_slot(…)`",
  },
  SLOT_LOST: {
    severity: "error",
    area: "slots",
    finding: "A slot is invalidated: its consumer cannot go on",
    advice: "Drop it, create it again, and copy the data again",
  },
  SLOT_UNRESERVED: {
    severity: "error",
    area: "slots",
    finding: "A slot needs WAL that the next checkpoint may remove",
    advice: "Raise max_slot_wal_keep_size at once and reload, then let the consumer catch up",
  },
  SLOT_EXTENDED: {
    severity: "warning",
    area: "slots",
    finding: "A slot keeps more WAL than max_wal_size",
    advice: "Let its consumer catch up, or drop it if nobody needs it",
  },
  SLOT_INACTIVE: {
    severity: "warning",
    area: "slots",
    finding: "A slot is in use by nobody, and keeps WAL",
    advice: "Start its consumer, or drop it if nobody needs it",
  },
  SLOT_WITHOUT_LIMIT: {
    severity: "warning",
    area: "slots",
    finding: "An inactive slot may fill the disk: max_slot_wal_keep_size is -1, which is no limit",
    advice: "Set max_slot_wal_keep_size to what the disk can bear, and reload",
  },
  SLOT_HOLDS_XMIN: {
    severity: "warning",
    area: "slots",
    finding: "A slot keeps old rows: its xmin or catalog_xmin is older than vacuum_freeze_min_age",
    advice: "Let its consumer catch up, or drop it if nobody needs it",
  },
  SLOT_NOT_FAILOVER: {
    severity: "note",
    area: "slots",
    finding: "The server has a standby, but a logical slot is not a failover slot: a failover loses it",
    advice: "`ALTER SUBSCRIPTION … SET (failover = true)` on the subscriber, or the replication command",
  },
  SLOT_NOT_SYNCED: {
    severity: "warning",
    area: "slots",
    finding: "A slot that is synchronized from the primary is not ready for a failover yet",
    advice: "Wait, or see why the slot on the primary does not move",
  },
  SLOT_TWO_PHASE_UNUSED: {
    severity: "note",
    area: "slots",
    finding: "A slot has two_phase, but max_prepared_transactions is 0: nothing is ever prepared",
    advice: "Raise max_prepared_transactions, and restart",
  },
  SLOT_PLUGIN_MISSING: {
    severity: "error",
    area: "slots",
    finding: "The output plugin of a slot is not installed",
    advice: "Install its package on the server, or drop the slot",
  },
  SLOT_SPILLS: {
    severity: "note",
    area: "slots",
    finding: "Decoding for a slot has written more than 10 times logical_decoding_work_mem to disk",
    advice: "Raise logical_decoding_work_mem and reload, or stream with `streaming`",
  },
  SYNCHRONIZED_SLOT_MISSING: {
    severity: "error",
    area: "slots",
    finding:
      "synchronized_standby_slots names a slot that is missing, invalidated or inactive: logical streams of failover slots wait for it",
    advice: "Start its standby, or take it out of the list, and reload",
  },
  TRANSACTION_LONG: {
    severity: "warning",
    area: "transactions",
    finding: "A transaction is old: creating a logical slot waits for its end, and rows of that age are kept",
    advice: "End it, with `SELECT pg_terminate_backend(…)` if need be",
  },
  PREPARED_TRANSACTION_OLD: {
    severity: "warning",
    area: "transactions",
    finding:
      "A prepared transaction is old: creating a logical slot waits for its end, and slots keep WAL and rows of that age",
    advice: "`COMMIT PREPARED` or `ROLLBACK PREPARED`, in its database",
  },
  SYNC_BLOCKED: {
    severity: "error",
    area: "standbys",
    finding: "synchronous_standby_names asks for standbys that are not there: commits wait",
    advice:
      "Start the standbys, or change synchronous_standby_names and reload: `walwire sync explain --from URL` says who counts",
  },
  STANDBY_LAGS: {
    severity: "warning",
    area: "standbys",
    finding: "A receiver has not flushed more than max_wal_size of the WAL",
    advice: "See whether it writes slowly, waits, or has stopped",
  },
  STANDBY_NOT_STREAMING: {
    severity: "note",
    area: "standbys",
    finding: "A walsender is not in the state streaming",
    advice: "Wait: catchup ends when the receiver has caught up, backup when the base backup is complete",
  },
  STANDBY_WITHOUT_SLOT: {
    severity: "warning",
    area: "standbys",
    finding:
      "A physical receiver has no slot, and neither wal_keep_size nor an archive keeps WAL for it: after a pause it must be built again",
    advice: "Create a slot and set primary_slot_name on the standby, or set wal_keep_size and reload",
  },
  RECEIVER_DOWN: {
    severity: "warning",
    area: "standby",
    finding: "This standby has a primary_conninfo, but does not stream",
    advice: "See the standby's log for the reason",
  },
  SLOT_SYNC_IMPOSSIBLE: {
    severity: "error",
    area: "standby",
    finding:
      "sync_replication_slots is on, but a setting that it needs is missing: failover slots are not synchronized",
    advice: "Set primary_slot_name, hot_standby_feedback = on, and a dbname in primary_conninfo, and reload",
  },
  FEEDBACK_OFF: {
    severity: "warning",
    area: "standby",
    finding: "This standby has logical slots, but hot_standby_feedback is off: the primary's VACUUM invalidates them",
    advice: "Set hot_standby_feedback to on, and reload",
  },
  ARCHIVE_FAILING: {
    severity: "error",
    area: "archiver",
    finding: "Archiving fails: WAL is kept until it is archived, and may fill the disk",
    advice: "Repair archive_command or its target; the server's log has its output",
  },
  SUBSCRIPTION_DISABLED: {
    severity: "warning",
    area: "subscriptions",
    finding: "A subscription is disabled: its slot on the publisher keeps WAL",
    advice: "`ALTER SUBSCRIPTION … ENABLE`, or drop it",
  },
  SUBSCRIPTION_NOT_RUNNING: {
    severity: "warning",
    area: "subscriptions",
    finding: "A subscription is enabled, but has no apply worker now",
    advice:
      "See the server's log: the connection fails, a change cannot be applied, or max_logical_replication_workers are in use",
  },
  SUBSCRIPTION_ERRORS: {
    severity: "warning",
    area: "subscriptions",
    finding: "Applying or copying has failed since the statistics were reset",
    advice: "See the server's log; once it is repaired, `SELECT pg_stat_reset_subscription_stats(…)`",
  },
  TABLE_NOT_READY: {
    severity: "note",
    area: "subscriptions",
    finding: "A table of a subscription is not copied yet",
    advice: "Wait; if it lasts, see the server's log",
  },
  COMMIT_TIMESTAMPS_OFF: {
    severity: "note",
    area: "subscriptions",
    finding: "track_commit_timestamp is off: conflicts with changes of other origins are not detected",
    advice: "Set track_commit_timestamp to on, and restart",
  },
} as const satisfies Record<string, DoctorCodeEntry>;

/** A code of the list. */
export type DoctorCode = keyof typeof doctorCodes;
