/**
 * Makes the functions of a generated parser once, instead of once in each parse, and leaves out what nobody asks it for.
 *
 * Peggy puts all of a parser into one function, so that each parse makes some two hundred closures before it looks at the text:
 * for a short command that is a third of the time. Here what that function declares is moved to the module, and what is left of
 * it sets the state and starts. The price: no parse inside of a parse, which no action of ours begins.
 *
 * Left out are the sentences that Peggy makes of an error, since ours are the server's, and lines and columns: together a third of a
 * small parser; and parsing as a part of something else. What it throws is no Error: it is caught where it is thrown, and nobody sees
 * its stack, which takes a fifth of a refusal to collect.
 *
 * Every edit names what it expects of Peggy's output, and fails if that is not there.
 */

/** Makes edits, each named for what it expects of Peggy's output. */
class Edits {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** @throws Error if the pattern is nowhere in the text. */
  replace(what: string, pattern: RegExp, by: string): void {
    const all = new RegExp(pattern, "g");
    if (!all.test(this.text)) throw new Error(`Peggy's output has no ${what}`);
    this.text = this.text.replace(all, by);
  }
}

/** The types of a parser as Peggy writes them, changed likewise. */
export function hoistedTypes(types: string): string {
  const edits = new Edits(types);
  edits.replace(
    "class of errors",
    /export declare class SyntaxError extends globalThis\.SyntaxError {\n[\s\S]*?\n}\n/,
    `/** What is thrown; no Error. */
export declare class SyntaxError {
  /** What could have stood there: display names of rules, and literals in quotes. Each once. */
  readonly expected: string[];
  /** UTF-16 code units from the start of the text. */
  readonly offset: number;
}
`,
  );
  return edits.text;
}

/** The text of a parser as Peggy writes it, changed. The grammar's initializer may declare functions only. */
export function hoisted(parser: string): string {
  const edits = new Edits(parser);
  const replace = edits.replace.bind(edits);
  replace(
    "class of errors",
    /class peg\$SyntaxError extends SyntaxError {\n[\s\S]*?\n}\n/,
    `class peg$SyntaxError {
  constructor(expected, offset) {
    this.expected = expected;
    this.offset = offset;
  }
}
`,
  );
  replace(
    "functions for actions",
    /\n {2}function range\(\) {\n[\s\S]*?(?=\n {2}function peg\$literalExpectation\()/,
    "",
  );
  replace("places", /\n {2}function peg\$computePosDetails\(pos\) {\n[\s\S]*?(?=\n {2}function peg\$fail\()/, "");
  replace("making of errors", /\n {2}function peg\$buildSimpleError\([\s\S]*?(?=\n {2}function peg\$parse)/, "");
  replace("source", / {2}const peg\$source = options\.grammarSource;\n/, "");
  replace("positions seen", / {2}const peg\$posDetailsCache = .*\n/, "");
  replace(
    "end",
    / {2}const peg\$success = \([\s\S]*?\n}\n/,
    `  if (peg$result !== peg$FAILED) {
    if (peg$currPos === input.length) return peg$result;
    peg$fail("end of input");
  }
  throw new peg$SyntaxError([...new Set(peg$maxFailExpected)], peg$maxFailPos);
}
`,
  );
  // Of what could have stood there people see the names.
  replace(
    "functions for expectations",
    /\n {2}function peg\$literalExpectation\([\s\S]*?(?=\n {2}function peg\$fail\()/,
    "",
  );
  replace("expectation of another form", /peg\$otherExpectation\((".*")\);/, "$1;");
  replace("expectation of a class", /peg\$classExpectation\(.*\);/, '"class";');
  replace("expectation of anything", /peg\$anyExpectation\(\);/, '"any";');
  replace("expectation of a literal", /peg\$literalExpectation\("(.*)", false\);/, '"\\"$1\\"";');
  // What peg$parse is given becomes variables of the module, and so does its state.
  replace(
    "head of peg$parse",
    /function peg\$parse\(input, options\) {\n {2}options = options !== undefined \? options : {};\n/,
    "let input, options;\n",
  );
  replace("start rule", /let peg\$startRuleFunction = (peg\$parse\w+);/, "const peg$defaultStartRule = $1;");
  replace("position", /let peg\$currPos = options\.peg\$currPos \| 0;/, "let peg$currPos = 0;");
  replace("expectations", /= options\.peg\$maxFailExpected \|\| \[\];/, "= [];");
  replace("silence", /= options\.peg\$silentFails \| 0;/, "= 0;");
  replace(
    "choice of the start rule",
    /\n {2}if \(options\.startRule\) {\n[\s\S]*?peg\$startRuleFunction = peg\$startRuleFunctions\[options\.startRule\];\n {2}}\n/,
    "",
  );
  replace(
    "start",
    /\n {2}peg\$result = peg\$startRuleFunction\(\);\n/,
    `
function peg$parse(text, hooks) {
  const startRule = hooks?.startRule;
  if (startRule !== undefined && !(startRule in peg$startRuleFunctions)) {
    throw new Error("Can't start parsing from rule \\"" + startRule + "\\".");
  }
  input = text;
  options = hooks ?? {};
  peg$currPos = peg$savedPos = peg$maxFailPos = peg$silentFails = 0;
  peg$maxFailExpected = [];
  try {
    return peg$run(startRule === undefined ? peg$defaultStartRule : peg$startRuleFunctions[startRule]);
  } finally {
    // A text may be megabytes long: it is not to stay until the next parse.
    input = options = peg$result = undefined;
    peg$maxFailExpected = [];
  }
}

function peg$run(peg$startRuleFunction) {
  peg$result = peg$startRuleFunction();
`,
  );
  // A comparison in place, where substr makes a string to compare.
  replace(
    "comparison of a literal",
    /input\.substr\(peg\$currPos, \d+\) === (peg\$c\d+)/,
    "input.startsWith($1, peg$currPos)",
  );
  return edits.text;
}
