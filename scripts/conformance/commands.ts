/** Replication commands: what the grammar of each version makes of a text. */
import { clientTextsFor } from "../../src/arbitraries/clients.ts";
import { parseCommand } from "../../src/command/index.ts";
import { keywords } from "../../src/command/keywords.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { commandJson } from "../../src/node/cli/command/json.ts";
import { commandAnswers, isAskedOnDatabase, type Notice, verdict } from "../../test/oracle/commands.ts";
import { pipeline, queryBody } from "../../test/oracle/pipeline.ts";
import { commandTexts } from "../../test/oracle/texts.ts";
import { errorFields, type Message, type Server } from "../../test/servers/index.ts";
import { type Kind, sortOfWords, type Words, words } from "./kind.ts";

export interface CommandInput {
  readonly text: string;
  /** replication=true, or replication=database. */
  readonly connection: "physical" | "database";
}

/** What is for SQL on a connection to a database is not the grammar's any more: there are no words. */
export type CommandSaid = (
  | { readonly verdict: "accepted" | "sql" }
  | ({ readonly verdict: "rejected" | "sql" } & Words)
) & { readonly notices?: readonly Notice[] };

/** Before 10 a connection without a database is asked alike; none of the servers here is so old. */
const isOfDatabase = (text: string): boolean => isAskedOnDatabase({ versionNum: 100000 }, text);

/** Without a database a server knows no encoding, and cuts a long name inside a character. */
const isCut = (text: string): boolean => /[^\x00-\x7f]/.test(text) && Buffer.byteLength(text) > 63;

/** What random texts would seldom have. */
const chosen = [
  ...["", ";", " ; ", "select 1", '"SHOW"', "identify_system", "'it''s'", "IDENTIFY_SYSTEM;", "IDENTIFY_SYSTEM;;"],
  ...["\rIDENTIFY_SYSTEM", "\vIDENTIFY_SYSTEM", "\fIDENTIFY_SYSTEM", "IDENTIFY_SYSTEM\r", "IDENTIFY_SYSTEM\v"],
  ...[
    "SHOW a",
    "SHOW a.b",
    "SHOW a.b.c",
    'SHOW "a""b"',
    "SHOW é",
    'DROP_REPLICATION_SLOT "a""b"',
    "START_REPLICATION G/0",
  ],
  ...["START_REPLICATION 0X/0", "START_REPLICATION 0x1/0x2", "START_REPLICATION 123456789/123456789", "BASE_BACKUP()"],
  ...[
    "START_REPLICATION 0/0 TIMELINE 0",
    "TIMELINE_HISTORY 0",
    "TIMELINE_HISTORY 4294967296",
    "READ_REPLICATION_SLOT s",
  ],
  ...["ALTER_REPLICATION_SLOT s (failover)", "UPLOAD_MANIFEST", "UPLOAD_MANIFEST x", "BASE_BACKUP (label 'a')"],
  ...["BASE_BACKUP LABEL 'a' PROGRESS FAST WAL NOWAIT MAX_RATE 32 TABLESPACE_MAP NOVERIFY_CHECKSUMS"],
  ...["BASE_BACKUP MANIFEST 'yes' MANIFEST_CHECKSUMS 'none'", `DROP_REPLICATION_SLOT ${"x".repeat(64)}`],
  ...[`DROP_REPLICATION_SLOT ${"é".repeat(32)}`, `DROP_REPLICATION_SLOT "${"X".repeat(70)}" WAIT`],
  ...["START_REPLICATION 0/0 TIMELINE 2", "START_REPLICATION SLOT s PHYSICAL 16/B374D848 TIMELINE 4294967295;"],
  ...[...keywords.keys()].map((word) => `BASE_BACKUP (${word} ${word.toLowerCase()}, "${word}" 1)`),
];

export const commands: Kind<CommandInput, CommandSaid> = {
  name: "commands",
  ofEachSort: 3,

  inputs({ servers, seed, times }) {
    const texts = servers.flatMap((server) => [
      ...clientTextsFor(server).map(({ text }) => text),
      ...[...commandTexts(server, seed, Math.ceil(2500 * times))].flat(),
    ]);
    return [...new Set([...chosen, ...texts])].flatMap((text): CommandInput[] => {
      const physical = isCut(text) ? [] : [{ text, connection: "physical" } as const];
      return isOfDatabase(text) ? [{ text, connection: "database" }, ...physical] : physical;
    });
  },

  async ask(server, inputs) {
    const said: (CommandSaid | undefined)[] = new Array(inputs.length);
    // A command that the grammar takes would be run on a connection without a database: that takes rejected ones only.
    const texts = [...new Set(inputs.map(({ text }) => text))];
    const answers = new Map((await commandAnswers(server, texts, saidIn)).map((answer, i) => [texts[i]!, answer]));
    const rejected: number[] = [];
    for (const [i, { text, connection }] of inputs.entries()) {
      const answer = answers.get(text)!;
      const asked = isOfDatabase(text) ? "database" : "physical";
      if (asked === connection) said[i] = answer;
      else if (connection === "physical" && answer.verdict === "rejected") rejected.push(i);
    }
    await askWithoutDatabase(server, inputs, rejected, (i, answer) => {
      said[i] = answer;
    });
    return said;
  },

  ours({ text, connection }, { versionNum: server }) {
    const notices: Notice[] = [];
    const with_ = <Said extends object>(said: Said) => ({ ...said, ...(notices.length > 0 && { notices }) });
    try {
      const command = parseCommand(text, {
        server,
        database: connection === "database",
        onNotice: ({ sqlstate, message }) => notices.push({ sqlstate, message }),
      });
      if (command.type === "SQLCmd") return { said: { verdict: "sql" } };
      return { said: with_({ verdict: "accepted" }), walwire: { command: commandJson(command, server) } };
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      const verdict = error.message.startsWith("cannot execute SQL commands") ? "sql" : "rejected";
      return { said: with_({ verdict, ...words(error) }) };
    }
  },

  sort({ text }, said, walwire) {
    if (chosen.includes(text)) return undefined;
    const sort = "message" in said ? sortOfWords(said) : shapeOf(walwire ?? said);
    return `${sort} ${said.notices?.length ?? 0}`;
  },
};

function saidIn(answer: readonly Message[], text: string): CommandSaid {
  const { outcome, notices = [] } = verdict(answer);
  if (outcome === "sql" && isOfDatabase(text)) return { verdict: "sql" };
  const noticed = notices.length > 0 ? { notices } : {};
  if (outcome === "command") return { verdict: "accepted", ...noticed };
  const { C, M, D, H } = errorFields(answer.find(({ type }) => type === "E")!.body);
  const said = words({ sqlstate: C!, message: M!, detail: D, hint: H });
  return { verdict: outcome === "sql" ? "sql" : "rejected", ...said, ...noticed };
}

async function askWithoutDatabase(
  server: Server,
  inputs: readonly CommandInput[],
  indexes: readonly number[],
  take: (index: number, said: CommandSaid) => void,
): Promise<void> {
  const connection = await server.connect({ replication: "true" });
  try {
    const bodies = indexes.map((i) => queryBody(inputs[i]!.text));
    await pipeline(connection, bodies, (answer, nth) =>
      take(indexes[nth]!, saidIn(answer, inputs[indexes[nth]!]!.text)),
    );
  } finally {
    await connection.close();
  }
}

/** A tree without its names and numbers. */
function shapeOf(node: unknown): string {
  return JSON.stringify(node, (key, value) => {
    if (typeof value === "number") return 0;
    if (typeof value === "string" && !["type", "kind", "defname", "syncrepMethod"].includes(key)) return "…";
    return value;
  });
}
