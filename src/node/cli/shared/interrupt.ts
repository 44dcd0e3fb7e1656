/** Ctrl-C, and other requests to end. */

/**
 * Call back on SIGINT, SIGTERM and SIGHUP, until the function that is returned is called.
 *
 * SIGHUP counts once, and is ignored from then on: when a terminal is closed, the shell sends it and so does the kernel, and a second
 * request ends a program before it has cleaned up.
 */
export function onInterrupt(callback: () => void): () => void {
  let isHungUp = false;
  const onHangup = (): void => {
    if (isHungUp) return;
    isHungUp = true;
    callback();
  };
  process.on("SIGINT", callback).on("SIGTERM", callback).on("SIGHUP", onHangup);
  return () => {
    process.off("SIGINT", callback).off("SIGTERM", callback);
    if (!isHungUp) process.off("SIGHUP", onHangup);
  };
}
