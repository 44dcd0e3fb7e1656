/** `synchronous_standby_names`: text to a SyncRepConfig and back. */
export type * from "./ast.ts";
export { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions } from "./parse.ts";
export { printSynchronousStandbyNames } from "./print.ts";
