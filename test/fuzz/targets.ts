/** Every target of `npm run fuzz:files`. */
import type { FuzzTarget } from "./target.ts";
import { wal, walRecord } from "./wal.ts";

export const targets: readonly FuzzTarget[] = [wal, walRecord];
