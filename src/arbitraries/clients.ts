/** Commands as well-known clients send them to walsenders, letter for letter, blanks included. */
import { type CommandCapability, commandCapabilities } from "../command/capabilities.ts";

/** One command of a client, with values filled in, and the servers that the client sends it to. */
export interface ClientText {
  readonly client: string;
  readonly text: string;
  /** A capability that the server must have for the client to send this. */
  readonly needs?: CommandCapability;
  /** A capability that the server must not have. */
  readonly lacks?: CommandCapability;
}

/**
 * Commands that PostgreSQL's own programs and well-known clients send, for every server that accepts them.
 *
 * @source libpqwalreceiver.c, subscriptioncmds.c, tablesync.c; pg_basebackup.c, receivelog.c, streamutil.c, pg_recvlogical.c
 */
export const clientTexts: readonly ClientText[] = [
  { client: "all", text: "IDENTIFY_SYSTEM" },
  { client: "walreceiver", text: 'START_REPLICATION SLOT "standby_1" 0/3000000 TIMELINE 1' },
  { client: "walreceiver", text: "START_REPLICATION 16/B374D848 TIMELINE 4294967295" },
  { client: "walreceiver since 19", text: 'START_REPLICATION SLOT "standby_1" 0/03000000 TIMELINE 1' },
  { client: "walreceiver", text: "TIMELINE_HISTORY 2" },
  {
    client: "walreceiver",
    text: 'CREATE_REPLICATION_SLOT "pg_walreceiver_42" TEMPORARY PHYSICAL RESERVE_WAL',
    needs: "createSlotOptions",
  },
  {
    client: "walreceiver",
    text: 'CREATE_REPLICATION_SLOT "pg_walreceiver_42" TEMPORARY PHYSICAL (RESERVE_WAL)',
    needs: "genericOptions",
  },
  {
    client: "apply worker",
    text: `START_REPLICATION SLOT "sub" LOGICAL 0/0 (proto_version '1', publication_names '"pub"')`,
  },
  {
    client: "apply worker",
    text: `START_REPLICATION SLOT "sub" LOGICAL 0/16B3748 (proto_version '2', streaming 'on', publication_names '"p1","P 2"', binary 'true')`,
  },
  {
    client: "apply worker",
    text: `START_REPLICATION SLOT "sub" LOGICAL 0/0 (proto_version '4', streaming 'parallel', two_phase 'on', origin 'none', publication_names '"it''s"')`,
  },
  {
    client: "tablesync worker",
    text: 'CREATE_REPLICATION_SLOT "pg_16394_sync_16385_7" LOGICAL pgoutput USE_SNAPSHOT',
    needs: "createSlotOptions",
  },
  {
    client: "tablesync worker",
    text: `CREATE_REPLICATION_SLOT "pg_16394_sync_16385_7" LOGICAL pgoutput (SNAPSHOT 'use')`,
    needs: "genericOptions",
  },
  {
    client: "CREATE SUBSCRIPTION",
    text: 'CREATE_REPLICATION_SLOT "sub" LOGICAL pgoutput NOEXPORT_SNAPSHOT',
    needs: "createSlotOptions",
  },
  {
    client: "CREATE SUBSCRIPTION",
    text: `CREATE_REPLICATION_SLOT "sub" LOGICAL pgoutput (TWO_PHASE, FAILOVER, SNAPSHOT 'nothing')`,
    needs: "genericOptions",
  },
  { client: "DROP SUBSCRIPTION", text: "DROP_REPLICATION_SLOT sub WAIT", needs: "createSlotOptions" },
  { client: "DROP SUBSCRIPTION", text: 'DROP_REPLICATION_SLOT "Sub 1" WAIT', needs: "createSlotOptions" },
  {
    client: "ALTER SUBSCRIPTION of 17",
    text: "ALTER_REPLICATION_SLOT sub ( FAILOVER true )",
    needs: "alterReplicationSlot",
  },
  {
    client: "ALTER SUBSCRIPTION since 18",
    text: 'ALTER_REPLICATION_SLOT "sub" ( FAILOVER false, TWO_PHASE true );',
    needs: "alterReplicationSlot",
  },
  {
    client: "ALTER SUBSCRIPTION since 18",
    text: 'ALTER_REPLICATION_SLOT "sub" ( TWO_PHASE false );',
    needs: "alterReplicationSlot",
  },
  { client: "pg_receivewal", text: 'START_REPLICATION SLOT "receiver" 0/1000000 TIMELINE 1' },
  { client: "pg_receivewal", text: "SHOW wal_segment_size", needs: "showCommand" },
  { client: "pg_receivewal", text: "SHOW data_directory_mode", needs: "showCommand" },
  { client: "pg_receivewal", text: "READ_REPLICATION_SLOT receiver", needs: "readReplicationSlot" },
  { client: "pg_receivewal since 2026", text: 'READ_REPLICATION_SLOT "receiver"', needs: "readReplicationSlot" },
  { client: "pg_receivexlog before 9.6", text: 'CREATE_REPLICATION_SLOT "receiver" PHYSICAL' },
  {
    client: "pg_receivexlog of 9.6",
    text: 'CREATE_REPLICATION_SLOT "receiver" PHYSICAL RESERVE_WAL',
    needs: "reserveWal",
  },
  {
    client: "pg_receivewal since 15",
    text: 'CREATE_REPLICATION_SLOT "receiver" PHYSICAL  RESERVE_WAL',
    needs: "reserveWal",
  },
  {
    client: "pg_receivewal since 15",
    text: 'CREATE_REPLICATION_SLOT "receiver" PHYSICAL ( RESERVE_WAL)',
    needs: "genericOptions",
  },
  { client: "pg_receivewal", text: 'DROP_REPLICATION_SLOT "receiver"' },
  {
    client: "pg_recvlogical",
    text: `START_REPLICATION SLOT "recv" LOGICAL 0/0 ("include-xids" '0', "Skip-Empty-Xacts")`,
  },
  { client: "pg_recvlogical", text: 'START_REPLICATION SLOT "recv" LOGICAL 16/B374D848' },
  { client: "pg_recvlogical before 10", text: 'CREATE_REPLICATION_SLOT "recv" LOGICAL "test_decoding"' },
  {
    client: "pg_recvlogical",
    text: 'CREATE_REPLICATION_SLOT "recv" TEMPORARY LOGICAL "test_decoding" NOEXPORT_SNAPSHOT',
    needs: "createSlotOptions",
  },
  {
    client: "pg_recvlogical since 15",
    text: `CREATE_REPLICATION_SLOT "recv" LOGICAL "test_decoding" ( TWO_PHASE,  FAILOVER,  SNAPSHOT 'nothing')`,
    needs: "genericOptions",
  },
  {
    client: "pg_basebackup before 15",
    text: "BASE_BACKUP LABEL 'pg_basebackup base backup'  WAL FAST NOWAIT  ",
    lacks: "genericOptions",
  },
  {
    client: "pg_basebackup before 15",
    text: "BASE_BACKUP LABEL 'it''s' PROGRESS   NOWAIT MAX_RATE 32768 ",
    lacks: "genericOptions",
  },
  {
    client: "pg_basebackup of 9.5 to 14",
    text: "BASE_BACKUP LABEL 'pg_basebackup base backup' PROGRESS  FAST NOWAIT  TABLESPACE_MAP",
    needs: "baseBackupTablespaceMap",
  },
  {
    client: "pg_basebackup of 11 to 14",
    text: "BASE_BACKUP LABEL 'l'   FAST NOWAIT   NOVERIFY_CHECKSUMS",
    needs: "baseBackupNoVerifyChecksums",
  },
  {
    client: "pg_basebackup of 13 and 14",
    text: "BASE_BACKUP LABEL 'l' PROGRESS  FAST NOWAIT MAX_RATE 32 TABLESPACE_MAP  MANIFEST 'force-encode' MANIFEST_CHECKSUMS 'SHA256'",
    needs: "baseBackupManifest",
  },
  {
    client: "pg_basebackup since 15",
    text: "BASE_BACKUP  LABEL 'pg_basebackup base backup'  PROGRESS  FAST  NOWAIT  MAX_RATE 1048576",
    lacks: "genericOptions",
  },
  {
    client: "pg_basebackup since 15",
    text: "BASE_BACKUP ( LABEL 'pg_basebackup base backup',  PROGRESS,  CHECKPOINT 'fast',  WAIT 0,  MANIFEST 'yes',  TARGET 'client')",
    needs: "genericOptions",
  },
  {
    client: "pg_basebackup since 15",
    text: "BASE_BACKUP ( LABEL 'l',  WAL,  MAX_RATE 32,  TABLESPACE_MAP,  VERIFY_CHECKSUMS 0,  MANIFEST_CHECKSUMS 'NONE',  TARGET 'server',  TARGET_DETAIL '/b''k',  COMPRESSION 'zstd',  COMPRESSION_DETAIL 'level=3,workers=2')",
    needs: "genericOptions",
  },
  {
    client: "pg_basebackup since 17",
    text: "BASE_BACKUP ( INCREMENTAL,  LABEL 'pg_basebackup base backup',  PROGRESS,  WAIT 0)",
    needs: "uploadManifest",
  },
  { client: "pg_basebackup since 17", text: "UPLOAD_MANIFEST", needs: "uploadManifest" },
  {
    client: "pgjdbc",
    text: "CREATE_REPLICATION_SLOT slot  LOGICAL test_decoding",
  },
  {
    client: "pgjdbc",
    text: `START_REPLICATION SLOT slot LOGICAL 0/16B3748 ("include-xids" 'false', "skip-empty-xacts" 'true')`,
  },
  { client: "psycopg2", text: `START_REPLICATION SLOT "slot" LOGICAL 00000000/0016B374 ("a" '1', "b" 'it''s')` },
  { client: "pglogrepl", text: "CREATE_REPLICATION_SLOT slot TEMPORARY LOGICAL pgoutput ", needs: "createSlotOptions" },
  { client: "pglogrepl", text: "BASE_BACKUP(LABEL 'l', PROGRESS, CHECKPOINT 'fast')", needs: "genericOptions" },
  {
    client: "pg-logical-replication",
    text: `START_REPLICATION SLOT "slot" LOGICAL 0/00000000 (proto_version '1', publication_names 'a,b', messages 'true')`,
  },
  {
    client: "postgres.js",
    text: "CREATE_REPLICATION_SLOT slot TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT",
    needs: "createSlotOptions",
  },
  { client: "Patroni", text: "TIMELINE_HISTORY 42" },
];

/** The commands that clients send to this server. */
export function clientTextsFor(server: number): readonly ClientText[] {
  return clientTexts.filter(
    ({ needs, lacks }) =>
      (needs === undefined || commandCapabilities.supports(server, needs)) &&
      (lacks === undefined || !commandCapabilities.supports(server, lacks)),
  );
}
