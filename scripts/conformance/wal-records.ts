/** WAL records: what the server's own pg_walinspect says of each, from 15 on. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { supports } from "../../src/capabilities.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { describeWalRecord } from "../../src/wal/contents.ts";
import { decodeWalRecord } from "../../src/wal/decode.ts";
import { formatWalContents } from "../../src/wal/desc.ts";
import { walFormat } from "../../src/wal/format.ts";
import { WalReader } from "../../src/wal/reader.ts";
import type { WalRecord } from "../../src/wal/record.ts";
import { hex, toHex } from "../../test/hex.ts";
import type { OwnServer } from "../../test/servers/index.ts";
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
  readonly xid: number;
  readonly main_data_length: number;
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
    servers
      .filter((server) => supports(server, "genericOptions"))
      .flatMap((server) => Array.from({ length: 160 }, (_, i) => ({ record: `${server / 10000}:${i}`, lsn: "" }))),

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
      xid: record.xid,
      main_data_length: record.mainData.length,
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
  try {
    const { start } = await writeWal(server);
    const end = (await server.sql("SELECT pg_current_wal_flush_lsn()")).rows[0]![0]!;
    await server.sql("CREATE EXTENSION pg_walinspect");
    const { rows } = await server.sql(
      `SELECT start_lsn, resource_manager, record_type, xid, main_data_length, coalesce(description, '')
       FROM pg_get_wal_records_info('${start}', '${end}') WHERE record_length <= ${longest}`,
    );
    const said = new Map(rows.map(([lsn, ...rest]) => [lsn!, rest as string[]]));
    const shortest = new Map<string, { readonly input: WalRecordInput; readonly said: WalRecordSaid }>();
    for (const record of recordsOfFiles(server, parseLsn(start))) {
      const lsn = formatLsn(record.lsn);
      const [resource_manager, record_type, xid, length, description] = said.get(lsn) ?? [];
      if (resource_manager === undefined) continue;
      const words = description!.replace(/[0-9A-Fx/.:+-]+/g, "0").replace(/(\\b0\\b ?)+/g, "0");
      const sort = JSON.stringify([resource_manager, record_type, words.slice(0, 60)]);
      const known = shortest.get(sort);
      if (known !== undefined && known.input.record.length <= record.bytes.length * 2) continue;
      shortest.set(sort, {
        input: { record: toHex(record.bytes), lsn },
        said: {
          ...{ resource_manager, record_type: record_type!, xid: Number(xid) },
          ...{ main_data_length: Number(length), description: description! },
        },
      });
    }
    return [...shortest.values()];
  } finally {
    await server.stop();
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
