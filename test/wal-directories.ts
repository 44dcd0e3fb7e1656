/** What tests of WalDirectory share: a directory that is served on a Unix socket. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type ListenOptions, listen, WalDirectory, type WalDirectoryOptions } from "../src/node/server/index.ts";

/** A directory that is removed after the test. */
export function freshDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "walwire-wal-directory-"));
  chmodSync(path, 0o755);
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Serve a directory. @returns it, and the directory of the socket, which is libpq's host */
export async function served(
  path: string,
  { listening = {}, ...options }: WalDirectoryOptions & { readonly listening?: ListenOptions } = {},
) {
  const directory = await WalDirectory.open(path, options);
  const host = freshDirectory();
  const errors: unknown[] = [];
  const server = await listen({
    server: directory.server,
    path: join(host, ".s.PGSQL.5432"),
    handlers: directory.handlers,
    onError: (error) => errors.push(error),
    ...listening,
  });
  // A standby runs under another user.
  chmodSync(join(host, ".s.PGSQL.5432"), 0o777);
  onTestFinished(async () => {
    await server.close({ immediate: true });
    await directory.close();
  });
  return { host, port: 5432, directory, server, errors };
}
