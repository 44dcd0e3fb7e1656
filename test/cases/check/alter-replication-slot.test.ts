/** What servers reject of ALTER_REPLICATION_SLOT after parsing it, case by case, and what they make of its options. */
import { describe } from "vitest";
import { sinceVersion } from "../../../src/capabilities.ts";
import { booleanAdvice, expectAccepted, expectRefused, from17, twice } from "./expect.ts";

describe("ALTER_REPLICATION_SLOT", () => {
  const alter = (rest: string) => `ALTER_REPLICATION_SLOT "Any Name" (${rest})`;
  expectAccepted([
    {
      text: alter("failover"),
      servers: from17,
      options: { type: "AlterReplicationSlotOptions", failover: true, twoPhase: undefined },
    },
    { text: alter("two_phase 'off', failover 0"), servers: [18, 19], options: { failover: false, twoPhase: false } },
  ]);
  expectRefused([
    {
      text: alter("two_phase"),
      servers: 17,
      sqlstate: "XX000",
      message: "unrecognized option: two_phase",
      path: "options[0].defname",
      at: "two_phase",
      advice: `The option two_phase is new in ${sinceVersion("alterTwoPhase")}.`,
    },
    {
      text: alter("wait 1"),
      servers: 17,
      sqlstate: "XX000",
      message: "unrecognized option: wait",
      path: "options[0].defname",
      at: "wait",
      advice: "The only option is failover.",
    },
    {
      text: alter("failover, failover x"),
      servers: from17,
      sqlstate: "42601",
      message: "conflicting or redundant options",
      path: "options[1].defname",
      at: "failover x",
      advice: twice("failover"),
    },
    {
      text: alter("two_phase, two_phase"),
      servers: 18,
      sqlstate: "42601",
      message: "conflicting or redundant options",
      path: "options[1].defname",
      at: "two_phase)",
      advice: twice("two_phase"),
    },
    {
      text: alter("failover 2"),
      servers: from17,
      sqlstate: "42601",
      message: "failover requires a Boolean value",
      path: "options[0].arg",
      at: "2",
      advice: booleanAdvice,
    },
  ]);
});
