/** Every target of `npm run fuzz:files`. */
import type { FuzzTarget } from "./target.ts";
import { texts } from "./texts.ts";
import { wal, walRecord } from "./wal.ts";
import { walContents } from "./wal-records.ts";

export const targets: readonly FuzzTarget[] = [...texts, wal, walRecord, walContents];
