/** What test files of the "live" project use: the servers that vitest-setup.ts has started for the run. */
import { inject } from "vitest";
import { attach, type Server } from "./index.ts";
import type {} from "./vitest-setup.ts"; // it declares what inject() gives

/** The majors that are up: all of this platform's, or those that WALWIRE_MAJORS names. */
export const liveMajors: readonly number[] = inject("servers").map(({ major }) => major);

/** The run's server of a major. It is everybody's: make databases, slots and publications under names of your own. */
export function liveServer(major: number): Server {
  const address = inject("servers").find((server) => server.major === major);
  if (address === undefined) throw new Error(`No PostgreSQL ${major} is up, only ${liveMajors.join(", ")}.`);
  return attach(address);
}
