/**
 * The demo: a small workload on a fresh server, watched through a replication stream, and the proof that nothing was lost.
 *
 * It makes its own tables and publication, so it is for a server of its own.
 */
import type { Client, ClientConfig } from "pg";
import type { PgoutputMessage } from "../../src/generated/logical.ts";
import { decodePgoutputMessage, encodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { type LogicalCapability, logicalCapabilities } from "../../src/logical/capabilities.ts";
import { connect } from "../../src/node/client.ts";
import { type Conversation, qualifiedName } from "../../src/node/conversation.ts";
import { loadPg } from "../../src/node/pg.ts";
import { builtinTypes, introduction, summarise, Tail } from "../../src/node/tail.ts";
import { Replica } from "./replica.ts";

const publication = "walwire_demo";

const setup = [
  "CREATE TYPE ripeness AS ENUM ('green', 'ripe')",
  "CREATE TABLE fruit (id int PRIMARY KEY, name text NOT NULL, state ripeness, price numeric(6,2))",
  "CREATE TABLE document (id int PRIMARY KEY, title text, body text)",
  "CREATE TABLE basket (fruit int, pieces int)",
  "ALTER TABLE basket REPLICA IDENTITY FULL",
  "CREATE TABLE measurement (id int PRIMARY KEY, value float8)",
  `CREATE PUBLICATION ${publication} FOR TABLE fruit, document, basket, measurement`,
];

/** Something that happens on the server, and how many transactions of it the stream shows. */
interface Step {
  readonly title: string;
  readonly sql: readonly string[];
  readonly commits: number;
  /** Left out on servers that do not publish it. */
  readonly needs?: LogicalCapability;
}

function steps(rows: number): readonly Step[] {
  return [
    {
      title: "Three rows",
      sql: [
        "INSERT INTO fruit VALUES (1, 'apple', 'ripe', 0.50), (2, 'plum', 'green', 0.20), (3, 'Birne äöü 🍐', NULL, NULL)",
      ],
      commits: 1,
    },
    { title: "An update that leaves the key alone", sql: ["UPDATE fruit SET price = 0.55 WHERE id = 1"], commits: 1 },
    {
      title: "An update of the key: the old key comes along",
      sql: ["UPDATE fruit SET id = 20 WHERE id = 2"],
      commits: 1,
    },
    { title: "A delete", sql: ["DELETE FROM fruit WHERE id = 3"], commits: 1 },
    {
      title:
        "A large value, stored out of line, then an update that does not touch it: the server does not send it again",
      sql: [
        "INSERT INTO document SELECT 1, 'draft', string_agg(md5(i::text), '') FROM generate_series(1, 200) i",
        "UPDATE document SET title = 'final' WHERE id = 1",
      ],
      commits: 2,
    },
    {
      title: "A table with replica identity full: the whole old row comes along",
      sql: ["INSERT INTO basket VALUES (1, 3), (20, 12)", "UPDATE basket SET pieces = 4 WHERE fruit = 1"],
      commits: 2,
    },
    {
      title: "A transaction with a savepoint rolled back: what was undone never arrives",
      sql: [
        "BEGIN",
        "INSERT INTO fruit VALUES (4, 'kept', 'ripe', 1)",
        "SAVEPOINT s",
        "INSERT INTO fruit VALUES (5, 'undone', 'ripe', 1)",
        "ROLLBACK TO SAVEPOINT s",
        "INSERT INTO fruit VALUES (6, 'kept as well', 'ripe', 1)",
        "COMMIT",
      ],
      commits: 1,
    },
    {
      title: "A schema change between two inserts: the relation is announced again",
      sql: [
        "INSERT INTO fruit VALUES (7, 'before', 'green', 2)",
        "ALTER TABLE fruit ADD COLUMN origin text",
        "INSERT INTO fruit VALUES (8, 'after', 'green', 2, 'Chile')",
      ],
      // The change of the schema is a transaction without changes that are published: servers before 15 say so.
      commits: 2,
    },
    {
      title: "A message of the application, in a transaction",
      sql: [
        "BEGIN",
        "SELECT pg_logical_emit_message(true, 'walwire', 'hello')",
        "INSERT INTO fruit VALUES (9, 'with a message', NULL, NULL, NULL)",
        "COMMIT",
      ],
      commits: 1,
    },
    {
      title: "A transaction that came here by replication from elsewhere",
      sql: [
        "SELECT pg_replication_origin_create('elsewhere')",
        "SELECT pg_replication_origin_session_setup('elsewhere')",
        "BEGIN",
        "SELECT pg_replication_origin_xact_setup('0/ABCDEF', '2026-01-01 00:00:00+00')",
        "UPDATE fruit SET price = 0.60 WHERE id = 1",
        "COMMIT",
        "SELECT pg_replication_origin_session_reset(), pg_replication_origin_drop('elsewhere')",
      ],
      commits: 1,
    },
    { title: "A truncate", sql: ["TRUNCATE basket RESTART IDENTITY CASCADE"], commits: 1, needs: "publishTruncate" },
    {
      title: `A large transaction of ${rows.toLocaleString("en")} rows`,
      sql: [`INSERT INTO measurement SELECT i, sqrt(i) FROM generate_series(1, ${rows}) i`],
      commits: 1,
    },
  ];
}

export interface DemoOptions {
  /** The server: one that nobody else uses. */
  readonly server: ClientConfig;
  readonly conversation: Conversation;
  /** Rows of the large transaction. */
  readonly rows?: number;
  /** Called with each payload as it came. */
  readonly onPayload?: (payload: Uint8Array) => void;
}

/**
 * Run the demo.
 *
 * @returns whether all went well: each payload encodes back to its bytes, and the tables rebuilt from the stream equal what
 *   SELECT says.
 */
export async function demo({ server, conversation, rows = 10_000, onPayload }: DemoOptions): Promise<boolean> {
  const pg = await loadPg();
  const worker = new pg.Client(server);
  // When the server goes, the query under way fails; pg tells of it by an event besides.
  worker.on("error", () => {});
  await worker.connect();
  // As the replication connection has it: before 12, a float has fewer digits otherwise.
  await worker.query("SET extra_float_digits = 3");
  const connection = await connect({ ...server, replication: "database" });
  try {
    conversation.line(introduction(connection, ", started for this"));
    conversation.heading("The tables and the publication, made before the stream starts", setup);
    for (const sql of setup) await worker.query(sql);

    conversation.heading("A replication connection: what we say, and what the server answers");
    const tail = new Tail({
      connection,
      conversation,
      publications: [publication],
      builtins: builtinTypes(pg.types.builtins),
    });
    const replica = new Replica();
    const codec = { payloads: 0, same: 0 };
    const commits = new Commits();
    tail.onPayload = (payload) => {
      codec.payloads++;
      if (encodesBack(payload)) codec.same++;
      onPayload?.(payload);
    };
    tail.onMessage = (message) => {
      replica.apply(message);
      commits.note(message);
    };
    await tail.start("walwire_demo_slot");

    let done = false;
    const reading = tail.read(() => done);
    const working = (async () => {
      for (const step of steps(rows)) {
        if (step.needs !== undefined && !logicalCapabilities.supports(connection.serverVersion, step.needs)) continue;
        conversation.heading(step.title, step.sql);
        for (const sql of step.sql) await worker.query(sql);
        await commits.have(step.commits);
      }
    })();
    await Promise.race([working, reading.then(() => Promise.reject(new Error("the server ended the stream")))]);

    conversation.heading("The end: we ask how far the server is, and leave");
    done = true;
    tail.ask();
    await reading;
    await tail.stop();

    const { largest } = commits;
    summarise(tail, conversation);
    const rate = Math.round(largest.messages / (largest.milliseconds / 1000));
    conversation.line(
      `The largest transaction: ${count(largest.messages)} messages in ${largest.milliseconds.toFixed(0)} ms, ${count(rate)} a second`,
    );
    const sameBytes = codec.same === codec.payloads;
    conversation.line(
      verdict(
        conversation,
        sameBytes,
        `${count(codec.same)} of ${count(codec.payloads)} payloads encode back to the same bytes`,
      ),
    );
    const sameRows = await compare(replica, worker, conversation);
    return sameBytes && sameRows;
  } finally {
    await connection.disconnect();
    await worker.end();
  }
}

function count(n: number): string {
  return n.toLocaleString("en");
}

function verdict(conversation: Conversation, good: boolean, text: string): string {
  return `${good ? conversation.style("green", "✔") : conversation.style("red", "✘")} ${text}`;
}

/** Does a payload, and the message of pgoutput in it, encode back to the same bytes? */
function encodesBack(payload: Uint8Array): boolean {
  const message = decodeWalSenderMessage(payload);
  if (Buffer.compare(encodeWalSenderMessage(message), payload) !== 0) return false;
  return (
    message.type !== "XLogData" ||
    Buffer.compare(encodePgoutputMessage(decodePgoutputMessage(message.data)), message.data) === 0
  );
}

/** Hold the tables that the stream built against the server's. */
async function compare(replica: Replica, worker: Client, conversation: Conversation): Promise<boolean> {
  let same = true;
  for (const { relation, rows } of replica.tables()) {
    const name = qualifiedName(relation);
    const columns = relation.columns.map((column) => `"${column.name}"::text`).join(", ");
    const { rows: expected } = await worker.query({ text: `SELECT ${columns} FROM ${name}`, rowMode: "array" });
    const good = JSON.stringify(sorted(rows)) === JSON.stringify(sorted(expected));
    same &&= good;
    conversation.line(
      verdict(
        conversation,
        good,
        `${name}: ${count(rows.length)} ${rows.length === 1 ? "row" : "rows"} from the stream, ${count(expected.length)} by SELECT, ${good ? "all the same" : "NOT the same"}`,
      ),
    );
  }
  return same;
}

function sorted(rows: readonly (readonly unknown[])[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

/** Counts transactions that changed something, lets one wait for them, and keeps the figures of the largest. */
class Commits {
  largest = { messages: 0, milliseconds: 0 };
  #messages = 0;
  #begin = 0;
  #commits = 0;
  #wanted = 0;
  #resolve: (() => void) | undefined;

  note(message: PgoutputMessage): void {
    this.#messages++;
    if (message.type === "Begin") {
      this.#messages = 1;
      this.#begin = performance.now();
    }
    // A transaction of nothing but Begin and Commit is one that servers before 15 send although it changed nothing.
    if (message.type !== "Commit" || this.#messages === 2) return;
    const milliseconds = performance.now() - this.#begin;
    if (this.#messages > this.largest.messages) this.largest = { messages: this.#messages, milliseconds };
    this.#commits++;
    if (this.#commits >= this.#wanted) this.#resolve?.();
  }

  /** Wait for that many more than were waited for before. */
  have(more: number): Promise<void> {
    this.#wanted += more;
    return new Promise((resolve) => {
      if (this.#commits >= this.#wanted) resolve();
      else this.#resolve = resolve;
    });
  }
}
