/** What the lint of synchronous_standby_names claims of standbys and their names, held against servers with standbys of these names. */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import {
  applyFixes,
  type FindingCode,
  fixSynchronousStandbyNames,
  lintSynchronousStandbyNames,
  locateSynchronousStandbyNames,
  parseSynchronousStandbyNames,
} from "../../src/syncrep/index.ts";
import { fixAndJudge } from "../../src/syncrep/judge.ts";
import { quoteIdentifier } from "../../src/text/identifier.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

/** Names that a standby may be given, and that a list may have. */
const names = [
  ...["a", "A", "b", "node-1", "Node-1", "2", "first", "", " ", "a ", "a,b", 'q"q', "x'", "*", "$", "~", "\\", "\\xc3"],
  ...["é", "É", "\\xc3\\xa9", "\\xC3\\xa9", "??", "?", "a\tb", "\n", "\x7f", "世界", "😀", "aé"],
  ...[
    "y".repeat(62),
    "y".repeat(63),
    "y".repeat(64),
    "é".repeat(31),
    "é".repeat(32),
    `${"z".repeat(62)}😀`,
    `${"z".repeat(63)}😀`,
    "\\xc3\\xa9".repeat(31),
    "z".repeat(65),
  ],
];

/** A standby as pg_stat_replication has it. */
interface Shown {
  readonly priority: number;
  readonly state: string;
}

const neverMatched = new Set<FindingCode>([
  "TYPOGRAPHIC_QUOTES",
  "NEVER_MATCHES",
  "TOO_LONG",
  "DUPLICATE",
  "NEVER_MATTERS",
]);

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  const standbys: RawConnection[] = [];

  beforeAll(async () => {
    server = await startServer({ major, settings: { wal_sender_timeout: "0", max_wal_senders: "50" } });
    const lsn = String((await server.sql("SELECT pg_current_wal_flush_lsn()")).rows[0]![0]);
    for (const name of names) standbys.push(await standby(name, lsn));
  });
  afterAll(async () => {
    await Promise.all(standbys.map((connection) => connection.close()));
    await server.stop();
  });

  /** A connection that the server takes for a standby of this application_name that has all WAL. */
  async function standby(name: string, lsn: string): Promise<RawConnection> {
    const connection = await server.connect({ replication: "true", application_name: name });
    connection.send("Q", `START_REPLICATION PHYSICAL ${lsn} TIMELINE 1`);
    await connection.until("W");
    const [high, low] = lsn.split("/").map((half) => Number.parseInt(half, 16));
    const status = Buffer.alloc(34);
    status.write("r");
    for (const at of [1, 9, 17]) status.writeUInt32BE(high!, at) && status.writeUInt32BE(low!, at + 4);
    connection.send("d", status);
    return connection;
  }

  /** Priority and state of each of the standbys, in their order, under this value. */
  async function shown(value: string): Promise<readonly Shown[]> {
    await server.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value.replaceAll("'", "''")}'`);
    await server.sql("SELECT pg_reload_conf()");
    // Walsenders take it one after the other, and nothing tells when all have: wait until it stays as it is for a while.
    let last = "";
    for (let same = 0; same < 5; await sleep(2)) {
      const { rows } = await server.sql(
        `SELECT sync_priority, sync_state, current_setting('synchronous_standby_names')
           FROM pg_stat_replication WHERE flush_lsn IS NOT NULL ORDER BY backend_start`,
      );
      const now = JSON.stringify(rows);
      same = now === last && rows.length === names.length && rows[0]![2] === value ? same + 1 : 0;
      last = now;
    }
    return (JSON.parse(last) as string[][]).map(([priority, state]) => ({ priority: Number(priority), state: state! }));
  }

  /** Asks again if it is not so: a walsender may have been very late. */
  async function expectShown<T>(value: string, what: (shown: readonly Shown[]) => T, expected: T): Promise<void> {
    await expect.poll(async () => what(await shown(value)), { message: `${value}, seed ${seed}` }).toEqual(expected);
  }

  const list = `FIRST 1 (${names
    .filter((name) => !/[\n*]/.test(name))
    .map(quoteIdentifier)
    .join(", ")})`;

  test("a name is said to match nobody if and only if it does not, whatever a standby is called", async () => {
    for (const text of [list, list.replace('"b"', '"b", *')]) {
      const { memberNames } = locateSynchronousStandbyNames(parseSynchronousStandbyNames(text, { server: major })!);
      const nobody = lintSynchronousStandbyNames(text, { server: major }).filter(({ code }) => neverMatched.has(code));
      const matched = memberNames.flatMap(({ offset }, i) =>
        nobody.some((each) => each.offset === offset) ? [] : [i + 1],
      );
      const priorities = (all: readonly Shown[]) =>
        [...new Set(all.map(({ priority }) => priority))].filter((each) => each > 0).sort((a, b) => a - b);
      await expectShown(text, priorities, matched);
    }
  });

  test("what is written instead of a name that matches nobody matches who was called so", async () => {
    const findings = lintSynchronousStandbyNames(list, { server: major });
    const fixes = findings.filter(({ code, fix }) => code === "NEVER_MATCHES" && fix !== undefined);
    expect(fixes.length > 3).toBe(supports(major, "applicationNameEscapes"));
    const text = applyFixes(list, fixes).text;
    const who = names.flatMap((name, i) =>
      fixes.some((each) => list.startsWith(quoteIdentifier(name), each.offset)) ? [i] : [],
    );
    expect(who.length).toBe(fixes.length);
    await expectShown(text, (all) => who.filter((i) => all[i]!.priority === 0).map((i) => names[i]), []);
  });

  test("a fixed name counts among those that are required, and without it fewer are required", async () => {
    const { text } = fixAndJudge("ANY 2 (é, b)", { server: major, unsafe: true }).judged;
    const isFixed = supports(major, "applicationNameEscapes");
    expect(parseSynchronousStandbyNames(text, { server: major })!.numSync).toBe(isFixed ? 2 : 1);
    const states = (all: readonly Shown[]) => ["é", "b"].map((each) => all[names.indexOf(each)]!.state);
    await expectShown(text, states, [isFixed ? "quorum" : "async", "quorum"]);
  });

  const name = fc.constantFrom("a", "A", "b", '"node-1"', '"Node-1"', "*", '"*"', '"é"', '"a "', "2", "B");
  const value = fc
    .tuple(
      fc.constantFrom("", "FIRST 1", "FIRST 2", "ANY 2", "ANY 3", "3"),
      fc.array(name, { minLength: 1, maxLength: 6 }),
    )
    .map(([head, list]) => (head === "" ? list.join(", ") : `${head} (${list.join(", ")})`));

  test("fixes that are made without asking change neither who counts nor who is before whom", {
    timeout: 60_000 * times,
  }, async () => {
    let changed = 0;
    for (const text of [
      "a, *, b",
      "ANY 2 (a, B, A, b)",
      ...fc.sample(value, { seed: seed + major, numRuns: 6 * times }),
    ]) {
      const { text: fixed } = fixSynchronousStandbyNames(text, { server: major });
      if (fixed === text) continue;
      changed++;
      const order = (all: readonly Shown[]) => {
        const used = [...new Set([0, ...all.map(({ priority }) => priority)])].sort((a, b) => a - b);
        return all.map(({ priority, state }) => [used.indexOf(priority), state]);
      };
      // Both again if they differ: a walsender may have been very late with the first, too.
      const differ = async () => {
        const [before, after] = [order(await shown(text)), order(await shown(fixed))];
        return isDeepStrictEqual(before, after) ? undefined : { before, after };
      };
      await expect.poll(differ, { message: `${text}: ${fixed}, seed ${seed}` }).toBe(undefined);
    }
    expect(changed).toBeGreaterThan(1);
  });

  test("commits are said to wait forever if and only if the names are fewer than required", {
    timeout: 60_000 * times,
  }, async () => {
    const outcomes = new Set<boolean>();
    for (const text of [
      "FIRST 2 (a, A)",
      "a, b",
      ...fc.sample(value, { seed: seed + major + 1, numRuns: 6 * times }),
    ]) {
      const codes = lintSynchronousStandbyNames(text, { server: major }).map(({ code }) => code);
      const says = codes.includes("WAITS_FOR_EVER") || codes.includes("NEEDS_SHARED_NAMES");
      const { numSync } = parseSynchronousStandbyNames(text, { server: major })!;
      // Of standbys that differ in case only there are two here: they are one name.
      const fewer = (all: readonly Shown[]) =>
        new Set(names.filter((_, i) => all[i]!.priority > 0).map((each) => each.toLowerCase())).size < numSync;
      await expectShown(text, fewer, says);
      outcomes.add(says);
    }
    expect(outcomes.size).toBe(2);
  });
});
