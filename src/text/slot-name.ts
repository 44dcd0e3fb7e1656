/**
 * What a replication slot may be called.
 *
 * @source slot.c: ReplicationSlotValidateName, from 19 on ReplicationSlotValidateNameInternal
 */
import { ParseError, type ParseErrorInit, refuseArgument } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { slotCapabilities } from "./capabilities.ts";
import { downcaseIdentifier, identifierBytes, truncateIdentifier } from "./identifier.ts";

/** The slot that a subscriber keeps for itself. @source slot.h: CONFLICT_DETECTION_SLOT */
const conflictDetectionSlot = "pg_conflict_detection";

/** The server's error for the name of a slot, and advice. */
export interface SlotNameRefusal extends Pick<ParseErrorInit, "message" | "hint" | "advice"> {
  /** invalid_name, name_too_long or reserved_name. */
  readonly sqlstate: "42602" | "42622" | "42939";
}

/**
 * Reject a name that a new replication slot cannot have.
 *
 * @param name As it reaches the slot: SQL and replication commands cut names to 63 bytes first.
 * @throws ParseError INVALID_VALUE, with the server's message, SQLSTATE and hint.
 * @throws ArgumentError for a name that is not a string, and for unknown options.
 * @source slot.c: ReplicationSlotValidateName
 * @example checkSlotName("standby_1") // undefined
 */
export function checkSlotName(name: string, options: { readonly server?: Server | undefined } = {}): void {
  const refusal = judgeSlotName(name, options);
  if (refusal === undefined) return;
  const offset = Math.max(0, name.search(/[^a-z0-9_]/u));
  throw new ParseError({ code: "INVALID_VALUE", ...refusal, text: name, offset });
}

/**
 * The error of a server for the name of a new slot; undefined if it accepts the name.
 *
 * @throws ArgumentError for a name that is not a string, and for unknown options.
 * @example judgeSlotName("Standby")?.advice // "Write the slot name in lower case: standby."
 */
export function judgeSlotName(
  name: string,
  options: { readonly server?: Server | undefined } = {},
): SlotNameRefusal | undefined {
  if (typeof name !== "string") refuseArgument("name", "a string", name);
  checkOptions(options, ["server"]);
  const version = serverVersionNum(options.server);
  if (name === "") {
    return {
      sqlstate: "42602",
      message: `replication slot name "${name}" is too short`,
      hint: undefined,
      advice: "A slot needs a name.",
    };
  }
  // No text of a command makes it: the scanner has cut the name.
  if (truncateIdentifier(name) !== name) {
    return {
      sqlstate: "42622",
      message: `replication slot name "${name}" is too long`,
      hint: undefined,
      advice: `A name has ${identifierBytes} bytes at most.`,
    };
  }
  if (!isSlotName(name)) {
    const lower = downcaseIdentifier(name);
    const example = lower.replace(/[^a-z0-9_]/gu, "_");
    const allowed = slotCapabilities.supports(version, "slotNameHintSaysLowerCase")
      ? "lower case letters, numbers, and"
      : "letters, numbers and";
    return {
      sqlstate: "42602",
      message: `replication slot name "${name}" contains invalid character`,
      hint: `Replication slot names may only contain ${allowed} the underscore character.`,
      advice: isSlotName(lower)
        ? `Write the slot name in lower case: ${asIdentifier(lower)}.`
        : `Write ${asIdentifier(example)}, for example.`,
    };
  }
  if (name === conflictDetectionSlot && slotCapabilities.supports(version, "conflictDetectionSlot")) {
    return {
      sqlstate: "42939",
      message: `replication slot name "${name}" is reserved`,
      hint: `The name "${name}" is reserved for the conflict detection slot.`,
      advice: "Choose another name.",
    };
  }
  return undefined;
}

/** As commands need it: a name that begins with a digit stands in quotes. */
function asIdentifier(name: string): string {
  return /^\d/.test(name) ? `"${name}"` : name;
}

/** Can a slot have this name, in any version? */
export function isSlotName(name: string): boolean {
  return /^[a-z0-9_]+$/.test(name);
}
