/** fast-check arbitraries of the messages around copy streams, of both directions, and of startup packets. */
import * as fc from "fast-check";
import type { BackendMessage, FrontendMessage, StartupPacket } from "../session/messages.ts";
import { wireText } from "./messages.ts";

const uint16 = fc.integer({ min: 0, max: 0xffff });
const int16 = fc.integer({ min: -0x8000, max: 0x7fff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const bytes = fc.uint8Array({ maxLength: 40 });
const format = fc.constantFrom("text", "binary");

/** What a value of a DataRow may hold: NUL too, which a C string may not. */
const valueText = (): fc.Arbitrary<string> =>
  fc.oneof(wireText(), fc.string({ unit: fc.constantFrom("\0", "a", "é", "😀"), maxLength: 9 }));

/** The fields of an ErrorResponse or NoticeResponse, those that servers send and others. */
export function serverFields(): fc.Arbitrary<Record<string, string>> {
  const letter = fc.oneof(
    fc.constantFrom(..."SVCMDHPpqWsctdnFLR"),
    // Digits would come first in an object, in whatever order they were sent.
    fc
      .integer({ min: 1, max: 255 })
      .map((code) => String.fromCharCode(code))
      .filter((each) => !/\d/.test(each)),
  );
  return fc
    .uniqueArray(fc.tuple(letter, wireText()), { selector: ([each]) => each, maxLength: 8 })
    .map((fields) => Object.fromEntries(fields));
}

function message<const T extends string, F extends object>(
  type: T,
  fields: { [K in keyof F]: fc.Arbitrary<F[K]> },
): fc.Arbitrary<{ readonly type: T } & F> {
  return fc
    .record(fields as Record<string, fc.Arbitrary<unknown>>, { noNullPrototype: true })
    .map((each) => ({ type, ...each }) as { readonly type: T } & F);
}

const copyStart = { format, columnFormats: fc.array(format, { maxLength: 4 }) };

/** An arbitrary for each type, so that a new one does not compile without. */
const backend: { [T in BackendMessage["type"]]: () => fc.Arbitrary<Extract<BackendMessage, { readonly type: T }>> } = {
  Authentication: () => {
    const none = { mechanisms: fc.constant([]), data: fc.constant(new Uint8Array(0)) };
    const plain = fc.constantFrom("Ok", "KerberosV5", "CleartextPassword", "GSS", "SSPI");
    return fc.oneof(
      message("Authentication", { method: plain, ...none }),
      message("Authentication", {
        ...none,
        method: fc.constant("MD5Password"),
        data: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      }),
      message("Authentication", {
        ...none,
        method: fc.constant("SASL"),
        mechanisms: fc.array(
          wireText().filter((text) => text !== ""),
          { maxLength: 3 },
        ),
      }),
      message("Authentication", {
        ...none,
        method: fc.constantFrom("GSSContinue", "SASLContinue", "SASLFinal"),
        data: bytes,
      }),
    );
  },
  BackendKeyData: () => message("BackendKeyData", { processId: uint32, secretKey: bytes }),
  NegotiateProtocolVersion: () =>
    message("NegotiateProtocolVersion", { newestMinor: uint32, options: fc.array(wireText(), { maxLength: 3 }) }),
  ParameterStatus: () => message("ParameterStatus", { name: wireText(), value: wireText() }),
  NoticeResponse: () => message("NoticeResponse", { fields: serverFields() }),
  ErrorResponse: () => message("ErrorResponse", { fields: serverFields() }),
  NotificationResponse: () =>
    message("NotificationResponse", { processId: uint32, channel: wireText(), payload: wireText() }),
  ReadyForQuery: () => message("ReadyForQuery", { status: fc.constantFrom("I", "T", "E") }),
  RowDescription: () => {
    const column = fc.record(
      {
        name: wireText(),
        tableId: uint32,
        columnNumber: int16,
        typeId: uint32,
        typeSize: int16,
        typeModifier: int32,
        format,
      },
      { noNullPrototype: true },
    );
    return message("RowDescription", { columns: fc.array(column, { maxLength: 4 }) });
  },
  DataRow: () => message("DataRow", { values: fc.array(fc.option(valueText()), { maxLength: 5 }) }),
  CommandComplete: () => message("CommandComplete", { tag: wireText() }),
  EmptyQueryResponse: () => fc.constant({ type: "EmptyQueryResponse" } as const),
  CopyInResponse: () => message("CopyInResponse", copyStart),
  CopyOutResponse: () => message("CopyOutResponse", copyStart),
  CopyBothResponse: () => message("CopyBothResponse", copyStart),
  CopyData: () => message("CopyData", { data: bytes }),
  CopyDone: () => fc.constant({ type: "CopyDone" } as const),
};

const frontend: { [T in FrontendMessage["type"]]: () => fc.Arbitrary<Extract<FrontendMessage, { readonly type: T }>> } =
  {
    PasswordMessage: () => message("PasswordMessage", { data: bytes }),
    Query: () => message("Query", { query: wireText() }),
    CopyData: () => message("CopyData", { data: bytes }),
    CopyDone: () => fc.constant({ type: "CopyDone" } as const),
    CopyFail: () => message("CopyFail", { message: wireText() }),
    Flush: () => fc.constant({ type: "Flush" } as const),
    Sync: () => fc.constant({ type: "Sync" } as const),
    Terminate: () => fc.constant({ type: "Terminate" } as const),
    Parse: () => message("Parse", { body: bytes }),
    Bind: () => message("Bind", { body: bytes }),
    Describe: () => message("Describe", { body: bytes }),
    Execute: () => message("Execute", { body: bytes }),
    Close: () => message("Close", { body: bytes }),
    FunctionCall: () => message("FunctionCall", { body: bytes }),
  };

/** Any message of a server around and in a copy stream. */
export function backendMessage(): fc.Arbitrary<BackendMessage> {
  return fc.oneof(...Object.values(backend).map((each): fc.Arbitrary<BackendMessage> => each()));
}

/** Any message of a client after its startup packet. */
export function frontendMessage(): fc.Arbitrary<FrontendMessage> {
  return fc.oneof(...Object.values(frontend).map((each): fc.Arbitrary<FrontendMessage> => each()));
}

/** What a client may begin a connection with. */
export function startupPacket(): fc.Arbitrary<StartupPacket> {
  const parameter = fc.tuple(
    wireText().filter((name) => name !== ""),
    wireText(),
  );
  return fc.oneof(
    message("StartupMessage", {
      protocolMajor: fc.constant(3),
      protocolMinor: uint16,
      parameters: fc.array(parameter, { maxLength: 4 }),
    }),
    fc.constant({ type: "SSLRequest" } as const),
    fc.constant({ type: "GSSENCRequest" } as const),
    message("CancelRequest", { processId: uint32, secretKey: bytes }),
  );
}
