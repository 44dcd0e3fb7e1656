/** Every target of `npm run fuzz:files`. */
import { baseBackupStream, incrementalFile } from "./basebackup.ts";
import type { FuzzTarget } from "./target.ts";

export const targets: readonly FuzzTarget[] = [baseBackupStream, incrementalFile];
