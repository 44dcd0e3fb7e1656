/**
 * walwire/command: replication commands: parse, print, check, the verdict of each version, the rows that they answer with.
 */
export type { VersionVerdict } from "../kernel/version.ts";
export type * from "./ast.ts";
export * from "./check.ts";
export {
  acceptedBy,
  type CommandVerdict,
  type CommandWarning,
  type JudgeOptions,
  judgeByVersion,
  judgeCommand,
  type VersionOptions,
} from "./judge.ts";
export { type CommandLocations, locateCommand } from "./locate.ts";
export { type Notice, type ParseCommandOptions, parseCommand } from "./parse.ts";
export { type PrintCommandOptions, printCommand } from "./print.ts";
export { type AnswerStep, commandAnswer } from "./results/answer.ts";
export type { ResultColumn, ResultColumnForm, ResultColumns, RowValue } from "./results/columns.ts";
export { type ResultSet, type ResultSetName, resultSets } from "./results/result-sets.ts";
export {
  type ColumnDescription,
  decodeResultSet,
  describeResultSet,
  encodeResultSet,
  type ResultSetRow,
  type ResultSetValue,
} from "./results/rows.ts";
