/** Differences between versions in base backups, other than those of the commands. */
import { CapabilityTable } from "../kernel/version.ts";

export const baseBackupCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** basebackup.c: perform_base_backup, commit 5a1007a508 */
  baseBackupTerminatesTar: { since: [150000] },
});
