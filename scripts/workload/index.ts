/**
 * The workload: runs the scenarios of scenarios.ts on a live server while a stream is open, and returns the expected result.
 *
 * `npm run capture` records it; live tests run it against the servers that are up.
 */

import { type CapabilityName, supports } from "../../src/capabilities.ts";
import {
  type Capture,
  captureStream,
  checked,
  frame,
  type RawConnection,
  type Server,
  ServerError,
} from "../../test/servers/index.ts";
import { type Feature, featuresOf } from "./features.ts";
import { type Scenario, type Step, scenarios, type Unique } from "./scenarios.ts";
import { quoted, tableOfTypes, typeNames } from "./types.ts";

/** The options of a stream. */
export interface StreamOptions {
  readonly protocol: 1 | 2 | 3 | 4;
  /** Default: off. */
  readonly streaming?: "on" | "parallel";
  readonly binary?: boolean;
  readonly messages?: boolean;
  /** The slot's, too. */
  readonly twoPhase?: boolean;
  readonly origin?: "none" | "any";
}

/** A stream that is recorded. */
export interface Run {
  readonly name: string;
  readonly options: StreamOptions;
}

const allRuns: readonly (Run & { readonly needs?: CapabilityName })[] = [
  { name: "plain", options: { protocol: 1 } },
  { name: "binary", options: { protocol: 1, binary: true, messages: true }, needs: "pgoutputBinary" },
  { name: "streaming", options: { protocol: 2, streaming: "on", messages: true }, needs: "streamingOfTransactions" },
  {
    name: "two-phase",
    options: { protocol: 3, streaming: "on", messages: true, twoPhase: true },
    needs: "twoPhaseOption",
  },
  {
    name: "parallel",
    options: { protocol: 4, streaming: "parallel", messages: true, twoPhase: true, origin: "any" },
    needs: "parallelStreaming",
  },
  // Protocol 4, and yet the short form of StreamAbort: only streaming=parallel makes it long.
  {
    name: "not-parallel",
    options: { protocol: 4, streaming: "on", binary: true, messages: true, origin: "none" },
    needs: "parallelStreaming",
  },
];

/** The runs that a server supports: together they make it send every message that it can. */
export function runsOf(server: Pick<Server, "versionNum">): readonly Run[] {
  return allRuns.filter(({ needs }) => needs === undefined || supports(server.versionNum, needs));
}

/** A published table at the end, by SELECT: a replay of the stream must have the same result. */
export interface PublishedTable {
  /** The oid in Relation: that of the root, if the table is published as its root. */
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** The published columns. */
  readonly columns: readonly string[];
  /** The published rows, as text of the types' output functions, in no particular order. */
  readonly rows: readonly Row[];
  /**
   * The same rows in the same order, as in a stream with the option binary: the output of the type's send function in hexadecimal
   * digits, or text for types without one. `text` lists the positions of those columns.
   */
  readonly binary?: { readonly rows: readonly Row[]; readonly text: readonly number[] };
}

type Row = readonly (string | null)[];

/** The result of a run. */
export interface Recording extends Capture {
  /** The names of the scenarios that ran. */
  readonly scenarios: readonly string[];
  readonly tables: readonly PublishedTable[];
}

let runs = 0;

/**
 * Run all scenarios that the server and the options allow, one after the other, in a database of their own. The database, slot, origins
 * and prepared transactions are removed at the end, also after an error.
 *
 * @param onPayload Called with each payload of CopyData when it arrives.
 * @param database The name of the database, also the prefix of the names of origins and prepared transactions. Default: unique.
 * @throws ServerError, or Error naming the step, if a step does not end as expected.
 */
export async function runWorkload(
  server: Server,
  options: StreamOptions,
  { onPayload, database = `walwire_${process.pid}_${++runs}` }: WorkloadRequest = {},
): Promise<Recording> {
  const { features, chosen, unique, publications } = await makeWorkload(server, options, database);
  try {
    const capture = await captureStream(server, {
      database,
      options: pluginOptions(options, publications),
      twoPhase: options.twoPhase ?? false,
      ...(onPayload && { onPayload }),
      workload: async ({ sent }) => {
        for (const scenario of chosen) {
          await perform(server, database, scenario, unique, sent);
          // Each takes a slot of max_active_replication_origins, ten by default. Their names are no longer needed.
          await dropOrigins(server, database);
        }
      },
    });
    const tables = await publishedTables(server, database, options, features, chosen);
    return { ...capture, scenarios: chosen.map(({ name }) => name), tables };
  } finally {
    await takeAway(server, database);
  }
}

export interface WorkloadRequest {
  readonly onPayload?: (payload: Uint8Array) => void;
  readonly database?: string;
}

/**
 * The same by pg_logical_slot_get_binary_changes, without a stream: each message of the plugin, in order. Transactions are decoded after
 * their end, so those that were rolled back may produce nothing.
 *
 * @param names The scenarios. Default: those of a stream with these options.
 */
export async function slotChanges(
  server: Server,
  options: StreamOptions,
  { database = `walwire_${process.pid}_${++runs}`, names }: { database?: string; names?: readonly string[] } = {},
): Promise<{
  readonly command: string;
  readonly messages: readonly Uint8Array[];
  readonly scenarios: readonly string[];
}> {
  const { chosen, unique, publications } = await makeWorkload(server, options, database, names);
  const slot = database;
  try {
    const twoPhase = options.twoPhase ? ", false, true" : "";
    await server.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput'${twoPhase})`, { database });
    try {
      for (const scenario of chosen) await perform(server, database, scenario, unique, async () => {});
      const list = Object.entries(pluginOptions(options, publications)).flat().map(quoted);
      const command = `SELECT data FROM pg_logical_slot_get_binary_changes('${slot}', NULL, NULL, ${list.join(", ")})`;
      const { rows } = await server.sql(command, { database });
      const messages = rows.map(([data]) => Buffer.from(data!.slice("\\x".length), "hex"));
      return { command, messages, scenarios: chosen.map(({ name }) => name) };
    } finally {
      await server.sql(`SELECT pg_drop_replication_slot('${slot}')`);
    }
  } finally {
    await takeAway(server, database);
  }
}

/** Makes the database with schemas, tables and publications. */
async function makeWorkload(server: Server, options: StreamOptions, database: string, names?: readonly string[]) {
  const features = await featuresOf(server);
  const chosen = [...scenarios, await scenarioOfTypes(server, features)].filter(
    ({ name, needs, streamed, everywhere }) =>
      (needs === undefined || features.has(needs)) &&
      (names?.includes(name) ?? (options.streaming === undefined ? !streamed : streamed || everywhere)),
  );
  const unique: Unique = (name) => quoted(`${database} ${name}`);
  const publications: string[] = [];
  await server.sql(`CREATE DATABASE ${database} TEMPLATE template0`);
  try {
    // The settings of libpqwalreceiver.c, so that text is exact.
    const settings = ["extra_float_digits = 3", "intervalstyle = postgres", "datestyle = ISO"];
    if (options.streaming !== undefined) settings.push("logical_decoding_work_mem = '64kB'");
    for (const setting of settings) await server.sql(`ALTER DATABASE ${database} SET ${setting}`);
    const connection = await server.connect({ database });
    try {
      for (const scenario of chosen) {
        const { name, setup, publicationName = name, morePublications = [] } = scenario;
        for (const sql of [`CREATE SCHEMA ${name}`, `SET search_path TO ${name}`, ...setup]) {
          await step(connection, scenario, sql);
        }
        const publication = scenario.publication ?? `FOR TABLE ${(await tablesOf(server, database, name)).join(", ")}`;
        await step(connection, scenario, `CREATE PUBLICATION ${identifier(publicationName)} ${publication}`);
        publications.push(publicationName, ...morePublications);
      }
    } finally {
      await connection.close();
    }
  } catch (error) {
    await takeAway(server, database);
    throw error;
  }
  return { features, chosen, unique, publications };
}

async function scenarioOfTypes(server: Server, features: ReadonlySet<Feature>): Promise<Scenario> {
  const { rows } = await server.sql(
    `SELECT name FROM unnest(ARRAY[${typeNames.map(quoted).join(", ")}]) name WHERE to_regtype(name) IS NOT NULL`,
  );
  const known = new Set(rows.map(([name]) => name));
  const { create, insert } = tableOfTypes("value", (type) => known.has(type), features);
  return {
    name: "built_in_types",
    shows: "the values of built-in types that are hardest to read, empty and NULL among them",
    setup: [create],
    steps: [insert, "DELETE FROM value WHERE id = 1", "UPDATE value SET id = 100 WHERE id = 2"],
  };
}

/** The tables of a schema that belong into its publication. */
async function tablesOf(server: Server, database: string, schema: string): Promise<string[]> {
  const { rows } = await server.sql(
    `SELECT oid::regclass FROM pg_class
     WHERE relnamespace = '${schema}'::regnamespace AND relkind = 'r' AND relname NOT IN ('filler', 'nobody_publishes_this')
     ORDER BY oid`,
    { database },
  );
  return rows.map(([name]) => name!);
}

function pluginOptions(options: StreamOptions, publications: readonly string[]): Record<string, string> {
  const { protocol, streaming, binary, messages, twoPhase, origin } = options;
  return {
    proto_version: String(protocol),
    publication_names: publications.map(identifier).join(","),
    ...(binary && { binary: "on" }),
    ...(messages && { messages: "on" }),
    ...(streaming && { streaming }),
    ...(twoPhase && { two_phase: "on" }),
    ...(origin && { origin }),
  };
}

async function perform(
  server: Server,
  database: string,
  scenario: Scenario,
  unique: Unique,
  sent: () => Promise<void>,
): Promise<void> {
  const sessions = new Map<string, RawConnection>();
  try {
    for (const each of typeof scenario.steps === "function" ? scenario.steps(unique) : scenario.steps) {
      const session = (typeof each === "object" ? each.session : undefined) ?? "first";
      let connection = sessions.get(session);
      if (connection === undefined) {
        connection = await server.connect({ database });
        sessions.set(session, connection);
        checked(await connection.query(`SET search_path TO ${scenario.name}`));
      }
      const status = await step(connection, scenario, each);
      // The changes of an open transaction are sent only if it is streamed.
      if (scenario.streamed || status === "I") await sent();
    }
  } finally {
    for (const connection of sessions.values()) await connection.close();
  }
}

/** Run a query, which must end as the step says. @returns the status of the session: "I" idle, "T" in a transaction, "E" failed. */
async function step(connection: RawConnection, { name }: Scenario, step: Step): Promise<string> {
  const { sql, error } = typeof step === "string" ? { sql: step } : step;
  const messages = await connection.query(sql);
  const answer = messages.find(({ type }) => type === "E");
  const failure = answer && new ServerError(answer.body);
  if (failure?.fields.C === error) return messages.at(-1)!.body.toString("latin1");
  throw new Error(`${name}: ${sql}\n${failure?.message ?? `It succeeded, where ${error} was expected.`}`);
}

/**
 * The published tables that a replay can rebuild, with their published columns and rows, under the root if they are published as that.
 */
async function publishedTables(
  server: Server,
  database: string,
  { binary, origin }: StreamOptions,
  features: ReadonlySet<Feature>,
  chosen: readonly Scenario[],
): Promise<PublishedTable[]> {
  const told = chosen.filter(({ partial }) => !(partial === true || (partial && partial.origin === origin)));
  const publications = told.flatMap(({ name, publicationName = name, morePublications = [] }) => [
    publicationName,
    ...morePublications,
  ]);
  const stored = features.has("generatedColumns") && !features.has("publishGeneratedColumns");
  const { rows } = await server.sql(
    `SELECT json_build_object('oid', c.oid::int8, 'schema', schemaname, 'name', tablename,
       'filter', ${features.has("rowFilters") ? "rowfilter" : "NULL"},
       'columns', ARRAY(
         SELECT json_build_object('name', attname, 'send', typsend <> 0)
         FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ${stored ? "AND attgenerated = ''" : ""}
           ${features.has("columnLists") ? "AND attname = ANY (p.attnames)" : ""}
         ORDER BY attnum))
     FROM pg_publication_tables p
     JOIN pg_class c ON relname = tablename AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = schemaname)
     WHERE pubname IN (${publications.map(quoted).join(", ")})
     ORDER BY c.oid, pubname`,
    { database },
  );
  const tables = new Map<number, Described & { readonly filters: (string | null)[] }>();
  for (const [text] of rows) {
    const { filter, ...table } = JSON.parse(text!) as Described & { readonly filter: string | null };
    const known = tables.get(table.oid);
    if (known !== undefined) known.filters.push(filter);
    else tables.set(table.oid, { ...table, filters: [filter] });
  }
  const published: PublishedTable[] = [];
  const connection = await server.connect({ database });
  try {
    for (const { oid, schema, name, columns, filters } of tables.values()) {
      const list = columns.map((column) => identifier(column.name));
      // A row is published if any publication's filter accepts it; one without a filter accepts all.
      const filter = filters.includes(null) ? "true" : filters.map((each) => `(${each})`).join(" OR ");
      const rows = await selectInFormats(
        connection,
        `SELECT ${[...list, ...(binary ? list : [])].join(", ")} FROM ${identifier(schema)}.${identifier(name)} WHERE ${filter}`,
        [...columns.map(() => false), ...(binary ? columns.map(({ send }) => send) : [])],
      );
      const sorted = rows.map((row) => ({ row, key: JSON.stringify(row) })).sort((a, b) => (a.key < b.key ? -1 : 1));
      published.push({
        oid,
        schema,
        name,
        columns: columns.map((column) => column.name),
        rows: sorted.map(({ row }) => row.slice(0, columns.length)),
        ...(binary && {
          binary: {
            rows: sorted.map(({ row }) => row.slice(columns.length)),
            text: columns.flatMap(({ send }, i) => (send ? [] : [i])),
          },
        }),
      });
    }
  } finally {
    await connection.close();
  }
  return published;
}

/** Rows by the extended protocol. Columns in binary are returned as hexadecimal digits. */
async function selectInFormats(connection: RawConnection, sql: string, binary: readonly boolean[]): Promise<Row[]> {
  const formats = Buffer.alloc(8 + 2 * binary.length); // two names, no formats of parameters, no parameters
  formats.writeInt16BE(binary.length, 6);
  for (const [i, each] of binary.entries()) formats.writeInt16BE(Number(each), 8 + 2 * i);
  connection.write(
    Buffer.concat([
      frame("P", Buffer.from(`\0${sql}\0\0\0`)),
      frame("B", formats),
      frame("E", Buffer.alloc(5)),
      frame("S", Buffer.alloc(0)),
    ]),
  );
  const messages = checked(await connection.until("Z"));
  return messages
    .filter(({ type }) => type === "D")
    .map(({ body }) => {
      let at = 2;
      return binary.map((each) => {
        const length = body.readInt32BE(at);
        at += 4 + Math.max(length, 0);
        return length < 0 ? null : body.toString(each ? "hex" : "utf8", at - length, at);
      });
    });
}

interface Described {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly send: boolean }[];
}

/** Remove everything that the run may have left, and end its sessions. */
async function takeAway(server: Server, database: string): Promise<void> {
  const prepared = await server.sql(`SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
  for (const [gid] of prepared.rows) await server.sql(`ROLLBACK PREPARED ${quoted(gid!)}`, { database });
  await server.sql(`DROP DATABASE IF EXISTS ${database}`);
  await dropOrigins(server, database);
}

async function dropOrigins(server: Server, database: string): Promise<void> {
  const own = quoted(`${database.replaceAll("_", "\\_")} %`);
  await server.sql(`SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname LIKE ${own}`);
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
