/**
 * Resource managers and their operations: what the numbers in a record's header are called.
 *
 * The numbers of resource managers never change their meaning; those of operations do, from one version to another.
 *
 * @source rmgrlist.h; the functions rm_identify in rmgrdesc
 */

import type { Server } from "../kernel/version.ts";
import { type WalRecordCapabilities, walRecordCapabilities } from "./capabilities.ts";
import { serverOf, type WalServer } from "./format.ts";
import { checkKind } from "./record.ts";

type Name = keyof WalRecordCapabilities;

/** From a version on, or up to one: the capability that it came with, and the one with which it went. */
interface Versions {
  readonly since?: Name;
  readonly until?: Name;
}

/** The operations by the upper bits of the info byte, with their names. */
type Operation = readonly [info: number, name: string, versions?: Versions];

interface ResourceManager extends Versions {
  readonly name: string;
  /** The bits of the info byte that rm_identify looks at; 0xf0 where it is not said. */
  readonly mask?: number;
  readonly operations: readonly Operation[];
}

/** By number. */
const managers: readonly ResourceManager[] = [
  {
    name: "XLOG",
    operations: [
      [0x00, "CHECKPOINT_SHUTDOWN"],
      [0x10, "CHECKPOINT_ONLINE"],
      [0x20, "NOOP"],
      [0x30, "NEXTOID"],
      [0x40, "SWITCH"],
      [0x50, "BACKUP_END"],
      [0x60, "PARAMETER_CHANGE"],
      [0x70, "RESTORE_POINT"],
      [0x80, "FPW_CHANGE"],
      [0x90, "END_OF_RECOVERY"],
      [0xa0, "FPI_FOR_HINT"],
      [0xb0, "FPI"],
      [0xc0, "ASSIGN_LSN", { since: "assignLsn" }],
      // Minor versions of September 2021 brought it to all majors (commit ff9f111bce), and a major's WAL does not say its minor.
      [0xd0, "OVERWRITE_CONTRECORD"],
      [0xe0, "CHECKPOINT_REDO", { since: "checkpointRedo" }],
      [0xf0, "LOGICAL_DECODING_STATUS_CHANGE", { since: "logicalDecodingStatus" }],
    ],
  },
  {
    name: "Transaction",
    // XLOG_XACT_OPMASK: the uppermost bit is XLOG_XACT_HAS_INFO.
    mask: 0x70,
    operations: [
      [0x00, "COMMIT"],
      [0x10, "PREPARE"],
      [0x20, "ABORT"],
      [0x30, "COMMIT_PREPARED"],
      [0x40, "ABORT_PREPARED"],
      [0x50, "ASSIGNMENT"],
      [0x60, "INVALIDATION", { since: "commandInvalidations" }],
    ],
  },
  {
    name: "Storage",
    operations: [
      [0x10, "CREATE"],
      [0x20, "TRUNCATE"],
    ],
  },
  {
    name: "CLOG",
    operations: [
      [0x00, "ZEROPAGE"],
      [0x10, "TRUNCATE"],
    ],
  },
  {
    name: "Database",
    operations: [
      [0x00, "CREATE", { until: "databaseWalLog" }],
      [0x10, "DROP", { until: "databaseWalLog" }],
      [0x00, "CREATE_FILE_COPY", { since: "databaseWalLog" }],
      [0x10, "CREATE_WAL_LOG", { since: "databaseWalLog" }],
      [0x20, "DROP", { since: "databaseWalLog" }],
    ],
  },
  {
    name: "Tablespace",
    operations: [
      [0x00, "CREATE"],
      [0x10, "DROP"],
    ],
  },
  {
    name: "MultiXact",
    operations: [
      [0x00, "ZERO_OFF_PAGE"],
      [0x10, "ZERO_MEM_PAGE"],
      [0x20, "CREATE_ID"],
      [0x30, "TRUNCATE_ID"],
    ],
  },
  { name: "RelMap", operations: [[0x00, "UPDATE"]] },
  {
    name: "Standby",
    operations: [
      [0x00, "LOCK"],
      [0x10, "RUNNING_XACTS"],
      [0x20, "INVALIDATIONS"],
    ],
  },
  {
    name: "Heap2",
    operations: [
      [0x00, "REWRITE"],
      [0x10, "CLEAN", { until: "heapPrune" }],
      [0x20, "FREEZE_PAGE", { until: "heapPrune" }],
      [0x30, "CLEANUP_INFO", { until: "heapPrune" }],
      [0x10, "PRUNE", { since: "heapPrune", until: "heapPruneReasons" }],
      [0x20, "VACUUM", { since: "heapPrune", until: "heapPruneReasons" }],
      [0x30, "FREEZE_PAGE", { since: "heapPrune", until: "heapPruneReasons" }],
      [0x10, "PRUNE_ON_ACCESS", { since: "heapPruneReasons" }],
      [0x20, "PRUNE_VACUUM_SCAN", { since: "heapPruneReasons" }],
      [0x30, "PRUNE_VACUUM_CLEANUP", { since: "heapPruneReasons" }],
      [0x40, "VISIBLE", { until: "visibleWithPrune" }],
      [0x50, "MULTI_INSERT"],
      [0xd0, "MULTI_INSERT+INIT"],
      [0x60, "LOCK_UPDATED"],
      [0x70, "NEW_CID"],
    ],
  },
  {
    name: "Heap",
    operations: [
      [0x00, "INSERT"],
      [0x80, "INSERT+INIT"],
      [0x10, "DELETE"],
      [0x20, "UPDATE"],
      [0xa0, "UPDATE+INIT"],
      [0x30, "TRUNCATE", { since: "heapTruncate" }],
      [0x40, "HOT_UPDATE"],
      [0xc0, "HOT_UPDATE+INIT"],
      [0x50, "HEAP_CONFIRM"],
      [0x60, "LOCK"],
      [0x70, "INPLACE"],
    ],
  },
  {
    name: "Btree",
    operations: [
      [0x00, "INSERT_LEAF"],
      [0x10, "INSERT_UPPER"],
      [0x20, "INSERT_META"],
      [0x30, "SPLIT_L"],
      [0x40, "SPLIT_R"],
      [0x50, "SPLIT_L_ROOT", { until: "btreeHighKey" }],
      [0x60, "SPLIT_R_ROOT", { until: "btreeHighKey" }],
      [0x50, "SPLIT_L_HIGHKEY", { since: "btreeHighKey", until: "indexBuildInPages" }],
      [0x60, "SPLIT_R_HIGHKEY", { since: "btreeHighKey", until: "indexBuildInPages" }],
      [0x50, "INSERT_POST", { since: "btreeDeduplication" }],
      [0x60, "DEDUP", { since: "btreeDeduplication" }],
      [0x70, "DELETE"],
      [0x80, "UNLINK_PAGE"],
      [0x90, "UNLINK_PAGE_META"],
      [0xa0, "NEWROOT"],
      [0xb0, "MARK_PAGE_HALFDEAD"],
      [0xc0, "VACUUM"],
      [0xd0, "REUSE_PAGE"],
      [0xe0, "META_CLEANUP", { since: "btreeHighKey" }],
    ],
  },
  {
    name: "Hash",
    operations: [
      [0x00, "INIT_META_PAGE"],
      [0x10, "INIT_BITMAP_PAGE"],
      [0x20, "INSERT"],
      [0x30, "ADD_OVFL_PAGE"],
      [0x40, "SPLIT_ALLOCATE_PAGE"],
      [0x50, "SPLIT_PAGE"],
      [0x60, "SPLIT_COMPLETE"],
      [0x70, "MOVE_PAGE_CONTENTS"],
      [0x80, "SQUEEZE_PAGE"],
      [0x90, "DELETE"],
      [0xa0, "SPLIT_CLEANUP"],
      [0xb0, "UPDATE_META_PAGE"],
      [0xc0, "VACUUM_ONE_PAGE"],
    ],
  },
  {
    name: "Gin",
    operations: [
      [0x00, "CREATE_INDEX", { until: "indexBuildInPages" }],
      [0x10, "CREATE_PTREE"],
      [0x20, "INSERT"],
      [0x30, "SPLIT"],
      [0x40, "VACUUM_PAGE"],
      [0x50, "DELETE_PAGE"],
      [0x60, "UPDATE_META_PAGE"],
      [0x70, "INSERT_LISTPAGE"],
      [0x80, "DELETE_LISTPAGE"],
      [0x90, "VACUUM_DATA_LEAF_PAGE"],
    ],
  },
  {
    name: "Gist",
    operations: [
      [0x00, "PAGE_UPDATE"],
      [0x10, "DELETE", { since: "gistDelete" }],
      [0x20, "PAGE_REUSE", { since: "gistDelete" }],
      [0x30, "PAGE_SPLIT"],
      [0x50, "CREATE_INDEX", { until: "indexBuildInPages" }],
      [0x60, "PAGE_DELETE", { since: "gistDelete" }],
      [0x70, "ASSIGN_LSN", { since: "gistAssignLsn", until: "assignLsn" }],
    ],
  },
  { name: "Sequence", operations: [[0x00, "LOG"]] },
  {
    name: "SPGist",
    operations: [
      [0x00, "CREATE_INDEX", { until: "indexBuildInPages" }],
      [0x10, "ADD_LEAF"],
      [0x20, "MOVE_LEAFS"],
      [0x30, "ADD_NODE"],
      [0x40, "SPLIT_TUPLE"],
      [0x50, "PICKSPLIT"],
      [0x60, "VACUUM_LEAF"],
      [0x70, "VACUUM_ROOT"],
      [0x80, "VACUUM_REDIRECT"],
    ],
  },
  {
    name: "BRIN",
    operations: [
      [0x00, "CREATE_INDEX"],
      [0x10, "INSERT"],
      [0x90, "INSERT+INIT"],
      [0x20, "UPDATE"],
      [0xa0, "UPDATE+INIT"],
      [0x30, "SAMEPAGE_UPDATE"],
      [0x40, "REVMAP_EXTEND"],
      [0x50, "DESUMMARIZE"],
    ],
  },
  {
    name: "CommitTs",
    // commit_ts_identify and replorigin_identify look at the whole byte.
    mask: 0xff,
    operations: [
      [0x00, "ZEROPAGE"],
      [0x10, "TRUNCATE"],
      [0x20, "SETTS", { until: "commitTsFromCommits" }],
    ],
  },
  {
    name: "ReplicationOrigin",
    mask: 0xff,
    operations: [
      [0x00, "SET"],
      [0x10, "DROP"],
    ],
  },
  // generic_identify does not look at it at all.
  { name: "Generic", mask: 0x00, operations: [[0x00, "Generic"]] },
  { name: "LogicalMessage", operations: [[0x00, "MESSAGE"]] },
];

/** xlogrecord.h: XLR_INFO_MASK, the bits that are not the resource manager's. */
const INFO_MASK = 0x0f;

/** rmgr.h: RM_MIN_CUSTOM_ID; an extension's number is its own from 15 on, and no server had such before. */
const MIN_CUSTOM_ID = 128;

/** How the resource managers of a version are called, and their operations, by number and info byte. */
interface Names {
  readonly managers: readonly string[];
  readonly operations: readonly string[];
}

/**
 * The name of a resource manager, as pg_waldump has it: `Heap`, or `custom128` for one of an extension.
 *
 * @param rmid A record's number, 0 to 255; `unknown23` for one that no such version has.
 * @source rmgrlist.h, rmgrdesc.c: GetRmgrDesc
 * @example walResourceManager(10, { server: "15" }) // "Heap"
 */
export function walResourceManager(rmid: number, options: WalServer): string {
  const { managers } = namesOf(serverOf(options));
  return (typeof rmid === "number" ? managers[rmid] : undefined) ?? "unknown";
}

/** The names of all resource managers that any version has, but for those of extensions. */
export function walResourceManagerNames(): readonly string[] {
  return managers.map(({ name }) => name);
}

/**
 * The name of a record's operation, as pg_waldump has it: `INSERT+INIT`, or `UNKNOWN (f0)` where the version has none of it.
 *
 * @param record Its resource manager's number and its info byte.
 * @source the functions rm_identify, pg_waldump.c: XLogDumpDisplayRecord
 * @example walOperation({ rmid: 9, info: 0x10 }, { server: "13" }) // "CLEAN"
 * @example walOperation({ rmid: 9, info: 0x10 }, { server: "17" }) // "PRUNE_ON_ACCESS"
 */
export function walOperation(record: { readonly rmid: number; readonly info: number }, options: WalServer): string {
  checkKind(record);
  return namesOf(serverOf(options)).operations[record.rmid * 256 + record.info] ?? "UNKNOWN";
}

/** Records come by the million, and a version's tables are made once: each record is three look-ups. */
const known = new WeakMap<WalRecordCapabilities, Names>();

function namesOf(server: Server): Names {
  const has = walRecordCapabilities.of(server);
  let names = known.get(has);
  if (names === undefined) {
    names = makeNames(has);
    known.set(has, names);
  }
  return names;
}

function makeNames(has: WalRecordCapabilities): Names {
  const there = ({ since, until }: Versions) =>
    (since === undefined || has[since]) && (until === undefined || !has[until]);
  const names = { managers: [] as string[], operations: [] as string[] };
  for (let rmid = 0; rmid < 256; rmid++) {
    const row = managers[rmid];
    const manager = row !== undefined && there(row) ? row : undefined;
    names.managers.push(
      manager?.name ?? `${rmid < MIN_CUSTOM_ID ? "unknown" : "custom"}${String(rmid).padStart(3, "0")}`,
    );
    const operations = new Map(
      manager?.operations
        .filter(([, , versions]) => versions === undefined || there(versions))
        .map(([info, name]) => [info, name]),
    );
    for (let info = 0; info < 256; info++) {
      const name = operations.get(info & (manager?.mask ?? ~INFO_MASK));
      names.operations.push(name ?? `UNKNOWN (${(info & ~INFO_MASK & 0xff).toString(16)})`);
    }
  }
  return names;
}
