/** postgresql.conf: its text to entries, and a file with all that it includes to what the server takes of them. */
export { type ConfEntry, type ParsedConf, parsePostgresqlConf, placeInFile, sameParameter } from "./parse.ts";
export {
  type ConfProblem,
  type ConfReader,
  effectiveEntry,
  type PostgresqlConf,
  type ReadPostgresqlConfOptions,
  readPostgresqlConf,
} from "./resolve.ts";
