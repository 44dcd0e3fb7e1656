/**
 * Dispatches to a subcommand and handles its errors. Exit statuses are in shared/status.ts; the options of a subcommand are in its
 * declaration.ts.
 */
import { help, overview } from "./shared/help.ts";
import { nearest } from "./shared/nearest.ts";
import { didYouMean } from "./shared/read-call.ts";
import { type Status, status } from "./shared/status.ts";
import { UsageError } from "./shared/usage.ts";
import { declarations, type Subcommand, subcommands } from "./subcommands.ts";

/**
 * Run the program with its arguments.
 *
 * @returns the exit status. Errors of the call, the input or the server are written to standard error.
 * @throws any other error, which is a bug of walwire.
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    return await dispatch(name, rest);
  } catch (error) {
    if (error instanceof UsageError) return sayWrongCall(error, name);
    const { explain } = await import("./shared/explain-error.ts");
    const explained = explain(error);
    if (explained === undefined) throw error;
    process.stderr.write(`walwire: ${explained.sentence}\n`);
    return explained.status;
  }
}

async function dispatch(name: string | undefined, args: readonly string[]): Promise<Status> {
  if (name === "--version" || name === "-V") return print(`${await version()}\n`);
  if (name === "--help" || name === "-h" || name === "help") {
    const [topic] = args;
    return print(topic === undefined ? overview(declarations) : help(find(topic).declaration));
  }
  if (name === undefined) throw new UsageError("missing command");
  const subcommand = find(name);
  const instead = subcommand.instead?.(args);
  if (instead !== undefined) return instead;
  const options = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  if (options.includes("--help") || options.includes("-h")) return print(help(subcommand.declaration));
  return subcommand.run(args);
}

function find(name: string): Subcommand {
  const found = subcommands.find(({ declaration }) => declaration.name === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    declarations.map((declaration) => declaration.name),
  );
  // A verb without its subcommand: walwire check.
  const verbs = declarations.filter(({ verbs = {} }) => Object.hasOwn(verbs, name));
  const meant = near.length > 0 ? near : verbs.map((declaration) => `walwire ${declaration.name} ${name}`);
  throw new UsageError(`unknown command ${JSON.stringify(name)}${didYouMean(meant)}`);
}

function sayWrongCall(error: UsageError, name: string | undefined): number {
  const declaration = declarations.find((each) => each.name === name);
  const called = declaration === undefined ? "walwire" : `walwire ${name}`;
  process.stderr.write(`${called}: ${error.message}\nSee ${called} --help.\n`);
  return status.wrongCall;
}

function print(text: string): Status {
  process.stdout.write(text);
  return status.good;
}

async function version(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  // This file is src/node/cli/main.ts or dist/node/cli/main.js.
  return JSON.parse(await readFile(new URL("../../../package.json", import.meta.url), "utf8")).version;
}
