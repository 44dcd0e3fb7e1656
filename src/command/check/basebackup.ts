/**
 * BASE_BACKUP: what the server refuses of its options together, before it looks at anything but the command.
 *
 * A port of basebackup.c (parse_basebackup_options), of basebackup_target.c, and of single checks in basebackup_server.c and xlog.c.
 */
import { downcaseIdentifier, truncateIdentifier } from "../../text/identifier.ts";
import type { BaseBackupCmd } from "../ast.ts";
import type { OptionsOf } from "../options/option.ts";
import { baseBackupOptions } from "../options/tables.ts";
import { nearestName } from "./advise.ts";
import { algorithmNames, type CompressSpecification, parseCompressSpecification } from "./compression.ts";
import { readOptions } from "./options.ts";
import { type Check, errcode } from "./refusal.ts";

/** What BASE_BACKUP asks for, defaults filled in. @source basebackup.c: basebackup_options */
export interface BaseBackupOptions extends OptionsOf<typeof baseBackupOptions> {
  readonly type: "BaseBackupOptions";
  /** What `compression` and `compressionDetail` mean together. */
  readonly compressionSpecification: CompressSpecification;
}

/** pg_config_manual.h: MAXPGPATH, which is the limit for a label in bytes. */
const maxLabelBytes = 1024;

/** @source basebackup.c: SendBaseBackup, parse_basebackup_options */
export function baseBackup(check: Check, command: BaseBackupCmd): BaseBackupOptions {
  const { values, given } = readOptions(check, baseBackupOptions, command);
  const { label, manifest, target, targetDetail, compression, compressionDetail } = values;
  const at = (field: keyof typeof values, part: "defname" | "arg"): string => `options[${given.get(field)}].${part}`;

  // Without a manifest there is nothing to have checksums in.
  if (manifest === "no" && given.has("manifestChecksums")) {
    const yes = check.supports("genericOptions") ? "yes" : "'yes'";
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "manifest checksums require a backup manifest",
      path: at("manifestChecksums", "defname"),
      advice: `Add MANIFEST ${yes}, or leave MANIFEST_CHECKSUMS out.`,
    });
  }
  checkTarget(check, given.has("target") ? target : undefined, targetDetail, at);
  if (compressionDetail !== undefined && !given.has("compression")) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "compression detail cannot be specified unless compression is enabled",
      path: at("compressionDetail", "defname"),
      advice: `Add COMPRESSION with one of ${algorithmNames.join(", ")}.`,
    });
  }
  const specification = parseCompressSpecification(check, compression, compressionDetail);
  if ("error" in specification) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `invalid compression specification: ${specification.error}`,
      path: at(compressionDetail === undefined ? "compression" : "compressionDetail", "arg"),
      advice: specification.advice,
    });
  }
  if (target === "server" && !/^\//.test(targetDetail!)) {
    check.refuse({
      sqlstate: errcode.INVALID_NAME,
      message: "relative path not allowed for backup stored on server",
      path: at("targetDetail", "arg"),
      advice: "Write the whole path, from / on.",
    });
  }
  if (truncateIdentifier(label, maxLabelBytes) !== label) {
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: `backup label too long (max ${maxLabelBytes} bytes)`,
      path: at("label", "arg"),
      advice: "Choose a shorter label.",
    });
  }
  return {
    type: "BaseBackupOptions",
    ...values,
    verifyChecksums: values.verifyChecksums && canVerifyChecksums(check),
    manifestChecksums: manifest === "no" ? "NONE" : values.manifestChecksums,
    compressionSpecification: specification,
  };
}

function canVerifyChecksums(check: Check): boolean {
  return check.supports("baseBackupNoVerifyChecksums") || check.supports("genericOptions");
}

/** Extensions may add targets, which we cannot know. @source basebackup_target.c: BaseBackupGetTargetHandle */
function checkTarget(
  check: Check,
  target: string | undefined,
  detail: string | undefined,
  at: (field: "target" | "targetDetail", part: "defname" | "arg") => string,
): void {
  if (target === undefined && detail !== undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: "target detail cannot be used without target",
      path: at("targetDetail", "defname"),
      advice: "Add TARGET server, or leave TARGET_DETAIL out.",
    });
  }
  const targets: readonly string[] = baseBackupOptions.rows.target.kind.words ?? [];
  if (target !== undefined && !targets.includes(target)) {
    const nearest = nearestName(downcaseIdentifier(target), targets);
    check.refuse({
      sqlstate: errcode.FEATURE_NOT_SUPPORTED,
      message: `unrecognized target: "${target}"`,
      path: at("target", "arg"),
      advice: nearest !== undefined ? `Did you mean ${nearest}?` : `Write one of ${targets.join(", ")}.`,
    });
  }
  if (target === "server" && detail === undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `target "${target}" requires a target detail`,
      path: at("target", "arg"),
      advice: "Add TARGET_DETAIL with a directory of the server.",
    });
  }
  if (target !== undefined && target !== "server" && detail !== undefined) {
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `target "${target}" does not accept a target detail`,
      path: at("targetDetail", "defname"),
      advice: "Leave TARGET_DETAIL out.",
    });
  }
}
