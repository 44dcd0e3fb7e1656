/**
 * The values of options.
 *
 * A port of src/backend/commands/define.c (defGetString, defGetBoolean, defGetInt64) and of what reads values elsewhere.
 */
import { EncodeError } from "../../kernel/errors.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import { printableText } from "../../text/scan.ts";
import type { Command, DefElem } from "../ast.ts";
import { type Check, errcode } from "./refusal.ts";

/**
 * The options of a command, after a look at whether they are options at all: a tree may come from anywhere.
 *
 * @throws EncodeError with the path to what no text makes.
 */
export function optionsOf(command: Extract<Command, { options: unknown }>): readonly DefElem[] {
  const { type, options } = command;
  if (!Array.isArray(options)) throw new EncodeError(`${type}.options`, `${type}.options: it must be an array`);
  for (let i = 0; i < options.length; i++) {
    const option: DefElem | undefined = options[i];
    const path = `${type}.options[${i}]`;
    const fail = (part: string, reason: string): never => {
      throw new EncodeError(path + part, `${path}${part}: ${reason}`);
    };
    if (typeof option !== "object" || option === null) return fail("", "it must be an option");
    printableText(`${path}.defname`, option.defname);
    const { arg } = option;
    if (arg === undefined) continue;
    switch (arg?.type) {
      case "String":
        printableText(`${path}.arg.sval`, arg.sval);
        break;
      case "Integer":
        if (typeof arg.ival !== "number" || arg.ival !== (arg.ival | 0)) {
          fail(".arg.ival", "it is a signed 32-bit integer");
        }
        break;
      case "Boolean":
        if (typeof arg.boolval !== "boolean") fail(".arg.boolval", "it is true or false");
        break;
      default:
        fail(".arg.type", "it is String, Integer or Boolean");
    }
  }
  return options;
}

/** Are these the same but for the case of A to Z? @source pgstrcasecmp.c: pg_strcasecmp, in the C locale */
export function equalsIgnoringCase(text: string, lower: string): boolean {
  return text.length === lower.length && downcaseIdentifier(text) === lower;
}

/** @source define.c: defGetString */
export function defGetString(check: Check, { defname, arg }: DefElem, index: number): string {
  switch (arg?.type) {
    case undefined:
      return check.refuse({
        sqlstate: errcode.SYNTAX_ERROR,
        message: `${defname} requires a parameter`,
        path: `options[${index}].arg`,
        advice: `Write a value after ${defname}.`,
      });
    case "String":
      return arg.sval;
    case "Integer":
      return String(arg.ival);
    case "Boolean":
      return String(arg.boolval);
  }
}

/** @source define.c: defGetBoolean */
export function defGetBoolean(check: Check, option: DefElem, index: number, words = "true, false, on or off"): boolean {
  return (
    booleanOf(option.arg) ??
    check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `${option.defname} requires a Boolean value`,
      path: `options[${index}].arg`,
      advice: `Write ${words}, or leave the value out, which means true.`,
    })
  );
}

/** What the value says, if it is yes or no. @source define.c: defGetBoolean */
export function booleanOf(arg: DefElem["arg"]): boolean | undefined {
  switch (arg?.type) {
    case undefined:
      return true;
    case "Boolean":
      return arg.boolval;
    case "Integer":
      return arg.ival === 1 ? true : arg.ival === 0 ? false : undefined;
    case "String":
      if (equalsIgnoringCase(arg.sval, "true") || equalsIgnoringCase(arg.sval, "on")) return true;
      if (equalsIgnoringCase(arg.sval, "false") || equalsIgnoringCase(arg.sval, "off")) return false;
      return undefined;
  }
}

/** @source define.c: defGetInt64 */
export function defGetInt64(check: Check, { defname, arg }: DefElem, index: number, advice: string): number {
  if (arg?.type === "Integer") return arg.ival;
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `${defname} requires a numeric value`,
    path: `options[${index}].arg`,
    advice,
  });
}

/**
 * Yes or no as configuration parameters say it: beginnings of true, false, yes and no, and more.
 *
 * @source bool.c: parse_bool_with_len
 */
export function parseBool(text: string): boolean | undefined {
  if (text.length > "false".length) return undefined;
  const lower = downcaseIdentifier(text);
  if (lower === "1" || lower === "on") return true;
  if (lower === "0" || lower === "of" || lower === "off") return false;
  if (lower === "") return undefined;
  if ("true".startsWith(lower) || "yes".startsWith(lower)) return true;
  if ("false".startsWith(lower) || "no".startsWith(lower)) return false;
  return undefined;
}
