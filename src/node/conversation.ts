/**
 * A replication conversation as text: one line per message, `→` from us, `←` from the server.
 */
import { styleText } from "node:util";
import type { OldTuple, PgoutputMessage, Relation, Type } from "../generated/logical.ts";
import type { WalReceiverMessage, WalSenderMessage } from "../generated/physical.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { formatPgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { quoteIdentifier } from "../text/identifier.ts";
import { decodeText } from "../wire/text.ts";
import { quoteBytes, quoteText } from "../wire/trace.ts";
import type { TupleData } from "../wire/tuple.ts";
import type { QueryResult } from "./client.ts";

type Style = Parameters<typeof styleText>[0];

/** The colour of what has none of its own, such as the messages of the session. */
const OTHER: Style = "blue";

/** Colours by message: inserts are green, updates yellow, deletes red. */
const styles: Readonly<Record<(PgoutputMessage | WalSenderMessage | WalReceiverMessage)["type"], Style>> = {
  Begin: "cyan",
  Commit: "cyan",
  StreamStart: "cyan",
  StreamStop: "cyan",
  StreamCommit: "cyan",
  StreamAbort: "red",
  BeginPrepare: "cyan",
  Prepare: "cyan",
  CommitPrepared: "cyan",
  RollbackPrepared: "red",
  StreamPrepare: "cyan",
  Insert: "green",
  Update: "yellow",
  Delete: "red",
  Truncate: "red",
  Message: "magenta",
  Origin: OTHER,
  Relation: OTHER,
  Type: OTHER,
  Keepalive: "dim",
  StandbyStatusUpdate: "dim",
  HotStandbyFeedback: OTHER,
  XLogData: OTHER,
  PrimaryStatusUpdate: OTHER,
  PrimaryStatusRequest: OTHER,
};

/** The number of changes of one type to one table that are shown in a row; the rest is counted. */
const SHOWN_OF_A_RUN = 5;

/** The number of characters of a value that a line shows. */
const SHOWN_OF_A_VALUE = 40;

/** The target of lines: process.stdout, or anything that accepts text. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  hasColors?(): boolean;
}

export interface ConversationOptions {
  readonly output: Output;
  /** Print every message, however many there are. */
  readonly all?: boolean;
}

export class Conversation {
  readonly #output: Output;
  readonly #all: boolean;
  readonly #colour: boolean;
  /** The type and table of the current run, and its length. */
  #run = "";
  #runLength = 0;
  #progressAt = 0;

  constructor({ output, all = false }: ConversationOptions) {
    this.#output = output;
    this.#all = all;
    // Terminals have this method, which observes NO_COLOR and FORCE_COLOR.
    this.#colour = output.hasColors?.() ?? false;
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  /** A separate line. */
  line(text = ""): void {
    this.#endRun();
    this.#output.write(`${text}\n`);
  }

  /** A heading, with SQL that another session executes. */
  heading(text: string, sql: readonly string[] = []): void {
    this.line();
    this.line(this.style("bold", `# ${text}`));
    for (const each of sql) this.line(this.style("dim", `  ${each}`));
  }

  /** A command that we send. */
  command(text: string): void {
    this.line(`→ ${this.style("bold", text)}`);
  }

  /** The result of a command: each row as `column value` pairs. */
  result({ columns, rows }: QueryResult): void {
    for (const row of rows) {
      const pairs = row.map((value, i) => `${columns[i]} ${value === null ? "NULL" : printable(value)}`);
      this.line(`← ${pairs.join(", ")}`);
    }
  }

  /** A message that we send. */
  sent(trace: string): void {
    this.#message("→", trace);
  }

  /** A message outside of XLogData, such as a Keepalive, as its trace line. */
  received(trace: string): void {
    this.#message("←", trace);
  }

  /**
   * A message of pgoutput, as the payload of an XLogData.
   *
   * @param position Its position in WAL; undefined if unknown.
   * @param depth The depth of indentation: the number of stream segments and transactions around it.
   */
  change(position: Lsn | undefined, message: PgoutputMessage, names: Names, depth = 0): void {
    const what = "relationId" in message ? `${message.type} ${nameOf(message.relationId, names)}` : message.type;
    if (what !== this.#run) this.#endRun();
    this.#run = what;
    this.#runLength++;
    if (!this.#all && this.#runLength > SHOWN_OF_A_RUN) return this.#progress();
    const text = describe(message, names);
    const type = this.style(styles[message.type], text === "" ? message.type : message.type.padEnd(8));
    const lsn = position === undefined ? "" : formatLsn(position, { server: names.server });
    const start = `← ${this.style("dim", lsn.padEnd(10))} ${"  ".repeat(depth)}${type}`;
    this.#output.write(`${start}${text === "" ? "" : ` ${text}`}\n`);
  }

  #message(arrow: string, trace: string): void {
    const [name = "", ...fields] = trace.split(" ");
    this.line(`${arrow} ${this.style(styles[name as keyof typeof styles] ?? OTHER, [name, ...fields].join(" "))}`);
  }

  /** On a terminal, update the count of the run in place. */
  #progress(): void {
    if (!this.#output.isTTY || Date.now() - this.#progressAt < 100) return;
    this.#progressAt = Date.now();
    this.#output.write(`\r  ${this.#uncounted()}`);
  }

  #endRun(): void {
    if (!this.#all && this.#runLength > SHOWN_OF_A_RUN) {
      this.#output.write(`${this.#output.isTTY ? "\r" : ""}  ${this.style("dim", this.#uncounted())}\n`);
    }
    this.#run = "";
    this.#runLength = 0;
  }

  #uncounted(): string {
    return `… ${(this.#runLength - SHOWN_OF_A_RUN).toLocaleString("en")} more ${this.#run}`;
  }
}

/** The names of relations and types, and the server whose format of positions is used. */
export interface Names {
  readonly relations: ReadonlyMap<number, Relation>;
  readonly types: ReadonlyMap<number, Type>;
  /** Names of built-in types by OID. */
  readonly builtins: ReadonlyMap<number, string>;
  /** The text of a value in binary format, by the OID of its type; undefined if the type is unknown. */
  readonly textOf?: (typeId: number, value: Uint8Array) => string | undefined;
  /** The version whose format of LSNs is used. */
  readonly server: Server;
}

function describe(message: PgoutputMessage, names: Names): string {
  const lsn = (position: Lsn): string => formatLsn(position, { server: names.server });
  switch (message.type) {
    case "Begin":
      return `xid ${message.xid}`;
    case "Commit":
      return `end ${lsn(message.endLsn)}`;
    case "Origin":
      return `${quoteText(message.name)}, committed there at ${lsn(message.commitLsn)}`;
    case "Relation": {
      const columns = message.columns.map(({ name, typeId, key }) => {
        return `${shownName(name)} ${typeName(typeId, names)}${key ? " key" : ""}`;
      });
      const identity = message.replicaIdentity === "default" ? "" : `, replica identity ${message.replicaIdentity}`;
      return `${qualifiedName(message)} (${columns.join(", ")})${identity}`;
    }
    case "Type":
      return qualifiedName(message);
    case "Message": {
      const kind = message.transactional ? "" : "not transactional, ";
      return `${kind}prefix ${quoteText(message.prefix)}, content ${quoteBytes(message.content)}`;
    }
    case "Insert":
      return `${nameOf(message.relationId, names)} ${row(message.newTuple, message.relationId, names)}`;
    case "Update": {
      const { relationId, oldTuple, newTuple } = message;
      const old = oldTuple === undefined ? "" : ` (old ${oldTuple.type}: ${oldRow(oldTuple, relationId, names)})`;
      return `${nameOf(relationId, names)} ${row(newTuple, relationId, names)}${old}`;
    }
    case "Delete": {
      const { relationId, oldTuple } = message;
      return `${nameOf(relationId, names)} ${oldRow(oldTuple, relationId, names)}`;
    }
    case "Truncate": {
      const { cascade, restartIdentity } = message.options;
      const options = `${restartIdentity ? " restart identity" : ""}${cascade ? " cascade" : ""}`;
      return `${message.relationIds.map((relationId) => nameOf(relationId, names)).join(", ")}${options}`;
    }
    case "StreamStart":
      return `xid ${message.xid}, ${message.firstSegment ? "its first block" : "more of it"}`;
    case "StreamStop":
      return "";
    case "StreamCommit":
      return `xid ${message.xid}, end ${lsn(message.endLsn)}`;
    case "StreamAbort": {
      const what = message.subxid === message.xid ? "all of it" : `subtransaction ${message.subxid}`;
      const { abortLsn, abortTime } = message;
      const when = abortTime === undefined ? "" : `, at ${lsn(abortLsn!)}, ${formatPgTime(abortTime)}`;
      return `xid ${message.xid}, ${what}${when}`;
    }
    case "RollbackPrepared":
      return `${quoteText(message.gid)}, xid ${message.xid}, end ${lsn(message.rollbackEndLsn)}`;
    case "BeginPrepare":
    case "Prepare":
    case "CommitPrepared":
    case "StreamPrepare":
      return `${quoteText(message.gid)}, xid ${message.xid}, end ${lsn(message.endLsn)}`;
    default:
      return message satisfies never;
  }
}

function oldRow({ type, tuple }: OldTuple, relationId: number, names: Names): string {
  return row(tuple, relationId, names, type === "key");
}

/** `column=value` for each column, or for the key columns only. */
function row(tuple: TupleData, relationId: number, names: Names, keyOnly = false): string {
  const columns = names.relations.get(relationId)?.columns ?? [];
  const nameOfColumn = (i: number): string => (columns[i] === undefined ? `$${i + 1}` : shownName(columns[i].name));
  return Array.from({ length: tuple.length }, (_, i) => i)
    .filter((i) => !keyOnly || columns[i]?.key)
    .map((i) => `${nameOfColumn(i)}=${column(tuple, i, columns[i]?.typeId, names)}`)
    .join(" ");
}

function column(tuple: TupleData, i: number, typeId: number | undefined, { textOf }: Names): string {
  const kind = tuple.kind(i);
  if (kind === "null") return "NULL";
  if (kind === "unchanged") return "(unchanged TOAST)";
  const value = tuple.valueBytes(i)!;
  // A character has up to four bytes. Longer binary values are not converted: only their beginning is shown.
  const text =
    kind === "text"
      ? decodeText(value, 0, Math.min(value.length, SHOWN_OF_A_VALUE * 4))
      : value.length > SHOWN_OF_A_VALUE * 4 || typeId === undefined
        ? undefined
        : textOf?.(typeId, value);
  if (text === undefined) return quoteBytes(value, SHOWN_OF_A_VALUE);
  return /^-?[\d.]{1,20}$/.test(text) ? text : quoteText(text, SHOWN_OF_A_VALUE);
}

function nameOf(relationId: number, names: Names): string {
  const relation = names.relations.get(relationId);
  return relation === undefined ? `relation ${relationId}` : qualifiedName(relation);
}

/** `public.fruit`. The name of a namespace is empty if it is pg_catalog. */
export function qualifiedName({ namespace, name }: Pick<Relation, "namespace" | "name">): string {
  return `${shownName(namespace || "pg_catalog")}.${shownName(name)}`;
}

function typeName(typeId: number, { types, builtins }: Names): string {
  const type = types.get(typeId);
  return builtins.get(typeId) ?? (type === undefined ? `type ${typeId}` : shownName(type.name));
}

/**
 * A name as SQL writes it: in double quotes unless it is made of lower-case letters, digits and underscores. Keywords have none.
 *
 * @source ruleutils.c: quote_identifier
 */
function shownName(name: string): string {
  if (/^[a-z_][a-z0-9_]{0,199}$/.test(name)) return name;
  const text = printable(name);
  return text === name ? quoteIdentifier(name) : text;
}

/** Text as it is, or in quotes with escapes if it is long or has characters that could control a terminal. */
function printable(text: string): string {
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(text) || text.length > 200 ? quoteText(text, 200) : text;
}
