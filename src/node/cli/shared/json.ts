/** Common parts of JSON answers. */
import { formatVersions, type VersionRange } from "../../../kernel/version.ts";

/** A JSON answer begins with `ok`. */
export interface Answer {
  readonly ok: boolean;
  readonly [name: string]: unknown;
}

/** Versions as text and as ranges of server_version_num; null is an open end. */
export function versionsJson(versions: readonly VersionRange[]): object {
  return {
    text: formatVersions(versions),
    ranges: versions.map(({ since, until }) => ({ since, until: until ?? null })),
  };
}
