/** The state files of replication slots, and the view's rows of the same slots. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeSlotState, judgeSlotState } from "../../src/files/index.ts";
import { hex, toHex } from "../../test/hex.ts";
import type { OwnServer } from "../../test/servers/index.ts";
import { viewOf } from "../../test/slot-views.ts";
import type { Kind } from "./kind.ts";

interface SlotFileInput {
  readonly slot: string;
  /** pg_replslot/SLOT/state, in hexadecimal digits. */
  readonly file?: string;
}

type SlotFileSaid = Readonly<Record<string, string | null>>;

/** How slots are made, by their names: the arguments of the function, and what a server must have. */
const slots: Readonly<Record<string, { readonly create: string; readonly since?: number }>> = {
  set_physical: { create: "pg_create_physical_replication_slot('set_physical', true)" },
  set_idle: { create: "pg_create_physical_replication_slot('set_idle')" },
  set_logical: { create: "pg_create_logical_replication_slot('set_logical', 'test_decoding')" },
  set_pgoutput: { create: "pg_create_logical_replication_slot('set_pgoutput', 'pgoutput')" },
  set_two_phase: { create: "pg_create_logical_replication_slot('set_two_phase', 'pgoutput', false, true)", since: 14 },
  set_failover: {
    create: "pg_create_logical_replication_slot('set_failover', 'pgoutput', false, false, true)",
    since: 17,
  },
};

const files = new Map<string, string>();

export const slotFiles: Kind<SlotFileInput, SlotFileSaid> = {
  name: "slot-files",

  inputs: () => Object.keys(slots).map((slot) => ({ slot })),

  async ask(server, inputs) {
    const said: (SlotFileSaid | undefined)[] = [];
    for (const { slot } of inputs) {
      const { create, since = 0 } = slots[slot]!;
      said.push(server.major < since ? undefined : await viewAndFile(server, slot, create));
    }
    return said;
  },

  inputOf: ({ slot }, _, { major }) => ({ slot, file: files.get(`${major} ${slot}`)! }),

  ours({ slot, file }, { major }) {
    const bytes = hex(file!);
    const refusal = judgeSlotState(bytes, { server: major, directory: slot });
    if (refusal !== undefined) return { said: { message: refusal.message } };
    return { said: viewOf(decodeSlotState(bytes).slotdata, major) };
  },

  // Positions and transactions are those of a server's life.
  isSame(said, now) {
    const lasting = (row: SlotFileSaid) =>
      Object.entries(row).filter(([name]) => !/lsn|xmin|datoid|two_phase_at/.test(name));
    return JSON.stringify(lasting(said)) === JSON.stringify(lasting(now));
  },
};

async function viewAndFile(server: OwnServer, slot: string, create: string): Promise<SlotFileSaid> {
  await server.sql(`SELECT ${create}`);
  await server.sql("CHECKPOINT");
  const { columns, rows } = await server.sql(`SELECT * FROM pg_replication_slots WHERE slot_name = '${slot}'`);
  const bytes = new Uint8Array(readFileSync(join(server.dataDirectory, "pg_replslot", slot, "state")));
  files.set(`${server.major} ${slot}`, toHex(bytes));
  await server.sql(`SELECT pg_drop_replication_slot('${slot}')`);
  const view = Object.fromEntries(columns.map((column, i) => [column, rows[0]![i]!]));
  // The columns that depend on the file alone.
  const known = Object.keys(viewOf(decodeSlotState(bytes).slotdata, server.major));
  return Object.fromEntries(known.map((column) => [column, view[column]!]));
}
