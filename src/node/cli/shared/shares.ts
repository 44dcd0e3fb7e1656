/** Statistics: what takes how many bytes, the largest first. */
import { aligned, bar, number, type Page } from "./people.ts";

/** The entries of a map, those with the most bytes first. */
export function largestFirst<V>(shares: ReadonlyMap<string, V>, bytesOf: (share: V) => number): [string, V][] {
  return [...shares].sort(([, a], [, b]) => bytesOf(b) - bytesOf(a));
}

/** A row of a chart. */
export interface Bar {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  /** Cells after the others, the same number in each row. */
  readonly more?: readonly string[];
}

/** How many rows a chart has. */
const ROWS = 20;

export function showBars(page: Page, rows: readonly Bar[], totalBytes: number): void {
  const shown = rows.slice(0, ROWS);
  const cells = aligned(shown.map((row) => [...barCells(row, totalBytes), ...(row.more ?? [])]));
  page.table(
    cells.map(([name, ...numbers], i) => [name!, bar(shown[i]!.bytes / Math.max(1, totalBytes)), ...numbers]),
    ["bold", "cyan"],
  );
  if (rows.length > ROWS) page.line(`  … ${number(rows.length - ROWS)} more`);
}

/** Name, count, bytes and percentage. */
export function barCells({ name, count, bytes }: Bar, totalBytes: number): string[] {
  return [name, number(count), number(bytes), percent(bytes, totalBytes)];
}

/** "12.5 %"; of nothing, 0.0 %. */
export function percent(part: number, whole: number): string {
  return `${((part / Math.max(1, whole)) * 100).toFixed(1)} %`;
}
