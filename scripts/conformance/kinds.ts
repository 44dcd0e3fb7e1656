/** The files of conformance/, in the order of its README. */
import { checks } from "./checks.ts";
import { commands } from "./commands.ts";
import type { Kind } from "./kind.ts";
import { standbyNames } from "./standby-names.ts";
import { streams } from "./streams.ts";
import { values } from "./values.ts";
import { walStreams } from "./wal-streams.ts";

export const kinds = [commands, checks, standbyNames, streams, walStreams, values] as unknown as readonly Kind[];
