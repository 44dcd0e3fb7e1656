/**
 * `walwire fuzz impersonate`: a walsender that keeps the rules in one session and breaks them in the next, and judges what the client does.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { ConnectionError, StateError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { pgTimeFromDate } from "../../../kernel/time.ts";
import { counted } from "../../../kernel/words.ts";
import { encodeFrame } from "../../../wire/framer.ts";
import { startTestServer, type TestServer, type TestStream } from "../../testing/index.ts";
import { addressOf } from "../shared/address.ts";
import { errnoWords } from "../shared/file-error.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { aligned, bar, number, Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../shared/usage.ts";
import type { FuzzCall } from "./declaration.ts";

/** What breaks the protocol: the client must close the connection, and must not confirm what came so. */
const violations = ["gap", "letter", "short", "type", "length"] as const;
/** How a stream ends: in order, by an error of the server, by a lost connection, or by a violation. */
const endings = ["end", "error", "cut", ...violations] as const;
type Ending = (typeof endings)[number];

/** A step of a script, which is an array of them. */
type Act =
  | { readonly act: "data"; readonly bytes: number }
  | { readonly act: "keepalive"; readonly reply: boolean }
  /** A keepalive whose position is behind what was told before. */
  | { readonly act: "stale" }
  | { readonly act: Ending };

const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 20_000 }).map((bytes): Act => ({ act: "data", bytes })) },
  { weight: 3, arbitrary: fc.constant<Act>({ act: "keepalive", reply: true }) },
  { weight: 1, arbitrary: fc.constant<Act>({ act: "keepalive", reply: false }) },
  { weight: 1, arbitrary: fc.constant<Act>({ act: "stale" }) },
);

/** The script of a session: every other one keeps the rules. */
function scriptOf(seed: number, n: number): readonly Act[] {
  const ending = n % 2 === 0 ? fc.constant<Ending>("end") : fc.constantFrom(...endings.slice(1));
  const script = fc.tuple(fc.array(acts, { maxLength: 6 }), ending).map(([list, act]): Act[] => [...list, { act }]);
  return fc.sample(script, { seed: Math.imul(seed, 0x9e3779b1) + n, numRuns: 1 })[0]!;
}

export async function impersonate({ options }: FuzzCall, seedOf: () => number): Promise<Status> {
  const where = addressOf("--listen", options.listen, 0);
  if (!("port" in where) || where.host !== "127.0.0.1") {
    throw new UsageError(`--listen: expected 127.0.0.1:PORT, got ${options.listen}`);
  }
  const script = options.script === undefined ? undefined : read(options.script);
  const seed = script === undefined ? seedOf() : 0;
  const page = new Page(process.stdout);
  const counts = new Map<string, number>();
  let bad = 0;
  const server = await startTestServer({
    server: options.server,
    port: where.port,
    handlers: { plugin: () => options.plugin },
  }).catch((error: unknown) => {
    if (!(error instanceof ConnectionError)) throw error;
    throw new UnseenError(`cannot listen on ${options.listen}: ${errnoWords(error.message)}`);
  });
  process.stderr.write(`walwire: listening on 127.0.0.1:${server.port}\n`);
  const forget = onInterrupt(() => void server.close());
  const running: Promise<void>[] = [];
  try {
    for (let n = 0; n < (options.count ?? 100); n++) {
      const acts = script ?? scriptOf(seed, n);
      const stream = await server.nextStream({ timeout: 2 ** 31 - 1 });
      const session = new Session(server, stream, options.timeout);
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

  function say(n: number, acts: readonly Act[], problem: string | undefined, { client }: Session): void {
    if (options.jsonl) {
      process.stdout.write(`${JSON.stringify({ n, client, ok: problem === undefined, problem, script: acts })}\n`);
      return;
    }
    const words = acts.map(({ act }) => act).join(", ");
    page.mark(problem === undefined ? "good" : "bad", `${n} ${printable(client)}: ${words}`);
    if (problem === undefined) return;
    page.line(`  ${problem}`);
    page.line(page.style("dim", `  --script with: ${JSON.stringify(acts)}`));
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

/** @throws UnseenError, InputError */
function read(path: string): readonly Act[] {
  let script: unknown;
  try {
    script = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw new InputError(`--script: ${path} is not JSON`);
    throw new UnseenError(`--script: ${path}: ${errnoWords((error as Error).message)}`);
  }
  const isAct = (each: Record<string, unknown> | null): boolean => {
    const { act, bytes, reply } = each ?? {};
    if (act === "data") return Number.isSafeInteger(bytes) && Number(bytes) >= 1 && Number(bytes) <= 100_000_000;
    if (act === "keepalive") return typeof reply === "boolean";
    return act === "stale" || endings.includes(act as Ending);
  };
  if (!Array.isArray(script) || !script.every(isAct)) {
    throw new InputError(`--script: ${path} is not a list such as [{"act":"data","bytes":100},{"act":"end"}]`);
  }
  return script;
}

/** One stream, and the rules for its client. */
class Session {
  readonly client: string;
  readonly #server: TestServer;
  readonly #stream: TestStream;
  readonly #timeout: number;
  readonly #isPhysical: boolean;
  /** Where the next data begins, and the highest position that was told. */
  #next: Lsn;
  #told: Lsn;
  /** Status updates that were looked at, and the highest positions in them. */
  #seen = 0;
  readonly #highest = { write: 0n, flush: 0n };

  constructor(server: TestServer, stream: TestStream, timeout: number) {
    this.#server = server;
    this.#stream = stream;
    this.#timeout = timeout;
    this.#isPhysical = stream.command.kind === "PHYSICAL";
    this.client = stream.session.parameter("application_name") || "a client";
    this.#next = this.#isPhysical ? stream.command.startpoint : toLsn(0x1000000n);
    this.#told = stream.command.startpoint > this.#next ? stream.command.startpoint : this.#next;
  }

  /** @returns the rule that the client has broken */
  async play(script: readonly Act[]): Promise<string | undefined> {
    let problem: string | undefined;
    try {
      const last = script.at(-1)?.act;
      const isEnded = (endings as readonly (string | undefined)[]).includes(last);
      for (const act of isEnded ? script : [...script, { act: "end" } as const]) {
        problem = (await this.#act(act)) ?? this.#look();
        if (problem !== undefined || (endings as readonly string[]).includes(act.act)) break;
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      problem = this.#look() ?? `the client ends a stream without a fault: ${error.message}`;
    }
    if (problem !== undefined) this.#stream.cut();
    return problem;
  }

  async #act(step: Act): Promise<string | undefined> {
    const stream = this.#stream;
    switch (step.act) {
      case "data":
        await this.#data(step.bytes);
        return undefined;
      case "stale":
        await stream.keepalive(toLsn(this.#told / 2n));
        return undefined;
      case "keepalive": {
        if (!step.reply) return void (await stream.keepalive(this.#told));
        const before = stream.updates.length;
        await stream.keepalive(this.#told, true);
        const isAnswered = await this.#until(() => stream.updates.length > before);
        return isAnswered ? undefined : "a keepalive that asks for a reply is not answered by a StandbyStatusUpdate";
      }
      case "end":
        try {
          await stream.end({ timeout: this.#timeout });
          return undefined;
        } catch (error) {
          if (error instanceof ConnectionError && error.code === "TIMEOUT") return error.message;
          throw error;
        }
      case "cut":
        stream.cut();
        return undefined;
      case "error": {
        const before = this.#server.commands.length;
        await stream.fail({ sqlstate: "58P01", message: "requested WAL segment has already been removed" });
        const goesOn = await this.#until(() => stream.session.signal.aborted || this.#server.commands.length > before);
        return goesOn
          ? undefined
          : "after an error of the server the client neither closes the connection nor sends a command";
      }
      default:
        return this.#violate(step.act);
    }
  }

  async #data(bytes: number): Promise<void> {
    const data = this.#isPhysical ? new Uint8Array(bytes) : new TextEncoder().encode("x".repeat(Math.min(bytes, 1000)));
    const end = toLsn(this.#next + BigInt(data.length));
    // What it may confirm is known before it can.
    this.#told = end;
    await this.#stream.send({
      type: "XLogData",
      dataStart: this.#next,
      walEnd: end,
      sendTime: pgTimeFromDate(new Date()),
      data,
    });
    this.#next = end;
  }

  /** Break a rule: the client must close the connection. */
  async #violate(what: (typeof violations)[number]): Promise<string | undefined> {
    const stream = this.#stream;
    if (what === "gap" && this.#isPhysical) {
      // In place of this keepalive, WAL from eight bytes later.
      await this.#data(8);
      const skipped = toLsn(this.#next + 8n);
      await stream
        .send({
          type: "XLogData",
          dataStart: skipped,
          walEnd: skipped,
          sendTime: pgTimeFromDate(new Date()),
          data: new Uint8Array(64),
        })
        .catch(ended);
    } else {
      stream.breakAt({ type: "Keepalive" }, { type: "replace", bytes: bytesOf(what) });
      await stream.keepalive(this.#told).catch(ended);
    }
    const isClosed = await this.#until(() => stream.session.signal.aborted);
    return isClosed ? undefined : `the client does not close the connection after ${sayings[what]}`;
  }

  /** Look at the status updates that have come. */
  #look(): string | undefined {
    for (; this.#seen < this.#stream.updates.length; this.#seen++) {
      const update = this.#stream.updates[this.#seen]!;
      for (const name of ["write", "flush", "apply"] as const) {
        if (update[name] <= this.#told) continue;
        return `the client says ${name} ${formatLsn(update[name])}, and was sent nothing behind ${formatLsn(this.#told)}`;
      }
      for (const name of ["write", "flush"] as const) {
        const before = this.#highest[name];
        // 0 is that nothing is said.
        if (update[name] !== 0n && update[name] < before) {
          return `the client's ${name} goes back from ${formatLsn(before as Lsn)} to ${formatLsn(update[name])}`;
        }
        if (update[name] > before) this.#highest[name] = update[name];
      }
    }
    return undefined;
  }

  /** Wait for a state that stays. */
  async #until(isIt: () => boolean): Promise<boolean> {
    const end = Date.now() + this.#timeout;
    while (!isIt()) {
      if (Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return true;
  }
}

/** The client may be gone before all is sent. */
function ended(error: unknown): void {
  if (!(error instanceof ConnectionError)) throw error;
}

const sayings: Readonly<Record<(typeof violations)[number], string>> = {
  gap: "WAL with a gap before it",
  letter: "a message in CopyData with an unknown letter",
  short: "a message in CopyData that is too short",
  type: "a message of an unknown type",
  length: "a message with the length 3",
};

function bytesOf(what: (typeof violations)[number]): Uint8Array {
  switch (what) {
    case "short":
      return encodeFrame("d", Uint8Array.of(0x77, 0, 0, 0, 0));
    case "type":
      return encodeFrame("!", new Uint8Array(0));
    case "length":
      return Uint8Array.of(0x64, 0, 0, 0, 3);
    default:
      return encodeFrame("d", Uint8Array.of(0x3f, 0, 0));
  }
}
