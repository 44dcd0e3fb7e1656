/** PostgreSQL 15's own programs as clients of walwire/server: psql, pg_receivewal, pg_recvlogical. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { segmentName } from "../../src/kernel/wal-names.ts";
import { Publisher, publisherHandlers } from "../../src/node/publisher/index.ts";
import { type ListenOptions, scramSecret, type WalsenderStream } from "../../src/node/server/index.ts";
import { sentTo } from "../publisher-streams.ts";
import { emit, one, switchWal } from "../receiving.ts";
import { startServer } from "../servers/index.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import { ourServer } from "../session/server-talk.ts";
import { type Program, pathOf, runProgram } from "./programs.ts";

expectNothingUncaught();

const MEGABYTE = 1024 * 1024;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "walwire-server-programs-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The end of a stream that has nothing more. */
const end = (stream: WalsenderStream): Promise<void> =>
  new Promise((resolve) => stream.signal.addEventListener("abort", () => resolve()));

async function start(options: ListenOptions) {
  const { server, path } = await ourServer({ server: "15", ...options });
  return { server, host: path.slice(0, path.lastIndexOf("/")) };
}

/** A program in the background. It ends with the test. */
function background(program: Program, args: readonly string[]) {
  const child = spawn(pathOf(program), args, {
    env: { PATH: process.env.PATH, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const closed = once(child, "close");
  return {
    said: () => stderr,
    async stop(): Promise<void> {
      child.kill("SIGINT");
      expect((await closed)[0], stderr).toBe(0);
    },
  };
}

test("psql logs in by a password and shows what a handler gives", async () => {
  const users = { u: scramSecret("secret", { salt: new Uint8Array(16) }) };
  const { host } = await start({ users, systemid: 42n });
  const run = (password: string) =>
    runProgram("psql", [
      ...["-X", "-A", "-t", `host=${host} user=u password=${password} replication=1 dbname=x`],
      ...["-c", "IDENTIFY_SYSTEM", "-c", "SHOW server_version"],
    ]);
  expect(await run("secret")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^42\|1\|0\/0\|\n15\.\d+\n$/) });
  expect((await run("wrong")).stderr).toContain('FATAL:  password authentication failed for user "u"');
});

test("pg_receivewal gets the segments of a live server's pg_wal", { timeout: 120_000 }, async () => {
  const live = await startServer({ major: 15, initdb: ["--wal-segsize=1"] });
  onTestFinished(() => live.stop());
  const first = parseLsn((await one(live, "SELECT pg_current_wal_flush_lsn()"))!);
  const from = toLsn(first - (first % BigInt(MEGABYTE)));
  for (let i = 0; i < 3; i++) {
    await emit(live, 100);
    await switchWal(live);
  }
  const last = parseLsn((await one(live, "SELECT pg_current_wal_flush_lsn()"))!);
  const to = toLsn(last - (last % BigInt(MEGABYTE)));
  const segments: { readonly name: string; readonly start: Lsn; readonly bytes: Buffer }[] = [];
  for (let at: bigint = from; at < to; at += BigInt(MEGABYTE)) {
    const name = segmentName(1, toLsn(at), MEGABYTE);
    segments.push({ name, start: toLsn(at), bytes: readFileSync(join(live.dataDirectory, "pg_wal", name)) });
  }
  expect(segments.length).toBeGreaterThan(2);
  const systemid = BigInt((await one(live, "SELECT system_identifier FROM pg_control_system()"))!);

  const flushed: bigint[] = [];
  const { server, host } = await start({
    parameters: { wal_segment_size: "1MB" },
    handlers: {
      identifySystem: () => ({ systemid, timeline: 1, xlogpos: from }),
      startPhysical: async ({ startpoint, timeline }, stream) => {
        expect({ startpoint, timeline }).toEqual({ startpoint: from, timeline: 1 });
        stream.onFeedback = (message) => {
          if (message.type === "StandbyStatusUpdate") flushed.push(message.flush);
        };
        for (const { start, bytes } of segments) {
          for (let at = 0; at < bytes.length; at += 128 * 1024) {
            const data = bytes.subarray(at, at + 128 * 1024);
            await stream.send({
              ...{ type: "XLogData", dataStart: toLsn(start + BigInt(at)), walEnd: to, sendTime: toPgTime(0n), data },
            });
          }
        }
        stream.caughtUp(to);
        await end(stream);
      },
    },
  });
  const directory = folder();
  const program = background("pg_receivewal", [
    "-h",
    host,
    "-U",
    "u",
    "-D",
    directory,
    "--synchronous",
    "-v",
    "--no-loop",
  ]);
  await expect.poll(() => flushed.at(-1), { timeout: 60_000 }).toBe(to);
  for (const { name, bytes } of segments) {
    expect(readFileSync(join(directory, name)).equals(bytes), name).toBe(true);
  }
  // A shutdown has nothing to wait for: everything is flushed.
  await server.close();
  await expect
    .poll(() => program.said(), { timeout: 60_000 })
    .toMatch(/unexpected termination|disconnected|could not|not streaming/);
  expect(readdirSync(directory).filter((name) => !name.endsWith(".partial"))).toEqual(segments.map(({ name }) => name));
});

test("pg_recvlogical gets recorded messages, creates its slot and drops it", { timeout: 120_000 }, async () => {
  const messages: readonly PgoutputMessage[] = [
    { type: "Begin", finalLsn: toLsn(0x20n), commitTime: toPgTime(1n), xid: 7 },
    { type: "Message", xid: undefined, transactional: true, lsn: toLsn(0x18n), prefix: "p", content: Buffer.from("c") },
    { type: "Commit", commitLsn: toLsn(0x20n), endLsn: toLsn(0x28n), commitTime: toPgTime(1n) },
  ];
  const done: string[] = [];
  const flushed: bigint[] = [];
  const { host } = await start({
    handlers: {
      createSlot: ({ slotname, plugin }) => {
        done.push(`create ${slotname} ${plugin}`);
        return { slot_name: slotname, consistent_point: toLsn(16n), snapshot_name: undefined, output_plugin: plugin };
      },
      dropSlot: ({ slotname }) => void done.push(`drop ${slotname}`),
      startLogical: async ({ slotname }, options, stream) => {
        done.push(`start ${slotname} ${options?.type}`);
        stream.onFeedback = (message) => {
          if (message.type === "StandbyStatusUpdate") flushed.push(message.flush);
        };
        for (const message of messages) {
          const at = toLsn(message.type === "Commit" ? 0x28n : 0n);
          const data = encodePgoutputMessage(message);
          await stream.send({ type: "XLogData", dataStart: at, walEnd: at, sendTime: toPgTime(0n), data });
        }
        stream.caughtUp(toLsn(0x28n));
        await end(stream);
      },
    },
  });
  const file = join(folder(), "out");
  const common = ["-h", host, "-U", "u", "-d", "shop", "-S", "a"];
  expect(await runProgram("pg_recvlogical", [...common, "--create-slot", "-P", "pgoutput"])).toMatchObject({
    status: 0,
  });
  const program = background("pg_recvlogical", [
    ...[...common, "--start", "-f", file, "-F", "1", "-s", "1", "--no-loop"],
    ...["-o", "proto_version=1", "-o", "publication_names=p", "-o", "messages=true"],
  ]);
  const expected = Buffer.concat(messages.flatMap((message) => [encodePgoutputMessage(message), Buffer.from("\n")]));
  await expect.poll(() => (existsSync(file) ? readFileSync(file) : undefined), { timeout: 60_000 }).toEqual(expected);
  await expect.poll(() => flushed.at(-1), { timeout: 60_000 }).toBe(0x28n);
  await program.stop();
  expect(await runProgram("pg_recvlogical", [...common, "--drop-slot"])).toMatchObject({ status: 0 });
  expect(done).toEqual(["create a pgoutput", "start a PGOutputOptions", "drop a"]);
});

test("pg_recvlogical follows a publisher, and gets nothing again that it has confirmed", {
  timeout: 120_000,
}, async () => {
  const publisher = await Publisher.open({ workMemory: 1000, streamRolledBack: true });
  onTestFinished(() => publisher.close());
  const fruit = await publisher.table({ name: "fruit", columns: [{ name: "name", type: "text", key: true }] });
  publisher.publication("all", { tables: "all" });
  const errors: unknown[] = [];
  const { host } = await start({
    handlers: publisherHandlers(publisher, { onError: (error) => errors.push(error) }),
    onError: (error) => errors.push(error),
  });
  const common = ["-h", host, "-U", "u", "-d", "shop", "-S", "a"];
  const create = [...common, "--create-slot", "-P", "pgoutput", "--two-phase"];
  expect(await runProgram("pg_recvlogical", create)).toMatchObject({ status: 0 });

  const write = async (from: number): Promise<Lsn> => {
    await publisher.transaction((t) => t.insert(fruit, [`apple ${from}`]), {
      origin: { name: "o", commitLsn: toLsn(1n) },
    });
    // One that is streamed in segments, with a part that is rolled back.
    await publisher.transaction((t) => {
      for (let i = 0; i < 100; i++) t.insert(fruit, [`pear ${from} ${i}`]);
      const savepoint = t.savepoint();
      t.insert(fruit, ["undone"]);
      t.rollbackTo(savepoint);
    });
    await publisher.message("prefix", "content");
    await publisher.prepare(`gid ${from}`, (t) => t.update(fruit, [`plum ${from}`], { name: `apple ${from}` }));
    return (await publisher.commitPrepared(`gid ${from}`)).endLsn;
  };
  const options = { proto_version: 3, streaming: "on", two_phase: "on", messages: "true", publication_names: "all" };
  for (const from of [0, 1]) {
    // What an encoder of our own makes of the log from where the slot is.
    const end = await write(from);
    const sent = await sentTo(publisher, "a", { protocol: 3, streaming: "on", messages: true });
    const file = join(folder(), "out");
    const program = background("pg_recvlogical", [
      ...[...common, "--start", "-f", file, "-F", "1", "-s", "1", "--no-loop"],
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ]);
    await expect.poll(() => publisher.slot("a").confirmedFlush, { timeout: 60_000 }).toBe(end);
    await program.stop();
    expect(readFileSync(file)).toEqual(
      Buffer.concat(sent.messages.flatMap((message) => [encodePgoutputMessage(message), Buffer.from("\n")])),
    );
    const types = sent.messages.map(({ type }) => type);
    expect(types.filter((type) => type === "Insert").length).toBe(102);
    for (const type of ["Begin", "Origin", "StreamStart", "StreamCommit", "StreamAbort", "Message", "CommitPrepared"]) {
      expect(types).toContain(type);
    }
  }
  expect(await runProgram("pg_recvlogical", [...common, "--drop-slot"])).toMatchObject({ status: 0 });
  expect(publisher.slots).toEqual([]);
  expect(errors).toEqual([]);
});
