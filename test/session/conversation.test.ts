/** Standbys and subscriptions talk to servers while both ends are watched by the state machines. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { type CommandCapability, commandCapabilities } from "../../src/command/capabilities.ts";
import { ServerError } from "../../src/kernel/errors.ts";
import { connect } from "../../src/node/client.ts";
import { replay } from "../../src/session/log.ts";
import { encodeFrontendMessage, type FrontendMessage } from "../../src/session/messages.ts";
import { WalReceiver } from "../../src/session/walreceiver.ts";
import { WalSender } from "../../src/session/walsender.ts";
import { baseBackupCommand, takeBackup, temporaryDirectory } from "../basebackup.ts";
import { observe } from "../observed.ts";
import { startServer } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

test.for(liveMajors)(
  "a subscription to %i: rows are copied, streamed, and the stream ends",
  {
    timeout: 60_000,
  },
  async (major) => {
    const publisher = liveServer(major);
    const subscriber = liveServer(liveMajors.findLast((other) => other !== major) ?? major);
    const name = `conversation_${major}`;
    const observer = await observe(publisher, { record: true });
    onTestFinished(() => observer.close());
    for (const [server, database] of [
      [publisher, `${name}_p`],
      [subscriber, `${name}_s`],
    ] as const) {
      await server.sql(`CREATE DATABASE ${database}`);
      await server.sql("CREATE TABLE t (i int PRIMARY KEY, v text)", { database });
    }
    const at = (database: string) => ({ database });
    await publisher.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i", at(`${name}_p`));
    await publisher.sql(`CREATE PUBLICATION ${name} FOR TABLE t`, at(`${name}_p`));
    const conninfo = `host=127.0.0.1 port=${observer.port} user=${publisher.user} dbname=${name}_p`;
    // CREATE SUBSCRIPTION would make it within its transaction, for which a slot of the same cluster waits.
    await publisher.sql(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`, at(`${name}_p`));
    await subscriber.sql(
      `CREATE SUBSCRIPTION ${name} CONNECTION '${conninfo}' PUBLICATION ${name} WITH (create_slot = false)`,
      at(`${name}_s`),
    );
    const count = async () => Number((await subscriber.sql("SELECT count(*) FROM t", at(`${name}_s`))).rows[0]![0]);
    await expect.poll(count, { timeout: 30_000, interval: 100 }).toBe(1000);
    await publisher.sql("INSERT INTO t SELECT i, 'w' FROM generate_series(1001, 3000) i", at(`${name}_p`));
    await publisher.sql("INSERT INTO t VALUES (0, repeat('x', 100000))", at(`${name}_p`));
    await expect.poll(count, { timeout: 30_000, interval: 100 }).toBe(3001);
    await subscriber.sql(`DROP SUBSCRIPTION ${name}`, at(`${name}_s`));
    await expect
      .poll(async () => {
        const slots = await publisher.sql(`SELECT 1 FROM pg_replication_slots WHERE slot_name = '${name}'`);
        return slots.rows.length;
      })
      .toBe(0);
    for (const { fault } of observer.connections) if (fault !== undefined) throw fault;
    for (const { log } of observer.connections) expect(replay(log)).toBeUndefined();
    const types = new Set(observer.connections.flatMap((connection) => connection.types));
    for (const type of ["CopyBothResponse", ">CopyData", "CopyData", "CopyOutResponse", ">Query", "DataRow"]) {
      expect(types, type).toContain(type);
    }
    expect(observer.connections.length).toBeGreaterThanOrEqual(3);
  },
);

test.for([liveMajors[0]!, liveMajors.at(-1)!])(
  "a standby of %i follows until its primary shuts down",
  {
    timeout: 90_000,
  },
  async (major) => {
    const primary = await startServer({ major });
    onTestFinished(() => primary.stop());
    const observer = await observe(primary, { record: true });
    onTestFinished(() => observer.close());
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const directory = join(path, "data");
    const connection = await primary.connect({ replication: "true" });
    const command = baseBackupCommand(primary.versionNum, { WAL: true, TABLESPACE_MAP: true });
    await takeBackup(connection, primary.versionNum, command, { directory });
    await connection.close();
    const conninfo = `host=127.0.0.1 port=${observer.port} user=${primary.user}`;
    // Before 12 it is a file of its own.
    if (major < 12)
      writeFileSync(join(directory, "recovery.conf"), `standby_mode = on\nprimary_conninfo = '${conninfo}'\n`);
    else writeFileSync(join(directory, "standby.signal"), "");
    const standby = await startServer({
      major,
      from: directory,
      settings: { hot_standby: "on", ...(major < 12 ? {} : { primary_conninfo: conninfo }) },
    });
    onTestFinished(() => standby.stop());
    await primary.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 10000) i");
    const count = async () => {
      try {
        return Number((await standby.sql("SELECT count(*) FROM t")).rows[0]![0]);
      } catch {
        return -1;
      }
    };
    await expect.poll(count, { timeout: 30_000, interval: 100 }).toBe(10_000);
    await sleep(100);
    // A fast shutdown sends everything, then ends the stream with CommandComplete.
    await primary.stop();
    await expect.poll(() => observer.connections[0]!.types.slice(-4)).toContain("CommandComplete");
    for (const { fault } of observer.connections) if (fault !== undefined) throw fault;
    const [{ types } = { types: [] }] = observer.connections;
    expect(types.slice(0, 3)).toEqual([">SSLRequest", "EncryptionResponse", ">StartupMessage"]);
    for (const type of ["CopyBothResponse", ">CopyData", "CopyData"]) expect(types).toContain(type);
  },
);

test.for(liveMajors)(
  "the command tags of %i are those that its version says, and a log of the commands repeats",
  { timeout: 60_000 },
  async (major) => {
    const server = liveServer(major);
    const observer = await observe(server, { record: true });
    onTestFinished(() => observer.close());
    const address = { host: "127.0.0.1", port: observer.port, user: server.user, database: server.database };
    const slotname = `tags_${major}`;
    const has = (name: CommandCapability) => commandCapabilities.supports(server.versionNum, name);
    const logical = await connect({ ...address, replication: "database" });
    await logical.identifySystem();
    await logical.show("wal_level");
    await logical.showAll();
    await logical.createSlot(slotname, { plugin: "pgoutput" });
    if (has("readReplicationSlot")) await logical.readSlot("no_such_slot");
    if (has("alterReplicationSlot")) await logical.alterSlot(slotname, { failover: false });
    await expect(logical.timelineHistory(7)).rejects.toThrow(ServerError);
    await logical.query("SELECT 1; SELECT 2");
    await logical.query("");
    await logical.startLogical({ slotname, publicationNames: [slotname] });
    await logical.endReplication().catch((error) => expect(error).toBeInstanceOf(ServerError));
    await logical.disconnect();
    const physical = await connect({ ...address, replication: "true" });
    await physical.dropSlot(slotname, { wait: true });
    const { xlogpos } = await physical.identifySystem();
    await physical.startPhysical({ startpoint: xlogpos });
    await physical.endReplication();
    if (has("uploadManifest")) await expect(physical.uploadManifest(new Uint8Array(0))).rejects.toThrow(ServerError);
    await physical.disconnect();
    for (const { fault, log } of observer.connections) {
      if (fault !== undefined) throw fault;
      expect(replay(log)).toBeUndefined();
    }
    expect(
      observer.connections.flatMap(({ types }) => types).filter((type) => type === "CommandComplete").length,
    ).toBeGreaterThan(8);
  },
);

test.for(liveMajors)(
  "what %i answers to Sync and to the extended query protocol, as the machines say",
  async (major) => {
    const server = liveServer(major);
    const socket = connectTo(`${server.host}/.s.PGSQL.${server.port}`);
    onTestFinished(() => void socket.destroy());
    const [client, walsender] = [new WalReceiver({ from: "startup" }), new WalSender({ from: "startup" })];
    const said = { live: [] as Uint8Array[], ours: [] as Uint8Array[] };
    let types: string[] = [];
    const errors: string[] = [];
    const pump = (): void => {
      for (;;) {
        const request = walsender.next();
        const answer = request === undefined ? client.next() : undefined;
        if (request === undefined && answer === undefined) return;
        types.push(request === undefined ? answer!.type : `>${request.type}`);
        if (answer?.type === "ErrorResponse") errors.push(`${answer.fields.C} ${answer.fields.M}`);
        if (answer !== undefined) said.ours.push(walsender.send(answer));
        else if (request!.type !== "StartupMessage") client.send(request!);
      }
    };
    socket.on("data", (chunk) => {
      said.live.push(chunk);
      client.receive(chunk);
    });
    /** Send all at once, and return what both ends say until the server is ready. */
    const talk = async (bytes: Uint8Array): Promise<string[]> => {
      types = [];
      socket.write(bytes);
      walsender.receive(bytes);
      do {
        await once(socket, "data");
        pump();
      } while (client.state !== "idle" || types.at(-1) !== "ReadyForQuery");
      return types;
    };
    const parameters = Object.entries({ user: server.user, database: server.database, replication: "database" });
    await talk(client.send({ type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters }));
    const body = new Uint8Array(0);
    const batch = (...messages: FrontendMessage[]) => Buffer.concat(messages.map(encodeFrontendMessage));
    expect(await talk(batch({ type: "Sync" }))).toEqual([">Sync", "ReadyForQuery"]);
    const copy = [{ type: "CopyData", data: body }, { type: "CopyDone" }, { type: "CopyFail", message: "" }] as const;
    expect(await talk(batch({ type: "Flush" }, ...copy, { type: "Sync" }))).toEqual([
      ">Flush",
      ">Sync",
      "ReadyForQuery",
    ]);
    const forbidden = ["Parse", "Bind", "Describe", "Execute", "Close"] as const;
    for (const type of forbidden) {
      const rest = [...forbidden, "FunctionCall" as const].map((each) => ({ type: each, body }));
      const all = batch({ type, body }, ...rest, { type: "Query", query: "SHOW a" }, ...copy, { type: "Flush" });
      const heard = await talk(Buffer.concat([all, batch({ type: "Sync" })]));
      expect(heard).toEqual([`>${type}`, "ErrorResponse", ">Sync", "ReadyForQuery"]);
    }
    expect(new Set(errors.splice(0))).toEqual(
      new Set(["08P01 extended query protocol not supported in a replication connection"]),
    );
    expect(await talk(batch({ type: "FunctionCall", body }))).toEqual([
      ">FunctionCall",
      "ErrorResponse",
      "ReadyForQuery",
    ]);
    expect(errors).toEqual(["08P01 fastpath function calls not supported in a replication connection"]);
    expect((await talk(batch({ type: "Query", query: "IDENTIFY_SYSTEM" }))).slice(-2)).toEqual([
      "CommandComplete",
      "ReadyForQuery",
    ]);
    expect(Buffer.concat(said.ours).toString("hex")).toBe(Buffer.concat(said.live).toString("hex"));
  },
);
