/** Writers: sessions that change the tables at the same time, in every way that a stream shows, until they are told to stop. */
import { setTimeout as sleep } from "node:timers/promises";
import { checked, type RawConnection, type Server } from "../servers/index.ts";
import type { Random } from "./random.ts";

/** The tables. All have a column `id`, which is their key. */
export const tables = ["plain", "whole", "wide", "emptied", "altered", "ledger"] as const;

/** SQL that makes them. */
export const setup: readonly string[] = [
  "CREATE TABLE plain (id int PRIMARY KEY, a text, b int)",
  "CREATE TABLE whole (id int PRIMARY KEY, a text, b int)",
  "ALTER TABLE whole REPLICA IDENTITY FULL",
  // Values that are stored out of line even where they compress.
  "CREATE TABLE wide (id int PRIMARY KEY, a text, b int)",
  "ALTER TABLE wide ALTER a SET STORAGE EXTERNAL",
  "CREATE TABLE emptied (id int PRIMARY KEY, a text)",
  // A type that is not built in, which is announced, and looked up over another connection.
  "CREATE TYPE word AS ENUM ('before', 'after')",
  "CREATE TABLE altered (id int PRIMARY KEY, a word)",
  "CREATE TABLE ledger (id int PRIMARY KEY, a text)",
];

export interface WriteOptions {
  readonly server: Server;
  readonly database: string;
  readonly random: Random;
  readonly writers: number;
  /** Prepared transactions too. */
  readonly prepares: boolean;
  /** TRUNCATE too, where it is published. */
  readonly truncates: boolean;
  /** Messages too, within transactions and without. */
  readonly messages: boolean;
}

export class Writers {
  readonly #options: WriteOptions;
  readonly #running: Promise<void>[];
  #goesOn = true;
  #next = 1_000_000;
  #column = 0;
  /** Transactions whose COMMIT was answered. */
  committed = 0;

  constructor(options: WriteOptions) {
    this.#options = options;
    this.#running = Array.from({ length: options.writers }, (_, i) => this.#write(i));
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await Promise.all(this.#running);
  }

  async #write(writer: number): Promise<void> {
    const { server, database, random } = this.#options;
    let connection: RawConnection | undefined;
    const run = async (sql: string): Promise<void> => void checked(await connection!.query(sql));
    while (this.#goesOn) {
      try {
        if (connection === undefined) {
          connection = await server.connect({ database });
          await run("SET lock_timeout = 500; SET deadlock_timeout = 20");
        }
        await this.#transaction(run, writer);
        this.committed++;
        await sleep(random.below(8));
      } catch (error) {
        // A deadlock, a lock that is not given, or a server that crashed.
        const isAnswer = "fields" in (error as object);
        try {
          if (isAnswer) await run("ROLLBACK");
        } catch {
          connection = undefined;
        }
        if (!isAnswer) {
          connection = undefined;
          await sleep(20);
        }
      }
    }
    await connection?.close().catch(() => {});
  }

  async #transaction(run: (sql: string) => Promise<void>, writer: number): Promise<void> {
    const { random, prepares, truncates, messages } = this.#options;
    const id = this.#next++;
    const ledger = `INSERT INTO ledger VALUES (${id}, 'writer ${writer}')`;
    const some = (): number => random.below(40);
    const what = random.next();
    if (prepares && what < 0.12) {
      const gid = `g${id}`;
      // Some are streamed.
      const rows = random.chance(0.3) ? 500 : 0;
      await run(
        `BEGIN; ${ledger}; INSERT INTO plain SELECT ${id} * 1000 + i, repeat('p', 100) FROM generate_series(0, ${rows}) i; PREPARE TRANSACTION '${gid}'`,
      );
      await sleep(random.below(20));
      await run(`${random.chance(0.7) ? "COMMIT" : "ROLLBACK"} PREPARED '${gid}'`);
    } else if (what < 0.2) {
      // More than logical_decoding_work_mem, so that it is streamed.
      await run(
        `BEGIN; ${ledger}; INSERT INTO plain SELECT ${id} * 1000 + i, repeat('x', 100), i FROM generate_series(0, ${300 + random.below(700)}) i`,
      );
      await sleep(random.below(10));
      await run(
        `DELETE FROM plain WHERE id BETWEEN ${id} * 1000 AND ${id} * 1000 + 700; ${random.chance(0.8) ? "COMMIT" : "ROLLBACK"}`,
      );
    } else if (messages && what < 0.25) {
      await run(`SELECT pg_logical_emit_message(false, 'm', '${id}')`);
      await run(`BEGIN; SELECT pg_logical_emit_message(true, 'm', '${id}'); ${ledger}; COMMIT`);
    } else if (what < 0.35) {
      await run(`BEGIN; SAVEPOINT a; INSERT INTO whole VALUES (${id}, 'lost'); ROLLBACK TO a; SAVEPOINT b;
        INSERT INTO whole VALUES (${id}, 'kept', ${some()}); UPDATE whole SET b = b + 1 WHERE id = ${some()}; RELEASE b; ${ledger}; COMMIT`);
    } else if (what < 0.5) {
      await run(`BEGIN; INSERT INTO wide VALUES (${id}, repeat(md5('${id}'), 100 + ${some()}), 0); ${ledger}; COMMIT`);
      await run(`UPDATE wide SET b = b + 1 WHERE id IN (${id}, ${some()}); DELETE FROM wide WHERE id = ${id - 20}`);
    } else if (what < 0.55 && truncates) {
      await run(`BEGIN; ${ledger}; TRUNCATE emptied; INSERT INTO emptied VALUES (${id}, 'after'); COMMIT`);
    } else if (what < 0.6) {
      const name = `c${++this.#column}`;
      const drop = this.#column > 2 ? `, DROP COLUMN IF EXISTS c${this.#column - 2}` : "";
      await run(`BEGIN; INSERT INTO altered VALUES (${id}, 'before'); ALTER TABLE altered ADD COLUMN ${name} int${drop};
        UPDATE altered SET ${name} = ${some()} WHERE id >= ${id - 30}; ${ledger}; COMMIT`);
    } else if (what < 0.7) {
      // The key changes too.
      await run(
        `BEGIN; INSERT INTO plain VALUES (${id}, 'new', 1); UPDATE plain SET id = -id WHERE id = ${id}; ${ledger}; COMMIT`,
      );
    } else {
      await run(`BEGIN; INSERT INTO emptied VALUES (${id}, 'x'); UPDATE plain SET b = b + 1 WHERE id = ${some()};
        UPDATE whole SET a = 'w${id}' WHERE id = ${some()}; ${random.chance(0.2) ? `DELETE FROM whole WHERE id = ${id - 100}` : "SELECT 1"}; ${ledger}; COMMIT`);
    }
  }
}

/** Finish transactions that a crash has left prepared. */
export async function finishPrepared(server: Server, database: string): Promise<void> {
  const { rows } = await server.sql(`SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
  for (const [gid] of rows) await server.sql(`COMMIT PREPARED '${gid}'`, { database });
}
