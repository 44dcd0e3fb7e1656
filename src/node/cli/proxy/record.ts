/**
 * Records what CopyData holds: messages of a stream each after their length in four bytes, as `walwire decode` reads them; anything else,
 * such as rows of COPY or archives of a server before 15, as it is, in a file that ends in .raw.
 */
import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../make-directories.ts";
import type { PassingMessage } from "../../proxy/index.ts";
import { InputError } from "../shared/usage.ts";

export class Records {
  readonly #directory: string;
  /** The copies of each connection, by its number. */
  readonly #copies = new Map<number, number>();
  readonly #files = new Map<string, number>();

  /** @throws an error of the file system; InputError if there is something in the directory */
  constructor(directory: string) {
    this.#directory = directory;
    makeDirectories(directory);
    if (readdirSync(directory).length > 0) throw new InputError(`${directory} is not empty: choose another directory`);
  }

  /** @throws an error of the file system */
  write({ connection, from, message, payload, error, bytes }: PassingMessage): void {
    if (
      message?.type === "CopyBothResponse" ||
      message?.type === "CopyOutResponse" ||
      message?.type === "CopyInResponse"
    ) {
      this.close(connection);
      this.#copies.set(connection, (this.#copies.get(connection) ?? 0) + 1);
    }
    if (message?.type === "Terminate") this.close(connection);
    if (message?.type !== "CopyData") return;
    const isRaw = payload === undefined && error === undefined;
    const name = `${connection}.${this.#copies.get(connection) ?? 0}-${from}${isRaw ? ".raw" : ""}`;
    let file = this.#files.get(name);
    if (file === undefined) {
      // What still comes of a copy after its client's Terminate belongs behind what has come.
      file = openSync(join(this.#directory, name), "a");
      this.#files.set(name, file);
    }
    // The type byte and the length, which counts itself.
    const contents = bytes.slice(isRaw ? 5 : 1);
    if (!isRaw) new DataView(contents.buffer).setUint32(0, contents.length - 4);
    for (let at = 0; at < contents.length; ) at += writeSync(file, contents, at);
  }

  /** Close the files of one connection, or all. */
  close(connection?: number): void {
    for (const [name, file] of this.#files) {
      if (connection !== undefined && !name.startsWith(`${connection}.`)) continue;
      closeSync(file);
      this.#files.delete(name);
    }
  }
}
