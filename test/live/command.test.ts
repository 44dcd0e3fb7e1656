/** Our parser of replication commands, the second reader and a walsender of each version say the same, word for word. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientTextsFor } from "../../src/arbitraries/clients.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { type Command, type ParseCommandOptions, parseCommand, printCommand } from "../../src/command/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { formatLsn } from "../../src/kernel/lsn.ts";
import { readCommand } from "../oracle/lalr.ts";
import { compareReaders, parsedCommand } from "../oracle/readers.ts";
import { commandTexts } from "../oracle/texts.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { errorFields } from "../servers/raw.ts";

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const sample = (numRuns: number): string[] =>
    fc.sample(commandText({ server: server.versionNum }), { seed: seed + major, numRuns: numRuns * times });

  test("all three readers say the same of any text: command, SQL, or error and notices", {
    timeout: 120_000 * times,
  }, async () => {
    const texts = [...commandTexts(server.versionNum, seed + major, 5000 * times)].flat();
    const comparisons = await compareReaders(server, texts);
    const disagreements = comparisons.flatMap(({ disagreement }) => disagreement ?? []);
    expect(disagreements, `seed ${seed}`).toEqual([]);
    // The texts were worth it: each outcome came often.
    for (const outcome of ["command", "sql", "error"]) {
      const count = comparisons.filter(({ verdict }) => verdict.outcome === outcome).length;
      expect(count, outcome).toBeGreaterThan(texts.length / 20);
    }
  });

  test("takes what we print of any command, and the second reader finds the same in it", async () => {
    const printed: { text: string; command: Command }[] = [];
    for (const text of [...commandTexts(server.versionNum, seed - major, 5000 * times)].flat()) {
      const { command } = parsedCommand(text, server.versionNum) as { command?: Command };
      if (command === undefined || command.type === "SQLCmd") continue;
      printed.push({ text: printCommand(command, { server: server.versionNum }), command });
    }
    expect(printed.length).toBeGreaterThan(200);
    const comparisons = await compareReaders(
      server,
      printed.map(({ text }) => text),
    );
    expect(comparisons.flatMap(({ disagreement }) => disagreement ?? [])).toEqual([]);
    for (const [i, { text, command }] of printed.entries()) {
      expect([text, comparisons[i]!.verdict.outcome]).toEqual([text, "command"]);
      expect([text, readCommand(text, server.versionNum)]).toMatchObject([text, { outcome: "command", command }]);
    }
  });

  test("refuses SQL without a database in the server's words", async () => {
    const connection = await server.connect({ replication: "true" });
    try {
      for (const text of ["select 1", "", ";", '"SHOW"', "identify_system", "'it''s'", '"']) {
        const theirs = errorFields((await connection.query(text)).find(({ type }) => type === "E")!.body);
        const ours = refusal(text, { server: server.versionNum, database: false });
        expect([text, ours?.sqlstate, ours?.message]).toEqual([text, theirs.C, theirs.M]);
      }
    } finally {
      await connection.close();
    }
  });

  test("takes what clients send to it, and all three readers do", async () => {
    const texts = clientTextsFor(server.versionNum).map(({ text }) => text);
    const comparisons = await compareReaders(server, texts);
    expect(comparisons.map(({ verdict }, i) => [texts[i], verdict.outcome])).toEqual(
      texts.map((text) => [text, "command"]),
    );
    expect(comparisons.flatMap(({ disagreement }) => disagreement ?? [])).toEqual([]);
  });

  test("refuses what some clients send all the same", async () => {
    const texts = ["BASE_BACKUP()", "START_REPLICATION PHYSICAL 0/0 (term='1')"];
    const comparisons = await compareReaders(server, texts);
    expect(comparisons.map(({ verdict }) => verdict)).toMatchObject(texts.map(() => ({ message: "syntax error" })));
    expect(comparisons.flatMap(({ disagreement }) => disagreement ?? [])).toEqual([]);
  });

  test("reads the same names, numbers and positions: errors repeat them", { timeout: 120_000 * times }, async () => {
    const disagreements: unknown[] = [];
    const compared = new Map<Command["type"], number>();
    const connection = await server.connect({ replication: "database" });
    try {
      for (const text of [...sample(12_000), ...positions, ...baseBackups(server.versionNum)]) {
        const [type, expected] = echo(text) ?? [];
        if (type === undefined || expected === undefined) continue;
        const error = (await connection.query(text)).find(({ type }) => type === "E");
        // A parameter that exists is shown.
        if (error === undefined && text.includes("SHOW")) continue;
        const message = error && errorFields(error.body).M;
        compared.set(type, (compared.get(type) ?? 0) + 1);
        if (!message?.startsWith(expected)) disagreements.push({ text, theirs: message, ours: expected });
      }
    } finally {
      await connection.close();
    }
    expect(disagreements, `seed ${seed}`).toEqual([]);
    // Each kind was compared often enough to mean something; a usual run has twice as many, or more.
    for (const [type, least] of Object.entries({
      VariableShowStmt: 150,
      TimeLineHistoryCmd: 100,
      StartReplicationCmd: 30,
      BaseBackupCmd: 10,
    })) {
      expect(compared.get(type as Command["type"]) ?? 0, type).toBeGreaterThanOrEqual(least);
    }
  });

  /** How the server's complaint begins if it has read the same, for commands that it complains about and does nothing of. */
  function echo(text: string): [Command["type"], string] | undefined {
    let command: Command;
    try {
      command = parseCommand(text, { server: server.versionNum });
    } catch {
      return undefined;
    }
    const complaint = complaintAbout(command);
    return complaint === undefined ? undefined : [command.type, complaint];
  }

  function complaintAbout(command: Command): string | undefined {
    switch (command.type) {
      case "VariableShowStmt":
        return `unrecognized configuration parameter "${command.name}"`;
      case "TimeLineHistoryCmd": {
        const timeline = command.timeline.toString(16).toUpperCase().padStart(8, "0");
        return `could not open file "pg_wal/${timeline}.history"`;
      }
      case "StartReplicationCmd":
        // Only what is ahead of any test's WAL, so that no stream begins; and on no slot or timeline.
        if (command.kind === "LOGICAL" || command.slotname !== undefined || command.timeline !== 0) return undefined;
        if (command.startpoint < 1n << 40n) return undefined;
        return `requested starting point ${formatLsn(command.startpoint, { server: server.versionNum })} is ahead of the WAL flush position`;
      case "BaseBackupCmd": {
        const [option] = command.options;
        if (option?.defname === "max_rate" && option.arg?.type === "Integer") {
          const { ival } = option.arg;
          return ival >= 32 && ival <= 1048576 ? undefined : `${ival} is outside the valid range`;
        }
        if (option?.defname === "checkpoint" && option.arg?.type === "String") {
          return /^(fast|spread)$/i.test(option.arg.sval)
            ? undefined
            : `unrecognized checkpoint type: "${option.arg.sval}"`;
        }
        return undefined;
      }
      default:
        return undefined;
    }
  }
});

function refusal(text: string, options: ParseCommandOptions): ParseError | undefined {
  try {
    parseCommand(text, options);
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

/** Halves of all lengths around those at which they wrap or saturate. */
const positions = [7, 8, 9, 15, 16, 17, 20].flatMap((digits) => {
  const half = "fedcba9876543210fedcba".slice(0, digits);
  return [`START_REPLICATION ${half}/0`, `START_REPLICATION FFFF/${half}`, `START_REPLICATION 00${half}/00${half}`];
});

/** Backups that fail at their first option. */
function baseBackups(server: number): string[] {
  const numbers = ["0", "31", "1048577", "2147483647", "2147483648", "4294967295", "4294967296", "4294967327", "007"];
  const values = ["X", "'X'", '"X y"', "'it''s'", `"é""é"`, "'\n\\'", "É", "''"].concat(
    `'${"x".repeat(100)}'`,
    "x".repeat(100),
  );
  return [
    ...numbers.flatMap((n) => [`BASE_BACKUP MAX_RATE ${n}`, `BASE_BACKUP (MAX_RATE ${n})`]),
    ...values.map((value) => `BASE_BACKUP (CHECKPOINT ${value})`),
  ].filter((text) => {
    try {
      return parseCommand(text, { server }).type === "BaseBackupCmd";
    } catch {
      return false;
    }
  });
}
