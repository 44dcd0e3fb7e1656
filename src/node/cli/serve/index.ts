/** `walwire serve`: WAL from a directory, until Ctrl-C. */
import { readFileSync } from "node:fs";
import { ArgumentError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { formatServerVersion } from "../../../kernel/version.ts";
import { listen, WalDirectory, type WalsenderServer } from "../../server/index.ts";
import { addressOf, shownAddress } from "../shared/address.ts";
import { errnoWords } from "../shared/file-error.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { type Status, status } from "../shared/status.ts";
import { UnseenError, UsageError } from "../shared/usage.ts";
import type { ServeCall } from "./declaration.ts";

/** `walwire serve`. */
export async function run({ options }: ServeCall): Promise<Status> {
  if (options.wal === undefined) throw new UsageError("missing --wal: the directory of segments");
  const where = addressOf("--listen", options.listen, 0);
  const users = options.users === undefined ? undefined : usersOf(options.users, read(options.users));
  const tls = options.tlsCert === undefined ? undefined : { cert: read(options.tlsCert), key: read(options.tlsKey!) };
  const directory = await WalDirectory.open(options.wal, { slots: options.slots });
  const say = (text: string): void => void process.stderr.write(`walwire: ${text}\n`);
  let server: WalsenderServer;
  try {
    server = await listen({
      ...where,
      ...{ server: directory.server, systemid: directory.systemid, users, tls, insecure: options.insecure },
      handlers: directory.handlers,
      limits: { connections: options.maxConnections },
      onError: (error, session) => say(`${session?.user ?? "a client"}: ${(error as Error).message}`),
    });
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const hint = "add --users and --tls-cert, or --insecure";
    throw new UsageError(`--listen: ${options.listen} is beyond this machine: ${hint}`);
  }
  const { timeline, end } = directory;
  say(
    `PostgreSQL ${formatServerVersion(directory.server)}, system ${directory.systemid}, timeline ${timeline}, WAL up to ${formatLsn(end)}`,
  );
  say(`listening on ${shownAddress(server.address)}`);
  if (options.insecure) say("whoever reaches this address can read all WAL");
  await interrupted(
    () => process.exit(status.interrupted),
    async () => {
      say("streams end once they have everything; Ctrl-C again ends them at once");
      await server.close();
    },
  );
  await directory.close();
  return status.good;
}

/** Wait for Ctrl-C and what is done then; a second one is for `atOnce`. */
async function interrupted(atOnce: () => void, end: () => Promise<void>): Promise<void> {
  let stop = (): void => {};
  await new Promise<void>((resolve, reject) => {
    let isEnding = false;
    stop = onInterrupt(() => {
      if (isEnding) atOnce();
      isEnding = true;
      end().then(resolve, reject);
    });
  });
  stop();
}

/** @throws UnseenError */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UnseenError(`${path}: ${errnoWords((error as Error).message)}`);
  }
}

/** Secrets by role. @throws UsageError */
function usersOf(path: string, text: string): Record<string, string> {
  const users: Record<string, string> = Object.create(null);
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.lastIndexOf(":SCRAM-SHA-256$");
    if (at <= 0) {
      throw new UsageError(
        `--users: line ${i + 1} of ${path}: expected ROLE:SCRAM-SHA-256$…, as SELECT rolname || ':' || rolpassword FROM pg_authid gives it`,
      );
    }
    users[line.slice(0, at)] = line.slice(at + 1);
  }
  return users;
}
