/** Words and lists in sentences: how errors and the command line say how many, which, and what. */

/**
 * Words as a list in a sentence.
 *
 * @example listed(["a", "b", "c"], "and") // "a, b and c"
 */
export function listed(words: readonly string[], conjunction: "and" | "or" = "or"): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${conjunction} ${words.at(-1)}`;
}

/**
 * How many of something, with the noun in the right number.
 *
 * @example counted(1234, "byte") // "1,234 bytes"
 */
export function counted(n: number | bigint, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 || n === 1n ? one : many}`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/**
 * A size in bytes for people, in PostgreSQL's units: steps of 1024.
 *
 * @example formatBytes(16 * 1024 * 1024) // "16 MB"
 */
export function formatBytes(bytes: number | bigint): string {
  let [unit, size] = [0, Number(bytes)];
  for (; size >= 1000 && unit < UNITS.length - 1; unit++) size /= 1024;
  if (unit === 0) return counted(bytes, "byte");
  return `${size >= 10 ? Math.round(size) : Number(size.toFixed(1))} ${UNITS[unit]}`;
}

/** Array.isArray, which throws for a Proxy that was revoked. */
export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** How much of a string an error shows. */
const EXCERPT = 40;

/**
 * A value in a few words, for errors. It may be anything, of any size.
 *
 * @example shown("a") // '"a"'
 * @example shown([1]) // "an array"
 */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > EXCERPT ? `${value.slice(0, EXCERPT)}…` : value);
  }
  if (typeof value === "object" && value !== null) return isArray(value) ? "an array" : "an object";
  if (typeof value === "function") return "a function";
  if (typeof value !== "bigint") return String(value);
  // A bigint of a million digits takes seconds to print.
  return BigInt.asIntN(128, value) === value ? `${value}n` : "a huge bigint";
}
