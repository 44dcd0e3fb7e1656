/** Asks live servers again what rows say that they said, from the files alone. */
import { isDeepStrictEqual } from "node:util";
import { readRows } from "./dataset.ts";
import type { Kind, Row } from "./kind.ts";
import { plain, startAsked } from "./make.ts";

export interface Difference {
  readonly file: string;
  readonly major: number;
  readonly row: Row;
  readonly now: unknown;
}

/**
 * Asks a server of this major all rows of these kinds that it has an answer in, or one in `step` of each.
 *
 * @param options.seed Which of them.
 */
export async function checkRows(
  kinds: readonly Kind[],
  major: number,
  { step = 1, seed = 0 }: { readonly step?: number; readonly seed?: number } = {},
): Promise<{ readonly asked: ReadonlyMap<string, number>; readonly differences: readonly Difference[] }> {
  const server = await startAsked(major);
  try {
    const asked = new Map<string, number>();
    const differences: Difference[] = [];
    for (const kind of kinds.filter(({ onlyRecorded }) => onlyRecorded !== true)) {
      const all = readRows(kind).filter(({ versions }) => versions.includes(major));
      // Of few rows one.
      const each = Math.min(step, all.length);
      const rows = all.filter((_, i) => i % each === seed % each);
      const said = await kind.ask(
        server,
        rows.map(({ input }) => input),
        () => {},
      );
      for (const [i, row] of rows.entries()) {
        const now = said[i] === undefined ? undefined : plain(said[i]);
        const isSame = kind.isSame ?? isDeepStrictEqual;
        if (now === undefined || !isSame(row.said, now)) differences.push({ file: kind.name, major, row, now });
      }
      asked.set(kind.name, rows.length);
    }
    return { asked, differences };
  } finally {
    await server.stop();
  }
}
