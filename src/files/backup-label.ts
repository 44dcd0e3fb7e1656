/**
 * backup_label, which says where recovery from a base backup begins, and the backup history file that a server keeps of the backup,
 * `000000010000000000000002.00000028.backup`.
 *
 * A port of PostgreSQL's xlogbackup.c: build_backup_content, xlogrecovery.c: read_backup_label, and before 15 xlog.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */

import { EncodeError, ParseError } from "../kernel/errors.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import { mustBeObject, refuse } from "../wire/check.ts";
import { textFileCapabilities } from "./capabilities.ts";
import { type FileContent, FileText, fileBytes, textOfChars } from "./file-text.ts";
import { ScanInput } from "./scanf.ts";

/** What backup_label says, by its lines; undefined for a line that is not there. */
export interface BackupLabel {
  /** The position where replay begins. */
  readonly startWalLocation: Lsn;
  /** The name of the WAL segment that holds it; its first eight digits are the timeline. */
  readonly startWalFile: string;
  /** The checkpoint that recovery starts from. */
  readonly checkpointLocation: Lsn;
  /** `streamed`, or `pg_start_backup` for an exclusive backup of a server before 15, or `pg_rewind`. */
  readonly backupMethod: string | undefined;
  /** `standby`; else `primary`, which before 14 is called `master`. */
  readonly backupFrom: string | undefined;
  /** As the server wrote it, in its log_timezone: `2026-11-27 04:05:06 UTC`. */
  readonly startTime: string | undefined;
  /** As the user gave it. */
  readonly label: string | undefined;
  /** From 11 on. */
  readonly startTimeline: number | undefined;
  /** Of an incremental backup, from 17 on: the start of the backup that it is based on. */
  readonly incrementalFromLsn: Lsn | undefined;
  /** The timeline of `incrementalFromLsn`. */
  readonly incrementalFromTli: number | undefined;
}

/** What a backup history file says: the same, and where and when the backup ended. */
export interface BackupHistory extends BackupLabel {
  /** The end of the WAL that the backup needs. */
  readonly stopWalLocation: Lsn;
  /** The name of the last segment that the backup needs. */
  readonly stopWalFile: string;
  /** As the server wrote it, in its log_timezone: `2026-11-27 04:05:06 UTC`. */
  readonly stopTime: string;
  /** From 11 on. */
  readonly stopTimeline: number | undefined;
}

/** The server that reads the file. */
export interface BackupLabelOptions {
  /** Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/**
 * Read backup_label as a server does when it starts, but for the lines of an incremental backup, which are read too.
 *
 * Only the first two lines have to be there. Where the file is as servers write it, the label comes back as it was given, even if it has
 * several lines; where it is not, each line is what the server makes of it.
 *
 * @param file Bytes, or text; see FileContent.
 * @throws ParseError SYNTAX | INVALID_VALUE, SQLSTATE 55000, with the server's message and detail.
 * @source xlogrecovery.c: read_backup_label
 * @example parseBackupLabel("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n").startWalFile // "000000010000000000000002"
 */
export function parseBackupLabel(file: FileContent, options: BackupLabelOptions = {}): BackupLabel {
  checkOptions(options, ["server"]);
  return readWhole(new FileText(file), options).label;
}

/**
 * The end of a backup_label that a server does not read: it stops at the first line that it does not expect, and says nothing. Empty for a
 * file as servers write it.
 *
 * @param file Bytes, or text; see FileContent.
 * @throws ParseError as {@link parseBackupLabel}.
 * @source xlogrecovery.c: read_backup_label
 * @example unreadBackupLabel("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\nBACKUP: x\n") // "BACKUP: x\n"
 */
export function unreadBackupLabel(file: FileContent, options: BackupLabelOptions = {}): string {
  checkOptions(options, ["server"]);
  const text = new FileText(file);
  const { isWritten, end } = readWhole(text, options);
  if (isWritten) return "";
  // A line is unread even if the server has read its first word.
  return text.text(text.chars.lastIndexOf("\n", end - 1) + 1);
}

/** What a file says, whether it is as servers write it, and how far a server reads it. */
function readWhole(
  text: FileText,
  options: BackupLabelOptions,
): { readonly label: BackupLabel; readonly isWritten: boolean; readonly end: number } {
  const server = serverVersionNum(options.server ?? defaultServer);
  const { label, end } = readBackupLabel(text, server);
  const groups = groupsOf(labelPattern, text);
  // An unknown line after START TIMELINE would make both lines of a label that a server before 11 could have written.
  const swallows =
    groups !== undefined &&
    groups.startTimeline === undefined &&
    label.startTimeline !== undefined &&
    textFileCapabilities.supports(server, "backupLabelTimeline");
  const isWritten = groups !== undefined && !swallows;
  return { label: isWritten ? labelOf(groups) : label, isWritten, end };
}

/**
 * Does a server start from this backup_label? Not from that of an incremental backup, which has to be put together first.
 *
 * @throws ParseError as {@link parseBackupLabel}, and REFUSED with the server's hint for an incremental backup from 17 on.
 * @source xlogrecovery.c: read_backup_label
 */
export function checkBackupLabel(file: FileContent, options: BackupLabelOptions = {}): void {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  const text = new FileText(file);
  const { incrementalAt } = readBackupLabel(text, server);
  if (incrementalAt === undefined || !textFileCapabilities.supports(server, "backupLabelIncremental")) return;
  text.refuse(incrementalAt, {
    code: "REFUSED",
    message: "this is an incremental backup, not a data directory",
    sqlstate: "55000",
    hint: "Use pg_combinebackup to reconstruct a valid data directory.",
  });
}

/** @source xlogrecovery.c: read_backup_label */
function readBackupLabel(
  text: FileText,
  server: number,
): { readonly label: BackupLabel; readonly incrementalAt: number | undefined; readonly end: number } {
  const input = new ScanInput(text.chars);
  const lsn = textFileCapabilities.supports(server, "lsnLowHalfIsEightDigits") ? "%X/%08X" : "%X/%X";
  const refuse = (at: number, detail?: string): never =>
    text.refuse(at, {
      code: detail === undefined ? "SYNTAX" : "INVALID_VALUE",
      message: 'invalid data in file "backup_label"',
      sqlstate: "55000",
      detail,
    });
  const line = (format: string): string | undefined => {
    const value = input.scanf(format)[0];
    return typeof value === "string" ? textOfChars(value) : undefined;
  };

  const start = input.scanf(`START WAL LOCATION: ${lsn} (file %08X%16s)%c`);
  if (start.length !== 5 || start[4] !== "\n") refuse(input.at);
  const [startHigh, startLow, timeline, segment] = start as [number, number, number, string];
  const checkpoint = input.scanf(`CHECKPOINT LOCATION: ${lsn}%c`);
  if (checkpoint.length !== 3 || checkpoint[2] !== "\n") refuse(input.at);
  const [checkpointHigh, checkpointLow] = checkpoint as [number, number];
  const backupMethod = line("BACKUP METHOD: %19s\n");
  const backupFrom = line("BACKUP FROM: %19s\n");
  const startTime = line("START TIME: %127[^\n]\n");
  const label = line("LABEL: %1023[^\n]\n");
  const timelineAt = input.at;
  const [startTimeline] = input.scanf("START TIMELINE: %u\n") as [number?];
  if (
    startTimeline !== undefined &&
    startTimeline !== timeline &&
    textFileCapabilities.supports(server, "backupLabelTimeline")
  ) {
    const end = textFileCapabilities.supports(server, "backupLabelDetailIsSentence") ? "." : "";
    refuse(timelineAt, `Timeline ID parsed is ${startTimeline}, but expected ${timeline}${end}`);
  }
  const incrementalAt = input.at;
  const incremental = input.scanf(`INCREMENTAL FROM LSN: ${lsn}\n`) as number[];
  const [incrementalHigh, incrementalLow] = incremental;
  const [incrementalFromTli] = input.scanf("INCREMENTAL FROM TLI: %u\n") as [number?];
  return {
    label: {
      startWalLocation: lsnOf(startHigh, startLow),
      startWalFile: `${timeline.toString(16).toUpperCase().padStart(8, "0")}${textOfChars(segment)}`,
      checkpointLocation: lsnOf(checkpointHigh, checkpointLow),
      backupMethod,
      backupFrom,
      startTime,
      label,
      startTimeline,
      incrementalFromLsn:
        incrementalHigh === undefined || incrementalLow === undefined
          ? undefined
          : lsnOf(incrementalHigh, incrementalLow),
      incrementalFromTli,
    },
    // One number is enough for the server.
    incrementalAt: incrementalHigh === undefined ? undefined : incrementalAt,
    end: input.at,
  };
}

const LSN = "[0-9A-F]{1,8}/[0-9A-F]{1,8}";

/**
 * The files as servers write them. A label can have several lines, and these can look like the ones behind it: it ends where what
 * follows is all that may follow. That of pg_rewind has none.
 */
const pattern = (stop: readonly [where: string, when: string]): RegExp =>
  new RegExp(
    [
      `^START WAL LOCATION: (?<startWalLocation>${LSN}) \\(file (?<startWalFile>[0-9A-F]{24})\\)\\n`,
      stop[0],
      `CHECKPOINT LOCATION: (?<checkpointLocation>${LSN})\\n`,
      "BACKUP METHOD: (?<backupMethod>[^\\s]{1,19})\\n",
      "BACKUP FROM: (?<backupFrom>[^\\s]{1,19})\\n",
      "START TIME: (?<startTime>[^\\n]{1,127})\\n",
      "(?:LABEL: (?<label>[^]*?)\\n)??",
      "(?:START TIMELINE: (?<startTimeline>0|[1-9][0-9]{0,9})\\n)?",
      stop[1],
      `(?:INCREMENTAL FROM LSN: (?<incrementalFromLsn>${LSN})\\nINCREMENTAL FROM TLI: (?<incrementalFromTli>0|[1-9][0-9]{0,9})\\n)?$`,
    ].join(""),
  );

const labelPattern = /* @__PURE__ */ pattern(["", ""]);
const historyPattern = /* @__PURE__ */ pattern([
  `STOP WAL LOCATION: (?<stopWalLocation>${LSN}) \\(file (?<stopWalFile>[0-9A-F]{24})\\)\\n`,
  "STOP TIME: (?<stopTime>[^\\n]*)\\n(?:STOP TIMELINE: (?<stopTimeline>0|[1-9][0-9]{0,9})\\n)?",
]);

type Groups = Readonly<Record<string, string | undefined>>;

/** The parts of a file, if it is as servers write it: the numbers of timelines have 32 bits. */
function groupsOf(form: RegExp, text: FileText): Groups | undefined {
  const groups: Groups | undefined = form.exec(text.chars)?.groups;
  const numbers = [groups?.startTimeline, groups?.stopTimeline, groups?.incrementalFromTli];
  return numbers.some((number) => Number(number ?? 0) > 0xffffffff) ? undefined : groups;
}

function labelOf(groups: Groups): BackupLabel {
  const text = (name: string): string | undefined => map(groups[name], textOfChars);
  const tli = (name: string): number | undefined => map(groups[name], Number);
  return {
    startWalLocation: parseLsn(groups.startWalLocation!),
    startWalFile: groups.startWalFile!,
    checkpointLocation: parseLsn(groups.checkpointLocation!),
    backupMethod: text("backupMethod"),
    backupFrom: text("backupFrom"),
    startTime: text("startTime"),
    label: text("label"),
    startTimeline: tli("startTimeline"),
    incrementalFromLsn: map(groups.incrementalFromLsn, parseLsn),
    incrementalFromTli: tli("incrementalFromTli"),
  };
}

function map<T, U>(value: T | undefined, to: (value: T) => U): U | undefined {
  return value === undefined ? undefined : to(value);
}

function lsnOf(high: number, low: number): Lsn {
  return toLsn((BigInt(high) << 32n) | BigInt(low));
}

/**
 * Read a backup history file. No server reads one: it is for people, and for archives, to which it says which WAL a backup needs.
 *
 * @param file Bytes, or text; see FileContent.
 * @throws ParseError SYNTAX, in words of ours, if it is not as servers write it.
 * @source xlogbackup.c: build_backup_content
 */
export function parseBackupHistory(file: FileContent): BackupHistory {
  const text = new FileText(file);
  const groups: Groups = groupsOf(historyPattern, text) ?? refuseHistory(text);
  return historyOf(groups);
}

function historyOf(groups: Groups): BackupHistory {
  return {
    ...labelOf(groups),
    stopWalLocation: parseLsn(groups.stopWalLocation!),
    stopWalFile: groups.stopWalFile!,
    stopTime: textOfChars(groups.stopTime!),
    stopTimeline: map(groups.stopTimeline, Number),
  };
}

function refuseHistory(text: FileText): never {
  const input = new ScanInput(text.chars);
  const fits = [
    "START WAL LOCATION: %X/%X (file %24s)%c",
    "STOP WAL LOCATION: %X/%X (file %24s)%c",
    "CHECKPOINT LOCATION: %X/%X%c",
  ].every((format) => input.scanf(format).at(-1) === "\n");
  return text.refuse(fits ? text.bytes.length : input.at, {
    code: "SYNTAX",
    message: "invalid data in backup history file",
    sqlstate: "55000",
    advice: fits
      ? "Behind its first lines it is not as a server writes it: is its end missing?"
      : "It begins with the lines START WAL LOCATION, STOP WAL LOCATION and CHECKPOINT LOCATION.",
  });
}

/**
 * Write backup_label as a server does.
 *
 * @param options.server In whose form: how positions are written, what a primary is called, whether there is a timeline. Without it
 * positions are written as by 18, and all else as it stands in the value.
 * @returns the bytes of the file.
 * @throws EncodeError for what would be read back as something else.
 * @throws UnsupportedError for an incremental backup of a server before 17.
 * @source xlogbackup.c: build_backup_content; before 16 xlog.c: do_pg_backup_start
 * @example new TextDecoder().decode(printBackupLabel({ startWalLocation: toLsn(0x2000028n), startWalFile: segmentName(1, toLsn(0x2000028n)), checkpointLocation: toLsn(0x2000060n), backupMethod: "streamed", backupFrom: "primary", startTime: "2026-11-27 04:05:06 UTC", label: "x", startTimeline: 1, incrementalFromLsn: undefined, incrementalFromTli: undefined }, { server: "19" })).split("\n")[1] // "CHECKPOINT LOCATION: 0/02000060"
 */
export function printBackupLabel(label: BackupLabel, options: BackupLabelOptions = {}): Uint8Array {
  checkOptions(options, ["server"]);
  const { server } = options;
  checkLabel("BackupLabel", label);
  const written = asWrittenBy(label, server);
  const bytes = requireReadable("BackupLabel", linesOf(written, server), written, labelPattern, labelOf);
  try {
    readBackupLabel(new FileText(bytes), serverVersionNum(server ?? defaultServer));
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    // Such as a label of several lines, one of which looks like that of the timeline: servers write it, and reject it.
    throw new EncodeError("BackupLabel", `BackupLabel: a server would not start from it: ${error.message}`);
  }
  return bytes;
}

/**
 * Write a backup history file as a server does; see {@link printBackupLabel}.
 *
 * @throws EncodeError for what would be read back as something else.
 * @source xlogbackup.c: build_backup_content; before 16 xlog.c: do_pg_backup_stop
 */
export function printBackupHistory(history: BackupHistory, options: BackupLabelOptions = {}): Uint8Array {
  checkOptions(options, ["server"]);
  const { server } = options;
  checkLabel("BackupHistory", history);
  mustBeLsn("BackupHistory.stopWalLocation", history.stopWalLocation);
  const written: BackupHistory = {
    ...history,
    ...asWrittenBy(history, server),
    stopTimeline: timelineOf(history.stopTimeline, server),
  };
  const { stopWalLocation, stopWalFile, stopTime, stopTimeline } = written;
  const lines = linesOf(written, server, [
    [`STOP WAL LOCATION: ${formatLsn(stopWalLocation, { server })} (file ${stopWalFile})`],
    [`STOP TIME: ${stopTime}`, ...line("STOP TIMELINE", stopTimeline)],
  ]);
  return requireReadable("BackupHistory", lines, written, historyPattern, historyOf);
}

/** What positions are is needed to write them; all else is compared with what is read back. */
function checkLabel(path: string, label: BackupLabel): void {
  mustBeObject(label, path);
  mustBeLsn(`${path}.startWalLocation`, label.startWalLocation);
  mustBeLsn(`${path}.checkpointLocation`, label.checkpointLocation);
  if (label.incrementalFromLsn !== undefined) mustBeLsn(`${path}.incrementalFromLsn`, label.incrementalFromLsn);
  for (const [name, value] of Object.entries(label)) {
    if (typeof value === "symbol" || typeof value === "object")
      refuse("text, a number or nothing", value, `${path}.${name}`);
  }
}

function mustBeLsn(path: string, lsn: Lsn): void {
  if (typeof lsn !== "bigint" || lsn < 0n || lsn >> 64n > 0n) refuse("a bigint from 0 to 2^64 - 1", lsn, path);
}

/** What that server would have written in the place of this. */
function asWrittenBy(label: BackupLabel, server: Server | undefined): BackupLabel {
  if (server === undefined) return label;
  if (label.incrementalFromLsn !== undefined) {
    requireCapability(textFileCapabilities, server, "backupLabelIncremental", "an incremental backup");
  }
  const primary = textFileCapabilities.supports(server, "backupFromPrimary") ? "primary" : "master";
  const isPrimary = label.backupFrom === "primary" || label.backupFrom === "master";
  return {
    ...label,
    backupFrom: isPrimary ? primary : label.backupFrom,
    startTimeline: timelineOf(label.startTimeline, server),
  };
}

function timelineOf(tli: number | undefined, server: Server | undefined): number | undefined {
  return server === undefined || textFileCapabilities.supports(server, "backupLabelTimeline") ? tli : undefined;
}

function linesOf(
  label: BackupLabel,
  server: Server | undefined,
  [stopWhere, stopWhen]: readonly [where: readonly string[], when: readonly string[]] = [[], []],
): readonly string[] {
  return [
    `START WAL LOCATION: ${formatLsn(label.startWalLocation, { server })} (file ${label.startWalFile})`,
    ...stopWhere,
    `CHECKPOINT LOCATION: ${formatLsn(label.checkpointLocation, { server })}`,
    ...line("BACKUP METHOD", label.backupMethod),
    ...line("BACKUP FROM", label.backupFrom),
    ...line("START TIME", label.startTime),
    ...line("LABEL", label.label),
    ...line("START TIMELINE", label.startTimeline),
    ...stopWhen,
    ...line(
      "INCREMENTAL FROM LSN",
      map(label.incrementalFromLsn, (lsn) => formatLsn(lsn, { server })),
    ),
    ...line("INCREMENTAL FROM TLI", label.incrementalFromTli),
  ];
}

function line(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${name}: ${value}`];
}

/** The bytes of the lines, if they are read back as the value that they are printed from. */
function requireReadable<T extends BackupLabel>(
  path: string,
  lines: readonly string[],
  value: T,
  form: RegExp,
  toValue: (groups: Groups) => T,
): Uint8Array {
  const bytes = fileBytes(path, `${lines.join("\n")}\n`);
  const groups = groupsOf(form, new FileText(bytes));
  if (groups === undefined) throw new EncodeError(path, `${path}: a file of it would not be as servers write it`);
  const read = toValue(groups);
  for (const name of Object.keys(read) as (keyof T & string)[]) {
    if (read[name] === value[name]) continue;
    throw new EncodeError(`${path}.${name}`, `${path}.${name}: in a file it would be read as something else`);
  }
  return bytes;
}
