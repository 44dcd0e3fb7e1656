/** Parses the arguments of a subcommand by its declaration. */
import { parseArgs } from "node:util";
import { ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { parseLsn } from "../../../kernel/lsn.ts";
import { serverVersionNum } from "../../../kernel/version.ts";
import { listed } from "../../../kernel/words.ts";
import type { CallOf, Declaration, Option } from "./declare.ts";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage.ts";

/**
 * @throws UsageError with the mistake and, if known, what to type instead.
 */
export function readCall<D extends Declaration>(declaration: D, args: readonly string[]): CallOf<D> {
  const { options } = declaration;
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).flatMap(([name, { type, short, alias = name }]) => {
        const parsed = type === "boolean" ? "boolean" : "string";
        return [
          [alias, { type: parsed }],
          [name, { type: parsed, ...(short === undefined ? {} : { short }) }],
        ] as const;
      }),
    ),
    // Errors are reported below.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, unknown>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { rawName, value, inlineValue } = token;
    const [name, option] =
      Object.entries(options).find(([each, { alias }]) => token.name === each || token.name === alias) ??
      unknownOption(rawName, options);
    const read = readValue(option, rawName, value, inlineValue === true);
    if (option.type !== "boolean" && option.many) given.set(name, [...((given.get(name) as unknown[]) ?? []), read]);
    else {
      if (option.type !== "boolean" && given.has(name)) throw new UsageError(`--${name} is given twice`);
      given.set(name, read);
    }
  }
  const verb = declaration.verbs === undefined ? undefined : verbOf(declaration, positionals.shift());
  const argument = argumentOf(declaration, verb, positionals, given);
  for (const name of given.keys()) checkTogether(declaration, name, verb, given, argument.length > 0);
  const values = Object.entries(options).map(([name, option]) => [
    name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    given.has(name) ? given.get(name) : missing(name, option),
  ]);
  return {
    verb,
    argument: declaration.argument?.count === "many" ? argument : argument[0],
    ...(verb !== undefined && declaration.argument?.pairs?.[verb] !== undefined ? { second: argument[1] } : {}),
    options: Object.fromEntries(values),
  } as CallOf<D>;
}

function unknownOption(rawName: string, options: Declaration["options"]): never {
  const names = [...Object.keys(options), "help"].map((name) => `--${name}`);
  const near = nearest(rawName, names);
  throw new UsageError(`unknown option ${rawName}${didYouMean(near)}`, "unknown-option", rawName);
}

function verbOf({ name, verbs }: Declaration, verb: string | undefined): string {
  const known = Object.keys(verbs!);
  if (verb === undefined) throw new UsageError(`missing verb: walwire ${name} ${listed(known)}`);
  if (!known.includes(verb)) {
    const near = nearest(verb, known);
    const expected = near.length > 0 ? didYouMean(near) : `: expected ${listed(known)}`;
    throw new UsageError(`unknown verb ${JSON.stringify(verb)}${expected}`);
  }
  return verb;
}

export function didYouMean(words: readonly string[]): string {
  return words.length === 0 ? "" : `, did you mean ${listed(words)}?`;
}

function argumentOf(
  { name: subcommand, argument, options }: Declaration,
  verb: string | undefined,
  positionals: readonly string[],
  given: ReadonlyMap<string, unknown>,
): readonly string[] {
  const [first] = positionals;
  if (argument === undefined) {
    if (first !== undefined)
      throw new UsageError(`unexpected argument ${JSON.stringify(first)}`, "extra-argument", first);
    return positionals;
  }
  const { name, count, quoted, help, optionalWith = [], pairs = {} } = argument;
  const pair = verb === undefined || !Object.hasOwn(pairs, verb) ? undefined : pairs[verb];
  if (pair !== undefined) {
    if (positionals.length === 2) return positionals;
    const quote = positionals.length > 2 && quoted ? ": quote each" : "";
    const usage = `walwire ${subcommand} ${verb} ${pair.join(" ")}`;
    throw new UsageError(
      `expected two arguments, got ${positionals.length}${quote || `: ${usage}`}`,
      "missing-argument",
    );
  }
  const replaced = [...given.keys()].some(
    (each) => optionalWith.includes(each) || options[each]!.conflicts?.includes(name),
  );
  if (first === undefined && count !== "optional" && !replaced) {
    throw new UsageError(`missing ${name}: ${help}`, "missing-argument");
  }
  if (positionals.length > 1 && count !== "many") {
    const quote = quoted ? ": quote it" : "";
    throw new UsageError(`expected one ${name}, got ${positionals.length}${quote}`, "extra-argument", positionals[1]);
  }
  return positionals;
}

/** Check `only`, `conflicts` and `requires` of an option. */
function checkTogether(
  { name: subcommand, options, argument }: Declaration,
  name: string,
  verb: string | undefined,
  given: ReadonlyMap<string, unknown>,
  hasArgument: boolean,
): void {
  const { only, conflicts = [], requires } = options[name]!;
  if (only !== undefined && !only.includes(verb!)) {
    throw new UsageError(`--${name} is an option of walwire ${subcommand} ${listed(only, "and")} only`);
  }
  for (const other of conflicts) {
    if (other === argument?.name ? hasArgument : given.has(other)) {
      const what = other === argument?.name ? other : `--${other}`;
      throw new UsageError(`--${name} and ${what} are mutually exclusive`);
    }
  }
  if (requires !== undefined && !requires.some((other) => given.has(other))) {
    throw new UsageError(`--${name} requires ${listed(requires.map((other) => `--${other}`))}`);
  }
}

function missing(name: string, option: Option): unknown {
  if (option.type === "boolean") return false;
  if (option.default === undefined) return option.many ? [] : undefined;
  const value = readValue(option, `--${name}`, option.default, true);
  return option.many ? [value] : value;
}

function readValue(option: Option, name: string, value: string | undefined, inline: boolean): unknown {
  if (option.type === "boolean") {
    if (value !== undefined) throw new UsageError(`${name} does not take a value`);
    return true;
  }
  const called = valueName(option);
  if (value === undefined) throw new UsageError(`missing value: ${name} ${called}`);
  if (!inline && value.length > 1 && value.startsWith("-")) {
    const equals = name.startsWith("--") ? "=" : "";
    throw new UsageError(`missing value: ${name} ${called}, or ${name}${equals}${value} if that is the value`);
  }
  switch (option.type) {
    case "string":
      return value;
    case "choice": {
      const { choices, aliases = {}, ignoreCase } = option;
      const choice = Object.hasOwn(aliases, value) ? aliases[value]! : value;
      const same = ignoreCase && choices.find((each) => each.toLowerCase() === choice.toLowerCase());
      if (same) return same;
      if (choices.includes(choice)) return choice;
      throw new UsageError(`${name}: expected ${listed(choices)}, got ${JSON.stringify(value)}`);
    }
    case "integer": {
      const { min, max } = option;
      if (/^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
      throw new UsageError(`${name}: expected a number from ${min} to ${max}, got ${JSON.stringify(value)}`);
    }
    case "lsn":
      return wordsOf(ParseError, name, ": expected a position such as 0/16B3748", () => parseLsn(value));
    case "server":
      return wordsOf(UnsupportedError, name, "", () => serverVersionNum(value));
  }
}

/** The result of `read`; its error becomes a UsageError. */
function wordsOf<T>(kind: new (...args: never[]) => Error, name: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof kind) throw new UsageError(`${name}: ${error.message}${expected}`);
    throw error;
  }
}

/** What the help calls the value of an option. */
export function valueName(option: Exclude<Option, { readonly type: "boolean" }>): string {
  return option.type === "choice" ? option.choices.join("|") : option.value;
}
