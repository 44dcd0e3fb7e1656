/** Arbitraries of replication commands: as values, and as text that is right, almost right, or hostile. */
import fc from "fast-check";
import type { Command, DefElem, DefElemArg } from "../command/ast.ts";
import { commandCapabilities } from "../command/capabilities.ts";
import { keywords as keywordsOfVersions } from "../command/keywords.ts";
import type { OptionRow, OptionRows, OptionTable, OptionWord } from "../command/options/option.ts";
import { baseBackupOptions, createSlotOptions, optionTables } from "../command/options/tables.ts";
import { defaultServer, type Server, serverVersionNum } from "../kernel/version.ts";
import { identifierBytes, quoteIdentifier, truncateIdentifier } from "../text/identifier.ts";
import { clientTexts, clientTextsFor } from "./clients.ts";
import { lsn } from "./messages.ts";
import { almost, characters, commaList, optional, pieces, record, sequence } from "./text.ts";

/** The server and connection that commands are for. */
export interface CommandArbitraryOptions {
  /** The server that the commands are for. */
  readonly server?: Server | undefined;
}

/**
 * Any Command that this version's grammar makes of some text. Most will be refused after parsing: unknown options, bad slot
 * names, values out of range.
 *
 * @example fc.sample(command({ server: 14 }), 1).length // 1
 */
export function command(options: CommandArbitraryOptions = {}): fc.Arbitrary<Command> {
  const { server = defaultServer } = options;
  const slotname = identifier(server);
  const parenthesised = commandCapabilities.supports(server, "genericOptions");
  const generic = fc.array(defElem(server), { minLength: 1, maxLength: 4 });

  const identifySystem = fc.constant<Command>({ type: "IdentifySystemCmd" });
  const baseBackup = record({
    type: fc.constant("BaseBackupCmd" as const),
    options: parenthesised
      ? fc.oneof(fc.constant([]), generic)
      : fc.array(fc.oneof(...wordOptions(baseBackupOptions, server)), { maxLength: 5 }),
  });
  const has = commandCapabilities.of(server);
  const never = fc.constant(false);
  const slotOptions = parenthesised
    ? fc.oneof(fc.constant([]), generic, fc.array(fc.constantFrom(...exactSlotWords), { maxLength: 3 }))
    : has.createSlotOptions
      ? fc.array(fc.oneof(...wordOptions(createSlotOptions, server)), { maxLength: 3 })
      : fc.constant([]);
  const create = record({
    type: fc.constant("CreateReplicationSlotCmd" as const),
    kind: fc.constantFrom("PHYSICAL", "LOGICAL"),
    slotname,
    plugin: slotname,
    temporary: has.createSlotOptions ? fc.boolean() : never,
    options: slotOptions,
  }).map(({ plugin, ...rest }) => ({ ...rest, plugin: rest.kind === "LOGICAL" ? plugin : undefined }));
  const createReserving = create.map((each) => ({
    ...each,
    kind: "PHYSICAL" as const,
    plugin: undefined,
    options: [{ defname: "reserve_wal", arg: one }],
  }));
  const wait = has.createSlotOptions ? fc.boolean() : never;
  const drop = record({ type: fc.constant("DropReplicationSlotCmd" as const), slotname, wait });
  const startPhysical = record({
    type: fc.constant("StartReplicationCmd" as const),
    kind: fc.constant("PHYSICAL" as const),
    slotname: fc.option(slotname, { nil: undefined }),
    timeline: fc.oneof(fc.constant(0), uint32()),
    startpoint: lsn(),
    options: fc.constant([]),
  });
  const startLogical = record({
    type: fc.constant("StartReplicationCmd" as const),
    kind: fc.constant("LOGICAL" as const),
    slotname,
    timeline: fc.constant(0),
    startpoint: lsn(),
    options: fc.array(
      record({ defname: slotname, arg: fc.option(fc.oneof(pluginValue, string), { nil: undefined }) }),
      { maxLength: 4 },
    ),
  });
  const history = record({
    type: fc.constant("TimeLineHistoryCmd" as const),
    timeline: uint32().filter((timeline) => timeline > 0),
  });
  const show = record({ type: fc.constant("VariableShowStmt" as const), name: varName(server) });
  const read = record({ type: fc.constant("ReadReplicationSlotCmd" as const), slotname: varName(server) });
  const alter = record({ type: fc.constant("AlterReplicationSlotCmd" as const), slotname, options: generic });
  const upload = fc.constant<Command>({ type: "UploadManifestCmd" });
  const sql = record({ type: fc.constant("SQLCmd" as const), text: has.firstTokenRule ? sqlText : sqlForTheGrammar });

  return fc.oneof(
    identifySystem,
    baseBackup,
    create,
    drop,
    startPhysical,
    startLogical,
    history,
    ...(has.reserveWal && !has.createSlotOptions ? [createReserving] : []),
    ...(has.showCommand ? [show] : []),
    ...(has.sqlCommands ? [sql] : []),
    ...(commandCapabilities.supports(server, "readReplicationSlot") ? [read] : []),
    ...(commandCapabilities.supports(server, "alterReplicationSlot") ? [alter] : []),
    ...(commandCapabilities.supports(server, "uploadManifest") ? [upload] : []),
  );
}

/**
 * Text for a walsender: commands of this version, sometimes of another, in any legal spelling (blanks, quotes, case, leading
 * zeros, numbers too large), and as clients write them; the same with tokens swapped, doubled, dropped or put in, with characters
 * changed or the end cut off; and hostile strings. All of it can be sent in a Query message: there is no NUL character and no lone
 * surrogate.
 *
 * @example fc.sample(commandText({ server: "16.14" }), 1).length // 1
 */
export function commandText(options: CommandArbitraryOptions = {}): fc.Arbitrary<string> {
  const { server = defaultServer } = options;
  return almost(commandTokens(server), anyToken);
}

// ---- Values ----

/** Names as people choose them, and names that need quotes or nearly. */
const wellKnownNames = [
  ...["sub1", "s", "_x", "a$1", "physical", "slot", "label", "proto_version", "publication_names", "streaming"],
  ...["snapshot", "reserve_wal", "two_phase", "failover", "wait", "checkpoint", "max_rate", "manifest", "wal_level"],
  ...[
    "",
    " ",
    "Sub1",
    "SLOT",
    "TIMELINE",
    "READ_REPLICATION_SLOT",
    "LABEL",
    "1a",
    "12",
    "$1",
    "a-b",
    "a.b",
    ".",
    "a b",
  ],
  ...["beef", "f", "DEAD/BEEF", "f/0", "é", "ÀÉ", "世界", "a\nb", "a'b", "--", "true", "\u00a0", "e"],
];

/** An identifier as the server holds it: at most 63 bytes. */
function identifier(server: Server): fc.Arbitrary<string> {
  const long = fc
    .tuple(fc.constantFrom("x", "X", "é", "世", "😀"), fc.nat(identifierBytes))
    .map(([unit, n]) => unit.repeat(n));
  const any = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...wellKnownNames) },
    { weight: 2, arbitrary: fc.stringMatching(/^[a-z_][a-z0-9_$]{0,12}$/) },
    { weight: 2, arbitrary: characters() },
    { weight: 1, arbitrary: long },
  );
  const quotes = commandCapabilities.supports(server, "doubledQuoteInIdentifier");
  return any.map((name) => truncateIdentifier(quotes ? name : name.replaceAll('"', "'")));
}

function varName(server: Server): fc.Arbitrary<string> {
  if (!commandCapabilities.supports(server, "dotIsToken")) return identifier(server);
  return fc.array(identifier(server), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
}

const string: fc.Arbitrary<DefElemArg> = characters(20).map((sval) => ({ type: "String", sval }));
const pluginValue: fc.Arbitrary<DefElemArg> = fc
  .constantFrom("1", "4", "on", "parallel", "true", "any", "none", "", "p1,p2", '"p1","P 2"')
  .map((sval) => ({ type: "String", sval }));
const integer: fc.Arbitrary<DefElemArg> = fc
  .oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)))
  .map((ival) => ({ type: "Integer", ival }));

function defElem(server: Server): fc.Arbitrary<DefElem> {
  return record({
    defname: identifier(server),
    arg: fc.option(fc.oneof(string, pluginValue, integer), { nil: undefined }),
  });
}

const one: DefElemArg = { type: "Integer", ival: 1 };

/** What the words of a table are in the tree of a server before `genericOptions`. */
function wordOptions({ rows }: OptionTable, server: Server): fc.Arbitrary<DefElem>[] {
  return wordsOf(rows).flatMap(({ row, word: { option, means, ival = 1, since } }) => {
    if (option === undefined || (since !== undefined && !commandCapabilities.supports(server, since))) return [];
    if (means !== undefined) return fc.constant<DefElem>({ defname: option, arg: { type: "Integer", ival } });
    return record({ defname: fc.constant(option), arg: row.kind.form === "integer" ? integer : string });
  });
}

/** What the words of CREATE_REPLICATION_SLOT are in the tree of a server with options in parentheses. */
const exactSlotWords: readonly DefElem[] = wordsOf(createSlotOptions.rows).map(({ row, word: { means } }) => ({
  defname: row.name,
  arg: typeof means === "string" ? { type: "String", sval: means } : { type: "Boolean", boolval: true },
}));

function wordsOf(rows: OptionRows): { row: OptionRow; word: OptionWord }[] {
  return Object.values(rows).flatMap((row) => row.words?.map((word) => ({ row, word })) ?? []);
}

function uint32(): fc.Arbitrary<number> {
  return fc.oneof(fc.nat(), fc.constantFrom(1, 2 ** 31, 2 ** 32 - 1));
}

/** What begins no command, whatever follows. */
const sqlText = fc
  .tuple(
    fc.constantFrom(
      "",
      ";",
      "select ",
      "show ",
      "identify_system ",
      "Show ",
      "IDENTIFY_SYSTEMS ",
      '"SHOW" ',
      "1 ",
      "(",
      "--",
      "/*",
    ),
    characters(30),
  )
  .map(([start, rest]) => (start === "" ? "" : start + rest));

/** What the replication scanner reads to the end without a complaint. */
const sqlForTheGrammar = fc
  .tuple(
    fc.constantFrom("select 1", "Show all", "a", '"IDENTIFY_SYSTEM"'),
    fc.constantFrom("", ";", ";;", " 'it''s';", " a.b -- c"),
  )
  .map((parts) => parts.join(""));

// ---- Tokens ----

/** Of any version. */
const keywords: readonly string[] = [...keywordsOfVersions.keys()];

/** Names of options, of commands and of pgoutput, of any version. */
const optionNames = [
  ...new Set(optionTables.flatMap(({ rows }: OptionTable) => Object.values(rows).map(({ name }) => name))),
];

/** The name of an option in any of its forms. */
const optionName = fc
  .tuple(fc.constantFrom(...optionNames), fc.constantFrom("lower", "UPPER", "Capital", '"quoted"', '"QUOTED"'))
  .map(([name, form]) => {
    const cased = form.toUpperCase() === form ? name.toUpperCase() : name;
    if (form.startsWith('"')) return `"${cased}"`;
    return form === "Capital" ? name.slice(0, 1).toUpperCase() + name.slice(1) : cased;
  });

const IDENT = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("sub1", "s", "pgoutput", "A", "Sub_1", "a$1", "f", "e", "_", "é", "Ä世", "x\u00a0"),
  },
  { weight: 2, arbitrary: fc.constantFrom(...keywords).map((word) => word.toLowerCase()) },
  { weight: 2, arbitrary: fc.constantFrom(...wellKnownNames).map(quoteIdentifier) },
  { weight: 1, arbitrary: characters().map(quoteIdentifier) },
  {
    // Around 63 bytes.
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom("a", "B", "é", "世", "😀"),
        fc.integer({ min: 12, max: 66 }),
        fc.constantFrom("", '"'),
        fc.constantFrom("", "x", "y"),
      )
      .map(([unit, n, quote, first]) => quote + first + unit.repeat(n) + quote),
  },
);

const SCONST = fc.oneof(
  fc.constantFrom("''", "'x'", "'on'", "'pg_basebackup base backup'", "'it''s'", "'\\'", "'\n'", `'"a","b"'`, "''''"),
  characters().map((text) => `'${text.replaceAll("'", "''")}'`),
);

const UCONST = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("0", "1", "2", "007", "32", "1024") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["2147483647", "2147483648", "4294967295", "4294967296", "4294967297", "8589934592"],
      ...["18446744073709551615", "18446744073709551616", "99999999999999999999999", "000000000000000000000000001"],
    ),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[0-9]{1,24}$/) },
);

// Letters beyond F are digits to old scanners; then 0x may stand before a half.
const RECPTR = fc.oneof(
  fc.constantFrom("0/0", "0/16B3748", "DEAD/BEEF", "16/b374d848", "FFFFFFFF/FFFFFFFF", "1/123456789", "123456789/0"),
  fc.constantFrom(
    "0/00000000",
    "0x1/0X2",
    "0x/1",
    "1/0x",
    "0/16XYZ",
    "xyz/0",
    "0/g",
    "1/0xG",
    "0x0x1/0",
    "FF/0TIMELINE",
  ),
  fc
    .tuple(fc.stringMatching(/^[0-9A-Fa-f]{1,20}$/), fc.stringMatching(/^[0-9A-Fa-f]{1,20}$/))
    .map((ends) => ends.join("/")),
);

const anyToken = fc.oneof(
  fc.constantFrom(...keywords),
  IDENT,
  SCONST,
  UCONST,
  RECPTR,
  fc.constantFrom(
    "(",
    ")",
    ",",
    ";",
    ".",
    "-",
    "=",
    "*",
    "/",
    "--",
    "$",
    "'",
    '"',
    '"a""b"',
    "E'a'",
    "\v",
    "0x1",
    "1.5",
    "12ab",
    "search-demo",
    "XX/0",
    "$$it's$$",
    "/* it's */",
    "a.b",
    "\r",
    "\f",
    "[",
    "\\",
    "\u0001",
  ),
  optionName,
);

/** What SQL means by itself, and what an old walsender makes of it: it scans SQL to the first semicolon. */
const sqlStatement = fc.oneof(
  fc
    .constantFrom(
      ...[
        "select 1",
        "SELECT 1;",
        "select 1;;",
        "select 1; select 2",
        "select a/b",
        "select 'it''s'",
        "select $$it's$$",
      ],
      ...[
        "select 1 -- it's",
        "/* c */ select 1",
        "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ",
        "COMMIT",
        "rollback;",
      ],
      ...["SELECT pg_catalog.set_config('search_path', '', false);", 'select "a""b"', "(select 1)", "values (1, 'a')"],
      ...[
        "show server_version",
        "show all;",
        "Show TIMELINE",
        "identify_system",
        "drop_replication_slot s; x",
        "x ; ;",
      ],
    )
    .map(pieces),
  fc.array(fc.oneof(IDENT, SCONST, UCONST, RECPTR, fc.constantFrom("select", "x", ";", "(", ",", "=", "'", '"')), {
    minLength: 1,
    maxLength: 6,
  }),
);

/** Right commands as tokens, each production as often as another; one in ten is of another version. */
function commandTokens(server: Server): fc.Arbitrary<readonly string[]> {
  const parenthesised = commandCapabilities.supports(server, "genericOptions");
  const genericOption = sequence(
    fc.oneof(IDENT, optionName, fc.constantFrom(...keywords)),
    optional(fc.oneof(IDENT, SCONST, UCONST)),
  );
  const genericOptions = sequence("(", commaList(genericOption), ")");
  const pluginOptions = sequence("(", commaList(sequence(fc.oneof(IDENT, optionName), optional(SCONST))), ")");
  const dotted = fc.array(IDENT, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(" . ").split(" "));

  const baseBackupWords = sequence(
    "BASE_BACKUP",
    fc
      .array(
        fc.oneof(
          ...wordsOf(baseBackupOptions.rows).map(({ row, word: { word, means } }) => {
            const value = row.kind.form === "integer" ? UCONST : SCONST;
            return means === undefined ? sequence(word, value) : sequence(word);
          }),
        ),
        { maxLength: 4 },
      )
      .map((options) => options.flat()),
  );
  const slotWords = fc.array(fc.constantFrom(...wordsOf(createSlotOptions.rows).map(({ word: { word } }) => word)), {
    maxLength: 3,
  });
  const createSlot = (options: fc.Arbitrary<readonly string[]>): fc.Arbitrary<readonly string[]> =>
    sequence(
      "CREATE_REPLICATION_SLOT",
      IDENT,
      optional("TEMPORARY"),
      fc.oneof(fc.constant(["PHYSICAL"]), sequence("LOGICAL", IDENT)),
      options,
    );

  const old: fc.Arbitrary<readonly string[]>[] = [baseBackupWords];
  const recent: fc.Arbitrary<readonly string[]>[] = [
    sequence("BASE_BACKUP", genericOptions),
    createSlot(genericOptions),
    sequence("READ_REPLICATION_SLOT", dotted),
    sequence("ALTER_REPLICATION_SLOT", IDENT, genericOptions),
    sequence("UPLOAD_MANIFEST"),
  ];
  const always: fc.Arbitrary<readonly string[]>[] = [
    sequence("IDENTIFY_SYSTEM"),
    sequence("SHOW", dotted),
    sequence("BASE_BACKUP"),
    createSlot(slotWords),
    sequence(
      "CREATE_REPLICATION_SLOT",
      IDENT,
      fc.oneof(sequence("PHYSICAL", optional("RESERVE_WAL")), sequence("LOGICAL", IDENT)),
    ),
    sequence("DROP_REPLICATION_SLOT", IDENT, optional("WAIT")),
    sequence("START_REPLICATION", optional("SLOT", IDENT), optional("PHYSICAL"), RECPTR, optional("TIMELINE", UCONST)),
    sequence("START_REPLICATION", "SLOT", IDENT, "LOGICAL", RECPTR, fc.oneof(fc.constant([]), pluginOptions)),
    sequence("TIMELINE_HISTORY", UCONST),
  ];
  const [fitting, other] = parenthesised ? [recent, old] : [old, recent];
  const ofClients = (texts: typeof clientTexts): fc.Arbitrary<readonly string[]> =>
    fc.constantFrom(...texts.map(({ text }) => pieces(text)));
  const firstly = fc.oneof(
    { weight: 8, arbitrary: fc.oneof(...always, ...fitting) },
    { weight: 1, arbitrary: ofClients(clientTextsFor(serverVersionNum(server))) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        ...other,
        ofClients(clientTexts),
        sqlText.map((text) => [text]),
        sqlStatement,
      ),
    },
  );
  return sequence(firstly, fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.constant([";"])));
}
