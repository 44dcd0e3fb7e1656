/**
 * A Command to text, in the form that a server of the given version takes.
 *
 * The laws: on every version, parsing what was printed gives the same Command, for every Command that this version's grammar can make.
 * What a version accepts is printed for another so that this accepts it too, or it is an UnsupportedError with the capability. What no
 * version can say is an EncodeError.
 */

import { EncodeError, ParseError, UnsupportedError } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { formatServerVersion, rangesOf, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import { quoteIdentifier, truncateIdentifier } from "../text/identifier.ts";
import { printableText } from "../text/scan.ts";
import { sourceOf } from "../text/source.ts";
import type { BaseBackupCmd, Command, CreateReplicationSlotCmd, DefElem } from "./ast.ts";
import { type CommandCapability, commandCapabilities, commandRows } from "./capabilities.ts";
import { booleanOf, optionsOf } from "./check/defget.ts";
import { Check, type Refusal, Refused } from "./check/refusal.ts";
import { runChecks } from "./check/run.ts";
import { requireKind } from "./check/slots.ts";
import { keywords } from "./keywords.ts";
import { findOption, findWord, type OptionRow, type OptionTable, type OptionWord } from "./options/option.ts";
import { baseBackupOptions, createSlotOptions, optionTableOf } from "./options/tables.ts";
import { parseCommand, scansAsIdentifier } from "./parse.ts";

/** The server that a command is printed for. */
export interface PrintCommandOptions {
  /** The server that the text is for. */
  readonly server?: Server | undefined;
  /**
   * The server whose grammar made the tree. Default: the one that `parseCommand` was told; of a tree that was not parsed the newest that
   * accepts it. A tree of `server` itself is printed as it is,
   * also where that server rejects it after parsing.
   */
  readonly from?: Server | undefined;
  /** The output plugin of the slot that START_REPLICATION names. Options of another than pgoutput are not looked at. Default: "pgoutput". */
  readonly plugin?: string | undefined;
}

/**
 * Write a command as a server of this version takes it, with no more quotes than it needs.
 *
 * Options change their form with the server: words before 15, then names and values in parentheses. For servers before 15 the
 * later form is written as the words of that time, where there is such a word: `checkpoint 'fast'` becomes `FAST`, and the other way
 * round. A Boolean among parenthesised options is written as the word true or false, which the server reads as the same.
 *
 * An option that the server does not have is left out if its value is what this server does anyway: `two_phase false` for 14.
 *
 * @throws UnsupportedError if this version cannot say it, or rejects what another version accepts, with the capability.
 * @throws EncodeError if no text makes this value, with its path: a NUL character, a name of more than 63 bytes, a
 * logical stream without a slot. ArgumentError for options that it does not take.
 * @source the reverse of repl_gram.y and repl_scanner.l
 * @example printCommand({ type: "DropReplicationSlotCmd", slotname: "My slot", wait: true }) // 'DROP_REPLICATION_SLOT "My slot" WAIT'
 * @example printCommand(parseCommand("BASE_BACKUP (CHECKPOINT fast)"), { server: 14 }) // "BASE_BACKUP FAST"
 * @example printCommand(parseCommand("BASE_BACKUP (CHECKPOINT fast)")) // "BASE_BACKUP (checkpoint 'fast')"
 * @example printCommand(parseCommand("BASE_BACKUP (MANIFEST no, WAL)"), { server: 10 }) // "BASE_BACKUP WAL"
 * @example printCommand(parseCommand("BASE_BACKUP FAST NOWAIT", { server: 14 })) // "BASE_BACKUP (checkpoint 'fast', wait false)"
 */
export function printCommand(command: Command, options: PrintCommandOptions = {}): string {
  checkOptions(options, ["server", "from", "plugin"]);
  checkType("options.plugin", options.plugin, "string");
  const server = serverVersionNum(options.server);
  requireCapability(commandCapabilities, server, "replicationSlots", "The replication language with slots");
  const type: unknown = command?.type;
  if (typeof type !== "string" || !Object.hasOwn(printers, type)) fail("Command.type", "not a replication command");
  const from = options.from === undefined ? sourceOf(command)?.server : serverVersionNum(options.from);
  const print = printers[command.type] as Printer<Command>;
  const plugin = options.plugin ?? "pgoutput";
  // What its own version rejects must not become acceptable.
  const isExact = from === server || (from !== undefined && refusalOf(command, from, plugin) !== undefined);
  const needed = isExact ? command : withoutDefaults(command, server, plugin);
  const text = print(isOlderForm(from ?? server, server) ? inParentheses(needed) : needed, server, from);
  return from === server ? text : acceptedText(text, command, server, from, plugin);
}

type Printer<C extends Command> = (command: C, server: number, from: number | undefined) => string;

const printers: { readonly [T in Command["type"]]: Printer<Extract<Command, { type: T }>> } = {
  IdentifySystemCmd: () => "IDENTIFY_SYSTEM",

  BaseBackupCmd: (command, server) => {
    if (commandCapabilities.supports(server, "genericOptions")) {
      return words("BASE_BACKUP", genericOptionList("BaseBackupCmd", command.options, server));
    }
    return words("BASE_BACKUP", ...optionWords(baseBackupOptions, command, server));
  },

  CreateReplicationSlotCmd: (command, server) => {
    const { kind, slotname, plugin, temporary } = command;
    if (temporary) requireCapability(commandCapabilities, server, "createSlotOptions", "TEMPORARY");
    requireKind("CreateReplicationSlotCmd", kind);
    const logical = kind === "LOGICAL";
    if (!logical && plugin !== undefined) fail("CreateReplicationSlotCmd.plugin", "a physical slot has no plugin");
    return words(
      "CREATE_REPLICATION_SLOT",
      identifier("CreateReplicationSlotCmd.slotname", slotname, server),
      temporary && "TEMPORARY",
      kind,
      logical && identifier("CreateReplicationSlotCmd.plugin", plugin, server),
      createSlotOptionsOf(command, server),
    );
  },

  DropReplicationSlotCmd: ({ slotname, wait }, server) => {
    if (wait) requireCapability(commandCapabilities, server, "createSlotOptions", "WAIT");
    return words(
      "DROP_REPLICATION_SLOT",
      identifier("DropReplicationSlotCmd.slotname", slotname, server),
      wait && "WAIT",
    );
  },

  AlterReplicationSlotCmd: ({ slotname, options }, server) => {
    requireCapability(commandCapabilities, server, "alterReplicationSlot", "ALTER_REPLICATION_SLOT");
    const list = genericOptionList("AlterReplicationSlotCmd", options, server);
    if (list === "") fail("AlterReplicationSlotCmd.options", "there is no text for an empty list");
    return words("ALTER_REPLICATION_SLOT", identifier("AlterReplicationSlotCmd.slotname", slotname, server), list);
  },

  StartReplicationCmd: ({ kind, slotname, timeline, startpoint, options }, server) => {
    const path = "StartReplicationCmd";
    requireKind(path, kind);
    const logical = kind === "LOGICAL";
    if (logical && slotname === undefined) fail(`${path}.slotname`, "a logical stream needs a slot");
    if (logical && timeline !== 0) fail(`${path}.timeline`, "a logical stream has no timeline");
    const list = each(path, options, (at, option) => pluginOption(at, option, server));
    if (!logical && list.length > 0) fail(`${path}.options`, "a physical stream has no options");
    return words(
      "START_REPLICATION",
      slotname !== undefined && `SLOT ${identifier(`${path}.slotname`, slotname, server)}`,
      logical && "LOGICAL",
      lsn(`${path}.startpoint`, startpoint, server),
      timeline !== 0 && `TIMELINE ${uint32(`${path}.timeline`, timeline)}`,
      list.length > 0 && `(${list.join(", ")})`,
    );
  },

  ReadReplicationSlotCmd: ({ slotname }, server) => {
    requireCapability(commandCapabilities, server, "readReplicationSlot", "READ_REPLICATION_SLOT");
    return words("READ_REPLICATION_SLOT", varName("ReadReplicationSlotCmd.slotname", slotname, server));
  },

  TimeLineHistoryCmd: ({ timeline }) => {
    if (timeline === 0) fail("TimeLineHistoryCmd.timeline", "timelines count from 1");
    return words("TIMELINE_HISTORY", uint32("TimeLineHistoryCmd.timeline", timeline));
  },

  UploadManifestCmd: (_, server) => {
    requireCapability(commandCapabilities, server, "uploadManifest", "UPLOAD_MANIFEST");
    return "UPLOAD_MANIFEST";
  },

  VariableShowStmt: ({ name }, server) => {
    requireCapability(commandCapabilities, server, "showCommand", "SHOW");
    return words("SHOW", varName("VariableShowStmt.name", name, server));
  },

  SQLCmd: ({ text }, server, from) => {
    requireCapability(commandCapabilities, server, "sqlCommands", "SQL on a replication connection");
    const complaint = complaintOnSql(text, server);
    if (complaint !== undefined) {
      const origins =
        from === undefined ? rangesOf(commandCapabilities, "sqlCommands").map(({ since }) => since) : [from];
      const origin = origins.findLast((each) => complaintOnSql(text, each) === undefined);
      if (origin !== undefined)
        unsupported(
          `PostgreSQL ${formatServerVersion(server)} does not hand this text to SQL: ${complaint}`,
          sqlDependsOn(text),
          origin,
          server,
        );
      fail("SQLCmd.text", complaint);
    }
    return text;
  },
};

/** Why a server would not hand this text to SQL. */
function complaintOnSql(text: string, server: number): string | undefined {
  try {
    if (parseCommand(text, { server }).type === "SQLCmd") return undefined;
    return "its first word makes it a replication command";
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return `the walsender rejects it: ${error.message}`;
  }
}

/** The capabilities that decide whether a text is SQL: those of the first word, of white space, and of the rule of the first token. */
function sqlDependsOn(text: string): CommandCapability[] {
  const needs = keywords.get(/^\s*(\w*)/.exec(text)![1]!)?.since;
  return [...(needs === undefined ? [] : [needs]), "firstTokenRule", "carriageReturnIsSpace", "verticalTabIsSpace"];
}

// ---- Options that a server does not have ----

/** The command without those options that a server does not have, but whose value is what it does anyway. */
function withoutDefaults<C extends Command>(command: C, server: number, plugin: string): C {
  if (!("options" in command) || (command.type === "StartReplicationCmd" && plugin !== "pgoutput")) return command;
  const table = optionTableOf(command);
  const options = optionsOf(command).filter((option) => {
    const { row } = findWord(table, option.defname) ?? findOption(table, option.defname) ?? {};
    if (row === undefined || isSupported(table, row, server)) return true;
    const anyway = "without" in row ? row.without : row.default;
    return anyway === undefined || meaningOf(table, option, server) !== anyway;
  });
  return { ...command, options };
}

function isSupported({ parenthesesSince }: OptionTable, row: OptionRow, server: number): boolean {
  const has = ({ since }: OptionRow | OptionWord) => since === undefined || commandCapabilities.supports(server, since);
  if (parenthesesSince === undefined || commandCapabilities.supports(server, parenthesesSince)) return has(row);
  return row.words?.some((word) => word.option !== undefined && has(word)) ?? false;
}

/** The meaning of the option; undefined if no server reads it. */
function meaningOf(table: OptionTable, option: DefElem, server: number): unknown {
  const { row, words } = findWord(table, option.defname) ?? findOption(table, option.defname)!;
  try {
    return row.name === option.defname
      ? row.kind.read(new Check(server), option, 0)
      : wordOfFormerTimes(words!, option.defname, option).means;
  } catch (error) {
    if (error instanceof Refused || error instanceof EncodeError) return undefined;
    throw error;
  }
}

// ---- Options in parentheses ----

function genericOptionList(path: string, options: readonly DefElem[], server: number): string {
  const list = each(path, options, (at, option) => genericOption(at, option, server));
  return list.length > 0 ? `(${list.join(", ")})` : "";
}

function genericOption(path: string, { defname, arg }: DefElem, server: number): string {
  const name = identifier(`${path}.defname`, defname, server);
  if (arg === undefined) return name;
  switch (arg?.type) {
    case "String":
      return `${name} ${quoted(`${path}.arg.sval`, arg.sval)}`;
    case "Integer":
      return `${name} ${int32(`${path}.arg.ival`, arg.ival)}`;
    case "Boolean":
      if (typeof arg.boolval !== "boolean") fail(`${path}.arg.boolval`, "it is true or false");
      return `${name} ${arg.boolval}`;
    default:
      return fail(`${path}.arg.type`, "it is String, Integer or Boolean");
  }
}

function pluginOption(path: string, { defname, arg }: DefElem, server: number): string {
  const name = identifier(`${path}.defname`, defname, server);
  if (arg === undefined) return name;
  return arg?.type === "String" ? `${name} ${quoted(`${path}.arg.sval`, arg.sval)}` : fail(path, "it takes a string");
}

// ---- Options that are words ----

function createSlotOptionsOf(command: CreateReplicationSlotCmd, server: number): string {
  const { kind, options } = command;
  const path = "CreateReplicationSlotCmd";
  if (!commandCapabilities.supports(server, "genericOptions")) {
    const list = optionWords(createSlotOptions, command, server);
    // 9.6 has one word, for physical slots only and once.
    if (list.length > 1 || (list.length > 0 && kind === "LOGICAL"))
      requireCapability(
        commandCapabilities,
        server,
        "createSlotOptions",
        "RESERVE_WAL more than once, or of a logical slot,",
      );
    return words(...list);
  }
  // Only words make a Boolean. Where every option has its word, and one needs it, words make the same tree again.
  const exact = each(path, options, (_, option) => exactWord(createSlotOptions, option));
  const needsWords = options.some(({ arg }) => arg?.type === "Boolean");
  return needsWords && !exact.includes(undefined) ? words(...exact) : genericOptionList(path, options, server);
}

/** The word that a server with options in parentheses reads as exactly this option. */
function exactWord(table: OptionTable, { defname, arg }: DefElem): string | undefined {
  const value = arg?.type === "String" ? arg.sval : arg?.type === "Boolean" ? arg.boolval : undefined;
  return findOption(table, defname)?.row.words?.find(({ means }) => means !== undefined && means === value)?.word;
}

/** Options as words, for a server without parentheses. A default needs no word. */
function optionWords(table: OptionTable, command: BaseBackupCmd | CreateReplicationSlotCmd, server: number): string[] {
  const list = each(command.type, optionsOf(command), (path, option) => {
    const name = printableText(`${path}.defname`, option.defname);
    const former = findWord(table, name);
    const { row, words = [] } = former ?? findOption(table, name) ?? {};
    const known = (former === undefined ? row?.words?.filter(({ option }) => option !== undefined) : words) ?? [];
    const [first] = known;
    if (row === undefined || first === undefined) {
      for (const needs of [row?.since ?? "genericOptions", "genericOptions"] as const)
        requireCapability(commandCapabilities, server, needs, `The option ${name}`);
      return fail(path, "there is no word for it");
    }
    if (first.means === undefined) {
      requireWord(row, first, server);
      return `${first.word} ${valueAfterWord(row, path, option.arg)}`;
    }
    const word = row.name === name ? wordOfToday(row, path, option, server) : wordOfFormerTimes(known, path, option);
    requireWord(row, word ?? first, server);
    return word?.word;
  });
  return list.filter((word) => word !== undefined);
}

function requireWord({ name }: OptionRow, { word, since }: OptionWord, server: number): void {
  if (since === undefined) return;
  const today = `; since ${commandCapabilities.since("genericOptions")} it is the option ${name} in parentheses`;
  requireCapability(commandCapabilities, server, since, word, "until" in commandRows[since] ? today : undefined);
}

/** The word for the value of an option; undefined if the value is the default. */
function wordOfToday(row: OptionRow, path: string, option: DefElem, server: number): OptionWord | undefined {
  let value: unknown;
  try {
    value = row.kind.read(new Check(server), option, 0);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return fail(`${path}.arg`, error.refusal.message);
  }
  return row.words!.find(({ means }) => means === value);
}

/** The word that a tree of former times was made of. */
function wordOfFormerTimes(words: readonly OptionWord[], path: string, { arg }: DefElem): OptionWord {
  const on = booleanOf(arg) ?? fail(`${path}.arg`, "it takes a Boolean value");
  return words.find(({ ival = 1 }) => ival === Number(on)) ?? fail(`${path}.arg`, "there is no word for false");
}

function valueAfterWord({ kind }: OptionRow, path: string, arg: DefElem["arg"]): string {
  if (kind.form !== "integer") return stringOf(path, arg);
  return arg?.type === "Integer" ? int32(`${path}.arg.ival`, arg.ival) : fail(path, "it takes a number");
}

/** As the server's defGetString has it. */
function stringOf(path: string, arg: DefElem["arg"]): string {
  if (arg?.type === "Integer") return quoted(path, String(arg.ival));
  return arg?.type === "String" ? quoted(`${path}.arg.sval`, arg.sval) : fail(path, "it takes a string");
}

// ---- Words made options ----

/** Was the tree made of words, where this server wants names and values in parentheses? */
function isOlderForm(from: number, server: number): boolean {
  return (
    !commandCapabilities.supports(from, "genericOptions") && commandCapabilities.supports(server, "genericOptions")
  );
}

function inParentheses(command: Command): Command {
  if (command.type !== "BaseBackupCmd" && command.type !== "CreateReplicationSlotCmd") return command;
  const table = command.type === "BaseBackupCmd" ? baseBackupOptions : createSlotOptions;
  return { ...command, options: each(command.type, command.options, (path, option) => renamed(table, path, option)) };
}

/** The option in parentheses that a word stands for, and its value. */
function renamed(table: OptionTable, path: string, option: DefElem): DefElem {
  const { row, words } = findWord(table, option.defname) ?? {};
  if (row === undefined || words![0]!.means === undefined) return option;
  const { means } = wordOfFormerTimes(words!, path, option);
  return {
    defname: row.name,
    arg:
      means === true
        ? undefined
        : typeof means === "string"
          ? { type: "String", sval: means }
          : { type: "Boolean", boolval: false },
  };
}

// ---- Texts for another version ----

/**
 * The text, if the server accepts it, or if the version that the command comes from does not accept that either. Where that is not known,
 * it is the newest that accepts the command.
 *
 * @throws UnsupportedError
 */
function acceptedText(
  text: string,
  command: Command,
  server: number,
  from: number | undefined,
  plugin: string,
): string {
  if (command.type === "SQLCmd") return text;
  const printed = parseCommand(text, { server });
  const refusal = refusalOf(printed, server, plugin);
  if (refusal === undefined) return text;
  const versions = rangesOf(commandCapabilities, "replicationSlots").map(({ since }) => since);
  // Where there is no pgoutput, nothing says that its options are right.
  const hasPlugin = (each: number) => plugin !== "pgoutput" || commandCapabilities.supports(each, "pgoutput");
  const isChecked = (each: number) =>
    command.type !== "StartReplicationCmd" || command.kind !== "LOGICAL" || hasPlugin(each);
  const accepts = (each: number) => isChecked(each) && refusalOf(command, each, plugin) === undefined;
  const origin = (from === undefined ? versions : [from]).findLast(accepts);
  if (origin === undefined) return text;
  if (from === undefined && isOlderForm(origin, server)) return printCommand(command, { server, from: origin, plugin });
  const [what, dependsOn] = blamed(printed, refusal.path);
  // What differs from the next version that accepts it, and not what came later.
  const nearest =
    origin > server
      ? versions.find((each) => each > server && each < origin && accepts(each))
      : versions.findLast((each) => each < server && each > origin && accepts(each));
  for (const name of dependsOn) requireUnlessBoth(name, what, nearest ?? origin, server);
  return unsupported(
    `PostgreSQL ${formatServerVersion(server)} rejects it (${what}): ${refusal.message}`,
    dependsOn,
    nearest ?? origin,
    server,
  );
}

function requireUnlessBoth(name: CommandCapability, what: string, from: number, server: number): void {
  if (commandCapabilities.supports(from, name)) requireCapability(commandCapabilities, server, name, what);
}

/** Why the server rejects the command after parsing; undefined if it accepts it. */
function refusalOf(command: Command, server: number, plugin: string): Refusal | undefined {
  try {
    runChecks(new Check(server), command, true, plugin);
    return undefined;
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    const message = (error as Error).message;
    if (error instanceof UnsupportedError || error instanceof EncodeError)
      return { sqlstate: "XX000", message, path: "" };
    throw error;
  }
}

/** The part to blame for a refusal, and the capabilities that the refusal depends on. */
function blamed(command: Command, path: string): [what: string, dependsOn: readonly CommandCapability[]] {
  if (path === "slotname") return ["the name of the slot", ["slotNameIsCheckedAgain", "conflictDetectionSlot"]];
  const index = /^options\[(\d+)\]/.exec(path)?.[1];
  const table = "options" in command ? optionTableOf(command) : undefined;
  if (index === undefined || table === undefined || !("options" in command))
    return ["the command", ["pgoutputOptionsRequired"]];
  const name = command.options[Number(index)]!.defname;
  const { row } = findOption(table, name) ?? findWord(table, name) ?? {};
  const capabilities = [row?.since, ...(row?.kind.dependsOn ?? [])].filter((each) => each !== undefined);
  return [path.endsWith("defname") ? `The option ${name}` : `This value of ${name}`, capabilities];
}

/** @throws UnsupportedError with the first of the capabilities in which the two servers differ. */
function unsupported(message: string, dependsOn: readonly CommandCapability[], from: number, server: number): never {
  const differing = dependsOn.find(
    (name) => commandCapabilities.supports(from, name) !== commandCapabilities.supports(server, name),
  );
  throw new UnsupportedError(message, differing ?? dependsOn[0]);
}

// ---- Words ----

/** The parts that exist, with a blank between. */
function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(" ");
}

/** Maps each option, with the path to it. */
function each<T>(command: string, options: readonly DefElem[], become: (path: string, option: DefElem) => T): T[] {
  if (!Array.isArray(options)) fail(`${command}.options`, "it must be an array");
  // Array.from passes over no hole, as map does.
  return Array.from(options, (option, i) => {
    const path = `${command}.options[${i}]`;
    return become(path, option ?? fail(path, "it must be an option"));
  });
}

function fail(path: string, reason: string): never {
  throw new EncodeError(path, `${path}: ${reason}`);
}

/** Names joined with dots. A name that holds a dot comes back the same from two names. */
function varName(path: string, name: unknown, server: number): string {
  const text = printableText(path, name);
  // Where the scanner knows no dot, one name that holds it says the same.
  if (!commandCapabilities.supports(server, "dotIsToken")) {
    if (text.includes(".") && truncateIdentifier(text) !== text)
      requireCapability(commandCapabilities, server, "dotIsToken", "A name of several parts and more than 63 bytes");
    return identifier(path, text, server);
  }
  return text
    .split(".")
    .map((part) => identifier(path, part, server))
    .join(".");
}

function identifier(path: string, name: unknown, server: number): string {
  const text = printableText(path, name);
  if (truncateIdentifier(text) !== text) fail(path, "the server cuts names to 63 bytes");
  if (scansAsIdentifier(text, server)) return text;
  if (text.includes('"'))
    requireCapability(commandCapabilities, server, "doubledQuoteInIdentifier", "A double quote inside an identifier");
  return quoteIdentifier(text);
}

function quoted(path: string, value: unknown): string {
  return `'${printableText(path, value).replaceAll("'", "''")}'`;
}

function uint32(path: string, value: number): string {
  if (typeof value !== "number" || value !== value >>> 0) fail(path, "it is an integer from 0 to 2^32 - 1");
  return String(value);
}

/** Text has no sign: the server takes the digits of a uint32, and makes an int of it. */
function int32(path: string, value: number): string {
  if (typeof value !== "number" || value !== (value | 0)) fail(path, "it is a signed 32-bit integer");
  return String(value >>> 0);
}

function lsn(path: string, value: Lsn, server: number): string {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) fail(path, "it is a bigint from 0 to 2^64 - 1");
  return formatLsn(value, { server });
}
