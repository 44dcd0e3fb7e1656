/** Which records `walwire wal` shows: the filters of pg_waldump, with their meaning there. */
import type { Lsn } from "../../../kernel/lsn.ts";
import { RECORD_HEADER, RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "../../../wal/constants.ts";
import type { WalFork, WalRecord } from "../../../wal/record.ts";
import { walResourceManagerNames } from "../../../wal/rmgr.ts";
import { UsageError } from "../shared/usage.ts";
import type { WalCall } from "./declaration.ts";
import type { Found } from "./records.ts";

export interface Filter {
  readonly start: Lsn | undefined;
  readonly xid: number | undefined;
  /** Names of resource managers in lower case; empty: all. */
  readonly managers: ReadonlySet<string>;
  readonly relation: readonly [tablespace: number, database: number, relation: number] | undefined;
  readonly block: number | undefined;
  readonly fork: WalFork | undefined;
  readonly fullPage: boolean;
}

/** @throws UsageError with pg_waldump's words. */
export function filterOf({ start, xid, rmgr, relation, block, fork, fullpage }: WalCall["options"]): Filter {
  const known = new Set(walResourceManagerNames().map((name) => name.toLowerCase()));
  for (const name of rmgr) {
    if (known.has(name.toLowerCase()) || isCustom(name)) continue;
    throw new UsageError(`unrecognized resource manager: "${name}". --rmgr list prints all`);
  }
  return {
    start,
    xid,
    managers: new Set(rmgr.map((name) => name.toLowerCase())),
    relation: relation === undefined ? undefined : relationOf(relation),
    block,
    fork,
    fullPage: fullpage,
  };
}

/** rmgr.h: RM_MIN_CUSTOM_ID */
function isCustom(name: string): boolean {
  const digits = /^custom(\d{3})$/i.exec(name)?.[1];
  return digits !== undefined && Number(digits) >= 128 && Number(digits) <= 255;
}

function relationOf(text: string): [number, number, number] {
  const parts = /^(\d{1,10})\/(\d{1,10})\/(\d{1,10})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 0xffffffff)) {
    throw new UsageError(
      `invalid relation specification: "${text}". Expecting "tablespace OID/database OID/relation filenode".`,
    );
  }
  return parts as [number, number, number];
}

/** Is the record one of those that are asked for? @source pg_waldump.c: main, XLogRecordMatchesRelationBlock */
export function matches({ record, description }: Found, filter: Filter): boolean {
  const { start, xid, managers, fullPage } = filter;
  if (start !== undefined && record.lsn < start) return false;
  if (xid !== undefined && record.xid !== xid) return false;
  if (managers.size > 0 && !managers.has(description.resourceManager.toLowerCase())) return false;
  if (fullPage && !record.blocks.some(({ image }) => image !== undefined)) return false;
  return matchesBlock(record, filter);
}

function matchesBlock({ blocks }: WalRecord, { relation, block, fork }: Filter): boolean {
  if (relation === undefined && fork === undefined) return true;
  return blocks.some(
    (each) =>
      (fork === undefined || each.fork === fork) &&
      (relation === undefined ||
        (each.tablespace === relation[0] && each.database === relation[1] && each.relation === relation[2])) &&
      (block === undefined || each.block === block),
  );
}

/** Does the record end behind this position? pg_waldump does not read it then. */
export function endsBehind({ lsn, end, length, rmid, info }: WalRecord, position: Lsn): boolean {
  // XLOG_SWITCH extends to the end of its segment; what counts is the end of its bytes.
  const isSwitch = rmid === RM_XLOG_ID && (info & RMGR_INFO_MASK) === XLOG_SWITCH;
  return isSwitch ? lsn + BigInt(RECORD_HEADER) > position : end - BigInt(-length & 7) > position;
}
