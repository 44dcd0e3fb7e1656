/**
 * Physical replication slots, on disk in the form of pg_replslot, or in memory.
 *
 * They keep a position, and keep no WAL: nothing is removed from a directory that is served.
 *
 * Portions Copyright (c) 2012-2026, PostgreSQL Global Development Group
 *
 * @source slot.c: ReplicationSlotCreate, ReplicationSlotAcquire, ReplicationSlotDrop, CreateSlotOnDisk, SaveSlotToPath, RestoreSlotFromDisk
 * @source walsender.c: PhysicalConfirmReceivedLocation
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CreateReplicationSlotCmd } from "../../../command/ast.ts";
import type { ReplicationSlotPersistentData } from "../../../files/index.ts";
import { decodeSlotState, encodeSlotState } from "../../../files/slot-state.ts";
import { DecodeError, FileError } from "../../../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../../../kernel/lsn.ts";
import { freeSlot, SlotUse, type SlotWaitOptions } from "../../../session/server/slot-use.ts";
import { errorOf } from "../../../session/server/words.ts";
import { judgeSlotName } from "../../../text/slot-name.ts";
import { durableRename, fsyncParent, fsyncPath } from "../../durable.ts";
import { makeDirectories } from "../../make-directories.ts";
import { strerror } from "../../strerror.ts";
import type { WalsenderSession } from "../handlers.ts";
import { mustHaveRoom, quoted } from "../max-slots.ts";

class Slot {
  data: ReplicationSlotPersistentData;
  readonly use: SlotUse;
  /** It has moved since it was saved. */
  isDirty = false;

  /**
   * @param owner Whose it is, if it is temporary.
   * @param drop Called once the owner has an error or ends.
   */
  constructor(data: ReplicationSlotPersistentData, owner?: WalsenderSession, drop?: () => void) {
    this.data = data;
    this.use = new SlotUse(data.name, owner, drop);
  }

  get isTemporary(): boolean {
    return this.data.persistency !== "persistent";
  }
}

/** A slot that a stream uses. */
export interface AcquiredSlot {
  /** The receiver has flushed WAL up to here. */
  confirm(flushed: Lsn): void;
  /** @throws FileError */
  release(): Promise<void>;
}

/** All slots of a directory. */
export class SlotStore {
  readonly #directory: string | undefined;
  readonly #server: number;
  readonly #slots = new Map<string, Slot>();
  /** Writes come one after the other. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(directory: string | undefined, server: number) {
    this.#directory = directory;
    this.#server = server;
  }

  /** @throws FileError FILE_SYSTEM; BAD_FILE for a slot that is damaged */
  static async open(directory: string | undefined, server: number): Promise<SlotStore> {
    const store = new SlotStore(directory, server);
    if (directory !== undefined) await store.#restore(directory);
    return store;
  }

  /** @throws ServerError, FileError */
  async create(command: CreateReplicationSlotCmd, restartLsn: Lsn, session: WalsenderSession): Promise<void> {
    if (command.kind === "LOGICAL") throw noLogicalDecoding(session);
    const { slotname: name, temporary } = command;
    if (this.#slots.has(name)) throw errorOf("DUPLICATE_OBJECT", `replication slot "${name}" already exists`);
    mustHaveRoom(this.#slots.size, session);
    const data: ReplicationSlotPersistentData = {
      name,
      database: 0,
      persistency: temporary ? "temporary" : "persistent",
      xmin: 0,
      catalogXmin: 0,
      restartLsn,
      confirmedFlush: invalidLsn,
      plugin: "",
    };
    const slot = new Slot(data, temporary ? session : undefined, () => this.#forget(name, slot));
    this.#slots.set(name, slot);
    if (!temporary) {
      try {
        await this.#write(async (directory) => {
          const temporaryName = join(directory, `${name}.tmp`);
          await rm(temporaryName, { recursive: true, force: true });
          await mkdir(temporaryName, { mode: 0o700 });
          await writeFile(join(temporaryName, "state"), this.#encoded(slot), { mode: 0o600 });
          await fsyncPath(join(temporaryName, "state"));
          await fsyncPath(temporaryName, true);
          await rename(temporaryName, join(directory, name));
          await fsyncPath(directory, true);
        });
      } catch (error) {
        this.#forget(name, slot);
        throw error;
      }
    }
  }

  /** @throws ServerError */
  acquire(name: string, session: WalsenderSession): AcquiredSlot {
    const slot = this.#existing(name);
    slot.use.mustBeFree(session);
    if (slot.data.database !== 0) {
      const message = "cannot use a logical replication slot for physical replication";
      throw errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
    }
    slot.use.acquire(session);
    return {
      confirm(flushed) {
        // It may go back, as in PostgreSQL: a receiver can begin anew.
        if (slot.data.restartLsn === flushed) return;
        slot.data = { ...slot.data, restartLsn: flushed };
        slot.isDirty = true;
      },
      release: async () => {
        slot.use.release();
        await this.#save(slot);
      },
    };
  }

  /** @throws ServerError, FileError */
  async drop(name: string, options: SlotWaitOptions): Promise<void> {
    const slot = await freeSlot(() => this.#existing(name), options);
    this.#forget(name, slot);
    if (slot.isTemporary) return;
    await this.#write(async (directory) => {
      const temporaryName = join(directory, `${name}.tmp`);
      await rename(join(directory, name), temporaryName);
      await fsyncPath(directory, true);
      await rm(temporaryName, { recursive: true, force: true });
    });
  }

  /** @throws ServerError, always: only logical slots have something that changes. */
  async alter(name: string, options: SlotWaitOptions): Promise<never> {
    await freeSlot(() => this.#existing(name), options);
    throw errorOf("FEATURE_NOT_SUPPORTED", "cannot use ALTER_REPLICATION_SLOT with a physical replication slot");
  }

  /** @returns undefined if there is no such slot. @throws ServerError */
  read(name: string): ReplicationSlotPersistentData | undefined {
    const data = this.#slots.get(name)?.data;
    if (data === undefined || data.database === 0) return data;
    throw errorOf("FEATURE_NOT_SUPPORTED", "cannot use READ_REPLICATION_SLOT with a logical replication slot");
  }

  /** Save all slots that have moved. @throws FileError */
  async flush(): Promise<void> {
    for (const slot of this.#slots.values()) await this.#save(slot);
  }

  #existing(name: string): Slot {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw errorOf("UNDEFINED_OBJECT", `replication slot "${name}" does not exist`);
    return slot;
  }

  #forget(name: string, slot: Slot): void {
    if (this.#slots.get(name) === slot) this.#slots.delete(name);
    slot.use.end();
  }

  #encoded({ data }: Slot): Uint8Array {
    return encodeSlotState(data, { server: this.#server });
  }

  async #save(slot: Slot): Promise<void> {
    if (!slot.isDirty || slot.isTemporary) return;
    await this.#write(async (directory) => {
      if (this.#slots.get(slot.data.name) !== slot) return;
      slot.isDirty = false;
      const path = join(directory, slot.data.name, "state");
      try {
        await writeFile(`${path}.tmp`, this.#encoded(slot), { mode: 0o600 });
        await durableRename(`${path}.tmp`, path);
      } catch (error) {
        slot.isDirty = true;
        throw error;
      }
    });
  }

  /** @throws FileError */
  async #write(write: (directory: string) => Promise<void>): Promise<void> {
    const directory = this.#directory;
    if (directory === undefined) return;
    const written = this.#writing.then(() => write(directory));
    this.#writing = written.catch(() => {});
    try {
      await written;
    } catch (error) {
      throw failure(directory, `could not write to directory "${directory}"`, error);
    }
  }

  /** @source slot.c: StartupReplicationSlots */
  async #restore(directory: string): Promise<void> {
    try {
      makeDirectories(directory, 0o700);
      await fsyncParent(directory);
      for (const { name } of (await readdir(directory, { withFileTypes: true })).filter((each) => each.isDirectory())) {
        if (name.endsWith(".tmp")) await rm(join(directory, name), { recursive: true, force: true });
        else if (judgeSlotName(name, { server: this.#server }) === undefined) await this.#restoreOne(directory, name);
      }
    } catch (error) {
      throw failure(directory, `could not read directory "${directory}"`, error);
    }
  }

  async #restoreOne(directory: string, name: string): Promise<void> {
    const path = join(directory, name, "state");
    try {
      const { slotdata } = decodeSlotState(await readFile(path));
      if (slotdata.name !== name) throw new FileError(path, `file "${path}" is of slot "${slotdata.name}"`, "BAD_FILE");
      if (slotdata.persistency === "persistent") this.#slots.set(name, new Slot(slotdata));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new FileError(path, `file "${path}" is not the state of a slot: ${error.message}`, "BAD_FILE", {
        cause: error,
      });
    }
  }
}

/** @source logical.c: CheckLogicalDecodingRequirements */
export function noLogicalDecoding(session: WalsenderSession): Error {
  const message = `logical decoding requires ${quoted("wal_level", session)} >= ${quoted("logical", session)}`;
  return errorOf("OBJECT_NOT_IN_PREREQUISITE_STATE", message);
}

function failure(path: string, what: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  return new FileError(path, `${what}: ${strerror(cause)}`, "FILE_SYSTEM", { cause });
}
