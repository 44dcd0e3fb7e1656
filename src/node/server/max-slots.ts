/** max_replication_slots. @source slot.c: ReplicationSlotCreate */
import { sessionCapabilities } from "../../session/capabilities.ts";
import { errorOf } from "../../session/server/words.ts";
import type { WalsenderSession } from "./handlers.ts";

const NAME = "max_replication_slots";

/** @throws ServerError 53400 if there are as many slots as the session's parameter allows */
export function mustHaveRoom(slots: number, session: WalsenderSession): void {
  if (slots >= Number(session.parameter(NAME))) throw noRoom(session);
}

export function noRoom(session: WalsenderSession): Error {
  const hint = `Free one or increase ${quoted(NAME, session)}.`;
  return errorOf("CONFIGURATION_LIMIT_EXCEEDED", "all replication slots are in use", { hint });
}

/** A name of a parameter as errors of the version have it. */
export function quoted(name: string, { version }: WalsenderSession): string {
  return sessionCapabilities.supports(version, "parameterNamesQuoted") ? `"${name}"` : name;
}
