/** What a session of `walwire fuzz impersonate` plays: a list of steps, from a seed or from a file. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { errnoWords } from "../../shared/file-error.ts";
import { InputError, UnseenError } from "../../shared/usage.ts";

/** What a client asked for: WAL, messages of pgoutput, or the text of another plugin. */
export type Kind = "WAL" | "pgoutput" | "text";

/** What breaks the protocol, in any stream: the client must close the connection, and must not confirm what came so. */
export const frameViolations = ["letter", "short", "type", "length"] as const;
/** What no stream of pgoutput has: a subscription of PostgreSQL rejects each. */
export const pgoutputViolations = ["tag", "torn", "marker", "column", "relation", "segment", "commit"] as const;
export type PgoutputViolation = (typeof pgoutputViolations)[number];
const violations = ["gap", ...frameViolations, ...pgoutputViolations] as const;
export type Violation = (typeof violations)[number];
/** How a stream ends: in order, by a server that shuts down, by an error, by a lost connection, or by a violation. */
const endings = ["end", "shutdown", "error", "cut", ...violations] as const;
type Ending = (typeof endings)[number];

/** A step of a script, which is an array of them. */
export type Act =
  | { readonly act: "data"; readonly bytes: number }
  /** A whole stream of pgoutput, as the client has asked for it. */
  | { readonly act: "changes"; readonly seed: number }
  | { readonly act: "keepalive"; readonly reply: boolean }
  /** The next data comes in pieces. */
  | { readonly act: "split"; readonly size: number }
  /** A keepalive whose position is behind what was told before; a warning; a parameter that has changed. */
  | { readonly act: "stale" | "notice" | "parameter" }
  | { readonly act: Ending };

export function isEnding(act: Act["act"] | undefined): act is Ending {
  return (endings as readonly (string | undefined)[]).includes(act);
}

export function isOfPgoutput(act: Act["act"]): boolean {
  return act === "changes" || (pgoutputViolations as readonly string[]).includes(act);
}

const data = fc.integer({ min: 1, max: 20_000 }).map((bytes): Act => ({ act: "data", bytes }));
const changes = fc.nat({ max: 0xffff_ffff }).map((seed): Act => ({ act: "changes", seed }));

function actsOf(kind: Kind): fc.Arbitrary<Act> {
  return fc.oneof(
    { weight: 3, arbitrary: kind === "pgoutput" ? fc.oneof(changes, changes, data) : data },
    { weight: 3, arbitrary: fc.constant<Act>({ act: "keepalive", reply: true }) },
    { weight: 1, arbitrary: fc.constant<Act>({ act: "keepalive", reply: false }) },
    { weight: 1, arbitrary: fc.constantFrom<Act>({ act: "stale" }, { act: "notice" }, { act: "parameter" }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }).map((size): Act => ({ act: "split", size })) },
  );
}

/**
 * The script of a session: every other one keeps the rules.
 *
 * @param isUnread Does the client pass on what is in messages of pgoutput? Then nothing in them is wrong.
 */
export function scriptOf(seed: number, n: number, kind: Kind, isUnread: boolean): readonly Act[] {
  // No server ends a stream of changes by CopyDone.
  const inOrder: readonly Ending[] = kind === "WAL" ? ["end", "shutdown"] : ["shutdown"];
  const others = endings.filter((each) => each !== "end" && each !== "shutdown" && (each !== "gap" || kind === "WAL"));
  const some = kind === "pgoutput" && !isUnread ? others : others.filter((each) => !isOfPgoutput(each));
  const ending = n % 2 === 0 ? fc.constantFrom(...inOrder) : fc.constantFrom(...some);
  const script = fc
    .tuple(fc.array(actsOf(kind), { maxLength: 6 }), ending)
    .map(([list, act]): Act[] => [...list, { act }]);
  return fc.sample(script, { seed: Math.imul(seed, 0x9e3779b1) + n, numRuns: 1 })[0]!;
}

/** The script of `--script`: JSON, or a file with it. @throws UnseenError, InputError */
export function readScript(given: string): readonly Act[] {
  const isText = given.trimStart().startsWith("[");
  const name = isText ? "the text" : given;
  let script: unknown;
  try {
    script = JSON.parse(isText ? given : readFileSync(given, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw new InputError(`--script: ${name} is not JSON`);
    throw new UnseenError(`--script: ${name}: ${errnoWords((error as Error).message)}`);
  }
  if (!Array.isArray(script) || !script.every(isAct)) {
    throw new InputError(`--script: ${name} is not a list such as [{"act":"data","bytes":100},{"act":"end"}]`);
  }
  return script;
}

function isAct(each: Record<string, unknown> | null): boolean {
  const { act, bytes, reply, seed, size } = each ?? {};
  const isWhole = (value: unknown, min: number, max: number): boolean =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
  switch (act) {
    case "data":
      return isWhole(bytes, 1, 100_000_000);
    case "changes":
      return isWhole(seed, 0, 0xffff_ffff);
    case "split":
      return isWhole(size, 1, 100_000_000);
    case "keepalive":
      return typeof reply === "boolean";
    case "stale":
    case "notice":
    case "parameter":
      return true;
    default:
      return isEnding(act as Act["act"] | undefined);
  }
}
