/**
 * `walwire combine-backup`: a full backup of a full one and the incremental ones after it.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 *
 * @source pg_combinebackup.c: main, add_tablespace_mapping
 */
import { counted, formatBytes } from "../../../kernel/words.ts";
import { verifyBackupCapabilities } from "../../capabilities.ts";
import { CombineBackupError, type CombinedBackup, type CopyMethod, combineBackup } from "../../combine-backup.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { hasColors, ProgressLine } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../shared/usage.ts";
import type { CombineBackupCall } from "./declaration.ts";

/** `walwire combine-backup`. */
export async function run({
  argument: directories,
  options,
}: Pick<CombineBackupCall, "argument" | "options">): Promise<Status> {
  const { output, dryRun, quiet, json, server } = options;
  if (output === undefined) throw new UsageError("missing --output DIRECTORY");
  if (output === "" || directories.includes("")) throw new UsageError("the path of a directory is empty");
  if (options.copyFileRange) {
    throw new UsageError("--copy-file-range is not supported: Node has no copy_file_range(); use --clone");
  }
  if (server !== undefined && !verifyBackupCapabilities.supports(server, "incrementalBackups")) {
    throw new UsageError("--server must be 17 or later: older servers take no incremental backups");
  }
  if (server !== undefined && options.link && !verifyBackupCapabilities.supports(server, "combineBackupLink")) {
    throw new UsageError("--link requires --server 18 or later");
  }
  const copyMethod: CopyMethod = options.link ? "link" : options.clone ? "clone" : "copy";
  const tablespaces = mappingsOf(options.tablespaceMapping);
  const line = new ProgressLine(options.progress || (process.stderr.isTTY && !quiet));
  const errors = new Page({ write: (text) => process.stderr.write(text), hasColors: () => hasColors(process.stderr) });
  const warnings: string[] = [];
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const interrupt = new AbortController();
  const stop = onInterrupt(() => interrupt.abort());
  let result: CombinedBackup;
  try {
    result = await combineBackup(directories, output, {
      ...{ server, tablespaces, dryRun, copyMethod },
      sync: !options.noSync,
      manifestChecksums: options.manifestChecksums,
      manifest: !options.noManifest,
      onWarning(message, hint) {
        line.clear();
        warnings.push(message);
        if (json) return;
        errors.mark("neutral", `warning: ${printable(message)}`);
        if (hint !== undefined) errors.line(`  ${hint}`);
      },
      onProgress({ files, bytes }) {
        const speed = `${formatBytes(Math.round(bytes / seconds()))}/s`;
        line.show(`${files.toLocaleString("en")} files, ${formatBytes(bytes)}, ${speed}`);
      },
      signal: interrupt.signal,
    });
  } catch (error) {
    line.clear();
    if (interrupt.signal.aborted) return status.interrupted;
    throw error instanceof CombineBackupError ? explained(error) : error;
  } finally {
    stop();
  }
  line.clear();
  const { files, reconstructed, bytes } = result;
  if (json) {
    const systemIdentifier = String(result.systemIdentifier);
    const elapsed = Math.round(seconds() * 1000) / 1000;
    const value = { systemIdentifier, files, reconstructed, bytes, warnings, seconds: elapsed };
    process.stdout.write(`${JSON.stringify(value)}\n`);
  } else if (!quiet) {
    const page = new Page({
      write: (text) => process.stdout.write(text),
      hasColors: () => hasColors(process.stdout),
    });
    const backups = counted(directories.length, "backup");
    const written = `${counted(files, "file")}, ${formatBytes(bytes)}`;
    page.mark("neutral", `${counted(reconstructed, "file")} of the blocks of several backups`);
    const speed = `${seconds().toFixed(1)} s, ${formatBytes(Math.round(bytes / seconds()))}/s`;
    if (dryRun) page.mark("good", `${backups} can be combined to ${written}; nothing was written`);
    else page.mark("good", `${backups} combined in ${printable(output)}: ${written} (${speed})`);
  }
  return status.good;
}

/** What was read is bad, or something could not be read or written. */
function explained({ kind, message, hint }: CombineBackupError): InputError {
  const sentence = printable(hint === undefined ? message : `${message}. ${hint}`);
  return kind === "output" || kind === "unreadable" ? new UnseenError(sentence) : new InputError(sentence);
}

/** @throws UsageError in the words of pg_combinebackup. @source pg_combinebackup.c: add_tablespace_mapping */
function mappingsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      // Each part ends at an = that has no backslash before it.
      const parts = text.split(/(?<!\\)=/).map((part) => part.replaceAll("\\=", "="));
      if (parts.length > 2) throw new UsageError('multiple "=" signs in tablespace mapping');
      const [from = "", to = ""] = parts;
      if (from === "" || to === "") {
        const quoted = JSON.stringify(text);
        throw new UsageError(`invalid tablespace mapping format ${quoted}, must be "OLDDIR=NEWDIR"`);
      }
      for (const [which, path] of [
        ["old", from],
        ["new", to],
      ]) {
        if (path!.startsWith("/")) continue;
        throw new UsageError(`${which} directory is not an absolute path in tablespace mapping: ${path}`);
      }
      return [from, to];
    }),
  );
}
