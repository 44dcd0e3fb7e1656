/** Types: looks up the types of a database in its catalogs, when a relation has types that are unknown or may have changed. */
import type { DescribedRelation } from "../../logical/described.ts";
import { catalogQuery } from "../../values/catalog.ts";
import type { OnUnreadable } from "../../values/row.ts";
import { TypeMap } from "../../values/type-map.ts";
import type { QueryResult, ReplicationConnection } from "../client.ts";
import { channels } from "./channels.ts";
import { Rows } from "./rows.ts";

/** Milliseconds after which an idle connection is closed. */
const IDLE = 5000;

/** @source pgoutput.c: send_relation_and_attrs; transam.h: FirstGenbkiObjectId */
const FIRST_OF_USERS = 10_000;

export interface TypesOptions {
  readonly slotname: string;
  readonly typeMap: TypeMap | undefined;
  readonly onUnreadable: OnUnreadable | undefined;
  /** Opens a connection that accepts SQL. */
  readonly open: () => Promise<ReplicationConnection>;
  /** Runs SQL within the time limit. */
  readonly query: (connection: ReplicationConnection, text: string) => Promise<QueryResult>;
}

export class Types {
  readonly #options: TypesOptions;
  #typeMap: TypeMap | undefined;
  readonly #rows = new WeakMap<DescribedRelation, Rows>();
  /** Forms of relations whose types were looked up since they came. */
  readonly #known = new WeakSet<DescribedRelation>();
  #suspect = false;
  #connection: ReplicationConnection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TypesOptions) {
    this.#options = options;
    this.#typeMap = options.typeMap;
  }

  /** The types that are known now. */
  get typeMap(): TypeMap {
    this.#typeMap ??= new TypeMap();
    return this.#typeMap;
  }

  /** Types may have changed since they were looked up. */
  suspect(): void {
    this.#suspect = true;
  }

  /** Whether `load` must come before rows of these relations are read. */
  mustLoad(relations: readonly DescribedRelation[]): boolean {
    let must = false;
    for (const relation of relations) {
      if (!this.#suspect && this.#known.has(relation)) continue;
      const own = relation.columns.filter(({ typeId }) => typeId >= FIRST_OF_USERS);
      if (own.length === 0 || (!this.#suspect && own.every(({ typeId }) => this.typeMap.has(typeId)))) {
        this.#known.add(relation);
      } else {
        must = true;
      }
    }
    return must;
  }

  /** Look the types up. @throws what `open` and the query throw */
  async load(relations: readonly DescribedRelation[]): Promise<void> {
    clearTimeout(this.#timer);
    this.#suspect = false;
    const rows = await this.#ask();
    const { revision } = this.typeMap;
    this.typeMap.addFromCatalog(rows);
    for (const relation of relations) this.#known.add(relation);
    if (channels.types.hasSubscribers) {
      channels.types.publish({ slotname: this.#options.slotname, added: this.typeMap.revision - revision });
    }
    this.#timer = setTimeout(() => void this.close(), IDLE);
    this.#timer.unref?.();
  }

  async #ask(): Promise<Parameters<TypeMap["addFromCatalog"]>[0]> {
    const idle = this.#connection;
    try {
      this.#connection ??= await this.#options.open();
      return (await this.#options.query(this.#connection, catalogQuery())).rows;
    } catch (error) {
      await this.close();
      // The server may have closed an idle connection.
      if (idle !== undefined) return this.#ask();
      this.#suspect = true;
      throw error;
    }
  }

  /** The reader of the rows of a relation. */
  rowsOf(relation: DescribedRelation): Rows {
    let rows = this.#rows.get(relation);
    if (rows === undefined) {
      rows = new Rows(relation, this.typeMap, this.#options.onUnreadable);
      this.#rows.set(relation, rows);
    }
    return rows;
  }

  /** Close the connection, if one is open. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.disconnect();
  }
}
