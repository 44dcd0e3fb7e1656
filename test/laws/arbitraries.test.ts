/** Arbitraries of files give what servers read; and each arbitrary gives the same sample for the same seed. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as arbitraries from "../../src/arbitraries/index.ts";
import { tarEntries } from "../../src/basebackup/tar.ts";
import {
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeControlFile,
  encodeReplicationOrigins,
  encodeSlotState,
  encodeSnapshot,
  judgeSlotState,
  judgeSnapshot,
  WalSummaryReader,
} from "../../src/files/index.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { backendTypes, frontendTypes } from "../../src/session/messages.ts";
import { WalReceiver } from "../../src/session/walreceiver.ts";
import { WalSender } from "../../src/session/walsender.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { law } from "./law.ts";

describe.each([10, 11, 13, 14, 15, 16, 17, 18])("files of %i", (server) => {
  law(
    "pg_control",
    fc.property(arbitraries.controlFile({ server }), (file) => {
      expect(Buffer.compare(encodeControlFile(decodeControlFile(file)), file)).toBe(0);
    }),
    30,
  );
  law(
    "slot state",
    fc.property(arbitraries.slotState({ server }), (file) => {
      const { slotdata } = decodeSlotState(file);
      // Its name is that of the directory, and any bytes.
      expect(judgeSlotState(file, { server, directory: slotdata.name })?.message).toBeUndefined();
      expect(encodeSlotState(slotdata, { server })).toEqual(file);
    }),
    100,
  );
  law(
    "snapshot",
    fc.property(arbitraries.logicalSnapshot({ server }), (file) => {
      expect(judgeSnapshot(file, { server })).toBeUndefined();
      expect(encodeSnapshot(decodeSnapshot(file))).toEqual(file);
    }),
    100,
  );
});

describe("files of every version", () => {
  law(
    "replication origins",
    fc.property(arbitraries.replicationOrigins(), (file) => {
      expect(encodeReplicationOrigins(decodeReplicationOrigins(file))).toEqual(file);
    }),
    100,
  );
  law(
    "WAL summary",
    fc.property(arbitraries.walSummary(), (file) => {
      const reader = new WalSummaryReader();
      const relations = [...reader.receive(file)].filter(({ type }) => type === "Relation");
      reader.end();
      expect(relations.length > 0).toBe(file.length > 32);
    }),
    100,
  );
});

describe.each(["9.4", "9.6", 10, 12, 13, 14, 15, 16, 17, 18, 19])("sessions with %s", (server) => {
  law(
    "both ends take them, whatever chunks they come in",
    fc.property(
      arbitraries.walsenderSession({ server }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (session, cuts) => {
        const ends = {
          walreceiver: new WalReceiver({ from: "startup", server }),
          walsender: new WalSender({ from: "startup", server }),
        };
        const received: unknown[] = [];
        for (const { from, message, bytes } of session) {
          // What an end has sent, it cannot have done before.
          expect(ends[from].send(message as never)).toEqual(bytes);
          const to = ends[from === "walsender" ? "walreceiver" : "walsender"];
          for (let at = 0; at < bytes.length; ) {
            const end = at + cuts.next().value;
            to.receive(bytes.slice(at, end));
            for (let next = to.next(); next !== undefined; next = to.next()) received.push(next);
            at = end;
          }
        }
        expect(received).toEqual(session.map(({ message }) => message));
        expect(session[0]!.from).toBe("walreceiver");
      },
    ),
    30,
  );
});

test("sessions have every message that a walsender sends or takes", () => {
  // A walsender does not LISTEN, a client does not fail, and the messages of the extended protocol are alike.
  const others = ["Bind", "Close", "CopyFail", "Describe", "Execute", "FunctionCall", "NotificationResponse"];
  const missing = new Set<string>([...backendTypes.values(), ...frontendTypes.values()]);
  for (const type of others) expect(missing.delete(type)).toBe(true);
  const sessions = fc.property(arbitraries.walsenderSession({ server: 17 }), (session) => {
    for (const { message } of session) missing.delete(message.type);
    return missing.size > 0;
  });
  fc.check(sessions, { seed: 1, numRuns: 1000, endOnFailure: true });
  expect([...missing]).toEqual([]);
});

test("a failing session is reduced to its login and what fails", () => {
  const { counterexample } = fc.check(
    fc.property(
      arbitraries.walsenderSession({ server: 12 }),
      (session) => !session.some(({ message }) => message.type === "CopyBothResponse"),
    ),
    { seed: 1 },
  );
  const types = counterexample![0].map(({ message }) => message.type).filter((type) => type !== "ParameterStatus");
  expect(types.slice(0, 6)).toEqual([
    ...["StartupMessage", "Authentication", "BackendKeyData", "ReadyForQuery", "Query", "CopyBothResponse"],
  ]);
  expect(types.length).toBeLessThan(14);
});

law(
  "an archive has the files that were put into it, and a cut one an error",
  fc.asyncProperty(arbitraries.backupArchive(), fc.nat(), async (archive, at) => {
    const names = async (bytes: Uint8Array): Promise<string[]> => {
      const found: string[] = [];
      const { readable, writable } = tarEntries();
      const writing = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeTo(writable);
      const reading = (async () => {
        for await (const entry of readable) {
          found.push(entry.name);
          await new Response(entry.body).arrayBuffer();
        }
      })();
      await Promise.all([writing, reading]);
      return found;
    };
    const wanted: string[] = [];
    for (let i = 0; archive[i] !== 0; ) {
      const header = Buffer.from(archive.subarray(i, i + 512));
      wanted.push(header.subarray(0, header.indexOf(0)).toString());
      i += 512 + Math.ceil(Number.parseInt(header.toString("latin1", 124, 135), 8) / 512) * 512;
    }
    expect((await names(archive)).map((name) => name.replace(/\/$/, ""))).toEqual(
      wanted.map((name) => name.replace(/\/$/, "")),
    );
    const cut = archive.subarray(0, at % archive.length);
    const outcome = await names(cut).catch((error: unknown) => error);
    expect(outcome instanceof WalwireError || Array.isArray(outcome)).toBe(true);
  }),
  100,
);

/** Arbitraries that need an argument; the others are called without one. */
const called: Readonly<Record<string, () => fc.Arbitrary<unknown>>> = {
  damaged: () => arbitraries.damaged(fc.uint8Array()),
  damagedFrames: () =>
    arbitraries.damagedFrames(fc.constant([Uint8Array.of(75, 0, 0, 0, 4), Uint8Array.of(90, 0, 0, 0, 5, 73)]) as never),
  splits: () => arbitraries.splits(fc.uint8Array()),
  resultSetValue: () => arbitraries.resultSetValue("READ_REPLICATION_SLOT"),
  typeValue: () =>
    fc.tuple(...[16, 17, 23, 25, 600, 1184, 1700, 1007, 3802, 3904].map((oid) => arbitraries.typeValue(oid))),
  serverCommands: () => arbitraries.serverCommands().map((commands) => [...commands].join()),
};
const notArbitraries = new Set(["answerLines", "ServerModel"]);

const plain = (value: unknown): unknown => {
  if (value instanceof TupleData) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
};

/** It changes with an arbitrary, and with fast-check: then `vitest -u` writes it anew. */
test("the same seed gives the same sample", async () => {
  const lines = Object.entries(arbitraries)
    .filter(([name]) => !notArbitraries.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, factory]) => {
      const arbitrary = called[name]?.() ?? (factory as () => fc.Arbitrary<unknown>)();
      const sample = fc.sample(arbitrary, { seed: 1, numRuns: 10 });
      const hash = createHash("sha256")
        .update(fc.stringify(plain(sample)))
        .digest("hex")
        .slice(0, 16);
      return `${hash} ${name}\n`;
    });
  await expect(lines.join("")).toMatchFileSnapshot("./arbitraries.hashes.txt");
});
