/**
 * walwire/syncrep: `synchronous_standby_names`: parse, print, edit, lint and fix.
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
  type FixedText,
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
