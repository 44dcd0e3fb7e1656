/**
 * `npm run capture`: record the demo's stream on a server of every major, as vectors for the tests.
 *
 * A vector is what the server sent, byte for byte: test/vectors/demo-<major>.bin.gz, gzip of u32 big-endian length, payload,
 * and so on; test/vectors/demo.json says of each which server and which command made it.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { majors, startServer, writeCapture } from "@walwire/test-servers";
import { Conversation } from "../src/node/conversation.ts";
import { demo } from "../src/node/demo.ts";
import { formatServerVersion } from "../src/server-version.ts";

const folder = new URL("../test/vectors/", import.meta.url);

const vectors: object[] = [];
for (const major of majors) {
  const server = await startServer({ major });
  const lines: string[] = [];
  const payloads: Uint8Array[] = [];
  try {
    const { host, port, user, database } = server;
    const good = await demo({
      server: { host, port, user, database },
      conversation: new Conversation({ output: { write: (text: string) => lines.push(text) } }),
      rows: 20,
      onPayload: (payload) => payloads.push(payload.slice()),
    });
    if (!good) throw new Error(`the demo failed on ${major}:\n${lines.join("")}`);
  } finally {
    await server.stop();
  }
  const file = `demo-${major}.bin.gz`;
  writeCapture(fileURLToPath(new URL(file, folder)), payloads);
  const command = lines
    .find((line) => line.startsWith("→ START_REPLICATION"))!
    .slice(2)
    .trim();
  vectors.push({ file, server: formatServerVersion(server.versionNum), command, payloads: payloads.length });
  process.stderr.write(`${file}: ${payloads.length} payloads\n`);
}
writeFileSync(new URL("demo.json", folder), `${JSON.stringify(vectors, undefined, 2)}\n`);
