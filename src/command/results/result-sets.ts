/**
 * The result sets that replication commands answer with, described once: their columns in order, with the names and the
 * words of the manual ("Streaming Replication Protocol"). From an entry come the type of a row, its reader and its
 * encoder, the RowDescription of each server version, and the arbitrary.
 *
 * Names and numbers of the columns have been the same since 9.4. What changed since is how servers declare their types.
 */
import type { CommandCapability } from "../capabilities.ts";
import {
  currentTimeline,
  file,
  kilobytes,
  lsn,
  nullable,
  oid,
  type ResultColumns,
  systemIdentifier,
  text,
  timeline,
} from "./columns.ts";

/** The columns of one answer, in order. */
export interface ResultSet {
  /** A sentence about the rows. */
  readonly doc: string;
  /** File and function in PostgreSQL. */
  readonly source: string;
  /** "one" is exactly one, in any case. */
  readonly rows: "one" | "many";
  /**
   * Servers without it put the messages together by hand, and say less of types than the catalog does; undefined if no
   * server has ever done so.
   */
  readonly tupleDesc: CommandCapability | undefined;
  /** By name, in order. */
  readonly columns: ResultColumns;
}

/** Every result set by its name: that of the command, if it answers with one only. */
export const resultSets = {
  IDENTIFY_SYSTEM: {
    doc: "Which cluster this is, and how far it is.",
    source: "walsender.c: IdentifySystem",
    rows: "one",
    tupleDesc: "walsenderTupleDesc",
    columns: {
      systemid: systemIdentifier("Identifies the cluster, and all copies of it; as in pg_control."),
      timeline: currentTimeline("The current timeline."),
      xlogpos: lsn("How far WAL is flushed; before 9.4.2 how far it is inserted, unless the server is in recovery."),
      dbname: nullable(text("The database that the connection is to; NULL on a connection without one.")),
    },
  },

  SHOW: {
    doc: "The value of a configuration parameter.",
    source: "guc.c: ShowGUCConfigOption",
    rows: "one",
    tupleDesc: undefined,
    columns: {
      setting: text(
        "The value with its unit. The server calls the column as the parameter, in its canonical spelling.",
      ),
    },
  },

  SHOW_ALL: {
    doc: "All configuration parameters that the user may see.",
    source: "guc.c: ShowAllGUCConfig",
    rows: "many",
    tupleDesc: undefined,
    columns: {
      name: text("The parameter, in its canonical spelling."),
      setting: text("Its value with its unit."),
      description: nullable(text("What it does, in a few words; NULL for an extension's that says nothing.")),
    },
  },

  TIMELINE_HISTORY: {
    doc: "The history file of a timeline.",
    source: "walsender.c: SendTimeLineHistory",
    rows: "one",
    tupleDesc: "backupTupleDesc",
    columns: {
      filename: text("Its name, such as 00000002.history."),
      content: file(
        "Its bytes. Where the column is declared as bytea they still come as they are, so do not let a driver read them as bytea.",
      ),
    },
  },

  CREATE_REPLICATION_SLOT: {
    doc: "The slot that was created.",
    source: "walsender.c: CreateReplicationSlot",
    rows: "one",
    tupleDesc: "walsenderTupleDesc",
    columns: {
      slot_name: text("The slot."),
      consistent_point: lsn(
        "Where a logical slot became consistent, the earliest to stream from; 0 for a physical slot.",
      ),
      snapshot_name: nullable(
        text(
          "The snapshot that was exported, valid until the next command; NULL if none was, and for a physical slot.",
        ),
      ),
      output_plugin: nullable(text("The output plugin; NULL for a physical slot.")),
    },
  },

  READ_REPLICATION_SLOT: {
    doc: "What a physical slot holds back. All columns are NULL if there is no such slot.",
    source: "walsender.c: ReadReplicationSlot",
    rows: "one",
    tupleDesc: undefined,
    columns: {
      slot_type: nullable(text('Always "physical": for a logical slot the command fails.')),
      restart_lsn: nullable(lsn("The oldest WAL that the slot keeps; NULL if it keeps none.")),
      restart_tli: nullable(timeline("The timeline of restart_lsn in the history of the server; NULL as that.")),
    },
  },

  NEXT_TIMELINE: {
    doc: "After a physical stream of a timeline that is not the server's latest: where its history went on.",
    source: "walsender.c: StartReplication",
    rows: "one",
    tupleDesc: "walsenderTupleDesc",
    columns: {
      next_tli: timeline("The next timeline in the server's history."),
      next_tli_startpos: lsn("Where it branched off: the end of the timeline that was streamed."),
    },
  },

  BACKUP_START: {
    doc: "Where a base backup starts.",
    source: "basebackup_copy.c: SendXlogRecPtrResult",
    rows: "one",
    tupleDesc: "backupTupleDesc",
    columns: {
      recptr: lsn("Where the backup starts in WAL."),
      tli: timeline("The timeline on which it starts."),
    },
  },

  BACKUP_TABLESPACES: {
    doc: "The tablespaces of a base backup, in the order in which they will come; the main data directory last.",
    source: "basebackup_copy.c: SendTablespaceList",
    rows: "many",
    tupleDesc: "backupTupleDesc",
    columns: {
      spcoid: nullable(oid("The OID of the tablespace; NULL for the main data directory.")),
      spclocation: nullable(text("Its directory on the server; NULL for the main data directory.")),
      size: nullable(kilobytes("About how large it is, in kB of 1024 bytes; NULL unless PROGRESS was asked for.")),
    },
  },

  BACKUP_END: {
    doc: "Where a base backup ends: WAL up to here is needed to restore it.",
    source: "basebackup_copy.c: SendXlogRecPtrResult",
    rows: "one",
    tupleDesc: "backupTupleDesc",
    columns: {
      recptr: lsn("Where the backup ends in WAL."),
      tli: timeline("The timeline on which it ends."),
    },
  },
} as const satisfies Readonly<Record<string, ResultSet>>;

/** The name of an answer with rows. */
export type ResultSetName = keyof typeof resultSets;
