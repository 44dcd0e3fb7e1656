/** Laws of what commands answer with, on every version at which something changed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { command } from "../../src/arbitraries/command.ts";
import { resultSetValue } from "../../src/arbitraries/command-results.ts";
import {
  commandAnswer,
  decodeResultSet,
  describeResultSet,
  encodeResultSet,
  type ResultSetName,
  type ResultSetValue,
  type RowValue,
  resultSets,
} from "../../src/command/index.ts";
import { DecodeError, EncodeError, WalwireError } from "../../src/kernel/errors.ts";
import { hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

/** Every version has one or the other form of options. */
const versions = [...versionsWith("baseBackupKeywords"), ...versionsWith("genericOptions")];
const version = fc.constantFrom(...versions);

describe.each(Object.keys(resultSets) as ResultSetName[])("%s", (name) => {
  const result = resultSetValue(name);

  law(
    "reading what was written gives the same values, whatever the version",
    fc.property(result, version, (each, server) => {
      const rows = encodeResultSet(name, each, { server });
      expect(decodeResultSet(name, rows)).toStrictEqual(each);
      const columns = describeResultSet(name, { server, parameter: "p" });
      for (const row of rows) expect(row.length).toBe(columns.length);
    }),
  );

  law(
    "damaged rows give values that are written as these rows, or a DecodeError with its place",
    fc.property(
      result.map((each) => encodeResultSet(name, each)),
      fc.nat(),
      hostileValue(),
      (rows, pick, value) => {
        const damaged = withChange([rows], pick, value)[0] as RowValue[][];
        let read: ResultSetValue<typeof name>;
        try {
          read = decodeResultSet(name, damaged);
        } catch (error) {
          return expectPlace(name, error, DecodeError);
        }
        expect(encodeResultSet(name, read)).toEqual(damaged);
      },
    ),
  );

  law(
    "values that do not fit are an EncodeError with its place, and what is written can be read",
    fc.property(result, fc.nat(), hostileValue(), version, (each, pick, value, server) => {
      const changed = withChange([each], pick, value)[0]!;
      let rows: RowValue[][];
      try {
        rows = encodeResultSet(name, changed, { server });
      } catch (error) {
        return expectPlace(name, error, EncodeError);
      }
      decodeResultSet(name, rows);
    }),
  );
});

function expectPlace(name: string, error: unknown, type: typeof DecodeError | typeof EncodeError): void {
  if (!(error instanceof type)) throw error;
  expect(error.path.startsWith(name)).toBe(true);
  expect(error.message.startsWith(error.path)).toBe(true);
}

describe.each(versionsWith())("%s", (server) => {
  law(
    "every command has an answer that ends with a tag, but for SQL",
    fc.property(command({ server }), (each) => {
      const answer = commandAnswer(each, { server });
      expect(answer === undefined).toBe(each.type === "SQLCmd");
      expect(answer?.at(-1)?.type ?? "CommandComplete").toBe("CommandComplete");
    }),
    300,
  );

  law(
    "what is no command is refused with an error of walwire's, or has an answer",
    fc.property(command({ server }), fc.nat(), hostileValue(), (each, pick, value) => {
      try {
        commandAnswer(withChange([each], pick, value)[0]!, { server });
      } catch (error) {
        expect(error).toBeInstanceOf(WalwireError);
      }
    }),
    500,
  );
});

test.each([undefined, null, "toString", "NOPE", {}])("there is no result set %j", (name) => {
  expect(() => decodeResultSet(name as "SHOW", [])).toThrow(EncodeError);
  expect(() => encodeResultSet(name as "SHOW", { setting: "" })).toThrow(EncodeError);
  expect(() => describeResultSet(name as "SHOW")).toThrow(EncodeError);
});
