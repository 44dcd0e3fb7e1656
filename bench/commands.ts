/**
 * `npm run bench`: how many replication commands a second walwire parses, next to the second reader (jison's LALR parser) and to
 * what live servers answer, pipelined on one connection, all in one run on one machine. And that the cost of a long text is
 * that of its length.
 *
 * Rates are the best of some rounds, in which the subjects take turns; only their ratios mean anything elsewhere.
 */
import { cpus } from "node:os";
import { formatServerVersion } from "../src/server-version.ts";
import { commandVerdicts } from "../test/oracle/commands.ts";
import { readCommand } from "../test/oracle/lalr.ts";
import { majors, startServer } from "../test/servers/index.ts";

// What is published, and not the sources through a loader, which makes functions slower.
const { parseCommand, checkCommand, printCommand } = (await import(
  new URL("../dist/command/index.js", import.meta.url).href
)) as typeof import("../src/command/index.ts");

const commands: Readonly<Record<string, string>> = {
  IDENTIFY_SYSTEM: "IDENTIFY_SYSTEM",
  "START_REPLICATION physical": 'START_REPLICATION SLOT "standby_1" 0/3000000 TIMELINE 1',
  "START_REPLICATION logical, 4 options": `START_REPLICATION SLOT "sub1" LOGICAL 0/16B3748 (proto_version '4', streaming 'parallel', origin 'any', publication_names '"p1","p2"')`,
  CREATE_REPLICATION_SLOT: `CREATE_REPLICATION_SLOT "sub1" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`,
  "BASE_BACKUP, 5 options":
    "BASE_BACKUP ( LABEL 'pg_basebackup base backup',  PROGRESS,  WAIT 0,  MANIFEST 'yes',  TARGET 'client')",
};

const rounds = 5;
const roundTime = 200;

/** Calls a second, for some 200 ms. */
function rate(run: () => unknown): number {
  let calls = 0;
  const start = performance.now();
  let elapsed = 0;
  for (let batch = 1; elapsed < roundTime; batch = Math.min(batch * 2, 4096)) {
    for (let i = 0; i < batch; i++) run();
    calls += batch;
    elapsed = performance.now() - start;
  }
  return (calls / elapsed) * 1000;
}

const thousands = (value: number): string => Math.round(value).toLocaleString("en");

async function typicalCommands(): Promise<void> {
  const server = await startServer({ major: Math.max(...majors) });
  try {
    const { version } = process;
    console.log(
      `${cpus()[0]?.model}, Node ${version}, PostgreSQL ${formatServerVersion(server.versionNum)}; a second:\n`,
    );
    console.log("| command | parse | and check | print | jison | parse / jison | server, pipelined | parse / server |");
    console.log("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (const [name, text] of Object.entries(commands)) {
      const options = { server: server.versionNum };
      const command = parseCommand(text, options);
      const many = Array.from({ length: 20_000 }, () => text);
      const subjects: Record<string, () => number | Promise<number>> = {
        parse: () => rate(() => parseCommand(text, options)),
        check: () => rate(() => checkCommand(parseCommand(text, options), options)),
        print: () => rate(() => printCommand(command, options)),
        jison: () => rate(() => readCommand(text, server.versionNum)),
        server: async () => {
          const start = performance.now();
          await commandVerdicts(server, many);
          return (many.length / (performance.now() - start)) * 1000;
        },
      };
      const best: Record<string, number> = {};
      for (let round = 0; round < rounds; round++) {
        for (const [subject, run] of Object.entries(subjects)) {
          best[subject] = Math.max(best[subject] ?? 0, await run());
        }
      }
      const {
        parse,
        check,
        print,
        jison: second,
        server: live,
      } = best as Record<keyof typeof subjects & string, number>;
      const ratio = (other: number) => (parse! / other).toFixed(1);
      console.log(
        `| ${name} | ${[thousands(parse!), thousands(check!), thousands(print!), thousands(second!), ratio(second!), thousands(live!), ratio(live!)].join(" | ")} |`,
      );
    }
  } finally {
    await server.stop();
  }
}

/** Texts of about so many bytes. */
const long: Readonly<Record<string, (bytes: number) => string>> = {
  options: (n) => `BASE_BACKUP (${"a 1, ".repeat(n / 5)}b)`,
  "doubled quotes": (n) => `BASE_BACKUP (a '${"''".repeat(n / 2)}')`,
  blanks: (n) => `SHOW ${" ".repeat(n)}a`,
  "an open string": (n) => `BASE_BACKUP (a '${"x".repeat(n)}`,
};

function longTexts(): void {
  const sizes = [1_000, 32_000, 1_000_000];
  console.log(`\nNanoseconds a byte of a long text:\n`);
  console.log(`| text of | ${sizes.map((size) => `${thousands(size)} bytes`).join(" | ")} |`);
  console.log(`|---|${sizes.map(() => "--:|").join("")}`);
  for (const [name, text] of Object.entries(long)) {
    const figures = sizes.map((size) => {
      const each = text(size);
      const best = Math.max(...Array.from({ length: rounds }, () => rate(() => outcome(each))));
      return (1e9 / best / each.length).toFixed(2);
    });
    console.log(`| ${name} | ${figures.join(" | ")} |`);
  }
}

function outcome(text: string): unknown {
  try {
    return parseCommand(text);
  } catch (error) {
    return error;
  }
}

await typicalCommands();
longTexts();
