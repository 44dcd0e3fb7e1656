/** What differs between versions in base backups beyond the commands that ask for them. */
import { CapabilityTable } from "../kernel/version.ts";

export const baseBackupCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** basebackup.c: perform_base_backup, commit 5a1007a508 */
  baseBackupTerminatesTar: { since: [150000] },
});
