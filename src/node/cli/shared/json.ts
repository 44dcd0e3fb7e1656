/** What answers to programs have in common. */
import { formatVersions, type VersionRange } from "../../../kernel/version.ts";

/** An answer to a program begins with this. */
export interface Answer {
  readonly ok: boolean;
  readonly [name: string]: unknown;
}

/** In words, and as ranges of server_version_num in which null is no end. */
export function versionsJson(versions: readonly VersionRange[]): object {
  return {
    text: formatVersions(versions),
    ranges: versions.map(({ since, until }) => ({ since, until: until ?? null })),
  };
}
