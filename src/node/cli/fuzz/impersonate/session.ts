/** One stream of `walwire fuzz impersonate`, and the rules for its client. */
import fc from "fast-check";
import { playedStream, subscribedTable } from "../../../../arbitraries/played-streams.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../../../generated/logical.ts";
import { ConnectionError } from "../../../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../../../../kernel/lsn.ts";
import { pgTimeFromDate } from "../../../../kernel/time.ts";
import { encodeBackendMessage } from "../../../../session/messages.ts";
import { TupleData } from "../../../../wire/tuple.ts";
import type { TestServer, TestStream } from "../../../testing/index.ts";
import { type Act, isEnding, isOfPgoutput, type Kind, type PgoutputViolation, type Violation } from "./script.ts";
import { framesOf, messagesOf, sayings } from "./violations.ts";

const { types: _, ...announced } = subscribedTable;
const relation = { type: "Relation", ...announced } as const;

/** What the sessions of a server share. */
export interface Played {
  readonly server: TestServer;
  /** Milliseconds that a client may be silent. */
  readonly timeout: number;
  /** Only changes that a subscription can apply. */
  readonly isForSubscription: boolean;
  /** Told of each message of pgoutput. */
  readonly onSent: ((message: PgoutputMessage) => void) | undefined;
  /** The end of WAL, as far as any client was told. */
  end: bigint;
  /** The next free transaction id. */
  xid: number;
}

/** Transaction ids, and bytes of WAL, that a step has at most. */
const XIDS = 1000;
const SPACE = 65_536n;

export class Session {
  readonly client: string;
  readonly kind: Kind;
  readonly #played: Played;
  readonly #stream: TestStream;
  /** Where the next data begins, and the highest position that was told. */
  #next: Lsn;
  #told: Lsn;
  /** Where the transaction that is being sent will end, as its Begin says: who confirms this position still gets the transaction. */
  #begun: Lsn = invalidLsn;
  /** The size of the pieces in which the next data comes. */
  #pieces: number | undefined;
  /** Status updates that were looked at, and the highest positions in them. */
  #seen = 0;
  readonly #highest = { write: 0n, flush: 0n };

  constructor(played: Played, stream: TestStream) {
    this.#played = played;
    this.#stream = stream;
    const { kind, startpoint } = stream.command;
    this.kind = kind === "PHYSICAL" ? "WAL" : stream.options === undefined ? "text" : "pgoutput";
    this.client = stream.session.parameter("application_name") || "a client";
    this.#next = this.kind === "WAL" || startpoint > played.end ? startpoint : toLsn(played.end);
    this.#told = this.#next;
  }

  /** @returns the rule that the client has broken */
  async play(script: readonly Act[]): Promise<string | undefined> {
    const misfit = script.find(({ act }) => isOfPgoutput(act) && this.kind !== "pgoutput");
    if (misfit !== undefined) {
      this.#stream.cut();
      return `the script has ${misfit.act}, but the client's stream is not of pgoutput`;
    }
    let problem: string | undefined;
    try {
      const end = { act: this.kind === "WAL" ? "end" : "shutdown" } as const;
      for (const act of isEnding(script.at(-1)?.act) ? script : [...script, end]) {
        problem = (await this.#act(act)) ?? this.#look();
        if (problem !== undefined || isEnding(act.act)) break;
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
      case "changes":
        return this.#changes(step.seed);
      case "split":
        this.#pieces = step.size;
        return undefined;
      case "notice":
        return void (await this.#besideKeepalive(
          encodeBackendMessage({
            type: "NoticeResponse",
            fields: { S: "WARNING", V: "WARNING", C: "01000", M: "this is a warning inside a stream" },
          }),
        ));
      case "parameter":
        return void (await this.#besideKeepalive(
          encodeBackendMessage({ type: "ParameterStatus", name: "TimeZone", value: "UTC" }),
        ));
      case "stale":
        await stream.keepalive(toLsn(this.#told / 2n));
        return undefined;
      case "keepalive":
        if (!step.reply) return void (await stream.keepalive(this.#told));
        return this.#answered(await this.#ask());
      case "end":
        try {
          await stream.end({ timeout: this.#played.timeout });
          return undefined;
        } catch (error) {
          if (error instanceof ConnectionError && error.code === "TIMEOUT") return error.message;
          throw error;
        }
      case "shutdown":
        await this.#besideKeepalive(encodeBackendMessage({ type: "CommandComplete", tag: "COPY 0" }));
        stream.cut();
        return undefined;
      case "cut":
        stream.cut();
        return undefined;
      case "error": {
        const { commands } = this.#played.server;
        const before = commands.length;
        await stream.fail({ sqlstate: "58P01", message: "requested WAL segment has already been removed" });
        const goesOn = await this.#until(() => stream.session.signal.aborted || commands.length > before);
        return goesOn
          ? undefined
          : "after an error of the server the client neither closes the connection nor sends a command";
      }
      default:
        return this.#violate(step.act);
    }
  }

  /** Ask for a reply. @returns the number of updates that came before */
  async #ask(): Promise<number> {
    const { length } = this.#stream.updates;
    await this.#stream.keepalive(this.#told, true);
    return length;
  }

  async #answered(before: number): Promise<string | undefined> {
    const isAnswered = await this.#until(() => this.#stream.updates.length > before);
    return isAnswered ? undefined : "a keepalive that asks for a reply is not answered by a StandbyStatusUpdate";
  }

  /** Send a message that is not of the stream, in place of a keepalive. */
  #besideKeepalive(bytes: Uint8Array): Promise<void> {
    this.#stream.breakAt({ type: "Keepalive" }, { type: "replace", bytes });
    return this.#stream.keepalive(this.#told);
  }

  async #data(bytes: number): Promise<void> {
    switch (this.kind) {
      case "WAL":
        return this.#send(new Uint8Array(bytes), this.#next, toLsn(this.#next + BigInt(bytes)));
      case "text": {
        const data = new TextEncoder().encode("x".repeat(Math.min(bytes, 1000)));
        return this.#send(data, this.#next, toLsn(this.#next + BigInt(data.length)));
      }
      case "pgoutput": {
        const begin = this.#begin();
        const { finalLsn: commitLsn, commitTime, xid } = begin;
        return this.#messages([
          { type: "Begin", ...begin },
          relation,
          { type: "Insert", relationId: relation.relationId, newTuple: TupleData.of([`${xid}`, "x".repeat(bytes)]) },
          { type: "Commit", commitLsn, endLsn: toLsn(commitLsn + 8n), commitTime },
        ]);
      }
    }
  }

  #begin() {
    const { commitTime, xid } = { commitTime: pgTimeFromDate(new Date()), xid: this.#xids() };
    return { finalLsn: toLsn(this.#next + 8n), commitTime, xid };
  }

  #xids(): number {
    const { xid } = this.#played;
    this.#played.xid += XIDS;
    return xid;
  }

  /** A whole stream. In its last transaction, before the changes, a reply is asked for: nothing of it may be confirmed. */
  async #changes(seed: number): Promise<string | undefined> {
    const { protocol, streaming, twoPhase, messages, binary } = this.#stream.options!;
    const stream = playedStream({
      ...{ protocol, streaming, twoPhase, messages, binary },
      ...{ lsn: this.#next, time: pgTimeFromDate(new Date()), xid: this.#xids() },
      server: this.#stream.session.version,
      table: this.#played.isForSubscription ? subscribedTable : undefined,
    });
    const [all] = fc.sample(stream, { seed: seed | 0, numRuns: 1 }) as [PgoutputMessage[]];
    const begun = all.findLastIndex(({ type }) => type === "Begin" || type === "BeginPrepare") + 1;
    await this.#messages(all.slice(0, begun));
    const problem = (await this.#answered(await this.#ask())) ?? this.#look();
    await this.#messages(all.slice(begun));
    this.#next = toLsn(this.#next + SPACE);
    return problem;
  }

  /** Messages of pgoutput. Each has the position of the server, which ends of transactions move. */
  async #messages(all: readonly PgoutputMessage[]): Promise<void> {
    for (const message of all) {
      this.#played.onSent?.(message);
      if (message.type === "Begin") this.#begun = message.finalLsn;
      if (message.type === "BeginPrepare") this.#begun = message.prepareLsn;
      await this.#send(encodePgoutputMessage(message), this.#next, endOf(message) ?? this.#next);
    }
  }

  async #send(data: Uint8Array, dataStart: Lsn, end: Lsn): Promise<void> {
    const at = this.kind === "pgoutput" ? end : dataStart;
    // What it may confirm is known before it can.
    this.#tell(end);
    this.#next = end;
    const sendTime = pgTimeFromDate(new Date());
    if (this.#pieces !== undefined) this.#stream.breakAt({ type: "XLogData" }, { type: "split", size: this.#pieces });
    this.#pieces = undefined;
    await this.#stream.send({ type: "XLogData", dataStart: at, walEnd: end, sendTime, data });
  }

  #tell(end: Lsn): void {
    if (end > this.#told) this.#told = end;
    if (this.kind !== "WAL" && end > this.#played.end) this.#played.end = end;
  }

  /** Break a rule: the client must close the connection. */
  async #violate(what: Violation): Promise<string | undefined> {
    const stream = this.#stream;
    try {
      if (isOfPgoutput(what)) {
        for (const data of messagesOf(what as PgoutputViolation, relation, this.#begin())) {
          await this.#send(data, this.#next, this.#next);
        }
      } else if (what === "gap" && this.kind === "WAL") {
        // WAL from eight bytes later.
        await this.#data(8);
        const skipped = toLsn(this.#next + 8n);
        const sendTime = pgTimeFromDate(new Date());
        await stream.send({
          type: "XLogData",
          dataStart: skipped,
          walEnd: skipped,
          sendTime,
          data: new Uint8Array(64),
        });
      } else await this.#besideKeepalive(framesOf(what));
    } catch (error) {
      // The client may be gone before all is sent.
      if (!(error instanceof ConnectionError)) throw error;
    }
    const isClosed = () => stream.session.signal.aborted;
    if (what === "letter" && this.kind !== "WAL" && !isClosed()) {
      // The worker of a subscription passes over letters that it does not know.
      const before = await this.#ask().catch(() => stream.updates.length);
      return (await this.#until(() => isClosed() || stream.updates.length > before))
        ? undefined
        : `the client neither closes the connection nor goes on after ${sayings.letter}`;
    }
    return (await this.#until(isClosed))
      ? undefined
      : `the client does not close the connection after ${sayings[what]}`;
  }

  /** Look at the status updates that have come. */
  #look(): string | undefined {
    for (; this.#seen < this.#stream.updates.length; this.#seen++) {
      const update = this.#stream.updates[this.#seen]!;
      for (const name of ["write", "flush", "apply"] as const) {
        if (update[name] <= this.#told || update[name] <= this.#begun) continue;
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
    const end = Date.now() + this.#played.timeout;
    while (!isIt()) {
      if (Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return true;
  }
}

/** Where a transaction ends by a message, or where a message is that belongs to none. */
function endOf(message: PgoutputMessage): Lsn | undefined {
  switch (message.type) {
    case "Message":
      return message.transactional ? undefined : message.lsn;
    case "Commit":
    case "Prepare":
    case "CommitPrepared":
    case "StreamCommit":
    case "StreamPrepare":
      return message.endLsn;
    case "RollbackPrepared":
      return message.rollbackEndLsn;
    default:
      return undefined;
  }
}
