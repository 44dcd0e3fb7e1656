/** What servers say of state files that they do not read. */
import type { StateFileCapabilities } from "./capabilities.ts";

/** What a server says of a state file, word for word. */
export interface StateFileRefusal {
  /** PANIC and FATAL keep a server from starting; ERROR ends what asked for the file. */
  readonly level: "PANIC" | "FATAL" | "ERROR";
  /** Five characters. */
  readonly sqlstate: string;
  /** The primary message. */
  readonly message: string;
  /** The hint; undefined if there is none. */
  readonly hint: string | undefined;
}

export const DATA_CORRUPTED = "XX001";
export const INTERNAL_ERROR = "XX000";
export const UNDEFINED_FILE = "58P01";
export const CONFIGURATION_LIMIT_EXCEEDED = "53400";
export const OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";

/** What the operating system said last, and the SQLSTATE of that. */
const lastErrors = { "No such file or directory": UNDEFINED_FILE, Success: INTERNAL_ERROR } as const;

/**
 * A server reads fewer bytes of a file than it wants. Up to 11 it adds what the operating system said last, which was of another file.
 */
export function shortRead(
  has: StateFileCapabilities,
  level: StateFileRefusal["level"],
  path: string,
  read: number,
  wanted: bigint | number,
  lastError: keyof typeof lastErrors,
): StateFileRefusal {
  return has.stateShortReadSaysSize
    ? refusal(level, DATA_CORRUPTED, `could not read file "${path}": read ${read} of ${wanted}`)
    : refusal(level, lastErrors[lastError], `could not read file "${path}", read ${read} of ${wanted}: ${lastError}`);
}

export function refusal(
  level: StateFileRefusal["level"],
  sqlstate: string,
  message: string,
  hint?: string,
): StateFileRefusal {
  return { level, sqlstate, message, hint };
}

/** A setting or a value of one as messages name it: in quotes from 17 on. */
export function settingName(has: StateFileCapabilities, name: string): string {
  return has.stateMessagesQuoteSettings ? `"${name}"` : name;
}
