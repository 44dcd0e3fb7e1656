/**
 * `npm run bench`: replication commands parsed per second, next to the second reader (jison's LALR parser) and to live servers that
 * answer pipelined commands on one connection, all in one run on one machine. Also checks that the time of a long text is linear in its
 * length.
 */
import { formatServerVersion } from "../src/kernel/version.ts";
import { commandVerdicts } from "../test/oracle/commands.ts";
import { readCommand } from "../test/oracle/lalr.ts";
import { majors, startServer } from "../test/servers/index.ts";
import { inTurns, longTexts, machine, rate, rateOf, thousands } from "./measure.ts";

// The compiled code: the loader of the sources would make functions slower.
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

async function typicalCommands(): Promise<void> {
  const server = await startServer({ major: Math.max(...majors) });
  try {
    console.log(`${machine}, PostgreSQL ${formatServerVersion(server.versionNum)}; a second:\n`);
    console.log("| command | parse | and check | print | jison | parse / jison | server, pipelined | parse / server |");
    console.log("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (const [name, text] of Object.entries(commands)) {
      const options = { server: server.versionNum };
      const command = parseCommand(text, options);
      const many = Array.from({ length: 20_000 }, () => text);
      const best = await inTurns({
        parse: () => rate(() => parseCommand(text, options)),
        check: () => rate(() => checkCommand(parseCommand(text, options), options)),
        print: () => rate(() => printCommand(command, options)),
        jison: () => rate(() => readCommand(text, server.versionNum)),
        live: () => rateOf(many.length, () => commandVerdicts(server, many)),
      });
      const { parse, check, print, jison, live } = best;
      const ratio = (other: number) => (parse / other).toFixed(1);
      console.log(
        `| ${name} | ${[thousands(parse), thousands(check), thousands(print), thousands(jison), ratio(jison), thousands(live), ratio(live)].join(" | ")} |`,
      );
    }
  } finally {
    await server.stop();
  }
}

/** Texts of about this many bytes. */
const long: Readonly<Record<string, (bytes: number) => string>> = {
  options: (n) => `BASE_BACKUP (${"a 1, ".repeat(n / 5)}b)`,
  "doubled quotes": (n) => `BASE_BACKUP (a '${"''".repeat(n / 2)}')`,
  blanks: (n) => `SHOW ${" ".repeat(n)}a`,
  "an open string": (n) => `BASE_BACKUP (a '${"x".repeat(n)}`,
};

await typicalCommands();
longTexts(long, (text) => parseCommand(text));
