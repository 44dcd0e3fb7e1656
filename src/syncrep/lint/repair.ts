/** The list of names in a value that the grammar of 9.6 and later rejects, and the mistakes in it. */
import { quoteIdentifier } from "../../text/identifier.ts";
import type { SyncrepCapabilities } from "../capabilities.ts";
import { blanks, matchEnd, type TextRange, tokenEnd } from "../parts.ts";
import {
  type Edit,
  edit,
  type Finding,
  type FindingCode,
  finding,
  inTypographicQuotes,
  MAX_FINDINGS,
  show,
} from "./findings.ts";

/** A name, number, keyword, comma or parenthesis, or text that may have been meant as any of them. */
interface Piece extends TextRange {
  readonly kind: "name" | "number" | "keyword" | "," | "(" | ")" | "unclear";
  readonly name: string;
  readonly mistake: Finding | undefined;
}

export interface Repair {
  /** Each with a fix. With all of them made the value may parse: the caller has to look. */
  readonly mistakes: readonly Finding[];
  /** The offset and the end of each name, as `partsOf` has them. */
  readonly places: readonly number[];
  /** The number, if it is there. */
  readonly numSync: TextRange | undefined;
}

/** @returns undefined if the text does not look like a value with such mistakes, or has too many of them. */
export function repair(text: string, has: SyncrepCapabilities): Repair | undefined {
  const mistakes: Finding[] = [];
  const places: number[] = [];
  const mistake = (code: FindingCode, words: readonly string[], ...edits: Edit[]): Edit[] => {
    mistakes.push(finding(code, edits[0]!, words, edits));
    return edits;
  };
  const put = (at: number, what: string): Edit => edit({ offset: at, end: at }, what);
  const extra = (comma: Piece): void => void mistake("NAME_MISSING", [], edit(comma, ""));

  // A keyword before anything but a comma is one, and so is a number before a list; otherwise they are names.
  const isList = (piece: Piece | undefined): boolean => piece !== undefined && piece.kind !== "," && piece.kind !== ")";
  const [one, two, three] = piecesOf(text, has);
  const method = one?.kind === "keyword" && isList(two) ? one : undefined;
  const [number, list] = method === undefined ? [one, two] : [two, three];
  const numSync = number?.kind === "number" && isList(list) ? number : undefined;
  const first = numSync === undefined ? number : list;
  if (first === undefined) return undefined;
  let isOpen = first.kind === "(";
  /** The edits that put in the parenthesis before the list; the one after it goes with them. */
  let opening: Edit[] | undefined;
  if (!isOpen && numSync === undefined && method !== undefined && first.kind !== "number") {
    // `first a, b`
    const where = edit({ offset: method.end, end: first.offset }, " 1 (");
    opening = mistake("NUMBER_MISSING", ["1, and the list in parentheses"], where);
  } else if (isOpen && numSync === undefined) {
    const one = method === undefined && has.quorumCommit ? "FIRST 1" : "1";
    const blank = method?.end === first.offset ? " " : "";
    mistake("NUMBER_MISSING", [`${one} before the list`], put(first.offset, `${blank}${one} `));
  } else if (!isOpen && numSync !== undefined) {
    opening = mistake("PARENTHESIS_MISSING", [], edit({ offset: numSync.end, end: first.offset }, " ("));
  }
  isOpen ||= opening !== undefined;

  let isClosed = false;
  let previous: Piece | undefined;
  let comma: Piece | undefined;
  let end = 0;
  for (const piece of piecesOf(text, has, first.offset)) {
    const { kind } = piece;
    if (kind === "unclear" || isClosed || mistakes.length > MAX_FINDINGS) return undefined;
    end = piece.end;
    if (kind === "(") {
      if (piece.offset !== first.offset) return undefined;
    } else if (kind === ")") {
      if (!isOpen) return undefined;
      isClosed = true;
    } else if (kind === ",") {
      if (previous === undefined || comma !== undefined) extra(piece);
      else comma = piece;
    } else {
      if (previous !== undefined && comma === undefined) {
        mistake("COMMA_MISSING", [show(previous.name), show(piece.name)], put(previous.end, ","));
      }
      if (kind === "keyword") mistakes.push(inQuotes("KEYWORD_NEEDS_QUOTES", piece, piece.name));
      if (piece.mistake !== undefined) mistakes.push(piece.mistake);
      places.push(piece.offset, piece.end);
      previous = piece;
      comma = undefined;
    }
  }
  if (previous === undefined) return undefined;
  if (comma !== undefined) extra(comma);
  if (isOpen && !isClosed) {
    if (opening === undefined) mistake("PARENTHESIS_MISSING", [], put(end, ")"));
    else opening.push(put(end, ")"));
  }
  return { mistakes, places, numSync };
}

function isPunctuation({ kind }: Piece): boolean {
  return kind === "," || kind === "(" || kind === ")";
}

/** A name that needs double quotes. */
function inQuotes(code: FindingCode, place: TextRange, name: string, written = name): Finding {
  return finding(code, place, [written, quoteIdentifier(name)], [edit(place, quoteIdentifier(name))]);
}

const run = /[^ \t\n\r\f\v,()"']+/y;

/** The pieces of a value, in which names may lack the quotes that they need. */
function* piecesOf(text: string, has: SyncrepCapabilities, from = 0): Generator<Piece, undefined> {
  let previous: Piece | undefined;
  for (let end = from; ; ) {
    const offset = matchEnd(blanks, text, end)!;
    const start = text[offset];
    if (start === undefined) return;
    const oneToken = tokenEnd(text, offset, has);
    end = matchEnd(run, text, offset) ?? oneToken;
    let kind: Piece["kind"] = "name";
    let name = text.slice(offset, end);
    let mistake: Finding | undefined;
    if (start === "," || start === "(" || start === ")") kind = start;
    else if (start === '"') name = name.slice(1, -1).replaceAll('""', '"');
    else if (start === "'") {
      end = text.indexOf("'", end) + 1;
      if (end === 0) {
        kind = "unclear";
        end = text.length;
      }
      name = text.slice(offset + 1, end - 1);
      mistake = inQuotes("SINGLE_QUOTES", { offset, end }, name, text.slice(offset, end));
    } else if (end > oneToken || !/^[\w*\x80-\uffff]/.test(start)) {
      // Other characters could be part of a name too, but may have been meant otherwise.
      if (!/^[\w\x80-\uffff][\w$\x80-\uffff.:/+@-]*$/.test(name)) kind = "unclear";
      const inside = inTypographicQuotes(name);
      const place = { offset, end };
      if (inside === undefined) mistake = inQuotes("NAME_NEEDS_QUOTES", place, name);
      else mistake = finding("TYPOGRAPHIC_QUOTES", place, [show(name), inside], [edit(place, inside)]);
    } else if (/^\d/.test(start)) kind = "number";
    else if (has.quorumCommit && /^(any|first)$/i.test(name)) kind = "keyword";
    const piece: Piece = { kind, name, offset, end, mistake };
    // Two names without anything between them are probably not two.
    if (previous?.end === offset && !isPunctuation(previous) && !isPunctuation(piece))
      yield { ...piece, kind: "unclear" };
    else yield piece;
    previous = piece;
  }
}
