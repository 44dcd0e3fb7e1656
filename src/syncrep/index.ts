/** `synchronous_standby_names`: text to a SyncRepConfig and back, where its parts stand, and how to change it. */
export type * from "./ast.ts";
export { type EditSynchronousStandbyNamesOptions, editSynchronousStandbyNames } from "./edit.ts";
export {
  locateSynchronousStandbyNames,
  type StandbyNameLocation,
  type SynchronousStandbyNamesLocations,
} from "./locate.ts";
export { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions } from "./parse.ts";
export type { TextRange } from "./parts.ts";
export { printSynchronousStandbyNames } from "./print.ts";
