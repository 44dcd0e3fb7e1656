/** pg_control, as the functions of a server say it, and as its file has it. */
import fc from "fast-check";
import { structOf } from "../src/arbitraries/messages.ts";
import { stateFileCapabilities } from "../src/files/capabilities.ts";
import type { ControlFileData } from "../src/files/index.ts";
import * as structs from "../src/files/structs.ts";
import { formatLsn, type Lsn } from "../src/kernel/lsn.ts";
import { segmentName } from "../src/kernel/wal-names.ts";
import type { Server } from "./servers/index.ts";

const functions = ["pg_control_system", "pg_control_checkpoint", "pg_control_recovery", "pg_control_init"];

const yes = (is: boolean): string => (is ? "t" : "f");
const int = (number: number): string => String(number | 0);
const time = (seconds: bigint): string =>
  `${new Date(Number(seconds) * 1000).toISOString().replace("T", " ").slice(0, 19)}+00`;

/** What pg_control_checkpoint says of a checkpoint itself, by column. */
export function checkpointColumns(c: ControlFileData["checkPointCopy"], major: number): Record<string, string> {
  const next = c.nextFullXid ?? (BigInt(c.nextXidEpoch!) << 32n) + BigInt(c.nextXid!);
  return {
    redo_lsn: formatLsn(c.redo, { server: String(major) }),
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
  };
}

/** What the four functions say of a file, by column. */
export function sqlOf(data: ControlFileData, major: number): Record<string, string> {
  const { checkPointCopy: c } = data;
  const lsn = (position: Lsn): string => formatLsn(position, { server: String(major) });
  const checksums = ["off", "on"].indexOf(String(data.dataChecksumVersion));
  return {
    pg_control_version: int(data.pgControlVersion),
    catalog_version_no: int(data.catalogVersionNo),
    system_identifier: String(BigInt.asIntN(64, data.systemIdentifier)),
    pg_control_last_modified: time(data.time),
    checkpoint_lsn: lsn(data.checkPoint),
    ...(data.prevCheckPoint !== undefined && { prior_lsn: lsn(data.prevCheckPoint) }),
    ...checkpointColumns(c, major),
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
export function anyFile(major: number): fc.Arbitrary<ControlFileData> {
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

/** What they say of the file that is there now. */
export async function askOfControlFile(server: Server): Promise<Record<string, string>> {
  const said: Record<string, string> = {};
  for (const each of functions) {
    const { columns, rows } = await server.sql(`SET timezone = 'UTC'; SET datestyle = 'ISO'; SELECT * FROM ${each}()`);
    for (const [i, column] of columns.entries()) said[column] = rows[0]![i]!;
  }
  return said;
}
