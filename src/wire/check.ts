/**
 * Checks of the values that encoders are given, which may be anything.
 */
import { EncodeError, refuseArgument } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";
import { fieldPath } from "./place.ts";

/** PostgreSQL's own limit of a message in memory, in bytes (memutils.h: MaxAllocSize). */
export const MAX_ALLOC_SIZE = 0x3fffffff;

const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const getter = (name: PropertyKey): (() => unknown) => Object.getOwnPropertyDescriptor(typedArray, name)!.get!;

/** Reads what a typed array really is, whatever prototype or tag it was given, and undefined of anything else. */
const typedArrayName = /* @__PURE__ */ getter(Symbol.toStringTag);
const typedArrayLength = /* @__PURE__ */ getter("length");
const typedArrayOffset = /* @__PURE__ */ getter("byteOffset");
const typedArrayBuffer = /* @__PURE__ */ getter("buffer");

/** Also for a Uint8Array of another realm, such as a test runner's sandbox; not for what only looks like one. */
export function isBytes(value: unknown): value is Uint8Array {
  return typedArrayName.call(value) === "Uint8Array";
}

/** How many bytes an array really has. A subclass or a property can say anything as `length`. */
export function lengthOf(bytes: Uint8Array): number {
  return typedArrayLength.call(bytes) as number;
}

/**
 * A Uint8Array over the same memory that is not of a subclass, such as Node's Buffer, and has no properties of its own: code
 * that meets one kind of array only is twice as fast.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(
    typedArrayBuffer.call(bytes) as ArrayBuffer,
    typedArrayOffset.call(bytes) as number,
    lengthOf(bytes),
  );
}

/**
 * Check bytes that a decoder is given.
 *
 * @throws ArgumentError
 */
export function mustBeBytes(bytes: unknown, path = "bytes"): asserts bytes is Uint8Array {
  if (!isBytes(bytes)) refuseArgument(path, "a Uint8Array", bytes);
}

/** Check what says which conditions hold. @throws ArgumentError */
export function mustBeContext(context: unknown): void {
  if (typeof context !== "object" || context === null) refuseArgument("context", "an object", context);
}

export function isUnsigned(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

export function mustBeUnsigned(
  value: number,
  max: number,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  if (!isUnsigned(value, max)) refuse(`a whole number of 0 to ${max}`, value, path, index, field);
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
