/** Every target of `npm run fuzz:files`. */
import { stateFiles } from "./state-files.ts";
import type { FuzzTarget } from "./target.ts";
import { texts } from "./texts.ts";

export const targets: readonly FuzzTarget[] = [...texts, ...stateFiles];
