/** ErrorResponse and NoticeResponse as the errors and notices that users get. */
import { ServerError, type ServerErrorFields } from "../kernel/errors.ts";
import type { ServerFields } from "../session/messages.ts";

/**
 * The fields of an ErrorResponse or NoticeResponse by name.
 *
 * @source fe-protocol3.c: pqGetErrorNotice3
 */
export function namedFields({ S, V, C, M, D, H, P, W }: ServerFields): ServerErrorFields {
  return {
    // Servers before 9.6 send the severity in their language only.
    severity: V ?? S ?? "ERROR",
    sqlstate: C ?? "",
    message: M ?? "the server reported an error without a message",
    detail: D,
    hint: H,
    position: P !== undefined && /^\d{1,9}$/.test(P) ? Number(P) : undefined,
    where: W,
  };
}

/** An ErrorResponse as an error. */
export function serverErrorOf(fields: ServerFields): ServerError {
  return new ServerError(namedFields(fields));
}
