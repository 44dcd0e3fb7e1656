/**
 * Main data whose bytes a description alone cannot give: parts that depend on a bit of another field, several lists one after the other,
 * text among numbers. The values are described; each has a handwritten reader.
 *
 * @source xactdesc.c: ParseCommitRecord, ParseAbortRecord, ParsePrepareRecord; what rm_desc of the resource managers reads
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { readXlXactPrepare } from "../generated/wal.ts";
import { readCString } from "../wire/cstring.ts";
import type { NativeReader } from "../wire/native.ts";
import {
  bool,
  counted,
  cstring,
  type Infer,
  i32,
  i64,
  list,
  lsn,
  oid,
  record,
  time,
  u16,
  u32,
  u64,
  variants,
  when,
  xid,
} from "../wire/shape.ts";
import { decodeText } from "../wire/text.ts";
import type { WalRecordCapabilities } from "./capabilities.ts";
import { relFileLocator } from "./structs.ts";

type RelFileLocator = Infer<typeof relFileLocator>;

const statsItem = record(
  "XlXactStatsItem",
  {
    kind: i32("The kind of object, a PgStat_Kind."),
    dboid: oid("Its database, 0 for what all share."),
    objid: u64("The object; before 18 its oid."),
  },
  "Cumulative statistics of an object.",
);
type StatsItem = Infer<typeof statsItem>;

/** The keys say nothing here: it is the number at the head of each that decides. */
const invalidationMessage = variants(
  "SharedInvalidationMessage",
  {
    c: {
      type: "Catcache",
      doc: "A row of a catalog's cache.",
      fields: {
        id: i32("The cache."),
        dbId: oid("The database, 0 for what all share."),
        hashValue: u32("The hash of the row's key."),
      },
    },
    a: {
      type: "Catalog",
      doc: "All rows of a catalog.",
      fields: { dbId: oid("The database, 0 for what all share."), catId: oid("The catalog.") },
    },
    r: {
      type: "Relcache",
      doc: "A relation.",
      fields: { dbId: oid("The database, 0 for what all share."), relId: oid("The relation, 0 for all.") },
    },
    s: {
      type: "Smgr",
      doc: "A relation's files.",
      fields: { backend: i32("Whose temporary table it is, -1 for none."), rlocator: relFileLocator },
    },
    m: {
      type: "Relmap",
      doc: "The map of the catalogs' files.",
      fields: { dbId: oid("The database, 0 for what all share.") },
    },
    n: {
      type: "Snapshot",
      doc: "Snapshots of a catalog.",
      fields: { dbId: oid("The database, 0 for what all share."), relId: oid("The catalog.") },
    },
    y: {
      type: "RelSync",
      doc: "What logical replication knows of a relation (18 and later).",
      fields: { dbId: oid("The database."), relid: oid("The relation, 0 for all.") },
    },
    u: {
      type: "Unknown",
      doc: "A kind that PostgreSQL has not.",
      fields: { id: i32("Its number."), bytes: counted("All of it.") },
    },
  },
  "What other sessions must not remember any more.",
);
type InvalidationMessage = Infer<typeof invalidationMessage>;

const invalidations = list("elsewhere", invalidationMessage, "What other sessions must not remember.");
const rels = (doc: string) => list("elsewhere", relFileLocator, doc);
const subxacts = list("elsewhere", xid("One."), "Its subtransactions, without those that were rolled back before.");
const stats = (doc: string) => list("elsewhere", statsItem, doc);

const ends = {
  xactTime: time("When."),
  xinfo: u32("Bits for the parts that are present; 0 for none."),
  dbId: when("XACT_XINFO_HAS_DBINFO", oid(""), "The database."),
  tsId: when("XACT_XINFO_HAS_DBINFO", oid(""), "Its tablespace."),
  subxacts,
  rels: rels("Relations whose files go."),
  stats: stats("Statistics that go (15 and later)."),
};
const endsToo = {
  twophaseXid: when(
    "XACT_XINFO_HAS_TWOPHASE",
    xid(""),
    "The transaction, if it was prepared: the record's own xid is another.",
  ),
  twophaseGid: when("XACT_XINFO_HAS_GID", cstring(""), "The name under which it was prepared (11 and later)."),
  originLsn: when("XACT_XINFO_HAS_ORIGIN", lsn(""), "Where its commit is at its replication origin."),
  originTimestamp: when("XACT_XINFO_HAS_ORIGIN", time(""), "When it was committed there."),
};

/** The values, for their types, for JSON and for the reference. */
export const variableValues = {
  XlXactCommit: record(
    "XlXactCommit",
    {
      ...ends,
      msgs: invalidations,
      ...endsToo,
      relcacheInitFileInval: bool("The file of the relation cache goes."),
      applyFeedback: bool("synchronous_commit is remote_apply."),
      forceSyncCommit: bool("It was flushed whatever synchronous_commit is."),
      hasAELocks: bool("It held locks that standbys know."),
    },
    "A transaction is committed.",
  ),
  XlXactAbort: record(
    "XlXactAbort",
    { ...ends, ...endsToo, hasAELocks: bool("It held locks that standbys know.") },
    "A transaction is rolled back.",
  ),
  XlXactPrepare: record(
    "XlXactPrepare",
    {
      magic: u32("The format of the file."),
      totalLen: u32("The size of the file, in bytes."),
      xid: xid("The transaction."),
      database: oid("Its database."),
      preparedAt: time("When."),
      owner: oid("Whose it is."),
      gid: cstring("Its name."),
      subxacts,
      commitrels: rels("Relations whose files go with a commit."),
      abortrels: rels("Relations whose files go with an abort."),
      commitstats: stats("Statistics that go with a commit (15 and later)."),
      abortstats: stats("Statistics that go with an abort (15 and later)."),
      invalmsgs: invalidations,
      initfileinval: bool("The file of the relation cache goes with a commit."),
      originLsn: when(
        "prepareOrigin",
        lsn(""),
        "Where it is at its replication origin, 0 if it has none (11 and later).",
      ),
      originTimestamp: when("prepareOrigin", time(""), "When it was prepared there."),
    },
    "A transaction is prepared. What the resource managers keep for it is left over.",
  ),
  XlXactInvals: record("XlXactInvals", { msgs: invalidations }, "What a command of a transaction makes others forget."),
  XlInvalidations: record(
    "XlInvalidations",
    {
      dbId: oid("The database."),
      tsId: oid("Its tablespace."),
      relcacheInitFileInval: bool("The file of the relation cache goes."),
      msgs: invalidations,
    },
    "What others must forget, without a transaction.",
  ),
  XlRestorePoint: record(
    "XlRestorePoint",
    { rpTime: time("When."), rpName: cstring("Its name.") },
    "A point for recovery to stop at, by name.",
  ),
  XlLogicalMessage: record(
    "XlLogicalMessage",
    {
      dbId: oid("The database."),
      transactional: bool("Is it a part of its transaction?"),
      prefix: cstring("By which readers know theirs."),
      message: counted("The message."),
    },
    "What pg_logical_emit_message was given.",
  ),
  XlDbaseDropRec: record(
    "XlDbaseDropRec",
    {
      dbId: oid("The database."),
      tablespaceIds: list("elsewhere", oid("One."), "The tablespaces that it has files in."),
    },
    "A database is dropped, or moved out of a tablespace.",
  ),
  XlTblspcCreateRec: record(
    "XlTblspcCreateRec",
    { tsId: oid("Its oid."), tsPath: cstring("The directory.") },
    "A tablespace is made.",
  ),
  XlCommitTsSet: record(
    "XlCommitTsSet",
    {
      timestamp: time("When they were committed."),
      nodeid: u16("At which replication origin."),
      mainxid: xid("The transaction."),
      subxids: list("elsewhere", xid("One."), "Its subtransactions."),
    },
    "Commit timestamps by themselves (to 13).",
  ),
  ZeroPage: record(
    "ZeroPage",
    { pageno: i64("Its number.") },
    "A page of zeros is put to what transactions became of.",
  ),
  XlClogTruncate: record(
    "XlClogTruncate",
    {
      pageno: i64("The first page that stays."),
      oldestXact: xid("The oldest transaction that is known."),
      oldestXactDb: oid("The database which has it."),
    },
    "What became of old transactions is forgotten.",
  ),
  XlCommitTsTruncate: record(
    "XlCommitTsTruncate",
    { pageno: i64("The first page that stays."), oldestXid: xid("The oldest transaction that is known.") },
    "Commit timestamps of old transactions are forgotten.",
  ),
  XlSeqRec: record("XlSeqRec", { locator: relFileLocator }, "A sequence has a new row, which is left over."),
  GenericXlog: record(
    "GenericXlog",
    {
      fragments: list(
        "elsewhere",
        record(
          "GenericFragment",
          { offset: u16("The offset in the page."), length: u16("The length, in bytes.") },
          "One.",
        ),
        "Parts of pages.",
      ),
    },
    "Changes of an extension's pages.",
  ),
} as const;

type VariableValues = typeof variableValues;
export type VariableContents = {
  [K in keyof VariableValues]: { readonly type: K } & Infer<VariableValues[K]>;
}[keyof VariableValues];
type Contents<K extends keyof VariableValues> = Extract<VariableContents, { readonly type: K }>;

/** xact.h: what is in xinfo. */
const HAS_DBINFO = 1 << 0;
const HAS_SUBXACTS = 1 << 1;
const HAS_RELFILELOCATORS = 1 << 2;
const HAS_INVALS = 1 << 3;
const HAS_TWOPHASE = 1 << 4;
const HAS_ORIGIN = 1 << 5;
const HAS_AE_LOCKS = 1 << 6;
const HAS_GID = 1 << 7;
const HAS_DROPPED_STATS = 1 << 8;
const APPLY_FEEDBACK = 1 << 29;
const UPDATE_RELCACHE_FILE = 1 << 30;
const FORCE_SYNC_COMMIT = 1 << 31;

/** xact.h: XLOG_XACT_HAS_INFO, in the info byte. */
const HAS_INFO = 0x80;

/** What a reader by hand gets: the bytes, what the server's version has, and the info byte. */
type Read<K extends keyof VariableValues> = (r: NativeReader, has: WalRecordCapabilities, info: number) => Contents<K>;

export const readXactCommit: Read<"XlXactCommit"> = (r, has, info) => {
  const { head, xinfo } = readEnds(r, has, info, "XlXactCommit");
  const msgs = xinfo & HAS_INVALS ? readInvalidations(r, readCount(r, "XlXactCommit.msgs"), "XlXactCommit.msgs") : [];
  return {
    type: "XlXactCommit",
    ...head,
    msgs,
    ...readEndsToo(r, has, xinfo, "XlXactCommit"),
    relcacheInitFileInval: (xinfo & UPDATE_RELCACHE_FILE) !== 0,
    applyFeedback: (xinfo & APPLY_FEEDBACK) !== 0,
    forceSyncCommit: (xinfo & FORCE_SYNC_COMMIT) !== 0,
    hasAELocks: (xinfo & HAS_AE_LOCKS) !== 0,
  };
};

export const readXactAbort: Read<"XlXactAbort"> = (r, has, info) => {
  const { head, xinfo } = readEnds(r, has, info, "XlXactAbort");
  const tail = readEndsToo(r, has, xinfo, "XlXactAbort");
  return { type: "XlXactAbort", ...head, ...tail, hasAELocks: (xinfo & HAS_AE_LOCKS) !== 0 };
};

/** What commits and aborts begin with. */
function readEnds(r: NativeReader, has: WalRecordCapabilities, info: number, path: string) {
  const abortsOf10 = path === "XlXactAbort" && !has.prepareOrigin;
  const xactTime = r.time(`${path}.xactTime`);
  const xinfo = info & HAS_INFO ? r.u32(`${path}.xinfo`) : 0;
  const withDatabase = (xinfo & HAS_DBINFO) !== 0 && !abortsOf10;
  const dbId = withDatabase ? r.u32(`${path}.dbId`) : undefined;
  const tsId = withDatabase ? r.u32(`${path}.tsId`) : undefined;
  const subxacts = xinfo & HAS_SUBXACTS ? readXids(r, readCount(r, `${path}.subxacts`), `${path}.subxacts`) : [];
  const rels = xinfo & HAS_RELFILELOCATORS ? readRels(r, readCount(r, `${path}.rels`), `${path}.rels`) : [];
  const stats =
    xinfo & HAS_DROPPED_STATS && has.droppedStats
      ? readStats(r, has, readCount(r, `${path}.stats`), `${path}.stats`)
      : [];
  return { head: { xactTime, xinfo, dbId, tsId, subxacts, rels, stats }, xinfo };
}

/** What they end with. */
function readEndsToo(r: NativeReader, has: WalRecordCapabilities, xinfo: number, path: string) {
  const twophaseXid = xinfo & HAS_TWOPHASE ? r.u32(`${path}.twophaseXid`) : undefined;
  const withGid = (xinfo & HAS_TWOPHASE) !== 0 && (xinfo & HAS_GID) !== 0 && has.prepareOrigin;
  const twophaseGid = withGid ? readCString(r, `${path}.twophaseGid`) : undefined;
  const withOrigin = (xinfo & HAS_ORIGIN) !== 0 && (path === "XlXactCommit" || has.prepareOrigin);
  // Behind the name nothing is aligned.
  r.begin();
  const originLsn = withOrigin ? r.lsn(`${path}.originLsn`) : undefined;
  const originTimestamp = withOrigin ? r.time(`${path}.originTimestamp`) : undefined;
  return { twophaseXid, twophaseGid, originLsn, originTimestamp };
}

/** Each part of it stands at a multiple of 8, whatever its size. */
export const readXactPrepare: Read<"XlXactPrepare"> = (r, has) => {
  const path = "XlXactPrepare";
  const head = readXlXactPrepare(r, has);
  const aligned = () => r.align(8, path);
  aligned();
  const start = r.skip(head.gidlen, `${path}.gid`);
  // strncpy: up to its zero.
  const zero = r.bytes.subarray(start, r.offset).indexOf(0);
  const gid = decodeText(r.bytes, start, zero === -1 ? r.offset : start + zero);
  aligned();
  const subxacts = readXids(r, sizeOf(r, head.nsubxacts, `${path}.nsubxacts`), `${path}.subxacts`);
  aligned();
  const commitrels = readRels(r, sizeOf(r, head.ncommitrels, `${path}.ncommitrels`), `${path}.commitrels`);
  aligned();
  const abortrels = readRels(r, sizeOf(r, head.nabortrels, `${path}.nabortrels`), `${path}.abortrels`);
  aligned();
  const commitstats = readStats(
    r,
    has,
    sizeOf(r, head.ncommitstats ?? 0, `${path}.ncommitstats`),
    `${path}.commitstats`,
  );
  aligned();
  const abortstats = readStats(r, has, sizeOf(r, head.nabortstats ?? 0, `${path}.nabortstats`), `${path}.abortstats`);
  aligned();
  const invalmsgs = readInvalidations(r, sizeOf(r, head.ninvalmsgs, `${path}.ninvalmsgs`), `${path}.invalmsgs`);
  const { magic, totalLen, xid, database, preparedAt, owner, initfileinval, originLsn, originTimestamp } = head;
  return {
    type: "XlXactPrepare",
    ...{
      magic,
      totalLen,
      xid,
      database,
      preparedAt,
      owner,
      gid,
      subxacts,
      commitrels,
      abortrels,
      commitstats,
      abortstats,
    },
    ...{ invalmsgs, initfileinval, originLsn, originTimestamp },
  };
};

export const readXactInvals: Read<"XlXactInvals"> = (r) => ({
  type: "XlXactInvals",
  msgs: readInvalidations(r, readCount(r, "XlXactInvals.msgs"), "XlXactInvals.msgs"),
});

export const readStandbyInvalidations: Read<"XlInvalidations"> = (r) => {
  const path = "XlInvalidations";
  const dbId = r.u32(`${path}.dbId`);
  const tsId = r.u32(`${path}.tsId`);
  const relcacheInitFileInval = readBool(r, `${path}.relcacheInitFileInval`);
  const msgs = readInvalidations(r, readCount(r, `${path}.msgs`), `${path}.msgs`);
  return { type: "XlInvalidations", dbId, tsId, relcacheInitFileInval, msgs };
};

/** xlog_internal.h: MAXFNAMELEN */
const MAX_NAME = 64;

export const readRestorePoint: Read<"XlRestorePoint"> = (r) => {
  const rpTime = r.time("XlRestorePoint.rpTime");
  const start = r.skip(MAX_NAME, "XlRestorePoint.rpName");
  // Behind its zero is whatever was in memory: XLogRestorePoint does not clear it.
  const zero = r.bytes.subarray(start, r.offset).indexOf(0);
  const rpName = decodeText(r.bytes, start, zero === -1 ? r.offset : start + zero);
  return { type: "XlRestorePoint", rpTime, rpName };
};

export const readLogicalMessage: Read<"XlLogicalMessage"> = (r) => {
  const path = "XlLogicalMessage";
  const dbId = r.u32(`${path}.dbId`);
  const transactional = readBool(r, `${path}.transactional`);
  const prefixSize = readSize(r, `${path}.prefixSize`);
  const messageSize = readSize(r, `${path}.messageSize`);
  const prefixStart = r.skip(prefixSize, `${path}.prefix`);
  const messageStart = r.skip(messageSize, `${path}.message`);
  const zero = r.bytes.subarray(prefixStart, messageStart).indexOf(0);
  const prefix = decodeText(r.bytes, prefixStart, zero === -1 ? messageStart : prefixStart + zero);
  return {
    type: "XlLogicalMessage",
    dbId,
    transactional,
    prefix,
    message: r.bytes.subarray(messageStart, messageStart + messageSize),
  };
};

export const readDbaseDrop: Read<"XlDbaseDropRec"> = (r, has) => {
  const path = "XlDbaseDropRec";
  const dbId = r.u32(`${path}.dbId`);
  const count = has.dropTablespaces ? readCount(r, `${path}.tablespaceIds`) : 1;
  return { type: "XlDbaseDropRec", dbId, tablespaceIds: readXids(r, count, `${path}.tablespaceIds`) };
};

export const readTblspcCreate: Read<"XlTblspcCreateRec"> = (r) => ({
  type: "XlTblspcCreateRec",
  tsId: r.u32("XlTblspcCreateRec.tsId"),
  tsPath: readCString(r, "XlTblspcCreateRec.tsPath"),
});

export const readCommitTsSet: Read<"XlCommitTsSet"> = (r) => {
  const path = "XlCommitTsSet";
  const timestamp = r.time(`${path}.timestamp`);
  const nodeid = r.u16(`${path}.nodeid`);
  const mainxid = r.u32(`${path}.mainxid`);
  const subxids = readXids(r, (r.length - r.offset) >> 2, `${path}.subxids`);
  return { type: "XlCommitTsSet", timestamp, nodeid, mainxid, subxids };
};

export const readZeroPage: Read<"ZeroPage"> = (r, has) => ({
  type: "ZeroPage",
  pageno: readPageno(r, has, "ZeroPage.pageno"),
});

export const readClogTruncate: Read<"XlClogTruncate"> = (r, has) => ({
  type: "XlClogTruncate",
  pageno: readPageno(r, has, "XlClogTruncate.pageno"),
  oldestXact: r.u32("XlClogTruncate.oldestXact"),
  oldestXactDb: r.u32("XlClogTruncate.oldestXactDb"),
});

export const readCommitTsTruncate: Read<"XlCommitTsTruncate"> = (r, has) => ({
  type: "XlCommitTsTruncate",
  pageno: readPageno(r, has, "XlCommitTsTruncate.pageno"),
  oldestXid: r.u32("XlCommitTsTruncate.oldestXid"),
});

export const readSequence: Read<"XlSeqRec"> = (r) => ({
  type: "XlSeqRec",
  locator: readRels(r, 1, "XlSeqRec.locator")[0]!,
});

/** A length is behind each, then as many bytes, which only replay reads: the data of the pages says the same. */
export const readGeneric: Read<"GenericXlog"> = (r) => {
  const path = "GenericXlog.fragments";
  const fragments: { readonly offset: number; readonly length: number }[] = [];
  while (r.offset < r.length) {
    r.begin();
    const i = fragments.length;
    const fragment = { offset: r.u16(path, i, ".offset"), length: r.u16(path, i, ".length") };
    r.skip(fragment.length, path, i);
    fragments.push(fragment);
  }
  return { type: "GenericXlog", fragments };
};

// ---- Parts ----

function readPageno(r: NativeReader, has: WalRecordCapabilities, path: string): bigint {
  return has.slruPages64 ? r.i64(path) : BigInt(r.i32(path));
}

/** A bool of C, of which some bytes are neither false nor true, but for PostgreSQL all but 0 are true. */
function readBool(r: NativeReader, path: string): boolean {
  return r.u8(path) !== 0;
}

/** A number of elements, an int. */
function readCount(r: NativeReader, path: string): number {
  return sizeOf(r, r.i32(path), path);
}

function sizeOf(r: NativeReader, count: number, path: string): number {
  if (count < 0) r.fail("BAD_LENGTH", r.offset, `cannot be ${count} elements`, path);
  return count;
}

/** A Size of bytes. */
function readSize(r: NativeReader, path: string): number {
  const size = r.u64(path);
  if (size > BigInt(r.length)) r.fail("BAD_LENGTH", r.offset - 8, `cannot be ${size} bytes`, path);
  return Number(size);
}

function readXids(r: NativeReader, count: number, path: string): number[] {
  const xids: number[] = [];
  for (let i = 0; i < count; i++) xids.push(r.u32(path, i));
  return xids;
}

function readRels(r: NativeReader, count: number, path: string): RelFileLocator[] {
  const rels: RelFileLocator[] = [];
  for (let i = 0; i < count; i++) {
    rels.push({
      spcOid: r.u32(path, i, ".spcOid"),
      dbOid: r.u32(path, i, ".dbOid"),
      relNumber: r.u32(path, i, ".relNumber"),
    });
  }
  return rels;
}

function readStats(r: NativeReader, has: WalRecordCapabilities, count: number, path: string): StatsItem[] {
  const items: StatsItem[] = [];
  for (let i = 0; i < count; i++) {
    const kind = r.i32(path, i, ".kind");
    const dboid = r.u32(path, i, ".dboid");
    // Two numbers of 32 bits, the lower half first: the parts of a commit are aligned to 4 only.
    const low = BigInt(r.u32(path, i, ".objid"));
    const high = has.statsObjectId64 ? BigInt(r.u32(path, i, ".objid")) : 0n;
    items.push({ kind, dboid, objid: (high << 32n) | low });
  }
  return items;
}

/** sinval.h: the size of the union. */
const INVALIDATION_BYTES = 16;

function readInvalidations(r: NativeReader, count: number, path: string): InvalidationMessage[] {
  const messages: InvalidationMessage[] = [];
  for (let i = 0; i < count; i++) {
    r.align(4, path, i);
    const at = r.skip(INVALIDATION_BYTES, path, i);
    messages.push(invalidationAt(r.bytes.subarray(at, at + INVALIDATION_BYTES)));
  }
  return messages;
}

/** sinval.h: SharedInvalidationMessage; what comes first is a number with its sign. */
function invalidationAt(bytes: Uint8Array): InvalidationMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const id = view.getInt8(0);
  const dbId = view.getUint32(4, true);
  const second = view.getUint32(8, true);
  if (id >= 0) return { type: "Catcache", id, dbId, hashValue: second };
  switch (id) {
    case -1:
      return { type: "Catalog", dbId, catId: second };
    case -2:
      return { type: "Relcache", dbId, relId: second };
    case -3:
      return {
        type: "Smgr",
        backend: (view.getInt8(1) << 16) | view.getUint16(2, true),
        rlocator: { spcOid: dbId, dbOid: second, relNumber: view.getUint32(12, true) },
      };
    case -4:
      return { type: "Relmap", dbId };
    case -5:
      return { type: "Snapshot", dbId, relId: second };
    case -6:
      return { type: "RelSync", dbId, relid: second };
    default:
      return { type: "Unknown", id, bytes };
  }
}
