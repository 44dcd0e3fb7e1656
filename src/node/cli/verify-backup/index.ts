/**
 * `walwire verify-backup`: is a base backup what its manifest says? For people, as JSON, or word for word as pg_verifybackup says it.
 */
import { formatLsn } from "../../../kernel/lsn.ts";
import { defaultServer, serverVersionNum } from "../../../kernel/version.ts";
import { counted, formatBytes } from "../../../kernel/words.ts";
import { verifyBackupCapabilities } from "../../capabilities.ts";
import { binaryPath } from "../../verify-backup/paths.ts";
import { type BackupProblem, type BackupVerification, type VerifyProgress, verifyBackup } from "../../verify-backup.ts";
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
  /** WAL is not to be read, and nobody is to be told so. */
  readonly noParseWal: boolean;
}

/** `walwire verify-backup`. */
export async function run({
  argument: directory,
  options,
}: Pick<VerifyBackupCall, "argument" | "options">): Promise<Status> {
  const { quiet, progress, plain, jsonl, format, noParseWal, skipChecksums } = options;
  const server = options.server ?? serverVersionNum(defaultServer);
  if (!verifyBackupCapabilities.supports(server, "backupManifest")) {
    throw new UsageError("backups have a manifest since PostgreSQL 13");
  }
  if (format === "tar" && !verifyBackupCapabilities.supports(server, "verifyBackupTar")) {
    throw new UsageError(
      "--format tar requires --server 18 or later: pg_verifybackup reads archives since PostgreSQL 18",
    );
  }
  const call: Call = { server, quiet, progress, noParseWal };
  const voice = plain ? new PlainVoice(call) : jsonl ? new JsonVoice(call) : new PeopleVoice(call);
  const started = performance.now();
  const result = await verifyBackup(directory, {
    // The version that wrote the WAL is in the WAL itself, unless the caller says it.
    server: options.server,
    format,
    ignore: options.ignore,
    manifestPath: options.manifestPath,
    exitOnError: options.exitOnError,
    skipChecksums,
    parseWal: !noParseWal,
    walDirectory: options.walDirectory,
    workers: options.jobs,
    onProblem: (problem) => voice.problem(problem),
    onProgress: (how) => voice.progress(how),
  });
  voice.end(result, (performance.now() - started) / 1000, skipChecksums);
  if (result.ok) return status.good;
  return result.verdict === "unknown" && !plain ? status.unseen : status.bad;
}

interface Voice {
  problem(problem: BackupProblem): void;
  progress(progress: VerifyProgress): void;
  end(result: BackupVerification, seconds: number, skippedChecksums: boolean): void;
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

  problem({ message, waldump, hint }: BackupProblem): void {
    this.#line.clear();
    this.#page.mark("bad", printable(message));
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
    const { manifest, checked, problems, verdict, walChecked } = result;
    if (manifest !== undefined) {
      const whose = manifest.systemIdentifier === undefined ? "" : ` of system ${manifest.systemIdentifier}`;
      page.mark(
        "neutral",
        `manifest version ${manifest.version}${whose}: ${counted(manifest.files, "file")}, ${formatBytes(manifest.bytes)}`,
      );
      page.mark("neutral", `${counted(checked.files, "file")} found`);
      if (skippedChecksums) page.mark("neutral", "checksums were not looked at");
      else {
        const speed = `${formatBytes(checked.bytes)} in ${seconds.toFixed(1)} s, ${formatBytes(Math.round(checked.bytes / seconds))}/s`;
        page.mark("neutral", `${counted(checked.checksums, "checksum")} compared (${speed})`);
      }
      if (!this.#call.noParseWal) {
        for (const { timeline, startLsn, endLsn } of manifest.walRanges) {
          const range = `${formatLsn(startLsn, { server: this.#call.server })} to ${formatLsn(endLsn, { server: this.#call.server })}`;
          const how = walChecked ? "looked at" : "not looked at";
          page.mark("neutral", `the WAL that it needs, ${range} of timeline ${timeline}, was ${how}`);
        }
      }
    }
    if (verdict === "intact") page.mark("good", "the backup is what its manifest says");
    else if (verdict === "damaged")
      page.mark("bad", `${counted(problems.length, "problem")}: do not rely on this backup`);
    else
      page.mark(
        "neutral",
        `${counted(problems.length, "thing")} could not be read: nobody knows whether the backup is good`,
      );
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

  problem({ kind, fatal, path, message, waldump, hint }: BackupProblem): void {
    const why = waldump === undefined ? {} : { waldump };
    this.#write({ problem: { kind, fatal, path: path ?? null, message, ...why, hint: hint ?? null } });
  }

  progress({ doneBytes, totalBytes }: VerifyProgress): void {
    this.#line.show(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
  }

  end(result: BackupVerification, seconds: number): void {
    const { ok, verdict, problems, manifest, format, checked, walChecked } = result;
    this.#line.clear();
    this.#write({
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
                startLsn: formatLsn(startLsn, { server: this.#call.server }),
                endLsn: formatLsn(endLsn, { server: this.#call.server }),
              })),
            },
      checked,
      walChecked,
      seconds: Math.round(seconds * 1000) / 1000,
    });
  }
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

  end({ ok, checked, walChecked, manifest }: BackupVerification): void {
    if (this.#call.progress && manifest !== undefined) this.#report(checked.bytes, checked.bytes, "\n");
    if (this.#call.quiet) return;
    if (!walChecked && !this.#call.noParseWal && manifest !== undefined) {
      process.stderr.write("walwire: the WAL that the backup needs was not looked at; -n says that it need not be\n");
    }
    if (ok) process.stdout.write("backup successfully verified\n");
  }
}
