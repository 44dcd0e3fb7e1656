/**
 * Logs of state machines: `Recorder` writes what goes into them and what comes out, one JSON line per call, and `replay` makes the same
 * calls to fresh machines and compares.
 *
 * The machines have no clock and do no I/O, so a log is all there is to know. The first line of a machine has its number, its name and
 * the arguments of its constructor; each later line has the number, a call, its arguments, and what it returned or threw, and of a
 * connection the state after it:
 *
 *     {"machine":1,"new":"WalReceiver","args":[{"from":"idle"}]}
 *     {"machine":1,"call":"send","args":[{"type":"Query","query":"IDENTIFY_SYSTEM"}],"returned":{"binary":"\\x5100…"},"state":"busy"}
 *
 * Bytes are `{"binary":"\\x00ff"}`, bigints `{"bigint":"12"}`; what is undefined is left out.
 */
import { refuseArgument, WalwireError } from "../kernel/errors.ts";
import { checkOneOf, checkOptions, checkType, iterableOf } from "../kernel/options.ts";
import { formatPgTime, type PgTime } from "../kernel/time.ts";
import { isBytes, plainBytes } from "../wire/check.ts";
import { Feedback } from "./feedback.ts";
import { Keepalives } from "./keepalives.ts";
import { WalReceiver } from "./walreceiver.ts";
import { WalSender } from "./walsender.ts";

/** The state machines by name. */
export interface Machines {
  /** The client's end of a connection. */
  readonly WalReceiver: typeof WalReceiver;
  /** The server's end of a connection. */
  readonly WalSender: typeof WalSender;
  /** What a receiver owes its walsender. */
  readonly Feedback: typeof Feedback;
  /** What a walsender owes its receiver. */
  readonly Keepalives: typeof Keepalives;
}

const machines: Machines = { WalReceiver, WalSender, Feedback, Keepalives };

/** Their calls: each is a line. Getters say nothing that these do not. */
const calls: Readonly<Record<keyof Machines, readonly string[]>> = {
  WalReceiver: ["send", "receive", "next", "end"],
  WalSender: ["send", "receive", "next", "end"],
  Feedback: ["note", "flushed", "heard", "due", "update", "deadline"],
  Keepalives: ["advance", "shutDown", "note", "due", "deadline"],
};

/** Options of a Recorder. */
export interface RecorderOptions {
  /** Called with each line, without a line break. */
  readonly write: (line: string) => void;
  /** A clock: each line then has a `time`, which is for people; `replay` does not read it. */
  readonly clock?: (() => PgTime) | undefined;
}

/**
 * Records state machines, so that what they did can be repeated from the log.
 *
 * @example
 * const log = [];
 * const recorder = new Recorder({ write: (line) => log.push(line) });
 * const receiver = recorder.create("WalReceiver");
 * receiver.send({ type: "Query", query: "IDENTIFY_SYSTEM" });
 * log.length // 2
 * replay(log) // undefined
 */
export class Recorder {
  readonly #write: (line: string) => void;
  readonly #clock: (() => PgTime) | undefined;
  #count = 0;
  /** The lines of the calls under way: a machine may call back, as Feedback does, and lines are in the order in which calls begin. */
  #lines: object[] = [];
  #open = 0;

  /** @throws ArgumentError for an invalid option. */
  constructor(options: RecorderOptions) {
    checkOptions(options, ["write", "clock"]);
    const { write, clock } = options;
    if (typeof write !== "function") refuseArgument("options.write", "a function", write);
    checkType("options.clock", clock, "function");
    this.#write = write;
    this.#clock = clock;
  }

  /**
   * A new machine whose calls are recorded.
   *
   * @param name Such as "WalReceiver".
   * @param args The arguments of its constructor.
   * @throws ArgumentError for an unknown machine, and for what its constructor rejects. A call of the machine throws it, and does
   *   nothing else, for an argument that JSON cannot hold, such as a function.
   */
  create<N extends keyof Machines>(name: N, ...args: ConstructorParameters<Machines[N]>): InstanceType<Machines[N]> {
    checkOneOf("name", name, Object.keys(machines));
    const given = argsToJson(args);
    const machine = construct(name, args);
    const number = ++this.#count;
    this.#writeLine({ machine: number, new: name, args: given });
    const recorded = new Map(
      calls[name].map((call) => [
        call,
        (...values: unknown[]): unknown => {
          const outcome = this.#call(machine, { machine: number, call, args: argsToJson(values) }, values);
          if ("error" in outcome) throw outcome.error;
          return outcome.value;
        },
      ]),
    );
    return new Proxy(machine, {
      get: (target, property) => recorded.get(property as string) ?? Reflect.get(target, property, target),
    }) as InstanceType<Machines[N]>;
  }

  #call(
    machine: object,
    line: { readonly machine: number; readonly call: string; readonly args: unknown },
    args: readonly unknown[],
  ): Outcome {
    const at = this.#lines.push(line) - 1;
    this.#open++;
    try {
      const outcome = callOf(machine, line.call, args);
      this.#lines[at] = { ...line, ...outcome.said };
      return outcome;
    } finally {
      if (--this.#open === 0) for (const each of this.#lines.splice(0)) this.#writeLine(each);
    }
  }

  #writeLine(line: object): void {
    const time = this.#clock === undefined ? {} : { time: formatPgTime(this.#clock()) };
    this.#write(JSON.stringify({ ...time, ...line }));
  }
}

/** The first line of a log whose call did something else when it was repeated. */
export interface Divergence {
  /** The line, 1-based. */
  readonly line: number;
  /** What the log says that the call did, as JSON. */
  readonly logged: string;
  /** What it did now, as JSON. */
  readonly replayed: string;
}

/**
 * Make the calls of a log to fresh machines.
 *
 * @param lines The lines of a Recorder, in order; empty ones are passed over.
 * @returns the first call that did something else; undefined if all did what the log says.
 * @throws ArgumentError for a line that no Recorder writes, by its number.
 * @example replay(['{"machine":1,"new":"WalReceiver","args":[]}', '{"machine":1,"call":"next","args":[],"state":"busy"}'])?.line // 2
 */
export function replay(lines: Iterable<string>): Divergence | undefined {
  const all = new Map<number, { readonly name: keyof Machines; readonly machine: object }>();
  let number = 0;
  for (const text of iterableOf(lines) ?? refuseArgument("lines", "an iterable of strings", lines)) {
    const path = `lines[${number++}]`;
    if (text === "") continue;
    const line = parsed(text, path);
    const id = line.machine as number;
    const args = fromJson(line.args, `${path}.args`);
    if (!Array.isArray(args)) refuseArgument(`${path}.args`, "an array", args);
    if ("new" in line) {
      checkOneOf(`${path}.new`, line.new, Object.keys(machines));
      const name = line.new as keyof Machines;
      all.set(id, { name, machine: construct(name, args) });
      continue;
    }
    const { name, machine } = all.get(id) ?? refuseArgument(`${path}.machine`, "the number of a machine above", id);
    checkOneOf(`${path}.call`, line.call, calls[name]);
    const { returned, threw, state } = line;
    const logged = JSON.stringify({ returned, threw, state });
    const replayed = JSON.stringify(callOf(machine, line.call as string, args).said);
    if (logged !== replayed) return { line: number, logged, replayed };
  }
  return undefined;
}

function construct(name: keyof Machines, args: readonly unknown[]): object {
  return new (machines[name] as unknown as new (...args: readonly unknown[]) => object)(...args);
}

/** What a line says of a call. The order of its keys is that of each line. */
interface Said {
  readonly returned: unknown;
  readonly threw: unknown;
  readonly state: unknown;
}

type Outcome = { readonly said: Said } & ({ readonly value: unknown } | { readonly error: unknown });

function callOf(machine: object, call: string, args: readonly unknown[]): Outcome {
  const { [call]: method } = machine as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  const state = (): unknown => ("state" in machine ? machine.state : undefined);
  try {
    const value = method!.apply(machine, args as unknown[]);
    return { said: { returned: toJson(value, "returned"), threw: undefined, state: state() }, value };
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error;
    const { name, code, message } = error;
    return { said: { returned: undefined, threw: { name, code, message }, state: state() }, error };
  }
}

/** Messages are not deeper than this. */
const DEPTH = 8;

/** Arguments; those that are undefined at the end are left out. */
function argsToJson(args: readonly unknown[]): unknown {
  return toJson(args.slice(0, args.findLastIndex((each) => each !== undefined) + 1), "args");
}

function toJson(value: unknown, path: string, depth = 0): unknown {
  if (typeof value === "bigint" && BigInt.asIntN(128, value) === value) return { bigint: String(value) };
  if (isBytes(value)) return { binary: `\\x${Array.from(plainBytes(value), twoDigits).join("")}` };
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (Number.isFinite(value) || (value === undefined && depth === 0)) return value;
  if (typeof value === "object" && value !== null && depth < DEPTH) {
    if (Array.isArray(value)) return value.map((each, i) => toJson(each, `${path}[${i}]`, depth + 1));
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    if (!isTagged(entries)) {
      return Object.fromEntries(entries.map(([key, each]) => [key, toJson(each, `${path}.${key}`, depth + 1)]));
    }
  }
  return refuseArgument(path, "a value that a log can hold", value);
}

function twoDigits(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function isTagged(entries: readonly (readonly [string, unknown])[]): boolean {
  return entries.length === 1 && (entries[0]![0] === "bigint" || entries[0]![0] === "binary");
}

function parsed(text: string, path: string): Readonly<Record<string, unknown>> {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    // Not a string, or not JSON.
  }
  if (typeof line !== "object" || line === null) refuseArgument(path, "a line of a Recorder", text);
  return line as Readonly<Record<string, unknown>>;
}

function fromJson(value: unknown, path: string, depth = 0): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH) refuseArgument(path, "a value of a Recorder", value);
  if (Array.isArray(value)) return value.map((each, i) => fromJson(each, `${path}[${i}]`, depth + 1));
  const entries = Object.entries(value);
  if (isTagged(entries)) {
    const [[key, tagged]] = entries as [[string, unknown]];
    if (key === "bigint" && typeof tagged === "string" && /^-?\d{1,40}$/.test(tagged)) return BigInt(tagged);
    const digits = typeof tagged === "string" && /^\\x(?:[\da-f]{2})*$/.test(tagged) ? tagged.slice(2) : undefined;
    if (key === "bigint" || digits === undefined) refuseArgument(`${path}.${key}`, "digits", tagged);
    return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
      Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
    );
  }
  return Object.fromEntries(entries.map(([key, each]) => [key, fromJson(each, `${path}.${key}`, depth + 1)]));
}
