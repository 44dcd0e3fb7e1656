/**
 * `walwire fuzz impersonate`: a walsender that keeps the rules in one session and breaks them in the next, and judges what the client does.
 */
import { createWriteStream } from "node:fs";
import { subscribedTable } from "../../../../arbitraries/played-streams.ts";
import { ConnectionError, StateError } from "../../../../kernel/errors.ts";
import { toLsn } from "../../../../kernel/lsn.ts";
import { counted } from "../../../../kernel/words.ts";
import { jsonOfPgoutputMessage } from "../../../../logical/json.ts";
import { Publisher, publisherHandlers } from "../../../publisher/index.ts";
import type { WalsenderHandlers } from "../../../server/index.ts";
import { startTestServer } from "../../../testing/index.ts";
import { answerSubscribe } from "../../../testing/subscribe-sql.ts";
import { addressOf } from "../../shared/address.ts";
import { errnoWords } from "../../shared/file-error.ts";
import { onInterrupt } from "../../shared/interrupt.ts";
import { aligned, bar, number, Page, printable } from "../../shared/people.ts";
import { type Status, status } from "../../shared/status.ts";
import { UnseenError, UsageError } from "../../shared/usage.ts";
import type { FuzzCall } from "../declaration.ts";
import { type Act, readScript, scriptOf } from "./script.ts";
import { type Played, Session } from "./session.ts";

/** Where WAL ends at first. */
const POSITION = toLsn(0x1000000n);

export async function impersonate({ options }: FuzzCall, seedOf: () => number): Promise<Status> {
  const where = addressOf("--listen", options.listen, 0);
  if (!("port" in where) || where.host !== "127.0.0.1") {
    throw new UsageError(`--listen: expected 127.0.0.1:PORT, got ${options.listen}`);
  }
  const script = options.script === undefined ? undefined : readScript(options.script);
  const seed = script === undefined ? seedOf() : 0;
  const page = new Page(process.stdout);
  const counts = new Map<string, number>();
  let bad = 0;
  const server = await startTestServer({
    server: options.server,
    port: where.port,
    position: POSITION,
    handlers: await handlersFor(options.plugin),
  }).catch((error: unknown) => {
    if (!(error instanceof ConnectionError)) throw error;
    throw new UnseenError(`cannot listen on ${options.listen}: ${errnoWords(error.message)}`);
  });
  process.stderr.write(`walwire: listening on 127.0.0.1:${server.port}\n`);
  const forget = onInterrupt(() => void server.close());
  const running: Promise<void>[] = [];
  const sent = options.sent === undefined ? undefined : linesTo(options.sent);
  const played: Played = {
    ...{ server, timeout: options.timeout, isForSubscription: options.subscription },
    onSent: sent && ((message) => sent.write(jsonOfPgoutputMessage(message))),
    ...{ end: POSITION, xid: 0x8000_0000 },
  };
  try {
    for (let n = 0; n < (options.count ?? 100); n++) {
      const session = new Session(played, await server.nextStream({ timeout: 2 ** 31 - 1 }));
      const acts = script ?? scriptOf(seed, n, session.kind, options.unread);
      running.push(
        session.play(acts).then((problem) => {
          for (const { act } of acts) counts.set(act, (counts.get(act) ?? 0) + 1);
          if (problem !== undefined) bad++;
          say(n, acts, problem, session);
        }),
      );
    }
  } catch (error) {
    // Ctrl-C.
    if (!(error instanceof StateError)) throw error;
  }
  await Promise.all(running);
  forget();
  await server.close();
  await sent?.close();

  function say(n: number, acts: readonly Act[], problem: string | undefined, { client }: Session): void {
    if (options.jsonl) {
      process.stdout.write(`${JSON.stringify({ n, client, ok: problem === undefined, problem, script: acts })}\n`);
      return;
    }
    const words = acts.map(({ act }) => act).join(", ");
    page.mark(problem === undefined ? "good" : "bad", `${n} ${printable(client)}: ${words}`);
    if (problem === undefined) return;
    page.line(`  ${problem}`);
    page.line(page.style("dim", `  --script '${JSON.stringify(acts)}'`));
  }
  if (options.jsonl) {
    process.stdout.write(
      `${JSON.stringify({ seed, sessions: running.length, bad, acts: Object.fromEntries(counts) })}\n`,
    );
  } else {
    page.heading("What was played");
    const most = Math.max(1, ...counts.values());
    page.table(aligned([...counts].map(([name, n]) => [name, number(n), bar(n / most)])), ["bold", undefined, "green"]);
    page.line();
    page.mark(
      bad === 0 ? "good" : "bad",
      `${counted(running.length, "session")}, ${bad} in which the client broke a rule, seed ${seed}`,
    );
  }
  return bad === 0 ? status.good : status.bad;
}

/** Every slot exists. Its plugin is the one that it was made with, if it was made here. */
async function handlersFor(plugin: string | undefined): Promise<WalsenderHandlers> {
  const publisher = await Publisher.open();
  const { name, namespace: schema, columns } = subscribedTable;
  const table = await publisher.table({
    ...{ schema, name, replicaIdentity: "full" },
    columns: columns.map(({ name, typeId }) => ({ name, type: typeId })),
  });
  publisher.publication(name, { tables: [table] });
  const { query } = publisherHandlers(publisher);
  const made = new Map<string, string>();
  return {
    plugin: (slotname) => plugin ?? made.get(slotname) ?? "pgoutput",
    createSlot: ({ slotname, kind, plugin }) => {
      if (plugin !== undefined) made.set(slotname, plugin);
      return {
        slot_name: slotname,
        consistent_point: kind === "LOGICAL" ? POSITION : toLsn(0n),
        snapshot_name: undefined,
        output_plugin: plugin,
      };
    },
    query: (sql, context) => answerSubscribe(sql, context.session.database, POSITION) ?? query!(sql, context),
  };
}

/** A file of lines of JSON. */
function linesTo(path: string) {
  const file = createWriteStream(path);
  let failure: Error | undefined;
  file.on("error", (error) => {
    failure = error;
  });
  return {
    write: (line: object): void => void file.write(`${JSON.stringify(line)}\n`),
    close: async (): Promise<void> => {
      await new Promise<void>((resolve) => file.close(() => resolve()));
      if (failure !== undefined) throw new UnseenError(`--sent: ${path}: ${errnoWords(failure.message)}`);
    },
  };
}
