/** Arbitraries of `synchronous_standby_names`: as values, and as text that is right, almost right, or hostile. */
import fc from "fast-check";
import type { SyncRepConfig } from "../syncrep/ast.ts";
import { almost, characters, commaList, record, sequence } from "./text.ts";

/** Names as people choose them, and names that need quotes or nearly. */
const wellKnownNames = [
  ...["s1", "standby", "walreceiver", "*", "Node", "node-1", "a.b", "a b", "any", "FIRST", "First", "1", "12", "1a"],
  ...["", '"', '""', "a$", "$a", "é", "世界", "any1", "a,b", "(a)", "\t", "a\nb", "'a'"],
];

const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...wellKnownNames) },
  { weight: 2, arbitrary: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_$]{0,12}$/) },
  { weight: 2, arbitrary: characters() },
  { weight: 1, arbitrary: fc.stringMatching(/^[0-9]{1,12}$/) },
  // No limit at 63 bytes here.
  { weight: 1, arbitrary: fc.nat(100).map((n) => "x".repeat(n)) },
);

/**
 * Any SyncRepConfig that a server makes of some text.
 *
 * @example fc.sample(syncRepConfig(), 1)[0]?.type // "SyncRepConfig"
 */
export function syncRepConfig(): fc.Arbitrary<SyncRepConfig> {
  return record({
    type: fc.constant("SyncRepConfig"),
    syncrepMethod: fc.constantFrom("PRIORITY", "QUORUM"),
    numSync: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1 })),
    memberNames: fc.array(name, { minLength: 1, maxLength: 6 }),
  });
}

const NUM = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("1", "2", "3", "300", "007") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...["0", "00", "2147483647", "2147483648", "4294967295", "4294967296", "4294967297", "99999999999"],
      ...["9223372036854775807", "9223372036854775808", "18446744073709551617", "99999999999999999999999"],
    ),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[0-9]{1,24}$/) },
);

const quotedName = name.map((text) => `"${text.replaceAll('"', '""')}"`);

const NAME = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "s1", "S2", "_x", "a$1", "é", "any1", "first_", "*") },
  { weight: 2, arbitrary: quotedName },
  { weight: 1, arbitrary: NUM },
);

const ANY = fc.constantFrom("ANY", "any", "Any", "aNY");
const FIRST = fc.constantFrom("FIRST", "first", "First", "fIRST");

const anyToken = fc.oneof(
  NAME,
  NUM,
  ANY,
  FIRST,
  fc.constantFrom(
    "(",
    ")",
    ",",
    ";",
    "-",
    ".",
    "/",
    "*",
    "'",
    '"',
    '"a""b"',
    "--",
    "$",
    "\\",
    "=",
    "+",
    "FIRST1",
    "1a",
  ),
);

const list = commaList(
  NAME.map((token) => [token]),
  5,
);
const inParentheses = sequence("(", list, ")");
const configTokens = fc.oneof(
  list,
  sequence(NUM, inParentheses),
  sequence(ANY, NUM, inParentheses),
  sequence(FIRST, NUM, inParentheses),
);

/**
 * Text for `synchronous_standby_names`: right values in any legal spelling; the same with tokens swapped, doubled, dropped or
 * put in, with characters changed or the end cut off; and hostile strings. There is no NUL character and no lone surrogate;
 * there are newlines, which ALTER SYSTEM refuses before it looks at the value.
 *
 * @example typeof fc.sample(synchronousStandbyNamesText(), 1)[0] // "string"
 */
export function synchronousStandbyNamesText(): fc.Arbitrary<string> {
  return fc.oneof({ weight: 60, arbitrary: almost(configTokens, anyToken) }, fc.constantFrom("", " ", "\t", "*"));
}
