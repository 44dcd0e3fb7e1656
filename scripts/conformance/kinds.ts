/** The files of conformance/, in the order of its README. */
import { checks } from "./checks.ts";
import { commands } from "./commands.ts";
import type { Kind } from "./kind.ts";
import { standbyNames } from "./standby-names.ts";

export const kinds = [commands, checks, standbyNames] as unknown as readonly Kind[];
