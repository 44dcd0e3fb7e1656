/** "Did you mean …?" */

/** The candidates with the fewest typing errors; none if all have more than two (one in words of up to three letters). */
export function nearest(word: string, candidates: readonly string[]): string[] {
  const limit = word.length < 4 ? 1 : 2;
  const near = candidates
    .map((candidate) => ({ candidate, errors: typingErrors(word, candidate, limit) }))
    .filter(({ errors }) => errors <= limit);
  const least = Math.min(...near.map(({ errors }) => errors));
  return near.filter(({ errors }) => errors === least).map(({ candidate }) => candidate);
}

/** The Damerau-Levenshtein distance: missing, extra, wrong and swapped letters. Above the limit it is only a lower bound. */
function typingErrors(a: string, b: string, limit: number): number {
  // A prefix is an abbreviation.
  if (a.length >= 3 && b.startsWith(a)) return 1;
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
