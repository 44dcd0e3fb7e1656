/** Every target of `npm run fuzz:files`. */
import { backupManifestTarget } from "./manifest.ts";
import type { FuzzTarget } from "./target.ts";

export const targets: readonly FuzzTarget[] = [backupManifestTarget];
