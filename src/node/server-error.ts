/** ErrorResponse and NoticeResponse as the errors and notices that users get. */
import { ServerError, type ServerErrorFields } from "../kernel/errors.ts";
import type { ServerFields } from "../session/messages.ts";

/**
 * The fields of an ErrorResponse or NoticeResponse by name.
 *
 * @source fe-protocol3.c: pqGetErrorNotice3
 */
function namedFields({ S, V, C, M, D, H, P, W }: ServerFields, what: "ERROR" | "NOTICE"): ServerErrorFields {
  return {
    // Servers before 9.6 send the severity in their language only.
    severity: V ?? S ?? what,
    sqlstate: C ?? "",
    message: M ?? `the server sent ${what === "ERROR" ? "an error" : "a notice"} without a message`,
    detail: D,
    hint: H,
    position: P !== undefined && /^\d{1,9}$/.test(P) ? Number(P) : undefined,
    where: W,
  };
}

/** An ErrorResponse as an error. */
export function serverErrorOf(fields: ServerFields): ServerError {
  return new ServerError(namedFields(fields, "ERROR"));
}

/**
 * Tell a NoticeResponse.
 *
 * @param onRejected Gets what a promise that the callback returns rejects with.
 * @throws what the callback throws.
 */
export function tellNotice(
  onNotice: ((notice: ServerErrorFields) => unknown) | undefined,
  fields: ServerFields,
  onRejected: (error: unknown) => void,
): void {
  const returned = onNotice?.(namedFields(fields, "NOTICE"));
  if (typeof (returned as PromiseLike<unknown> | undefined)?.then === "function") {
    Promise.resolve(returned).catch(onRejected);
  }
}
