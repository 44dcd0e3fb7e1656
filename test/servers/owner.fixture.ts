/**
 * A process for servers.test.ts: starts a server, says where it is as a line of JSON, and waits for a signal, or for its standard
 * input to end: then it ends as its argument says, "throw", "stop", or "return" without having stopped the server.
 */
import { startServer } from "./index.ts";

const [ending, major] = process.argv.slice(2);
const server = await startServer({ major: Number(major) });
process.stdout.write(`${JSON.stringify(server.address)}\n`);
for await (const _ of process.stdin);
if (ending === "throw") throw new Error("as asked");
if (ending === "stop") await server.stop();
