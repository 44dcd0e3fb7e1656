/** "Did you mean …?" */

/** The words that someone who typed `word` may have meant: those with the fewest typing errors, if these are few. */
export function nearest(word: string, candidates: readonly string[]): string[] {
  const limit = word.length < 4 ? 1 : 2;
  const near = candidates
    .map((candidate) => ({ candidate, errors: typingErrors(word, candidate, limit) }))
    .filter(({ errors }) => errors <= limit);
  const least = Math.min(...near.map(({ errors }) => errors));
  return near.filter(({ errors }) => errors === least).map(({ candidate }) => candidate);
}

/** Letters that are missing, too many, wrong or swapped (the distance of Damerau and Levenshtein); above the limit just a larger number. */
function typingErrors(a: string, b: string, limit: number): number {
  // A beginning is an abbreviation.
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
