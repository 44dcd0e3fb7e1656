/** Built-in types and their values that are hardest to read, and a table of all of them. */
import type { Feature } from "./features.ts";

interface TypeValues {
  /** The name in SQL. Servers that do not know the type are skipped. */
  readonly type: string;
  /** Without quotes. */
  readonly values: readonly string[];
  readonly needs?: Feature;
}

const floats = ["NaN", "Infinity", "-Infinity", "-0", "0.1", "1e-5", "1e15"];

const types: readonly TypeValues[] = [
  { type: "bool", values: ["true", "false"] },
  { type: "int2", values: ["-32768", "32767", "0"] },
  { type: "int4", values: ["-2147483648", "2147483647", "0"] },
  { type: "int8", values: ["-9223372036854775808", "9223372036854775807", "0"] },
  { type: "float4", values: [...floats, "1e-45", "3.4028235e38"] },
  { type: "float8", values: [...floats, "4.9406564584124654e-324", "1.7976931348623157e308"] },
  {
    type: "numeric",
    values: ["NaN", "0", "-0.000", "12345678901234567890.1234567890", "-1e-20", "1e40", "10000", "0.0001", "9999.9999"],
  },
  { type: "numeric", values: ["Infinity", "-Infinity"], needs: "multiranges" },
  { type: "numeric(10,3)", values: ["1234567.891", "-0.001", "0.5"] },
  { type: "money", values: ["-92233720368547758.08", "0.01"] },
  { type: "text", values: ["", " ", "\\N", "a\tb\nc\"d'e\\", "äöü 表 🍐", "NULL"] },
  { type: "varchar(10)", values: ["", "0123456789"] },
  { type: "char(5)", values: ["", "ab", "abcde"] },
  { type: '"char"', values: ["", "x", "\\303"] },
  { type: "name", values: ["", "pg_class"] },
  { type: "bytea", values: ["", "\\x00", "\\xdeadbeef00ff", "\\x5c"] },
  {
    type: "date",
    values: ["infinity", "-infinity", "2000-01-01", "4713-01-01 BC", "5874897-12-31", "1999-12-31", "0001-01-01"],
  },
  { type: "time", values: ["00:00:00", "24:00:00", "23:59:59.999999"] },
  { type: "time(3)", values: ["12:34:56.789"] },
  { type: "timetz", values: ["00:00:00+15:59", "24:00:00-15:59", "12:00:00.5+05:30"] },
  {
    type: "timestamp",
    values: ["infinity", "-infinity", "2000-01-01 00:00:00", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
  },
  { type: "timestamp(0)", values: ["1999-12-31 23:59:59"] },
  {
    type: "timestamptz",
    values: [
      "infinity",
      "-infinity",
      "2000-01-01 00:00:00+00",
      "1999-12-31 23:59:59.999999+00",
      "0001-01-01 00:00:00+00 BC",
    ],
  },
  {
    type: "interval",
    values: ["0", "1 year 2 mons -3 days 04:05:06.789", "-178000000 years", "-00:00:00.000001", "1 mon -1 day"],
  },
  { type: "uuid", values: ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"] },
  { type: "json", values: ['{"a": 1,  "a": 1e400, "b": [null, "\\u00e9"]}', "null", "12345678901234567890"] },
  { type: "jsonb", values: ['{"b": 1.10, "a": {"c": [true, null, ""]}}', "null", "1e100", '"é"'] },
  { type: "xml", values: ["<a b='c'>&amp;</a>", ""] },
  { type: "inet", values: ["192.168.0.1/24", "10.0.0.1", "::1", "::ffff:1.2.3.4/128", "fe80::1/64"] },
  { type: "cidr", values: ["10.0.0.0/8", "2001:db8::/32"] },
  { type: "macaddr", values: ["08:00:2b:01:02:03"] },
  { type: "macaddr8", values: ["08:00:2b:01:02:03:04:05"] },
  { type: "bit(3)", values: ["101", "000"] },
  { type: "varbit", values: ["", "1", "101010101"] },
  { type: "point", values: ["(1,-2.5)", "(NaN,Infinity)"] },
  { type: "line", values: ["{1,-1,0}"] },
  { type: "lseg", values: ["[(0,0),(1,1)]"] },
  { type: "box", values: ["(1,1),(0,0)"] },
  { type: "path", values: ["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"] },
  { type: "polygon", values: ["((0,0),(1,1),(2,0))"] },
  { type: "circle", values: ["<(0,0),1.5>"] },
  { type: "int4range", values: ["empty", "[1,5)", "(,)", "[3,)"] },
  { type: "int8range", values: ["[1,9223372036854775807)"] },
  { type: "numrange", values: ["(1.5,2.50]", "[NaN,NaN]"] },
  { type: "daterange", values: ["[2000-01-01,infinity)", "(,2000-01-01)"] },
  { type: "tsrange", values: ['["2000-01-01 00:00:00",)', "[-infinity,infinity]"] },
  { type: "tstzrange", values: ["[2000-01-01 00:00:00+00,2000-01-02 00:00:00+00)"] },
  { type: "int4multirange", values: ["{}", "{[1,3),[5,8)}"] },
  { type: "tsvector", values: ["", "'a':1A,2B 'it''s':3"] },
  { type: "tsquery", values: ["'a' & !'b' | 'c':*A", "'a' <2> 'b'"] },
  { type: "oid", values: ["0", "4294967295"] },
  { type: "xid", values: ["3", "4294967295"] },
  { type: "xid8", values: ["18446744073709551615"] },
  { type: "cid", values: ["4294967295"] },
  { type: "tid", values: ["(4294967295,65535)"] },
  { type: "pg_lsn", values: ["0/0", "FFFFFFFF/FFFFFFFF"] },
  { type: "txid_snapshot", values: ["10:20:10,14,15"] },
  { type: "pg_snapshot", values: ["10:20:10,14,15"] },
  { type: "regclass", values: ["pg_class", "0"] },
  { type: "regtype", values: ["int4", "timestamp with time zone"] },
  { type: "regproc", values: ["pg_backend_pid"] },
  { type: "regnamespace", values: ["pg_catalog"] },
  { type: "refcursor", values: ["cursor"] },
  { type: "jsonpath", values: ["$.a[*] ? (@ > 1)"] },
  // It has no send function, so it is always sent as text.
  { type: "aclitem", values: ["postgres=r*w/postgres"] },
  { type: "int2vector", values: ["", "1 2 3"] },
  { type: "oidvector", values: ["1 4294967295"] },
  { type: "int4[]", values: ["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={7,8}"] },
  { type: "text[]", values: ['{"",NULL,"NULL","a,b","{}","\\"\\\\"}'] },
  { type: "bytea[]", values: ['{"\\\\x00ff",NULL}'] },
  { type: "float8[]", values: ["{NaN,-0,Infinity}"] },
  { type: "numeric[]", values: ["{NaN,1.50,NULL}"] },
  { type: "timestamptz[]", values: ["{infinity,NULL}"] },
  { type: "jsonb[]", values: ['{"{\\"a\\": 1}",NULL}'] },
  { type: "box[]", values: ["{(1,1),(0,0);(2,2),(1,1)}"] },
  { type: "bool[]", values: ["{t,f,NULL}"] },
  { type: "interval[]", values: ['{"1 day",NULL}'] },
  { type: "uuid[]", values: ["{00000000-0000-0000-0000-000000000000}"] },
  { type: "int4range[]", values: ['{"[1,2)",empty}'] },
];

/**
 * SQL that creates a table with a column of each type. The first row has the first value of each type, and so on; missing values are
 * NULL.
 */
export function tableOfTypes(
  table: string,
  knows: (type: string) => boolean,
  features: ReadonlySet<Feature>,
): { readonly create: string; readonly insert: string } {
  const columns = types.filter(({ type, needs }) => knows(type) && (needs === undefined || features.has(needs)));
  const length = 1 + Math.max(...columns.map(({ values }) => values.length));
  const definitions = columns.map(({ type }, i) => `c${i + 1} ${type}`);
  const rows = Array.from({ length }, (_, row) => {
    const values = columns.map(({ type, values }) => {
      const value = values[row];
      return value === undefined ? "NULL" : `${quoted(value)}::${type}`;
    });
    return `(${[row + 1, ...values].join(", ")})`;
  });
  return {
    create: `CREATE TABLE ${table} (id int PRIMARY KEY, ${definitions.join(", ")})`,
    insert: `INSERT INTO ${table} VALUES ${rows.join(", ")}`,
  };
}

/** The names of the types, to find out which of them a server knows. */
export const typeNames: readonly string[] = [...new Set(types.map(({ type }) => type))];

/** A string literal of SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
