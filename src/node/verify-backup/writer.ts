/** The version of the server that wrote a backup. */
import { closeSync, readSync } from "node:fs";
import type { Server } from "../../kernel/version.ts";
import { verifyBackupCapabilities } from "../capabilities.ts";
import { openForReading } from "./system-path.ts";

/**
 * The major that PG_VERSION of a plain backup names.
 *
 * @param capability What that major must have.
 * @returns undefined if it lacks the capability or is unknown, or the file cannot be read: the checks of the backup report that.
 */
export function writerOf(backup: string, capability: "backupManifest" | "incrementalBackups"): Server | undefined {
  try {
    const fd = openForReading(`${backup}/PG_VERSION`);
    try {
      const bytes = Buffer.alloc(4);
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.length, null));
      const [major] = /^\d{2}(?=\n$)/.exec(text) ?? [];
      return major !== undefined && verifyBackupCapabilities.supports(major, capability) ? major : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
