/** What a slot is and what it holds back, in words. */
import type { ReplicationSlotPersistentData } from "../generated/files.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { defaultSegmentSize, segmentName } from "../kernel/wal-names.ts";
import { formatBytes } from "../kernel/words.ts";
import { checkLsn, checkText, checkUint32 } from "./arguments.ts";
import { slotInvalidation } from "./slot-state.ts";

/** What is known of the server of the slot. */
export interface ExplainSlotOptions {
  /** How far the server's WAL goes: then it is said how much of it the slot holds back. */
  readonly walEnd?: Lsn | undefined;
  /** Of a segment of WAL, in bytes. Default: 16 MB. */
  readonly segmentSize?: number | undefined;
  /** The server's timeline, with which names of segments begin. Default: a star stands for it, as shells have it. */
  readonly timeline?: number | undefined;
  /** In whose form positions are written. */
  readonly server?: Server | undefined;
}

/**
 * What a slot is, what it holds back, whether it is lost and what to do then: a sentence each.
 *
 * @param slot As decodeSlotState has it in `slotdata`.
 * @throws ArgumentError for another value, and if a segment cannot have this size.
 * @example explainSlot({ name: "s", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0, restartLsn: parseLsn("0/3000028"), confirmedFlush: invalidLsn, plugin: "" })[1] // "It holds back WAL from 0/3000028 on, in pg_wal/*0000000000000003 and all after it."
 */
export function explainSlot(slot: ReplicationSlotPersistentData, options: ExplainSlotOptions = {}): readonly string[] {
  checkOptions(options, ["walEnd", "segmentSize", "timeline", "server"]);
  if (options.walEnd !== undefined) checkLsn("options.walEnd", options.walEnd);
  if (options.timeline !== undefined) checkUint32("options.timeline", options.timeline);
  checkSlot(slot);
  return [
    ...whatItIs(slot),
    ...whyLost(slot),
    ...whatItHoldsBack(slot, options),
    ...whatIsDecoded(slot, options),
    ...copies(slot),
  ];
}

function checkSlot(slot: ReplicationSlotPersistentData): void {
  if (typeof slot !== "object" || slot === null) refuseArgument("slot", "an object", slot);
  checkText("slot.name", slot.name);
  checkText("slot.plugin", slot.plugin);
  checkLsn("slot.restartLsn", slot.restartLsn);
  checkLsn("slot.confirmedFlush", slot.confirmedFlush);
  if (slot.twoPhaseAt !== undefined) checkLsn("slot.twoPhaseAt", slot.twoPhaseAt);
  for (const name of ["database", "xmin", "catalogXmin"] as const) checkUint32(`slot.${name}`, slot[name]);
}

function whatItIs({ name, database, plugin, persistency }: ReplicationSlotPersistentData): string[] {
  const quoted = JSON.stringify(name);
  const kind =
    database === 0
      ? `${quoted} is a physical slot, for a standby or a receiver of WAL.`
      : `${quoted} is a logical slot of the database with the oid ${database}, for the output plugin ${JSON.stringify(plugin)}.`;
  if (persistency === "persistent") return [kind];
  const why = persistency === "ephemeral" ? "it was not yet made in full" : "it is a temporary one";
  return [
    kind,
    `A server removes it when it starts, since ${typeof persistency === "number" ? "it is not persistent" : why}.`,
  ];
}

/** The words of each cause: what has happened, and what to do beside dropping the slot. */
const causes = {
  wal_removed: "the server has removed WAL that it needed, as max_slot_wal_keep_size allows",
  rows_removed: "rows of catalogs that it needed have been removed on this standby, in conflict with recovery",
  wal_level_insufficient: "wal_level was set below what logical decoding on this standby needs",
  idle_timeout: "it was unused for longer than idle_replication_slot_timeout",
} as const;

function whyLost(slot: ReplicationSlotPersistentData): string[] {
  const cause = slotInvalidation(slot);
  if (cause === "none") return [];
  const why = typeof cause === "number" ? `of the cause ${cause}, which no version knows` : causes[cause];
  const next =
    slot.database === 0
      ? "let its standby restore the missing WAL from an archive, or rebuild the standby"
      : "start its consumer with a new slot, and copy the tables again";
  return [`It is invalidated: ${why}. It can no longer be used: drop it, and ${next}.`];
}

function whatItHoldsBack(slot: ReplicationSlotPersistentData, options: ExplainSlotOptions): string[] {
  const { restartLsn, xmin, catalogXmin, invalidated } = slot;
  // From 16 on servers pass over invalidated slots; before, one has no position any more, but still its transactions.
  if (invalidated !== undefined && invalidated !== "none") return ["It holds back nothing any more."];
  return [wal(restartLsn, options), ...rows(xmin, catalogXmin)];
}

function wal(restartLsn: Lsn, { walEnd, segmentSize, timeline, server }: ExplainSlotOptions): string {
  if (restartLsn === invalidLsn) return "It holds back no WAL: it has no position.";
  const name = segmentName(timeline ?? 0, restartLsn, segmentSize ?? defaultSegmentSize);
  const file = timeline === undefined ? `*${name.slice(8)}` : name;
  const from = `It holds back WAL from ${formatLsn(restartLsn, { server })} on, in pg_wal/${file} and all after it`;
  if (walEnd === undefined) return `${from}.`;
  const end = formatLsn(walEnd, { server });
  return restartLsn <= walEnd
    ? `${from}: ${inBytes(walEnd - restartLsn)} up to ${end}.`
    : `${from}, which is beyond the end of WAL at ${end}: the slot is not of this server, or WAL has been lost.`;
}

function rows(xmin: number, catalogXmin: number): string[] {
  const kept = (of: string, xid: number): string =>
    `VACUUM leaves dead rows of ${of} alone that transaction ${xid} or a later one may still see.`;
  return [
    ...(xmin === 0 ? [] : [kept("all tables", xmin)]),
    ...(catalogXmin === 0 ? [] : [kept("catalogs", catalogXmin)]),
  ];
}

function whatIsDecoded(slot: ReplicationSlotPersistentData, { walEnd, server }: ExplainSlotOptions): string[] {
  const { database, confirmedFlush, twoPhase, twoPhaseAt } = slot;
  if (database === 0) return [];
  const behind =
    walEnd === undefined || confirmedFlush > walEnd
      ? ""
      : `, ${inBytes(walEnd - confirmedFlush)} behind the end of WAL`;
  const confirmed =
    confirmedFlush === invalidLsn
      ? "Its consumer has confirmed nothing."
      : `Its consumer has confirmed up to ${formatLsn(confirmedFlush, { server })}${behind}.`;
  if (twoPhase !== true) return [confirmed];
  const from =
    twoPhaseAt === undefined || twoPhaseAt === invalidLsn ? "" : `, from ${formatLsn(twoPhaseAt, { server })} on`;
  return [confirmed, `Transactions are sent when they are prepared (two_phase)${from}.`];
}

function copies({ synced, failover }: ReplicationSlotPersistentData): string[] {
  if (synced === true) {
    return ["It is a copy of a slot of the primary (synced): it cannot be used before this standby is promoted."];
  }
  return failover === true ? ["Standbys that synchronize slots keep a copy of it (failover)."] : [];
}

/** "24 MB (25165872 bytes)" */
function inBytes(bytes: bigint): string {
  const text = formatBytes(bytes);
  return / bytes?$/.test(text) ? text : `${text} (${bytes} bytes)`;
}
