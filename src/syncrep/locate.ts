/**
 * Where the parts of a SyncRepConfig stand in its text.
 *
 * A SyncRepConfig holds no positions: two that mean the same are equal. Positions are found again when someone asks, from the text
 * that it was parsed from.
 */
import { refuseArgument } from "../kernel/errors.ts";
import { sourceOf } from "../text/source.ts";
import type { SyncRepConfig } from "./ast.ts";
import { syncrepCapabilities } from "./capabilities.ts";
import { type SynchronousStandbyNamesOptions, serverOf } from "./parse.ts";
import { type Parts, partsOf, rangeAt, type TextRange } from "./parts.ts";
import { printSynchronousStandbyNames } from "./print.ts";

/** A standby name, and where it stands. */
export interface StandbyNameLocation extends TextRange {
  /** As in `memberNames`. */
  readonly name: string;
  /** In double quotes? */
  readonly quoted: boolean;
}

/** A text, and where in it the parts of a SyncRepConfig stand, by its fields. */
export interface SynchronousStandbyNamesLocations extends Parts {
  /** The text that the value was parsed from; if it was made otherwise, what `printSynchronousStandbyNames` writes. */
  readonly text: string;
  /** One for each of `memberNames`, in order. */
  readonly memberNames: readonly StandbyNameLocation[];
}

/**
 * Find the parts of a value of `synchronous_standby_names` in its text.
 *
 * A value that `parseSynchronousStandbyNames` gave is found in the text that it was given; a copy of it, or one made by hand, in
 * the text that `printSynchronousStandbyNames` writes for this server.
 *
 * @throws UnsupportedError, EncodeError as printSynchronousStandbyNames does, for a value that was not parsed.
 * @example locateSynchronousStandbyNames(parseSynchronousStandbyNames('ANY 1 (a, "b c")')).memberNames[1] // { name: "b c", quoted: true, offset: 10, end: 15 }
 */
export function locateSynchronousStandbyNames(
  config: SyncRepConfig,
  options: SynchronousStandbyNamesOptions = {},
): SynchronousStandbyNamesLocations {
  const server = serverOf(options);
  if (typeof config !== "object" || config === null) refuseArgument("config", "a SyncRepConfig", config);
  const source = sourceOf(config) ?? { text: printSynchronousStandbyNames(config, { server }), server };
  const { text } = source;
  const { places, ...head } = partsOf(text, syncrepCapabilities.of(source.server));
  const memberNames = config.memberNames.map((name, i) => {
    const { offset, end } = rangeAt(places, i)!;
    return { name, quoted: text[offset] === '"', offset, end };
  });
  return { text, ...head, memberNames };
}
