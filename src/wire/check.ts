/**
 * Checks of the values that encoders are given, which may be anything.
 */
import { EncodeError, refuseArgument } from "../kernel/errors.ts";
import { listed, shown } from "../kernel/words.ts";
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

/**
 * How many bytes an array really has. A subclass or a property can say anything as `length`.
 *
 * @throws ArgumentError if its buffer is detached, as after a transfer to a worker: then it has none, and no view of it can be made.
 */
export function lengthOf(bytes: Uint8Array, path = "bytes"): number {
  const length = typedArrayLength.call(bytes) as number;
  if (length === 0) {
    try {
      new DataView(typedArrayBuffer.call(bytes) as ArrayBuffer);
    } catch {
      refuseArgument(path, "an attached Uint8Array", bytes);
    }
  }
  return length;
}

/**
 * A Uint8Array over the same memory that is not of a subclass, such as Node's Buffer, and has no properties of its own: code
 * that meets one kind of array only is twice as fast.
 */
export function plainBytes(bytes: Uint8Array, path?: string | undefined): Uint8Array {
  return new Uint8Array(
    typedArrayBuffer.call(bytes) as ArrayBuffer,
    typedArrayOffset.call(bytes) as number,
    lengthOf(bytes, path),
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

/** The bytes that a caller gave, as a plain array over the same memory. @throws ArgumentError */
export function givenBytes(bytes: unknown, path = "bytes"): Uint8Array {
  mustBeBytes(bytes, path);
  return plainBytes(bytes, path);
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
  if (!isUnsigned(value, max)) refuse(`a whole number from 0 to ${max}`, value, path, index, field);
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

/** Throw the EncodeError of a field: `Commit.flags is 7, expected 0`. */
export function refuse(
  expected: string,
  value: unknown,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): never {
  const name = fieldPath(path, index, field);
  throw new EncodeError(name, `${name} is ${shown(value)}, expected ${expected}`);
}

/** `"a", "b" or "c"`, for a message. */
export function quoted(words: readonly string[]): string {
  return listed(words.map((word) => JSON.stringify(word)));
}
