/** `walwire decode` of the binary state files: pg_control, and those of slots, of replication origins, of snapshots. */

import {
  dissectControlFile,
  dissectReplicationOrigins,
  dissectSlotState,
  dissectSnapshot,
} from "../../../dissect/index.ts";
import { controlFileVersionsRead } from "../../../files/control-file.ts";
import {
  controlFileVersions,
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeControlFile,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
  encodeSnapshot,
  explainControlFile,
  explainSlot,
  slotStateVersions,
} from "../../../files/index.ts";
import { REPLICATION_STATE_MAGIC } from "../../../files/replication-origins.ts";
import { SLOT_MAGIC } from "../../../files/slot-state.ts";
import { SNAPBUILD_MAGIC } from "../../../files/snapshot.ts";
import {
  ControlFileData,
  ReplicationSlotOnDisk,
  ReplicationStateOnDisk,
  SnapBuildOnDisk,
} from "../../../files/structs.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { jsonOfStruct } from "../../../wire/json.ts";
import { firstDifference } from "../../first-difference.ts";
import { printable } from "../shared/people.ts";
import { UnseenError } from "../shared/usage.ts";
import { type FileKind, type Head, magic, small, title } from "./kind.ts";

/** CATALOG_VERSION_NO of any version: the date of a change, and how many there were that day. */
const CATALOG_VERSIONS = [2014_01_01_0, 2100_01_01_0] as const;

/** It has no magic number: its version and that of the catalogs stand behind what can be any bytes. */
function isControlFile({ bytes, name }: Head): boolean {
  if (name === "pg_control") return true;
  if (bytes.length < 16) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [version, catalogs] = [view.getUint32(8, true), view.getUint32(12, true)];
  return (
    controlFileVersions({ pgControlVersion: version }) !== "no version" &&
    catalogs >= CATALOG_VERSIONS[0] &&
    catalogs < CATALOG_VERSIONS[1]
  );
}

const controlFile = small({
  name: "pg_control",
  recognise: isControlFile,
  tree: dissectControlFile,
  show(bytes, { server, verify }, name) {
    refuseUnknown(bytes, name);
    const data = decodeControlFile(bytes);
    const fields = jsonOfStruct(ControlFileData, data, server);
    return {
      json: { type: "ControlFileData", ...fields },
      say(page) {
        title(page, `Control file of the cluster ${data.systemIdentifier}`);
        for (const sentence of explainControlFile(data)) page.line(`  ${printable(sentence)}`);
        page.line();
        const { checkPointCopy, ...others } = fields;
        page.table(
          [
            ...Object.entries(others),
            ...Object.entries(checkPointCopy as object).map(([field, value]) => [`checkPointCopy.${field}`, value]),
          ].map(([field, value]) => [String(field), String(value)]),
          ["dim"],
        );
        page.line();
        page.line(`  The form is that of ${controlFileVersions(data)}, version ${data.pgControlVersion}.`);
      },
      mismatch: verify ? firstDifference(encodeControlFile(data), bytes) : undefined,
    };
  },
});

/** What another version has written, or a machine with another order of bytes, is not bad: it is not known. */
function refuseUnknown(bytes: Uint8Array, name: string): void {
  if (bytes.length < 16) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [version, swapped] = [view.getUint32(8, true), view.getUint32(8, false)];
  const known = (each: number): boolean => controlFileVersions({ pgControlVersion: each }) !== "no version";
  if (known(version)) return;
  if (known(swapped)) {
    throw new UnseenError(`${name} is of a machine with big-endian numbers, which walwire does not read`);
  }
  throw new UnseenError(
    `${name} has the pg_control version ${version}: walwire reads those of releases, ${controlFileVersionsRead}`,
  );
}

const slotState = small({
  name: "the state of a replication slot",
  recognise: magic(SLOT_MAGIC),
  tree: dissectSlotState,
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
  tree: dissectReplicationOrigins,
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
  tree: dissectSnapshot,
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

export const stateKinds: readonly FileKind[] = [slotState, replicationOrigins, snapshot, controlFile];
