/** Compares what a server said with what PostgreSQL says: the first difference, in words that name it. */
import type { PGOutputOptions } from "../../../../command/check.ts";
import { decodeWalSenderMessage } from "../../../../generated/physical.ts";
import { DecodeError, WalwireError } from "../../../../kernel/errors.ts";
import { formatLsn, parseLsn } from "../../../../kernel/lsn.ts";
import { endOfWal } from "../../../../kernel/wal-end.ts";
import { PgoutputDecoder } from "../../../../logical/decoder.ts";
import { physicalContext } from "../../../../physical/context.ts";
import type { BackendMessage, ServerFields } from "../../../../session/messages.ts";
import { quoteText } from "../../../../wire/trace.ts";
import type { Transcript } from "./talk.ts";

/** A difference. */
export interface Problem {
  /** A sentence. */
  readonly sentence: string;
  /** The same for sessions that differ in names and numbers only. */
  readonly signature: string;
  /** Something does not come: perhaps later it would. */
  readonly isSilence: boolean;
  readonly expected: string | undefined;
  readonly got: string | undefined;
}

/**
 * Errors that depend on settings, on privileges and on what else runs, which nobody can foresee: wal_level, the number of slots, roles, a
 * server that is a standby.
 */
const decidedBySettings: ReadonlySet<string> = new Set(["55000", "53400", "53300", "42501", "57P03", "25006"]);

const fieldNames = { V: "severity", C: "SQLSTATE", M: "message", D: "detail", H: "hint", P: "position" } as const;

function isDecidedElsewhere({ C = "", M = "" }: ServerFields): boolean {
  // That a publication does not exist is found when there is a change to send.
  return decidedBySettings.has(C) || /^publication ".*" does not exist$/.test(M);
}

/** A stream of pgoutput, as it was asked for. */
export type LogicalStream = Pick<PGOutputOptions, "protocol" | "streaming"> | "text";

/** @returns undefined if the server said what PostgreSQL says, or what its settings decide. */
export function compare(
  got: Transcript,
  expected: Transcript,
  { server, stream }: { readonly server: number; readonly stream: LogicalStream | undefined },
): Problem | undefined {
  const wrong = (): Problem | undefined => streamProblem(got, server, stream);
  const [ours, theirs] = [expected, got].map(({ messages }) => messages.filter(({ type }) => type !== "CopyData"));
  for (let i = 0; i < Math.max(ours!.length, theirs!.length); i++) {
    const [want, is] = [ours![i], theirs![i]];
    if (is?.type === "ErrorResponse" && isDecidedElsewhere(is.fields)) return undefined;
    if (is === undefined && got.isHeldUp) return undefined;
    const problem = is === undefined || want === undefined ? undefined : differenceOf(is, want);
    if (problem !== undefined) return problem;
    if (want === undefined) {
      // The server may be about to say something wrong about a stream: that is the better sentence.
      return (
        wrong() ??
        said(`the server says ${shown(is!)} where it should say nothing more`, `more ${is!.type}`, undefined, is)
      );
    }
    if (is === undefined) return wrong() ?? missing(got, want);
  }
  const problem = wrong();
  if (problem !== undefined) return problem;
  if (got.ending === expected.ending && got.missing === expected.missing && got.garbled === expected.garbled)
    return undefined;
  return missing(got, undefined, expected);
}

/** What has not come. */
function missing(got: Transcript, want: BackendMessage | undefined, expected?: Transcript): Problem {
  const inStream = got.missing === "Keepalive" ? got.missing : undefined;
  const what = inStream ?? (want && shown(want)) ?? got.missing ?? expected?.missing ?? "the end of the connection";
  const kind = inStream ?? want?.type ?? got.missing ?? "end";
  switch (got.ending) {
    case "garbled":
      return said(`what the server says cannot be read: ${got.garbled}`, `garbled ${generic(got.garbled ?? "")}`, want);
    case "endless":
      return said(`the server says too much, expected ${what}`, `endless ${kind}`, want);
    case "silent":
      return said(`the server is silent, expected ${what}`, `silent ${kind}`, want);
    case "closed":
      return said(`the server closes the connection, expected ${what}`, `closed ${kind}`, want);
  }
}

function said(sentence: string, signature: string, expected?: BackendMessage, got?: BackendMessage): Problem {
  return {
    sentence,
    signature,
    isSilence: signature.startsWith("silent "),
    expected: expected && shown(expected),
    got: got && shown(got),
  };
}

/** How two messages differ; undefined if they do not, as far as servers may not differ. */
function differenceOf(is: BackendMessage, want: BackendMessage): Problem | undefined {
  const differ = (field: string, one: string, other: string): Problem =>
    said(
      `${is.type}: the ${field} is ${one}, expected ${other}`,
      `${is.type} ${field} ${generic(one)} ${generic(other)}`,
      want,
      is,
    );
  if (is.type !== want.type) {
    const detail = (message: BackendMessage): string =>
      generic("fields" in message ? `${message.fields.C} ${message.fields.M}` : "");
    return said(
      `the server says ${shown(is)}, expected ${shown(want)}`,
      `${is.type} ${detail(is)} for ${want.type} ${detail(want)}`,
      want,
      is,
    );
  }
  if ((is.type === "ErrorResponse" || is.type === "NoticeResponse") && "fields" in want) {
    // Words in another language cannot be compared.
    const isEnglish = is.fields.S === is.fields.V;
    for (const [letter, name] of Object.entries(fieldNames)) {
      if (!isEnglish && "MDH".includes(letter)) continue;
      const [one, other] = [fieldOf(is.fields, letter), fieldOf(want.fields, letter)];
      if (one !== other) return differ(name, one ?? "missing", other ?? "missing");
    }
    return undefined;
  }
  if (is.type === "DataRow" && want.type === "DataRow") {
    if (is.values.length !== want.values.length)
      return differ("number of values", `${is.values.length}`, `${want.values.length}`);
    for (const [i, value] of is.values.entries()) {
      const [one, other] = [value, want.values[i]!].map(formOf);
      if (one !== other) return differ(`value of column ${i + 1}`, one!, other!);
    }
    return undefined;
  }
  if (is.type === "BackendKeyData" || is.type === "ParameterStatus") return undefined;
  const [one, other] = [is, want].map(shown);
  return one === other
    ? undefined
    : said(`the server says ${one}, expected ${other}`, `${generic(one!)} for ${generic(other!)}`, want, is);
}

function fieldOf(fields: ServerFields, letter: string): string | undefined {
  return fields[letter]?.replace(/\b[0-9A-F]+\/[0-9A-F]+$/, "0/0");
}

/** What a value looks like, where its value is the server's own: a number of 64 bits, a position, a version. */
function formOf(value: string | null): string {
  if (value === null) return "NULL";
  if (/^\d{15,20}$/.test(value)) return "a system identifier";
  if (/^[\dA-F]{8}-[\dA-F]{8}-\d+$/.test(value)) return "a snapshot";
  if (/^[\dA-F]{1,8}\/[\dA-F]{1,8}$/.test(value)) return "a position";
  if (/^\d{1,10}$/.test(value)) return "a number";
  return quoteText(value);
}

/** Without names and numbers. */
function generic(text: string): string {
  return text.replace(/"[^"]*"/g, '"…"').replace(/\b\d+\b/g, "N");
}

/** A message in a line. */
export function shown(message: BackendMessage): string {
  switch (message.type) {
    case "ErrorResponse":
    case "NoticeResponse": {
      const { V, C, M, D, H } = message.fields;
      const more = [D && `DETAIL: ${D}`, H && `HINT: ${H}`].filter(Boolean).join(" ");
      return `${message.type} ${V} ${C} ${quoteText(M ?? "", 300)}${more && ` ${quoteText(more, 300)}`}`;
    }
    case "CopyData":
      return `CopyData of ${message.data.length} bytes`;
    default: {
      const { type, ...fields } = message;
      const all = Object.values(fields).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
      return [type, ...all].join(" ").slice(0, 300);
    }
  }
}

/** What is wrong with the messages inside a stream: their form, their positions, their place. */
function streamProblem(
  { messages, start }: Transcript,
  server: number,
  stream: LogicalStream | undefined,
): Problem | undefined {
  let isOpen = false;
  let isDone = false;
  const decoder = stream === undefined || stream === "text" ? undefined : new PgoutputDecoder(stream);
  /** Where the next WAL begins, and the ends that were told. */
  let next = start === undefined ? undefined : parseLsn(start.lsn);
  const ends = { XLogData: 0n, Keepalive: 0n };
  for (const message of messages) {
    if (message.type === "CopyBothResponse") isOpen = true;
    if (message.type === "CopyDone" || message.type === "ErrorResponse") isOpen = false;
    isDone = message.type === "CopyDone" || (isDone && message.type === "CopyData");
    if (message.type !== "CopyData") continue;
    const outside = said("the server sends CopyData outside of a stream", "CopyData outside");
    if (!isOpen && !isDone) return outside;
    try {
      const inside = decodeWalSenderMessage(message.data, physicalContext(server));
      // Servers tell the position of a stream of changes once more after CopyDone. @source walsender.c: WalSndWaitForWal
      if (!isOpen && (stream === undefined || inside.type !== "Keepalive")) return outside;
      if (inside.type === "PrimaryStatusUpdate")
        return said("the server sends PrimaryStatusUpdate unasked", "PrimaryStatusUpdate");
      if (stream !== undefined && inside.type === "XLogData") {
        // Changes are sent when their transaction ends: their positions go back.
        decoder?.decode(inside.data);
        continue;
      }
      const before = ends[inside.type];
      if (inside.walEnd < before) {
        return said(
          `${inside.type}.walEnd goes back from ${formatLsn(before as never)} to ${formatLsn(inside.walEnd)}`,
          `${inside.type}.walEnd back`,
        );
      }
      ends[inside.type] = inside.walEnd;
      if (inside.type !== "XLogData") continue;
      if (next !== undefined && inside.dataStart !== next) {
        return said(
          `XLogData.dataStart is ${formatLsn(inside.dataStart)}, expected ${formatLsn(next)}`,
          "XLogData.dataStart",
        );
      }
      next = endOfWal(inside.dataStart, inside.data.length);
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error;
      const path = error instanceof DecodeError ? error.path : "";
      return said(`CopyData cannot be read: ${error.message}`, `CopyData ${error.code} ${path}`);
    }
  }
  return undefined;
}
