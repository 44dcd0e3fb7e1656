/** The SQL that subscribers send, as tokens: enough of the language to recognize statements that programs compose. */
import { downcaseIdentifier } from "../text/identifier.ts";

/** A token. Keywords and unquoted names are one kind, in lower case. */
export interface Token {
  readonly type: "name" | "string" | "number" | "other";
  readonly value: string;
}

// A string with backslashes is E'…'; a quote is doubled in any. Numbers are whole.
const pattern =
  /\s+|"((?:[^"]|"")*)"|[eE]'((?:[^'\\]|''|\\[\s\S])*)'|'((?:[^']|'')*)'|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(\d+)|(::|!=|<>|[-()[\].,;=<>*|])/y;

/** Longer statements are not looked at. */
const LONGEST = 1_000_000;

/** The tokens of a statement, without a semicolon at its end; undefined if it has something that is not read here. */
export function tokensOf(sql: string): readonly Token[] | undefined {
  if (sql.length > LONGEST) return undefined;
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < sql.length) {
    const match = pattern.exec(sql);
    if (match === null) return undefined;
    const [, quoted, escaped, string, name, number, other] = match;
    if (quoted !== undefined) tokens.push({ type: "name", value: quoted.replaceAll('""', '"') });
    else if (escaped !== undefined)
      tokens.push({ type: "string", value: escaped.replace(/''|\\(.)/gs, (all, c) => c ?? all[0]) });
    else if (string !== undefined) tokens.push({ type: "string", value: string.replaceAll("''", "'") });
    else if (name !== undefined) tokens.push({ type: "name", value: downcaseIdentifier(name) });
    else if (number !== undefined) tokens.push({ type: "number", value: number });
    else if (other !== undefined) tokens.push({ type: "other", value: other });
  }
  if (tokens.at(-1)?.value === ";") tokens.pop();
  return tokens;
}

/** What stands in the places of a template: `$text` is a string or, as `$name`, a name; `$number` a number, `$numbers` a list of them, `$names` a list of strings, `$rest` whatever follows. */
export interface Places {
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
  readonly names: readonly string[];
}

/** A template of a statement: SQL with places. */
export function templateOf(sql: string): readonly Token[] {
  return sql
    .split(/(\$\w+)/)
    .flatMap((part) => (part.startsWith("$") ? [{ type: "other", value: part } as const] : tokensOf(part)!));
}

/** Stands for a list of numbers in SQL that is made a template by `templateOfExample`. */
export const ANY_NUMBER = 0xffff_ffff;

/** A template from SQL that a function has composed: of the strings `$names` and `$text`, the name `$name`, and ANY_NUMBER. */
export function templateOfExample(sql: string): readonly Token[] {
  return tokensOf(sql)!.map((token) => {
    if (token.type === "number" && token.value === String(ANY_NUMBER)) return { type: "other", value: "$numbers" };
    return token.value.startsWith("$") ? { type: "other", value: token.value } : token;
  });
}

/** What stands in the places, if the statement is of this template; else undefined. */
export function matchTemplate(template: readonly Token[], tokens: readonly Token[]): Places | undefined {
  const texts: string[] = [];
  const numbers: number[] = [];
  const names: string[] = [];
  let at = 0;
  for (const { type, value } of template) {
    if (value === "$rest") return { texts, numbers, names };
    const token = tokens[at++];
    if (token === undefined) return undefined;
    if (value === "$text" && token.type === "string") texts.push(token.value);
    else if (value === "$name" && token.type === "name") texts.push(token.value);
    else if (value === "$numbers" && token.type === "number") {
      numbers.push(Number(token.value));
      for (; tokens[at]?.value === "," && tokens[at + 1]?.type === "number"; at += 2)
        numbers.push(Number(tokens[at + 1]!.value));
    } else if (value === "$number" && token.type === "number") numbers.push(Number(token.value));
    else if (value === "$names" && token.type === "string") {
      names.push(token.value);
      for (; tokens[at]?.value === "," && tokens[at + 1]?.type === "string"; at += 2) names.push(tokens[at + 1]!.value);
    } else if (token.type !== type || token.value !== value) return undefined;
  }
  return at === tokens.length ? { texts, numbers, names } : undefined;
}
