/** What scripts/fuzz.ts does by the million with damaged messages and files, as laws: a few cases in each run, and more in `npm run fuzz`. */
import fc from "fast-check";
import { describe } from "vitest";
import { damage } from "../fuzz/damage.ts";
import { targets } from "../fuzz/targets.ts";
import { law } from "./law.ts";

describe.each(Object.entries(targets))("%s", (_, list) => {
  for (const { name, corpus, check } of list) {
    let good: readonly Uint8Array[] | undefined;
    const damaged = fc.tuple(fc.nat(), fc.nat()).map(([seed, number]) => {
      good ??= corpus();
      return damage(good, seed, number);
    });
    law(
      `${name}: damaged bytes are read or rejected, the same in every way of reading`,
      fc.asyncProperty(damaged, async (bytes) => void (await check(bytes))),
      200,
    );
  }
});
