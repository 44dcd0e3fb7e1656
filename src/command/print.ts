/**
 * A Command to text, in the form that a server of the given version takes.
 *
 * The law: on every version, parsing what was printed gives the same Command, for every Command that this version's
 * grammar can make. What the version cannot say is an UnsupportedError; what no version can say, an EncodeError.
 */

import { EncodeError, ParseError } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { defaultServer, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import { truncateIdentifier } from "../text/identifier.ts";
import { printableText } from "../text/scan.ts";
import type { Command, CreateReplicationSlotCmd, DefElem } from "./ast.ts";
import { commandCapabilities } from "./capabilities.ts";
import { parseCommand, scansAsIdentifier } from "./parse.ts";

export interface PrintCommandOptions {
  /** The server that the text is for. */
  readonly server?: Server | undefined;
  /** The server whose grammar made the tree; `server` if it is not said. */
  readonly from?: Server | undefined;
}

/**
 * Write a command as a server of this version takes it, with no more quotes than it needs.
 *
 * Options change their form with the server: words before 15, then names and values in parentheses. For servers before 15 the
 * later form is written as the words of that time, where there is such a word: `checkpoint 'fast'` becomes `FAST`. The other way
 * it must be said that the tree is an old one (`from`), since a newer server's grammar takes any name: `(fast 1)` too is a
 * command to it, if one that is refused. A Boolean among parenthesised options is written as the word true or false, which the
 * server reads as the same.
 *
 * @throws UnsupportedError if this version cannot say it, with the missing capability.
 * @throws EncodeError if no text makes this value, with its path: a NUL character, a name of more than 63 bytes, a
 * logical stream without a slot.
 * @source the reverse of repl_gram.y and repl_scanner.l
 * @example printCommand({ type: "DropReplicationSlotCmd", slotname: "My slot", wait: true }) // 'DROP_REPLICATION_SLOT "My slot" WAIT'
 * @example printCommand(parseCommand("BASE_BACKUP (CHECKPOINT fast)"), { server: 14 }) // "BASE_BACKUP FAST"
 * @example printCommand(parseCommand("BASE_BACKUP (CHECKPOINT fast)")) // "BASE_BACKUP (checkpoint 'fast')"
 * @example printCommand(parseCommand("BASE_BACKUP FAST NOWAIT", { server: 14 }), { from: 14 }) // "BASE_BACKUP (checkpoint 'fast', wait false)"
 */
export function printCommand(command: Command, options: PrintCommandOptions = {}): string {
  const { server = defaultServer, from = server } = options;
  requireCapability(commandCapabilities, server, "replicationSlots", "The replication language with slots");
  const type: unknown = command?.type;
  if (typeof type !== "string" || !Object.hasOwn(printers, type))
    fail("Command.type", "it names no replication command");
  const print = printers[command.type] as Printer<Command>;
  return print(isOlderForm(from, server) ? inParentheses(command) : command, serverVersionNum(server));
}

type Printer<C extends Command> = (command: C, server: number) => string;

const printers: { readonly [T in Command["type"]]: Printer<Extract<Command, { type: T }>> } = {
  IdentifySystemCmd: () => "IDENTIFY_SYSTEM",

  BaseBackupCmd: ({ options }, server) => {
    if (commandCapabilities.supports(server, "genericOptions")) {
      return words("BASE_BACKUP", genericOptionList("BaseBackupCmd", options, server));
    }
    return words("BASE_BACKUP", optionWords(baseBackupWords, "BaseBackupCmd", options, server));
  },

  CreateReplicationSlotCmd: (command, server) => {
    const { kind, slotname, plugin, temporary } = command;
    if (temporary) requireCapability(commandCapabilities, server, "createSlotOptions", "TEMPORARY");
    const logical = isLogical("CreateReplicationSlotCmd", kind);
    if (!logical && plugin !== undefined) fail("CreateReplicationSlotCmd.plugin", "a physical slot has no plugin");
    return words(
      "CREATE_REPLICATION_SLOT",
      identifier("CreateReplicationSlotCmd.slotname", slotname, server),
      temporary && "TEMPORARY",
      kind,
      logical && identifier("CreateReplicationSlotCmd.plugin", plugin, server),
      createSlotOptions(command, server),
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
    const logical = isLogical(path, kind);
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

  SQLCmd: ({ text }, server) => {
    requireCapability(commandCapabilities, server, "sqlCommands", "SQL on a replication connection");
    let type: Command["type"];
    try {
      type = parseCommand(text, { server }).type;
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      return fail("SQLCmd.text", `the walsender refuses it: ${error.message}`);
    }
    if (type !== "SQLCmd") fail("SQLCmd.text", "its first word makes it a replication command");
    return text;
  },
};

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
  return arg === undefined ? name : `${name} ${stringOf(path, arg)}`;
}

// ---- Options that are words ----

function createSlotOptions({ kind, options }: CreateReplicationSlotCmd, server: number): string {
  const path = "CreateReplicationSlotCmd";
  if (!commandCapabilities.supports(server, "createSlotOptions")) return reserveWalOnly(path, kind, options, server);
  if (!commandCapabilities.supports(server, "genericOptions"))
    return optionWords(createSlotWords, path, options, server);
  // Only words make a Boolean. Where every option has its word, and one needs it, words make the same tree again.
  const exact = each(path, options, (_, option) => exactCreateSlotWord(option));
  const needsWords = options.some(({ arg }) => arg?.type === "Boolean");
  return needsWords && !exact.includes(undefined) ? words(...exact) : genericOptionList(path, options, server);
}

/** In 9.6 a physical slot can have one word, and that once. */
function reserveWalOnly(path: string, kind: string, options: readonly DefElem[], server: number): string {
  const list = each(path, options, (at, { defname, arg }) => {
    if (defname !== "reserve_wal")
      requireCapability(commandCapabilities, server, "createSlotOptions", `The option ${printableText(at, defname)}`);
    return booleanOf(at, arg) && "RESERVE_WAL";
  }).filter((word) => word !== false);
  if (list.length > 0) requireCapability(commandCapabilities, server, "reserveWal", "RESERVE_WAL");
  if (list.length > 1 || (list.length > 0 && kind === "LOGICAL")) {
    requireCapability(
      commandCapabilities,
      server,
      "createSlotOptions",
      "RESERVE_WAL more than once, or of a logical slot,",
    );
  }
  return words(...list);
}

const snapshotWords: ReadonlyMap<string, string> = new Map([
  ["export", "EXPORT_SNAPSHOT"],
  ["nothing", "NOEXPORT_SNAPSHOT"],
  ["use", "USE_SNAPSHOT"],
]);

/** The word that a server with options in parentheses reads as exactly this option. */
function exactCreateSlotWord({ defname, arg }: DefElem): string | undefined {
  if (defname === "snapshot" && arg?.type === "String") return snapshotWords.get(arg.sval);
  if (arg?.type !== "Boolean" || arg.boolval !== true) return undefined;
  return defname === "reserve_wal" ? "RESERVE_WAL" : defname === "two_phase" ? "TWO_PHASE" : undefined;
}

/** How a server without options in parentheses says an option: as a word, or with nothing for what is the default. */
type OptionWords = Readonly<Record<string, (path: string, arg: DefElem["arg"], server: number) => string | false>>;

function optionWords(table: OptionWords, command: string, options: readonly DefElem[], server: number): string {
  const word = (path: string, option: DefElem): string | false => {
    const name = printableText(`${path}.defname`, option.defname);
    if (!Object.hasOwn(table, name))
      requireCapability(commandCapabilities, server, "genericOptions", `The option ${name}`);
    return table[name]!(path, option.arg, server);
  };
  return words(...each(command, options, word));
}

const createSlotWords: OptionWords = {
  export_snapshot: (path, arg) => (booleanOf(path, arg) ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT"),
  use_snapshot: (path, arg) => (booleanOf(path, arg) ? "USE_SNAPSHOT" : fail(path, "there is no word for false")),
  reserve_wal: (path, arg) => booleanOf(path, arg) && "RESERVE_WAL",
  // The form since 15.
  snapshot: (path, arg) =>
    (arg?.type === "String" && snapshotWords.get(arg.sval)) || fail(path, "it is export, nothing or use"),
};

const baseBackupWords: OptionWords = {
  label: (path, arg) => `LABEL ${stringOf(path, arg)}`,
  progress: (path, arg) => booleanOf(path, arg) && "PROGRESS",
  fast: (path, arg) => booleanOf(path, arg) && "FAST",
  wal: (path, arg) => booleanOf(path, arg) && "WAL",
  nowait: (path, arg) => booleanOf(path, arg) && "NOWAIT",
  max_rate: (path, arg) =>
    `MAX_RATE ${arg?.type === "Integer" ? int32(`${path}.arg.ival`, arg.ival) : fail(path, "it takes a number")}`,
  tablespace_map: (path, arg, server) => {
    requireCapability(commandCapabilities, server, "baseBackupTablespaceMap", "TABLESPACE_MAP");
    return booleanOf(path, arg) && "TABLESPACE_MAP";
  },
  noverify_checksums: (path, arg, server) => booleanOf(path, arg) && noverifyChecksums(server),
  manifest: (path, arg, server) => {
    requireCapability(commandCapabilities, server, "baseBackupManifest", "MANIFEST");
    return `MANIFEST ${stringOf(path, arg)}`;
  },
  manifest_checksums: (path, arg, server) => {
    requireCapability(commandCapabilities, server, "baseBackupManifest", "MANIFEST_CHECKSUMS");
    return `MANIFEST_CHECKSUMS ${stringOf(path, arg)}`;
  },
  // The form since 15.
  checkpoint: (path, arg) => {
    const mode = arg?.type === "String" && printableText(`${path}.arg.sval`, arg.sval).toLowerCase();
    return mode === "fast" ? "FAST" : mode === "spread" ? false : fail(path, "it is fast or spread");
  },
  wait: (path, arg) => !booleanOf(path, arg) && "NOWAIT",
  verify_checksums: (path, arg, server) => !booleanOf(path, arg) && noverifyChecksums(server),
};

function noverifyChecksums(server: number): string {
  requireCapability(commandCapabilities, server, "baseBackupNoVerifyChecksums", "NOVERIFY_CHECKSUMS");
  return "NOVERIFY_CHECKSUMS";
}

function stringOf(path: string, arg: DefElem["arg"]): string {
  return arg?.type === "String" ? quoted(`${path}.arg.sval`, arg.sval) : fail(path, "it takes a string");
}

/** @source define.c: defGetBoolean */
function booleanOf(path: string, arg: DefElem["arg"]): boolean {
  if (arg === undefined) return true;
  const value = arg?.type === "String" ? arg.sval : arg?.type === "Integer" ? arg.ival : arg?.boolval;
  if (value === true || value === 1 || (typeof value === "string" && /^(true|on)$/i.test(value))) return true;
  if (value === false || value === 0 || (typeof value === "string" && /^(false|off)$/i.test(value))) return false;
  return fail(path, "it takes a Boolean value");
}

// ---- Words made options ----

/** Was the tree made of words, where this server wants names and values in parentheses? */
function isOlderForm(from: Server, server: Server): boolean {
  return (
    !commandCapabilities.supports(from, "genericOptions") && commandCapabilities.supports(server, "genericOptions")
  );
}

function inParentheses(command: Command): Command {
  const table = command.type === "BaseBackupCmd" ? baseBackupNames : createSlotNames;
  if (command.type !== "BaseBackupCmd" && command.type !== "CreateReplicationSlotCmd") return command;
  return { ...command, options: each(command.type, command.options, (path, option) => renamed(table, path, option)) };
}

/** What a server with options in parentheses calls what a word says, and with which value. */
type OptionNames = Readonly<Record<string, (path: string, arg: DefElem["arg"]) => DefElem>>;

const flag = (defname: string, value: boolean): DefElem => ({
  defname,
  arg: value ? undefined : { type: "Boolean", boolval: false },
});
const text = (defname: string, sval: string): DefElem => ({ defname, arg: { type: "String", sval } });

const baseBackupNames: OptionNames = {
  progress: (path, arg) => flag("progress", booleanOf(path, arg)),
  wal: (path, arg) => flag("wal", booleanOf(path, arg)),
  tablespace_map: (path, arg) => flag("tablespace_map", booleanOf(path, arg)),
  fast: (path, arg) => text("checkpoint", booleanOf(path, arg) ? "fast" : "spread"),
  nowait: (path, arg) => flag("wait", !booleanOf(path, arg)),
  noverify_checksums: (path, arg) => flag("verify_checksums", !booleanOf(path, arg)),
};

const createSlotNames: OptionNames = {
  export_snapshot: (path, arg) => text("snapshot", booleanOf(path, arg) ? "export" : "nothing"),
  use_snapshot: (path, arg) =>
    text("snapshot", booleanOf(path, arg) ? "use" : fail(path, "there is no word for false")),
  reserve_wal: (path, arg) => flag("reserve_wal", booleanOf(path, arg)),
};

/** Names that did not change stay as they are. */
function renamed(table: OptionNames, path: string, option: DefElem): DefElem {
  const { defname, arg } = option;
  return typeof defname === "string" && Object.hasOwn(table, defname) ? table[defname]!(path, arg) : option;
}

// ---- Words ----

/** What there is of the parts, with a blank between. */
function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter(Boolean).join(" ");
}

/** What becomes of each option, given the path to it. */
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

function isLogical(path: string, kind: unknown): boolean {
  if (kind !== "LOGICAL" && kind !== "PHYSICAL") fail(`${path}.kind`, "it is PHYSICAL or LOGICAL");
  return kind === "LOGICAL";
}

/** Names joined with dots. A name that holds a dot comes back the same from two names. */
function varName(path: string, name: unknown, server: number): string {
  const text = printableText(path, name);
  // Where the scanner knows no dot, one name that holds it says the same.
  if (!commandCapabilities.supports(server, "dotIsToken")) return identifier(path, text, server);
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
  return `"${text.replaceAll('"', '""')}"`;
}

function quoted(path: string, value: unknown): string {
  return `'${printableText(path, value).replaceAll("'", "''")}'`;
}

function uint32(path: string, value: number): string {
  if (typeof value !== "number" || value !== value >>> 0) fail(path, "it is an integer of 0 to 2^32 - 1");
  return String(value);
}

/** Text has no sign: the server takes the digits of a uint32, and makes an int of it. */
function int32(path: string, value: number): string {
  if (typeof value !== "number" || value !== (value | 0)) fail(path, "it is a signed 32-bit integer");
  return String(value >>> 0);
}

function lsn(path: string, value: Lsn, server: number): string {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) fail(path, "it is a bigint of 0 to 2^64 - 1");
  return formatLsn(value, { server });
}
