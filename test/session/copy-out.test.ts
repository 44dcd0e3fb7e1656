/** COPY … TO STDOUT on a replication connection. */
import { describe, expect, onTestFinished, test } from "vitest";
import { CopyDecoder } from "../../src/logical/copy.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  async function open(): Promise<ReplicationConnection> {
    const { host, port, user, database } = liveServer(major);
    const connection = await connect({ host, port, user, database, replication: "database" });
    onTestFinished(() => connection.disconnect());
    return connection;
  }

  async function read(connection: ReplicationConnection, text: string, columns: number): Promise<unknown[][]> {
    const format = text.includes("binary") ? "binary" : "text";
    const decoder = new CopyDecoder({ format, columns });
    const rows: unknown[][] = [];
    for await (const chunk of connection.copyOut(text)) {
      rows.push(...decoder.receive(chunk).map((row) => row.toArray()));
    }
    decoder.end();
    return rows;
  }

  test("rows are read, and the connection is free for the next command", async () => {
    const connection = await open();
    const text = "COPY (SELECT i, nullif(i, 2), E'a\\tb\\n\\\\' FROM generate_series(1, 3) i) TO STDOUT";
    const wanted = [1, 2, 3].map((i) => [`${i}`, i === 2 ? null : `${i}`, "a\tb\n\\"]);
    expect(await read(connection, text, 3)).toEqual(wanted);
    expect(await read(connection, "COPY (SELECT 'a'::text) TO STDOUT (FORMAT binary)", 1)).toEqual([
      [Uint8Array.of(97)],
    ]);
    expect(await read(connection, "COPY (SELECT 1 WHERE false) TO STDOUT", 1)).toEqual([]);
    expect((await connection.query("SELECT 1")).rows).toEqual([["1"]]);
  });

  test("an error is thrown at its place, and leaves the connection as it was", async () => {
    const connection = await open();
    await expect(read(connection, "COPY nowhere TO STDOUT", 1)).rejects.toMatchObject({ sqlstate: "42P01" });
    const rows: unknown[] = [];
    const reading = async () => {
      for await (const chunk of connection.copyOut(
        "COPY (SELECT 1 / (3 - i) FROM generate_series(1, 3) i) TO STDOUT",
      )) {
        rows.push(chunk);
      }
    };
    await expect(reading()).rejects.toMatchObject({ sqlstate: "22012" });
    expect(rows.length).toBe(2);
    expect((await connection.query("SELECT 1")).rows).toEqual([["1"]]);
  });

  test("another command is a StateError", async () => {
    const connection = await open();
    await expect(read(connection, "SELECT 1", 1)).rejects.toMatchObject({ code: "NOT_NOW" });
    expect((await connection.query("SELECT 1")).rows).toEqual([["1"]]);
    // The server would wait for data: the connection is closed.
    await expect(read(connection, "CREATE TEMP TABLE t (a int); COPY t FROM STDIN", 1)).rejects.toMatchObject({
      code: "NOT_NOW",
    });
    await expect(connection.query("SELECT 1")).rejects.toMatchObject({ code: "DISCONNECTED" });
  });

  test("a loop that is left, and an abort, close the connection", async () => {
    const long = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT";
    const left = await open();
    for await (const _ of left.copyOut(long)) break;
    await expect(left.query("SELECT 1")).rejects.toMatchObject({ code: "DISCONNECTED" });

    const aborted = await open();
    const controller = new AbortController();
    const reading = async () => {
      for await (const _ of aborted.copyOut(long, { signal: controller.signal })) controller.abort(new Error("enough"));
    };
    await expect(reading()).rejects.toThrow("enough");
    await expect(aborted.query("SELECT 1")).rejects.toMatchObject({ code: "DISCONNECTED" });
  });

  test("options that are invalid are named", async () => {
    const connection = await open();
    await expect(connection.copyOut("COPY (SELECT) TO STDOUT", { after: 1 } as never).next()).rejects.toThrow(
      "options: expected signal",
    );
  });
});
