/** `walwire fuzz`: input for tests of replication software. What needs fast-check is loaded here. */
import { randomInt } from "node:crypto";
import { PeerMissingError } from "../../../kernel/errors.ts";
import type { Status } from "../shared/status.ts";
import type { FuzzCall } from "./declaration.ts";
import { dictionary } from "./dictionary.ts";

/** `walwire fuzz`. */
export async function run(call: FuzzCall): Promise<Status> {
  switch (call.verb) {
    case "emit":
      return (await withFastCheck(() => import("./emit.ts"))).emit(call, () => seedOf(call));
    case "attack":
      return (await withFastCheck(() => import("./attack/index.ts"))).attack(call, () => seedOf(call));
    case "impersonate":
      return (await withFastCheck(() => import("./impersonate/index.ts"))).impersonate(call, () => seedOf(call));
    case "minimize":
      return (await import("./minimize.ts")).minimize(call);
    case "dictionary":
      return dictionary();
  }
}

/** The seed of the call, or one that is printed, so that the call can be repeated. */
function seedOf({ options }: FuzzCall): number {
  if (options.seed !== undefined) return options.seed;
  const seed = randomInt(2 ** 32);
  process.stderr.write(`walwire: --seed ${seed}\n`);
  return seed;
}

/** @throws PeerMissingError */
async function withFastCheck<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" || !/fast-check/.test(message)) throw cause;
    throw new PeerMissingError(
      "inputs are made with the package fast-check, which is not installed: npm install fast-check",
      {
        cause,
      },
    );
  }
}
