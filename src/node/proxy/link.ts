/** Link: one client's connection through the proxy, and the one to the server that belongs to it. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError, DecodeError } from "../../kernel/errors.ts";
import { decodeStartupPacket, encodeStartupPacket, type StartupPacket } from "../../session/messages.ts";
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
}

/** Milliseconds that a peer has to read the end of what was sent to it. */
const LINGER = 1000;

/** pqcomm.h: MAX_STARTUP_PACKET_LENGTH. */
const MAX_STARTUP = 10_000;

const nothing = new Uint8Array(0);

export class Link {
  readonly #options: LinkOptions;
  readonly #contents = new ContentsReader();
  readonly #closed: Promise<void>;
  #isClosed = false;
  #isStalled = false;
  /** Errors of the two sockets. */
  readonly #losses = new Set<unknown>();

  constructor(options: LinkOptions) {
    this.#options = options;
    const { client, server } = options;
    this.#closed = Promise.all(
      [client, server].map(
        (socket) =>
          new Promise<void>((resolve) => {
            // What a connection dies of, the other side learns as its end.
            socket.on("error", (cause) => {
              this.#losses.add(cause);
              if (socket !== server || server.bytesRead > 0) return;
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
      const rest = await this.#startup();
      clearTimeout(timer);
      if (rest !== undefined) await Promise.all([this.#pump("client", rest), this.#pump("server", nothing)]);
    } catch (error) {
      // Both sides see the end.
      if (error instanceof DecodeError) this.#options.onError(error);
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
    for (const socket of [this.#options.client, this.#options.server]) {
      socket.destroySoon();
      if (!socket.destroyed) setTimeout(() => socket.destroy(), LINGER).unref();
    }
  }

  /**
   * The packets before the first message. Encryption is declined here: the server does not see the request.
   *
   * @returns what came after them; undefined if there is nothing more to pass
   */
  async #startup(): Promise<Uint8Array | undefined> {
    const { client, server } = this.#options;
    let bytes: Uint8Array = nothing;
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      while (bytes.length >= 4) {
        const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
        if (length < 8 || length > MAX_STARTUP) {
          throw new DecodeError("BAD_LENGTH", "StartupPacket", 0, `a startup packet cannot have ${length} bytes`);
        }
        if (bytes.length < length) break;
        const wire = bytes.subarray(0, length);
        bytes = bytes.subarray(length);
        const { packet, encoded, error } = startupOf(wire);
        if (packet?.type === "SSLRequest" || packet?.type === "GSSENCRequest") {
          client.write("N");
          continue;
        }
        const contents = { message: undefined, payload: undefined, change: undefined, error, encoded };
        const passing = this.#passing("client", wire, contents, [packet?.type ?? "StartupPacket"]);
        await this.#pass(server, { ...passing, message: packet }, encoded);
        return bytes;
      }
    }
    return undefined;
  }

  async #pump(from: Sender, first: Uint8Array): Promise<void> {
    const { client, server, maxLength } = this.#options;
    const [source, target] = from === "client" ? [client, server] : [server, client];
    const framer = new Framer({ maxLength });
    /** Bytes of a message that is not complete. */
    let unread = await this.#chunk(from, framer, first, target);
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      unread += await this.#chunk(from, framer, chunk, target);
    }
    if (this.#isStalled) return;
    if (unread > 0 && !this.#isClosed) {
      const message = `the ${from} has closed the connection within a message, of which ${unread} bytes had come`;
      this.#options.onError(new DecodeError("TRUNCATED", "frame", 0, message));
    }
    target.end();
  }

  /** Pass what is complete with this chunk. @returns its bytes, less those of the messages that were passed */
  async #chunk(from: Sender, framer: Framer, chunk: Uint8Array, target: Socket): Promise<number> {
    let unread = chunk.length;
    for (const frame of framesOf(framer, chunk)) {
      if (this.#isStalled) await this.#closed;
      const wire = encodeFrame(String.fromCharCode(frame.tag), frame.bytes);
      unread -= wire.length;
      if (this.#options.onMessage === undefined && !this.#options.reencode) {
        await this.#write(target, wire);
        continue;
      }
      const contents = this.#contents.read(from, frame, wire);
      const types: string[] = [contents.message, contents.payload, contents.change].flatMap((each) => each?.type ?? []);
      if (types.length === 0) types.push(String.fromCharCode(frame.tag));
      await this.#pass(target, this.#passing(from, wire, contents, types), contents.encoded);
    }
    return unread;
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
