/** Where two byte strings begin to differ; undefined if they do not. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  if (a === b || Buffer.compare(a, b) === 0) return undefined;
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}
