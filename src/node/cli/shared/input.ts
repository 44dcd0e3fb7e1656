/** The input of subcommands: a text, standard input, a URL. */
import { readFileSync } from "node:fs";
import { errnoWords } from "./file-error.ts";
import { InputError, UnseenError, UsageError } from "./usage.ts";

/**
 * The argument; without one or for `-`, standard input without the newline at its end.
 *
 * @param name What the help calls the argument.
 * @throws UsageError without an argument if standard input is a terminal: it would wait silently.
 */
export async function textOf(argument: string | undefined, name: string): Promise<string> {
  if (argument === undefined && process.stdin.isTTY) {
    throw new UsageError(`missing ${name}: give it in quotes, or - to type it`, "missing-argument");
  }
  return argument === undefined || argument === "-" ? (await readStandardInput()).replace(/\r?\n$/, "") : argument;
}

/** @throws InputError if it is not UTF-8. */
export async function readStandardInput(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(Buffer.concat(chunks));
  } catch {
    throw new InputError("standard input is not UTF-8");
  }
}

/** A small file, such as a certificate. @throws UnseenError */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UnseenError(`${path}: ${errnoWords((error as Error).message)}`);
  }
}

/**
 * Check that an argument is the URL of a server.
 *
 * @throws UsageError
 */
export function urlOf(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url)) return url;
  throw new UsageError(`expected a URL such as postgres://user@host/database, got ${JSON.stringify(url)}`);
}
