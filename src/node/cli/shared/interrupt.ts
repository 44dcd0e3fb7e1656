/** Ctrl-C. */

/** Call back on SIGINT and SIGTERM, until the function that is returned is called. */
export function onInterrupt(callback: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, callback);
  return () => {
    for (const signal of signals) process.off(signal, callback);
  };
}
