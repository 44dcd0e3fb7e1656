/** State files of slots, origins and snapshots, most of them damaged: what a server says that reads them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stateFileCapabilities } from "../../src/files/capabilities.ts";
import {
  encodeReplicationOrigins,
  encodeSlotState,
  encodeSnapshot,
  judgeReplicationOrigins,
  judgeSlotState,
  judgeSnapshot,
  type ReplicationSlotPersistentData,
  type SnapBuildSnapshot,
  type StateFileRefusal,
  snapshotFileName,
} from "../../src/files/index.ts";
import { snapshotFormat } from "../../src/files/snapshot.ts";
import { invalidLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { giveToServer } from "../../test/basebackup.ts";
import { hex, toHex } from "../../test/hex.ts";
import { checked, type OwnServer, ServerError, startServer } from "../../test/servers/index.ts";
import { Image } from "../../test/start-alone.ts";
import { damage } from "../../test/state-files.ts";
import { type Kind, type Words, words } from "./kind.ts";

type Settings = Readonly<Record<string, string>>;

interface StateFileInput {
  readonly file: string;
  /** Hexadecimal digits. */
  readonly content: string;
  /** Of the server that starts. */
  readonly settings?: Settings;
}

type StateFileSaid =
  | { readonly verdict: "accepted" }
  | ({ readonly verdict: "rejected"; readonly severity: string } & Words);

const paths = {
  slot: "pg_replslot/ours/state",
  origins: "pg_logical/replorigin_checkpoint",
  /** Stands for the name of the snapshot that a slot needs, which is its position. */
  snapshot: "pg_logical/snapshots/SNAPSHOT",
};

const position = parseLsn("0/1600000");
const physical: ReplicationSlotPersistentData = {
  ...{ name: "ours", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0 },
  ...{ restartLsn: position, confirmedFlush: invalidLsn, plugin: "" },
};
const logical = { ...physical, database: 1, plugin: "pgoutput", catalogXmin: 700, confirmedFlush: position };

/** One server of each format of the files. */
const servers = ["10", "13", "14", "16", "17"];

/** Damage to the head is the same in all formats. */
function damaged(good: Uint8Array, server: string): Uint8Array[] {
  const all = Object.entries(damage).filter(
    ([kind]) => server === servers[0] || /checksum|its end|at the end/.test(kind),
  );
  return all.map(([, make]) => make(good));
}

function slots(): StateFileInput[] {
  const input = (file: Uint8Array, settings?: Settings): StateFileInput => ({
    ...{ file: paths.slot, content: toHex(file) },
    ...(settings && { settings }),
  });
  return servers.flatMap((server) => {
    const [good, of_logical] = [physical, logical].map((slot) => encodeSlotState(slot, { server })) as [
      Uint8Array,
      Uint8Array,
    ];
    const temporary = encodeSlotState({ ...physical, persistency: "temporary" }, { server });
    return [
      ...[good, of_logical, temporary].map((each) => input(each)),
      ...damaged(good, server).map((each) => input(each)),
      input(good, { wal_level: "minimal" }),
      input(of_logical, { wal_level: "replica" }),
      input(good, { wal_level: "replica" }),
      input(good, { max_replication_slots: "0" }),
    ];
  });
}

function origins(): StateFileInput[] {
  const states = (count: number) =>
    encodeReplicationOrigins(
      Array.from({ length: count }, (_, i) => ({ roident: i + 1, remoteLsn: (position + BigInt(i)) as Lsn })),
    );
  const input = (file: Uint8Array) => ({ file: paths.origins, content: toHex(file) });
  return [
    ...[0, 1, 3].map((count) => input(states(count))),
    ...Object.values(damage).map((make) => input(make(states(2)))),
    ...["max_replication_slots", "max_active_replication_origins"].map((name) => ({
      ...input(states(2)),
      settings: { [name]: "1" },
    })),
  ];
}

function snapshots(): StateFileInput[] {
  return servers.flatMap((server) => {
    const good = encodeSnapshot(snapshotOf(server));
    return [good, ...damaged(good, server)].map((file) => ({ file: paths.snapshot, content: toHex(file) }));
  });
}

/** With transactions, so that a server reads it. */
function snapshotOf(server: string): SnapBuildSnapshot {
  const has = stateFileCapabilities.of(server);
  const { version } = snapshotFormat(has);
  const committed = [701, 703];
  const catchange = has.snapshotCatchange ? [702] : undefined;
  const list = (xids: readonly number[]) => ({ xcnt: BigInt(xids.length), xip: 0n });
  const ofLength = (length: number): SnapBuildSnapshot => ({
    head: {
      ...{ magic: 0x51a1e001, checksum: 0, version, length, padding: undefined },
      builder: {
        ...{ state: "consistent", memoryContext: 0n, xmin: 700, xmax: 704, startDecodingAt: position },
        ...{ initialXminHorizon: 0, buildingFullSnapshot: false, snapshot: 0n, lastSerializedSnapshot: position },
        ...{ reorder: 0n, committed: { ...list(committed), xcntSpace: 2n, includesAllTransactions: false } },
        ...(has.snapshotTwoPhase && { twoPhaseAt: invalidLsn, nextPhaseAt: 0 }),
        ...(has.snapshotInSlotCreation && { inSlotCreation: false }),
        ...(has.snapshotWasRunning && {
          wasRunning: { wasXmin: 0, wasXmax: 0, wasXcnt: 0n, wasXcntSpace: 0n, wasXip: 0n },
        }),
        ...(catchange && { catchange: list(catchange) }),
      },
    },
    committed,
    ...(has.snapshotWasRunning && { wasRunning: [] }),
    ...(catchange && { catchange }),
  });
  return ofLength(encodeSnapshot(ofLength(0)).length);
}

export const stateFiles: Kind<StateFileInput, StateFileSaid> = {
  name: "state-files",

  inputs: () => [...slots(), ...origins(), ...snapshots()],

  async ask(asked, inputs) {
    // Its own: of one that others have used the log is long, and there may be slots.
    const server = await startServer({ major: asked.major });
    try {
      const image = new Image(server, { tables: false });
      try {
        const said: (StateFileSaid | undefined)[] = [];
        const snapshot = await neededSnapshot(server);
        for (const input of inputs) {
          if (!isAsked(input, server)) said.push(undefined);
          else if (input.file === paths.snapshot) said.push(await snapshot.saidOf(input));
          else said.push(await startsWith(image, input));
        }
        return said;
      } finally {
        image.remove();
      }
    } finally {
      await server.stop();
    }
  },

  ours(input, { versionNum: server }) {
    const refusal = refusalOf(input, server);
    if (refusal === undefined) return { said: { verdict: "accepted" } };
    const { level, ...rest } = refusal;
    return { said: { verdict: "rejected", severity: level, ...words(rest) } };
  },
};

function refusalOf({ file, content, settings = {} }: StateFileInput, server: number): StateFileRefusal | undefined {
  const bytes = hex(content);
  if (file === paths.snapshot) return judgeSnapshot(bytes, { server, name: "SNAPSHOT" });
  if (file === paths.origins) {
    const count = Object.values(settings)[0];
    return judgeReplicationOrigins(bytes, { server, ...(count !== undefined && { maxOrigins: Number(count) }) });
  }
  const { wal_level: walLevel, max_replication_slots: maxSlots } = settings;
  return judgeSlotState(bytes, {
    ...{ server, directory: "ours" },
    ...(walLevel !== undefined && { walLevel: walLevel as "minimal" }),
    ...(maxSlots !== undefined && { maxReplicationSlots: Number(maxSlots) }),
  });
}

/** Which server reads it, and has its settings. A snapshot that is good has transactions of no server. */
function isAsked(input: StateFileInput, { versionNum: server }: OwnServer): boolean {
  const has = stateFileCapabilities.of(server);
  if (input.settings?.max_active_replication_origins !== undefined) return has.maxActiveReplicationOrigins;
  if (input.settings?.max_replication_slots !== undefined && input.file === paths.origins)
    return !has.maxActiveReplicationOrigins;
  return input.file !== paths.snapshot || refusalOf(input, server) !== undefined;
}

/** A server that starts on a data directory with this file. */
async function startsWith(image: Image, { file, content, settings = {} }: StateFileInput): Promise<StateFileSaid> {
  for (const each of ["pg_replslot", paths.origins]) {
    rmSync(join(image.directory, each), { recursive: true, force: true });
  }
  mkdirSync(join(image.directory, "pg_replslot"));
  const path = join(image.directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, hex(content));
  giveToServer(image.directory);
  // What is logged before changes what old servers say of the operating system.
  const usual = { wal_level: "logical", log_line_prefix: "%e ", log_min_messages: "fatal" };
  const { said, output } = await image.start({ ...usual, ...settings });
  if (said === undefined) return { verdict: "accepted" };
  // It has no tables: where that is what it says, it has read its state.
  if (/^could not open file "base\/|^could not read file "base|pg_filenode.map/.test(said.message))
    return { verdict: "accepted" };
  if (said.sqlstate === undefined) throw new Error(output);
  const { level, sqlstate, message, detail, hint } = said;
  return { verdict: "rejected", severity: level!, ...words({ sqlstate, message, detail, hint }) };
}

/** A slot that goes on from a snapshot with transactions. */
async function neededSnapshot(server: OwnServer) {
  const running = await server.connect();
  await server.sql("SELECT pg_create_logical_replication_slot('ours', 'test_decoding')");
  checked(await running.query("BEGIN; SELECT txid_current()"));
  for (const change of ["CREATE TABLE t (a int)", "CREATE TABLE u (a int)"]) {
    await server.sql(change);
    await server.sql("CHECKPOINT");
    await server.sql("SELECT pg_logical_slot_get_changes('ours', NULL, NULL)");
    await server.sql("CHECKPOINT");
  }
  const { rows } = await server.sql("SELECT restart_lsn FROM pg_replication_slots");
  const name = snapshotFileName(parseLsn(rows[0]![0]!));
  return {
    async saidOf({ content }: StateFileInput): Promise<StateFileSaid> {
      writeFileSync(join(server.dataDirectory, "pg_logical/snapshots", name), hex(content));
      try {
        await server.sql("SELECT pg_logical_slot_peek_changes('ours', NULL, NULL)");
        return { verdict: "accepted" };
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        const { V, C, M, D, H } = error.fields;
        const message = M!.replace(name, "SNAPSHOT");
        return { verdict: "rejected", severity: V!, ...words({ sqlstate: C!, message, detail: D, hint: H }) };
      }
    },
  };
}
