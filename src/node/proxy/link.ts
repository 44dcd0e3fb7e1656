/** Link: one client's connection through the proxy, and the one to the server that belongs to it. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect as connectTls, type SecureContext, TLSSocket } from "node:tls";
import { ConnectionError, DecodeError } from "../../kernel/errors.ts";
import {
  type BackendMessage,
  decodeBackendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeStartupPacket,
  type SessionFrame,
  type StartupPacket,
} from "../../session/messages.ts";
import { encodeFrame, Framer, framesOf } from "../../wire/framer.ts";
import { firstDifference } from "../first-difference.ts";
import { checkAction } from "./check.ts";
import { type Contents, ContentsReader } from "./contents.ts";
import type { OnMessage, PassingMessage, Sender } from "./passing.ts";

/** What a link is given. */
export interface LinkOptions {
  readonly connection: number;
  readonly client: Socket;
  readonly server: Socket;
  readonly reencode: boolean;
  readonly maxLength: number;
  readonly onMessage: OnMessage | undefined;
  readonly onError: (error: Error) => void;
  /** Milliseconds until the startup packet must be there. */
  readonly startupTimeout: number;
  /** For clients that ask for TLS. */
  readonly secureContext: SecureContext | undefined;
  /** Clients without TLS are rejected. */
  readonly requiresTls: boolean;
  /** Options of tls.connect to the server, without the socket. */
  readonly serverTls: ConnectionOptions | undefined;
  readonly passThrough: boolean;
}

/** Milliseconds that a peer has to read the end of what was sent to it. */
const LINGER = 1000;

/** pqcomm.h: MAX_STARTUP_PACKET_LENGTH. */
const MAX_STARTUP = 10_000;

/** The first byte of a TLS handshake, without a request before it. @source backend_startup.c: ProcessSSLStartup */
const DIRECT_TLS = 0x16;
const ALPN = "postgresql";
const AUTHENTICATION = 0x52;
const PLUS = "SCRAM-SHA-256-PLUS";

const nothing = new Uint8Array(0);

/** Bytes that are no message, with those that follow: they can only be passed on as they are. */
class Unreadable extends Error {
  readonly bytes: Uint8Array;
  override readonly cause: DecodeError;

  constructor(bytes: Uint8Array, cause: DecodeError) {
    super(cause.message);
    this.bytes = bytes;
    this.cause = cause;
  }
}

export class Link {
  readonly #options: LinkOptions;
  readonly #contents = new ContentsReader();
  /** Under TLS not the sockets of the options, but those on them. */
  #client: Socket;
  #server: Socket;
  readonly #closed: Promise<void>;
  #isClosed = false;
  #isStalled = false;
  /** Errors of the two sockets. */
  readonly #losses = new Set<unknown>();

  constructor(options: LinkOptions) {
    this.#options = options;
    const { client, server } = options;
    this.#client = client;
    this.#server = server;
    this.#closed = Promise.all(
      [client, server].map(
        (socket) =>
          new Promise<void>((resolve) => {
            // What a connection dies of, the other side learns as its end.
            socket.on("error", (cause) => {
              this.#losses.add(cause);
              if (socket !== server || server.bytesRead > 0 || this.#isClosed) return;
              const message = `cannot reach the server: ${cause.message}`;
              options.onError(new ConnectionError(message, "CONNECTION_LOST", { cause }));
            });
            socket.on("close", () => {
              this.close();
              resolve();
            });
          }),
      ),
    ).then(() => {});
  }

  /** Its number. */
  get connection(): number {
    return this.#options.connection;
  }

  /** Until both connections are closed. @throws what `onMessage` throws */
  async run(): Promise<void> {
    const { startupTimeout } = this.#options;
    const timer = setTimeout(() => this.close(), startupTimeout);
    try {
      const secured = this.#secureServer();
      const rest = await this.#startup(secured);
      clearTimeout(timer);
      if (rest instanceof Unreadable) {
        this.#options.onError(rest.cause);
        await Promise.all([this.#copy("client", rest.bytes), this.#copy("server", nothing)]);
      } else if (rest !== undefined) await Promise.all([this.#pump("client", rest), this.#pump("server", nothing)]);
    } catch (error) {
      // Both sides see the end.
      if (error instanceof DecodeError || error instanceof ConnectionError) this.#options.onError(error);
      else if (!this.#losses.has(error) && !isClosed(error)) throw error;
    } finally {
      clearTimeout(timer);
      this.close();
      await this.#closed;
    }
  }

  /** Close both connections: what was written is sent, if the peer reads it within a second. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const socket of new Set([this.#client, this.#server, this.#options.client, this.#options.server])) {
      socket.destroySoon();
      if (!socket.destroyed) setTimeout(() => socket.destroy(), LINGER).unref();
    }
  }

  /** Ask the server for TLS, if it is wanted; what goes wrong closes both connections. */
  async #secureServer(): Promise<void> {
    const { server, serverTls } = this.#options;
    if (serverTls === undefined) return;
    try {
      if (server.connecting) await once(server, "connect");
      if (this.#isClosed) return;
      server.write(encodeStartupPacket({ type: "SSLRequest" }));
      await once(server, "readable");
      const answer = String((server.read() as Buffer | null)?.toString("latin1"));
      if (answer !== "S")
        throw new Error(answer === "N" ? "it does not have TLS" : "its answer to the request of TLS is invalid");
      const secure = connectTls({ ...serverTls, socket: server, ALPNProtocols: [ALPN] });
      this.#server = secure;
      // The connection under it is closed, too.
      secure.on("error", () => {});
      await once(secure, "secureConnect");
    } catch (cause) {
      // That it cannot be reached is said already.
      if (this.#isClosed || server.bytesRead === 0) return;
      const { message } = cause as Error;
      const error = new ConnectionError(`cannot speak TLS with the server: ${message}`, "CONNECTION_LOST", { cause });
      this.#options.onError(error);
      this.close();
    }
  }

  /** Begin TLS with the client. @param first What has come of the handshake. @throws ConnectionError */
  async #secureClient(secureContext: SecureContext, first: Uint8Array): Promise<void> {
    const { client } = this.#options;
    if (first.length > 0) client.unshift(first);
    const secure = new TLSSocket(client, { isServer: true, secureContext, ALPNProtocols: [ALPN] });
    this.#client = secure;
    secure.on("error", () => {});
    await new Promise<void>((resolve, reject) => {
      secure.once("secure", resolve);
      // What fails in a handshake is no error of the socket, and does not close it: a tls.Server would. There is no other event for it.
      secure.once("_tlsError", (cause: Error) => {
        reject(new ConnectionError(`cannot speak TLS with the client: ${cause.message}`, "CONNECTION_LOST", { cause }));
      });
      for (const event of ["end", "close"]) {
        const message = "cannot speak TLS with the client: it has closed the connection";
        secure.once(event, () => reject(new ConnectionError(message, "CONNECTION_LOST")));
      }
    });
  }

  /**
   * The packets before the first message. The server does not see requests of encryption: they are answered here.
   *
   * @param secured When the server can be written to.
   * @returns what came after them; Unreadable for what is no startup packet and is to be passed; undefined if there is nothing more to pass
   */
  async #startup(secured: Promise<void>): Promise<Uint8Array | Unreadable | undefined> {
    for (;;) {
      const next = await this.#packets(secured);
      if (!(typeof next === "object" && "handshake" in next)) return next;
      await this.#secureClient(this.#options.secureContext!, next.handshake);
    }
  }

  async #packets(
    secured: Promise<void>,
  ): Promise<Uint8Array | Unreadable | undefined | { readonly handshake: Uint8Array }> {
    const { secureContext, requiresTls, passThrough } = this.#options;
    const client = this.#client;
    const isPlain = !(client instanceof TLSSocket);
    let bytes: Uint8Array = nothing;
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      if (isPlain && secureContext !== undefined && bytes[0] === DIRECT_TLS) return { handshake: bytes };
      while (bytes.length >= 4) {
        const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
        if (length < 8 || length > MAX_STARTUP) {
          const error = new DecodeError(
            "BAD_LENGTH",
            "StartupPacket",
            0,
            `a startup packet cannot have ${length} bytes`,
          );
          if (!passThrough || (isPlain && requiresTls)) throw error;
          await secured;
          if (this.#isClosed) return undefined;
          return new Unreadable(bytes, error);
        }
        if (bytes.length < length) break;
        const wire = bytes.subarray(0, length);
        bytes = bytes.subarray(length);
        const { packet, encoded, error } = startupOf(wire);
        if (packet?.type === "SSLRequest" || packet?.type === "GSSENCRequest") {
          const accepts = packet.type === "SSLRequest" && isPlain && secureContext !== undefined;
          client.write(accepts ? "S" : "N");
          if (!accepts) continue;
          // What came with the request was not encrypted.
          if (bytes.length > 0)
            throw new DecodeError("TRAILING_BYTES", "SSLRequest", 8, "unencrypted bytes came after the request of TLS");
          return { handshake: nothing };
        }
        if (isPlain && requiresTls)
          throw new ConnectionError("the client does not encrypt, as it must beyond loopback", "DISCONNECTED");
        await secured;
        if (this.#isClosed) return undefined;
        const contents = { message: undefined, payload: undefined, change: undefined, error, encoded };
        const passing = this.#passing("client", wire, contents, [packet?.type ?? "StartupPacket"]);
        await this.#pass(this.#server, { ...passing, message: packet }, encoded);
        return bytes;
      }
    }
    return undefined;
  }

  /** The socket of a side, and that of the other. */
  #sides(from: Sender): readonly [source: Socket, target: Socket] {
    return from === "client" ? [this.#client, this.#server] : [this.#server, this.#client];
  }

  /** Pass on what is not read. */
  async #copy(from: Sender, first: Uint8Array): Promise<void> {
    const [source, target] = this.#sides(from);
    await this.#write(target, first);
    for await (const chunk of source.iterator({ destroyOnReturn: false })) await this.#write(target, chunk);
    target.end();
  }

  async #pump(from: Sender, first: Uint8Array): Promise<void> {
    const { maxLength, passThrough } = this.#options;
    const [source, target] = this.#sides(from);
    const framer = new Framer({ maxLength });
    /** Bytes of a message that is not complete; themselves where they may have to be passed on. */
    let unread = 0;
    const held: Uint8Array[] = [];
    let heldSize = 0;
    const take = async (chunk: Uint8Array): Promise<void> => {
      if (passThrough) held.push(chunk);
      heldSize += chunk.length;
      unread += chunk.length;
      for (const frame of framesOf(framer, chunk)) {
        const wire = encodeFrame(String.fromCharCode(frame.tag), frame.bytes);
        unread -= wire.length;
        await this.#frame(from, frame, wire, target);
      }
      while (held.length > 0 && heldSize - held[0]!.length >= unread) heldSize -= held.shift()!.length;
    };
    const left = (): Uint8Array => tailOf(held, unread);
    try {
      await take(first);
      for await (const chunk of source.iterator({ destroyOnReturn: false })) await take(chunk);
    } catch (error) {
      if (!passThrough || !(error instanceof DecodeError)) throw error;
      this.#options.onError(error);
      return this.#copy(from, left());
    }
    if (this.#isStalled) return;
    if (passThrough && unread > 0) await this.#write(target, left());
    if (unread > 0 && !this.#isClosed) {
      const message = `the ${from} has closed the connection within a message, of which ${unread} bytes had come`;
      this.#options.onError(new DecodeError("TRUNCATED", "frame", 0, message));
    }
    target.end();
  }

  async #frame(from: Sender, frame: SessionFrame, came: Uint8Array, target: Socket): Promise<void> {
    if (this.#isStalled) await this.#closed;
    const { onMessage, reencode, serverTls } = this.#options;
    const wire = serverTls !== undefined && from === "server" ? withoutPlus(frame, came) : came;
    if (onMessage === undefined && !reencode) return this.#write(target, wire);
    const contents = this.#contents.read(from, wire === came ? frame : { ...frame, bytes: wire.subarray(5) }, wire);
    const types: string[] = [contents.message, contents.payload, contents.change].flatMap((each) => each?.type ?? []);
    if (types.length === 0) types.push(String.fromCharCode(frame.tag));
    await this.#pass(target, this.#passing(from, wire, contents, types), contents.encoded);
  }

  #passing(from: Sender, bytes: Uint8Array, contents: Contents, types: readonly string[]): PassingMessage {
    const { connection } = this.#options;
    const { message, payload, change, error, encoded } = contents;
    const mismatch = firstDifference(bytes, encoded);
    return { connection, from, types, bytes, message, payload, change, error, mismatch };
  }

  async #pass(target: Socket, message: PassingMessage, encoded: Uint8Array): Promise<void> {
    const bytes = this.#options.reencode ? encoded : message.bytes;
    const action = (await this.#options.onMessage?.(message)) ?? undefined;
    if (action !== undefined) checkAction("the result of onMessage", action);
    switch (action?.type) {
      case undefined:
        return this.#write(target, bytes);
      case "drop":
        return;
      case "replace":
        return this.#write(target, action.bytes);
      case "delay":
        await Promise.race([sleep(action.milliseconds, undefined, { ref: false }), this.#closed]);
        return this.#write(target, bytes);
      case "split":
        for (let i = 0; i < bytes.length && !this.#isClosed; i += action.size) {
          await this.#write(target, bytes.subarray(i, i + action.size));
          await sleep(1);
        }
        return;
      case "cut":
        await this.#write(target, bytes.subarray(0, action.after ?? 0));
        return this.close();
      case "stall":
        this.#isStalled = true;
        await this.#write(target, bytes.subarray(0, action.after ?? 0));
    }
  }

  async #write(target: Socket, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 || !target.writable) return;
    if (!target.write(bytes)) await Promise.race([once(target, "drain"), this.#closed]);
  }
}

/** The last bytes of chunks. */
function tailOf(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const all = Buffer.concat(chunks);
  return all.subarray(all.length - length);
}

/**
 * The mechanisms of a server without the one that binds a login to its certificate: the client sees another certificate, or none.
 *
 * @source auth-scram.c: scram_get_mechanisms
 */
function withoutPlus(frame: SessionFrame, wire: Uint8Array): Uint8Array {
  if (frame.tag !== AUTHENTICATION) return wire;
  let message: BackendMessage;
  try {
    message = decodeBackendMessage(frame);
  } catch (error) {
    if (error instanceof DecodeError) return wire;
    throw error;
  }
  if (message.type !== "Authentication" || !message.mechanisms.includes(PLUS)) return wire;
  return encodeBackendMessage({ ...message, mechanisms: message.mechanisms.filter((each) => each !== PLUS) });
}

/** A startup packet; one that cannot be decoded is as it came, and the server says what it thinks of it. */
function startupOf(wire: Uint8Array): {
  readonly packet: StartupPacket | undefined;
  readonly encoded: Uint8Array;
  readonly error: DecodeError | undefined;
} {
  try {
    const packet = decodeStartupPacket(wire.subarray(4));
    return { packet, encoded: encodeStartupPacket(packet), error: undefined };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { packet: undefined, encoded: wire, error };
  }
}

/** The connection was closed while something was read or written. */
function isClosed(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED";
}
