/** Which tables have been copied, and which changes are in their copies. */
import { refuseArgument } from "../../kernel/errors.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import { toLsn } from "../../kernel/lsn.ts";
import { isOid } from "../../values/definition.ts";
import type { CopiedTable } from "./state.ts";

/**
 * The tables whose copy is complete, each with the consistent point of its snapshot.
 *
 * The boundary is the start of the commit record. Transactions whose commit record starts before the consistent point are in the snapshot,
 * and all others are not: the server puts into the snapshot what it has decoded up to there, and a stream from the slot begins with the
 * first commit record that starts there or later.
 *
 * @source snapbuild.c: SnapBuildInitialSnapshot, SnapBuildXactNeedsSkip; logical.c: DecodingContextFindStartpoint;
 *   worker.c: should_apply_changes_for_rel
 */
export class CopiedTables {
  readonly #tables = new Map<number, CopiedTable>();
  #last = 0n as Lsn;

  /** @throws ArgumentError for anything but tables. */
  constructor(tables: Iterable<CopiedTable> = []) {
    for (const table of tables) this.add(table);
  }

  /** All of them. */
  get tables(): readonly CopiedTable[] {
    return [...this.#tables.values()];
  }

  /** The largest consistent point; 0 if there are none. Of transactions that commit there or later, nothing is left out. */
  get last(): Lsn {
    return this.#last;
  }

  /** Another one, or another copy of one. @throws ArgumentError */
  add(table: CopiedTable): void {
    if (typeof table !== "object" || table === null) refuseArgument("table", "a CopiedTable", table);
    const { relationId, lsn } = table;
    if (!isOid(relationId)) refuseArgument("table.relationId", "an oid", relationId);
    const point = toLsn(lsn);
    this.#tables.set(relationId, table);
    if (point > this.#last) this.#last = point;
  }

  /** Whether the copy of a table is complete. */
  has(relationId: number): boolean {
    return this.#tables.has(relationId);
  }

  /**
   * Whether a change is in the copy of its table already, and must be left out of the stream.
   *
   * @param commitLsn `commitLsn` of its transaction. A prepared transaction has none yet: what it changed is in the copy only if it was
   *   committed before, so as long as it could be, hold it until then (`prepared: "hold"`).
   */
  leavesOut(relationId: number, commitLsn: Lsn): boolean {
    if (commitLsn >= this.#last) return false;
    const table = this.#tables.get(relationId);
    return table !== undefined && commitLsn < table.lsn;
  }
}
