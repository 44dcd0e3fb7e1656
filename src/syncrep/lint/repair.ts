/** The list of names in a value that the grammar of 9.6 and later rejects, and the mistakes in it. */
import { syncrepCapabilities } from "../capabilities.ts";
import { tokens } from "../parse.ts";
import { type Edit, edit, type Finding, type FindingCode, finding, MAX_FINDINGS, quoted, show } from "./findings.ts";

/** A standby name as it stands in the value. */
export interface Member {
  readonly name: string;
  readonly quoted: boolean;
  readonly offset: number;
  readonly end: number;
}

/** A name, number, keyword, comma or parenthesis. */
interface Piece extends Member {
  readonly kind: "name" | "number" | "keyword" | "," | "(" | ")";
  readonly mistake: Finding | undefined;
}

export interface Repair {
  /** Each with a fix. With all of them made the value may parse: the caller has to look. */
  readonly mistakes: readonly Finding[];
  readonly members: readonly Member[];
  /** Where the number is, if it is there. */
  readonly numSync: { readonly offset: number; readonly end: number } | undefined;
}

/** @returns undefined if the text does not look like a value with such mistakes, or has too many of them. */
export function repair(text: string, server: number): Repair | undefined {
  const { quorumCommit } = syncrepCapabilities.of(server);
  const pieces = piecesOf(text, server);
  if (pieces === undefined) return undefined;
  const mistakes: Finding[] = [];
  const members: Member[] = [];
  const mistake = (code: FindingCode, words: readonly string[], ...edits: Edit[]): void => {
    mistakes.push(finding(code, edits[0]!, words, edits));
  };
  const put = (at: number, what: string): Edit => edit({ offset: at, end: at }, what);

  // A keyword before anything but a comma is one, and so is a number before a list; otherwise they are names.
  let next = 0;
  const isList = (piece: Piece | undefined): boolean => piece !== undefined && piece.kind !== "," && piece.kind !== ")";
  const method = pieces[0]?.kind === "keyword" && isList(pieces[1]) ? pieces[next++] : undefined;
  const numSync = pieces[next]?.kind === "number" && isList(pieces[next + 1]) ? pieces[next++] : undefined;
  const first = pieces[next];
  const last = pieces.at(-1);
  let open = first?.kind === "(";
  let isClosed = last?.kind === ")";
  if (open) next++;
  if (!open && numSync === undefined && method !== undefined && first !== undefined && first.kind !== "number") {
    // `first a, b`
    const edits = [edit({ offset: method.end, end: first.offset }, " 1 (")];
    if (!isClosed) edits.push(put(last!.end, ")"));
    mistake("NUMBER_MISSING", ["1, and the list in parentheses"], ...edits);
    open = isClosed = true;
  } else if (open && numSync === undefined) {
    const one = method === undefined && quorumCommit ? "FIRST 1" : "1";
    mistake(
      "NUMBER_MISSING",
      [`${one} before the list`],
      put(first!.offset, `${method?.end === first!.offset ? " " : ""}${one} `),
    );
  } else if (!open && numSync !== undefined && first !== undefined) {
    const edits = [edit({ offset: numSync.end, end: first.offset }, " (")];
    if (!isClosed) edits.push(put(last!.end, ")"));
    mistake("PARENTHESIS_MISSING", [], ...edits);
    open = isClosed = true;
  }

  let previous: Piece | undefined;
  let comma: Piece | undefined;
  for (; next < pieces.length && pieces[next]!.kind !== ")"; next++) {
    const piece = pieces[next]!;
    if (piece.kind === "(" || mistakes.length > MAX_FINDINGS) return undefined;
    if (piece.kind === ",") {
      if (previous === undefined || comma !== undefined) extra(piece);
      else comma = piece;
      continue;
    }
    if (previous !== undefined && comma === undefined) {
      mistake("COMMA_MISSING", [show(previous.name), show(piece.name)], put(previous.end, ","));
    }
    if (piece.kind === "keyword") mistakes.push(inQuotes("KEYWORD_NEEDS_QUOTES", piece, piece.name));
    if (piece.mistake !== undefined) mistakes.push(piece.mistake);
    members.push(piece);
    previous = piece;
    comma = undefined;
  }
  if (comma !== undefined) extra(comma);
  // What is left is the closing parenthesis of an open one, or has no meaning.
  if (members.length === 0 || pieces.length - next > (open ? 1 : 0)) return undefined;
  if (open && !isClosed) mistake("PARENTHESIS_MISSING", [], put(last!.end, ")"));
  return { mistakes, members, numSync };

  function extra(piece: Piece): void {
    mistake("NAME_MISSING", [], edit(piece, ""));
  }
}

/** A name that needs double quotes. */
function inQuotes(code: FindingCode, place: { offset: number; end: number }, name: string, written = name): Finding {
  return finding(code, place, [written, quoted(name)], [edit(place, quoted(name))]);
}

/** The pieces of a value, in which names may lack the quotes that they need; undefined if something else is in it. */
function piecesOf(text: string, server: number): Piece[] | undefined {
  const { quorumCommit } = syncrepCapabilities.of(server);
  const list = tokens(text, server);
  const pieces: Piece[] = [];
  let mistakes = 0;
  for (let i = 0; i < list.length; i++) {
    const { offset } = list[i]!;
    const token = list[i]!.text;
    let end = offset + token.length;
    let kind: Piece["kind"] = "name";
    let name = token;
    let mistake: Finding | undefined;
    if (token === "," || token === "(" || token === ")") kind = token;
    else if (token.startsWith('"')) name = token.slice(1, -1).replaceAll('""', '"');
    else if (token === "'") {
      while (list[++i] !== undefined && list[i]!.text !== "'");
      if (list[i] === undefined) return undefined;
      end = list[i]!.offset + 1;
      name = text.slice(offset + 1, end - 1);
      mistake = inQuotes("SINGLE_QUOTES", { offset, end }, name, text.slice(offset, end));
    } else {
      while (list[i + 1]?.offset === end && !/^[,()"']/.test(list[i + 1]!.text)) end += list[++i]!.text.length;
      name = text.slice(offset, end);
      if (name !== token || !/^[\w*\x80-\uffff]/.test(token)) {
        // Other characters could be part of a name too, but may have been meant otherwise.
        if (!/^[\w\x80-\uffff][\w$\x80-\uffff.:/+@-]*$/.test(name)) return undefined;
        mistake = inQuotes("NAME_NEEDS_QUOTES", { offset, end }, name);
      } else if (/^\d/.test(token)) kind = "number";
      else if (quorumCommit && /^(any|first)$/i.test(token)) kind = "keyword";
    }
    // Two names without anything between them are probably not two.
    const before = pieces.at(-1);
    if (before?.end === offset && ![before.kind, kind].some((each) => each === "," || each === "(" || each === ")"))
      return undefined;
    if (mistake !== undefined && ++mistakes > MAX_FINDINGS) return undefined;
    pieces.push({ kind, name, quoted: token.startsWith('"'), offset, end, mistake });
  }
  return pieces;
}
