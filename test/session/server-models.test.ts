/** A publisher behind walwire/server answers as the model of a server says, as far as it has slots: logical ones, of pgoutput. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ModelSession, ServerModel, serverCommands } from "../../src/arbitraries/index.ts";
import { publisherHandlers } from "../../src/node/publisher/index.ts";
import { Publisher } from "../../src/publisher/index.ts";
import { ConnectionPeer } from "../oracle/server-models.ts";
import { seed, times } from "../seed.ts";
import { RawConnection } from "../servers/raw.ts";
import { ourServer } from "./server-talk.ts";

const sessions: readonly ModelSession[] = [
  { replication: "database", database: "postgres" },
  { replication: "database", database: "postgres" },
  { replication: "true", database: "" },
];

/** Commands that need no WAL, no other plugin and no SQL but that of transactions. */
const accepted = [
  /^CREATE_REPLICATION_SLOT \S+( TEMPORARY)? LOGICAL pgoutput( NOEXPORT_SNAPSHOT| \(SNAPSHOT 'nothing'.*\))$/,
  /^(DROP|ALTER)_REPLICATION_SLOT /,
  /^START_REPLICATION SLOT \S+ LOGICAL 0\/0/,
  /^(BEGIN|COMMIT|ROLLBACK)/,
];

// As 10 it answers an error before CopyBothResponse, where PostgreSQL has already sent that.
test.each([11, 14, 15, 17, 18])("as PostgreSQL %i", { timeout: 120_000 }, async (server) => {
  let answered = 0;
  const commands = serverCommands({ server, accepts: (text) => accepted.some((each) => each.test(text)) });
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      const publisher = await Publisher.open();
      publisher.publication("p", { tables: [] });
      const handlers = publisherHandlers(publisher);
      const { server: listening, path } = await ourServer({ server, databases: ["postgres"], handlers });
      const peer = new ConnectionPeer({
        connect: ({ replication, database }) =>
          RawConnection.open(path, { user: "postgres", replication, ...(database === "" ? {} : { database }) }),
        position: () => publisher.end,
      });
      const model = new ServerModel({ server, sessions });
      await fc.asyncModelRun(() => ({ model, real: peer }), history);
      expect(publisher.slots.map(({ slotname }) => slotname).sort()).toEqual(
        model.slots.map(({ slotname }) => slotname),
      );
      answered += peer.answered;
      await listening.close({ immediate: true });
    }),
    { seed, numRuns: Math.ceil(100 * times), endOnFailure: true },
  );
  expect(answered).toBeGreaterThan(10);
});
