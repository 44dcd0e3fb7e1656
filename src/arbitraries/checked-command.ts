/** Commands with options, right and wrong, that a server refuses before it does anything, or that do no harm. */
import fc from "fast-check";
import { commandCapabilities } from "../command/capabilities.ts";
import type { OptionRow, OptionTable, OptionWord } from "../command/options/option.ts";
import { alterSlotOptions, baseBackupOptions, createSlotOptions, pgoutputOptions } from "../command/options/tables.ts";
import { character } from "./text.ts";

/** The slot of pgoutput that START_REPLICATION names. */
export const streamed = "check_stream";

/** The label of 1025 bytes, at the end of options, sees to it that no backup begins. */
export const tooLong = `LABEL '${"é".repeat(512)}x'`;

/** For a server of this version; most options are of the command, and most values fit. */
export function checkedCommand(server: number): fc.Arbitrary<string> {
  const generic = commandCapabilities.supports(server, "genericOptions");
  const kinds = [createSlot(server), baseBackup(server)];
  if (generic && commandCapabilities.supports(server, "alterReplicationSlot")) kinds.push(alterSlot());
  if (commandCapabilities.supports(server, "pgoutput")) kinds.push(startLogical(server));
  return fc.oneof(...kinds);
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const quoteIdentifier = (text: string): string => `"${text.replaceAll('"', "'")}"`;

/** Any characters at all, where the server gives them back in what it says. */
const anything = fc.string({ unit: character(), maxLength: 8 });

const slotNames = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("check_a", "b", "_", "x0", "a1_2"),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("", "A", "Check", "a-b", "a.b", "a$", "é", "a b", "pg_conflict_detection", "x".repeat(70), "a\n")
      .map(quoteIdentifier),
  },
  { weight: 1, arbitrary: fc.constantFrom("a$1", "é", "pg_conflict_detection") },
  { weight: 1, arbitrary: anything.map(quoteIdentifier) },
);

const booleans = [
  ...["true", "false", "on", "off", "TRUE", "Off", "yes", "no", "t", "f", "o", "of", "y", "n", "1", "0", "", " on"],
  ...["parallel", "PARALLEL", "truex", "onn", "\u212a", "oﬀ", "tru"],
];
const numbers = [
  "0",
  "1",
  "2",
  "31",
  "32",
  "1048576",
  "1048577",
  "2147483647",
  "2147483648",
  "4294967295",
  "00",
  "7",
  "4294967297",
];

/** A value in any of its spellings: a name, a name in quotes, a string. */
function spelt(text: string): fc.Arbitrary<string> {
  const spellings = [quote(text), quote(text)];
  if (/^[a-z_][a-z0-9_]*$/i.test(text) && text !== text.toUpperCase()) spellings.push(text);
  if (text.length < 60) spellings.push(quoteIdentifier(text));
  return fc.constantFrom(...spellings);
}

const spelling = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts).chain(spelt);
const number = fc.constantFrom(...numbers);
const anyValue = fc.oneof(spelling(...booleans), number, anything.chain(spelt), fc.constant(""));

/** Values that fit, more often than any. */
function value(fitting: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: fitting }, { weight: 1, arbitrary: anyValue });
}

const boolean = value(fc.oneof(spelling(...booleans.slice(0, 8)), fc.constantFrom("", "0", "1")));

const integerText = fc.oneof(
  fc.constantFrom(
    ...["0", "1", "2", "3", "4", "5", "9", "10", "12", "13", "22", "23", "-1", "-131072", "-131073", "+1", " 1", "1 "],
    ...[
      "\v3",
      "\u00a03",
      "",
      " ",
      "-",
      "+",
      "+-1",
      "0x1",
      "1e1",
      "007",
      "1.5",
      "2147483648",
      "4294967295",
      "4294967296",
    ],
    ...["4294967297", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"],
    ...["18446744073709551615", "18446744073709551616", "-18446744073709551615", "-18446744073709551616", "-0"],
    ...[
      "99999999999999999999999",
      "-99999999999999999999999",
      "00000000000000000000000000001",
      "-18446744073709551614",
    ],
  ),
  fc.integer().map(String),
  fc.stringMatching(/^[ +-]?[0-9]{1,21} ?$/),
);

const compressionKeyword = fc.constantFrom(
  "level",
  "workers",
  "long",
  "level",
  "workers",
  "long",
  "",
  "Level",
  "lon",
  "x",
);
const compressionEntry = fc.oneof(
  fc
    .tuple(compressionKeyword, fc.oneof(integerText, fc.constantFrom(...booleans, "=", "1=1")))
    .map((kv) => kv.join("=")),
  compressionKeyword,
);
const compressionDetail = fc.oneof(
  fc.constantFrom(
    "1",
    "9",
    "level=1",
    "level=3",
    "level=-1",
    "level=0",
    "workers=1",
    "long",
    "long=no",
    "level=22,workers=2",
  ),
  integerText,
  fc.array(compressionEntry, { maxLength: 3 }).map((entries) => entries.join(",")),
  anything,
);

/** Where the server could put a backup: a directory of its own, which is empty while nobody exports a snapshot. */
const emptyDirectory = "/proc/self/cwd/pg_snapshots";

/** Values of an option: those that fit, more often than any. */
function valuesOf({ name, kind }: OptionRow): fc.Arbitrary<string> {
  switch (kind.form) {
    case "boolean":
      return boolean;
    case "word":
      return value(spelling(...kind.words!, ...kind.words!.map(otherCase), ...(also[name] ?? [])));
    case "integer":
      return value(fc.oneof(number, spelling("32", "1k")));
    case "compressionDetail":
      return value(fc.oneof(compressionDetail.map(quote), fc.constantFrom("1", "9", "22", "0")));
    case "string":
      // What a directory other than this would say depends on the directory.
      return value(spelling(...(kind.words ?? []), ...(also[name] ?? ["x", "a b", ""]))).filter(
        (text) => !/^['"]\//.test(text) || text.includes(emptyDirectory),
      );
    case "protocol":
    case "names":
      return value(spelling("1", "p"));
    default:
      return kind.form satisfies never;
  }
}

const otherCase = (word: string): string => (word === word.toLowerCase() ? word.toUpperCase() : word.toLowerCase());

/** Values of single options, beside those of the table and their other case. */
const also: Readonly<Record<string, readonly string[]>> = {
  snapshot: ["Export", "none"],
  checkpoint: ["Spread", "slow"],
  manifest: [...booleans, "Force-Encode", "force_encode"],
  manifest_checksums: ["md5"],
  target: ["Client", "shell"],
  target_detail: [emptyDirectory, "x", "", "./x", "../é", emptyDirectory],
  compression: ["gzip", "bzip2"],
};

/** Options of all commands and versions, so that each is met where it does not belong too. */
const options: Readonly<Record<string, fc.Arbitrary<string>>> = Object.fromEntries(
  [createSlotOptions, alterSlotOptions, baseBackupOptions].flatMap(({ rows }: OptionTable) =>
    Object.values(rows).map((row) => [row.name, valuesOf(row)]),
  ),
);

const namesOf = ({ rows }: OptionTable): string[] => Object.values(rows).map(({ name }) => name);

const wrongNames = fc.oneof(
  fc.constantFrom("export_snapshot", "use_snapshot", "fast", "nowait", "noverify_checksums", "labels", '"Label"', "a"),
  fc.constantFrom("TIMELINE", "SLOT", '"constructor"', '"__proto__"', '""', '"WAIT"', "e", "x".repeat(64)),
  anything.map(quoteIdentifier),
);

/** Options of which most are of the command. */
function genericOptions(names: readonly string[], maxLength: number): fc.Arbitrary<string[]> {
  const named = (name: string) => options[name]!.map((text) => `${name}${text && " "}${text}`);
  const fitting = fc.constantFrom(...names).chain(named);
  const other = fc.constantFrom(...Object.keys(options)).chain(named);
  const wrong = fc.tuple(wrongNames, anyValue).map(([name, text]) => `${name} ${text}`);
  const option = fc.oneof(
    { weight: 40, arbitrary: fitting },
    { weight: 1, arbitrary: other },
    { weight: 1, arbitrary: wrong },
    { weight: 1, arbitrary: fitting.map((text) => text.replace(/^\w+/, (name) => name.toUpperCase())) },
  );
  return fc.oneof(
    { weight: 3, arbitrary: fc.uniqueArray(option, { maxLength, selector: (text) => /^\w*/.exec(text)![0] }) },
    { weight: 1, arbitrary: fc.array(option, { maxLength }) },
  );
}

function wordsOf({ rows }: OptionTable): readonly OptionWord[] {
  return Object.values(rows).flatMap(({ words = [] }) => words);
}

function createSlot(server: number): fc.Arbitrary<string> {
  const words = wordsOf(createSlotOptions).filter(
    ({ option }) => option !== undefined || commandCapabilities.supports(server, "genericOptions"),
  );
  const legacy = fc.array(fc.constantFrom(...words.map(({ word }) => word)), { maxLength: 2 });
  const generic = genericOptions(namesOf(createSlotOptions), 4);
  const listed = generic.map((list) => (list.length > 0 ? `(${list.join(", ")})` : ""));
  const wordy = legacy.map((list) => list.join(" "));
  return fc
    .tuple(
      slotNames,
      fc.constantFrom("TEMPORARY ", "TEMPORARY ", ""),
      fc.constantFrom("PHYSICAL", "LOGICAL nosuchplugin", "LOGICAL nosuchplugin"),
      commandCapabilities.supports(server, "genericOptions")
        ? fc.oneof({ weight: 4, arbitrary: listed }, wordy)
        : wordy,
    )
    .map(([name, temporary, kind, rest]) => `CREATE_REPLICATION_SLOT ${name} ${temporary}${kind} ${rest}`);
}

function alterSlot(): fc.Arbitrary<string> {
  return fc
    .tuple(slotNames, genericOptions(namesOf(alterSlotOptions), 3))
    .map(([name, list]) => `ALTER_REPLICATION_SLOT ${name} (${list.join(", ")})`);
}

function baseBackup(server: number): fc.Arbitrary<string> {
  if (commandCapabilities.supports(server, "genericOptions")) {
    return genericOptions(namesOf(baseBackupOptions), 6).map(
      (list) => `BASE_BACKUP (${[...list, tooLong].join(", ")})`,
    );
  }
  const word = fc.oneof(
    fc.constantFrom(...wordsOf(baseBackupOptions).flatMap(({ word, means }) => (means === undefined ? [] : [word]))),
    fc
      .oneof(spelling("x", "a b"), anything.map(quote))
      .filter((text) => text.startsWith("'"))
      .map((text) => `LABEL ${text}`),
    number.map((text) => `MAX_RATE ${text}`),
    fc
      .oneof(fc.constantFrom(...booleans, "force-encode", "FORCE-ENCODE"), anything)
      .map((text) => `MANIFEST ${quote(text)}`),
    fc
      .constantFrom("none", "crc32c", "SHA224", "sha256", "sha512", "md5", "")
      .map((text) => `MANIFEST_CHECKSUMS ${quote(text)}`),
  );
  const list = fc.oneof(
    { weight: 3, arbitrary: fc.uniqueArray(word, { maxLength: 6, selector: (text) => /^\w*/.exec(text)![0] }) },
    { weight: 1, arbitrary: fc.array(word, { maxLength: 6 }) },
  );
  return list.map((each) => ["BASE_BACKUP", ...each, tooLong].join(" "));
}

/** A list of names, right or wrong. */
export const nameList: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom("p", "p1,p2", '"P 1", p2', "", " ", ",", "a,", '"a', '"a""b"', '"a"b', 'a"b', "a b"),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.oneof(
          fc.constantFrom("a", "B", " ", "\t", "\v", "\f", "\n", '"', '""', ",", ",", ".", '"a"', '"B,"', "é", "É"),
          fc
            .tuple(fc.constantFrom("a", "É", '"世', "😀"), fc.nat(70))
            .map(([unit, n]) => unit + [...unit].at(-1)!.repeat(n)),
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join("")),
  },
  { weight: 1, arbitrary: anything },
);

export function startLogical(server: number): fc.Arbitrary<string> {
  const text = (...texts: readonly string[]) => fc.constantFrom(...texts).map((each) => ` ${quote(each)}`);
  const flag = fc.oneof(
    { weight: 4, arbitrary: fc.oneof(text(...booleans.slice(0, 7), "parallel"), fc.constant("")) },
    { weight: 1, arbitrary: text(...booleans) },
    { weight: 1, arbitrary: anything.map((each) => ` ${quote(each)}`) },
  );
  // Without a value for one of the two, a server that does not look whether there is one crashes.
  const noValue = commandCapabilities.supports(server, "pgoutputValuesChecked") ? fc.constant("") : text("");
  const proto_version = fc.oneof(
    { weight: 9, arbitrary: text("1", "2", "3", "4") },
    { weight: 2, arbitrary: integerText.map((each) => ` ${quote(each)}`) },
    { weight: 1, arbitrary: noValue },
  );
  const publication_names = fc.oneof(
    { weight: 9, arbitrary: text("p", '"p,1",q') },
    { weight: 3, arbitrary: nameList.map((each) => ` ${quote(each)}`) },
    { weight: 1, arbitrary: noValue },
  );
  const valueText = ({ name, kind }: OptionRow): fc.Arbitrary<string> => {
    if (kind.form === "protocol") return proto_version;
    if (kind.form === "names") return publication_names;
    const words = kind.words?.filter((word) => !booleans.includes(word)) ?? [];
    return name === "streaming" || words.length === 0
      ? flag
      : fc.oneof({ weight: 4, arbitrary: text(...words, ...words.map(otherCase)) }, flag);
  };
  const others = Object.fromEntries(
    Object.values<OptionRow>(pgoutputOptions.rows).map((row) => [row.name, valueText(row)]),
  );
  const option = fc.oneof(
    {
      weight: 20,
      arbitrary: fc.constantFrom(...Object.keys(others)).chain((name) => others[name]!.map((v) => name + v)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          wrongNames.filter((name) => !/^[A-Z]/.test(name)),
          flag,
        )
        .map((each) => each.join("")),
    },
  );
  const required = fc.tuple(
    fc.oneof({ weight: 9, arbitrary: proto_version.map((v) => [`proto_version${v}`]) }, fc.constant([])),
    fc.oneof({ weight: 9, arbitrary: publication_names.map((v) => [`publication_names${v}`]) }, fc.constant([])),
    fc.uniqueArray(option, { maxLength: 4, selector: (each) => /^\w*/.exec(each)![0] }),
    fc.nat(5),
  );
  return required.map(([version, publications, rest, where]) => {
    const list = [...rest.slice(0, where), ...version, ...publications, ...rest.slice(where)];
    return `START_REPLICATION SLOT ${streamed} LOGICAL 0/0${list.length > 0 ? ` (${list.join(", ")})` : ""}`;
  });
}
