/**
 * Makes the functions of a generated parser once, instead of once in each parse, and leaves out what nobody asks it for.
 *
 * Peggy puts all of a parser into one function, so that each parse makes some two hundred closures before it looks at the text:
 * for a short command that is a third of the time. Here what that function declares is moved to the module, and what is left of
 * it sets the state and starts. The price: no parse inside of a parse, which no action of ours begins.
 *
 * Left out are the sentences that Peggy makes of an error, since ours are the server's: a third of a small parser. And parsing as a
 * part of something else, to find out how far a text would do.
 *
 * Every edit names what it expects of Peggy's output, and fails if that is not there.
 */

/** The text of a parser as Peggy writes it, changed. The grammar's initializer may declare functions only. */
export function hoisted(parser: string): string {
  let text = parser;
  const replace = (what: string, pattern: RegExp, by: string): void => {
    const count = [...text.matchAll(new RegExp(pattern, "g"))].length;
    if (count === 0) throw new Error(`Peggy's output has no ${what}`);
    text = text.replace(new RegExp(pattern, "g"), by);
  };
  replace(
    "sentences of an error",
    /\n {2}format\(sources\) {\n[\s\S]*?\n {2}}\n\n {2}static buildMessage\(expected, found\) {\n[\s\S]*?\n {2}}\n(?=}\n)/,
    "",
  );
  replace("sentence of an error", /peg\$SyntaxError\.buildMessage\(expected, found\)/, '"syntax error"');
  replace("result of a part", / {2}if \(options\.peg\$library\) {\n {4}return [^;]*;\n {2}}\n/, "");
  // What peg$parse is given becomes variables of the module, and so does its state.
  replace(
    "head of peg$parse",
    /function peg\$parse\(input, options\) {\n {2}options = options !== undefined \? options : {};\n/,
    "let input, options;\n",
  );
  replace("source", /const peg\$source = options\.grammarSource;/, "const peg$source = undefined;");
  replace("start rule", /let peg\$startRuleFunction = (peg\$parse\w+);/, "const peg$defaultStartRule = $1;");
  replace("position", /let peg\$currPos = options\.peg\$currPos \| 0;/, "let peg$currPos = 0;");
  replace("positions seen", /const peg\$posDetailsCache = (\[.*\]);/, "let peg$posDetailsCache = $1;");
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
  peg$posDetailsCache = [{ line: 1, column: 1 }];
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
  return text;
}
