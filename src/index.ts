/**
 * walwire: PostgreSQL's replication languages and wire messages. Everything here is pure and runs anywhere; connections are in
 * walwire/client, state machines in walwire/session, fast-check arbitraries in walwire/arbitraries.
 */

export { type CapabilityName, sinceVersion, supports } from "./capabilities.ts";
export * from "./command/index.ts";
export {
  ArgumentError,
  ConnectionError,
  DecodeError,
  EncodeError,
  type ErrorCode,
  errorCodes,
  ParseError,
  type ParseErrorInit,
  PeerMissingError,
  ProtocolError,
  ServerError,
  type ServerErrorFields,
  UnsupportedError,
  WalwireError,
} from "./kernel/errors.ts";
export { formatLsn, invalidLsn, type Lsn, parseLsn, toLsn } from "./kernel/lsn.ts";
export {
  formatPgTime,
  type PgTime,
  pgTimeFromDate,
  pgTimeInfinity,
  pgTimeMinusInfinity,
  pgTimeToDate,
  toPgTime,
} from "./kernel/time.ts";
export {
  defaultServer,
  formatServerVersion,
  formatVersions,
  type Server,
  serverVersionNum,
  type VersionRange,
} from "./kernel/version.ts";
export * from "./logical/index.ts";
export * from "./physical/index.ts";
export * from "./syncrep/index.ts";
export * from "./syncrep/questions.ts";
