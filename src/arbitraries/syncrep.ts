/** Arbitraries of `synchronous_standby_names`: as values, and as text that is right, almost right, or hostile. */
import fc from "fast-check";
import { defaultServer, type Server } from "../kernel/version.ts";
import type { SyncRepConfig } from "../syncrep/ast.ts";
import { syncrepCapabilities } from "../syncrep/capabilities.ts";
import { quoteIdentifier, truncateIdentifier } from "../text/identifier.ts";
import { almost, characters, commaList, record, sequence } from "./text.ts";

/** The server that values are for. */
export interface StandbyNamesArbitraryOptions {
  /** The server that it is for. Default: as of the parser. */
  readonly server?: Server | undefined;
}

/** Names as people choose them, and names that need quotes or nearly. */
const wellKnownNames = [
  ...["s1", "standby", "walreceiver", "*", "Node", "node-1", "pg-0.pg.svc", "a.b", "a b", "any", "FIRST", "First"],
  ...[
    "1",
    "12",
    "1a",
    "",
    '"',
    '""',
    "a$",
    "$a",
    "é",
    "世界",
    "any1",
    "a,b",
    "(a)",
    "\t",
    "a\nb",
    "'a'",
    "ANY1",
    "firſt",
  ],
];

/** About 63 bytes: an identifier is cut after them, and no application_name is longer. */
const longName = fc
  .tuple(fc.constantFrom<[string, number]>(["x", 1], ["X", 1], ["é", 2], ["世", 3], ["😀", 4]), fc.nat(3), fc.nat(9))
  .map(([[letter, bytes], before, more]) => "y".repeat(before) + letter.repeat(Math.ceil((58 + more) / bytes)));

const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...wellKnownNames) },
  { weight: 2, arbitrary: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_$]{0,12}$/) },
  { weight: 2, arbitrary: characters() },
  { weight: 1, arbitrary: fc.stringMatching(/^[0-9]{1,12}$/) },
  { weight: 1, arbitrary: longName },
);

/**
 * Any SyncRepConfig that a server makes of some text.
 *
 * @example fc.sample(syncRepConfig(), 1)[0]?.type // "SyncRepConfig"
 * @example fc.sample(syncRepConfig({ server: "9.5" }), 1)[0]?.numSync // 1
 */
export function syncRepConfig(options: StandbyNamesArbitraryOptions = {}): fc.Arbitrary<SyncRepConfig> {
  const has = syncrepCapabilities.of(options.server ?? defaultServer);
  const many = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer(has.numSyncIsChecked ? { min: 1 } : {}));
  return record({
    type: fc.constant("SyncRepConfig"),
    syncrepMethod: has.quorumCommit ? fc.constantFrom("PRIORITY", "QUORUM") : fc.constant("PRIORITY"),
    numSync: has.syncrepGrammar ? many : fc.constant(1),
    memberNames: fc.array(has.syncrepGrammar ? name : name.map(truncateIdentifier), {
      minLength: has.standbyIdentifierList ? 0 : 1,
      maxLength: 6,
    }),
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

const quotedName = name.map(quoteIdentifier);

const NAME = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "s1", "S2", "_x", "a$1", "é", "any1", "first_", "*") },
  { weight: 2, arbitrary: quotedName },
  { weight: 1, arbitrary: NUM },
);

/** Before 9.6 anything without a comma or white space does for a name, if it does not begin with a quote. */
const identifierItem = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("a", "s1", "Node-1", "a.b", "(a", "b)", "*", "any", "1", "'a'", 'a"b', "É-x"),
  },
  { weight: 2, arbitrary: quotedName },
  {
    weight: 2,
    arbitrary: name.map((text) => text.replace(/[,\s]|^"+/g, "") || "x"),
  },
);

const ANY = fc.constantFrom("ANY", "any", "Any", "aNY");
const FIRST = fc.constantFrom("FIRST", "first", "First", "fIRST");

const anyToken = fc.oneof(
  NAME,
  NUM,
  ANY,
  FIRST,
  fc.constantFrom(
    ...[
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
      "node-1",
    ],
  ),
);

const list = commaList(
  NAME.map((token) => [token]),
  5,
);
const identifierList = commaList(
  identifierItem.map((token) => [token]),
  5,
);
const inParentheses = sequence("(", list, ")");
const withNumber = sequence(NUM, inParentheses);
const withMethod = fc.oneof(sequence(ANY, NUM, inParentheses), sequence(FIRST, NUM, inParentheses));

/** What people write who mean something else. */
const mistakes = [
  ...["none", "off", "NULL", "ALL", '"ANY 1 (a)"', '"2 (a)"', 'ANY 1 ("pg-node-*")', "ANY 1 (pg-node-*)"],
  ...["ANY -1 (a)", "ANY 1.5 (a)", "priority 1 (a)", "first a, b", "ANY 1 (a"],
];

/**
 * Text for `synchronous_standby_names`: values of the server in any legal spelling, and some of other servers; the same with tokens
 * swapped, doubled, dropped or put in, with characters changed or the end cut off; and hostile strings. There is no NUL character
 * and no lone surrogate; there are newlines, which ALTER SYSTEM refuses before it looks at the value.
 *
 * @example typeof fc.sample(synchronousStandbyNamesText(), 1)[0] // "string"
 */
export function synchronousStandbyNamesText(options: StandbyNamesArbitraryOptions = {}): fc.Arbitrary<string> {
  const has = syncrepCapabilities.of(options.server ?? defaultServer);
  const tokens = fc.oneof(
    { weight: 3, arbitrary: list },
    { weight: has.syncrepGrammar ? 3 : 1, arbitrary: withNumber },
    { weight: has.quorumCommit ? 6 : 1, arbitrary: withMethod },
    { weight: has.syncrepGrammar ? 1 : 8, arbitrary: identifierList },
  );
  return fc.oneof(
    { weight: 60, arbitrary: almost(tokens, anyToken) },
    { weight: 1, arbitrary: fc.constantFrom("", " ", "\t", "*") },
    { weight: 2, arbitrary: fc.constantFrom(...mistakes) },
  );
}
