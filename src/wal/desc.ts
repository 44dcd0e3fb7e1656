/**
 * The description of a record as PostgreSQL's programs print it: what stands behind `desc: COMMIT ` in a line of pg_waldump.
 *
 * @source the functions rm_desc in rmgrdesc
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { formatLsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { tablespaceVersionDirectory, walCapabilities, walRecordCapabilities } from "./capabilities.ts";
import type { WalContents, WalDescription } from "./contents.ts";
import { DEFAULT_BLOCK_SIZE } from "./decode.ts";
import { serverOf, type WalServer } from "./format.ts";
import { converted, type WalRecord } from "./record.ts";

/**
 * A record's contents in a line, word for word as the version's own pg_waldump has it with the time zone UTC; empty for those whose
 * contents are not decoded.
 *
 * @param description The result of describeWalRecord for the record.
 * @source xlogdesc.c: xlog_desc, xactdesc.c: xact_desc, standbydesc.c: standby_desc and so on
 */
export function formatWalContents(record: WalRecord, description: WalDescription, options: WalServer): string {
  const server = serverOf(options);
  return converted(record, () => contentsText(record, description, server));
}

function contentsText(record: WalRecord, { contents, operation }: WalDescription, server: Server): string {
  if (contents === undefined) return "";
  const has = walRecordCapabilities.of(server);
  const c = contents;
  const lsn = (position: Parameters<typeof formatLsn>[0]) => formatLsn(position, { server });
  switch (c.type) {
    case "CheckPoint": {
      const epoch = c.nextFullXid === undefined ? c.nextXidEpoch! : Number(c.nextFullXid >> 32n);
      const next = c.nextFullXid === undefined ? c.nextXid! : Number(c.nextFullXid & 0xffffffffn);
      const level = c.walLevel === undefined ? "" : ` wal_level ${walLevel(c.walLevel)};`;
      const logical = c.logicalDecodingEnabled === undefined ? "" : ` logical decoding ${c.logicalDecodingEnabled};`;
      return (
        `redo ${lsn(c.redo)}; tli ${c.thisTimeLineID}; prev tli ${c.prevTimeLineID}; fpw ${c.fullPageWrites};${level}${logical} ` +
        `xid ${epoch}:${next}; oid ${c.nextOid}; multi ${c.nextMulti}; offset ${c.nextMultiOffset64 ?? c.nextMultiOffset}; ` +
        `oldest xid ${c.oldestXid} in DB ${c.oldestXidDB}; oldest multi ${c.oldestMulti} in DB ${c.oldestMultiDB}; ` +
        `oldest/newest commit timestamp xid: ${c.oldestCommitTsXid}/${c.newestCommitTsXid}; ` +
        `oldest running xid ${c.oldestActiveXid}; ${operation === "CHECKPOINT_SHUTDOWN" ? "shutdown" : "online"}`
      );
    }
    case "NextOid":
      return String(c.nextOid);
    case "XlRestorePoint":
      return c.rpName;
    case "BackupEnd":
      return lsn(c.startpoint);
    case "XlParameterChange": {
      const senders = c.maxWalSenders === undefined ? "" : `max_wal_senders=${c.maxWalSenders} `;
      return (
        `max_connections=${c.maxConnections} max_worker_processes=${c.maxWorkerProcesses} ${senders}` +
        `max_prepared_xacts=${c.maxPreparedXacts} max_locks_per_xact=${c.maxLocksPerXact} wal_level=${walLevel(c.walLevel)} ` +
        `wal_log_hints=${onOff(c.walLogHints)} track_commit_timestamp=${onOff(c.trackCommitTimestamp)}`
      );
    }
    case "FpwChange":
      return String(c.fullPageWrites);
    case "XlEndOfRecovery": {
      const level = c.walLevel === undefined ? "" : `; wal_level ${walLevel(c.walLevel)}`;
      return `tli ${c.thisTimeLineID}; prev tli ${c.prevTimeLineID}; time ${timestamp(c.endTime)}${level}`;
    }
    case "XlOverwriteContrecord":
      return `lsn ${lsn(c.overwrittenLsn)}; time ${timestamp(c.overwriteTime)}`;
    case "CheckPointRedo":
      return `wal_level ${walLevel(c.walLevel)}`;
    case "LogicalDecodingStatusChange":
      return String(c.enabled);
    case "XlXactCommit":
      return (
        `${prepared(c.twophaseXid)}${timestamp(c.xactTime)}${rels("rels", c.rels, server)}${subxacts(c.subxacts)}` +
        `${stats("", c.stats)}${invalidations(c.msgs, c.dbId ?? 0, c.tsId ?? 0, c.relcacheInitFileInval)}` +
        `${c.applyFeedback && has.describesOrigins ? "; apply_feedback" : ""}${c.forceSyncCommit ? "; sync" : ""}` +
        `${c.originLsn === undefined ? "" : origin(record, c.originLsn, c.originTimestamp!, server)}`
      );
    case "XlXactAbort": {
      const from =
        has.describesOrigins && c.originLsn !== undefined
          ? origin(record, c.originLsn, c.originTimestamp!, server)
          : "";
      return (
        `${prepared(c.twophaseXid)}${timestamp(c.xactTime)}${rels("rels", c.rels, server)}${subxacts(c.subxacts)}` +
        `${from}${stats("", c.stats)}`
      );
    }
    case "XlXactPrepare": {
      // Before 13 nothing is said of it.
      if (!has.describesPrepare) return "";
      const from =
        has.describesOrigins && (record.origin ?? 0) !== 0
          ? origin(record, c.originLsn!, c.originTimestamp!, server)
          : "";
      return (
        `gid ${c.gid}: ${timestamp(c.preparedAt)}${rels("rels(commit)", c.commitrels, server)}` +
        `${rels("rels(abort)", c.abortrels, server)}${stats("commit ", c.commitstats)}` +
        `${stats("abort ", c.abortstats)}${subxacts(c.subxacts)}` +
        // The tablespace is not in the record.
        `${invalidations(c.invalmsgs, c.database, 0, c.initfileinval)}${from}`
      );
    }
    case "XlXactAssignment":
      return `xtop ${c.xtop}: subxacts:${c.xsub.map((xid) => ` ${xid}`).join("")}`;
    case "XlXactInvals":
      return invalidations(c.msgs, 0, 0, false);
    case "XlSmgrCreate":
      return relationPath(c.rlocator, c.forkNum, { server });
    case "XlSmgrTruncate":
      return `${relationPath(c.rlocator, "main", { server })} to ${c.blkno} blocks flags ${c.flags}`;
    case "ZeroPage":
      return record.rmid === RM_CLOG_ID ? `page ${c.pageno}` : String(c.pageno);
    case "XlClogTruncate":
      return `page ${c.pageno}; oldestXact ${c.oldestXact}`;
    case "XlDbaseCreateFileCopyRec": {
      // Before 12 the other way round.
      const pair = (space: number, database: number) =>
        has.describesTablespaceFirst ? `${space}/${database}` : `${database}/${space}`;
      return `copy dir ${pair(c.srcTablespaceId, c.srcDbId)} to ${pair(c.tablespaceId, c.dbId)}`;
    }
    case "XlDbaseCreateWalLogRec":
      return `create dir ${c.tablespaceId}/${c.dbId}`;
    case "XlDbaseDropRec":
      return `dir${c.tablespaceIds.map((id) => (has.describesTablespaceFirst ? ` ${id}/${c.dbId}` : ` ${c.dbId}/${id}`)).join("")}`;
    case "XlTblspcCreateRec":
      return `${c.tsId} "${c.tsPath}"`;
    case "XlTblspcDropRec":
      return String(c.tsId);
    case "XlMultixactCreate": {
      const members = c.members.map(({ xid, status }) => `${xid} (${memberWords[status] ?? "unk"}) `);
      return `${c.mid} offset ${c.moff64 ?? c.moff} nmembers ${c.members.length}: ${members.join("")}`;
    }
    case "XlMultixactTruncate":
      return c.oldestOffset === undefined
        ? `offsets [${c.startTruncOff}, ${c.endTruncOff}), members [${c.startTruncMemb}, ${c.endTruncMemb})`
        : `oldestMulti ${c.oldestMulti}, oldestOffset ${c.oldestOffset}`;
    case "XlRelmapUpdate":
      return `database ${c.dbid} tablespace ${c.tsid} size ${has.describesOrigins ? c.nbytes : c.nbytes >>> 0}`;
    case "XlStandbyLocks":
      return c.locks.map(({ xid, dbOid, relOid }) => `xid ${xid} db ${dbOid} rel ${relOid} `).join("");
    case "XlRunningXacts": {
      const list = (word: string, from: number, count: number) =>
        count > 0
          ? `; ${count} ${word}:${c.xids
              .slice(from, from + count)
              .map((xid) => ` ${xid}`)
              .join("")}`
          : "";
      const text =
        `nextXid ${c.nextXid} latestCompletedXid ${c.latestCompletedXid} oldestRunningXid ${c.oldestRunningXid}` +
        list("xacts", 0, c.xcnt);
      if (!has.describesSubxacts) return `${text}${c.subxidOverflow ? "; subxid ovf" : ""}`;
      return `${text}${c.subxidOverflow ? "; subxid overflowed" : ""}${list("subxacts", c.xcnt, c.subxcnt)}`;
    }
    case "XlInvalidations":
      return invalidations(c.msgs, c.dbId, c.tsId, c.relcacheInitFileInval);
    case "XlSeqRec":
      return `rel ${c.locator.spcOid}/${c.locator.dbOid}/${c.locator.relNumber}`;
    case "XlCommitTsTruncate":
      return `pageno ${c.pageno}, oldestXid ${c.oldestXid}`;
    case "XlCommitTsSet":
      return `set ${timestamp(c.timestamp)}/${c.nodeid} for: ${[c.mainxid, ...c.subxids].join(", ")}`;
    case "XlReploriginSet":
      return `set ${c.nodeId}; lsn ${lsn(c.remoteLsn)}; force: ${Number(c.force)}`;
    case "XlReploriginDrop":
      return `drop ${c.nodeId}`;
    case "GenericXlog":
      return c.fragments.map(({ offset, length }) => `offset ${offset}, length ${length}`).join("; ");
    case "XlLogicalMessage": {
      if (!has.describesMessage) {
        return `${c.transactional ? "transactional" : "nontransactional"} message size ${c.message.length} bytes`;
      }
      const bytes = Array.from(c.message, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
      const kind = c.transactional ? "transactional" : "non-transactional";
      return `${kind}, prefix "${c.prefix}"; payload (${c.message.length} bytes): ${bytes}`;
    }
    default:
      return c satisfies never;
  }
}

/**
 * A record in a line, as pg_waldump has it, without the contents of tables and indexes.
 *
 * @param description The result of describeWalRecord for the record.
 * @source pg_waldump.c: XLogDumpDisplayRecord, xlogdesc.c: XLogRecGetBlockRefInfo
 */
export function formatWalRecord(record: WalRecord, description: WalDescription, options: WalServer): string {
  const server = serverOf(options);
  return converted(record, () => recordText(record, description, server));
}

function recordText(record: WalRecord, description: WalDescription, server: Server): string {
  const { resourceManager, operation } = description;
  const { length, xid, lsn, prev, blocks } = record;
  const withoutImages = length - imageBytes(record);
  const text = contentsText(record, description, server);
  const references = blocks.map(
    ({ id, fork, tablespace, database, relation, block, image }) =>
      `, blkref #${id}: rel ${tablespace}/${database}/${relation}${fork === "main" ? "" : ` fork ${fork}`} blk ${block}` +
      `${image === undefined ? "" : image.apply ? " FPW" : " FPW for WAL verification"}`,
  );
  return (
    `rmgr: ${resourceManager.padEnd(11)} len (rec/tot): ${pad(withoutImages, 6)}/${pad(length, 6)}, tx: ${pad(xid, 10)}, ` +
    `lsn: ${formatLsn(lsn, { server: PADDED })}, prev ${formatLsn(prev, { server: PADDED })}, desc: ${operation} ${text}${references.join("")}`
  );
}

/**
 * The pages that a record refers to, a line each, as `pg_waldump --bkp-details` has them behind the record's, without the tab.
 *
 * @source xlogdesc.c: XLogRecGetBlockRefInfo
 */
export function formatWalBlocks(record: WalRecord, options: WalServer): string[] {
  const { imageCompressionMethods } = walCapabilities.of(serverOf(options));
  return converted(record, () => blocksText(record, imageCompressionMethods));
}

function blocksText({ blocks }: WalRecord, imageCompressionMethods: boolean): string[] {
  return blocks.map(({ id, tablespace, database, relation, fork, block, image }) => {
    const where = `blkref #${id}: rel ${tablespace}/${database}/${relation} fork ${fork} blk ${block}`;
    if (image === undefined) return where;
    const { bytes, apply, holeOffset, holeLength, compression } = image;
    const hole = `hole: offset: ${holeOffset}, length: ${holeLength}`;
    const saved = `, compression saved: ${DEFAULT_BLOCK_SIZE - holeLength - bytes.length}`;
    const method = imageCompressionMethods ? `, method: ${compression}` : "";
    const packed = compression === "none" ? "" : `${saved}${method}`;
    return `${where} (FPW${apply ? "" : " for WAL verification"}); ${hole}${packed}`;
  });
}

/** pg_waldump has always printed positions as servers do from 19 on. */
const PADDED: Server = "19";

function pad(value: number, width: number): string {
  return String(value).padStart(width);
}

/**
 * How many bytes of a record are images of pages.
 *
 * @source xlogstats.c: XLogRecGetLen
 */
export function imageBytes({ blocks }: WalRecord): number {
  let bytes = 0;
  for (const { image } of blocks) bytes += image?.bytes.length ?? 0;
  return bytes;
}

/** rmgrlist.h */
const RM_CLOG_ID = 3;

/** A number without a word is "?" for PostgreSQL. */
function walLevel(value: string | number): string {
  return typeof value === "string" ? value : "?";
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}

const memberWords: Readonly<Record<string | number, string>> = {
  ForKeyShare: "keysh",
  ForShare: "sh",
  ForNoKeyUpdate: "fornokeyupd",
  ForUpdate: "forupd",
  NoKeyUpdate: "nokeyupd",
  Update: "upd",
};

function prepared(xid: number | undefined): string {
  return xid === undefined || xid === 0 ? "" : `${xid}: `;
}

type Commit = Extract<WalContents, { readonly type: "XlXactCommit" }>;

function rels(label: string, locators: Commit["rels"], server: Server): string {
  if (locators.length === 0) return "";
  return `; ${label}:${locators.map((locator) => ` ${relationPath(locator, "main", { server })}`).join("")}`;
}

function subxacts(xids: readonly number[]): string {
  return xids.length === 0 ? "" : `; subxacts:${xids.map((xid) => ` ${xid}`).join("")}`;
}

function stats(label: string, items: Commit["stats"]): string {
  if (items.length === 0) return "";
  return `; ${label}dropped stats:${items.map(({ kind, dboid, objid }) => ` ${kind}/${dboid}/${objid}`).join("")}`;
}

function origin(record: WalRecord, lsn: NonNullable<Commit["originLsn"]>, time: PgTime, server: Server): string {
  return `; origin: node ${record.origin ?? 0}, lsn ${formatLsn(lsn, { server })}, at ${timestamp(time)}`;
}

/** @source standbydesc.c: standby_desc_invalidations */
function invalidations(messages: Commit["msgs"], dbId: number, tsId: number, initFile: boolean): string {
  if (messages.length === 0) return "";
  const words = messages.map((message) => {
    switch (message.type) {
      case "Catcache":
        return ` catcache ${message.id}`;
      case "Catalog":
        return ` catalog ${message.catId}`;
      case "Relcache":
        return ` relcache ${message.relId}`;
      case "Smgr":
        return " smgr";
      case "Relmap":
        return ` relmap db ${message.dbId}`;
      case "Snapshot":
        return ` snapshot ${message.relId}`;
      case "RelSync":
        return ` relsync ${message.relid}`;
      default:
        return ` unrecognized id ${message.id}`;
    }
  });
  const file = initFile ? `; relcache init file inval dbid ${dbId} tsid ${tsId}` : "";
  return `${file}; inval msgs:${words.join("")}`;
}

/** pg_tablespace.dat */
const DEFAULTTABLESPACE_OID = 1663;
const GLOBALTABLESPACE_OID = 1664;

/**
 * The path of a relation's file, from the data directory.
 *
 * @source relpath.c: GetRelationPath
 */
export function relationPath(
  { spcOid, dbOid, relNumber }: Commit["rels"][number],
  fork: string | number,
  { server }: WalServer,
): string {
  const file = fork === "main" ? String(relNumber) : `${relNumber}_${fork}`;
  if (spcOid === GLOBALTABLESPACE_OID) return `global/${file}`;
  if (spcOid === DEFAULTTABLESPACE_OID) return `base/${dbOid}/${file}`;
  return `pg_tblspc/${spcOid}/${tablespaceVersionDirectory(server) ?? "PG_?"}/${dbOid}/${file}`;
}

/** Microseconds in a second, and in the 400 years after which the calendar comes round. */
const SECOND = 1_000_000n;
const CYCLE = 146_097n * 86_400n * SECOND;

/** Milliseconds from 1970 to 2000. */
const EPOCH = Date.UTC(2000, 0, 1);

/**
 * A time as pg_waldump prints it where the time zone is UTC.
 *
 * @source pg_waldump/compat.c: timestamptz_to_str, which cuts towards 2000, so that times before that have a sign in their fraction
 */
function timestamp(time: PgTime): string {
  // A Date holds 270,000 years only, which is fewer than a TimestampTz.
  const cycles = time / CYCLE;
  const within = time - cycles * CYCLE;
  const date = new Date(EPOCH + Number(within / SECOND) * 1000);
  const year = date.getUTCFullYear() + Number(cycles) * 400;
  const rest = date.toISOString().slice(-20, -5).replace("T", " ");
  const fraction = Number(time % SECOND);
  const digits = `${fraction < 0 ? "-" : ""}${String(Math.abs(fraction)).padStart(fraction < 0 ? 5 : 6, "0")}`;
  return `${year}${rest}.${digits} UTC`;
}
