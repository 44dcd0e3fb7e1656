/** What JSON.parse does not say: where something stands in a text of JSON, and the digits of its numbers. */

const BLANKS = " \t\n\r";
/** Everything but strings, which a pattern would match with a stack as deep as they are long. */
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/**
 * The beginning of a number whose digits JSON.parse may lose, or what looks like it in a string. A line of 200 bytes without takes 1.3
 * microseconds, one with it 4.5, JSON.parse alone 1.0 (Node 20).
 */
const MAY_LOSE = /(?:^|"\s*:|[[,])\s*(?:-0|-?\d+[.eE]|-?\d{16})/;
const NUMBER = /-?\d[\d.eE+-]*/g;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y;

/**
 * Where the value at a path begins, or as much of the path as there is; of a text that is not JSON, where it stops being that.
 *
 * @param path Names of members and indexes of elements, from the outside.
 * @returns UTF-16 units from the start of the text.
 */
export function placeInJson(text: string, path: readonly (string | number)[] = []): number {
  const open: ("{" | "[")[] = [];
  /** Where the scan is: the member or element of each value that is open. */
  const here: (string | number)[] = [];
  let found = 0;
  let depth = -1;
  let at = 0;
  /** What comes next. */
  let next: "value" | "value or ]" | "key" | "key or }" | "colon" | "comma" = "value";
  const close = (): void => {
    open.pop();
    here.length = open.length;
    next = "comma";
  };

  for (;;) {
    while (at < text.length && BLANKS.includes(text[at]!)) at++;
    const char = text[at];
    if (next === "comma" && open.length === 0) return char === undefined ? found : at;
    switch (next) {
      case "comma":
        if (char === (open.at(-1) === "{" ? "}" : "]")) close();
        else if (char !== ",") return at;
        else if (open.at(-1) === "{") next = "key";
        else {
          here[open.length - 1] = (here[open.length - 1] as number) + 1;
          next = "value";
        }
        at++;
        break;
      case "colon":
        if (char !== ":") return at;
        next = "value";
        at++;
        break;
      case "key or }":
      case "key": {
        if (char === "}" && next === "key or }") {
          close();
          at++;
          break;
        }
        const end = char === '"' ? endOfString(text, at) : -at;
        if (end <= 0) return -end;
        here[open.length - 1] = JSON.parse(text.slice(at, end));
        next = "colon";
        at = end;
        break;
      }
      default: {
        if (char === "]" && next === "value or ]") {
          close();
          at++;
          break;
        }
        if (here.length > depth && here.length <= path.length && here.every((each, i) => each === path[i])) {
          depth = here.length;
          found = at;
        }
        if (char === "{" || char === "[") {
          open.push(char);
          if (char === "[") here.push(0);
          next = char === "{" ? "key or }" : "value or ]";
          at++;
          break;
        }
        LITERAL.lastIndex = at;
        const end = char === '"' ? endOfString(text, at) : LITERAL.test(text) ? LITERAL.lastIndex : -at;
        if (end <= 0) return -end;
        next = "comma";
        at = end;
      }
    }
  }
}

/**
 * JSON.parse, but a number that would come out with other digits is its text: 9007199254740993, 1.50, -0, 1e400. So nothing is lost, and
 * `valueOfJson` reads it as it stands. An exponent is written as servers do: 1E5 is "1e+5".
 *
 * @throws SyntaxError
 */
export function parseJsonExactly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!MAY_LOSE.test(text)) return value;
  const quoted: string[] = [];
  let done = 0;
  // It is JSON, so what is not in a string is in order.
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const end = quote === -1 ? text.length : quote;
    // Mostly there is a colon or a comma.
    for (const { 0: number, index } of end - at > 1 ? text.slice(at, end).matchAll(NUMBER) : []) {
      if (String(Number(number)) === number) continue;
      quoted.push(text.slice(done, at + index), '"', number.toLowerCase().replace(/e(?=\d)/, "e+"), '"');
      done = at + index + number.length;
    }
    at = quote === -1 ? end : behindString(text, quote);
  }
  return quoted.length === 0 ? value : JSON.parse(quoted.join("") + text.slice(done));
}

/** Behind the quote that ends a string of valid JSON: one behind an even number of backslashes. */
function behindString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at);
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

/** Behind the quote that ends the string; where it goes wrong as a negative number. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const char = text[at];
    if (char === '"') return at + 1;
    if (char === undefined || char < " ") return -at;
    if (char !== "\\") at++;
    else {
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) return -at;
      at = ESCAPE.lastIndex;
    }
  }
}
