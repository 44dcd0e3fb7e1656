/** fast-check arbitraries of configuration files: in any spelling, right and almost right. */
import * as fc from "fast-check";

const blanks = fc.constantFrom("", " ", "\t", "  \t", "\r");
const comment = fc.constantFrom("", "", "# a comment", "#", "#'", "# include 'x'");

/** Names that change nothing that matters, among them some that no server has. */
const name = fc.constantFrom(
  ...[
    "work_mem",
    "Work_Mem",
    "application_name",
    "synchronous_standby_names",
    "Synchronous_Standby_Names",
    "search_path",
  ],
  ...["synchronous_standby_name", "my.var", "My.Var", "_a1.b_2", "ünï.cödé", "no_such_parameter"],
);

const unquoted = fc.constantFrom(
  ...[
    "on",
    "4MB",
    "0x1F",
    "-1",
    "+12kB",
    "1.5",
    ".5",
    ".",
    "-.5e3",
    "1.e+3",
    "a-b",
    "a:/b.c_d",
    "a.b.c",
    "utf-8",
    "世界",
  ],
  ...["1h2m", "1e5", "x'y'", "0xg", "a..b", "a.", "a.1"],
);

/** Strings as a file has them, most of them whole, and now and then a long one of escapes. */
const shortString = fc
  .array(
    fc.constantFrom(
      ...[
        "a",
        "b, c",
        " ",
        "''",
        "\\'",
        "\\\\",
        "\\n",
        "\\t",
        "\\b",
        "\\f",
        "\\r",
        "\\x",
        "\\101",
        "\\7",
        "\\477",
        "\\1018",
      ],
      ...[
        "\\303\\251",
        "\\8",
        '"n-1"',
        "#",
        "=",
        "é",
        "😀",
        "\t",
        "\\é",
        "ANY 2 (",
        ")",
        "*",
        "\\000z",
        "\\342\\202\\254",
      ],
    ),
    { maxLength: 6 },
  )
  .map((parts) => `'${parts.join("")}'`);

const longString = fc
  .tuple(fc.constantFrom("\\101", "''", "\\'", "\\\\", "é"), fc.integer({ min: 1000, max: 20_000 }))
  .map(([part, times]) => `'${part.repeat(times)}'`);

const string = fc.oneof({ weight: 100, arbitrary: shortString }, { weight: 1, arbitrary: longString });

const almostString = fc.tuple(string, fc.nat(), fc.constantFrom("", "'", "\\")).map(([text, pick, put]) => {
  const characters = [...text];
  characters[pick % characters.length] = put;
  return characters.join("");
});

const value = fc.oneof({ weight: 3, arbitrary: unquoted }, { weight: 5, arbitrary: string });

const token = fc.oneof(
  name,
  value,
  almostString,
  fc.constantFrom("=", "'", "\\", "a.b", "1", "?", "==", ",", "-", "+", '"x"', "1MB2", "a.b.", "a-b"),
);

const entry = fc
  .tuple(blanks, name, fc.constantFrom(" ", "=", " = ", "\t=\t", "= ", "  "), value, blanks, comment)
  .map((parts) => parts.join(""));

const line = fc.oneof(
  { weight: 12, arbitrary: entry },
  { weight: 1, arbitrary: fc.tuple(blanks, comment).map((parts) => parts.join("")) },
);

const wrongLine = fc.oneof(
  fc.array(fc.tuple(token, blanks), { minLength: 1, maxLength: 4 }).map((parts) => parts.flat().join("")),
  fc.tuple(name, fc.constantFrom(" ", " = "), almostString).map((parts) => parts.join("")),
  // A byte order mark, and blanks of other programs.
  fc.tuple(fc.constantFrom("\ufeff", "\u00a0", "\u2028"), entry).map((parts) => parts.join("")),
);

/** The text of a file; of `wrong` ones a line may be wrong. `more` are lines that stand in it once at most. */
function text(wrong: boolean, more: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.array(wrong ? fc.oneof({ weight: 6, arbitrary: line }, { weight: 1, arbitrary: wrongLine }) : line, {
        maxLength: 6,
      }),
      fc.nat(6),
      fc.constantFrom("", "", ...more),
      fc.constantFrom("\n", "\n", "\r\n"),
      fc.boolean(),
    )
    .map(([lines, at, directive, newline, isEnded]) => {
      const all = [...lines.slice(0, at), ...(directive === "" ? [] : [directive]), ...lines.slice(at)];
      return all.join(newline) + (isEnded ? newline : "");
    });
}

/**
 * Configuration files by their paths in one directory: postgresql.conf, postgresql.auto.conf, and what they may include. Half of the samples
 * have lines that are wrong.
 *
 * @example Object.keys(fc.sample(confFiles(), 1)[0]).length // 7
 */
export function confFiles(): fc.Arbitrary<Record<string, string>> {
  const includes = [
    "include 'inc1'",
    "INCLUDE = inc1 # x",
    "include_dir='d'",
    "include_if_exists 'inc9'",
    "include_if_exists inc1",
    "include_if_exists 'd'",
  ];
  return fc.boolean().chain((wrong) =>
    fc.record({
      "postgresql.conf": text(wrong, [...includes, "include 'inc2'"]),
      "postgresql.auto.conf": text(false, []),
      inc1: text(wrong, ["include inc2", "include_dir d"]),
      inc2: text(wrong, ["include_if_exists 'none'"]),
      "d/a.conf": text(false, []),
      "d/b.conf": text(wrong, ["include_if_exists 'c.inc'"]),
      "d/c.inc": text(false, []),
    }),
  );
}
