/** Who is synchronous: what pg_stat_replication shows of standbys, with a value of synchronous_standby_names. */
import fc from "fast-check";
import type { Lsn } from "../../src/kernel/lsn.ts";
import { parseSynchronousStandbyNames, printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { evaluateSynchronousStandbys, type SyncRepStandby } from "../../src/syncrep/questions.ts";
import { statesOfStandbys } from "../../test/oracle/standbys.ts";
import { setting, standbyNames } from "../../test/standbys.ts";
import type { Kind } from "./kind.ts";

/** What a standby does: "silent" streams, and has never said how far it is. */
const kinds = ["streaming", "streaming", "streaming", "streaming", "silent", "startup"] as const;

interface SyncStatesInput {
  readonly value: string;
  /** In the order in which they have connected. */
  readonly standbys: readonly { readonly name: string; readonly does: (typeof kinds)[number] }[];
}

interface SyncStatesSaid {
  readonly standbys: readonly { readonly sync_priority: number; readonly sync_state: string }[];
}

/** Names that every version shows as they are. */
const names = standbyNames.filter((name) => /^[\x20-\x7e]*$/.test(name));

export const syncStates: Kind<SyncStatesInput, SyncStatesSaid> = {
  name: "sync-states",

  inputs({ seed, times }) {
    const input = fc
      .tuple(
        setting("10"),
        fc.array(fc.record({ name: fc.constantFrom(...names), does: fc.constantFrom(...kinds) }), {
          minLength: 1,
          maxLength: 5,
        }),
      )
      .map(([config, standbys]) => ({ value: printSynchronousStandbyNames(config, { server: "10" }), standbys }));
    return fc.sample(input, { seed, numRuns: Math.ceil(60 * times) });
  },

  async ask(server, inputs) {
    const views = await statesOfStandbys(server, inputs);
    return views.map((rows) => ({
      standbys: rows.map(({ syncPriority, syncState }) => ({ sync_priority: syncPriority, sync_state: syncState })),
    }));
  },

  ours({ value, standbys }, { versionNum: server }) {
    const config = parseSynchronousStandbyNames(value, { server });
    const rows = standbys.map(({ name, does }): SyncRepStandby => {
      const position = does === "streaming" ? (1n as Lsn) : undefined;
      const state = does === "startup" ? "startup" : "streaming";
      return { applicationName: name, state, writeLsn: position, flushLsn: position, replayLsn: position };
    });
    const evaluated = evaluateSynchronousStandbys(config, rows, { server }).standbys;
    return {
      said: {
        standbys: evaluated.map(({ syncPriority, syncState }) => ({
          sync_priority: syncPriority,
          sync_state: syncState,
        })),
      },
    };
  },
};
