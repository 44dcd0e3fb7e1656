/**
 * walwire: PostgreSQL's replication languages and wire messages. Everything here is pure and runs anywhere; connections are in
 * walwire/client, state machines in walwire/session, fast-check arbitraries in walwire/arbitraries.
 */
export * from "./command/index.ts";
export {
  DecodeError,
  EncodeError,
  type ErrorCode,
  errorCodes,
  ParseError,
  type ParseErrorInit,
  ProtocolError,
  UnsupportedError,
  WalwireError,
} from "./errors.ts";
export * from "./logical/index.ts";
export { formatLsn, invalidLsn, type Lsn, parseLsn, toLsn } from "./lsn.ts";
export * from "./physical/index.ts";
export {
  type CapabilityName,
  defaultServer,
  formatServerVersion,
  formatVersions,
  type Server,
  serverVersionNum,
  sinceVersion,
  supports,
  type VersionRange,
} from "./server-version.ts";
export * from "./syncrep/index.ts";
export * from "./syncrep/questions.ts";
export {
  formatPgTime,
  type PgTime,
  pgTimeFromDate,
  pgTimeInfinity,
  pgTimeMinusInfinity,
  pgTimeToDate,
  toPgTime,
} from "./time.ts";
