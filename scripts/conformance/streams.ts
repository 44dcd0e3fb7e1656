/** Streams of pgoutput, and the tables that they make. */
import { createHash } from "node:crypto";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { TransactionAssembler } from "../../src/logical/transactions.ts";
import { packCapture, unpackCapture } from "../../test/servers/capture.ts";
import { Replica } from "../demo/replica.ts";
import { type PublishedTable, runsOf, runWorkload, type StreamOptions } from "../workload/index.ts";
import { readBytes } from "./dataset.ts";
import type { Kind } from "./kind.ts";

interface StreamInput {
  /** Payloads of CopyData. */
  readonly file: string;
  /** Of START_REPLICATION, but for the names of publications. */
  readonly options: StreamOptions;
  /** The tables and columns whose contents are asked for. Others were dropped, or publications told a part of their changes. */
  readonly tables?: readonly Pick<PublishedTable, "schema" | "name" | "columns">[];
}

/** A value that is longer than this stands in a row as its digest. */
const longest = 200;

type Value = string | null | { readonly bytes: number; readonly sha256: string };
type Rows = readonly (readonly Value[])[];

interface StreamSaid {
  /** The rows of each table, in the order of their JSON. */
  readonly tables: readonly Rows[];
}

const fileOf = (major: number, run: string): string => `data/streams/${major}-${run}.bin.gz`;

export const streams: Kind<StreamInput, StreamSaid> = {
  name: "streams",

  inputs: ({ servers }) =>
    servers.flatMap((versionNum) =>
      runsOf({ versionNum }).map(({ name, options }) => ({ file: fileOf(versionNum / 10000, name), options })),
    ),

  async ask(server, inputs, store) {
    const said: (StreamSaid | undefined)[] = [];
    for (const { file, options } of inputs) {
      const run = runsOf(server).find(({ name }) => fileOf(server.major, name) === file);
      if (run === undefined) said.push(undefined);
      else {
        const { payloads, tables } = await runWorkload(server, options, { database: "workload" });
        store(file, packCapture(payloads));
        asked.set(
          file,
          tables.map(({ schema, name, columns }) => ({ schema, name, columns })),
        );
        said.push({ tables: tables.map((table) => sorted((options.binary ? table.binary! : table).rows)) });
      }
    }
    return said;
  },

  // The send functions of arrays, composites and ranges write OIDs of types, which a server counts from 16384 on.
  isSame(said, now) {
    const lasting = (tables: StreamSaid) => JSON.stringify(tables).replace(/0000[4-7][0-9a-f]{3}/g, "OID");
    return lasting(said) === lasting(now);
  },

  inputOf: (input) => ({ ...input, tables: asked.get(input.file)! }),

  async ours({ file, tables, options: { protocol, streaming } }) {
    const assembler = new TransactionAssembler({ protocol, streaming: streaming ?? "off", prepared: "hold" });
    const replica = new Replica();
    for (const payload of unpackCapture(readBytes(file), file)) {
      const envelope = decodeWalSenderMessage(payload);
      if (envelope.type !== "XLogData") continue;
      const event = await assembler.receive(envelope.data);
      if (event?.type === "Transaction") await replica.applyTransaction(event);
      if (event !== undefined) await assembler.confirm(event);
    }
    const made = [...replica.tables()];
    return { said: { tables: tables!.map((table) => rowsOf(table, made)) } };
  },
};

/** The tables of the streams that were recorded, by file. */
const asked = new Map<string, NonNullable<StreamInput["tables"]>>();

/** What the replica has of a table; a table without rows may be unknown to it. */
function rowsOf({ schema, name, columns }: NonNullable<StreamInput["tables"]>[number], made: readonly Made[]): Rows {
  // A table that was dropped may have had the same name.
  const found = made.findLast(
    ({ relation }) => relation.name === name && (relation.namespace || "pg_catalog") === schema,
  );
  if (found === undefined) return [];
  const at = columns.map((column) => found.relation.columns.findIndex((each) => each.name === column));
  return sorted(found.rows.map((row) => at.map((i) => row[i]!)));
}

type Made = ReturnType<Replica["tables"]> extends Generator<infer T> ? T : never;

function sorted(rows: PublishedTable["rows"]): Rows {
  const shown = rows.map((row) => row.map(shownValue));
  const keyed = shown.map((row) => ({ row, key: JSON.stringify(row) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  return keyed.map(({ row }) => row);
}

function shownValue(value: string | null): Value {
  if (value === null || value.length <= longest) return value;
  const bytes = Buffer.from(value);
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
