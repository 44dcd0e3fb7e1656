/**
 * What second readers have in common: a grammar file of grammars/lalr, made by jison into a parser for each version that does what
 * Bison's and flex's would. They read bytes, as a string with a character for each.
 */
import { createRequire } from "node:module";
import { type CapabilityName, capabilities, supports } from "../../src/capabilities.ts";

/** A text as the bytes that C sees. */
export function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Text of such bytes. */
export function utf8(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

/** A tree of strings of bytes as one of text. */
export function decoded<T>(node: T): T {
  if (typeof node === "string") return utf8(node) as T;
  if (Array.isArray(node)) return node.map(decoded) as T;
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, decoded(value)])) as T;
}

/** What is used of jison, which has no types. */
export interface JisonLexer<Yy> {
  setInput(input: string, yy: Yy): this;
  /** The next token, or false for what is none. */
  next(): number | string | false;
  lex(): number | string;
}

export interface Jison<Yy> {
  yy: Yy;
  readonly lexer: JisonLexer<Yy>;
  readonly terminals_: Readonly<Record<number, string>>;
  parse(input: string): true;
}

interface JisonGenerator {
  readonly conflicts: number;
  readonly terminals_: Readonly<Record<number, string>>;
  readonly table: readonly Readonly<Record<string, Action | number>>[];
  defaultActions: Record<number, Action>;
  createParser(): Jison<unknown>;
}

/** To shift (1) or to reduce (2), and the state or the production. */
type Action = readonly [kind: number, target?: number];

const jison: {
  Generator: new (grammar: string, options: object) => JisonGenerator;
  print: (...lines: unknown[]) => void;
} = createRequire(import.meta.url)("jison");
// Conflicts, which are errors here.
jison.print = () => {};

/** A grammar file as it is for one version: without the lines that are for others. */
export function linesFor(source: string, server: number): string {
  /** Of each `%if` that is open: are its lines for this version? */
  const open: boolean[] = [];
  const lines = source.split("\n").filter((line) => {
    const [, directive, not, name] = /^%(if|else|endif)(?: (not )?(\w+))?$/.exec(line) ?? [];
    if (directive === undefined) return open.every(Boolean);
    if (directive === "if") {
      if (!Object.hasOwn(capabilities, name!)) throw new Error(`No capability is named ${name}.`);
      open.push(supports(server, name as CapabilityName) === (not === undefined));
    } else {
      const last = open.pop();
      if (last === undefined) throw new Error(`%${directive} without %if.`);
      if (directive === "else") open.push(!last);
    }
    return false;
  });
  if (open.length > 0) throw new Error("%if without %endif.");
  return lines.join("\n");
}

/** A parser as Bison would make it. @throws Error for a grammar with conflicts, of which jison only prints a warning. */
export function makeJison<Yy>(grammar: string, yy: Yy): Jison<Yy> {
  const generator = new jison.Generator(grammar, { type: "lalr" });
  if (generator.conflicts > 0) throw new Error(`The grammar has ${generator.conflicts} conflicts.`);
  generator.defaultActions = consistentStates(generator);
  const parser = generator.createParser() as Jison<Yy>;
  parser.yy = yy;
  // jison's own calls itself for each thing that is no token.
  parser.lexer.lex = function (this: JisonLexer<Yy>) {
    for (;;) {
      const token = this.next();
      if (token !== false) return token;
    }
  };
  return parser;
}

/**
 * The states in which Bison reduces without a look at the next token, since there is nothing else to do: an action may refuse a
 * value before the scanner refuses what follows it. jison does so only where one token alone may follow.
 */
function consistentStates({ table, terminals_ }: JisonGenerator): Record<number, Action> {
  const states: Record<number, Action> = {};
  for (const [state, row] of table.entries()) {
    const actions = Object.entries(row).filter(([symbol]) => symbol in terminals_);
    const [first] = actions.map(([, action]) => action as Action);
    if (
      first?.[0] === 2 &&
      actions.every(([, action]) => (action as Action)[1] === first[1] && (action as Action)[0] === 2)
    ) {
      states[state] = first;
    }
  }
  return states;
}
