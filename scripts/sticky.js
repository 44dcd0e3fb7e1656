/**
 * A Peggy plugin: what a grammar says of runs of characters becomes sticky regular expressions.
 *
 * Peggy's own code looks at one character at a time, tests it, and puts it into an array, of which `$` then wants only the
 * ends. This takes most of the time of a parser of short texts. Where the expression under a `$`, a `!` or a `&` is made of
 * characters alone (literals, classes, repeated classes, sequences of these, and rules that are), it is compiled to one regular
 * expression, with the same meaning: a class is repeated as often as it fits, and what follows cannot begin with it.
 *
 * A repeated group stays Peggy's: the stack of regular expressions is finite, and V8 takes of it in each round of a group, but
 * not of a class.
 */

/** The use() of a plugin. */
export function use(config) {
  config.passes.transform.push((ast) => {
    const patterns = [];
    for (const rule of ast.rules) visit(ast, rule, patterns);
    if (patterns.length === 0) return;
    const { location } = ast.rules[0];
    const code = patterns.map((pattern, i) => `const sticky$${i} = ${pattern};`).join("\n");
    const initializer = { type: "top_level_initializer", code: `\n${code}\n`, codeLocation: location, location };
    ast.topLevelInitializer = [ast.topLevelInitializer ?? [], initializer].flat();
    ast.initializer = [ast.initializer ?? [], { ...initializer, type: "initializer", code: shared }].flat();
  });
}

function visit(ast, node, patterns) {
  if (node.expression !== undefined) {
    const pattern = ["text", "simple_and", "simple_not"].includes(node.type) && patternOf(ast, node.expression);
    if (!pattern) visit(ast, node.expression, patterns);
    else if (node.type === "text") node.expression = predicate("semantic_and", run, pattern, patterns, node.location);
    else
      Object.assign(node, predicate(node.type.replace("simple", "semantic"), look, pattern, patterns, node.location));
  }
  for (const child of node.alternatives ?? node.elements ?? []) visit(ast, child, patterns);
}

function predicate(type, code, pattern, patterns, location) {
  if (!patterns.includes(pattern)) patterns.push(pattern);
  return { type, code: code(`sticky$${patterns.indexOf(pattern)}`), codeLocation: location, location };
}

/** Code that passes over what matches. A predicate does not put the position back. */
function run(name) {
  return ` return run$(${name}); `;
}

/** Code that tells whether what is ahead matches. */
function look(name) {
  return ` return sticky$(${name}); `;
}

/** What both call. It is among the functions of the parser, since it looks at its position. */
const shared = `
  function sticky$(pattern) {
    pattern.lastIndex = peg$currPos;
    return pattern.test(input);
  }

  function run$(pattern) {
    const matches = sticky$(pattern);
    if (matches) peg$currPos = pattern.lastIndex;
    return matches;
  }
`;

/** A regular expression; undefined if the expression is no run of characters, or so short that Peggy is as fast. */
function patternOf(ast, node) {
  const source = sourceOf(ast, node, []);
  return source === undefined || (node.type !== "sequence" && !/[*+]$/.test(source)) ? undefined : `/${source}/y`;
}

function sourceOf(ast, node, seen) {
  switch (node.type) {
    case "literal":
      return node.ignoreCase ? undefined : [...node.value].map((c) => escaped(c)).join("");
    case "any":
      return "[^]";
    case "class":
      return node.ignoreCase || node.unicode
        ? undefined
        : `[${node.inverted ? "^" : ""}${node.parts.map(part).join("")}]`;
    case "sequence": {
      const sources = node.elements.map((each) => sourceOf(ast, each, seen));
      return sources.includes(undefined) ? undefined : sources.join("");
    }
    case "zero_or_more":
    case "one_or_more": {
      const source = sourceOf(ast, node.expression, seen);
      if (source === undefined || !/^\[[^\]\\]*(\\.[^\]\\]*)*\]$/.test(source)) return undefined;
      return source + (node.type === "zero_or_more" ? "*" : "+");
    }
    case "group":
    case "text":
      return sourceOf(ast, node.expression, seen);
    case "rule_ref": {
      const rule = ast.rules.find(({ name }) => name === node.name);
      return seen.includes(node.name) ? undefined : sourceOf(ast, rule.expression, [...seen, node.name]);
    }
    default:
      return undefined;
  }
}

function part(each) {
  return Array.isArray(each) ? `${escaped(each[0])}-${escaped(each[1])}` : escaped(each);
}

function escaped(character) {
  if (/[A-Za-z0-9_]/.test(character)) return character;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
