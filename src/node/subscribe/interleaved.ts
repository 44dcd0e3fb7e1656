/** Several generators as one. */

/**
 * What several generators yield, as it comes. Each is at most one value ahead: while a value of it is worked on, its next one is made.
 *
 * @throws the first error of one of them. The others are left as they are: it is for the caller to end them.
 */
export async function* interleaved<T>(sources: readonly AsyncGenerator<T, void>[]): AsyncGenerator<T, void> {
  const ready: { readonly source: AsyncGenerator<T, void>; readonly result: IteratorResult<T, void> }[] = [];
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const pull = (source: AsyncGenerator<T, void>): void => {
    source.next().then(
      (result) => {
        ready.push({ source, result });
        wake?.();
      },
      (error: unknown) => {
        failure ??= { error };
        wake?.();
      },
    );
  };
  for (const source of sources) pull(source);
  for (let running = sources.length; running > 0; ) {
    if (failure !== undefined) throw failure.error;
    const next = ready.shift();
    if (next === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    } else if (next.result.done === true) {
      running--;
    } else {
      pull(next.source);
      yield next.result.value;
    }
  }
}
