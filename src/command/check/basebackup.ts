/**
 * BASE_BACKUP: its options, and what else the server refuses before it looks at anything but the command.
 *
 * A port of basebackup.c (parse_basebackup_options), of basebackup_target.c, and of single checks in basebackup_server.c and
 * xlog.c.
 */
import { EncodeError } from "../../kernel/errors.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import type { BaseBackupCmd, DefElem } from "../ast.ts";
import { adviseOnName, adviseOnRepetition, nearestName, type OptionNames } from "./advise.ts";
import {
  algorithmNames,
  type CompressSpecification,
  parseCompressSpecification,
  type ServerBuild,
} from "./compression.ts";
import { defGetBoolean, defGetInt64, defGetString, equalsIgnoringCase, optionsOf, parseBool } from "./defget.ts";
import { type Check, errcode } from "./refusal.ts";

/** backup_manifest_option, without its prefix. */
export type ManifestOption = "YES" | "NO" | "FORCE_ENCODE";

/** pg_checksum_type, without its prefix. */
export type ChecksumType = "NONE" | "CRC32C" | "SHA224" | "SHA256" | "SHA384" | "SHA512";

/** What BASE_BACKUP asks for, defaults filled in. @source basebackup.c: basebackup_options */
export interface BaseBackupOptions {
  readonly type: "BaseBackupOptions";
  /** What the backup is called in backup_label; "base backup" if nothing was said. */
  readonly label: string;
  /** Is the size of each tablespace estimated first, and progress reported? */
  readonly progress: boolean;
  /** Is the checkpoint at the start done as fast as can be, rather than spread? */
  readonly fastcheckpoint: boolean;
  /** Does the server end the backup without waiting for its WAL to be archived? */
  readonly nowait: boolean;
  /** Are the WAL files that the backup needs in it? */
  readonly includewal: boolean;
  /** Only what has changed since the manifest that was uploaded? Since 17. */
  readonly incremental: boolean;
  /** kB a second; 0 for no limit. */
  readonly maxrate: number;
  /** Is there a tablespace_map in the backup? Since 9.5. */
  readonly sendtblspcmapfile: boolean;
  /** Are checksums of pages left unverified? Before 11 there was no choice: true. */
  readonly noverifyChecksums: boolean;
  /** Is there a manifest? Before 13: NO. */
  readonly manifest: ManifestOption;
  /** Of the files in the manifest; NONE without one. */
  readonly manifestChecksumType: ChecksumType;
  /** Where the backup goes: "client" if nothing was said, "server" for a directory there, "blackhole" for nowhere. */
  readonly target: string;
  /** The directory, for the target "server"; undefined for others. */
  readonly targetDetail: string | undefined;
  /** How the server compresses the archives. Before 15 it cannot. */
  readonly compressionSpecification: CompressSpecification;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** basebackup.h: MAX_RATE_LOWER and MAX_RATE_UPPER, in kB a second. */
const [maxRateLower, maxRateUpper] = [32, 1048576];

/** pg_config_manual.h: MAXPGPATH, which is the limit for a label in bytes. */
const maxLabelBytes = 1024;

/** @source basebackup.c: SendBaseBackup */
export function baseBackup(check: Check, command: BaseBackupCmd, build: ServerBuild): BaseBackupOptions {
  const options = optionsOf(command);
  const given = new Map<string, number>();
  const parsed = check.supports("genericOptions")
    ? parseBaseBackupOptions(check, options, given, build)
    : parseBaseBackupWords(check, options, given);

  if (parsed.target === "server" && !/^\//.test(parsed.targetDetail!)) {
    check.refuse({
      sqlstate: errcode.INVALID_NAME,
      message: "relative path not allowed for backup stored on server",
      path: at(given, "target_detail", "arg"),
      advice: "Write the whole path, from / on.",
    });
  }
  if (longerThan(parsed.label, maxLabelBytes)) {
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: `backup label too long (max ${maxLabelBytes} bytes)`,
      path: at(given, "label", "arg"),
      advice: "Choose a shorter label.",
    });
  }
  return parsed;
}

function at(given: ReadonlyMap<string, number>, name: string, part: "defname" | "arg"): string {
  return `options[${given.get(name)}].${part}`;
}

/** Has the text more bytes of UTF-8 than this? */
function longerThan(text: string, bytes: number): boolean {
  // A UTF-16 unit takes one byte at least and three at most.
  if (text.length > bytes) return true;
  if (text.length * 3 <= bytes) return false;
  let count = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    count += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return count > bytes;
}

function defaults(): Mutable<BaseBackupOptions> {
  return {
    type: "BaseBackupOptions",
    label: "base backup",
    progress: false,
    fastcheckpoint: false,
    nowait: false,
    includewal: false,
    incremental: false,
    maxrate: 0,
    sendtblspcmapfile: false,
    noverifyChecksums: false,
    manifest: "NO",
    manifestChecksumType: "CRC32C",
    target: "client",
    targetDetail: undefined,
    compressionSpecification: { algorithm: "NONE", level: 0, workers: undefined, longDistance: false },
  };
}

// ---- Options in parentheses ----

const names: OptionNames = {
  label: undefined,
  progress: undefined,
  checkpoint: undefined,
  wait: undefined,
  wal: undefined,
  incremental: "incrementalBackup",
  max_rate: undefined,
  tablespace_map: undefined,
  verify_checksums: undefined,
  manifest: undefined,
  manifest_checksums: undefined,
  target: undefined,
  target_detail: undefined,
  compression: undefined,
  compression_detail: undefined,
};

/** Words of BASE_BACKUP before options stood in parentheses, and what is said today. */
const formerWords: ReadonlyMap<string, string> = new Map([
  ["fast", "CHECKPOINT 'fast'"],
  ["nowait", "WAIT false"],
  ["noverify_checksums", "VERIFY_CHECKSUMS false"],
]);

function parseBaseBackupOptions(
  check: Check,
  options: readonly DefElem[],
  given: Map<string, number>,
  build: ServerBuild,
): BaseBackupOptions {
  const parsed = defaults();
  let target: string | undefined;
  let compression = "none";
  let compressionDetail: string | undefined;

  for (const [i, option] of options.entries()) {
    const { defname } = option;
    const needs = Object.hasOwn(names, defname) ? names[defname] : undefined;
    const name = needs === undefined || check.supports(needs) ? defname : "";
    /** For these the server asks for the value before it notices that it has one. */
    const string = (): string => {
      const value = defGetString(check, option, i);
      refuseRepetition(check, given, defname, i);
      return value;
    };
    const boolean = (): boolean => {
      refuseRepetition(check, given, defname, i);
      return defGetBoolean(check, option, i);
    };
    switch (name) {
      case "label":
        refuseRepetition(check, given, defname, i);
        parsed.label = defGetString(check, option, i);
        break;
      case "progress":
        parsed.progress = boolean();
        break;
      case "checkpoint":
        parsed.fastcheckpoint = checkpointOf(check, string(), i);
        break;
      case "wait":
        parsed.nowait = !boolean();
        break;
      case "wal":
        parsed.includewal = boolean();
        break;
      case "incremental":
        parsed.incremental = boolean();
        break;
      case "max_rate":
        refuseRepetition(check, given, defname, i);
        parsed.maxrate = maxRateOf(check, defGetInt64(check, option, i), i);
        break;
      case "tablespace_map":
        parsed.sendtblspcmapfile = boolean();
        break;
      case "verify_checksums":
        parsed.noverifyChecksums = !boolean();
        break;
      case "manifest":
        parsed.manifest = manifestOf(check, string(), i);
        break;
      case "manifest_checksums":
        parsed.manifestChecksumType = checksumTypeOf(check, string(), i);
        break;
      case "target":
        refuseRepetition(check, given, defname, i);
        target = defGetString(check, option, i);
        break;
      case "target_detail":
        parsed.targetDetail = string();
        break;
      case "compression":
        compression = algorithmOf(check, string(), i);
        break;
      case "compression_detail":
        refuseRepetition(check, given, defname, i);
        compressionDetail = defGetString(check, option, i);
        break;
      default:
        unrecognized(check, defname, i);
    }
    given.set(defname, i);
  }

  checkManifest(check, parsed, given, "Add MANIFEST yes, or leave MANIFEST_CHECKSUMS out.");
  checkTarget(check, target, parsed.targetDetail, given);
  parsed.target = target ?? parsed.target;
  if (compressionDetail !== undefined && !given.has("compression")) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "compression detail cannot be specified unless compression is enabled",
      path: at(given, "compression_detail", "defname"),
      advice: `Add COMPRESSION with one of ${algorithmNames.join(", ")}.`,
    });
  }
  const specification = parseCompressSpecification(check, compression, compressionDetail, build);
  if ("error" in specification) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `invalid compression specification: ${specification.error}`,
      path: at(given, compressionDetail === undefined ? "compression" : "compression_detail", "arg"),
      advice: specification.advice,
    });
  }
  parsed.compressionSpecification = specification;
  return parsed;
}

function unrecognized(check: Check, name: string, index: number): never {
  const today = formerWords.get(name);
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized base backup option: "${name}"`,
    path: `options[${index}].defname`,
    advice: today === undefined ? adviseOnName(name, names, check.server) : `Write ${today}.`,
  });
}

function checkpointOf(check: Check, value: string, index: number): boolean {
  if (equalsIgnoringCase(value, "fast")) return true;
  if (equalsIgnoringCase(value, "spread")) return false;
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized checkpoint type: "${value}"`,
    path: `options[${index}].arg`,
    advice: "It is fast or spread.",
  });
}

function algorithmOf(check: Check, value: string, index: number): string {
  if (algorithmNames.includes(value)) return value;
  const lower = downcaseIdentifier(value);
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized compression algorithm: "${value}"`,
    path: `options[${index}].arg`,
    advice: algorithmNames.includes(lower)
      ? `Write it in lower case: ${lower}.`
      : `It is one of ${algorithmNames.join(", ")}.`,
  });
}

// ---- Targets ----

const targets: readonly string[] = ["client", "server", "blackhole"];

/** Extensions may add targets, which we cannot know. @source basebackup_target.c: BaseBackupGetTargetHandle */
function checkTarget(
  check: Check,
  target: string | undefined,
  detail: string | undefined,
  given: ReadonlyMap<string, number>,
): void {
  if (target === undefined && detail !== undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "target detail cannot be used without target",
      path: at(given, "target_detail", "defname"),
      advice: "Add TARGET server, or leave TARGET_DETAIL out.",
    });
  }
  if (target !== undefined && !targets.includes(target)) {
    const nearest = nearestName(downcaseIdentifier(target), targets);
    check.refuse({
      sqlstate: errcode.FEATURE_NOT_SUPPORTED,
      message: `unrecognized target: "${target}"`,
      path: at(given, "target", "arg"),
      advice: nearest !== undefined ? `Did you mean ${nearest}?` : `It is one of ${targets.join(", ")}.`,
    });
  }
  if (target === "server" && detail === undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `target "${target}" requires a target detail`,
      path: at(given, "target", "arg"),
      advice: "Add TARGET_DETAIL with a directory of the server.",
    });
  }
  if (target !== undefined && target !== "server" && detail !== undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `target "${target}" does not accept a target detail`,
      path: at(given, "target_detail", "defname"),
      advice: "Leave TARGET_DETAIL out.",
    });
  }
}

// ---- Options that are words ----

const words: readonly string[] = [
  ...["label", "progress", "fast", "nowait", "wal", "max_rate", "tablespace_map", "noverify_checksums"],
  ...["manifest", "manifest_checksums"],
];

/** Words have no values but those of the grammar, so that nothing can be wrong with most. */
function parseBaseBackupWords(
  check: Check,
  options: readonly DefElem[],
  given: Map<string, number>,
): BaseBackupOptions {
  const parsed = defaults();
  parsed.noverifyChecksums = !check.supports("baseBackupNoVerifyChecksums");
  for (const [i, option] of options.entries()) {
    const { defname } = option;
    if (words.includes(defname)) refuseRepetition(check, given, defname, i);
    switch (defname) {
      case "label":
        parsed.label = strVal(option, i);
        break;
      case "progress":
        parsed.progress = true;
        break;
      case "fast":
        parsed.fastcheckpoint = true;
        break;
      case "nowait":
        parsed.nowait = true;
        break;
      case "wal":
        parsed.includewal = true;
        break;
      case "max_rate":
        parsed.maxrate = maxRateOf(check, defGetInt64(check, option, i), i);
        break;
      case "tablespace_map":
        parsed.sendtblspcmapfile = true;
        break;
      case "noverify_checksums":
        parsed.noverifyChecksums = true;
        break;
      case "manifest":
        parsed.manifest = manifestOf(check, strVal(option, i), i);
        break;
      case "manifest_checksums":
        parsed.manifestChecksumType = checksumTypeOf(check, strVal(option, i), i);
        break;
      default:
        // The grammar makes no others.
        check.refuse({
          sqlstate: errcode.INTERNAL_ERROR,
          message: `option "${defname}" not recognized`,
          path: `options[${i}].defname`,
          advice: `The options are ${words.join(", ")}.`,
        });
    }
    given.set(defname, i);
  }
  checkManifest(check, parsed, given, "Add MANIFEST 'yes', or leave MANIFEST_CHECKSUMS out.");
  return parsed;
}

/** @throws EncodeError for what is no string, where the grammar allows nothing else. */
function strVal({ defname, arg }: DefElem, index: number): string {
  if (arg?.type === "String") return arg.sval;
  const path = `BaseBackupCmd.options[${index}].arg`;
  throw new EncodeError(path, `${path}: ${defname} takes a string`);
}

// ---- What both forms have ----

function refuseRepetition(check: Check, given: ReadonlyMap<string, number>, name: string, index: number): void {
  if (!given.has(name)) return;
  check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `duplicate option "${name}"`,
    path: `options[${index}].defname`,
    advice: adviseOnRepetition(name),
  });
}

function maxRateOf(check: Check, rate: number, index: number): number {
  if (rate >= maxRateLower && rate <= maxRateUpper) return rate;
  const range = `(${maxRateLower} .. ${maxRateUpper})`;
  return check.refuse({
    sqlstate: errcode.NUMERIC_VALUE_OUT_OF_RANGE,
    message: `${rate} is outside the valid range for parameter "MAX_RATE" ${range}`,
    path: `options[${index}].arg`,
    advice: `Write kilobytes a second, from ${maxRateLower} to ${maxRateUpper}.`,
  });
}

function manifestOf(check: Check, value: string, index: number): ManifestOption {
  const boolean = parseBool(value);
  if (boolean !== undefined) return boolean ? "YES" : "NO";
  if (equalsIgnoringCase(value, "force-encode")) return "FORCE_ENCODE";
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized manifest option: "${value}"`,
    path: `options[${index}].arg`,
    advice: "It is yes, no or force-encode.",
  });
}

const checksumTypes: readonly ChecksumType[] = ["NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512"];

/** @source checksum_helper.c: pg_checksum_parse_type */
function checksumTypeOf(check: Check, value: string, index: number): ChecksumType {
  const type = checksumTypes.find((each) => equalsIgnoringCase(value, each.toLowerCase()));
  if (type !== undefined) return type;
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `unrecognized checksum algorithm: "${value}"`,
    path: `options[${index}].arg`,
    advice: `It is one of ${checksumTypes.join(", ")}.`,
  });
}

/** Without a manifest there is nothing to have checksums in. */
function checkManifest(
  check: Check,
  parsed: Mutable<BaseBackupOptions>,
  given: ReadonlyMap<string, number>,
  advice: string,
): void {
  if (parsed.manifest !== "NO") return;
  if (given.has("manifest_checksums")) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "manifest checksums require a backup manifest",
      path: at(given, "manifest_checksums", "defname"),
      advice,
    });
  }
  parsed.manifestChecksumType = "NONE";
}
