/** A server of its own with TLS and passwords by SCRAM, on a port of 127.0.0.1. */
import { appendFileSync, chmodSync, chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type OwnServer, startServer } from "./servers/index.ts";

/** The directory of server.crt, which is of localhost and 127.0.0.1 and signed by itself, and server.key. */
export const tls: string = fileURLToPath(new URL("session/tls/", import.meta.url));

/** The role that logs in by password, over TLS only. */
export const secret = { user: "secret", password: "p4ß word", database: "postgres" } as const;

/** A port of 127.0.0.1 that nobody listens on just now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer().on("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address() as { port: number };
      listener.close(() => resolve(port));
    });
  });
}

/** Start it. The caller stops it. */
export async function startTlsServer(major: number): Promise<OwnServer> {
  const port = String(await freePort());
  const server = await startServer({ major, settings: { port, listen_addresses: "127.0.0.1" } });
  const data = join(server.host, "data");
  const { uid, gid } = statSync(data);
  for (const [file, mode] of [
    ["server.crt", 0o644],
    ["server.key", 0o600],
  ] as const) {
    copyFileSync(join(tls, file), join(data, file));
    chmodSync(join(data, file), mode);
    if (process.getuid?.() === 0) chownSync(join(data, file), uid, gid);
  }
  const hba = join(data, "pg_hba.conf");
  const rules = [
    "local all,replication secret scram-sha-256",
    "hostssl all,replication secret 127.0.0.1/32 scram-sha-256",
    "host all,replication all 127.0.0.1/32 reject",
  ];
  writeFileSync(hba, `${rules.join("\n")}\n${readFileSync(hba, "utf8")}`);
  appendFileSync(join(data, "postgresql.conf"), "\nssl = on\n");
  await server.sql(`CREATE ROLE secret LOGIN REPLICATION PASSWORD '${secret.password}'`);
  await server.sql("SELECT pg_reload_conf()");
  // The postmaster reads its files when the signal has reached it.
  for (let ssl = "off"; ssl === "off"; ssl = String((await server.sql("SHOW ssl")).rows[0]?.[0]));
  return server;
}
