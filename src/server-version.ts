/**
 * What each PostgreSQL version can do: the only file in which version numbers are written.
 *
 * Everything else asks for a capability by name. A version is a `server_version_num` (150018 is 15.18, 90624 is 9.6.24).
 * Two behaviours changed in minor releases, so minors count; a major alone means its newest minor known here.
 */
import { UnsupportedError } from "./errors.ts";

/**
 * A server version: a `server_version_num` (180004), or text as people and servers write it ("18", "15.18", "9.6",
 * "19beta1", "15.18 (Debian 15.18-0+deb12u1)"). A major alone, also as a small number (18), means its newest known minor.
 */
export type Server = number | string;

/** What is assumed when nobody names a server: the newest major that our tests run. */
export const defaultServer: Server = "18";

/** The oldest version that walwire knows anything about. */
const oldest = 90400;

/** Newest minor known of each major (major as in `majorOf`). A major that is not here has no release that we know. */
const newestMinor: Readonly<Record<number, number>> = {
  90400: 26,
  90500: 25,
  90600: 24,
  100000: 23,
  110000: 22,
  120000: 22,
  130000: 23,
  140000: 24,
  150000: 20,
  160000: 15,
  170000: 11,
  180000: 6,
};

interface Capability {
  /**
   * The first version that has it, per major if it came by minor releases: in ascending order, one entry per major from
   * the first that has it; a major after the last entry has it, one before the first does not.
   */
  readonly since: readonly number[];
  /** The first version that has it no more. */
  readonly until?: number;
  /** Where PostgreSQL says so. */
  readonly source: string;
}

/** Capabilities by name, in the order in which they came. */
export const capabilities = {
  slotNameHintSaysLowerCase: {
    since: [90405, 90500],
    source: "slot.c: ReplicationSlotValidateName, commit 920218cbc0",
  },
  quorumCommit: { since: [100000], source: "syncrep_gram.y: standby_config" },
  pgoutput: { since: [100000], source: "pgoutput.c" },
  publishTruncate: { since: [110000], source: "pgoutput.c: pgoutput_truncate" },
  baseBackupKeywords: { since: [90400], until: 150000, source: "repl_gram.y: base_backup_opt" },
  baseBackupNoVerifyChecksums: { since: [110000], until: 150000, source: "repl_gram.y: K_NOVERIFY_CHECKSUMS" },
  baseBackupManifest: { since: [130000], until: 150000, source: "repl_gram.y: K_MANIFEST" },
  logicalMessages: { since: [140000], source: "pgoutput.c: parse_output_parameters" },
  pgoutputBinary: { since: [140000], source: "pgoutput.c: parse_output_parameters" },
  streamingOfTransactions: { since: [140000], source: "logicalproto.h: LOGICALREP_PROTO_STREAM_VERSION_NUM" },
  firstTokenRule: {
    since: [100020, 110015, 120010, 130006, 140002, 150000],
    source: "repl_scanner.l: replication_scanner_is_replication_command, commits 6aa5186146 and 3c06ec6d14",
  },
  genericOptions: { since: [150000], source: "repl_gram.y: generic_option_list" },
  readReplicationSlot: { since: [150000], source: "repl_gram.y: read_replication_slot" },
  twoPhaseOption: { since: [150000], source: "logicalproto.h: LOGICALREP_PROTO_TWOPHASE_VERSION_NUM" },
  protoVersionThroughStrtoul: { since: [150000], source: "pgoutput.c: parse_output_parameters, commit cfc7191dfe" },
  compressionLong: { since: [160000], source: "compression.c: PG_COMPRESSION_OPTION_LONG_DISTANCE" },
  parallelStreaming: { since: [160000], source: "logicalproto.h: LOGICALREP_PROTO_STREAM_PARALLEL_VERSION_NUM" },
  originOption: { since: [160000], source: "pgoutput.c: parse_output_parameters" },
  protocolErrorNamesServer: { since: [160000], source: "pgoutput.c: pgoutput_startup, commit 6971a839cc" },
  alterReplicationSlot: { since: [170000], source: "repl_gram.y: alter_replication_slot" },
  uploadManifest: { since: [170000], source: "repl_gram.y: upload_manifest" },
  incrementalBackup: { since: [170000], source: "basebackup.c: parse_basebackup_options" },
  failoverSlots: { since: [170000], source: "walsender.c: parseCreateReplSlotOptions" },
  pgoutputOptionsRequired: {
    since: [170000],
    source: "pgoutput.c: parse_output_parameters, commits c8bc807cf8 and edee0c621d",
  },
  verticalTabIsSpace: { since: [170000], source: "repl_scanner.l: space" },
  doubledQuoteInIdentifier: {
    since: [140024, 150019, 160015, 170011, 180006],
    source: "repl_scanner.l: xddouble, commit a75bd485b5",
  },
  alterTwoPhase: { since: [180000], source: "walsender.c: AlterReplicationSlot" },
  lsnZeroPadded: { since: [190000], source: "xlogdefs.h: LSN_FORMAT_ARGS used with %X/%08X, commit 2633dae2e4" },
  lsnLowHalfIsEightDigits: { since: [190000], source: "repl_scanner.l: sscanf of %X/%08X" },
  pgoutputValuesChecked: {
    since: [140025, 150020, 160016, 170012, 180007, 190001],
    source: "pgoutput.c: parse_output_parameters, commits 290bb8afe6 and, in 15, c6cb792e8",
  },
  conflictDetectionSlot: { since: [190000], source: "slot.c: IsSlotForConflictCheck" },
} as const satisfies Record<string, Capability>;

export type CapabilityName = keyof typeof capabilities;

/**
 * The `server_version_num` of a server.
 *
 * @throws UnsupportedError UNKNOWN_SERVER if it is no version, or one before 9.4.
 * @example serverVersionNum("15.18 (Debian 15.18-0+deb12u1)") // 150018
 */
export function serverVersionNum(server: Server = defaultServer): number {
  // A number such as 15.2 could mean 15.20: versions with a minor are text, or a server_version_num.
  const num =
    typeof server === "number" && !(server < 100 && Number.isInteger(server)) ? server : numFromText(String(server));
  if (!Number.isSafeInteger(num) || num < oldest || num >= 1000000) {
    throw new UnsupportedError(
      `${JSON.stringify(server) ?? String(server)} is not a server version that walwire knows: write "18", "15.18" or 150018, from 9.4 on`,
    );
  }
  return num;
}

/** `server_version` as PostgreSQL prints it, "15.18" or "9.6.24". */
export function formatServerVersion(server: Server): string {
  const num = serverVersionNum(server);
  return num >= 100000
    ? `${Math.floor(num / 10000)}.${num % 10000}`
    : `${Math.floor(num / 10000)}.${Math.floor(num / 100) % 100}.${num % 100}`;
}

/** Does this server have the capability? */
export function supports(server: Server, name: CapabilityName): boolean {
  const num = serverVersionNum(server);
  const { since, until }: Capability = capabilities[name];
  if (until !== undefined && num >= until) return false;
  const major = majorOf(num);
  for (const first of since) {
    if (majorOf(first) >= major) return num >= first;
  }
  return true;
}

/**
 * Insist on a capability.
 *
 * @param what What needs it, as the subject of a sentence: "READ_REPLICATION_SLOT".
 * @throws UnsupportedError UNSUPPORTED, naming the capability, if this server lacks it.
 */
export function requireCapability(server: Server, name: CapabilityName, what: string): void {
  if (supports(server, name)) return;
  const { until }: Capability = capabilities[name];
  const before = until === undefined ? "" : ` and before ${formatMajor(until)}`;
  const version = formatServerVersion(server);
  throw new UnsupportedError(
    `${what} is not in PostgreSQL ${version}, only since ${sinceVersion(name)}${before}`,
    name,
  );
}

/**
 * The first version that has the capability, as a person would name it: "17", or "14.24, 15.19, 16.15, 17.11 or 18.6".
 */
export function sinceVersion(name: CapabilityName): string {
  const names = capabilities[name].since.map((num) =>
    num === majorOf(num) ? formatMajor(num) : formatServerVersion(num),
  );
  const last = names.pop()!;
  return names.length > 0 ? `${names.join(", ")} or ${last}` : last;
}

/** "18" or "9.6". */
function formatMajor(num: number): string {
  return num >= 100000 ? String(num / 10000) : `${Math.floor(num / 10000)}.${Math.floor(num / 100) % 100}`;
}

/** The version number of a major's first release: 150018 → 150000, 90624 → 90600. */
function majorOf(num: number): number {
  return num >= 100000 ? num - (num % 10000) : num - (num % 100);
}

function numFromText(text: string): number {
  // Servers before 10 have two-part majors. What follows a blank (Debian's package) says nothing more. Before its release a
  // major reports minor 0, whatever has been released of it since.
  const match = /^\s*(?:(9)\.(\d)|([1-9]\d))(?:\.(\d{1,2})|((?:devel|alpha|beta|rc)\d*))?(?:\s.*)?$/s.exec(text);
  if (match === null) return Number.NaN;
  const [, nine, second, ten, minor, early] = match;
  const major = nine !== undefined ? 90000 + Number(second) * 100 : Number(ten) * 10000;
  if (early !== undefined) return major;
  return major + (minor !== undefined ? Number(minor) : (newestMinor[major] ?? 0));
}
