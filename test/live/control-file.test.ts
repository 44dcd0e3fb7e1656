/**
 * pg_control, by real servers: what they have written is read as their functions and settings say it; and what we write, with any
 * number in any field, is read by their functions, which look into the file each time, as we meant it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  controlFileVersions,
  decodeControlFile,
  encodeControlFile,
  explainControlFile,
} from "../../src/files/index.ts";
import { anyFile, askOfControlFile, sqlOf } from "../control-files.ts";
import { seed } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let path: string;
  let written: Uint8Array;

  const ask = () => askOfControlFile(server);

  beforeAll(async () => {
    // Nothing but us writes the file meanwhile.
    server = await startServer({ major, settings: { checkpoint_timeout: "1d", track_commit_timestamp: "on" } });
    await server.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    await server.sql("CHECKPOINT");
    path = join(server.dataDirectory, "global/pg_control");
    written = new Uint8Array(readFileSync(path));
  });

  afterAll(async () => {
    writeFileSync(path, written);
    await server.stop();
  });

  test("says the same of its file as we do, and we write the same file", async () => {
    const data = decodeControlFile(written);
    expect(await ask()).toEqual(sqlOf(data, major));
    const setting = async (name: string): Promise<string> => (await server.sql(`SHOW ${name}`)).rows[0]![0]!;
    const onOff = (on: boolean): string => (on ? "on" : "off");
    expect({
      max_connections: String(data.maxConnections),
      max_worker_processes: String(data.maxWorkerProcesses),
      max_prepared_transactions: String(data.maxPreparedXacts),
      max_locks_per_transaction: String(data.maxLocksPerXact),
      wal_level: String(data.walLevel),
      wal_log_hints: onOff(data.walLogHints),
      track_commit_timestamp: onOff(data.trackCommitTimestamp!),
      data_checksums: String(data.dataChecksumVersion),
      ...(major >= 12 && { max_wal_senders: String(data.maxWalSenders) }),
    }).toEqual({
      max_connections: await setting("max_connections"),
      max_worker_processes: await setting("max_worker_processes"),
      max_prepared_transactions: await setting("max_prepared_transactions"),
      max_locks_per_transaction: await setting("max_locks_per_transaction"),
      wal_level: await setting("wal_level"),
      wal_log_hints: await setting("wal_log_hints"),
      track_commit_timestamp: await setting("track_commit_timestamp"),
      data_checksums: await setting("data_checksums"),
      ...(major >= 12 && { max_wal_senders: await setting("max_wal_senders") }),
    });
    expect(data).toMatchObject({ dbState: "in production", floatFormat: 0x4132d68700000000n, padding: undefined });
    expect(data.mockAuthenticationNonce!.some((byte) => byte !== 0)).toBe(true);
    expect(Buffer.from(encodeControlFile(data)).equals(written)).toBe(true);
    expect(explainControlFile(data)[0]).toContain(`PostgreSQL ${controlFileVersions(data)} (`);
  });

  test("reads what we write, any number in any field", async () => {
    const { pgControlVersion } = decodeControlFile(written);
    for (const data of fc.sample(anyFile(major), { seed, numRuns: 10 })) {
      const file = encodeControlFile({ ...data, pgControlVersion });
      writeFileSync(path, file);
      const read = decodeControlFile(file);
      expect(read).toEqual({ ...data, pgControlVersion, crc: read.crc });
      expect(await ask()).toEqual(sqlOf(read, major));
    }
    writeFileSync(path, written);
  });

  test("has a file that the command line decodes, explains and verifies", async () => {
    const { status, stdout } = await runWalwire(["decode", "--verify", path]);
    expect({ status, last: stdout.trimEnd().split("\n").at(-1) }).toEqual({
      status: 0,
      last: '{"messages":1,"mismatches":0,"errors":0}',
    });
    expect(stdout).toContain(`Control file of the cluster ${decodeControlFile(written).systemIdentifier}`);
  });
});
