/** Checks of arguments and options of ours, which may be anything. Each throws an ArgumentError that names the option. */
import { refuseArgument } from "./errors.ts";
import { isArray, listed } from "./words.ts";

/**
 * Check that options are an object without names that the function does not take.
 *
 * @param names Every option that it takes.
 * @param path What it is called in the error.
 * @throws ArgumentError
 */
export function checkOptions(options: unknown, names: readonly string[], path = "options"): void {
  let given: object | undefined;
  try {
    // A copy reads each option, and a getter may throw.
    if (typeof options === "object" && options && !Array.isArray(options)) given = { ...options };
  } catch {}
  if (given === undefined) refuseArgument(path, "an object", options);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) refuseArgument(path, listed(names), name);
  }
}

/**
 * Is it an array, and are all its elements such? A hole is `undefined`. The first that is not ends it: an array without elements can have
 * a length of 2^32 - 1, and `every` looks at each hole.
 */
export function isArrayOf<T>(given: readonly T[], is: (each: T) => boolean): boolean {
  if (!isArray(given)) return false;
  for (const each of given) if (!is(each)) return false;
  return true;
}

/**
 * What a caller gave to be iterated, which may be anything, as an iterable; undefined if it is none. Its iterator is made here, once.
 */
export function iterableOf<T>(given: Iterable<T>): Iterable<T> | undefined {
  // Bytes are one, but what is iterated here are values; a detached array throws.
  const make: unknown = ArrayBuffer.isView(given)
    ? undefined
    : (given as Iterable<T> | null | undefined)?.[Symbol.iterator];
  if (typeof make !== "function") return undefined;
  let iterator: Iterator<T> | undefined;
  try {
    iterator = make.call(given);
  } catch {
    // An object with the methods of another kind.
  }
  return typeof iterator?.next === "function" ? { [Symbol.iterator]: () => iterator } : undefined;
}

/** @throws ArgumentError */
export function checkObject(path: string, value: unknown): asserts value is object {
  if (typeof value !== "object" || value === null) refuseArgument(path, "an object", value);
}

/**
 * Check an option that may be undefined.
 *
 * @param path Such as `options.plugin`.
 * @throws ArgumentError
 */
export function checkType(path: string, value: unknown, type: "boolean" | "function" | "string"): void {
  if (value !== undefined && typeof value !== type) refuseArgument(path, `a ${type}`, value);
}

/**
 * Check a whole number. Where `max` is Infinity, it is a value too: no limit.
 *
 * @throws ArgumentError
 */
export function checkWhole(path: string, value: unknown, min: number, max: number): void {
  if (value === max || (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)) return;
  refuseArgument(path, `a whole number from ${min} ${max === Infinity ? "on, or Infinity" : `to ${max}`}`, value);
}

/**
 * Check a value that is one of a few words or numbers.
 *
 * @throws ArgumentError
 */
export function checkOneOf(
  path: string,
  value: unknown,
  values: readonly (string | number | boolean | undefined)[],
): void {
  if (values.includes(value as string)) return;
  refuseArgument(path, listed(values.filter((each) => each !== undefined).map((each) => JSON.stringify(each))), value);
}
