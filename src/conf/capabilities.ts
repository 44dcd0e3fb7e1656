/** What differs between versions in what a server says of its configuration files. */
import { CapabilityTable } from "../kernel/version.ts";

export const confCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** elog.c: errcode_for_file_access, commit 2d8ef5e24f */
  fileNameTooLongCode: { since: [180000] },
});
