/**
 * Conversation: one end of a walsender connection, from the first byte to the last, without I/O and without a clock.
 *
 * Both ends read the same table of states and messages. Bytes of the peer go in with `receive`, messages come out of `next`;
 * `send` checks a message of ours against the table and returns its bytes. The same calls give the same results, so a
 * conversation can be replayed from a log.
 *
 * @source walsender.c: exec_replication_command, ProcessRepliesIfAny, WalSndLoop; postgres.c: PostgresMain, SocketBackend;
 *   backend_startup.c: ProcessStartupPacket; basebackup_copy.c; libpqwalreceiver.c; fe-protocol3.c
 */

import { DecodeError, ProtocolError, StateError } from "../kernel/errors.ts";
import { checkOneOf, checkOptions } from "../kernel/options.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { shown } from "../kernel/words.ts";
import { lengthOf, MAX_ALLOC_SIZE, mustBeBytes, mustBeObject, plainBytes } from "../wire/check.ts";
import { encodeFrame, Framer, type FramerOptions } from "../wire/framer.ts";
import {
  type AuthenticationMethod,
  type BackendMessage,
  backendTypes,
  decodeBackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
  frontendTypes,
  joined,
  type SessionFrame,
  type StartupPacket,
  shownTag,
} from "./messages.ts";
import { tagsOf } from "./tags.ts";

/** The answer to an SSLRequest or GSSENCRequest: one byte. After true, both sides encrypt before they go on. */
export interface EncryptionResponse {
  readonly type: "EncryptionResponse";
  /** true for `S` or `G`, false for `N`. */
  readonly accepted: boolean;
}

/** The messages that each end sends. */
export interface Sent {
  /** The client's messages. */
  readonly walreceiver: FrontendMessage | StartupPacket;
  /** The server's messages. */
  readonly walsender: BackendMessage | EncryptionResponse;
}

/** An end of the connection. */
export type Role = keyof Sent;

/** The other end. */
export type Peer<R extends Role> = Exclude<Role, R>;

/**
 * The state of a conversation, the same for both ends except for messages under way:
 * - `startup`: the client sends a startup packet.
 * - `encryption`: the server answers SSLRequest or GSSENCRequest with one byte.
 * - `authentication`: the server asks for a proof, accepts, or rejects.
 * - `proof`: the client answers with a PasswordMessage.
 * - `starting`: the server reports parameters; its first ReadyForQuery is next.
 * - `idle`: the server waits for a command.
 * - `busy`: it works on a command; its ReadyForQuery is to come.
 * - `failed`: the command failed; its ReadyForQuery is to come.
 * - `forbidden`: the client has begun the extended query protocol; the server's error is to come.
 * - `skipping`: after that error the server ignores everything up to Sync.
 * - `syncing`: the server's ReadyForQuery is to come, which answers Sync; after FunctionCall its error comes before.
 * - `copyIn`: the client sends CopyData, the manifest of UPLOAD_MANIFEST.
 * - `copyOut`: the server sends CopyData, a base backup.
 * - `streaming`: both sides send CopyData.
 * - `clientDone`: the client has sent CopyDone; the server's is to come.
 * - `serverDone`: the server has sent CopyDone and waits for the client's.
 * - `ending`: both have sent CopyDone, and the server says how the stream ended.
 * - `shutdown`: the server closes the connection: it reported an error while it was idle, or shuts down, for which it ends a
 *   stream without CopyDone.
 * - `closed`: the connection ended, or the peer broke the protocol.
 */
export type ConversationState =
  | "startup"
  | "encryption"
  | "authentication"
  | "proof"
  | "starting"
  | "idle"
  | "busy"
  | "failed"
  | "forbidden"
  | "skipping"
  | "syncing"
  | "copyIn"
  | "copyOut"
  | "streaming"
  | "clientDone"
  | "serverDone"
  | "ending"
  | "shutdown"
  | "closed";

/** The messages that may come in a state, and the state that follows each. */
interface Moves {
  readonly walsender?: { readonly [T in Sent["walsender"]["type"]]?: ConversationState };
  readonly walreceiver?: { readonly [T in Sent["walreceiver"]["type"]]?: ConversationState };
  /** Messages that real peers send although the conversation is past them. They may be received, not sent, and change nothing. */
  readonly late?: { readonly [R in Role]?: readonly Sent[R]["type"][] };
}

/**
 * All that may be said, by state. Besides, NoticeResponse, ParameterStatus and NotificationResponse may come from the server once
 * it has a startup packet and change nothing, and Terminate may come from the client once it is logged in and ends the conversation.
 */
const moves: Readonly<Record<ConversationState, Moves>> = {
  startup: {
    walreceiver: {
      StartupMessage: "authentication",
      SSLRequest: "encryption",
      GSSENCRequest: "encryption",
      CancelRequest: "closed",
    },
  },
  // A server that is full, or older than the request, answers with an ErrorResponse.
  encryption: { walsender: { EncryptionResponse: "startup", ErrorResponse: "closed" } },
  // Authentication leads to the state that its method asks for: see `follow`.
  authentication: {
    walsender: { NegotiateProtocolVersion: "authentication", Authentication: "proof", ErrorResponse: "closed" },
  },
  proof: { walreceiver: { PasswordMessage: "authentication" }, walsender: { ErrorResponse: "closed" } },
  starting: { walsender: { BackendKeyData: "starting", ReadyForQuery: "idle", ErrorResponse: "closed" } },
  idle: {
    walreceiver: {
      Query: "busy",
      Sync: "syncing",
      Flush: "idle",
      Parse: "forbidden",
      Bind: "forbidden",
      Describe: "forbidden",
      Execute: "forbidden",
      Close: "forbidden",
      FunctionCall: "syncing",
    },
    // The error of a server that is about to close the connection: a shutdown, pg_terminate_backend, idle_session_timeout.
    walsender: { ErrorResponse: "shutdown" },
    // The server has left copy mode by an error: PostgresMain ignores these.
    late: { walreceiver: ["CopyData", "CopyDone", "CopyFail"] },
  },
  busy: {
    walsender: {
      RowDescription: "busy",
      DataRow: "busy",
      CommandComplete: "busy",
      EmptyQueryResponse: "busy",
      CopyInResponse: "copyIn",
      CopyOutResponse: "copyOut",
      CopyBothResponse: "streaming",
      ErrorResponse: "failed",
      ReadyForQuery: "idle",
    },
  },
  // A FATAL error may follow another.
  failed: { walsender: { ErrorResponse: "failed", ReadyForQuery: "idle" } },
  // postgres.c: forbidden_in_wal_sender, ignore_till_sync
  forbidden: { walsender: { ErrorResponse: "skipping" } },
  skipping: {
    walreceiver: { Sync: "syncing" },
    walsender: { ErrorResponse: "shutdown" },
    late: {
      walreceiver: [
        ...["Query", "CopyData", "CopyDone", "CopyFail", "Flush"],
        ...["Parse", "Bind", "Describe", "Execute", "Close", "FunctionCall"],
      ] as FrontendMessage["type"][],
    },
  },
  syncing: { walsender: { ErrorResponse: "syncing", ReadyForQuery: "idle" } },
  copyIn: {
    walreceiver: { CopyData: "copyIn", CopyDone: "busy", CopyFail: "busy" },
    walsender: { ErrorResponse: "failed" },
    // Clients that use the extended protocol send them in any case.
    late: { walreceiver: ["Flush", "Sync"] },
  },
  copyOut: { walsender: { CopyData: "copyOut", CopyDone: "busy", ErrorResponse: "failed" } },
  streaming: {
    walreceiver: { CopyData: "streaming", CopyDone: "clientDone" },
    walsender: { CopyData: "streaming", CopyDone: "serverDone", CommandComplete: "shutdown", ErrorResponse: "failed" },
  },
  clientDone: {
    walsender: { CopyData: "clientDone", CopyDone: "ending", CommandComplete: "shutdown", ErrorResponse: "failed" },
  },
  serverDone: {
    walreceiver: { CopyData: "serverDone", CopyDone: "ending" },
    walsender: { ErrorResponse: "failed" },
    // A walsender still asks a silent receiver for a reply: WalSndKeepaliveIfNecessary.
    late: { walsender: ["CopyData"] },
  },
  ending: {
    walsender: { RowDescription: "ending", DataRow: "ending", CommandComplete: "busy", ErrorResponse: "failed" },
    // A logical walsender may still send a Keepalive.
    late: { walsender: ["CopyData"] },
  },
  shutdown: { walsender: { ErrorResponse: "shutdown" } },
  closed: {},
};

const anyTime: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "NoticeResponse",
  "ParameterStatus",
  "NotificationResponse",
]);

/** States without a session, in which these may not come. */
const unstarted: ReadonlySet<ConversationState> = /* @__PURE__ */ new Set(["startup", "encryption", "closed"]);

/** States in which a server does not read: what the client sends waits for the next one. */
const notReading: ReadonlySet<ConversationState> = /* @__PURE__ */ new Set([
  "encryption",
  "authentication",
  "starting",
  "busy",
  "failed",
  "forbidden",
  "syncing",
  "copyOut",
  "clientDone",
  "ending",
  "shutdown",
]);

/** The longest message before the login is over. backend_startup.c: MAX_STARTUP_PACKET_LENGTH; auth.c: PG_MAX_AUTH_TOKEN_LENGTH. */
const LONGEST_STARTUP = 10_000;
const LONGEST_PROOF = 65_535;
/** A server's messages of a login have some hundred bytes; notices may be longer. */
const LONGEST_LOGIN = 1024 * 1024;

const ERROR_RESPONSE = 0x45;
const COPY_DATA = 0x64;
/** The field of an ErrorResponse that is its message. */
const MESSAGE_FIELD = 0x4d;
const NEWLINE = 0x0a;
/** The longest text of protocol 2. fe-connect.c: MAX_ERRLEN */
const LONGEST_TEXT = 30_000;

const nothing = new Uint8Array(0);

/** walsender.c: WalSndDone */
const SHUTDOWN_TAG = "COPY 0";

/** Options of both ends. */
export interface ConversationOptions extends Pick<FramerOptions, "maxLength" | "allocate"> {
  /** Where the conversation begins: `startup`, or `idle`, the default, if the login is over. */
  readonly from?: "startup" | "idle" | undefined;
  /**
   * The version of the walsender. With it, the CommandComplete messages that answer a replication command must be those of this version;
   * without it, any will do.
   */
  readonly server?: Server | undefined;
}

/** A message of either end. */
type AnyMessage = Sent[Role];

/** One end of a connection. WalReceiver and WalSender are the two. */
export abstract class Conversation<R extends Role> {
  readonly #role: R;
  readonly #peer: Role;
  readonly #framer: Framer;
  readonly #maxLength: number;
  #state: ConversationState = "closed";
  /** How many bytes of the framer are not part of a message that was handed out. */
  #unread = 0;
  /** The next byte is the server's answer to SSLRequest or GSSENCRequest, which is not a frame. */
  #awaitsByte = false;
  /** What has come of the server's first message, until it is clear whether it is a frame; undefined after that. */
  #first: Uint8Array | undefined;
  /** The byte by which a server accepts the encryption that was asked for. */
  #accepts: "S" | "G" = "S";
  /** The last authentication request. */
  #method: AuthenticationMethod | undefined;
  /** Columns of the rows that are coming; undefined between result sets. */
  #columns: number | undefined;
  /** The command has had an answer besides ReadyForQuery. */
  #answered = false;
  readonly #server: number | undefined;
  /** The tags of the CommandComplete messages that are to come; undefined if nothing is known of them. */
  #tags: readonly string[] | undefined;
  #failure: Error | undefined;

  /** @internal */
  protected constructor(role: R, options: ConversationOptions) {
    checkOptions(options, ["from", "maxLength", "allocate", "server"]);
    const { from: state = "idle", maxLength = MAX_ALLOC_SIZE, allocate, server } = options;
    checkOneOf("options.from", state, ["startup", "idle"]);
    this.#server = server === undefined ? undefined : serverVersionNum(server);
    this.#role = role;
    this.#peer = role === "walsender" ? "walreceiver" : "walsender";
    this.#framer = new Framer({ maxLength, ...(allocate === undefined ? {} : { allocate }) });
    this.#maxLength = maxLength;
    this.#become(state);
  }

  /** The state of the conversation, as far as this end knows. */
  get state(): ConversationState {
    return this.#state;
  }

  /** How many of the bytes that were received last are needed by messages that are yet to come. @internal */
  get unread(): number {
    return this.#unread;
  }

  /**
   * A message to the other end.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws StateError for a message that may not be sent now; the state is unchanged.
   * @throws EncodeError for a message that cannot be written; the state is unchanged.
   */
  send(message: Sent[R]): Uint8Array {
    mustBeObject(message, "message");
    const { type } = message as AnyMessage;
    const following = this.#following(this.#role, type);
    const fault =
      following === undefined ? (typeof type === "string" ? type : shown(type)) : this.#faultOf(message as AnyMessage);
    if (following === undefined || fault !== undefined) {
      throw new StateError(`${fault} cannot be sent while the connection is ${this.#state}`);
    }
    const bytes = this.#encode(message as AnyMessage);
    this.#follow(message as AnyMessage, following);
    return bytes;
  }

  /**
   * Bytes from the other end, in any chunks. The chunk must not be written to any more: messages are views into it.
   *
   * @throws ArgumentError if it is not a Uint8Array.
   */
  receive(chunk: Uint8Array): void {
    mustBeBytes(chunk, "chunk");
    if (this.#state === "closed") return;
    if (this.#first !== undefined) {
      this.#takeFirst(chunk);
      return;
    }
    if (!this.#awaitsByte || lengthOf(chunk) === 0) {
      this.#push(chunk);
      return;
    }
    this.#awaitsByte = false;
    const bytes = plainBytes(chunk);
    // A server that is full, or older than the request, answers with an ErrorResponse; the byte becomes a frame without a body.
    if (bytes[0] === ERROR_RESPONSE) {
      this.#first = nothing;
      this.#takeFirst(bytes);
      return;
    }
    this.#push(bytes.subarray(0, 1));
    this.#insert(0, 0, 0, 4);
    this.#push(bytes.subarray(1));
  }

  /**
   * The next message of the other end; undefined if more bytes must come first, if the server must answer before it reads on, or if
   * the conversation is closed: what a server still sends after our Terminate is dropped.
   *
   * @returns the message; CopyData is a view of what was received.
   * @throws DecodeError for bytes that are not a message.
   * @throws ProtocolError for a message that may not come now. After either the state is `closed`, and each further call throws
   *   the same error.
   */
  next(): Sent[Peer<R>] | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next() as Sent[Peer<R>] | undefined;
    } catch (error) {
      this.#state = "closed";
      this.#failure = error as Error;
      throw error;
    }
  }

  /**
   * The other end has closed the connection. Messages that were not taken are dropped.
   *
   * @throws DecodeError TRUNCATED if that was in the middle of a message; BAD_LENGTH if it was not a message.
   */
  end(): void {
    const { state } = this;
    this.#state = "closed";
    if (this.#first !== undefined) this.#push(this.#first);
    const isBetween = state === "startup" && this.#role === "walsender" && this.#unread === 1;
    if (state === "closed" || isBetween) return;
    // What a client sends before its request is answered is not a frame.
    if (state !== "encryption") while (this.#framer.next() !== undefined) {}
    this.#framer.end();
  }

  /**
   * A postmaster that cannot start a process writes "E" and a text that ends with a zero byte, as in protocol 2. It becomes the frame of
   * an ErrorResponse with this message.
   *
   * @source postmaster.c: report_fork_failure_to_client; fe-connect.c: PQconnectPoll
   */
  #takeFirst(chunk: Uint8Array): void {
    const bytes = this.#first!.length === 0 ? chunk : joined([this.#first!, chunk]);
    const length = lengthOf(bytes);
    // A length without a zero byte is beyond every limit.
    const isText = bytes[0] === ERROR_RESPONSE && !bytes.subarray(1, 5).includes(0);
    const end = isText && length >= 5 ? bytes.indexOf(0) : -1;
    if (isText && end < 0 && length < LONGEST_TEXT) {
      this.#first = bytes;
      return;
    }
    this.#first = undefined;
    if (end < 0) {
      this.#push(bytes);
      return;
    }
    const text = bytes.subarray(1, bytes[end - 1] === NEWLINE ? end - 1 : end);
    const size = 4 + 1 + text.length + 2;
    this.#insert(ERROR_RESPONSE, 0, 0, size >> 8, size & 0xff, MESSAGE_FIELD);
    this.#push(text);
    this.#insert(0, 0);
    this.#push(bytes.subarray(end + 1));
  }

  /** Add bytes that make a frame of what is not one. They do not count in offsets. */
  #insert(...bytes: number[]): void {
    this.#unread += bytes.length;
    this.#framer.insert(Uint8Array.from(bytes));
  }

  #push(bytes: Uint8Array): void {
    this.#unread += lengthOf(bytes);
    this.#framer.push(bytes);
  }

  #next(): AnyMessage | undefined {
    for (;;) {
      if (this.#state === "closed" || (this.#role === "walsender" && notReading.has(this.#state))) return undefined;
      const frame = this.#framer.next();
      if (frame === undefined) return undefined;
      this.#unread -= 5 + frame.length;
      // Nearly all of a stream: a message takes 33 ns, and 55 by way of what follows (Node 20).
      if (frame.tag === COPY_DATA && this.#role === "walreceiver" && this.#state === "streaming") {
        return { type: "CopyData", data: frame.bytes };
      }
      const startup =
        this.#role === "walsender" && this.#state === "startup" ? decodeStartupPacket(frame.bytes) : undefined;
      const type = startup?.type ?? this.#typeOf(frame);
      const following = this.#following(this.#peer, type);
      if (following !== undefined) {
        // Nearly all of a stream is this.
        if (type === "CopyData") {
          this.#state = following;
          return { type, data: frame.bytes };
        }
        const message = startup ?? this.#decode(frame);
        const fault = this.#faultOf(message);
        if (fault !== undefined) this.#outOfOrder(fault);
        this.#follow(message, following);
        return message;
      }
      const late = moves[this.#state].late?.[this.#peer]?.includes(type as "CopyData");
      if (!late) this.#outOfOrder(`message ${shownTag(frame.tag)}`);
      // PostgresMain ignores them; a receiver needs them.
      if (this.#role === "walreceiver") return { type: "CopyData", data: frame.bytes };
    }
  }

  #outOfOrder(what: string): never {
    const peer = this.#role === "walsender" ? "client" : "server";
    throw new ProtocolError(`the ${peer} sent ${what} while the connection is ${this.#state}`);
  }

  /** The state after a message of `role`; undefined if it may not come now. */
  #following(role: Role, type: AnyMessage["type"] | undefined): ConversationState | undefined {
    if (type === undefined) return undefined;
    if (role === "walreceiver" && type === "Terminate") return loggedIn(this.#state) ? "closed" : undefined;
    if (role === "walsender" && anyTime.has(type) && !unstarted.has(this.#state)) return this.#state;
    const possible: Partial<Record<string, ConversationState>> | undefined = moves[this.#state][role];
    return possible !== undefined && Object.hasOwn(possible, type) ? possible[type] : undefined;
  }

  /** The type of a frame of the other end; undefined if there is none. */
  #typeOf({ tag }: SessionFrame): AnyMessage["type"] | undefined {
    if (this.#role === "walsender") return frontendTypes.get(tag);
    return this.#state === "encryption" && tag !== ERROR_RESPONSE ? "EncryptionResponse" : backendTypes.get(tag);
  }

  #decode(frame: SessionFrame): AnyMessage {
    if (this.#role === "walsender") return decodeFrontendMessage(frame);
    if (this.#state !== "encryption" || frame.tag === ERROR_RESPONSE) return decodeBackendMessage(frame);
    const byte = String.fromCharCode(frame.tag);
    if (byte !== this.#accepts && byte !== "N") {
      const expected = `expected "${this.#accepts}" or "N",`;
      const message = `EncryptionResponse is ${shownTag(frame.tag)}, ${expected} at offset 0`;
      throw new DecodeError("BAD_VALUE", "EncryptionResponse", 0, message);
    }
    // What comes now is not encrypted yet, and may be anybody's.
    if (byte !== "N" && this.#unread > 0) throw new ProtocolError("the server sent data before the encryption began");
    return { type: "EncryptionResponse", accepted: byte !== "N" };
  }

  #encode(message: AnyMessage): Uint8Array {
    if (message.type === "EncryptionResponse") {
      return Uint8Array.of((message.accepted ? this.#accepts : "N").charCodeAt(0));
    }
    // encodeBackendMessage would copy the data twice.
    if (message.type === "CopyData") return encodeFrame("d", message.data);
    if (this.#role === "walsender") return encodeBackendMessage(message as BackendMessage);
    return this.#state === "startup" && message.type !== "Terminate"
      ? encodeStartupPacket(message as StartupPacket)
      : encodeFrontendMessage(message as FrontendMessage);
  }

  /**
   * What is wrong with a message after those before it, or undefined: authentication goes step by step; rows follow a RowDescription,
   * have its number of columns, and end with CommandComplete, whose tag is that of the command; ReadyForQuery ends an answer.
   */
  #faultOf(message: AnyMessage): string | undefined {
    const columns = this.#columns;
    switch (message.type) {
      case "Authentication":
        return authenticationFault(this.#method, message.method);
      case "RowDescription":
      case "EmptyQueryResponse":
      case "CopyInResponse":
      case "CopyOutResponse":
      case "CopyBothResponse":
        return columns === undefined ? undefined : `${message.type} among rows`;
      case "DataRow":
        if (columns === undefined) return "DataRow without RowDescription";
        return message.values.length === columns
          ? undefined
          : `a row of ${message.values.length} values under ${columns} columns`;
      case "CommandComplete":
        return this.#tagFault(message.tag);
      case "ReadyForQuery": {
        if (columns !== undefined) return "ReadyForQuery among rows";
        const [tag] = this.#tags ?? [];
        if (tag !== undefined) return `ReadyForQuery without CommandComplete ${JSON.stringify(tag)}`;
        return this.#answered ? undefined : "ReadyForQuery without an answer";
      }
      default:
        return undefined;
    }
  }

  #tagFault(tag: string): string | undefined {
    if (this.#tags === undefined) return undefined;
    const expected = this.#state === "streaming" || this.#state === "clientDone" ? SHUTDOWN_TAG : this.#tags[0];
    if (tag === expected) return undefined;
    const but = expected === undefined ? "after the answer" : `where PostgreSQL says ${JSON.stringify(expected)}`;
    return `CommandComplete ${shown(tag)} ${but}`;
  }

  /** Take note of a message that is in order. */
  #follow(message: AnyMessage, following: ConversationState): void {
    switch (message.type) {
      case "StartupMessage":
        if (this.#role === "walreceiver") this.#first = nothing;
        break;
      case "SSLRequest":
      case "GSSENCRequest":
        this.#accepts = message.type === "SSLRequest" ? "S" : "G";
        break;
      case "EncryptionResponse":
        if (this.#role === "walsender" && this.#unread > 0) {
          this.#failure = new ProtocolError("the client sent data before the encryption was answered");
          this.#state = "closed";
          return;
        }
        break;
      case "Authentication":
        this.#method = message.method;
        this.#become(afterAuthentication(message.method));
        return;
      case "RowDescription":
        this.#columns = message.columns.length;
        break;
      case "CommandComplete":
        this.#columns = undefined;
        this.#answered = true;
        this.#tags = this.#tags?.slice(1);
        break;
      case "ErrorResponse":
        this.#columns = undefined;
        this.#answered = true;
        this.#tags = undefined;
        break;
      case "ReadyForQuery":
        this.#tags = undefined;
        break;
      case "EmptyQueryResponse":
        this.#answered = true;
        break;
      case "Sync":
        // ReadyForQuery alone is the answer.
        this.#answered = true;
        break;
      case "FunctionCall":
        this.#answered = false;
        break;
      case "Query":
        this.#answered = false;
        if (this.#server !== undefined) this.#tags = tagsOf(message.query, this.#server);
        break;
    }
    this.#become(following);
  }

  #become(state: ConversationState): void {
    if (state === this.#state) return;
    this.#state = state;
    switch (state) {
      case "startup":
        this.#framer.maxLength = this.#role === "walsender" ? LONGEST_STARTUP : LONGEST_LOGIN;
        // A startup packet has no type byte: with this one it is a frame.
        if (this.#role === "walsender") this.#insert(0);
        return;
      case "encryption":
        this.#awaitsByte = this.#role === "walreceiver";
        return;
      case "proof":
        if (this.#role === "walsender") this.#framer.maxLength = LONGEST_PROOF;
        return;
      case "starting":
        // The login has no command that it answers.
        this.#answered = true;
        return;
      case "idle":
        this.#framer.maxLength = this.#maxLength;
        return;
    }
  }
}

/** The state after an authentication request. */
function afterAuthentication(method: AuthenticationMethod): ConversationState {
  if (method === "Ok") return "starting";
  return method === "SASLFinal" ? "authentication" : "proof";
}

/** The requests that may follow each request for a proof. */
const nextRequests: Readonly<Partial<Record<AuthenticationMethod, readonly AuthenticationMethod[]>>> = {
  SASL: ["SASLContinue"],
  SASLContinue: ["SASLContinue", "SASLFinal"],
  SASLFinal: ["Ok"],
  GSS: ["GSSContinue", "Ok"],
  SSPI: ["GSSContinue", "Ok"],
  GSSContinue: ["GSSContinue", "Ok"],
};
const firstRequests: readonly AuthenticationMethod[] = [
  "Ok",
  "KerberosV5",
  "CleartextPassword",
  "MD5Password",
  "GSS",
  "SSPI",
  "SASL",
];

/**
 * What is wrong with an authentication request after another, or undefined.
 *
 * @source auth-sasl.c: CheckSASLAuth; fe-auth.c: pg_fe_sendauth
 */
function authenticationFault(
  previous: AuthenticationMethod | undefined,
  method: AuthenticationMethod,
): string | undefined {
  const allowed = previous === undefined ? firstRequests : (nextRequests[previous] ?? ["Ok"]);
  if (allowed.includes(method)) return undefined;
  return `Authentication${method} ${previous === undefined ? "first" : `after Authentication${previous}`}`;
}

/** May a client say Terminate? Before, it closes the connection without it. @source fe-connect.c: sendTerminateConn */
function loggedIn(state: ConversationState): boolean {
  return !["startup", "encryption", "authentication", "proof", "starting", "closed"].includes(state);
}
