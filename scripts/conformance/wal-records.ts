/** WAL records: what the server says of each, by pg_walinspect from 15 on, and before in the log of a standby. */
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { describeWalRecord } from "../../src/wal/contents.ts";
import { decodeWalRecord } from "../../src/wal/decode.ts";
import { formatWalContents } from "../../src/wal/desc.ts";
import { walFormat } from "../../src/wal/format.ts";
import { WalReader } from "../../src/wal/reader.ts";
import type { WalRecord } from "../../src/wal/record.ts";
import { hex, toHex } from "../../test/hex.ts";
import { checked, type OwnServer, startServer } from "../../test/servers/index.ts";
import { asServerSays } from "../../test/wal-samples.ts";
import { startWalServer, writeWal } from "../../test/wal-workload.ts";
import type { Kind } from "./kind.ts";

interface WalRecordInput {
  /** The whole record, in hexadecimal digits. */
  readonly record: string;
  readonly lsn: string;
}

interface WalRecordSaid {
  readonly resource_manager: string;
  readonly record_type: string;
  /** These two by pg_walinspect only. */
  readonly xid?: number;
  readonly main_data_length?: number;
  readonly description?: string;
}

/** Longer ones are images of pages. */
const longest = 400;

/** Where a set is made, the input has the place of a record among those of its sort only. */
const recorded = new Map<number, readonly { readonly input: WalRecordInput; readonly said: WalRecordSaid }[]>();

export const walRecords: Kind<WalRecordInput, WalRecordSaid> = {
  name: "wal-records",
  onlyRecorded: true,

  // As many as there are sorts, which only a server's WAL shows.
  inputs: ({ servers }) =>
    servers.flatMap((server) => Array.from({ length: 160 }, (_, i) => ({ record: `${server / 10000}:${i}`, lsn: "" }))),

  async ask(server, inputs) {
    if (!inputs.some(({ record }) => record.startsWith(`${server.major}:`))) return inputs.map(() => undefined);
    recorded.set(server.major, await recordsOf(server.major));
    return inputs.map(({ record }) => recordOf(record, server.major)?.said);
  },

  inputOf: ({ record }, _, { major }) => recordOf(record, major)!.input,

  ours({ record: digits, lsn }, { major }) {
    const format = walFormat({ server: major });
    const record = decodeWalRecord(hex(digits), { format, lsn: parseLsn(lsn) });
    const description = describeWalRecord(record, { server: major });
    const said = {
      resource_manager: description.resourceManager,
      record_type: description.operation,
      ...(major >= 15 && { xid: record.xid, main_data_length: record.mainData.length }),
    };
    // How pages of tables and indexes change, it does not describe.
    if (description.contents === undefined) return { said, unknown: ["description"] };
    return {
      said: { ...said, description: asServerSays(formatWalContents(record, description, { server: major })) },
    };
  },
};

function recordOf(record: string, major: number) {
  const [own, index] = record.split(":").map(Number);
  return own === major ? recorded.get(major)?.[index!] : undefined;
}

/** The shortest record of each operation and set of flags that the workload makes a server write. */
async function recordsOf(major: number) {
  const server = await startWalServer(major);
  const standby = major < 15 ? await Standby.of(server) : undefined;
  try {
    const { start } = await writeWal(server);
    const end = (await server.sql("SELECT pg_current_wal_flush_lsn()")).rows[0]![0]!;
    const said = standby ? await standby.log(server, end) : await inspected(server, start, end);
    const shortest = new Map<string, { readonly input: WalRecordInput; readonly said: WalRecordSaid }>();
    for (const record of recordsOfFiles(server, parseLsn(start))) {
      const lsn = formatLsn(record.lsn);
      const each = said.get(lsn);
      if (each === undefined || record.bytes.length > longest) continue;
      const words = each.description!.replace(/[0-9A-Fx/.:+-]+/g, "0").replace(/(\\b0\\b ?)+/g, "0");
      const sort = JSON.stringify([each.resource_manager, each.record_type, words.slice(0, 60)]);
      const known = shortest.get(sort);
      if (known !== undefined && known.input.record.length <= record.bytes.length * 2) continue;
      shortest.set(sort, { input: { record: toHex(record.bytes), lsn }, said: each });
    }
    return [...shortest.values()];
  } finally {
    standby?.remove();
    await server.stop();
  }
}

/** What pg_walinspect says, by position. */
async function inspected(server: OwnServer, start: string, end: string): Promise<Map<string, WalRecordSaid>> {
  await server.sql("CREATE EXTENSION pg_walinspect");
  const { rows } = await server.sql(
    `SELECT start_lsn, resource_manager, record_type, xid, main_data_length, coalesce(description, '')
     FROM pg_get_wal_records_info('${start}', '${end}') WHERE record_length <= ${longest}`,
  );
  return new Map(
    (rows as string[][]).map(([lsn, resource_manager, record_type, xid, length, description]) => [
      lsn!,
      {
        ...{ resource_manager: resource_manager!, record_type: record_type!, xid: Number(xid) },
        ...{ main_data_length: Number(length), description: description! },
      },
    ]),
  );
}

/** A copy of a server, which follows its WAL and logs of each record that has a transaction what it replays. */
class Standby {
  readonly #folder: string;
  readonly #data: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#data = join(folder, "data");
  }

  /** @param server Has no tables of its own yet. */
  static async of(server: OwnServer): Promise<Standby> {
    const standby = new Standby(mkdtempSync(join(tmpdir(), "walwire-standby-")));
    const session = await server.connect();
    checked(await session.query("SELECT pg_start_backup('standby', true, false)"));
    cpSync(server.dataDirectory, standby.#data, { recursive: true });
    rmSync(join(standby.#data, "postmaster.pid"));
    const ended = checked(await session.query("SELECT labelfile FROM pg_stop_backup(false, false)"));
    const label = ended.find(({ type }) => type === "D")!.body.toString("utf8", 6);
    await session.close();
    writeFileSync(join(standby.#data, "backup_label"), label);
    if (server.major < 12) writeFileSync(join(standby.#data, "recovery.conf"), "standby_mode = on\n");
    else writeFileSync(join(standby.#data, "standby.signal"), "");
    return standby;
  }

  /** What it says of the server's WAL up to `end`, by position. */
  async log(server: OwnServer, end: string): Promise<Map<string, WalRecordSaid>> {
    const wal = join(server.dataDirectory, "pg_wal");
    for (const name of readdirSync(wal)) {
      if (/^[0-9A-F]{24}$/.test(name)) copyFileSync(join(wal, name), join(this.#data, "pg_wal", name));
    }
    const standby = await startServer({
      major: server.major,
      from: this.#data,
      settings: {
        ...{ logging_collector: "on", log_directory: "log", log_filename: "log", log_line_prefix: "" },
        ...{ log_min_messages: "log", trace_recovery_messages: "debug4", track_commit_timestamp: "on" },
      },
    });
    try {
      const replayed = async () => parseLsn((await standby.sql("SELECT pg_last_wal_replay_lsn()")).rows[0]![0]!);
      while ((await replayed()) < parseLsn(end)) await sleep(20);
      const log = readFileSync(join(standby.dataDirectory, "log/log"), "utf8");
      const lines = log.matchAll(/^CONTEXT: {2}WAL redo at (\S+) for (\S+?)\/(\S+?): (.*)$/gm);
      return new Map(
        [...lines].map(([, lsn, resource_manager, record_type, description]) => [
          lsn!,
          {
            ...{ resource_manager: resource_manager!, record_type: record_type! },
            // 14 adds the blocks.
            description: description!.replace(/; blkref #0: .*$/, ""),
          },
        ]),
      );
    } finally {
      await standby.stop();
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** The records from a position on, of the files in pg_wal. */
function recordsOfFiles(server: OwnServer, start: Lsn): WalRecord[] {
  const directory = join(server.dataDirectory, "pg_wal");
  const reader = new WalReader();
  const records: WalRecord[] = [];
  for (const name of readdirSync(directory).sort()) {
    if (!/^[0-9A-F]{24}$/.test(name)) continue;
    reader.push(readFileSync(join(directory, name)));
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      if (record.lsn >= start) records.push(record);
    }
  }
  return records;
}
