/**
 * Moves the functions of a generated parser to the module, so that they are made once and not in each parse, and removes unused code.
 *
 * Peggy puts a whole parser into one function, so each parse makes about two hundred closures before it reads the text: a third of the
 * time for a short command. Here the declarations of that function move to the module, and the rest of it sets the state and starts.
 * The price: a parse cannot run inside another one; no action of ours does that.
 *
 * Removed are Peggy's error messages, since ours are the server's, and its lines and columns, together a third of a small parser; and
 * parsing as a library of another grammar. The value that it throws is not an Error: it is caught at once, so its stack, which takes a
 * fifth of the time of a rejection to collect, would never be seen.
 *
 * Every edit names what it expects in Peggy's output, and fails if that is missing.
 */

/** Makes edits, each named after the text that it expects in Peggy's output. */
class Edits {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** @throws Error if the pattern does not match. */
  replace(what: string, pattern: RegExp, by: string): void {
    const all = new RegExp(pattern, "g");
    if (!all.test(this.text)) throw new Error(`Peggy's output has no ${what}`);
    this.text = this.text.replace(all, by);
  }
}

/** The types of a parser as Peggy writes them, with the same changes. */
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
  edits.replace("optional start rule", /readonly startRule\?: T;/, "readonly startRule: T;");
  edits.replace("optional options", /options\?: Options,/, "options: Options,");
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
  // People see only the names of the expectations.
  replace(
    "functions for expectations",
    /\n {2}function peg\$literalExpectation\([\s\S]*?(?=\n {2}function peg\$fail\()/,
    "",
  );
  replace("expectation of another form", /peg\$otherExpectation\((".*")\);/, "$1;");
  replace("expectation of a class", /peg\$classExpectation\(.*\);/, '"class";');
  replace("expectation of anything", /peg\$anyExpectation\(\);/, '"any";');
  replace("expectation of a literal", /peg\$literalExpectation\("(.*)", false\);/, '"\\"$1\\"";');
  // The parameters and the state of peg$parse become variables of the module.
  replace(
    "head of peg$parse",
    /function peg\$parse\(input, options\) {\n {2}options = options !== undefined \? options : {};\n/,
    "let input, options;\n",
  );
  replace("start rule", / {2}let peg\$startRuleFunction = peg\$parse\w+;\n/, "");
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
  input = text;
  options = hooks;
  peg$currPos = peg$savedPos = peg$maxFailPos = peg$silentFails = 0;
  peg$maxFailExpected = [];
  try {
    return peg$run(peg$startRuleFunctions[hooks.startRule]);
  } finally {
    // Release the text, which may be megabytes long, before the next parse.
    input = options = peg$result = undefined;
    peg$maxFailExpected = [];
  }
}

function peg$run(peg$startRuleFunction) {
  peg$result = peg$startRuleFunction();
`,
  );
  // Compare in place: substr would make a string.
  replace(
    "comparison of a literal",
    /input\.substr\(peg\$currPos, \d+\) === (peg\$c\d+)/,
    "input.startsWith($1, peg$currPos)",
  );
  return edits.text;
}
