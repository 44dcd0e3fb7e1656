/** What we say of a command after parsing it, and what a walsender of each version says, are the same, word for word. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkCommand, parseCommand, type ServerBuild } from "../../src/command/index.ts";
import { ParseError } from "../../src/errors.ts";
import { supports } from "../../src/server-version.ts";
import { type Complaint, checkedCommand, outcomes, prepare } from "../oracle/checks.ts";
import { seed, times } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;

  beforeAll(async () => {
    server = await startServer({
      major,
      settings: supports(major, "incrementalBackup") ? { summarize_wal: "on" } : {},
    });
    await prepare(server);
  });
  afterAll(() => server.stop());

  describe.for([true, false])("with a database: %s", (database) => {
    test("refuses the same, in the same words", { timeout: 120_000 * times }, async () => {
      const { versionNum } = server;
      const texts = fc
        .sample(checkedCommand(versionNum), { seed: seed + major, numRuns: (database ? 3000 : 600) * times })
        .filter((text) => parses(text, versionNum));
      const build = supports(versionNum, "genericOptions") ? await buildOf(server) : {};
      const theirs = await outcomes(server, texts, database);
      const disagreements = texts.flatMap((text, i) => {
        const ours = complaint(text, { server: versionNum, database, build });
        return JSON.stringify(ours) === JSON.stringify(theirs[i]) ? [] : [{ text, theirs: theirs[i], ours }];
      });
      expect(disagreements, `seed ${seed}`).toEqual([]);
    });
  });
});

function parses(text: string, server: number): boolean {
  try {
    return parseCommand(text, { server }).type !== "SQLCmd";
  } catch {
    return false;
  }
}

function complaint(
  text: string,
  options: { server: number; database: boolean; build: ServerBuild },
): Complaint | undefined {
  try {
    checkCommand(parseCommand(text, options), options);
    return undefined;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { sqlstate, message, detail, hint } = error;
    return { sqlstate, message, detail, hint };
  }
}

/** What the server is built with, by its own word. */
async function buildOf(server: OwnServer): Promise<ServerBuild> {
  const names = ["gzip", "lz4", "zstd"];
  const texts = names.map((name) => `BASE_BACKUP (COMPRESSION ${name}, LABEL '${"x".repeat(1025)}')`);
  const said = await outcomes(server, texts, true);
  return Object.fromEntries(names.map((name, i) => [name, !/build/.test(said[i]!.message)]));
}
