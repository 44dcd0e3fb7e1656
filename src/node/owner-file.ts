/**
 * Files that say which process owns something, such as a directory. A file of a process that is gone does not count: neither one whose
 * number another process has now, nor one that was killed and is a zombie.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";

/** What Linux says of a process. */
interface ProcessState {
  /** It is dead: only its parent has not read how it ended. */
  readonly isZombie: boolean;
  /** When it started: the boot, and the ticks since then. */
  readonly start: string;
}

/** Undefined on other systems, and for a process that cannot be looked at. @source proc_pid_stat(5) */
function stateOf(pid: number): ProcessState | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    // The name of the program, in parentheses, may have any character.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, threads, ticks] = [fields[0], fields[17], fields[19]];
    // The first thread may be a zombie while another one still ends what it was writing.
    return { isZombie: state === "Z" && Number(threads) <= 1, start: `${boot}:${ticks}` };
  } catch {
    return undefined;
  }
}

/** Whether a process of this number runs, perhaps one of another user. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return stateOf(pid)?.isZombie !== true;
}

let ownStart: string | undefined;

/** The text of this process's files: its number, and a line that no other process of this number has. */
function ownText(): string {
  ownStart ??= stateOf(process.pid)?.start ?? randomUUID();
  return `${process.pid}\n${ownStart}\n`;
}

/** The process that wrote a text, if it runs. Where its start is not known, any of its number counts. */
function runningOwner(text: string): number | undefined {
  if (text === ownText()) return process.pid;
  const [number, start] = text.split("\n");
  const pid = Number(number);
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid || !processExists(pid)) return undefined;
  const now = stateOf(pid)?.start;
  return start && now && start !== now ? undefined : pid;
}

/**
 * Make the file of an owner, this process, which removes it when it is done.
 *
 * @returns the process that has it, if one does: then nothing is done.
 * @throws errors of the file system as Node names them.
 * @source miscinit.c: CreateLockFile
 */
export async function takeOwnerFile(path: string): Promise<number | undefined> {
  for (;;) {
    try {
      await writeFile(path, ownText(), { flag: "wx" });
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    let text: string;
    try {
      text = await readFile(path, "latin1");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    const owner = runningOwner(text);
    if (owner !== undefined) return owner;
    await rm(path, { force: true });
  }
}
