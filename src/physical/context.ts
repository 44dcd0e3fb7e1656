/** The context of messages inside CopyData, which depends on the server's version. */
import type { PhysicalContext } from "../generated/physical.ts";
import type { Server } from "../kernel/version.ts";
import { physicalCapabilities } from "./capabilities.ts";

/**
 * The context in which a server of this version reads and writes messages inside CopyData.
 *
 * @throws UnsupportedError for an unknown version.
 * @example physicalContext("9.6") // { feedbackCatalogXmin: false, primaryStatus: false }
 */
export function physicalContext(server: Server): PhysicalContext {
  return physicalCapabilities.of(server);
}
