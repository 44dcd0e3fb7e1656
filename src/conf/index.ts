/**
 * walwire/conf: postgresql.conf as a server reads it, with all that it includes. The caller gives the files.
 */
export {
  type ConfEntry,
  commentsOf,
  type ParsedConf,
  parsePostgresqlConf,
  placeInFile,
  sameParameter,
} from "./parse.ts";
export {
  type ConfEntryFailure,
  type ConfFailure,
  type ConfProblem,
  type ConfReader,
  type ConfUnread,
  checkedEntries,
  effectiveEntry,
  type PostgresqlConf,
  type ReadPostgresqlConfOptions,
  readPostgresqlConf,
} from "./resolve.ts";
