/** The name in pg_type and the typeModifier that a declaration is told to use instead of a type's name in SQL: servers say the same. */
import { expect, test } from "vitest";
import { typeOfSql } from "../../src/publisher/type-names.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

const texts = [
  ...["smallint", "integer", "int", "bigint", "real", "float", "double precision", "decimal", "dec", "boolean", "CHAR"],
  ...[
    "character",
    "char varying(3)",
    "character varying",
    "Character  Varying (7)",
    "varchar(10)",
    "char(5)",
    "bpchar(5)",
  ],
  ...[
    "numeric(10,2)",
    "numeric(1000, 1000)",
    "decimal(5)",
    "bit(3)",
    "bit varying(9)",
    "varbit(9)",
    "time(3)",
    "timetz(2)",
  ],
  ...["time(3) with time zone", "time without time zone", "timestamp(0)", "timestamp (6) without time zone"],
  ...["timestamp with time zone", "timestamptz(1)", "integer[]", "varchar(10)[]", "timestamp(3) with time zone[][3]"],
  ...["smallserial", "serial", "bigserial"],
];

test.each(liveMajors)("PostgreSQL %i", async (major) => {
  const columns = texts.map((text, i) => `c${i} ${text}`).join(", ");
  const server = liveServer(major);
  await server.sql(`CREATE TABLE publisher_types (${columns})`);
  const { rows } = await server.sql(
    `SELECT typname, atttypmod FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
    WHERE attrelid = 'publisher_types'::regclass AND attnum > 0 ORDER BY attnum`,
  );
  await server.sql("DROP TABLE publisher_types");
  const said = texts.map((text) => {
    const { name, typeModifier = -1 } = typeOfSql(text)!;
    return [text, name, String(typeModifier)];
  });
  expect(said).toEqual(texts.map((text, i) => [text, ...rows[i]!]));
});
