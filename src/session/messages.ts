/**
 * The messages of protocol 3 around the copy streams of a walsender connection, in both directions: one entry each, with its
 * decoder and encoder side by side.
 *
 * They are written by hand because the shapes of src/wire describe messages inside CopyData, and have no form for signed 16-bit
 * numbers, for values with a signed length, or for fields up to a zero byte. Those of the extended query protocol have no fields: a
 * walsender rejects them by their type bytes.
 *
 * @source protocol.h; pqcomm.h; printtup.c; elog.c: send_message_to_frontend; fe-protocol3.c
 */

import { EncodeError, ProtocolError, refuseArgument } from "../kernel/errors.ts";
import { checkWhole } from "../kernel/options.ts";
import { isBytes, lengthOf, mustBeArray, mustBeBytes, mustBeObject, plainBytes, refuse } from "../wire/check.ts";
import { writeCounted } from "../wire/counted.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { encodeFrame } from "../wire/framer.ts";
import { Reader } from "../wire/reader.ts";
import { decodeText, encodeText, TEXT_WANTED } from "../wire/text.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";

/** A message as a Framer hands it out: the type byte and the whole body. */
export interface SessionFrame {
  /** The type byte. */
  readonly tag: number;
  /** The body, without type byte and length. */
  readonly bytes: Uint8Array;
}

/** The format of a column's values. */
export type ColumnFormat = "text" | "binary";

/** The state of a transaction: I idle, T in a transaction block, E in a failed one. */
export type TransactionStatus = "I" | "T" | "E";

/** One column of a RowDescription. */
export interface RowColumn {
  /** Its name. */
  readonly name: string;
  /** OID of the table it comes from, 0 if none. */
  readonly tableId: number;
  /** Attribute number in that table, 0 if none; negative for system columns. */
  readonly columnNumber: number;
  /** OID of its type. */
  readonly typeId: number;
  /** Bytes of a value, negative if that varies. */
  readonly typeSize: number;
  /** pg_attribute.atttypmod, such as the length of a varchar plus 4; -1 if none. */
  readonly typeModifier: number;
  /** The format of its values. */
  readonly format: ColumnFormat;
}

/**
 * The fields of an ErrorResponse or NoticeResponse by their letters, in the order in which they came: S severity, V severity
 * untranslated, C SQLSTATE, M message, D detail, H hint, P position, W where, and more.
 */
export type ServerFields = Readonly<Record<string, string>>;

/** A method of authentication that a server asks for. */
export type AuthenticationMethod = (typeof authenticationMethods)[keyof typeof authenticationMethods];

const authenticationMethods = {
  0: "Ok",
  2: "KerberosV5",
  3: "CleartextPassword",
  5: "MD5Password",
  7: "GSS",
  8: "GSSContinue",
  9: "SSPI",
  10: "SASL",
  11: "SASLContinue",
  12: "SASLFinal",
} as const;

/** The first bytes of a copy stream: its format, and that of each column. A walsender has no columns. */
export interface CopyStart {
  /** The format of the whole stream: "binary" if any column is. A walsender says "text". */
  readonly format: ColumnFormat;
  /** The format of each column; empty for a walsender's streams. */
  readonly columnFormats: readonly ColumnFormat[];
}

/** Bytes inside a copy stream, in either direction. */
export interface CopyData {
  readonly type: "CopyData";
  /** The bytes. A view, not a copy. */
  readonly data: Uint8Array;
}

/** The end of a copy stream, from the side that sends it. */
export interface CopyDone {
  readonly type: "CopyDone";
}

/** A message of a server. */
export type BackendMessage =
  | {
      readonly type: "Authentication";
      /** The method that the server asks for; "Ok" once the client is authenticated. */
      readonly method: AuthenticationMethod;
      /** The mechanisms that SASL offers; empty for other methods. */
      readonly mechanisms: readonly string[];
      /** The salt of MD5Password, the token of GSSContinue, SASLContinue and SASLFinal; empty for other methods. */
      readonly data: Uint8Array;
    }
  | {
      readonly type: "BackendKeyData";
      /** The process ID of the server process. */
      readonly processId: number;
      /** The key that a CancelRequest must carry: 4 bytes, up to 256 in protocol 3.2. A view, not a copy. */
      readonly secretKey: Uint8Array;
    }
  | {
      readonly type: "NegotiateProtocolVersion";
      /** The newest minor version of protocol 3 that the server speaks. */
      readonly newestMinor: number;
      /** Names of protocol options that are unknown to the server. */
      readonly options: readonly string[];
    }
  | {
      readonly type: "ParameterStatus";
      /** The run-time parameter, such as "server_version". */
      readonly name: string;
      /** Its present value. */
      readonly value: string;
    }
  | {
      readonly type: "NoticeResponse";
      /** The notice. */
      readonly fields: ServerFields;
    }
  | {
      readonly type: "NotificationResponse";
      /** The process ID of the session that ran NOTIFY. */
      readonly processId: number;
      /** The name of the channel. */
      readonly channel: string;
      /** The text that NOTIFY was given; empty if none. */
      readonly payload: string;
    }
  | {
      readonly type: "ReadyForQuery";
      /** The state of the session's transaction. */
      readonly status: TransactionStatus;
    }
  | {
      readonly type: "RowDescription";
      /** The columns of the DataRows that follow. */
      readonly columns: readonly RowColumn[];
    }
  | {
      readonly type: "DataRow";
      /** Values by position; null is NULL. Bytes that are not UTF-8 are U+DC80 to U+DCFF, so that none is lost. */
      readonly values: readonly (string | null)[];
    }
  | {
      readonly type: "CommandComplete";
      /** The command tag, such as "SELECT 1". */
      readonly tag: string;
    }
  | { readonly type: "EmptyQueryResponse" }
  | {
      readonly type: "ErrorResponse";
      /** The error. */
      readonly fields: ServerFields;
    }
  | ({ readonly type: "CopyInResponse" } & CopyStart)
  | ({ readonly type: "CopyOutResponse" } & CopyStart)
  | ({ readonly type: "CopyBothResponse" } & CopyStart)
  | CopyData
  | CopyDone;

/** A message of a client after its startup packet. */
export type FrontendMessage =
  | {
      /** The answer to an authentication request. The method of the request determines its contents. */
      readonly type: "PasswordMessage";
      /** The answer's bytes. A view, not a copy. */
      readonly data: Uint8Array;
    }
  | {
      readonly type: "Query";
      /** A replication command or SQL. */
      readonly query: string;
    }
  | CopyData
  | CopyDone
  | {
      readonly type: "CopyFail";
      /** The reason, which the server puts into its error. */
      readonly message: string;
    }
  | { readonly type: "Flush" }
  | { readonly type: "Sync" }
  | { readonly type: "Terminate" }
  | ForbiddenMessage<"Parse">
  | ForbiddenMessage<"Bind">
  | ForbiddenMessage<"Describe">
  | ForbiddenMessage<"Execute">
  | ForbiddenMessage<"Close">
  | ForbiddenMessage<"FunctionCall">;

/**
 * A message that a walsender answers with an error before it reads the fields.
 *
 * @source postgres.c: forbidden_in_wal_sender
 */
export interface ForbiddenMessage<T extends string> {
  /** Which one. */
  readonly type: T;
  /** The whole body. A view, not a copy. */
  readonly body: Uint8Array;
}

/** One message: its type byte, and the reader and writer of its fields. */
interface Entry<M> {
  readonly tag: string;
  readonly read: (r: Reader) => Omit<M, "type">;
  readonly write: (w: Writer, message: M) => void;
}

/** An entry for each type of a union: a type without one does not compile. */
type Entries<M extends { readonly type: string }> = {
  readonly [T in M["type"]]: Entry<Extract<M, { readonly type: T }>>;
};

/** A message whose fields are not decoded. */
function forbidden<T extends string>(tag: string, type: T): Entry<ForbiddenMessage<T>> {
  return { tag, read: (r) => ({ body: r.rest() }), write: (w, { body }) => w.rest(body, `${type}.body`) };
}

/** A message without fields. */
function bare(tag: string): Entry<unknown> {
  return { tag, read: () => ({}), write: () => {} };
}

const copyData: Entry<CopyData> = {
  tag: "d",
  read: (r) => ({ data: r.rest() }),
  write: (w, { data }) => w.rest(data, "CopyData.data"),
};

const backend: Entries<BackendMessage> = {
  Authentication: {
    tag: "R",
    read: (r) => {
      const code = r.i32("Authentication.method");
      const method = authenticationMethods[code as keyof typeof authenticationMethods];
      if (method === undefined) {
        r.fail(
          "BAD_VALUE",
          r.offset - 4,
          `is ${code}, which is not an authentication method,`,
          "Authentication.method",
        );
      }
      const mechanisms: string[] = [];
      if (method === "SASL") {
        while (r.bytes[r.offset] !== 0) mechanisms.push(readCString(r, "Authentication.mechanisms", mechanisms.length));
        r.u8("Authentication.mechanisms");
      }
      const data = method === "MD5Password" ? r.rest() : /Continue|Final/.test(method) ? r.rest() : nothing;
      if (method === "MD5Password" && data.length !== 4) {
        r.fail("BAD_LENGTH", 4, `has ${data.length} bytes, expected 4,`, "Authentication.data");
      }
      return { method, mechanisms, data };
    },
    write: (w, { method, mechanisms, data }) => {
      const code = Object.entries(authenticationMethods).find(([, name]) => name === method)?.[0];
      if (code === undefined) refuse("an authentication method", method, "Authentication.method");
      w.i32(Number(code), "Authentication.method");
      mustBeArray(mechanisms, "Authentication.mechanisms");
      if (method === "SASL") {
        for (const [i, mechanism] of mechanisms.entries()) {
          if (mechanism === "") refuse("text that is not empty", mechanism, "Authentication.mechanisms", i);
          writeCString(w, mechanism, "Authentication.mechanisms", i);
        }
        w.literal("\0");
      } else if (mechanisms.length > 0)
        refuse("nothing unless the method is SASL", mechanisms, "Authentication.mechanisms");
      if (!isBytes(data)) refuse("a Uint8Array", data, "Authentication.data");
      const length = lengthOf(data);
      const most = method === "MD5Password" ? 4 : /Continue|Final/.test(method) ? Number.POSITIVE_INFINITY : 0;
      if (length > most || (most === 4 && length < 4)) {
        throw new EncodeError(
          "Authentication.data",
          `Authentication.data of ${method}: expected ${most} bytes, got ${length}`,
        );
      }
      w.rest(data, "Authentication.data");
    },
  },

  BackendKeyData: {
    tag: "K",
    // Protocol 3.2, which servers speak from 18 on, has keys of other lengths than 4.
    read: (r) => ({ processId: r.u32("BackendKeyData.processId"), secretKey: r.rest() }),
    write: (w, { processId, secretKey }) => {
      w.u32(processId, "BackendKeyData.processId");
      w.rest(secretKey, "BackendKeyData.secretKey");
    },
  },

  NegotiateProtocolVersion: {
    tag: "v",
    read: (r) => {
      const newestMinor = r.u32("NegotiateProtocolVersion.newestMinor");
      const options: string[] = [];
      for (let left = r.u32("NegotiateProtocolVersion.options"); left > 0; left--) {
        options.push(readCString(r, "NegotiateProtocolVersion.options", options.length));
      }
      return { newestMinor, options };
    },
    write: (w, { newestMinor, options }) => {
      w.u32(newestMinor, "NegotiateProtocolVersion.newestMinor");
      mustBeArray(options, "NegotiateProtocolVersion.options");
      w.u32(options.length, "NegotiateProtocolVersion.options");
      for (const [i, option] of options.entries()) writeCString(w, option, "NegotiateProtocolVersion.options", i);
    },
  },

  ParameterStatus: {
    tag: "S",
    read: (r) => ({ name: readCString(r, "ParameterStatus.name"), value: readCString(r, "ParameterStatus.value") }),
    write: (w, { name, value }) => {
      writeCString(w, name, "ParameterStatus.name");
      writeCString(w, value, "ParameterStatus.value");
    },
  },

  NoticeResponse: /* @__PURE__ */ fieldsEntry("N", "NoticeResponse"),
  ErrorResponse: /* @__PURE__ */ fieldsEntry("E", "ErrorResponse"),

  NotificationResponse: {
    tag: "A",
    read: (r) => ({
      processId: r.u32("NotificationResponse.processId"),
      channel: readCString(r, "NotificationResponse.channel"),
      payload: readCString(r, "NotificationResponse.payload"),
    }),
    write: (w, { processId, channel, payload }) => {
      w.u32(processId, "NotificationResponse.processId");
      writeCString(w, channel, "NotificationResponse.channel");
      writeCString(w, payload, "NotificationResponse.payload");
    },
  },

  ReadyForQuery: {
    tag: "Z",
    read: (r) => {
      const status = String.fromCharCode(r.u8("ReadyForQuery.status"));
      return isTransactionStatus(status) ? { status } : r.notOneOf("BAD_VALUE", "ITE", "ReadyForQuery.status");
    },
    write: (w, { status }) => {
      if (!isTransactionStatus(status)) refuse('"I", "T" or "E"', status, "ReadyForQuery.status");
      w.literal(status);
    },
  },

  RowDescription: {
    tag: "T",
    read: (r) => {
      const columns: RowColumn[] = [];
      for (let count = r.u16("RowDescription.columns"), i = 0; i < count; i++) {
        columns.push({
          name: readCString(r, "RowDescription.columns", i, ".name"),
          tableId: r.u32("RowDescription.columns", i, ".tableId"),
          columnNumber: readI16(r, "RowDescription.columns", i, ".columnNumber"),
          typeId: r.u32("RowDescription.columns", i, ".typeId"),
          typeSize: readI16(r, "RowDescription.columns", i, ".typeSize"),
          typeModifier: r.i32("RowDescription.columns", i, ".typeModifier"),
          format: readFormat(r, "RowDescription.columns", i, ".format"),
        });
      }
      return { columns };
    },
    write: (w, { columns }) => {
      mustBeArray(columns, "RowDescription.columns");
      w.u16(columns.length, "RowDescription.columns");
      for (const [i, column] of columns.entries()) {
        mustBeObject(column, "RowDescription.columns", i);
        writeCString(w, column.name, "RowDescription.columns", i, ".name");
        w.u32(column.tableId, "RowDescription.columns", i, ".tableId");
        writeI16(w, column.columnNumber, "RowDescription.columns", i, ".columnNumber");
        w.u32(column.typeId, "RowDescription.columns", i, ".typeId");
        writeI16(w, column.typeSize, "RowDescription.columns", i, ".typeSize");
        w.i32(column.typeModifier, "RowDescription.columns", i, ".typeModifier");
        writeFormat(w, column.format, "RowDescription.columns", i, ".format");
      }
    },
  },

  DataRow: {
    tag: "D",
    read: (r) => {
      const values: (string | null)[] = [];
      for (let count = r.u16("DataRow.values"), i = 0; i < count; i++) {
        const length = r.i32("DataRow.values", i);
        if (length < -1 || length > LONGEST_STRING) {
          r.fail("BAD_LENGTH", r.offset - 4, `has length ${length}`, "DataRow.values", i);
        }
        const start = length < 0 ? 0 : r.skip(length, "DataRow.values", i);
        values.push(length < 0 ? null : decodeText(r.bytes, start, start + length));
      }
      return { values };
    },
    write: (w, { values }) => {
      mustBeArray(values, "DataRow.values");
      w.u16(values.length, "DataRow.values");
      for (const [i, value] of values.entries()) {
        if (value === null) w.i32(-1, "DataRow.values", i);
        else writeCounted(w, bytesOfText(value, i), "DataRow.values", i);
      }
    },
  },

  CommandComplete: {
    tag: "C",
    read: (r) => ({ tag: readCString(r, "CommandComplete.tag") }),
    write: (w, { tag }) => writeCString(w, tag, "CommandComplete.tag"),
  },

  EmptyQueryResponse: /* @__PURE__ */ bare("I"),

  CopyInResponse: /* @__PURE__ */ copyStartEntry("G", "CopyInResponse"),
  CopyOutResponse: /* @__PURE__ */ copyStartEntry("H", "CopyOutResponse"),
  CopyBothResponse: /* @__PURE__ */ copyStartEntry("W", "CopyBothResponse"),
  CopyData: copyData,
  CopyDone: /* @__PURE__ */ bare("c"),
};

const frontend: Entries<FrontendMessage> = {
  PasswordMessage: {
    tag: "p",
    read: (r) => ({ data: r.rest() }),
    write: (w, { data }) => w.rest(data, "PasswordMessage.data"),
  },
  Query: {
    tag: "Q",
    read: (r) => ({ query: readCString(r, "Query.query") }),
    write: (w, { query }) => writeCString(w, query, "Query.query"),
  },
  CopyData: copyData,
  CopyDone: /* @__PURE__ */ bare("c"),
  CopyFail: {
    tag: "f",
    read: (r) => ({ message: readCString(r, "CopyFail.message") }),
    write: (w, { message }) => writeCString(w, message, "CopyFail.message"),
  },
  Flush: /* @__PURE__ */ bare("H"),
  Sync: /* @__PURE__ */ bare("S"),
  Terminate: /* @__PURE__ */ bare("X"),
  Parse: /* @__PURE__ */ forbidden("P", "Parse"),
  Bind: /* @__PURE__ */ forbidden("B", "Bind"),
  Describe: /* @__PURE__ */ forbidden("D", "Describe"),
  Execute: /* @__PURE__ */ forbidden("E", "Execute"),
  Close: /* @__PURE__ */ forbidden("C", "Close"),
  FunctionCall: /* @__PURE__ */ forbidden("F", "FunctionCall"),
};

/** The longest string of V8, in UTF-16 code units; other engines allow more. */
const LONGEST_STRING = 2 ** 29 - 24;

const nothing = new Uint8Array(0);

/** The types of a server's messages, by their type bytes. */
export const backendTypes: ReadonlyMap<number, BackendMessage["type"]> = /* @__PURE__ */ typesByTag(backend);
/** The types of a client's messages, by their type bytes. */
export const frontendTypes: ReadonlyMap<number, FrontendMessage["type"]> = /* @__PURE__ */ typesByTag(frontend);

/**
 * Decode one message of a server.
 *
 * @param frame The type byte and the whole body, as a Framer hands them out. Bytes in the result are views of the body.
 * @throws DecodeError for a type byte that no walsender sends, and for a body that is not the message's.
 * @source fe-protocol3.c: pqParseInput3
 * @example decodeBackendMessage({ tag: 0x5a, bytes: hex("49") }) // { type: "ReadyForQuery", status: "I" }
 */
export function decodeBackendMessage(frame: SessionFrame): BackendMessage {
  return readBackendMessage(bodyOf(frame), frame.tag);
}

/**
 * Encode one message of a server as a whole frame.
 *
 * @returns a fresh array.
 * @throws EncodeError with the path of a field that cannot be written.
 * @example encodeBackendMessage({ type: "ReadyForQuery", status: "I" }) // hex("5a 00000005 49")
 */
export function encodeBackendMessage(message: BackendMessage): Uint8Array {
  return encode(backend, message, "BackendMessage");
}

/**
 * Decode one message of a client.
 *
 * @param frame The type byte and the whole body, as a Framer hands them out. Bytes in the result are views of the body.
 * @throws DecodeError for a type byte that is not one of a FrontendMessage, and for a body that is not the message's.
 * @source postgres.c: SocketBackend
 * @example decodeFrontendMessage({ tag: 0x51, bytes: hex("53484f572061 00") }) // { type: "Query", query: "SHOW a" }
 */
export function decodeFrontendMessage(frame: SessionFrame): FrontendMessage {
  return readFrontendMessage(bodyOf(frame), frame.tag);
}

/**
 * Encode one message of a client as a whole frame.
 *
 * @returns a fresh array.
 * @throws EncodeError with the path of a field that cannot be written.
 * @example encodeFrontendMessage({ type: "Terminate" }) // hex("58 00000004")
 */
export function encodeFrontendMessage(message: FrontendMessage): Uint8Array {
  return encode(frontend, message, "FrontendMessage");
}

/** The first packet of a connection, which has no type byte. */
export type StartupPacket =
  | {
      readonly type: "StartupMessage";
      /** The major version of the protocol: 3. */
      readonly protocolMajor: number;
      /** Its minor version: 0, or 2 from PostgreSQL 18 on. */
      readonly protocolMinor: number;
      /** Names and values in the order in which they are sent. */
      readonly parameters: readonly (readonly [name: string, value: string])[];
    }
  | { readonly type: "SSLRequest" }
  | { readonly type: "GSSENCRequest" }
  | {
      readonly type: "CancelRequest";
      /** The process ID of the server process whose command is to be cancelled, from BackendKeyData. */
      readonly processId: number;
      /** The key of the same BackendKeyData. A view, not a copy. */
      readonly secretKey: Uint8Array;
    };

/** pqcomm.h: the codes in place of a version. */
const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;

/**
 * Encode a startup packet, with its length before it.
 *
 * @throws EncodeError with the path of a field that cannot be written.
 * @example encodeStartupPacket({ type: "SSLRequest" }) // hex("00000008 04d2162f")
 */
export function encodeStartupPacket(packet: StartupPacket): Uint8Array {
  mustBeObject(packet, "StartupPacket");
  const body = encodeWith(writeStartup, packet);
  const bytes = new Uint8Array(4 + body.length);
  new DataView(bytes.buffer).setUint32(0, bytes.length);
  bytes.set(body, 4);
  return bytes;
}

function writeStartup(w: Writer, packet: StartupPacket): void {
  switch (packet.type) {
    case "SSLRequest":
      return w.u32(SSL_REQUEST, "SSLRequest");
    case "GSSENCRequest":
      return w.u32(GSSENC_REQUEST, "GSSENCRequest");
    case "CancelRequest":
      w.u32(CANCEL_REQUEST, "CancelRequest");
      w.u32(packet.processId, "CancelRequest.processId");
      return w.rest(packet.secretKey, "CancelRequest.secretKey");
    case "StartupMessage":
      if (packet.protocolMajor !== 3) refuse("3", packet.protocolMajor, "StartupMessage.protocolMajor");
      w.u16(packet.protocolMajor, "StartupMessage.protocolMajor");
      w.u16(packet.protocolMinor, "StartupMessage.protocolMinor");
      mustBeArray(packet.parameters, "StartupMessage.parameters");
      for (const [i, parameter] of packet.parameters.entries()) {
        mustBeArray(parameter, "StartupMessage.parameters", i);
        if (parameter[0] === "") refuse("a name that is not empty", "", "StartupMessage.parameters", i, "[0]");
        writeCString(w, parameter[0], "StartupMessage.parameters", i, "[0]");
        writeCString(w, parameter[1], "StartupMessage.parameters", i, "[1]");
      }
      return w.literal("\0");
    default:
      return refuse("the type of a startup packet", (packet as { type?: unknown }).type, "StartupPacket.type");
  }
}

/**
 * Decode a startup packet.
 *
 * @param bytes What follows its length.
 * @throws DecodeError for anything that is not a startup packet.
 * @source backend_startup.c: ProcessStartupPacket
 * @example decodeStartupPacket(hex("04d2162f")) // { type: "SSLRequest" }
 */
export function decodeStartupPacket(bytes: Uint8Array): StartupPacket {
  mustBeBytes(bytes);
  return readStartupPacket(new Reader(plainBytes(bytes)));
}

function readStartup(r: Reader): StartupPacket {
  const code = r.u32("StartupPacket.version");
  if (code === SSL_REQUEST) return { type: "SSLRequest" };
  if (code === GSSENC_REQUEST) return { type: "GSSENCRequest" };
  if (code === CANCEL_REQUEST) {
    return { type: "CancelRequest", processId: r.u32("CancelRequest.processId"), secretKey: r.rest() };
  }
  const protocolMajor = code >>> 16;
  const protocolMinor = code & 0xffff;
  // What follows has another form there: ProcessStartupPacket does not read it either.
  if (protocolMajor !== 3) {
    r.fail(
      "BAD_VALUE",
      0,
      `is ${protocolMajor}.${protocolMinor}, expected 3.0 or later,`,
      "StartupMessage.protocolMajor",
    );
  }
  const parameters: [string, string][] = [];
  while (r.bytes[r.offset] !== 0) {
    const name = readCString(r, "StartupMessage.parameters", parameters.length, "[0]");
    parameters.push([name, readCString(r, "StartupMessage.parameters", parameters.length, "[1]")]);
  }
  r.u8("StartupMessage.parameters");
  return { type: "StartupMessage", protocolMajor, protocolMinor, parameters };
}

/** A frame's type byte for an error: `"T"` or `0x01`. */
export function shownTag(tag: number): string {
  return tag > 0x20 && tag < 0x7f
    ? JSON.stringify(String.fromCharCode(tag))
    : `0x${(tag & 0xff).toString(16).padStart(2, "0")}`;
}

/**
 * A walsender's CopyInResponse and CopyOutResponse say text, and no columns.
 *
 * @throws ProtocolError for another one.
 */
export function checkCopyStart({ format, columnFormats }: CopyStart): void {
  if (format !== "text" || columnFormats.length > 0) {
    throw new ProtocolError(
      `the server opened a ${format} copy stream of ${columnFormats.length} columns, expected text and 0`,
    );
  }
}

/** Several messages, one after the other, in a fresh array. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function typesByTag<T extends string>(entries: Readonly<Record<T, { readonly tag: string }>>): ReadonlyMap<number, T> {
  const types = Object.keys(entries) as T[];
  return new Map(types.map((type) => [entries[type].tag.charCodeAt(0), type]));
}

/** Check a frame that a decoder is given. @throws ArgumentError */
export function checkFrame(frame: unknown): asserts frame is SessionFrame {
  if (typeof frame !== "object" || frame === null) refuseArgument("frame", "an object", frame);
  const { tag, bytes } = frame as Partial<SessionFrame>;
  checkWhole("frame.tag", tag, 0, 0xff);
  mustBeBytes(bytes, "frame.bytes");
}

/** Read the body of a server's message. @internal */
export function readBackendMessage(r: Reader, tag: number): BackendMessage {
  return read(backend, backendTypes, r, tag, "BackendMessage.type");
}

/** Read the body of a client's message. @internal */
export function readFrontendMessage(r: Reader, tag: number): FrontendMessage {
  return read(frontend, frontendTypes, r, tag, "FrontendMessage.type");
}

/** Read what follows the length of a startup packet. @internal */
export function readStartupPacket(r: Reader): StartupPacket {
  const packet = readStartup(r);
  r.end("StartupPacket");
  return packet;
}

/** The body of a frame. It may be a Buffer, whose views would be Buffers. */
function bodyOf(frame: SessionFrame): Reader {
  checkFrame(frame);
  return new Reader(plainBytes(frame.bytes));
}

function read<M extends { readonly type: string }>(
  entries: Entries<M>,
  types: ReadonlyMap<number, M["type"]>,
  r: Reader,
  tag: number,
  path: string,
): M {
  const type: M["type"] =
    types.get(tag) ??
    r.fail("BAD_TAG", 0, `is ${shownTag(tag)}, which is not a message of a walsender connection,`, path);
  const message = { type, ...entries[type].read(r) };
  r.end(type);
  return message as unknown as M;
}

function encode<M extends { readonly type: string }>(entries: Entries<M>, message: M, path: string): Uint8Array {
  mustBeObject(message, path);
  const type: M["type"] = message.type;
  if (!Object.hasOwn(entries, type)) refuse("the type of a message", type, `${path}.type`);
  const entry = entries[type] as unknown as Entry<M>;
  return encodeFrame(entry.tag, encodeWith(entry.write, message));
}

function fieldsEntry<T extends "ErrorResponse" | "NoticeResponse">(
  tag: string,
  type: T,
): Entry<{ readonly type: T; readonly fields: ServerFields }> {
  return {
    tag,
    read: (r) => {
      // Without a prototype: a letter may be any byte.
      const fields: Record<string, string> = Object.create(null);
      for (let code = r.u8(`${type}.code`); code !== 0; code = r.u8(`${type}.code`)) {
        const letter = String.fromCharCode(code);
        if (letter in fields) {
          r.fail("BAD_VALUE", r.offset - 1, `is ${JSON.stringify(letter)} for the second time`, `${type}.code`);
        }
        fields[letter] = readCString(r, `${type}.${/\w/.test(letter) ? letter : "field"}`);
      }
      return { fields: { ...fields } };
    },
    write: (w, { fields }) => {
      mustBeObject(fields, `${type}.fields`);
      for (const [letter, value] of Object.entries(fields)) {
        if (letter.length !== 1 || letter === "\0") {
          throw new EncodeError(
            `${type}.code`,
            `${type}.code: expected one character, got ${JSON.stringify(letter.slice(0, 40))}`,
          );
        }
        w.u8(letter.charCodeAt(0), `${type}.code`);
        writeCString(w, value, `${type}.${letter}`);
      }
      w.literal("\0");
    },
  };
}

function copyStartEntry<T extends string>(tag: string, type: T): Entry<{ readonly type: T } & CopyStart> {
  return {
    tag,
    read: (r) => {
      const format = r.bool(`${type}.format`) ? "binary" : "text";
      const columnFormats: ColumnFormat[] = [];
      for (let count = r.u16(`${type}.columnFormats`), i = 0; i < count; i++) {
        columnFormats.push(readFormat(r, `${type}.columnFormats`, i));
      }
      return { format, columnFormats };
    },
    write: (w, { format, columnFormats }) => {
      if (format !== "text" && format !== "binary") refuse('"text" or "binary"', format, `${type}.format`);
      w.u8(format === "binary" ? 1 : 0, `${type}.format`);
      mustBeArray(columnFormats, `${type}.columnFormats`);
      w.u16(columnFormats.length, `${type}.columnFormats`);
      for (const [i, each] of columnFormats.entries()) writeFormat(w, each, `${type}.columnFormats`, i);
    },
  };
}

function readFormat(r: Reader, path: string, index: number, field?: string): ColumnFormat {
  const code = r.u16(path, index, field);
  if (code > 1) r.fail("BAD_VALUE", r.offset - 2, `is ${code}, expected 0 or 1,`, path, index, field);
  return code === 1 ? "binary" : "text";
}

function writeFormat(w: Writer, format: ColumnFormat, path: string, index: number, field?: string): void {
  if (format !== "text" && format !== "binary") refuse('"text" or "binary"', format, path, index, field);
  w.u16(format === "binary" ? 1 : 0, path, index, field);
}

function readI16(r: Reader, path: string, index: number, field: string): number {
  return (r.u16(path, index, field) << 16) >> 16;
}

function writeI16(w: Writer, value: number, path: string, index: number, field: string): void {
  if (!Number.isInteger(value) || value < -0x8000 || value > 0x7fff) {
    refuse("a whole number from -32768 to 32767", value, path, index, field);
  }
  w.u16(value & 0xffff, path, index, field);
}

function isTransactionStatus(status: string): status is TransactionStatus {
  return status === "I" || status === "T" || status === "E";
}

function bytesOfText(text: string, index: number): Uint8Array {
  if (typeof text !== "string") refuse("text or null", text, "DataRow.values", index);
  const bytes = new Uint8Array(text.length * 3);
  const length = encodeText(text, bytes, 0);
  if (length < 0) refuse(TEXT_WANTED, text, "DataRow.values", index);
  return bytes.subarray(0, length);
}
