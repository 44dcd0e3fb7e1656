/** `walwire fuzz attack`: sessions with a server, each also with a server of ours that plays the same version of PostgreSQL. */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { checkTestDecoding } from "../../../../arbitraries/test-decoding.ts";
import { ServerError } from "../../../../kernel/errors.ts";
import { toLsn } from "../../../../kernel/lsn.ts";
import { formatServerVersion, serverVersionNum } from "../../../../kernel/version.ts";
import { counted } from "../../../../kernel/words.ts";
import { sessionCapabilities } from "../../../../session/capabilities.ts";
import { isLoopback } from "../../../loopback.ts";
import { makeDirectories } from "../../../make-directories.ts";
import { listen, type WalsenderHandlers, type WalsenderServer } from "../../../server/index.ts";
import { errnoWords } from "../../shared/file-error.ts";
import { urlOf } from "../../shared/input.ts";
import { onInterrupt } from "../../shared/interrupt.ts";
import { ProgressLine } from "../../shared/output.ts";
import { Page, printable } from "../../shared/people.ts";
import { type Status, status } from "../../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../../shared/usage.ts";
import type { FuzzCall } from "../declaration.ts";
import { compare, type Problem } from "./compare.ts";
import { Coverage } from "./coverage.ts";
import { attackSession, plugins, streamOf } from "./sessions.ts";
import { type Session, sessionJson, sessionOf, shownSession } from "./steps.ts";
import { type Address, isOfServer, open, type Parameters, talk } from "./talk.ts";

/** Sessions that come from one seed: those that are left of them when the time is over are made, but not had. */
const ROUND = 50;
/** Sessions that a finding may take to become small. */
const SHRINKS = 100;
/** The same where each takes a time limit. */
const SILENT_SHRINKS = 10;
/** A silence is looked for after this part of the time limit, and then once more. */
const QUICK = 10;

/** A finding: the smallest session that shows it. */
interface Finding {
  readonly problem: Problem;
  readonly session: Session;
  /** As --replay takes it. */
  readonly replay: string;
}

export async function attack(call: FuzzCall, seedOf: () => number): Promise<Status> {
  const { argument, options } = call;
  if (argument === undefined) throw new UsageError("missing URL: walwire fuzz attack postgres://user@host/database");
  const address = addressOf(urlOf(argument), options.iOwnThisHost);
  const attacker = await Attacker.start(address, options.timeout);
  try {
    return options.replay === undefined
      ? await run(attacker, call, seedOf())
      : await replay(attacker, call, options.replay);
  } finally {
    await attacker.close();
  }
}

async function run(attacker: Attacker, call: FuzzCall, seed: number): Promise<Status> {
  const { options } = call;
  const page = new Page(process.stdout);
  const progress = new ProgressLine(process.stderr.isTTY === true);
  const deadline = Date.now() + options.time * 1000;
  let isStopped = false;
  const forget = onInterrupt(() => {
    isStopped = true;
  });
  const findings: Finding[] = [];
  attacker.onSession = () => {
    if (attacker.sessions % 16 === 0) {
      progress.show(`${attacker.sessions} sessions, ${counted(findings.length, "finding")}, seed ${seed} `);
    }
  };
  const isOver = (): boolean => isStopped || Date.now() > deadline;
  for (
    let left = options.count ?? Infinity, round = 0;
    left > 0 && !isOver() && findings.length < options.findings;
    round++
  ) {
    const count = Math.min(left, ROUND);
    left -= count;
    const finding = await attacker.search({ seed: (seed + round) >>> 0, count, known: findings, isOver });
    if (finding === undefined) continue;
    findings.push(finding);
    progress.clear();
    if (options.jsonl) process.stdout.write(`${JSON.stringify(findingJson(finding))}\n`);
    else say(page, finding, findings.length, `walwire fuzz attack ${call.argument} --replay ${finding.replay}`);
    if (options.save !== undefined) save(options.save, findings.length, finding);
    if (!(await attacker.isUp())) {
      page.mark("bad", "the server takes no connections any more: the last session may have crashed it");
      break;
    }
  }
  forget();
  progress.clear();
  if (options.jsonl) {
    const { sessions, coverage, version } = attacker;
    process.stdout.write(
      `${JSON.stringify({ seed, server: version, sessions, findings: findings.length, coverage })}\n`,
    );
  } else {
    if (options.coverage) attacker.coverage.say(page);
    page.line();
    page.mark(
      findings.length === 0 ? "good" : "bad",
      `${counted(attacker.sessions, "session")} as PostgreSQL ${formatServerVersion(attacker.version)}, ${counted(findings.length, "finding")}, seed ${seed}`,
    );
  }
  return findings.length === 0 ? status.good : status.bad;
}

async function replay(attacker: Attacker, call: FuzzCall, what: string): Promise<Status> {
  const page = new Page(process.stdout);
  const match = /^(\d{1,10}):(\d+(?::\d+)*)$/.exec(what);
  const session = match === null ? sessionFrom(what) : attacker.at(Number(match[1]), match[2]!);
  const problem = await attacker.try(session);
  if (call.options.jsonl) {
    const finding = problem && findingJson({ problem, session, replay: what });
    process.stdout.write(`${JSON.stringify(finding ?? { ok: true, session: sessionJson(session) })}\n`);
  } else if (problem !== undefined) say(page, { problem, session, replay: what }, 1, undefined);
  else {
    for (const line of shownSession(session)) page.line(`  ${printable(line)}`);
    page.mark("good", "the server says what PostgreSQL says");
  }
  return problem === undefined ? status.good : status.bad;
}

/** @throws UnseenError, InputError */
function sessionFrom(path: string): Session {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UnseenError(`--replay: ${path}: ${errnoWords((error as Error).message)}`);
  }
  try {
    return sessionOf(JSON.parse(text).session, path);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path} is not a finding that --save wrote`);
  }
}

function findingJson({ problem, session, replay }: Finding): object {
  return { ok: false, ...problem, replay, session: sessionJson(session) };
}

function say(page: Page, { problem, session }: Finding, n: number, again: string | undefined): void {
  page.mark("bad", `${n}. ${printable(problem.sentence)}`);
  for (const line of shownSession(session)) page.line(`    ${printable(line)}`);
  if (problem.expected !== undefined) page.line(`  expected ${printable(problem.expected)}`);
  if (problem.got !== undefined) page.line(`  got      ${printable(problem.got)}`);
  if (again !== undefined) page.line(page.style("dim", `  ${again}`));
  page.line();
}

/** @throws UnseenError */
function save(directory: string, n: number, finding: Finding): void {
  try {
    makeDirectories(directory);
    writeFileSync(join(directory, `finding-${n}.json`), `${JSON.stringify(findingJson(finding), undefined, 2)}\n`);
  } catch (error) {
    throw new UnseenError(`--save: ${directory}: ${errnoWords((error as Error).message)}`);
  }
}

/** @throws UsageError for a server of another machine, unless that is allowed. */
function addressOf(url: string, isOwn: boolean): Address {
  const { hostname, port, searchParams } = new URL(url);
  const host = searchParams.get("host") ?? (decodeURIComponent(hostname).replace(/^\[|\]$/g, "") || "127.0.0.1");
  const number = Number(port || searchParams.get("port") || 5432);
  if (host.startsWith("/")) return { url, target: { path: `${host}/.s.PGSQL.${number}` } };
  if (!isLoopback(host) && !isOwn) {
    throw new UsageError(
      `${host} is another machine: attack only servers of your own, and then with --i-own-this-host`,
    );
  }
  return { url, target: { host, port: number } };
}

/** What to search. */
interface Search {
  readonly seed: number;
  readonly count: number;
  /** Findings that are passed over. */
  readonly known: readonly Finding[];
  readonly isOver: () => boolean;
}

/** The server under attack, and the one of ours that says what it should say. */
export class Attacker {
  readonly version: number;
  readonly coverage: Coverage;
  sessions = 0;
  onSession: () => void = () => {};
  readonly #address: Address;
  readonly #timeout: number;
  readonly #reference: WalsenderServer;
  readonly #referenceAddress: Address;

  private constructor(address: Address, timeout: number, version: number, reference: WalsenderServer) {
    this.version = version;
    this.coverage = new Coverage(version);
    this.#address = address;
    this.#timeout = timeout;
    this.#reference = reference;
    const { port } = reference.address;
    const { username, pathname } = new URL(address.url);
    this.#referenceAddress = {
      url: `postgres://${username || "postgres"}@127.0.0.1:${port}${pathname}`,
      target: { host: "127.0.0.1", port: port! },
    };
  }

  /** @throws as `logIn`, if the server cannot be reached; UsageError for a version that has no judge. */
  static async start(address: Address, timeout: number): Promise<Attacker> {
    const { socket, parameters } = await open(address, "database", timeout);
    socket.destroy();
    const version = serverVersionNum(parameters.get("server_version") ?? "");
    if (!sessionCapabilities.supports(version, "scram")) {
      throw new UsageError(`the server is PostgreSQL ${formatServerVersion(version)}: expected 10 or later`);
    }
    return new Attacker(address, timeout, version, await listen(referenceOptions(version, parameters)));
  }

  close(): Promise<void> {
    return this.#reference.close({ immediate: true });
  }

  /** The session of a seed and a path. */
  at(seed: number, path: string): Session {
    const found = fc.check(
      fc.property(this.#sessions(), () => false),
      { seed: seed | 0, path, endOnFailure: true, numRuns: 1 },
    );
    return (found.counterexample as [Session])[0];
  }

  /** Does the server still take connections? */
  async isUp(): Promise<boolean> {
    // A server that starts again after a crash has its time.
    for (const end = Date.now() + this.#timeout; ; ) {
      try {
        (await open(this.#address, "database", this.#timeout)).socket.destroy();
        return true;
      } catch (error) {
        if (!isOfServer(error)) throw error;
        if (Date.now() > end) return false;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /**
   * Have a session with both.
   *
   * @param isPatient Is a silence one only after the whole time limit? Else a tenth of it is enough.
   * @returns what the server does otherwise
   */
  async try(session: Session, isPatient = true): Promise<Problem | undefined> {
    this.sessions++;
    this.onSession();
    const quick = this.#timeout / QUICK;
    const problem = await this.#tryOnce(session, quick);
    return isPatient && problem?.isSilence ? this.#tryOnce(session, this.#timeout) : problem;
  }

  async #tryOnce(session: Session, timeout: number): Promise<Problem | undefined> {
    const slotname = `walwire_fuzz_${randomUUID().replaceAll("-", "_")}`;
    const expected = await talk(this.#referenceAddress, session, this.#timeout, slotname);
    try {
      const got = await talk(this.#address, session, timeout, slotname);
      this.coverage.note(session, got);
      return compare(got, expected, { server: this.version, stream: streamOf(session, this.version) });
    } catch (error) {
      if (!isOfServer(error)) throw error;
      // Connections of sessions that have just ended may still count.
      if (error instanceof ServerError && error.sqlstate === "53300") return undefined;
      const sentence = `the server does not let a client log in: ${error.message}`;
      return { sentence, signature: "login", isSilence: false, expected: undefined, got: undefined };
    }
  }

  /** Have sessions until one has a finding that is not known, and make it small. */
  async search({ seed, count, known, isOver }: Search): Promise<Finding | undefined> {
    const signatures = new Set(known.map(({ problem }) => problem.signature));
    const found: { readonly problem: Problem; readonly session: Session }[] = [];
    let shrinks = 0;
    const result = await fc.check(
      fc.asyncProperty(this.#sessions(), async (session) => {
        const first = found[0]?.problem;
        if (isOver() || (first !== undefined && ++shrinks > (first.isSilence ? SILENT_SHRINKS : SHRINKS))) return;
        const problem = await this.try(session, !first?.isSilence);
        if (problem === undefined || signatures.has(problem.signature)) return;
        // What is made smaller must stay the same finding.
        if (first !== undefined && first.signature !== problem.signature) return;
        found.push({ problem, session });
        throw new Error(problem.sentence);
      }),
      { seed: seed | 0, numRuns: count },
    );
    const smallest = found.at(-1);
    if (smallest === undefined) {
      // A fault of ours is not a finding, and not the absence of one.
      if (result.failed) throw result.errorInstance;
      return undefined;
    }
    const replay = `${result.seed >>> 0}:${result.counterexamplePath}`;
    // A silence that was short is not one.
    if (smallest.problem.isSilence && (await this.try(smallest.session)) === undefined) return { ...found[0]!, replay };
    return { ...smallest, replay };
  }

  #sessions(): fc.Arbitrary<Session> {
    return attackSession(this.version, { startup: !/[?&]ssl/.test(this.#address.url) });
  }
}

/** Where the streams of the reference begin. */
const POSITION = toLsn(0x1000000n);

const slotError = (sqlstate: string, message: string): ServerError =>
  new ServerError({ severity: "ERROR", sqlstate, message });

/** Answers as PostgreSQL's in the sessions of an attack. */
export function referenceHandlers(): WalsenderHandlers {
  /** The plugins of slots. */
  const slots = new Map<string, string>();
  return {
    createSlot: ({ slotname, plugin = "" }, { snapshot, failover }, { session }) => {
      // An error takes the temporary slots of the session.
      const isThere = slots.delete(slotname);
      if (failover) throw slotError("0A000", "cannot enable failover for a temporary replication slot");
      if (isThere) throw slotError("42710", `replication slot "${slotname}" already exists`);
      if (!plugins.includes(plugin))
        throw slotError("58P01", `could not access file "${plugin}": No such file or directory`);
      slots.set(slotname, plugin);
      session.signal.addEventListener("abort", () => slots.delete(slotname));
      const snapshot_name = snapshot === "export" ? "00000003-00000001-1" : undefined;
      return { slot_name: slotname, consistent_point: POSITION, snapshot_name, output_plugin: plugin };
    },
    dropSlot: ({ slotname }) => {
      if (!slots.delete(slotname)) throw slotError("42704", `replication slot "${slotname}" does not exist`);
    },
    plugin: (slotname) => {
      const plugin = slots.get(slotname);
      // What is wrong with the options takes it, too.
      slots.delete(slotname);
      return plugin;
    },
    startLogical: async (command, options, stream) => {
      if (options === undefined) checkTestDecoding(command, stream.session.version);
      stream.caughtUp(POSITION);
      while ((await stream.nextFeedback()) !== undefined);
      slots.set(command.slotname!, options === undefined ? "test_decoding" : "pgoutput");
    },
    identifySystem: () => ({ systemid: 7_000_000_000_000_000_001n, timeline: 1, xlogpos: POSITION }),
    startPhysical: async ({ slotname }, stream) => {
      if (slotname !== undefined) {
        const message = `replication slot "${slotname}" does not exist`;
        throw new ServerError({ severity: "ERROR", sqlstate: "42704", message });
      }
      stream.caughtUp(POSITION);
      while ((await stream.nextFeedback()) !== undefined);
    },
  };
}

function referenceOptions(version: number, parameters: Parameters) {
  return {
    server: version,
    parameters: Object.fromEntries([...parameters].filter(([name]) => name !== "application_name")),
    limits: { connections: 1000 },
    handlers: referenceHandlers(),
  };
}
