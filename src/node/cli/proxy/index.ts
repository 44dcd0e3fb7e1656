/** `walwire proxy`: between a client and a server, until Ctrl-C. */
import { typesOf } from "../../proxy/contents.ts";
import { type PassingMessage, type ProxyAction, startProxy } from "../../proxy/index.ts";
import { addressOf, shownAddress } from "../shared/address.ts";
import { errnoWords } from "../shared/file-error.ts";
import { readText } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { nearest } from "../shared/nearest.ts";
import { Blocks } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../shared/usage.ts";
import type { ProxyCall } from "./declaration.ts";
import { jsonLineOf, traceOf } from "./lines.ts";
import { Records } from "./record.ts";

/** `walwire proxy`. */
export async function run({ options }: ProxyCall): Promise<Status> {
  if (options.to === undefined) throw new UsageError("missing --to: the address of the server, such as 127.0.0.1:5432");
  const to = addressOf("--to", options.to, 1);
  const listen = addressOf("--listen", options.listen, 0);
  const fault = options.at === undefined ? undefined : faultOf(options.at, options.do!);
  const output = new Blocks();
  const page = new Page(output);
  const totals = { messages: 0, mismatches: 0, errors: 0 };
  const records = options.record === undefined ? undefined : opened(options.record);
  const proxy = await startProxy({
    ...{ to, listen, reencode: !options.raw, insecure: options.insecure, passThrough: options.passThrough },
    tls:
      options.tlsCert === undefined ? undefined : { cert: readText(options.tlsCert), key: readText(options.tlsKey!) },
    serverTls: serverTlsOf(options),
    onError(error, connection) {
      totals.errors++;
      if (options.jsonl) output.json({ connection, error: { message: error.message } });
      else page.mark("bad", `${connection}: ${printable(error.message)}`);
      void output.flush();
    },
    async onMessage(passing) {
      totals.messages++;
      if (passing.error !== undefined) totals.errors++;
      if (passing.mismatch !== undefined) totals.mismatches++;
      records?.write(passing);
      if (options.jsonl) output.json(jsonLineOf(passing));
      else say(page, passing, options.quiet);
      const action = fault?.look(passing);
      if (action !== undefined && !options.jsonl) page.mark("neutral", `${passing.connection}: ${options.do}`);
      await output.flush();
      return action;
    },
  }).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "BAD_ARGUMENT")
      throw new UsageError(
        message.startsWith("options.tls:")
          ? `--tls-cert, --tls-key: ${message.slice("options.tls: ".length)}`
          : `--listen: ${options.listen} is beyond this machine: add --tls-cert, or --insecure`,
      );
    throw new UnseenError(`cannot listen on ${options.listen}: ${errnoWords(message)}`);
  });
  process.stderr.write(`walwire: listening on ${shownAddress(proxy.address)}\n`);
  if (options.insecure) process.stderr.write("walwire: whoever reaches this address can read what passes\n");
  await new Promise<void>((resolve) => {
    const stop = onInterrupt(() => {
      stop();
      resolve();
    });
  });
  await proxy.close();
  records?.close();
  if (options.jsonl) output.json(totals);
  else page.line(`${totals.messages} messages, ${totals.mismatches} mismatches, ${totals.errors} errors`);
  await output.flush();
  if (fault?.hasHappened() === false) process.stderr.write(`walwire: ${options.at} did not come\n`);
  return totals.errors + totals.mismatches === 0 && fault?.hasHappened() !== false ? status.good : status.bad;
}

function say(page: Page, passing: PassingMessage, quiet: boolean): void {
  const { connection, from, error, mismatch } = passing;
  const arrow = from === "client" ? page.style("cyan", "→") : page.style("green", "←");
  if (!quiet) page.line(`${connection} ${arrow} ${traceOf(passing)}`);
  if (error !== undefined) page.mark("bad", `${connection}: ${error.code} ${printable(error.message)}`);
  if (mismatch !== undefined)
    page.mark("bad", `${connection}: it encodes to other bytes, from byte ${mismatch} on: ${traceOf(passing)}`);
}

/** @throws UsageError */
function faultOf(
  at: string,
  what: string,
): { readonly look: (message: PassingMessage) => ProxyAction | undefined; readonly hasHappened: () => boolean } {
  const where = /^(client|server):([A-Za-z]+)(?::([1-9]\d{0,8}))?$/.exec(at);
  if (where === null)
    throw new UsageError(`--at: expected FROM:TYPE[:N], such as server:Insert:3, got ${JSON.stringify(at)}`);
  const how = /^(?:(?<plain>cut|stall|drop)|(?<part>cut|stall)=(?<after>\d{1,9})|delay=(?<delay>\d{1,8}))$/.exec(
    what,
  )?.groups;
  if (how === undefined) {
    throw new UsageError(
      `--do: expected cut, stall, drop, delay=MILLISECONDS, cut=BYTES or stall=BYTES, got ${JSON.stringify(what)}`,
    );
  }
  const action: ProxyAction =
    how.delay !== undefined
      ? { type: "delay", milliseconds: Number(how.delay) }
      : how.part !== undefined
        ? { type: how.part as "cut", after: Number(how.after) }
        : { type: how.plain as "cut" };
  let left = Number(where[3] ?? 1);
  const [, from, type] = where as unknown as [string, "client" | "server", string];
  if (!typesOf[from].has(type)) {
    const most = nearest(type, [...typesOf[from]])[0];
    const hint = most === undefined ? "" : `; is it ${most}?`;
    throw new UsageError(`--at: ${JSON.stringify(type)} is not a message of a ${from}${hint}`);
  }
  return {
    look: (message) => (message.from === from && message.types.includes(type) && --left === 0 ? action : undefined),
    hasHappened: () => left <= 0,
  };
}

/** TLS with the server. @source fe-secure-openssl.c: initialize_SSL */
function serverTlsOf({ sslmode = "disable", sslrootcert }: ProxyCall["options"]): object | undefined {
  if (sslmode === "disable") return undefined;
  const ca = sslrootcert === undefined ? undefined : readText(sslrootcert);
  switch (sslmode) {
    case "verify-full":
      return { ca };
    case "verify-ca":
      return { ca, checkServerIdentity: () => undefined };
    default:
      // As libpq: with a file of authorities, the certificate is checked as by verify-ca.
      return ca === undefined ? { rejectUnauthorized: false } : { ca, checkServerIdentity: () => undefined };
  }
}

/** @throws UnseenError */
function opened(directory: string): Records {
  try {
    return new Records(directory);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new UnseenError(`${directory}: ${errnoWords((error as Error).message)}`);
  }
}
