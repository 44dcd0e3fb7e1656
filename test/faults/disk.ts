/** Small disks: file systems in memory that only one process and its children see. */
import { spawnSync } from "node:child_process";

/** Root has no rights over other users' files in a user namespace, and needs none; others need one. */
const UNSHARE = ["unshare", process.getuid?.() === 0 ? "-m" : "-rm"];

let mounts: boolean | undefined;

/** Whether this system lets a process have one. */
export function canMount(): boolean {
  const [command, ...args] = [...UNSHARE, "sh", "-c", "mount -t tmpfs none /tmp"];
  mounts ??= spawnSync(command!, args).status === 0;
  return mounts;
}

/** The command that runs a program with a disk of so many bytes at a directory; 0 is a large one. */
export function onDisk(directory: string, bytes: number, program: readonly string[]): string[] {
  const script = 'mount -t tmpfs -o "size=$0" none "$1" && shift && exec "$@"';
  return [...UNSHARE, "sh", "-c", script, bytes === 0 ? "64m" : `${bytes}`, directory, ...program];
}
