/** Every target of `npm run fuzz:files`. */
import type { FuzzTarget } from "./target.ts";

export const targets: readonly FuzzTarget[] = [];
