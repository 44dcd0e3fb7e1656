/** Paths as arguments of node:fs. They are apart from paths.ts, whose declarations need no types of Node. */
import { constants, openSync } from "node:fs";
import { type BinaryPath, binaryPath, isAsciiText } from "./paths.ts";

/** A path for node:fs. */
export function systemPath(path: BinaryPath): string | Buffer {
  return isAsciiText(path) ? path : Buffer.from(path, "latin1");
}

/** Open a file of a backup. A FIFO in its place reads as empty and does not wait for a writer. */
export function openForReading(path: string): number {
  return openSync(systemPath(binaryPath(path)), constants.O_RDONLY | constants.O_NONBLOCK);
}
