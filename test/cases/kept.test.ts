/** Cases in which a law failed are kept, and checked again. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { type Kept, keep, keptFolder, keptIn, replayKept } from "../laws/kept.ts";

const law = "test/laws/x.test.ts > numbers are small";

/** What a law that fails leaves behind. */
async function kept(property: fc.IRawProperty<unknown>): Promise<{ readonly folder: string; readonly kept: Kept }> {
  const folder = mkdtempSync(join(tmpdir(), "walwire-kept-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = await keep(law, property, await fc.check(property, { seed: 7 }), folder);
  return { folder, kept: JSON.parse(readFileSync(file, "utf8")) };
}

class Box {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

// A value that is data is kept itself: it does not change with the arbitraries.
const small = fc.property(
  fc.record({ number: fc.bigInt({ min: 0n }), bytes: fc.uint8Array() }),
  ({ number }) => number < 1000n,
);
const smallBox = fc.property(
  fc.nat().map((number) => new Box(number)),
  ({ number }) => number < 1000,
);

test.each([
  ["data", small, true],
  ["an object of a class", smallBox, false],
] as const)("%s: the smallest case fails again, and no case of another law", async (_, property, isValue) => {
  const { folder, kept: one } = await kept(property as fc.IRawProperty<unknown>);
  expect(one.law).toBe(law);
  expect(one.shown).toContain("1000");
  expect(one.value !== undefined).toBe(isValue);
  expect(keptIn(folder)).toEqual([one]);
  await expect(replayKept(law, property as fc.IRawProperty<unknown>, folder)).rejects.toThrow("1000");
  await replayKept("test/laws/x.test.ts > numbers are large", property as fc.IRawProperty<unknown>, folder);
});

test("data is checked however the cases are made by now", async () => {
  const { folder } = await kept(small as fc.IRawProperty<unknown>);
  const others = fc.property(fc.record({ number: fc.bigInt({ max: 5n }), bytes: fc.uint8Array() }), ({ number }) => {
    expect(number).not.toBe(1000n);
  });
  await fc.assert(others);
  await expect(replayKept(law, others, folder)).rejects.toThrow("1000");
});

test("each case is one of a law in a file that exists", () => {
  for (const { law: name } of keptIn(keptFolder)) {
    expect(readFileSync(join(keptFolder, "../../..", name.split(" > ")[0]!), "utf8")).toContain("law");
  }
});
