/** What subcommands read: the version of a server, and a text. */

import { type CommandCapability, commandCapabilities } from "../../../command/capabilities.ts";
import { UnsupportedError } from "../../../kernel/errors.ts";
import { requireCapability, serverVersionNum } from "../../../kernel/version.ts";
import { InputError, UsageError } from "./usage.ts";

/**
 * @param needs What the version must have, and its name.
 * @throws UsageError for what is no version, or one that has not.
 */
export function serverOf(version: string, needs?: readonly [capability: CommandCapability, what: string]): number {
  try {
    const server = serverVersionNum(version);
    if (needs !== undefined) requireCapability(commandCapabilities, server, ...needs);
    return server;
  } catch (error) {
    throw error instanceof UnsupportedError ? new UsageError(error.message) : error;
  }
}

/**
 * A text: the only argument, or, without one or for `-`, all of standard input without the newline at its end.
 *
 * @param name What it is called in the usage.
 */
export async function textOf(positionals: readonly string[], name: string): Promise<string> {
  if (positionals.length > 1) throw new UsageError(`one ${name}, in quotes, not ${positionals.length}`);
  const [text = "-"] = positionals;
  return text === "-" ? (await readStandardInput()).replace(/\r?\n$/, "") : text;
}

/** @throws InputError if it is not UTF-8. */
export async function readStandardInput(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(Buffer.concat(chunks));
  } catch {
    throw new InputError("what comes from standard input is not UTF-8");
  }
}

/** What the file system says of a path, in a sentence; an error of another kind as it is. */
export function fileError(path: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new InputError(`${path}: ${message.replace(/^\w+: ([^,]+),.*$/s, "$1")}`);
}
