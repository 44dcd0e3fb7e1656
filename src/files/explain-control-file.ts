/** Explanations of pg_control. */
import type { CheckPointCopy, ControlFileData } from "../generated/files.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { isSegmentSize, segmentName } from "../kernel/wal-names.ts";
import { formatBytes } from "../kernel/words.ts";
import { checkLsn } from "./arguments.ts";
import { controlFileRanges, controlFileVersions } from "./control-file.ts";

/**
 * Explain pg_control in sentences: the cluster, the end of the server, the start and the required end of recovery, and the settings that a
 * standby needs.
 *
 * @param data The result of decodeControlFile.
 * @throws ArgumentError for another value.
 */
export function explainControlFile(data: ControlFileData): readonly string[] {
  if (typeof data !== "object" || data === null) refuseArgument("data", "an object", data);
  if (typeof data.checkPointCopy !== "object" || data.checkPointCopy === null) {
    refuseArgument("data.checkPointCopy", "an object", data.checkPointCopy);
  }
  for (const name of ["checkPoint", "minRecoveryPoint", "backupStartPoint", "backupEndPoint"] as const) {
    checkLsn(`data.${name}`, data[name]);
  }
  checkLsn("data.checkPointCopy.redo", data.checkPointCopy.redo);
  const versions = controlFileVersions(data);
  return [
    `The cluster ${data.systemIdentifier} is one of PostgreSQL ${versions} (catalog version ${data.catalogVersionNo}).`,
    whatItDid(data),
    whereRecoveryBegins(data),
    whatIsNext(data.checkPointCopy),
    ...howFarRecoveryGoes(data),
    whatStandbysNeed(data),
    whatItIsMadeOf(data),
  ];
}

const states: Readonly<Record<string, string>> = {
  "starting up": "The server was starting.",
  "shut down": "The server was shut down in order: it needs no recovery.",
  "shut down in recovery": "The server was shut down in order while it was a standby or recovered.",
  "shutting down": "The server was being shut down: unless it still is, it recovers from a crash when it starts.",
  "in crash recovery": "The server was recovering from a crash.",
  "in archive recovery": "The server is a standby or recovers from an archive, or did when it ended.",
  "in production": "The server runs, or ended without a shutdown: then it recovers from a crash when it starts.",
};

function whatItDid({ dbState, time }: ControlFileData): string {
  const what = states[dbState] ?? `The state of the server is ${dbState}, which no version knows.`;
  return `${what} The file was written at ${formatSeconds(time)}.`;
}

function whereRecoveryBegins(data: ControlFileData): string {
  const { redo, thisTimeLineID, prevTimeLineID, time } = data.checkPointCopy;
  const directory = data.pgControlVersion < 1000 ? "pg_xlog" : "pg_wal";
  const from = thisTimeLineID === prevTimeLineID ? "" : `, which began from timeline ${prevTimeLineID}`;
  const segment = isSegmentSize(data.xlogSegSize)
    ? `, in ${directory}/${segmentName(thisTimeLineID, redo, data.xlogSegSize)}`
    : "";
  return (
    `The last checkpoint, of ${formatSeconds(time)} on timeline ${thisTimeLineID}${from}, is at ${position(data, data.checkPoint)}: ` +
    `recovery begins at ${position(data, redo)}${segment}.`
  );
}

function whatIsNext(checkPoint: CheckPointCopy): string {
  const { nextFullXid, nextXidEpoch = 0, nextXid = 0, nextOid, nextMulti, oldestXid, oldestXidDB } = checkPoint;
  const next = nextFullXid ?? (BigInt(nextXidEpoch) << 32n) + BigInt(nextXid);
  return (
    `Then the next transaction was ${next >> 32n}:${next & 0xffffffffn}, the next oid ${nextOid} and the next multixact ${nextMulti}; ` +
    `the oldest transaction that a table may still have is ${oldestXid}, in the database with the oid ${oldestXidDB}.`
  );
}

function howFarRecoveryGoes(data: ControlFileData): string[] {
  const { minRecoveryPoint, minRecoveryPointTLI, backupStartPoint, backupEndPoint, backupEndRequired } = data;
  const sentences: string[] = [];
  if (minRecoveryPoint !== invalidLsn) {
    sentences.push(
      `It is consistent once WAL has been replayed up to ${position(data, minRecoveryPoint)} on timeline ${minRecoveryPointTLI}.`,
    );
  }
  if (backupStartPoint !== invalidLsn) {
    sentences.push(
      `It is a backup that began at ${position(data, backupStartPoint)}, and recovery has not come to the end of it.`,
    );
  }
  if (backupEndPoint !== invalidLsn) sentences.push(`The backup ends at ${position(data, backupEndPoint)}.`);
  if (backupEndRequired) sentences.push("Recovery must find the record of the end of the backup.");
  return sentences;
}

function whatStandbysNeed(data: ControlFileData): string {
  const settings = [
    ["max_connections", data.maxConnections],
    ["max_worker_processes", data.maxWorkerProcesses],
    ["max_wal_senders", data.maxWalSenders],
    ["max_prepared_transactions", data.maxPreparedXacts],
    ["max_locks_per_transaction", data.maxLocksPerXact],
  ].filter(([, value]) => value !== undefined);
  const least = settings.map(([name, value]) => `${name} = ${value}`).join(", ");
  const onOff = (on: boolean): string => (on ? "on" : "off");
  const { trackCommitTimestamp: track } = data;
  const timestamps = track === undefined ? "" : `, track_commit_timestamp ${onOff(track)}`;
  return (
    `wal_level is ${data.walLevel ?? data.archiveWalLevel}, wal_log_hints ${onOff(data.walLogHints)}${timestamps}; ` +
    `a standby needs at least ${least}.`
  );
}

function whatItIsMadeOf(data: ControlFileData): string {
  const { blcksz, xlogSegSize, dataChecksumVersion } = data;
  return `Blocks have ${formatBytes(blcksz)}, segments of WAL ${formatBytes(xlogSegSize)}; data checksums are ${dataChecksumVersion}.`;
}

/** A position as the server prints it that wrote the file. */
function position(data: ControlFileData, lsn: Lsn): string {
  return formatLsn(lsn, { server: controlFileRanges(data)[0]?.since });
}

/** The last second that Date knows. */
const MAX_SECONDS = 8_640_000_000_000n;

/** pg_time_t as "2026-11-29 12:30:00 UTC". */
function formatSeconds(seconds: bigint): string {
  if (typeof seconds !== "bigint" || seconds > MAX_SECONDS || seconds < -MAX_SECONDS) return `${seconds} s after 1970`;
  return `${new Date(Number(seconds) * 1000).toISOString().replace("T", " ").slice(0, -5)} UTC`;
}
