/**
 * `walwire/conf`: postgresql.conf as a server reads it. Its text to entries, and a file with all that it includes to what the server
 * takes from them. There is no I/O here: the caller gives the files.
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
