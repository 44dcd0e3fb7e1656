/**
 * `walwire tail` from the command line: whom to connect to, until when, and what stands in the way.
 */
import { randomUUID } from "node:crypto";
import { connect } from "../../client.ts";
import { Conversation } from "../../conversation.ts";
import { builtinTypes, demo, summarise } from "../../demo.ts";
import { loadPg } from "../../pg.ts";
import { introduction, Tail, TailError } from "../../tail.ts";
import { urlOf } from "../shared/input.ts";
import { expectLongOutput, hasColors } from "../shared/output.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { TailCall } from "./declaration.ts";

/** `walwire tail`. */
export async function run({ argument: url, options }: TailCall): Promise<Status> {
  expectLongOutput();
  const output = { write: (text: string) => process.stdout.write(text), hasColors: () => hasColors(process.stdout) };
  const conversation = new Conversation({ output, all: options.all });
  return url === undefined ? tailDemo(conversation) : tailServer(urlOf(url), options.publication, conversation);
}

/** Start a server, show it at work, stop it. */
async function tailDemo(conversation: Conversation): Promise<Status> {
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
    return (await demo({ server: { host, port, user, database, ssl: false }, conversation }))
      ? status.good
      : status.bad;
  } catch (error) {
    // The demo breaks off when its server stops.
    if (interrupted) return status.interrupted;
    throw error;
  } finally {
    stop();
    await server.stop();
    conversation.line("The server is stopped, and nothing of it is left.");
  }
}

/** Watch a server of the user's until Ctrl-C. */
async function tailServer(url: string, publications: readonly string[], conversation: Conversation): Promise<Status> {
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
    return status.good;
  } finally {
    await connection.disconnect();
  }
}

async function readUntilInterrupt(tail: Tail, conversation: Conversation): Promise<void> {
  let interrupted = false;
  const stop = onInterrupt(() => {
    if (interrupted) process.exit(status.interrupted);
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
