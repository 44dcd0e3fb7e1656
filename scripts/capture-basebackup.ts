/**
 * `npx tsx scripts/capture-basebackup.ts [MAJOR…]`: record base backups of real servers, shortened, as vectors for tests and fuzzing.
 * test/vectors/basebackup/README.md describes how they are shortened.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { BaseBackupReceiver } from "../src/basebackup/index.ts";
import { supports } from "../src/capabilities.ts";
import { decodeBackendMessage } from "../src/session/messages.ts";
import { baseBackupCommand, giveToServer } from "../test/basebackup.ts";
import { frame, majors, type OwnServer, startServer } from "../test/servers/index.ts";

const folder = fileURLToPath(new URL("../test/vectors/basebackup/", import.meta.url));

/** The number of messages kept of each archive and of the manifest, and the bytes kept of each message. */
const [KEPT, LONGEST] = [6, 24];

for (const major of process.argv.length > 2 ? process.argv.slice(2).map(Number) : majors) {
  const server = await startServer({ major, initdb: major >= 11 ? ["--wal-segsize=1"] : [] });
  try {
    mkdirSync(`${server.host}/ts`);
    giveToServer(`${server.host}/ts`);
    await server.sql(`CREATE TABLESPACE ts LOCATION '${server.host}/ts'`);
    const manifest = major >= 13 ? { MANIFEST: "yes" } : {};
    await record(server, `${major}`, { LABEL: "vector", PROGRESS: true, WAL: true, ...manifest });
    await record(server, `${major}-cancelled`, { MAX_RATE: 1024 });
  } finally {
    await server.stop();
  }
}

async function record(
  server: OwnServer,
  name: string,
  options: Record<string, string | number | boolean>,
): Promise<void> {
  const connection = await server.connect({ replication: "true", application_name: "capture" });
  const receiver = new BaseBackupReceiver({ server: server.versionNum });
  const oneStream = supports(server.versionNum, "baseBackupOneStream");
  const frames: Buffer[] = [];
  let kept = 0;
  let cancelled: Promise<unknown> | undefined;
  connection.send("Q", baseBackupCommand(server.versionNum, options));
  while (receiver.state !== "done") {
    const { type, body } = await connection.next();
    const events = receiver.receive(decodeBackendMessage({ tag: type.charCodeAt(0), bytes: body }));
    if (name.endsWith("cancelled") && receiver.state === "archive") {
      cancelled ??= server.sql(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_replication WHERE application_name = 'capture'",
      );
    }
    if (events[0]?.type !== "Data") {
      kept = 0;
      frames.push(frame(type, body));
    } else if (kept++ < KEPT) {
      frames.push(frame(type, body.subarray(0, LONGEST + (oneStream ? 1 : 0))));
    }
  }
  await cancelled;
  await connection.close();
  mkdirSync(folder, { recursive: true });
  const bytes = Buffer.concat(frames);
  const path = `${folder}${name}.bin.gz`;
  writeFileSync(path, gzipSync(bytes, { level: 9 }));
  console.log(`${name}: ${frames.length} messages, ${bytes.length} bytes`);
}
