/** Output for people: colours on a terminal, tables, and text without control characters. */
import { styleText } from "node:util";
import { counted } from "../../../kernel/words.ts";
import type { Output } from "../../conversation.ts";
import { hasColors } from "./output.ts";

type Style = Parameters<typeof styleText>[0];

const marks = {
  good: { sign: "✔", style: "green" },
  bad: { sign: "✘", style: "red" },
  neutral: { sign: "→", style: "blue" },
} as const;

export type Mark = keyof typeof marks;

/** Lines on an output, coloured if it is a terminal. */
export class Page {
  readonly #output: Output;
  readonly #colour: boolean;

  constructor(output: Output) {
    this.#output = output;
    this.#colour = hasColors(output);
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  line(text = ""): void {
    this.#output.write(`${text}\n`);
  }

  /** A line with a mark: good, bad or neutral. */
  mark(kind: Mark, text: string): void {
    const { sign, style } = marks[kind];
    this.line(`${this.style(style, sign)} ${text}`);
  }

  /** A heading, after an empty line. */
  heading(text: string): void {
    this.line();
    this.line(this.style("bold", text));
  }

  /**
   * Rows in columns, indented, each column as wide as its widest cell. Control characters in cells become escapes.
   *
   * @param styles One for each column.
   */
  table(rows: readonly (readonly string[])[], styles: readonly (Style | undefined)[] = []): void {
    const cells = rows.map((row) => row.map(printable));
    const widths = cells.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, width(cell))), []);
    for (const row of cells) {
      const padded = row.map((cell, i) => {
        const padding = " ".repeat(widths[i]! - width(cell));
        const style = styles[i];
        return (style === undefined || cell === "" ? cell : this.style(style, cell)) + padding;
      });
      this.line(`  ${padded.join("  ").trimEnd()}`);
    }
  }
}

/** Width in characters, which is close to columns for text in most scripts. */
function width(text: string): number {
  return [...text].length;
}

/** How many characters of a text a line shows. */
const SHOWN = 1000;

/** Text for a line: control characters become escapes, and long text is truncated. */
export function printable(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}

/** The width of a bar of 100 %, in characters. */
const BAR = 30;

/** A bar for a part of a whole, from 0 to 1, in eighths of a block. */
export function bar(part: number): string {
  const eighths = Math.max(1, Math.round(part * BAR * 8));
  return ("█".repeat(Math.floor(eighths / 8)) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]).padEnd(BAR);
}

/** Align all cells but the first of a row to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[][] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell : cell.padStart(widths[i]!))));
}

/** With commas between groups of three digits. */
export function number(n: number): string {
  return n.toLocaleString("en");
}

export function bytes(n: number): string {
  return counted(n, "byte");
}
