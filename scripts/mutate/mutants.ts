/** Mutants: small changes of a source that a test should see. Each is one replacement of one node of the syntax tree. */
import ts from "typescript";

export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The text from `start` to `end` becomes `text`. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The index of its node in the sites of the file. */
  readonly site: number;
}

/** A node with mutants; the coverage run notes when it runs. */
export interface Site {
  readonly start: number;
  readonly end: number;
  readonly statement: boolean;
}

const operators: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
};

/** All mutants of a source, and their sites. */
export function mutantsOf(file: string, source: string): { mutants: Mutant[]; sites: Site[] } {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const sites: Site[] = [];
  const begin = (node: ts.Node) => node.getStart(tree);

  const add = (
    node: ts.Node,
    replacements: readonly string[],
    start = begin(node),
    end = node.end,
    at = whole(node),
  ) => {
    const statement = ts.isStatement(at);
    let site = sites.findIndex((each) => each.start === begin(at) && each.end === at.end);
    if (site === -1) site = sites.push({ start: begin(at), end: at.end, statement }) - 1;
    const line = tree.getLineAndCharacterOfPosition(start).line + 1;
    for (const text of replacements) {
      if (text !== source.slice(start, end)) mutants.push({ file, line, start, end, text, site });
    }
  };
  const condition = (node: ts.Expression, values: readonly string[]) => {
    if (node.kind !== ts.SyntaxKind.TrueKeyword && node.kind !== ts.SyntaxKind.FalseKeyword) add(node, values);
  };
  /** An element goes, with the comma after it. */
  const without = (node: ts.Node, at: ts.Node) => {
    const comma = /^\s*,/.exec(source.slice(node.end))?.[0].length ?? 0;
    add(node, [""], begin(node), node.end + comma, at);
  };

  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isBinaryExpression(node)) {
      const { operatorToken: token, left, right } = node;
      const assigned = ts.isArrayLiteralExpression(left) || ts.isObjectLiteralExpression(left);
      const replacements = operators[token.getText(tree)] ?? [];
      if (replacements.length > 0) add(node, replacements, begin(token), token.end);
      if (assigned) return visit(right);
    } else if (ts.isPrefixUnaryExpression(node)) {
      const { operator, operand } = node;
      const inner = operand.getText(tree);
      if (operator === ts.SyntaxKind.ExclamationToken) add(node, [inner]);
      if (operator === ts.SyntaxKind.MinusToken) add(node, [`(${inner})`]);
      if (operator === ts.SyntaxKind.PlusPlusToken) add(node, [`--${inner}`]);
      if (operator === ts.SyntaxKind.MinusMinusToken) add(node, [`++${inner}`]);
    } else if (ts.isPostfixUnaryExpression(node)) {
      const inner = node.operand.getText(tree);
      add(node, [node.operator === ts.SyntaxKind.PlusPlusToken ? `${inner}--` : `${inner}++`]);
    } else if (ts.isIfStatement(node)) condition(node.expression, ["true", "false"]);
    else if (ts.isConditionalExpression(node)) condition(node.condition, ["true", "false"]);
    else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) condition(node.expression, ["false"]);
    else if (ts.isForStatement(node) && node.condition !== undefined) condition(node.condition, ["false"]);
    else if (ts.isNumericLiteral(node) && !named(node)) add(node, [`(${node.text} + 1)`]);
    else if (ts.isBigIntLiteral(node)) add(node, [`(${node.getText(tree)} + 1n)`]);
    else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, ["false"]);
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, ["true"]);
    else if (ts.isStringLiteral(node) && !named(node)) add(node, [node.text === "" ? '"mutant"' : '""']);
    else if ((ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node)) && !tagged(node)) {
      add(node, ['""']);
    } else if (ts.isExpressionStatement(node) || ts.isThrowStatement(node))
      add(node, [";"], undefined, undefined, node);
    else if (ts.isContinueStatement(node) || ts.isBreakStatement(node)) add(node, [";"], undefined, undefined, node);
    else if (ts.isReturnStatement(node) && node.expression === undefined) add(node, [";"], undefined, undefined, node);
    else if (ts.isPropertyAccessExpression(node) && node.questionDotToken) {
      add(node, ["."], begin(node.questionDotToken), node.questionDotToken.end);
    } else if (ts.isArrayLiteralExpression(node)) {
      for (const each of node.elements) without(each, ts.isSpreadElement(each) ? whole(each.expression) : whole(each));
    } else if (ts.isPropertyAssignment(node)) without(node, whole(node.initializer));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { mutants, sites };
}

/** The expression around a chain such as `a?.b.c()`, of which no part can be put into parentheses alone. */
function whole(node: ts.Node): ts.Node {
  const { parent } = node;
  const chained =
    ts.isPropertyAccessExpression(parent) || ts.isCallExpression(parent) || ts.isElementAccessExpression(parent);
  return (chained && parent.expression === node) || ts.isNonNullExpression(parent) ? whole(parent) : node;
}

/** Whether a literal is the name of a property. */
function named(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent)) && parent.name === node;
}

function tagged({ parent }: ts.Node): boolean {
  return ts.isTaggedTemplateExpression(parent);
}

/** The source with a mark at each site: `walwireHits[first + index]` becomes 1 when it runs. */
export function marked(source: string, sites: readonly Site[], first: number): string {
  const edits = sites.flatMap(({ start, end, statement }, index) => {
    const mark = `globalThis.walwireHits[${first + index}]=1`;
    const length = end - start;
    // Outer nodes open first and close last; of a statement and its expression with the same places, the statement is outer.
    const order = 2 * length + (statement ? 1 : 0);
    return [
      { at: start, closes: false, order: -order, text: statement ? `{${mark};` : `(${mark},` },
      { at: end, closes: true, order, text: statement ? "}" : ")" },
    ];
  });
  edits.sort((a, b) => a.at - b.at || Number(b.closes) - Number(a.closes) || a.order - b.order);
  let out = "";
  let at = 0;
  for (const edit of edits) {
    out += source.slice(at, edit.at) + edit.text;
    at = edit.at;
  }
  return out + source.slice(at);
}
