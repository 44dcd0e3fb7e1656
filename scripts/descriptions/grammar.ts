/**
 * Both grammars as EBNF in the notation of W3C, one file for the versions that have the same, and as railroad diagrams of the newest;
 * from Peggy's own tree of grammars/*.peggy.
 *
 * The capabilities that predicates ask for are known there, so a file has no conditions. Other predicates, and what may not follow, become
 * comments. White space is left out: it may follow each token.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import peggy from "peggy";
import { type GrammarConfig, grammars } from "../../grammars/peggy.config.ts";
import { versionRanges } from "../../src/capabilities.ts";
import { type CommandCapabilities, commandCapabilities } from "../../src/command/capabilities.ts";
import { isKeyword, keywords } from "../../src/command/keywords.ts";
import {
  type CapabilityTable,
  defaultServer,
  formatMajor,
  majorOf,
  newestOf,
  serverVersionNum,
} from "../../src/kernel/version.ts";
import { syncrepCapabilities } from "../../src/syncrep/capabilities.ts";

/** What a rule derives. `never` is what no text is, such as a keyword that the version does not have. */
export type Derivation =
  | { readonly is: "never" }
  | { readonly is: "sequence" | "choice"; readonly of: readonly Derivation[] }
  | { readonly is: "optional" | "star" | "plus"; readonly of: Derivation }
  | { readonly is: "rule"; readonly name: string }
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "class"; readonly text: string }
  | { readonly is: "except"; readonly of: readonly [all: Derivation, but: Derivation] }
  /** What no rule says; `of` is what it is about. */
  | { readonly is: "note"; readonly text: string; readonly of: readonly Derivation[] };

/** A grammar as a version has it: its rules, the first one the start. */
export type Rules = ReadonlyMap<string, Derivation>;

interface Described {
  readonly start: string;
  readonly title: string;
  readonly capabilities: CapabilityTable<string>;
}

const described: Readonly<Record<string, Described>> = {
  replication: {
    start: "exec_replication_command",
    title: "The commands of a replication connection",
    capabilities: commandCapabilities,
  },
  syncrep: { start: "result", title: "The value of synchronous_standby_names", capabilities: syncrepCapabilities },
};

/** The nodes of Peggy's tree, as far as the grammars have them. */
interface Node {
  readonly type: string;
  readonly name: string;
  readonly expression: Node;
  readonly rules: readonly Node[];
  readonly alternatives: readonly Node[];
  readonly elements: readonly Node[];
  readonly delimiter: Node | null;
  readonly min: { readonly value: number | null };
  readonly max: { readonly value: number | null };
  readonly code: string;
  readonly value: string;
  readonly ignoreCase: boolean;
  readonly inverted: boolean;
  readonly parts: readonly (string | readonly [string, string])[];
}

const never: Derivation = { is: "never" };

/** The rules of a grammar that a version uses. */
export function rulesOf(config: GrammarConfig, server: number): Rules {
  const { start, capabilities } = described[config.name]!;
  const has = capabilities.of(server);
  const folder = fileURLToPath(new URL("../../grammars/", import.meta.url));
  const texts = [...config.inputs.map((input) => readFileSync(folder + input, "utf8")), config.rules ?? ""];
  const nodes = new Map(
    texts
      .filter((text) => text !== "")
      .flatMap((text) => (peggy.parser.parse(text, { grammarSource: "", reservedWords: [] }) as unknown as Node).rules)
      .map((rule) => [rule.name, rule.expression]),
  );
  const made = new Map<string, Derivation>();
  const rule = (name: string): Derivation => {
    if (name === "_" || name === "end_of_input" || name === "end_of_word") return { is: "sequence", of: [] };
    let derivation = made.get(name);
    if (derivation === undefined) {
      made.set(name, { is: "rule", name });
      derivation = derive(nodes.get(name)!);
      made.set(name, derivation);
    }
    // Tokens that are one text stand for themselves.
    return derivation.is === "text" || derivation.is === "never" ? derivation : { is: "rule", name };
  };
  const derive = (node: Node): Derivation => {
    switch (node.type) {
      case "named":
      case "labeled":
      case "text":
      case "group":
        return derive(node.expression);
      case "action":
        // An alternative that only says what is wrong.
        return /^\s*(options\.)?refuse\(/.test(node.code) ? never : derive(node.expression);
      case "choice":
        return choice(node.alternatives.map(derive));
      case "sequence":
        return sequence(node.elements.map(derive));
      case "optional":
      case "zero_or_more":
      case "one_or_more":
        return repeated(node.type, derive(node.expression));
      case "repeated": {
        const element = derive(node.expression);
        const others = sequence([...(node.delimiter === null ? [] : [derive(node.delimiter)]), element]);
        const some = sequence([element, repeated("zero_or_more", others)]);
        return node.min.value === 1 ? some : repeated("optional", some);
      }
      case "rule_ref":
        return rule(node.name);
      case "literal":
        return node.value === "" ? sequence([]) : { is: "text", text: node.value };
      case "class":
        return { is: "class", text: `[${node.inverted ? "^" : ""}${node.parts.map(classPart).join("")}]` };
      case "any":
        return { is: "class", text: "[#x0-#x10FFFF]" };
      case "simple_not":
        return note("what follows does not begin as", derive(node.expression));
      case "simple_and":
        return note("what follows begins as", derive(node.expression));
      case "semantic_and":
      case "semantic_not":
        return predicate(node);
      default:
        throw new TypeError(`no EBNF for ${node.type}`);
    }
  };
  const predicate = ({ code, type }: Node): Derivation => {
    const asks = /^\s*return\s+((?:options\.has\.\w+|[!&|()\s])+);\s*$/.exec(code);
    if (asks !== null) {
      const holds = Boolean(new Function("options", code)({ has }));
      return holds === (type === "semantic_and") ? sequence([]) : never;
    }
    const word = /^\s*return \/\^(\w+)\$\/i\.test\(\w+\);\s*$/.exec(code);
    const about = (text: string): Derivation => ({ is: "note", text, of: [] });
    if (word !== null) return about(`the word ${word[1]!.toUpperCase()} in any case`);
    // It stands after the identifier that it is about.
    if (/\bkeyword\(/.test(code)) return about(type === "semantic_and" ? KEYWORD : NO_KEYWORD);
    if (/any\|first/.test(code)) return has.quorumCommit ? about("not ANY or FIRST, in any case") : sequence([]);
    throw new TypeError(`no words for the predicate ${code}`);
  };
  rule(start);
  made.set(WHITE_SPACE, derive(nodes.get("_")!));
  const words = [...keywords.keys()].filter((word) => isKeyword(word, has as CommandCapabilities));
  const all = new Map([...made].map(([name, derivation]) => [name, withKeywords(derivation, words)]));
  return reachable([start, WHITE_SPACE], all);
}

const WHITE_SPACE = "white_space";
const KEYWORD = "a keyword";
const NO_KEYWORD = "not a keyword";

/** With keywords as texts, and names as what is not one. */
function withKeywords(derivation: Derivation, words: readonly string[]): Derivation {
  const isNote = (each: Derivation | undefined, text: string): boolean => each?.is === "note" && each.text === text;
  if (derivation.is === "choice") return choice(derivation.of.map((each) => withKeywords(each, words)));
  if (derivation.is !== "sequence") return derivation;
  const { of } = derivation;
  if (of.some((each) => isNote(each, KEYWORD))) return choice(words.map((text) => ({ is: "text", text })));
  return sequence(
    of.flatMap((each, i): Derivation[] => {
      if (isNote(each, NO_KEYWORD)) return [];
      const [before] = of.slice(i - 1, i);
      // Not a keyword that is a text.
      if (each.is === "rule" && each.name === "keyword" && before?.is === "note" && before.of[0]?.is === "text") {
        return [{ is: "except", of: [each, before.of[0]] }];
      }
      if (each.is === "note" && of[i + 1]?.is === "rule" && each.of[0]?.is === "text") {
        const next = of[i + 1] as { readonly name: string };
        if (next.name === "keyword") return [];
      }
      return isNote(of[i + 1], NO_KEYWORD) ? [{ is: "except", of: [each, { is: "rule", name: "keyword" }] }] : [each];
    }),
  );
}

/** The last unit of UTF-16 stands for all characters after it. */
function classPart(part: string | readonly [string, string]): string {
  if (typeof part === "string") return character(part);
  return `${character(part[0])}-${part[1] === "\uffff" ? "#x10FFFF" : character(part[1])}`;
}

/** W3C's notation has no escapes. */
function character(text: string): string {
  return /[A-Za-z0-9_$,' "]/.test(text) && text !== " " ? text : `#x${text.charCodeAt(0).toString(16).toUpperCase()}`;
}

function note(words: string, of: Derivation): Derivation {
  // What follows a token is not looked at where it is nothing but the rest of a word.
  return of.is === "never" ? { is: "sequence", of: [] } : { is: "note", text: `${words} ${print(of)}`, of: [of] };
}

function sequence(all: readonly Derivation[]): Derivation {
  const of = all.flatMap((each) => (each.is === "sequence" ? each.of : [each]));
  if (of.some(({ is }) => is === "never")) return never;
  const [first, ...others] = of.filter(({ is }) => is !== "note");
  // A keyword is its text: that no letter follows goes without saying.
  if (first?.is === "text" && others.length === 0) return first;
  return of.length === 1 ? of[0]! : { is: "sequence", of };
}

function choice(all: readonly Derivation[]): Derivation {
  const possible = all.filter(({ is }) => is !== "never").flatMap((each) => (each.is === "choice" ? each.of : [each]));
  const of = possible.filter((each) => each.is !== "sequence" || each.of.length > 0);
  const one: Derivation = of.length === 0 ? never : of.length === 1 ? of[0]! : { is: "choice", of };
  if (of.length === possible.length) return one;
  // One of them is nothing at all.
  return one.is === "optional" || one.is === "star" ? one : repeated("optional", one);
}

function repeated(type: "optional" | "zero_or_more" | "one_or_more", of: Derivation): Derivation {
  const empty = of.is === "sequence" && of.of.length === 0;
  if (of.is === "never") return type === "one_or_more" ? never : { is: "sequence", of: [] };
  return empty ? of : { is: type === "optional" ? "optional" : type === "zero_or_more" ? "star" : "plus", of };
}

/** The rules that the start uses, in the order in which they are met. */
function reachable(starts: readonly string[], all: ReadonlyMap<string, Derivation>): Rules {
  const found = new Map<string, Derivation>();
  const visit = (derivation: Derivation): void => {
    if (derivation.is === "rule") add(derivation.name);
    else if ("of" in derivation) for (const each of [derivation.of].flat()) visit(each);
  };
  const add = (name: string): void => {
    if (found.has(name)) return;
    found.set(name, all.get(name)!);
    visit(all.get(name)!);
  };
  for (const start of starts) add(start);
  return found;
}

/** A derivation in EBNF. */
function print(derivation: Derivation, inside: "choice" | "sequence" | "repeated" = "choice", again = false): string {
  switch (derivation.is) {
    case "never":
      throw new TypeError("no text is that");
    case "rule":
      return derivation.name;
    case "text":
      return quoted(derivation.text);
    case "class":
      return derivation.text;
    case "except": {
      const text = derivation.of.map((each) => print(each, "repeated")).join(" - ");
      return inside === "choice" ? text : `(${text})`;
    }
    case "note":
      return `/* ${derivation.text.replace(/\/\* | \*\//g, "")} */`;
    case "optional":
    case "star":
    case "plus":
      if (again) return `(${print(derivation)})`;
      return `${print(derivation.of, "repeated", true)}${{ optional: "?", star: "*", plus: "+" }[derivation.is]}`;
    case "sequence": {
      if (derivation.of.length === 0) return "()";
      const text = derivation.of.map((each) => print(each, "sequence")).join(" ");
      return inside === "repeated" ? `(${text})` : text;
    }
    case "choice": {
      const text = derivation.of.map((each) => print(each)).join(" | ");
      return inside === "choice" ? text : `(${text})`;
    }
  }
}

function quoted(text: string): string {
  if (/[^ -~]/.test(text))
    return [...text].map((each) => `#x${each.charCodeAt(0).toString(16).toUpperCase()}`).join(" ");
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}

/** A grammar in EBNF. */
function ebnf(rules: Rules): string {
  const lines = [...rules].map(([name, derivation]) => {
    const one = print(derivation);
    const isLong = derivation.is === "choice" && name.length + one.length > 110;
    const text = isLong ? derivation.of.map((each) => print(each)).join("\n  | ") : one;
    return `${name}\n  ::= ${text}`;
  });
  return `${lines.join("\n\n")}\n`;
}

/** The first version that is described: before it there were no slots. */
const OLDEST = 90400;

/** Majors that have the same grammar in their newest minors, and its rules. */
export function versionsOf(config: GrammarConfig): { readonly majors: readonly number[]; readonly rules: Rules }[] {
  const groups: { majors: number[]; rules: Rules; text: string }[] = [];
  const majors = new Set(versionRanges().map(({ since }) => majorOf(since)));
  for (const major of [...majors].filter((each) => each >= OLDEST)) {
    const rules = rulesOf(config, newestOf(major));
    const text = ebnf(rules);
    const last = groups.at(-1);
    if (last?.text === text) last.majors.push(major);
    else groups.push({ majors: [major], rules, text });
  }
  return groups;
}

/** The EBNF and the diagrams of both grammars, by path. */
export function grammarFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const config of grammars) {
    const { title } = described[config.name]!;
    for (const { majors, rules } of versionsOf(config)) {
      const [first, last] = [majors[0]!, majors.at(-1)!].map(formatMajor);
      files.set(
        `descriptions/grammar/${config.name}-${first}.ebnf`,
        `\
/* ${title}, PostgreSQL ${first === last ? first : `${first} to ${last}`}, newest minor releases. */
/* Generated by \`npm run descriptions\` of walwire from grammars/${config.inputs[0]}. Do not edit. */
/* Tokens are texts in quotes and rules in capital letters${rules.has("identifier_item") ? ", and identifier_item" : ""}. A token is as long as it can be. */
/* Before the first and after each may be white_space. */

${ebnf(rules)}`,
      );
    }
    const rules = rulesOf(config, serverVersionNum(defaultServer));
    files.set(`descriptions/grammar/${config.name}.svg`, diagrams(`${title}, PostgreSQL ${defaultServer}`, rules));
  }
  return files;
}

// ---- Diagrams ----

/** A part of a diagram of the package railroad-diagrams. */
interface Picture {
  format(): Picture;
  toString(): string;
}
type Make = (...of: unknown[]) => Picture;
const require = createRequire(import.meta.url);
const railroad = require("railroad-diagrams") as Readonly<
  Record<"Diagram" | "Sequence" | "Terminal" | "NonTerminal" | "Comment" | "Skip", Make> & {
    Optional: Make;
    Choice: Make;
    ZeroOrMore: Make;
    OneOrMore: Make;
  }
>;

function pictureOf(derivation: Derivation): Picture {
  switch (derivation.is) {
    case "never":
      throw new TypeError("no text is that");
    case "rule":
      return railroad.NonTerminal(escaped(derivation.name));
    case "text":
      return railroad.Terminal(escaped(/[^ -~]/.test(derivation.text) ? print(derivation) : derivation.text));
    case "class":
      return railroad.Terminal(escaped(derivation.text));
    case "except":
      return railroad.Sequence(
        pictureOf(derivation.of[0]),
        railroad.Comment(escaped(`not ${print(derivation.of[1])}`)),
      );
    case "note":
      return railroad.Comment(escaped(derivation.text.replace(/\/\* | \*\//g, "")));
    case "optional":
      return railroad.Optional(pictureOf(derivation.of));
    case "star":
      return railroad.ZeroOrMore(pictureOf(derivation.of));
    case "plus":
      return railroad.OneOrMore(pictureOf(derivation.of));
    case "sequence":
      return derivation.of.length === 0 ? railroad.Skip() : railroad.Sequence(...derivation.of.map(pictureOf));
    case "choice":
      return railroad.Choice(0, ...derivation.of.map(pictureOf));
  }
}

/** The package puts texts into the picture as they are. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const STYLE = `
  svg { background: #fff; }
  path { stroke-width: 2; stroke: #333; fill: none; }
  text { font: 14px monospace; text-anchor: middle; fill: #111; }
  text.rule { font-weight: bold; text-anchor: start; }
  text.comment { font: italic 12px sans-serif; }
  rect { stroke-width: 2; stroke: #333; fill: #eef6ff; }
  g.non-terminal rect { fill: #f6f6f6; }
`;

/** All rules, one below the other. */
function diagrams(title: string, rules: Rules): string {
  let y = 50;
  let width = 0;
  const parts = [...rules].map(([name, derivation]) => {
    const picture = railroad.Diagram(pictureOf(derivation)).format().toString().trim();
    const [, w, h] = /width="([\d.]+)" height="([\d.]+)"/.exec(picture)!;
    const part = `<text class="rule" x="20" y="${y}">${name}</text>\n${picture.replace("<svg ", `<svg x="10" y="${y + 6}" `)}`;
    y += Math.ceil(Number(h)) + 36;
    width = Math.max(width, Math.ceil(Number(w)) + 20);
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}">
<title>${title}</title>
<!-- Generated by \`npm run descriptions\` of walwire. Do not edit. -->
<style>${STYLE}</style>
<rect width="100%" height="100%" style="fill: #fff; stroke: none"/>
<text class="rule" x="20" y="24">${escaped(title)}</text>
${parts.join("\n")}
</svg>
`;
}
