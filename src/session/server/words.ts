/** Errors in a server's words, and the messages that say them. */
import { refuseArgument, ServerError, type ServerErrorFields } from "../../kernel/errors.ts";
import { checkOneOf, checkWhole } from "../../kernel/options.ts";
import type { BackendMessage, ServerFields } from "../messages.ts";

/** SQLSTATEs under their names in errcodes.txt, without ERRCODE. */
export const errcode = {
  PROTOCOL_VIOLATION: "08P01",
  FEATURE_NOT_SUPPORTED: "0A000",
  CHARACTER_NOT_IN_REPERTOIRE: "22021",
  INVALID_PARAMETER_VALUE: "22023",
  ACTIVE_SQL_TRANSACTION: "25001",
  NO_ACTIVE_SQL_TRANSACTION: "25P01",
  IN_FAILED_SQL_TRANSACTION: "25P02",
  INVALID_AUTHORIZATION_SPECIFICATION: "28000",
  INVALID_PASSWORD: "28P01",
  INVALID_CATALOG_NAME: "3D000",
  SYNTAX_ERROR: "42601",
  UNDEFINED_OBJECT: "42704",
  DUPLICATE_OBJECT: "42710",
  TOO_MANY_CONNECTIONS: "53300",
  CONFIGURATION_LIMIT_EXCEEDED: "53400",
  OBJECT_NOT_IN_PREREQUISITE_STATE: "55000",
  OBJECT_IN_USE: "55006",
  QUERY_CANCELED: "57014",
  ADMIN_SHUTDOWN: "57P01",
  UNDEFINED_FILE: "58P01",
  INTERNAL_ERROR: "XX000",
} as const;

type Rest = Pick<ServerErrorFields, "detail" | "hint" | "position">;

/** `ereport(ERROR)`: the command fails, and the session goes on. */
export function errorOf(code: keyof typeof errcode, message: string, rest: Rest = {}): ServerError {
  return new ServerError({ severity: "ERROR", sqlstate: errcode[code], message, ...rest });
}

/** `ereport(FATAL)`: the session ends. */
export function fatal(code: keyof typeof errcode, message: string, rest: Rest = {}): ServerError {
  return new ServerError({ severity: "FATAL", sqlstate: errcode[code], message, ...rest });
}

/** The server shuts down. @source postgres.c: ProcessInterrupts */
export function shutdownError(): ServerError {
  return fatal("ADMIN_SHUTDOWN", "terminating connection due to administrator command");
}

/**
 * Check an error that an application made, or got from elsewhere, before it is told a client.
 *
 * @returns it.
 * @throws ArgumentError naming the field that a server could not send.
 */
export function checkAnswer(error: ServerError): ServerError {
  const { severity, sqlstate, message, position } = error;
  checkOneOf("fields.severity", severity, ["ERROR", "FATAL", "PANIC"]);
  if (typeof sqlstate !== "string" || !/^[A-Z0-9]{5}$/.test(sqlstate)) {
    refuseArgument("fields.sqlstate", "a SQLSTATE, five of A to Z and 0 to 9", sqlstate);
  }
  for (const [name, text] of Object.entries({ message, detail: error.detail, hint: error.hint, where: error.where })) {
    if (text === undefined && name !== "message") continue;
    if (typeof text !== "string" || text.includes("\0")) refuseArgument(`fields.${name}`, "text without NUL", text);
  }
  if (position !== undefined) checkWhole("fields.position", position, 1, 2 ** 31 - 1);
  return error;
}

/**
 * The fields of an ErrorResponse or NoticeResponse, in the order in which a server sends them.
 *
 * @source elog.c: send_message_to_frontend
 */
export function fieldsOf(error: ServerErrorFields): ServerFields {
  const { severity, sqlstate, message, detail, hint, where, position } = error;
  return {
    S: severity,
    V: severity,
    C: sqlstate,
    M: message,
    ...(detail === undefined ? {} : { D: detail }),
    ...(hint === undefined ? {} : { H: hint }),
    ...(where === undefined ? {} : { W: where }),
    ...(position === undefined ? {} : { P: String(position) }),
  };
}

/** An error as the message that tells it. */
export function errorResponse(error: ServerErrorFields): BackendMessage {
  return { type: "ErrorResponse", fields: fieldsOf(error) };
}

/** A notice or warning as the message that tells it. */
export function noticeResponse(notice: ServerErrorFields): BackendMessage {
  return { type: "NoticeResponse", fields: fieldsOf(notice) };
}
