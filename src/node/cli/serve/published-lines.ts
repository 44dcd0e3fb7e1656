/** PublishedLines: publishes what lines of JSON say, in the form of `walwire tail --jsonl`. docs/publisher.md has the lines. */
import { ArgumentError, DecodeError, EncodeError } from "../../../kernel/errors.ts";
import { invalidLsn } from "../../../kernel/lsn.ts";
import type { PgTime } from "../../../kernel/time.ts";
import { shown } from "../../../kernel/words.ts";
import type { CommitOptions, Publisher } from "../../../publisher/publisher.ts";
import type { ColumnDeclaration, Table, TableDeclaration } from "../../../publisher/tables.ts";
import type { PublisherTransaction } from "../../../publisher/transaction.ts";
import { valueOfJson } from "../../../values/json.ts";
import { TypeMap } from "../../../values/type-map.ts";
import { parseJsonExactly, placeInJson } from "../shared/json-place.ts";
import { nearest } from "../shared/nearest.ts";
import { badLine, type FileLine, type FileMark } from "./published-file.ts";

type Path = readonly (string | number)[];
type Members = Readonly<Record<string, unknown>>;
type Row = Record<string, unknown>;

/** What is wrong with a line. */
class Wrong extends Error {
  readonly path: Path;
  readonly advice: string | undefined;

  constructor(path: Path, message: string, advice?: string) {
    super(message);
    this.path = path;
    this.advice = advice;
  }
}

/** A transaction whose end has not come. */
interface Open {
  readonly transaction: PublisherTransaction;
  readonly xid: number;
  /** The line of its first change. */
  readonly line: number;
  changes: number;
  /** Lines of TRUNCATE that follow one another are one, so that tables that refer to one another can be truncated. */
  truncated: { readonly tables: Table[]; readonly options: TruncateOptions } | undefined;
  /** Lines of TRUNCATE. */
  truncates: number;
}

/** A copy whose CopyEnd has not come. */
interface OpenCopy {
  /** The line of its CopyBegin. */
  readonly line: number;
  readonly rows: number;
}

/** What is stored with the last line that has been published: after a restart, its copies go on. */
export interface Mark extends FileMark {
  /** By the name of the table as `nameOf` has it. Undefined: there are none. */
  readonly copies?: readonly (readonly [name: string, copy: OpenCopy])[] | undefined;
}

/** The mark of a publisher whose lines were published; undefined if none were. */
export function markOf({ mark }: Publisher): Mark | undefined {
  return mark === undefined ? undefined : JSON.parse(mark);
}

interface TruncateOptions {
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

const types = [
  ...["Table", "SchemaChange", "Insert", "Update", "Delete", "Truncate", "Message", "Commit", "Prepare"],
  ...["CommitPrepared", "RollbackPrepared", "CopyBegin", "CopyRow", "CopyEnd"],
];
const example =
  '{"type":"Table","table":"fruit","columns":[{"name":"id","type":"int4","key":true},{"name":"name","type":"text"}]}';
const BYTEA = 17;
const TIMESTAMPTZ = 1184;

export class PublishedLines {
  readonly #publisher: Publisher;
  #open: Open | undefined;
  /** Copies of several tables can be mixed: walwire tail has several workers. */
  readonly #copies: Map<string, OpenCopy>;
  /** Copied rows that are not stored yet. */
  #copy: PublisherTransaction | undefined;
  /** The last line of `#copy`, after which `#copies` is as it is. */
  #copied!: FileLine;
  readonly #tables = new Map<string, Table>();
  /** What is being stored. */
  #storing: Promise<unknown>[] = [];

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
    this.#copies = new Map(markOf(publisher)?.copies);
    for (const table of publisher.tables) this.#tables.set(nameOf(table.namespace, table.name), table);
  }

  /**
   * Publish lines. When it resolves, everything up to the last one that ends a transaction is stored, with its mark.
   *
   * @throws ParseError for a line that cannot be published: those before it are; what the publisher throws.
   */
  async publish(lines: readonly FileLine[]): Promise<void> {
    try {
      for (const line of lines) {
        const wait = this.#line(line);
        if (wait !== undefined) await wait;
      }
    } finally {
      this.#endCopy();
      await this.#stored();
    }
  }

  /** What is stored together is rejected together, so nothing behind what was lost is stored. */
  async #stored(): Promise<void> {
    const storing = this.#storing;
    this.#storing = [];
    await Promise.all(storing);
  }

  #line(line: FileLine): Promise<void> | undefined {
    const { text, number } = line;
    if (text.trim() === "") return undefined;
    try {
      return this.#object(parsed(text), line)?.catch((error: unknown) => Promise.reject(located(error, text, number)));
    } catch (error) {
      throw located(error, text, number);
    }
  }

  #object(object: Members, line: FileLine): Promise<void> | undefined {
    const { type } = object;
    switch (type) {
      case "Table":
      case "SchemaChange":
        if (type === "SchemaChange" && object.xid !== undefined) this.#openOf(object, line).changes++;
        return this.#declare(object);
      case "CopyBegin": {
        const table = this.#table(object);
        this.#mustNotBeOpen();
        this.#endCopy();
        this.#copyInto(line, (copy) => copy.truncate(table));
        this.#copies.set(nameOf(table.namespace, table.name), { line: line.number, rows: 0 });
        return undefined;
      }
      case "CopyRow": {
        const table = this.#table(object);
        this.#mustNotBeOpen();
        const [name, copy] = this.#copyOf(table);
        const row = this.#row(object, "row", table);
        this.#copyInto(line, (into) => into.insert(table, row));
        this.#copies.set(name, { ...copy, rows: copy.rows + 1 });
        return undefined;
      }
      case "CopyEnd":
        return this.#copyEnd(object, line);
    }
    this.#endCopy();
    if (types.includes(type as string)) this.#mustNotCopy();
    switch (type) {
      case "Insert":
      case "Update":
      case "Delete":
      case "Truncate":
        return this.#change(type, object, line);
      case "Message":
        return this.#message(object, line);
      case "Commit":
      case "Prepare":
        return this.#end(type, object, line);
      case "CommitPrepared":
        return this.#storeNow(this.#publisher.commitPrepared(textOf(object, "gid"), this.#marked(line)), line);
      case "RollbackPrepared":
        return this.#storeNow(this.#publisher.rollbackPrepared(textOf(object, "gid"), this.#marked(line)), line);
      default: {
        const near = typeof type === "string" ? nearest(type, types)[0] : undefined;
        const given = type === undefined ? "type is missing" : `type is ${JSON.stringify(type)}`;
        throw new Wrong(["type"], `${given}, expected ${near ?? types.join(", ")}`);
      }
    }
  }

  async #declare(object: Members): Promise<void> {
    const schema = optional(object, "schema", "string") ?? "public";
    const name = textOf(object, "table");
    const { columns } = object;
    if (!Array.isArray(columns)) throw new Wrong(["columns"], "columns: expected an array", `for example ${example}`);
    const identity = optional(object, "replicaIdentity", "string");
    const declared = columns.map(columnOf);
    // Of the replica identity full tail says that every column has `key`, as servers do: which of them are the primary key is not known.
    const isKeyUnknown = identity === "full" && declared.every(({ key }) => key === true);
    const declaration = {
      schema,
      name,
      columns: isKeyUnknown ? declared.map((column) => ({ ...column, key: false })) : declared,
      // Those columns have `key` that the index has.
      replicaIdentity: identity === "index" ? "default" : identity,
    } as TableDeclaration;
    // What was written before has the form that the table had.
    this.#endCopy();
    await this.#stored();
    this.#tables.set(nameOf(schema, name), await this.#publisher.table(declaration));
  }

  #change(
    type: "Insert" | "Update" | "Delete" | "Truncate",
    object: Members,
    line: FileLine,
  ): Promise<void> | undefined {
    const table = this.#table(object);
    return this.#inTransaction(object, line, (open) => {
      if (type === "Truncate") return truncate(open, table, object);
      const { transaction } = open;
      endTruncate(open);
      if (type === "Insert") return transaction.insert(table, this.#row(object, "row", table));
      const old = object.old === undefined && type === "Update" ? undefined : this.#row(object, "old", table);
      if (type === "Delete") return transaction.delete(table, old!);
      return transaction.update(table, this.#row(object, "row", table), old);
    });
  }

  #message(object: Members, line: FileLine): Promise<void> | undefined {
    const prefix = textOf(object, "prefix");
    const content = contentOf(object.content);
    if (object.transactional === false) {
      this.#mustNotBeOpen();
      return this.#storeNow(this.#publisher.message(prefix, content, this.#marked(line)), line);
    }
    return this.#inTransaction(object, line, (open) => {
      endTruncate(open);
      open.transaction.message(prefix, content);
    });
  }

  /** A change of the transaction that the line names; without a name it is one by itself. */
  #inTransaction(object: Members, line: FileLine, write: (open: Open) => void): Promise<void> | undefined {
    const open = this.#openOf(object, line);
    open.changes++;
    write(open);
    return object.xid === undefined ? this.#commit(open, line, timeOf(object)) : undefined;
  }

  #openOf(object: Members, { number }: FileLine): Open {
    const xid = xidOf(object);
    if (xid === undefined || this.#open?.xid !== xid) this.#mustNotBeOpen();
    if (this.#open !== undefined) return this.#open;
    const transaction = this.#publisher.begin();
    const open = { transaction, xid: xid ?? 0, line: number, changes: 0, truncated: undefined, truncates: 0 };
    if (xid !== undefined) this.#open = open;
    return open;
  }

  #end(type: "Commit" | "Prepare", object: Members, line: FileLine): Promise<void> | undefined {
    if (xidOf(object) === undefined) throw new Wrong(["type"], "xid is missing: which transaction ends?");
    const open = this.#openOf(object, line);
    const changes = optional(object, "changes", "number");
    // A TRUNCATE of several tables is one change, and has a line for each.
    const fewest = open.changes - Math.max(0, open.truncates - 1);
    if (changes !== undefined && !(changes >= fewest && changes <= open.changes)) {
      const since = open.changes === 0 ? "" : ` since line ${open.line}`;
      const why = changes > open.changes ? "lines are missing" : "lines are too many";
      throw new Wrong(["changes"], `changes is ${changes}, but the transaction has ${open.changes}${since}: ${why}`);
    }
    this.#open = undefined;
    const origin = optional(object, "origin", "string");
    return this.#commit(open, line, {
      ...timeOf(object),
      gid: type === "Prepare" ? textOf(object, "gid") : undefined,
      origin: origin === undefined ? undefined : { name: origin, commitLsn: invalidLsn },
    });
  }

  #commit(open: Open, line: FileLine, options: CommitOptions): Promise<void> | undefined {
    endTruncate(open);
    const stored = this.#publisher.commit(open.transaction, { ...options, ...this.#marked(line) });
    return options.gid === undefined ? this.#store(stored, line) : this.#storeNow(stored, line);
  }

  #copyInto(line: FileLine, write: (copy: PublisherTransaction) => void): void {
    const copy = this.#copy ?? this.#publisher.begin();
    write(copy);
    this.#copy = copy;
    this.#copied = line;
  }

  /** @throws Wrong */
  #copyOf({ namespace, name }: Table): readonly [name: string, copy: OpenCopy] {
    const key = nameOf(namespace, name);
    const copy = this.#copies.get(key);
    if (copy !== undefined) return [key, copy];
    throw new Wrong(["type"], `the copy of ${shown(`${namespace}.${name}`)} has no CopyBegin`);
  }

  #copyEnd(object: Members, line: FileLine): undefined {
    const [name, copy] = this.#copyOf(this.#table(object));
    const count = optional(object, "count", "number");
    if (count !== undefined && count !== copy.rows) {
      const why = count > copy.rows ? "lines are missing" : "lines are too many";
      throw new Wrong(["count"], `count is ${count}, but the copy has ${copy.rows} since line ${copy.line}: ${why}`);
    }
    this.#copies.delete(name);
    this.#copied = line;
  }

  /** @throws Wrong */
  #mustNotCopy(): void {
    const [open] = this.#copies;
    if (open === undefined) return;
    const [name, { line }] = open;
    const table = (JSON.parse(name) as string[]).join(".");
    throw new Wrong(["type"], `the copy of ${shown(table)}, which begins in line ${line}, has no CopyEnd`);
  }

  #marked({ mark }: FileLine): { readonly mark: string } {
    const copies = this.#copies.size === 0 ? undefined : [...this.#copies];
    return { mark: JSON.stringify({ ...mark, copies } satisfies Mark) };
  }

  /** Rows of a copy are stored as they come: a table may be larger than a transaction can be. */
  #endCopy(): void {
    if (this.#copy === undefined) return;
    this.#store(this.#publisher.commit(this.#copy, this.#marked(this.#copied)), this.#copied);
    this.#copy = undefined;
  }

  #store(stored: Promise<unknown>, { text, number }: FileLine): undefined {
    const storing = stored.catch((error: unknown) => Promise.reject(located(error, text, number)));
    // It is awaited with the others.
    storing.catch(() => {});
    this.#storing.push(storing);
  }

  /** What can be rejected by itself, such as an identifier that is not prepared: nothing behind it may be stored then. */
  #storeNow(stored: Promise<unknown>, line: FileLine): Promise<void> {
    this.#store(stored, line);
    return this.#stored();
  }

  #mustNotBeOpen(): void {
    if (this.#open === undefined) return;
    const { xid, line } = this.#open;
    throw new Wrong(["xid"], `the transaction ${xid}, which begins in line ${line}, has no Commit`);
  }

  #row(object: Members, name: "row" | "old", table: Table): Row {
    return rowOf(object, name, table, this.#publisher.typeMap);
  }

  #table(object: Members): Table {
    const schema = optional(object, "schema", "string") ?? "public";
    const name = textOf(object, "table");
    const table = this.#tables.get(nameOf(schema, name));
    if (table !== undefined) return table;
    throw new Wrong(
      ["table"],
      `the table ${JSON.stringify(`${schema}.${name}`)} is not declared`,
      `write a line such as ${example} before it, or the file by walwire tail --jsonl --tables`,
    );
  }
}

function truncate(open: Open, table: Table, object: Members): void {
  const cascade = optional(object, "cascade", "boolean") ?? false;
  const restartIdentity = optional(object, "restartIdentity", "boolean") ?? false;
  const same = open.truncated;
  if (same?.options.cascade === cascade && same.options.restartIdentity === restartIdentity) same.tables.push(table);
  else {
    endTruncate(open);
    open.truncated = { tables: [table], options: { cascade, restartIdentity } };
  }
  open.truncates++;
}

function endTruncate(open: Open): void {
  if (open.truncated === undefined) return;
  const { tables, options } = open.truncated;
  open.transaction.truncate([...new Set(tables)], options);
  open.truncated = undefined;
}

/** @throws Wrong */
function rowOf(object: Members, name: "row" | "old", table: Table, typeMap: TypeMap): Row {
  const given = object[name];
  if (!isObject(given)) throw new Wrong([name], `${name}: expected an object with the values of columns`);
  const row: Row = Object.create(null);
  let left = Object.keys(given).length;
  for (const { name: column, typeId } of table.columns) {
    if (!Object.hasOwn(given, column)) continue;
    row[column] = typedValue([name, column], given[column], typeId, typeMap);
    left--;
  }
  if (left === 0) return row;
  const unknown = Object.keys(given).find((each) => !Object.hasOwn(row, each))!;
  throw new Wrong([name, unknown], `column "${unknown}" of relation "${table.name}" does not exist`);
}

/** @throws Wrong */
function typedValue(path: Path, json: unknown, typeId: number, typeMap: TypeMap): unknown {
  let value: unknown;
  try {
    value = valueOfJson(json, typeId, typeMap);
  } catch (error) {
    if (error instanceof EncodeError || error instanceof DecodeError) throw new Wrong(path, error.message);
    throw error;
  }
  if (value instanceof Uint8Array && typeId !== BYTEA) {
    throw new Wrong(
      path,
      `bytes of type ${typeId}, which is not known: write its text, as walwire tail does without --binary`,
    );
  }
  return value;
}

/** @throws Wrong */
function columnOf(column: unknown, i: number): ColumnDeclaration {
  if (!isObject(column)) throw new Wrong(["columns", i], "expected a column", `for example ${example}`);
  const { name, type, typeId, key, typeModifier } = column;
  return { name, type: type ?? typeId, key, typeModifier } as ColumnDeclaration;
}

function contentOf(content: unknown): Uint8Array | string {
  if (typeof content === "string") return content;
  const { binary } = (content ?? {}) as Members;
  if (typeof binary === "string") return typedValue(["content", "binary"], binary, BYTEA, new TypeMap()) as Uint8Array;
  throw new Wrong(["content"], 'content: expected text, or an object such as {"binary":"\\x00ff"}');
}

function timeOf({ time }: Members): { readonly time: PgTime | undefined } {
  return { time: time === undefined ? undefined : (typedValue(["time"], time, TIMESTAMPTZ, new TypeMap()) as PgTime) };
}

interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}

/** @throws Wrong */
function optional<K extends keyof Kinds>(object: Members, name: string, kind: K): Kinds[K] | undefined {
  const value = object[name];
  if (value === undefined) return undefined;
  if (typeof value !== kind) throw new Wrong([name], `${name}: expected a ${kind}, got ${shown(value)}`);
  return value as Kinds[K];
}

/** @throws Wrong */
function xidOf(object: Members): number | undefined {
  const xid = optional(object, "xid", "number");
  if (xid === undefined || (Number.isInteger(xid) && xid >= 1 && xid <= 0xffffffff)) return xid;
  throw new Wrong(["xid"], `xid: expected a whole number from 1 to ${0xffffffff}, got ${xid}`);
}

/** @throws Wrong */
function textOf(object: Members, name: string): string {
  const text = optional(object, name, "string");
  if (text === undefined) throw new Wrong([name], `${name} is missing`);
  return text;
}

/** @throws Wrong, SyntaxError */
function parsed(text: string): Members {
  const value = parseJsonExactly(text);
  if (!isObject(value)) throw new Wrong([], "expected an object");
  return value;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An error of a line with its place. */
function located(error: unknown, text: string, line: number): unknown {
  const at = (path: Path): number => placeInJson(text, path);
  if (error instanceof SyntaxError) return badLine(text, line, "the line is not JSON", at([]));
  if (error instanceof Wrong) return badLine(text, line, error.message, at(error.path), error.advice);
  // What the publisher says of a table, `table.columns[0].type`, or of a row, `row.name` and `public.fruit.name`.
  if (error instanceof ArgumentError) {
    const path = [...error.path.matchAll(/[^.[\]]+/g)].map(([part]) => (/^\d+$/.test(part) ? Number(part) : part));
    return badLine(text, line, error.message, at(path[0] === "table" ? path.slice(1) : path));
  }
  return error instanceof EncodeError ? badLine(text, line, error.message) : error;
}

function nameOf(schema: string, name: string): string {
  return JSON.stringify([schema, name]);
}
