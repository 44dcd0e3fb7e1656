/**
 * What the scripts of the oracles have in common: servers, seeds, progress, tables.
 *
 * Progress goes to standard error, a table for each server to standard output. Exit status 1 if there is a disagreement, 2 for a
 * call that is wrong.
 */
import { parseArgs } from "node:util";
import { formatServerVersion } from "../../src/kernel/version.ts";
import { attach, majors, type OwnServer, type Server, startServer } from "../servers/index.ts";

/** Disagreements that are printed in full, the shortest of them. */
const shown = 10;

/** What is run: many texts, which all readers must read alike. */
export interface Oracle {
  /** Texts for a server_version_num, in batches, the same for the same seed: `count` in all. */
  texts(server: number, seed: number, count: number): Iterable<readonly string[]>;
  compare(server: Server, texts: readonly string[]): Promise<readonly Comparison[]>;
}

export interface Comparison {
  /** Kinds of outcome that it is counted under. */
  readonly kinds: readonly string[];
  readonly disagreement: { readonly text: string } | undefined;
}

interface Result {
  readonly server: Server;
  readonly outcomes: Map<string, number>;
  texts: number;
  disagreements: number;
  shortest: { readonly text: string }[];
}

async function compare(oracle: Oracle, server: Server, seed: number, runs: number): Promise<Result> {
  const result: Result = { server, outcomes: new Map(), texts: 0, disagreements: 0, shortest: [] };
  const name = formatServerVersion(server.versionNum);
  const started = performance.now();
  let done = 0;
  let reported = started;
  for (const texts of oracle.texts(server.versionNum, seed, runs)) {
    for (const { kinds, disagreement } of await oracle.compare(server, texts)) {
      for (const kind of kinds) result.outcomes.set(kind, (result.outcomes.get(kind) ?? 0) + 1);
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
export function generic(message: string): string {
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

async function main(oracle: Oracle): Promise<number> {
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
    const result = await compare(oracle, server, seed, runs);
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

/** Runs it as the command line says, and sets the exit status. */
export function runOracle(oracle: Oracle): void {
  main(oracle).then(
    (status) => {
      process.exitCode = status;
    },
    (error: Error) => {
      process.stderr.write(`${error instanceof TypeError ? error.message : error.stack}\n`);
      process.exitCode = 2;
    },
  );
}
