/**
 * Formats of WAL: each major has its own, and a number at the beginning of each page that says which.
 *
 * The pages, and how records lie in them, are nearly the same from 9.6 on; what resource managers put into records is not.
 */
import { UnsupportedError } from "../kernel/errors.ts";
import { formatServerVersion, type Server } from "../kernel/version.ts";
import { serverOfWalPageMagic, type WalCapabilities, walCapabilities, walPageMagic } from "./capabilities.ts";

/** Whose WAL it is. */
export interface WalServer {
  /** The version that wrote it. */
  readonly server: Server;
}

/** How a major writes WAL. */
export interface WalFormat {
  /** XLOG_PAGE_MAGIC: what its pages begin with. */
  readonly magic: number;
  /** server_version_num of the newest minor known of the major: error texts and rules are that one's. */
  readonly server: number;
  /** What that server knows of the frame of WAL. */
  readonly has: WalCapabilities;
}

/**
 * The format of pages that begin with this number; undefined if no server known writes such pages.
 *
 * @source xlog_internal.h: XLOG_PAGE_MAGIC
 * @example walFormatOfMagic(0xd110).server // 150020
 */
export function walFormatOfMagic(magic: number): WalFormat | undefined {
  const server = serverOfWalPageMagic(magic);
  return server === undefined ? undefined : { magic, server, has: walCapabilities.of(server) };
}

/**
 * The format that a server of this version writes: that of its major, whatever the minor.
 *
 * @throws UnsupportedError for a version whose WAL is not known: those before 9.6, and those after 19.
 * @example walFormat({ server: "17.2" }).magic.toString(16) // "d116"
 */
export function walFormat({ server }: { readonly server?: Server | undefined } = {}): WalFormat {
  const magic = walPageMagic(server);
  const format = magic === undefined ? undefined : walFormatOfMagic(magic);
  if (format === undefined) {
    throw new UnsupportedError(
      `the WAL of PostgreSQL ${formatServerVersion(server!)} is not known, only that of 9.6 to 19`,
      "walPageMagics",
    );
  }
  return format;
}
