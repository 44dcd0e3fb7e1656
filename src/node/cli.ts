#!/usr/bin/env node
/** The command line as a program; cli/main.ts is what it does. */
import { main } from "./cli/main.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read our output has gone, as `head` does.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
