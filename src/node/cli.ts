#!/usr/bin/env node
/** The command line as a program; its code is in cli/main.ts. */
import { main } from "./cli/main.ts";
import { finish, watchOutput } from "./cli/shared/output.ts";

watchOutput();
finish(await main(process.argv.slice(2)));
