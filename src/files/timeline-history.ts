/**
 * Timeline history files, `00000003.history`: which timelines a timeline came from, and where it left them.
 *
 * A port of PostgreSQL's src/backend/access/transam/timeline.c and of src/bin/pg_rewind/pg_rewind.c: findCommonAncestorTimeline.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { EncodeError, ParseError } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, type Server, serverVersionNum } from "../kernel/version.ts";
import { mustBeArray, mustBeObject, mustBeUnsigned, refuse } from "../wire/check.ts";
import { checkText, checkUint32 } from "./arguments.ts";
import { textFileCapabilities } from "./capabilities.ts";
import { type FileContent, FileText, fileBytes } from "./file-text.ts";
import { ScanInput } from "./scanf.ts";

/** A timeline, and what of WAL is on it in this history. @source timeline.h: TimeLineHistoryEntry */
export interface TimeLineHistoryEntry {
  /** The timeline. */
  readonly tli: number;
  /** Its first byte; 0/0 if it is there from the beginning. */
  readonly begin: Lsn;
  /** The first byte that is on the next timeline; 0/0 if there is none, and it goes on. */
  readonly end: Lsn;
  /**
   * Why it was left, such as `no recovery target specified`, `before transaction 742` or `at restore point "x"`; undefined for the
   * last one. What does not come after a tab, as servers write it, begins with what it does come after.
   */
  readonly reason: string | undefined;
}

/** A timeline's ancestors, the oldest first, and at last the timeline itself, which has no line in the file. */
export type TimeLineHistory = readonly TimeLineHistoryEntry[];

/** The server that reads the file. */
export interface TimeLineHistoryOptions {
  /** Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/** fgets() reads so many bytes of a line at once. @source pg_config_manual.h: MAXPGPATH */
const LINE = 1023;

/**
 * Read a timeline's history file as a server does.
 *
 * Blank lines and comments are passed over. A line of more than 1,023 bytes is read in parts as if it were several, as the server
 * reads it.
 *
 * @param file Bytes, or text; see FileContent. A view of it is kept by nothing.
 * @param timeline The timeline in the file's name. Timeline 1 has no parents, and its file is not read.
 * @param options.path What the server calls the file, for a message; `pg_wal/00000003.history` and so on if it is not given.
 * @throws ParseError SYNTAX | INVALID_VALUE, with the server's message and hint. The message ends with the whole line, its newline too.
 * @source timeline.c: readTimeLineHistory
 * @example parseTimeLineHistory("1\t0/3000000\tno recovery target specified\n", 2).map(({ tli, end }) => [tli, formatLsn(end)]) // [[1, "0/3000000"], [2, "0/0"]]
 */
export function parseTimeLineHistory(
  file: FileContent,
  timeline: number,
  options: TimeLineHistoryOptions & { readonly path?: string | undefined } = {},
): TimeLineHistory {
  checkUint32("timeline", timeline);
  checkOptions(options, ["server", "path"]);
  if (options.path !== undefined) checkText("options.path", options.path);
  const server = serverVersionNum(options.server ?? defaultServer);
  const tip = { tli: timeline, end: invalidLsn, reason: undefined };
  if (timeline === 1) return [{ ...tip, begin: invalidLsn }];
  const text = new FileText(file);
  const format = textFileCapabilities.supports(server, "lsnLowHalfIsEightDigits") ? "%u\t%X/%08X" : "%u\t%X/%X";
  const history: TimeLineHistoryEntry[] = [];
  let begin = invalidLsn;
  let last: { readonly tli: number; readonly at: number } | undefined;
  for (let at = 0, next = 0; at < text.chars.length; at = next) {
    const part = text.chars.slice(at, at + LINE);
    const newline = part.indexOf("\n");
    const whole = newline === -1 ? part : part.slice(0, newline + 1);
    next = at + whole.length;
    // What comes after a NUL character is read, and not seen.
    const line = whole.includes("\0") ? whole.slice(0, whole.indexOf("\0")) : whole;
    const first = line.search(/[^ \t\n\v\f\r]/);
    if (first === -1 || line[first] === "#") continue;

    const input = new ScanInput(line);
    const [tli, high, low] = input.scanf(format) as number[];
    const refuse = (hint: string, code: "SYNTAX" | "INVALID_VALUE" = "SYNTAX"): never => {
      const fault = code === "SYNTAX" ? "syntax error" : "invalid data";
      const message = `${fault} in history file: ${text.text(at, at + line.length)}`;
      return text.refuse(at + (code === "SYNTAX" ? input.at : first), { code, message, sqlstate: "XX000", hint });
    };
    if (tli === undefined) return refuse("Expected a numeric timeline ID.");
    if (high === undefined || low === undefined) {
      const log = textFileCapabilities.supports(server, "walIsNotXlog") ? "write-ahead log" : "transaction log";
      return refuse(`Expected a ${log} switchpoint location.`);
    }
    if (last !== undefined && tli <= last.tli)
      return refuse("Timeline IDs must be in increasing sequence.", "INVALID_VALUE");
    last = { tli, at };
    const end = toLsn((BigInt(high) << 32n) | BigInt(low));
    const rest = input.at + (line[input.at] === "\t" ? 1 : 0);
    const reason = text.text(at + rest, at + line.length - (line.endsWith("\n") ? 1 : 0));
    history.push({ tli, begin, end, reason });
    begin = end;
  }
  if (last !== undefined && timeline <= last.tli) {
    const directory = textFileCapabilities.supports(server, "walIsNotXlog") ? "pg_wal" : "pg_xlog";
    const { path = `${directory}/${timelineFileName(timeline)}` } = options;
    text.refuse(last.at, {
      code: "INVALID_VALUE",
      message: `invalid data in history file "${path}"`,
      sqlstate: "XX000",
      hint: "Timeline IDs must be less than child timeline's ID.",
    });
  }
  return [...history, { ...tip, begin }];
}

/**
 * Write a history as the servers do that made it: each line when its timeline was left, after an empty one if there was something
 * before it.
 *
 * @param options.server In whose form positions are written.
 * @returns the bytes of the file, which is empty for a timeline without parents.
 * @throws EncodeError for a value that is not a history, or that no server would read back.
 * @source timeline.c: writeTimeLineHistory; xlogrecovery.c: getRecoveryStopReason
 * @example new TextDecoder().decode(printTimeLineHistory([{ tli: 1, begin: invalidLsn, end: toLsn(1n), reason: "reached consistency" }, { tli: 2, begin: toLsn(1n), end: invalidLsn, reason: undefined }])) // "1\t0/1\treached consistency\n"
 */
export function printTimeLineHistory(history: TimeLineHistory, options: TimeLineHistoryOptions = {}): Uint8Array {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  mustBeArray(history, "TimeLineHistory");
  for (const [i, entry] of history.entries()) {
    mustBeObject(entry, "TimeLineHistory", i);
    const path = `TimeLineHistory[${i}]`;
    mustBeUnsigned(entry.tli, 0xffffffff, `${path}.tli`);
    for (const name of ["begin", "end"] as const) {
      const lsn = entry[name];
      if (typeof lsn !== "bigint" || lsn < 0n || lsn >> 64n > 0n)
        refuse("a bigint from 0 to 2^64 - 1", lsn, `${path}.${name}`);
    }
    if (!["string", "undefined"].includes(typeof entry.reason)) refuse("a string", entry.reason, `${path}.reason`);
  }
  const lines = history.slice(0, -1).map(({ tli, end, reason }) => {
    // Of these reasons, which stand before a time or a position, servers write a newline too.
    const newline = /^(?:before|after) (?!transaction )/.test(reason ?? "") ? "\n" : "";
    return `${tli}\t${formatLsn(end, { server })}\t${reason ?? ""}${newline}\n`;
  });
  const bytes = fileBytes("TimeLineHistory", lines.join("\n"));
  const timeline = history.at(-1)?.tli ?? 1;
  if (!sameHistory(parsedOr(bytes, timeline, server), history)) {
    throw new EncodeError(
      "TimeLineHistory",
      "TimeLineHistory: a file of it would be read as something else; timelines ascend from the oldest to the last, each begins " +
        "where the one before ends, and each but the last has an end and, on one line, a reason",
    );
  }
  return bytes;
}

function parsedOr(bytes: Uint8Array, timeline: number, server: number): TimeLineHistory | undefined {
  try {
    return parseTimeLineHistory(bytes, timeline, { server });
  } catch (error) {
    if (error instanceof ParseError) return undefined;
    throw error;
  }
}

function sameHistory(a: TimeLineHistory | undefined, b: TimeLineHistory): boolean {
  return (
    a !== undefined &&
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i]!;
      return (
        one.tli === other.tli &&
        one.begin === other.begin &&
        one.end === other.end &&
        (one.reason ?? "") === (other.reason ?? "")
      );
    })
  );
}

function timelineFileName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
}
