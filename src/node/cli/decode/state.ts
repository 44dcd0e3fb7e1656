/** `walwire decode` of the binary state files: of slots, of replication origins, of snapshots. */
import {
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
  encodeSnapshot,
  explainSlot,
  slotStateVersions,
} from "../../../files/index.ts";
import { REPLICATION_STATE_MAGIC } from "../../../files/replication-origins.ts";
import { SLOT_MAGIC } from "../../../files/slot-state.ts";
import { SNAPBUILD_MAGIC } from "../../../files/snapshot.ts";
import { ReplicationSlotOnDisk, ReplicationStateOnDisk, SnapBuildOnDisk } from "../../../files/structs.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { jsonOfStruct } from "../../../wire/json.ts";
import { printable } from "../shared/people.ts";
import { type FileKind, magic, small, title } from "./kind.ts";
import { firstDifference } from "./stream.ts";

const slotState = small({
  name: "the state of a replication slot",
  recognise: magic(SLOT_MAGIC),
  show(bytes, { server, verify }) {
    const state = decodeSlotState(bytes);
    return {
      json: { type: "ReplicationSlotOnDisk", ...jsonOfStruct(ReplicationSlotOnDisk, state, server) },
      say(page) {
        title(page, `Replication slot ${printable(state.slotdata.name)}`);
        for (const sentence of explainSlot(state.slotdata, { server })) page.line(`  ${printable(sentence)}`);
        page.line();
        const fields = jsonOfStruct(ReplicationSlotOnDisk, state, server).slotdata as Readonly<Record<string, unknown>>;
        page.table(
          Object.entries(fields).map(([name, value]) => [name, String(value)]),
          ["dim"],
        );
        page.line();
        page.line(
          `  The form is that of ${slotStateVersions(state)}, version ${state.version} of ${bytes.length} bytes.`,
        );
      },
      mismatch: verify ? firstDifference(encodeReplicationSlotOnDisk(state), bytes) : undefined,
    };
  },
});

const replicationOrigins = small({
  name: "replorigin_checkpoint",
  recognise: magic(REPLICATION_STATE_MAGIC),
  show(bytes, { server, verify }) {
    const states = decodeReplicationOrigins(bytes);
    return {
      json: {
        type: "ReplicationOrigins",
        origins: states.map((state) => jsonOfStruct(ReplicationStateOnDisk, state, server)),
      },
      say(page) {
        title(page, states.length === 0 ? "No replication origins" : "Replication origins");
        page.table(
          states.map(({ roident, remoteLsn }) => [
            `origin ${roident}`,
            `replayed up to ${formatLsn(remoteLsn, { server })}`,
          ]),
          ["bold"],
        );
      },
      mismatch: verify ? firstDifference(encodeReplicationOrigins(states), bytes) : undefined,
    };
  },
});

const snapshot = small({
  name: "a snapshot of logical decoding",
  recognise: magic(SNAPBUILD_MAGIC),
  show(bytes, { server, verify }) {
    const { head, wasRunning, committed, catchange } = decodeSnapshot(bytes);
    const fields = jsonOfStruct(SnapBuildOnDisk, head, server);
    return {
      json: {
        type: "SnapBuildOnDisk",
        ...fields,
        ...(wasRunning === undefined ? {} : { wasRunningXids: wasRunning }),
        committedXids: committed,
        ...(catchange === undefined ? {} : { catchangeXids: catchange }),
      },
      say(page) {
        title(page, "Snapshot of logical decoding");
        const { xmin, xmax } = head.builder;
        page.line(`  Transactions before ${xmin} are over, those from ${xmax} on have not begun when it was taken.`);
        page.line(`  Committed between them: ${committed.length === 0 ? "none" : committed.join(" ")}.`);
        if (catchange !== undefined) {
          page.line(
            `  Running, and having changed catalogs: ${catchange.length === 0 ? "none" : catchange.join(" ")}.`,
          );
        }
        page.line();
        page.table(
          Object.entries(fields.builder as Readonly<Record<string, unknown>>).map(([name, value]) => [
            name,
            typeof value === "object" ? JSON.stringify(value) : String(value),
          ]),
          ["dim"],
        );
      },
      mismatch: verify ? firstDifference(encodeSnapshot({ head, wasRunning, committed, catchange }), bytes) : undefined,
    };
  },
});

export const stateKinds: readonly FileKind[] = [slotState, replicationOrigins, snapshot];
