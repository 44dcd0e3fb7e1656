/**
 * `synchronous_standby_names`: text to a SyncRepConfig and back, where its parts stand, how to change it, and what a server makes of it.
 * What people ask about it, with answers in words, is in questions.ts: who only checks settings is not to carry that.
 */
export type * from "./ast.ts";
export { type EditSynchronousStandbyNamesOptions, editSynchronousStandbyNames } from "./edit.ts";
export {
  applyFixes,
  type Edit,
  type Finding,
  type FindingCode,
  type FindingSeverity,
  type Fix,
  findingCodes,
} from "./lint/findings.ts";
export {
  fixSynchronousStandbyNames,
  type LintSynchronousStandbyNamesOptions,
  lintSynchronousStandbyNames,
} from "./lint/index.ts";
export {
  locateSynchronousStandbyNames,
  type StandbyNameLocation,
  type SynchronousStandbyNamesLocations,
} from "./locate.ts";
export { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions } from "./parse.ts";
export type { TextRange } from "./parts.ts";
export { printSynchronousStandbyNames } from "./print.ts";
