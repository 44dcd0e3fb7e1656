/** What PostgreSQL 15's pg_controldata says of control files that we write, with any number in any field. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { structOf } from "../../src/arbitraries/messages.ts";
import { stateFileCapabilities } from "../../src/files/capabilities.ts";
import { type ControlFileData, encodeControlFile } from "../../src/files/index.ts";
import * as structs from "../../src/files/structs.ts";
import { formatLsn, type Lsn } from "../../src/kernel/lsn.ts";
import { segmentName } from "../../src/kernel/wal-names.ts";
import { hexOf } from "../../src/wire/text.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { seed } from "../seed.ts";
import { runProgram } from "./programs.ts";

/** The layout of 15. */
const VERSION = 1300;

const seconds = fc.bigInt({ min: 0n, max: 4_000_000_000n });
const anyFile: fc.Arbitrary<ControlFileData> = fc
  .tuple(
    structOf(structs.ControlFileData, { ...stateFileCapabilities.of("15") }) as fc.Arbitrary<ControlFileData>,
    seconds,
    seconds,
    fc.constantFrom(1, 16, 1024),
  )
  .map(([data, time, checkPointTime, megabytes]) => ({
    ...data,
    pgControlVersion: VERSION,
    xlogSegSize: megabytes * 1024 * 1024,
    time,
    checkPointCopy: { ...data.checkPointCopy, time: checkPointTime },
  }));

const lsn = (position: Lsn): string => formatLsn(position, { server: "15" });
const onOff = (on: boolean): string => (on ? "on" : "off");
const passed = (byValue: boolean): string => (byValue ? "by value" : "by reference");
const date = (each: bigint): string => {
  const [day, month, dayOfMonth, year, time] = new Date(Number(each) * 1000).toUTCString().split(" ");
  return `${day!.slice(0, 3)} ${dayOfMonth} ${month!.replace(/^0/, " ")} ${time} ${year}`;
};

/** Its lines. */
function linesOf(data: ControlFileData): string[] {
  const { checkPointCopy: c, dbState, walLevel, dataChecksumVersion } = data;
  const checksums = ["off", "on"].indexOf(String(dataChecksumVersion));
  const lines: readonly (readonly [string, string | number | bigint])[] = [
    ["pg_control version number", data.pgControlVersion],
    ["Catalog version number", data.catalogVersionNo],
    ["Database system identifier", data.systemIdentifier],
    ["Database cluster state", typeof dbState === "number" ? "unrecognized status code" : dbState],
    ["pg_control last modified", date(data.time)],
    ["Latest checkpoint location", lsn(data.checkPoint)],
    ["Latest checkpoint's REDO location", lsn(c.redo)],
    ["Latest checkpoint's REDO WAL file", segmentName(c.thisTimeLineID, c.redo, data.xlogSegSize)],
    ["Latest checkpoint's TimeLineID", c.thisTimeLineID],
    ["Latest checkpoint's PrevTimeLineID", c.prevTimeLineID],
    ["Latest checkpoint's full_page_writes", onOff(c.fullPageWrites)],
    ["Latest checkpoint's NextXID", `${c.nextFullXid! >> 32n}:${c.nextFullXid! & 0xffffffffn}`],
    ["Latest checkpoint's NextOID", c.nextOid],
    ["Latest checkpoint's NextMultiXactId", c.nextMulti],
    ["Latest checkpoint's NextMultiOffset", c.nextMultiOffset!],
    ["Latest checkpoint's oldestXID", c.oldestXid],
    ["Latest checkpoint's oldestXID's DB", c.oldestXidDB],
    ["Latest checkpoint's oldestActiveXID", c.oldestActiveXid],
    ["Latest checkpoint's oldestMultiXid", c.oldestMulti],
    ["Latest checkpoint's oldestMulti's DB", c.oldestMultiDB],
    ["Latest checkpoint's oldestCommitTsXid", c.oldestCommitTsXid!],
    ["Latest checkpoint's newestCommitTsXid", c.newestCommitTsXid!],
    ["Time of latest checkpoint", date(c.time)],
    ["Fake LSN counter for unlogged rels", lsn(data.unloggedLSN)],
    ["Minimum recovery ending location", lsn(data.minRecoveryPoint)],
    ["Min recovery ending loc's timeline", data.minRecoveryPointTLI],
    ["Backup start location", lsn(data.backupStartPoint)],
    ["Backup end location", lsn(data.backupEndPoint)],
    ["End-of-backup record required", data.backupEndRequired ? "yes" : "no"],
    ["wal_level setting", typeof walLevel === "number" ? "unrecognized wal_level" : walLevel!],
    ["wal_log_hints setting", onOff(data.walLogHints)],
    ["max_connections setting", data.maxConnections],
    ["max_worker_processes setting", data.maxWorkerProcesses],
    ["max_wal_senders setting", data.maxWalSenders!],
    ["max_prepared_xacts setting", data.maxPreparedXacts],
    ["max_locks_per_xact setting", data.maxLocksPerXact],
    ["track_commit_timestamp setting", onOff(data.trackCommitTimestamp!)],
    ["Maximum data alignment", data.maxAlign],
    ["Database block size", data.blcksz],
    ["Blocks per segment of large relation", data.relsegSize],
    ["WAL block size", data.xlogBlcksz],
    ["Bytes per WAL segment", data.xlogSegSize],
    ["Maximum length of identifiers", data.nameDataLen],
    ["Maximum columns in an index", data.indexMaxKeys],
    ["Maximum size of a TOAST chunk", data.toastMaxChunkSize],
    ["Size of a large-object chunk", data.loblksize],
    ["Date/time type storage", "64-bit integers"],
    ["Float8 argument passing", passed(data.float8ByVal)],
    ["Data page checksum version", typeof dataChecksumVersion === "number" ? dataChecksumVersion : checksums],
    ["Mock authentication nonce", hexOf(data.mockAuthenticationNonce!)],
  ];
  return lines.map(([name, value]) => `${name}: ${value}`);
}

test("pg_controldata reads each field as we wrote it", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  mkdirSync(join(path, "global"));
  for (const data of fc.sample(anyFile, { seed, numRuns: 20 })) {
    writeFileSync(join(path, "global/pg_control"), encodeControlFile(data));
    const { status, stdout, stderr } = await runProgram("pg_controldata", [path]);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/: */, ": "));
    expect({ status, lines, stderr }).toEqual({ status: 0, lines: linesOf(data), stderr: "" });
  }
});
