/** `walwire base-backup`: take a base backup of a server. */
import { ArgumentError, type ServerErrorFields } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { counted, formatBytes } from "../../../kernel/words.ts";
import { type BackupProgress, type BaseBackup, takeBaseBackup } from "../../base-backup/index.ts";
import { urlOf } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { hasColors, ProgressLine } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { BaseBackupCall } from "./declaration.ts";
import { maxRateOf, tablespaceMappingOf } from "./values.ts";

/** `walwire base-backup`. */
export async function run({ argument, options }: BaseBackupCall): Promise<Status> {
  const directory = options.pgdata ?? argument;
  if (directory === "-" && options.format === "tar") {
    throw new UsageError(
      'archives are not written to standard output: name a directory, or write ./- for one called "-"',
    );
  }
  const { dbname, quiet, progress, verbose, json } = options;
  const line = new ProgressLine(progress || (process.stderr.isTTY === true && !quiet));
  const say = (text: string): void => {
    line.clear();
    process.stderr.write(`${printable(text)}\n`);
  };
  const interruption = new AbortController();
  const stop = onInterrupt(() => {
    if (interruption.signal.aborted) process.exit(status.interrupted);
    interruption.abort();
  });
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const onNotice = ({ severity, message }: ServerErrorFields): void => {
    if (!quiet) say(`${severity}:  ${message}`);
  };
  try {
    const backup = await takeBaseBackup(directory, {
      connect: dbname === undefined ? { onNotice } : { connectionString: urlOf(dbname), onNotice },
      format: options.format,
      tablespaceMapping: tablespaceMappingOf(options.tablespaceMapping),
      walDirectory: options.waldir,
      walMethod: options.walMethod,
      slotname: options.slot,
      createSlot: options.createSlot || undefined,
      temporarySlot: options.noSlot ? false : undefined,
      statusInterval: options.statusInterval === undefined ? undefined : options.statusInterval * 1000,
      checkpoint: options.checkpoint,
      label: options.label,
      maxRate: options.maxRate === undefined ? undefined : maxRateOf(options.maxRate),
      compress: options.gzip ? "gzip" : options.compress,
      incremental: options.incremental,
      writeRecoveryConf: options.writeRecoveryConf,
      manifest: options.noManifest ? false : options.manifestForceEncode ? "force-encode" : undefined,
      manifestChecksums: options.manifestChecksums,
      verifyChecksums: !options.noVerifyChecksums,
      estimateSize: !options.noEstimateSize,
      clean: !options.noClean,
      sync: !options.noSync,
      onProgress: progressTo(line, seconds),
      onMessage: verbose ? (message) => say(`walwire: ${message}`) : undefined,
      onWarning: (message) => say(`walwire: ${message}`),
      signal: interruption.signal,
    });
    line.clear();
    if (json) process.stdout.write(`${JSON.stringify(jsonOf(backup, seconds()))}\n`);
    else if (!quiet) sayBackup(backup, seconds());
    return status.good;
  } catch (error) {
    line.clear();
    if (error instanceof ArgumentError) throw new UsageError(printable(wordsOf(error)));
    if (!interruption.signal.aborted) throw error;
    process.stderr.write("walwire: interrupted\n");
    return status.interrupted;
  } finally {
    stop();
  }
}

/** What to type instead of what the option of the function is called. */
function wordsOf({ path, message }: ArgumentError): string {
  const advice = path === "options.tablespaceMapping" && message.includes("map this directory");
  const words = message.replace(
    /^options\.(\w+)/,
    (_, name: string) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
  );
  return advice ? `${words}, with --tablespace-mapping OLDDIR=NEWDIR` : words;
}

function progressTo(line: ProgressLine, seconds: () => number): (progress: BackupProgress) => void {
  let shown = Number.NEGATIVE_INFINITY;
  let began: number | undefined;
  return ({ doneBytes, totalBytes, tablespaces, totalTablespaces }) => {
    const now = seconds();
    began ??= now;
    // Where each report is a line, one a second is enough.
    if (!process.stderr.isTTY && now - shown < 1 && tablespaces < totalTablespaces) return;
    shown = now;
    const percent = totalBytes === 0n ? "" : ` (${(100n * doneBytes) / totalBytes}%)`;
    const rate = now > began ? Number(doneBytes) / (now - began) : 0;
    const left = rate > 0 && totalBytes > 0n ? Number(totalBytes - doneBytes) / rate : undefined;
    const parts = [
      `${doneBytes / 1024n}/${totalBytes / 1024n} kB${percent}`,
      `${tablespaces}/${counted(totalTablespaces, "tablespace")}`,
      ...(rate > 0 ? [`${formatBytes(Math.round(rate))}/s`] : []),
      ...(left === undefined ? [] : [`${clock(left)} left`]),
    ];
    line.show(parts.join(", "));
  };
}

/** Minutes and seconds, such as 1:05. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function sayBackup(backup: BaseBackup, seconds: number): void {
  const { serverVersion: server, startLsn, endLsn, timeline, bytes, tablespaces } = backup;
  const page = new Page({ write: (text) => process.stdout.write(text), hasColors: () => hasColors(process.stdout) });
  const range = `${formatLsn(startLsn, { server })} to ${formatLsn(endLsn, { server })} of timeline ${timeline}`;
  const more = tablespaces.length === 0 ? "" : `, with ${counted(tablespaces.length, "tablespace")}`;
  page.mark("good", `base backup complete: ${formatBytes(bytes)} in ${seconds.toFixed(1)} s${more}`);
  page.mark("neutral", `it requires the WAL from ${range}`);
}

function jsonOf(
  { serverVersion, systemIdentifier, startLsn, endLsn, timeline, bytes, tablespaces }: BaseBackup,
  seconds: number,
) {
  const lsn = (position: typeof startLsn): string => formatLsn(position, { server: serverVersion });
  return {
    serverVersion,
    systemIdentifier: String(systemIdentifier),
    timeline,
    startLsn: lsn(startLsn),
    endLsn: lsn(endLsn),
    bytes: Number(bytes),
    tablespaces: tablespaces.map(({ oid, location, directory }) => ({ oid, location, directory: directory ?? null })),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
