/**
 * JSON as PostgreSQL's lexer takes it, with its messages. A text here has one character a byte, so that a position in it is one in bytes.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source jsonapi.c
 */

export type JsonToken =
  | "string"
  | "number"
  | "{"
  | "}"
  | "["
  | "]"
  | ","
  | ":"
  | "true"
  | "false"
  | "null"
  /** The end of the text. */
  | "end";

/** JSON_SUCCESS and JSON_INCOMPLETE, or what is wrong, as in JsonParseErrorType. */
export type JsonStatus = "SUCCESS" | "INCOMPLETE" | JsonError;

export type JsonError = keyof typeof messages;

/** The details of json_errdetail; `%s` is the token. */
const messages = {
  ESCAPING_INVALID: 'Escape sequence "\\%s" is invalid.',
  ESCAPING_REQUIRED: "Character with value 0x%x must be escaped.",
  EXPECTED_END: 'Expected end of input, but found "%s".',
  EXPECTED_ARRAY_FIRST: 'Expected array element or "]", but found "%s".',
  EXPECTED_ARRAY_NEXT: 'Expected "," or "]", but found "%s".',
  EXPECTED_COLON: 'Expected ":", but found "%s".',
  EXPECTED_JSON: 'Expected JSON value, but found "%s".',
  EXPECTED_MORE: "The input string ended unexpectedly.",
  EXPECTED_OBJECT_FIRST: 'Expected string or "}", but found "%s".',
  EXPECTED_OBJECT_NEXT: 'Expected "," or "}", but found "%s".',
  EXPECTED_STRING: 'Expected string, but found "%s".',
  INVALID_TOKEN: 'Token "%s" is invalid.',
  UNICODE_CODE_POINT_ZERO: "\\u0000 cannot be converted to text.",
  UNICODE_ESCAPE_FORMAT: '"\\u" must be followed by four hexadecimal digits.',
  UNICODE_HIGH_SURROGATE: "Unicode high surrogate must not follow a high surrogate.",
  UNICODE_LOW_SURROGATE: "Unicode low surrogate must follow a high surrogate.",
  UNICODE_UNTRANSLATABLE: "Unicode escape value could not be translated to the server's encoding SQL_ASCII.",
} as const;

/**
 * What PostgreSQL says of an error, the bytes of the token as they are.
 *
 * @param token Up to a NUL character it is shown, as `%s` does.
 * @param after The byte behind it.
 * @source jsonapi.c: json_errdetail
 */
export function jsonErrorDetail(error: JsonError, token: string, after: number): string {
  const nul = token.indexOf("\0");
  return messages[error].replace(/%[sx]/, (format) =>
    format === "%x" ? after.toString(16).padStart(2, "0") : nul === -1 ? token : token.slice(0, nul),
  );
}

const [QUOTE, BACKSLASH, LETTER_U] = [0x22, 0x5c, 0x75];

/** The differences between readers. */
export interface JsonRules {
  /** Is a control character complained of before a surrogate that is missing? So it is up to 16. */
  readonly controlFirst: boolean;
  /** Are escapes for ASCII only? So they are for a server that knows no encoding. */
  readonly asciiEscapes: boolean;
}

/** One token after the other, of a text that may come in pieces. */
export class JsonLexer {
  /** The text that is read, a character per byte; set it, and `at`, to go on with another piece. */
  text = "";
  /** Where the next token is looked for, and where the last one ended: token_terminator. */
  at = 0;
  /** Where the last token began: token_start. */
  start = 0;
  type: JsonToken = "end";
  /** The line of the last token, from 1 on. */
  line = 1;
  /** Where in `text` the value is, unless it had to be made. */
  #from = 0;
  #to = 0;
  #made: string | undefined;

  readonly #rules: JsonRules;
  readonly #waits: boolean;

  /** @param waits Is a character that is shown in a message waited for, if its last bytes are in the next piece? */
  constructor(rules: JsonRules, waits: boolean) {
    this.#rules = rules;
    this.#waits = waits;
  }

  /** The contents of a string, without escapes, in UTF-8, a character per byte; or another token as it is. */
  get value(): string {
    return this.#made ?? this.text.slice(this.#from, this.#to);
  }

  /** Is this the value? Without making it: of each file there are six names, and to make them takes a tenth of all. */
  is(value: string): boolean {
    if (this.#made !== undefined) return this.#made === value;
    return this.#to - this.#from === value.length && this.text.startsWith(value, this.#from);
  }

  #setValue(from: number, to: number): void {
    this.#from = from;
    this.#to = to;
    this.#made = undefined;
  }

  /**
   * Read a token. The properties then have its kind and its error.
   *
   * @param last Does the text end where this one does? If not, a token that touches its end is not complete.
   * @source jsonapi.c: json_lex
   */
  next(last: boolean): JsonStatus {
    const { text } = this;
    const end = text.length;
    let at = this.at;
    let code = text.charCodeAt(at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      if (code === 0x0a) this.line++;
      code = text.charCodeAt(++at);
    }
    this.start = at;
    if (at >= end) {
      this.at = end;
      this.type = "end";
      return last ? "SUCCESS" : "INCOMPLETE";
    }
    switch (code) {
      case QUOTE:
        return this.#string(last);
      case 0x7b:
        return this.#punctuation("{");
      case 0x7d:
        return this.#punctuation("}");
      case 0x5b:
        return this.#punctuation("[");
      case 0x5d:
        return this.#punctuation("]");
      case 0x2c:
        return this.#punctuation(",");
      case 0x3a:
        return this.#punctuation(":");
    }
    if (code === 0x2d || isDigit(code)) return this.#number(last);
    return this.#word(last);
  }

  /** Passes over a line that a sticky pattern finds: from the newline before it to the comma behind it. */
  takeLine(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.at = pattern.lastIndex;
    this.start = this.at - 1;
    this.type = ",";
    this.line++;
    return found;
  }

  #punctuation(type: JsonToken): "SUCCESS" {
    this.type = type;
    this.at = this.start + 1;
    return "SUCCESS";
  }

  /** The whole word is the token, so that it is named as a whole if it is none of the three. */
  #word(last: boolean): JsonStatus {
    const { text, start } = this;
    let at = start;
    while (isAlphanumeric(text.charCodeAt(at))) at++;
    if (at === start) {
      this.at = start + 1;
      return "INVALID_TOKEN";
    }
    if (!last && at === text.length) return "INCOMPLETE";
    this.at = at;
    const word = text.slice(start, at);
    if (word !== "true" && word !== "false" && word !== "null") return "INVALID_TOKEN";
    this.type = word;
    this.#setValue(start, at);
    return "SUCCESS";
  }

  /** @source jsonapi.c: json_lex_number */
  #number(last: boolean): JsonStatus {
    const { text, start } = this;
    let error = false;
    let at = start;
    const digits = (): void => {
      if (!isDigit(text.charCodeAt(at))) error = true;
      else while (isDigit(text.charCodeAt(at))) at++;
    };
    if (text.charCodeAt(at) === 0x2d) at++;
    if (text.charCodeAt(at) === 0x30) at++;
    else digits();
    if (text.charCodeAt(at) === 0x2e) {
      at++;
      digits();
    }
    if ((text.charCodeAt(at) | 0x20) === 0x65) {
      at++;
      const sign = text.charCodeAt(at);
      if (sign === 0x2b || sign === 0x2d) at++;
      digits();
    }
    for (; isAlphanumeric(text.charCodeAt(at)); at++) error = true;
    if (!last && at === text.length) return "INCOMPLETE";
    this.at = at;
    if (error) return "INVALID_TOKEN";
    this.type = "number";
    this.#setValue(start, at);
    return "SUCCESS";
  }

  /** @source jsonapi.c: json_lex_string */
  #string(last: boolean): JsonStatus {
    const { text, start } = this;
    // Most strings have no escapes.
    for (let at = start + 1; ; at++) {
      const code = text.charCodeAt(at);
      if (code >= 0x20) {
        if (code === QUOTE) {
          this.at = at + 1;
          this.type = "string";
          this.#setValue(start + 1, at);
          return "SUCCESS";
        }
        if (code === BACKSLASH) return this.#escaped(at, last);
      } else if (at >= text.length) {
        return this.#unterminated(last);
      } else {
        this.at = at;
        return "ESCAPING_REQUIRED";
      }
    }
  }

  #unterminated(last: boolean): JsonStatus {
    this.at = this.text.length;
    return last ? "INVALID_TOKEN" : "INCOMPLETE";
  }

  /** A string in which the first escape is at `at`. */
  #escaped(at: number, last: boolean): JsonStatus {
    const { text, start } = this;
    let value = text.slice(start + 1, at);
    let high = -1;
    for (; ; at++) {
      if (at >= text.length) return this.#unterminated(last);
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code !== BACKSLASH) {
        if (high !== -1 && !(code < 0x20 && this.#rules.controlFirst)) return this.#failed(at, "UNICODE_LOW_SURROGATE");
        if (code < 0x20) {
          this.at = at;
          return "ESCAPING_REQUIRED";
        }
        const run = at;
        while (at + 1 < text.length && isPlain(text.charCodeAt(at + 1))) at++;
        value += text.slice(run, at + 1);
        continue;
      }
      at++;
      if (at >= text.length) return this.#unterminated(last);
      if (text.charCodeAt(at) !== LETTER_U) {
        if (high !== -1) return this.#failed(at, "UNICODE_LOW_SURROGATE");
        const character = escapes[text[at]!];
        if (character === undefined) {
          if (this.#waits && !last && at + mblen(text.charCodeAt(at)) > text.length) return this.#unterminated(last);
          this.start = at;
          return this.#failed(at, "ESCAPING_INVALID");
        }
        value += character;
        continue;
      }
      let point = 0;
      for (let i = 0; i < 4; i++) {
        at++;
        if (at >= text.length) return this.#unterminated(last);
        const digit = hexDigit(text.charCodeAt(at));
        if (digit === -1) return this.#failed(at, "UNICODE_ESCAPE_FORMAT");
        point = point * 16 + digit;
      }
      if (point >= 0xd800 && point <= 0xdbff) {
        if (high !== -1) return this.#failed(at, "UNICODE_HIGH_SURROGATE");
        high = point;
        continue;
      }
      if (point >= 0xdc00 && point <= 0xdfff) {
        if (high === -1) return this.#failed(at, "UNICODE_LOW_SURROGATE");
        point = 0x10000 + ((high & 0x3ff) << 10) + (point & 0x3ff);
        high = -1;
      }
      if (high !== -1) return this.#failed(at, "UNICODE_LOW_SURROGATE");
      if (point === 0) return this.#failed(at, "UNICODE_CODE_POINT_ZERO");
      if (point > 0x7f && this.#rules.asciiEscapes) return this.#failed(at, "UNICODE_UNTRANSLATABLE");
      value += utf8(point);
    }
    this.at = at + 1;
    if (high !== -1) return "UNICODE_LOW_SURROGATE";
    this.type = "string";
    this.#made = value;
    return "SUCCESS";
  }

  /** Behind the character at `at`, which is one of UTF-8 with as many bytes as its first one says. */
  #failed(at: number, error: JsonError): JsonError {
    this.at = Math.min(this.text.length, at + mblen(this.text.charCodeAt(at)));
    return error;
  }
}

const escapes: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null), {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
});

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** JSON_ALPHANUMERIC_CHAR. */
export function isAlphanumeric(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code >= 0x80
  );
}

function isPlain(code: number): boolean {
  return code >= 0x20 && code !== QUOTE && code !== BACKSLASH;
}

/** The value of a hexadecimal digit, or -1. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}

/** @source wchar.c: pg_utf_mblen */
function mblen(code: number): number {
  if ((code & 0xe0) === 0xc0) return 2;
  if ((code & 0xf0) === 0xe0) return 3;
  return (code & 0xf8) === 0xf0 ? 4 : 1;
}

/** A character's bytes, a character each. */
function utf8(point: number): string {
  if (point < 0x80) return String.fromCharCode(point);
  const tail = (shift: number): number => 0x80 | ((point >> shift) & 0x3f);
  if (point < 0x800) return String.fromCharCode(0xc0 | (point >> 6), tail(0));
  if (point < 0x10000) return String.fromCharCode(0xe0 | (point >> 12), tail(6), tail(0));
  return String.fromCharCode(0xf0 | (point >> 18), tail(12), tail(6), tail(0));
}
