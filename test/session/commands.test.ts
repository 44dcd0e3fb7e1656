/** Replication commands as typed methods, against live servers. */
import { describe, expect, onTestFinished, test } from "vitest";
import { commandCapabilities } from "../../src/command/capabilities.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import {
  ArgumentError,
  EncodeError,
  ParseError,
  ServerError,
  StateError,
  UnsupportedError,
} from "../../src/kernel/errors.ts";
import { invalidLsn, type Lsn } from "../../src/kernel/lsn.ts";
import { PgoutputDecoder } from "../../src/logical/index.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { startServer } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

async function open(major: number, replication: "database" | "true" = "database"): Promise<ReplicationConnection> {
  const { host, port, user, database } = liveServer(major);
  const connection = await connect({ host, port, user, database, replication });
  onTestFinished(() => connection.disconnect());
  return connection;
}

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);
  const has = (name: Parameters<typeof commandCapabilities.supports>[1]) =>
    commandCapabilities.supports(server.versionNum, name);
  const one = async (sql: string) => (await server.sql(sql)).rows[0]?.[0];

  test("questions are answered with typed rows", async () => {
    const connection = await open(major);
    const system = await connection.identifySystem();
    expect(String(system.systemid)).toBe(await one("SELECT system_identifier FROM pg_control_system()"));
    expect(system).toMatchObject({ timeline: 1, dbname: "postgres" });
    expect(typeof system.xlogpos).toBe("bigint");
    expect(await connection.show("wal_level")).toBe("logical");
    expect(await connection.show("DateStyle")).toBe("ISO, MDY");
    const all = await connection.showAll();
    expect(all.find(({ name }) => name === "wal_segment_size")?.setting).toMatch(/MB$/);
    await expect(connection.show("no_such_parameter")).rejects.toThrow(ServerError);
    await expect(connection.timelineHistory(2)).rejects.toThrow(ServerError);
    expect((await connection.identifySystem()).systemid).toBe(system.systemid);
  });

  test("a slot is created, changed, read and dropped as pg_replication_slots says", async () => {
    const connection = await open(major);
    const name = `typed_${major}`;
    const slot = await connection.createSlot(name, { plugin: "pgoutput", temporary: false, snapshot: "export" });
    expect(slot).toMatchObject({ slot_name: name, output_plugin: "pgoutput" });
    expect(slot.snapshot_name).toMatch(/^[0-9A-F-]+$/);
    expect(slot.consistent_point).toBeGreaterThan(0n);
    const column = (what: string) => one(`SELECT ${what} FROM pg_replication_slots WHERE slot_name = '${name}'`);
    expect(await column("temporary")).toBe("f");
    if (has("alterReplicationSlot")) {
      await connection.alterSlot(name, { failover: true });
      expect(await column("failover")).toBe("t");
    } else {
      await expect(connection.alterSlot(name, { failover: true })).rejects.toThrow(UnsupportedError);
    }
    if (has("alterTwoPhase")) {
      await connection.alterSlot(name, { twoPhase: true });
      expect(await column("two_phase")).toBe("t");
    }
    await connection.dropSlot(name, { wait: true });
    expect(await column("1")).toBeUndefined();

    const physical = await connection.createSlot(name, { temporary: true, reserveWal: true });
    expect(physical).toMatchObject({ slot_name: name, output_plugin: undefined, snapshot_name: undefined });
    expect(await column("restart_lsn IS NOT NULL AND temporary")).toBe("t");
    if (has("readReplicationSlot")) {
      const read = await connection.readSlot(name);
      expect(read).toMatchObject({ slot_type: "physical", restart_tli: 1 });
      expect(read?.restart_lsn).toBeGreaterThan(0n);
      expect(await connection.readSlot("no_such_slot")).toBeUndefined();
    } else {
      await expect(connection.readSlot(name)).rejects.toThrow(
        expect.objectContaining({ constructor: UnsupportedError, capability: "readReplicationSlot" }),
      );
    }
    await connection.dropSlot(name);
  });

  test("what the server does not have is an UnsupportedError, and nothing is sent", async () => {
    const connection = await open(major);
    const create = () => connection.createSlot("typed_never", { plugin: "pgoutput", temporary: true, failover: true });
    if (has("failoverSlots"))
      await expect(create()).rejects.toThrow("cannot enable failover for a temporary replication slot");
    else await expect(create()).rejects.toThrow(expect.objectContaining({ capability: "failoverSlots" }));
    expect(connection.state).toBe("idle");
  });

  test("a logical stream says for which decoder it is", async () => {
    const connection = await open(major);
    const name = `typed_stream_${major}`;
    await server.sql(`CREATE TABLE ${name} (i int)`);
    await server.sql(`CREATE PUBLICATION "${name}, ""P""" FOR TABLE ${name}`);
    await connection.createSlot(name, { plugin: "pgoutput", temporary: true, snapshot: "nothing" });
    await server.sql(`INSERT INTO ${name} VALUES (1)`);
    const feedback = new Feedback({ plugin: "pgoutput" });
    const publicationNames = [`${name}, "P"`];
    const started = await connection.startLogical({ slotname: name, publicationNames, feedback });
    expect(started).toMatchObject({ protocol: major < 14 ? 1 : major < 15 ? 2 : major < 16 ? 3 : 4, streaming: "off" });
    const decoder = new PgoutputDecoder({ protocol: started.protocol, streaming: started.streaming });
    const types: string[] = [];
    while (types.at(-1) !== "Commit") {
      const message = decodeWalSenderMessage((await connection.receive())!);
      if (message.type === "XLogData") types.push(decoder.decode(message.data).type);
    }
    expect(types).toEqual(["Begin", "Relation", "Insert", "Commit"]);
    await connection.endReplication();
    expect(connection.state).toBe("idle");
    // Servers open a second one and send nothing in it.
    await expect(connection.startLogical({ slotname: name, publicationNames })).rejects.toThrow(StateError);
    expect(connection.state).toBe("idle");
  });

  test("a base backup, and the same connection afterwards", { timeout: 60_000 }, async () => {
    const connection = await open(major, "true");
    const types = new Map<string, number>();
    let bytes = 0;
    const before = (await connection.identifySystem()).xlogpos;
    for await (const event of connection.baseBackup({ checkpoint: "fast", wait: false, label: "typed" })) {
      types.set(event.type, (types.get(event.type) ?? 0) + 1);
      if (event.type === "BackupStart") expect(event.recptr).toBeGreaterThanOrEqual(before);
      if (event.type === "Data") bytes += event.data.length;
    }
    for (const type of ["BackupStart", "Tablespaces", "ArchiveStart", "BackupEnd", "Complete", "Ready"]) {
      expect(types.get(type), type).toBe(1);
    }
    expect(bytes).toBeGreaterThan(20_000_000);
    expect((await connection.identifySystem()).timeline).toBe(1);
    const taken = connection.baseBackup({ manifest: "yes", checkpoint: "fast" });
    if (major >= 13) {
      await taken.next();
      // To leave early closes the connection: the rest of the backup would have to be read.
      await taken.return();
      await expect(connection.identifySystem()).rejects.toMatchObject({
        name: "ConnectionError",
        code: "DISCONNECTED",
      });
    } else {
      await expect(taken.next()).rejects.toThrow(UnsupportedError);
    }
  });

  test("a base backup whose connection the server ends fails with the server's reason", async () => {
    const { host, port, user, database } = server;
    const doomed = await connect({ host, port, user, database, replication: "true", application_name: "typed_fatal" });
    onTestFinished(() => doomed.disconnect());
    const { rows } = await server.sql("SELECT pid FROM pg_stat_replication WHERE application_name = 'typed_fatal'");
    const taken = (async () => {
      for await (const event of doomed.baseBackup({ checkpoint: "fast", wait: false, maxRate: 32 })) {
        if (event.type === "Tablespaces") await server.sql(`SELECT pg_terminate_backend(${rows[0]![0]})`);
      }
    })();
    await expect(taken).rejects.toMatchObject({ name: "ServerError", sqlstate: "57P01" });
    expect(doomed.state).not.toBe("idle");
  });

  test("a manifest that is not one is rejected, and the connection is good", async () => {
    const connection = await open(major);
    const chunks = [Buffer.from('{"PostgreSQL-Backup-'), Buffer.from('Manifest-Version": 9}\n')];
    if (!has("uploadManifest")) {
      await expect(connection.uploadManifest(chunks)).rejects.toThrow(UnsupportedError);
    } else {
      await expect(connection.uploadManifest(chunks)).rejects.toThrow(ServerError);
      await expect(connection.uploadManifest(Buffer.alloc(1_000_000))).rejects.toThrow(ServerError);
      const failing = (async function* () {
        yield chunks[0]!;
        throw new Error("no more");
      })();
      await expect(connection.uploadManifest(failing)).rejects.toThrow("no more");
      await expect(connection.uploadManifest(1 as never)).rejects.toThrow(ArgumentError);
    }
    expect((await connection.identifySystem()).timeline).toBe(1);
  });

  test("a physical stream, and the next timeline of one that has ended", async () => {
    const connection = await open(major, "true");
    const { xlogpos } = await connection.identifySystem();
    expect(await connection.startPhysical({ startpoint: xlogpos, timeline: 1 })).toBeUndefined();
    expect(connection.state).toBe("streaming");
    await connection.endReplication();
    await expect(connection.startPhysical({ startpoint: xlogpos, timeline: 9 })).rejects.toThrow(ServerError);
    // Only a connection to a database decodes.
    await expect(connection.createSlot("typed_never", { plugin: "pgoutput" })).rejects.toThrow(ParseError);
  });
});

test.each<[string, (connection: ReplicationConnection) => Promise<unknown>, new (...args: never[]) => Error]>([
  ["an unknown option", (c) => c.createSlot("s", { twophase: true } as object), ArgumentError],
  ["a Boolean that is text", (c) => c.createSlot("s", { twoPhase: "true" as unknown as boolean }), ArgumentError],
  ["an option without a slot's name", (c) => c.createSlot(undefined as unknown as string), EncodeError],
  ["a name that no slot can have", (c) => c.createSlot("A B"), ParseError],
  ["a position that is a number", (c) => c.startPhysical({ startpoint: 1 as unknown as Lsn }), EncodeError],
  ["no options", (c) => c.startPhysical(undefined as never), ArgumentError],
  ["names that are text", (c) => c.startLogical({ slotname: "s", publicationNames: "p" as never }), ArgumentError],
  ["no publication", (c) => c.startLogical({ slotname: "s" }), ParseError],
  [
    "a plugin's option that is a number",
    (c) => c.startPlugin({ slotname: "s", options: { a: 1 as never } }),
    ArgumentError,
  ],
  ["all parameters as one", (c) => c.show("ALL"), ArgumentError],
  ["a signal that is none", (c) => c.identifySystem({ signal: 1 as never }), ArgumentError],
  ["a timeline of 0", (c) => c.timelineHistory(0), EncodeError],
  ["a stream of timeline 0", (c) => c.startPhysical({ startpoint: invalidLsn, timeline: 0 }), ArgumentError],
  ["a position by the wrong name", (c) => c.startPhysical({ startLsn: invalidLsn } as never), ArgumentError],
])("%s is rejected before anything is sent", async (_, call, kind) => {
  const connection = await open(liveMajors.at(-1)!);
  await expect(call(connection)).rejects.toThrow(kind);
  expect(connection.state).toBe("idle");
  expect((await connection.identifySystem()).timeline).toBe(1);
});

test("what never blocks: a payload, nothing yet, or the end", async () => {
  const major = liveMajors.at(-1)!;
  const connection = await open(major, "true");
  expect(connection.tryReceive()).toBeUndefined();
  const { xlogpos } = await connection.identifySystem();
  await connection.startPhysical({ startpoint: xlogpos });
  await liveServer(major).sql("SELECT pg_logical_emit_message(true, '', 'something')");
  const types = new Set<string>();
  while (!types.has("XLogData")) {
    const payload = connection.tryReceive();
    if (payload === null) await connection.readable();
    else types.add(decodeWalSenderMessage(payload!).type);
  }
  while (connection.tryReceive() !== null) {}
  await expect(connection.readable({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  await connection.endReplication();
  expect(connection.tryReceive()).toBeUndefined();
  await connection.disconnect();
  expect(() => connection.tryReceive()).toThrow(expect.objectContaining({ code: "DISCONNECTED" }));
});

test("an incremental backup after the manifest of a full one", { timeout: 120_000 }, async () => {
  for (const major of liveMajors.filter((each) => each >= 17)) {
    const server = await startServer({ major, settings: { summarize_wal: "on" } });
    onTestFinished(() => server.stop());
    const { host, port, user } = server;
    const connection = await connect({ host, port, user, replication: "true" });
    onTestFinished(() => connection.disconnect());
    const manifest: Uint8Array[] = [];
    let full = 0;
    let isManifest = false;
    for await (const event of connection.baseBackup({ checkpoint: "fast", manifest: "yes" })) {
      if (event.type === "ManifestStart") isManifest = true;
      if (event.type !== "Data") continue;
      if (isManifest) manifest.push(event.data);
      else full += event.data.length;
    }
    await server.sql("CREATE TABLE t AS SELECT 1");
    await connection.uploadManifest(manifest);
    let incremental = 0;
    for await (const event of connection.baseBackup({ checkpoint: "fast", incremental: true, wal: true })) {
      if (event.type === "Data") incremental += event.data.length;
    }
    expect(incremental).toBeLessThan(full);
  }
});
