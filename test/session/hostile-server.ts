/** A server that a test writes: it answers a login in protocol 3, and then says what the test wants, byte by byte if need be. */

import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import {
  type BackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  type FrontendMessage,
  type ServerFields,
} from "../../src/session/messages.ts";
import { Framer, framesOf } from "../../src/wire/framer.ts";

/** Messages, one after the other. */
export const say = (...messages: BackendMessage[]): Uint8Array => concat(...messages.map(encodeBackendMessage));

const noColumn = { tableId: 0, columnNumber: 0, typeId: 25, typeSize: -1, typeModifier: -1, format: "text" } as const;

export const ready: BackendMessage = { type: "ReadyForQuery", status: "I" };
export const complete = (tag: string): BackendMessage => ({ type: "CommandComplete", tag });
export const columns = (...names: string[]): BackendMessage => ({
  type: "RowDescription",
  columns: names.map((name) => ({ name, ...noColumn })),
});
export const row = (...values: (string | null)[]): BackendMessage => ({ type: "DataRow", values });
export const status = (name: string, value: string): BackendMessage => ({ type: "ParameterStatus", name, value });
export const notice = (text: string): BackendMessage => ({
  type: "NoticeResponse",
  fields: { S: "NOTICE", V: "NOTICE", C: "00000", M: text },
});
export const error = (code: string, text: string, severity = "ERROR"): BackendMessage => ({
  type: "ErrorResponse",
  fields: { S: severity, V: severity, C: code, M: text } satisfies ServerFields,
});
export const copyBoth: BackendMessage = { type: "CopyBothResponse", format: "text", columnFormats: [] };
export const copyDone: BackendMessage = { type: "CopyDone" };
export const data = (text: string): BackendMessage => ({ type: "CopyData", data: new TextEncoder().encode(text) });

/** The end of a login, after which a server waits for commands. */
export const login: readonly BackendMessage[] = [
  { type: "Authentication", method: "Ok", mechanisms: [], data: new Uint8Array(0) },
  status("server_version", "18.4"),
  { type: "BackendKeyData", processId: 1, secretKey: new Uint8Array(4) },
  ready,
];

/** What a test's server does with the startup packet ("startup") and with each message of the client. */
export type Script = (
  client: {
    readonly socket: Socket;
    write(...messages: (BackendMessage | Uint8Array)[]): void;
    end(...messages: BackendMessage[]): void;
  },
  message: { readonly type: "startup"; readonly parameters: ReadonlyMap<string, string> } | FrontendMessage,
) => void;

/** Starts a server on 127.0.0.1 that ends with the test. @returns what `connect` takes. */
export async function hostileServer(
  script: Script,
  tls?: { readonly key: string; readonly cert: string },
): Promise<{
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  replication: "database";
  sockets: Set<Socket>;
}> {
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    const bytes = (each: BackendMessage | Uint8Array): Uint8Array => (each instanceof Uint8Array ? each : say(each));
    const client = {
      socket,
      write: (...messages: (BackendMessage | Uint8Array)[]) => void socket.write(concat(...messages.map(bytes))),
      end: (...messages: BackendMessage[]) => void socket.end(say(...messages)),
    };
    const framer = new Framer();
    let started = false;
    let waiting: Uint8Array = new Uint8Array(0);
    socket.on("data", (chunk) => {
      let rest: Uint8Array = chunk;
      if (!started) {
        waiting = concat(waiting, chunk);
        if (waiting.length < 4) return;
        const length = new DataView(waiting.buffer, waiting.byteOffset).getUint32(0);
        if (waiting.length < length) return;
        rest = waiting.slice(length);
        const packet = decodeStartupPacket(waiting.subarray(4, length));
        if (packet.type !== "StartupMessage") throw new Error(`a client began with ${packet.type}`);
        started = true;
        script(client, { type: "startup", parameters: new Map(packet.parameters) });
      }
      for (const frame of framesOf(framer, rest)) script(client, decodeFrontendMessage(frame));
    });
  };
  const server = createServer((socket) => {
    if (tls === undefined) return serve(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("S");
      const secure = new TLSSocket(socket, { isServer: true, ...tls });
      serve(secure);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: "127.0.0.1", port, user: "u", password: "p", database: "d", replication: "database", sockets };
}

/** Errors that no try and catch sees: there must be none in the tests of a file. */
export function expectNothingUncaught(): void {
  const uncaught: unknown[] = [];
  const note = (reason: unknown): void => void uncaught.push(reason);
  beforeAll(() => {
    process.on("uncaughtException", note);
    process.on("unhandledRejection", note);
  });
  afterAll(() => {
    process.off("uncaughtException", note);
    process.off("unhandledRejection", note);
    expect(uncaught).toEqual([]);
  });
}
