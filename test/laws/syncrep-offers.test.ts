/** Laws of what is offered for a value of synchronous_standby_names: a fix that works, and advice that leads on. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText } from "../../src/arbitraries/syncrep.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { fixAndJudge, isGood, judgeSynchronousStandbyNames, offeredFix } from "../../src/syncrep/judge.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const server = fc.constantFrom(...versionsWith());

/** Values as the arbitraries have them, and such with the mistakes that people make. */
const text = fc.oneof(
  synchronousStandbyNamesText(),
  fc
    .array(
      fc.constantFrom(
        ...["node-1", "Node-1", "a", "A", "*", '"*"', "2", "0", "-1", "1.5", "any", "FIRST", "first", "ANY", "priority"],
        ...["(", ")", ",", ", ", " ", "'", "'b-c'", '"x y"', '" x"', '"a "', '""', "é", "1a", "a.b:c", "pg-*", "$a"],
        ...["ANY 2 (", "FIRST 3(", "3 (", '"', "x".repeat(64), "\n", "off", '"none"', '"ANY 1 (a)"', ";", "=", "\\"],
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join("")),
);

law(
  "what is offered differs from the value, is good, and is what the fix gives",
  fc.property(text, server, fc.option(server, { nil: undefined }), (value, version, other) => {
    const options = { server: version, ...(other === undefined ? {} : { also: [other] }) };
    const offer = offeredFix(value, options);
    if (offer === undefined) {
      for (const unsafe of [false, true]) {
        const { judged } = fixAndJudge(value, { ...options, unsafe });
        expect(judged.text === value || !isGood(judged)).toBe(true);
      }
      return;
    }
    const { judged, fixed } = fixAndJudge(value, { ...options, unsafe: offer.unsafe });
    expect(judged.text).toBe(offer.text);
    expect(offer.text).not.toBe(value);
    expect(fixed).not.toEqual([]);
    expect(() => parseSynchronousStandbyNames(offer.text, { server: version })).not.toThrow();
    expect(isGood(judgeSynchronousStandbyNames(offer.text, options))).toBe(true);
    // Who fixes what was fixed has nothing left to do.
    expect(fixAndJudge(offer.text, { ...options, unsafe: offer.unsafe }).judged.text).toBe(offer.text);
  }),
  3000,
);
