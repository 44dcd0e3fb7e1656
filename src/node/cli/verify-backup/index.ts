/**
 * `walwire verify-backup`: is a base backup what its manifest says? For people, as JSON, or word for word as pg_verifybackup says it.
 */
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { defaultServer, serverVersionNum } from "../../../kernel/version.ts";
import { counted, formatBytes } from "../../../kernel/words.ts";
import { verifyBackupCapabilities } from "../../capabilities.ts";
import { binaryPath } from "../../verify-backup/paths.ts";
import {
  type BackupChainVerification,
  type BackupProblem,
  type BackupVerification,
  type VerifyProgress,
  verifyBackup,
  verifyBackupChain,
} from "../../verify-backup.ts";
import { hasColors, ProgressLine } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { VerifyBackupCall } from "./declaration.ts";

/** How the call wants it. */
interface Call {
  readonly server: number;
  readonly quiet: boolean;
  readonly progress: boolean;
}

/** `walwire verify-backup`. */
export async function run({
  argument: directories,
  options,
}: Pick<VerifyBackupCall, "argument" | "options">): Promise<Status> {
  const { quiet, progress, plain, jsonl, format, noParseWal, skipChecksums } = options;
  // pg_verifybackup itself does not ask the backup.
  const server = options.server ?? serverVersionNum(defaultServer);
  if (!verifyBackupCapabilities.supports(server, "backupManifest")) {
    throw new UsageError("backups have a manifest since PostgreSQL 13");
  }
  if (format === "tar" && !verifyBackupCapabilities.supports(server, "verifyBackupTar")) {
    throw new UsageError(
      "--format tar requires --server 18 or later: pg_verifybackup reads archives since PostgreSQL 18",
    );
  }
  if (!plain && directories.includes("")) throw new UsageError("a directory is an empty string");
  const [directory, next] = directories as [string, string?];
  if (next !== undefined) {
    if (format === "tar") throw new UsageError("a chain of backups cannot be verified in archives");
    if (options.manifestPath !== undefined) {
      throw new UsageError("--manifest-path cannot be used with a chain of backups");
    }
    if (!verifyBackupCapabilities.supports(server, "incrementalBackups")) {
      throw new UsageError(
        "a chain of backups requires --server 17 or later: older servers take no incremental backups",
      );
    }
  }
  const call: Call = { server, quiet, progress };
  const voice = plain ? new PlainVoice(call) : jsonl ? new JsonVoice(call) : new PeopleVoice(call);
  const started = performance.now();
  const how = {
    // The version that wrote the backup is in the backup itself, unless the caller says it.
    server: plain ? server : options.server,
    ignore: options.ignore,
    exitOnError: options.exitOnError,
    skipChecksums,
    parseWal: !noParseWal,
    walPath: options.walPath,
    workers: options.jobs,
    onProblem: (problem: BackupProblem) => voice.problem(problem),
    onProgress: (how: VerifyProgress) => voice.progress(how),
  };
  const seconds = (): number => (performance.now() - started) / 1000;
  const single = { ...how, format, manifestPath: options.manifestPath };
  let result: BackupVerification | BackupChainVerification;
  if (next === undefined) {
    const backup = await verifyBackup(directory, single);
    voice.end(backup, seconds(), skipChecksums);
    result = backup;
  } else {
    const chain = await verifyBackupChain(directories, { ...how, format: format === "plain" ? format : undefined });
    voice.endChain(chain, seconds(), skipChecksums, directories);
    result = chain;
  }
  if (result.ok) return status.good;
  return result.verdict === "unknown" && !plain ? status.unseen : status.bad;
}

interface Voice {
  problem(problem: BackupProblem): void;
  progress(progress: VerifyProgress): void;
  end(result: BackupVerification, seconds: number, skippedChecksums: boolean): void;
  endChain(
    result: BackupChainVerification,
    seconds: number,
    skippedChecksums: boolean,
    directories: readonly string[],
  ): void;
}

class PeopleVoice implements Voice {
  readonly #call: Call;
  readonly #page = new Page({
    write: (text) => process.stdout.write(text),
    hasColors: () => hasColors(process.stdout),
  });
  readonly #line: ProgressLine;

  constructor(call: Call) {
    this.#call = call;
    this.#line = new ProgressLine(call.progress || (process.stderr.isTTY && !call.quiet));
  }

  problem({ message, waldump, hint, backup }: BackupProblem): void {
    this.#line.clear();
    this.#page.mark("bad", printable(backup === undefined ? message : `${backup}: ${message}`));
    if (waldump !== undefined) return this.#page.line(`  ${printable(waldump)}`);
    if (hint !== undefined) this.#page.line(`  ${printable(hint)}`);
  }

  progress({ files, doneBytes, totalBytes }: VerifyProgress): void {
    const share = totalBytes === 0 ? "" : `, ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} summed up`;
    this.#line.show(`${files.toLocaleString("en")} files${share}`);
  }

  end(result: BackupVerification, seconds: number, skippedChecksums: boolean): void {
    this.#line.clear();
    if (this.#call.quiet) return;
    const page = this.#page;
    const { manifest, checked, problems, verdict, format } = result;
    if (manifest !== undefined) {
      const whose = manifest.systemIdentifier === undefined ? "" : ` of system ${manifest.systemIdentifier}`;
      page.mark(
        "neutral",
        `manifest version ${manifest.version}${whose}: ${counted(manifest.files, "file")}, ${formatBytes(manifest.bytes)}`,
      );
      page.mark("neutral", `${counted(checked.files, "file")} found`);
      if (skippedChecksums) page.mark("neutral", "checksums were not looked at");
      else {
        const what = format === "tar" ? " of archives" : "";
        const speed = `${formatBytes(checked.bytes)}${what} in ${seconds.toFixed(1)} s, ${formatBytes(Math.round(checked.bytes / seconds))}/s`;
        page.mark("neutral", `${counted(checked.checksums, "checksum")} compared (${speed})`);
      }
      this.#wal(result, "it");
    }
    if (manifest?.isIncremental === true) {
      page.mark(
        "neutral",
        "this is an incremental backup: verify it together with those that it is based on, the full one first",
      );
    }
    this.#verdict(verdict, problems.length, "the backup is what its manifest says");
  }

  /** @param needer Which backup needs the WAL. */
  #wal({ manifest, walChecked }: BackupVerification, needer: string): void {
    const how = walChecked ? "looked at" : "not looked at";
    for (const { timeline, startLsn, endLsn } of manifest?.walRanges ?? []) {
      const range = `${formatLsn(startLsn, { server: this.#call.server })} to ${formatLsn(endLsn, { server: this.#call.server })}`;
      this.#page.mark("neutral", `the WAL that ${needer} needs, ${range} of timeline ${timeline}, was ${how}`);
    }
  }

  endChain(
    { warnings, backups, verdict, problems }: BackupChainVerification,
    _: number,
    skippedChecksums: boolean,
    directories: readonly string[],
  ): void {
    this.#line.clear();
    for (const warning of warnings) this.#page.mark("neutral", `warning: ${printable(warning)}`);
    if (this.#call.quiet) return;
    for (const [i, { manifest, checked }] of backups.entries()) {
      const sums = skippedChecksums ? "" : `, ${counted(checked.checksums, "checksum")} compared`;
      const counts = `${counted(checked.files, "file")} found${sums}`;
      const found = manifest === undefined ? "no manifest" : counts;
      this.#page.mark("neutral", `${printable(directories[i]!)}: ${found}`);
    }
    if (skippedChecksums) this.#page.mark("neutral", "checksums were not looked at");
    const last = backups.length === directories.length ? backups.at(-1) : undefined;
    if (last !== undefined) this.#wal(last, "the last one");
    const good = `the ${backups.length} backups can be combined, and each is what its manifest says`;
    this.#verdict(verdict, problems.length, good);
  }

  #verdict(verdict: BackupVerification["verdict"], problems: number, good: string): void {
    if (verdict === "intact") this.#page.mark("good", good);
    else if (verdict === "damaged")
      this.#page.mark("bad", `${counted(problems, "problem")}: do not rely on this backup`);
    else
      this.#page.mark("neutral", `${counted(problems, "thing")} could not be read: the backup may be good or damaged`);
  }
}

/** One JSON object a line: each problem, and at the end what was found. */
class JsonVoice implements Voice {
  readonly #call: Call;
  readonly #line: ProgressLine;

  constructor(call: Call) {
    this.#call = call;
    this.#line = new ProgressLine(call.progress);
  }

  #write(value: object): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  problem({ kind, fatal, path, message, waldump, hint, backup }: BackupProblem): void {
    const why = waldump === undefined ? {} : { waldump };
    const whose = backup === undefined ? {} : { backup };
    this.#write({ problem: { kind, fatal, path: path ?? null, message, ...why, hint: hint ?? null, ...whose } });
  }

  progress({ doneBytes, totalBytes }: VerifyProgress): void {
    this.#line.show(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
  }

  end(result: BackupVerification, seconds: number): void {
    this.#line.clear();
    this.#write({ ...this.#json(result), seconds: rounded(seconds) });
  }

  endChain({ ok, verdict, problems, warnings, backups }: BackupChainVerification, seconds: number): void {
    this.#line.clear();
    const each = backups.map((backup) => this.#json(backup));
    this.#write({ ok, verdict, problems: problems.length, warnings, backups: each, seconds: rounded(seconds) });
  }

  #json({ ok, verdict, problems, manifest, format, checked, walChecked }: BackupVerification) {
    const lsn = (position: Lsn): string => formatLsn(position, { server: this.#call.server });
    return {
      ok,
      verdict,
      problems: problems.length,
      format: format ?? null,
      manifest:
        manifest === undefined
          ? null
          : {
              version: manifest.version,
              systemIdentifier: manifest.systemIdentifier === undefined ? null : String(manifest.systemIdentifier),
              files: manifest.files,
              bytes: String(manifest.bytes),
              walRanges: manifest.walRanges.map(({ timeline, startLsn, endLsn }) => ({
                timeline,
                startLsn: lsn(startLsn),
                endLsn: lsn(endLsn),
              })),
            },
      checked,
      walChecked,
    };
  }
}

/** Seconds, to the millisecond. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** What pg_verifybackup writes, line by line. @source logging.c: pg_log_generic_v */
class PlainVoice implements Voice {
  readonly #call: Call;
  readonly #fatal: string;
  #said = -1;

  constructor(call: Call) {
    this.#call = call;
    this.#fatal = verifyBackupCapabilities.supports(call.server, "noFatalPrefix") ? "error" : "fatal";
  }

  problem({ fatal, message, waldump, hint }: BackupProblem): void {
    if (waldump !== undefined) this.#waldump(waldump, hint);
    // Names are written as the bytes that they are.
    const text = `pg_verifybackup: ${fatal ? this.#fatal : "error"}: ${message}\n`;
    process.stderr.write(Buffer.from(binaryPath(text), "latin1"));
    if (hint !== undefined && waldump === undefined) process.stderr.write(`pg_verifybackup: hint: ${hint}\n`);
  }

  /** What goes wrong with the call has a hint, and is not fatal. @source pg_waldump.c: main */
  #waldump(message: string, hint: string | undefined): void {
    const level = hint === undefined ? this.#fatal : "error";
    process.stderr.write(Buffer.from(binaryPath(`pg_waldump: ${level}: ${message}\n`), "latin1"));
    if (hint !== undefined) process.stderr.write(`${this.#fatal === "error" ? "pg_waldump: hint: " : ""}${hint}\n`);
  }

  /** Once a second. @source pg_verifybackup.c: progress_report */
  progress({ doneBytes, totalBytes }: VerifyProgress): void {
    const second = Math.floor(Date.now() / 1000);
    if (!this.#call.progress || second === this.#said) return;
    this.#said = second;
    this.#report(doneBytes, totalBytes, process.stderr.isTTY ? "\r" : "\n");
  }

  #report(doneBytes: number, totalBytes: number, end: string): void {
    const total = String(Math.floor(totalBytes / 1024));
    const done = String(Math.floor(doneBytes / 1024)).padStart(total.length);
    const percent = totalBytes === 0 ? 0 : Math.floor((doneBytes * 100) / totalBytes);
    process.stderr.write(`${done}/${total} kB (${percent}%) verified${end}`);
  }

  end({ ok, checked, manifest }: BackupVerification): void {
    if (this.#call.progress && manifest !== undefined) this.#report(checked.bytes, checked.bytes, "\n");
    if (this.#call.quiet) return;
    if (ok) process.stdout.write("backup successfully verified\n");
  }

  /** pg_verifybackup rejects a second directory. */
  endChain(): void {}
}
