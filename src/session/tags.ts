/**
 * The command tags that answer a query, as far as its first words tell: a walsender answers a wrong command with an error, so nothing
 * else matters, and a conversation need not carry the grammar.
 */
import type { Command } from "../command/ast.ts";
import { commandAnswer } from "../command/results/answer.ts";
import { WalwireError } from "../kernel/errors.ts";

const types: Readonly<Record<string, Exclude<Command["type"], "SQLCmd">>> = {
  IDENTIFY_SYSTEM: "IdentifySystemCmd",
  SHOW: "VariableShowStmt",
  CREATE_REPLICATION_SLOT: "CreateReplicationSlotCmd",
  ALTER_REPLICATION_SLOT: "AlterReplicationSlotCmd",
  DROP_REPLICATION_SLOT: "DropReplicationSlotCmd",
  READ_REPLICATION_SLOT: "ReadReplicationSlotCmd",
  TIMELINE_HISTORY: "TimeLineHistoryCmd",
  BASE_BACKUP: "BaseBackupCmd",
  UPLOAD_MANIFEST: "UploadManifestCmd",
  START_REPLICATION: "StartReplicationCmd",
};

/** A keyword, as the scanner of the oldest and the newest server reads it. @source repl_scanner.l */
const firstWord = /^[ \t\n\r\f\v]*([A-Z_]+)(?![\w$\u0080-\uffff])/;
/** The blanks of that scanner: other blanks of Unicode are letters of names. */
const logicalStart =
  /^[ \t\n\r\f\v]*START_REPLICATION[ \t\n\r\f\v]+SLOT[ \t\n\r\f\v]*(?:(?:"[^"]*")+|[^ \t\n\r\f\v"]+[ \t\n\r\f\v])[ \t\n\r\f\v]*LOGICAL(?![\w$\u0080-\uffff])/;

/**
 * The tags of the CommandComplete messages that a walsender answers a query with if all goes well; undefined for SQL, and for
 * commands that it does not have.
 *
 * @source walsender.c: exec_replication_command
 */
export function tagsOf(query: string, server: number): readonly string[] | undefined {
  const word = firstWord.exec(query)?.[1] ?? "";
  if (!Object.hasOwn(types, word)) return undefined;
  const kind = logicalStart.test(query) ? "LOGICAL" : "PHYSICAL";
  try {
    const steps = commandAnswer({ type: types[word], kind } as Command, { server });
    return steps?.flatMap((step) => (step.type === "CommandComplete" ? [step.tag] : []));
  } catch (error) {
    if (error instanceof WalwireError) return undefined;
    throw error;
  }
}
