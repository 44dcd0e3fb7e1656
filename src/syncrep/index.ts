/** `synchronous_standby_names`: text to a SyncRepConfig and back, and where its parts stand. */
export type * from "./ast.ts";
export {
  locateSynchronousStandbyNames,
  type StandbyNameLocation,
  type SynchronousStandbyNamesLocations,
} from "./locate.ts";
export { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions } from "./parse.ts";
export type { TextRange } from "./parts.ts";
export { type PrintSynchronousStandbyNamesOptions, printSynchronousStandbyNames } from "./print.ts";
