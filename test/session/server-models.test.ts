/** A publisher behind walwire/server answers as the model of a server says, as far as it has slots: logical ones, of pgoutput. */
import { expect, test } from "vitest";
import { publisherHandlers } from "../../src/node/publisher/index.ts";
import { Publisher } from "../../src/publisher/index.ts";
import { modelled, walksLikeModel } from "./models.ts";
import { ourServer } from "./server-talk.ts";

/**
 * Commands that need no WAL, no other plugin and no SQL but that of transactions. Nor snapshots: whether one may be taken is looked at
 * before the slot is.
 */
const accepted = [
  /^CREATE_REPLICATION_SLOT \S+( TEMPORARY)? LOGICAL pgoutput( NOEXPORT_SNAPSHOT| \(SNAPSHOT 'nothing'.*\))$/,
  /^(DROP|ALTER)_REPLICATION_SLOT /,
  /^START_REPLICATION SLOT \S+ LOGICAL 0\/0/,
  /^(BEGIN|COMMIT|ROLLBACK)/,
];

// As 10 it answers an error before CopyBothResponse, where PostgreSQL has already sent that.
test.each([11, 14, 15, 17, 18])("as PostgreSQL %i", { timeout: 120_000 }, (server) =>
  walksLikeModel({
    server,
    accepted,
    runs: 100,
    open: async () => {
      const publisher = await Publisher.open();
      publisher.publication("p", { tables: [] });
      const handlers = publisherHandlers(publisher);
      const { server: listening, path } = await ourServer({ ...modelled, server, handlers });
      return {
        path,
        position: () => publisher.end,
        async ended(model) {
          const names = publisher.slots.map(({ slotname }) => slotname).sort();
          expect(names).toEqual(model.slots.map(({ slotname }) => slotname));
          await listening.close({ immediate: true });
        },
      };
    },
  }),
);
