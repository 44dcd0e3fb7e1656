/**
 * What the initial copy says of tables, and what it reads of them, is what the stream says and sends: a slot that is older than all rows
 * streams them, and a copy is made of the same rows.
 */
import { describe, expect, test } from "vitest";
import { featuresOf } from "../../scripts/workload/features.ts";
import { tableOfTypes, typeNames } from "../../scripts/workload/types.ts";
import { supports } from "../../src/capabilities.ts";
import { copyTables } from "../../src/node/subscribe/copy.ts";
import { rowObject, rowReader } from "../../src/values/row.ts";
import { collect, newDatabase, newTypeMap, opener, transactionsOf } from "../initial-copies.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

/** Everything about tables that a version has. */
function schema(major: number): string[] {
  const sql = [
    `CREATE TYPE mood AS ENUM ('sad', 'it''s "h,app}y"');
     CREATE DOMAIN positive AS int8 CHECK (VALUE > 0);
     CREATE DOMAIN small AS positive;
     CREATE TYPE pair AS (first int4, second text);
     CREATE TABLE typed (id small PRIMARY KEY, m mood, moods mood[], p pair, d positive, who information_schema.sql_identifier)`,
    `CREATE SCHEMA "Odd ""schema\\";
     CREATE TABLE "Odd ""schema\\"."Ta ""ble\\'" ("col ""umn\\" int PRIMARY KEY, "select" varchar(7), "Ä" numeric(10,3))`,
    "CREATE TABLE empty (id int PRIMARY KEY)",
    "CREATE TABLE no_columns ()",
    "CREATE TABLE dropped (a int, id int PRIMARY KEY, b text, c text); ALTER TABLE dropped DROP a, DROP b",
    "CREATE TABLE toasted (id int PRIMARY KEY, big text); ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL",
    "CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (more int) INHERITS (parent)",
    "CREATE TABLE identity_full (a int, b text); ALTER TABLE identity_full REPLICA IDENTITY FULL",
    "CREATE TABLE identity_nothing (a int PRIMARY KEY, b text); ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING",
    `CREATE TABLE identity_index (a int PRIMARY KEY, b text NOT NULL, c int NOT NULL);
     CREATE UNIQUE INDEX by_two ON identity_index (c, b); ALTER TABLE identity_index REPLICA IDENTITY USING INDEX by_two`,
    "CREATE TABLE later_key (a int PRIMARY KEY DEFERRABLE, b text)",
    "CREATE TABLE two_columns (a int, b int, c text, PRIMARY KEY (c, a))",
    "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY)",
    "CREATE VIEW seen AS SELECT 1 AS one; CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one",
    "CREATE TABLE parted (id int, v text) PARTITION BY RANGE (id); CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
  ];
  if (major >= 12) {
    sql.push(
      "CREATE TABLE generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text)",
      "CREATE TABLE generated_only (twice int GENERATED ALWAYS AS (2) STORED)",
    );
  }
  if (major >= 18)
    sql.push("CREATE TABLE virtual (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)");
  return sql;
}

function inserts(major: number): string[] {
  const sql = [
    `INSERT INTO typed VALUES (1, 'sad', '{sad,NULL}', '(1,"a,b")', 7, 'me'), (2, 'it''s "h,app}y"', '{}', NULL, NULL, NULL)`,
    `INSERT INTO "Odd ""schema\\"."Ta ""ble\\'" VALUES (1, 'seven77', 1.5), (2, NULL, 'NaN')`,
    "INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES",
    "INSERT INTO dropped VALUES (1, 'c'), (2, NULL)",
    "INSERT INTO toasted VALUES (1, repeat('long', 100000)), (2, '')",
    "INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (2, 'c', 3)",
    "INSERT INTO identity_full VALUES (1, 'a'), (1, 'a'); INSERT INTO identity_nothing VALUES (1, 'a')",
    "INSERT INTO identity_index VALUES (1, 'a', 2); INSERT INTO later_key VALUES (1, 'a'); INSERT INTO two_columns VALUES (1, 2, 'c')",
    "INSERT INTO unlogged VALUES (1)",
    major >= 11 ? "INSERT INTO parted VALUES (1, 'a')" : "INSERT INTO part_1 VALUES (1, 'a')",
  ];
  if (major >= 12)
    sql.push("INSERT INTO generated VALUES (1, DEFAULT, 'g'); INSERT INTO generated_only VALUES (DEFAULT)");
  if (major >= 18) sql.push("INSERT INTO virtual VALUES (1)");
  return sql;
}

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);

  /** A database with a slot for each of some streams, which is older than the rows. */
  async function prepared(setup: readonly string[], rows: readonly string[], streams: number): Promise<string> {
    const marker = "CREATE TABLE marker (a int)";
    const database = await newDatabase(server, [...setup, marker, "CREATE PUBLICATION the_marker FOR TABLE marker"]);
    for (let i = 0; i < streams; i++) {
      await server.sql(`SELECT pg_create_logical_replication_slot('${database}_${i}', 'pgoutput')`, { database });
    }
    for (const sql of [...rows, "INSERT INTO marker VALUES (1)"]) await server.sql(sql, { database });
    return database;
  }

  /** Those rows as the stream has them and as copies; each sorted. */
  async function both(
    database: string,
    {
      publications = ["p"],
      binary = false,
      stream = 0,
    }: { publications?: readonly string[]; binary?: boolean; stream?: number },
  ) {
    const open = opener(server, database);
    const typeMap = newTypeMap(server);
    const copies = await collect(copyTables({ open, publications, typeMap, binary }));
    const copied: Record<string, { relation: unknown; rows: string[] }> = {};
    for (const [name, { relation, rows, ended, again }] of copies) {
      expect({ ended, again }).toEqual({ ended: true, again: true });
      copied[name] = { relation, rows: rows.map(shown).sort() };
    }

    const streamed: typeof copied = {};
    const binaryStream = binary && supports(server.versionNum, "pgoutputBinary");
    // The marker may be among them already.
    const all = copies.has("public.marker") ? publications : [...publications, "the_marker"];
    const slot = `${database}_${stream}`;
    for await (const { changes } of transactionsOf(await open(), slot, all, { binary: binaryStream })) {
      for await (const change of changes) {
        if (change.type !== "Insert") throw new Error(`unexpected ${change.type}`);
        const { relation, newTuple } = change;
        const name = `${relation.namespace}.${relation.name}`;
        if (name === "public.marker" && !copies.has(name)) continue;
        streamed[name] ??= { relation, rows: [] };
        expect(streamed[name].relation).toEqual(relation);
        streamed[name].rows.push(shown(rowObject(relation, rowReader(relation, typeMap).read(newTuple))));
      }
    }
    for (const each of Object.values(streamed)) each.rows.sort();
    return { copied, streamed };
  }

  /** Tables without rows are not in the stream. */
  const withRows = (copied: Record<string, { rows: string[] }>) =>
    Object.fromEntries(Object.entries(copied).filter(([, { rows }]) => rows.length > 0));
  const names = (copied: object): string[] => Object.keys(copied).sort();

  test("all tables of a database, in text and binary", async () => {
    const features = await featuresOf(server);
    const { rows } = await server.sql(`SELECT typname FROM pg_type`);
    const known = new Set(rows.map(([name]) => name));
    const aliases = new Map([["varchar(10)", "varchar"]]);
    const knows = (type: string): boolean =>
      known.has(
        (aliases.get(type) ?? type)
          .replace(/\(.*\)$/, "")
          .replace(/^"(.*)"$/, "$1")
          .replace(/^(.*)\[\]$/, "_$1"),
      ) || /^char\(/.test(type);
    expect(typeNames.filter(knows).length).toBeGreaterThan(60);
    const types = tableOfTypes("types", knows, features);
    const setup = [...schema(major), types.create, "CREATE PUBLICATION p FOR ALL TABLES"];
    const database = await prepared(setup, [...inserts(major), types.insert], 2);
    for (const [stream, binary] of [false, true].entries()) {
      const { copied, streamed } = await both(database, { binary, stream });
      expect(withRows(copied)).toEqual(streamed);
      expect(names(copied)).toContain("public.empty");
      expect(names(copied)).not.toContain("public.unlogged");
      expect(names(copied)).not.toContain("public.parted");
      expect(copied["public.no_columns"]?.rows.length).toBe(2);
      expect(copied["public.types"]?.rows.length).toBeGreaterThan(5);
    }
  });

  test.runIf(major >= 13)("partitions are published as themselves, or as their root", async () => {
    const setup = [
      `CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
       CREATE TABLE leaf_1 (v text, junk int, id int NOT NULL); ALTER TABLE leaf_1 DROP junk;
       ALTER TABLE root ATTACH PARTITION leaf_1 FOR VALUES FROM (0) TO (10);
       CREATE TABLE middle PARTITION OF root FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (id);
       CREATE TABLE leaf_2 PARTITION OF middle FOR VALUES FROM (10) TO (50);
       CREATE TABLE leaf_3 PARTITION OF middle DEFAULT;
       CREATE TABLE alone (id int PRIMARY KEY)`,
      `CREATE PUBLICATION leaves FOR TABLE root;
       CREATE PUBLICATION whole FOR TABLE root WITH (publish_via_partition_root);
       CREATE PUBLICATION middle FOR TABLE middle WITH (publish_via_partition_root);
       CREATE PUBLICATION some_of_it FOR TABLE leaf_2, alone;
       CREATE PUBLICATION leaf_and_root FOR TABLE leaf_2, root WITH (publish_via_partition_root);
       CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root)`,
    ];
    const rows = ["INSERT INTO root VALUES (1, 'a'), (20, 'b'), (60, 'c'); INSERT INTO alone VALUES (1)"];
    const [root, middle] = ["public.root", "public.middle"];
    const [leaf1, leaf2, leaf3] = ["public.leaf_1", "public.leaf_2", "public.leaf_3"];
    const cases: [publications: string[], tables: string[]][] = [
      [["leaves"], [leaf1, leaf2, leaf3]],
      [["whole"], [root]],
      [["middle"], [middle]],
      [["some_of_it"], ["public.alone", leaf2]],
      [["leaf_and_root"], [root]],
      [["everything"], ["public.alone", "public.marker", root]],
      [
        ["some_of_it", "whole"],
        ["public.alone", root],
      ],
      [
        ["whole", "some_of_it"],
        ["public.alone", root],
      ],
      [["leaves", "whole"], [root]],
      [
        ["leaves", "middle"],
        [leaf1, middle],
      ],
      [["middle", "whole"], [root]],
      [["whole", "middle"], [root]],
      [
        ["some_of_it", "everything"],
        ["public.alone", "public.marker", root],
      ],
    ];
    const database = await prepared(setup, rows, cases.length);
    for (const [stream, [publications, tables]] of cases.entries()) {
      const { copied, streamed } = await both(database, { publications, stream });
      expect([publications, withRows(copied)]).toEqual([publications, streamed]);
      expect([publications, names(copied)]).toEqual([publications, tables]);
    }
  });

  test.runIf(major >= 15)("column lists, row filters and schemas", async () => {
    const setup = [
      `CREATE SCHEMA s; CREATE TABLE s.one (id int PRIMARY KEY, v text); CREATE TABLE s.two (id int PRIMARY KEY);
       CREATE TYPE mood AS ENUM ('sad', 'ok');
       CREATE TABLE listed (a int, id int PRIMARY KEY, gone int, v text, m mood); ALTER TABLE listed DROP gone;
       CREATE TABLE filtered (id int PRIMARY KEY, flag bool, k name, v text);
       CREATE TABLE root (id int, v text) PARTITION BY RANGE (id);
       CREATE TABLE leaf PARTITION OF root DEFAULT;
       CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child () INHERITS (parent)`,
      `CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA s;
       CREATE PUBLICATION lists FOR TABLE listed (v, id), s.one (id, v);
       CREATE PUBLICATION filters FOR TABLE filtered WHERE (flag OR k = 'ok' OR v = 'x\\y''z');
       CREATE PUBLICATION more FOR TABLE filtered WHERE (id > 3);
       CREATE PUBLICATION no_filter FOR TABLE filtered;
       CREATE PUBLICATION by_root FOR TABLE root (id) WHERE (id < 3) WITH (publish_via_partition_root);
       CREATE PUBLICATION by_leaf FOR TABLE leaf (id) WHERE (id < 3);
       CREATE PUBLICATION family FOR TABLE ONLY parent WHERE (id < 3)`,
    ];
    const rows = [
      `INSERT INTO s.one VALUES (1, 'a'); INSERT INTO s.two VALUES (2);
       INSERT INTO listed VALUES (1, 2, 'v', 'ok'), (3, 4, NULL, NULL);
       INSERT INTO filtered VALUES (1, true, 'sad', ''), (2, false, 'ok', ''), (3, NULL, 'sad', 'x\\y''z'), (4, NULL, NULL, NULL), (0, NULL, NULL, '');
       INSERT INTO root VALUES (1, 'a'), (2, 'b'), (3, 'c');
       INSERT INTO parent VALUES (1, 'a'), (3, 'b'); INSERT INTO child VALUES (2, 'c')`,
    ];
    const cases: [publications: string[], counts: Record<string, number>][] = [
      [["by_schema"], { "s.one": 1, "s.two": 1 }],
      [["lists"], { "public.listed": 2, "s.one": 1 }],
      [["by_schema", "lists"], { "public.listed": 2, "s.one": 1, "s.two": 1 }],
      [["filters"], { "public.filtered": 3 }],
      [["filters", "more"], { "public.filtered": 4 }],
      [["filters", "no_filter"], { "public.filtered": 5 }],
      [["by_root"], { "public.root": 2 }],
      [["by_leaf"], { "public.leaf": 2 }],
      [["family"], { "public.parent": 1 }],
    ];
    const database = await prepared(setup, rows, cases.length);
    for (const [stream, [publications, counts]] of cases.entries()) {
      const { copied, streamed } = await both(database, { publications, stream });
      expect([publications, copied]).toEqual([publications, streamed]);
      const found = Object.fromEntries(Object.entries(copied).map(([name, { rows }]) => [name, rows.length]));
      expect([publications, found]).toEqual([publications, counts]);
    }
  });

  test.runIf(major >= 18)("generated columns, if they are published", async () => {
    const setup = [
      `CREATE TABLE generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text);
       CREATE TABLE generated_only (twice int GENERATED ALWAYS AS (2) STORED);
       CREATE TABLE virtual (id int PRIMARY KEY, once int GENERATED ALWAYS AS (id) VIRTUAL, twice int GENERATED ALWAYS AS (id * 2) STORED)`,
      `CREATE PUBLICATION stored FOR TABLE generated, generated_only, virtual WITH (publish_generated_columns = stored);
       CREATE PUBLICATION none FOR TABLE generated, generated_only, virtual;
       CREATE PUBLICATION listed FOR TABLE generated (id, twice);
       CREATE PUBLICATION filtered FOR TABLE generated WHERE (id > 1) WITH (publish_generated_columns = stored)`,
    ];
    const rows = [
      "INSERT INTO generated VALUES (1, DEFAULT, 'a'), (2, DEFAULT, 'b'); INSERT INTO generated_only DEFAULT VALUES; INSERT INTO virtual VALUES (3)",
    ];
    const cases = ["stored", "none", "listed", "filtered"];
    const database = await prepared(setup, rows, cases.length);
    for (const [stream, publication] of cases.entries()) {
      const { copied, streamed } = await both(database, { publications: [publication], stream });
      expect([publication, copied]).toEqual([publication, streamed]);
      expect(Object.keys(copied).length).toBe(publication === "stored" || publication === "none" ? 3 : 1);
    }
  });
});

/** A row as text, for comparison in any order. */
function shown(row: object): string {
  return JSON.stringify(Object.entries(row), (_, value) =>
    typeof value === "bigint"
      ? `${value}n`
      : typeof value === "number" && !Number.isSafeInteger(value)
        ? `${Object.is(value, -0) ? "-0" : value}`
        : value instanceof Uint8Array
          ? Buffer.from(value).toString("hex")
          : value,
  );
}
