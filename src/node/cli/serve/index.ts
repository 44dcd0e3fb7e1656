/** `walwire serve`: WAL from a directory, or changes from a file, until Ctrl-C. */
import { ArgumentError, drawCaret, ParseError } from "../../../kernel/errors.ts";
import { listen, type WalsenderServer } from "../../server/index.ts";
import { addressOf, shownAddress } from "../shared/address.ts";
import { readText } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { ServeCall } from "./declaration.ts";
import { publishSource } from "./publish.ts";
import type { Source } from "./source.ts";
import { walSource } from "./wal.ts";

/** `walwire serve`. */
export async function run({ options }: ServeCall): Promise<Status> {
  const { wal, publish } = options;
  if (wal === undefined && publish === undefined) {
    throw new UsageError("missing --wal or --publish: the directory of segments, or the file of changes");
  }
  const where = addressOf("--listen", options.listen, 0);
  const users = options.users === undefined ? undefined : usersOf(options.users, readText(options.users));
  const tls =
    options.tlsCert === undefined ? undefined : { cert: readText(options.tlsCert), key: readText(options.tlsKey!) };
  const say = (text: string): void => void process.stderr.write(`walwire: ${text}\n`);
  try {
    const source = wal === undefined ? await publishSource(publish!, options) : await walSource(wal, options);
    try {
      const { server, systemid, handlers } = source;
      const listening = await listen({
        ...where,
        ...{ server, systemid, users, tls, insecure: options.insecure, handlers },
        limits: { connections: options.maxConnections },
        onError: (error, session) => say(`${session?.user ?? "a client"}: ${(error as Error).message}`),
      }).catch((error: unknown) => {
        if (!(error instanceof ArgumentError)) throw error;
        const hint = "add --users and --tls-cert, or --insecure";
        throw new UsageError(`--listen: ${options.listen} is beyond this machine: ${hint}`);
      });
      say(source.says);
      say(`listening on ${shownAddress(listening.address)}`);
      if (options.insecure) say(`whoever reaches this address can read all ${source.contents}`);
      await untilInterrupted(listening, source, say);
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    say(`${publish}: line ${error.line}: ${printable(error.message)}`);
    const more = error.advice === undefined ? [] : [error.advice];
    process.stderr.write(`${[...drawCaret(error.text, error.offset, error.firstLine), ...more].join("\n")}\n`);
    return status.bad;
  }
  return status.good;
}

/** Serve until Ctrl-C and what is done then, or until the source cannot go on. A second Ctrl-C ends at once. */
async function untilInterrupted(
  server: WalsenderServer,
  { ended }: Source,
  say: (text: string) => void,
): Promise<void> {
  let stop = (): void => {};
  const interrupted = new Promise<void>((resolve, reject) => {
    let isEnding = false;
    stop = onInterrupt(() => {
      if (isEnding) process.exit(status.interrupted);
      isEnding = true;
      say("streams end once they have everything; Ctrl-C again ends them at once");
      server.close().then(resolve, reject);
    });
  });
  try {
    await Promise.race([interrupted, ended]);
  } catch (error) {
    await server.close({ immediate: true });
    throw error;
  } finally {
    stop();
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
