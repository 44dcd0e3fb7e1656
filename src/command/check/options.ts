/** The options of a command, read by its table as the server reads them. */
import { EncodeError } from "../../kernel/errors.ts";
import type { Command, DefElem, ReplicationKind } from "../ast.ts";
import {
  type FoundOption,
  findOption,
  findWord,
  type OptionRow,
  type OptionsOf,
  type OptionTable,
  type OptionWord,
} from "../options/option.ts";
import { adviseOnName, type OptionNames } from "./advise.ts";
import { defGetBoolean, defGetString, optionsOf } from "./defget.ts";
import type { Check } from "./refusal.ts";

/** What a server makes of options, and which of them were given. */
export interface ReadOptions<T extends OptionTable> {
  /** Defaults filled in. */
  readonly values: OptionsOf<T>;
  /** The index of each option that was given, by property. */
  readonly given: ReadonlyMap<string, number>;
}

/**
 * Read the options of a command, in their order, and reject the first that the server rejects.
 *
 * @param kind The kind of slot, where there is one.
 * @throws Refused
 * @throws EncodeError for options that no text makes.
 */
export function readOptions<T extends OptionTable>(
  check: Check,
  table: T,
  command: Extract<Command, { options: unknown }>,
  kind?: ReplicationKind,
): ReadOptions<T> {
  const isGeneric = inParentheses(check, table);
  const values: Record<string, unknown> = {};
  for (const [field, row] of Object.entries(table.rows)) values[field] = row.default;
  const given = new Map<string, number>();
  for (const [i, option] of optionsOf(command).entries()) {
    const { defname } = option;
    const found = isGeneric ? findOption(table, defname) : findWord(table, defname);
    const has = found !== undefined && (found.words ?? [found.row]).every((each) => supports(check, each));
    if (!has) unrecognized(check, table, defname, i, given, kind);
    const { field, row } = found;
    const { valueFirst } = row;
    if (isGeneric && (valueFirst === true || (valueFirst !== undefined && check.supports(valueFirst))))
      defGetString(check, option, i);
    if (given.has(field) || (kind !== undefined && row.slot !== undefined && row.slot !== kind)) {
      const hasManyWords = !isGeneric && row.words!.length > 1;
      check.refuse({
        ...table.repeated(defname),
        path: `options[${i}].defname`,
        advice: !given.has(field)
          ? `The option ${defname} is for ${row.slot!.toLowerCase()} slots only: leave it out.`
          : hasManyWords
            ? `One word about the ${row.name} is enough: leave one out.`
            : `The option ${defname} is given twice: leave one out.`,
      });
    }
    given.set(field, i);
    values[field] =
      found.words === undefined
        ? row.kind.read(check, option, i)
        : wordValue(check, found, option, `${command.type}.options[${i}].arg`, i);
  }
  return { values: values as OptionsOf<T>, given };
}

function inParentheses(check: Check, { parenthesesSince }: OptionTable): boolean {
  return parenthesesSince === undefined || check.supports(parenthesesSince);
}

function supports(check: Check, { since }: OptionRow | OptionWord): boolean {
  return since === undefined || check.supports(since);
}

/** Words have no values but those of the grammar, and most are not asked for one. */
function wordValue(check: Check, { row, words }: FoundOption, option: DefElem, path: string, index: number): unknown {
  const [word, other] = words!;
  if (word!.means !== undefined)
    return other === undefined || defGetBoolean(check, option, index) === (word!.ival !== 0)
      ? word!.means
      : other.means;
  if (row.kind.form !== "integer" && option.arg?.type !== "String") {
    throw new EncodeError(path, `${path}: ${option.defname} takes a string`);
  }
  return row.kind.read(check, option, index);
}

function unrecognized(
  check: Check,
  table: OptionTable,
  name: string,
  index: number,
  given: ReadonlyMap<string, number>,
  kind: ReplicationKind | undefined,
): never {
  const complaint = (inParentheses(check, table) ? undefined : table.unrecognizedWord) ?? table.unrecognized;
  check.refuse({
    ...complaint(name),
    path: `options[${index}].defname`,
    advice: adviseOnOptionName(table, name, check, given, kind),
  });
}

/**
 * On a name that is not an option of this server.
 *
 * @param given The options before it.
 * @param kind The kind of slot, where there is one.
 */
export function adviseOnOptionName(
  table: OptionTable,
  name: string,
  check: Check,
  given?: ReadonlyMap<string, number>,
  kind?: ReplicationKind,
): string {
  const isGeneric = inParentheses(check, table);
  /** Why an option is of no use here, if it would be the next to be rejected. */
  const why = (each: string): string | undefined => {
    const found = isGeneric ? findOption(table, each) : findWord(table, each);
    if (found === undefined) return undefined;
    const { slot } = found.row;
    if (kind !== undefined && slot !== undefined && slot !== kind) return `is for ${slot.toLowerCase()} slots only`;
    return given?.has(found.field) ? "is given already" : undefined;
  };
  const former = isGeneric ? findWord(table, name) : undefined;
  if (former !== undefined && former.row.name !== name && why(former.row.name) === undefined)
    return `Write ${written(former)}.`;
  return adviseOnName(name, namesOf(table, isGeneric), check, why);
}

/** The names of the options that this server has. */
export function optionNames(table: OptionTable, check: Check): string[] {
  const names = Object.entries(namesOf(table, inParentheses(check, table)));
  return names.flatMap(([name, since]) => (since === undefined || check.supports(since) ? [name] : []));
}

function namesOf({ rows }: OptionTable, isGeneric: boolean): OptionNames {
  const all = Object.values(rows);
  return Object.fromEntries(
    isGeneric
      ? all.map(({ name, since }) => [name, since])
      : all.flatMap(({ words = [] }) => words.flatMap(({ option, since }) => (option ? [[option, since]] : []))),
  );
}

/** An option of today for a word of former times. */
export function written({ row, words }: FoundOption): string {
  const { means } = words![0]!;
  const value =
    typeof means === "string" ? ` '${means}'` : means === false ? " false" : means === undefined ? " …" : "";
  return `${row.name.toUpperCase()}${value}`;
}
