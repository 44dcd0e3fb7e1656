/** synchronized_standby_slots on servers of 17 and later: their verdicts on random values, and their warnings when something waits. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ParseError } from "../../src/kernel/errors.ts";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { parseSynchronizedStandbySlots, standbySlotsHaveCaughtUp } from "../../src/syncrep/standby-slots.ts";
import { rowsOf } from "../oracle/standbys.ts";
import { seed, times } from "../seed.ts";
import { checked, errorFields, type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

const value = fc
  .array(
    fc.constantFrom(
      ...[
        "a",
        "b_1",
        "A",
        '"',
        '""',
        ",",
        ",",
        " ",
        "\t",
        "*",
        "-",
        "é",
        "ANY 1 (",
        ")",
        "x".repeat(40),
        "1",
        "'",
        "\\",
      ],
    ),
    { maxLength: 7 },
  )
  .map((parts) => parts.join(""));

describe.for(liveMajors.filter((major) => major >= 17))("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let session: RawConnection;
  beforeAll(async () => {
    const settings = { wal_level: "logical", max_slot_wal_keep_size: "1MB", checkpoint_timeout: "1h" };
    server = await startServer({ major, settings });
    session = await server.connect({ options: "-c standard_conforming_strings=on" });
  }, 60_000);
  afterAll(async () => {
    await session?.close();
    await server?.stop();
  });

  test("says what we say of a value", async () => {
    const values = ["", " ", "a, b", "a,,b", "*", ...fc.sample(value, { seed, numRuns: Math.ceil(300 * times) })];
    for (const text of values) {
      const answer = await session.query(
        `ALTER SYSTEM SET synchronized_standby_slots = '${text.replaceAll("'", "''")}'`,
      );
      const error = answer.find(({ type }) => type === "E");
      const { C: sqlstate, M: message, D: detail, H: hint } = error === undefined ? {} : errorFields(error.body);
      expect([text, ours(text, server.versionNum)]).toEqual([text, sqlstate && { sqlstate, message, detail, hint }]);
    }
    checked(await session.query("ALTER SYSTEM RESET synchronized_standby_slots"));
  });

  function ours(text: string, version: number) {
    try {
      parseSynchronizedStandbySlots(text, { server: version });
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      const { sqlstate, message, detail, hint } = error;
      return { sqlstate, message, detail, hint };
    }
    return undefined;
  }

  test("warns as we say when a logical failover slot waits", async () => {
    const sql = async (text: string) => rowsOf(checked(await session.query(text)));
    await sql("SELECT pg_create_physical_replication_slot('lost', true)");
    // Of these it keeps 1 MB.
    for (let n = 0; n < 3; n++) await sql("SELECT pg_logical_emit_message(true, 'x', 'y'), pg_switch_wal()");
    await sql("CHECKPOINT");
    await sql(
      "SELECT pg_create_physical_replication_slot('idle', true), pg_create_physical_replication_slot('used', true)",
    );
    await sql("SELECT pg_create_physical_replication_slot('fresh')");
    await sql("SELECT pg_create_logical_replication_slot('sub', 'test_decoding', false, false, true)");
    await sql("SELECT pg_logical_emit_message(true, 'x', 'y')");
    const standby = await server.connect({ replication: "true", application_name: "standby" });
    standby.send("Q", "START_REPLICATION SLOT used PHYSICAL 0/1000000");
    await standby.next();
    const lsn = parseLsn((await sql("SELECT pg_current_wal_flush_lsn() AS lsn"))[0]!.lsn!);
    const reader = await server.connect({});
    const pid = rowsOf(checked(await reader.query("SELECT pg_backend_pid() AS pid")))[0]!.pid;
    try {
      for (const names of [["lost"], ["idle"], ["used"], ["fresh"], ["sub"], ["none"], ["used", "none"]]) {
        await sql(`ALTER SYSTEM SET synchronized_standby_slots = ${names.join(", ")}`);
        await sql("SELECT pg_reload_conf()");
        await expect
          .poll(async () => (await server.sql("SHOW synchronized_standby_slots")).rows[0]![0])
          .toBe(names.join(", "));
        const slots = (
          await sql(
            "SELECT slot_name, slot_type, active, restart_lsn, invalidation_reason, failover FROM pg_replication_slots",
          )
        ).map((row) => ({
          ...{ slotName: row.slot_name!, slotType: row.slot_type as "physical", active: row.active === "t" },
          ...{ restartLsn: row.restart_lsn ? parseLsn(row.restart_lsn) : undefined, failover: row.failover === "t" },
          invalidationReason: row.invalidation_reason ?? undefined,
        }));
        const said = standbySlotsHaveCaughtUp(names, slots, lsn);
        expect([names, said.caughtUp, said.waiting]).toEqual([names, false, ["sub"]]);
        const url = `postgres://postgres@/postgres?host=${encodeURIComponent(server.host)}&port=${server.port}`;
        const run = await runWalwire([
          "sync",
          "check",
          "--setting",
          "synchronized_standby_slots",
          "--from",
          url,
          "--json",
        ]);
        expect(JSON.parse(run.stdout)).toMatchObject({ slots: names, warning: said.warning ?? null, waiting: ["sub"] });
        const answer = reader.query("SELECT count(*) FROM pg_logical_slot_peek_changes('sub', NULL, NULL)");
        const waits = `SELECT wait_event FROM pg_stat_activity WHERE pid = ${pid}`;
        await expect.poll(async () => (await sql(waits))[0]!.wait_event).toBe("WaitForStandbyConfirmation");
        await sql(`SELECT pg_cancel_backend(${pid})`);
        const notice = (await answer).find(({ type }) => type === "N");
        const { C: sqlstate, M: message, D: detail, H: hint } = notice === undefined ? {} : errorFields(notice.body);
        expect([names, said.warning]).toEqual([names, sqlstate && { sqlstate, message, detail, hint }]);
      }
      // What all have got is sent at once.
      const idle = rowsOf(
        checked(await session.query("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'idle'")),
      )[0]!;
      await sql("ALTER SYSTEM SET synchronized_standby_slots = idle");
      await sql("SELECT pg_reload_conf()");
      await expect.poll(async () => (await server.sql("SHOW synchronized_standby_slots")).rows[0]![0]).toBe("idle");
      checked(await reader.query(`SELECT pg_logical_slot_peek_changes('sub', '${idle.restart_lsn}', NULL)`));
    } finally {
      await Promise.all([standby.close(), reader.close()]);
    }
  });
});
