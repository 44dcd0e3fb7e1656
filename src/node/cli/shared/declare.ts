/**
 * Declarations of subcommands. Options with their types, the checks of a call, `--help`, the tables of docs/command-line.md and the
 * shell completion all derive from one declaration.
 *
 * To add an option: write one entry in `options` of cli/NAME/declaration.ts, use `call.options.itsName` in cli/NAME/index.ts, and run
 * `npm run generate` for the table in the docs. The entry has all rules for the option:
 *
 *     "target-lsn": {
 *       type: "lsn",                       // boolean, string, choice, integer, lsn or server; `many: true` if it can be repeated
 *       value: "LSN",                      // what the help calls its value
 *       help: "stop at this position",     // lower case, no full stop
 *       short: "t",                        // -t
 *       default: "0/0",                    // as typed; the option is then never undefined
 *       only: ["check"],                   // the verbs that take it; without `only` all of them
 *       conflicts: ["stats", "FILE"],      // options, or the argument, that it cannot be used with
 *       requires: ["conf"],                // it needs one of these options
 *     }
 *
 * What depends on values (a version too old for an option) is checked in index.ts: throw `new UsageError("--x requires …")`.
 *
 * To add a subcommand: write cli/NAME/declaration.ts with `defineSubcommand` and `export type NameCall = CallOf<typeof name>`,
 * cli/NAME/index.ts with `export async function run(call: NameCall): Promise<Status>`, and one line in cli/subcommands.ts. Declarations
 * import nothing but this file and kernel/, since all of them are loaded at each start; the code of a subcommand is loaded when it is
 * called. Exit statuses are in status.ts. docs/command-line.md needs a section with the markers `<!-- options: NAME -->` and
 * `<!-- end -->`; test/package/generated.test.ts says so if they are missing.
 */
import type { Lsn } from "../../../kernel/lsn.ts";

interface OptionBase {
  /** What it does, in lower case, without a full stop. */
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Another name that is accepted, not shown. */
  readonly alias?: string;
  /** The verbs that take it; all of them without this. */
  readonly only?: readonly string[];
  /** Options, or the name of the argument, that it cannot be used with. One side says it. */
  readonly conflicts?: readonly string[];
  /** At least one of these options is needed with it. */
  readonly requires?: readonly string[];
}

interface ValueOption extends OptionBase {
  /** What the help calls its value: "LSN". */
  readonly value: string;
  /** As it is typed. */
  readonly default?: string;
  /** Can it be given more than once? It is then an array. */
  readonly many?: true;
}

export type Option =
  | (OptionBase & { readonly type: "boolean" })
  | (ValueOption & { readonly type: "string" | "lsn" | "server" })
  | (ValueOption & { readonly type: "integer"; readonly min: number; readonly max: number })
  | (Omit<ValueOption, "value"> & {
      readonly type: "choice";
      readonly choices: readonly string[];
      /** Other spellings of the choices. */
      readonly aliases?: Readonly<Record<string, string>>;
      /** Are capital and small letters the same? */
      readonly ignoreCase?: true;
    });

/** The argument that is not an option. */
export interface Argument {
  /** What the help calls it: "FILE". */
  readonly name: string;
  readonly count: "one" | "optional" | "many";
  readonly help: string;
  /** Options with which it can be left out. */
  readonly optionalWith?: readonly string[];
  /** Is it text that a shell splits at blanks unless it is quoted? */
  readonly quoted?: true;
  /** Verbs that take two arguments, and what they are called. */
  readonly pairs?: Readonly<Record<string, readonly [first: string, second: string]>>;
}

export interface Declaration {
  readonly name: string;
  /** One line, imperative, without a full stop: "Show the records of WAL". */
  readonly summary: string;
  /** Some sentences for `--help`. Line breaks are kept. */
  readonly description: string;
  /** The verbs that follow the name, each with its summary. */
  readonly verbs?: Readonly<Record<string, string>>;
  readonly argument?: Argument;
  readonly options: Readonly<Record<string, Option>>;
}

type VerbOf<D> = D extends { readonly verbs: infer V } ? Extract<keyof V, string> : never;
type ArgumentOf<D> = D extends { readonly argument: { readonly name: infer A extends string } } ? A : never;
type OptionNameOf<D> = D extends { readonly options: infer O } ? Extract<keyof O, string> : never;

/** The names that an option mentions must exist. */
interface Names<D> {
  readonly options: Readonly<
    Record<
      OptionNameOf<D>,
      {
        readonly only?: readonly VerbOf<D>[];
        readonly conflicts?: readonly (OptionNameOf<D> | ArgumentOf<D>)[];
        readonly requires?: readonly OptionNameOf<D>[];
      }
    >
  >;
}

/** Declare a subcommand. */
export function defineSubcommand<const D extends Declaration>(declaration: D & Names<D>): D {
  return declaration;
}

type Single<O> = O extends { readonly type: "boolean" }
  ? boolean
  : O extends { readonly type: "choice"; readonly choices: readonly (infer C)[] }
    ? C
    : O extends { readonly type: "integer" | "server" }
      ? number
      : O extends { readonly type: "lsn" }
        ? Lsn
        : string;

type ValueOf<O> = O extends { readonly many: true }
  ? readonly Single<O>[]
  : O extends { readonly type: "boolean" } | { readonly default: string }
    ? Single<O>
    : Single<O> | undefined;

/** "target-lsn" is `targetLsn` in code. */
type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

/** A call as `run` gets it. */
export interface CallOf<D extends Declaration> {
  /** Which verb; a subcommand without verbs has none. */
  readonly verb: VerbOf<D>;
  readonly argument: D extends { readonly argument: { readonly count: infer C } }
    ? C extends "many"
      ? readonly string[]
      : C extends "optional"
        ? string | undefined
        : string
    : undefined;
  /** The second of two arguments, of a verb that takes two. */
  readonly second?: string | undefined;
  readonly options: { readonly [K in OptionNameOf<D> as Camel<K>]: ValueOf<D["options"][K]> };
}

/** Options that several subcommands have. */
export const serverOption = {
  type: "server",
  value: "V",
  help: "the server's version, such as 18, 15.18 or 9.6",
} as const;
export const dbnameOption = {
  type: "string",
  short: "d",
  value: "URL",
  help: "the server, such as postgres://user@host",
} as const;
/** In seconds; the help is the subcommand's. */
export const statusIntervalOption = { type: "integer", short: "s", value: "SECONDS", min: 0, max: 2147483 } as const;
export const jsonOption = { type: "boolean", help: "write one JSON object instead of text" } as const;
export const linesOption = { type: "boolean", help: "write one JSON object per line" } as const;
