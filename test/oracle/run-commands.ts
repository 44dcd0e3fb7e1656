/**
 * `npm run oracle:commands -- [--runs N] [--server V]… [--seed S] [--socket DIR]…`: the package's parser of replication commands, the
 * second reader and live servers read N texts for each server, and must say the same of each.
 *
 * --server: majors of the servers that npm has installed; without it and --socket all of them. --socket: a server of any version
 * that runs already, by the directory of its socket (of port 5432, user and database postgres). Servers before 10 must have been
 * made harmless: commands.ts says how.
 *
 * Progress goes to standard error, a table for each server to standard output. Exit status 1 if there is a disagreement, 2 for a
 * call that is wrong.
 */
import { parseArgs } from "node:util";
import { formatServerVersion } from "../../src/server-version.ts";
import { attach, majors, type OwnServer, type Server, startServer } from "../servers/index.ts";
import { compareReaders, type Disagreement } from "./readers.ts";
import { commandTexts } from "./texts.ts";

/** Disagreements that are printed in full, the shortest of them. */
const shown = 10;

interface Result {
  readonly server: Server;
  readonly outcomes: Map<string, number>;
  texts: number;
  disagreements: number;
  shortest: Disagreement[];
}

async function compare(server: Server, seed: number, runs: number): Promise<Result> {
  const result: Result = { server, outcomes: new Map(), texts: 0, disagreements: 0, shortest: [] };
  const name = formatServerVersion(server.versionNum);
  const started = performance.now();
  let done = 0;
  let reported = started;
  for (const texts of commandTexts(server.versionNum, seed, runs)) {
    for (const { verdict, disagreement } of await compareReaders(server, texts)) {
      const outcome = verdict.outcome === "error" ? `${verdict.sqlstate} ${generic(verdict.message)}` : verdict.outcome;
      for (const each of verdict.notices?.length ? [outcome, "(with NOTICE)"] : [outcome]) {
        result.outcomes.set(each, (result.outcomes.get(each) ?? 0) + 1);
      }
      result.texts++;
      if (disagreement !== undefined) {
        result.disagreements++;
        result.shortest.push(disagreement);
      }
    }
    result.shortest = result.shortest.sort((a, b) => a.text.length - b.text.length).slice(0, shown);
    done += texts.length;
    const now = performance.now();
    if (now - reported > 5000 || done === runs) {
      reported = now;
      const rate = Math.round(done / ((now - started) / 1000));
      process.stderr.write(
        `${name}: ${done} of ${runs} texts, ${rate} a second, ${result.disagreements} disagreements\n`,
      );
    }
  }
  return result;
}

/** A message without what it repeats of the text. */
function generic(message: string): string {
  return message.replace(/".*"/s, '"…"');
}

function table({ server, outcomes, texts, disagreements, shortest }: Result, seed: number): string {
  const rows = [...outcomes].sort(([, a], [, b]) => b - a);
  return [
    `PostgreSQL ${formatServerVersion(server.versionNum)}, seed ${seed}`,
    ...[["texts", texts] as const, ...rows, ["disagreements", disagreements] as const].map(
      ([name, count]) => `${String(count).padStart(10)}  ${name}`,
    ),
    ...shortest.map((each) => JSON.stringify(each, (_, value) => (typeof value === "bigint" ? String(value) : value))),
    "",
  ].join("\n");
}

/** A server that somebody else has started. */
async function running(socket: string): Promise<Server> {
  const address = { host: socket, port: 5432, user: "postgres", database: "postgres", pid: 0 };
  const { rows } = await attach({ ...address, major: 0, versionNum: 0 }).sql("SHOW server_version_num");
  const versionNum = Number(rows[0]![0]);
  return attach({ ...address, major: Math.floor(versionNum / 10000), versionNum });
}

async function main(): Promise<number> {
  // Most texts are refused; nobody looks at where.
  Error.stackTraceLimit = 0;
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "10000" },
      seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
      server: { type: "string", multiple: true, default: [] },
      socket: { type: "string", multiple: true, default: [] },
    },
  });
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  if (!Number.isSafeInteger(runs) || runs < 1) throw new TypeError("--runs takes a number of texts.");
  if (!Number.isSafeInteger(seed)) throw new TypeError("--seed takes an integer.");
  const asked = values.server.length + values.socket.length > 0 ? values.server.map(Number) : majors;
  const unknown = asked.filter((major) => !majors.includes(major));
  if (unknown.length > 0) throw new TypeError(`--server takes one of ${majors.join(", ")}.`);

  process.stderr.write(`seed ${seed}\n`);
  let disagreements = 0;
  const run = async (server: Server) => {
    const result = await compare(server, seed, runs);
    disagreements += result.disagreements;
    process.stdout.write(`${table(result, seed)}\n`);
  };
  for (const major of asked) {
    const server: OwnServer = await startServer({ major });
    try {
      await run(server);
    } finally {
      await server.stop();
    }
  }
  for (const socket of values.socket) await run(await running(socket));
  return disagreements > 0 ? 1 : 0;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: Error) => {
    process.stderr.write(`${error instanceof TypeError ? error.message : error.stack}\n`);
    process.exitCode = 2;
  },
);
