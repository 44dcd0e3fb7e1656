/** A publisher behind walwire/server answers as the model of a server says, as far as it has slots: logical ones, of pgoutput. */
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/node/client.ts";
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

// As a live server: test/session/wal-directory.test.ts asks both.
test("some commands wait for a temporary slot until its session has an error", async () => {
  const publisher = await Publisher.open();
  const { server } = await ourServer({ server: 18, handlers: publisherHandlers(publisher) });
  const to = {
    host: dirname(server.address.path!),
    port: 5432,
    user: "u",
    database: "d",
    replication: "database",
  } as const;
  const [holder, dropper, alterer] = [await connect(to), await connect(to), await connect(to)];
  for (const each of [holder, dropper, alterer]) onTestFinished(() => each.disconnect());
  await holder.createSlot("held", { plugin: "pgoutput", temporary: true });
  const { activePid } = publisher.slot("held");
  await expect(dropper.dropSlot("held")).rejects.toThrow(`replication slot "held" is active for PID ${activePid}`);
  let answered = 0;
  const waiting = [dropper.dropSlot("held", { wait: true }), alterer.alterSlot("held", { failover: true })].map(
    (each) =>
      each.catch((error: Error) => {
        answered++;
        return error.message;
      }),
  );
  await sleep(100);
  expect(answered).toBe(0);
  await expect(holder.dropSlot("missing")).rejects.toThrow("does not exist");
  const gone = 'replication slot "held" does not exist';
  expect(await Promise.all(waiting)).toEqual([gone, gone]);
  expect(publisher.slots).toEqual([]);
});
