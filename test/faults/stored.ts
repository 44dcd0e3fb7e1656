/** What a consumer has stored, seen from outside: in a journal, or in a database. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseLsn } from "../../src/kernel/lsn.ts";
import type { Server } from "../servers/index.ts";

export interface Stored {
  /** The lines so far. */
  lines(): Promise<string>;
  /** Bytes of them, where what comes later stands behind. */
  length(): number;
  /** The position up to which everything is stored, where that is kept apart; undefined if there is none yet. */
  position(): Promise<bigint | undefined>;
  /** How many tables are copied. */
  copied(): Promise<number>;
  /** Whether the row that ends the round has come. */
  isOver(): Promise<boolean>;
}

/** The row that ends a round. */
export const END = "INSERT INTO ledger VALUES (1, 'end')";

export class StoredInFile implements Stored {
  readonly #journal: string;
  readonly #state: string | undefined;
  /** What was read of the journal, which only grows, but for a line that was broken off. */
  #read = 0;
  #copied = 0;
  #tail = "";

  constructor(directory: string, hasState: boolean) {
    this.#journal = join(directory, "journal");
    this.#state = hasState ? join(directory, "state") : undefined;
  }

  async lines(): Promise<string> {
    return readFileSync(this.#journal, "utf8");
  }

  length(): number {
    try {
      return statSync(this.#journal).size;
    } catch {
      return 0;
    }
  }

  async position(): Promise<bigint | undefined> {
    if (this.#state === undefined) return undefined;
    const { lsn } = JSON.parse(readFileSync(this.#state, "utf8")) as { readonly lsn: string };
    return BigInt(lsn);
  }

  async copied(): Promise<number> {
    this.#follow();
    return this.#copied;
  }

  async isOver(): Promise<boolean> {
    this.#follow();
    return this.#tail.includes('"id":1,"a":"end"');
  }

  #follow(): void {
    const file = openSync(this.#journal, "r");
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.#read));
    readSync(file, bytes, 0, bytes.length, this.#read);
    closeSync(file);
    const end = bytes.lastIndexOf(10) + 1;
    const text = bytes.toString("latin1", 0, end);
    this.#read += end;
    this.#copied += text.split('"type":"CopyEnd"').length - 1;
    if (text !== "") this.#tail = text.slice(-4000);
  }
}

/** SQL that makes the tables of a consumer that stores rows and position in a transaction. */
export const targetSetup: readonly string[] = [
  "CREATE TABLE ledger (id int PRIMARY KEY, a text)",
  "CREATE TABLE events (n bigserial PRIMARY KEY, line text)",
  "CREATE TABLE position (lsn pg_lsn)",
];

export class StoredInDatabase implements Stored {
  readonly #query: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

  constructor(server: Server, database: string) {
    this.#query = async (sql) => (await server.sql(sql, { database })).rows;
  }

  async lines(): Promise<string> {
    const rows = await this.#query("SELECT line FROM events ORDER BY n");
    return rows.map(([line]) => line).join("\n");
  }

  /** The position tells it. */
  length(): number {
    return Number.POSITIVE_INFINITY;
  }

  async position(): Promise<bigint | undefined> {
    const rows = await this.#query("SELECT lsn FROM position");
    return rows[0]?.[0] == null ? undefined : parseLsn(rows[0][0]);
  }

  async copied(): Promise<number> {
    const rows = await this.#query(`SELECT count(*) FROM events WHERE line LIKE '{"type":"CopyEnd"%'`);
    return Number(rows[0]?.[0]);
  }

  async isOver(): Promise<boolean> {
    return (await this.#query("SELECT FROM ledger WHERE id = 1")).length > 0;
  }
}
