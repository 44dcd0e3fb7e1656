/**
 * Files that are more than one struct: their parts in order. Dissections and descriptions in other languages derive from this.
 */
import { type Context, type Field, type NumberShape, type Struct, u32, xid } from "../wire/shape.ts";
import { ReplicationStateOnDisk, SnapBuildContext, SnapBuildOnDisk } from "./structs.ts";

/** A part of a file. */
export type FilePart =
  | Field<NumberShape>
  /** A struct. */
  | { readonly form: "struct"; readonly struct: Struct; readonly doc: string }
  /** Structs, until so many bytes are left. */
  | { readonly form: "structs"; readonly struct: Struct; readonly leaves: number; readonly doc: string }
  /** Numbers, as many as a field of the struct before them says. */
  | {
      readonly form: "numbers";
      readonly element: Field<NumberShape>;
      /** The path of that field from the value of the file. */
      readonly count: readonly string[];
      /** The condition of the file's context without which there are none. */
      readonly condition?: string;
      readonly doc: string;
    };

/** A file, all of whose numbers are aligned as the structs are. */
export interface FileLayout {
  readonly name: string;
  readonly doc: string;
  readonly source: string;
  readonly context: Context | undefined;
  readonly parts: Readonly<Record<string, FilePart>>;
}

export const replicationOriginsFile: FileLayout = {
  name: "ReplicationOrigins",
  doc: "How far origins have been replayed: pg_logical/replorigin_checkpoint.",
  source: "origin.c: CheckPointReplicationOrigin",
  context: undefined,
  parts: {
    magic: u32("0x1257DADE."),
    states: { form: "structs", struct: ReplicationStateOnDisk, leaves: 4, doc: "The origins, in no order." },
    checksum: u32("CRC-32C of all before it."),
  },
};

export const snapshotFile: FileLayout = {
  name: "SnapBuildSnapshot",
  doc: "A snapshot of logical decoding: pg_logical/snapshots/X-X.snap.",
  source: "snapbuild.c: SnapBuildSerialize",
  context: SnapBuildContext,
  parts: {
    head: { form: "struct", struct: SnapBuildOnDisk, doc: SnapBuildOnDisk.doc },
    wasRunning: {
      form: "numbers",
      element: xid("A transaction."),
      count: ["head", "builder", "wasRunning", "wasXcntSpace"],
      condition: "snapshotWasRunning",
      doc: "Not used any more.",
    },
    committed: {
      form: "numbers",
      element: xid("A transaction."),
      count: ["head", "builder", "committed", "xcnt"],
      doc: "Transactions between xmin and xmax that have committed, in no order.",
    },
    catchange: {
      form: "numbers",
      element: xid("A transaction."),
      count: ["head", "builder", "catchange", "xcnt"],
      condition: "snapshotCatchange",
      doc: "Transactions that have changed catalogs and were running.",
    },
  },
};
