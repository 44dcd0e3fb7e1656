/** Errors of the file system, as sentences. */
import { UnseenError } from "./usage.ts";

/**
 * Convert an error of a file to an UnseenError; other errors are returned unchanged.
 *
 * @param path The file's name as the user gave it.
 */
export function fileError(path: string, error: unknown): unknown {
  const sentence = fileSentence(error, path);
  return sentence === undefined ? error : new UnseenError(sentence);
}

/** System calls on sockets and host names. All others are on files. */
const socketCalls: ReadonlySet<string> = new Set(["connect", "getaddrinfo", "bind", "listen", "accept", "shutdown"]);

/** "FILE: no such file or directory"; undefined if it is not an error of a file, or the file is unknown. */
export function fileSentence(error: unknown, name?: string): string | undefined {
  const { code, syscall, path, message } = error as NodeJS.ErrnoException;
  const file = name ?? path;
  if (code === undefined || syscall === undefined || socketCalls.has(syscall) || file === undefined) return undefined;
  return `${file}: ${errnoWords(message)}`;
}

/** "ENOENT: no such file or directory, open 'x'" without the code and the call. */
export function errnoWords(message: string): string {
  return message.replace(/^\w+: ([^,]+),.*$/s, "$1");
}
