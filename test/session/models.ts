/** Histories of sessions and slots with a server of ours beside the model of a server. */
import fc from "fast-check";
import { expect } from "vitest";
import { type ModelSession, ServerModel, serverCommands } from "../../src/arbitraries/index.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import type { ListenOptions } from "../../src/node/server/index.ts";
import { ConnectionPeer } from "../oracle/server-models.ts";
import { seed, times } from "../seed.ts";
import { RawConnection } from "../servers/raw.ts";

const sessions: readonly ModelSession[] = [
  { replication: "database", database: "postgres" },
  { replication: "database", database: "postgres" },
  { replication: "true", database: "" },
];

/** One fewer than there are names in histories. */
const maxReplicationSlots = 2;

/** Options of `listen` for these sessions. */
export const modelled: ListenOptions = {
  databases: ["postgres"],
  parameters: { max_replication_slots: String(maxReplicationSlots) },
};

/** A server for one history. */
export interface ModelledServer {
  /** Its socket. */
  readonly path: string;
  position(): Lsn;
  /** Called after the history. */
  ended?(model: ServerModel): Promise<void>;
}

/** Hold servers of a version to its model, by histories of commands that are `accepted`. */
export async function walksLikeModel(of: {
  readonly server: number;
  readonly accepted: readonly RegExp[];
  readonly runs: number;
  readonly open: () => Promise<ModelledServer>;
}): Promise<void> {
  const { server, accepted, runs, open } = of;
  let answered = 0;
  const commands = serverCommands({ server, accepts: (text) => accepted.some((each) => each.test(text)) });
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      const { path, position, ended } = await open();
      const peer = new ConnectionPeer({
        connect: ({ replication, database }) =>
          RawConnection.open(path, { user: "postgres", replication, ...(database === "" ? {} : { database }) }),
        position,
      });
      const model = new ServerModel({ server, sessions, maxReplicationSlots });
      await fc.asyncModelRun(() => ({ model, real: peer }), history);
      await ended?.(model);
      answered += peer.answered;
    }),
    { seed, numRuns: Math.ceil(runs * times), endOnFailure: true },
  );
  expect(answered).toBeGreaterThan(0);
}
