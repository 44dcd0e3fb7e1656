/**
 * What an option of a replication command is made of. The tables of tables.ts hold one row for each option, and everything that walwire
 * knows of options follows from them: checks, the words of servers before 15, explanations, arbitraries and docs/command-options.md.
 */
import { checkOptions } from "../../kernel/options.ts";
import type { DefElem, DefElemArg, ReplicationKind } from "../ast.ts";
import type { CommandCapability } from "../capabilities.ts";
import type { Check, Refusal } from "../check/refusal.ts";

/** Forms of values. The set is closed: a new one does not compile until the arbitraries have it. */
export type OptionForm = "boolean" | "string" | "word" | "integer" | "protocol" | "names" | "compressionDetail";

/** How the value of an option is read. */
export interface OptionKind<T = unknown> {
  readonly form: OptionForm;
  /** The values of a word, in the order in which people should read them. */
  readonly words?: readonly string[];
  /** What it takes, for people: "true or false". */
  readonly takes: string;
  /** What the reading of a value depends on. */
  readonly dependsOn?: readonly CommandCapability[];
  /** The value as this server reads it. @throws Refused */
  read(check: Check, option: DefElem, index: number): T;
  /** The argument that is read as this value. @throws ArgumentError for a value of another type */
  write(value: T, path: string): DefElemArg;
  /** A value for people; empty for none. */
  show(value: T): string;
}

/** A keyword that says an option without parentheses. */
export interface OptionWord {
  readonly word: string;
  /** The value of the option that the word stands for; undefined if the value follows the word. */
  readonly means?: string | boolean | undefined;
  /** What the tree of servers before `genericOptions` calls it; undefined if they do not have the word. */
  readonly option?: string | undefined;
  /** The Integer that the tree of those servers holds. Default: 1. */
  readonly ival?: 0 | 1;
  /** What a server needs for it beside the command. */
  readonly since?: CommandCapability | undefined;
}

/** An option: a row of a table. `T` is what a server makes of it. */
export interface OptionRow<T = unknown> {
  /** As a command has it, in lower case. */
  readonly name: string;
  readonly kind: OptionKind<T>;
  /** What a server does if the option is not given. */
  readonly default: T;
  /** What a server does that does not have the option, if that is not the default. */
  readonly without?: T;
  /** What a server needs to have it beside parentheses; undefined if it is as old as they are. */
  readonly since?: CommandCapability | undefined;
  /** Without parentheses. */
  readonly words?: readonly OptionWord[];
  /** The kind of slot that it is for; undefined for both. */
  readonly slot?: ReplicationKind;
  /** Does the server ask for the value before it notices a repetition? Always, or with this capability. */
  readonly valueFirst?: true | CommandCapability;
  /** The option that it belongs to: people see both in one row. */
  readonly of?: string;
  /** What it means, in one line; of a value where that says more. */
  readonly doc: string | { of(value: T): string }["of"];
}

/** The options of a command by the properties of what `checkCommand` makes of them. */
export type OptionRows = Readonly<Record<string, OptionRow>>;

/** What a server says of an option as a whole. */
type Complaint = (name: string) => Pick<Refusal, "sqlstate" | "message">;

export interface OptionTable<R extends OptionRows = OptionRows> {
  /** What has the options, for people. */
  readonly title: string;
  /** File and function in PostgreSQL. */
  readonly source: string;
  readonly rows: R;
  readonly unrecognized: Complaint;
  /** The same of a word, where that differs. */
  readonly unrecognizedWord?: Complaint;
  readonly repeated: Complaint;
  /** What a server needs to take the options at all. */
  readonly since?: CommandCapability;
  /** What a server needs to have them in parentheses: before that they are words. Undefined if there were no words. */
  readonly parenthesesSince?: CommandCapability;
}

/** What a server makes of the options of a table, defaults filled in. */
export type OptionsOf<T extends OptionTable> = {
  readonly [F in keyof T["rows"]]: T["rows"][F] extends OptionRow<infer V> ? V : never;
};

/** Options as values; those left out have the server's default. */
export type OptionValues<T extends OptionTable> = { readonly [F in keyof OptionsOf<T>]?: OptionsOf<T>[F] | undefined };

/**
 * Options of a command from values: the reverse of what `checkCommand` makes of them, in the order of the table. Whether a server
 * accepts them is for `printCommand` and `checkCommand`.
 *
 * @param values Undefined ones are left out.
 * @throws ArgumentError for an option that the table does not have, or a value of another type.
 */
export function optionsFrom<T extends OptionTable>(table: T, values: OptionValues<T>): DefElem[] {
  checkOptions(values, Object.keys(table.rows));
  return Object.entries(table.rows).flatMap(([field, { name, kind }]) => {
    const value: unknown = values[field as keyof OptionValues<T>];
    return value === undefined ? [] : [{ defname: name, arg: kind.write(value, `options.${field}`) }];
  });
}

type More<T> = Omit<OptionRow<T>, "name" | "kind">;

export function option<T>(name: string, kind: OptionKind<T>, more: More<T>): OptionRow<T> {
  return { name, kind, ...more };
}

/** A row with its property and, where it was found by a word, the words of that name. */
export interface FoundOption {
  readonly field: string;
  readonly row: OptionRow;
  /** Only in a tree of a server before `genericOptions`. */
  readonly words?: readonly OptionWord[];
}

/** The row of an option, whether or not this server has it. */
export function findOption({ rows }: OptionTable, name: string): FoundOption | undefined {
  for (const [field, row] of Object.entries(rows)) if (row.name === name) return { field, row };
  return undefined;
}

/**
 * The row of a word.
 *
 * @param by Is it the keyword, or what the tree of a server before `genericOptions` calls it?
 */
export function findWord(
  { rows }: OptionTable,
  name: string,
  by: "word" | "option" = "option",
): FoundOption | undefined {
  for (const [field, row] of Object.entries(rows)) {
    const words = row.words?.filter((each) => each[by] === name) ?? [];
    if (words.length > 0) return { field, row, words };
  }
  return undefined;
}
