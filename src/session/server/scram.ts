/**
 * SCRAM-SHA-256, the server's side: secrets as pg_authid stores them, and the exchange.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source auth-scram.c, scram-common.c; auth-sasl.c: CheckSASLAuth
 */
import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { refuseArgument, type ServerError } from "../../kernel/errors.ts";
import { checkOptions, checkWhole } from "../../kernel/options.ts";
import { type Server, serverVersionNum } from "../../kernel/version.ts";
import { isBytes, mustBeBytes, plainBytes } from "../../wire/check.ts";
import { decodeText } from "../../wire/text.ts";
import { sessionCapabilities } from "../capabilities.ts";
import { fatal } from "./words.ts";

const SCRAM_SHA_256 = "SCRAM-SHA-256";
const SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS";
/** The one type of channel binding, and what comes before the hash of the certificate. */
const TLS_SERVER_END_POINT = "tls-server-end-point";
const BINDING_HEADER = `p=${TLS_SERVER_END_POINT},,`;

/** @source scram-common.h: SCRAM_SHA_256_DEFAULT_ITERATIONS, SCRAM_DEFAULT_SALT_LEN, SCRAM_MAX_KEY_LEN, SCRAM_RAW_NONCE_LEN */
const ITERATIONS = 4096;
const SALT_LENGTH = 16;
const KEY_LENGTH = 32;
export const SCRAM_NONCE_LENGTH = 18;

/** A secret in its parts. */
interface Secret {
  readonly iterations: number;
  /** In base64, as it is sent. */
  readonly salt: string;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

const utf8 = new TextEncoder();
const ascii = (text: string): Uint8Array => utf8.encode(text);

/** Options of `scramSecret`. */
export interface ScramSecretOptions {
  /** 16 bytes in PostgreSQL. They should be random. */
  readonly salt: Uint8Array;
  /** How often the password is hashed. Default: 4096. */
  readonly iterations?: number | undefined;
}

/**
 * The secret of a password as pg_authid.rolpassword holds it. From it nobody can log in, nor find the password but by trying.
 *
 * Characters beyond ASCII are normalized as SASLprep does, but prohibited ones are not looked for.
 *
 * @throws ArgumentError for an invalid argument.
 * @source scram-common.c: scram_build_secret
 * @example scramSecret("p", { salt: hex("00"), iterations: 1 }) // "SCRAM-SHA-256$1:AA==$4+nHgOK6RnRT6xl7dOnrAdWjiXqqx81jHglpZocyKF0=:cgMvgHeA/WWGUvyzNdESQWRqX+HcMNnuP5Igs3xz9ZM="
 */
export function scramSecret(password: string, options: ScramSecretOptions): string {
  checkOptions(options, ["salt", "iterations"]);
  const { salt, iterations = ITERATIONS } = options;
  if (typeof password !== "string") refuseArgument("password", "a string", password);
  if (!isBytes(salt)) refuseArgument("options.salt", "a Uint8Array", salt);
  checkWhole("options.iterations", iterations, 1, 2 ** 31 - 1);
  const salted = pbkdf2(sha256, utf8.encode(prepared(password)), plainBytes(salt), {
    c: iterations,
    dkLen: KEY_LENGTH,
  });
  const storedKey = sha256(hmac(sha256, salted, ascii("Client Key")));
  const serverKey = hmac(sha256, salted, ascii("Server Key"));
  return `${SCRAM_SHA_256}$${iterations}:${base64(plainBytes(salt))}$${base64(storedKey)}:${base64(serverKey)}`;
}

/** @source saslprep.c: pg_saslprep */
function prepared(password: string): string {
  if (/^[\x00-\x7f]*$/.test(password)) return password;
  const mapped = password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, " ")
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, "");
  return mapped.normalize("NFKC") || password;
}

/**
 * Read a secret of pg_authid.
 *
 * @returns undefined if it is not one.
 * @source auth-scram.c: parse_scram_secret
 */
function parseSecret(secret: string): Secret | undefined {
  const match = /^SCRAM-SHA-256\$(\d{1,10}):([^$]+)\$([^:]+):(.+)$/.exec(secret);
  if (match === null) return undefined;
  const [, iterations, salt, stored, server] = match as unknown as readonly string[];
  const [saltBytes, storedKey, serverKey] = [fromBase64(salt!), fromBase64(stored!), fromBase64(server!)];
  if (saltBytes === undefined || storedKey?.length !== KEY_LENGTH || serverKey?.length !== KEY_LENGTH) return undefined;
  return { iterations: Number(iterations), salt: salt!, storedKey, serverKey };
}

/** Is it a secret of pg_authid that SCRAM-SHA-256 can use? */
export function isScramSecret(secret: string): boolean {
  return parseSecret(secret) !== undefined;
}

/** What the server says next: another challenge, success, or failure. */
export type ScramStep =
  | {
      /** Send AuthenticationSASLContinue, and wait for an answer. */
      readonly type: "continue";
      readonly data: Uint8Array;
    }
  | {
      /** Send AuthenticationSASLFinal and AuthenticationOk. */
      readonly type: "final";
      readonly data: Uint8Array;
    }
  | {
      /** The client is not who it says, or does not keep to the protocol: the FATAL error to send. */
      readonly type: "failed";
      readonly error: ServerError;
    };

/** What a SCRAM exchange needs. */
export interface ScramExchangeInit {
  /** The version that speaks. */
  readonly server: Server;
  /** The role, for the error. */
  readonly user: string;
  /** Its secret as pg_authid has it; undefined if there is no such role, or no secret: the exchange fails as with a wrong password. */
  readonly secret: string | undefined;
  /** 18 random bytes, fresh for each exchange. */
  readonly nonce: Uint8Array;
  /** Random bytes that stay the same for a server, from which unknown roles get a salt. @source pg_control: mock_authentication_nonce */
  readonly mockNonce: Uint8Array;
  /**
   * Of an encrypted session: how SCRAM-SHA-256-PLUS, which is then offered, binds it. `certificateHash` is undefined if the signature of
   * the server's certificate has no hash that is known. Without it there is no channel binding.
   */
  readonly channelBinding?: { readonly certificateHash: Uint8Array | undefined } | undefined;
}

/** One exchange, without I/O. `receive` takes the bodies of the client's PasswordMessages. */
export class ScramExchange {
  readonly #server: number;
  readonly #user: string;
  readonly #secret: Secret;
  readonly #isKnown: boolean;
  readonly #doomed: boolean;
  readonly #nonce: string;
  readonly #channelBinding: ScramExchangeInit["channelBinding"];
  /** The client has chosen SCRAM-SHA-256-PLUS. */
  #isBound = false;
  #state: "mechanism" | "first" | "final" | "over" = "mechanism";
  #flag = "";
  #clientFirstBare = "";
  #serverFirst = "";
  #clientNonce = "";

  /** @throws ArgumentError for an invalid value. */
  constructor(init: ScramExchangeInit) {
    checkOptions(init, ["server", "user", "secret", "nonce", "mockNonce", "channelBinding"], "init");
    const { server, user, secret, nonce, mockNonce, channelBinding } = init;
    if (typeof user !== "string") refuseArgument("init.user", "a string", user);
    mustBeBytes(nonce, "init.nonce");
    mustBeBytes(mockNonce, "init.mockNonce");
    const parsed = secret === undefined ? undefined : parseSecret(secret);
    this.#server = serverVersionNum(server);
    this.#user = user;
    this.#isKnown = secret !== undefined;
    this.#doomed = parsed === undefined;
    this.#secret = parsed ?? mockSecret(user, plainBytes(mockNonce));
    this.#nonce = base64(plainBytes(nonce));
    this.#channelBinding = channelBinding;
  }

  /** What is offered, the preferred one first. @source auth-scram.c: scram_get_mechanisms */
  get mechanisms(): readonly string[] {
    return this.#channelBinding === undefined ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];
  }

  /**
   * The body of a PasswordMessage.
   *
   * @throws ArgumentError if it is not a Uint8Array.
   */
  receive(body: Uint8Array): ScramStep {
    mustBeBytes(body, "body");
    try {
      return this.#receive(plainBytes(body));
    } catch (error) {
      this.#state = "over";
      if (error instanceof Malformed) return { type: "failed", error: error.error };
      throw error;
    }
  }

  /** The client has gone instead of answering: the FATAL error to send, if there is one. @source auth.c: CheckPWChallengeAuth */
  leave(): ServerError | undefined {
    this.#state = "over";
    if (this.#isKnown || sessionCapabilities.supports(this.#server, "unknownRolesMayLeave")) return undefined;
    return this.#failure();
  }

  #failure(): ServerError {
    return fatal("INVALID_PASSWORD", `password authentication failed for user "${this.#user}"`);
  }

  #receive(body: Uint8Array): ScramStep {
    let input = body;
    if (this.#state === "mechanism") {
      const end = body.indexOf(0);
      if (end < 0) violation("invalid string in message");
      const mechanism = decodeText(body, 0, end);
      if (!this.mechanisms.includes(mechanism)) {
        violation("client selected an invalid SASL authentication mechanism");
      }
      this.#isBound = mechanism === SCRAM_SHA_256_PLUS;
      const rest = body.subarray(end + 1);
      if (rest.length < 4) violation("insufficient data left in message");
      const length = new DataView(rest.buffer, rest.byteOffset).getInt32(0);
      if (length !== -1 && (length < 0 || length > rest.length - 4)) violation("insufficient data left in message");
      input = rest.subarray(4, 4 + Math.max(length, 0));
      if (rest.length > 4 + input.length) violation("invalid message format");
      this.#state = "first";
      if (length === -1) return { type: "continue", data: new Uint8Array(0) };
    }
    if (input.length === 0) malformed("The message is empty.");
    if (input.includes(0)) malformed("Message length does not match input length.");
    // Byte by byte: what is compared and hashed is what came.
    const text = String.fromCharCode(...input);
    return this.#state === "first" ? this.#first(text) : this.#final(text);
  }

  #first(text: string): ScramStep {
    const p = new Attributes(text, this.#server);
    this.#flag = p.char();
    this.#checkFlag(this.#flag);
    if (this.#flag === "p") {
      const type = p.value("p");
      if (type !== TLS_SERVER_END_POINT) violation(`unsupported SCRAM channel-binding type "${sanitizedText(type)}"`);
    } else {
      p.at++;
      if (p.char() !== ",") malformed(`Comma expected, but found character "${sanitized(p.char())}".`);
      p.at++;
    }
    if (p.char() === "a") {
      unsupported("client uses authorization identity, but it is not supported");
    }
    if (p.char() !== ",") malformed(`Unexpected attribute "${sanitized(p.char())}" in client-first-message.`);
    p.at++;
    this.#clientFirstBare = text.slice(p.at);
    if (p.char() === "m") unsupported("client requires an unsupported SCRAM extension");
    p.value("n");
    this.#clientNonce = p.value("r");
    if (!/^[\x21-\x2b\x2d-\x7e]*$/.test(this.#clientNonce)) violation("non-printable characters in SCRAM nonce");
    while (p.char() !== "") p.any();
    const { salt, iterations } = this.#secret;
    this.#serverFirst = `r=${this.#clientNonce}${this.#nonce},s=${salt},i=${iterations}`;
    this.#state = "final";
    return { type: "continue", data: bytesOf(this.#serverFirst) };
  }

  /** Whether the client wants channel binding, can have it, or cannot. */
  #checkFlag(flag: string): void {
    switch (flag) {
      case "p":
        if (this.#isBound) return;
        if (!sessionCapabilities.supports(this.#server, "scramChannelBinding")) {
          unsupported("client requires SCRAM channel binding, but it is not supported");
        }
        return malformed(
          "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
        );
      case "n":
      case "y":
        if (this.#isBound) {
          malformed(
            "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
          );
        }
        // Somebody between them has taken the offer away.
        if (flag === "y" && this.#channelBinding !== undefined) {
          notAuthorized("SCRAM channel binding negotiation error", {
            detail:
              "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.",
          });
        }
        return;
      default:
        malformed(`Unexpected channel-binding flag "${sanitized(flag)}".`);
    }
  }

  #checkBinding(binding: string): void {
    if (!this.#isBound) {
      if ((binding === "biws" && this.#flag === "n") || (binding === "eSws" && this.#flag === "y")) return;
      violation("unexpected SCRAM channel-binding attribute in client-final-message");
    }
    const hash = this.#channelBinding!.certificateHash;
    if (hash === undefined) internal("could not find digest for NID UNDEF");
    if (binding !== base64(Uint8Array.of(...bytesOf(BINDING_HEADER), ...hash))) {
      notAuthorized("SCRAM channel binding check failed");
    }
  }

  #final(text: string): ScramStep {
    const p = new Attributes(text, this.#server);
    this.#checkBinding(p.value("c"));
    const nonce = p.value("r");
    let start = p.at;
    let attribute = p.any();
    while (attribute.name !== "p") {
      start = p.at;
      attribute = p.any();
    }
    const proof = fromBase64(attribute.value);
    if (proof?.length !== KEY_LENGTH) malformed("Malformed proof in client-final-message.");
    if (p.char() !== "") malformed("Garbage found at the end of client-final-message.");
    if (nonce !== this.#clientNonce + this.#nonce) {
      throw new Malformed("PROTOCOL_VIOLATION", "invalid SCRAM response", { detail: "Nonce does not match." });
    }
    // Before the proof there is a comma.
    const message = bytesOf(`${this.#clientFirstBare},${this.#serverFirst},${text.slice(0, start - 1)}`);
    const { storedKey, serverKey } = this.#secret;
    const signature = hmac(sha256, storedKey, message);
    const clientKey = signature.map((byte, i) => byte ^ proof![i]!);
    const isProven = equal(sha256(clientKey), storedKey);
    this.#state = "over";
    if (!isProven || this.#doomed) return { type: "failed", error: this.#failure() };
    return { type: "final", data: bytesOf(`v=${base64(hmac(sha256, serverKey, message))}`) };
  }
}

/** Plausible parts for a role that has none. @source auth-scram.c: mock_scram_secret, scram_mock_salt */
function mockSecret(user: string, mockNonce: Uint8Array): Secret {
  const salt = sha256(Uint8Array.of(...utf8.encode(user), ...mockNonce)).subarray(0, SALT_LENGTH);
  const none = new Uint8Array(KEY_LENGTH);
  return { iterations: ITERATIONS, salt: base64(salt), storedKey: none, serverKey: none };
}

/** Thrown by the readers below: during a login every error is FATAL. */
class Malformed {
  readonly error: ServerError;

  constructor(...error: Parameters<typeof fatal>) {
    this.error = fatal(...error);
  }
}

function malformed(detail: string): never {
  throw new Malformed("PROTOCOL_VIOLATION", "malformed SCRAM message", { detail });
}

function violation(message: string): never {
  throw new Malformed("PROTOCOL_VIOLATION", message);
}

function unsupported(message: string): never {
  throw new Malformed("FEATURE_NOT_SUPPORTED", message);
}

function notAuthorized(message: string, rest: { readonly detail?: string } = {}): never {
  throw new Malformed("INVALID_AUTHORIZATION_SPECIFICATION", message, rest);
}

function internal(message: string): never {
  throw new Malformed("INTERNAL_ERROR", message);
}

/** The attributes of a message, one after the other. */
class Attributes {
  at = 0;
  readonly #text: string;
  readonly #server: number;

  constructor(text: string, server: number) {
    this.#text = text;
    this.#server = server;
  }

  /** The character that is next; empty at the end. */
  char(): string {
    return this.#text[this.at] ?? "";
  }

  /** @source auth-scram.c: read_attr_value */
  value(name: string): string {
    if (this.char() !== name) malformed(`Expected attribute "${name}" but found "${sanitized(this.char())}".`);
    return this.#valueOf(name);
  }

  /** @source auth-scram.c: read_any_attr */
  any(): { readonly name: string; readonly value: string } {
    const name = this.char();
    if (name === "" && sessionCapabilities.supports(this.#server, "scramEndIsNamed"))
      malformed("Attribute expected, but found end of string.");
    if (!/[A-Za-z]/.test(name)) malformed(`Attribute expected, but found invalid character "${sanitized(name)}".`);
    return { name, value: this.#valueOf(name) };
  }

  #valueOf(name: string): string {
    this.at++;
    if (this.char() !== "=") malformed(`Expected character "=" for attribute "${name}".`);
    this.at++;
    const comma = this.#text.indexOf(",", this.at);
    const end = comma < 0 ? this.#text.length : comma;
    const value = this.#text.slice(this.at, end);
    this.at = comma < 0 ? end : comma + 1;
    return value;
  }
}

/** @source auth-scram.c: sanitize_char */
function sanitized(char: string): string {
  const code = char === "" ? 0 : char.charCodeAt(0);
  return code >= 0x21 && code <= 0x7e ? `'${char}'` : `0x${code.toString(16).padStart(2, "0")}`;
}

/** @source auth-scram.c: sanitize_str */
function sanitizedText(text: string): string {
  return text.slice(0, 30).replace(/[^\x21-\x7e]/g, "?");
}

/** In a time that does not depend on where they differ. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** A string of characters up to U+00FF as bytes. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** @returns undefined for what is not base64. @source base64.c: pg_b64_decode */
function fromBase64(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return bytesOf(atob(text));
}
