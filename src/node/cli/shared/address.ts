/** Addresses on the command line. */
import { UsageError } from "./usage.ts";

/** Where something listens. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * HOST:PORT, PORT, or the path of a Unix socket.
 *
 * @param least The lowest port: 0, any that is free, or 1.
 * @throws UsageError
 */
export function addressOf(option: string, text: string, least: 0 | 1): ListenAddress {
  if (text.startsWith("/")) return { path: text };
  const match = /^(?:(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<host>[^:[\]]+)):)?(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.port);
  if (match === null || port > 65535 || port < least) {
    throw new UsageError(
      `${option}: expected HOST:PORT, PORT or the path of a Unix socket, got ${JSON.stringify(text)}`,
    );
  }
  return { host: match.groups?.ipv6 ?? match.groups?.host ?? "127.0.0.1", port };
}

/** As `addressOf` reads it. */
export function shownAddress({
  host = "",
  port,
  path,
}: {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
}): string {
  return path ?? `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
