/** receive-wal with servers and disks that misbehave: typed errors, nothing confirmed that is not flushed, nothing written elsewhere. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  decodeWalReceiverMessage,
  encodeWalSenderMessage,
  type StandbyStatusUpdate,
} from "../../src/generated/physical.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import type { PgTime } from "../../src/kernel/time.ts";
import { connect } from "../../src/node/client.ts";
import { WalDirectory } from "../../src/node/receive-wal/directory-method.ts";
import { type ReceiveWalOptions, receiveWal } from "../../src/node/receive-wal/index.ts";
import type { Walfile, WalWriteMethod } from "../../src/node/receive-wal/method.ts";
import { WalStop } from "../../src/node/receive-wal/stop.ts";
import { receiveWalStream } from "../../src/node/receive-wal/stream.ts";
import type { BackendMessage, FrontendMessage } from "../../src/session/messages.ts";
import {
  columns,
  complete,
  copyBoth,
  copyDone,
  error as errorResponse,
  hostileServer,
  login,
  ready,
  row,
} from "./hostile-server.ts";

const SEGMENT = 1024 * 1024;
const BEGIN = toLsn(16n * BigInt(SEGMENT));
const folder = mkdtempSync(join(tmpdir(), "walwire-receive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(folder, "wal-"));

const copyData = (message: Parameters<typeof encodeWalSenderMessage>[0]): BackendMessage => ({
  type: "CopyData",
  data: encodeWalSenderMessage(message),
});
const wal = (dataStart: bigint, length: number): BackendMessage =>
  copyData({
    type: "XLogData",
    dataStart: dataStart as Lsn,
    walEnd: (dataStart + BigInt(length)) as Lsn,
    sendTime: 0n as PgTime,
    data: new Uint8Array(length).fill(7),
  });
const ask: BackendMessage = copyData({
  type: "Keepalive",
  walEnd: BEGIN,
  sendTime: 0n as PgTime,
  replyRequested: true,
});

interface Story {
  /** Answers by the beginning of a command, before those of {@link answers}. */
  readonly answers?: Readonly<Record<string, readonly BackendMessage[]>>;
  /** Behind CopyBothResponse. */
  readonly stream?: readonly BackendMessage[];
  /** When the client ends the stream. */
  readonly atEnd?: readonly BackendMessage[];
}

const answers: Readonly<Record<string, readonly BackendMessage[]>> = {
  IDENTIFY_SYSTEM: [
    columns("systemid", "timeline", "xlogpos", "dbname"),
    row("7", "1", "0/1000028", null),
    complete("IDENTIFY_SYSTEM"),
    ready,
  ],
  "SHOW data_directory_mode": [columns("data_directory_mode"), row("0750"), complete("SHOW"), ready],
  "SHOW wal_segment_size": [columns("wal_segment_size"), row("1MB"), complete("SHOW"), ready],
};

/** A server that tells a story, and the status updates that it gets. */
async function serve({
  answers: own = {},
  stream = [],
  atEnd = [copyDone, complete("COPY 0"), complete("START_STREAMING"), ready],
}: Story) {
  const updates: StandbyStatusUpdate[] = [];
  const commands: string[] = [];
  const all = { ...answers, ...own };
  const {
    sockets,
    replication: _,
    ...server
  } = await hostileServer((client, message) => {
    if (message.type === "startup") return client.write(...login);
    const { type } = message as FrontendMessage;
    if (type === "CopyDone") return client.write(...atEnd);
    if (message.type === "CopyData") {
      const update = decodeWalReceiverMessage(message.data);
      if (update.type === "StandbyStatusUpdate") updates.push(update);
    }
    if (message.type !== "Query") return;
    commands.push(message.query);
    const [, answer] = Object.entries(all).find(([command]) => message.query.startsWith(command)) ?? [];
    if (answer !== undefined) client.write(...answer);
    else if (message.query.startsWith("START_REPLICATION")) client.write(copyBoth, ...stream);
    else client.write(errorResponse("0A000", `not told: ${message.query}`), ready);
  });
  return { server, updates, commands, sockets };
}

async function failure(
  story: Story,
  options: Partial<ReceiveWalOptions> = {},
): Promise<{ error: unknown; directory: string }> {
  const { server } = await serve(story);
  const directory = options.directory ?? fresh();
  const error = await receiveWal({ connect: server, directory, loop: false, ...options }).then(
    () => expect.unreachable("it was fulfilled"),
    (thrown: unknown) => thrown,
  );
  return { error, directory };
}

const setting = (name: string, value: string) => ({
  [`SHOW ${name}`]: [columns(name), row(value), complete("SHOW"), ready],
});
const identified = (systemid: string, timeline: string): NonNullable<Story["answers"]> => ({
  IDENTIFY_SYSTEM: [
    columns("systemid", "timeline", "xlogpos", "dbname"),
    row(systemid, timeline, "0/1000028", null),
    complete("IDENTIFY_SYSTEM"),
    ready,
  ],
});
const history = (filename: string): NonNullable<Story["answers"]> => ({
  ...identified("7", "2"),
  "TIMELINE_HISTORY 2": [
    columns("filename", "content"),
    row(filename, "1\t0/1\tx\n"),
    complete("TIMELINE_HISTORY"),
    ready,
  ],
});
/** The end of a timeline. */
const next = (tli: string, startpos: string): readonly BackendMessage[] => [
  copyDone,
  complete("COPY 0"),
  columns("next_tli", "next_tli_startpos"),
  row(tli, startpos),
  complete("SELECT"),
  complete("START_STREAMING"),
  ready,
];

test.each<[title: string, story: Story, name: string, words: RegExp]>([
  [
    "a gap of a segment",
    { stream: [wal(BEGIN, 100), wal(BEGIN + 100n + BigInt(SEGMENT), 100)] },
    "ProtocolError",
    /sent WAL at 0\/01100064, expected 0\/01000064|sent WAL at 0\/1100064, expected 0\/1000064/,
  ],
  ["WAL that was received", { stream: [wal(BEGIN, 100), wal(BEGIN, 100)] }, "ProtocolError", /expected 0\/1000064/],
  ["a beginning within a segment", { stream: [wal(BEGIN + 8n, 100)] }, "ProtocolError", /sent WAL at 0\/1000008/],
  [
    "segments of 3 MB",
    { answers: setting("wal_segment_size", "3MB") },
    "ProtocolError",
    /power of two.* 3145728 bytes/,
  ],
  ["segments of 2 GB", { answers: setting("wal_segment_size", "2GB") }, "ProtocolError", /power of two/],
  ["segments of no size", { answers: setting("wal_segment_size", "big") }, "ProtocolError", /could not be parsed/],
  ["a mode that is not one", { answers: setting("data_directory_mode", "rwx") }, "ProtocolError", /group access flag/],
  [
    "a history with a path",
    { answers: history("../00000002.history") },
    "ProtocolError",
    /unexpected history file name for timeline 2/,
  ],
  ["an unknown message", { stream: [{ type: "CopyData", data: new Uint8Array([0x78, 1]) }] }, "DecodeError", /./],
  ["WAL without a header", { stream: [{ type: "CopyData", data: new Uint8Array([0x77, 1]) }] }, "DecodeError", /./],
  [
    "an error in the stream",
    { stream: [wal(BEGIN, 100), errorResponse("58P01", "requested WAL segment has already been removed"), ready] },
    "ServerError",
    /already been removed/,
  ],
])("rejects %s", async (_, story, name, words) => {
  const { error, directory } = await failure(story);
  expect(error).toMatchObject({ name, message: expect.stringMatching(words) });
  // What came before stays, under the name of an incomplete segment.
  for (const each of readdirSync(directory)) expect(each).toMatch(/^0000000[12]0{8}0{6}10\.partial$/);
  expect(readdirSync(join(directory, ".."))).not.toContain("00000002.history");
});

test.each([
  ["1", "0/1000010", /unexpected next timeline 1, following timeline 1/],
  ["2", "0/1000100", /stopped streaming timeline 1 at 0\/1000064, but reported next timeline 2 to begin at 0\/1000100/],
])("rejects timeline %s that begins at %s", async (tli, startpos, words) => {
  const { error } = await failure({ stream: [wal(BEGIN, 100), ...next(tli, startpos)] });
  expect(error).toMatchObject({ name: "ProtocolError", message: expect.stringMatching(words) });
});

test("rejects another cluster on the same connection options", async () => {
  const directory = fresh();
  const first = await serve({ stream: [wal(BEGIN, 100)] });
  const second = await serve({ answers: identified("8", "1") });
  let count = 0;
  const events: string[] = [];
  const receiving = receiveWal({
    connect: () => connect({ ...(count++ === 0 ? first.server : second.server), replication: "true" }),
    directory,
    retryInterval: 1,
    onEvent: ({ type }) => events.push(type),
    onProgress: () => {
      for (const socket of first.sockets) socket.destroy();
    },
  });
  await expect(receiving).rejects.toMatchObject({
    name: "FileError",
    code: "BAD_FILE",
    message: expect.stringMatching(/identifier 8, and was of 7/),
  });
  expect(events).toContain("disconnected");
});

test("ends though the server does not answer to the end of the stream, or to a command", {
  timeout: 30_000,
}, async () => {
  for (const story of [
    { stream: [wal(BEGIN, 100)], atEnd: [] },
    { answers: { "SHOW wal_segment_size": [] } },
  ] as Story[]) {
    const { server } = await serve(story);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 500);
    const { reason } = await receiveWal({ connect: server, directory: fresh(), signal: abort.signal });
    expect(reason).toBe("signal");
  }
});

test("new files allow the group to read where those of the server do", async () => {
  const { error, directory } = await failure({ stream: [wal(BEGIN, 100), wal(BEGIN, 1)] });
  expect(error).toBeDefined();
  expect(statSync(join(directory, readdirSync(directory)[0]!)).mode & 0o777).toBe(0o640);
});

/** A directory whose disk fails or is slow as a test wants. */
class Disk implements WalWriteMethod {
  readonly #inner: WalWriteMethod;
  readonly calls: string[] = [];
  readonly isPlain = true;
  /** Called before each call, with the position in the file. */
  readonly before: (call: string, position: number) => Promise<void> | void;

  constructor(directory: string, before: Disk["before"]) {
    this.#inner = new WalDirectory(directory);
    this.before = before;
  }

  fileName(pathname: string, suffix: string): string {
    return this.#inner.fileName(pathname, suffix);
  }
  fileSize(name: string): Promise<number | undefined> {
    return this.#inner.fileSize(name);
  }
  isZero(name: string): Promise<boolean> {
    return this.#inner.isZero(name);
  }
  finish(): Promise<void> {
    return this.#inner.finish();
  }
  async open(pathname: string, suffix: string, padToSize: number): Promise<Walfile> {
    await this.before("open", 0);
    const file = await this.#inner.open(pathname, suffix, padToSize);
    const call = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
      this.calls.push(name);
      await this.before(name, file.position);
      return run();
    };
    return {
      get position() {
        return file.position;
      },
      write: (bytes) => call("write", () => file.write(bytes)),
      sync: () => call("sync", () => file.sync()),
      close: (method) => call(`close ${method}`, () => file.close(method)),
    };
  }
}

const system = (code: string, syscall: string) => Object.assign(new Error(`${code}: ${syscall}`), { code, syscall });

/** Receive from a server that sends this, with that disk. */
async function receiveWith(disk: Disk, stream: readonly BackendMessage[], synchronous: boolean, until: bigint) {
  const { server, updates } = await serve({ stream });
  const connection = await connect({ ...server, replication: "true" });
  const stop = new WalStop(until as Lsn);
  const end = receiveWalStream({
    connection,
    method: disk,
    startpoint: BEGIN,
    timeline: 1,
    segmentSize: SEGMENT,
    systemIdentifier: 7n,
    stop,
    slotname: "s",
    partialSuffix: ".partial",
    synchronous,
    statusInterval: 20,
  });
  const outcome = await end.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  );
  await connection.disconnect();
  return { ...outcome, updates };
}

test.each([true, false])("reports nothing as flushed before it is, synchronous: %s", async (synchronous) => {
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 100));
  const disk = new Disk(fresh(), async (call) => {
    // Status updates go on meanwhile.
    if (call === "sync" || call.startsWith("close")) await pause();
  });
  const { value, updates } = await receiveWith(
    disk,
    [wal(BEGIN, 1000), ask, wal(BEGIN + 1000n, 1000), ask, wal(BEGIN + 2000n, 8)],
    synchronous,
    BEGIN + 2008n,
  );
  expect(value).toEqual({ timeline: 1, lsn: BEGIN + 2008n });
  for (const { write, flush } of updates) {
    expect(flush).toBeLessThanOrEqual(write);
  }
  const flushes = [...new Set(updates.map(({ flush }) => flush))];
  // The first keepalive made it flush 1000 bytes; while that went on, updates still said that nothing is.
  expect(flushes).toEqual([BEGIN, BEGIN + 1000n, BEGIN + 2000n, BEGIN + 2008n].map(BigInt));
  expect(updates.filter(({ write, flush }) => write > flush).length).toBeGreaterThan(2);
  expect(disk.calls.at(-1)).toBe("close noRename");
});

test.each([
  [
    "write",
    "ENOSPC",
    "write",
    /^could not write 1000 bytes to WAL file "000000010000000000000010": No space left on device$/,
  ],
  ["sync", "EIO", "fsync", /^could not fsync file "000000010000000000000010": Input\/output error$/],
  [
    "open",
    "ENOSPC",
    "write",
    /^could not open write-ahead log file "000000010000000000000010\.partial": No space left on device$/,
  ],
])("says so when a disk fails to %s, and confirms nothing", async (failing, code, syscall, words) => {
  const directory = fresh();
  let count = 0;
  const disk = new Disk(directory, (call) => {
    // The second write, the second flush; or the first file.
    if (call === failing && (call === "open" || ++count === 2)) throw system(code, syscall);
  });
  const stream = [wal(BEGIN, 1000), ask, wal(BEGIN + 1000n, 1000), ask, wal(BEGIN + 2000n, 8)];
  const { error, updates } = await receiveWith(disk, stream, true, BEGIN + 5000n);
  expect(error).toMatchObject({ name: "FileError", code: "FILE_SYSTEM", message: expect.stringMatching(words) });
  const most = failing === "open" ? BEGIN : BEGIN + 1000n;
  for (const { flush } of updates) expect(flush).toBeLessThanOrEqual(most);
  if (failing === "open") return expect(readdirSync(directory)).toEqual([]);
  const bytes = readFileSync(join(directory, "000000010000000000000010.partial"));
  expect(bytes.length).toBe(SEGMENT);
  expect(bytes.subarray(0, 1000).every((byte) => byte === 7)).toBe(true);
});
