/** Reads EBNF in W3C's notation, and says which texts it derives: by trying everything, as grammars of a few rules allow. */

type Node =
  | { readonly is: "sequence" | "choice" | "-"; readonly of: readonly Node[] }
  | { readonly is: "?" | "*" | "+"; readonly of: Node }
  | { readonly is: "rule"; readonly name: string }
  | { readonly is: "character"; readonly matches: RegExp }
  | { readonly is: "text"; readonly text: string };

const TOKEN = /\s+|\/\*[\s\S]*?\*\/|('[^']*'|"[^"]*"|\[(?:[^\]])*\]|#x[0-9A-F]+|::=|[|()?*+-]|\w+)/gy;

/** The rules of a file by name. @throws Error for what is not EBNF, and for a rule that is not there */
export function readEbnf(text: string): ReadonlyMap<string, Node> {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`no token at ${JSON.stringify(text.slice(at, at + 30))}`);
    if (match[1] !== undefined) tokens.push(match[1]);
  }
  const rules = new Map<string, Node>();
  const used = new Set<string>();
  let at = 0;
  const choice = (): Node => {
    const of = [sequence()];
    while (tokens[at] === "|") {
      at++;
      of.push(sequence());
    }
    return of.length === 1 ? of[0]! : { is: "choice", of };
  };
  const sequence = (): Node => {
    const of: Node[] = [];
    while (at < tokens.length && tokens[at] !== "|" && tokens[at] !== ")" && tokens[at + 1] !== "::=") of.push(item());
    return of.length === 1 ? of[0]! : { is: "sequence", of };
  };
  const item = (): Node => {
    const node = primary();
    const sign = tokens[at];
    if (sign === "-") {
      at++;
      return { is: "-", of: [node, primary()] };
    }
    if (sign !== "?" && sign !== "*" && sign !== "+") return node;
    at++;
    return { is: sign, of: node };
  };
  const primary = (): Node => {
    const token = tokens[at++]!;
    if (token === "(") {
      const inside = choice();
      if (tokens[at++] !== ")") throw new Error("a parenthesis is not closed");
      return inside;
    }
    if (/^['"]/.test(token)) return { is: "text", text: token.slice(1, -1) };
    const code = (digits: string): string => `\\u{${digits}}`;
    if (token.startsWith("#x")) return { is: "text", text: String.fromCodePoint(Number.parseInt(token.slice(2), 16)) };
    if (token.startsWith("[")) {
      const inside = token.slice(1, -1).replace(/#x([0-9A-F]+)/g, (_, digits: string) => code(digits));
      return { is: "character", matches: new RegExp(`^[${inside}]$`, "u") };
    }
    if (!/^\w+$/.test(token)) throw new Error(`unexpected ${token}`);
    used.add(token);
    return { is: "rule", name: token };
  };
  while (at < tokens.length) {
    const name = tokens[at++]!;
    if (tokens[at++] !== "::=") throw new Error(`${name} has no ::=`);
    if (rules.has(name)) throw new Error(`${name} is there twice`);
    rules.set(name, choice());
  }
  for (const name of used) if (!rules.has(name)) throw new Error(`there is no ${name}`);
  return rules;
}

/** Does a rule derive a text, with white space before it and after each token? */
export function derives(rules: ReadonlyMap<string, Node>, start: string, text: string): boolean {
  const characters = [...text];
  const known = new Map<Node, Map<string, ReadonlySet<number>>>();
  const over = (from: number): number => Math.max(...ends({ is: "rule", name: "white_space" }, from, true));
  const ends = (node: Node, from: number, inToken: boolean): ReadonlySet<number> => {
    const key = `${from} ${inToken}`;
    const byPlace = known.get(node) ?? new Map<string, ReadonlySet<number>>();
    known.set(node, byPlace);
    const found = byPlace.get(key) ?? endsOf(node, from, inToken);
    byPlace.set(key, found);
    return found;
  };
  const endsOf = (node: Node, from: number, inToken: boolean): ReadonlySet<number> => {
    switch (node.is) {
      case "text": {
        const all = [...node.text];
        if (!all.every((each, i) => characters[from + i] === each)) return new Set();
        const end = from + all.length;
        if (inToken) return new Set([end]);
        const goesOn = /^\w+$/.test(node.text) && /[\w$\u0080-\u{10ffff}]/u.test(characters[end] ?? "");
        return goesOn ? new Set() : new Set([over(end)]);
      }
      case "character":
        return from < characters.length && node.matches.test(characters[from]!) ? new Set([from + 1]) : new Set();
      case "rule": {
        const isToken = !inToken && /^[A-Z]|^identifier_item$/.test(node.name);
        const inside = ends(rules.get(node.name)!, from, inToken || isToken);
        if (!isToken || inside.size === 0) return inside;
        return new Set([over(Math.max(...inside))]);
      }
      case "choice":
        return new Set(node.of.flatMap((each) => [...ends(each, from, inToken)]));
      case "sequence": {
        let at: ReadonlySet<number> = new Set([from]);
        for (const each of node.of) at = new Set([...at].flatMap((place) => [...ends(each, place, inToken)]));
        return at;
      }
      case "-": {
        const longest = Math.max(...ends(node.of[0]!, from, inToken));
        return longest > from && !ends(node.of[1]!, from, inToken).has(longest) ? new Set([longest]) : new Set();
      }
      case "?":
        return new Set([from, ...ends(node.of, from, inToken)]);
      default: {
        const all = new Set<number>(node.is === "*" ? [from] : []);
        const open = [...ends(node.of, from, inToken)];
        for (let place = open.pop(); place !== undefined; place = open.pop()) {
          if (all.has(place) && place !== from) continue;
          all.add(place);
          for (const next of ends(node.of, place, inToken)) if (!all.has(next)) open.push(next);
        }
        return all;
      }
    }
  };
  return ends({ is: "rule", name: start }, over(0), false).has(characters.length);
}
