/** CopyProgress: which tables the consumer was given, and of which it has confirmed every event. */
import type { Relation } from "../../generated/logical.ts";
import { CopiedTables } from "./copied-tables.ts";
import type { CopyEnd, CopyEvent } from "./copy-events.ts";
import type { CopiedTable } from "./state.ts";

/** Bytes of memory of an event: a batch of rows has up to 256 KiB as the server sends it. */
const EVENT = 1000;
const ROWS = 512 * 1024;

/** A table whose events were given to the consumer. */
interface Table {
  /** Events that are not confirmed. */
  pending: number;
  end: CopyEnd | undefined;
}

export class CopyProgress {
  /** The tables that the consumer was given to the end, with those that it had stored: the stream leaves out what their copies have. */
  readonly given = new CopiedTables();
  /** Those of them of which it has confirmed, or stored, everything. */
  readonly stored = new CopiedTables();
  readonly #tables = new Map<Relation, Table>();
  readonly #pending = new Set<CopyEvent>();
  #bytes = 0;

  /** The number of events that are not confirmed. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Bytes of memory that these take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The store has these tables. @throws ArgumentError for anything but tables */
  load(tables: Iterable<CopiedTable>): void {
    for (const table of tables) {
      this.given.add(table);
      this.stored.add(table);
    }
  }

  /** Whether an event was given and is not confirmed. */
  waitsFor(event: CopyEvent): boolean {
    return this.#pending.has(event);
  }

  /** An event is given to the consumer. */
  add(event: CopyEvent): void {
    let table = this.#tables.get(event.relation);
    if (table === undefined) {
      table = { pending: 0, end: undefined };
      this.#tables.set(event.relation, table);
    }
    table.pending++;
    if (event.type === "CopyEnd") {
      table.end = event;
      this.given.add(copiedTable(event));
    }
    this.#pending.add(event);
    this.#bytes += sizeOf(event);
  }

  /**
   * The consumer has confirmed an event.
   *
   * @returns whether its table is complete now; undefined if the event is not one that waits for this.
   */
  confirm(event: CopyEvent): boolean | undefined {
    if (!this.#pending.delete(event)) return undefined;
    this.#bytes -= sizeOf(event);
    const table = this.#tables.get(event.relation)!;
    table.pending--;
    if (table.pending > 0 || table.end === undefined) return false;
    this.#tables.delete(event.relation);
    this.stored.add(copiedTable(table.end));
    return true;
  }
}

function sizeOf(event: CopyEvent): number {
  return event.type === "CopyRows" ? ROWS : EVENT;
}

function copiedTable({ relation: { relationId, namespace, name }, lsn }: CopyEnd): CopiedTable {
  return { relationId, namespace, name, lsn };
}
