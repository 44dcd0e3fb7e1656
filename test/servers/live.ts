/** What test files of the "live" project use: the servers that vitest-setup.ts has started for the run. */
import { inject } from "vitest";
import { times } from "../seed.ts";
import { attach, type Server } from "./index.ts";
import type {} from "./vitest-setup.ts"; // it declares what inject() gives

/** The majors that are up: all of this platform's, or those that WALWIRE_MAJORS names. */
export const liveMajors: readonly number[] = inject("servers").map(({ major }) => major);

/**
 * Those of them that tests with a server of their own take. With WALWIRE_RUNS below 1, as CI has it, these are four, between which lie
 * all changes of what is sent and written: each start costs a second.
 */
export const ownServerMajors: readonly number[] =
  times < 1 ? liveMajors.filter((major) => [10, 14, 17, 18].includes(major)) : liveMajors;

/** The run's server of a major. It is everybody's: make databases, slots and publications under names of your own. */
export function liveServer(major: number): Server {
  const address = inject("servers").find((server) => server.major === major);
  if (address === undefined) throw new Error(`No PostgreSQL ${major} is up, only ${liveMajors.join(", ")}.`);
  return attach(address);
}
