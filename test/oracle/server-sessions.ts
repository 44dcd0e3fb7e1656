/**
 * Random sessions: the same bytes to PostgreSQL and to a server of ours that plays its version, and the first message that differs.
 *
 * Sessions do no harm: a command that would make, change or stream something, or that a server answers by what only it knows, is left out.
 */
import fc from "fast-check";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { judgeCommand } from "../../src/command/judge.ts";
import { ServerError, type WalsenderHandlers } from "../../src/node/server/index.ts";
import { sessionCapabilities } from "../../src/session/capabilities.ts";
import { readStartup } from "../../src/session/server/startup.ts";
import { MAX_ALLOC_SIZE } from "../../src/wire/check.ts";
import { damage } from "../fuzz/damage.ts";
import type { Server } from "../servers/index.ts";
import { empty, frame, messagesOf, ourServer, query, startup, talk } from "../session/server-talk.ts";

/** One session: what the client sends, readable and as bytes. */
export interface Session {
  readonly shown: string;
  readonly bytes: Buffer;
}

/** The messages of both sides, where they differ. */
export interface Disagreement {
  readonly shown: string;
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

const shownOf = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString("latin1"));

/** Commands that a server answers in the same way whatever it holds, and that change nothing. */
function isHarmless(text: string, server: number, database: boolean): boolean {
  // Whether summarize_wal is on, and which libraries it is built with, only the server knows.
  if (/incremental|zstd|lz4/i.test(text)) return false;
  // Without a database a server cuts names in the middle of a character: it knows no encoding. Parsers here take UTF-8.
  if (!database && /[^\x00-\x7f]/.test(text)) return false;
  const verdict = judgeCommand(text, { server, database });
  // What is SQL is for PostgreSQL's own parser.
  if (verdict.type === "sql") return /^[ \t\n\r\f;]*$/.test(text);
  if (verdict.type === "refused") return true;
  return verdict.command.type === "IdentifySystemCmd";
}

const fixed = [
  ...["IDENTIFY_SYSTEM", "SHOW server_version", "SHOW Server_Version_Num", "SHOW DATESTYLE", "SHOW nope", "SHOW a.b"],
  ...["TIMELINE_HISTORY 77", "DROP_REPLICATION_SLOT nope", "DROP_REPLICATION_SLOT nope WAIT", "", " ; "],
  ...["START_REPLICATION SLOT nope 0/1000000", `DROP_REPLICATION_SLOT ${"x".repeat(70)}`],
  "START_REPLICATION SLOT nope LOGICAL 0/0 (proto_version '1', publication_names 'a')",
];
const inDatabase = ["BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION READ ONLY", "END", "ABORT"];

const messageTypes = "dcfPBDECFHS";

/** Sessions with a server of this version. */
export function session(server: number): fc.Arbitrary<Session> {
  return partsOf(server).map(sessionOf);
}

/**
 * The same, with one to three of the messages damaged as fuzzing does, startup packets too. What a damaged command does no one knows, so
 * it must be harmless as the others are.
 */
export function damagedSession(server: number): fc.Arbitrary<Session> {
  return fc
    .tuple(partsOf(server), fc.array(fc.nat(), { minLength: 1, maxLength: 3 }))
    .map(([parts, numbers]) => {
      const damaged = [...parts];
      for (const number of numbers) {
        // Most of the time not the startup packet, after which nothing may come.
        const which = number % 8 === 0 ? 0 : number % parts.length;
        damaged[which] = Buffer.from(damage([damaged[which]!, ...parts.slice(1)], 1, number));
      }
      return sessionOf(damaged);
    })
    .filter(({ bytes }) => isComparable(bytes, server));
}

const sessionOf = (parts: readonly Buffer[]): Session => ({
  shown: parts.map(shownOf).join("\n  "),
  bytes: Buffer.concat(parts),
});

/** Whether the login is one that both servers know, or none; and each command harmless. */
function isComparable(bytes: Buffer, server: number): boolean {
  if (bytes.length < 8) return true;
  const length = bytes.readUInt32BE(0);
  if (length < 8 || length > 10_000 || length > bytes.length) return true;
  const has = sessionCapabilities.of(server);
  // Protocol 2, which walwire does not speak.
  if (bytes.readUInt16BE(4) === 2 && !has.protocolTwoIsGone) return false;
  const verdict = readStartup(bytes.subarray(4, length), { server });
  if (verdict.type !== "session") return verdict.type !== "GSSENCRequest" && verdict.type !== "SSLRequest";
  const { user, database, replication, parameters, options } = verdict.session;
  if (user !== "postgres" || !["", "postgres"].includes(database) || replication === "false") return false;
  if (parameters.size > 0 || options !== "") return false;
  for (let at = length; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    // Before 14 a server tries to get memory for it, says that it cannot, and reads it all.
    if (end > MAX_ALLOC_SIZE && !has.shortMessagesAreLimited) return false;
    if (end < at + 5 || end > bytes.length) break;
    const nul = bytes.indexOf(0, at + 5);
    const isText = bytes[at] === 0x51 && nul >= 0 && nul < end;
    if (isText && !isHarmless(bytes.toString("utf8", at + 5, nul), server, replication === "database")) return false;
    at = end;
  }
  return true;
}

function partsOf(server: number): fc.Arbitrary<readonly Buffer[]> {
  return fc.boolean().chain((database) => {
    const login: Record<string, string> = database
      ? { user: "postgres", database: "postgres", replication: "database" }
      : { user: "postgres", replication: "true" };
    const texts = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...fixed, ...(database ? inDatabase : ["SELECT 1", "BEGIN"])) },
      { weight: 2, arbitrary: commandText({ server }).filter((text) => isHarmless(text, server, database)) },
      { weight: 2, arbitrary: checkedCommand(server).filter((text) => isHarmless(text, server, database)) },
    );
    const message = fc.oneof(
      { weight: 6, arbitrary: texts.filter((text) => !text.includes("\0")).map((text) => query(text)) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom(...messageTypes), fc.uint8Array({ maxLength: 6 }))
          .map(([type, body]) => frame(type, body)),
      },
      { weight: 2, arbitrary: fc.constantFrom(...messageTypes).map((type) => empty(type)) },
      {
        weight: 1,
        arbitrary: fc.constantFrom("", "A", "SHOW a", "SHOW a\0b").map((text) => frame("Q", Buffer.from(text))),
      },
    );
    // At the end perhaps something after which nothing is read.
    const last = fc.oneof(
      { weight: 4, arbitrary: fc.constant(Buffer.alloc(0)) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom("X", "p", "!", "\x00", "é")
          .map((type) => Buffer.concat([Buffer.from(type, "latin1"), Buffer.of(0, 0, 0, 4)])),
      },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom("51000000", "5100000003", "5100000020414141", "53")
          .map((digits) => Buffer.from(digits, "hex")),
      },
    );
    return fc
      .tuple(fc.array(message, { maxLength: 8 }), last, fc.constantFrom(0x30000, 0x30000, 0x30001, 0x30002, 0x31234))
      .map(([messages, end, version]) => [startup(login, version), ...messages, end]);
  });
}

const handlers: WalsenderHandlers = {
  startPhysical: ({ slotname }) => {
    throw new ServerError({
      severity: "ERROR",
      sqlstate: "42704",
      message: `replication slot "${slotname}" does not exist`,
    });
  },
  plugin: () => undefined,
};

/** A server of ours that plays this one; it ends with the test. @returns what compares one session */
export async function sessions(live: Server): Promise<(of: Session) => Promise<Disagreement | undefined>> {
  const { path } = await ourServer({
    server: live.versionNum,
    databases: ["postgres"],
    parameters: { is_superuser: "on" },
    limits: { connections: 100 },
    handlers,
  });
  return async ({ shown, bytes }) => {
    const [theirs, ours] = await Promise.all([
      talk(`${live.host}/.s.PGSQL.${live.port}`, [bytes]).then(messagesOf),
      talk(path, [bytes]).then(messagesOf),
    ]);
    return JSON.stringify(ours) === JSON.stringify(theirs) ? undefined : { shown, ours, theirs };
  };
}
