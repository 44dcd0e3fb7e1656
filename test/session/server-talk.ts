/** Bytes that are sent to a server, ours or PostgreSQL's, and all that it says until it closes the connection. */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { onTestFinished } from "vitest";
import { type ListenOptions, listen, type WalsenderServer } from "../../src/node/server/index.ts";
import { errorFields, frame } from "../servers/raw.ts";

/** Bytes to send; or a number of bytes to wait for before more is sent. */
export type Step = Uint8Array | number;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** A packet without a type byte, such as the first one. */
export const packet = (...parts: readonly (number | Uint8Array)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === "number" ? uint32(part) : part)));
  return Buffer.concat([uint32(body.length + 4), body]);
};

/** A startup packet. */
export const startup = (parameters: Readonly<Record<string, string>>, version = 0x30000, end = "\0"): Buffer => {
  const strings = Object.entries(parameters).flat();
  return packet(version, Buffer.from(strings.map((text) => `${text}\0`).join("") + end));
};

export const sslRequest = packet(80877103);
export const gssRequest = packet(80877104);
export const query = (text: string): Buffer => frame("Q", text);
export const empty = (type: string): Buffer => frame(type, Buffer.alloc(0));
export { frame };

/** Milliseconds that a server may take to close the connection. */
const LIMIT = 60_000;

/**
 * Bytes that follow each other leave at once: a server that closes the connection while some are on their way resets it, and what it
 * said before may be lost.
 */
function joined(steps: readonly Step[]): Step[] {
  const all: Step[] = [];
  for (const step of steps) {
    const last = all.at(-1);
    if (typeof step === "number" || last === undefined || typeof last === "number") all.push(step);
    else all[all.length - 1] = Buffer.concat([last, step]);
  }
  return all;
}

/** An encrypted connection to a port of this machine, whoever has it. */
export async function encrypted(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.write(sslRequest);
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (answer.toString() !== "S") throw new Error(`the server answered ${answer} to an SSLRequest`);
  return connectTls({ socket, rejectUnauthorized: false });
}

/**
 * Send, close our side, and collect what comes until the other side is closed.
 *
 * @param to A Unix socket, or a connection.
 */
export function talk(to: string | Socket, given: readonly Step[], fin = true): Promise<Buffer> {
  const steps = joined(given);
  return new Promise((resolve, reject) => {
    const socket = typeof to === "string" ? connect({ path: to, allowHalfOpen: true }) : to;
    const chunks: Buffer[] = [];
    let [received, next] = [0, 0];
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`the server said nothing more for ${LIMIT} ms after ${Buffer.concat(chunks).toString("latin1")}`),
      );
    }, LIMIT);
    const go = (): void => {
      for (; next < steps.length; next++) {
        const step = steps[next]!;
        if (typeof step !== "number") socket.write(step);
        else if (received < step) return;
      }
      if (fin && next++ === steps.length) socket.end();
    };
    socket.on(typeof to === "string" ? "connect" : "secureConnect", go);
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      go();
    });
    socket.on("end", () => socket.end());
    // A server that closes while bytes of ours wait resets the connection.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
  });
}

/** One message of a server, readable, and without what differs between any two servers. */
function readable(type: string, body: Buffer, columns: readonly string[]): string {
  const text = body.toString("latin1");
  switch (type) {
    case "E":
    case "N": {
      const { S, V, C, M, D, H, P } = errorFields(body);
      const message = `${M}`.replace(/\b[0-9A-F]+\/[0-9A-F]+$/, "LSN");
      return [type, S, V, C, message, D && `DETAIL ${D}`, H && `HINT ${H}`, P && `at ${P}`].filter(Boolean).join(" ");
    }
    case "K":
      return `K of ${body.length} bytes`;
    case "D":
      return columns[0] === "systemid" ? "D of IDENTIFY_SYSTEM" : `D ${JSON.stringify(text)}`;
    default:
      return `${type} ${JSON.stringify(text)}`;
  }
}

/** All messages, readable; CopyData of the server is left out, since it comes when it likes. */
export function messagesOf(bytes: Buffer): string[] {
  const messages: string[] = [];
  let columns: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 5 <= bytes.length ? bytes.readUInt32BE(at + 1) : 0;
    if (length < 4 || at + 1 + length > bytes.length) {
      // An answer to SSLRequest, and errors of protocol 2, are not messages.
      const isByte = /[SNG]/.test(String.fromCharCode(bytes[at]!));
      messages.push(JSON.stringify(bytes.toString("latin1", at, isByte ? at + 1 : bytes.length)));
      at = isByte ? at + 1 : bytes.length;
      continue;
    }
    const type = String.fromCharCode(bytes[at]!);
    const body = bytes.subarray(at + 5, at + 1 + length);
    at += 1 + length;
    if (type === "T") columns = [body.toString("latin1", 2, body.indexOf(0, 2))];
    if (type !== "d") messages.push(readable(type, body, columns));
  }
  // Servers since 16 report parameters in no order.
  const first = messages.findIndex((each) => each.startsWith("S "));
  const end = messages.findIndex((each, i) => i >= first && !each.startsWith("S "));
  return first < 0
    ? messages
    : [...messages.slice(0, first), ...messages.slice(first, end).sort(), ...messages.slice(end)];
}

/** A server of ours on a Unix socket, which ends with the test. @returns it, and the path. */
export async function ourServer(options: ListenOptions): Promise<{ server: WalsenderServer; path: string }> {
  const folder = mkdtempSync(join(tmpdir(), "walwire-server-"));
  const path = join(folder, ".s.PGSQL.5432");
  const server = await listen({ ...options, path });
  onTestFinished(async () => {
    await server.close({ immediate: true });
    rmSync(folder, { recursive: true, force: true });
  });
  return { server, path };
}
