/** The kinds of values that options have: how a server reads them, and what it says of those that it rejects. */

import { refuseArgument } from "../../kernel/errors.ts";
import { checkType, checkWhole } from "../../kernel/options.ts";
import type { PgoutputStreaming } from "../../logical/protocol.ts";
import { downcaseIdentifier, quoteIdentifier } from "../../text/identifier.ts";
import type { DefElem, DefElemArg } from "../ast.ts";
import { type CommandCapability, commandCapabilities } from "../capabilities.ts";
import { booleanOf, defGetBoolean, defGetInt64, defGetString, equalsIgnoringCase, parseBool } from "../check/defget.ts";
import { splitIdentifierString } from "../check/identifiers.ts";
import { int8Of, unsignedLongOf } from "../check/numbers.ts";
import { type Check, errcode, type Refusal } from "../check/refusal.ts";
import type { OptionKind } from "./option.ts";

function string(sval: string): DefElemArg {
  return { type: "String", sval };
}

/** Written as a string. */
function writeString(value: string | undefined, path: string): DefElemArg {
  checkType(path, value, "string");
  return string(value as string);
}

export const boolean: OptionKind<boolean> = {
  form: "boolean",
  takes: "true or false; without a value, true",
  read: (check, option, index) => defGetBoolean(check, option, index),
  write: (value, path) => {
    checkType(path, value, "boolean");
    return { type: "Boolean", boolval: value };
  },
  show: (value) => (value === undefined ? "" : String(value)),
};

/** In the words that reach an output plugin: always a string. */
const quotedWords = "'true', 'false', 'on' or 'off'";

export const quotedBoolean: OptionKind<boolean> = {
  ...boolean,
  takes: `${quotedWords}; without a value, true`,
  read: (check, option, index) => defGetBoolean(check, option, index, quotedWords),
  write: (value, path) => {
    checkType(path, value, "boolean");
    return string(String(value));
  },
};

export const text: OptionKind<string> = {
  form: "string",
  takes: "a string",
  read: defGetString,
  write: writeString,
  show: String,
};

/** A string that may be left out. */
export const optionalString: OptionKind<string | undefined> = { ...text, show: (value) => value ?? "" };

/** A word. */
interface WordInit<T extends string> {
  readonly words: readonly T[];
  /** Is the case of A to Z ignored? */
  readonly ignoreCase: boolean;
  /** Other spellings. */
  readonly also?: (value: string) => T | undefined;
  readonly complaint: (value: string) => Pick<Refusal, "sqlstate" | "message">;
  readonly takes: string;
  /** What to write instead. Default: `takes`. */
  readonly advise?: (value: string, check: Check) => string;
}

export function word<T extends string>(init: WordInit<T>): OptionKind<T> {
  const { words, ignoreCase, also, complaint, takes } = init;
  const matches = ignoreCase ? equalsIgnoringCase : (value: string, lower: string) => value === lower;
  return {
    form: "word",
    words,
    takes,
    read: (check, option, index) => {
      const value = defGetString(check, option, index);
      return (
        words.find((each) => matches(value, ignoreCase ? downcaseIdentifier(each) : each)) ??
        also?.(value) ??
        check.refuse({
          ...complaint(value),
          path: `options[${index}].arg`,
          advice: init.advise?.(value, check) ?? `Write ${takes}.`,
        })
      );
    },
    write: writeString,
    show: (value) => value ?? "",
  };
}

/** Yes or no as configuration parameters say it, or another word. */
export const orBoolean = (value: string): "yes" | "no" | undefined => {
  const on = parseBool(value);
  return on === undefined ? undefined : on ? "yes" : "no";
};

/** An integer without quotes within a range. */
export function integer(min: number, max: number, takes: string, complaint: (n: number) => string): OptionKind<number> {
  return {
    form: "integer",
    takes,
    read: (check, option, index) => {
      const value = defGetInt64(
        check,
        option,
        index,
        `${option.defname.toUpperCase()} takes a number without quotes: ${takes}.`,
      );
      if (value >= min && value <= max) return value;
      return check.refuse({
        sqlstate: errcode.NUMERIC_VALUE_OUT_OF_RANGE,
        message: complaint(value),
        path: `options[${index}].arg`,
        advice: `Write ${takes}.`,
      });
    },
    write: (value, path) => {
      checkWhole(path, value, min, max);
      return { type: "Integer", ival: value };
    },
    show: (value) => (value === 0 ? "" : String(value)),
  };
}

/** The detail of a compression, which means something only beside the algorithm: the check of BASE_BACKUP reads it. */
export const compressionDetail: OptionKind<string | undefined> = {
  ...optionalString,
  form: "compressionDetail",
  takes: "a level, or level=, workers= and long with commas between",
  dependsOn: ["compressionLong"],
};

/** The versions of the protocol, and what a server must have to speak each. @source logicalproto.h */
const protocols: readonly (CommandCapability | undefined)[] = [
  undefined,
  "streamingOfTransactions",
  "twoPhaseOption",
  "parallelStreaming",
];

/** The newest protocol that this server speaks. */
export function newestProtocol(server: number): number {
  return protocols.filter((needs) => needs === undefined || commandCapabilities.supports(server, needs)).length;
}

/** A version of the protocol: any uint32, until `pgoutputStartup` looks which one. @source pgoutput.c: parse_output_parameters */
export const protocolVersion: OptionKind<number> = {
  form: "protocol",
  takes: "a number in quotes, such as '1'",
  dependsOn: [
    "pgoutputValuesChecked",
    "parallelStreaming",
    "twoPhaseOption",
    "streamingOfTransactions",
    "protoVersionThroughStrtoul",
  ],
  read: (check: Check, option, index) => {
    const value = stringOf(check, option, index);
    const path = `options[${index}].arg`;
    const parsed = check.supports("protoVersionThroughStrtoul")
      ? value === "" && check.supports("pgoutputValuesChecked")
        ? undefined
        : unsignedLongOf(value)
      : int8Of(value);
    const advice = "Write a number in quotes, such as '1'.";
    if (parsed === undefined) {
      check.refuse({ sqlstate: errcode.INVALID_PARAMETER_VALUE, message: "invalid proto_version", path, advice });
    }
    if (parsed < 0n || parsed > 0xffffffffn) {
      const message = `proto_version "${value}" out of range`;
      check.refuse({ sqlstate: errcode.INVALID_PARAMETER_VALUE, message, path, advice });
    }
    return Number(parsed);
  },
  write: (value, path) => {
    checkWhole(path, value, 0, 0xffffffff);
    return string(String(value));
  },
  show: (value) => (value === 0 ? "" : String(value)),
};

/** Names with commas between. @source pgoutput.c: parse_output_parameters */
export const names: OptionKind<readonly string[]> = {
  form: "names",
  takes: "names with commas between, in double quotes if they hold blanks, commas or capital letters",
  dependsOn: ["verticalTabIsSpace", "pgoutputOptionsRequired", "pgoutputValuesChecked"],
  read: (check, option, index) =>
    splitIdentifierString(check, stringOf(check, option, index)) ??
    check.refuse({
      sqlstate: errcode.INVALID_NAME,
      message: "invalid publication_names syntax",
      path: `options[${index}].arg`,
      advice: `Write ${names.takes}.`,
    }),
  write: (value, path) => {
    if (!Array.isArray(value)) refuseArgument(path, "an array of names", value);
    for (const [i, name] of value.entries()) {
      if (typeof name !== "string") refuseArgument(`${path}[${i}]`, "a string", name);
    }
    return string(value.map((name) => quoteIdentifier(name)).join(","));
  },
  show: (value) => value.join(", "),
};

/**
 * Until late 2026 the server took the value without looking whether there was one. Without one it crashed, and ended all sessions; what
 * a client hears of that is said here in libpq's words.
 */
function stringOf(check: Check, option: DefElem, index: number): string {
  if (option.arg !== undefined || check.supports("pgoutputValuesChecked")) return defGetString(check, option, index);
  return check.refuse({
    sqlstate: errcode.CONNECTION_FAILURE,
    message: "server closed the connection unexpectedly",
    path: `options[${index}].arg`,
    advice: `Write a string after ${option.defname}: without one this server crashes.`,
  });
}

/** @source pgoutput.c, subscriptioncmds.c: defGetStreamingMode, since 16; before that a Boolean */
export const streaming: OptionKind<PgoutputStreaming> = {
  form: "word",
  words: ["off", "on", "parallel"],
  takes: "'on', 'off' or 'parallel'",
  dependsOn: ["parallelStreaming"],
  read: (check, option, index) => {
    if (!check.supports("parallelStreaming")) return defGetBoolean(check, option, index, quotedWords) ? "on" : "off";
    const { defname, arg } = option;
    if (arg?.type === "String" && equalsIgnoringCase(arg.sval, "parallel")) return "parallel";
    const on = booleanOf(arg);
    if (on !== undefined) return on ? "on" : "off";
    return check.refuse({
      sqlstate: errcode.SYNTAX_ERROR,
      message: `${defname} requires a Boolean value or "parallel"`,
      path: `options[${index}].arg`,
      advice: "Write 'on', 'off' or 'parallel'.",
    });
  },
  write: writeString,
  show: (value) => value,
};
