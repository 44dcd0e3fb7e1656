/**
 * pg_control, by real servers: what they have written is read as their functions and settings say it; and what we write, with any
 * number in any field, is read by their functions, which look into the file each time, as we meant it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { structOf } from "../../src/arbitraries/messages.ts";
import { stateFileCapabilities } from "../../src/files/capabilities.ts";
import {
  type ControlFileData,
  controlFileVersions,
  decodeControlFile,
  encodeControlFile,
  explainControlFile,
} from "../../src/files/index.ts";
import * as structs from "../../src/files/structs.ts";
import { formatLsn, type Lsn } from "../../src/kernel/lsn.ts";
import { segmentName } from "../../src/kernel/wal-names.ts";
import { seed } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

const functions = ["pg_control_system", "pg_control_checkpoint", "pg_control_recovery", "pg_control_init"];

/** What the four functions say of a file, by column. */
function sqlOf(data: ControlFileData, major: number): Record<string, string> {
  const { checkPointCopy: c } = data;
  const server = String(major);
  const lsn = (position: Lsn): string => formatLsn(position, { server });
  const yes = (is: boolean): string => (is ? "t" : "f");
  const int = (number: number): string => String(number | 0);
  const time = (seconds: bigint): string =>
    `${new Date(Number(seconds) * 1000).toISOString().replace("T", " ").slice(0, 19)}+00`;
  const next = c.nextFullXid ?? (BigInt(c.nextXidEpoch!) << 32n) + BigInt(c.nextXid!);
  const checksums = ["off", "on"].indexOf(String(data.dataChecksumVersion));
  return {
    pg_control_version: int(data.pgControlVersion),
    catalog_version_no: int(data.catalogVersionNo),
    system_identifier: String(BigInt.asIntN(64, data.systemIdentifier)),
    pg_control_last_modified: time(data.time),
    checkpoint_lsn: lsn(data.checkPoint),
    ...(data.prevCheckPoint !== undefined && { prior_lsn: lsn(data.prevCheckPoint) }),
    redo_lsn: lsn(c.redo),
    redo_wal_file: segmentName(c.thisTimeLineID, c.redo),
    timeline_id: int(c.thisTimeLineID),
    prev_timeline_id: int(c.prevTimeLineID),
    full_page_writes: yes(c.fullPageWrites),
    next_xid: `${next >> 32n}:${next & 0xffffffffn}`,
    next_oid: String(c.nextOid),
    next_multixact_id: String(c.nextMulti),
    next_multi_offset: String(c.nextMultiOffset),
    oldest_xid: String(c.oldestXid),
    oldest_xid_dbid: String(c.oldestXidDB),
    oldest_active_xid: String(c.oldestActiveXid),
    oldest_multi_xid: String(c.oldestMulti),
    oldest_multi_dbid: String(c.oldestMultiDB),
    oldest_commit_ts_xid: String(c.oldestCommitTsXid),
    newest_commit_ts_xid: String(c.newestCommitTsXid),
    checkpoint_time: time(c.time),
    min_recovery_end_lsn: lsn(data.minRecoveryPoint),
    min_recovery_end_timeline: int(data.minRecoveryPointTLI),
    backup_start_lsn: lsn(data.backupStartPoint),
    backup_end_lsn: lsn(data.backupEndPoint),
    end_of_backup_record_required: yes(data.backupEndRequired),
    max_data_alignment: int(data.maxAlign),
    database_block_size: int(data.blcksz),
    blocks_per_segment: int(data.relsegSize),
    wal_block_size: int(data.xlogBlcksz),
    bytes_per_wal_segment: int(data.xlogSegSize),
    max_identifier_length: int(data.nameDataLen),
    max_index_columns: int(data.indexMaxKeys),
    max_toast_chunk_size: int(data.toastMaxChunkSize),
    large_object_chunk_size: int(data.loblksize),
    ...(data.float4ByVal !== undefined && { float4_pass_by_value: yes(data.float4ByVal) }),
    float8_pass_by_value: yes(data.float8ByVal),
    data_page_checksum_version: int(
      typeof data.dataChecksumVersion === "number" ? data.dataChecksumVersion : checksums,
    ),
    ...(data.defaultCharSignedness !== undefined && { default_char_signedness: yes(data.defaultCharSignedness) }),
  };
}

/** Any file that a major could write, as far as its functions can say it: times have four digits of a year. */
function anyFile(major: number): fc.Arbitrary<ControlFileData> {
  const has = stateFileCapabilities.of(String(major));
  const seconds = fc.bigInt({ min: 0n, max: 4_000_000_000n });
  return fc
    .tuple(structOf(structs.ControlFileData, { ...has }) as fc.Arbitrary<ControlFileData>, seconds, seconds)
    .map(([data, time, checkPointTime]) => ({
      ...data,
      time,
      checkPointCopy: { ...data.checkPointCopy, time: checkPointTime },
    }));
}

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let path: string;
  let written: Uint8Array;

  async function ask(): Promise<Record<string, string>> {
    const said: Record<string, string> = {};
    for (const each of functions) {
      const { columns, rows } = await server.sql(
        `SET timezone = 'UTC'; SET datestyle = 'ISO'; SELECT * FROM ${each}()`,
      );
      for (const [i, column] of columns.entries()) said[column] = rows[0]![i]!;
    }
    return said;
  }

  beforeAll(async () => {
    // Nothing but us writes the file meanwhile.
    server = await startServer({ major, settings: { checkpoint_timeout: "1d", track_commit_timestamp: "on" } });
    await server.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    await server.sql("CHECKPOINT");
    path = join(server.dataDirectory, "global/pg_control");
    written = new Uint8Array(readFileSync(path));
  });

  afterAll(async () => {
    writeFileSync(path, written);
    await server.stop();
  });

  test("says the same of its file as we do, and we write the same file", async () => {
    const data = decodeControlFile(written);
    expect(await ask()).toEqual(sqlOf(data, major));
    const setting = async (name: string): Promise<string> => (await server.sql(`SHOW ${name}`)).rows[0]![0]!;
    const onOff = (on: boolean): string => (on ? "on" : "off");
    expect({
      max_connections: String(data.maxConnections),
      max_worker_processes: String(data.maxWorkerProcesses),
      max_prepared_transactions: String(data.maxPreparedXacts),
      max_locks_per_transaction: String(data.maxLocksPerXact),
      wal_level: String(data.walLevel),
      wal_log_hints: onOff(data.walLogHints),
      track_commit_timestamp: onOff(data.trackCommitTimestamp!),
      data_checksums: String(data.dataChecksumVersion),
      ...(major >= 12 && { max_wal_senders: String(data.maxWalSenders) }),
    }).toEqual({
      max_connections: await setting("max_connections"),
      max_worker_processes: await setting("max_worker_processes"),
      max_prepared_transactions: await setting("max_prepared_transactions"),
      max_locks_per_transaction: await setting("max_locks_per_transaction"),
      wal_level: await setting("wal_level"),
      wal_log_hints: await setting("wal_log_hints"),
      track_commit_timestamp: await setting("track_commit_timestamp"),
      data_checksums: await setting("data_checksums"),
      ...(major >= 12 && { max_wal_senders: await setting("max_wal_senders") }),
    });
    expect(data).toMatchObject({ dbState: "in production", floatFormat: 0x4132d68700000000n, padding: undefined });
    expect(data.mockAuthenticationNonce!.some((byte) => byte !== 0)).toBe(true);
    expect(Buffer.from(encodeControlFile(data)).equals(written)).toBe(true);
    expect(explainControlFile(data)[0]).toContain(`PostgreSQL ${controlFileVersions(data)} (`);
  });

  test("reads what we write, any number in any field", async () => {
    const { pgControlVersion } = decodeControlFile(written);
    for (const data of fc.sample(anyFile(major), { seed, numRuns: 10 })) {
      const file = encodeControlFile({ ...data, pgControlVersion });
      writeFileSync(path, file);
      const read = decodeControlFile(file);
      expect(read).toEqual({ ...data, pgControlVersion, crc: read.crc });
      expect(await ask()).toEqual(sqlOf(read, major));
    }
    writeFileSync(path, written);
  });

  test("has a file that the command line decodes, explains and verifies", async () => {
    const { status, stdout } = await runWalwire(["decode", "--verify", path]);
    expect({ status, last: stdout.trimEnd().split("\n").at(-1) }).toEqual({
      status: 0,
      last: '{"messages":1,"mismatches":0,"errors":0}',
    });
    expect(stdout).toContain(`Control file of the cluster ${decodeControlFile(written).systemIdentifier}`);
  });
});
