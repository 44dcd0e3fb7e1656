/**
 * Where the parts of a command stand in its text.
 *
 * A Command holds what the server's own tree holds, and no positions: two commands that mean the same are equal. Positions are
 * found again when someone asks, from the text that the command was parsed from: the tokens of the text stand in the order of
 * the parts of the tree.
 */
import { checkOptions } from "../kernel/options.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { sourceOf } from "../text/source.ts";
import type { Command, DefElem } from "./ast.ts";
import { tokens } from "./parse.ts";
import { printCommand } from "./print.ts";
import type { Token } from "./token.ts";

/** A text, and where in it the parts of a command begin. */
export interface CommandLocations {
  /** The text that the command was parsed from; if it was made otherwise, what `printCommand` writes. */
  readonly text: string;
  /**
   * Offsets, in UTF-16 code units from the start of `text`, by the path to the part: "" is the command itself; "slotname",
   * "kind", "startpoint", "options[1].defname", "options[1].arg". A part without text has no entry.
   */
  readonly offsets: ReadonlyMap<string, number>;
}

/**
 * Find the parts of a command in its text.
 *
 * A command that `parseCommand` gave is found in the text that it was given; a copy of it, or a command made by hand, in the
 * text that `printCommand` writes for this server.
 *
 * @throws UnsupportedError, EncodeError as printCommand does, for a command that was not parsed; ArgumentError for options that it does not take.
 * @example locateCommand(parseCommand("DROP_REPLICATION_SLOT  s WAIT")).offsets.get("slotname") // 23
 */
export function locateCommand(
  command: Command,
  options: { readonly server?: Server | undefined } = {},
): CommandLocations {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server);
  const source = sourceOf(command) ?? { text: printCommand(command, { server, from: server }), server };
  return { text: source.text, offsets: offsetsOf(command, tokens(source.text, source.server)) };
}

function offsetsOf(command: Command, list: readonly Token[]): Map<string, number> {
  const offsets = new Map<string, number>();
  let at = 0;
  /** Passes over tokens to the next of one of these kinds, and notes where it is. */
  const next = (path: string, ...kinds: readonly Token["kind"][]): void => {
    while (at < list.length && !kinds.includes(list[at]!.kind)) at++;
    if (at < list.length) offsets.set(path, list[at++]!.offset);
  };
  const option = ({ arg }: DefElem, path: string): void => {
    // A keyword may be the name of an option, and is the option itself where options are words.
    next(`${path}.defname`, "IDENT", "keyword");
    const value = list[at]?.kind;
    if (arg !== undefined && (value === "IDENT" || value === "SCONST" || value === "UCONST"))
      next(`${path}.arg`, value);
  };
  if (command.type === "SQLCmd") return offsets.set("", list[0]?.offset ?? 0);
  next("", "keyword");
  switch (command.type) {
    case "VariableShowStmt":
      next("name", "IDENT");
      break;
    case "TimeLineHistoryCmd":
      next("timeline", "UCONST");
      break;
    case "ReadReplicationSlotCmd":
    case "DropReplicationSlotCmd":
    case "AlterReplicationSlotCmd":
      next("slotname", "IDENT");
      break;
    case "CreateReplicationSlotCmd":
      next("slotname", "IDENT");
      if (command.temporary) next("temporary", "keyword");
      next("kind", "keyword");
      if (command.plugin !== undefined) next("plugin", "IDENT");
      break;
    case "StartReplicationCmd":
      if (command.slotname !== undefined) next("slotname", "IDENT");
      if (command.kind === "LOGICAL") next("kind", "keyword");
      next("startpoint", "RECPTR");
      if (command.timeline !== 0) next("timeline", "UCONST");
      break;
  }
  if ("options" in command) for (const [i, each] of command.options.entries()) option(each, `options[${i}]`);
  return offsets;
}
