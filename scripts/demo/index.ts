/**
 * `npm start`: start a server, watch it at work through a replication stream, and stop it. With arguments, `walwire tail` with these:
 * `npm start -- postgres://user@host/database`.
 */
import { majors, startServer } from "@walwire/test-servers";
import { main } from "../../src/node/cli/main.ts";
import { onInterrupt } from "../../src/node/cli/shared/interrupt.ts";
import { expectLongOutput, finish, hasColors, watchOutput } from "../../src/node/cli/shared/output.ts";
import { type Status, status } from "../../src/node/cli/shared/status.ts";
import { Conversation } from "../../src/node/conversation.ts";
import { demo } from "./demo.ts";

watchOutput();
const args = process.argv.slice(2);
finish(args.length > 0 ? await main(["tail", ...args]) : await runDemo());

async function runDemo(): Promise<Status> {
  expectLongOutput();
  const output = { write: (text: string) => process.stdout.write(text), hasColors: () => hasColors(process.stdout) };
  const conversation = new Conversation({ output });
  const server = await startServer({ major: Math.max(...majors) });
  let interrupted = false;
  const stop = onInterrupt(() => {
    interrupted = true;
    void server.stop();
  });
  try {
    const { host, port, user, database } = server;
    // Whatever PGSSLMODE says: a Unix socket has no TLS.
    const good = await demo({ server: { host, port, user, database, ssl: false }, conversation });
    return good ? status.good : status.bad;
  } catch (error) {
    // The demo breaks off when its server stops.
    if (interrupted) return status.interrupted;
    throw error;
  } finally {
    stop();
    await server.stop();
    conversation.line("Server stopped; its data directory was removed.");
  }
}
