#!/usr/bin/env node
/** The command line as a program; its code is in cli/main.ts. */
import { main } from "./cli/main.ts";
import { finish, watchOutput } from "./cli/shared/output.ts";

// pg looks at `navigator` to see whether it runs at Cloudflare. Node 20 has none; then pg makes a Response, for which Node loads undici:
// 25 of the 310 ms of processor time that the start of tail takes. This is what Node 21 and later have.
(globalThis as { navigator?: unknown }).navigator ??= {
  userAgent: `Node.js/${process.versions.node.split(".")[0]}`,
};

watchOutput();
finish(await main(process.argv.slice(2)));
