/**
 * What a walsender answers to each command when all goes well, message by message: result sets, copy streams, and the
 * tags of CommandComplete, some of them more than once and in unexpected places.
 */

import { EncodeError } from "../../kernel/errors.ts";
import { checkOptions } from "../../kernel/options.ts";
import { requireCapability, type Server, serverVersionNum } from "../../kernel/version.ts";
import type { Command } from "../ast.ts";
import { commandCapabilities } from "../capabilities.ts";
import type { ResultSetName } from "./result-sets.ts";

/** How often a step comes: "some" is once or more often. */
export type Occurs = "once" | "maybe" | "some";

/** One step of the answer to a command. */
export type AnswerStep =
  | {
      /** RowDescription and its DataRows. No CommandComplete is part of it: that is a step of its own, or is missing. */
      readonly type: "Rows";
      /** The columns. */
      readonly resultSet: ResultSetName;
      /** How often it comes. */
      readonly occurs: Occurs;
    }
  | {
      /**
       * CopyOutResponse, CopyInResponse or CopyBothResponse, and all up to CopyDone; both sides send it in CopyBoth, and
       * there a server may still send a keepalive after its own.
       */
      readonly type: "CopyOut" | "CopyIn" | "CopyBoth";
      /** How often it comes. */
      readonly occurs: Occurs;
    }
  | {
      readonly type: "CommandComplete";
      /** Its command tag, such as "SELECT". */
      readonly tag: string;
    };

/**
 * What a server of this version answers to a command, in order, up to ReadyForQuery; undefined for SQL, which we do
 * not know. An error may take the place of any step, also after a RowDescription (TIMELINE_HISTORY without the file) or
 * CopyBothResponse; notices may come between any two. A server that shuts down says `COPY 0` and closes the connection, in
 * the middle of CopyBoth.
 *
 * @throws UnsupportedError if this version has no such command.
 * @throws EncodeError if it is not a command; ArgumentError for options that it does not take.
 * @source walsender.c: exec_replication_command
 * @example commandAnswer(parseCommand("IDENTIFY_SYSTEM"))?.length // 2
 * @example commandAnswer(parseCommand("DROP_REPLICATION_SLOT s"), { server: 12 })?.[1] // { type: "CommandComplete", tag: "SELECT" }
 */
export function commandAnswer(
  command: Command,
  options: { readonly server?: Server | undefined } = {},
): readonly AnswerStep[] | undefined {
  checkOptions(options, ["server"]);
  const type: unknown = command?.type;
  if (typeof type !== "string" || !Object.hasOwn(answers, type)) {
    throw new EncodeError("Command.type", "Command.type: it names no replication command");
  }
  const answer = answers[command.type] as Answer<Command>;
  return answer(command, serverVersionNum(options.server));
}

type Answer<C extends Command> = (command: C, server: number) => readonly AnswerStep[] | undefined;

const answers: { readonly [T in Command["type"]]: Answer<Extract<Command, { type: T }>> } = {
  IdentifySystemCmd: (_, server) => [rows("IDENTIFY_SYSTEM"), end("IDENTIFY_SYSTEM", server)],

  // A server that ends commands with "SELECT" says both.
  DropReplicationSlotCmd: (_, server) =>
    commandCapabilities.supports(server, "ownCommandTag")
      ? [end("DROP_REPLICATION_SLOT", server)]
      : [tag("DROP_REPLICATION_SLOT"), end("DROP_REPLICATION_SLOT", server)],

  CreateReplicationSlotCmd: (_, server) => [rows("CREATE_REPLICATION_SLOT"), end("CREATE_REPLICATION_SLOT", server)],

  AlterReplicationSlotCmd: (_, server) => {
    requireCapability(commandCapabilities, server, "alterReplicationSlot", "ALTER_REPLICATION_SLOT");
    return [end("ALTER_REPLICATION_SLOT", server)];
  },

  ReadReplicationSlotCmd: (_, server) => {
    requireCapability(commandCapabilities, server, "readReplicationSlot", "READ_REPLICATION_SLOT");
    return [rows("READ_REPLICATION_SLOT"), end("READ_REPLICATION_SLOT", server)];
  },

  TimeLineHistoryCmd: (_, server) => [rows("TIMELINE_HISTORY"), end("TIMELINE_HISTORY", server)],

  VariableShowStmt: ({ name }, server) => {
    requireCapability(commandCapabilities, server, "showCommand", "SHOW");
    // guc_name_compare() does not look at the case.
    const all = typeof name === "string" && name.toLowerCase() === "all";
    return [rows(all ? "SHOW_ALL" : "SHOW"), end("SHOW", server)];
  },

  StartReplicationCmd: ({ kind, timeline }, server) => {
    const logical = kind === "LOGICAL";
    return [
      // Of a timeline that ends at the very position there is nothing to stream.
      { type: "CopyBoth", occurs: logical || timeline === 0 ? "once" : "maybe" },
      // Of the latest timeline there is no next one. A standby's may cease to be the latest while it is streamed.
      ...(logical ? [] : [rows("NEXT_TIMELINE", "maybe")]),
      tag(logical ? "COPY 0" : "START_STREAMING"),
      // The stream has its tag, the command another, but for one release that forgot it.
      ...(commandCapabilities.supports(server, "startReplicationTagMissing") ? [] : [end("START_REPLICATION", server)]),
    ];
  },

  BaseBackupCmd: (_, server) => [
    rows("BACKUP_START"),
    tag("SELECT"),
    rows("BACKUP_TABLESPACES"),
    tag("SELECT"),
    // One stream for all; before, one for each tablespace, and one more for the manifest if that was asked for.
    { type: "CopyOut", occurs: commandCapabilities.supports(server, "baseBackupOneStream") ? "once" : "some" },
    rows("BACKUP_END"),
    tag("SELECT"),
    end("BASE_BACKUP", server),
  ],

  UploadManifestCmd: (_, server) => {
    requireCapability(commandCapabilities, server, "uploadManifest", "UPLOAD_MANIFEST");
    return [{ type: "CopyIn", occurs: "once" }, end("UPLOAD_MANIFEST", server)];
  },

  SQLCmd: () => undefined,
};

function rows(resultSet: ResultSetName, occurs: Occurs = "once"): AnswerStep {
  return { type: "Rows", resultSet, occurs };
}

function tag(text: string): AnswerStep {
  return { type: "CommandComplete", tag: text };
}

/** The tag with which every command ends. */
function end(command: string, server: number): AnswerStep {
  return tag(commandCapabilities.supports(server, "ownCommandTag") ? command : "SELECT");
}
