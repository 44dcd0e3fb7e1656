/**
 * What BASE_BACKUP is told about compression: an algorithm, and a detail in a language of its own.
 *
 * A port of src/common/compression.c.
 */
import type { OptionNames } from "./advise.ts";
import { adviseOnName } from "./advise.ts";
import { equalsIgnoringCase } from "./defget.ts";
import { intOf } from "./numbers.ts";
import type { Check, ServerBuild } from "./refusal.ts";

/** How a server compresses the archives of a backup. @source compression.h: pg_compress_algorithm */
export type CompressAlgorithm = "none" | "gzip" | "lz4" | "zstd";

/** pg_compress_specification. */
export interface CompressSpecification {
  /** "none" for no compression. */
  readonly algorithm: CompressAlgorithm;
  /** The algorithm's default if none was given: -1 for gzip, which leaves it to zlib; 0 for lz4, its fast mode; 3 for zstd. */
  readonly level: number;
  /** Threads that compress, as given; undefined if nothing was said. Only zstd has some. */
  readonly workers: number | undefined;
  /** Look for matches over long distances? Only zstd can, since 16. */
  readonly longDistance: boolean;
}

interface Algorithm {
  readonly minLevel: number;
  readonly maxLevel: number;
  readonly defaultLevel: number;
  /** As the complaint names it that the server is built without it. */
  readonly library: string;
}

/** By the name that stands in the command. Levels as zlib, lz4 and zstd (1.3.4 and later) have them. */
const algorithms: Readonly<Record<CompressAlgorithm, Algorithm>> = {
  none: { minLevel: 0, maxLevel: 0, defaultLevel: 0, library: "" },
  gzip: { minLevel: 1, maxLevel: 9, defaultLevel: -1, library: "gzip" },
  lz4: { minLevel: 1, maxLevel: 12, defaultLevel: 0, library: "LZ4" },
  zstd: { minLevel: -131072, maxLevel: 22, defaultLevel: 3, library: "ZSTD" },
};

export const algorithmNames = Object.keys(algorithms) as CompressAlgorithm[];

const keywords: OptionNames = { level: undefined, workers: undefined, long: "compressionLong" };

/** What is wrong with a specification, in the server's words, and what to do. */
export interface SpecificationError {
  readonly error: string;
  readonly advice: string;
}

/**
 * @param detail Undefined if none was given.
 * @source compression.c: parse_compress_specification, validate_compress_specification
 */
export function parseCompressSpecification(
  check: Check,
  algorithm: CompressAlgorithm,
  detail: string | undefined,
): CompressSpecification | SpecificationError {
  const { minLevel, maxLevel, defaultLevel, library } = algorithms[algorithm];
  const parsed = parseDetail(check, detail, isBuilt(algorithm, check.build) ? undefined : library, defaultLevel);
  if ("error" in parsed) return parsed;
  const { level, workers, longDistance } = parsed;

  const leaveOut = (what: string) => `Leave ${what} out, or compress with zstd.`;
  if (algorithm === "none" && level !== 0) {
    const error = `compression algorithm "${algorithm}" does not accept a compression level`;
    return { error, advice: "Leave the level out, or name an algorithm." };
  }
  if ((level < minLevel || level > maxLevel) && level !== defaultLevel) {
    const range = `between ${minLevel} and ${maxLevel} (default at ${defaultLevel})`;
    const error = `compression algorithm "${algorithm}" expects a compression level ${range}`;
    return { error, advice: `Write a number from ${minLevel} to ${maxLevel}.` };
  }
  if (workers !== undefined && algorithm !== "zstd") {
    const error = `compression algorithm "${algorithm}" does not accept a worker count`;
    return { error, advice: leaveOut("workers") };
  }
  if (longDistance !== undefined && algorithm !== "zstd") {
    const error = `compression algorithm "${algorithm}" does not support long-distance mode`;
    return { error, advice: leaveOut("long") };
  }
  return { algorithm, level, workers, longDistance: longDistance ?? false };
}

/** Can a server that is built so compress with it? */
export function isBuilt(algorithm: CompressAlgorithm, build: ServerBuild): boolean {
  return algorithm === "none" || (build[algorithm] ?? true);
}

interface Detail {
  readonly level: number;
  readonly workers: number | undefined;
  readonly longDistance: boolean | undefined;
}

/**
 * A bare number, which is a level, or keywords with or without values, with commas between.
 *
 * @param library What the server is built without, if it is. The first keyword is read all the same, and if something is wrong
 * with it the server says that instead.
 */
function parseDetail(
  check: Check,
  detail: string | undefined,
  library: string | undefined,
  defaultLevel: number,
): Detail | SpecificationError {
  const missing: SpecificationError | undefined = library === undefined ? undefined : notBuilt(library);
  const parsed = { level: defaultLevel, workers: undefined, longDistance: undefined };
  if (detail === undefined) return missing ?? parsed;
  const bareLevel = intOf(detail);
  if (bareLevel !== undefined) return missing ?? { ...parsed, level: bareLevel };

  let { level, workers, longDistance }: Detail = parsed;
  for (const entry of detail.split(",")) {
    const equals = entry.indexOf("=");
    const keyword = equals === -1 ? entry : entry.slice(0, equals);
    const value = equals === -1 ? undefined : entry.slice(equals + 1);
    if (keyword === "") {
      const error = "found empty string where a compression option was expected";
      return { error, advice: "Write level=5, for example, with commas between." };
    }
    if (keyword === "level" || keyword === "workers") {
      const number = integerValue(keyword, value);
      if (typeof number !== "number") return number;
      if (keyword === "level") level = number;
      else workers = number;
    } else if (keyword === "long" && check.supports("compressionLong")) {
      const on = value === undefined ? true : booleanValue(value);
      if (on === undefined) {
        const error = `value for compression option "${keyword}" must be a Boolean value`;
        return { error, advice: "Write yes, no, on, off, 1 or 0." };
      }
      longDistance = on;
    } else {
      const error = `unrecognized compression option: "${keyword}"`;
      return { error, advice: adviseOnName(keyword, keywords, check) };
    }
    if (missing !== undefined) return missing;
  }
  return { level, workers, longDistance };
}

function notBuilt(library: string): SpecificationError {
  const error = `this build does not support compression with ${library}`;
  return { error, advice: "Choose another algorithm, or compress on the client's side." };
}

/** @source compression.c: expect_integer_value */
function integerValue(keyword: string, value: string | undefined): number | SpecificationError {
  const advice = `Write ${keyword}=5, for example.`;
  if (value === undefined) return { error: `compression option "${keyword}" requires a value`, advice };
  return intOf(value) ?? { error: `value for compression option "${keyword}" must be an integer`, advice };
}

/** @source compression.c: expect_boolean_value */
function booleanValue(value: string): boolean | undefined {
  if (["yes", "on", "1"].some((word) => equalsIgnoringCase(value, word))) return true;
  if (["no", "off", "0"].some((word) => equalsIgnoringCase(value, word))) return false;
  return undefined;
}
