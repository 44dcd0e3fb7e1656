/**
 * Values of every type against live servers: what a server sends, as text and as binary, reads as one value and is written back as it
 * was; what we write, in either format, the server takes for that value.
 */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typeValue } from "../../src/arbitraries/values.ts";
import { supports } from "../../src/capabilities.ts";
import { decodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { builtinTypes } from "../../src/values/builtin.ts";
import type { Codec } from "../../src/values/codec.ts";
import {
  absent,
  type CatalogRow,
  catalogQuery,
  fillUnchanged,
  rowReader,
  rowWriter,
  TypeMap,
} from "../../src/values/index.ts";
import { decodeText } from "../../src/wire/text.ts";
import { unchanged } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";
import { seed, times } from "../seed.ts";
import { captureStream, checked, frame, type RawConnection } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { picked, typeNodes } from "../type-graphs.ts";
import { floats, literal, literals, literalsOnly, sentBytes, sqlName } from "../value-literals.ts";

/** How many values are made of each type, and of arrays of it. */
const runs = { scalar: Math.ceil(250 * times), array: Math.ceil(75 * times) };

/** The names in SQL of the built-in types that types of graphs are made of. */
const builtinNames = new Map([
  [16, "bool"],
  [17, "bytea"],
  [20, "int8"],
  [23, "int4"],
  [25, "text"],
  [1184, "timestamptz"],
  [1007, "int4[]"],
  [1009, "text[]"],
  [3904, "int4range"],
]);

/** A value, and both formats of it. */
interface Sent {
  readonly text: string;
  readonly bytes: string;
}

class Session {
  readonly #connection: RawConnection;

  constructor(connection: RawConnection) {
    this.#connection = connection;
  }

  /** Rows of a query, NULL as undefined. */
  async rows(text: string): Promise<(string | undefined)[][]> {
    return rowsOf(checked(await this.#connection.query(text)));
  }

  /** What the server makes of texts, in both formats; `send` is undefined for a type that has no binary format. */
  async read(type: string, send: string | undefined, texts: readonly string[]): Promise<Sent[]> {
    const bytes = send === undefined ? "NULL" : sentBytes(send, "v");
    const list = texts.map((text, i) => `(${i}, ${literal(text)}::${type})`).join(",");
    const rows = await this.rows(`SELECT v, ${bytes} FROM (VALUES ${list}) AS t(i, v) ORDER BY i`);
    return rows.map(([text, bytes]) => ({ text: text!, bytes: bytes ?? "" }));
  }

  /** What the server says of values that it gets in binary, and of the same ones that it gets as text. */
  async copy(
    type: string,
    send: string,
    values: readonly { text: string; bytes: Uint8Array }[],
  ): Promise<[Sent, Sent][]> {
    await this.rows(`DROP TABLE IF EXISTS pg_temp.v; CREATE TEMP TABLE v (i int, t text, v ${type})`);
    const header = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), Buffer.alloc(8)]);
    const rows = values.map(({ text, bytes }, i) => {
      const index = Buffer.alloc(4);
      index.writeInt32BE(i);
      return Buffer.concat([
        Buffer.from([0, 3]),
        ...[index, Buffer.from(text), bytes].flatMap((each) => [lengthOf(each), each]),
      ]);
    });
    const data = Buffer.concat([header, ...rows, Buffer.from([0xff, 0xff])]);
    this.#connection.write(
      Buffer.concat([frame("Q", "COPY v FROM STDIN (FORMAT binary)"), frame("d", data), frame("c", new Uint8Array(0))]),
    );
    checked(await this.#connection.until("Z"));
    const said = await this.rows(
      `SELECT v, ${sentBytes(send, "v")}, c, ${sentBytes(send, "c")} FROM (SELECT i, v, t::${type} AS c FROM v) AS s ORDER BY i`,
    );
    return said.map(([v, vBytes, c, cBytes]) => [
      { text: v!, bytes: vBytes! },
      { text: c!, bytes: cBytes! },
    ]);
  }
}

/** Is it so of the value, or of anything in it? */
function someOf(value: unknown, isSo: (part: unknown) => boolean): boolean {
  if (isSo(value)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some((part) => someOf(part, isSo));
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return length;
}

function rowsOf(messages: Awaited<ReturnType<RawConnection["query"]>>): (string | undefined)[][] {
  return messages
    .filter(({ type }) => type === "D")
    .map(({ body }) => {
      const row: (string | undefined)[] = [];
      for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
        const length = body.readInt32BE(at);
        row.push(length < 0 ? undefined : body.toString("utf8", at + 4, at + 4 + length));
        at += 4 + Math.max(length, 0);
      }
      return row;
    });
}

/** What is wrong with our reading and writing of what a server sent. `exactText` if it prints as we do. */
function faults(codec: Codec, { text, bytes }: Sent, exactText: boolean, hasBinary = true): unknown[] {
  const value = codec.readText(text);
  const found: unknown[] = [];
  const ours = codec.writeText(value);
  if (exactText ? ours !== text : !isDeepStrictEqual(codec.readText(ours), value)) found.push({ text, value, ours });
  if (!hasBinary) return found;
  const binary = codec.readBinary(hex(bytes));
  if (!isDeepStrictEqual(binary, value)) found.push({ text, value, bytes, binary });
  const back = toHex(codec.writeBinary(binary));
  if (back !== bytes) found.push({ text, bytes, back });
  return found;
}

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);
  const database = "live_values";
  let connection: RawConnection;
  let session: Session;
  /** Send functions by the oid of the type. */
  const sends = new Map<number, string>();
  const typeMap = new TypeMap({ server: server.versionNum });

  beforeAll(async () => {
    await server.sql(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`);
    connection = await server.connect({ database, client_encoding: "UTF8" });
    session = new Session(connection);
    await session.rows(`
      SET extra_float_digits = 3;
      CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "h,app}y"', 'NULL');
      CREATE DOMAIN count AS int8;
      CREATE DOMAIN "many\u00e9" AS text[];
      CREATE TYPE pair AS (first int4, "se,cond" text, "__proto__" numeric);
      CREATE TYPE deep AS (pairs pair[], mood mood, span tstzrange, bytes bytea, dead int, grid many\u00e9${major < 11 ? "" : ", counts count[]"});
      ALTER TYPE deep DROP ATTRIBUTE dead;
      CREATE TYPE nothing AS ();
      CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");
      CREATE TABLE used (a int, p pair);
      CREATE EXTENSION citext;
      CREATE EXTENSION hstore;
      CREATE EXTENSION ltree`);
    for (const [oid, send] of await session.rows("SELECT oid, typsend::regproc FROM pg_type WHERE typsend <> 0")) {
      sends.set(Number(oid), send!);
    }
    typeMap.addFromCatalog((await session.rows(catalogQuery())).map((row) => row.map((each) => each ?? null)));
  });

  afterAll(async () => {
    await connection.close();
    await server.sql(`DROP DATABASE ${database}`);
  });

  const exact = (name: string): boolean => major >= 12 || !floats.test(name);

  /** Values that the server of this version has. */
  function valuesFor(oid: number, count: number): unknown[] {
    const { name } = typeMap.codec(oid);
    const values = fc.sample(typeValue(oid, typeMap), { numRuns: count, seed });
    // Not all that servers send they take: in binary no vector without elements, as text no interval as long as can be.
    const longest = major < 15 ? (2n ** 31n - 1n) * 3_600_000_000n : 2n ** 63n - (major < 17 ? 2n : 1n);
    const isRefused = (part: unknown): boolean => {
      if (/^_?(int2|oid)vector$/.test(name)) return Array.isArray(part) && part.length === 0;
      if (typeof part === "bigint") return /interval/.test(name) && (part < -longest || part > longest);
      return major < 14 && typeof part === "string" && /^-?Infinity$/.test(part);
    };
    return values.filter((value) => !someOf(value, isRefused));
  }

  async function holdsFor(oid: number, type: string, count: number): Promise<void> {
    const codec = typeMap.codec(oid);
    const values = valuesFor(oid, count);
    const written = values.map((value) => ({ text: codec.writeText(value), bytes: codec.writeBinary(value) }));
    const said = await session.copy(type, sends.get(oid)!, written);
    expect(said.length).toBe(values.length);
    const wrong = said.flatMap((both, i) =>
      both.flatMap((sent) => {
        const { text, bytes } = written[i]!;
        const found = faults(codec, sent, exact(codec.name));
        if (!isDeepStrictEqual(codec.readText(sent.text), values[i])) found.push({ value: values[i], sent });
        if (sent.bytes !== toHex(bytes)) found.push({ sent, bytes: toHex(bytes) });
        if (exact(codec.name) && sent.text !== text) found.push({ sent, text });
        return found;
      }),
    );
    expect(wrong.slice(0, 3), `seed ${seed}`).toEqual([]);
  }

  test("the built-in types are those of pg_type", async () => {
    const rows = await session.rows("SELECT oid, typarray, typname, typtype, typsend FROM pg_type");
    const known = new Map(rows.map(([oid, ...rest]) => [Number(oid), rest]));
    const names = builtinTypes()
      .filter(([oid]) => known.has(oid))
      .map(([oid, arrayOid, { name }]) => {
        const [array, typname] = known.get(oid)!;
        expect([Number(array), typname]).toEqual([arrayOid, name]);
        return name;
      });
    expect(names.length).toBeGreaterThan(60);
    // Those that are not known are no types of columns, or have no values that a client could make.
    const ofColumns = rows.filter(
      ([oid, array, , typtype]) => Number(oid) < 10000 && Number(array) !== 0 && "brm".includes(typtype!),
    );
    const unknown = ofColumns.map(([, , name]) => name!).filter((name) => !names.includes(name));
    expect(unknown.sort()).toEqual([
      ...(major < 12 ? ["abstime"] : []),
      "gtsvector",
      ...(major < 12 ? ["reltime", "tinterval"] : []),
    ]);
  });

  const types = builtinTypes().map(([oid, arrayOid, { name }]) => ({ oid, arrayOid, name }));

  test.each(types)("$name: what the server says", async ({ oid, name }) => {
    if (!sends.has(oid) && name !== "aclitem")
      return expect(await session.rows(`SELECT to_regtype('${name}')`)).toEqual([[undefined]]);
    const texts = literals[name]!;
    const codec = typeMap.codec(oid);
    const hasBinary = sends.has(oid);
    const sent = await session.read(sqlName(name), sends.get(oid), texts);
    if (literalsOnly.test(name)) {
      for (const { text, bytes } of sent) {
        expect(codec.writeText(codec.readText(text))).toBe(text);
        if (hasBinary) expect(toHex(codec.writeBinary(codec.readBinary(hex(bytes))))).toBe(bytes);
      }
      return;
    }
    expect(sent.flatMap((each) => faults(codec, each, exact(name), hasBinary))).toEqual([]);
  });

  test.each(types.filter(({ name }) => !literalsOnly.test(name)))(
    "$name: what we say",
    async ({ oid, arrayOid, name }) => {
      if (!sends.has(oid)) return;
      await holdsFor(oid, sqlName(name), runs.scalar);
      await holdsFor(arrayOid, sqlName(`_${name}`), runs.array);
    },
  );

  test.each(["mood", "count", "pair", "deep", "nothing", "textrange", "used", "many\u00e9"])(
    "%s, a type of the database, and arrays of it",
    async (name) => {
      const found = await session.rows(`SELECT oid, typarray FROM pg_type WHERE typname = '${name}'`);
      const [oid, arrayOid] = found[0]!.map(Number);
      await holdsFor(oid!, `"${name}"`, runs.array);
      if (arrayOid !== 0) await holdsFor(arrayOid!, `"_${name}"`, runs.array);
    },
  );

  test.each([
    ["citext", ["aA", "", 'é"\\{}']],
    ["hstore", ["", "a=>1, bb=>NULL", '"a b"=>"\\\\\\"", ""=>"", é=>"=>", zz=>null, 10=>2, 9=>"NULL"']],
    ["ltree", ["", "a", "a.b_1.C"]],
    ["lquery", ["a.*{2,}.b", "!a@|b%*", "*"]],
    ["ltxtquery", ["a & !(b@* | c%)"]],
  ])("%s of an extension, and arrays of it", async (name, texts) => {
    const [found] = await session.rows(`SELECT oid, typarray FROM pg_type WHERE typname = '${name}'`);
    const [oid, arrayOid] = found!.map(Number);
    const codec = typeMap.codec(oid!);
    expect(codec.twofold, "it has a codec").toBe(false);
    const hasBinary = sends.has(oid!);
    expect(hasBinary).toBe(major >= 13 || !name.startsWith("l"));
    const sent = await session.read(name, sends.get(oid!), texts);
    expect(sent.flatMap((each) => faults(codec, each, true, hasBinary))).toEqual([]);
    if (!hasBinary) return;
    await holdsFor(oid!, name, runs.array);
    await holdsFor(arrayOid!, `_${name}`, runs.array);
  });

  test("timestamptz of any zone of the server reads as the same moment", async () => {
    const times = [
      "1800-01-01 00:00+00",
      "1900-06-01 12:34:56.789+00",
      "2024-07-01+00",
      "0001-01-01+00 BC",
      "infinity",
      "99999-01-01+00",
    ];
    const read = new Set<string>();
    for (const zone of [
      "UTC",
      "Europe/Berlin",
      "America/St_Johns",
      "Asia/Kathmandu",
      "Africa/Monrovia",
      "<+15:59>-15:59",
    ]) {
      await session.rows(`SET TimeZone = ${literal(zone)}`);
      for (const type of ["timestamptz", "timetz"]) {
        const list = type === "timestamptz" ? times : ["12:34:56.7"];
        const codec = typeMap.codec(type === "timestamptz" ? 1184 : 1266);
        for (const { text, bytes } of await session.read(type, `${type}_send`, list)) {
          read.add(text.replace(/^.*(?=[+-])/, "").replace(" BC", ""));
          expect(codec.readText(text), text).toEqual(codec.readBinary(hex(bytes)));
        }
      }
    }
    await session.rows("SET TimeZone = 'UTC'");
    // Zones of hours, minutes and seconds, on both sides, were among them.
    expect([...read].filter((zone) => zone.length === 9).length).toBeGreaterThan(3);
    expect([...read].filter((zone) => zone.length === 6).length).toBeGreaterThan(1);
  });

  test("dates and intervals of other styles are refused, not read as others", async () => {
    for (const style of ["SQL, DMY", "Postgres, MDY", "German"]) {
      await session.rows(`SET DateStyle = ${literal(style)}`);
      for (const [type, oid] of [
        ["date", 1082],
        ["timestamp", 1114],
        ["timestamptz", 1184],
      ] as const) {
        const [sent] = await session.read(type, undefined, ["2024-03-02"]);
        expect(() => typeMap.codec(oid).readText(sent!.text), sent!.text).toThrow(DecodeError);
      }
    }
    await session.rows("SET DateStyle = 'ISO'");
    for (const style of ["sql_standard", "postgres_verbose", "iso_8601"]) {
      await session.rows(`SET IntervalStyle = ${style}`);
      const [sent] = await session.read("interval", undefined, ["1 year 2 days 03:04:05"]);
      expect(() => typeMap.codec(1186).readText(sent!.text), sent!.text).toThrow(DecodeError);
    }
    await session.rows("SET IntervalStyle = postgres");
  });

  test("bytea reads from both of its outputs", async () => {
    await session.rows("SET bytea_output = escape");
    const all = toHex(Uint8Array.from({ length: 256 }, (_, byte) => byte));
    const [sent] = await session.read("bytea", undefined, [`\\x${all}`]);
    expect(toHex(typeMap.codec(17).readText(sent!.text) as Uint8Array)).toBe(all);
    await session.rows("SET bytea_output = hex");
  });

  test('every byte of "char" is read and written as the server prints it', async () => {
    // charout, and not the cast to text, which is another function. Its text may be no text of the encoding: here it is bytes.
    const rows = await session.rows(
      `SELECT encode("charsend"(c), 'hex'), encode(textsend(array_to_string(ARRAY[c], '')), 'hex')
       FROM (SELECT i::"char" AS c FROM generate_series(-128, 127) i) s`,
    );
    expect(rows.length).toBe(256);
    for (const [bytes, sent] of rows) {
      const printed = hex(sent!);
      const text = decodeText(printed, 0, printed.length);
      const codec = typeMap.codec(18);
      expect(codec.readBinary(hex(bytes!)), bytes).toBe(codec.readText(text));
      expect(codec.writeText(codec.readText(text)), bytes).toBe(text);
      expect(toHex(codec.writeBinary(codec.readText(text)))).toBe(bytes);
    }
    // What we write above 127 is read as that byte, where it can be sent at all.
    if (major >= 15) {
      const texts = ["c8", "80", "ff"].map((bytes) =>
        typeMap.codec(18).writeText(typeMap.codec(18).readBinary(hex(bytes))),
      );
      const read = await session.read(sqlName("char"), "charsend", texts);
      expect(read.map(({ bytes }) => bytes)).toEqual(["c8", "80", "ff"]);
    }
  });

  test("a value lacks an array's flag for former NULLs and a NaN's bits", async () => {
    const [array, nan] = (
      await session.rows(
        `SELECT encode(array_send(('{1,NULL}'::int[])[1:1]), 'hex'), encode(float8send('inf'::float8 - 'inf'::float8), 'hex')`,
      )
    )[0]!;
    expect(array).toBe("000000010000000100000017000000010000000100000004" + "00000001");
    expect(typeMap.codec(1007).readBinary(hex(array!))).toEqual([1]);
    expect(toHex(typeMap.codec(1007).writeBinary([1]))).toBe(array!.replace("0000000100000001", "0000000100000000"));
    expect(nan).toMatch(/^[7f]ff8000000000000$/);
    expect(typeMap.codec(701).readBinary(hex(nan!))).toBe(Number.NaN);
  });

  describe("the rows of a stream", () => {
    const binaryToo = supports(server.versionNum, "pgoutputBinary");

    /** The messages of a workload, with or without the option binary, and other options. */
    async function streamOf(
      binary: boolean,
      workload: string,
      more: Readonly<Record<string, string>> = {},
    ): Promise<PgoutputMessage[]> {
      const options = { proto_version: "1", publication_names: "p", ...(binary && { binary: "true" }), ...more };
      const capture = await captureStream(server, {
        ...{ database, options },
        workload: async () => void (await server.sql(workload, { database })),
      });
      return capture.payloads.flatMap((payload): PgoutputMessage[] => {
        const envelope = decodeWalSenderMessage(new Uint8Array(payload));
        return envelope.type === "XLogData" ? [decodePgoutputMessage(envelope.data)] : [];
      });
    }

    const allOf = <T extends PgoutputMessage["type"]>(messages: readonly PgoutputMessage[], type: T) =>
      messages.filter((message): message is Extract<PgoutputMessage, { type: T }> => message.type === type);

    beforeAll(async () => {
      await session.rows(`
        ALTER DATABASE ${database} SET extra_float_digits = 3;
        CREATE PUBLICATION p FOR ALL TABLES`);
    });

    test.each(binaryToo ? [false, true] : [false])(
      "of all types are the values that went in, binary: %s",
      async (binary) => {
        const columns = types
          .filter(
            ({ oid, name }) =>
              sends.has(oid) && !literalsOnly.test(name) && !/^(xml|int2vector|oidvector|[ct]id|char)$/.test(name),
          )
          .flatMap(({ oid, arrayOid, name }) => [
            { oid, sql: sqlName(name), name },
            { oid: arrayOid, sql: sqlName(`_${name}`), name: `${name}[]` },
          ]);
        const own = await session.rows(
          `SELECT oid, typname FROM pg_type WHERE typname IN ('mood', 'count', 'deep', '_pair', 'textrange')`,
        );
        for (const [oid, name] of own) columns.push({ oid: Number(oid), sql: `"${name}"`, name: name! });
        const values = columns.map(({ oid }) => valuesFor(oid, 60).slice(0, 20));
        const codecs = columns.map(({ oid }) => typeMap.codec(oid));
        const rows = Array.from({ length: 20 }, (_, i) => columns.map((_, c) => values[c]![i] ?? null));
        const list = rows.map(
          (row) =>
            `(${row.map((value, c) => (value === null ? "NULL" : literal(codecs[c]!.writeText(value)))).join(",")})`,
        );
        await session.rows(
          `DROP TABLE IF EXISTS wide; CREATE TABLE wide (${columns.map(({ name, sql }) => `"${name}" ${sql}`).join(",")})`,
        );
        const messages = await streamOf(binary, `INSERT INTO wide VALUES ${list.join(",")}`);

        const relation = allOf(messages, "Relation")[0]!;
        const reader = rowReader(relation, typeMap);
        const write = rowWriter(relation, typeMap, { format: binary ? "binary" : "text" });
        const inserts = allOf(messages, "Insert");
        expect(inserts.length).toBe(20);
        for (const [i, { newTuple }] of inserts.entries()) {
          if (binary) expect(newTuple.kind(0)).not.toBe("text");
          const row = reader.read(newTuple);
          for (const [c, value] of rows[i]!.entries())
            expect(isDeepStrictEqual(row[c], value), columns[c]!.name).toBe(true);
          if (binary || major >= 12)
            expect(isDeepStrictEqual(write(row).bytes, Uint8Array.from(newTuple.bytes))).toBe(true);
        }
      },
    );

    test("null, unchanged and absent differ, and a full old row fills unchanged", async () => {
      await session.rows(`
        CREATE TABLE by_key (id int PRIMARY KEY, big text, note text, n count);
        ALTER TABLE by_key ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE by_all (LIKE by_key INCLUDING ALL);
        ALTER TABLE by_all ALTER big SET STORAGE EXTERNAL;
        ALTER TABLE by_all REPLICA IDENTITY FULL`);
      const messages = await streamOf(
        false,
        ["by_key", "by_all"]
          .map(
            (table) => `
        INSERT INTO ${table} VALUES (1, repeat('x', 10000), NULL, 7);
        UPDATE ${table} SET note = 'a';
        UPDATE ${table} SET id = 2;
        DELETE FROM ${table}`,
          )
          .join(";"),
      );
      const big = "x".repeat(10000);

      // All that the stream says of the domain is what its base type is called.
      const fromStream = new TypeMap();
      for (const type of allOf(messages, "Type")) expect(fromStream.addFromTypeMessage(type)).toBe(true);
      const readers = new Map(
        allOf(messages, "Relation").map((each) => [each.relationId, rowReader(each, fromStream)]),
      );
      const [first, second] = allOf(messages, "Insert");
      const [byKey, byAll] = [first!.relationId, second!.relationId];
      expect(readers.get(byKey)!.read(first!.newTuple)).toEqual([1, big, null, 7n]);

      const updates = allOf(messages, "Update").map(({ relationId, oldTuple, newTuple }) => {
        const reader = readers.get(relationId)!;
        const [row, old] = [reader.read(newTuple), oldTuple && reader.readOld(oldTuple)];
        return { relationId, row, old, filled: fillUnchanged(row, old) };
      });
      expect(updates).toEqual([
        {
          ...{ relationId: byKey, row: [1, unchanged, "a", 7n], old: undefined },
          filled: { row: [1, unchanged, "a", 7n], unchanged: [1] },
        },
        {
          ...{ relationId: byKey, row: [2, unchanged, "a", 7n], old: [1, absent, absent, absent] },
          filled: { row: [2, unchanged, "a", 7n], unchanged: [1] },
        },
        {
          ...{ relationId: byAll, row: [1, unchanged, "a", 7n], old: [1, big, null, 7n] },
          filled: { row: [1, big, "a", 7n], unchanged: [] },
        },
        {
          ...{ relationId: byAll, row: [2, unchanged, "a", 7n], old: [1, big, "a", 7n] },
          filled: { row: [2, big, "a", 7n], unchanged: [] },
        },
      ]);
      const olds = allOf(messages, "Delete").map(({ relationId, oldTuple }) =>
        readers.get(relationId)!.readOld(oldTuple),
      );
      expect(olds).toEqual([
        [2, absent, absent, absent],
        [2, big, "a", 7n],
      ]);
    });

    test("types of all kinds within each other, in whatever order they become known", async () => {
      // Domains over composites came in 11, with arrays of domains; multiranges in 14.
      const kinds = ["enum", "domain", "composite", "composite", "array", "range"] as const;
      const graphs = fc.sample(typeNodes(kinds), { numRuns: Math.max(2, Math.ceil(20 * times)), seed });
      for (const [g, nodes] of graphs.entries()) {
        const schema = `graph${g}`;
        /** Each node in SQL: its name, and what it is. */
        const names: { readonly sql: string; readonly arrayOk: boolean; readonly domainOk: boolean }[] = [];
        const statements = [`CREATE SCHEMA ${schema}`];
        for (const [i, { kind, picks }] of nodes.entries()) {
          const parts = picks.map((pick) => {
            const part = picked(pick, i);
            if ("own" in part) return names[part.own]!;
            return {
              sql: builtinNames.get(part.builtin)!,
              arrayOk: !builtinNames.get(part.builtin)!.endsWith("[]"),
              domainOk: true,
            };
          });
          const sql = `${schema}.g${i}`;
          const [first] = parts;
          if (kind === "array" && first!.arrayOk) {
            names.push({ sql: `${first!.sql}[]`, arrayOk: false, domainOk: true });
          } else if (kind === "domain" && first!.domainOk) {
            statements.push(`CREATE DOMAIN ${sql} AS ${first!.sql}`);
            names.push({ sql, arrayOk: major >= 11, domainOk: true });
          } else if (kind === "range") {
            const subtype = ["int8", 'text, collation = "C"', "timestamptz"][picks[0]! % 3]!;
            statements.push(`CREATE TYPE ${sql} AS RANGE (subtype = ${subtype})`);
            names.push({ sql, arrayOk: true, domainOk: true });
          } else if (kind === "enum") {
            statements.push(`CREATE TYPE ${sql} AS ENUM ('sad', 'ok', '"{,}"', 'NULL')`);
            names.push({ sql, arrayOk: true, domainOk: true });
          } else {
            statements.push(`CREATE TYPE ${sql} AS (${parts.map((part, f) => `f${f} ${part.sql}`).join(", ")})`);
            names.push({ sql, arrayOk: true, domainOk: major >= 11 });
          }
        }
        statements.push(`CREATE TABLE ${schema}.t (${names.map(({ sql }, i) => `c${i} ${sql}`).join(", ")})`);
        await session.rows(statements.join(";"));
        const columnOids = await session.rows(
          `SELECT atttypid FROM pg_attribute WHERE attrelid = '${schema}.t'::regclass AND attnum > 0 ORDER BY attnum`,
        );
        const oids = columnOids.map(([oid]) => Number(oid));
        const catalog = (await session.rows(catalogQuery())).map((row) => row.map((each) => each ?? null));

        // One map knows all from the start; another learns in a random order, and is asked in between.
        const whole = new TypeMap({ server: server.versionNum }).addFromCatalog(catalog);
        const values = oids.map((oid) => fc.sample(typeValue(oid, whole), { numRuns: 4, seed }));
        const rows = Array.from({ length: 4 }, (_, r) => values.map((all) => all[r]));
        const list = rows.map(
          (row) => `(${row.map((each, c) => literal(whole.codec(oids[c]!).writeText(each))).join(",")})`,
        );
        const partly = new TypeMap({ server: server.versionNum });
        const order = fc.sample(fc.shuffledSubarray(catalog, { minLength: catalog.length }), {
          numRuns: 1,
          seed: seed + g,
        })[0]!;
        for (const [i, row] of order.entries()) {
          partly.addFromCatalog([row]);
          partly.codec(oids[i % oids.length]!).twofold;
        }
        for (const binary of binaryToo ? [false, true] : [false]) {
          const messages = await streamOf(
            binary,
            `TRUNCATE ${schema}.t; INSERT INTO ${schema}.t VALUES ${list.join(",")}`,
          );
          const relation = allOf(messages, "Relation").at(-1)!;
          const inserts = allOf(messages, "Insert");
          expect(inserts.length).toBe(rows.length);
          for (const map of [whole, partly]) {
            const read = inserts.map(({ newTuple }) => rowReader(relation, map).read(newTuple));
            for (const [r, row] of rows.entries())
              for (const [c, value] of row.entries())
                expect(isDeepStrictEqual(read[r]![c], value), `seed ${seed}, ${schema}.c${c} ${names[c]!.sql}`).toBe(
                  true,
                );
          }
        }
        // What SELECT says is what we say.
        const said = await session.rows(`SELECT * FROM ${schema}.t`);
        expect(said).toEqual(rows.map((row) => row.map((each, c) => whole.codec(oids[c]!).writeText(each))));
        await session.rows(`DROP SCHEMA ${schema} CASCADE`.replace(/^/, "SET client_min_messages = warning; "));
      }
    });

    test.runIf(major >= 13)(
      "a NULL in an old row of another replica identity than its root is not taken for a value",
      async () => {
        await session.rows(`
          CREATE TABLE root_full (id int, big text, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
          CREATE TABLE leaf_key PARTITION OF root_full DEFAULT;
          CREATE TABLE root_key (id int, big text, note text, other text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
          CREATE TABLE leaf_full PARTITION OF root_key DEFAULT;
          ALTER TABLE leaf_key ALTER big SET STORAGE EXTERNAL;
          ALTER TABLE leaf_full ALTER big SET STORAGE EXTERNAL;
          ALTER TABLE root_full REPLICA IDENTITY FULL;
          ALTER TABLE leaf_full REPLICA IDENTITY FULL;
          CREATE PUBLICATION p_root FOR TABLE root_full, root_key WITH (publish_via_partition_root)`);
        const messages = await streamOf(
          false,
          `INSERT INTO root_full VALUES (1, repeat('x', 10000), 'a');
           UPDATE root_full SET id = 2;
           INSERT INTO root_key VALUES (1, repeat('x', 10000), 'a');
           UPDATE root_key SET id = 2`,
          { publication_names: "p_root" },
        );
        const big = "x".repeat(10000);
        const relations = new Map(allOf(messages, "Relation").map((each) => [each.relationId, each]));
        const updates = allOf(messages, "Update").map(({ relationId, oldTuple, newTuple }) => {
          const reader = rowReader(relations.get(relationId)!, typeMap);
          const [row, old] = [reader.read(newTuple), reader.readOld(oldTuple!)];
          return { type: oldTuple!.type, row, old, filled: fillUnchanged(row, old) };
        });
        expect(updates).toEqual([
          {
            ...{ type: "full", row: [2, unchanged, "a"], old: [1, null, null] },
            filled: { row: [2, unchanged, "a"], unchanged: [1] },
          },
          {
            ...{ type: "key", row: [2, unchanged, "a", null], old: [1, big, "a", absent] },
            filled: { row: [2, big, "a", null], unchanged: [] },
          },
        ]);
      },
    );

    test("ALTER TYPE is not reported; a type created again has another oid", async () => {
      await session.rows(`
        CREATE TYPE place AS (street text, town text);
        CREATE TABLE lives (p place)`);
      const catalog = async () => (await session.rows(catalogQuery())).map((row) => row.map((each) => each ?? null));
      const map = new TypeMap().addFromCatalog(await catalog());
      const before = map.revision;
      const messages = await streamOf(
        false,
        `INSERT INTO lives VALUES ('(a,b)');
         ALTER TYPE place RENAME ATTRIBUTE street TO road;
         INSERT INTO lives VALUES ('(a,b)');
         ALTER TYPE place ADD ATTRIBUTE code int;
         INSERT INTO lives VALUES ('(a,b,7)');
         ALTER TABLE lives DROP p;
         DROP TYPE place;
         CREATE TYPE place AS (town text, road text);
         ALTER TABLE lives ADD p place;
         INSERT INTO lives VALUES ('(b,a)')`,
      );
      const relations = allOf(messages, "Relation");
      const inserts = allOf(messages, "Insert");
      // Some versions send the messages again, with the same contents.
      const said = (message: object): string => JSON.stringify(message);
      expect(new Set(relations.map(said)).size).toBe(2);
      expect(new Set(allOf(messages, "Type").map(said)).size).toBe(2);
      const known = allOf(messages, "Type").map((type) => map.addFromTypeMessage(type));
      expect(known.at(0)).toBe(true);
      expect(known.at(-1)).toBe(false);
      const reader = rowReader(relations[0]!, map);
      expect(reader.read(inserts[0]!.newTuple)).toEqual([{ street: "a", town: "b" }]);
      // Under the old name, since nothing says that there is another.
      expect(reader.read(inserts[1]!.newTuple)).toEqual([{ street: "a", town: "b" }]);
      expect(() => reader.read(inserts[2]!.newTuple)).toThrow(/lives\.p .*load the catalogs again/);
      const lenient = rowReader(relations[0]!, map, { onUnreadable: (_, value) => value });
      expect(lenient.read(inserts[2]!.newTuple)).toEqual(["(a,b,7)"]);
      expect(rowReader(relations.at(-1)!, map).read(inserts[3]!.newTuple)).toEqual(["(b,a)"]);
      expect(map.addFromCatalog(await catalog()).revision).toBeGreaterThan(before);
      expect(rowReader(relations.at(-1)!, map).read(inserts[3]!.newTuple)).toEqual([{ town: "b", road: "a" }]);
    });

    test.runIf(supports(server.versionNum, "logicalMessages"))(
      "with the event trigger of docs/values.md, every row is read by the type of its time",
      async () => {
        const docs = readFileSync(new URL("../../docs/values.md", import.meta.url), "utf8");
        const [, sql] = /^```sql\n(CREATE FUNCTION send_types[\s\S]*?)^```$/m.exec(docs)!;
        await session.rows(`
          CREATE TYPE person AS (first text, last text);
          CREATE TABLE people (id int, p person, all_of person[]);
          ${sql!.replace("QUERY", () => catalogQuery())}`);
        const catalog = (await session.rows(catalogQuery())).map((row) => row.map((each) => each ?? null));
        const map = new TypeMap({ server: server.versionNum }).addFromCatalog(catalog);
        const messages = await streamOf(
          binaryToo,
          `INSERT INTO people VALUES (1, '(a,b)', '{"(a,b)"}');
           BEGIN;
           ALTER TYPE person RENAME ATTRIBUTE first TO given;
           INSERT INTO people VALUES (2, '(a,b)', '{"(a,b)"}');
           ALTER TYPE person ADD ATTRIBUTE age int;
           INSERT INTO people VALUES (3, '(a,b,7)', '{"(a,b,7)"}');
           COMMIT;
           BEGIN;
           ALTER TYPE person RENAME ATTRIBUTE given TO wrong;
           INSERT INTO people VALUES (4, NULL, NULL);
           ROLLBACK;
           INSERT INTO people VALUES (5, '(a,b,7)', '{}');
           ALTER TYPE person RENAME TO human;
           ALTER TYPE human DROP ATTRIBUTE last;
           INSERT INTO people VALUES (6, '(a,7)', '{"(a,7)"}')`,
          { messages: "true" },
        );
        await session.rows("DROP EVENT TRIGGER send_types");
        const reader = rowReader(allOf(messages, "Relation")[0]!, map);
        const read: unknown[] = [];
        for (const message of messages) {
          if (message.type === "Insert") read.push(reader.read(message.newTuple));
          if (message.type === "Message" && message.prefix === "walwire.types")
            map.addFromCatalog(JSON.parse(new TextDecoder().decode(message.content)) as CatalogRow[]);
        }
        const person = { given: "a", last: "b" };
        const older = { ...person, age: 7 };
        expect(read).toEqual([
          [1, { first: "a", last: "b" }, [{ first: "a", last: "b" }]],
          [2, person, [person]],
          [3, older, [older]],
          [5, older, []],
          [6, { given: "a", age: 7 }, [{ given: "a", age: 7 }]],
        ]);
      },
    );
  });
});
