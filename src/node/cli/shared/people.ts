/** Output for people: colours on a terminal, tables, and text that no terminal takes for anything but text. */
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

  /** A line that is good, bad or neither at a glance. */
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
   * Rows in columns, indented, each column as wide as it needs to be; cells are made printable.
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

/** Characters: near enough to columns for text in most scripts. */
function width(text: string): number {
  return [...text].length;
}

/** What a line shows of a text that may be megabytes long. */
const SHOWN = 1000;

/** Text for a line: what a terminal might obey is written as an escape, and what is very long is cut. */
export function printable(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}

/** How wide a bar of everything is. */
const BAR = 30;

/** A part of a whole, 0 to 1, in eighths of a block. */
export function bar(part: number): string {
  const eighths = Math.max(1, Math.round(part * BAR * 8));
  return ("█".repeat(Math.floor(eighths / 8)) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]).padEnd(BAR);
}

/** Numbers to the right: all cells but the first of a row. */
export function aligned(rows: readonly (readonly string[])[]): string[][] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell : cell.padStart(widths[i]!))));
}

/** With a comma after each three digits. */
export function number(n: number): string {
  return n.toLocaleString("en");
}

export function bytes(n: number): string {
  return counted(n, "byte");
}
