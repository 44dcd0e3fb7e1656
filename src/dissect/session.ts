/**
 * Dissections of the messages around copy streams, in both directions, and of startup packets.
 *
 * Their decoders are written by hand, so there is no description to go by: a reader notes what a decoder reads from it, and of which
 * field. What fields mean is said here, and what is not said does not compile.
 */
import { DecodeError, type ParseError } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import {
  type BackendMessage,
  backendTypes,
  type FrontendMessage,
  frontendTypes,
  readBackendMessage,
  readFrontendMessage,
  readStartupPacket,
  type StartupPacket,
} from "../session/messages.ts";
import { givenBytes } from "../wire/check.ts";
import { type DissectedForm, type Dissection, Dissector } from "../wire/dissect.ts";
import { Framer } from "../wire/framer.ts";
import { viewOf } from "../wire/parts.ts";
import { Reader } from "../wire/reader.ts";
import { decodeText } from "../wire/text.ts";

/**
 * Dissect a message of a server.
 *
 * @param bytes One whole message: type byte, length, body. Values have views into it.
 * @returns a tree up to the damage, if there is some. An error in the body is that of `decodeBackendMessage`, and counts from there.
 * @throws ArgumentError for anything but bytes.
 * @example dissectBackendMessage(hex("5a 00000005 49")).fields.map(({ name, start, end, value }) => `${name} ${start}-${end} ${value}`) // ["type 0-1 ReadyForQuery", "length 1-5 5", "status 5-6 I"]
 */
export function dissectBackendMessage(bytes: Uint8Array): Dissection {
  return dissectFrame(givenBytes(bytes), "BackendMessage", backendDocs, backendTypes, readBackendMessage);
}

/**
 * Dissect a message of a client after its startup packet.
 *
 * @param bytes One whole message: type byte, length, body. Values have views into it.
 * @returns a tree up to the damage, if there is some. An error in the body is that of `decodeFrontendMessage`, and counts from there.
 * @throws ArgumentError for anything but bytes.
 * @example dissectFrontendMessage(hex("51 0000000b 53484f572061 00")).fields.at(-1)?.value // "SHOW a"
 */
export function dissectFrontendMessage(bytes: Uint8Array): Dissection {
  return dissectFrame(givenBytes(bytes), "FrontendMessage", frontendDocs, frontendTypes, readFrontendMessage);
}

/**
 * Dissect the first packet of a connection.
 *
 * @param bytes The whole packet, with its length before it. Values have views into it.
 * @returns a tree up to the damage, if there is some. An error behind the length is that of `decodeStartupPacket`, and counts from there.
 * @throws ArgumentError for anything but bytes.
 * @example dissectStartupPacket(hex("00000008 04d2162f")).name // "SSLRequest"
 */
export function dissectStartupPacket(bytes: Uint8Array): Dissection {
  const packet = givenBytes(bytes);
  const r = new Reader(packet);
  return new Dissector(r, {}).dissect("StartupPacket", "message", "The first packet of a connection.", (d, root) => {
    const length = d.leaf("length", "count", LENGTH, () => {
      const value = r.u32("StartupPacket.length");
      if (value >= 4) return value;
      return r.fail("BAD_LENGTH", 0, `is ${value}, expected at least 4,`, "StartupPacket.length");
    });
    const found = noted(viewOf(packet, 4, Math.min(length, packet.length)), readStartupPacket);
    const type = found.message?.type ?? found.read.at(-1)?.path.replace(/\..*/, "") ?? "StartupPacket";
    return replay(d, root, found, type, startupDocs, length);
  });
}

const LENGTH = "Bytes of the message, these four included.";

/** What a field means; of a list also what its elements are, or the fields of each. */
type FieldDoc =
  | string
  | {
      readonly doc: string;
      readonly each: string | Readonly<Record<string, string>>;
      /** A length stands before each element. */
      readonly counted?: true;
    };

/** What a message means, and each of its fields. */
interface MessageDoc {
  readonly doc: string;
  readonly fields: Readonly<Record<string, FieldDoc>>;
}

/** An entry for each type of a union, and each of its fields: one without does not compile. */
type Docs<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: {
    readonly doc: string;
    readonly fields: { readonly [F in Exclude<keyof Extract<M, { readonly type: T }>, "type">]: FieldDoc };
  };
};

const serverFields = {
  doc: "The fields, each after its letter.",
  each: {
    S: "The severity, in the server's language.",
    V: "The severity in English.",
    C: "The SQLSTATE.",
    M: "The message.",
    D: "The detail.",
    H: "The hint.",
    P: "The character of the command at which the error is, from 1 on.",
    p: "The same in an internal command.",
    q: "The internal command.",
    W: "The context.",
    s: "The schema that it concerns.",
    t: "The table that it concerns.",
    c: "The column that it concerns.",
    d: "The data type that it concerns.",
    n: "The constraint that it concerns.",
    F: "The file of the source code.",
    L: "The line of the source code.",
    R: "The function of the source code.",
  },
} as const;

const copyStart = {
  format: "The format of the whole stream.",
  columnFormats: { doc: "The format of each column; none for a walsender's streams.", each: "The format of a column." },
} as const;

const copyData = { doc: "Bytes inside a copy stream.", fields: { data: "The bytes." } } as const;
const copyDone = { doc: "The end of a copy stream.", fields: {} } as const;

const backendDocs: Docs<BackendMessage> = {
  Authentication: {
    doc: "A request for authentication, or its success.",
    fields: {
      method: "The method that the server asks for.",
      mechanisms: { doc: "The mechanisms that SASL offers.", each: "The name of a mechanism." },
      data: "The salt, or the token of the method.",
    },
  },
  BackendKeyData: {
    doc: "What a CancelRequest must carry.",
    fields: { processId: "The process ID of the server process.", secretKey: "The key." },
  },
  NegotiateProtocolVersion: {
    doc: "The server does not speak all that the client asked for.",
    fields: {
      newestMinor: "The newest minor version of protocol 3 that the server speaks.",
      options: { doc: "Protocol options that the server does not know.", each: "The name of an option." },
    },
  },
  ParameterStatus: {
    doc: "The value of a run-time parameter.",
    fields: { name: "The name of the parameter.", value: "Its present value." },
  },
  NoticeResponse: { doc: "A notice.", fields: { fields: serverFields } },
  NotificationResponse: {
    doc: "A notification by NOTIFY.",
    fields: {
      processId: "The process ID of the session that ran NOTIFY.",
      channel: "The name of the channel.",
      payload: "The text that NOTIFY was given.",
    },
  },
  ReadyForQuery: {
    doc: "The server waits for a command.",
    fields: { status: "The state of the transaction: I idle, T in a transaction block, E in a failed one." },
  },
  RowDescription: {
    doc: "The columns of the rows that follow.",
    fields: {
      columns: {
        doc: "The columns.",
        each: {
          name: "The name.",
          tableId: "The OID of the table it comes from, 0 if none.",
          columnNumber: "The attribute number in that table, 0 if none.",
          typeId: "The OID of the type.",
          typeSize: "Bytes of a value, negative if that varies.",
          typeModifier: "pg_attribute.atttypmod; -1 if none.",
          format: "The format of the values.",
        },
      },
    },
  },
  DataRow: {
    doc: "A row.",
    fields: { values: { doc: "The values.", each: "A value; its length is -1 for NULL.", counted: true } },
  },
  CommandComplete: { doc: "The end of a command.", fields: { tag: "The command tag." } },
  EmptyQueryResponse: { doc: "The answer to an empty command.", fields: {} },
  ErrorResponse: { doc: "An error.", fields: { fields: serverFields } },
  CopyInResponse: { doc: "The client is to send CopyData.", fields: copyStart },
  CopyOutResponse: { doc: "The server sends CopyData.", fields: copyStart },
  CopyBothResponse: { doc: "Both sides send CopyData.", fields: copyStart },
  CopyData: copyData,
  CopyDone: copyDone,
};

/** What a walsender rejects before it reads the fields. */
const forbidden = (doc: string) => ({ doc, fields: { body: "The fields, which a walsender does not read." } });

const frontendDocs: Docs<FrontendMessage> = {
  PasswordMessage: {
    doc: "The answer to an authentication request.",
    fields: { data: "The answer, in the form of the method." },
  },
  Query: { doc: "A replication command or SQL.", fields: { query: "The text." } },
  CopyData: copyData,
  CopyDone: copyDone,
  CopyFail: { doc: "The client cannot send the rest.", fields: { message: "The reason." } },
  Flush: { doc: "The server is to send what it has.", fields: {} },
  Sync: { doc: "The end of a sequence of the extended query protocol.", fields: {} },
  Terminate: { doc: "The client closes the connection.", fields: {} },
  Parse: forbidden("Prepare a statement."),
  Bind: forbidden("Bind values to a statement."),
  Describe: forbidden("Describe a statement or portal."),
  Execute: forbidden("Run a portal."),
  Close: forbidden("Close a statement or portal."),
  FunctionCall: forbidden("Call a function."),
};

const version = "The version of the protocol, or a number that stands for the request.";

const startupDocs: Docs<StartupPacket> & Readonly<Record<string, MessageDoc>> = {
  StartupPacket: { doc: "The first packet of a connection.", fields: { version } },
  StartupMessage: {
    doc: "A session is to begin.",
    fields: {
      protocolMajor: version,
      protocolMinor: version,
      parameters: { doc: "Names and values.", each: { "[0]": "The name.", "[1]": "The value." } },
    },
  },
  SSLRequest: { doc: "The connection is to be encrypted with TLS.", fields: {} },
  GSSENCRequest: { doc: "The connection is to be encrypted with GSSAPI.", fields: {} },
  CancelRequest: {
    doc: "The command of another session is to be cancelled.",
    fields: { processId: "The process ID of its server process.", secretKey: "The key that it was given." },
  },
};

/** What was read at once. */
interface Read {
  readonly form: DissectedForm;
  readonly path: string;
  readonly index: number | undefined;
  readonly field: string;
  readonly start: number;
  readonly end: number;
  readonly value: unknown;
}

/** Notes what is read from it. */
class NotingReader extends Reader {
  readonly read: Read[] = [];
  #inside = false;

  #note<T>(form: DissectedForm, take: () => T, path: string, index?: number, field = "", value?: () => unknown): T {
    if (this.#inside) return take();
    this.#inside = true;
    const start = this.offset;
    try {
      const taken = take();
      this.read.push({ form, path, index, field, start, end: this.offset, value: value?.() ?? taken });
      return taken;
    } finally {
      this.#inside = false;
    }
  }

  override u8(path: string, index?: number, field?: string): number {
    return this.#note("u8", () => super.u8(path, index, field), path, index, field);
  }

  override u16(path: string, index?: number, field?: string): number {
    return this.#note("u16", () => super.u16(path, index, field), path, index, field);
  }

  override u32(path: string, index?: number, field?: string): number {
    return this.#note("u32", () => super.u32(path, index, field), path, index, field);
  }

  override i32(path: string, index?: number, field?: string): number {
    return this.#note("i32", () => super.i32(path, index, field), path, index, field);
  }

  override u64(path: string, index?: number, field?: string): bigint {
    return this.#note("u64", () => super.u64(path, index, field), path, index, field);
  }

  override lsn(path: string, index?: number, field?: string): Lsn {
    return this.#note("lsn", () => super.lsn(path, index, field), path, index, field);
  }

  override time(path: string, index?: number, field?: string): PgTime {
    return this.#note("time", () => super.time(path, index, field), path, index, field);
  }

  override bool(path: string, index?: number, field?: string): boolean {
    return this.#note("bool", () => super.bool(path, index, field), path, index, field);
  }

  /** What is read by no other method is text and a zero byte; of what is counted, replay knows. */
  override skip(length: number, path: string, index?: number, field?: string): number {
    const start = this.offset;
    const text = () => decodeText(this.bytes, start, this.offset - 1);
    return this.#note("cstring", () => super.skip(length, path, index, field), path, index, field, text);
  }

  /** Of which field that is, is known when it is in the message. */
  override rest(): Uint8Array {
    return this.#note("rest", () => super.rest(), "");
  }
}

/** What a decoder has read, what it made of it, and its error. */
interface Noted {
  readonly read: readonly Read[];
  readonly message: { readonly type: string } | undefined;
  readonly error: DecodeError | ParseError | undefined;
}

function noted(body: Uint8Array, take: (r: Reader) => { readonly type: string }): Noted {
  const r = new NotingReader(body);
  try {
    const message = take(r);
    return { read: r.read, message, error: undefined };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // What was read, and is wrong, is not part of the tree.
    return { read: r.read.filter(({ end }) => end <= error.offset), message: undefined, error };
  }
}

function dissectFrame(
  bytes: Uint8Array,
  family: string,
  docs: Readonly<Record<string, MessageDoc>>,
  types: ReadonlyMap<number, string>,
  take: (r: Reader, tag: number) => { readonly type: string },
): Dissection {
  const r = new Reader(bytes);
  return new Dissector(r, {}).dissect(family, "message", "A message around copy streams.", (d, root) => {
    const type = d.leaf("type", "tag", "Which message it is.", () => {
      const tag = r.u8(`${family}.type`);
      return types.get(tag) ?? take(new Reader(new Uint8Array(0)), tag).type;
    });
    root.name = type;
    root.doc = docs[type]!.doc;
    const length = d.leaf("length", "count", LENGTH, () => {
      // It rejects a length that no message has.
      const framer = new Framer();
      framer.push(bytes.subarray(0, 5));
      framer.next();
      return r.u32(`${type}.length`);
    });
    const body = viewOf(bytes, 5, Math.min(1 + length, bytes.length));
    const found = noted(body, (reader) => take(reader, bytes[0]!));
    return replay(d, root, found, type, docs, 1 + length);
  });
}

/** The fields of a message that were read, as the fields of a dissection. @param end Where the message ends by its length. */
function replay(
  d: Dissector<Reader>,
  root: { name: string; doc: string },
  { read, message, error }: Noted,
  type: string,
  docs: Readonly<Record<string, MessageDoc>>,
  end: number,
): unknown {
  const { r } = d;
  root.name = type;
  const { doc, fields } = docs[type]!;
  root.doc = doc;
  const base = r.offset;
  const leaf = (name: string, form: DissectedForm, text: string, { start, end: to }: Read, value: unknown): void => {
    r.offset = base + start;
    d.leaf(name, form, text, () => {
      r.offset = base + to;
      return value;
    });
  };
  const values = (message ?? {}) as Readonly<Record<string, unknown>>;
  const isLetters = fields.fields !== undefined;
  let at = 0;
  /** As long as it is the same field. */
  const each = (name: string, go: (one: Read) => void): void => {
    for (; at < read.length && (isLetters || nameOf(read[at]!, values) === name); at++) go(read[at]!);
  };
  while (at < read.length) {
    const one = read[at]!;
    const name = isLetters ? "fields" : nameOf(one, values);
    const about = fields[name];
    if (typeof about !== "object") {
      const value = values[name] ?? one.value;
      leaf(name, formOf(one, value), about ?? (name === "version" ? version : ""), one, value);
      at++;
      continue;
    }
    d.node(name, "list", about.doc, () => {
      each(name, (part) => {
        if (isLetters) readLetter(part, about.each as Readonly<Record<string, string>>);
        else if (part.index === undefined) readCount(part);
        else readElement(part, about, values[name] as readonly unknown[] | undefined);
      });
      return values[name];
    });
  }
  // A list without a byte of its own has no node.
  if (error !== undefined) throw error;
  r.offset = Math.min(end, r.length);
  if (end > r.length) r.skip(end - r.length, `${type}.length`);
  r.end(type);
  return message;

  /** A number of elements, or the byte behind the last one. */
  function readCount(part: Read): void {
    if (part.form === "u8") leaf("terminator", "reserved", "The end of the list.", part, part.value);
    else leaf("count", "count", "How many there are.", part, part.value);
  }

  function readElement(
    part: Read,
    { each: text, counted }: Exclude<FieldDoc, string>,
    list?: readonly unknown[],
  ): void {
    const { index, field } = part as { readonly index: number; readonly field: string };
    const element = list?.[index];
    if (typeof text === "string" && !counted) {
      const value = element ?? part.value;
      leaf(`[${index}]`, formOf(part, value), text, part, value);
      return;
    }
    // All parts of the element at once.
    d.node(`[${index}]`, counted ? "counted" : "record", typeof text === "string" ? text : "An element.", () => {
      for (; read[at]?.index === index; at++) {
        const inner = read[at]!;
        if (counted) {
          if (inner.form === "cstring") {
            const content = element ?? decodeText(r.bytes, base + inner.start, base + inner.end);
            leaf("content", "text", "The bytes, as text.", inner, content);
          } else leaf("length", "count", "How many bytes follow.", inner, inner.value);
          continue;
        }
        const name = inner.field.replace(/^\./, "");
        const property = name.replace(/^\[(.*)\]$/, "$1");
        const value = (element as Readonly<Record<string, unknown>> | undefined)?.[property] ?? inner.value;
        leaf(name, formOf(inner, value), (text as Readonly<Record<string, string>>)[name] ?? field, inner, value);
      }
      at--;
      return element;
    });
  }

  function readLetter(part: Read, letters: Readonly<Record<string, string>>): void {
    if (part.form !== "u8") {
      const code = read[at - 1]!.value as number;
      const letter = code > 0x20 && code < 0x7f ? String.fromCharCode(code) : `0x${code.toString(16)}`;
      leaf(letter, part.form, letters[letter] ?? "A field that has no meaning here.", part, part.value);
    } else if (part.value === 0) leaf("terminator", "reserved", "The end of the list.", part, 0);
    else leaf("letter", "text", "Says which field follows.", part, String.fromCharCode(part.value as number));
  }
}

/** The name of the field of which something was read; what has no path is known by its value. */
function nameOf({ path, value }: Read, values: Readonly<Record<string, unknown>>): string {
  if (path !== "") return path.slice(path.indexOf(".") + 1);
  return Object.keys(values).find((name) => values[name] === value) ?? "data";
}

/** A number that stands for a word is no number. */
function formOf({ form, value: number }: Read, value: unknown): DissectedForm {
  if (typeof value !== "string" || typeof number === "string") return form;
  return form === "u8" || form === "bool" ? "enum" : "numbered";
}
