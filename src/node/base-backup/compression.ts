/**
 * How archives are compressed, and where, in pg_basebackup's words.
 *
 * @source pg_basebackup.c: backup_parse_compress_options; compression.c: parse_compress_options
 */
import { ArgumentError } from "../../kernel/errors.ts";

/** What `compress` says. */
export interface BackupCompress {
  readonly where: "client" | "server";
  readonly algorithm: "none" | "gzip" | "lz4" | "zstd";
  /** The level and more, as given. */
  readonly detail: string | undefined;
  /** The level of gzip; undefined for the default. Only for the client. */
  readonly level: number | undefined;
}

/**
 * Parse `[{client|server}-]METHOD[:DETAIL]`, or a level of gzip.
 *
 * @throws ArgumentError
 */
export function parseCompress(text: string, path: string): BackupCompress {
  const [, where = "client", spec] = /^(?:(client|server)-)?(.*)$/s.exec(text) as unknown as [
    string,
    "client" | "server" | undefined,
    string,
  ];
  const isLevel = /^\d+$/.test(spec);
  const named = isLevel ? (Number(spec) === 0 ? "none" : `gzip:${spec}`) : spec;
  const colon = named.indexOf(":");
  const algorithm = (colon === -1 ? named : named.slice(0, colon)) as BackupCompress["algorithm"];
  const detail = colon === -1 ? undefined : named.slice(colon + 1);
  if (!["none", "gzip", "lz4", "zstd"].includes(algorithm)) {
    throw new ArgumentError(path, `unrecognized compression algorithm: "${algorithm}"`);
  }
  // The server checks its own.
  if (where === "server") return { where, algorithm, detail, level: undefined };
  if (algorithm === "lz4" || algorithm === "zstd") {
    throw new ArgumentError(path, `walwire compresses with gzip only: write server-${named}`);
  }
  const level = detail === undefined ? undefined : Number(/^(?:level=)?(\d+)$/.exec(detail)?.[1]);
  if (level !== undefined && (algorithm === "none" || !(level >= 1 && level <= 9))) {
    const expected = algorithm === "none" ? "none has no level" : "the level of gzip is 1 to 9";
    throw new ArgumentError(path, `invalid compression specification: ${expected}, got ${JSON.stringify(detail)}`);
  }
  return { where, algorithm, detail, level };
}
