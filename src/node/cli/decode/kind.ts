/** What `walwire decode` knows of a kind of file: how it is recognised, and how it is shown. */
import { basename } from "node:path";
import type { Dissection } from "../../../dissect/index.ts";
import { DecodeError, ParseError } from "../../../kernel/errors.ts";
import type { Json } from "../../../wire/json.ts";
import { type Page, printable } from "../shared/people.ts";
import { InputError, UnseenError } from "../shared/usage.ts";
import type { Source } from "./input.ts";

/** How a file is to be shown. */
export interface FileCall {
  /** server_version_num; undefined if it is unknown. */
  readonly server: number | undefined;
  readonly verify: boolean;
  readonly jsonl: boolean;
}

/** A part of a file, for programs and for people. */
export interface FilePart {
  /** One object for --jsonl, its type first. */
  readonly json: { readonly [name: string]: Json };
  readonly say: (page: Page) => void;
  /** With --verify, the first byte of the file that it encodes to another for; undefined if there is none. */
  readonly mismatch?: number | undefined;
  /** It is no part of the file, but said of several. */
  readonly uncounted?: boolean;
}

/** A part of a file, or a message, as a tree of fields. */
export interface DissectedPart {
  readonly tree: Dissection;
  /** The bytes that the tree is of. */
  readonly bytes: Uint8Array;
  /** Where they begin in the file. */
  readonly offset: number;
}

/** Why a file cannot be read, or read further. */
export interface FileError {
  readonly error: ParseError | DecodeError;
}

/** A kind of file. */
export interface FileKind {
  /** With its article, for sentences. */
  readonly name: string;
  recognise(head: Head): boolean;
  /** Its parts in order, and at the end perhaps why there are no more. */
  read(source: Source, call: FileCall): AsyncIterable<FilePart | FileError>;
  /** Its parts as trees of fields. */
  readonly dissect: (source: Source, call: Pick<FileCall, "server">) => AsyncIterable<DissectedPart>;
}

/** What a file begins with. */
export interface Head {
  readonly bytes: Uint8Array;
  /** One character a byte. */
  readonly text: string;
  /** Without its directories; - for standard input. */
  readonly name: string;
}

/** Does the file begin with this number, in little-endian order? */
export const magic =
  (number: number) =>
  ({ bytes }: Head): boolean =>
    bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === number;

export function title(page: Page, text: string): void {
  page.line(page.style("bold", text));
}

/** Larger files of these kinds no server writes. */
const SMALL = 16 * 1024 * 1024;

/** A tree of a longer file could take more memory than there is: up to 300 bytes for each of its bytes. */
const TREE = 2 * 1024 * 1024;

/** The dissection of a file as one tree. */
export function wholeTree(
  kind: string,
  tree: (bytes: Uint8Array, call: Pick<FileCall, "server">, name: string) => Dissection,
): FileKind["dissect"] {
  return async function* (source, call) {
    const bytes = await wholeOf(source, `--bytes of ${kind}`, TREE, UnseenError);
    yield { tree: tree(bytes, call, nameOf(source)), bytes, offset: 0 };
  };
}

/** Its name, unpacked. */
function nameOf({ path }: Source): string {
  return basename(path).replace(/\.(?:gz|zst|lz4)$/, "");
}

/** A file that is read as a whole, and is one thing. */
export function small(
  kind: Pick<FileKind, "name" | "recognise"> & {
    readonly tree: (bytes: Uint8Array, call: Pick<FileCall, "server">, name: string) => Dissection;
    /** @throws ParseError | DecodeError for what it is not. */
    readonly show: (bytes: Uint8Array, call: FileCall, name: string) => FilePart;
  },
): FileKind {
  return {
    name: kind.name,
    recognise: kind.recognise,
    dissect: wholeTree(kind.name, kind.tree),
    async *read(source, call) {
      const bytes = await wholeOf(source, kind.name, SMALL, InputError);
      try {
        yield kind.show(bytes, call, nameOf(source));
      } catch (error) {
        if (!(error instanceof ParseError || error instanceof DecodeError)) throw error;
        yield { error };
      }
    },
  };
}

async function wholeOf(
  { path, chunks, close }: Source,
  kind: string,
  most: number,
  TooLong: new (message: string) => Error,
): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    all.push(chunk);
    length += chunk.length;
    if (length > most) {
      close();
      throw new TooLong(`${printable(path)} is too long for ${kind}: more than ${most} bytes`);
    }
  }
  return new Uint8Array(Buffer.concat(all));
}
