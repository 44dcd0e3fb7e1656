/** Every target of `npm run fuzz:messages`, `fuzz:files` and `fuzz:clients`. */
import { baseBackupStream, incrementalFile } from "./basebackup.ts";
import { clients } from "./clients.ts";
import { backupManifestTarget } from "./manifest.ts";
import { messages } from "./messages.ts";
import { stateFiles } from "./state-files.ts";
import type { FuzzTarget } from "./target.ts";
import { texts } from "./texts.ts";
import { wal, walRecord } from "./wal.ts";
import { walContents } from "./wal-records.ts";

export const targets: Readonly<Record<string, readonly FuzzTarget[]>> = {
  messages,
  clients,
  files: [
    ...texts,
    ...stateFiles,
    backupManifestTarget,
    wal,
    walRecord,
    walContents,
    baseBackupStream,
    incrementalFile,
  ],
};
