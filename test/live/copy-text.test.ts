/** CopyDecoder reads any text as COPY … FROM STDIN of a server does, or rejects it as well. */
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { DecodeError } from "../../src/kernel/errors.ts";
import { CopyDecoder } from "../../src/logical/copy.ts";
import { escapes } from "../copies.ts";
import { dropDatabase } from "../initial-copies.ts";
import { seed, times } from "../seed.ts";
import { frame, type RawConnection } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

/** Rows as bytes, in hexadecimal digits; undefined if the text is rejected. */
type Rows = (string | null)[][] | undefined;

function ours(text: Buffer, columns: number): Rows {
  const decoder = new CopyDecoder({ format: "text", columns });
  try {
    const rows = decoder.receive(text);
    decoder.end();
    return rows.map((row) =>
      Array.from({ length: columns }, (_, i) => {
        const value = row.valueBytes(i);
        return value === undefined ? null : Buffer.from(value).toString("hex");
      }),
    );
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

async function theirs(connection: RawConnection, text: Buffer, columns: number): Promise<Rows> {
  const names = Array.from({ length: columns }, (_, i) => `c${i}`);
  await connection.query("TRUNCATE t");
  const list = columns === 0 ? "none" : `t (${names.join(", ")})`;
  connection.write(
    Buffer.concat([frame("Q", `COPY ${list} FROM STDIN`), frame("d", text), frame("c", new Uint8Array(0))]),
  );
  if ((await connection.until("Z")).some(({ type }) => type === "E")) return undefined;
  const values = names.map((name) => `encode(textsend(${name}), 'hex')`).join(", ");
  const messages = await connection.query(`SELECT ${values} FROM t ORDER BY n`);
  return messages
    .filter(({ type }) => type === "D")
    .map(({ body }) => {
      const row: (string | null)[] = [];
      for (let at = 2, n = body.readInt16BE(0); n > 0; n--) {
        const length = body.readInt32BE(at);
        row.push(length < 0 ? null : body.toString("latin1", at + 4, at + 4 + length));
        at += 4 + Math.max(length, 0);
      }
      return row;
    });
}

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  test("any text", { timeout: 30_000 + 60_000 * times }, async () => {
    const server = liveServer(major);
    const database = `copy_text_${process.pid}`;
    // There every byte but zero is a character.
    await server.sql(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`);
    onTestFinished(() => dropDatabase(server, database));
    const connection = await server.connect({ database, client_encoding: "LATIN1" });
    await connection.query("CREATE TABLE t (n serial, c0 text, c1 text, c2 text)");
    for (const [line, value] of escapes) {
      const wanted = value === null ? null : Buffer.from(value, "latin1").toString("hex");
      expect([line, await theirs(connection, Buffer.from(line, "latin1"), 1)]).toEqual([line, [[wanted]]]);
    }
    // A period behind a backslash is the end: before 18, also of what stands before it.
    const pieces = [..."\\\\\\\\\\\\\t\t\tNNxX0123789afFbnrtv\u00e9\u00ff ", "\n", "\\N", "\\\n", "\\\r"];
    // Before 14, a zero byte ends the value, where the encoding is not converted.
    const piece = fc.constantFrom(...pieces, ...(major >= 14 ? ["\0", "\\\0"] : []));
    const texts = fc.record({
      columns: fc.integer({ min: 1, max: 3 }),
      // There a carriage return may end a line, and the end of the last line may be missing.
      text: fc
        .array(piece, { maxLength: 12 })
        .map((pieces) => pieces.join(""))
        .filter((text) => /(?:^|[^\\])(?:\\\\)*$/.test(text) && !/(?:^|[^\\])(?:\\\\)*\r/.test(text))
        .map((text) => Buffer.from(`${text}\n`, "latin1")),
    });
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(texts, async ({ columns, text }) => {
        const read = await theirs(connection, text, columns);
        if (read !== undefined) accepted++;
        expect(ours(text, columns)).toEqual(read);
      }),
      { seed, numRuns: Math.ceil(1000 * times) },
    );
    expect(accepted).toBeGreaterThan(50 * times);
    await connection.close();
  });
});
