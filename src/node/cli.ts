#!/usr/bin/env node
/**
 * The command line: `walwire tail`. Exit status 0 good, 1 the input or the server is bad, 2 the call is wrong.
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { UnsupportedError, WalwireError } from "../errors.ts";
import { connect, isDatabaseError, loadPg, PeerMissingError } from "./client.ts";
import { Conversation } from "./conversation.ts";
import { builtinTypes, demo, summarise } from "./demo.ts";
import { introduction, Tail, TailError } from "./tail.ts";

const usage = `walwire: PostgreSQL's replication languages and wire messages

  walwire tail [URL] [--publication NAME]… [--all]
      Watch a logical replication stream. URL is postgres://user@host/database; without one, in a clone of the repository,
      a PostgreSQL of its own is started and shown at work. Of a server of yours nothing is changed: the slot is temporary.
      --publication NAME   what to subscribe to, if there is more than one; can be given again
      --all                print every message, also of long runs of the same kind

  walwire --help, walwire --version
`;

/** The exit status of a program that SIGINT has ended, as shells count it. */
const INTERRUPTED = 130;

/** The call is wrong: say how it goes. */
class UsageError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case "tail":
      return tail(rest);
    case "--help":
    case "help":
      process.stdout.write(usage);
      return 0;
    case "--version":
      process.stdout.write(`${await version()}\n`);
      return 0;
    case undefined:
      throw new UsageError("which command?");
    default:
      throw new UsageError(`there is no command ${JSON.stringify(command)}`);
  }
}

async function version(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  // This file is src/node/cli.ts or dist/node/cli.js.
  return JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")).version;
}

async function tail(args: string[]): Promise<number> {
  const { values, positionals } = readArgs(args);
  if (positionals.length > 1) throw new UsageError(`one URL, not ${positionals.length}`);
  const conversation = new Conversation({ output: process.stdout, all: values.all });
  const [url] = positionals;
  if (url === undefined) return tailDemo(conversation);
  if (!/^postgres(ql)?:\/\//.test(url)) throw new UsageError(`${JSON.stringify(url)} does not begin with postgres://`);
  return tailServer(url, values.publication, conversation);
}

function readArgs(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        publication: { type: "string", multiple: true, default: [] },
        all: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Start a server, show it at work, stop it. */
async function tailDemo(conversation: Conversation): Promise<number> {
  // A private package of the repository: the published one has no server in it.
  const name = "@walwire/test-servers";
  const servers = (await import(name).catch(() => {
    throw new UsageError(
      "without a URL, walwire tail starts a server of its own, which it can in a clone of its repository only",
    );
  })) as typeof import("@walwire/test-servers");
  const server = await servers.startServer({ major: Math.max(...servers.majors) }).catch((error) => {
    throw new TailError(error.message);
  });
  let interrupted = false;
  const stop = onInterrupt(() => {
    interrupted = true;
    void server.stop();
  });
  try {
    const { host, port, user, database } = server;
    // Whatever PGSSLMODE says: a Unix socket has no TLS.
    return (await demo({ server: { host, port, user, database, ssl: false }, conversation })) ? 0 : 1;
  } catch (error) {
    // The demo breaks off when its server stops.
    if (interrupted) return INTERRUPTED;
    throw error;
  } finally {
    stop();
    await server.stop();
    conversation.line("The server is stopped, and nothing of it is left.");
  }
}

/** Watch a server of the user's until Ctrl-C. */
async function tailServer(url: string, publications: readonly string[], conversation: Conversation): Promise<number> {
  const { types } = await loadPg();
  const connection = await connect({
    connectionString: url,
    replication: "database",
    connectionTimeoutMillis: 10_000,
    fallback_application_name: "walwire tail",
  });
  try {
    conversation.line(introduction(connection, ", until Ctrl-C"));
    const tail = new Tail({ connection, conversation, publications, builtins: builtinTypes(types.builtins) });
    await tail.start(`walwire_tail_${randomUUID().slice(0, 8)}`);
    await readUntilInterrupt(tail, conversation);
    return 0;
  } finally {
    await connection.disconnect();
  }
}

async function readUntilInterrupt(tail: Tail, conversation: Conversation): Promise<void> {
  let interrupted = false;
  const stop = onInterrupt(() => {
    if (interrupted) process.exit(INTERRUPTED);
    interrupted = true;
    // The answer is a Keepalive, with which reading ends also where nothing else happens.
    tail.ask();
  });
  try {
    await tail.read(() => interrupted);
    await tail.stop();
    summarise(tail, conversation);
  } finally {
    stop();
  }
}

/** Call back on Ctrl-C and SIGTERM, until the function that is returned is called. */
function onInterrupt(callback: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, callback);
  return () => {
    for (const signal of signals) process.off(signal, callback);
  };
}

/** What went wrong, in a sentence, and what to do about it; undefined if it is a bug of ours. */
function explain(error: unknown): string | undefined {
  const said = [UsageError, TailError, UnsupportedError, PeerMissingError].some((kind) => error instanceof kind);
  if (said) return (error as Error).message;
  if (isDatabaseError(error)) {
    const advice = error.code === undefined ? undefined : adviceBySqlState[error.code];
    return ["the server says: ", error.message, error.detail, error.hint, advice]
      .filter((part) => part !== undefined)
      .map((part, i) => (i > 1 ? `. ${part}` : part))
      .join("");
  }
  if (error instanceof WalwireError) return `the server's messages make no sense: ${error.message}`;
  return explainSocket(error);
}

/** What pg and Node say of a server that is not there, or is none. */
function explainSocket(error: unknown): string | undefined {
  // A name with several addresses gives an error for each of them.
  const { code, message } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException;
  const isNode = typeof code === "string" && !/^ERR_(?!TLS|SSL)/.test(code);
  if (!isNode && !/timeout expired|terminated unexpectedly|SSL/.test(message)) return undefined;
  const advice = typeof code === "string" ? adviceByErrno[code] : "Is it a PostgreSQL server?";
  return [`cannot reach the server: ${message}`, advice].filter((part) => part !== undefined).join(". ");
}

const adviceByErrno: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Is it running, and does it listen there?",
  ENOENT: "Is it running, and is this the directory of its socket?",
  ENOTFOUND: "Is the name of the host right?",
};

const adviceBySqlState: Readonly<Record<string, string>> = {
  "42501": "The role needs the REPLICATION attribute: ALTER ROLE name REPLICATION",
  "28000": "pg_hba.conf may need a line for this user, database and address",
  "53300": "max_wal_senders or max_connections is reached",
  "53400": "max_replication_slots is reached",
};

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read our output has gone, as `head` does.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error) => {
    const sentence = explain(error);
    if (sentence === undefined) throw error;
    process.stderr.write(`walwire: ${sentence}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${usage}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
