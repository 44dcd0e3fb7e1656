/** What the files of conformance/ have in common: inputs, what servers said of them, and what walwire says. */
import { isDeepStrictEqual } from "node:util";
import type { ServerBuild } from "../../src/command/index.ts";
import type { OwnServer } from "../../test/servers/index.ts";

/** What must be known of a server to say what it says. */
export interface ServerFacts {
  readonly major: number;
  readonly versionNum: number;
  /** The libraries of compression that it is built with. */
  readonly build: ServerBuild;
}

/** How many inputs are made, and which. */
export interface Draw {
  readonly servers: readonly number[];
  readonly seed: number;
  /** 1 makes the set that is published. */
  readonly times: number;
}

/** What walwire says in a server's place, and what it adds that no server says. */
export interface Ours<Said> {
  readonly said: Said;
  readonly walwire?: object | undefined;
  /** Fields of `said` that walwire does not know; they are not in its own. */
  readonly unknown?: readonly string[];
}

/** Does walwire say what a server said, as far as it knows? */
export function agrees(ours: Ours<unknown>, said: unknown): boolean {
  const { unknown = [] } = ours;
  const known =
    unknown.length === 0
      ? said
      : Object.fromEntries(Object.entries(said as object).filter(([name]) => !unknown.includes(name)));
  return isDeepStrictEqual(JSON.parse(JSON.stringify(ours.said)), known);
}

/** Keeps the bytes of a file, by its path in the folder. */
export type Store = (path: string, bytes: Uint8Array) => void;

/** One file of the set. Inputs and answers are what JSON can hold. */
export interface Kind<Input = unknown, Said = unknown> {
  /** The rows are in data/NAME.jsonl. */
  readonly name: string;
  /** The same for the same draw. */
  inputs(draw: Draw): readonly Input[];
  /**
   * What a live server says of each; undefined where it is not asked.
   *
   * @param store Keeps the bytes of a file that the input names, where a set is made.
   */
  ask(server: OwnServer, inputs: readonly Input[], store: Store): Promise<readonly (Said | undefined)[]>;
  /** undefined: walwire does not know, as README says of the file. */
  ours(input: Input, server: ServerFacts): Ours<Said> | undefined | Promise<Ours<Said> | undefined>;
  /** Ends what `ours` has started. */
  close?(): Promise<void>;
  /** The input as the row has it, with what only the server's answer shows to be asked. */
  inputOf?(input: Input, said: Said, server: ServerFacts): Input;
  /** Is it the same answer, though addresses in it differ? Without it, answers are the same if they are equal. */
  isSame?(said: Said, now: Said): boolean;
  /**
   * Rows of one sort differ in names and numbers only; the shortest inputs of each are kept. Without it, or where it gives undefined,
   * each input is kept.
   */
  sort?(input: Input, said: Said, walwire: object | undefined): string | undefined;
  /** Is it about what a server once wrote, so that no other can be asked? */
  readonly onlyRecorded?: boolean;
  /** Is a program of PostgreSQL 15 asked, which must be installed? */
  readonly byProgram?: boolean;
  /** How many inputs of which servers say the same sorts of things are kept. */
  readonly ofEachSort?: number;
}

/** One line of a file. */
export interface Row<Input = unknown, Said = unknown> {
  readonly input: Input;
  /** The majors that said it, in ascending order. */
  readonly versions: readonly number[];
  readonly said: Said;
  readonly walwire?: object;
}

/** An error or a notice of a server, without what it does not have. */
export interface Words {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

export function words(fields: {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}): Words {
  const { sqlstate, message, detail, hint } = fields;
  return { sqlstate, message, ...(detail !== undefined && { detail }), ...(hint !== undefined && { hint }) };
}

/** A message without the names and numbers in it. */
export function sortOfWords({ sqlstate, message, detail, hint }: Words): string {
  const generic = (text: string | undefined) => text?.replace(/".*"/gs, '"…"').replace(/\d+/g, "0");
  return JSON.stringify([sqlstate, generic(message), generic(detail), generic(hint)]);
}
