/**
 * Formats of WAL: each major has its own, and a number at the beginning of each page that says which.
 *
 * The pages, and how records lie in them, are nearly the same from 9.6 on; what resource managers put into records is not.
 */

import { refuseArgument, UnsupportedError } from "../kernel/errors.ts";
import { checkObject, checkOptions } from "../kernel/options.ts";
import { formatServerVersion, type Server, serverVersionNum } from "../kernel/version.ts";
import { serverOfWalPageMagic, type WalCapabilities, walCapabilities, walPageMagic } from "./capabilities.ts";

/** Whose WAL it is. */
export interface WalServer {
  /** The version that wrote it. */
  readonly server: Server;
}

/** How a server writes WAL. */
export interface WalFormat {
  /** XLOG_PAGE_MAGIC: what its pages begin with. */
  readonly magic: number;
  /** server_version_num: error texts and rules are those of this minor. */
  readonly server: number;
  /** The capabilities of that server for the frame of WAL. */
  readonly has: WalCapabilities;
}

/**
 * The format of pages that begin with this number, as the newest minor known of the major writes it; undefined if no server known writes
 * such pages.
 *
 * Of betas, only the WAL of 19beta1 is known.
 *
 * @source xlog_internal.h: XLOG_PAGE_MAGIC
 * @example walFormatOfMagic(0xd110).server // 150020
 */
export function walFormatOfMagic(magic: number): WalFormat | undefined {
  const server = serverOfWalPageMagic(magic);
  return server === undefined ? undefined : { magic, server, has: walCapabilities.of(server) };
}

/**
 * The format that a server of this version writes. Minors of a major differ in error texts and in what they accept.
 *
 * @throws UnsupportedError for a version whose WAL is not known: those before 9.6, and those after 19.
 * @example walFormat({ server: "17.2" }).magic.toString(16) // "d116"
 */
export function walFormat(options: { readonly server?: Server | undefined } = {}): WalFormat {
  checkOptions(options, ["server"]);
  const { server } = options;
  const magic = walPageMagic(server);
  if (magic === undefined) {
    throw new UnsupportedError(
      `the WAL of PostgreSQL ${formatServerVersion(server!)} is not known, only that of 9.6 to 19`,
      "walPageMagics",
    );
  }
  const num = serverVersionNum(server);
  return { magic, server: num, has: walCapabilities.of(num) };
}

/** The version in the options of a function that needs one. */
export function serverOf(options: WalServer): Server {
  checkObject("options", options);
  if (options.server === undefined) refuseArgument("options.server", "a version", undefined);
  return options.server;
}

/** @throws ArgumentError */
export function checkFormat(format: WalFormat): void {
  if (typeof format?.magic !== "number" || typeof format.has !== "object" || format.has === null) {
    refuseArgument("options.format", "a format as walFormat returns it", format);
  }
}
