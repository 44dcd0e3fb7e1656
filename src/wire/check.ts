/**
 * Checks of the values that encoders are given, which may be anything.
 */
import { EncodeError } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";
import { fieldPath } from "./place.ts";

/** PostgreSQL's own limit of a message in memory, in bytes (memutils.h: MaxAllocSize). */
export const MAX_ALLOC_SIZE = 0x3fffffff;

/** Reads what a typed array really is, whatever prototype or tag it was given, and undefined of anything else. */
const typedArrayName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!
  .get!;

/** Also for a Uint8Array of another realm, such as a test runner's sandbox; not for what only looks like one. */
export function isBytes(value: unknown): boolean {
  return typedArrayName.call(value) === "Uint8Array";
}

export function isUnsigned(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

export function mustBeObject(
  value: object,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  if (typeof value !== "object" || value === null) refuse("an object", value, path, index, field);
}

export function mustBeArray(
  value: readonly unknown[],
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  if (!Array.isArray(value)) refuse("an array", value, path, index, field);
}

/** Throw the EncodeError of a field. */
export function refuse(
  wanted: string,
  value: unknown,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): never {
  const name = fieldPath(path, index, field);
  throw new EncodeError(name, `${name} takes ${wanted}, not ${shown(value)}`);
}

/** `"a" or "b"`, for a message. */
export function quoted(words: readonly string[]): string {
  return words.map((word) => JSON.stringify(word)).join(" or ");
}
