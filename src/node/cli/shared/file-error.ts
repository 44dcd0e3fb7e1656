/** What the file system says of a file, in a sentence. */
import { UnseenError } from "./usage.ts";

/**
 * The error of a file as one of ours; an error of another kind as it is.
 *
 * @param path How the caller knows the file.
 */
export function fileError(path: string, error: unknown): unknown {
  const sentence = fileSentence(error, path);
  return sentence === undefined ? error : new UnseenError(sentence);
}

/** System calls on sockets and host names; all others are on files. */
const socketCalls: ReadonlySet<string> = new Set(["connect", "getaddrinfo", "bind", "listen", "accept", "shutdown"]);

/** "FILE: no such file or directory"; undefined for what is not an error of a file, or names none. */
export function fileSentence(error: unknown, name?: string): string | undefined {
  const { code, syscall, path, message } = error as NodeJS.ErrnoException;
  const file = name ?? path;
  if (code === undefined || syscall === undefined || socketCalls.has(syscall) || file === undefined) return undefined;
  return `${file}: ${errnoWords(message)}`;
}

/** "ENOENT: no such file or directory, open 'x'" without what is around the words. */
export function errnoWords(message: string): string {
  return message.replace(/^\w+: ([^,]+),.*$/s, "$1");
}
