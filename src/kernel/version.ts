/**
 * Server versions, and tables of what each can do.
 *
 * Version numbers are written here and in the capabilities.ts of each domain; everything else asks for a capability by name. A version
 * is a `server_version_num` (150018 is 15.18, 90624 is 9.6.24). Some behaviours changed in minor releases, so minors count; a major
 * alone means its newest minor known here.
 */
import { refuseArgument, UnsupportedError } from "./errors.ts";
import { isArrayOf } from "./options.ts";
import { listed, shown } from "./words.ts";

/**
 * A server version: a `server_version_num` (180004), or text as people and servers write it ("18", "15.18", "9.6",
 * "19beta1", "15.18 (Debian 15.18-0+deb12u1)"). A major alone, also as a small number (18), means its newest known minor.
 */
export type Server = number | string;

/** What is assumed when nobody names a server: the newest major that our tests run. */
export const defaultServer: Server = "18";

/** The oldest version that walwire knows anything about: of 9.1 to 9.3 only synchronous_standby_names. */
const oldest = 90100;

/** The newest major that walwire knows. A server of a later one could have changed anything, and is refused. */
const newestMajor = 190000;

/** After 9.6 came 10: between the two there is nothing. */
const [afterNine, ten] = [90700, 100000];

/**
 * Newest minor known of each major (major as in `majorOf`): those of 12 November 2026, and the last of majors that have no more. A major
 * that is not here has no release that we know.
 */
const newestMinor: Readonly<Record<number, number>> = {
  90100: 24,
  90200: 24,
  90300: 25,
  90400: 26,
  90500: 25,
  90600: 24,
  100000: 23,
  110000: 22,
  120000: 22,
  130000: 23,
  140000: 25,
  150000: 20,
  160000: 16,
  170000: 12,
  180000: 7,
};

export interface Capability {
  /**
   * The first version that has it, per major if it came by minor releases: in ascending order, one entry per major from
   * the first that has it; a major after the last entry has it, one before the first does not.
   */
  readonly since: readonly number[];
  /** The first version that has it no more. */
  readonly until?: number;
}

/** How positions are written and read, which many domains need. */
export const lsnRows = {
  /** xlogdefs.h: LSN_FORMAT_ARGS used with %X/%08X, commit 2633dae2e4 */
  lsnZeroPadded: { since: [190000] },
  /** parse_manifest.c: parse_xlogrecptr; repl_scanner.l: sscanf of %X/%08X */
  lsnLowHalfIsEightDigits: { since: [190000] },
} as const;

/**
 * The `server_version_num` of a server.
 *
 * @throws UnsupportedError UNKNOWN_SERVER if it is not a version, or is one before 9.1 or after the newest major that walwire knows.
 * @example serverVersionNum("15.18 (Debian 15.18-0+deb12u1)") // 150018
 * @example serverVersionNum("150018") // 150018
 */
export function serverVersionNum(server: Server = defaultServer): number {
  // Whoever parses many commands names the same server each time: a look at the text takes a tenth of a short parse.
  return numbers.get(server) ?? readServerVersion(server);
}

/** What servers were named, and are. */
const numbers = new Map<Server, number>();

function readServerVersion(server: Server): number {
  // A number such as 15.2 could mean 15.20: versions with a minor are text, or a server_version_num.
  const isMajor = typeof server === "number" && server < 100 && Number.isInteger(server);
  const num = typeof server === "string" || isMajor ? numFromText(String(server)) : server;
  if (
    typeof num !== "number" ||
    !Number.isSafeInteger(num) ||
    num < oldest ||
    (num >= afterNine && num < ten) ||
    num >= newestMajor + 10000
  ) {
    throw new UnsupportedError(
      `unknown server version ${shown(server)}: expected 9.4 to ${formatMajor(newestMajor)}, such as "15.18" or 150018`,
    );
  }
  // There are some hundred versions; whatever else a caller names must not pile up.
  if (numbers.size > 1000) numbers.clear();
  numbers.set(server, num);
  return num;
}

/** `server_version` as PostgreSQL prints it, "15.18" or "9.6.24". */
export function formatServerVersion(server: Server): string {
  const num = serverVersionNum(server);
  return `${formatMajor(majorOf(num))}.${num - majorOf(num)}`;
}

/** Capabilities by name, each with where PostgreSQL says so, and what servers have of them. A domain has one in its capabilities.ts. */
export class CapabilityTable<Name extends string> {
  readonly rows: Readonly<Record<Name, Capability>>;
  readonly #known = new Map<number, Readonly<Record<Name, boolean>>>();

  constructor(rows: Readonly<Record<Name, Capability>>) {
    this.rows = rows;
  }

  /** Does this server have the capability? */
  supports(server: Server, name: Name): boolean {
    const num = serverVersionNum(server);
    const { since, until } = this.rows[name];
    const major = majorOf(num);
    const first = since.find((each) => majorOf(each) >= major);
    return num >= (first ?? 0) && num < (until ?? Infinity);
  }

  /** What one server can do, by the names of capabilities, for code that asks for many of them. */
  of(server: Server): Readonly<Record<Name, boolean>> {
    const num = serverVersionNum(server);
    let has = this.#known.get(num);
    if (has === undefined) {
      const names = Object.keys(this.rows) as Name[];
      has = Object.fromEntries(names.map((name) => [name, this.supports(num, name)])) as Record<Name, boolean>;
      if (this.#known.size > 1000) this.#known.clear();
      this.#known.set(num, has);
    }
    return has;
  }

  /** The first version that has the capability, as a person would name it: "17", or "14.24, 15.19, 16.15, 17.11 or 18.6". */
  since(name: Name): string {
    return listed(this.rows[name].since.map(formatShort));
  }
}

/**
 * Insist on a capability.
 *
 * @param what What needs it, as the subject of a sentence: "READ_REPLICATION_SLOT".
 * @param ending The end of the sentence of the error, with what to write instead; else where the capability ends, if it does.
 * @throws UnsupportedError UNSUPPORTED, naming the capability, if this server lacks it.
 */
export function requireCapability<Name extends string>(
  table: CapabilityTable<Name>,
  server: Server,
  name: Name,
  what: string,
  ending?: string,
): void {
  if (table.supports(server, name)) return;
  const { until } = table.rows[name];
  const end = ending ?? (until === undefined ? "" : ` and before ${formatMajor(until)}`);
  const version = formatServerVersion(server);
  throw new UnsupportedError(`${what} is not in PostgreSQL ${version}, only since ${table.since(name)}${end}`, name);
}

/**
 * All versions, or those with a capability, oldest first, as ranges within which nothing of a table changes: to ask one version of each
 * is to ask them all.
 */
export function rangesOf<Name extends string>(table: CapabilityTable<Name>, name?: Name): VersionRange[] {
  const starts = new Set([oldest]);
  for (const { since, until } of Object.values<Capability>(table.rows)) {
    // A major begins without what the one before it got in a minor.
    for (const first of since) starts.add(first).add(majorOf(first));
    if (until !== undefined) starts.add(until);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  const ranges = sorted.map((since, i) => ({ since, until: sorted[i + 1] }));
  return name === undefined ? ranges : ranges.filter(({ since }) => table.supports(since, name));
}

/**
 * What majors have of some capabilities together, each combination once, that of the oldest first. What came by minors comes with the
 * next major here; the newest major has everything.
 */
export function combinationsOf<Name extends string>(
  table: CapabilityTable<Name>,
  names: readonly Name[],
): Readonly<Record<Name, boolean>>[] {
  const all = new Map<string, Readonly<Record<Name, boolean>>>();
  for (const major of [...Object.keys(newestMinor).map(Number), newestMajor + 99]) {
    const has = Object.fromEntries(names.map((name) => [name, table.supports(major, name)])) as Record<Name, boolean>;
    all.set(JSON.stringify(has), has);
  }
  return [...all.values()];
}

export const lsnCapabilities = /* @__PURE__ */ new CapabilityTable(lsnRows);

/** Versions that follow each other: those from `since` on, and before `until`; undefined means that there is no end. */
export interface VersionRange {
  /** server_version_num of the first. */
  readonly since: number;
  /** server_version_num of the first after them. */
  readonly until: number | undefined;
}

/** Ranges in ascending order, with those that touch made one. */
export function joinRanges(ranges: readonly VersionRange[]): VersionRange[] {
  const joined: VersionRange[] = [];
  for (const range of ranges) {
    const touching = joined.at(-1)?.until === range.since ? joined.pop() : undefined;
    joined.push({ since: touching?.since ?? range.since, until: range.until });
  }
  return joined;
}

/** A verdict, and the versions that give it. */
export interface VersionVerdict<Verdict> {
  /** In ascending order. */
  readonly versions: readonly VersionRange[];
  /** That of the newest of them. */
  readonly verdict: Verdict;
}

/**
 * Ask one version of each range, and put those together whose verdicts have the same key; that of the newest version comes first. A
 * version without a verdict is left out.
 *
 * @param ranges As `rangesOf` gives them.
 */
export function verdictsByVersion<Verdict>(
  ranges: readonly VersionRange[],
  ask: (server: number) => Verdict | undefined,
  keyOf: (verdict: Verdict) => string,
): VersionVerdict<Verdict>[] {
  const groups = new Map<string, VersionVerdict<Verdict>>();
  for (const range of [...ranges].reverse()) {
    const verdict = ask(range.since);
    if (verdict === undefined) continue;
    const key = keyOf(verdict);
    const newer = groups.get(key) ?? { versions: [], verdict };
    groups.set(key, { versions: joinRanges([range, ...newer.versions]), verdict: newer.verdict });
  }
  return [...groups.values()];
}

/**
 * Ranges as people name them: "15 and later", "10 to 14", "10.0 to 10.19", "14.24, 15.19, 16.15 and later", "no version".
 *
 * @param ranges As `joinRanges` gives them.
 */
export function formatVersions(ranges: readonly VersionRange[]): string {
  const isRange = (range: VersionRange): boolean =>
    typeof range?.since === "number" && (range.until === undefined || typeof range.until === "number");
  if (!isArrayOf(ranges, isRange)) refuseArgument("ranges", "an array of ranges of versions", ranges);
  return ranges.map((range, i) => formatRange(range, ranges[i + 1])).join(", ") || "no version";
}

function formatRange({ since, until }: VersionRange, next: VersionRange | undefined): string {
  const wholeMajor = since === majorOf(since);
  const first = formatShort(since);
  if (until === undefined) return `${first} and later`;
  if (until !== majorOf(until)) {
    const last = formatServerVersion(until - 1);
    const from = majorOf(since) === majorOf(until) ? formatServerVersion(since) : first;
    return from === last ? last : `${from} to ${last}`;
  }
  const last = majorBefore(until);
  if (wholeMajor) return since === last ? first : `${first} to ${formatMajor(last)}`;
  if (majorOf(since) < last) return `${first} to ${formatMajor(last)}`;
  // What came by minors: "14.24, 15.19 and later" means from there on in each.
  const nextToo = next !== undefined && next.since !== majorOf(next.since);
  return nextToo ? first : `${first} and later minors`;
}

/** The major before this one. */
function majorBefore(major: number): number {
  if (major > 100000) return major - 10000;
  return major === 100000 ? 90600 : major - 100;
}

/** "18" or "9.6". */
export function formatMajor(num: number): string {
  return num >= 100000 ? String(num / 10000) : `${Math.floor(num / 10000)}.${Math.floor(num / 100) % 100}`;
}

/** "18" for its first release, else "18.4". */
function formatShort(num: number): string {
  return num === majorOf(num) ? formatMajor(num) : formatServerVersion(num);
}

/** The version number of a major's first release: 150018 → 150000, 90624 → 90600. */
export function majorOf(num: number): number {
  return num >= 100000 ? num - (num % 10000) : num - (num % 100);
}

/** The newest known minor of a major (as in `majorOf`), as a version number; its first release if none is known. */
export function newestOf(major: number): number {
  return major + (newestMinor[major] ?? 0);
}

function numFromText(text: string): number {
  // What SHOW server_version_num answers.
  if (/^[1-9]\d{4,5}$/.test(text)) return Number(text);
  // Servers before 10 have two-part majors. What follows a blank (Debian's package) says nothing more. Before its release a
  // major reports minor 0, whatever has been released of it since.
  const match = /^\s*(?:(9)\.(\d)|([1-9]\d))(?:\.(\d{1,2})|((?:devel|alpha|beta|rc)\d*))?(?:\s.*)?$/s.exec(text);
  if (match === null) return Number.NaN;
  const [, nine, second, ten, minor, early] = match;
  const major = nine !== undefined ? 90000 + Number(second) * 100 : Number(ten) * 10000;
  if (early !== undefined) return major;
  return minor !== undefined ? major + Number(minor) : newestOf(major);
}
