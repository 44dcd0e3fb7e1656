/**
 * The versions in the outputs of the documents' examples: "PostgreSQL 18.7" for `--server 18` and without `--server`, which mean the newest
 * minor that walwire knows. Versions that an example names with their minor stay.
 */
import { formatServerVersion } from "../src/kernel/version.ts";

export function withNewestMinors(page: string): string {
  const named = new Set([...page.matchAll(/--server (\d+\.\d+)/g)].map(([, version]) => version));
  return page.replace(/\bPostgreSQL ((1\d)\.\d+)/g, (text, version: string, major: string) =>
    named.has(version) ? text : `PostgreSQL ${formatServerVersion(major)}`,
  );
}
