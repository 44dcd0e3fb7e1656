/** What we say of a command after parsing it, and what a walsender of each version says, are the same, word for word. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkedCommand, nameList, streamed, tooLong } from "../../src/arbitraries/checked-command.ts";
import { supports } from "../../src/capabilities.ts";
import {
  type CheckCommandOptions,
  type Command,
  type CommandOptions,
  checkCommand,
  parseCommand,
  printCommand,
  type ServerBuild,
} from "../../src/command/index.ts";
import { ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { versionsWith } from "../laws/versions.ts";
import { buildOf, type Complaint, outcomes, prepare } from "../oracle/checks.ts";
import { pipeline, queryBody } from "../oracle/pipeline.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { errorFields, type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  /** One of our own, since it has another setting, and since the last test crashes it. */
  let server: OwnServer;
  let build: ServerBuild;
  beforeAll(async () => {
    server = await startServer({
      major,
      settings: supports(major, "incrementalBackup") ? { summarize_wal: "on" } : {},
    });
    await prepare(server);
    build = await buildOf(server);
  });
  afterAll(() => server.stop());

  test.each([
    { database: true, runs: 2500 },
    { database: false, runs: 500 },
  ])(
    "refuses the same in the same words, database: $database",
    { timeout: 120_000 * times },
    async ({ database, runs }) => {
      const { versionNum } = server;
      const texts = fc
        .sample(checkedCommand(versionNum), { seed: seed + major, numRuns: runs * times })
        .filter((text) => parses(text, versionNum));
      const theirs = await outcomes(server, texts, database);
      const options = { server: versionNum, database, build };
      const disagreements = texts.flatMap((text, i) => {
        const ours = complaint(text, options);
        return JSON.stringify(ours) === JSON.stringify(theirs[i]) ? [] : [{ text, theirs: theirs[i], ours }];
      });
      expect(disagreements, `seed ${seed}`).toEqual([]);
      // The texts were worth it: most refused, for many reasons, and some accepted, which few are without a database.
      const complaints = theirs.filter((each) => each !== undefined);
      expect(complaints.length).toBeGreaterThan(texts.length / 3);
      if (database) expect(complaints.length).toBeLessThan(texts.length);
      expect(new Set(complaints.map(({ message }) => message)).size).toBeGreaterThan(5);
    },
  );

  // A backup goes with a label that is too long, which must be all that the server complains of.
  test("accepts what we print for it of a command that any version accepts", { timeout: 120_000 * times }, async () => {
    const { versionNum } = server;
    const printed = versionsWith("pgoutput").flatMap((from) =>
      fc.sample(checkedCommand(from), { seed: seed - major, numRuns: 200 * times }).flatMap((text) => {
        const command = parses(text, from) ? withoutLabel(parseCommand(text, { server: from })) : undefined;
        const options = { server: from, build };
        return command !== undefined && isAccepted(command, options)
          ? (printedFor(versionNum, command, from) ?? [])
          : [];
      }),
    );
    const texts = printed.map((text) =>
      text.startsWith("BASE_BACKUP") ? withLabel(text, supports(versionNum, "genericOptions")) : text,
    );
    const complaints = await outcomes(server, texts, true);
    const disagreements = texts.flatMap((text, i) =>
      complaints[i] === undefined || complaints[i].message.startsWith("backup label too long")
        ? []
        : [{ text, theirs: complaints[i] }],
    );
    expect(disagreements, `seed ${seed}`).toEqual([]);
    // In a short run there may be no command of a kind.
    if (times < 1) return;
    const kinds = new Set(texts.map((text) => text.slice(0, text.indexOf("_"))));
    expect(kinds).toEqual(
      new Set(["BASE", "CREATE", "START", ...(supports(versionNum, "alterReplicationSlot") ? ["ALTER"] : [])]),
    );
  });

  test("takes a label of 1024 bytes", async () => {
    const label = `LABEL '${"é".repeat(512)}'`;
    const generic = supports(server.versionNum, "genericOptions");
    const text = generic
      ? `BASE_BACKUP (CHECKPOINT 'fast', TARGET 'blackhole', ${label})`
      : `BASE_BACKUP FAST ${label}`;
    expect(complaint(text, { server: server.versionNum })).toBe(undefined);
    const connection = await server.connect({ replication: "true" });
    const answer = await connection.query(text);
    await connection.close();
    expect(answer.filter(({ type }) => type === "E").map(({ body }) => errorFields(body))).toEqual([]);
  });

  // SQL splits names at dots with the function that pgoutput splits names at commas with. Of four it says that they are too many.
  test("splits lists of publications in the same way", async () => {
    const texts = fc.sample(nameList, { seed: seed + major, numRuns: 1000 * times });
    const queries = texts.map((text) => queryBody(`SELECT currval('z.z.z.${swapped(text).replaceAll("'", "''")}')`));
    const tooMany = "improper relation name (too many dotted names): z.z.z.";
    const disagreements: unknown[] = [];
    let lists = 0;
    const connection = await server.connect();
    await pipeline(connection, queries, (answer, i) => {
      const text = texts[i]!;
      const said = errorFields(answer.find(({ type }) => type === "E")!.body).M!;
      const names = publications(text, server.versionNum);
      const expected = names?.length ? tooMany + names.map(swapped).join(".") : "invalid name syntax";
      if (said !== expected) disagreements.push({ text, said, expected });
      if (said !== "invalid name syntax") lists++;
    });
    await connection.close();
    expect(disagreements, `seed ${seed}`).toEqual([]);
    expect(lists).toBeGreaterThan(texts.length / 5);
  });

  test("crashes, as we say, where the version or the publications have no value, or does so no more", async () => {
    const checked = supports(server.versionNum, "pgoutputValuesChecked");
    for (const name of ["proto_version", "publication_names"]) {
      const text = `START_REPLICATION SLOT ${streamed} LOGICAL 0/0 (${name})`;
      expect(complaint(text, { server: server.versionNum })).toMatchObject({ sqlstate: checked ? "42601" : "08006" });
      const answer = asked(server, text);
      if (checked) expect((await answer).some(({ type }) => type === "E")).toBe(true);
      // Its last words may get lost with what it had not read yet.
      else
        await expect(answer).rejects.toThrow(/^The server closed the connection\.|^The connection broke: .*ECONNRESET/);
    }
  });
});

/** The answer on a connection that the crash before has not closed already: such a one does not take the command. */
async function asked(server: OwnServer, text: string) {
  for (;;) {
    const connection = await connected(server);
    try {
      return await connection.query(text);
    } catch (error) {
      if (!(error as Error).message.includes("EPIPE")) throw error;
    }
  }
}

/** A connection as soon as the server has got up again. */
async function connected(server: OwnServer) {
  for (;;) {
    try {
      return await server.connect({ replication: "database" });
    } catch {
      await sleep(20);
    }
  }
}

function parses(text: string, server: number): boolean {
  try {
    return parseCommand(text, { server }).type !== "SQLCmd";
  } catch {
    return false;
  }
}

/** The command, and a backup without a label. */
function withoutLabel(command: Command): Command {
  if (command.type !== "BaseBackupCmd") return command;
  return { ...command, options: command.options.filter(({ defname }) => defname !== "label") };
}

/** The text of a backup with a label that is too long at its end. */
function withLabel(text: string, generic: boolean): string {
  if (text.endsWith(")")) return `${text.slice(0, -1)}, ${tooLong})`;
  return generic ? `${text} (${tooLong})` : `${text} ${tooLong}`;
}

function isAccepted(command: Command, options: CheckCommandOptions): boolean {
  try {
    checkCommand(command, options);
    return true;
  } catch (error) {
    if (error instanceof ParseError) return false;
    throw error;
  }
}

function printedFor(server: number, command: Command, from: number): string | undefined {
  try {
    return printCommand(command, { server, from });
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

function complaint(text: string, options: CheckCommandOptions): Complaint | undefined {
  try {
    checkCommand(parseCommand(text, { server: options.server, database: options.database }), options);
    return undefined;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { sqlstate, message, detail, hint } = error;
    return { sqlstate, message, detail, hint };
  }
}

/** The names in a list; none if it is empty, undefined if it is not a list. */
function publications(text: string, server: number): readonly string[] | undefined {
  const list = text.replaceAll("'", "''");
  const command = parseCommand(
    `START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names '${list}')`,
    { server },
  );
  let options: CommandOptions | undefined;
  try {
    options = checkCommand(command, { server });
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return error.message.endsWith("missing") ? [] : undefined;
  }
  return options?.type === "PGOutputOptions" ? options.publicationNames : undefined;
}

/** Dots for commas, and commas for dots. */
function swapped(text: string): string {
  return text.replace(/[.,]/g, (c) => (c === "." ? "," : "."));
}
