/**
 * walwire: replication commands, `synchronous_standby_names`, the messages of physical and logical streams, positions, times, errors.
 * Pure code without I/O, for any runtime.
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
  FileError,
  ParseError,
  type ParseErrorInit,
  PeerMissingError,
  ProtocolError,
  ServerError,
  type ServerErrorFields,
  SlotError,
  type SlotErrorCode,
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
