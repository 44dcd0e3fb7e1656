/**
 * What the rows cover: each capability on both of its sides, and each production of both grammars. conformance/coverage.md names rows that
 * show it, which a test asks again.
 *
 * A row covers a side of a capability if it fails on the other side: walwire is asked as if the server had what it lacks, or lacked what it
 * has, and must then say something else than the server did.
 */
import { baseBackupCapabilities } from "../../src/basebackup/capabilities.ts";
import { commandCapabilities } from "../../src/command/capabilities.ts";
import { confCapabilities } from "../../src/conf/capabilities.ts";
import { manifestCapabilities, stateFileCapabilities, textFileCapabilities } from "../../src/files/capabilities.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { type Capability, CapabilityTable, lsnCapabilities, type Server } from "../../src/kernel/version.ts";
import { logicalCapabilities } from "../../src/logical/capabilities.ts";
import { physicalCapabilities } from "../../src/physical/capabilities.ts";
import { sessionCapabilities } from "../../src/session/capabilities.ts";
import {
  planCapabilities,
  standbySlotCapabilities,
  syncrepCapabilities,
  syncStandbyCapabilities,
} from "../../src/syncrep/capabilities.ts";
import { slotCapabilities } from "../../src/text/capabilities.ts";
import { valueCapabilities } from "../../src/values/capabilities.ts";
import { walCapabilities, walRecordCapabilities } from "../../src/wal/capabilities.ts";
import { bytesOf, type Jison } from "../../test/oracle/jison.ts";
import { grammarFor, makeParser } from "../../test/oracle/lalr.ts";
import { lalrParser } from "../../test/oracle/standby-names-lalr.ts";
import { readDataset, readRows } from "./dataset.ts";
import { agrees, type Kind, type ServerFacts } from "./kind.ts";

/** The tables of what servers say. */
export const tables: Readonly<Record<string, CapabilityTable<string>>> = {
  "kernel (positions)": lsnCapabilities,
  "text (names of slots)": slotCapabilities,
  command: commandCapabilities,
  syncrep: syncrepCapabilities,
  "syncrep (standbys)": syncStandbyCapabilities,
  "syncrep (views)": planCapabilities,
  "syncrep (standbys' slots)": standbySlotCapabilities,
  conf: confCapabilities,
  logical: logicalCapabilities,
  physical: physicalCapabilities,
  session: sessionCapabilities,
  values: valueCapabilities,
  basebackup: baseBackupCapabilities,
  "files (text)": textFileCapabilities,
  "files (manifests)": manifestCapabilities,
  "files (state)": stateFileCapabilities,
  wal: walCapabilities,
  "wal (records)": walRecordCapabilities,
};

const inRecovery = "a server shows it in a recovery that ends, and the set has none";
const ofPages = "WAL is in the set as records, without their pages";
const newRecord = "servers that lack it write no such record";
const notMade = "the workload makes no record that shows it on both sides";
const noPasswords = "servers of the set trust everybody";
const noTls = "no server of the set has TLS";

/** Folders whose tables say what programs ask, what walwire publishes, and what models of servers do, which are held to servers by themselves. */
export const otherTables: readonly string[] = ["node", "publisher", "arbitraries"];

/** Capabilities in which the servers of the set differ and that no row shows on both sides, with the reason. */
const uncovered: Readonly<Record<string, string>> = {
  publishTruncate: "a reader reads what comes; walwire asks for it where it publishes",
  missingPublicationsSkipped: "a reader reads what comes; walwire asks for it where it publishes",
  compressionLong: "no server of the set is built with zstd",
  applicationNameEscapes: "the rows of namesAreEscaped show it: walwire asks for it where it advises",
  waitsFromTheStart: "the set is not about what views say of commits that wait",
  synchronizedStandbySlots: "the set is not about synchronized_standby_slots",
  standbySlotNamesAreChecked: "the set is not about synchronized_standby_slots",
  streamOpensFirst: "no session of the set has a slot to stream from",
  fileNameTooLongCode: "the set is not about postgresql.conf",
  scramChannelBinding: noTls,
  directTls: noTls,
  scramEndIsNamed: noPasswords,
  unknownRolesMayLeave: noPasswords,
  usedSnapshotIsReadOnly: "no session of the set has a transaction around commands",
  shortMessagesAreLimited: "the server resets the connection, by which what it said before can be lost",
  charAboveAsciiIsOctal: 'before it the text of such a "char" is not UTF-8',
  checkpointDetailNamesFile: "the detail has positions of the server's own life",
  backupManifest: "servers that lack it neither write manifests nor read them",
  manifestInPieces: "only manifests of more than 128 kB show it",
  jsonNumbersInPieces: "only manifests of more than 128 kB show it",
  slotInvalidationBits: "only slots that a standby has invalidated show it",
  logicalSlotNeedsHotStandby: "only a standby that starts shows it",
  latestTimelineByDefault: inRecovery,
  targetMustBeReached: inRecovery,
  segmentSizeOfCluster: ofPages,
  switchZeroesPages: ofPages,
  lengthBelieved: ofPages,
  contrecordErrorSaysExpected: ofPages,
  decodedAhead: ofPages,
  walErrorsSayWhere: ofPages,
  toplevelXid: newRecord,
  customRmgrs: "no server of the set has an extension with records of its own",
  heapTruncate: newRecord,
  btreeHighKey: newRecord,
  prepareOrigin: notMade,
  maxWalSendersChange: "its records have no transaction, so that no standby before 15 logs them",
  indexBuildInPages: notMade,
  gistDelete: newRecord,
  btreeDeduplication: newRecord,
  gistAssignLsn: newRecord,
  commandInvalidations: newRecord,
  commitTsFromCommits: notMade,
  checkpointRedo: newRecord,
  slruPages64: notMade,
  describesSubxacts: notMade,
};

/** A row, as one server answered it. */
interface Asked {
  readonly kind: Kind;
  /** Counted from 1, as editors count lines. */
  readonly line: number;
  readonly input: unknown;
  readonly said: unknown;
  readonly server: ServerFacts;
}

const placeOf = ({ kind, line, server }: Asked): string => `${kind.name}:${line} of ${server.major}`;

export interface CapabilityCoverage {
  readonly name: string;
  readonly table: string;
  /** The majors of the set that have it, and that lack it. */
  readonly has: readonly number[];
  readonly lacks: readonly number[];
  /** The first row that fails without it, and with it: "commands:12 of 15". */
  hasRow: string | undefined;
  lacksRow: string | undefined;
}

export interface GrammarCoverage {
  readonly grammar: string;
  readonly major: number;
  readonly kind: string;
  readonly productions: number;
  /** Those that no accepted row has. */
  readonly missing: readonly string[];
  /** Lines of rows that have all others together. */
  readonly lines: readonly number[];
}

/** Each capability once, though tables share some. */
function allCapabilities(servers: readonly ServerFacts[]): Map<Capability, CapabilityCoverage> {
  const all = new Map<Capability, CapabilityCoverage>();
  for (const [table, each] of Object.entries(tables)) {
    for (const [name, row] of Object.entries(each.rows)) {
      if (all.has(row)) continue;
      const majorsOf = (has: boolean) =>
        servers.filter(({ versionNum }) => each.supports(versionNum, name) === has).map(({ major }) => major);
      const [has, lacks] = [majorsOf(true), majorsOf(false)];
      all.set(row, { name, table, has, lacks, hasRow: undefined, lacksRow: undefined });
    }
  }
  return all;
}

/** Looks for rows that cover capabilities, in all files. */
export async function findCapabilities(kinds: readonly Kind[]): Promise<readonly CapabilityCoverage[]> {
  const { servers } = readDataset();
  const all = allCapabilities(servers);
  for (const kind of kinds) {
    for (const [i, { input, said, versions }] of readRows(kind).entries()) {
      for (const major of versions) {
        const server = servers.find((facts) => facts.major === major)!;
        const asked = { kind, line: i + 1, input, said, server };
        for (const row of (await withCapabilities(undefined, () => kind.ours(input, server))).asked) {
          const coverage = all.get(row);
          if (coverage === undefined) continue;
          const side = coverage.has.includes(major) ? "hasRow" : "lacksRow";
          if (coverage[side] === undefined && (await failsOtherwise(row, asked))) coverage[side] = placeOf(asked);
        }
      }
    }
  }
  return [...all.values()];
}

/** Does the row of coverage.md fail, if the server has what it lacks or the other way round? */
export async function coversCapability(
  kinds: readonly Kind[],
  name: string,
  table: string,
  place: string,
): Promise<boolean> {
  const { servers } = readDataset();
  const row = tables[table]!.rows[name]!;
  const [, file, line, major] = /^(.+):(\d+) of (\d+)$/.exec(place)!;
  const kind = kinds.find((each) => each.name === file)!;
  const { input, said, versions } = readRows(kind)[Number(line) - 1]!;
  const server = servers.find((facts) => facts.major === Number(major))!;
  return (
    versions.includes(server.major) && (await failsOtherwise(row, { kind, line: Number(line), input, said, server }))
  );
}

async function failsOtherwise(row: Capability, { kind, input, said, server }: Asked): Promise<boolean> {
  try {
    const { result } = await withCapabilities(row, () => kind.ours(input, server));
    return result !== undefined && !agrees(result, said);
  } catch (error) {
    if (error instanceof WalwireError) return true;
    throw error;
  }
}

/** Runs code as if servers lacked one capability that they have, or had it where they lack it; notes which ones it asks for. */
async function withCapabilities<T>(
  flipped: Capability | undefined,
  code: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly asked: ReadonlySet<Capability> }> {
  const asked = new Set<Capability>();
  const { supports, of } = CapabilityTable.prototype;
  const ask = (table: CapabilityTable<string>, server: Server, name: string): boolean => {
    const row = table.rows[name]!;
    if (row === undefined) return false;
    asked.add(row);
    return supports.call(table, server, name) !== (row === flipped);
  };
  CapabilityTable.prototype.supports = function (server, name) {
    return ask(this as unknown as CapabilityTable<string>, server, name);
  };
  CapabilityTable.prototype.of = function (server) {
    const table = this as unknown as CapabilityTable<string>;
    // One object for each server, by which tables of names are found again; what is asked for is of interest without a change only.
    if (flipped !== undefined) return changed(table, flipped, of.call(this, server));
    return new Proxy(of.call(this, server), { get: (_, name) => ask(table, server, name as string) });
  };
  try {
    return { result: await code(), asked };
  } finally {
    Object.assign(CapabilityTable.prototype, { supports, of });
  }
}

/** What a server can do, by what it can do in truth. */
const changedOnes = new WeakMap<Capability, Map<object, Record<string, boolean>>>();

function changed(table: CapabilityTable<string>, flipped: Capability, truly: Readonly<Record<string, boolean>>) {
  const name = Object.keys(table.rows).find((each) => table.rows[each] === flipped);
  if (name === undefined) return truly;
  const known = changedOnes.get(flipped) ?? new Map<object, Record<string, boolean>>();
  changedOnes.set(flipped, known);
  const has = known.get(truly) ?? { ...truly, [name]: !truly[name] };
  known.set(truly, has);
  return has;
}

/** The two grammars: their files, and what parses a text by the second reader's LALR grammar. */
const grammars = [
  {
    grammar: "repl_gram.y",
    kind: "commands",
    parserOf: (server: number) => makeParser(grammarFor(server)) as Jison<unknown>,
  },
  {
    grammar: "syncrep_gram.y",
    kind: "standby-names",
    parserOf: (server: number) => lalrParser(server) as Jison<unknown>,
  },
];

/** Rows that have each production of a version's grammar, as far as there are some. */
export function coverGrammars(
  kinds: readonly Kind[],
  onlyLines?: (grammar: string, major: number) => readonly number[],
) {
  return grammars.flatMap(({ grammar, kind: name, parserOf }) => {
    const rows = readRows(
      kinds.find((kind) => kind.name === name)! as Kind<Record<string, string>, { verdict: string }>,
    );
    return readDataset().servers.map(({ major, versionNum }): GrammarCoverage => {
      const accepted = [...rows.keys()].filter((i) => {
        const { versions, said, input } = rows[i]!;
        return said.verdict === "accepted" && versions.includes(major) && input.value !== "";
      });
      const lines = onlyLines?.(grammar, major) ?? accepted.map((i) => i + 1);
      const reductions = new Reductions(parserOf(versionNum));
      const chosen = lines.filter((line) => {
        const { text, value } = rows[line - 1]!.input;
        return accepted.includes(line - 1) && reductions.addsTo(text ?? value!);
      });
      return { grammar, major, kind: name, ...reductions.summary, lines: chosen };
    });
  });
}

/** What is used here of a parser that jison has made. */
interface Tables {
  readonly productions_: readonly (number | readonly [symbol: number, length: number])[];
  readonly symbols_: Readonly<Record<string, number>>;
  performAction: (...args: unknown[]) => unknown;
}

/** The productions by which texts are reduced. */
class Reductions {
  readonly #parser: Jison<unknown>;
  readonly #seen = new Set<number>();

  constructor(parser: Jison<unknown>) {
    this.#parser = parser;
  }

  /** Parses a text. @returns whether it has a production that none before it had. */
  addsTo(text: string): boolean {
    const tables = this.#parser as unknown as Tables;
    const { performAction } = tables;
    const before = this.#seen.size;
    const seen = this.#seen;
    tables.performAction = function (this: unknown, ...args) {
      seen.add(args[4] as number);
      return performAction.apply(this, args);
    };
    try {
      (this.#parser.yy as { reset?: (database: boolean) => void }).reset?.(true);
      this.#parser.parse(bytesOf(text));
    } finally {
      tables.performAction = performAction;
    }
    return seen.size > before;
  }

  get summary(): { productions: number; missing: string[] } {
    const { productions_, symbols_ } = this.#parser as unknown as Tables;
    const names = new Map(Object.entries(symbols_).map(([name, number]) => [number, name]));
    const numbers = [...productions_.keys()].filter((each) => each > 0);
    const missing = numbers.filter((each) => !this.#seen.has(each));
    return {
      productions: numbers.length,
      missing: missing.map(
        (each) => `production ${each}, of ${names.get((productions_[each] as [number, number])[0])}`,
      ),
    };
  }
}

const isShown = ({ hasRow, lacksRow }: CapabilityCoverage): boolean => hasRow !== undefined && lacksRow !== undefined;

/** conformance/coverage.md */
export function coverageReport(
  capabilities: readonly CapabilityCoverage[],
  grammarCoverage: readonly GrammarCoverage[],
): string {
  const table = (head: readonly string[], rows: readonly (readonly unknown[])[]): string =>
    [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  const differing = capabilities.filter(({ has, lacks }) => has.length > 0 && lacks.length > 0);
  const shown = differing.filter((each) => isShown(each) || uncovered[each.name] === undefined);
  const others = capabilities.filter(({ has, lacks }) => has.length === 0 || lacks.length === 0);
  const namesOf = (which: readonly CapabilityCoverage[]) => which.map(({ name }) => `\`${name}\``).join(", ") || "none";
  return `# Coverage

Written by \`npm run conformance\`; a test asks each row that is named here again.

## Productions

Every production of the grammar of each version is in an accepted row: these rows have them together.

${table(
  ["grammar", "PostgreSQL", "productions", "lines", "file"],
  grammarCoverage.map(({ grammar, major, productions, lines, kind }) => [
    grammar,
    major,
    productions,
    lines.join(", "),
    kind,
  ]),
)}
## Differences between versions

Each is a capability in a capabilities.ts of walwire, which says where PostgreSQL's sources have it. The row that is named under "has" is
one whose answer would be another if its server lacked the capability; that under "lacks", if its server had it.

${table(
  ["of", "capability", "has", "lacks"],
  shown.map(({ table, name, hasRow, lacksRow }) => [table, name, hasRow ?? "-", lacksRow ?? "-"]),
)}
## Differences without a row

The servers differ in these too:

${table(
  ["of", "capability", "why there is no row"],
  differing.flatMap((each) => (shown.includes(each) ? [] : [[each.table, each.name, uncovered[each.name]]])),
)}
## Differences outside the versions of the set

All servers of the set have these: ${namesOf(others.filter(({ lacks }) => lacks.length === 0))}.

All servers of the set lack these: ${namesOf(others.filter(({ has }) => has.length === 0))}.
`;
}

/** The rows that coverage.md names for capabilities, and for grammars. */
export function coverageOf(report: string) {
  const cells = [...report.matchAll(/^\| (.+) \|$/gm)].map(([, line]) => line!.split(" | "));
  return {
    capabilities: cells.flatMap(([table, name, ...places]) =>
      tables[table!] && places.length === 2 ? [{ table: table!, name: name!, places }] : [],
    ),
    linesOf: (grammar: string, major: number): readonly number[] =>
      cells
        .find((each) => each[0] === grammar && each[1] === String(major))![3]!
        .split(", ")
        .map(Number),
    /** Those of which the servers differ and that are neither shown nor excused. */
    unnamed: [...allCapabilities(readDataset().servers).values()].filter(
      (each) =>
        each.has.length > 0 &&
        each.lacks.length > 0 &&
        uncovered[each.name] === undefined &&
        !cells.some((cell) => cell[1] === each.name),
    ),
    /** Reasons for what is shown, is nowhere, or is the same in all servers. */
    needless: Object.keys(uncovered).filter(
      (name) => !cells.some((cell) => cell[1] === name && cell[2] === uncovered[name]),
    ),
  };
}
