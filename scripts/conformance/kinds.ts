/** The files of conformance/, in the order of its README. */
import { answers } from "./answers.ts";
import { baseBackups } from "./base-backups.ts";
import { checks } from "./checks.ts";
import { commands } from "./commands.ts";
import { controlFiles } from "./control-files.ts";
import type { Kind } from "./kind.ts";
import { manifests } from "./manifests.ts";
import { recoveryFiles } from "./recovery-files.ts";
import { sessions } from "./sessions.ts";
import { slotFiles } from "./slot-files.ts";
import { standbyNames } from "./standby-names.ts";
import { stateFiles } from "./state-files.ts";
import { streams } from "./streams.ts";
import { syncStates } from "./sync-states.ts";
import { values } from "./values.ts";
import { walRecords } from "./wal-records.ts";
import { walStreams } from "./wal-streams.ts";

export const kinds = [
  ...[commands, checks, answers, standbyNames, syncStates, streams, walStreams, values],
  ...[walRecords, slotFiles, recoveryFiles, manifests, stateFiles, controlFiles, sessions, baseBackups],
] as unknown as readonly Kind[];
