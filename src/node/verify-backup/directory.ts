/**
 * The files of a plain backup: is each of them in the manifest, with its size?
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c: verify_plain_backup_directory, verify_plain_backup_file
 */
import { readdirSync, type Stats, statSync } from "node:fs";
import { strerror } from "../strerror.ts";
import { shouldVerifyChecksum, type VerifyContext } from "./context.ts";
import { CONTROL_FILE, verifyControlFile } from "./control-file.ts";
import { type BinaryPath, binaryPath, textPath } from "./paths.ts";
import { FatalProblem } from "./problems.ts";
import { systemPath } from "./system-path.ts";

/** How many files are looked at before others have their turn. */
const FILES_AT_ONCE = 2000;

/** A directory, as seen from the top: what leads back to one of these would never end. */
interface Open {
  readonly path: BinaryPath;
  readonly identity: string | undefined;
  readonly names: readonly BinaryPath[];
  next: number;
}

/** @throws FatalProblem if the directory itself cannot be read. */
export async function verifyPlainDirectory(context: VerifyContext): Promise<void> {
  const top = binaryPath(context.directory);
  let count = 0;
  const open: Open[] = [];
  const enter = (path: BinaryPath, identity: string | undefined): void => {
    const full = path === "" ? top : `${top}/${path}`;
    try {
      // In no order PostgreSQL has them; in this one they come in the same each time.
      const names = readdirSync(systemPath(full), { encoding: "latin1" }).sort();
      open.push({ path, identity, names, next: 0 });
    } catch (error) {
      const message = `could not open directory "${textPath(full)}": ${strerror(error)}`;
      if (path === "") throw new FatalProblem("unreadable", undefined, message);
      context.report("unreadable", textPath(path), message);
      context.ignored.add(textPath(path));
    }
  };
  const own = statSync(systemPath(top), { throwIfNoEntry: false });
  enter("", own && identityOf(own));
  for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
    const name = directory.names[directory.next++];
    if (name === undefined) {
      open.pop();
      continue;
    }
    if (++count % FILES_AT_ONCE === 0) await context.breathe();
    const path = directory.path === "" ? name : `${directory.path}/${name}`;
    const text = textPath(path);
    if (context.ignored.has(text)) continue;
    const stats = look(context, `${top}/${path}`, text);
    if (stats === undefined) continue;
    if (!stats.isDirectory()) {
      verifyFile(context, text, stats);
      continue;
    }
    const identity = identityOf(stats);
    if (open.some((each) => each.identity === identity)) {
      // PostgreSQL goes round until a path has too many links, and finds files that the manifest does not know.
      context.report("not a file", text, `"${text}" is a link to a directory that it is in`);
      continue;
    }
    enter(path, identity);
  }
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

function look(context: VerifyContext, full: BinaryPath, text: string): Stats | undefined {
  try {
    return statSync(systemPath(full));
  } catch (error) {
    context.report("unreadable", text, `could not stat file or directory "${text}": ${strerror(error)}`);
    context.ignored.add(text);
    return undefined;
  }
}

function verifyFile(context: VerifyContext, path: string, stats: Stats): void {
  const { has } = context;
  if (!stats.isFile()) {
    const file = has.verifyBackupMessagesOf18 ? "regular file" : "file";
    return context.report("not a file", path, `"${path}" is not a ${file} or directory`);
  }
  const record = context.files.get(path);
  if (record === undefined) {
    return context.report("extra", path, `"${path}" is present on disk but not in the manifest`);
  }
  record.matched = true;
  context.progress.files++;
  const { size } = record.file;
  if (size !== BigInt(stats.size)) {
    record.bad = true;
    context.report("size", path, `"${path}" has size ${stats.size} on disk but size ${size} in the manifest`);
  }
  if (context.version !== 1 && path === CONTROL_FILE) verifyControlFile(context);
  if (!context.skipChecksums && shouldVerifyChecksum(record)) context.progress.totalBytes += stats.size;
}
