/** Checks of arguments and options of ours, which may be anything. Each throws an ArgumentError that names the option. */
import { refuseArgument } from "./errors.ts";
import { listed } from "./words.ts";

/**
 * Check that options are an object without names that the function does not take.
 *
 * @param names Every option that it takes.
 * @param path What it is called in the error.
 * @throws ArgumentError
 */
export function checkOptions(options: unknown, names: readonly string[], path = "options"): void {
  if (typeof options !== "object" || options === null) refuseArgument(path, "an object", options);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) refuseArgument(path, listed(names), name);
  }
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
