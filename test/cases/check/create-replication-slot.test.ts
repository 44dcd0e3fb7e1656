/** What servers reject of CREATE_REPLICATION_SLOT after parsing it, case by case, and what they make of its options. */
import { describe, expect, test } from "vitest";
import { type Command, parseCommand } from "../../../src/command/index.ts";
import {
  booleanAdvice,
  expectAccepted,
  expectRefused,
  from15,
  from17,
  refusal,
  servers,
  twice,
  until,
} from "./expect.ts";

describe("CREATE_REPLICATION_SLOT", () => {
  const slot = (rest: string) => `CREATE_REPLICATION_SLOT s ${rest}`;
  const conflict = "conflicting or redundant options";

  expectAccepted([
    {
      text: slot("LOGICAL p"),
      servers,
      options: {
        type: "CreateReplicationSlotOptions",
        snapshot: "export",
        reserveWal: false,
        twoPhase: false,
        failover: false,
      },
    },
    { text: slot("PHYSICAL"), servers, options: { snapshot: undefined, reserveWal: false } },
    { text: slot("LOGICAL p EXPORT_SNAPSHOT"), servers, options: { snapshot: "export" } },
    { text: slot("LOGICAL p NOEXPORT_SNAPSHOT"), servers, options: { snapshot: "nothing" } },
    { text: slot("LOGICAL p USE_SNAPSHOT"), servers, options: { snapshot: "use" } },
    { text: slot("PHYSICAL RESERVE_WAL"), servers, options: { reserveWal: true } },
    { text: slot("LOGICAL p TWO_PHASE"), servers: from15, options: { twoPhase: true } },
    { text: slot("LOGICAL p (snapshot 'nothing', two_phase off)"), servers: from15, options: { snapshot: "nothing" } },
    { text: slot("LOGICAL p (SNAPSHOT export, TWO_PHASE TRUE)"), servers: from15, options: { twoPhase: true } },
    { text: slot("PHYSICAL (reserve_wal 0)"), servers: from15, options: { reserveWal: false } },
    { text: slot('PHYSICAL (reserve_wal "ON")'), servers: from15, options: { reserveWal: true } },
    { text: slot("PHYSICAL (reserve_wal 4294967297)"), servers: from15, options: { reserveWal: true } },
    { text: slot("LOGICAL p (failover, snapshot use)"), servers: from17, options: { failover: true, snapshot: "use" } },
    { text: slot("TEMPORARY LOGICAL p (failover false)"), servers: from17, options: { failover: false } },
  ]);

  expectRefused([
    {
      text: slot("PHYSICAL EXPORT_SNAPSHOT"),
      servers: until(14),
      sqlstate: "42601",
      message: conflict,
      path: "options[0].defname",
      at: "EXPORT_SNAPSHOT",
      advice: "The option export_snapshot is for logical slots only: leave it out.",
    },
    {
      text: slot("PHYSICAL NOEXPORT_SNAPSHOT"),
      servers: from15,
      sqlstate: "42601",
      message: conflict,
      path: "options[0].defname",
      at: "NOEXPORT_SNAPSHOT",
      advice: "The option snapshot is for logical slots only: leave it out.",
    },
    {
      text: slot("LOGICAL p EXPORT_SNAPSHOT  USE_SNAPSHOT"),
      servers: until(14),
      sqlstate: "42601",
      message: conflict,
      path: "options[1].defname",
      at: "USE_SNAPSHOT",
      advice: "One word about the snapshot is enough: leave one out.",
    },
    {
      text: slot("LOGICAL p EXPORT_SNAPSHOT  USE_SNAPSHOT"),
      servers: from15,
      sqlstate: "42601",
      message: conflict,
      path: "options[1].defname",
      at: "USE_SNAPSHOT",
      advice: twice("snapshot"),
    },
    {
      text: slot("PHYSICAL (RESERVE_WAL, RESERVE_WAL)"),
      servers: from15,
      sqlstate: "42601",
      message: conflict,
      path: "options[1].defname",
      at: "RESERVE_WAL)",
      advice: twice("reserve_wal"),
    },
    {
      text: slot("LOGICAL p (reserve_wal)"),
      servers: from15,
      sqlstate: "42601",
      message: conflict,
      path: "options[0].defname",
      at: "reserve_wal",
      advice: "The option reserve_wal is for physical slots only: leave it out.",
    },
    {
      text: slot("LOGICAL p (two_phase yes)"),
      servers: from15,
      sqlstate: "42601",
      message: "two_phase requires a Boolean value",
      path: "options[0].arg",
      at: "yes",
      advice: booleanAdvice,
    },
    {
      text: slot("LOGICAL p (two_phase '1')"),
      servers: from15,
      sqlstate: "42601",
      message: "two_phase requires a Boolean value",
      path: "options[0].arg",
      at: "'1'",
      advice: booleanAdvice,
    },
    {
      text: slot("LOGICAL p (snapshot)"),
      servers: from15,
      sqlstate: "42601",
      message: "snapshot requires a parameter",
      path: "options[0].arg",
      at: "snapshot",
      advice: "Write a value after snapshot.",
    },
    {
      text: slot("LOGICAL p (snapshot 'Export')"),
      servers: from15,
      sqlstate: "22023",
      message: 'unrecognized value for CREATE_REPLICATION_SLOT option "snapshot": "Export"',
      path: "options[0].arg",
      at: "'Export'",
      advice: "Write export, nothing or use, in lower case.",
    },
    {
      text: slot("LOGICAL p (snapshot 007)"),
      servers: from15,
      sqlstate: "22023",
      message: 'unrecognized value for CREATE_REPLICATION_SLOT option "snapshot": "7"',
      path: "options[0].arg",
      at: "007",
      advice: "Write export, nothing or use, in lower case.",
    },
    {
      text: slot('PHYSICAL ("Reserve_wal")'),
      servers: from15,
      sqlstate: "XX000",
      message: "unrecognized option: Reserve_wal",
      path: "options[0].defname",
      at: '"Reserve_wal"',
      advice: "Did you mean reserve_wal?",
    },
    {
      text: slot("LOGICAL p (failover)"),
      servers: until(16, 15),
      sqlstate: "XX000",
      message: "unrecognized option: failover",
      path: "options[0].defname",
      at: "failover",
      advice: "The option failover is new in 17.",
    },
    {
      text: slot("LOGICAL p (x)"),
      servers: 17,
      sqlstate: "XX000",
      message: "unrecognized option: x",
      path: "options[0].defname",
      at: "x",
      advice: "The options are snapshot, reserve_wal, two_phase, failover.",
    },
    {
      text: slot("TEMPORARY LOGICAL p (failover true)"),
      servers: from17,
      sqlstate: "0A000",
      message: "cannot enable failover for a temporary replication slot",
      path: "options[0].defname",
      at: "failover",
      advice: "Leave TEMPORARY or FAILOVER out.",
    },
  ]);

  describe("names of slots", () => {
    const hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";
    const invalid = (name: string) => `replication slot name "${name}" contains invalid character`;
    const long = "x".repeat(63);
    expectAccepted([
      { text: "CREATE_REPLICATION_SLOT SUB_1 PHYSICAL", servers, options: {} },
      { text: 'CREATE_REPLICATION_SLOT "0" PHYSICAL', servers, options: {} },
      { text: `CREATE_REPLICATION_SLOT ${long}x PHYSICAL`, servers, options: {} },
      { text: "CREATE_REPLICATION_SLOT pg_conflict_detection PHYSICAL", servers: until(18), options: {} },
    ]);
    expectRefused([
      {
        text: 'CREATE_REPLICATION_SLOT "" PHYSICAL',
        servers,
        sqlstate: "42602",
        message: 'replication slot name "" is too short',
        path: "slotname",
        at: '"" P',
        advice: "A slot needs a name.",
      },
      {
        text: 'CREATE_REPLICATION_SLOT "Sub1" PHYSICAL',
        servers,
        sqlstate: "42602",
        message: invalid("Sub1"),
        path: "slotname",
        at: '"Sub1"',
        advice: "Write the slot name in lower case: sub1.",
        hint,
      },
      {
        text: 'CREATE_REPLICATION_SLOT  "a-B😀" LOGICAL p',
        servers,
        sqlstate: "42602",
        message: invalid("a-B😀"),
        path: "slotname",
        at: '"a-B',
        advice: "Write a_b_, for example.",
        hint,
      },
      {
        text: "CREATE_REPLICATION_SLOT pg_conflict_detection LOGICAL p",
        servers: 19,
        sqlstate: "42939",
        message: 'replication slot name "pg_conflict_detection" is reserved',
        path: "slotname",
        at: "pg_",
        advice: "Choose another name.",
        hint: 'The name "pg_conflict_detection" is reserved for the conflict detection slot.',
      },
      // Options are looked at first.
      {
        text: 'CREATE_REPLICATION_SLOT "A" PHYSICAL (x)',
        servers: 18,
        sqlstate: "XX000",
        message: "unrecognized option: x",
        path: "options[0].defname",
        at: "x)",
        advice: "The options are snapshot, reserve_wal, two_phase, failover.",
      },
    ]);

    test("a name that no text makes is too long", () => {
      const command = { ...parseCommand("CREATE_REPLICATION_SLOT x PHYSICAL"), slotname: "x".repeat(64) } as Command;
      const { sqlstate, message, text, offset } = refusal(command, {});
      expect({ sqlstate, message, text, offset }).toEqual({
        sqlstate: "42622",
        message: `replication slot name "${"x".repeat(64)}" is too long`,
        text: "",
        offset: 0,
      });
    });

    test("the hint of 9.4 says less", () => {
      const command = parseCommand('CREATE_REPLICATION_SLOT "A" PHYSICAL', { server: 10 });
      const shorter = "Replication slot names may only contain letters, numbers and the underscore character.";
      expect(refusal(command, { server: "9.4.4" }).hint).toBe(shorter);
      for (const server of ["9.4.5", "9.4", "9.5.0", "9.6"]) expect(refusal(command, { server }).hint).toBe(hint);
    });
  });

  describe("without a database", () => {
    const message = "logical decoding requires a database connection";
    const advice = "Connect with replication=database and the name of a database.";
    expectAccepted([{ text: slot("PHYSICAL"), servers, options: {} }], { database: false });
    expectRefused(
      [
        {
          text: 'CREATE_REPLICATION_SLOT "A" LOGICAL p',
          servers,
          sqlstate: "55000",
          message,
          path: "kind",
          at: "LOGICAL",
          advice,
        },
        {
          text: "START_REPLICATION SLOT s LOGICAL 0/0 (x)",
          servers,
          sqlstate: "55000",
          message,
          path: "kind",
          at: "LOGICAL",
          advice,
        },
        {
          text: slot("LOGICAL p (reserve_wal)"),
          servers: from15,
          sqlstate: "42601",
          message: conflict,
          path: "options[0].defname",
          at: "reserve_wal",
          advice: "The option reserve_wal is for physical slots only: leave it out.",
        },
      ],
      { database: false },
    );
  });
});
