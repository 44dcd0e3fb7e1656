/** What commands are answered with: messages, columns and tags, without the values. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, commandAnswer, describeResultSet, parseCommand } from "../../src/command/index.ts";
import { exchange, stepsOf } from "../../test/oracle/answers.ts";
import type { OwnServer, RawConnection } from "../../test/servers/index.ts";
import { checked } from "../../test/servers/index.ts";
import type { CommandInput } from "./commands.ts";
import type { Kind } from "./kind.ts";

interface Column {
  readonly name: string;
  readonly typeId: number;
  readonly typeSize: number;
  readonly typeModifier: number;
}

/** One thing after the other; copy streams that follow each other are one. */
type Step =
  | { readonly type: "Rows"; readonly columns: readonly Column[] }
  | { readonly type: "CopyOut" | "CopyIn" | "CopyBoth" }
  | { readonly type: "CommandComplete"; readonly tag: string };

interface AnswerSaid {
  readonly steps: readonly Step[];
}

/** In this order, on one connection each time. A version that does not know a command is not asked. */
const texts: readonly CommandInput[] = [
  { text: "IDENTIFY_SYSTEM", connection: "physical" },
  { text: "IDENTIFY_SYSTEM", connection: "database" },
  { text: "SHOW server_version", connection: "physical" },
  { text: "TIMELINE_HISTORY 2", connection: "physical" },
  { text: "CREATE_REPLICATION_SLOT answers_p PHYSICAL", connection: "physical" },
  { text: "READ_REPLICATION_SLOT answers_p", connection: "physical" },
  { text: "DROP_REPLICATION_SLOT answers_p", connection: "physical" },
  { text: "CREATE_REPLICATION_SLOT answers_l LOGICAL pgoutput", connection: "database" },
  { text: "ALTER_REPLICATION_SLOT answers_l (FAILOVER true)", connection: "database" },
  { text: "DROP_REPLICATION_SLOT answers_l WAIT", connection: "database" },
  { text: "START_REPLICATION 0/START", connection: "physical" },
  { text: "BASE_BACKUP FAST", connection: "physical" },
  { text: "BASE_BACKUP (CHECKPOINT 'fast')", connection: "physical" },
];

const collapsed = (steps: readonly Step[]): Step[] =>
  steps.filter((step, i) => step.type !== "CopyOut" || steps[i - 1]?.type !== "CopyOut");

export const answers: Kind<CommandInput, AnswerSaid> = {
  name: "answers",
  inputs: () => texts,

  async ask(server, inputs) {
    writeFileSync(join(server.dataDirectory, "pg_wal/00000002.history"), "1\t0/1000028\tfor TIMELINE_HISTORY\n", {
      mode: 0o644,
    });
    const said: (AnswerSaid | undefined)[] = [];
    // Inputs build on each other: a sample of them is asked with all others.
    const asked = new Map<string, AnswerSaid | undefined>();
    for (const input of answers.inputs({ servers: [], seed: 0, times: 1 })) {
      asked.set(JSON.stringify(input), await askOne(server, input));
    }
    for (const { text, connection } of inputs) said.push(asked.get(JSON.stringify({ text, connection })));
    return said;
  },

  ours({ text }, { versionNum: server }) {
    const command = parseCommand(text.replace("0/START", "0/1000000"), { server });
    const parameter = command.type === "VariableShowStmt" ? command.name : undefined;
    const steps = commandAnswer(command, { server })!.flatMap((step): Step[] => {
      if (step.type === "CommandComplete") return [{ type: step.type, tag: step.tag }];
      if (step.type !== "Rows") return [{ type: step.type }];
      if (step.occurs === "maybe") return [];
      return [
        {
          type: "Rows",
          columns: describeResultSet(step.resultSet, parameter === undefined ? { server } : { server, parameter }),
        },
      ];
    });
    return { said: { steps: collapsed(steps) } };
  },
};

async function askOne(server: OwnServer, { text, connection: kind }: CommandInput): Promise<AnswerSaid | undefined> {
  let command: Command;
  try {
    command = parseCommand(text.replace("0/START", "0/1000000"), { server: server.versionNum });
  } catch {
    return undefined;
  }
  if (command.type === "SQLCmd") return undefined;
  const connection: RawConnection = await server.connect({ replication: kind === "database" ? "database" : "true" });
  try {
    const { rows } = await server.sql("SELECT pg_current_wal_flush_lsn()");
    const messages = checked(await exchange(connection, text.replace("0/START", rows[0]![0]!), {}));
    const steps = stepsOf(messages).map(({ type, tag, columns }): Step => {
      if (type === "CommandComplete") return { type, tag: tag! };
      if (type !== "Rows") return { type };
      return {
        type,
        columns: (columns as readonly Column[]).map(({ name, typeId, typeSize, typeModifier }) => ({
          ...{ name, typeId, typeSize, typeModifier },
        })),
      };
    });
    return { steps: collapsed(steps) };
  } finally {
    await connection.close();
  }
}
