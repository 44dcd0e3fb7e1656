/** The input of the stream benchmarks: bytes from a live server of the newest major. Nothing is kept between runs. */
import { formatServerVersion } from "../src/kernel/version.ts";
import { captureStream, majors, type OwnServer, startServer } from "../test/servers/index.ts";

export interface Corpus {
  /** Such as "18.4". */
  readonly version: string;
  /** CopyData payloads of a pgoutput stream: tables of 4, 8 and 20 columns of usual types. */
  readonly usual: readonly Uint8Array[];
  /** The same rows in tables whose columns are all of type text, so that no reader converts a value. */
  readonly texts: readonly Uint8Array[];
  /** CopyData payloads of a physical stream: XLogData of 128 KiB. */
  readonly physical: readonly Uint8Array[];
}

/** The number of transactions of each table, and the rows that each inserts; it updates half as many and deletes a fifth. */
const TRANSACTIONS = 240;
const ROWS = 30;

/** The bytes of WAL to read: 40 times the most that a walsender sends in one message. */
const MAX_SEND_SIZE = 16 * 8192;
const PHYSICAL = 40 * MAX_SEND_SIZE;

/** The columns of each table by name: the type, and the value in row `i`. */
const tables: Readonly<Record<string, Readonly<Record<string, readonly [type: string, value: string]>>>> = {
  account: {
    id: ["bigint", "i"],
    owner: ["text", "'customer ' || i"],
    balance: ["numeric(12,2)", "(i * 7919 % 1000000) / 100.0"],
    changed: ["timestamptz", "timestamptz '2026-01-01 00:00Z' + i * interval '7.5 seconds'"],
  },
  purchase: {
    id: ["bigint", "i"],
    customer: ["integer", "i % 5000"],
    status: ["text", "(array['new','paid','sent','returned'])[1 + i % 4]"],
    total: ["numeric(12,2)", "(i * 104729 % 10000000) / 100.0"],
    currency: ["char(3)", "'EUR'"],
    placed: ["timestamptz", "timestamptz '2026-01-01 00:00Z' + i * interval '11.25 seconds'"],
    gift: ["boolean", "i % 3 = 0"],
    remark: ["text", "case when i % 4 = 0 then null else 'please ring at door ' || i % 90 end"],
  },
  person: {
    id: ["bigint", "i"],
    uid: ["uuid", "md5(i::text)::uuid"],
    given: ["text", "(array['Anna','Bj\u00f6rn','Chlo\u00e9','David'])[1 + i % 4]"],
    family: ["text", "'family name ' || i % 300"],
    mail: ["varchar(80)", "'user' || i || '@mail.example.org'"],
    phone: ["text", "'+49 30 ' || 1000000 + i"],
    born: ["date", "date '1950-01-01' + i % 20000"],
    active: ["boolean", "i % 5 <> 0"],
    age: ["smallint", "i % 90"],
    visits: ["integer", "i % 10000"],
    score: ["double precision", "i / 7.0"],
    credit: ["numeric", "i * 1.05"],
    street: ["text", "'street number ' || i % 700"],
    city: ["text", "(array['Berlin','K\u00f6ln','Hamburg','M\u00fcnchen'])[1 + i % 4]"],
    zip: ["char(5)", "lpad((i % 99999)::text, 5, '0')"],
    tags: ["text[]", "array['a' || i % 9, 'b' || i % 7]"],
    profile: ["jsonb", "jsonb_build_object('theme', 'dark', 'level', i % 10, 'beta', i % 2 = 0)"],
    created: ["timestamp", "timestamp '2026-01-01' + i * interval '3.5 seconds'"],
    seen: [
      "timestamptz",
      "case when i % 3 = 0 then null else timestamptz '2026-01-01 00:00Z' + i * interval '1 minute' end",
    ],
    document: ["text", "case when i % 50 = 0 then repeat(md5(i::text), 90) end"],
  },
};

/** The table with full old rows. */
const FULL = "purchase";
/** The SET clause of updates. */
const update: Readonly<Record<string, string>> = { account: "balance", purchase: "status", person: "visits" };

export async function makeCorpus(): Promise<Corpus> {
  const server = await startServer({ major: Math.max(...majors), settings: { wal_keep_size: "1GB" } });
  try {
    const usual = await capture(server, "usual");
    const texts = await capture(server, "texts");
    return { version: formatServerVersion(server.versionNum), usual, texts, physical: await capturePhysical(server) };
  } finally {
    await server.stop();
  }
}

async function capture(server: OwnServer, schema: "usual" | "texts"): Promise<readonly Uint8Array[]> {
  const create = Object.entries(tables).map(([name, columns]) => {
    const types = Object.entries(columns).map(([column, [type]]) => `${column} ${schema === "texts" ? "text" : type}`);
    return `CREATE TABLE ${schema}.${name} (${types.join(", ")}, PRIMARY KEY (id));
      ALTER TABLE ${schema}.${name} REPLICA IDENTITY ${name === FULL ? "FULL" : "DEFAULT"};`;
  });
  await server.sql(
    `CREATE SCHEMA ${schema}; ${create.join("")} CREATE PUBLICATION ${schema} FOR TABLES IN SCHEMA ${schema}`,
  );
  const { payloads } = await captureStream(server, {
    options: { proto_version: "1", publication_names: schema },
    workload: () => server.sql(workload(schema)),
  });
  return payloads;
}

function workload(schema: "usual" | "texts"): string {
  const value = (type: string, sql: string) => (schema === "texts" ? `(${sql})::${type}::text` : sql);
  const each = Object.entries(tables).map(([name, columns]) => {
    const values = Object.values(columns).map(([type, sql]) => value(type, sql));
    const set = update[name]!;
    const [type, sql] = columns[set]!;
    const id = schema === "texts" ? "id::bigint" : "id";
    return `INSERT INTO ${schema}.${name} SELECT ${values.join(", ")} FROM generate_series(t * ${ROWS}, (t + 1) * ${ROWS} - 1) i;
      UPDATE ${schema}.${name} SET ${set} = ${value(type, sql.replaceAll(/\bi\b/g, "(i + 1)"))}
        FROM generate_series(t * ${ROWS}, (t + 1) * ${ROWS} - 1, 2) i WHERE ${id} = i;
      DELETE FROM ${schema}.${name} WHERE ${id} % 5 = 0 AND ${id} BETWEEN t * ${ROWS} AND (t + 1) * ${ROWS} - 1;
      COMMIT;`;
  });
  return `DO $$ BEGIN FOR t IN 0..${TRANSACTIONS - 1} LOOP ${each.join("\n")} END LOOP; END $$`;
}

async function capturePhysical(server: OwnServer): Promise<readonly Uint8Array[]> {
  const { rows } = await server.sql(`SELECT pg_current_wal_flush_lsn() - ${PHYSICAL}::numeric`);
  const connection = await server.connect({ replication: "true" });
  try {
    connection.send("Q", `START_REPLICATION PHYSICAL ${rows[0]![0]!} TIMELINE 1`);
    const payloads: Uint8Array[] = [];
    for (let bytes = 0; bytes < PHYSICAL; ) {
      const { type, body } = await connection.next();
      if (type === "E") throw new Error(`the server refuses a physical stream: ${body}`);
      if (type !== "d" || body[0] !== 0x77) continue; // "w", XLogData
      bytes += body.length;
      if (body.length > MAX_SEND_SIZE) payloads.push(body);
    }
    return payloads;
  } finally {
    await connection.close();
  }
}
