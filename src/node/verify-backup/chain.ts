/**
 * Can a full backup and the incremental ones after it be combined? With the checks, the order and the words of pg_combinebackup.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_combinebackup.c: main, check_control_files, check_backup_label_files, process_directory_recursively
 * @source backup_label.c: parse_backup_label
 * @source reconstruct.c: reconstruct_from_incremental_file, write_reconstructed_file
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { BLOCK_SIZE, INCREMENTAL_PREFIX } from "../../basebackup/incremental.ts";
import type { ControlFileFormat } from "../../files/control-file.ts";
import { ScanInput } from "../../files/scanf.ts";
import { formatLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import type { Server } from "../../kernel/version.ts";
import { verifyBackupCapabilities } from "../capabilities.ts";
import { CONTROL_FILE, type Control, checkSystemIdentifier, decodeControl, readControlFile } from "./control-file.ts";
import type { Manifest } from "./manifest.ts";
import { textPath } from "./paths.ts";
import { attempt, type BackupProblem, FatalProblem } from "./problems.ts";
import { failShortRead, type SourcePlaces, withSources } from "./sources.ts";
import { openForReading } from "./system-path.ts";
import { entriesOf, parseOid, scanTablespaces } from "./tablespaces.ts";

/** What both a verification and pg_combinebackup need. */
export interface ChainSource {
  /** The version whose pg_combinebackup judges. */
  readonly server: Server;
  /** The format of control files; undefined: that of the version that is in each. */
  readonly controlFile: ControlFileFormat | undefined;
  /** The backups, the full one first. */
  readonly directories: readonly string[];
  /** Read the manifest of a backup; undefined if it may be missing, and is. @throws FatalProblem */
  readManifest(index: number): Promise<Manifest | undefined>;
  warn(message: string, hint?: string): void;
}

export interface ChainContext extends ChainSource {
  /** Note a problem of one file. @throws Stop if that is the end. */
  report(problem: BackupProblem): void;
  breathe(): Promise<void>;
}

/** A chain of backups whose blocks are not looked at yet. */
export interface Chain {
  /** That all backups have. */
  readonly systemIdentifier: bigint;
  /** The backup_label of the last backup, a character per byte. */
  readonly label: string;
  readonly manifests: readonly (Manifest | undefined)[];
}

/** @throws FatalProblem if the backups are not a chain */
export async function checkChain(context: ChainContext): Promise<void> {
  await openChain(context);
  for (const directory of context.directories) checkCheckpoint(directory, context);
  await checkFiles(context);
}

/**
 * Warn of a control file that is older than its backup: it is the last file of a backup that is read. A manifest cannot tell, since it
 * has the CRC-32C of a file that ends with its own, which is the same for all.
 *
 * @source xlog.c: do_pg_backup_start; basebackup.c: perform_base_backup
 */
function checkCheckpoint(directory: string, { server, controlFile, warn }: ChainContext): void {
  const [, high, low] =
    /^CHECKPOINT LOCATION: ([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/m.exec(slurp(directory, "backup_label", LABEL_MAX)) ?? [];
  if (high === undefined || low === undefined) return;
  const began = toLsn((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`));
  const name = `${directory}/${CONTROL_FILE}`;
  const { checkPoint } = decodeControl(readControlFile(directory, controlFile), name, controlFile);
  if (checkPoint >= began) return;
  const text = (lsn: Lsn): string => formatLsn(lsn, { server });
  warn(
    `"${name}" is not of this backup: its checkpoint is at ${text(checkPoint)}, before that of backup_label at ${text(began)}`,
  );
}

/**
 * Do the backups follow each other?
 *
 * @throws FatalProblem if they do not
 */
export async function openChain(source: ChainSource): Promise<Chain> {
  const { directories } = source;
  checkVersionFile(directories.at(-1)!, source.server);
  const systemIdentifier = checkControlFiles(source);
  const label = checkLabels(source);
  const manifests: (Manifest | undefined)[] = [];
  for (const i of directories.keys()) {
    const manifest = await source.readManifest(i);
    if (manifest?.version === 1) {
      throw new FatalProblem("chain", undefined, "backup manifest version 1 does not support incremental backup");
    }
    manifests.push(manifest);
  }
  for (const [i, manifest] of manifests.entries()) {
    if (manifest === undefined) continue;
    checkSystemIdentifier(manifest.systemIdentifier ?? 0n, systemIdentifier, `${directories[i]}/${CONTROL_FILE}`);
  }
  return { systemIdentifier, label, manifests };
}

/** Read a small file, a character per byte. @source pg_combinebackup.c: slurp_file */
function slurp(directory: string, name: string, most: number, open = "file"): string {
  const path = `${directory}/${name}`;
  const fail = (message: string): never => {
    throw new FatalProblem("chain", undefined, message, undefined, { file: path });
  };
  const on = <T>(what: () => T, message: string): T => attempt(what, message, directory, "chain", path);
  const fd = on(() => openForReading(path), `could not open ${open} "${path}"`);
  try {
    const { size } = on(() => fstatSync(fd), `could not stat file "${path}"`);
    if (size > most) fail(`file "${path}" is too large`);
    const bytes = Buffer.alloc(size);
    const read = on(() => readSync(fd, bytes, 0, size, null), `could not read file "${path}"`);
    if (read !== size) fail(`could not read file "${path}": read ${read} of ${size}`);
    return bytes.toString("latin1");
  } finally {
    closeSync(fd);
  }
}

/** @source pg_combinebackup.c: read_pg_version_file; from 19 on fe_utils/version.c: get_pg_version */
function checkVersionFile(directory: string, server: Server): void {
  const isNew = verifyBackupCapabilities.supports(server, "versionFileInFrontend");
  const path = `${directory}/PG_VERSION`;
  const text = slurp(directory, "PG_VERSION", isNew ? 64 : 128, isNew ? "version file" : "file");
  const [, digits, after] = /^[ \t\n\v\f\r]*\+?(\d{1,9})([\s\S]?)/.exec(text) ?? [];
  const fail = (message: string): never => {
    throw new FatalProblem("chain", undefined, message, undefined, { file: path });
  };
  if (isNew) {
    if (digits === undefined) fail(`could not parse version file "${path}"`);
    if (Number(digits) < 10) fail("server version too old");
  } else if (after !== "\n") {
    const isOld = Number(digits ?? 0) < 10 && after === ".";
    fail(`${path}: ${isOld ? "server version too old" : "could not parse version number"}`);
  }
}

/** @returns the system identifier of the last backup, which all must have. */
function checkControlFiles({ directories, controlFile, warn }: ChainSource): bigint {
  const read = (directory: string): Control =>
    decodeControl(readControlFile(directory, controlFile), `${directory}/${CONTROL_FILE}`, controlFile);
  const last = read(directories.at(-1)!);
  let isMixed = false;
  for (let i = directories.length - 2; i >= 0; i--) {
    const control = read(directories[i]!);
    if (control.systemIdentifier !== last.systemIdentifier) {
      const message = `${directories[i]}/${CONTROL_FILE}: expected system identifier ${last.systemIdentifier}, but found ${control.systemIdentifier}`;
      throw new FatalProblem("chain", undefined, message);
    }
    isMixed ||= last.dataChecksumVersion !== 0 && control.dataChecksumVersion !== last.dataChecksumVersion;
  }
  if (isMixed) {
    const hint = "Disable, and optionally reenable, checksums on the output directory to avoid failures.";
    warn("only some backups have checksums enabled", hint);
  }
  return last.systemIdentifier;
}

/** MAXPGPATH, and what pg_combinebackup adds to it. */
const LABEL_MAX = 10000 + 1024;

/** @returns the backup_label of the last backup. */
function checkLabels({ directories, server }: ChainSource): string {
  const fail = (message: string): never => {
    throw new FatalProblem("chain", undefined, message);
  };
  const lsnText = (lsn: Lsn): string => formatLsn(lsn, { server });
  let expected: Label["previous"];
  let label = "";
  for (let i = directories.length - 1; i >= 0; i--) {
    const directory = directories[i]!;
    const text = slurp(directory, "backup_label", LABEL_MAX);
    if (i === directories.length - 1) label = text;
    const { timeline, lsn, previous } = parseLabel(`${directory}/backup_label`, text, server);
    const at = `backup at "${directory}"`;
    if (i > 0 && previous === undefined)
      fail(`${at} is a full backup, but only the first backup should be a full backup`);
    if (i === 0 && previous !== undefined)
      fail(`${at} is an incremental backup, but the first backup should be a full backup`);
    if (expected !== undefined && timeline !== expected.timeline)
      fail(`${at} starts on timeline ${timeline}, but expected ${expected.timeline}`);
    if (expected !== undefined && lsn !== expected.lsn)
      fail(`${at} starts at LSN ${lsnText(lsn)}, but expected ${lsnText(expected.lsn)}`);
    expected = previous;
  }
  return label;
}

interface Label {
  readonly timeline: number;
  readonly lsn: Lsn;
  /** Of the backup that this one is based on. */
  readonly previous: { readonly timeline: number; readonly lsn: Lsn } | undefined;
}

/** @source backup_label.c: parse_backup_label */
function parseLabel(path: string, text: string, server: Server): Label {
  const fail = (message: string): never => {
    throw new FatalProblem("chain", undefined, `${path}: ${message}`, undefined, { file: path });
  };
  const lsnFormat = verifyBackupCapabilities.supports(server, "lsnLowHalfIsEightDigits") ? "%X/%08X" : "%X/%X";
  const found = new Map<string, Lsn | number>();
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    for (const [name, unit, end] of [
      ["START WAL LOCATION", "lsn", " "],
      ["START TIMELINE", "tli", "\n"],
      ["INCREMENTAL FROM LSN", "lsn", "\n"],
      ["INCREMENTAL FROM TLI", "tli", "\n"],
    ] as const) {
      if (!line.startsWith(`${name}: `)) continue;
      const input = new ScanInput(line, name.length + 2);
      if (unit === "lsn") {
        const [high, low] = input.scanf(lsnFormat) as number[];
        if (high === undefined || low === undefined) return fail(`could not parse ${name}`);
        if (line[input.at] !== end) fail(`improper terminator for ${name}`);
        found.set(name, toLsn((BigInt(high) << 32n) | BigInt(low)));
      } else {
        const [timeline] = input.scanf("%u") as number[];
        if (timeline === undefined || line[input.at] !== end) {
          return fail(`could not parse ${name === "START TIMELINE" ? "TLI for " : ""}${name}`);
        }
        if (timeline === 0) fail("invalid TLI");
        found.set(name, timeline);
      }
    }
  }
  for (const name of ["START WAL LOCATION", "START TIMELINE"]) if (!found.has(name)) fail(`could not find ${name}`);
  const lsn = found.get("INCREMENTAL FROM LSN") as Lsn | undefined;
  const timeline = found.get("INCREMENTAL FROM TLI") as number | undefined;
  if (lsn !== undefined && timeline === undefined) fail("INCREMENTAL FROM LSN requires INCREMENTAL FROM TLI");
  if (lsn === undefined && timeline !== undefined) fail("INCREMENTAL FROM TLI requires INCREMENTAL FROM LSN");
  return {
    lsn: found.get("START WAL LOCATION") as Lsn,
    timeline: found.get("START TIMELINE") as number,
    previous: lsn === undefined || timeline === undefined ? undefined : { lsn, timeline },
  };
}

/** How many files are looked at before others have their turn. */
const FILES_AT_ONCE = 500;

/** Look for the incremental files of the last backup, and for the source of each of their blocks. */
async function checkFiles(context: ChainContext): Promise<void> {
  const { directories } = context;
  const last = directories.at(-1)!;
  scanTablespaces(last);
  const open = ["pg_tblspc", "global", "base"].map((path) => ({ path, depth: 0 }));
  let count = 0;
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    const { path, depth } = directory;
    for (const entry of entriesOf(last, `${last}/${path}`)) {
      const name = textPath(entry.name);
      const inner = `${path}/${name}`;
      const isTablespace = path === "pg_tblspc" && parseOid(entry.name) !== undefined;
      if (entry.isDirectory() || (isTablespace && entry.isSymbolicLink())) {
        open.push({ path: inner, depth: depth + 1 });
      } else if (!entry.isFile()) {
        const what = entry.isSymbolicLink() ? "symbolic link" : "special file";
        context.warn(`skipping ${what} "${last}/${inner}"`);
      } else if (
        name.startsWith(INCREMENTAL_PREFIX) &&
        (path === "global" || (depth > 0 && !path.startsWith("global/")))
      ) {
        if (++count % FILES_AT_ONCE === 0) await context.breathe();
        try {
          const of = name.slice(INCREMENTAL_PREFIX.length);
          await checkIncrementalFile({ directories, newest: `${last}/${inner}`, directory: path, name: of });
        } catch (error) {
          if (!(error instanceof FatalProblem)) throw error;
          context.report({ ...error.problem, fatal: false, path: inner });
        }
      }
    }
  }
}

/**
 * Check that each block of a file has a source that can be read.
 *
 * @throws FatalProblem
 */
async function checkIncrementalFile(places: SourcePlaces): Promise<void> {
  await withSources(places, ({ files, plan: { ranges, copyOf } }) => {
    if (copyOf !== undefined) return;
    for (const { from, count } of ranges) {
      if (from === undefined) continue;
      const source = files[from.file]!;
      if (source.size < from.offset + count * BLOCK_SIZE) failShortRead(source, from.offset);
    }
  });
}
