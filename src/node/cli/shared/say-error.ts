/** Print a ParseError: the server's message as psql prints it, then our additions. */
import { drawCaret, type ParseError } from "../../../kernel/errors.ts";
import { listed } from "../../../kernel/words.ts";
import { type Page, printable } from "./people.ts";

/** @param place The line and the caret, if they are not those of the parsed text. */
export function sayError(page: Page, error: ParseError, place = drawCaret(error.text, error.offset)): void {
  const { sqlstate, message, detail, hint, expected, advice } = error;
  page.line(`${page.style("red", "ERROR:")}  ${sqlstate}: ${printable(message)}`);
  if (detail !== undefined) page.line(`DETAIL:  ${printable(detail)}`);
  if (hint !== undefined) page.line(`HINT:  ${printable(hint)}`);
  const [line, caret] = place;
  page.line(line);
  page.line(page.style("red", caret));
  if (expected.length > 0) page.line(`expected ${listed(expected)}`);
  sayAdvice(page, advice);
}

export function sayAdvice(page: Page, advice: string | undefined): void {
  if (advice !== undefined) page.line(page.style("cyan", printable(advice)));
}
