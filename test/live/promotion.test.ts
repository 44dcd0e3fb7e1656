/** A subscription whose primary is lost, and whose standby is promoted. */
import { expect, test } from "vitest";
import { SlotError } from "../../src/kernel/errors.ts";
import { runPromotion } from "../faults/promotion.ts";
import { seed } from "../seed.ts";
import { longTestMajors } from "../servers/live.ts";

test.concurrent.for(longTestMajors)(
  "PostgreSQL %i: the promoted standby goes on, or does not have the slot",
  { timeout: 120_000 },
  async (major) => {
    const { error, transactions, reconnects } = await runPromotion(major, seed);
    expect(transactions).toBeGreaterThan(5);
    expect(reconnects).toBeGreaterThan(0);
    if (major >= 17) return expect(error).toBeUndefined();
    expect(error).toBeInstanceOf(SlotError);
    expect(error).toMatchObject({ code: "SLOT_MISSING", slotname: "s" });
    expect((error as SlotError).message).toContain("promoted");
  },
);
